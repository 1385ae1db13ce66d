/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* 16 bit: report a panic, if the port knows what that is. What follows must not run. */
#include "guest/tiny/tiny.h"

	.code16
	.globl	_start
_start:
	movw	$0x505, %dx
	inb	%dx, %al
	testb	$1, %al
	jz	1f
	movb	$2, %al			/* a crash kernel was loaded: goes on */
	outb	%al, %dx
	putc	'p'
	movw	$0x505, %dx
	movb	$1, %al
	outb	%al, %dx
1:	putc	'!'
	exit_with 9
