/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The driver's side of virtqueues, packed and split (virtio 1.2, sections 2.7 and 2.8). The device
 * decides when to be notified, by flags or event index; the driver asks for one interrupt a chain.
 */
#include <stddef.h>

#include "guest/interrupts.h"
#include "guest/memory.h"
#include "guest/string.h"
#include "guest/virtio.h"

#define MAX_QUEUES  6   /* of a device in use at a time, by their numbers */
#define RESET_TICKS 200 /* 2 s */

/* A descriptor. Its last two members are, on a split ring, in a table and on a packed ring: */
#define DESC_SIZE    16
#define DESC_ADDR    0
#define DESC_LEN     8
#define SPLIT_FLAGS  12
#define SPLIT_NEXT   14
#define PACKED_ID    12
#define PACKED_FLAGS 14

#define DESC_NEXT     1
#define DESC_WRITE    2
#define DESC_INDIRECT 4
#define DESC_AVAIL    (1U << 7)
#define DESC_USED     (1U << 15)

/* Offsets in split rings. */
#define AVAIL_FLAGS      0
#define AVAIL_IDX        2
#define AVAIL_RING(i)    (4 + 2 * (i))
#define USED_FLAGS       0
#define USED_IDX         2
#define USED_ID(i)       (4 + 8 * (i))
#define USED_LEN(i)      (8 + 8 * (i))
#define USED_F_NO_NOTIFY 1

/* Event suppression of packed rings. */
#define EVENT_OFF_WRAP  0
#define EVENT_FLAGS     2
#define EVENT_SIZE      4
#define EVENT_F_DISABLE 1
#define EVENT_F_DESC    2

static struct {
	uint8_t desc[DESC_SIZE * QUEUE_SIZE] __attribute__((aligned(16)));
	uint8_t avail[6 + 2 * QUEUE_SIZE] __attribute__((aligned(4)));
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

static uint8_t *desc_at(const struct virtq *queue, unsigned int i)
{
	return queue->desc + (size_t)DESC_SIZE * (i % queue->size);
}

/* --- set-up ---------------------------------------------------------------------------------- */

bool virtq_setup(struct virtq *queue, struct virtio_device *device, uint16_t index,
		 const struct virtq_place *place)
{
	static const struct virtq_place anywhere;

	if (!place)
		place = &anywhere;
	*queue = (struct virtq){
		.device = device,
		.index = index,
		.size = place->size ? place->size : QUEUE_SIZE,
		.packed = device->features & FEATURE_RING_PACKED,
		.event_idx = device->features & FEATURE_EVENT_IDX,
		.wrap = true,
	};
	queue->desc = place->desc ? at(place->desc) : default_places[index % MAX_QUEUES].desc;
	queue->avail = place->avail ? at(place->avail) : default_places[index % MAX_QUEUES].avail;
	queue->used = place->used ? at(place->used) : default_places[index % MAX_QUEUES].used;
	memset(queue->desc, 0, (size_t)DESC_SIZE * queue->size);
	memset(queue->avail, 0, queue->packed ? EVENT_SIZE : AVAIL_RING(queue->size) + 2u);
	memset(queue->used, 0, queue->packed ? EVENT_SIZE : USED_ID(queue->size) + 2u);

	virtio_write(device, VIRTIO_QUEUE_SELECT, index);
	if (virtio_read(device, VIRTIO_QUEUE_NUM_MAX) < queue->size)
		return false;
	virtio_write(device, VIRTIO_QUEUE_NUM, queue->size);
	virtio_write64(device, VIRTIO_QUEUE_DESC, (uint64_t)queue->desc);
	virtio_write64(device, VIRTIO_QUEUE_AVAIL, (uint64_t)queue->avail);
	virtio_write64(device, VIRTIO_QUEUE_USED, (uint64_t)queue->used);
	virtio_route_queue(device, index);
	virtio_write(device, VIRTIO_QUEUE_READY, 1);
	return virtio_read(device, VIRTIO_QUEUE_READY) == 1;
}

bool virtq_reset(struct virtq *queue)
{
	uint32_t start = ticks();

	virtio_write(queue->device, VIRTIO_QUEUE_SELECT, queue->index);
	virtio_write(queue->device, VIRTIO_QUEUE_RESET, 1);
	while (virtio_read(queue->device, VIRTIO_QUEUE_RESET)) {
		if (ticks() - start > RESET_TICKS)
			return false;
	}
	return virtio_read(queue->device, VIRTIO_QUEUE_READY) == 0;
}

/* --- chains ---------------------------------------------------------------------------------- */

static void fill_desc(uint8_t *desc, const struct buffer *buffer)
{
	*(volatile uint64_t *)(desc + DESC_ADDR) = buffer->address;
	*ring32(desc, DESC_LEN) = buffer->len;
}

static uint16_t write_flag(const struct buffer *buffer)
{
	return buffer->device_writes ? DESC_WRITE : 0;
}

static void fill_split(const struct virtq *queue, uint8_t *table, const struct buffer *buffers,
		       unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		bool last = i + 1 == count;
		uint8_t *desc =
			table ? table + (size_t)DESC_SIZE * i : desc_at(queue, queue->head + i);
		unsigned int next = table ? i + 1 : (queue->head + i + 1) % queue->size;

		fill_desc(desc, &buffers[i]);
		*ring16(desc, SPLIT_FLAGS) = write_flag(&buffers[i]) | (last ? 0 : DESC_NEXT);
		*ring16(desc, SPLIT_NEXT) = last ? 0 : (uint16_t)next;
	}
}

/* The device's flag of a table is its only one; NEXT is for rings. */
static void fill_packed_table(uint8_t *table, const struct buffer *buffers, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++, table += DESC_SIZE) {
		fill_desc(table, &buffers[i]);
		*ring16(table, PACKED_ID) = 0;
		*ring16(table, PACKED_FLAGS) = write_flag(&buffers[i]);
	}
}

/* --- split ----------------------------------------------------------------------------------- */

static bool split_wants_notification(struct virtq *queue)
{
	if (queue->event_idx)
		return *ring16(queue->used, USED_ID(queue->size)) == (uint16_t)(queue->posted - 1);
	return !(*ring16(queue->used, USED_FLAGS) & USED_F_NO_NOTIFY);
}

static bool split_post(struct virtq *queue, const struct buffer *buffers, unsigned int count,
		       uint16_t flags)
{
	uint16_t before = (uint16_t)(queue->posted - 1);

	fill_split(queue, NULL, buffers, count);
	if (flags)
		*ring16(desc_at(queue, queue->head), SPLIT_FLAGS) = flags;
	/* With EVENT_IDX: an interrupt for this very chain, please. Without, flags 0 says so. */
	*ring16(queue->avail, AVAIL_RING(queue->size)) = before;
	*ring16(queue->avail, AVAIL_RING(before % queue->size)) = queue->head;
	__atomic_thread_fence(__ATOMIC_RELEASE);
	*ring16(queue->avail, AVAIL_IDX) = queue->posted;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return split_wants_notification(queue);
}

static bool split_wait(struct virtq *queue, uint32_t *written)
{
	uint16_t before = (uint16_t)(queue->posted - 1);

	if (!wait_changed(ring16(queue->used, USED_IDX), before, &queue->device->broken))
		return false;
	*written = *ring32(queue->used, USED_LEN(before % queue->size));
	return *ring16(queue->used, USED_IDX) == queue->posted &&
	       *ring32(queue->used, USED_ID(before % queue->size)) == queue->head;
}

/* --- packed ---------------------------------------------------------------------------------- */

static uint16_t packed_id(const struct virtq *queue)
{
	return queue->posted % queue->size;
}

static uint16_t packed_flags(bool wrap)
{
	return wrap ? DESC_AVAIL : DESC_USED;
}

/* Is the entry the device names one of the chain's? */
static bool packed_wants_notification(struct virtq *queue, unsigned int count)
{
	uint16_t off_wrap = *ring16(queue->used, EVENT_OFF_WRAP);
	uint16_t flags = *ring16(queue->used, EVENT_FLAGS);
	unsigned int offset = off_wrap & 0x7fff;

	if (flags != EVENT_F_DESC)
		return flags != EVENT_F_DISABLE;
	if (off_wrap >> 15 != queue->head_wrap)
		offset += queue->size;
	return offset >= queue->head && offset < queue->head + count;
}

static bool packed_post(struct virtq *queue, const struct buffer *buffers, unsigned int count,
			uint16_t flags)
{
	uint16_t head_flags = 0;

	for (unsigned int i = 0; i < count; i++) {
		bool wrap = queue->head_wrap ^ (queue->head + i >= queue->size);
		uint8_t *desc = desc_at(queue, queue->head + i);
		uint16_t all = packed_flags(wrap) | write_flag(&buffers[i]) | flags |
			       (i + 1 < count ? DESC_NEXT : 0);

		fill_desc(desc, &buffers[i]);
		*ring16(desc, PACKED_ID) = packed_id(queue);
		if (i)
			*ring16(desc, PACKED_FLAGS) = all;
		else
			head_flags = all;
	}
	if (queue->event_idx) {
		*ring16(queue->avail, EVENT_OFF_WRAP) =
			(uint16_t)(queue->head | queue->head_wrap << 15);
		*ring16(queue->avail, EVENT_FLAGS) = EVENT_F_DESC;
	}
	/* The head's flags make the chain available, all of it at once. */
	__atomic_thread_fence(__ATOMIC_RELEASE);
	*ring16(desc_at(queue, queue->head), PACKED_FLAGS) = head_flags;
	queue->head_flags = head_flags;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return packed_wants_notification(queue, count);
}

static bool packed_wait(struct virtq *queue, uint32_t *written)
{
	uint8_t *desc = desc_at(queue, queue->head);
	uint16_t used = queue->head_wrap ? DESC_AVAIL | DESC_USED : 0, id = packed_id(queue);

	if (!wait_changed(ring16(desc, PACKED_FLAGS), queue->head_flags, &queue->device->broken))
		return false;
	*written = *ring32(desc, DESC_LEN);
	return (*ring16(desc, PACKED_FLAGS) & (DESC_AVAIL | DESC_USED)) == used &&
	       *ring16(desc, PACKED_ID) == id;
}

/* --- either ---------------------------------------------------------------------------------- */

void virtq_post(struct virtq *queue, const struct buffer *buffers, unsigned int count,
		uint64_t indirect)
{
	struct buffer table = {indirect, (uint32_t)(count * DESC_SIZE), false};
	uint16_t flags = 0;
	bool notify;

	queue->posted++;
	queue->head = queue->next;
	queue->head_wrap = queue->wrap;
	if (indirect) {
		if (queue->packed)
			fill_packed_table(at(indirect), buffers, count);
		else
			fill_split(queue, at(indirect), buffers, count);
		buffers = &table;
		count = 1;
		flags = DESC_INDIRECT;
	}
	queue->wrap ^= queue->head + count >= queue->size;
	queue->next = (uint16_t)((queue->head + count) % queue->size);
	notify = queue->packed ? packed_post(queue, buffers, count, flags)
			       : split_post(queue, buffers, count, flags);
	if (notify)
		virtio_write(queue->device, VIRTIO_QUEUE_NOTIFY, queue->index);
}

bool virtq_wait(struct virtq *queue, uint32_t *written)
{
	return queue->packed ? packed_wait(queue, written) : split_wait(queue, written);
}
