/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* 32 bit: jump to where there is no memory. */
	.code32
	.globl	_start
_start:
	movl	$0xd0000000, %eax
	jmp	*%eax
