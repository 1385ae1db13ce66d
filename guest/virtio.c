/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Devices and their virtio-mmio registers; see virtio.h. The queues are virtq.c's. */
#include "guest/virtio.h"

#include <stddef.h>

#include "guest/abi.h"
#include "guest/cmdline.h"
#include "guest/cpu.h"
#include "guest/interrupts.h"
#include "guest/memory.h"
#include "guest/string.h"
#include "guest/virtio-pci.h"

#define MAX_DEVICES 32

static struct virtio_device devices[MAX_DEVICES];
static unsigned int device_count;
static struct pci_places pci_places[MAX_DEVICES];

/* --- transport ------------------------------------------------------------------------------- */

uint32_t virtio_read(const struct virtio_device *device, uint32_t reg)
{
	return device->pci ? virtio_pci_read(device->pci, reg) : mmio_read(device->base + reg);
}

void virtio_write(const struct virtio_device *device, uint32_t reg, uint32_t value)
{
	if (device->pci)
		virtio_pci_write(device->pci, reg, value);
	else
		mmio_write(device->base + reg, value);
}

void virtio_write64(const struct virtio_device *device, uint32_t reg, uint64_t value)
{
	virtio_write(device, reg, (uint32_t)value);
	virtio_write(device, reg + 4, (uint32_t)(value >> 32));
}

void virtio_route_queue(struct virtio_device *device, uint16_t index)
{
	if (device->pci)
		virtio_pci_route_queue(device->pci, index);
}

void virtio_acknowledge(unsigned int pin)
{
	for (unsigned int i = 0; i < device_count; i++) {
		uint32_t pending;

		if (devices[i].pin != pin)
			continue;
		pending = virtio_read(&devices[i], VIRTIO_INT_STATUS);
		virtio_write(&devices[i], VIRTIO_INT_ACK, pending);
		if ((pending & INT_CONFIG) &&
		    (virtio_read(&devices[i], VIRTIO_STATUS) & STATUS_NEEDS_RESET))
			devices[i].broken = true;
	}
}

static void add_device(uint64_t base, uint64_t size, uint64_t pin)
{
	struct virtio_device *device = &devices[device_count];

	memory_reserve(base, size);
	*device = (struct virtio_device){.base = base, .pin = (uint32_t)pin};
	if (virtio_read(device, VIRTIO_MAGIC) != VIRTIO_MAGIC_VALUE ||
	    virtio_read(device, VIRTIO_VERSION) != 2)
		return;
	device->id = virtio_read(device, VIRTIO_DEVICE_ID);
	if (!device->id) /* a place for a device, and none there */
		return;
	device_count++;
	if (pin < PIN_COUNT)
		irq_enable((unsigned int)pin);
}

/* Bus 0. Where there is no PCI not even a host bridge answers. */
static void scan_pci(void)
{
	for (unsigned int slot = 0; slot < MAX_DEVICES; slot++) {
		struct virtio_device *device = &devices[device_count];
		struct pci_places *places = &pci_places[device_count];
		unsigned int pin = device_count % PIN_COUNT;

		*device = (struct virtio_device){.pci = places, .pin = pin};
		if (virtio_pci_probe(slot, pin, places, &device->id))
			device_count++;
	}
}

void virtio_init(void)
{
	const char *word = NULL;

	while ((word = cmdline_next(ABI_KEY_VIRTIO_MMIO, word)) && device_count < MAX_DEVICES) {
		const char *text = word; /* SIZE@BASE:IRQ */
		uint64_t size, base;

		size = cmdline_number(&text);
		if (*text++ != '@')
			continue;
		base = cmdline_number(&text);
		if (*text++ != ':')
			continue;
		add_device(base, size, cmdline_number(&text));
	}
	if (!device_count)
		scan_pci();
}

struct virtio_device *virtio_find(uint32_t id, unsigned int nth)
{
	for (unsigned int i = 0; i < device_count; i++) {
		if ((id == VIRTIO_ID_ANY || devices[i].id == id) && nth-- == 0)
			return &devices[i];
	}
	return NULL;
}

uint64_t virtio_offered(const struct virtio_device *device)
{
	uint64_t features;

	virtio_write(device, VIRTIO_DEVICE_SELECT, 1);
	features = (uint64_t)virtio_read(device, VIRTIO_DEVICE_FEATURES) << 32;
	virtio_write(device, VIRTIO_DEVICE_SELECT, 0);
	return features | virtio_read(device, VIRTIO_DEVICE_FEATURES);
}

/* What the queues need or can do beside what a test asks for. */
static uint64_t ring_features(void)
{
	const char *ring = cmdline_next(ABI_KEY_RING, NULL);
	uint64_t features = FEATURE_VERSION_1 | FEATURE_IN_ORDER;

	return ring && cmdline_lists(ring, "split") ? features : features | FEATURE_RING_PACKED;
}

bool virtio_start(struct virtio_device *device, uint64_t wanted)
{
	uint32_t status = STATUS_ACKNOWLEDGE | STATUS_DRIVER;

	virtio_write(device, VIRTIO_STATUS, 0);
	device->broken = false;
	virtio_write(device, VIRTIO_STATUS, status);
	if (device->pci)
		virtio_pci_route_config(device->pci);
	device->features = virtio_offered(device) & (wanted | ring_features());
	virtio_write(device, VIRTIO_DRIVER_SELECT, 0);
	virtio_write(device, VIRTIO_DRIVER_FEATURES, (uint32_t)device->features);
	virtio_write(device, VIRTIO_DRIVER_SELECT, 1);
	virtio_write(device, VIRTIO_DRIVER_FEATURES, (uint32_t)(device->features >> 32));
	status |= STATUS_FEATURES_OK;
	virtio_write(device, VIRTIO_STATUS, status);
	return virtio_read(device, VIRTIO_STATUS) == status;
}

void virtio_ready(struct virtio_device *device)
{
	virtio_write(device, VIRTIO_STATUS,
		     STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK | STATUS_DRIVER_OK);
}

uint64_t virtio_config64(const struct virtio_device *device, uint32_t offset)
{
	uint32_t generation;
	uint64_t value;

	do {
		generation = virtio_read(device, VIRTIO_GENERATION);
		value = virtio_read(device, VIRTIO_CONFIG + offset) |
			(uint64_t)virtio_read(device, VIRTIO_CONFIG + offset + 4) << 32;
	} while (virtio_read(device, VIRTIO_GENERATION) != generation);
	return value;
}
