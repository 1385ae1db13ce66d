/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* 32 bit: an invalid opcode without an IDT. The registers are there to be seen in the report. */
	.code32
	.globl	_start
_start:
	movl	$0xfeedface, %eax
	lidt	nothing
	ud2
nothing: .fill 6, 1, 0
