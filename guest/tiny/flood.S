/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* 16 bit: characters without end. */
#include "guest/tiny/tiny.h"

	.code16
	.globl	_start
_start:
	movw	$COM1, %dx
	movb	$'x', %al
1:	outb	%al, %dx
	jmp	1b
