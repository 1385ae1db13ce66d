/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The common configuration structure of virtio-pci (virtio 1.2, section 4.1.4.3). Fields are
 * accessed as wide as they are, those of 64 bits in halves; everything else reads as zero and is
 * dropped. What a write means is virtio.c's.
 */
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <string.h>

#include "devices/virtio-pci-impl.h"

/* Younger than the kernel's header. */
#define COMMON_Q_RESET 58

static const uint8_t widths[COMMON_SIZE] = {
	[VIRTIO_PCI_COMMON_DFSELECT] = 4,  [VIRTIO_PCI_COMMON_DF] = 4,
	[VIRTIO_PCI_COMMON_GFSELECT] = 4,  [VIRTIO_PCI_COMMON_GF] = 4,
	[VIRTIO_PCI_COMMON_MSIX] = 2,      [VIRTIO_PCI_COMMON_NUMQ] = 2,
	[VIRTIO_PCI_COMMON_STATUS] = 1,    [VIRTIO_PCI_COMMON_CFGGENERATION] = 1,
	[VIRTIO_PCI_COMMON_Q_SELECT] = 2,  [VIRTIO_PCI_COMMON_Q_SIZE] = 2,
	[VIRTIO_PCI_COMMON_Q_MSIX] = 2,    [VIRTIO_PCI_COMMON_Q_ENABLE] = 2,
	[VIRTIO_PCI_COMMON_Q_NOFF] = 2,    [VIRTIO_PCI_COMMON_Q_DESCLO] = 4,
	[VIRTIO_PCI_COMMON_Q_DESCHI] = 4,  [VIRTIO_PCI_COMMON_Q_AVAILLO] = 4,
	[VIRTIO_PCI_COMMON_Q_AVAILHI] = 4, [VIRTIO_PCI_COMMON_Q_USEDLO] = 4,
	[VIRTIO_PCI_COMMON_Q_USEDHI] = 4,  [COMMON_Q_RESET] = 2,
};

static bool is_field(uint32_t offset, unsigned int len)
{
	return offset < COMMON_SIZE && widths[offset] == len;
}

/* --- reading ------------------------------------------------------------------------------------ */

/* Of the selected queue; all zero where there is none, but the vector. */
static uint32_t read_queue_field(const struct virtio_pci *pci, uint32_t offset)
{
	const struct virtq *vq = &pci->dev->queues[pci->queue_select];

	if (pci->queue_select >= pci->dev->queue_count)
		return offset == VIRTIO_PCI_COMMON_Q_MSIX ? VIRTIO_MSI_NO_VECTOR : 0;
	switch (offset) {
	case VIRTIO_PCI_COMMON_Q_SIZE: return vq->size;
	case VIRTIO_PCI_COMMON_Q_MSIX: return pci->queue_vectors[pci->queue_select];
	case VIRTIO_PCI_COMMON_Q_ENABLE: return vq->ready;
	case VIRTIO_PCI_COMMON_Q_NOFF: return pci->queue_select;
	case VIRTIO_PCI_COMMON_Q_DESCLO: return (uint32_t)vq->desc;
	case VIRTIO_PCI_COMMON_Q_DESCHI: return (uint32_t)(vq->desc >> 32);
	case VIRTIO_PCI_COMMON_Q_AVAILLO: return (uint32_t)vq->avail;
	case VIRTIO_PCI_COMMON_Q_AVAILHI: return (uint32_t)(vq->avail >> 32);
	case VIRTIO_PCI_COMMON_Q_USEDLO: return (uint32_t)vq->used;
	case VIRTIO_PCI_COMMON_Q_USEDHI: return (uint32_t)(vq->used >> 32);
	/* A reset is done when its write returns. */
	default: return 0;
	}
}

static uint32_t read_field(const struct virtio_pci *pci, uint32_t offset)
{
	const struct virtio_device *dev = pci->dev;
	uint32_t select = pci->driver_feature_select;

	switch (offset) {
	case VIRTIO_PCI_COMMON_DFSELECT: return pci->device_feature_select;
	case VIRTIO_PCI_COMMON_DF: return virtio_features(dev, pci->device_feature_select);
	case VIRTIO_PCI_COMMON_GFSELECT: return select;
	case VIRTIO_PCI_COMMON_GF:
		return select < 2 ? (uint32_t)(dev->driver_features >> (32 * select)) : 0;
	case VIRTIO_PCI_COMMON_MSIX: return pci->config_vector;
	case VIRTIO_PCI_COMMON_NUMQ: return dev->queue_count;
	case VIRTIO_PCI_COMMON_STATUS: return dev->status;
	case VIRTIO_PCI_COMMON_CFGGENERATION: return dev->config_generation;
	case VIRTIO_PCI_COMMON_Q_SELECT: return pci->queue_select;
	default: return read_queue_field(pci, offset);
	}
}

void virtio_pci_common_read(struct virtio_pci *pci, uint32_t offset, void *data, unsigned int len)
{
	uint8_t value[4];

	memset(data, 0, len);
	if (!is_field(offset, len))
		return;
	pci_put32(value, 0, read_field(pci, offset));
	memcpy(data, value, len);
}

/* --- writing ------------------------------------------------------------------------------------ */

static void set_low(uint64_t *addr, uint32_t value)
{
	*addr = (*addr & ~(uint64_t)UINT32_MAX) | value;
}

static void set_high(uint64_t *addr, uint32_t value)
{
	*addr = (*addr & UINT32_MAX) | (uint64_t)value << 32;
}

/* A vector that is not there reads back as none, which is how the driver learns of it. */
static uint16_t vector(const struct virtio_pci *pci, uint32_t value)
{
	return value < pci->msix.count ? (uint16_t)value : VIRTIO_MSI_NO_VECTOR;
}

/* What describes the selected queue while it may be set up. */
static void write_queue_setup(struct virtio_pci *pci, uint32_t offset, uint32_t value)
{
	struct virtq *vq = virtio_queue_setup(pci->dev, pci->queue_select);

	if (!vq)
		return;
	switch (offset) {
	case VIRTIO_PCI_COMMON_Q_SIZE: vq->size = value; break;
	case VIRTIO_PCI_COMMON_Q_DESCLO: set_low(&vq->desc, value); break;
	case VIRTIO_PCI_COMMON_Q_DESCHI: set_high(&vq->desc, value); break;
	case VIRTIO_PCI_COMMON_Q_AVAILLO: set_low(&vq->avail, value); break;
	case VIRTIO_PCI_COMMON_Q_AVAILHI: set_high(&vq->avail, value); break;
	case VIRTIO_PCI_COMMON_Q_USEDLO: set_low(&vq->used, value); break;
	case VIRTIO_PCI_COMMON_Q_USEDHI: set_high(&vq->used, value); break;
	default: break;
	}
}

static void write_queue_field(struct virtio_pci *pci, uint32_t offset, uint32_t value)
{
	uint16_t queue = pci->queue_select;

	if (queue >= pci->dev->queue_count)
		return;
	switch (offset) {
	case VIRTIO_PCI_COMMON_Q_MSIX: pci->queue_vectors[queue] = vector(pci, value); break;
	/* A driver must not write 0: a queue is stopped by a reset (4.1.4.3.2). */
	case VIRTIO_PCI_COMMON_Q_ENABLE:
		if (value == 1)
			virtio_queue_set_ready(pci->dev, queue, true);
		virtio_pci_attach(pci);
		break;
	case COMMON_Q_RESET:
		if (value != 1)
			break;
		virtio_queue_reset(pci->dev, queue);
		if (!pci->dev->queues[queue].ready)
			pci->queue_vectors[queue] = VIRTIO_MSI_NO_VECTOR;
		break;
	default: write_queue_setup(pci, offset, value); break;
	}
}

static void write_status(struct virtio_pci *pci, uint8_t value)
{
	if (value == 0) {
		/* Detached first: after it no notification of the old driver is on its way. */
		virtio_notifier_detach(&pci->notifier);
		virtio_set_status(pci->dev, 0);
		virtio_pci_forget(pci);
		return;
	}
	if (value & VIRTIO_CONFIG_S_DRIVER_OK)
		virtio_notifier_open(&pci->notifier);
	virtio_set_status(pci->dev, value);
	virtio_pci_attach(pci);
}

static void write_field(struct virtio_pci *pci, uint32_t offset, uint32_t value)
{
	switch (offset) {
	case VIRTIO_PCI_COMMON_DFSELECT: pci->device_feature_select = value; break;
	case VIRTIO_PCI_COMMON_GFSELECT: pci->driver_feature_select = value; break;
	case VIRTIO_PCI_COMMON_GF:
		virtio_set_driver_features(pci->dev, pci->driver_feature_select, value);
		break;
	case VIRTIO_PCI_COMMON_MSIX: pci->config_vector = vector(pci, value); break;
	case VIRTIO_PCI_COMMON_STATUS: write_status(pci, (uint8_t)value); break;
	case VIRTIO_PCI_COMMON_Q_SELECT: pci->queue_select = (uint16_t)value; break;
	default: write_queue_field(pci, offset, value); break;
	}
}

void virtio_pci_common_write(struct virtio_pci *pci, uint32_t offset, const void *data,
			     unsigned int len)
{
	uint8_t value[4] = {0};

	if (!is_field(offset, len))
		return;
	memcpy(value, data, len);
	write_field(pci, offset, pci_get32(value, 0));
}
