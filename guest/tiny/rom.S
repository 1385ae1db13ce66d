/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* 32 bit: print four bytes of the read-only memory at 1 MiB after trying to overwrite them. */
#include "guest/tiny/tiny.h"

#define ROM 0x100000

	.code32
	.globl	_start
_start:
	movl	$0x58585858, ROM
	movl	$ROM, %esi
	movl	$4, %ecx
	movw	$COM1, %dx
	cld
	rep outsb
	exit_with 0
