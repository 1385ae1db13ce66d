/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Hostile drivers: chains of descriptors that are wrong, whatever the device. Most are what they
 * look like in both ring formats; those that need a word of one format have a function.
 */
#include "tests/devices/hostile.h"

/* --- loops and wrong indexes: split rings, packed ones have no next ---------------------------- */

static void split_desc(struct hostile *t, unsigned int index, gm_addr addr, uint32_t len,
		       uint16_t flags, uint16_t next)
{
	put_desc(t->h, t->q->desc, index, addr, len, flags, next);
}

static void offer_head(struct hostile *t, uint16_t head)
{
	put_avail(t->h, t->q, head);
	driver_kick(t->h, t->q);
}

static void own_next(struct hostile *t)
{
	split_desc(t, 0, HEADER, 16, NEXT, 0);
	offer_head(t, 0);
}

static void loop_of_two(struct hostile *t)
{
	split_desc(t, 0, HEADER, 16, NEXT, 1);
	split_desc(t, 1, DATA, 512, NEXT, 0);
	offer_head(t, 0);
}

static void loop_of_empty(struct hostile *t)
{
	split_desc(t, 0, HEADER, 0, NEXT, 1);
	split_desc(t, 1, DATA, 0, NEXT, 0);
	offer_head(t, 0);
}

static void loop_of_all(struct hostile *t)
{
	for (uint16_t i = 0; i < t->q->size; i++)
		split_desc(t, i, HEADER, 1, NEXT, (uint16_t)((i + 1) % t->q->size));
	offer_head(t, 0);
}

static void next_out_of_range(struct hostile *t)
{
	split_desc(t, 0, HEADER, 16, NEXT, t->q->size);
	offer_head(t, 0);
}

static void next_far_out_of_range(struct hostile *t)
{
	split_desc(t, 0, HEADER, 16, NEXT, 0xffff);
	offer_head(t, 0);
}

static void head_out_of_range(struct hostile *t)
{
	offer_head(t, t->q->size);
}

static void head_far_out_of_range(struct hostile *t)
{
	offer_head(t, 0xffff);
}

static void indirect_next_out(struct hostile *t)
{
	put_desc(t->h, TABLE, 0, HEADER, 16, NEXT, 2);
	put_desc(t->h, TABLE, 2, STATUS, 1, WRITE, 0);
	split_desc(t, 0, TABLE, 32, INDIRECT, 0);
	offer_head(t, 0);
}

static void indirect_loop(struct hostile *t)
{
	put_desc(t->h, TABLE, 0, HEADER, 16, NEXT, 1);
	put_desc(t->h, TABLE, 1, DATA, 1, NEXT, 0);
	split_desc(t, 0, TABLE, 32, INDIRECT, 0);
	offer_head(t, 0);
}

static void indirect_half_a_table(struct hostile *t)
{
	put_desc(t->h, TABLE, 0, HEADER, 16, NEXT, 0xffff);
	split_desc(t, 0, TABLE, UINT32_MAX & ~15U, INDIRECT, 0);
	offer_head(t, 0);
}

/* --- packed rings ----------------------------------------------------------------------------- */

static void packed_entry(struct hostile *t, unsigned int index, uint16_t id, uint16_t flags)
{
	packed_put_desc(t->h, t->q->desc, index, HEADER, 16, id,
			flags | packed_owned_by_device(t->q));
}

static void id_out_of_range(struct hostile *t)
{
	packed_entry(t, 0, t->q->size, 0);
	driver_kick(t->h, t->q);
}

static void id_far_out_of_range(struct hostile *t)
{
	packed_entry(t, 0, 0xffff, 0);
	driver_kick(t->h, t->q);
}

/* Every entry says there is another: the chain would go round. */
static void packed_endless(struct hostile *t)
{
	for (unsigned int i = t->q->size; i-- > 0;)
		packed_entry(t, i, 0, NEXT);
	driver_kick(t->h, t->q);
}

static void packed_next_not_available(struct hostile *t)
{
	packed_entry(t, 0, 0, NEXT);
	driver_kick(t->h, t->q);
}

/* Both flags alike is what a used entry looks like: nothing to take, and nothing wrong. */
static void packed_flags_alike(struct hostile *t)
{
	packed_put_desc(t->h, t->q->desc, 0, HEADER, 16, 0, 0);
	driver_kick(t->h, t->q);
	packed_put_desc(t->h, t->q->desc, 0, HEADER, 16, 0,
			1U << VRING_PACKED_DESC_F_AVAIL | 1U << VRING_PACKED_DESC_F_USED);
	driver_kick(t->h, t->q);
}

/* The flags of the next round. */
static void packed_wrong_wrap(struct hostile *t)
{
	packed_put_desc(t->h, t->q->desc, 0, HEADER, 16, 0, 1U << VRING_PACKED_DESC_F_USED);
	driver_kick(t->h, t->q);
}

/* Of the value nobody defined, and a place that is not in the ring: an interrupt is not lost. */
static void event_words(struct hostile *t, uint16_t off_wrap, uint16_t flags)
{
	unsigned int before = __atomic_load_n(&t->h->irq.count, __ATOMIC_SEQ_CST);
	const uint16_t words[2] = {htole16(off_wrap), htole16(flags)};

	mem_write(t->h, t->q->avail, words, sizeof(words));
	subject_serves(&t->s);
	ck_assert_uint_gt(__atomic_load_n(&t->h->irq.count, __ATOMIC_SEQ_CST), before);
}

static void event_flags_reserved(struct hostile *t)
{
	event_words(t, 0, 3);
}

static void event_flags_all_ones(struct hostile *t)
{
	event_words(t, 0xffff, 0xffff);
}

static void event_without_the_feature(struct hostile *t)
{
	event_words(t, 0, VRING_PACKED_EVENT_FLAG_DESC);
}

/* --- both ------------------------------------------------------------------------------------- */

static void indirect_is_itself(struct hostile *t)
{
	hostile_offer(t, &(struct hostile_desc){t->q->desc, 16, INDIRECT}, 1);
}

/* CVE-2026-45782: a head that was in flight could be offered again: use after free. */
static void same_head_in_flight(struct hostile *t)
{
	struct virtio_device *dev = t->h->dev;
	struct virtq_chain chain;
	int popped;

	hostile_put(t, &(struct hostile_desc){HEADER, 16, 0}, 1);
	/* As a device does that is slow. */
	virtio_lock(dev);
	popped = virtq_pop(&dev->queues[t->q->index], t->h->memory, &chain);
	virtio_unlock(dev);
	ck_assert_int_eq(popped, 1);
	if (t->packed)
		packed_entry(t, 1, 0, 0);
	else
		put_avail(t->h, t->q, 0);
	driver_kick(t->h, t->q);
}

/* The device reads what it needs once: the answer over the ring changes nothing for it. */
static void buffers_over_the_ring(struct hostile *t)
{
	const struct hostile_desc chain[] = {{t->q->desc, 16, NEXT}, {t->q->desc, 256, WRITE}};

	hostile_offer(t, chain, 2);
}

const struct hostile_case hostile_chains[] = {
	{"descriptor_that_is_its_own_next", BREAKS, "longer than the queue", SPLIT_RING,
	 .act = own_next},
	{"loop_of_two", BREAKS, "longer than the queue", SPLIT_RING, .act = loop_of_two},
	{"loop_of_empty_descriptors", BREAKS, "longer than the queue", SPLIT_RING,
	 .act = loop_of_empty},
	{"loop_through_the_whole_table", BREAKS, "longer than the queue", SPLIT_RING,
	 .act = loop_of_all},
	{"next_out_of_range", BREAKS, "next descriptor", SPLIT_RING, .act = next_out_of_range},
	{"next_far_out_of_range", BREAKS, "next descriptor", SPLIT_RING, .act = next_far_out_of_range},
	{"head_out_of_range", BREAKS, "head of a chain", SPLIT_RING, .act = head_out_of_range},
	{"head_far_out_of_range", BREAKS, "head of a chain", SPLIT_RING, .act = head_far_out_of_range},
	{"indirect_next_out_of_its_table", BREAKS, "next descriptor", SPLIT_RING,
	 .act = indirect_next_out},
	{"indirect_loop", BREAKS, "longer than the queue", SPLIT_RING, .act = indirect_loop},
	{"indirect_of_4_gib_and_next_far_in_it", BREAKS, "descriptor is not in memory", SPLIT_RING,
	 .act = indirect_half_a_table},

	{"buffer_id_out_of_range", BREAKS, "id is out of range", PACKED_RING, .act = id_out_of_range},
	{"buffer_id_far_out_of_range", BREAKS, "id is out of range", PACKED_RING,
	 .act = id_far_out_of_range},
	{"packed_chain_longer_than_the_ring", BREAKS, "not available", PACKED_RING,
	 .act = packed_endless},
	{"packed_chain_into_an_entry_that_is_not_available", BREAKS, "not available", PACKED_RING,
	 .act = packed_next_not_available},
	{"packed_flags_that_are_alike", GOES_ON, NULL, PACKED_RING, .act = packed_flags_alike},
	{"packed_flags_of_the_next_round", GOES_ON, NULL, PACKED_RING, .act = packed_wrong_wrap},
	{"event_flags_of_a_reserved_value", GOES_ON, NULL, PACKED_RING, .act = event_flags_reserved},
	{"event_words_of_all_ones", GOES_ON, NULL, PACKED_RING, .act = event_flags_all_ones},
	{"event_index_that_was_not_negotiated", GOES_ON, NULL, PACKED_RING,
	 .act = event_without_the_feature},

	{"bug05_same_head_twice_in_flight", BREAKS, "in flight", .act = same_head_in_flight},
	{"indirect_table_that_is_itself", BREAKS, "in an indirect table", .act = indirect_is_itself},
	{"buffers_over_the_ring_itself", CHECKED, .act = buffers_over_the_ring},

	{"readable_behind_writable", BREAKS, "behind a writable",
	 .chain = {{HEADER, 16, NEXT}, {STATUS, 1, NEXT | WRITE}, {DATA, 512, 0}}},
	{"readable_behind_an_empty_writable", BREAKS, "behind a writable",
	 .chain = {{HEADER, 16, NEXT}, {STATUS, 0, NEXT | WRITE}, {DATA, 512, 0}}},
	{"readable_buffer_in_a_hole", BREAKS, "not in memory",
	 .chain = {{HEADER, 16, NEXT}, {HOLE, 512, NEXT}, {STATUS, 1, WRITE}}},
	{"writable_buffer_in_a_hole", BREAKS, "not in writable memory",
	 .chain = {{HEADER, 16, NEXT}, {HOLE, 512, NEXT | WRITE}, {STATUS, 1, WRITE}}},
	{"bug08_buffer_one_byte_past_the_end_of_memory", BREAKS, "not in writable memory",
	 .chain = {{HEADER, 16, NEXT}, {RAM_END - 511, 512, NEXT | WRITE}, {STATUS, 1, WRITE}}},
	{"buffer_one_byte_before_the_beginning_of_memory", BREAKS, "not in writable memory",
	 .chain = {{HEADER, 16, NEXT}, {RAM_BASE - 1, 512, NEXT | WRITE}, {STATUS, 1, WRITE}}},
	{"writable_buffer_in_rom", BREAKS, "not in writable memory",
	 .chain = {{HEADER, 16, NEXT}, {ROM_BASE, 512, NEXT | WRITE}, {STATUS, 1, WRITE}}},
	{"last_byte_in_rom", BREAKS, "not in writable memory",
	 .chain = {{HEADER, 16, NEXT}, {DATA, 512, NEXT | WRITE}, {ROM_BASE, 1, WRITE}}},
	{"buffer_that_wraps_around", BREAKS, "not in writable memory",
	 .chain = {{HEADER, 16, NEXT}, {UINT64_MAX - 100, 512, NEXT | WRITE}, {STATUS, 1, WRITE}}},
	{"buffer_that_ends_at_the_top_of_the_address_space", BREAKS, "not in writable memory",
	 .chain = {{HEADER, 16, NEXT}, {UINT64_MAX - 511, 512, NEXT | WRITE}, {STATUS, 1, WRITE}}},
	{"buffer_of_4_gib", BREAKS, "more than 2^32",
	 .chain = {{HEADER, 16, NEXT}, {DATA, UINT32_MAX, NEXT | WRITE}, {STATUS, 1, WRITE}}},
	{"buffer_of_2_gib", BREAKS, "not in writable memory",
	 .chain = {{HEADER, 16, NEXT}, {DATA, 1U << 31, NEXT | WRITE}, {STATUS, 1, WRITE}}},
	{"lengths_whose_sum_overflows", BREAKS, "not in memory",
	 .chain = {{HEADER, UINT32_MAX, NEXT}, {DATA, UINT32_MAX, NEXT | WRITE}, {STATUS, 2, WRITE}}},

	{"indirect_in_indirect", BREAKS, "in an indirect table", .chain = {{TABLE, 16, INDIRECT}},
	 .table = {{TABLE + 0x100, 16, INDIRECT}}},
	{"indirect_in_indirect_behind_a_good_one", BREAKS, "in an indirect table",
	 .chain = {{TABLE, 32, INDIRECT}},
	 .table = {{HEADER, 16, NEXT}, {TABLE + 0x100, 16, INDIRECT}}},
	{"indirect_with_next", BREAKS, "with a next one",
	 .chain = {{TABLE, 16, INDIRECT | NEXT}, {STATUS, 1, WRITE}}, .table = {{HEADER, 16, 0}}},
	{"indirect_length_not_a_multiple", BREAKS, "multiple of 16",
	 .chain = {{TABLE, 33, INDIRECT}}, .table = {{HEADER, 16, NEXT}, {STATUS, 1, WRITE}}},
	{"indirect_length_zero", BREAKS, "multiple of 16", .chain = {{TABLE, 0, INDIRECT}}},
	{"indirect_length_less_than_one_entry", BREAKS, "multiple of 16",
	 .chain = {{TABLE, 15, INDIRECT}}},
	{"indirect_table_in_a_hole", BREAKS, "descriptor is not in memory",
	 .chain = {{HOLE, 32, INDIRECT}}},
	{"indirect_table_that_wraps_around", BREAKS, "wraps around",
	 .chain = {{UINT64_MAX - 15, 32, INDIRECT}}},
	{"indirect_table_across_the_end_of_memory", BREAKS, "descriptor is not in memory",
	 .chain = {{HEADER, 0, NEXT}, {RAM_END - 8, 32, INDIRECT}}},
	{"indirect_that_was_not_negotiated", BREAKS, "without the feature",
	 .without = FEATURE(VIRTIO_RING_F_INDIRECT_DESC), .chain = {{TABLE, 32, INDIRECT}},
	 .table = {{HEADER, 16, NEXT}, {STATUS, 1, WRITE}}},
	{"indirect_table_of_buffers_in_the_wrong_order", BREAKS, "behind a writable",
	 .chain = {{TABLE, 32, INDIRECT}}, .table = {{STATUS, 1, WRITE | NEXT}, {HEADER, 16, 0}}},
	{"indirect_table_with_a_buffer_in_a_hole", BREAKS, "not in memory",
	 .chain = {{TABLE, 32, INDIRECT}}, .table = {{HEADER, 16, NEXT}, {HOLE, 1, 0}}},
	{.name = NULL},
};
