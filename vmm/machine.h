/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The machine: memory, buses, platform devices, virtio devices and vCPUs, put together.
 *
 *	0x60, 0x64	i8042, reset only
 *	0x70, 0x71	clock
 *	0xf4, 0xf8	exit ports
 *	0x3f8		COM1, IOAPIC pin 4
 *	0x505		pvpanic
 *	0x600		ACPI sleep and reset; the power button is IOAPIC pin 3
 *	0xcf8		PCI configuration space, if there is PCI
 *	MMIO_DEVICE_BASE	virtio-mmio pages, one device each, pins from MACHINE_FIRST_PIN; or
 *	PCI_WINDOW_BASE	BARs of the PCI bus, where its slots from 1 on have the devices
 *	IOAPIC_BASE	the IOAPIC; the local APICs are KVM's
 *	PCI_ECAM_BASE	PCI configuration space
 */
#ifndef VMM_MACHINE_H
#define VMM_MACHINE_H

#include "devices/devices.h"
#include "devices/exit-port.h"
#include "devices/i8042.h"
#include "devices/power.h"
#include "devices/rtc.h"
#include "devices/serial.h"
#include "devices/virtio-mmio.h"
#include "devices/virtio-pci.h"
#include "vmm/acpi.h"
#include "vmm/ioapic.h"
#include "vmm/vcpu.h"

#define MACHINE_COM1_PORT  0x3f8
#define MACHINE_COM1_PIN   4
#define MACHINE_BUTTON_PIN 3

/* Pins below belong to what a PC has there. */
#define MACHINE_FIRST_PIN   5
#define MACHINE_MMIO_MAX    (IOAPIC_PINS - MACHINE_FIRST_PIN)
#define MACHINE_PCI_MAX     (PCI_SLOTS - 1)
#define MACHINE_DEVICES_MAX MACHINE_PCI_MAX /* whatever the transport */

struct layout;
struct machine;

/* One virtio device's place. Constant once the machine runs. */
struct machine_slot {
	struct notify_line notify;
	struct machine *machine;
	struct virtio_device *device; /* the transport's; NULL in a machine that is only planned */
	const char *planned;          /* what there would be then */
	struct virtio_mmio *mmio;     /* one of both */
	struct virtio_pci *pci;
	uint64_t base;    /* of the notify line's offsets: the page, 0 with PCI */
	unsigned int pin; /* not with PCI */
};

/* Constant once the machine runs, but for what the bus guards itself. */
struct machine_pci {
	struct msi_sink sink;
	const struct kvm *kvm;
	struct pci_bus bus;
};

/* A debugger: what it is told. Constant once the machine runs. */
struct machine_debugger {
	void (*debug)(void *debugger, struct vcpu *vcpu); /* see struct vcpu_env */
	/* A restart begins, and has made new vCPUs that did not run yet; the loop's thread. */
	void (*restart)(void *debugger);
	void (*restarted)(void *debugger);
	void *debugger;
};

/* What happens to a machine, for who wants to know; told on the loop's thread. */
enum machine_event {
	MACHINE_PAUSED,
	MACHINE_RESUMED,
	MACHINE_RESTARTED,
};

struct machine_listener {
	void (*happened)(void *arg, enum machine_event event); /* NULL: nobody listens */
	void *arg;
};

/* What is there whatever the guest is. */
struct machine_config {
	const char *serial;          /* what COM1 is connected to (devices/chardev.h) */
	unsigned int cpus;           /* 1 or more */
	bool no_reboot;              /* a reset ends the machine */
	const uint8_t *exit_map;     /* what statuses of the exit ports become, or NULL */
	bool pci;                    /* virtio devices are on a PCI bus */
	const struct layout *layout; /* what the memory was made of, for names of files; or NULL */
};

/* Constant while the machine runs, but for what a restart replaces: the VM and the vCPUs. */
struct machine {
	struct kvm *kvm;
	struct loop *loop;
	struct gm_cell *memory;
	struct bus pio;
	struct bus mmio;
	struct ioapic ioapic;
	struct i8042 i8042;
	struct exit_port exit_port;
	struct power power;
	struct rtc rtc;
	struct irq_line *button;
	struct chardev *serial_chardev;
	struct serial *serial;
	struct machine_slot slots[MACHINE_DEVICES_MAX];
	size_t slot_count;
	struct machine_pci pci; /* if config.pci */
	struct vcpu_env env;
	struct vcpu *vcpus;
	unsigned int vcpu_count; /* made so far; machine_config.cpus once it runs */
	unsigned int pauses;     /* loop's thread: machine_pause() without machine_resume() */
	struct machine_config config;
	const struct boot_params *boot;
	struct boot_record record; /* what the last boot put where */
	struct machine_debugger debugger;
	struct machine_listener listener;
	int crash;          /* atomic: the status of an end that was a crash, or 0 */
	bool guest_ended;   /* atomic: the guest chose its end, before anybody else did */
	unsigned int stops; /* atomic: how often machine_stop() was called */
	struct acpi_device acpi_devices[MACHINE_DEVICES_MAX + 4];
	struct acpi_machine acpi;
	uint64_t started;      /* CLOCK_MONOTONIC in ns when machine_run() began, or 0 */
	unsigned int restarts; /* loop's thread */
	int restart;           /* eventfd: a vCPU asks for it */
	struct loop_watch *restart_watch;
	int press;      /* eventfd: the power button is to be pressed */
	int off_status; /* atomic: the status if nobody listens to it */
	struct loop_watch *press_watch;
	int timer; /* timerfd of machine_set_timeout(), or -1 */
	struct loop_watch *timer_watch;
};

/*
 * Make the machine on @memory with its platform devices; @kvm is open and outlives it.
 * machine_destroy() in every case.
 */
int machine_create(struct machine *machine, struct kvm *kvm, struct gm_memory *memory,
		   const struct machine_config *config, struct report *report);
void machine_destroy(struct machine *machine);

/* Create and plug in a virtio device. Before machine_boot(). */
int machine_add_device(struct machine *machine, const struct device_type *type, const char *args,
		       struct report *report);

/*
 * A machine that is only asked where things would be: machine_device_words(), machine_acpi(),
 * map_collect(). It has @devices virtio devices, and nothing of the host's.
 */
int machine_plan(struct machine *machine, const struct machine_config *config, size_t devices,
		 struct report *report);

/*
 * What a kernel that does not read ACPI finds the devices by: a virtio_mmio.device= for each, with
 * blanks between. To be freed; NULL if memory is short.
 */
char *machine_device_words(const struct machine *machine);

/* What the ACPI tables are to describe; valid as long as the machine. */
const struct acpi_machine *machine_acpi(struct machine *machine);

/*
 * Load the kernel and make the vCPUs, the first with the registers it is entered with. @params
 * outlives the machine: a restart loads it again.
 */
int machine_boot(struct machine *machine, const struct boot_params *params, struct report *report);

/* End machine_run() after so many seconds with MACHINE_END_TIMEOUT. */
int machine_set_timeout(struct machine *machine, uint64_t ms, struct report *report);

/* Run until the guest or machine_stop() ends it: 0 and *@status, or -1 (@report). */
int machine_run(struct machine *machine, int *status, struct report *report);

/*
 * Have no vCPU in the guest when it returns, and what KVM shows of each (registers, memory) final
 * and the caller's to change; and let them go on. Calls nest: the guest runs when each pause has
 * had its resume. Also before machine_run(), which then starts a guest that stands still; a restart
 * and the guest's end leave it as it is. The loop's thread.
 */
void machine_pause(struct machine *machine);
void machine_resume(struct machine *machine);
bool machine_paused(const struct machine *machine);

/* Before machine_run(). */
void machine_set_debugger(struct machine *machine, const struct machine_debugger *debugger);

/* One listener. Before machine_run(); NULL: no more, on the loop's thread. */
void machine_listen(struct machine *machine, const struct machine_listener *listener);

/*
 * Whether the end of machine_run() was a crash: the status, if it was a triple fault, something KVM
 * cannot execute, a panic or the time out; or 0.
 */
int machine_crash(const struct machine *machine);

/* Whether machine_run() ended because the guest wanted it: by exit port, power off or reset. */
bool machine_ended_by_guest(const struct machine *machine);

/* End machine_run() with @status; the first call counts. Any thread, async-signal-safe. */
void machine_stop(struct machine *machine, int status);

/*
 * Press the power button; where the guest does not listen to it, end with @status. Any thread,
 * async-signal-safe.
 */
void machine_press_button(struct machine *machine, int status);

/* Whether the guest listens to it now. */
bool machine_has_button(struct machine *machine);

/* Restart the machine, as if the guest had asked for it. Any thread. */
void machine_reset(struct machine *machine);

#endif
