/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* 16 bit: send back what comes in on COM1, polled, up to and with the first newline. */
#include "guest/tiny/tiny.h"

	.code16
	.globl	_start
_start:
	movw	$COM1_LSR, %dx
	inb	%dx, %al
	testb	$LSR_DATA, %al
	jz	_start
	movw	$COM1, %dx
	inb	%dx, %al
	outb	%al, %dx
	cmpb	$'\n', %al
	jne	_start
	exit_with 0
