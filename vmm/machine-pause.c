/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Holding the guest: every vCPU parks, and what KVM shows of it is final. Pauses are counted, so
 * that a debugger and a client of the control socket need not know of each other.
 *
 * Time goes on: the TSC, KVM's clock and the local APICs' timers run, a timer that was due fires
 * when its vCPU runs again. Guests that use KVM's clock are told that they stood still, so that
 * their watchdogs do not take it for a lockup.
 */
#include <sys/ioctl.h>

#include "vmm/machine-parts.h"

/* All are asked before the first is waited for. */
void machine_pause(struct machine *machine)
{
	if (machine->pauses++)
		return;
	for (unsigned int i = 0; i < machine->vcpu_count; i++)
		vcpu_ask(&machine->vcpus[i], VCPU_ASK_PAUSE);
	for (unsigned int i = 0; i < machine->vcpu_count; i++) {
		vcpu_wait_parked(&machine->vcpus[i]);
		/* Refused where the guest does not use that clock. */
		ioctl(machine->vcpus[i].fd, KVM_KVMCLOCK_CTRL, 0);
	}
	machine_tell(machine, MACHINE_PAUSED);
}

void machine_resume(struct machine *machine)
{
	if (--machine->pauses)
		return;
	for (unsigned int i = 0; i < machine->vcpu_count; i++)
		vcpu_unask(&machine->vcpus[i], VCPU_ASK_PAUSE);
	machine_tell(machine, MACHINE_RESUMED);
}

void machine_set_debugger(struct machine *machine, const struct machine_debugger *debugger)
{
	machine->debugger = *debugger;
	machine->env.debug = debugger->debug;
	machine->env.debugger = debugger->debugger;
}

void machine_listen(struct machine *machine, const struct machine_listener *listener)
{
	machine->listener = listener ? *listener : (struct machine_listener){NULL, NULL};
}

void machine_tell(struct machine *machine, enum machine_event event)
{
	if (machine->listener.happened)
		machine->listener.happened(machine->listener.arg, event);
}

bool machine_paused(const struct machine *machine)
{
	return machine->pauses > 0;
}
