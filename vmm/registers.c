/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The registers a vCPU starts with: struct boot_state in KVM's structures, for each of the three
 * modes a kernel may be entered in.
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "vmm/vcpu.h"

#define CR0_PE (1U << 0)
#define CR0_MP (1U << 1)
#define CR0_ET (1U << 4)
#define CR0_NE (1U << 5)
#define CR0_PG (1U << 31)

#define CR4_PAE (1U << 5)

#define EFER_LME (1U << 8)
#define EFER_LMA (1U << 10)

#define RFLAGS_FIXED 2 /* bit 1 always reads as set */

#define SELECTOR_CODE 0x10 /* as in the GDT of struct boot_state */
#define SELECTOR_DATA 0x18

#define TYPE_CODE 0xb /* execute, read, accessed */
#define TYPE_DATA 0x3 /* read, write, accessed */
#define TYPE_TSS  0xb /* busy */

#define MSR_MISC_ENABLE             0x1a0
#define MSR_MISC_ENABLE_FAST_STRING 1
#define MSR_MTRR_DEF_TYPE           0x2ff
#define MSR_MTRR_ENABLE_WRITE_BACK  0x806

static void set_flat(struct kvm_segment *segment, uint16_t selector, uint8_t type, bool wide)
{
	*segment = (struct kvm_segment){
		.selector = selector,
		.limit = 0xffffffff,
		.type = type,
		.present = 1,
		.s = 1,
		.g = 1,
		.db = !wide,
		.l = wide,
	};
}

static void set_data_segments(struct kvm_sregs *sregs, const struct kvm_segment *data)
{
	sregs->ds = *data;
	sregs->es = *data;
	sregs->fs = *data;
	sregs->gs = *data;
	sregs->ss = *data;
}

/* As after reset, but for where CS points. */
static void set_real(struct kvm_sregs *sregs, uint64_t entry)
{
	struct kvm_segment data = {
		.limit = 0xffff,
		.type = TYPE_DATA,
		.present = 1,
		.s = 1,
	};

	set_data_segments(sregs, &data);
	sregs->cs = data;
	sregs->cs.type = TYPE_CODE;
	sregs->cs.selector = (uint16_t)(entry >> 4);
	sregs->cs.base = entry & ~0xfULL;
	sregs->cr0 = CR0_ET;
}

static void set_protected(struct kvm_sregs *sregs, const struct boot_state *state)
{
	bool wide = state->mode == BOOT_LONG;
	struct kvm_segment data;

	set_flat(&sregs->cs, SELECTOR_CODE, TYPE_CODE, wide);
	set_flat(&data, SELECTOR_DATA, TYPE_DATA, false);
	set_data_segments(sregs, &data);
	sregs->tr = (struct kvm_segment){.limit = 0x67, .type = TYPE_TSS, .present = 1};
	sregs->ldt = (struct kvm_segment){.unusable = 1};
	sregs->idt.base = 0;
	sregs->idt.limit = 0;
	sregs->cr0 = CR0_PE | CR0_ET;
	if (!wide)
		return;
	sregs->cr0 |= CR0_MP | CR0_NE | CR0_PG;
	sregs->cr3 = state->cr3;
	sregs->cr4 = CR4_PAE;
	sregs->efer = EFER_LME | EFER_LMA;
}

/* What firmware would have left. A KVM that does not have one of these has no use for it. */
int vcpu_set_msrs(const struct vcpu *vcpu, struct report *report)
{
	static const struct kvm_msr_entry entries[] = {
		{.index = MSR_MTRR_DEF_TYPE, .data = MSR_MTRR_ENABLE_WRITE_BACK},
		{.index = MSR_MISC_ENABLE, .data = MSR_MISC_ENABLE_FAST_STRING},
	};
	union {
		struct kvm_msrs head;
		uint8_t room[sizeof(struct kvm_msrs) + sizeof(entries)];
	} msrs = {.head.nmsrs = sizeof(entries) / sizeof(entries[0])};

	memcpy(msrs.head.entries, entries, sizeof(entries));
	if (ioctl(vcpu->fd, KVM_SET_MSRS, &msrs) < 0)
		return report_fail(report, REPORT_HOST, "KVM_SET_MSRS: %s", strerror(errno));
	return 0;
}

int vcpu_set_boot_state(struct vcpu *vcpu, const struct boot_state *state, struct report *report)
{
	struct kvm_sregs sregs;
	struct kvm_regs regs = {
		.rip = state->mode == BOOT_REAL ? state->entry & 0xf : state->entry,
		.rsp = state->stack,
		.rbx = state->rbx,
		.rsi = state->rsi,
		.rdi = state->rdi,
		.rflags = RFLAGS_FIXED,
	};

	if (ioctl(vcpu->fd, KVM_GET_SREGS, &sregs))
		return report_fail(report, REPORT_HOST, "KVM_GET_SREGS: %s", strerror(errno));
	if (state->mode == BOOT_REAL)
		set_real(&sregs, state->entry);
	else
		set_protected(&sregs, state);
	if (ioctl(vcpu->fd, KVM_SET_SREGS, &sregs))
		return report_fail(report, REPORT_HOST, "KVM_SET_SREGS: %s", strerror(errno));
	if (ioctl(vcpu->fd, KVM_SET_REGS, &regs))
		return report_fail(report, REPORT_HOST, "KVM_SET_REGS: %s", strerror(errno));
	return 0;
}
