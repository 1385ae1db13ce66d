/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The crash report. Everything in it is best effort: what KVM does not tell is left out. */
#include "vmm/crash.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#define CODE_BYTES 16

/* Where a processor begins. */
#define RESET_RIP     0xfff0
#define RESET_CS_BASE 0xffff0000

static void print_general(FILE *out, const struct kvm_regs *regs)
{
	fprintf(out, "  rip %016llx  rflags %08llx\n", regs->rip, regs->rflags);
	fprintf(out, "  rax %016llx  rbx %016llx  rcx %016llx  rdx %016llx\n", regs->rax, regs->rbx,
		regs->rcx, regs->rdx);
	fprintf(out, "  rsi %016llx  rdi %016llx  rbp %016llx  rsp %016llx\n", regs->rsi, regs->rdi,
		regs->rbp, regs->rsp);
	fprintf(out, "  r8  %016llx  r9  %016llx  r10 %016llx  r11 %016llx\n", regs->r8, regs->r9,
		regs->r10, regs->r11);
	fprintf(out, "  r12 %016llx  r13 %016llx  r14 %016llx  r15 %016llx\n", regs->r12, regs->r13,
		regs->r14, regs->r15);
}

static void print_segment(FILE *out, const char *name, const struct kvm_segment *segment)
{
	fprintf(out, "  %-3s %04x  base %016llx  limit %08x  type %x s %u dpl %u p %u l %u db %u\n",
		name, segment->selector, segment->base, segment->limit, segment->type, segment->s,
		segment->dpl, segment->present, segment->l, segment->db);
}

static void print_system(FILE *out, const struct kvm_sregs *sregs)
{
	print_segment(out, "cs", &sregs->cs);
	print_segment(out, "ss", &sregs->ss);
	print_segment(out, "ds", &sregs->ds);
	print_segment(out, "es", &sregs->es);
	print_segment(out, "fs", &sregs->fs);
	print_segment(out, "gs", &sregs->gs);
	print_segment(out, "tr", &sregs->tr);
	fprintf(out, "  gdt base %016llx limit %04x  idt base %016llx limit %04x\n",
		sregs->gdt.base, sregs->gdt.limit, sregs->idt.base, sregs->idt.limit);
	fprintf(out, "  cr0 %08llx  cr2 %016llx  cr3 %016llx  cr4 %08llx  efer %08llx\n",
		sregs->cr0, sregs->cr2, sregs->cr3, sregs->cr4, sregs->efer);
}

/* Byte by byte: the next may be on a page that is elsewhere, or nowhere. */
static void print_code(FILE *out, const struct vcpu *vcpu, uint64_t linear)
{
	const struct gm_memory *memory = gm_cell_enter(vcpu->env->memory);

	fputs("  code at rip", out);
	for (unsigned int i = 0; i < CODE_BYTES; i++) {
		struct kvm_translation at = {.linear_address = linear + i};
		uint8_t byte;

		if (ioctl(vcpu->fd, KVM_TRANSLATE, &at) || !at.valid ||
		    gm_read_obj(memory, at.physical_address, &byte)) {
			fputs(i ? " (no memory)" : ": there is no memory", out);
			break;
		}
		fprintf(out, " %02x", byte);
	}
	fputc('\n', out);
	gm_cell_leave(vcpu->env->memory);
}

static void print_state(FILE *out, const struct vcpu *vcpu)
{
	struct kvm_sregs sregs;
	struct kvm_regs regs;

	if (ioctl(vcpu->fd, KVM_GET_REGS, &regs) || ioctl(vcpu->fd, KVM_GET_SREGS, &sregs)) {
		fputs("  KVM does not tell its registers\n", out);
		return;
	}
	/* KVM on AMD resets a vCPU that triple-faulted before it says so. */
	if (regs.rip == RESET_RIP && sregs.cs.base == RESET_CS_BASE)
		fputs("  (these are the registers after a reset: this KVM does not keep others)\n",
		      out);
	print_general(out, &regs);
	print_system(out, &sregs);
	/* In long mode CS has no base, whatever the register says. */
	print_code(out, vcpu, regs.rip + (sregs.cs.l ? 0 : sregs.cs.base));
}

void crash_report(const struct vcpu *vcpu, const char *format, ...)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	va_list args;

	if (!out)
		return;
	fprintf(out, "vmm: vcpu %u: ", vcpu->index);
	va_start(args, format);
	vfprintf(out, format, args);
	va_end(args);
	fputc('\n', out);
	print_state(out, vcpu);
	if (fclose(out) == 0)
		log_text(LOG_LEVEL_ERROR, text, size);
	free(text);
}
