/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* 32 bit: flat segments up to 4 GiB. */
#include "guest/tiny/tiny.h"

	.code32
	.globl	_start
_start:
	movl	0xfec00000, %eax
	testl	%eax, %eax		/* IOREGSEL */
	jnz	failed
	putc	'3'
	putc	'2'
	putc	'\n'
	exit_with 0
failed:
	exit_with 1
