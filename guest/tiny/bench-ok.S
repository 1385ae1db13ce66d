/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* 16 bit: print OK, exit with status 0. The smallest guest that does something to see. */
	.code16
	.globl	_start
_start:
	movw	$0x3f8, %dx
	movb	$'O', %al
	outb	%al, %dx
	movb	$'K', %al
	outb	%al, %dx
	movb	$'\n', %al
	outb	%al, %dx
	movw	$0xf8, %dx
	xorl	%eax, %eax
	outl	%eax, %dx
	hlt
