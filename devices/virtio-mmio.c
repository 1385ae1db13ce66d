/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The register page of virtio-mmio (virtio 1.2, section 4.2.2). Notifications come as a plain
 * register write where the monitor cannot attach an eventfd to it (virtio-notify.c).
 *
 * Registers are 32 bits wide and accessed as such; anything else below the configuration space
 * reads as zero and is dropped. What a register write means is virtio.c's.
 */
#include "devices/virtio-mmio.h"

#include <endian.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <stdlib.h>
#include <string.h>

#define QUEUE_RESET 0x0c0 /* not in the kernel's header */

#define MMIO_MAGIC     0x74726976 /* "virt" */
#define MMIO_VERSION   2
#define MMIO_VENDOR_ID 0x4d4d5621 /* "!VMM" */

/* All fields but interrupt_status are constant or touched with the device's lock held. */
struct virtio_mmio {
	struct virtio_transport transport;
	struct virtio_device *dev;
	struct irq_line *irq;
	struct virtio_notifier notifier;

	uint32_t device_features_sel;
	uint32_t driver_features_sel;
	uint32_t queue_sel;
	uint32_t interrupt_status; /* atomic: read without waiting for a request to end */
};

/* --- interrupts ------------------------------------------------------------------------------ */

static void mmio_interrupt(struct virtio_transport *transport, uint32_t cause, unsigned int queue)
{
	struct virtio_mmio *mmio = (struct virtio_mmio *)transport;

	/* One line for all queues. */
	(void)queue;
	__atomic_fetch_or(&mmio->interrupt_status, cause, __ATOMIC_SEQ_CST);
	irq_pulse(mmio->irq);
}

static void mmio_again(struct virtio_transport *transport, unsigned int index)
{
	virtio_notifier_again(&((struct virtio_mmio *)transport)->notifier, index);
}

static void attach(struct virtio_mmio *mmio)
{
	if (virtio_is_live(mmio->dev))
		virtio_notifier_attach(&mmio->notifier, VIRTIO_MMIO_QUEUE_NOTIFY, 0);
}

/* --- registers ------------------------------------------------------------------------------- */

static uint32_t read_register(struct virtio_mmio *mmio, uint64_t offset)
{
	struct virtio_device *dev = mmio->dev;
	uint32_t queue = mmio->queue_sel;

	switch (offset) {
	case VIRTIO_MMIO_DEVICE_FEATURES: return virtio_features(dev, mmio->device_features_sel);
	case VIRTIO_MMIO_QUEUE_NUM_MAX:
		return queue < dev->queue_count ? dev->queues[queue].max_size : 0;
	case VIRTIO_MMIO_QUEUE_READY:
		return queue < dev->queue_count ? dev->queues[queue].ready : 0;
	case VIRTIO_MMIO_STATUS: return dev->status;
	case VIRTIO_MMIO_CONFIG_GENERATION: return dev->config_generation;
	/* There are no shared memory regions: length and base of each are -1 (4.2.2). */
	case VIRTIO_MMIO_SHM_LEN_LOW:
	case VIRTIO_MMIO_SHM_LEN_HIGH:
	case VIRTIO_MMIO_SHM_BASE_LOW:
	case VIRTIO_MMIO_SHM_BASE_HIGH: return UINT32_MAX;
	default: return 0;
	}
}

static void set_low(uint64_t *addr, uint32_t value)
{
	*addr = (*addr & ~(uint64_t)UINT32_MAX) | value;
}

static void set_high(uint64_t *addr, uint32_t value)
{
	*addr = (*addr & UINT32_MAX) | (uint64_t)value << 32;
}

/* The registers that describe the selected queue while it may be set up. */
static void write_queue_register(struct virtio_mmio *mmio, uint64_t offset, uint32_t value)
{
	struct virtq *vq = virtio_queue_setup(mmio->dev, mmio->queue_sel);

	if (!vq)
		return;
	switch (offset) {
	case VIRTIO_MMIO_QUEUE_NUM: vq->size = value; break;
	case VIRTIO_MMIO_QUEUE_DESC_LOW: set_low(&vq->desc, value); break;
	case VIRTIO_MMIO_QUEUE_DESC_HIGH: set_high(&vq->desc, value); break;
	case VIRTIO_MMIO_QUEUE_AVAIL_LOW: set_low(&vq->avail, value); break;
	case VIRTIO_MMIO_QUEUE_AVAIL_HIGH: set_high(&vq->avail, value); break;
	case VIRTIO_MMIO_QUEUE_USED_LOW: set_low(&vq->used, value); break;
	case VIRTIO_MMIO_QUEUE_USED_HIGH: set_high(&vq->used, value); break;
	default: break;
	}
}

static void write_status(struct virtio_mmio *mmio, uint8_t value)
{
	struct virtio_device *dev = mmio->dev;

	if (value == 0) {
		/* Detached first: after it no notification of the old driver is on its way. */
		virtio_notifier_detach(&mmio->notifier);
		virtio_set_status(dev, 0);
		mmio->device_features_sel = 0;
		mmio->driver_features_sel = 0;
		mmio->queue_sel = 0;
		__atomic_store_n(&mmio->interrupt_status, 0, __ATOMIC_SEQ_CST);
		return;
	}
	if (value & VIRTIO_CONFIG_S_DRIVER_OK)
		virtio_notifier_open(&mmio->notifier);
	virtio_set_status(dev, value);
	attach(mmio);
}

static void write_register(struct virtio_mmio *mmio, uint64_t offset, uint32_t value)
{
	struct virtio_device *dev = mmio->dev;

	switch (offset) {
	case VIRTIO_MMIO_DEVICE_FEATURES_SEL: mmio->device_features_sel = value; break;
	case VIRTIO_MMIO_DRIVER_FEATURES_SEL: mmio->driver_features_sel = value; break;
	case VIRTIO_MMIO_DRIVER_FEATURES:
		virtio_set_driver_features(dev, mmio->driver_features_sel, value);
		break;
	case VIRTIO_MMIO_QUEUE_SEL: mmio->queue_sel = value; break;
	case VIRTIO_MMIO_QUEUE_READY:
		virtio_queue_set_ready(dev, mmio->queue_sel, value & 1);
		attach(mmio);
		break;
	/* Done when the write returns: it reads as 0, which is what the driver waits for. */
	case QUEUE_RESET:
		if (value == 1)
			virtio_queue_reset(dev, mmio->queue_sel);
		break;
	case VIRTIO_MMIO_STATUS: write_status(mmio, (uint8_t)value); break;
	default: write_queue_register(mmio, offset, value); break;
	}
}

/* The registers that never change and the interrupt status need no lock. True if it was one. */
static bool read_lockless(struct virtio_mmio *mmio, uint64_t offset, uint32_t *value)
{
	switch (offset) {
	case VIRTIO_MMIO_MAGIC_VALUE: *value = MMIO_MAGIC; return true;
	case VIRTIO_MMIO_VERSION: *value = MMIO_VERSION; return true;
	case VIRTIO_MMIO_DEVICE_ID: *value = mmio->dev->ops->device_id; return true;
	case VIRTIO_MMIO_VENDOR_ID: *value = MMIO_VENDOR_ID; return true;
	case VIRTIO_MMIO_INTERRUPT_STATUS:
		*value = __atomic_load_n(&mmio->interrupt_status, __ATOMIC_SEQ_CST);
		return true;
	default: return false;
	}
}

static void mmio_read(void *device, uint64_t offset, void *data, unsigned int len)
{
	struct virtio_mmio *mmio = device;
	uint32_t value;

	if (offset >= VIRTIO_MMIO_CONFIG) {
		virtio_lock(mmio->dev);
		virtio_config_read(mmio->dev, offset - VIRTIO_MMIO_CONFIG, data, len);
		virtio_unlock(mmio->dev);
		return;
	}
	if (len != sizeof(value) || offset % sizeof(value)) {
		memset(data, 0, len);
		return;
	}
	if (!read_lockless(mmio, offset, &value)) {
		virtio_lock(mmio->dev);
		value = read_register(mmio, offset);
		virtio_unlock(mmio->dev);
	}
	value = htole32(value);
	memcpy(data, &value, sizeof(value));
}

static void mmio_write(void *device, uint64_t offset, const void *data, unsigned int len)
{
	struct virtio_mmio *mmio = device;
	uint32_t value;

	if (offset >= VIRTIO_MMIO_CONFIG) {
		virtio_lock(mmio->dev);
		virtio_config_write(mmio->dev, offset - VIRTIO_MMIO_CONFIG, data, len);
		virtio_unlock(mmio->dev);
		return;
	}
	if (len != sizeof(value) || offset % sizeof(value))
		return;
	memcpy(&value, data, sizeof(value));
	value = le32toh(value);
	if (offset == VIRTIO_MMIO_INTERRUPT_ACK) {
		__atomic_fetch_and(&mmio->interrupt_status, ~value, __ATOMIC_SEQ_CST);
		return;
	}
	if (offset == VIRTIO_MMIO_QUEUE_NOTIFY) {
		virtio_notifier_notify(&mmio->notifier, value);
		return;
	}
	virtio_lock(mmio->dev);
	write_register(mmio, offset, value);
	virtio_unlock(mmio->dev);
}

const struct bus_ops virtio_mmio_bus_ops = {
	.read = mmio_read,
	.write = mmio_write,
};

/* --- life ------------------------------------------------------------------------------------ */

int virtio_mmio_new(struct virtio_device *device, struct gm_cell *memory, struct loop *loop,
		    struct irq_line *irq, struct notify_line *notify, struct virtio_mmio **out,
		    struct report *report)
{
	struct virtio_mmio *mmio = calloc(1, sizeof(*mmio));

	if (!mmio || virtio_notifier_init(&mmio->notifier, device, loop, notify, sizeof(uint32_t))) {
		free(mmio);
		virtio_device_free(device);
		return report_fail(report, REPORT_HOST, "virtio-mmio: out of memory");
	}
	mmio->transport.interrupt = mmio_interrupt;
	mmio->transport.again = mmio_again;
	mmio->dev = device;
	mmio->irq = irq;
	virtio_device_attach(device, memory, &mmio->transport);
	*out = mmio;
	return 0;
}

void virtio_mmio_free(struct virtio_mmio *mmio)
{
	if (!mmio)
		return;
	virtio_notifier_destroy(&mmio->notifier);
	virtio_device_free(mmio->dev);
	free(mmio);
}
