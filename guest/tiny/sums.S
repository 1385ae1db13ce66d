/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * 32 bit: as many processors as a test wrote to CPUS compute the same sum, with a port read in each
 * round; the first compares them and leaves with 0 if all are the same and right, else with 1.
 */
#include "guest/tiny/tiny.h"

#define LAPIC	     0xfee00000
#define LAPIC_SPIV   (LAPIC + 0xf0)
#define LAPIC_ICR    (LAPIC + 0x300)
#define ALL_BUT_SELF 0x000c0000
#define ASSERT	     0x00004000
#define INIT	     0x00000500
#define STARTUP	     0x00000600
#define NEXT	     0x3000 /* bytes taken by sums */
#define DONE	     0x3004 /* processors that have finished */
#define CPUS	     0x3008
#define ROUNDS	     0x300c
#define SUMS	     0x3010
#define NOBODY	     0x999 /* a port that reads as ones */

	/* %ebp: the sum. Both for 16 and 32 bit code. */
	.macro	compute
	movl	$1, %ebp
	movl	ROUNDS, %ecx
	movw	$NOBODY, %dx
1:	xorl	%eax, %eax
	inb	%dx, %al
	imull	$3, %ebp, %ebp
	addl	%eax, %ebp
	decl	%ecx
	jnz	1b
	movl	$4, %ebx
	lock xaddl %ebx, NEXT
	movl	%ebp, SUMS(%ebx)
	lock incl DONE
	.endm

	.code32
	.globl	_start
_start:
	movl	$0x1ff, LAPIC_SPIV
	movl	$ALL_BUT_SELF | ASSERT | INIT, LAPIC_ICR
	movl	$ALL_BUT_SELF | ASSERT | STARTUP | 2, LAPIC_ICR
	compute
2:	pause
	movl	DONE, %eax
	cmpl	CPUS, %eax
	jne	2b
	/* The same again, without the port. */
	movl	$1, %ebp
	movl	ROUNDS, %ecx
3:	imull	$3, %ebp, %ebp
	addl	$0xff, %ebp
	decl	%ecx
	jnz	3b
	movl	CPUS, %ecx
4:	cmpl	%ebp, SUMS - 4(, %ecx, 4)
	jne	5f
	decl	%ecx
	jnz	4b
	exit_with 0
5:	exit_with 1

	.balign	4096
	.code16
	xorw	%ax, %ax
	movw	%ax, %ds
	compute
6:	hlt
	jmp	6b
