/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The IOAPIC (82093AA) beside KVM's local APICs: its registers, and each pin's way to KVM.
 *
 * A pin with a device is an eventfd. While the guest has the pin unmasked the eventfd is KVM's, as
 * an irqfd with the message the redirection entry describes; while it is masked nobody reads it,
 * and an edge that comes then stays in it until the pin is unmasked. So a device only ever writes
 * an eventfd, and no interrupt passes through the monitor.
 */
#ifndef VMM_IOAPIC_H
#define VMM_IOAPIC_H

#include <pthread.h>
#include <stdint.h>

#include "devices/bus.h"
#include "devices/irq.h"
#include "devices/report.h"
#include "vmm/kvm.h"

#define IOAPIC_PINS 24
#define IOAPIC_SIZE 0x100

/* line and eventfd are constant once the machine runs; the rest is touched with the IOAPIC's lock. */
struct ioapic_pin {
	struct irq_line line;
	int eventfd;       /* -1: no device */
	bool attached;     /* the eventfd is KVM's */
	uint64_t redirect; /* the redirection table entry */
};

struct ioapic {
	const struct kvm *kvm;
	pthread_mutex_t lock;
	uint8_t select; /* IOREGSEL */
	uint8_t id;
	struct log_limit log;
	struct ioapic_pin pins[IOAPIC_PINS];
};

void ioapic_init(struct ioapic *ioapic, const struct kvm *kvm);

/* The line into @pin, which had none; NULL and errno on failure. Before the machine runs. */
struct irq_line *ioapic_line(struct ioapic *ioapic, unsigned int pin);

/* As after power-on: all pins masked. No vCPU may be running. */
void ioapic_reset(struct ioapic *ioapic);

/* Whether the guest listens to @pin. Any thread. */
bool ioapic_is_open(struct ioapic *ioapic, unsigned int pin);

/* No vCPU and no device may be running. */
void ioapic_destroy(struct ioapic *ioapic);

extern const struct bus_ops ioapic_bus_ops; /* device: struct ioapic */

#endif
