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
#include "devices/virtqueue.h"

#include <endian.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <stdlib.h>
#include <string.h>

#include "devices/barrier.h"

#define AVAIL_FLAGS 0
#define AVAIL_IDX   2
#define AVAIL_RING  4
#define USED_FLAGS  0
#define USED_IDX    2
#define USED_RING   4

/* The most bytes a chain may describe (2.7.4). */
#define CHAIN_BYTES_MAX (UINT64_C(1) << 32)

struct split_desc {
	gm_le64_t addr;
	gm_le32_t len;
	gm_le16_t flags;
	gm_le16_t next;
};

_Static_assert(sizeof(struct split_desc) == 16, "the layout of the specification");

int virtq_init(struct virtq *vq, uint16_t max_size)
{
	memset(vq, 0, sizeof(*vq));
	vq->max_size = max_size;
	vq->ranges = calloc(max_size, sizeof(*vq->ranges));
	vq->in_flight = calloc((max_size + 63U) / 64, sizeof(*vq->in_flight));
	if (!vq->ranges || !vq->in_flight) {
		virtq_destroy(vq);
		return -1;
	}
	return 0;
}

void virtq_destroy(struct virtq *vq)
{
	free(vq->ranges);
	free(vq->in_flight);
	memset(vq, 0, sizeof(*vq));
}

void virtq_reset(struct virtq *vq)
{
	struct virtq clean = {
		.max_size = vq->max_size,
		.in_flight = vq->in_flight,
		.ranges = vq->ranges,
		.buffers = vq->buffers,
		.buffers_crossing = vq->buffers_crossing,
	};

	memset(vq->in_flight, 0, (vq->max_size + 63U) / 64 * sizeof(*vq->in_flight));
	*vq = clean;
}

static int broken(struct virtq *vq, const char *why)
{
	vq->broken = why;
	vq->ready = false;
	return -1;
}

/* Whether a whole area is there: its first byte, its last, and all between. */
static bool area_backed(const struct gm_memory *memory, gm_addr addr, uint64_t len,
			enum gm_access access)
{
	gm_addr end;

	return !__builtin_add_overflow(addr, len, &end) && gm_check_range(memory, addr, len, access);
}

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

const char *virtq_enable(struct virtq *vq, const struct gm_memory *memory, uint64_t features)
{
	if (vq->size == 0 || vq->size > vq->max_size || (vq->size & (vq->size - 1)))
		return "queue size is not a power of two up to the maximum";
	if (vq->desc % VRING_DESC_ALIGN_SIZE)
		return "descriptor table is not aligned to 16 bytes";
	if (vq->avail % VRING_AVAIL_ALIGN_SIZE)
		return "available ring is not aligned to 2 bytes";
	if (vq->used % VRING_USED_ALIGN_SIZE)
		return "used ring is not aligned to 4 bytes";
	if (!area_backed(memory, vq->desc, 16ULL * vq->size, GM_ACCESS_READ))
		return "descriptor table is not in memory as a whole";
	if (!area_backed(memory, vq->avail, 6 + 2ULL * vq->size, GM_ACCESS_READ))
		return "available ring is not in memory as a whole";
	if (!area_backed(memory, vq->used, 6 + 8ULL * vq->size, GM_ACCESS_WRITE))
		return "used ring is not in writable memory as a whole";
	if (!words_whole(vq, memory))
		return "a ring index cannot be accessed in one piece";
	vq->event_idx = features >> VIRTIO_RING_F_EVENT_IDX & 1;
	vq->indirect = features >> VIRTIO_RING_F_INDIRECT_DESC & 1;
	vq->ready = true;
	return NULL;
}

static bool is_in_flight(const struct virtq *vq, uint16_t head)
{
	return vq->in_flight[head / 64] >> (head % 64) & 1;
}

/*
 * Look at avail.idx. The acquire pairs with the driver's barrier between filling the ring and
 * moving the index: entries up to it, and the descriptors they name, are there to be read.
 */
static int refill(struct virtq *vq, const struct gm_memory *memory)
{
	uint16_t idx;

	if (gm_load_u16(memory, vq->avail + AVAIL_IDX, &idx, __ATOMIC_ACQUIRE))
		return broken(vq, "available ring is no longer in memory");
	idx = le16toh(idx);
	if ((uint16_t)(idx - vq->next_avail) > vq->size)
		return broken(vq, "available index is ahead by more than the queue size");
	vq->seen_avail = idx;
	return vq->seen_avail != vq->next_avail;
}

/* Where the walk of one chain is, and what it has found. */
struct walk {
	gm_addr table;         /* the queue's descriptor table or an indirect one */
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

/*
 * Whether [addr, addr + len) is backed for @access, and whether a region boundary cuts it. The
 * first slice of the iterator answers both for a buffer in one region.
 */
static inline bool check_buffer(struct walk *walk, const struct gm_memory *memory, gm_addr addr,
				uint32_t len, enum gm_access access)
{
	struct gm_slice slice;
	struct gm_iter it;

	gm_iter_init(&it, memory, addr, len, access);
	if (gm_likely(gm_iter_next(&it, &slice) && slice.len == len))
		return true;
	walk->crossing++;
	while (gm_iter_next(&it, &slice))
		;
	return it.error == 0;
}

static const char *enter_indirect(const struct virtq *vq, struct walk *walk, gm_addr addr,
				  uint32_t len, uint16_t flags)
{
	gm_addr end;

	if (!vq->indirect)
		return "indirect descriptor without the feature";
	if (walk->indirect)
		return "indirect descriptor in an indirect table";
	if (flags & VRING_DESC_F_NEXT)
		return "indirect descriptor with a next one";
	if (len == 0 || len % sizeof(struct split_desc))
		return "length of an indirect table is not a multiple of 16";
	if (__builtin_add_overflow(addr, len, &end))
		return "indirect table wraps around the address space";
	walk->table = addr;
	walk->entries = len / sizeof(struct split_desc);
	walk->index = 0;
	walk->limit = vq->max_size;
	walk->indirect = true;
	return NULL;
}

/* Add one buffer to the chain. */
static inline const char *add_buffer(struct gm_range *ranges, const struct gm_memory *memory,
				     struct walk *walk, gm_addr addr, uint32_t len, bool write)
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
	if (!check_buffer(walk, memory, addr, len, write ? GM_ACCESS_WRITE : GM_ACCESS_READ))
		return write ? "buffer is not in writable memory" : "buffer is not in memory";
	ranges[walk->ranges++] = (struct gm_range){addr, len};
	return NULL;
}

/* Collect the descriptors of a chain. Returns NULL or what is wrong with it. */
static inline const char *walk_chain(const struct virtq *vq, const struct gm_memory *memory,
				     struct walk *walk)
{
	struct gm_range *ranges = vq->ranges;

	for (;;) {
		struct split_desc desc;
		const char *error;
		uint32_t len;
		uint16_t flags;
		gm_addr addr;

		/* No sum here can wrap: the tables were checked against the end of the space. */
		if (gm_read_obj(memory, walk->table + 16ULL * walk->index, &desc))
			return "descriptor is not in memory";
		addr = gm_le64_get(desc.addr);
		len = gm_le32_get(desc.len);
		flags = gm_le16_get(desc.flags);
		if (gm_unlikely(flags & VRING_DESC_F_INDIRECT)) {
			error = enter_indirect(vq, walk, addr, len, flags);
			if (error)
				return error;
			continue;
		}
		/* What ends a loop: no chain has more descriptors than this. */
		if (walk->descriptors++ == walk->limit)
			return "descriptor chain is longer than the queue";
		error = add_buffer(ranges, memory, walk, addr, len, flags & VRING_DESC_F_WRITE);
		if (error)
			return error;
		if (!(flags & VRING_DESC_F_NEXT))
			return NULL;
		walk->index = gm_le16_get(desc.next);
		if (walk->index >= walk->entries)
			return "next descriptor is out of range";
	}
}

/* The chain that begins at @head, as two lists. NULL or what is wrong with it. */
static inline const char *collect(struct virtq *vq, const struct gm_memory *memory, uint16_t head,
				  struct virtq_chain *chain)
{
	struct walk walk = {
		.table = vq->desc,
		.entries = vq->size,
		.index = head,
		.limit = vq->size,
	};
	const char *error = walk_chain(vq, memory, &walk);

	vq->buffers += walk.ranges;
	vq->buffers_crossing += walk.crossing;
	if (!walk.writing) {
		walk.readable = walk.ranges;
		walk.readable_len = walk.len;
	}
	chain->head = head;
	chain->readable_count = (uint16_t)walk.readable;
	chain->writable_count = (uint16_t)(walk.ranges - walk.readable);
	chain->readable_len = walk.readable_len;
	chain->writable_len = walk.len - walk.readable_len;
	chain->readable = vq->ranges;
	chain->writable = vq->ranges + walk.readable;
	return error;
}

int virtq_pop(struct virtq *vq, const struct gm_memory *memory, struct virtq_chain *chain)
{
	const char *error;
	uint16_t head;
	gm_addr slot;

	if (gm_unlikely(!vq->ready))
		return vq->broken ? -1 : 0;
	if (vq->next_avail == vq->seen_avail) {
		int ret = refill(vq, memory);

		if (ret <= 0)
			return ret;
	}
	slot = vq->avail + AVAIL_RING + 2ULL * (vq->next_avail & (vq->size - 1));
	if (gm_load_u16(memory, slot, &head, __ATOMIC_RELAXED))
		return broken(vq, "available ring is no longer in memory");
	head = le16toh(head);
	if (head >= vq->size)
		return broken(vq, "head of a chain is out of range");
	if (is_in_flight(vq, head))
		return broken(vq, "head of a chain is in flight already");
	error = collect(vq, memory, head, chain);
	if (error)
		return broken(vq, error);
	vq->in_flight[head / 64] |= UINT64_C(1) << (head % 64);
	vq->next_avail++;
	return 1;
}

int virtq_put_used(struct virtq *vq, const struct gm_memory *memory, uint16_t head, uint32_t len)
{
	/* le32 id, le32 len, built as one: two small stores would hold up the large load. */
	gm_le64_t elem = gm_le64(head | (uint64_t)len << 32);
	gm_addr slot = vq->used + USED_RING + 8ULL * (vq->next_used & (vq->size - 1));

	if (gm_unlikely(!vq->ready))
		return vq->broken ? -1 : 0;
	if (gm_write_obj(memory, slot, &elem))
		return broken(vq, "used ring is no longer in writable memory");
	vq->in_flight[head / 64] &= ~(UINT64_C(1) << (head % 64));
	vq->next_used++;
	return 0;
}

/*
 * Move used.idx. The release pairs with the driver's barrier between reading the index and reading
 * the entries and buffers it covers.
 */
int virtq_publish(struct virtq *vq, const struct gm_memory *memory)
{
	if (gm_unlikely(!vq->ready))
		return vq->broken ? -1 : 0;
	if (gm_store_u16(memory, vq->used + USED_IDX, htole16(vq->next_used), __ATOMIC_RELEASE))
		return broken(vq, "used ring is no longer in writable memory");
	vq->published_used = vq->next_used;
	return 0;
}

bool virtq_should_interrupt(struct virtq *vq, const struct gm_memory *memory)
{
	uint16_t old = vq->signalled_used, word;

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
		/* An interrupt too many is harmless where the word cannot be read. */
		if (gm_load_u16(memory, vq->avail + AVAIL_RING + 2ULL * vq->size, &word,
				__ATOMIC_RELAXED))
			return true;
		return vring_need_event(le16toh(word), vq->published_used, old);
	}
	if (gm_load_u16(memory, vq->avail + AVAIL_FLAGS, &word, __ATOMIC_RELAXED))
		return true;
	return !(le16toh(word) & VRING_AVAIL_F_NO_INTERRUPT);
}

bool virtq_enable_notify(struct virtq *vq, const struct gm_memory *memory)
{
	int ret;

	if (!vq->ready)
		return false;
	if (vq->event_idx)
		ret = gm_store_u16(memory, vq->used + USED_RING + 8ULL * vq->size,
				   htole16(vq->next_avail), __ATOMIC_RELAXED);
	else
		ret = gm_store_u16(memory, vq->used + USED_FLAGS, 0, __ATOMIC_RELAXED);
	if (ret) {
		broken(vq, "used ring is no longer in writable memory");
		return false;
	}
	/*
	 * The request must be visible before we look for chains. The partner is the driver's full
	 * barrier between moving avail.idx and looking whether to notify.
	 */
	full_barrier();
	return vq->seen_avail != vq->next_avail || refill(vq, memory) > 0;
}

void virtq_disable_notify(struct virtq *vq, const struct gm_memory *memory)
{
	/* With event indexes the old avail_event says it already. */
	if (!vq->ready || vq->event_idx)
		return;
	if (gm_store_u16(memory, vq->used + USED_FLAGS, htole16(VRING_USED_F_NO_NOTIFY),
			 __ATOMIC_RELAXED))
		broken(vq, "used ring is no longer in writable memory");
}
