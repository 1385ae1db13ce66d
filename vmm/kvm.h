/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * /dev/kvm and the virtual machine: what is asked of KVM for the machine as a whole. vCPUs are
 * vcpu.h's.
 */
#ifndef VMM_KVM_H
#define VMM_KVM_H

#include <linux/kvm.h>
#include <stddef.h>
#include <stdint.h>

#include "devices/report.h"
#include "guestmem/guestmem.h"

#define KVM_PATH "/dev/kvm"

/* Constant after set-up. */
struct kvm {
	int fd;
	int vm; /* -1 before kvm_create_vm() */
	size_t max_slots;
	unsigned int good_vcpus; /* what KVM recommends: the host's processors */
	unsigned int max_vcpus;
	bool is_software; /* kvm_is_software() */
	size_t run_size;  /* of a vCPU's shared page, struct kvm_run first */
};

/*
 * Open @path, or take a copy of the descriptor N of "fd:N", check that it is a KVM with the API
 * version and the capabilities this monitor needs. kvm_close() in every case; where there is no KVM
 * at all @kvm has no descriptor.
 */
int kvm_open(struct kvm *kvm, const char *path, struct report *report);
void kvm_close(struct kvm *kvm);

/* Close what another VM could be made of; the one there is stays. */
void kvm_forget(struct kvm *kvm);

/*
 * Make the VM with one memory slot for each region, then the interrupt controllers: local APICs in
 * KVM, @ioapic_pins routes for an IOAPIC here. This order, since a slot that changes after
 * interrupt routing or an ioeventfd exists waits for a grace period of the kernel.
 */
int kvm_create_vm(struct kvm *kvm, const struct gm_memory *memory, unsigned int ioapic_pins,
		  struct report *report);

/* End the VM; another can be made. Its vCPUs are gone already. */
void kvm_destroy_vm(struct kvm *kvm);

/*
 * Whether this KVM runs what every stock kernel executes in ring 0 when it starts, tried on a small
 * VM. 1, 0 or -1 (@report).
 */
int kvm_runs_kernels(const struct kvm *kvm, struct report *report);

/* Which of these end KVM_RUN for a debugger that asks for it, tried likewise; or -1 (@report). */
enum kvm_stops {
	KVM_STOPS_AT_INT3 = 1,
	KVM_STOPS_AT_WATCH = 2,
};

int kvm_stops_at(const struct kvm *kvm, struct report *report);

/*
 * These change what a running guest sees: 0, or -1 and errno. Any thread.
 *
 * A write of @len bytes of @value to guest physical @addr signals @eventfd instead of ending KVM_RUN.
 */
int kvm_ioeventfd(const struct kvm *kvm, uint64_t addr, unsigned int len, uint32_t value,
		  int eventfd, bool attach);

/* A signal on @eventfd raises @gsi; one that came before counts. */
int kvm_irqfd(const struct kvm *kvm, unsigned int gsi, int eventfd, bool attach);

/* A message to the local APICs, as a device writes it. -1 and errno also if none of them takes it. */
int kvm_signal_msi(const struct kvm *kvm, uint64_t address, uint32_t data);

/* What each GSI is: all of them at once. */
int kvm_set_routes(const struct kvm *kvm, const struct kvm_irq_routing *routes);

/* Whether this KVM has no hardware under it and interprets the guest's ring 0. */
bool kvm_is_software(void);

#endif
