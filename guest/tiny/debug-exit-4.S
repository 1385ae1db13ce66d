/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* 16 bit: write 33 to the debug exit port, 4 wide: status 67. */
#include "guest/tiny/tiny.h"

	.code16
	.globl	_start
_start:
	movw	$EXIT_DEBUG, %dx
	movl	$33, %eax
	outl	%eax, %dx
1:	hlt
	jmp	1b
