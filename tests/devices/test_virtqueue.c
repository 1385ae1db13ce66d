/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The split virtqueue by itself: what a polite driver gets, at every edge of its arithmetic. What
 * an impolite one gets is in test_hostile.c, through a whole device.
 */
#include <stdlib.h>
#include <string.h>

#include "devices/virtqueue-ring.h"
#include "tests/devices/harness.h"
#include "tests/devices/suites.h"

/* A queue with its rings in 64 KiB of RAM from 0 on, and the driver's words in it. */
struct ring {
	struct gm_memory *memory;
	struct virtq vq;
};

#define RING_DESC  0x1000
#define RING_AVAIL 0x2000
#define RING_USED  0x3000
#define RING_TABLE 0x4000
#define RING_DATA  0x8000

static void ring_new(struct ring *ring, uint16_t max_size)
{
	const struct gm_range ram = {0, 0x10000};

	ck_assert_int_eq(gm_memory_from_ranges(&ram, 1, 4096, &ring->memory, NULL), 0);
	ck_assert_int_eq(virtq_init(&ring->vq, max_size), 0);
	ring->vq.size = max_size;
	ring->vq.desc = RING_DESC;
	ring->vq.avail = RING_AVAIL;
	ring->vq.used = RING_USED;
}

static void ring_free(struct ring *ring)
{
	virtq_destroy(&ring->vq);
	gm_memory_put(ring->memory);
}

static void ring_start(struct ring *ring, uint16_t size, uint64_t features)
{
	ring_new(ring, size);
	ck_assert_ptr_null(virtq_enable(&ring->vq, ring->memory, features));
}

static void set16(struct ring *ring, gm_addr addr, uint16_t value)
{
	ck_assert_int_eq(gm_store_u16(ring->memory, addr, htole16(value), __ATOMIC_RELEASE), 0);
}

static uint16_t get16(struct ring *ring, gm_addr addr)
{
	uint16_t value;

	ck_assert_int_eq(gm_load_u16(ring->memory, addr, &value, __ATOMIC_ACQUIRE), 0);
	return le16toh(value);
}

static void desc(struct ring *ring, gm_addr table, unsigned int index, gm_addr addr, uint32_t len,
		 uint16_t flags, uint16_t next)
{
	struct harness h = {.memory = ring->memory};

	put_desc(&h, table, index, addr, len, flags, next);
}

static void offer(struct ring *ring, uint16_t position, uint16_t head)
{
	set16(ring, RING_AVAIL + 4 + 2ULL * (position % ring->vq.size), head);
	set16(ring, RING_AVAIL + 2, (uint16_t)(position + 1));
}

START_TEST(empty_ring_gives_nothing)
{
	struct virtq_chain chain;
	struct ring ring;

	ring_start(&ring, 8, 0);
	ck_assert_int_eq(virtq_pop(&ring.vq, ring.memory, &chain), 0);
	ck_assert_ptr_null(ring.vq.broken);
	ring_free(&ring);
}
END_TEST

START_TEST(queue_that_is_not_ready_gives_nothing)
{
	struct virtq_chain chain;
	struct ring ring;

	ring_new(&ring, 8);
	desc(&ring, RING_DESC, 0, RING_DATA, 16, 0, 0);
	offer(&ring, 0, 0);
	ck_assert_int_eq(virtq_pop(&ring.vq, ring.memory, &chain), 0);
	ck_assert_int_eq(virtq_put_used(&ring.vq, ring.memory, 0, 1), 0);
	ck_assert_int_eq(virtq_publish(&ring.vq, ring.memory), 0);
	ck_assert_uint_eq(get16(&ring, RING_USED + 2), 0);
	ring_free(&ring);
}
END_TEST

START_TEST(chain_comes_out_as_two_lists)
{
	struct virtq_chain chain;
	struct ring ring;

	ring_start(&ring, 8, 0);
	desc(&ring, RING_DESC, 5, 0x8000, 16, VRING_DESC_F_NEXT, 2);
	desc(&ring, RING_DESC, 2, 0x9000, 100, VRING_DESC_F_NEXT, 7);
	desc(&ring, RING_DESC, 7, 0xa000, 512, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 0);
	desc(&ring, RING_DESC, 0, 0xb000, 1, VRING_DESC_F_WRITE, 3);
	offer(&ring, 0, 5);
	ck_assert_int_eq(virtq_pop(&ring.vq, ring.memory, &chain), 1);
	ck_assert_uint_eq(chain.head, 5);
	ck_assert_uint_eq(chain.readable_count, 2);
	ck_assert_uint_eq(chain.writable_count, 2);
	ck_assert_uint_eq(chain.readable_len, 116);
	ck_assert_uint_eq(chain.writable_len, 513);
	ck_assert_uint_eq(chain.readable[1].addr, 0x9000);
	ck_assert_uint_eq(chain.readable[1].len, 100);
	ck_assert_uint_eq(chain.writable[0].addr, 0xa000);
	ck_assert_uint_eq(chain.writable[1].addr, 0xb000);
	ck_assert_int_eq(virtq_pop(&ring.vq, ring.memory, &chain), 0);
	ring_free(&ring);
}
END_TEST

START_TEST(zero_length_descriptors_carry_nothing_and_need_no_address)
{
	struct virtq_chain chain;
	struct ring ring;

	ring_start(&ring, 8, 0);
	desc(&ring, RING_DESC, 0, UINT64_MAX, 0, VRING_DESC_F_NEXT, 1);
	desc(&ring, RING_DESC, 1, 0x8000, 4, VRING_DESC_F_NEXT, 2);
	desc(&ring, RING_DESC, 2, HOLE, 0, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 3);
	desc(&ring, RING_DESC, 3, 0x9000, 8, VRING_DESC_F_WRITE, 0);
	offer(&ring, 0, 0);
	ck_assert_int_eq(virtq_pop(&ring.vq, ring.memory, &chain), 1);
	ck_assert_uint_eq(chain.readable_count, 1);
	ck_assert_uint_eq(chain.readable[0].addr, 0x8000);
	ck_assert_uint_eq(chain.writable_count, 1);
	ck_assert_uint_eq(chain.writable[0].addr, 0x9000);
	ring_free(&ring);
}
END_TEST

START_TEST(chain_as_long_as_the_queue)
{
	struct virtq_chain chain;
	struct ring ring;

	ring_start(&ring, 8, 0);
	for (uint16_t i = 0; i < 8; i++)
		desc(&ring, RING_DESC, i, RING_DATA + i, 1, i < 7 ? VRING_DESC_F_NEXT : 0, i + 1);
	offer(&ring, 0, 0);
	ck_assert_int_eq(virtq_pop(&ring.vq, ring.memory, &chain), 1);
	ck_assert_uint_eq(chain.readable_count, 8);
	ck_assert_uint_eq(chain.writable_len, 0);
	ring_free(&ring);
}
END_TEST

/* Whatever a driver writes, a step stays in the table and a walk ends. */
START_TEST(steps_of_a_walk)
{
	for (uint32_t entries = 1; entries < 9; entries++) {
		for (uint32_t taken = 1; taken < 10; taken++) {
			for (uint32_t next = 0; next < 12; next++) {
				int step = virtq_step(VRING_DESC_F_NEXT, (uint16_t)next, entries,
						      taken, 8);

				ck_assert_int_eq(step, next >= entries ? VIRTQ_STEP_OUT_OF_RANGE
						       : taken >= 8    ? VIRTQ_STEP_TOO_MANY
								       : (int)next);
				step = virtq_step((uint16_t)~VRING_DESC_F_NEXT, (uint16_t)next,
						  entries, taken, 8);
				ck_assert_int_eq(step, VIRTQ_STEP_END);
			}
		}
	}
	ck_assert_int_eq(virtq_step(0xffff, 0xffff, 65536, 1, 65536), 0xffff);
}
END_TEST

/* One descriptor too many, and one that leads back: the walk ends where the queue does. */
START_TEST(chain_longer_than_the_queue)
{
	struct virtq_chain chain;
	struct ring ring;

	ring_start(&ring, 8, 0);
	for (uint16_t i = 0; i < 8; i++)
		desc(&ring, RING_DESC, i, RING_DATA, 1, VRING_DESC_F_NEXT, (i + 1) % 8);
	offer(&ring, 0, 3);
	ck_assert_int_eq(virtq_pop(&ring.vq, ring.memory, &chain), -1);
	ck_assert_str_eq(ring.vq.broken, "descriptor chain is longer than the queue");
	ring_free(&ring);
	ring_start(&ring, 8, 0);
	desc(&ring, RING_DESC, 0, RING_DATA, 1, VRING_DESC_F_NEXT, 8);
	offer(&ring, 0, 0);
	ck_assert_int_eq(virtq_pop(&ring.vq, ring.memory, &chain), -1);
	ck_assert_str_eq(ring.vq.broken, "next descriptor is out of range");
	ring_free(&ring);
}
END_TEST

START_TEST(indirect_table_alone_and_behind_direct_descriptors)
{
	struct virtq_chain chain;
	struct ring ring;

	ring_start(&ring, 4, FEATURE(VIRTIO_RING_F_INDIRECT_DESC));
	desc(&ring, RING_TABLE, 0, 0x8000, 1, VRING_DESC_F_NEXT, 3);
	desc(&ring, RING_TABLE, 3, 0x8100, 2, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 1);
	desc(&ring, RING_TABLE, 1, 0x8200, 4, VRING_DESC_F_WRITE, 0);
	/* The write flag of the indirect descriptor itself is to be ignored (2.7.5.3.2). */
	desc(&ring, RING_DESC, 0, RING_TABLE, 4 * 16, VRING_DESC_F_INDIRECT | VRING_DESC_F_WRITE, 0);
	offer(&ring, 0, 0);
	ck_assert_int_eq(virtq_pop(&ring.vq, ring.memory, &chain), 1);
	ck_assert_uint_eq(chain.readable_len, 1);
	ck_assert_uint_eq(chain.writable_count, 2);
	ck_assert_uint_eq(chain.writable_len, 6);

	desc(&ring, RING_DESC, 1, 0x9000, 32, VRING_DESC_F_NEXT, 2);
	desc(&ring, RING_DESC, 2, RING_TABLE, 4 * 16, VRING_DESC_F_INDIRECT, 0);
	offer(&ring, 1, 1);
	ck_assert_int_eq(virtq_pop(&ring.vq, ring.memory, &chain), 1);
	ck_assert_uint_eq(chain.readable_count, 2);
	ck_assert_uint_eq(chain.readable_len, 33);
	ring_free(&ring);
}
END_TEST

START_TEST(used_entries_are_seen_when_published)
{
	struct virtq_chain chain;
	struct ring ring;
	uint32_t elem[2];

	ring_start(&ring, 8, 0);
	desc(&ring, RING_DESC, 6, RING_DATA, 16, VRING_DESC_F_WRITE, 0);
	offer(&ring, 0, 6);
	ck_assert_int_eq(virtq_pop(&ring.vq, ring.memory, &chain), 1);
	ck_assert_int_eq(virtq_put_used(&ring.vq, ring.memory, 6, 0x01020304), 0);
	ck_assert_uint_eq(get16(&ring, RING_USED + 2), 0);
	ck_assert_int_eq(virtq_publish(&ring.vq, ring.memory), 0);
	ck_assert_uint_eq(get16(&ring, RING_USED + 2), 1);
	ck_assert_int_eq(gm_read_exact(ring.memory, RING_USED + 4, elem, 8, NULL), 0);
	ck_assert_uint_eq(le32toh(elem[0]), 6);
	ck_assert_uint_eq(le32toh(elem[1]), 0x01020304);
	ring_free(&ring);
}
END_TEST

START_TEST(indexes_wrap_at_65536)
{
	struct virtq_chain chain;
	struct ring ring;

	ring_start(&ring, 2, 0);
	for (unsigned int i = 0; i < 65536 + 3; i++) {
		desc(&ring, RING_DESC, i % 2, RING_DATA, 1 + i % 7, 0, 0);
		offer(&ring, (uint16_t)i, i % 2);
		ck_assert_int_eq(virtq_pop(&ring.vq, ring.memory, &chain), 1);
		ck_assert_uint_eq(chain.readable_len, 1 + i % 7);
		ck_assert_int_eq(virtq_put_used(&ring.vq, ring.memory, chain.head, 0), 0);
		ck_assert_int_eq(virtq_publish(&ring.vq, ring.memory), 0);
		ck_assert_uint_eq(get16(&ring, RING_USED + 2), (uint16_t)(i + 1));
	}
	ring_free(&ring);
}
END_TEST

/* Serve one chain; whether the driver is to be interrupted for it. */
static bool serve(struct ring *ring, uint16_t position)
{
	struct virtq_chain chain;

	desc(ring, RING_DESC, 0, RING_DATA, 1, 0, 0);
	offer(ring, position, 0);
	ck_assert_int_eq(virtq_pop(&ring->vq, ring->memory, &chain), 1);
	ck_assert_int_eq(virtq_put_used(&ring->vq, ring->memory, 0, 0), 0);
	ck_assert_int_eq(virtq_publish(&ring->vq, ring->memory), 0);
	return virtq_should_interrupt(&ring->vq, ring->memory);
}

START_TEST(interrupt_by_flag)
{
	struct ring ring;

	ring_start(&ring, 4, 0);
	ck_assert(!virtq_should_interrupt(&ring.vq, ring.memory));
	ck_assert(serve(&ring, 0));
	ck_assert(!virtq_should_interrupt(&ring.vq, ring.memory));
	set16(&ring, RING_AVAIL, VRING_AVAIL_F_NO_INTERRUPT);
	ck_assert(!serve(&ring, 1));
	set16(&ring, RING_AVAIL, 0);
	ck_assert(serve(&ring, 2));
	ring_free(&ring);
}
END_TEST

START_TEST(interrupt_by_event_index)
{
	const gm_addr used_event = RING_AVAIL + 4 + 2 * 4;
	struct ring ring;

	ring_start(&ring, 4, FEATURE(VIRTIO_RING_F_EVENT_IDX));
	/* With event indexes the flag means nothing. */
	set16(&ring, RING_AVAIL, VRING_AVAIL_F_NO_INTERRUPT);
	ck_assert(serve(&ring, 0));
	set16(&ring, used_event, 3);
	ck_assert(!serve(&ring, 1));
	ck_assert(!serve(&ring, 2));
	ck_assert(serve(&ring, 3));
	ck_assert(!serve(&ring, 4));
	ring_free(&ring);
}
END_TEST

START_TEST(notifications_by_flag)
{
	struct ring ring;

	ring_start(&ring, 4, 0);
	virtq_disable_notify(&ring.vq, ring.memory);
	ck_assert_uint_eq(get16(&ring, RING_USED), VRING_USED_F_NO_NOTIFY);
	ck_assert(!virtq_enable_notify(&ring.vq, ring.memory));
	ck_assert_uint_eq(get16(&ring, RING_USED), 0);
	virtq_disable_notify(&ring.vq, ring.memory);
	offer(&ring, 0, 0);
	ck_assert(virtq_enable_notify(&ring.vq, ring.memory));
	ring_free(&ring);
}
END_TEST

START_TEST(notifications_by_event_index)
{
	const gm_addr avail_event = RING_USED + 4 + 8 * 4;
	struct virtq_chain chain;
	struct ring ring;

	ring_start(&ring, 4, FEATURE(VIRTIO_RING_F_EVENT_IDX));
	virtq_disable_notify(&ring.vq, ring.memory);
	ck_assert_uint_eq(get16(&ring, RING_USED), 0);
	desc(&ring, RING_DESC, 1, RING_DATA, 1, 0, 0);
	offer(&ring, 0, 1);
	ck_assert_int_eq(virtq_pop(&ring.vq, ring.memory, &chain), 1);
	ck_assert(!virtq_enable_notify(&ring.vq, ring.memory));
	ck_assert_uint_eq(get16(&ring, avail_event), 1);
	offer(&ring, 1, 0);
	ck_assert(virtq_enable_notify(&ring.vq, ring.memory));
	ring_free(&ring);
}
END_TEST

START_TEST(reset_forgets_all_but_the_counters)
{
	struct virtq_chain chain;
	struct ring ring;

	ring_start(&ring, 4, 0);
	ck_assert(serve(&ring, 0));
	desc(&ring, RING_DESC, 3, RING_DATA, 1, 0, 0);
	offer(&ring, 1, 3);
	ck_assert_int_eq(virtq_pop(&ring.vq, ring.memory, &chain), 1);
	virtq_reset(&ring.vq);
	ck_assert(!ring.vq.ready);
	ck_assert_uint_eq(ring.vq.buffers, 2);
	ring.vq.size = 4;
	ring.vq.desc = RING_DESC;
	ring.vq.avail = RING_AVAIL;
	ring.vq.used = RING_USED;
	ck_assert_ptr_null(virtq_enable(&ring.vq, ring.memory, 0));
	/* Head 3 was in flight before. */
	offer(&ring, 0, 3);
	ck_assert_int_eq(virtq_pop(&ring.vq, ring.memory, &chain), 1);
	ring_free(&ring);
}
END_TEST

START_TEST(enable_checks_size_and_alignment)
{
	struct ring ring;

	ring_new(&ring, 8);
	for (uint32_t size = 0; size < 20; size++) {
		bool good = size == 1 || size == 2 || size == 4 || size == 8;

		ring.vq.size = size;
		ck_assert_int_eq(virtq_enable(&ring.vq, ring.memory, 0) == NULL, good);
		ring.vq.ready = false;
	}
	ring.vq.size = 65536 + 8;
	ck_assert_ptr_nonnull(virtq_enable(&ring.vq, ring.memory, 0));
	ring.vq.size = 8;
	for (unsigned int off = 1; off < 17; off++) {
		ring.vq.desc = RING_DESC + off;
		ck_assert_int_eq(virtq_enable(&ring.vq, ring.memory, 0) == NULL, off % 16 == 0);
		ring.vq.desc = RING_DESC;
		ring.vq.avail = RING_AVAIL + off;
		ck_assert_int_eq(virtq_enable(&ring.vq, ring.memory, 0) == NULL, off % 2 == 0);
		ring.vq.avail = RING_AVAIL;
		ring.vq.used = RING_USED + off;
		ck_assert_int_eq(virtq_enable(&ring.vq, ring.memory, 0) == NULL, off % 4 == 0);
		ring.vq.used = RING_USED;
	}
	ring_free(&ring);
}
END_TEST

/* An area that ends with the last byte of RAM is fine; one unit further is not. */
START_TEST(enable_checks_whole_areas)
{
	struct ring ring;

	ring_new(&ring, 8);
	ring.vq.desc = 0x10000 - 8 * 16;
	ck_assert_ptr_null(virtq_enable(&ring.vq, ring.memory, 0));
	ring.vq.desc += 16;
	ck_assert_ptr_nonnull(virtq_enable(&ring.vq, ring.memory, 0));
	ring.vq.desc = UINT64_MAX - 15;
	ck_assert_ptr_nonnull(virtq_enable(&ring.vq, ring.memory, 0));
	ring.vq.desc = RING_DESC;

	ring.vq.avail = 0x10000 - (6 + 2 * 8);
	ck_assert_ptr_null(virtq_enable(&ring.vq, ring.memory, 0));
	ring.vq.avail += 2;
	ck_assert_ptr_nonnull(virtq_enable(&ring.vq, ring.memory, 0));
	ring.vq.avail = RING_AVAIL;

	ring.vq.used = 0x10000 - (6 + 8 * 8) - 2;
	ck_assert_ptr_null(virtq_enable(&ring.vq, ring.memory, 0));
	ring.vq.used += 4;
	ck_assert_ptr_nonnull(virtq_enable(&ring.vq, ring.memory, 0));
	ring_free(&ring);
}
END_TEST

START_TEST(enable_refuses_an_index_in_two_pieces)
{
	const struct gm_range ram[] = {{0, RING_AVAIL + 3}, {RING_AVAIL + 3, 0x8000}};
	struct gm_memory *memory;
	struct ring ring;

	ring_new(&ring, 8);
	ck_assert_int_eq(gm_memory_from_ranges(ram, 2, 0, &memory, NULL), 0);
	ck_assert_ptr_nonnull(virtq_enable(&ring.vq, memory, 0));
	gm_memory_put(memory);
	ring_free(&ring);
}
END_TEST

START_TEST(counts_buffers_and_those_a_boundary_cuts)
{
	const struct gm_range ram[] = {{0, 0x9000}, {0x9000, 0x1000}, {0xa000, 0x6000}};
	struct gm_memory *memory;
	struct virtq_chain chain;
	struct ring ring;

	ring_start(&ring, 8, 0);
	gm_memory_put(ring.memory);
	ck_assert_int_eq(gm_memory_from_ranges(ram, 3, 0, &memory, NULL), 0);
	ring.memory = memory;
	desc(&ring, RING_DESC, 0, 0x8000, 0x1000, VRING_DESC_F_NEXT, 1);
	desc(&ring, RING_DESC, 1, 0x8fff, 2, VRING_DESC_F_NEXT, 2);
	desc(&ring, RING_DESC, 2, 0x8fff, 0x1002, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 3);
	desc(&ring, RING_DESC, 3, 0x9000, 0x1000, VRING_DESC_F_WRITE, 0);
	offer(&ring, 0, 0);
	ck_assert_int_eq(virtq_pop(&ring.vq, ring.memory, &chain), 1);
	ck_assert_uint_eq(ring.vq.buffers, 4);
	ck_assert_uint_eq(ring.vq.buffers_crossing, 2);
	ring_free(&ring);
}
END_TEST

Suite *virtqueue_suite(void)
{
	Suite *suite = suite_create("virtqueue");
	TCase *tc = tcase_create("virtqueue");

	tcase_add_test(tc, empty_ring_gives_nothing);
	tcase_add_test(tc, queue_that_is_not_ready_gives_nothing);
	tcase_add_test(tc, chain_comes_out_as_two_lists);
	tcase_add_test(tc, zero_length_descriptors_carry_nothing_and_need_no_address);
	tcase_add_test(tc, chain_as_long_as_the_queue);
	tcase_add_test(tc, steps_of_a_walk);
	tcase_add_test(tc, chain_longer_than_the_queue);
	tcase_add_test(tc, indirect_table_alone_and_behind_direct_descriptors);
	tcase_add_test(tc, used_entries_are_seen_when_published);
	tcase_add_test(tc, indexes_wrap_at_65536);
	tcase_add_test(tc, interrupt_by_flag);
	tcase_add_test(tc, interrupt_by_event_index);
	tcase_add_test(tc, notifications_by_flag);
	tcase_add_test(tc, notifications_by_event_index);
	tcase_add_test(tc, reset_forgets_all_but_the_counters);
	tcase_add_test(tc, enable_checks_size_and_alignment);
	tcase_add_test(tc, enable_checks_whole_areas);
	tcase_add_test(tc, enable_refuses_an_index_in_two_pieces);
	tcase_add_test(tc, counts_buffers_and_those_a_boundary_cuts);
	suite_add_tcase(suite, tc);
	return suite;
}
