/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The exits of a vCPU: one table by reason. A reason without a function is one this monitor never
 * asked for; it ends the machine with a report, as do errors, so that no exit is repeated silently.
 */
#include "vmm/exits.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "vmm/crash.h"

/* EAGAIN means try again; so often in a row, it means something else. */
#define RETRIES_MAX 1000

/* --- what guests do all the time --------------------------------------------------------------- */

static bool exit_io(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	const struct bus *pio = vcpu->env->pio;
	uint8_t *data = (uint8_t *)run + run->io.data_offset;
	unsigned int size = run->io.size;

	/* A string instruction with a prefix is many accesses to one port. */
	for (uint32_t i = 0; i < run->io.count; i++, data += size) {
		if (run->io.direction == KVM_EXIT_IO_OUT)
			bus_write(pio, run->io.port, data, size);
		else
			bus_read(pio, run->io.port, data, size);
	}
	return true;
}

static bool exit_mmio(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	const struct bus *mmio = vcpu->env->mmio;
	uint64_t addr = run->mmio.phys_addr;
	unsigned int len = run->mmio.len, step = len;

	/* Where KVM splits an access at a page, what is left may be no access a device knows. */
	if (len & (len - 1))
		step = 1;
	for (unsigned int i = 0; i < len; i += step) {
		if (run->mmio.is_write)
			bus_write(mmio, addr + i, run->mmio.data + i, step);
		else
			bus_read(mmio, addr + i, run->mmio.data + i, step);
	}
	return true;
}

/* The end of a level interrupt. Lines are edges here (ioapic.c): nothing is held, none is due. */
static bool exit_ioapic_eoi(struct vcpu *vcpu)
{
	(void)vcpu;
	return true;
}

/* A signal that was not for this vCPU. */
static bool exit_intr(struct vcpu *vcpu)
{
	(void)vcpu;
	return true;
}

/* A breakpoint or a step. It is the debugger's to have the vCPU wait. */
static bool exit_debug(struct vcpu *vcpu)
{
	if (!vcpu->env->debug) {
		crash_report(vcpu, "KVM_EXIT_DEBUG, which nothing asked for");
		vcpu->env->end(vcpu->env->arg, VCPU_END_BROKEN);
		return false;
	}
	vcpu->env->debug(vcpu->env->debugger, vcpu);
	return true;
}

/* --- how guests end ----------------------------------------------------------------------------- */

static bool end(struct vcpu *vcpu, int status)
{
	vcpu->env->end(vcpu->env->arg, status);
	return false;
}

static bool exit_shutdown(struct vcpu *vcpu)
{
	crash_report(vcpu, "triple fault");
	return end(vcpu, VCPU_END_TRIPLE_FAULT);
}

static bool exit_system_event(struct vcpu *vcpu)
{
	switch (vcpu->run->system_event.type) {
	case KVM_SYSTEM_EVENT_SHUTDOWN:
	case KVM_SYSTEM_EVENT_RESET: return end(vcpu, 0);
	default:
		crash_report(vcpu, "system event %u", vcpu->run->system_event.type);
		return end(vcpu, VCPU_END_BROKEN);
	}
}

static bool exit_fail_entry(struct vcpu *vcpu)
{
	crash_report(vcpu, "KVM_EXIT_FAIL_ENTRY: the processor refuses this state, reason %#llx",
		     vcpu->run->fail_entry.hardware_entry_failure_reason);
	return end(vcpu, VCPU_END_BROKEN);
}

static bool exit_unknown(struct vcpu *vcpu)
{
	crash_report(vcpu, "KVM_EXIT_UNKNOWN: hardware reason %#llx",
		     vcpu->run->hw.hardware_exit_reason);
	return end(vcpu, VCPU_END_BROKEN);
}

static bool exit_internal_error(struct vcpu *vcpu)
{
	static const char *const names[] = {
		[KVM_INTERNAL_ERROR_EMULATION] = "emulation failed",
		[KVM_INTERNAL_ERROR_SIMUL_EX] = "exceptions at the same time",
		[KVM_INTERNAL_ERROR_DELIVERY_EV] = "exit during event delivery",
		[KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON] = "unexpected exit reason",
	};
	const struct kvm_run *run = vcpu->run;
	uint32_t error = run->internal.suberror;
	const char *name = error < sizeof(names) / sizeof(names[0]) ? names[error] : NULL;
	const char *hint = "";
	char data[16 * 20] = "";
	int used = 0;

	for (uint32_t i = 0; i < run->internal.ndata && i < 16; i++)
		used += snprintf(data + used, sizeof(data) - (size_t)used, "%s%#llx",
				 i ? " " : "; data ", run->internal.data[i]);
	if (error == KVM_INTERNAL_ERROR_EMULATION && vcpu->env->kvm->is_software)
		hint = "\n  this host's KVM (kvm_pvm) interprets ring-0 code and knows no "
		       "instruction at rip; a KVM on hardware may";
	crash_report(vcpu, "KVM_EXIT_INTERNAL_ERROR: suberror %u (%s)%s%s", error,
		     name ? name : "unknown", data, hint);
	return end(vcpu, VCPU_END_BROKEN);
}

/* --- the table ------------------------------------------------------------------------------------ */

struct exit_reason {
	const char *name;
	bool (*handle)(struct vcpu *vcpu); /* NULL: not expected */
};

#define REASON(name, handle) [KVM_EXIT_##name] = {#name, handle}

static const struct exit_reason reasons[] = {
	REASON(UNKNOWN, exit_unknown),
	REASON(EXCEPTION, NULL),
	REASON(IO, exit_io),
	REASON(HYPERCALL, NULL),
	REASON(DEBUG, exit_debug),
	REASON(HLT, NULL),
	REASON(MMIO, exit_mmio),
	REASON(IRQ_WINDOW_OPEN, NULL),
	REASON(SHUTDOWN, exit_shutdown),
	REASON(FAIL_ENTRY, exit_fail_entry),
	REASON(INTR, exit_intr),
	REASON(SET_TPR, NULL),
	REASON(TPR_ACCESS, NULL),
	REASON(NMI, NULL),
	REASON(INTERNAL_ERROR, exit_internal_error),
	REASON(SYSTEM_EVENT, exit_system_event),
	REASON(IOAPIC_EOI, exit_ioapic_eoi),
	REASON(HYPERV, NULL),
	REASON(X86_RDMSR, NULL),
	REASON(X86_WRMSR, NULL),
	REASON(DIRTY_RING_FULL, NULL),
	REASON(AP_RESET_HOLD, NULL),
	REASON(X86_BUS_LOCK, NULL),
	REASON(XEN, NULL),
};

static const struct exit_reason *find_reason(unsigned int reason)
{
	if (reason >= sizeof(reasons) / sizeof(reasons[0]) || !reasons[reason].name)
		return NULL;
	return &reasons[reason];
}

const char *vcpu_exit_name(unsigned int reason)
{
	const struct exit_reason *found = find_reason(reason);

	return found ? found->name : NULL;
}

bool exits_handle(struct vcpu *vcpu)
{
	unsigned int reason = vcpu->run->exit_reason;
	const struct exit_reason *found = find_reason(reason);

	vcpu->retries = 0;
	vcpu_count(&vcpu->counts.exits[vcpu_exit_slot(reason)], 1);
	if (found && found->handle)
		return found->handle(vcpu);
	if (found)
		crash_report(vcpu, "KVM_EXIT_%s, which nothing asked for", found->name);
	else
		crash_report(vcpu, "exit reason %u, which this monitor does not know", reason);
	return end(vcpu, VCPU_END_BROKEN);
}

bool exits_failed(struct vcpu *vcpu, int err)
{
	/* A signal: the caller looks whether it means to stop. */
	if (err == EINTR)
		return true;
	if (err == EAGAIN && vcpu->retries++ < RETRIES_MAX)
		return true;
	if (err == EFAULT)
		crash_report(vcpu, "KVM_RUN: the host cannot provide the guest's memory; a file "
				   "behind it may have shrunk");
	else
		crash_report(vcpu, "KVM_RUN: %s", strerror(err));
	return end(vcpu, VCPU_END_HOST);
}
