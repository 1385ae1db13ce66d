/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The virtio-mmio transport and the split virtqueue; see virtio.h. */
#include "guest/virtio.h"

#include <stddef.h>

#include "guest/abi.h"
#include "guest/cmdline.h"
#include "guest/cpu.h"
#include "guest/interrupts.h"
#include "guest/memory.h"
#include "guest/string.h"

#define MAX_DEVICES 32
#define MAX_QUEUES  2 /* per device in use at a time */

/* Offsets in the rings, which may be anywhere and are therefore not structs. */
#define AVAIL_FLAGS   0
#define AVAIL_IDX     2
#define AVAIL_RING(i) (4 + 2 * (i))
#define USED_IDX      2
#define USED_ID(i)    (4 + 8 * (i))
#define USED_LEN(i)   (8 + 8 * (i))

static struct virtio_device devices[MAX_DEVICES];
static unsigned int device_count;

static struct {
	struct virtq_desc desc[QUEUE_SIZE] __attribute__((aligned(16)));
	uint8_t avail[6 + 2 * QUEUE_SIZE] __attribute__((aligned(2)));
	uint8_t used[6 + 8 * QUEUE_SIZE] __attribute__((aligned(4)));
} default_places[MAX_QUEUES];

/* Ring elements are shared with the device, and aligned to 2 but, for used elements, not to 4. */
static volatile uint16_t *ring16(uint8_t *ring, unsigned int offset)
{
	return (volatile uint16_t *)(ring + offset);
}

static volatile uint32_t *ring32(uint8_t *ring, unsigned int offset)
{
	return (volatile uint32_t *)(ring + offset);
}

/* --- transport ------------------------------------------------------------------------------- */

uint32_t virtio_read(const struct virtio_device *device, uint32_t reg)
{
	return mmio_read(device->base + reg);
}

void virtio_write(const struct virtio_device *device, uint32_t reg, uint32_t value)
{
	mmio_write(device->base + reg, value);
}

static void write64(const struct virtio_device *device, uint32_t reg, uint64_t value)
{
	virtio_write(device, reg, (uint32_t)value);
	virtio_write(device, reg + 4, (uint32_t)(value >> 32));
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

bool virtio_start(struct virtio_device *device, uint64_t wanted)
{
	uint32_t status = STATUS_ACKNOWLEDGE | STATUS_DRIVER;

	virtio_write(device, VIRTIO_STATUS, 0);
	device->broken = false;
	virtio_write(device, VIRTIO_STATUS, status);
	device->features = virtio_offered(device) & (wanted | FEATURE_VERSION_1);
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

/* --- queues ---------------------------------------------------------------------------------- */

bool virtq_setup(struct virtq *queue, struct virtio_device *device, uint16_t index,
		 const struct virtq_place *place)
{
	static const struct virtq_place anywhere;

	if (!place)
		place = &anywhere;
	*queue = (struct virtq){.device = device, .index = index};
	queue->size = place->size ? place->size : QUEUE_SIZE;
	queue->desc = place->desc ? at(place->desc) : default_places[index % MAX_QUEUES].desc;
	queue->avail = place->avail ? at(place->avail) : default_places[index % MAX_QUEUES].avail;
	queue->used = place->used ? at(place->used) : default_places[index % MAX_QUEUES].used;
	memset(queue->desc, 0, sizeof(*queue->desc) * queue->size);
	memset(queue->avail, 0, AVAIL_RING(queue->size) + 2);
	memset(queue->used, 0, USED_ID(queue->size) + 2);

	virtio_write(device, VIRTIO_QUEUE_SELECT, index);
	if (virtio_read(device, VIRTIO_QUEUE_NUM_MAX) < queue->size)
		return false;
	virtio_write(device, VIRTIO_QUEUE_NUM, queue->size);
	write64(device, VIRTIO_QUEUE_DESC, (uint64_t)queue->desc);
	write64(device, VIRTIO_QUEUE_AVAIL, (uint64_t)queue->avail);
	write64(device, VIRTIO_QUEUE_USED, (uint64_t)queue->used);
	virtio_write(device, VIRTIO_QUEUE_READY, 1);
	return virtio_read(device, VIRTIO_QUEUE_READY) == 1;
}

static void fill_table(struct virtq_desc *table, const struct buffer *buffers, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		table[i].addr = buffers[i].address;
		table[i].len = buffers[i].len;
		table[i].flags = (buffers[i].device_writes ? DESC_WRITE : 0) |
				 (i + 1 < count ? DESC_NEXT : 0);
		table[i].next = i + 1 < count ? (uint16_t)(i + 1) : 0;
	}
}

void virtq_post(struct virtq *queue, const struct buffer *buffers, unsigned int count,
		uint64_t indirect)
{
	if (indirect) {
		fill_table(at(indirect), buffers, count);
		queue->desc[0] = (struct virtq_desc){
			.addr = indirect,
			.len = (uint32_t)(count * sizeof(struct virtq_desc)),
			.flags = DESC_INDIRECT,
		};
	} else {
		fill_table(queue->desc, buffers, count);
	}
	/* With EVENT_IDX: an interrupt for this very chain, please. Without, flags 0 says so. */
	*ring16(queue->avail, AVAIL_RING(queue->size)) = queue->avail_idx;
	*ring16(queue->avail, AVAIL_RING(queue->avail_idx % queue->size)) = 0;
	__atomic_thread_fence(__ATOMIC_RELEASE);
	*ring16(queue->avail, AVAIL_IDX) = ++queue->avail_idx;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	virtio_write(queue->device, VIRTIO_QUEUE_NOTIFY, queue->index);
}

bool virtq_wait(struct virtq *queue, uint32_t *written)
{
	uint16_t before = (uint16_t)(queue->avail_idx - 1);

	if (!wait_changed(ring16(queue->used, USED_IDX), before, &queue->device->broken))
		return false;
	*written = *ring32(queue->used, USED_LEN(before % queue->size));
	return *ring16(queue->used, USED_IDX) == queue->avail_idx &&
	       *ring32(queue->used, USED_ID(before % queue->size)) == 0;
}
