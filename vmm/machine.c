/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Putting the machine together, running it, taking it apart in reverse. What each part does is
 * its own file's; which address and interrupt it has is decided here.
 */
#include "vmm/machine-parts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devices/clock.h"
#include "vmm/layout.h"

/* Local APIC ids are 8 bits wide, and the last is for all. */
#define VCPUS_MAX 254U

static int out_of_memory(struct report *report)
{
	return report_fail(report, REPORT_HOST, "out of memory");
}

/* --- platform devices --------------------------------------------------------------------------- */

static int add_serial(struct machine *machine, const char *spec, struct report *report)
{
	struct irq_line *irq = ioapic_line(&machine->ioapic, MACHINE_COM1_PIN);

	if (!irq)
		return report_fail(report, REPORT_HOST, "eventfd: %s", strerror(errno));
	if (chardev_open("--serial", spec, machine->loop, &machine->serial_chardev, report))
		return -1;
	machine->serial = serial_new(machine->serial_chardev, irq);
	return machine->serial ? 0 : out_of_memory(report);
}

static int add_ranges(struct machine *machine, struct report *report)
{
	const struct bus_range ports[] = {
		{I8042_DATA_PORT, 1, &i8042_data_bus_ops, &machine->i8042, "i8042 data"},
		{I8042_COMMAND_PORT, 1, &i8042_command_bus_ops, &machine->i8042, "i8042 command"},
		{EXIT_PORT_BASE, EXIT_PORT_SIZE, &exit_port_bus_ops, &machine->exit_port, "exit"},
		{MACHINE_COM1_PORT, SERIAL_PORTS, &serial_bus_ops, machine->serial, "COM1"},
		{RTC_PORT, RTC_PORTS, &rtc_bus_ops, &machine->rtc, "clock"},
		{PANIC_PORT, 1, &panic_bus_ops, &machine->power, "pvpanic"},
		{POWER_PORT, POWER_PORTS, &power_bus_ops, &machine->power, "power"},
	};
	const struct bus_range ioapic = {
		IOAPIC_BASE, IOAPIC_SIZE, &ioapic_bus_ops, &machine->ioapic, "IOAPIC",
	};

	for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++) {
		if (bus_add(&machine->pio, &ports[i]))
			return out_of_memory(report);
	}
	return bus_add(&machine->mmio, &ioapic) ? out_of_memory(report) : 0;
}

static int check_cpus(const struct kvm *kvm, unsigned int cpus, struct report *report)
{
	unsigned int max = kvm->max_vcpus < VCPUS_MAX ? kvm->max_vcpus : VCPUS_MAX;

	if (cpus > max)
		return report_fail(report, REPORT_USER, "--cpus %u: at most %u are possible here",
				   cpus, max);
	if (cpus > kvm->good_vcpus)
		log_line(LOG_LEVEL_WARN,
			 "--cpus %u: slower than with at most %u, which KVM on this host "
			 "recommends",
			 cpus, kvm->good_vcpus);
	return 0;
}

int machine_create(struct machine *machine, struct kvm *kvm, struct gm_memory *memory,
		   const struct machine_config *config, struct report *report)
{
	*machine = (struct machine){
		.kvm = kvm, .config = *config, .restart = -1, .press = -1, .timer = -1};
	ioapic_init(&machine->ioapic, kvm);
	i8042_init(&machine->i8042, machine_guest_resets, machine);
	rtc_init(&machine->rtc, NULL);
	machine->exit_port = (struct exit_port){machine_exit_port_written, machine};
	machine->env = (struct vcpu_env){
		.kvm = kvm,
		.pio = &machine->pio,
		.mmio = &machine->mmio,
		.end = machine_vcpu_ends,
		.arg = machine,
	};
	if (check_cpus(kvm, config->cpus, report))
		return -1;
	machine->vcpus = calloc(config->cpus, sizeof(*machine->vcpus));
	if (!machine->vcpus)
		return out_of_memory(report);
	machine->loop = loop_new();
	if (!machine->loop)
		return report_fail(report, REPORT_HOST, "epoll: %s", strerror(errno));
	if (gm_cell_new(memory, &machine->memory))
		return out_of_memory(report);
	/* Whoever reads takes a place among readers: this thread's is had before anything is made. */
	gm_cell_enter(machine->memory);
	gm_cell_leave(machine->memory);
	machine->env.memory = machine->memory;
	if (add_serial(machine, config->serial, report) || machine_add_power(machine, report) ||
	    add_ranges(machine, report))
		return -1;
	if (config->pci && machine_add_pci(machine))
		return out_of_memory(report);
	return kvm_create_vm(kvm, memory, IOAPIC_PINS, report);
}

/* --- virtio devices ------------------------------------------------------------------------------ */

static int slot_attach(struct notify_line *line, uint64_t offset, unsigned int len, uint32_t value,
		       int eventfd)
{
	struct machine_slot *slot = (struct machine_slot *)line;

	return kvm_ioeventfd(slot->machine->kvm, slot->base + offset, len, value, eventfd, true);
}

static void slot_detach(struct notify_line *line, uint64_t offset, unsigned int len, uint32_t value,
			int eventfd)
{
	struct machine_slot *slot = (struct machine_slot *)line;

	kvm_ioeventfd(slot->machine->kvm, slot->base + offset, len, value, eventfd, false);
}

/* Where the next device is, if it is not on a PCI bus. */
static void place_mmio(const struct machine *machine, struct machine_slot *slot)
{
	slot->base = MMIO_DEVICE_BASE + machine->slot_count * VIRTIO_MMIO_SIZE;
	slot->pin = MACHINE_FIRST_PIN + (unsigned int)machine->slot_count;
}

static int plug_mmio(struct machine *machine, struct machine_slot *slot, struct report *report)
{
	struct irq_line *irq = ioapic_line(&machine->ioapic, slot->pin);
	struct bus_range range = {
		.base = slot->base,
		.size = VIRTIO_MMIO_SIZE,
		.ops = &virtio_mmio_bus_ops,
		.name = slot->device->name,
	};

	if (!irq) {
		virtio_device_free(slot->device);
		return report_fail(report, REPORT_HOST, "eventfd: %s", strerror(errno));
	}
	if (virtio_mmio_new(slot->device, machine->memory, machine->loop, irq, &slot->notify,
			    &slot->mmio, report))
		return -1;
	/* From here on the slot's device goes with the machine. */
	machine->slot_count++;
	range.device = slot->mmio;
	return bus_add(&machine->mmio, &range) ? out_of_memory(report) : 0;
}

static size_t devices_max(const struct machine *machine)
{
	return machine->config.pci ? MACHINE_PCI_MAX : MACHINE_MMIO_MAX;
}

int machine_plan(struct machine *machine, const struct machine_config *config, size_t devices,
		 struct report *report)
{
	*machine = (struct machine){.config = *config, .restart = -1, .press = -1, .timer = -1};
	if (devices > devices_max(machine))
		return report_fail(report, REPORT_USER,
				   "%zu virtio devices: there is room for %zu devices", devices,
				   devices_max(machine));
	if (config->cpus > VCPUS_MAX)
		return report_fail(report, REPORT_USER, "--cpus %u: at most %u are possible here",
				   config->cpus, VCPUS_MAX);
	for (; machine->slot_count < devices; machine->slot_count++) {
		if (!machine->config.pci)
			place_mmio(machine, &machine->slots[machine->slot_count]);
	}
	return 0;
}

int machine_add_device(struct machine *machine, const struct device_type *type, const char *args,
		       struct report *report)
{
	size_t max = devices_max(machine);
	size_t index = machine->slot_count;
	struct machine_slot *slot;
	char option[64];

	snprintf(option, sizeof(option), "--%s", type->name);
	if (index == max)
		return report_fail(report, REPORT_USER, "%s %s: there is room for %zu devices",
				   option, args ? args : "", max);
	slot = &machine->slots[index];
	*slot = (struct machine_slot){
		.notify = {slot_attach, slot_detach},
		.machine = machine,
	};
	if (!machine->config.pci)
		place_mmio(machine, slot);
	if (type->create(option, args, machine->loop, &slot->device, report))
		return -1;
	log_line(LOG_LEVEL_DEBUG, "%s%s%s: device %zu, %s", option, args ? " " : "",
		 args ? args : "", index, slot->device->name);
	return machine->config.pci ? machine_plug_pci(machine, slot, report)
				   : plug_mmio(machine, slot, report);
}

char *machine_device_words(const struct machine *machine)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	for (size_t i = 0; i < machine->slot_count && !machine->config.pci; i++)
		fprintf(out, "%svirtio_mmio.device=%#x@%#llx:%u", i ? " " : "", VIRTIO_MMIO_SIZE,
			(unsigned long long)machine->slots[i].base, machine->slots[i].pin);
	if (fclose(out)) {
		free(text);
		return NULL;
	}
	return text;
}

/* --- what the tables say -------------------------------------------------------------------------- */

const struct acpi_machine *machine_acpi(struct machine *machine)
{
	struct acpi_device *device = machine->acpi_devices;

	*device++ = (struct acpi_device){
		.name = "COM1",
		.hid = "PNP0501",
		.io = MACHINE_COM1_PORT,
		.io_len = SERIAL_PORTS,
		.gsi = MACHINE_COM1_PIN,
	};
	*device++ = (struct acpi_device){
		.name = "RTC_",
		.hid = "PNP0B00",
		.io = RTC_PORT,
		.io_len = RTC_PORTS,
		.gsi = -1,
	};
	*device++ = (struct acpi_device){
		.name = "PEVT",
		.hid = "QEMU0001",
		.io = PANIC_PORT,
		.io_len = 1,
		.gsi = -1,
	};
	/* Configuration space is nobody else's to use. */
	if (machine->config.pci)
		*device++ = (struct acpi_device){
			.name = "ECAM",
			.hid = "PNP0C02",
			.mmio = PCI_ECAM_BASE,
			.mmio_len = PCI_ECAM_SIZE,
			.gsi = -1,
		};
	for (size_t i = 0; i < machine->slot_count && !machine->config.pci; i++) {
		*device = (struct acpi_device){
			.hid = "LNRO0005",
			.uid = (unsigned int)i,
			.mmio = (uint32_t)machine->slots[i].base,
			.mmio_len = VIRTIO_MMIO_SIZE,
			.gsi = (int)machine->slots[i].pin,
		};
		snprintf(device->name, sizeof(device->name), "VR%02X", (uint8_t)i);
		device++;
	}
	machine->acpi = (struct acpi_machine){
		.cpus = machine->config.cpus,
		.lapic_base = LAPIC_BASE,
		.ioapic_base = IOAPIC_BASE,
		.devices = machine->acpi_devices,
		.device_count = (size_t)(device - machine->acpi_devices),
		.sleep_control = POWER_PORT + POWER_SLEEP_CONTROL,
		.sleep_status = POWER_PORT + POWER_SLEEP_STATUS,
		.reset = POWER_PORT + POWER_RESET,
		.reset_value = POWER_RESET_VALUE,
		.button_gsi = MACHINE_BUTTON_PIN,
	};
	if (machine->config.pci)
		machine->acpi.pci = (struct acpi_pci){
			.ecam = {PCI_ECAM_BASE, PCI_ECAM_SIZE},
			.window = {PCI_WINDOW_BASE, PCI_WINDOW_SIZE},
			.ports = PCI_PORTS_BASE,
			.ports_len = PCI_PORTS,
		};
	return &machine->acpi;
}

/* --- vCPUs, run, end ------------------------------------------------------------------------------ */

/* One line instead of a guest that stands still or ends in a report of registers. */
static int check_host(const struct machine *machine, const char *kernel, struct report *report)
{
	int runs = kvm_runs_kernels(machine->kvm, report);

	if (runs == 0)
		report_fail(report, REPORT_HOST,
			    "kernel %s: this host's KVM interprets ring 0 without cmpxchg16b or "
			    "int3, which Linux executes when it starts; scripts/kvm-lab has a "
			    "KVM that runs it",
			    kernel);
	return runs > 0 ? 0 : -1;
}

int machine_boot(struct machine *machine, const struct boot_params *params, struct report *report)
{
	struct gm_memory *memory = gm_cell_snapshot(machine->memory);
	struct boot_params recorded = *params;
	struct boot_state state;
	int err;

	boot_record_clear(&machine->record);
	recorded.record = &machine->record;
	err = boot_load(&recorded, memory, &state, report);
	gm_memory_put(memory);
	machine->boot = params;
	if (!err && state.is_linux)
		err = check_host(machine, params->kernel, report);
	for (unsigned int i = 0; i < machine->config.cpus && !err; i++) {
		machine->vcpu_count++;
		err = vcpu_create(&machine->vcpus[i], &machine->env, i, machine->config.cpus, report);
	}
	return err ? err : vcpu_set_boot_state(&machine->vcpus[0], &state, report);
}

int machine_start_vcpus(struct machine *machine, struct report *report)
{
	for (unsigned int i = 0; i < machine->vcpu_count; i++) {
		if (machine_paused(machine))
			vcpu_ask(&machine->vcpus[i], VCPU_ASK_PAUSE);
		if (vcpu_start(&machine->vcpus[i], report))
			return -1;
	}
	return 0;
}

static void stop_vcpus(struct machine *machine)
{
	for (unsigned int i = 0; i < machine->vcpu_count; i++)
		vcpu_leave(&machine->vcpus[i]);
	for (unsigned int i = 0; i < machine->vcpu_count; i++)
		vcpu_stop(&machine->vcpus[i]);
}

void machine_end_vcpus(struct machine *machine)
{
	stop_vcpus(machine);
	while (machine->vcpu_count)
		vcpu_destroy(&machine->vcpus[--machine->vcpu_count]);
}

int machine_run(struct machine *machine, int *status, struct report *report)
{
	int err;

	chardev_begin();
	machine->started = clock_ns(CLOCK_MONOTONIC);
	err = machine_start_vcpus(machine, report);
	if (!err)
		*status = loop_run(machine->loop);
	if (!err && *status < 0)
		err = report_fail(report, REPORT_HOST, "epoll: %s", strerror(errno));
	stop_vcpus(machine);
	return err;
}

void machine_destroy(struct machine *machine)
{
	machine_end_vcpus(machine);
	free(machine->vcpus);
	boot_record_clear(&machine->record);
	while (machine->slot_count) {
		struct machine_slot *slot = &machine->slots[--machine->slot_count];

		virtio_mmio_free(slot->mmio);
		virtio_pci_free(slot->pci);
	}
	if (machine->config.pci)
		pci_destroy(&machine->pci.bus);
	machine_remove_power(machine);
	serial_free(machine->serial);
	chardev_close(machine->serial_chardev);
	bus_clear(&machine->pio);
	bus_clear(&machine->mmio);
	ioapic_destroy(&machine->ioapic);
	gm_cell_free(machine->memory);
	loop_free(machine->loop);
}
