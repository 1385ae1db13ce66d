/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * 32 bit: for each two digits on COM1, a device D and a word W of its configuration, that word of
 * the virtio-mmio page in eight digits and a newline. 'q' ends with 0.
 */
#include "guest/tiny/tiny.h"

#define PAGES 0xfeb00100

	.code32
	.globl	_start
_start:
	movl	$0x8000, %esp
	putc	'>'
next:
	call	digit
	movl	%eax, %ebx
	shll	$12, %ebx
	call	digit
	movl	PAGES(%ebx,%eax,4), %ebx
	movl	$8, %ecx
1:	roll	$4, %ebx
	movl	%ebx, %eax
	andb	$15, %al
	addb	$'0', %al
	cmpb	$'9', %al
	jbe	2f
	addb	$('a' - '9' - 1), %al
2:	movw	$COM1, %dx
	outb	%al, %dx
	loop	1b
	putc	'\n'
	jmp	next

/* What comes in, as a number in %eax. */
digit:
	movw	$COM1_LSR, %dx
	inb	%dx, %al
	testb	$LSR_DATA, %al
	jz	digit
	movw	$COM1, %dx
	inb	%dx, %al
	cmpb	$'q', %al
	je	quit
	movzbl	%al, %eax
	subl	$'0', %eax
	ret
quit:
	exit_with 0
