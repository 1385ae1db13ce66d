/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * 32 bit: start all other processors by INIT and SIPI, wait until three of them have said so, and
 * leave with their number as status. Each adds one and sleeps.
 */
#include "guest/tiny/tiny.h"

#define LAPIC	     0xfee00000
#define LAPIC_SPIV   (LAPIC + 0xf0)
#define LAPIC_ICR    (LAPIC + 0x300)
#define ALL_BUT_SELF 0x000c0000
#define ASSERT	     0x00004000
#define INIT	     0x00000500
#define STARTUP	     0x00000600
#define COUNT	     0x3000

	.code32
	.globl	_start
_start:
	movl	$0x1ff, LAPIC_SPIV	/* software enable */
	movl	$0, COUNT
	movl	$ALL_BUT_SELF | ASSERT | INIT, LAPIC_ICR
	movl	$ALL_BUT_SELF | ASSERT | STARTUP | 2, LAPIC_ICR
1:	pause
	cmpl	$3, COUNT
	jne	1b
	movl	COUNT, %eax
	exit_eax

	/* Where the SIPI's vector points: page 2. */
	.balign	4096
	.code16
	xorw	%ax, %ax
	movw	%ax, %ds
	lock incl COUNT
2:	hlt
	jmp	2b
