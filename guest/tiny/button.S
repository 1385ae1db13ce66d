/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * 32 bit: asleep until the power button is pressed (IOAPIC pin 3); then off. In between it prints a
 * 'b'. With another byte on COM1 first, it takes no notice of the button.
 */
#include "guest/tiny/tiny.h"

#define IOAPIC	 0xfec00000
#define LAPIC	 0xfee00000
#define PIN	 3
#define VECTOR	 0x40
#define SPURIOUS 0xff

	.code32
	.globl	_start
_start:
	lgdt	gdtr
	movl	$handler, %eax
	movw	%ax, gate
	shrl	$16, %eax
	movw	%ax, gate + 6
	lidt	idtr
	movl	$(0x100 | SPURIOUS), LAPIC + 0xf0	/* enabled */
	movl	$(0x11 + 2 * PIN), IOAPIC
	movl	$0, IOAPIC + 0x10
	movl	$(0x10 + 2 * PIN), IOAPIC
	movl	$VECTOR, IOAPIC + 0x10			/* fixed, edge, not masked */
	putc	'>'
wait:
	movl	$stack, %esp
	sti
1:	hlt
	jmp	1b

handler:
	movl	$0, LAPIC + 0xb0
	putc	'b'
	movw	$COM1_LSR, %dx
	inb	%dx, %al
	testb	$LSR_DATA, %al
	jnz	wait
	movw	$0x600, %dx
	movb	$0x34, %al
	outb	%al, %dx
	exit_with 9

	.balign	8
idt:	.fill	VECTOR, 8, 0
gate:	.word	0, 0x10, 0x8e00, 0
idtr:	.word	. - idt - 1
	.long	idt
	.balign	8
gdt:	.quad	0, 0
	.quad	0x00cf9b000000ffff	/* 0x10: code */
	.quad	0x00cf93000000ffff	/* 0x18: data */
gdtr:	.word	. - gdt - 1
	.long	gdt
	.balign	8
	.fill	256
stack:
