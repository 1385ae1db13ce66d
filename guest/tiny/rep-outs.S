/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* 16 bit: a string instruction with a count: one exit, many accesses. */
#include "guest/tiny/tiny.h"

	.code16
	.globl	_start
_start:
	cld
	movw	$text, %si
	movw	$(end - text), %cx
	movw	$COM1, %dx
	rep outsb
	exit_with 0
text:	.ascii	"the quick brown fox jumps over the lazy dog\n"
end:
