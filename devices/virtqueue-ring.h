/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * What the two ring formats share, and what each provides for virtqueue.c, which chooses between
 * them. Private to virtqueue*.c.
 *
 * A format walks the descriptors of a chain its own way and hands each to virtq_add_buffer(), so
 * that both find the same things wrong with a chain and name them alike.
 */
#ifndef DEVICES_VIRTQUEUE_RING_H
#define DEVICES_VIRTQUEUE_RING_H

#include <endian.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <string.h>

#include "devices/barrier.h"
#include "devices/virtqueue.h"

/* The most bytes a chain may describe (2.7.4, 2.8.5). */
#define CHAIN_BYTES_MAX (UINT64_C(1) << 32)

/*
 * A descriptor: le64 addr, le32 len, and two le16 that are flags and next in a split ring, id and
 * flags in a packed one. Two words, so that what is taken out of it stays in registers.
 */
#define DESC_SIZE 16

struct virtq_desc {
	gm_le64_t words[2];
};

/*@ assigns \nothing; */
static inline gm_addr virtq_desc_addr(const struct virtq_desc *desc)
{
	return gm_le64_get(desc->words[0]);
}

/*@ assigns \nothing; */
static inline uint32_t virtq_desc_len(const struct virtq_desc *desc)
{
	return (uint32_t)gm_le64_get(desc->words[1]);
}

/* The one behind the length, and the last. */
/*@ assigns \nothing; */
static inline uint16_t virtq_desc_third(const struct virtq_desc *desc)
{
	return (uint16_t)(gm_le64_get(desc->words[1]) >> 32);
}

/*@ assigns \nothing; */
static inline uint16_t virtq_desc_fourth(const struct virtq_desc *desc)
{
	return (uint16_t)(gm_le64_get(desc->words[1]) >> 48);
}

/*
 * A ring format. The functions of virtqueue.h without their common parts: the queue is ready, the
 * features are in it, a chain that is put is in flight.
 */
const char *virtq_split_enable(struct virtq *vq, const struct gm_memory *memory);
int virtq_split_pop(struct virtq *vq, const struct gm_memory *memory, struct virtq_chain *chain);
void virtq_split_unpop(struct virtq *vq, uint16_t head);
int virtq_split_put_used(struct virtq *vq, const struct gm_memory *memory, uint16_t head,
			 uint32_t len);
int virtq_split_publish(struct virtq *vq, const struct gm_memory *memory);
int virtq_split_complete(struct virtq *vq, const struct gm_memory *memory, uint16_t head,
			 uint32_t len);
bool virtq_split_should_interrupt(struct virtq *vq, const struct gm_memory *memory);
bool virtq_split_enable_notify(struct virtq *vq, const struct gm_memory *memory);
void virtq_split_disable_notify(struct virtq *vq, const struct gm_memory *memory);

const char *virtq_packed_enable(struct virtq *vq, const struct gm_memory *memory);
int virtq_packed_pop(struct virtq *vq, const struct gm_memory *memory, struct virtq_chain *chain);
void virtq_packed_unpop(struct virtq *vq, uint16_t id);
int virtq_packed_put_used(struct virtq *vq, const struct gm_memory *memory, uint16_t id,
			  uint32_t len);
int virtq_packed_publish(struct virtq *vq, const struct gm_memory *memory);
int virtq_packed_complete(struct virtq *vq, const struct gm_memory *memory, uint16_t id,
			  uint32_t len);
bool virtq_packed_should_interrupt(struct virtq *vq, const struct gm_memory *memory);
bool virtq_packed_enable_notify(struct virtq *vq, const struct gm_memory *memory);
void virtq_packed_disable_notify(struct virtq *vq, const struct gm_memory *memory);

/* Stop, and say why. Returns -1. */
int virtq_broken(struct virtq *vq, const char *why);

/* Make the window of an area that is there as a whole; false if it is not. */
bool virtq_set_area(struct gm_window *area, const struct gm_memory *memory, gm_addr addr,
		    uint64_t len, enum gm_access access);

/*
 * Where a walk goes from a descriptor of a table of @entries, the @taken-th of at most @limit: the
 * index of the next, or why there is none. It looks at nothing but its arguments, of which the
 * driver chose @flags and @next: an index is inside the table, and there are fewer than @limit
 * steps whatever it chose.
 */
enum virtq_step {
	VIRTQ_STEP_END = -1,
	VIRTQ_STEP_OUT_OF_RANGE = -2,
	VIRTQ_STEP_TOO_MANY = -3,
};

/*@ assigns \nothing;
    ensures \result >= 0 ==> \result < entries && taken < limit;
    ensures \result >= 0 <==> (flags & VRING_DESC_F_NEXT) && next < entries && taken < limit;
    ensures \result >= 0 ==> \result == next;
    ensures \result < 0 ==> \result == VIRTQ_STEP_END || \result == VIRTQ_STEP_OUT_OF_RANGE ||
	\result == VIRTQ_STEP_TOO_MANY;
*/
static inline int virtq_step(uint16_t flags, uint16_t next, uint32_t entries, uint32_t taken,
			     uint32_t limit)
{
	if (!(flags & VRING_DESC_F_NEXT))
		return VIRTQ_STEP_END;
	if (next >= entries)
		return VIRTQ_STEP_OUT_OF_RANGE;
	if (taken >= limit)
		return VIRTQ_STEP_TOO_MANY;
	return next;
}

/* Where the walk of one chain is, and what it has found. */
struct virtq_walk {
	uint32_t entries;      /* its size */
	uint32_t index;        /* next descriptor in it */
	uint32_t limit;        /* descriptors a chain in it may have */
	uint32_t descriptors;  /* so far, with bytes or without, the indirect one not counted */
	uint32_t ranges;       /* filled in */
	uint32_t readable;     /* of these, once a writable one was seen */
	uint32_t crossing;     /* of these, cut by a region boundary */
	uint64_t len;          /* bytes of all */
	uint64_t readable_len; /* of these, once a writable one was seen */
	bool writing;          /* a writable one was seen */
	bool indirect;
};

/*@ // The queue as virtq_enable() leaves it: its arrays are as long as the device's maximum.
    predicate virtq_ok(struct virtq *vq) =
	\valid(vq) && 0 < vq->size <= vq->max_size && vq->max_size <= VIRTQ_SIZE_LIMIT &&
	vq->desc_area.len == DESC_SIZE * vq->size &&
	\valid(vq->ranges + (0 .. vq->max_size - 1)) && \separated(vq, vq->ranges + (0 .. vq->max_size - 1));

    // Whatever the driver wrote: no more buffers than descriptors, no more of these than @max.
    predicate virtq_walk_ok(struct virtq_walk walk, integer max) =
	walk.ranges <= walk.descriptors <= max &&
	walk.crossing <= walk.ranges && walk.readable <= walk.ranges &&
	walk.readable_len <= walk.len <= CHAIN_BYTES_MAX;
*/

/* Read descriptor @index of @table. No local is needed where it has to be read by address. */
/*@ requires \valid(vq) && \valid(table) && \valid(desc);
    requires DESC_SIZE * (index + 1) <= table->len;
    assigns *desc, table->memory, table->host, table->readable, table->writable, table->dirty,
	table->dirty_offset, vq->bounce[0 .. 1];
*/
static inline bool virtq_read_desc(struct virtq *vq, const struct gm_memory *memory,
				   struct gm_window *table, uint32_t index, struct virtq_desc *desc)
{
	const uint64_t offset = DESC_SIZE * (uint64_t)index;
	const void *from = gm_window_peek(table, memory, offset, DESC_SIZE);

	if (gm_unlikely(!from)) {
		if (gm_window_read_slow(table, memory, offset, vq->bounce, DESC_SIZE))
			return false;
		from = vq->bounce;
	}
	memcpy(desc, from, DESC_SIZE);
	return true;
}

/* In how many pieces [addr, addr + len) is backed for @access; 0 if it is not. */
unsigned int virtq_count_pieces(const struct gm_memory *memory, gm_addr addr, uint32_t len,
				enum gm_access access);

/*@ requires \valid(walk) && walk->crossing < UINT32_MAX;
    assigns walk->crossing;
    ensures \old(walk->crossing) <= walk->crossing <= \old(walk->crossing) + 1;
*/
/* Whether a buffer is backed for @access; counts those that a region boundary cuts. */
static inline bool virtq_check_buffer(struct virtq_walk *walk, const struct gm_memory *memory,
				      gm_addr addr, uint32_t len, enum gm_access access)
{
	unsigned int pieces;

	if (gm_likely(gm_in_one_region(memory, addr, len, access)))
		return true;
	pieces = virtq_count_pieces(memory, addr, len, access);
	walk->crossing += pieces > 1;
	return pieces != 0;
}

/*@ requires \valid(vq);
    assigns vq->table;
    ensures \result == \null ==> len != 0 && len % DESC_SIZE == 0 && vq->table.len == len;
*/
/* Whether a walk may go on in an indirect table, vq->table from here on: NULL or what is wrong. */
const char *virtq_check_indirect(struct virtq *vq, gm_addr addr, uint32_t len, uint16_t flags);

/* Inline, and nothing out of line sees the walk: it stays in registers. */
/*@ requires \valid(vq) && \valid(walk) && \separated(vq, walk);
    assigns vq->table, walk->entries, walk->index, walk->limit, walk->indirect;
    ensures \result == \null ==> !\old(walk->indirect) && 0 < walk->entries &&
	DESC_SIZE * walk->entries == vq->table.len;
    ensures walk->indirect && walk->index == 0 && walk->limit == vq->max_size;
*/
static inline const char *virtq_enter_indirect(struct virtq *vq, struct virtq_walk *walk,
					       gm_addr addr, uint32_t len, uint16_t flags)
{
	const char *error = virtq_check_indirect(vq, addr, len, flags);

	if (walk->indirect)
		error = "indirect descriptor in an indirect table";
	walk->entries = len / DESC_SIZE;
	walk->index = 0;
	walk->limit = vq->max_size;
	walk->indirect = true;
	return error;
}

/* Add one buffer to the chain. */
/*@ requires \valid(walk) && virtq_walk_ok(*walk, VIRTQ_SIZE_LIMIT);
    requires \valid(ranges + walk->ranges) && \separated(walk, ranges + walk->ranges);
    assigns walk->writing, walk->readable, walk->readable_len, walk->len, walk->crossing,
	walk->ranges, ranges[\old(walk->ranges)];
    ensures walk->crossing <= walk->ranges + 1 && walk->readable <= walk->ranges;
    ensures \old(walk->ranges) <= walk->ranges <= \old(walk->ranges) + 1;
    ensures \result == \null ==> walk->crossing <= walk->ranges &&
	walk->readable_len <= walk->len <= CHAIN_BYTES_MAX;
    ensures \result == \null ==> walk->len == \old(walk->len) + len;
    ensures \result == \null && len != 0 ==> walk->ranges == \old(walk->ranges) + 1 &&
	ranges[\old(walk->ranges)].addr == addr && ranges[\old(walk->ranges)].len == len;
    ensures \result == \null && !write ==> !\old(walk->writing);
*/
static inline const char *virtq_add_buffer(struct gm_range *ranges, const struct gm_memory *memory,
					   struct virtq_walk *walk, gm_addr addr, uint32_t len,
					   bool write)
{
	if (!write && walk->writing)
		return "readable descriptor behind a writable one";
	if (write && !walk->writing) {
		walk->writing = true;
		walk->readable = walk->ranges;
		walk->readable_len = walk->len;
	}
	if (len == 0)
		return NULL;
	walk->len += len;
	if (walk->len > CHAIN_BYTES_MAX)
		return "descriptor chain of more than 2^32 bytes";
	if (!virtq_check_buffer(walk, memory, addr, len, write ? GM_ACCESS_WRITE : GM_ACCESS_READ))
		return write ? "buffer is not in writable memory" : "buffer is not in memory";
	ranges[walk->ranges].addr = addr;
	ranges[walk->ranges++].len = len;
	return NULL;
}

/* A chain is out. No head is out twice, so that no more than max_size are in the order. */
static inline void virtq_taken(struct virtq *vq, uint16_t head, uint32_t slots)
{
	vq->out[head].slots = (uint16_t)slots;
	if (vq->in_order)
		vq->order[vq->order_end++ & (vq->max_size - 1)] = head;
}

/* The walk is over: count, and say what the chain is. */
static inline void virtq_fill_chain(struct virtq *vq, struct virtq_walk *walk,
				    struct virtq_chain *chain)
{
	vq->buffers += walk->ranges;
	vq->buffers_crossing += walk->crossing;
	if (!walk->writing) {
		walk->readable = walk->ranges;
		walk->readable_len = walk->len;
	}
	chain->readable_count = (uint16_t)walk->readable;
	chain->writable_count = (uint16_t)(walk->ranges - walk->readable);
	chain->readable_len = walk->readable_len;
	chain->writable_len = walk->len - walk->readable_len;
	chain->crossing = (uint16_t)walk->crossing;
	chain->readable = vq->ranges;
	chain->writable = vq->ranges + walk->readable;
}

#endif
