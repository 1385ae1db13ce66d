/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The machine's PCI bus (--transport pci): where configuration space and the window of BARs are,
 * and messages to the local APICs. Its functions are the virtio devices, one a slot.
 *
 * A message is an ioctl of its own (KVM_SIGNAL_MSI) and not an irqfd with a route: guests mask and
 * rewrite vectors as they move interrupts between processors, and each change of a route would make
 * KVM wait for a grace period, milliseconds in which the vCPU stands still.
 */
#include "vmm/layout.h"
#include "vmm/machine-parts.h"

/* The local APICs take messages in this much from LAPIC_BASE on; the rest says which of them. */
#define MSI_SIZE 0x100000ULL

static void send_message(struct msi_sink *sink, uint64_t address, uint32_t data)
{
	struct machine_pci *pci = (struct machine_pci *)sink;

	/* Anywhere else would be memory, which messages are not meant for. */
	if (address < LAPIC_BASE || address - LAPIC_BASE >= MSI_SIZE)
		return;
	/* Whom the guest names that is not there does not hear it, as on a real bus. */
	kvm_signal_msi(pci->kvm, address, data);
}

int machine_add_pci(struct machine *machine)
{
	struct machine_pci *pci = &machine->pci;
	const struct bus_range ports = {PCI_PORTS_BASE, PCI_PORTS, &pci_ports_bus_ops, &pci->bus,
					"PCI configuration"};
	const struct bus_range ecam = {PCI_ECAM_BASE, PCI_ECAM_SIZE, &pci_ecam_bus_ops, &pci->bus,
				       "PCI ECAM"};
	const struct bus_range window = {PCI_WINDOW_BASE, PCI_WINDOW_SIZE, &pci_window_bus_ops,
					 &pci->bus, "PCI window"};

	*pci = (struct machine_pci){.sink.send = send_message, .kvm = machine->kvm};
	pci_init(&pci->bus, PCI_WINDOW_BASE, PCI_WINDOW_SIZE);
	return bus_add(&machine->pio, &ports) || bus_add(&machine->mmio, &ecam) ||
			       bus_add(&machine->mmio, &window)
		       ? -1
		       : 0;
}

int machine_plug_pci(struct machine *machine, struct machine_slot *slot, struct report *report)
{
	if (virtio_pci_new(slot->device, machine->memory, machine->loop, &machine->pci.sink,
			   &slot->notify, &slot->pci, report))
		return -1;
	machine->slot_count++;
	/* The host bridge has the first slot. */
	pci_add(&machine->pci.bus, (unsigned int)machine->slot_count, virtio_pci_function(slot->pci));
	return 0;
}
