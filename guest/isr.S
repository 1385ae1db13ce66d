/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Interrupt entry: a stub for each vector in use, which leaves a struct isr_frame on the stack and
 * calls isr_dispatch(), and the gate by which CPL 3 has a function run in ring 0. What the
 * interrupts mean is interrupts.c's.
 */
#include "guest/segments.h"

#define STUB_SIZE 16 /* interrupts.c counts on it */

	.text
	.balign	STUB_SIZE
	.globl	isr_stubs
isr_stubs:
	.set	vector, 0
	.rept	VECTOR_COUNT
	.balign	STUB_SIZE
	/* 8, 10 to 14, 17, 21, 29 and 30 come with an error code; the others get a zero. */
	.if	vector > 31 || !((0x60227d00 >> vector) & 1)
	pushq	$0
	.endif
	pushq	$vector
	jmp	isr_common
	.set	vector, vector + 1
	.endr

isr_common:
	cld
	pushq	%rax
	pushq	%rbx
	pushq	%rcx
	pushq	%rdx
	pushq	%rsi
	pushq	%rdi
	pushq	%rbp
	pushq	%r8
	pushq	%r9
	pushq	%r10
	pushq	%r11
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	movq	%rsp, %rdi
	call	isr_dispatch	/* 22 words below an aligned address: aligned again */
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%r11
	popq	%r10
	popq	%r9
	popq	%r8
	popq	%rbp
	popq	%rdi
	popq	%rsi
	popq	%rdx
	popq	%rcx
	popq	%rbx
	popq	%rax
	addq	$16, %rsp	/* vector and error code */
	iretq

/*
 * ring0(fn, arg). The gate is an invalid opcode at a known address: of the ways into ring 0, only
 * exceptions and interrupts work on every KVM that interprets ring 0; there a software interrupt is
 * not known, and syscall does not raise the privilege.
 */
	.globl	ring0
ring0:
	movl	%cs, %eax
	cmpl	$SEG_KERNEL_CODE, %eax
	je	1f
gate:	ud2
	ret
1:	movq	%rdi, %rax
	movq	%rsi, %rdi
	jmp	*%rax

	.globl	isr_invalid_opcode
isr_invalid_opcode:
	cmpq	$gate, (%rsp)
	jne	isr_stubs + 6 * STUB_SIZE
	addq	$2, (%rsp)		/* behind the ud2 */
	subq	$8, %rsp
	cld
	movq	%rdi, %rax
	movq	%rsi, %rdi
	call	*%rax
	addq	$8, %rsp
	iretq

/* A spurious interrupt wants no end-of-interrupt and nothing else. */
	.globl	isr_spurious
isr_spurious:
	iretq

	.section .note.GNU-stack, "", @progbits
