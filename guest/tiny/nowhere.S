/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* 32 bit: ports and memory that do not exist read as ones, and forget what is written. */
#include "guest/tiny/tiny.h"

#define NO_PORT	  0x1234
#define NO_MEMORY 0xd0000000

	.code32
	.globl	_start
_start:
	movw	$NO_PORT, %dx
	xorl	%eax, %eax
	outl	%eax, %dx
	inl	%dx, %eax
	incl	%eax
	jnz	failed
	inb	%dx, %al
	incb	%al
	jnz	failed
	movl	$0, NO_MEMORY
	movl	NO_MEMORY, %eax
	incl	%eax
	jnz	failed
	movw	$0, NO_MEMORY
	movw	NO_MEMORY, %ax
	incw	%ax
	jnz	failed
	exit_with 0
failed:
	exit_with 1
