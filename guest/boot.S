/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * From the PVH entry point to C: protected mode, page tables, long mode, ring 0 set-up, and down to
 * CPL 3, where everything else runs (README.md says why). Also the static page tables, the GDT and
 * the two notes in the ELF file. Interrupt entry is in isr.S.
 */
#include "guest/abi.h"
#include "guest/segments.h"

#define NT_XEN_PHYS32_ENTRY 18

#define PTE_TABLE 0x07 /* present, writable, user */
#define PTE_LARGE 0x87 /* the same, 2 MiB page */

#define CR0_PE	 (1 << 0)
#define CR0_PG	 (1 << 31)
#define CR4_PAE	 (1 << 5)
#define MSR_EFER 0xc0000080
#define EFER_LME (1 << 8)

#define RFLAGS_IF 0x202

	.section .note.pvh, "a", @note
	.balign	4
	.long	2f - 1f, 4f - 3f, NT_XEN_PHYS32_ENTRY
1:	.asciz	"Xen"
2:	.balign	4
3:	.quad	pvh_start
4:	.balign	4

	.section .note.vmm, "a", @note
	.balign	4
	.long	2f - 1f, 0, ABI_NOTE_REGIONS
1:	.asciz	ABI_NOTE_NAME
2:	.balign	4

/* --- entry: 32-bit protected mode, flat segments, EBX = the start info --------------------- */

	.text
	.code32
	.globl	pvh_start
pvh_start:
	cld
	movl	%ebx, start_info_address
	movl	$CR4_PAE, %eax
	movl	%eax, %cr4
	movl	$pml4, %eax
	movl	%eax, %cr3
	movl	$MSR_EFER, %ecx
	rdmsr
	orl	$EFER_LME, %eax
	wrmsr
	movl	$(CR0_PG | CR0_PE), %eax
	movl	%eax, %cr0
	lgdt	gdt_pointer
	ljmp	$SEG_KERNEL_CODE, $long_mode

	.code64
long_mode:
	xorl	%eax, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %fs
	movl	%eax, %gs
	movl	%eax, %ss
	movl	$kernel_stack_top, %esp
	call	kernel_init
	pushq	$SEG_USER_DATA
	pushq	$(user_stack_top - 8)	/* as if kernel_main had been called */
	pushq	$RFLAGS_IF
	pushq	$SEG_USER_CODE
	pushq	$kernel_main
	iretq

/* --- tables -------------------------------------------------------------------------------- */

	.data
	.balign	4096
	.globl	pml4, pdpt
pml4:	.quad	pdpt + PTE_TABLE
	.fill	511, 8, 0
pdpt:	.quad	pd + PTE_TABLE, pd + 0x1000 + PTE_TABLE
	.quad	pd + 0x2000 + PTE_TABLE, pd + 0x3000 + PTE_TABLE
	.fill	508, 8, 0
pd:	.set	page, 0
	.rept	4 * 512				/* 4 GiB */
	.quad	page + PTE_LARGE
	.set	page, page + 0x200000
	.endr

	.balign	16
	.globl	gdt
gdt:	.quad	0
	.quad	0x00af9b000000ffff		/* SEG_KERNEL_CODE */
	.quad	0x00cf93000000ffff		/* SEG_KERNEL_DATA */
	.quad	0x00cff3000000ffff		/* SEG_USER_DATA */
	.quad	0x00affb000000ffff		/* SEG_USER_CODE */
	.quad	0, 0				/* SEG_TSS: its base is split, C fills it in */
gdt_pointer:
	.word	gdt_pointer - gdt - 1
	.long	gdt

	.globl	start_info_address
start_info_address:
	.quad	0

	.bss
	.balign	16
	.globl	kernel_stack_top
	.skip	8192
kernel_stack_top:
	.skip	16384
user_stack_top:

	.section .note.GNU-stack, "", @progbits
