/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* 64 bit: wide registers, paging on, and the low 4 GiB mapped. */
#include "guest/tiny/tiny.h"

	.code64
	.globl	_start
_start:
	movq	$0x123456789abcdef0, %rax
	shrq	$60, %rax
	cmpq	$1, %rax
	jne	failed
	movl	$0xfec00000, %ebx
	movl	(%rbx), %eax		/* IOREGSEL */
	testl	%eax, %eax
	jnz	failed
	putc	'6'
	putc	'4'
	putc	'\n'
	exit_with 0
failed:
	exit_with 1
