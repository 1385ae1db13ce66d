/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Virtqueues whatever their format: their life, what is in flight, and which of virtqueue-split.c
 * and virtqueue-packed.c is asked.
 */
#include <stdlib.h>
#include <string.h>

#include "devices/virtqueue-ring.h"

int virtq_init(struct virtq *vq, uint16_t max_size)
{
	memset(vq, 0, sizeof(*vq));
	vq->max_size = max_size;
	vq->size = max_size;
	vq->ranges = calloc(max_size, sizeof(*vq->ranges));
	vq->out = calloc(max_size, sizeof(*vq->out));
	vq->order = calloc(max_size, sizeof(*vq->order));
	if (!vq->ranges || !vq->out || !vq->order) {
		virtq_destroy(vq);
		return -1;
	}
	return 0;
}

void virtq_destroy(struct virtq *vq)
{
	free(vq->ranges);
	free(vq->out);
	free(vq->order);
	memset(vq, 0, sizeof(*vq));
}

void virtq_reset(struct virtq *vq)
{
	struct virtq clean = {
		.index = vq->index,
		.max_size = vq->max_size,
		.size = vq->max_size,
		.out = vq->out,
		.order = vq->order,
		.ranges = vq->ranges,
		.buffers = vq->buffers,
		.buffers_crossing = vq->buffers_crossing,
	};

	memset(vq->out, 0, vq->max_size * sizeof(*vq->out));
	*vq = clean;
}

int virtq_broken(struct virtq *vq, const char *why)
{
	vq->broken = why;
	vq->ready = false;
	return -1;
}

bool virtq_set_area(struct gm_window *area, const struct gm_memory *memory, gm_addr addr,
		    uint64_t len, enum gm_access access)
{
	return gm_window_init(area, addr, len) == 0 && gm_check_range(memory, addr, len, access);
}

unsigned int virtq_count_pieces(const struct gm_memory *memory, gm_addr addr, uint32_t len,
				enum gm_access access)
{
	unsigned int pieces = 0;
	struct gm_slice slice;
	struct gm_iter it;

	gm_iter_init(&it, memory, addr, len, access);
	while (gm_iter_next(&it, &slice))
		pieces++;
	return it.error ? 0 : pieces;
}

const char *virtq_enable(struct virtq *vq, const struct gm_memory *memory, uint64_t features)
{
	const char *error;

	vq->packed = features >> VIRTIO_F_RING_PACKED & 1;
	vq->event_idx = features >> VIRTIO_RING_F_EVENT_IDX & 1;
	vq->indirect = features >> VIRTIO_RING_F_INDIRECT_DESC & 1;
	vq->in_order = features >> VIRTIO_F_IN_ORDER & 1;
	if (vq->desc % VRING_DESC_ALIGN_SIZE)
		return "descriptor table is not aligned to 16 bytes";
	error = vq->packed ? virtq_packed_enable(vq, memory) : virtq_split_enable(vq, memory);
	vq->ready = !error;
	vq->was_reset = false;
	return error;
}

void virtq_areas(const struct virtq *vq, struct gm_range areas[VIRTQ_AREAS])
{
	/* An event suppression structure of a packed ring; flags, index, entries, event index. */
	uint64_t driver = vq->packed ? 4 : 6 + 2ULL * vq->size;
	uint64_t device = vq->packed ? 4 : 6 + 8ULL * vq->size;

	areas[VIRTQ_DESC] = (struct gm_range){vq->desc, (uint64_t)DESC_SIZE * vq->size};
	areas[VIRTQ_DRIVER] = (struct gm_range){vq->avail, driver};
	areas[VIRTQ_DEVICE] = (struct gm_range){vq->used, device};
}

const char *virtq_check_indirect(struct virtq *vq, gm_addr addr, uint32_t len, uint16_t flags)
{
	if (!vq->indirect)
		return "indirect descriptor without the feature";
	if (flags & VRING_DESC_F_NEXT)
		return "indirect descriptor with a next one";
	if (len == 0 || len % DESC_SIZE)
		return "length of an indirect table is not a multiple of 16";
	if (gm_window_init(&vq->table, addr, len))
		return "indirect table wraps around the address space";
	return NULL;
}

int virtq_pop(struct virtq *vq, const struct gm_memory *memory, struct virtq_chain *chain)
{
	if (gm_unlikely(!vq->ready))
		return vq->broken ? -1 : 0;
	return vq->packed ? virtq_packed_pop(vq, memory, chain) : virtq_split_pop(vq, memory, chain);
}

void virtq_unpop(struct virtq *vq, const struct virtq_chain *chain)
{
	if (gm_unlikely(!vq->ready))
		return;
	if (vq->in_order)
		vq->order_end--;
	if (vq->packed)
		virtq_packed_unpop(vq, chain->head);
	else
		virtq_split_unpop(vq, chain->head);
	vq->buffers -= chain->readable_count + chain->writable_count;
	vq->buffers_crossing -= chain->crossing;
}

static int put_used(struct virtq *vq, const struct gm_memory *memory, uint16_t head, uint32_t len)
{
	return vq->packed ? virtq_packed_put_used(vq, memory, head, len)
			  : virtq_split_put_used(vq, memory, head, len);
}

/*
 * Note that a chain is done, and put all that have none before them that is not. Each gets an entry
 * of its own: one for a batch would say that the others were filled completely (2.7.9).
 */
static int put_in_order(struct virtq *vq, const struct gm_memory *memory, uint16_t head, uint32_t len)
{
	vq->out[head].done = true;
	vq->out[head].len = len;
	while (vq->order_first != vq->order_end) {
		head = vq->order[vq->order_first & (vq->max_size - 1)];
		if (!vq->out[head].done)
			break;
		if (put_used(vq, memory, head, vq->out[head].len))
			return -1;
		vq->order_first++;
	}
	return 0;
}

int virtq_put_used(struct virtq *vq, const struct gm_memory *memory, uint16_t head, uint32_t len)
{
	if (gm_unlikely(!vq->ready))
		return vq->broken ? -1 : 0;
	if (gm_unlikely(vq->in_order))
		return put_in_order(vq, memory, head, len);
	return put_used(vq, memory, head, len);
}

int virtq_publish(struct virtq *vq, const struct gm_memory *memory)
{
	if (gm_unlikely(!vq->ready))
		return vq->broken ? -1 : 0;
	return vq->packed ? virtq_packed_publish(vq, memory) : virtq_split_publish(vq, memory);
}

int virtq_complete(struct virtq *vq, const struct gm_memory *memory, uint16_t head, uint32_t len)
{
	if (gm_unlikely(!vq->ready || vq->in_order))
		return virtq_put_used(vq, memory, head, len) ? -1 : virtq_publish(vq, memory);
	return vq->packed ? virtq_packed_complete(vq, memory, head, len)
			  : virtq_split_complete(vq, memory, head, len);
}

bool virtq_should_interrupt(struct virtq *vq, const struct gm_memory *memory)
{
	return vq->packed ? virtq_packed_should_interrupt(vq, memory)
			  : virtq_split_should_interrupt(vq, memory);
}

bool virtq_enable_notify(struct virtq *vq, const struct gm_memory *memory)
{
	if (!vq->ready)
		return false;
	return vq->packed ? virtq_packed_enable_notify(vq, memory)
			  : virtq_split_enable_notify(vq, memory);
}

void virtq_disable_notify(struct virtq *vq, const struct gm_memory *memory)
{
	if (!vq->ready)
		return;
	if (vq->packed)
		virtq_packed_disable_notify(vq, memory);
	else
		virtq_split_disable_notify(vq, memory);
}
