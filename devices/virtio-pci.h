/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The virtio-pci transport, version 1 only (virtio 1.2, section 4.1): one virtio device as one PCI
 * function with one BAR and MSI-X. There is no INTx: a driver that does not switch MSI-X on has to
 * poll.
 *
 * Accesses come from vCPU threads; queue notifications come from the loop's thread through
 * eventfds, or from a vCPU thread as a plain write where no eventfd is attached. The device's lock
 * orders them.
 */
#ifndef DEVICES_VIRTIO_PCI_H
#define DEVICES_VIRTIO_PCI_H

#include "devices/loop.h"
#include "devices/msi.h"
#include "devices/pci.h"
#include "devices/report.h"
#include "devices/virtio-notify.h"
#include "devices/virtio.h"
#include "guestmem/guestmem.h"

#define VIRTIO_PCI_BAR_SIZE 0x4000

struct virtio_pci;

/*
 * Put @device (owned by the transport from here on, also on failure) behind a PCI function. The
 * cell, loop, sink and notify line are borrowed and must outlive it. @notify may be NULL; its
 * offsets are guest physical addresses, which change as the guest moves the BAR.
 */
int virtio_pci_new(struct virtio_device *device, struct gm_cell *memory, struct loop *loop,
		   struct msi_sink *sink, struct notify_line *notify, struct virtio_pci **out,
		   struct report *report);

/* The function, to be plugged into a bus. */
struct pci_function *virtio_pci_function(struct virtio_pci *pci);

/* No vCPU and no loop may be running. Frees the device too. */
void virtio_pci_free(struct virtio_pci *pci);

#endif
