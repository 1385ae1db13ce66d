/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* 16 bit: say so, then run in a circle without an exit. */
#include "guest/tiny/tiny.h"

	.code16
	.globl	_start
_start:
	putc	's'
1:	jmp	1b
