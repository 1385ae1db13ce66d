/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The machine: memory, buses, platform devices, virtio devices and vCPUs, put together.
 *
 *	0x60, 0x64	i8042, reset only
 *	0xf4, 0xf8	exit ports
 *	0x3f8		COM1, IOAPIC pin 4
 *	MMIO_DEVICE_BASE	virtio-mmio pages, one device each, pins from MACHINE_FIRST_PIN
 *	IOAPIC_BASE	the IOAPIC; the local APICs are KVM's
 */
#ifndef VMM_MACHINE_H
#define VMM_MACHINE_H

#include "devices/devices.h"
#include "devices/exit-port.h"
#include "devices/i8042.h"
#include "devices/serial.h"
#include "devices/virtio-mmio.h"
#include "vmm/ioapic.h"
#include "vmm/vcpu.h"

#define MACHINE_COM1_PORT 0x3f8
#define MACHINE_COM1_PIN  4

/* Pins below belong to what a PC has there. */
#define MACHINE_FIRST_PIN   5
#define MACHINE_DEVICES_MAX (IOAPIC_PINS - MACHINE_FIRST_PIN)

struct machine;

/* One virtio device's place. Constant once the machine runs. */
struct machine_slot {
	struct notify_line notify;
	struct machine *machine;
	struct virtio_device *device; /* the transport's */
	struct virtio_mmio *mmio;
	uint64_t base;
	unsigned int pin;
};

/* Constant while the machine runs. */
struct machine {
	struct kvm *kvm;
	struct loop *loop;
	struct gm_cell *memory;
	struct bus pio;
	struct bus mmio;
	struct ioapic ioapic;
	struct i8042 i8042;
	struct exit_port exit_port;
	struct chardev *serial_chardev;
	struct serial *serial;
	struct machine_slot slots[MACHINE_DEVICES_MAX];
	size_t slot_count;
	struct vcpu_env env;
	struct vcpu vcpu;
	bool has_vcpu;
};

/*
 * Make the machine on @memory with its platform devices; @kvm is open and outlives it. COM1 is
 * connected to @serial (devices/chardev.h). machine_destroy() in every case.
 */
int machine_create(struct machine *machine, struct kvm *kvm, struct gm_memory *memory,
		   const char *serial, struct report *report);
void machine_destroy(struct machine *machine);

/* Create and plug in a virtio device. Before machine_create_vcpu(). */
int machine_add_device(struct machine *machine, const struct device_type *type, const char *args,
		       struct report *report);

/*
 * The kernel's command line: @cmdline and a virtio_mmio.device= for each device, which is how a
 * kernel without ACPI finds them. To be freed; NULL if memory is short.
 */
char *machine_cmdline(const struct machine *machine, const char *cmdline);

/* The vCPU with the registers of @state. */
int machine_create_vcpu(struct machine *machine, const struct boot_state *state,
			struct report *report);

/* Run until the guest or machine_stop() ends it: 0 and *@status, or -1 (@report). */
int machine_run(struct machine *machine, int *status, struct report *report);

/* End machine_run() with @status; the first call counts. Any thread, async-signal-safe. */
void machine_stop(struct machine *machine, int status);

#endif
