/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* 16 bit: sleep states that do not exist are not entered; then off. What follows must not run. */
#include "guest/tiny/tiny.h"

	.code16
	.globl	_start
_start:
	movw	$0x600, %dx
	movb	$0x14, %al		/* S5 without SLP_EN */
	outb	%al, %dx
	movb	$0x2c, %al		/* S3 */
	outb	%al, %dx
	movw	$0x602, %dx
	xorb	%al, %al		/* not the reset value */
	outb	%al, %dx
	putc	'p'
	movw	$0x600, %dx
	movb	$0x34, %al
	outb	%al, %dx
	putc	'!'
	exit_with 9
