/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * From the PVH entry point to kernel_main(). The processor arrives in 32-bit protected mode without
 * paging, EBX has the address of the start info; it leaves in 64-bit mode on page tables that map
 * the first 4 GiB to themselves.
 */
	.section .note.pvh, "a", @note
	.long	4, 8, 18		/* name's length, value's length, XEN_ELFNOTE_PHYS32_ENTRY */
	.asciz	"Xen"
	.quad	pvh_start

	.text
	.code32
	.globl	pvh_start
pvh_start:
	movl	$(1 << 5), %eax		/* CR4.PAE: page tables of 64-bit entries */
	movl	%eax, %cr4
	movl	$pml4, %eax
	movl	%eax, %cr3
	movl	$0xc0000080, %ecx	/* EFER.LME: long mode once paging is on */
	rdmsr
	orl	$(1 << 8), %eax
	wrmsr
	movl	$((1 << 31) | 1), %eax	/* CR0: paging and protection */
	movl	%eax, %cr0
	lgdt	gdt_pointer
	ljmp	$8, $long_mode		/* loads CS: from here on code is 64 bit */

	.code64
long_mode:
	movl	$16, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %ss
	movl	$stack_top, %esp
	movl	%ebx, %edi		/* the first argument */
	call	kernel_main
1:	hlt
	jmp	1b

	.data
	.balign	4096
pml4:	.quad	pdpt + 3		/* present, writable */
	.fill	511, 8, 0
pdpt:	.quad	pd + 3, pd + 0x1003, pd + 0x2003, pd + 0x3003
	.fill	508, 8, 0
pd:	.set	page, 0
	.rept	4 * 512
	.quad	page + 0x83		/* present, writable, 2 MiB */
	.set	page, page + 0x200000
	.endr
gdt:	.quad	0
	.quad	0x00af9b000000ffff	/* 8: 64-bit code */
	.quad	0x00cf93000000ffff	/* 16: data */
gdt_pointer:
	.word	gdt_pointer - gdt - 1
	.long	gdt

	.bss
	.balign	16
	.skip	8192
stack_top:
	.section .note.GNU-stack, "", @progbits
