/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* What the tiny guests share: leaving, and one character on COM1. For 16, 32 and 64 bit code. */
#ifndef GUEST_TINY_TINY_H
#define GUEST_TINY_TINY_H

#define COM1	    0x3f8
#define COM1_IER    0x3f9
#define COM1_LSR    0x3fd
#define LSR_DATA    0x01
#define EXIT_DEBUG  0xf4
#define EXIT_STATUS 0xf8

/* End with status %eax; the halt is never reached. */
	.macro	exit_eax
	movw	$EXIT_STATUS, %dx
	outl	%eax, %dx
1:	hlt
	jmp	1b
	.endm

	.macro	exit_with status
	movl	$\status, %eax
	exit_eax
	.endm

	.macro	putc character
	movw	$COM1, %dx
	movb	$\character, %al
	outb	%al, %dx
	.endm

#endif
