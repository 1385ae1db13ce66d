/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* What machine.c and machine-power.c need of each other. */
#ifndef VMM_MACHINE_PARTS_H
#define VMM_MACHINE_PARTS_H

#include "vmm/machine.h"

/* The PCI bus, and a device on it (owned from here on, also on failure). */
int machine_add_pci(struct machine *machine);
int machine_plug_pci(struct machine *machine, struct machine_slot *slot, struct report *report);

/* The guest ends the machine or resets it; on the thread of one of its vCPUs. */
void machine_guest_ends(void *arg, int status);
/* It wrote @status to an exit port. */
void machine_exit_port_written(void *arg, int status);
void machine_guest_resets(void *arg);
/* KVM ended it; the same thread. */
void machine_vcpu_ends(void *arg, int status);

/* Tell who listens; the loop's thread. */
void machine_tell(struct machine *machine, enum machine_event event);

int machine_add_power(struct machine *machine, struct report *report);
void machine_remove_power(struct machine *machine);

int machine_start_vcpus(struct machine *machine, struct report *report);
/* Stop and destroy all there are; none of them may be the caller. */
void machine_end_vcpus(struct machine *machine);

#endif
