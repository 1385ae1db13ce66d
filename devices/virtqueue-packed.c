/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The packed virtqueue, device side (virtio 1.2, section 2.8).
 *
 *	descriptor ring		le64 addr, le32 len, le16 id, le16 flags; one per entry
 *	event suppression	le16 off_wrap, le16 flags; one of the driver, one of the device
 *
 * One ring goes round for both directions: the driver makes the next entries available, the device
 * overwrites the first entry of each chain with its used descriptor and skips the rest. Who owns an
 * entry is told by two flags of it, compared with a wrap counter that inverts each time round.
 *
 * A place in the ring together with its wrap counter is kept as one number, the *position*: below
 * the queue size it is the entry's index in a round whose counter is 1, from there on the index
 * plus the size in a round whose counter is 0. Positions go round at twice the size.
 */
#include "devices/virtqueue-ring.h"

#define DESC_LEN   8
#define DESC_FLAGS 14

#define EVENT_OFF_WRAP 0
#define EVENT_FLAGS    2
#define EVENT_SIZE     4

#define F_AVAIL (1U << VRING_PACKED_DESC_F_AVAIL)
#define F_USED  (1U << VRING_PACKED_DESC_F_USED)

/*@ predicate virtq_position(struct virtq *vq, integer position) =
	\valid_read(vq) && 0 < vq->size <= VIRTQ_SIZE_LIMIT && 0 <= position < 2 * vq->size;
*/

/*@ requires virtq_position(vq, position);
    assigns \nothing;
    ensures \result <==> position < vq->size;
*/
static inline bool wrap_of(const struct virtq *vq, uint32_t position)
{
	return position < vq->size;
}

/*@ requires virtq_position(vq, position);
    assigns \nothing;
    ensures \result < vq->size;
    ensures \result == position || \result == position - vq->size;
*/
static inline uint32_t index_of(const struct virtq *vq, uint32_t position)
{
	return position < vq->size ? position : position - vq->size;
}

/* Where the entry is in the ring. */
/*@ requires virtq_position(vq, position);
    assigns \nothing;
    ensures \result + DESC_SIZE <= DESC_SIZE * vq->size;
*/
static inline uint64_t entry_of(const struct virtq *vq, uint32_t position)
{
	return DESC_SIZE * (uint64_t)index_of(vq, position);
}

/*@ requires virtq_position(vq, position) && entries <= 2 * vq->size;
    assigns \nothing;
    ensures virtq_position(vq, \result);
    ensures \result == position + entries || \result == position + entries - 2 * vq->size;
*/
static inline uint16_t advance(const struct virtq *vq, uint32_t position, uint32_t entries)
{
	position += entries;
	return (uint16_t)(position < 2 * vq->size ? position : position - 2 * vq->size);
}

/* How many entries @to is ahead of @from. */
/*@ requires virtq_position(vq, from) && virtq_position(vq, to);
    assigns \nothing;
    ensures \result < 2 * vq->size;
    ensures from + \result == to || from + \result == to + 2 * vq->size;
*/
static inline uint32_t distance(const struct virtq *vq, uint32_t from, uint32_t to)
{
	return to >= from ? to - from : to + 2 * vq->size - from;
}

/* The flags of every entry are what both sides synchronise on. */
static bool words_whole(const struct virtq *vq, const struct gm_memory *memory)
{
	uint16_t probe;

	for (uint32_t i = 0; i < vq->size; i++) {
		if (gm_load_u16(memory, vq->desc + DESC_SIZE * (uint64_t)i + DESC_FLAGS, &probe,
				__ATOMIC_RELAXED))
			return false;
	}
	for (unsigned int at = 0; at < EVENT_SIZE; at += 2) {
		if (gm_load_u16(memory, vq->avail + at, &probe, __ATOMIC_RELAXED) ||
		    gm_load_u16(memory, vq->used + at, &probe, __ATOMIC_RELAXED))
			return false;
	}
	return true;
}

const char *virtq_packed_enable(struct virtq *vq, const struct gm_memory *memory)
{
	/* A packed ring may have any number of entries (2.8.10.1). */
	if (vq->size == 0 || vq->size > vq->max_size)
		return "queue size is not between 1 and the maximum";
	if (vq->avail % EVENT_SIZE)
		return "driver event suppression is not aligned to 4 bytes";
	if (vq->used % EVENT_SIZE)
		return "device event suppression is not aligned to 4 bytes";
	if (!virtq_set_area(&vq->desc_area, memory, vq->desc, DESC_SIZE * (uint64_t)vq->size,
			    GM_ACCESS_RW))
		return "descriptor ring is not in writable memory as a whole";
	if (!virtq_set_area(&vq->avail_area, memory, vq->avail, EVENT_SIZE, GM_ACCESS_READ))
		return "driver event suppression is not in memory";
	if (!virtq_set_area(&vq->used_area, memory, vq->used, EVENT_SIZE, GM_ACCESS_WRITE))
		return "device event suppression is not in writable memory";
	if (!words_whole(vq, memory))
		return "flags of a descriptor cannot be accessed in one piece";
	return NULL;
}

/* --- chains out ------------------------------------------------------------------------------ */

/*@ requires virtq_position(vq, position);
    assigns \nothing;
*/
static inline bool available(const struct virtq *vq, uint32_t position, uint16_t flags)
{
	bool wrap = wrap_of(vq, position);

	return !!(flags & F_AVAIL) == wrap && !!(flags & F_USED) != wrap;
}

/*
 * The flags of the next entry to take, which are not 0; or 0 if it is not available, -1 if the
 * queue is broken. The acquire pairs with the driver's barrier before it sets the flags of a
 * chain's first descriptor, the last thing it writes.
 */
static int peek(struct virtq *vq, const struct gm_memory *memory)
{
	const uint64_t at = entry_of(vq, vq->next_avail) + DESC_FLAGS;
	int word = gm_window_load_u16(&vq->desc_area, memory, at, __ATOMIC_ACQUIRE);

	if (word < 0)
		return virtq_broken(vq, "descriptor ring is no longer in memory");
	word = le16toh((uint16_t)word);
	return available(vq, vq->next_avail, (uint16_t)word) ? word : 0;
}

/* All entries of an indirect table, in order: there is no next in it (2.8.7). */
/*@ requires virtq_ok(vq) && \valid(walk) && \separated(walk, vq) &&
	\separated(walk, vq->ranges + (0 .. vq->max_size - 1));
    requires virtq_walk_ok(*walk, vq->max_size) && walk->limit == vq->max_size;
    requires walk->index == 0 && vq->table.len == DESC_SIZE * walk->entries;
    assigns *walk, vq->table, vq->bounce[0 .. 1], vq->ranges[0 .. vq->max_size - 1];
    ensures \result == \null ==> virtq_walk_ok(*walk, vq->max_size);
*/
static const char *walk_table(struct virtq *vq, const struct gm_memory *memory,
			      struct virtq_walk *walk)
{
	/*@ loop invariant virtq_walk_ok(*walk, vq->max_size) && walk->limit == vq->max_size;
	    loop invariant walk->index <= walk->entries;
	    loop invariant vq->table.len == DESC_SIZE * walk->entries;
	    loop assigns *walk, vq->table, vq->bounce[0 .. 1], vq->ranges[0 .. vq->max_size - 1];
	    loop variant walk->entries - walk->index;
	*/
	for (; walk->index < walk->entries; walk->index++) {
		struct virtq_desc desc;
		const char *error;
		uint16_t flags;

		if (!virtq_read_desc(vq, memory, &vq->table, walk->index, &desc))
			return "descriptor is not in memory";
		flags = virtq_desc_fourth(&desc);
		if (flags & VRING_DESC_F_INDIRECT)
			return "indirect descriptor in an indirect table";
		if (walk->descriptors++ == walk->limit)
			return "descriptor chain is longer than the queue";
		error = virtq_add_buffer(vq->ranges, memory, walk, virtq_desc_addr(&desc),
					 virtq_desc_len(&desc), flags & VRING_DESC_F_WRITE);
		if (error)
			return error;
	}
	return NULL;
}

/* The chain at next_avail, whose first flags were read already; in *@slots its entries. */
/*@ requires virtq_ok(vq) && virtq_position(vq, vq->next_avail) && vq->slots_out <= vq->size;
    requires \valid(walk) && \valid(id) && \valid(slots);
    requires \separated(walk, id, slots, vq) &&
	\separated(walk, vq->ranges + (0 .. vq->max_size - 1)) &&
	\separated(id, vq->ranges + (0 .. vq->max_size - 1)) &&
	\separated(slots, vq->ranges + (0 .. vq->max_size - 1));
    requires walk->descriptors == 0 && walk->ranges == 0 && walk->crossing == 0;
    requires walk->readable == 0 && walk->readable_len == 0 && walk->len == 0 && !walk->indirect;
    assigns *walk, *id, *slots, vq->desc_area, vq->table, vq->bounce[0 .. 1],
	vq->ranges[0 .. vq->max_size - 1];
    ensures \result == \null ==> virtq_walk_ok(*walk, vq->max_size) &&
	0 < *slots <= vq->size - vq->slots_out;
*/
static const char *walk_ring(struct virtq *vq, const struct gm_memory *memory,
			     struct virtq_walk *walk, uint16_t flags, uint16_t *id, uint32_t *slots)
{
	/*@ loop invariant virtq_walk_ok(*walk, vq->max_size) && walk->descriptors == *slots;
	    loop invariant *slots <= vq->size - vq->slots_out && !walk->indirect;
	    loop invariant vq->desc_area.len == DESC_SIZE * vq->size;
	    loop assigns *walk, *id, *slots, flags, vq->desc_area, vq->table, vq->bounce[0 .. 1],
		vq->ranges[0 .. vq->max_size - 1];
	    loop variant vq->size - *slots;
	*/
	for (*slots = 0;;) {
		uint32_t position = advance(vq, vq->next_avail, *slots);
		struct virtq_desc desc;
		const char *error;

		if (!virtq_read_desc(vq, memory, &vq->desc_area, index_of(vq, position), &desc))
			return "descriptor is not in memory";
		/* The first flags are those that said the chain is there. */
		if (*slots)
			flags = virtq_desc_fourth(&desc);
		if (!available(vq, position, flags))
			return "descriptor of a chain is not available";
		/* What ends a chain that goes round, and keeps the entries of others theirs. */
		if (++*slots > vq->size - vq->slots_out)
			return "descriptor chain runs into those in flight";
		*id = virtq_desc_third(&desc);
		if (flags & VRING_DESC_F_INDIRECT) {
			error = virtq_enter_indirect(vq, walk, virtq_desc_addr(&desc),
						     virtq_desc_len(&desc), flags);
			return error ? error : walk_table(vq, memory, walk);
		}
		walk->descriptors++;
		error = virtq_add_buffer(vq->ranges, memory, walk, virtq_desc_addr(&desc),
					 virtq_desc_len(&desc), flags & VRING_DESC_F_WRITE);
		if (error)
			return error;
		if (!(flags & VRING_DESC_F_NEXT))
			return NULL;
	}
}

int virtq_packed_pop(struct virtq *vq, const struct gm_memory *memory, struct virtq_chain *chain)
{
	struct virtq_walk walk = {.entries = vq->size};
	const char *error;
	uint16_t id = 0;
	uint32_t slots;
	int flags = peek(vq, memory);

	if (flags <= 0)
		return flags;
	error = walk_ring(vq, memory, &walk, (uint16_t)flags, &id, &slots);
	virtq_fill_chain(vq, &walk, chain);
	if (error)
		return virtq_broken(vq, error);
	/* No more than size are in flight, so that no driver needs larger ones. */
	if (id >= vq->size)
		return virtq_broken(vq, "buffer id is out of range");
	if (vq->out[id].slots)
		return virtq_broken(vq, "buffer id is in flight already");
	chain->head = id;
	virtq_taken(vq, id, slots);
	vq->slots_out += slots;
	vq->next_avail = advance(vq, vq->next_avail, slots);
	return 1;
}

void virtq_packed_unpop(struct virtq *vq, uint16_t id)
{
	const uint32_t slots = vq->out[id].slots;

	/* Positions go round after two times the size. */
	vq->next_avail = advance(vq, vq->next_avail, 2 * vq->size - slots);
	vq->slots_out -= slots;
	vq->out[id] = (struct virtq_out){0};
}

/* --- used buffers back ----------------------------------------------------------------------- */

static int put_flags(struct virtq *vq, const struct gm_memory *memory, uint32_t position,
		     uint16_t flags)
{
	/* Pairs with the driver's barrier between reading flags and reading id, len and buffers. */
	if (gm_window_store_u16(&vq->desc_area, memory, entry_of(vq, position) + DESC_FLAGS,
				htole16(flags), __ATOMIC_RELEASE))
		return virtq_broken(vq, "descriptor ring is no longer in writable memory");
	return 0;
}

/*
 * A driver takes used descriptors in ring order, so that the flags of the first that was not
 * published hold back all behind it: they are written last.
 */
int virtq_packed_put_used(struct virtq *vq, const struct gm_memory *memory, uint16_t id, uint32_t len)
{
	const gm_le64_t body = gm_le64(len | (uint64_t)id << 32);
	uint32_t position = vq->next_used;
	uint16_t flags = wrap_of(vq, position) ? F_AVAIL | F_USED : 0;

	flags |= len ? VRING_DESC_F_WRITE : 0;
	/* Up to the flags. */
	if (gm_window_write(&vq->desc_area, memory, entry_of(vq, position) + DESC_LEN, &body,
			    DESC_FLAGS - DESC_LEN))
		return virtq_broken(vq, "descriptor ring is no longer in writable memory");
	if (position == vq->published_used)
		vq->held_flags = flags;
	else if (put_flags(vq, memory, position, flags))
		return -1;
	vq->next_used = advance(vq, position, vq->out[id].slots);
	vq->slots_out -= vq->out[id].slots;
	vq->out[id] = (struct virtq_out){0};
	return 0;
}

int virtq_packed_publish(struct virtq *vq, const struct gm_memory *memory)
{
	if (vq->next_used == vq->published_used)
		return 0;
	if (put_flags(vq, memory, vq->published_used, vq->held_flags))
		return -1;
	vq->unsignalled += distance(vq, vq->published_used, vq->next_used);
	vq->published_used = vq->next_used;
	return 0;
}

int virtq_packed_complete(struct virtq *vq, const struct gm_memory *memory, uint16_t id, uint32_t len)
{
	return virtq_packed_put_used(vq, memory, id, len) ? -1 : virtq_packed_publish(vq, memory);
}

/* --- event suppression ----------------------------------------------------------------------- */

bool virtq_packed_should_interrupt(struct virtq *vq, const struct gm_memory *memory)
{
	uint32_t old = vq->signalled_used, passed = vq->unsignalled, event;
	int flags, off_wrap;
	bool wrap;

	if (!passed)
		return false;
	vq->signalled_used = vq->published_used;
	vq->unsignalled = 0;
	/*
	 * The used descriptors must be visible before we look whether the driver sleeps. The
	 * partner is the driver's full barrier between asking for an interrupt and looking again.
	 */
	full_barrier();
	flags = gm_window_load_u16(&vq->avail_area, memory, EVENT_FLAGS, __ATOMIC_ACQUIRE);
	off_wrap = gm_window_load_u16(&vq->avail_area, memory, EVENT_OFF_WRAP, __ATOMIC_RELAXED);
	/* An interrupt too many is harmless where the words cannot be read. */
	if (flags < 0 || off_wrap < 0)
		return true;
	flags = le16toh((uint16_t)flags) & 3;
	if (flags == VRING_PACKED_EVENT_FLAG_DISABLE)
		return false;
	if (flags != VRING_PACKED_EVENT_FLAG_DESC || !vq->event_idx)
		return true;
	event = le16toh((uint16_t)off_wrap);
	wrap = event >> VRING_PACKED_EVENT_F_WRAP_CTR;
	event &= ~(1U << VRING_PACKED_EVENT_F_WRAP_CTR);
	if (event >= vq->size)
		return true;
	if (!wrap)
		event += vq->size;
	return distance(vq, old, event) < passed;
}

bool virtq_packed_enable_notify(struct virtq *vq, const struct gm_memory *memory)
{
	uint16_t flags = VRING_PACKED_EVENT_FLAG_ENABLE, off_wrap;
	int ret = 0;

	if (vq->event_idx) {
		flags = VRING_PACKED_EVENT_FLAG_DESC;
		off_wrap = (uint16_t)(index_of(vq, vq->next_avail) |
				      wrap_of(vq, vq->next_avail) << VRING_PACKED_EVENT_F_WRAP_CTR);
		ret = gm_window_store_u16(&vq->used_area, memory, EVENT_OFF_WRAP, htole16(off_wrap),
					  __ATOMIC_RELAXED);
	}
	if (ret || gm_window_store_u16(&vq->used_area, memory, EVENT_FLAGS, htole16(flags),
				       __ATOMIC_RELEASE)) {
		virtq_broken(vq, "device event suppression is no longer in writable memory");
		return false;
	}
	/*
	 * The request must be visible before we look for chains. The partner is the driver's full
	 * barrier between making one available and looking whether to notify.
	 */
	full_barrier();
	return peek(vq, memory) > 0;
}

void virtq_packed_disable_notify(struct virtq *vq, const struct gm_memory *memory)
{
	/* With event indexes the old one says it already. */
	if (vq->event_idx)
		return;
	if (gm_window_store_u16(&vq->used_area, memory, EVENT_FLAGS,
				htole16(VRING_PACKED_EVENT_FLAG_DISABLE), __ATOMIC_RELAXED))
		virtq_broken(vq, "device event suppression is no longer in writable memory");
}
