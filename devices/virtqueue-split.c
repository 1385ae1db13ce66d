/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The split virtqueue, device side (virtio 1.2, section 2.7).
 *
 *	descriptor table	le64 addr, le32 len, le16 flags, le16 next; one per entry
 *	available ring		le16 flags, le16 idx, le16 ring[size], le16 used_event
 *	used ring		le16 flags, le16 idx, { le32 id, len } ring[size], le16 avail_event
 *
 * The two idx words and the event words are what both sides synchronise on and are single accesses;
 * the rest is ordered by them and may lie across any boundary. A driver behind a weakly ordered
 * view of this memory does not exist, but the compiler is one: hence acquire and release.
 */
#include "devices/virtqueue-ring.h"

#define AVAIL_FLAGS 0
#define AVAIL_IDX   2
#define AVAIL_RING  4
#define USED_FLAGS  0
#define USED_IDX    2
#define USED_RING   4

/*
 * Whether each word both sides synchronise on can be accessed at once. Their addresses are even, so
 * only a region that begins at an odd address cuts them.
 */
static bool words_whole(const struct virtq *vq, const struct gm_memory *memory)
{
	const gm_addr words[] = {
		vq->avail + AVAIL_FLAGS,
		vq->avail + AVAIL_IDX,
		vq->avail + AVAIL_RING + 2ULL * vq->size,
		vq->used + USED_FLAGS,
		vq->used + USED_IDX,
		vq->used + USED_RING + 8ULL * vq->size,
	};
	uint16_t probe;

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		if (gm_load_u16(memory, words[i], &probe, __ATOMIC_RELAXED))
			return false;
	}
	return true;
}

const char *virtq_split_enable(struct virtq *vq, const struct gm_memory *memory)
{
	if (vq->size == 0 || vq->size > vq->max_size || (vq->size & (vq->size - 1)))
		return "queue size is not a power of two up to the maximum";
	if (vq->avail % VRING_AVAIL_ALIGN_SIZE)
		return "available ring is not aligned to 2 bytes";
	if (vq->used % VRING_USED_ALIGN_SIZE)
		return "used ring is not aligned to 4 bytes";
	if (!virtq_set_area(&vq->desc_area, memory, vq->desc, 16ULL * vq->size, GM_ACCESS_READ))
		return "descriptor table is not in memory as a whole";
	if (!virtq_set_area(&vq->avail_area, memory, vq->avail, 6 + 2ULL * vq->size, GM_ACCESS_READ))
		return "available ring is not in memory as a whole";
	if (!virtq_set_area(&vq->used_area, memory, vq->used, 6 + 8ULL * vq->size, GM_ACCESS_WRITE))
		return "used ring is not in writable memory as a whole";
	if (!words_whole(vq, memory))
		return "a ring index cannot be accessed in one piece";
	return NULL;
}

/*
 * Look at avail.idx. The acquire pairs with the driver's barrier between filling the ring and
 * moving the index: entries up to it, and the descriptors they name, are there to be read.
 */
static int refill(struct virtq *vq, const struct gm_memory *memory)
{
	int word = gm_window_load_u16(&vq->avail_area, memory, AVAIL_IDX, __ATOMIC_ACQUIRE);
	uint16_t idx = le16toh((uint16_t)word);

	if (word < 0)
		return virtq_broken(vq, "available ring is no longer in memory");
	if ((uint16_t)(idx - vq->next_avail) > vq->size)
		return virtq_broken(vq, "available index is ahead by more than the queue size");
	vq->seen_avail = idx;
	return vq->seen_avail != vq->next_avail;
}

/* What is wrong with a chain that ends so: NULL if nothing is. */
/*@ assigns \nothing;
    ensures \result == \null <==> step == VIRTQ_STEP_END;
*/
static const char *step_error(int step)
{
	switch (step) {
	case VIRTQ_STEP_END: return NULL;
	case VIRTQ_STEP_TOO_MANY: return "descriptor chain is longer than the queue";
	default: return "next descriptor is out of range";
	}
}

/* Collect the descriptors of a chain. Returns NULL or what is wrong with it. */
/*@ requires virtq_ok(vq) && \valid(walk) && \separated(walk, vq) &&
	\separated(walk, vq->ranges + (0 .. vq->max_size - 1));
    requires walk->entries == vq->size && walk->limit == vq->size && walk->index < vq->size;
    requires walk->descriptors == 0 && walk->ranges == 0 && walk->crossing == 0;
    requires walk->readable == 0 && walk->readable_len == 0 && walk->len == 0 && !walk->indirect;
    assigns *walk, vq->desc_area, vq->table, vq->bounce[0 .. 1], vq->ranges[0 .. vq->max_size - 1];
    ensures \result == \null ==> virtq_walk_ok(*walk, vq->max_size);
*/
static inline const char *walk_chain(struct virtq *vq, const struct gm_memory *memory,
				     struct virtq_walk *walk)
{
	struct gm_window *table = &vq->desc_area;
	struct gm_range *ranges = vq->ranges;

	/*@ loop invariant virtq_walk_ok(*walk, vq->max_size);
	    loop invariant walk->descriptors < walk->limit <= vq->max_size;
	    loop invariant walk->index < walk->entries;
	    loop invariant table == (walk->indirect ? &vq->table : &vq->desc_area);
	    loop invariant walk->indirect ==> vq->table.len == DESC_SIZE * walk->entries;
	    loop invariant !walk->indirect ==> vq->desc_area.len == DESC_SIZE * walk->entries;
	    loop invariant !walk->indirect ==> walk->limit == vq->size;
	    loop assigns *walk, table, vq->desc_area, vq->table, vq->bounce[0 .. 1],
		vq->ranges[0 .. vq->max_size - 1];
	    loop variant (walk->indirect ? 0 : vq->max_size + 1) + walk->limit - walk->descriptors;
	*/
	for (;;) {
		struct virtq_desc desc;
		const char *error;
		uint32_t len;
		uint16_t flags;
		gm_addr addr;
		int step;

		if (!virtq_read_desc(vq, memory, table, walk->index, &desc))
			return "descriptor is not in memory";
		addr = virtq_desc_addr(&desc);
		len = virtq_desc_len(&desc);
		flags = virtq_desc_third(&desc);
		if (gm_unlikely(flags & VRING_DESC_F_INDIRECT)) {
			error = virtq_enter_indirect(vq, walk, addr, len, flags);
			if (error)
				return error;
			table = &vq->table;
			continue;
		}
		error = virtq_add_buffer(ranges, memory, walk, addr, len, flags & VRING_DESC_F_WRITE);
		if (error)
			return error;
		step = virtq_step(flags, virtq_desc_fourth(&desc), walk->entries,
				  ++walk->descriptors, walk->limit);
		if (step < 0)
			return step_error(step);
		walk->index = (uint32_t)step;
	}
}

int virtq_split_pop(struct virtq *vq, const struct gm_memory *memory, struct virtq_chain *chain)
{
	struct virtq_walk walk = {
		.entries = vq->size,
		.limit = vq->size,
	};
	const char *error;
	uint16_t head;
	uint64_t slot;
	int word;

	if (vq->next_avail == vq->seen_avail) {
		int ret = refill(vq, memory);

		if (ret <= 0)
			return ret;
	}
	slot = AVAIL_RING + 2ULL * (vq->next_avail & (vq->size - 1));
	word = gm_window_load_u16(&vq->avail_area, memory, slot, __ATOMIC_RELAXED);
	if (word < 0)
		return virtq_broken(vq, "available ring is no longer in memory");
	head = le16toh((uint16_t)word);
	if (head >= vq->size)
		return virtq_broken(vq, "head of a chain is out of range");
	if (vq->out[head].slots)
		return virtq_broken(vq, "head of a chain is in flight already");
	walk.index = head;
	error = walk_chain(vq, memory, &walk);
	virtq_fill_chain(vq, &walk, chain);
	if (error)
		return virtq_broken(vq, error);
	chain->head = head;
	virtq_taken(vq, head, 1);
	vq->next_avail++;
	return 1;
}

void virtq_split_unpop(struct virtq *vq, uint16_t head)
{
	vq->out[head] = (struct virtq_out){0};
	vq->next_avail--;
}

static inline int put_used(struct virtq *vq, const struct gm_memory *memory, uint16_t head,
			   uint32_t len)
{
	/* le32 id, le32 len, stored as one: two small stores would hold up a large load. */
	uint64_t elem = htole64(head | (uint64_t)len << 32);
	uint64_t slot = USED_RING + 8ULL * (vq->next_used & (vq->size - 1));

	if (gm_window_write_u64(&vq->used_area, memory, slot, elem))
		return virtq_broken(vq, "used ring is no longer in writable memory");
	vq->out[head] = (struct virtq_out){0};
	vq->next_used++;
	return 0;
}

/*
 * Move used.idx. The release pairs with the driver's barrier between reading the index and reading
 * the entries and buffers it covers.
 */
static inline int publish(struct virtq *vq, const struct gm_memory *memory)
{
	if (gm_window_store_u16(&vq->used_area, memory, USED_IDX, htole16(vq->next_used),
				__ATOMIC_RELEASE))
		return virtq_broken(vq, "used ring is no longer in writable memory");
	vq->published_used = vq->next_used;
	return 0;
}

int virtq_split_put_used(struct virtq *vq, const struct gm_memory *memory, uint16_t head, uint32_t len)
{
	return put_used(vq, memory, head, len);
}

int virtq_split_publish(struct virtq *vq, const struct gm_memory *memory)
{
	return vq->next_used == vq->published_used ? 0 : publish(vq, memory);
}

int virtq_split_complete(struct virtq *vq, const struct gm_memory *memory, uint16_t head, uint32_t len)
{
	return put_used(vq, memory, head, len) ? -1 : publish(vq, memory);
}

bool virtq_split_should_interrupt(struct virtq *vq, const struct gm_memory *memory)
{
	uint16_t old = vq->signalled_used;
	int word;

	if (vq->published_used == old)
		return false;
	vq->signalled_used = vq->published_used;
	/*
	 * used.idx must be visible before we look whether the driver sleeps. The partner is the
	 * driver's full barrier between asking for an interrupt and looking at used.idx again:
	 * one of the two sees what the other did, or an interrupt is lost.
	 */
	full_barrier();
	if (vq->event_idx) {
		word = gm_window_load_u16(&vq->avail_area, memory, AVAIL_RING + 2ULL * vq->size,
					  __ATOMIC_RELAXED);
		/* An interrupt too many is harmless where the word cannot be read. */
		return word < 0 || vring_need_event(le16toh((uint16_t)word), vq->published_used, old);
	}
	word = gm_window_load_u16(&vq->avail_area, memory, AVAIL_FLAGS, __ATOMIC_RELAXED);
	return word < 0 || !(le16toh((uint16_t)word) & VRING_AVAIL_F_NO_INTERRUPT);
}

bool virtq_split_enable_notify(struct virtq *vq, const struct gm_memory *memory)
{
	int ret;

	if (vq->event_idx)
		ret = gm_window_store_u16(&vq->used_area, memory, USED_RING + 8ULL * vq->size,
					  htole16(vq->next_avail), __ATOMIC_RELAXED);
	else
		ret = gm_window_store_u16(&vq->used_area, memory, USED_FLAGS, 0, __ATOMIC_RELAXED);
	if (ret) {
		virtq_broken(vq, "used ring is no longer in writable memory");
		return false;
	}
	/*
	 * The request must be visible before we look for chains. The partner is the driver's full
	 * barrier between moving avail.idx and looking whether to notify.
	 */
	full_barrier();
	return vq->seen_avail != vq->next_avail || refill(vq, memory) > 0;
}

void virtq_split_disable_notify(struct virtq *vq, const struct gm_memory *memory)
{
	/* With event indexes the old avail_event says it already. */
	if (vq->event_idx)
		return;
	if (gm_window_store_u16(&vq->used_area, memory, USED_FLAGS, htole16(VRING_USED_F_NO_NOTIFY),
				__ATOMIC_RELAXED))
		virtq_broken(vq, "used ring is no longer in writable memory");
}
