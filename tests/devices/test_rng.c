/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* virtio-rng: the bytes it was asked for, where they belong, and no others. */
#include <pthread.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/devices/harness.h"
#include "tests/devices/suites.h"

static struct harness harness;
static struct harness *const h = &harness;

static void set_up(void)
{
	struct cutting pages = cutting_every(4096);

	harness_new(h, &pages, type_named("rng"), NULL, NULL);
	cutting_free(&pages);
	driver_start(h, 0);
}

static void tear_down(void)
{
	harness_free(h);
}

static uint32_t ask(const struct buffer *buffers, unsigned int count)
{
	uint32_t head, len;
	uint16_t added = driver_add(h, &h->queues[0], buffers, count, 0);

	driver_kick(h, &h->queues[0]);
	ck_assert(driver_used(h, &h->queues[0], &head, &len));
	ck_assert_uint_eq(head, added);
	return len;
}

/* Whether [addr, addr + len) looks like entropy: no 16 bytes of it are still @fill. */
static bool filled(gm_addr addr, size_t len, uint8_t fill)
{
	uint8_t data[16], same[16];

	memset(same, fill, sizeof(same));
	for (size_t at = 0; at + sizeof(data) <= len; at += sizeof(data)) {
		mem_read(h, addr + at, data, sizeof(data));
		if (memcmp(data, same, sizeof(data)) == 0)
			return false;
	}
	return true;
}

START_TEST(fills_exactly_the_buffer)
{
	const gm_addr at = BUFFERS + 4096 - 100;

	mem_fill(h, at - 1, 0xaa, 4096 + 202);
	ck_assert_uint_eq(ask(&(struct buffer){at, 4096 + 200, true}, 1), 4096 + 200);
	ck_assert_uint_eq(mem_byte(h, at - 1), 0xaa);
	ck_assert_uint_eq(mem_byte(h, at + 4096 + 200), 0xaa);
	ck_assert(filled(at, 4096 + 200, 0xaa));
}
END_TEST

START_TEST(fills_several_buffers)
{
	struct buffer chain[] = {
		{BUFFERS, 64, true}, {BUFFERS + 5000, 32, true}, {BUFFERS + 4090, 16, true}};

	ck_assert_uint_eq(ask(chain, 3), 112);
	for (unsigned int i = 0; i < 3; i++)
		ck_assert(filled(chain[i].addr, chain[i].len, 0));
	ck_assert_uint_eq(mem_byte(h, BUFFERS + 64), 0);
}
END_TEST

START_TEST(one_request_has_a_limit)
{
	const uint32_t limit = 65536;

	ck_assert_uint_eq(ask(&(struct buffer){BUFFERS, limit, true}, 1), limit);
	mem_fill(h, BUFFERS, 0, 2 * limit);
	ck_assert_uint_eq(ask(&(struct buffer){BUFFERS, 2 * limit, true}, 1), limit);
	ck_assert(filled(BUFFERS, limit, 0));
	ck_assert(!filled(BUFFERS + limit, 16, 0));
}
END_TEST

START_TEST(nothing_to_write)
{
	ck_assert_uint_eq(ask(&(struct buffer){BUFFERS, 64, false}, 1), 0);
	ck_assert_uint_eq(mem_byte(h, BUFFERS), 0);
	ck_assert(!needs_reset(h));
}
END_TEST

START_TEST(two_requests_differ)
{
	uint8_t one[32], two[32];

	ask(&(struct buffer){BUFFERS, 32, true}, 1);
	mem_read(h, BUFFERS, one, 32);
	ask(&(struct buffer){BUFFERS, 32, true}, 1);
	mem_read(h, BUFFERS, two, 32);
	ck_assert_mem_ne(one, two, 32);
}
END_TEST

START_TEST(no_configuration)
{
	ck_assert_uint_eq(reg_read(h, VIRTIO_MMIO_DEVICE_ID), VIRTIO_ID_RNG);
	ck_assert_uint_eq(reg_read(h, VIRTIO_MMIO_CONFIG), 0);
	reg_write(h, VIRTIO_MMIO_QUEUE_SEL, 1);
	ck_assert_uint_eq(reg_read(h, VIRTIO_MMIO_QUEUE_NUM_MAX), 0);
}
END_TEST

/* getrandom() writes behind the library's back: the device must say which pages it filled. */
START_TEST(filled_pages_are_dirty)
{
	for (size_t i = 0; i < gm_memory_count(h->memory); i++) {
		struct gm_bitmap *bitmap = gm_region_dirty(gm_memory_region(h->memory, i));

		if (bitmap)
			gm_bitmap_reset(bitmap);
	}
	ask(&(struct buffer){BUFFERS + 4096 - 1, 4098, true}, 1);
	for (unsigned int page = 0; page < 4; page++) {
		uint64_t offset;
		struct gm_region *region =
			gm_to_region_addr(h->memory, BUFFERS + page * 4096ULL, &offset);

		ck_assert_int_eq(gm_bitmap_dirty_at(gm_region_dirty(region), offset), page < 3);
	}
}
END_TEST

START_TEST(counts_what_it_gave)
{
	struct virtio_stats stats;

	ask(&(struct buffer){BUFFERS + 4000, 200, true}, 1);
	virtio_device_stats(h->dev, &stats);
	ck_assert_uint_eq(stats.requests, 1);
	ck_assert_uint_eq(stats.bytes_written, 200);
	ck_assert_uint_eq(stats.bytes_read, 0);
	ck_assert_uint_eq(stats.transfers_crossed, 1);
	ck_assert_uint_eq(stats.errors, 0);
}
END_TEST

/* --- with a rate ----------------------------------------------------------------------------- */

#define RATE    20000 /* a second; the bucket begins with as many */
#define REQUEST 2000  /* a tenth of a second's */

static pthread_t loop_thread;

static void *run_loop(void *arg)
{
	loop_run(arg);
	return NULL;
}

static void set_up_slow(void)
{
	struct cutting pages = cutting_every(4096);

	harness_new(h, &pages, type_named("rng"), "rate=20000", NULL);
	cutting_free(&pages);
	driver_start(h, 0);
	ck_assert_int_eq(pthread_create(&loop_thread, NULL, run_loop, h->loop), 0);
}

static void tear_down_slow(void)
{
	loop_stop(h->loop, 0);
	pthread_join(loop_thread, NULL);
	harness_free(h);
}

static double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static uint16_t post(uint32_t len)
{
	uint16_t head = driver_add(h, &h->queues[0], &(struct buffer){BUFFERS, len, true}, 1, 0);

	driver_kick(h, &h->queues[0]);
	return head;
}

static uint32_t await_used(uint16_t want)
{
	uint32_t head, len;

	for (unsigned int i = 0; i < 20000; i++) {
		if (driver_used(h, &h->queues[0], &head, &len)) {
			ck_assert_uint_eq(head, want);
			return len;
		}
		usleep(1000);
	}
	ck_abort_msg("the request never came back");
}

/* Take what is in the bucket, so that the next request waits; returns its head. */
static uint16_t drain(void)
{
	uint32_t head, len;

	for (unsigned int i = 0; i < 100000; i++) {
		uint16_t added = post(REQUEST);

		if (!driver_used(h, &h->queues[0], &head, &len))
			return added;
		ck_assert_uint_eq(len, REQUEST);
	}
	ck_abort_msg("a bucket without a bottom");
}

START_TEST(rate_is_kept)
{
	double began = seconds(), took;
	struct virtio_stats stats;
	unsigned int waiting = 5;
	uint16_t heads[5];

	heads[0] = drain();
	for (unsigned int i = 1; i < waiting; i++)
		heads[i] = post(REQUEST);
	for (unsigned int i = 0; i < waiting; i++)
		ck_assert_uint_eq(await_used(heads[i]), REQUEST);
	/* All that was given and did not come with the bucket took its time to come. */
	took = seconds() - began;
	virtio_device_stats(h->dev, &stats);
	ck_assert_uint_ge(stats.bytes_written, RATE + 4 * REQUEST);
	ck_assert_double_ge(took + 0.001, (double)(stats.bytes_written - RATE) / RATE);
}
END_TEST

/* More than the bucket holds is answered short instead of never. */
START_TEST(request_beyond_the_bucket)
{
	uint16_t head = post(3 * RATE);

	ck_assert_uint_eq(await_used(head), RATE);
}
END_TEST

START_TEST(reset_forgets_what_waits)
{
	uint32_t head, len;

	drain();
	reg_write(h, VIRTIO_MMIO_STATUS, 0);
	mem_fill(h, BUFFERS, 0, REQUEST);
	driver_start(h, 0);
	usleep(300000);
	ck_assert(!driver_used(h, &h->queues[0], &head, &len));
	ck_assert_uint_eq(mem_byte(h, BUFFERS + 5) | mem_byte(h, BUFFERS + 6) |
				  mem_byte(h, BUFFERS + 7) | mem_byte(h, BUFFERS + 8),
			  0);
	ck_assert_uint_eq(await_used(post(REQUEST)), REQUEST);
}
END_TEST

START_TEST(queue_reset_forgets_what_waits)
{
	struct driver_queue *q = &h->queues[0];
	uint32_t head, len;

	driver_start(h, FEATURE(VIRTIO_F_RING_RESET));
	drain();
	reg_write(h, VIRTIO_MMIO_QUEUE_SEL, 0);
	reg_write(h, 0x0c0, 1);
	driver_clear_rings(h, q);
	driver_set_queue(h, q);
	usleep(300000);
	ck_assert(!driver_used(h, q, &head, &len));
	ck_assert_uint_eq(await_used(post(REQUEST)), REQUEST);
}
END_TEST

static void add_slow_tests(TCase *tc)
{
	tcase_add_checked_fixture(tc, set_up_slow, tear_down_slow);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, rate_is_kept);
	tcase_add_test(tc, request_beyond_the_bucket);
	tcase_add_test(tc, reset_forgets_what_waits);
	tcase_add_test(tc, queue_reset_forgets_what_waits);
}

/* What knows nothing of rings, for both of them. */
static void add_tests(TCase *tc)
{
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, fills_exactly_the_buffer);
	tcase_add_test(tc, fills_several_buffers);
	tcase_add_test(tc, one_request_has_a_limit);
	tcase_add_test(tc, nothing_to_write);
	tcase_add_test(tc, two_requests_differ);
	tcase_add_test(tc, no_configuration);
	tcase_add_test(tc, filled_pages_are_dirty);
	tcase_add_test(tc, counts_what_it_gave);
}

Suite *rng_suite(void)
{
	Suite *suite = suite_create("rng");
	TCase *tc = tcase_create("rng");

	add_tests(tc);
	suite_add_tcase(suite, tc);
	tc = tcase_create("rng on packed rings");
	tcase_add_checked_fixture(tc, driver_use_packed, driver_use_split);
	add_tests(tc);
	suite_add_tcase(suite, tc);
	tc = tcase_create("rng with a rate");
	add_slow_tests(tc);
	suite_add_tcase(suite, tc);
	tc = tcase_create("rng with a rate on packed rings");
	tcase_add_checked_fixture(tc, driver_use_packed, driver_use_split);
	add_slow_tests(tc);
	suite_add_tcase(suite, tc);
	return suite;
}
