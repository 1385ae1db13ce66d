/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * 16 bit: print how often the machine has started, by a count that survives at 0x20000 (a file),
 * and reset it three times, in both ways there are. RAM at 0x10000 must be zero each time, and the
 * code whole although it spoils itself.
 */
#include "guest/tiny/tiny.h"

	.code16
	.globl	_start
_start:
	xorw	%ax, %ax
	movw	%ax, %es
	movw	$0x1000, %ax
	movw	%ax, %ds
	cmpb	$0, 0
	jne	spoiled
	movb	$1, 0
	cmpb	$0x5a, %es:whole
	jne	spoiled
	movb	$0, %es:whole
	movw	$0x2000, %ax
	movw	%ax, %ds
	incb	0
	movb	0, %bl
	movb	%bl, %al
	addb	$'0', %al
	movw	$COM1, %dx
	outb	%al, %dx
	/* Registers that must be as new the next time. */
	movw	$COM1 + 7, %dx
	inb	%dx, %al
	testb	%al, %al
	jnz	spoiled
	movb	$0x77, %al
	outb	%al, %dx
	cmpb	$4, %bl
	je	done
	testb	$1, %bl
	jz	even
	movw	$0x602, %dx
	movb	$1, %al
	outb	%al, %dx
	exit_with 8
even:	movb	$0xfe, %al
	outb	%al, $0x64
	exit_with 8
done:
	putc	'\n'
	exit_with 0
spoiled:
	exit_with 9
whole:
	.byte	0x5a
