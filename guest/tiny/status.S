/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* 16 bit: end with status 42 through the status port, after writes to it that must do nothing. */
#include "guest/tiny/tiny.h"

	.code16
	.globl	_start
_start:
	movw	$EXIT_STATUS, %dx
	movw	$7, %ax
	outb	%al, %dx
	outw	%ax, %dx
	exit_with 42
