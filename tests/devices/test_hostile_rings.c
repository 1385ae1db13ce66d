/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Drivers whose rings are wrong: indexes that jump, rings that are not where they say, and memory
 * that goes away under a running queue.
 */
#include "tests/devices/harness.h"
#include "tests/devices/suites.h"

#define HEADER (BUFFERS + 0x20000)
#define DATA   (BUFFERS + 0x21000)
#define STATUS (BUFFERS + 0x22000)

static struct harness harness;
static struct harness *const h = &harness;
static struct driver_queue *const q = &harness.queues[0];

static void set_up(void)
{
	struct cutting pages = cutting_every(4096);

	harness_blk(h, &pages, 16, "");
	cutting_free(&pages);
	driver_start(h, 0);
	blk_put_header(h, HEADER, VIRTIO_BLK_T_IN, 1);
	mem_fill(h, STATUS, 0xee, 1);
}

static void tear_down(void)
{
	harness_free(h);
}

/* A request in descriptors 0 to 2. */
static void put_request(void)
{
	put_desc(h, q->desc, 0, HEADER, 16, VRING_DESC_F_NEXT, 1);
	put_desc(h, q->desc, 1, DATA, 512, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 2);
	put_desc(h, q->desc, 2, STATUS, 1, VRING_DESC_F_WRITE, 0);
}

START_TEST(avail_index_jumps_back)
{
	put_avail_idx(h, q, 0xffff);
	driver_kick(h, q);
	assert_broken_then_works(h);
}
END_TEST

/* As far ahead as the queue is long is the most a driver may be; but not twice the same head. */
START_TEST(avail_index_ahead_by_the_queue_size)
{
	put_request();
	put_avail_idx(h, q, q->size);
	driver_kick(h, q);
	/* All entries are head 0, served one after the other. */
	ck_assert(!needs_reset(h));
	ck_assert_uint_eq(mem_byte(h, STATUS), VIRTIO_BLK_S_OK);
}
END_TEST

/* Start with ring part @part of queue 0 at @at; the device must refuse the queue. */
static void refuses_ring(size_t part, gm_addr at)
{
	struct driver_queue bad = *q;

	*(gm_addr *)((char *)&bad + part) = at;
	ck_assert(driver_negotiate(h, VERSION_1));
	driver_set_queue(h, &bad);
	ck_assert_uint_eq(reg_read(h, VIRTIO_MMIO_QUEUE_READY), 0);
	ck_assert(needs_reset(h));
	/* A driver that goes on regardless gets nothing. */
	reg_write(h, VIRTIO_MMIO_STATUS, 0xf);
	driver_kick(h, q);
	ck_assert_uint_eq(h->irq.count, 0);
	assert_works(h);
	h->irq.count = 0;
}

START_TEST(ring_parts_in_a_hole)
{
	refuses_ring(offsetof(struct driver_queue, desc), HOLE);
	refuses_ring(offsetof(struct driver_queue, avail), HOLE);
	refuses_ring(offsetof(struct driver_queue, used), HOLE);
}
END_TEST

START_TEST(ring_parts_that_end_in_a_hole)
{
	refuses_ring(offsetof(struct driver_queue, desc), RAM_END - 16);
	refuses_ring(offsetof(struct driver_queue, avail), RAM_END - 8);
	refuses_ring(offsetof(struct driver_queue, used), RAM_END - 8);
}
END_TEST

START_TEST(ring_parts_that_wrap_around)
{
	refuses_ring(offsetof(struct driver_queue, desc), UINT64_MAX - 15);
	refuses_ring(offsetof(struct driver_queue, avail), UINT64_MAX - 1);
	refuses_ring(offsetof(struct driver_queue, used), UINT64_MAX - 3);
}
END_TEST

START_TEST(ring_parts_misaligned)
{
	refuses_ring(offsetof(struct driver_queue, desc), RAM_BASE + 8);
	refuses_ring(offsetof(struct driver_queue, avail), RAM_BASE + 0x2001);
	refuses_ring(offsetof(struct driver_queue, used), RAM_BASE + 0x3002);
}
END_TEST

START_TEST(used_ring_in_rom)
{
	refuses_ring(offsetof(struct driver_queue, used), ROM_BASE);
}
END_TEST

/* Memory is taken away (@size bytes of RAM from @start) while the queue runs. */
static void memory_vanishes(gm_addr start, uint64_t size)
{
	struct gm_memory *less, *full = h->memory;

	ck_assert_int_eq(gm_memory_remove(full, start, size, &less, NULL), 0);
	gm_cell_replace(h->cell, less);
	driver_kick(h, q);
	ck_assert(needs_reset(h));
	gm_cell_replace(h->cell, full);
	gm_memory_put(less);
	assert_broken_then_works(h);
}

/* One page each: table, available ring, used ring. */
static void spread_rings(void)
{
	q->desc = RAM_BASE;
	q->avail = RAM_BASE + 0x1000;
	q->used = RAM_BASE + 0x2000;
	driver_start(h, 0);
	put_request();
	put_avail(h, q, 0);
}

START_TEST(descriptor_table_vanishes)
{
	spread_rings();
	memory_vanishes(RAM_BASE, 4096);
}
END_TEST

START_TEST(avail_ring_vanishes)
{
	spread_rings();
	memory_vanishes(RAM_BASE + 0x1000, 4096);
}
END_TEST

START_TEST(used_ring_vanishes)
{
	spread_rings();
	memory_vanishes(RAM_BASE + 0x2000, 4096);
}
END_TEST

START_TEST(buffer_vanishes)
{
	spread_rings();
	memory_vanishes(DATA & ~UINT64_C(4095), 4096);
}
END_TEST

START_TEST(reset_with_chains_waiting)
{
	uint32_t head, len;

	for (unsigned int i = 0; i < 8; i++)
		put_avail(h, q, 0);
	reg_write(h, VIRTIO_MMIO_STATUS, 0);
	driver_kick(h, q);
	ck_assert(!driver_used(h, q, &head, &len));
	assert_works(h);
}
END_TEST

Suite *hostile_rings_suite(void)
{
	Suite *suite = suite_create("hostile-rings");
	TCase *tc = tcase_create("hostile-rings");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, avail_index_jumps_back);
	tcase_add_test(tc, avail_index_ahead_by_the_queue_size);
	tcase_add_test(tc, ring_parts_in_a_hole);
	tcase_add_test(tc, ring_parts_that_end_in_a_hole);
	tcase_add_test(tc, ring_parts_that_wrap_around);
	tcase_add_test(tc, ring_parts_misaligned);
	tcase_add_test(tc, used_ring_in_rom);
	tcase_add_test(tc, descriptor_table_vanishes);
	tcase_add_test(tc, avail_ring_vanishes);
	tcase_add_test(tc, used_ring_vanishes);
	tcase_add_test(tc, buffer_vanishes);
	tcase_add_test(tc, reset_with_chains_waiting);
	suite_add_tcase(suite, tc);
	return suite;
}
