/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Putting the machine together, running it, taking it apart in reverse. What each part does is
 * its own file's; which address and interrupt it has is decided here.
 */
#include "vmm/machine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/layout.h"

static int out_of_memory(struct report *report)
{
	return report_fail(report, REPORT_HOST, "out of memory");
}

/* --- how it ends ------------------------------------------------------------------------------ */

void machine_stop(struct machine *machine, int status)
{
	loop_stop(machine->loop, status);
}

/* On a vCPU's thread: not one instruction more. */
static void guest_ends(void *arg, int status)
{
	struct machine *machine = arg;

	vcpu_leave(&machine->vcpu);
	machine_stop(machine, status);
}

static void guest_resets(void *arg)
{
	guest_ends(arg, 0);
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

int machine_create(struct machine *machine, struct kvm *kvm, struct gm_memory *memory,
		   const char *serial, struct report *report)
{
	*machine = (struct machine){.kvm = kvm};
	ioapic_init(&machine->ioapic, kvm);
	i8042_init(&machine->i8042, guest_resets, machine);
	machine->exit_port = (struct exit_port){guest_ends, machine};
	machine->loop = loop_new();
	if (!machine->loop)
		return report_fail(report, REPORT_HOST, "epoll: %s", strerror(errno));
	if (gm_cell_new(memory, &machine->memory))
		return out_of_memory(report);
	if (add_serial(machine, serial, report))
		return -1;
	if (add_ranges(machine, report))
		return -1;
	return kvm_create_vm(kvm, memory, IOAPIC_PINS, report);
}

/* --- virtio devices ------------------------------------------------------------------------------ */

static int slot_attach(struct notify_line *line, uint64_t offset, uint32_t value, int eventfd)
{
	struct machine_slot *slot = (struct machine_slot *)line;

	return kvm_ioeventfd(slot->machine->kvm, slot->base + offset, value, eventfd, true);
}

static void slot_detach(struct notify_line *line, uint64_t offset, uint32_t value, int eventfd)
{
	struct machine_slot *slot = (struct machine_slot *)line;

	kvm_ioeventfd(slot->machine->kvm, slot->base + offset, value, eventfd, false);
}

static int plug_in(struct machine *machine, struct machine_slot *slot, struct report *report)
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

int machine_add_device(struct machine *machine, const struct device_type *type, const char *args,
		       struct report *report)
{
	size_t index = machine->slot_count;
	struct machine_slot *slot;
	char option[64];

	snprintf(option, sizeof(option), "--%s", type->name);
	if (index == MACHINE_DEVICES_MAX)
		return report_fail(report, REPORT_USER, "%s %s: there is room for %d devices",
				   option, args ? args : "", MACHINE_DEVICES_MAX);
	slot = &machine->slots[index];
	*slot = (struct machine_slot){
		.notify = {slot_attach, slot_detach},
		.machine = machine,
		.base = MMIO_DEVICE_BASE + index * VIRTIO_MMIO_SIZE,
		.pin = MACHINE_FIRST_PIN + (unsigned int)index,
	};
	if (type->create(option, args, machine->loop, &slot->device, report))
		return -1;
	return plug_in(machine, slot, report);
}

char *machine_cmdline(const struct machine *machine, const char *cmdline)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	fputs(cmdline, out);
	for (size_t i = 0; i < machine->slot_count; i++)
		fprintf(out, "%svirtio_mmio.device=%#x@%#llx:%u", *cmdline || i ? " " : "",
			VIRTIO_MMIO_SIZE, (unsigned long long)machine->slots[i].base,
			machine->slots[i].pin);
	if (fclose(out)) {
		free(text);
		return NULL;
	}
	return text;
}

/* --- vCPU, run, end ------------------------------------------------------------------------------- */

int machine_create_vcpu(struct machine *machine, const struct boot_state *state, struct report *report)
{
	machine->env = (struct vcpu_env){
		.kvm = machine->kvm,
		.pio = &machine->pio,
		.mmio = &machine->mmio,
		.memory = machine->memory,
		.end = guest_ends,
		.arg = machine,
	};
	machine->has_vcpu = true;
	if (vcpu_create(&machine->vcpu, &machine->env, 0, 1, report))
		return -1;
	return vcpu_set_boot_state(&machine->vcpu, state, report);
}

int machine_run(struct machine *machine, int *status, struct report *report)
{
	int err;

	if (vcpu_start(&machine->vcpu, report))
		return -1;
	*status = loop_run(machine->loop);
	err = errno;
	vcpu_stop(&machine->vcpu);
	if (*status < 0)
		return report_fail(report, REPORT_HOST, "epoll: %s", strerror(err));
	return 0;
}

void machine_destroy(struct machine *machine)
{
	if (machine->has_vcpu)
		vcpu_destroy(&machine->vcpu);
	while (machine->slot_count)
		virtio_mmio_free(machine->slots[--machine->slot_count].mmio);
	serial_free(machine->serial);
	chardev_close(machine->serial_chardev);
	bus_clear(&machine->pio);
	bus_clear(&machine->mmio);
	ioapic_destroy(&machine->ioapic);
	gm_cell_free(machine->memory);
	loop_free(machine->loop);
}
