/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* 16 bit: say so, then halt with interrupts off: forever, unless someone ends it. */
#include "guest/tiny/tiny.h"

	.code16
	.globl	_start
_start:
	putc	'h'
	cli
1:	hlt
	jmp	1b
