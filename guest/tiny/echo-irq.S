/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * 32 bit: the same, asleep between bytes: COM1 interrupts through IOAPIC pin 4. The transmitter's
 * first interrupt comes while the pin is masked and must not be lost: it prints a '>'.
 */
#include "guest/tiny/tiny.h"

#define IOAPIC	0xfec00000
#define LAPIC	0xfee00000
#define PIN	4
#define VECTOR	0x40
#define SPURIOUS 0xff
#define IER_RDA	 0x01
#define IER_THRE 0x02

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

	movw	$COM1_IER, %dx
	movb	$IER_THRE, %al
	outb	%al, %dx				/* an edge, at a masked pin */

	movl	$(0x11 + 2 * PIN), IOAPIC
	movl	$0, IOAPIC + 0x10
	movl	$(0x10 + 2 * PIN), IOAPIC
	movl	$VECTOR, IOAPIC + 0x10			/* fixed, edge, not masked */
wait:
	movl	$stack, %esp
	sti
1:	hlt
	jmp	1b

/*
 * The first interrupt is the transmitter's, all others are the receiver's. There is nothing to
 * return to but the wait, so that IRET, which not every KVM interprets, is not needed.
 */
handler:
	movw	$COM1_IER, %dx
	inb	%dx, %al
	cmpb	$IER_RDA, %al
	je	2f
	movb	$IER_RDA, %al
	outb	%al, %dx
	putc	'>'
	jmp	3f
2:	movw	$COM1_LSR, %dx
	inb	%dx, %al
	testb	$LSR_DATA, %al
	jz	3f
	movw	$COM1, %dx
	inb	%dx, %al
	outb	%al, %dx
	cmpb	$'\n', %al
	jne	2b
	exit_with 0
3:	movl	$0, LAPIC + 0xb0
	jmp	wait

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
