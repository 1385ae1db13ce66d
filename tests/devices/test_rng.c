/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* virtio-rng: the bytes it was asked for, where they belong, and no others. */
#include <string.h>

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
	return suite;
}
