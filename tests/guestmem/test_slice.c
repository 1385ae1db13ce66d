/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Slices and access by region offset: bounds, alignment, tracking and permission, by name. */
#include <pthread.h>
#include <string.h>

#include "tests/guestmem/fixture.h"
#include "tests/guestmem/suites.h"

#define LEN 256

/* Host memory with the bytes 0, 1, 2... and a dirty bitmap of 16-byte pages. */
static uint8_t host[LEN] __attribute__((aligned(64)));
static struct gm_bitmap *bitmap;
static struct gm_slice slice;

static void setup(void)
{
	for (size_t i = 0; i < LEN; i++)
		host[i] = (uint8_t)i;
	ck_assert_int_eq(gm_bitmap_new(LEN, 16, &bitmap), 0);
	slice = gm_slice_from_host(host, LEN, bitmap, 0);
}

static void teardown(void)
{
	gm_bitmap_free(bitmap);
}

/* The pages in @mask and no others are dirty; then they are clean again. */
static void check_pages(uint64_t mask)
{
	uint64_t words[1];

	gm_bitmap_get_and_reset(bitmap, words);
	ck_assert_uint_eq(words[0], mask);
}

START_TEST(parts_keep_to_their_bounds)
{
	struct gm_slice part, rest;
	size_t end;

	ck_assert_int_eq(gm_slice_sub(&slice, 10, 20, &part), 0);
	ck_assert_ptr_eq(part.host, host + 10);
	ck_assert_uint_eq(part.len, 20);
	ck_assert_int_eq(gm_slice_sub(&part, 20, 0, &rest), 0);
	ck_assert_int_eq(gm_slice_sub(&part, 20, 1, &rest), GM_ERR_OUT_OF_BOUNDS);
	ck_assert_int_eq(gm_slice_sub(&part, 1, SIZE_MAX, &rest), GM_ERR_OVERFLOW);
	ck_assert_int_eq(gm_slice_offset(&part, 5, &rest), 0);
	ck_assert_uint_eq(rest.len, 15);
	ck_assert_int_eq(gm_slice_offset(&part, 21, &rest), GM_ERR_OUT_OF_BOUNDS);
	ck_assert_int_eq(gm_slice_offset(&part, SIZE_MAX, &rest), GM_ERR_OVERFLOW);
	ck_assert_int_eq(gm_slice_split_at(&part, 20, &part, &rest), 0);
	ck_assert_uint_eq(part.len, 20);
	ck_assert_uint_eq(rest.len, 0);
	ck_assert_int_eq(gm_slice_split_at(&slice, LEN + 1, &part, &rest), GM_ERR_OUT_OF_BOUNDS);
	ck_assert_int_eq(gm_slice_end_offset(&slice, 200, 56, &end), 0);
	ck_assert_uint_eq(end, LEN);
	ck_assert_int_eq(gm_slice_end_offset(&slice, 200, 57, &end), GM_ERR_OUT_OF_BOUNDS);
	ck_assert_int_eq(gm_slice_end_offset(&slice, 200, SIZE_MAX, &end), GM_ERR_OVERFLOW);
}
END_TEST

START_TEST(tracking_follows_the_parts)
{
	struct gm_slice part;
	uint8_t byte = 0;

	ck_assert_int_eq(gm_slice_sub(&slice, 30, 100, &part), 0);
	ck_assert_int_eq(gm_slice_sub(&part, 20, 20, &part), 0);
	ck_assert_int_eq(gm_slice_write(&part, 0, &byte, 1), 1);
	ck_assert(gm_slice_dirty_at(&part, 13));
	ck_assert(!gm_slice_dirty_at(&part, 14));
	ck_assert(gm_slice_dirty_at(&slice, 50));
	check_pages(1 << 3);
	part = gm_slice_from_host(host, LEN, NULL, 0);
	ck_assert_int_eq(gm_slice_write(&part, 0, &byte, 1), 1);
	ck_assert(!gm_slice_dirty_at(&part, 0));
}
END_TEST

START_TEST(bytes_end_where_the_slice_ends)
{
	uint8_t buf[LEN] = {0};
	size_t done;

	ck_assert_int_eq(gm_slice_read(&slice, 250, buf, 10), 6);
	ck_assert_mem_eq(buf, host + 250, 6);
	ck_assert_int_eq(gm_slice_read(&slice, LEN, buf, 1), GM_ERR_OUT_OF_BOUNDS);
	ck_assert_int_eq(gm_slice_read(&slice, SIZE_MAX, buf, 0), 0);
	ck_assert_int_eq(gm_slice_read_exact(&slice, 250, buf, 10, &done), GM_ERR_PARTIAL);
	ck_assert_uint_eq(done, 6);
	ck_assert_int_eq(gm_slice_read_exact(&slice, 250, buf, 6, NULL), 0);
	memset(buf, 0xee, sizeof(buf));
	ck_assert_int_eq(gm_slice_write_exact(&slice, 250, buf, 7, &done), GM_ERR_PARTIAL);
	ck_assert_uint_eq(done, 6);
	ck_assert_uint_eq(host[LEN - 1], 0xee);
	check_pages(1 << 15);
	ck_assert_int_eq(gm_slice_write(&slice, LEN, buf, 1), GM_ERR_OUT_OF_BOUNDS);
	ck_assert_int_eq(gm_slice_write(&slice, LEN, buf, 0), 0);
	check_pages(0);
}
END_TEST

START_TEST(atomics_are_aligned_and_inside)
{
	uint64_t value = 0;

	ck_assert_int_eq(gm_slice_load(&slice, 248, &value, 8, __ATOMIC_ACQUIRE), 0);
	ck_assert_mem_eq(&value, host + 248, 8);
	for (size_t size = 2; size <= 8; size *= 2)
		ck_assert_int_eq(gm_slice_load(&slice, 1, &value, size, __ATOMIC_RELAXED),
				 GM_ERR_MISALIGNED);
	ck_assert_int_eq(gm_slice_load(&slice, 252, &value, 8, 0), GM_ERR_OUT_OF_BOUNDS);
	ck_assert_int_eq(gm_slice_load(&slice, SIZE_MAX, &value, 8, 0), GM_ERR_OVERFLOW);
	ck_assert_int_eq(gm_slice_load(&slice, 0, &value, 3, 0), GM_ERR_INVALID_ARGUMENT);
	ck_assert_int_eq(gm_slice_load(&slice, 0, &value, 16, 0), GM_ERR_INVALID_ARGUMENT);
	ck_assert_int_eq(gm_slice_load(&slice, 0, &value, 0, 0), GM_ERR_INVALID_ARGUMENT);
	value = 0x1122334455667788;
	ck_assert_int_eq(gm_slice_store(&slice, 36, &value, 4, __ATOMIC_RELEASE), 0);
	ck_assert_mem_eq(host + 36, &value, 4);
	ck_assert_uint_eq(host[40], 40);
	check_pages(1 << 2);
	ck_assert_int_eq(gm_slice_store(&slice, 37, &value, 4, 0), GM_ERR_MISALIGNED);
	check_pages(0);
}
END_TEST

START_TEST(references_point_into_the_slice)
{
	const void *ref = NULL;
	void *atomic = NULL;

	ck_assert_int_eq(gm_slice_aligned_ref(&slice, 16, 24, 8, &ref), 0);
	ck_assert_ptr_eq(ref, host + 16);
	ck_assert_int_eq(gm_slice_aligned_ref(&slice, 20, 24, 8, &ref), GM_ERR_MISALIGNED);
	ck_assert_int_eq(gm_slice_aligned_ref(&slice, 16, 24, 3, &ref), GM_ERR_INVALID_ARGUMENT);
	ck_assert_int_eq(gm_slice_aligned_ref(&slice, 240, 24, 8, &ref), GM_ERR_OUT_OF_BOUNDS);
	ck_assert_int_eq(gm_slice_atomic_ref(&slice, 8, 8, &atomic), 0);
	ck_assert_ptr_eq(atomic, host + 8);
	ck_assert_int_eq(gm_slice_atomic_ref(&slice, 8, 16, &atomic), GM_ERR_INVALID_ARGUMENT);
	slice.flags = GM_SLICE_READ_ONLY;
	ck_assert_int_eq(gm_slice_atomic_ref(&slice, 8, 8, &atomic), GM_ERR_READ_ONLY);
	ck_assert_int_eq(gm_slice_aligned_ref(&slice, 16, 24, 8, &ref), 0);
	slice.flags = GM_SLICE_MAY_FAULT;
	ck_assert_int_eq(gm_slice_aligned_ref(&slice, 16, 24, 8, &ref), GM_ERR_FAULT);
}
END_TEST

START_TEST(typed_references_and_arrays)
{
	struct gm_array array;
	struct gm_slice ref;
	uint32_t value = 0, list[4] = {0};

	ck_assert_int_eq(gm_slice_ref(&slice, 33, 4, &ref), 0);
	ck_assert_int_eq(gm_ref_load(&ref, &value), 0);
	ck_assert_uint_eq(value, 0x24232221);
	value = 0;
	ck_assert_int_eq(gm_ref_store(&ref, &value), 0);
	ck_assert_uint_eq(host[36], 0);
	check_pages(1 << 2);

	ck_assert_int_eq(gm_slice_array(&slice, 101, 3, 4, &array), 0);
	ck_assert_int_eq(gm_array_load(&array, 2, &value), 0);
	ck_assert_uint_eq(value, 0x706f6e6d);
	ck_assert_int_eq(gm_array_load(&array, 3, &value), GM_ERR_OUT_OF_BOUNDS);
	ck_assert_int_eq(gm_array_store(&array, 3, &value), GM_ERR_OUT_OF_BOUNDS);
	ck_assert_int_eq(gm_array_store(&array, 0, &value), 0);
	check_pages(1 << 6);
	ck_assert_int_eq(gm_array_copy_to(&array, list, 4), 3);
	ck_assert(list[0] == value && list[2] == value && list[3] == 0);
	ck_assert_int_eq(gm_array_copy_from(&array, list, 2), 2);

	ck_assert_int_eq(gm_slice_array(&slice, 0, 65, 4, &array), GM_ERR_OUT_OF_BOUNDS);
	ck_assert_int_eq(gm_slice_array(&slice, SIZE_MAX, 1, 4, &array), GM_ERR_OVERFLOW);
	ck_assert_int_eq(gm_slice_array(&slice, 0, SIZE_MAX / 8, 8, &array), GM_ERR_TOO_BIG);
	ck_assert_int_eq(gm_slice_array(&slice, 0, SIZE_MAX / 2, 4, &array), GM_ERR_TOO_BIG);
	ck_assert_int_eq(gm_slice_array(&slice, 0, 1, 0, &array), GM_ERR_INVALID_ARGUMENT);
}
END_TEST

START_TEST(elements_are_copied_whole)
{
	uint8_t buf[64] = {0};
	struct gm_slice part;

	/* 23 bytes hold two elements of 8; the rest stays where it is, on any alignment. */
	for (size_t at = 64; at < 66; at++) {
		ck_assert_int_eq(gm_slice_sub(&slice, at, 23, &part), 0);
		memset(buf, 0, sizeof(buf));
		ck_assert_int_eq(gm_slice_copy_to(&part, 8, buf, 8), 2);
		ck_assert_mem_eq(buf, host + at, 16);
		ck_assert_uint_eq(buf[16], 0);
		memset(buf, 0xaa, sizeof(buf));
		ck_assert_int_eq(gm_slice_copy_from(&part, 8, buf, 1), 1);
		ck_assert(host[at + 7] == 0xaa && host[at + 8] == at + 8);
		check_pages(1 << 4);
		for (size_t i = 0; i < 8; i++)
			host[at + i] = (uint8_t)(at + i);
	}
	for (size_t size = 1; size <= 4; size *= 2) {
		ck_assert_int_eq(gm_slice_copy_to(&part, size, buf, 3), 3);
		ck_assert_mem_eq(buf, part.host, 3 * size);
	}
	ck_assert_int_eq(gm_slice_copy_to(&part, 0, buf, 3), GM_ERR_INVALID_ARGUMENT);
	ck_assert_int_eq(gm_slice_copy_from(&part, 0, buf, 3), GM_ERR_INVALID_ARGUMENT);
	part.len = 3;
	ck_assert_int_eq(gm_slice_copy_from(&part, 4, buf, 3), 0);
	check_pages(0);
}
END_TEST

START_TEST(slices_are_moved_not_just_copied)
{
	struct gm_slice from, to;
	uint8_t expected[LEN];

	for (size_t len = 1; len < 100; len += len < 10 ? 1 : 23) {
		memcpy(expected, host, LEN);
		memmove(expected + 13, expected + 10, len);
		ck_assert_int_eq(gm_slice_sub(&slice, 10, len, &from), 0);
		ck_assert_int_eq(gm_slice_sub(&slice, 13, len + 5, &to), 0);
		ck_assert_int_eq(gm_slice_copy(&to, &from), (ssize_t)len);
		ck_assert_mem_eq(host, expected, LEN);
		ck_assert(gm_slice_dirty_at(&slice, 13 + len - 1));
	}
	to.len = 0;
	gm_bitmap_reset(bitmap);
	ck_assert_int_eq(gm_slice_copy(&to, &from), 0);
	check_pages(0);
}
END_TEST

START_TEST(read_only_is_not_written)
{
	struct gm_slice writable = slice;
	uint64_t value = UINT64_MAX;
	struct gm_array array;

	slice.flags = GM_SLICE_READ_ONLY;
	ck_assert_int_eq(gm_slice_write(&slice, 0, &value, 8), GM_ERR_READ_ONLY);
	ck_assert_int_eq(gm_slice_write(&slice, 0, &value, 0), 0);
	ck_assert_int_eq(gm_slice_store(&slice, 0, &value, 8, 0), GM_ERR_READ_ONLY);
	ck_assert_int_eq(gm_slice_copy_from(&slice, 8, &value, 1), GM_ERR_READ_ONLY);
	ck_assert_int_eq(gm_slice_copy(&slice, &writable), GM_ERR_READ_ONLY);
	ck_assert_int_eq(gm_slice_array(&slice, 0, 2, 8, &array), 0);
	ck_assert_int_eq(gm_array_store(&array, 0, &value), GM_ERR_READ_ONLY);
	ck_assert_int_eq(gm_slice_copy(&writable, &slice), LEN);
	for (size_t i = 0; i < LEN; i++)
		ck_assert_uint_eq(host[i], i);
}
END_TEST

START_TEST(regions_have_errors_of_their_own)
{
	struct gm_region *region = make_region(0x10000, 100);
	struct gm_slice part = gm_region_slice(region);
	uint64_t value = 42, offset;
	void *at;

	ck_assert_uint_eq(part.len, 100);
	ck_assert_ptr_eq(part.host, gm_region_host(region));
	ck_assert_int_eq(gm_region_get_slice(region, 100, 0, &part), 0);
	ck_assert_int_eq(gm_region_get_slice(region, 100, 1, &part), GM_ERR_INVALID_BACKEND);
	ck_assert_int_eq(gm_region_get_slice(region, 1, UINT64_MAX, &part), GM_ERR_INVALID_BACKEND);
	ck_assert_int_eq(gm_region_store(region, 88, &value, 8, __ATOMIC_RELAXED), 0);
	ck_assert_int_eq(gm_region_store(region, 90, &value, 8, 0), GM_ERR_INVALID_BACKEND);
	value = 0;
	ck_assert_int_eq(gm_region_load(region, 88, &value, 8, __ATOMIC_SEQ_CST), 0);
	ck_assert_uint_eq(value, 42);
	ck_assert_int_eq(gm_region_load(region, 96, &value, 8, 0), GM_ERR_INVALID_BACKEND);
	ck_assert_int_eq(gm_region_read(region, 88, &value, 8), 8);
	ck_assert_int_eq(gm_region_write(region, 100, &value, 8), GM_ERR_INVALID_BACKEND);
	ck_assert_int_eq(gm_region_write(region, 97, &value, 8), 3);
	ck_assert_int_eq(gm_region_write_obj(region, 97, &value), GM_ERR_PARTIAL);
	ck_assert_int_eq(gm_region_read_obj(region, 88, &value), 0);
	ck_assert_int_eq(gm_region_get_host_address(region, 99, &at), 0);
	ck_assert_ptr_eq(at, (char *)gm_region_host(region) + 99);
	ck_assert_int_eq(gm_region_get_host_address(region, 100, &at), GM_ERR_INVALID_BACKEND);
	ck_assert(gm_region_offset_in_range(region, 99));
	ck_assert(!gm_region_offset_in_range(region, 100));
	ck_assert(gm_region_checked_offset(region, 98, 1, &offset));
	ck_assert_uint_eq(offset, 99);
	ck_assert(!gm_region_checked_offset(region, 99, 1, &offset));
	ck_assert(!gm_region_checked_offset(region, 99, UINT64_MAX, &offset));
	ck_assert(gm_region_to_offset(region, 0x10063, &offset));
	ck_assert_uint_eq(offset, 99);
	ck_assert(!gm_region_to_offset(region, 0x10064, &offset));
	ck_assert(!gm_region_to_offset(region, 0xffff, &offset));
	gm_region_put(region);
}
END_TEST

/* A writer alternates between two patterns; nobody may ever see half of each. */
static bool stop;

static void *alternate(void *arg)
{
	uint64_t patterns[8][2];

	for (int i = 0; i < 8; i++) {
		patterns[i][0] = 0;
		patterns[i][1] = UINT64_MAX;
	}
	for (unsigned int i = 0; !__atomic_load_n(&stop, __ATOMIC_RELAXED); i++) {
		gm_slice_write(&slice, 0, &patterns[0][i % 2], 8);
		gm_slice_copy_from(&slice, 8, patterns, 1 + i % 2);
		gm_slice_store(&slice, 0, &patterns[0][i % 2], 8, __ATOMIC_RELAXED);
	}
	return arg;
}

START_TEST(aligned_accesses_do_not_tear)
{
	pthread_t thread;

	stop = false;
	memset(host, 0, LEN);
	ck_assert_int_eq(pthread_create(&thread, NULL, alternate, NULL), 0);
	for (int i = 0; i < 300000; i++) {
		uint64_t value = 1, list[2] = {0};

		if (i % 3 == 0)
			gm_slice_read(&slice, 0, &value, 8);
		else if (i % 3 == 1)
			gm_slice_load(&slice, 0, &value, 8, __ATOMIC_RELAXED);
		else
			value = gm_slice_copy_to(&slice, 8, list, 2) == 2 ? list[0] : 1;
		if (value != 0 && value != UINT64_MAX)
			ck_abort_msg("torn: %#lx", value);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
}
END_TEST

Suite *slice_suite(void)
{
	Suite *suite = suite_create("slice");
	TCase *tcase = tcase_create("slice");

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, parts_keep_to_their_bounds);
	tcase_add_test(tcase, tracking_follows_the_parts);
	tcase_add_test(tcase, bytes_end_where_the_slice_ends);
	tcase_add_test(tcase, atomics_are_aligned_and_inside);
	tcase_add_test(tcase, references_point_into_the_slice);
	tcase_add_test(tcase, typed_references_and_arrays);
	tcase_add_test(tcase, elements_are_copied_whole);
	tcase_add_test(tcase, slices_are_moved_not_just_copied);
	tcase_add_test(tcase, read_only_is_not_written);
	tcase_add_test(tcase, regions_have_errors_of_their_own);
	tcase_add_test(tcase, aligned_accesses_do_not_tear);
	suite_add_tcase(suite, tcase);
	return suite;
}
