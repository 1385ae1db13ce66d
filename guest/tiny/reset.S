/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* 16 bit: reset through the keyboard controller. What follows must not run. */
#include "guest/tiny/tiny.h"

	.code16
	.globl	_start
_start:
	movb	$0xfe, %al
	outb	%al, $0x64
	putc	'!'
	exit_with 9
