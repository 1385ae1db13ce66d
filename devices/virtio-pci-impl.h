/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* What the parts of the virtio-pci transport share: the function, and its common registers. */
#ifndef DEVICES_VIRTIO_PCI_IMPL_H
#define DEVICES_VIRTIO_PCI_IMPL_H

#include "devices/pci-msix.h"
#include "devices/virtio-pci.h"

/* What is where in the BAR. */
#define BAR_COMMON    0x0000
#define BAR_ISR       0x0800
#define BAR_DEVICE    0x1000
#define BAR_NOTIFY    0x2000
#define BAR_TABLE     0x3000
#define BAR_PBA       0x3800
#define NOTIFY_STRIDE 4

#define COMMON_SIZE 60 /* up to and with queue_reset */
#define REGION_SIZE 0x1000

/* Constant, or with the device's lock held, but for what says otherwise. */
struct virtio_pci {
	struct virtio_transport transport;
	struct pci_function function;
	struct msix msix;
	struct virtio_device *dev;
	struct virtio_notifier notifier;

	uint32_t base; /* of the BAR; follows function.base */
	uint32_t device_feature_select;
	uint32_t driver_feature_select;
	uint16_t queue_select;
	uint16_t config_vector;
	uint16_t *queue_vectors; /* one a queue */
	uint32_t isr;            /* atomic: reading it clears it */
};

/* Let the driver's notifications come over the loop, if it is up and the BAR is decoded. */
void virtio_pci_attach(struct virtio_pci *pci);

/* All vectors and selectors as after a reset. */
void virtio_pci_forget(struct virtio_pci *pci);

/* virtio-pci-common.c: the common configuration structure; with the device's lock held. */
void virtio_pci_common_read(struct virtio_pci *pci, uint32_t offset, void *data, unsigned int len);
void virtio_pci_common_write(struct virtio_pci *pci, uint32_t offset, const void *data,
			     unsigned int len);

#endif
