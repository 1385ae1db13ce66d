/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * A driver's side of virtio-pci (virtio 1.2, section 4.1), by the names virtio-mmio has for what
 * both transports have. Where a device is in the BAR its capabilities say; interrupts are MSI-X.
 */
#ifndef GUEST_VIRTIO_PCI_H
#define GUEST_VIRTIO_PCI_H

#include <stdbool.h>
#include <stdint.h>

#define PCI_QUEUES 64 /* of a device in use, by their numbers */

struct pci_places {
	uint64_t common, notify, isr, config, table;
	uint32_t notify_multiplier;
	uint16_t notify_offset[PCI_QUEUES]; /* of queues that were routed */
};

/*
 * Look at slot @slot of bus 0. If a virtio device is there, switch it on with all its interrupts as
 * those of @pin, and fill in *@places; false if not. Its id becomes *@id.
 */
bool virtio_pci_probe(unsigned int slot, unsigned int pin, struct pci_places *places, uint32_t *id);

uint32_t virtio_pci_read(const struct pci_places *places, uint32_t reg);
void virtio_pci_write(const struct pci_places *places, uint32_t reg, uint32_t value);

/* A device that was reset has forgotten which message is for what: changes of its configuration,
 * and the selected queue @index. */
void virtio_pci_route_config(const struct pci_places *places);
void virtio_pci_route_queue(struct pci_places *places, uint16_t index);

#endif
