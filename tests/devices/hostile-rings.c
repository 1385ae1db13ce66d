/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Hostile drivers: rings that are not where they say, indexes that jump, and memory that goes away
 * or comes up elsewhere under a running queue.
 */
#include <stddef.h>

#include "tests/devices/hostile.h"

/* --- indexes ---------------------------------------------------------------------------------- */

static void jump_to(struct hostile *t, uint16_t idx)
{
	put_avail_idx(t->h, t->q, idx);
	driver_kick(t->h, t->q);
}

static void index_jumps_back(struct hostile *t)
{
	jump_to(t, 0xffff);
}

static void index_ahead_by_one_more(struct hostile *t)
{
	jump_to(t, (uint16_t)(t->q->size + 1));
}

static void index_ahead_by_half(struct hostile *t)
{
	jump_to(t, 0x8000);
}

static void index_jumps_back_later(struct hostile *t)
{
	for (unsigned int i = 0; i < 3; i++)
		subject_serves(&t->s);
	jump_to(t, 1);
}

/* --- where rings may not be ------------------------------------------------------------------- */

/* A queue of @size with one part elsewhere; @part: its offset in struct driver_queue. */
static void set_up_queue(struct hostile *t, size_t part, gm_addr at, uint16_t size)
{
	struct driver_queue bad = *t->q;

	bad.size = size;
	if (part)
		*(gm_addr *)((char *)&bad + part) = at;
	ck_assert(driver_negotiate(t->h, driver_ring_features() | VERSION_1));
	driver_set_queue(t->h, &bad);
	ck_assert_uint_eq(reg_read(t->h, VIRTIO_MMIO_QUEUE_READY), 0);
}

#define DESC  offsetof(struct driver_queue, desc)
#define AVAIL offsetof(struct driver_queue, avail)
#define USED  offsetof(struct driver_queue, used)

#define RING_AT(name, part, at)                        \
	static void name(struct hostile *t)            \
	{                                              \
		set_up_queue(t, part, at, t->q->size); \
	}

RING_AT(desc_in_hole, DESC, HOLE)
RING_AT(avail_in_hole, AVAIL, HOLE)
RING_AT(used_in_hole, USED, HOLE)
RING_AT(desc_over_the_end, DESC, RAM_END - 16)
RING_AT(avail_over_the_end, AVAIL, RAM_END - 2)
RING_AT(used_over_the_end, USED, RAM_END - 4)
RING_AT(desc_starts_in_hole, DESC, RAM_BASE - 16)
RING_AT(avail_starts_in_hole, AVAIL, RAM_BASE - 2)
RING_AT(used_starts_in_hole, USED, RAM_BASE - 4)
RING_AT(desc_wraps, DESC, UINT64_MAX - 15)
RING_AT(avail_wraps, AVAIL, UINT64_MAX - 3)
RING_AT(used_wraps, USED, UINT64_MAX - 3)
RING_AT(desc_misaligned, DESC, DESC_PAGE + 8)
RING_AT(avail_misaligned, AVAIL, AVAIL_PAGE + 1)
RING_AT(used_misaligned, USED, USED_PAGE + 2)
RING_AT(used_in_rom, USED, ROM_BASE)
RING_AT(packed_ring_in_rom, DESC, ROM_BASE)

static void size_zero(struct hostile *t)
{
	set_up_queue(t, 0, 0, 0);
}

static void size_no_power_of_two(struct hostile *t)
{
	set_up_queue(t, 0, 0, 12);
}

static void size_larger_than_max(struct hostile *t)
{
	set_up_queue(t, 0, 0, (uint16_t)(2 * t->h->dev->queues[t->q->index].max_size));
}

/* 2^16 more than a size that is in order. */
static void size_beyond_16_bits(struct hostile *t)
{
	ck_assert(driver_negotiate(t->h, driver_ring_features() | VERSION_1));
	driver_set_queue(t->h, &(struct driver_queue){.index = HARNESS_QUEUES});
	reg_write(t->h, VIRTIO_MMIO_QUEUE_SEL, t->q->index);
	reg_write(t->h, VIRTIO_MMIO_QUEUE_NUM, 0x10000U + t->q->size);
	reg_write(t->h, VIRTIO_MMIO_QUEUE_DESC_LOW, (uint32_t)t->q->desc);
	reg_write(t->h, VIRTIO_MMIO_QUEUE_AVAIL_LOW, (uint32_t)t->q->avail);
	reg_write(t->h, VIRTIO_MMIO_QUEUE_USED_LOW, (uint32_t)t->q->used);
	reg_write(t->h, VIRTIO_MMIO_QUEUE_READY, 1);
}

/* kvmtool e7e2950: an address above 4 GiB without its high half is another one, or none. */
static void high_half_counts(struct hostile *t)
{
	set_up_queue(t, DESC, t->q->desc | UINT64_C(1) << 32, t->q->size);
}

/* What a packed ring may have and a split one not. */
static void packed_size_of_any_number(struct hostile *t)
{
	t->q->size = 13;
	driver_start(t->h, t->s.subject->features);
	for (unsigned int i = 0; i < 30; i++)
		subject_serves(&t->s);
}

/* --- memory that goes away -------------------------------------------------------------------- */

/* A request waits; the page at @page is taken away, the driver notifies, and it comes back. */
static void vanish(struct hostile *t, gm_addr page)
{
	struct gm_memory *less, *full = t->h->memory;

	hostile_spread_rings(t);
	hostile_put_request(t);
	ck_assert_int_eq(gm_memory_remove(full, page, 4096, &less, NULL), 0);
	gm_cell_replace(t->h->cell, less);
	driver_kick(t->h, t->q);
	hostile_await_broken(t);
	gm_cell_replace(t->h->cell, full);
	gm_memory_put(less);
}

static void desc_vanishes(struct hostile *t)
{
	vanish(t, DESC_PAGE);
}

static void avail_vanishes(struct hostile *t)
{
	vanish(t, AVAIL_PAGE);
}

static void used_vanishes(struct hostile *t)
{
	vanish(t, USED_PAGE);
}

static void buffer_vanishes(struct hostile *t)
{
	vanish(t, SUBJECT_AREA);
}

/* --- rings that are moved --------------------------------------------------------------------- */

static void write_ring_address(struct hostile *t, gm_addr at)
{
	reg_write(t->h, VIRTIO_MMIO_QUEUE_SEL, t->q->index);
	reg_write(t->h, VIRTIO_MMIO_QUEUE_NUM, 4);
	reg_write(t->h, VIRTIO_MMIO_QUEUE_DESC_LOW, (uint32_t)at);
	reg_write(t->h, VIRTIO_MMIO_QUEUE_AVAIL_LOW, (uint32_t)at);
	reg_write(t->h, VIRTIO_MMIO_QUEUE_USED_LOW, (uint32_t)at);
}

/* While the queue is ready its registers do not count; a request waits meanwhile. */
static void moved_while_ready(struct hostile *t)
{
	uint32_t len;

	hostile_put_request(t);
	write_ring_address(t, HOLE);
	driver_kick(t->h, t->q);
	len = hostile_await(t);
	ck_assert_uint_eq(len, t->s.subject->used);
	t->s.subject->check(&t->s);
}

/* Before the driver is ready, and after. */
static void enabled_twice(struct hostile *t)
{
	driver_negotiate(t->h, driver_ring_features() | VERSION_1);
	for (unsigned int i = 0; i < t->h->dev->queue_count; i++) {
		driver_clear_rings(t->h, &t->h->queues[i]);
		driver_set_queue(t->h, &t->h->queues[i]);
	}
	for (unsigned int i = 0; i < 2; i++) {
		write_ring_address(t, DESC_PAGE);
		reg_write(t->h, VIRTIO_MMIO_QUEUE_READY, 1);
		ck_assert_uint_eq(reg_read(t->h, VIRTIO_MMIO_QUEUE_READY), 1);
		reg_write(t->h, VIRTIO_MMIO_STATUS, 15);
	}
	subject_serves(&t->s);
}

/* Stopped while the device runs, it can be set up again by a reset only (4.2.2.2). */
static void stopped_moved_and_enabled(struct hostile *t)
{
	hostile_put_request(t);
	reg_write(t->h, VIRTIO_MMIO_QUEUE_SEL, t->q->index);
	reg_write(t->h, VIRTIO_MMIO_QUEUE_READY, 0);
	write_ring_address(t, DESC_PAGE);
	reg_write(t->h, VIRTIO_MMIO_QUEUE_READY, 1);
	ck_assert_uint_eq(reg_read(t->h, VIRTIO_MMIO_QUEUE_READY), 0);
	driver_kick(t->h, t->q);
}

/* Reset by itself with requests in it, and set up elsewhere (2.6.1). */
static void queue_reset_and_moved(struct hostile *t)
{
	const uint64_t queue_reset = 0x0c0;

	for (unsigned int i = 0; i < 4; i++) {
		hostile_put_request(t);
		driver_kick(t->h, t->q);
		reg_write(t->h, VIRTIO_MMIO_QUEUE_SEL, t->q->index);
		reg_write(t->h, queue_reset, 1);
		ck_assert_uint_eq(reg_read(t->h, VIRTIO_MMIO_QUEUE_READY), 0);
		driver_place(t->h, t->q->index, i % 2 ? DESC_PAGE : AVAIL_PAGE, 8);
		driver_clear_rings(t->h, t->q);
		driver_set_queue(t->h, t->q);
		ck_assert_uint_eq(reg_read(t->h, VIRTIO_MMIO_QUEUE_READY), 1);
	}
	driver_start(t->h, t->s.subject->features);
}

const struct hostile_case hostile_rings[] = {
	{"avail_index_jumps_back", BREAKS, "ahead", SPLIT_RING, .act = index_jumps_back},
	{"avail_index_jumps_back_after_some_requests", BREAKS, "ahead", SPLIT_RING,
	 .act = index_jumps_back_later},
	{"bug12_avail_index_ahead_by_more_than_the_queue", BREAKS, "ahead", SPLIT_RING,
	 .act = index_ahead_by_one_more},
	{"avail_index_ahead_by_half_of_all", BREAKS, "ahead", SPLIT_RING, .act = index_ahead_by_half},

	{"descriptor_table_in_a_hole", REFUSES, "not in", .act = desc_in_hole},
	{"driver_area_in_a_hole", REFUSES, "not in memory", .act = avail_in_hole},
	{"device_area_in_a_hole", REFUSES, "not in writable", .act = used_in_hole},
	{"descriptor_table_across_the_end_of_memory", REFUSES, "not in", .act = desc_over_the_end},
	{"driver_area_across_the_end_of_memory", REFUSES, NULL, .act = avail_over_the_end,
	 .ring = SPLIT_RING},
	{"device_area_across_the_end_of_memory", REFUSES, "not in writable", SPLIT_RING,
	 .act = used_over_the_end},
	{"bug09_descriptor_table_that_starts_in_a_hole", REFUSES, "not in",
	 .act = desc_starts_in_hole},
	{"bug09_driver_area_that_starts_in_a_hole", REFUSES, NULL, SPLIT_RING,
	 .act = avail_starts_in_hole},
	{"bug09_device_area_that_starts_in_a_hole", REFUSES, "not in writable",
	 .act = used_starts_in_hole},
	{"descriptor_table_that_wraps_around", REFUSES, "not in", .act = desc_wraps},
	{"driver_area_that_wraps_around", REFUSES, "not in memory", .act = avail_wraps},
	{"device_area_that_wraps_around", REFUSES, "not in writable", .act = used_wraps},
	{"descriptor_table_misaligned", REFUSES, "aligned", .act = desc_misaligned},
	{"driver_area_misaligned", REFUSES, "aligned", .act = avail_misaligned},
	{"device_area_misaligned", REFUSES, "aligned", .act = used_misaligned},
	{"device_area_in_rom", REFUSES, "not in writable", .act = used_in_rom},
	{"packed_ring_in_rom", REFUSES, "not in writable", PACKED_RING, .act = packed_ring_in_rom},
	{"bug15_ring_address_without_its_high_half", REFUSES, "not in", .act = high_half_counts},

	{"queue_size_zero", REFUSES, "queue size", .act = size_zero},
	{"queue_size_not_a_power_of_two", REFUSES, "queue size", SPLIT_RING,
	 .act = size_no_power_of_two},
	{"packed_queue_size_of_any_number", GOES_ON, NULL, PACKED_RING,
	 .act = packed_size_of_any_number},
	{"queue_size_larger_than_the_maximum", REFUSES, "queue size", .act = size_larger_than_max},
	{"queue_size_beyond_16_bits", REFUSES, "queue size", .act = size_beyond_16_bits},

	{"descriptor_table_vanishes", BREAKS, NULL, .act = desc_vanishes},
	{"available_ring_vanishes", BREAKS, "no longer in memory", SPLIT_RING, .act = avail_vanishes},
	{"used_ring_vanishes", BREAKS, "no longer in writable memory", .act = used_vanishes},
	{"buffer_vanishes", BREAKS, "not in", .act = buffer_vanishes},

	{"rings_moved_while_ready", GOES_ON, NULL, .act = moved_while_ready},
	{"queue_enabled_twice", GOES_ON, NULL, .act = enabled_twice},
	{"queue_stopped_moved_and_enabled", CHECKED, NULL, .act = stopped_moved_and_enabled},
	{"queue_reset_by_itself_with_requests_in_it", GOES_ON, NULL, .act = queue_reset_and_moved},
	{.name = NULL},
};
