/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The packed virtqueue by itself: what a polite driver gets at every edge of the wrap counters, and
 * what an impolite one is told. That devices do not notice it is shown by their own tests, which
 * run on both formats.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/devices/harness.h"
#include "tests/devices/suites.h"

#define PACKED FEATURE(VIRTIO_F_RING_PACKED)

/* A queue in 64 KiB of RAM from 0 on; a harness with nothing but that memory and the driver. */
struct ring {
	struct harness h;
	struct driver_queue *q;
	struct virtq vq;
	struct virtq_chain chain;
};

#define RING_DESC   0x1000
#define RING_DRIVER 0x2000
#define RING_DEVICE 0x3000
#define RING_TABLE  0x4000
#define RING_DATA   0x8000

static struct ring the_ring;
static struct ring *const r = &the_ring;

static void start(uint16_t size, uint64_t features)
{
	const struct gm_range ram = {0, 0x10000};

	memset(r, 0, sizeof(*r));
	ck_assert_int_eq(gm_memory_from_ranges(&ram, 1, 4096, &r->h.memory, NULL), 0);
	r->h.features = features | PACKED;
	r->q = &r->h.queues[0];
	*r->q = (struct driver_queue){
		.size = size,
		.desc = RING_DESC,
		.avail = RING_DRIVER,
		.used = RING_DEVICE,
	};
	driver_clear_rings(&r->h, r->q);
	ck_assert_int_eq(virtq_init(&r->vq, 256), 0);
	r->vq.size = size;
	r->vq.desc = RING_DESC;
	r->vq.avail = RING_DRIVER;
	r->vq.used = RING_DEVICE;
	ck_assert_ptr_null(virtq_enable(&r->vq, r->h.memory, features | PACKED));
}

static void stop(void)
{
	virtq_destroy(&r->vq);
	gm_memory_put(r->h.memory);
}

/* Add a chain of @count readable buffers whose length is @len in all. */
static uint16_t add(unsigned int count, uint32_t len)
{
	struct buffer buffers[64];

	for (unsigned int i = 0; i < count; i++)
		buffers[i] = (struct buffer){RING_DATA, i ? 1 : len - (count - 1), false};
	return packed_add(&r->h, r->q, buffers, count, 0);
}

static int pop(void)
{
	return virtq_pop(&r->vq, r->h.memory, &r->chain);
}

static void put(uint16_t id, uint32_t len)
{
	ck_assert_int_eq(virtq_put_used(&r->vq, r->h.memory, id, len), 0);
}

static void publish(void)
{
	ck_assert_int_eq(virtq_publish(&r->vq, r->h.memory), 0);
}

static bool taken(uint32_t *id, uint32_t *len)
{
	return packed_used(&r->h, r->q, id, len);
}

static void set16(gm_addr addr, uint16_t value)
{
	ck_assert_int_eq(gm_store_u16(r->h.memory, addr, htole16(value), __ATOMIC_RELEASE), 0);
}

static uint16_t get16(gm_addr addr)
{
	uint16_t value;

	ck_assert_int_eq(gm_load_u16(r->h.memory, addr, &value, __ATOMIC_ACQUIRE), 0);
	return le16toh(value);
}

/* The driver's words of an entry, as it likes. */
static void raw(unsigned int index, gm_addr addr, uint32_t len, uint16_t id, uint16_t flags)
{
	packed_put_desc(&r->h, RING_DESC, index, addr, len, id, flags | packed_owned_by_device(r->q));
}

static void assert_broken(const char *why)
{
	ck_assert_int_eq(pop(), -1);
	ck_assert_msg(strstr(r->vq.broken, why), "%s", r->vq.broken);
	ck_assert_int_eq(pop(), -1);
	stop();
}

START_TEST(empty_ring_gives_nothing)
{
	start(8, 0);
	ck_assert_int_eq(pop(), 0);
	ck_assert_ptr_null(r->vq.broken);
	stop();
}
END_TEST

START_TEST(chain_comes_out_as_two_lists)
{
	const struct buffer buffers[] = {{0x8000, 16, false},
					 {0xdead0000000, 0, false},
					 {0x9000, 100, false},
					 {0xa000, 512, true},
					 {0xb000, 1, true}};
	uint16_t id;

	start(8, 0);
	id = packed_add(&r->h, r->q, buffers, 5, 0);
	ck_assert_int_eq(pop(), 1);
	ck_assert_uint_eq(r->chain.head, id);
	ck_assert_uint_eq(r->chain.readable_count, 2);
	ck_assert_uint_eq(r->chain.readable_len, 116);
	ck_assert_uint_eq(r->chain.readable[1].addr, 0x9000);
	ck_assert_uint_eq(r->chain.writable_count, 2);
	ck_assert_uint_eq(r->chain.writable_len, 513);
	ck_assert_uint_eq(r->chain.writable[0].addr, 0xa000);
	ck_assert_int_eq(pop(), 0);
	stop();
}
END_TEST

START_TEST(indirect_table_alone_and_behind_direct_descriptors)
{
	const struct buffer buffers[] = {{0x8000, 16, false}, {0x9000, 4, false}, {0xa000, 8, true}};

	start(4, FEATURE(VIRTIO_RING_F_INDIRECT_DESC));
	packed_add(&r->h, r->q, buffers, 3, RING_TABLE);
	ck_assert_int_eq(pop(), 1);
	ck_assert_uint_eq(r->chain.readable_len, 20);
	ck_assert_uint_eq(r->chain.writable_len, 8);
	/* The flag that says next means nothing in a table (2.8.7). */
	packed_put_desc(&r->h, RING_TABLE, 2, 0xa000, 8, 0, VRING_DESC_F_WRITE | VRING_DESC_F_NEXT);
	raw(1, 0xc000, 7, 0, VRING_DESC_F_NEXT);
	raw(2, RING_TABLE, 48, 3, VRING_DESC_F_INDIRECT);
	ck_assert_int_eq(pop(), 1);
	ck_assert_uint_eq(r->chain.head, 3);
	ck_assert_uint_eq(r->chain.readable_len, 27);
	ck_assert_uint_eq(r->vq.next_avail, 3);
	stop();
}
END_TEST

/* Any size, any mix of chain lengths, many rounds: ids and lengths come back as they went. */
START_TEST(wrap_counters_at_every_size)
{
	static const uint16_t sizes[] = {1, 2, 3, 5, 8, 64, 100, 256};
	struct test_random random = test_random_new(1);

	for (size_t s = 0; s < sizeof(sizes) / sizeof(*sizes); s++) {
		start(sizes[s], 0);
		for (uint32_t i = 0; i < 10U * sizes[s] + 10; i++) {
			unsigned int most = sizes[s] < 60 ? sizes[s] : 60;
			unsigned int count = 1 + (unsigned int)test_random_below(&random, most);
			uint32_t id, len;
			uint16_t added = add(count, 100 + i);

			ck_assert_int_eq(pop(), 1);
			ck_assert_uint_eq(r->chain.readable_len, 100 + i);
			ck_assert_uint_eq(r->chain.head, added);
			ck_assert_int_eq(pop(), 0);
			ck_assert(!taken(&id, &len));
			put(added, i);
			publish();
			ck_assert(taken(&id, &len));
			ck_assert_uint_eq(id, added);
			ck_assert_uint_eq(len, i);
			ck_assert(!taken(&id, &len));
		}
		stop();
	}
}
END_TEST

/* The first of a batch holds back the rest, whatever the order they come back in. */
START_TEST(used_entries_are_seen_when_published)
{
	uint16_t ids[3];
	uint32_t id, len;

	start(8, 0);
	for (int round = 0; round < 9; round++) {
		for (unsigned int i = 0; i < 3; i++) {
			ids[i] = add(1 + i % 2, 10 + i);
			ck_assert_int_eq(pop(), 1);
		}
		for (unsigned int i = 0; i < 3; i++)
			put(ids[2 - i], 100 + i);
		ck_assert(!taken(&id, &len));
		publish();
		for (unsigned int i = 0; i < 3; i++) {
			ck_assert(taken(&id, &len));
			ck_assert_uint_eq(id, ids[2 - i]);
			ck_assert_uint_eq(len, 100 + i);
		}
		ck_assert(!taken(&id, &len));
	}
	stop();
}
END_TEST

/* Serve one chain of @count entries; whether it interrupts. */
static bool serve(unsigned int count)
{
	uint32_t id, len;

	add(count, 64);
	ck_assert_int_eq(pop(), 1);
	put(r->chain.head, 0);
	publish();
	ck_assert(taken(&id, &len));
	return virtq_should_interrupt(&r->vq, r->h.memory);
}

START_TEST(interrupt_by_flag)
{
	start(4, 0);
	ck_assert(!virtq_should_interrupt(&r->vq, r->h.memory));
	ck_assert(serve(1));
	ck_assert(!virtq_should_interrupt(&r->vq, r->h.memory));
	set16(RING_DRIVER + 2, VRING_PACKED_EVENT_FLAG_DISABLE);
	ck_assert(!serve(1));
	/* Without event indexes the offset means nothing. */
	set16(RING_DRIVER + 2, VRING_PACKED_EVENT_FLAG_DESC);
	ck_assert(serve(1));
	stop();
}
END_TEST

START_TEST(interrupt_by_event_index)
{
	/* Positions of the first entries of the chains below, in rings of 5: 3 2 2 1 2 3. */
	static const unsigned int counts[] = {3, 2, 2, 1, 2, 3};

	for (uint32_t event = 0; event < 10; event++) {
		uint32_t position = 0;

		start(5, FEATURE(VIRTIO_RING_F_EVENT_IDX));
		set16(RING_DRIVER, (uint16_t)(event % 5 | (event < 5 ? 1U << 15 : 0)));
		set16(RING_DRIVER + 2, VRING_PACKED_EVENT_FLAG_DESC);
		for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
			bool want = false;

			for (uint32_t k = position; k < position + counts[i]; k++)
				want = want || k % 10 == event;
			ck_assert_int_eq(serve(counts[i]), want);
			position += counts[i];
		}
		stop();
	}
}
END_TEST

/* A whole round and more at once: nothing in between may be missed. */
START_TEST(interrupt_for_more_than_a_round)
{
	uint32_t id, len;

	start(4, FEATURE(VIRTIO_RING_F_EVENT_IDX));
	set16(RING_DRIVER, 1);
	set16(RING_DRIVER + 2, VRING_PACKED_EVENT_FLAG_DESC);
	for (int i = 0; i < 11; i++) {
		add(1, 1);
		ck_assert_int_eq(pop(), 1);
		put(r->chain.head, 0);
		publish();
		ck_assert(taken(&id, &len));
	}
	ck_assert(virtq_should_interrupt(&r->vq, r->h.memory));
	/* An offset outside the ring: one too many rather than none. */
	set16(RING_DRIVER, 77);
	ck_assert(serve(1));
	stop();
}
END_TEST

START_TEST(notifications_by_flag)
{
	start(4, 0);
	virtq_disable_notify(&r->vq, r->h.memory);
	ck_assert_uint_eq(get16(RING_DEVICE + 2), VRING_PACKED_EVENT_FLAG_DISABLE);
	ck_assert(!virtq_enable_notify(&r->vq, r->h.memory));
	ck_assert_uint_eq(get16(RING_DEVICE + 2), VRING_PACKED_EVENT_FLAG_ENABLE);
	add(1, 1);
	ck_assert(virtq_enable_notify(&r->vq, r->h.memory));
	stop();
}
END_TEST

START_TEST(notifications_by_event_index)
{
	start(3, FEATURE(VIRTIO_RING_F_EVENT_IDX));
	ck_assert(!virtq_enable_notify(&r->vq, r->h.memory));
	ck_assert_uint_eq(get16(RING_DEVICE + 2), VRING_PACKED_EVENT_FLAG_DESC);
	ck_assert_uint_eq(get16(RING_DEVICE), 1U << 15);
	serve(2);
	ck_assert(!virtq_enable_notify(&r->vq, r->h.memory));
	ck_assert_uint_eq(get16(RING_DEVICE), 2 | 1U << 15);
	serve(2);
	ck_assert(!virtq_enable_notify(&r->vq, r->h.memory));
	ck_assert_uint_eq(get16(RING_DEVICE), 1);
	add(1, 1);
	ck_assert(virtq_enable_notify(&r->vq, r->h.memory));
	stop();
}
END_TEST

START_TEST(enable_checks_sizes_and_areas)
{
	const struct gm_range cut[] = {{0, RING_DESC + 15}, {RING_DESC + 15, 0x8000}};
	struct gm_memory *memory;

	start(8, 0);
	for (uint32_t size = 0; size < 600; size++) {
		r->vq.size = size;
		ck_assert_int_eq(!virtq_enable(&r->vq, r->h.memory, PACKED), size && size <= 256);
	}
	r->vq.size = 8;
	for (unsigned int off = 1; off < 17; off++) {
		r->vq.desc = RING_DESC + off;
		ck_assert_int_eq(!virtq_enable(&r->vq, r->h.memory, PACKED), off % 16 == 0);
		r->vq.desc = RING_DESC;
		r->vq.avail = RING_DRIVER + off;
		ck_assert_int_eq(!virtq_enable(&r->vq, r->h.memory, PACKED), off % 4 == 0);
		r->vq.avail = RING_DRIVER;
		r->vq.used = RING_DEVICE + off;
		ck_assert_int_eq(!virtq_enable(&r->vq, r->h.memory, PACKED), off % 4 == 0);
		r->vq.used = RING_DEVICE;
	}
	r->vq.desc = 0x10000 - 7 * 16;
	ck_assert_ptr_nonnull(virtq_enable(&r->vq, r->h.memory, PACKED));
	r->vq.desc = UINT64_MAX - 15;
	ck_assert_ptr_nonnull(virtq_enable(&r->vq, r->h.memory, PACKED));
	r->vq.desc = RING_DESC;
	r->vq.used = 0x10000;
	ck_assert_ptr_nonnull(virtq_enable(&r->vq, r->h.memory, PACKED));
	r->vq.used = RING_DEVICE;
	ck_assert_int_eq(gm_memory_from_ranges(cut, 2, 0, &memory, NULL), 0);
	ck_assert_ptr_nonnull(virtq_enable(&r->vq, memory, PACKED));
	gm_memory_put(memory);
	stop();
}
END_TEST

/* --- what a driver must not do --------------------------------------------------------------- */

START_TEST(same_id_twice_in_flight)
{
	start(8, 0);
	raw(0, RING_DATA, 1, 5, 0);
	raw(1, RING_DATA, 1, 5, 0);
	ck_assert_int_eq(pop(), 1);
	assert_broken("buffer id is in flight already");
}
END_TEST

START_TEST(id_out_of_range)
{
	start(8, 0);
	raw(0, RING_DATA, 1, 8, 0);
	assert_broken("buffer id is out of range");
}
END_TEST

START_TEST(endless_chain)
{
	start(8, 0);
	for (unsigned int i = 0; i < 8; i++)
		raw(i, RING_DATA, 1, 0, VRING_DESC_F_NEXT);
	r->q->avail_wrap = false;
	assert_broken("not available");
	/* The entry it began with again, now as if for the next round: while it is walked. */
	start(1, 0);
	raw(0, RING_DATA, 1, 0, 0);
	ck_assert_int_eq(pop(), 1);
	r->q->avail_wrap = false;
	raw(0, RING_DATA, 1, 0, 0);
	assert_broken("runs into those in flight");
}
END_TEST

START_TEST(chain_into_an_entry_that_is_not_available)
{
	start(8, 0);
	packed_put_desc(&r->h, RING_DESC, 1, RING_DATA, 1, 0, 0);
	raw(0, RING_DATA, 1, 0, VRING_DESC_F_NEXT);
	assert_broken("descriptor of a chain is not available");
}
END_TEST

START_TEST(readable_behind_writable)
{
	start(8, 0);
	raw(0, RING_DATA, 1, 0, VRING_DESC_F_WRITE | VRING_DESC_F_NEXT);
	raw(1, RING_DATA, 1, 0, 0);
	assert_broken("readable descriptor behind a writable one");
}
END_TEST

START_TEST(buffer_in_a_hole)
{
	start(8, 0);
	raw(0, 0xffff, 2, 0, 0);
	assert_broken("buffer is not in memory");
	start(8, 0);
	raw(0, UINT64_MAX, 2, 0, VRING_DESC_F_WRITE);
	assert_broken("buffer is not in writable memory");
}
END_TEST

START_TEST(indirect_tables_that_are_none)
{
	static const struct {
		uint32_t len;
		uint16_t flags, inner;
		const char *why;
	} cases[] = {
		{0, 0, 0, "not a multiple"},
		{17, 0, 0, "not a multiple"},
		{16, VRING_DESC_F_NEXT, 0, "with a next one"},
		{16, 0, VRING_DESC_F_INDIRECT, "in an indirect table"},
		{257 * 16, 0, 0, "longer than the queue"},
		{0x20000, 0, 0, "longer than the queue"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		start(8, FEATURE(VIRTIO_RING_F_INDIRECT_DESC));
		packed_put_desc(&r->h, RING_TABLE, 0, RING_DATA, 1, 0, cases[i].inner);
		raw(0, RING_TABLE, cases[i].len, 0, VRING_DESC_F_INDIRECT | cases[i].flags);
		assert_broken(cases[i].why);
	}
	start(8, 0);
	raw(0, RING_TABLE, 16, 0, VRING_DESC_F_INDIRECT);
	assert_broken("without the feature");
	start(8, FEATURE(VIRTIO_RING_F_INDIRECT_DESC));
	raw(0, 0xfff8, 16, 0, VRING_DESC_F_INDIRECT);
	assert_broken("descriptor is not in memory");
}
END_TEST

/* --- two threads at one queue ---------------------------------------------------------------- */

#define ROUNDS  100000
#define SECONDS 10

/* How many there are: fewer if the two have to share one processor with others. */
static uint32_t rounds;

static void *device_side(void *arg)
{
	uint32_t served = 0;

	(void)arg;
	while (served < __atomic_load_n(&rounds, __ATOMIC_RELAXED)) {
		int ret = pop();

		if (ret < 0)
			break;
		if (ret > 0 && r->chain.readable_len == 1 + served % 1000) {
			virtq_put_used(&r->vq, r->h.memory, r->chain.head, ++served);
			virtq_publish(&r->vq, r->h.memory);
		}
	}
	return NULL;
}

/* kvm-host 4b26e80: the used flag was set before id and length were written. */
START_TEST(bug13_used_flag_visible_before_id)
{
	const time_t end = time(NULL) + SECONDS;
	pthread_t thread;
	uint32_t id, len;

	start(7, 0);
	rounds = ROUNDS;
	ck_assert_int_eq(pthread_create(&thread, NULL, device_side, NULL), 0);
	for (uint32_t i = 0; i < rounds; i++) {
		bool right;

		if (i % 64 == 0 && time(NULL) >= end)
			__atomic_store_n(&rounds, i + 1, __ATOMIC_RELAXED);
		add(1, 1 + i % 1000);
		while (!taken(&id, &len))
			;
		right = id == i % 7 && len == i + 1;
		/* One assertion a round would be written to a file each. */
		if (!right)
			ck_abort_msg("round %u: id %u, length %u", i, id, len);
	}
	pthread_join(thread, NULL);
	ck_assert_ptr_null(r->vq.broken);
	stop();
}
END_TEST

Suite *packed_suite(void)
{
	Suite *suite = suite_create("packed");
	TCase *tc = tcase_create("packed");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, empty_ring_gives_nothing);
	tcase_add_test(tc, chain_comes_out_as_two_lists);
	tcase_add_test(tc, indirect_table_alone_and_behind_direct_descriptors);
	tcase_add_test(tc, wrap_counters_at_every_size);
	tcase_add_test(tc, used_entries_are_seen_when_published);
	tcase_add_test(tc, interrupt_by_flag);
	tcase_add_test(tc, interrupt_by_event_index);
	tcase_add_test(tc, interrupt_for_more_than_a_round);
	tcase_add_test(tc, notifications_by_flag);
	tcase_add_test(tc, notifications_by_event_index);
	tcase_add_test(tc, enable_checks_sizes_and_areas);
	tcase_add_test(tc, same_id_twice_in_flight);
	tcase_add_test(tc, id_out_of_range);
	tcase_add_test(tc, endless_chain);
	tcase_add_test(tc, chain_into_an_entry_that_is_not_available);
	tcase_add_test(tc, readable_behind_writable);
	tcase_add_test(tc, buffer_in_a_hole);
	tcase_add_test(tc, indirect_tables_that_are_none);
	tcase_add_test(tc, bug13_used_flag_visible_before_id);
	suite_add_tcase(suite, tc);
	return suite;
}
