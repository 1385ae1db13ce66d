/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * 16 bit: 60,000 writes to the serial port's scratch register, a device that does nothing, then
 * exit. For the cost of a port-I/O exit.
 */
	.code16
	.globl	_start
_start:
	movw	$60000, %cx
	movw	$0x3ff, %dx
1:	outb	%al, %dx
	loop	1b
	movw	$0xf8, %dx
	xorl	%eax, %eax
	outl	%eax, %dx
	hlt
