/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Dirty bitmaps: against an array of booleans, at their ends, and with a writer in parallel. */
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <time.h>

#include "tests/guestmem/fixture.h"
#include "tests/guestmem/suites.h"

static struct gm_bitmap *make_bitmap(uint64_t bytes, uint64_t page_size)
{
	struct gm_bitmap *bitmap;

	ck_assert_int_eq(gm_bitmap_new(bytes, page_size, &bitmap), 0);
	return bitmap;
}

START_TEST(size_is_rounded_up_to_pages)
{
	static const struct {
		uint64_t bytes, page_size, pages;
	} cases[] = {
		{0, 4096, 0},
		{1, 4096, 1},
		{4096, 4096, 1},
		{4097, 4096, 2},
		{65, 1, 65},
		{20, 7, 3},
		{1ULL << 40, 1ULL << 30, 1024},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct gm_bitmap *bitmap = make_bitmap(cases[i].bytes, cases[i].page_size);

		ck_assert_uint_eq(gm_bitmap_pages(bitmap), cases[i].pages);
		ck_assert_uint_eq(gm_bitmap_bytes(bitmap), cases[i].bytes);
		ck_assert_uint_eq(gm_bitmap_page_size(bitmap), cases[i].page_size);
		gm_bitmap_free(bitmap);
	}
}
END_TEST

START_TEST(refuses_by_name)
{
	struct gm_bitmap *bitmap;

	ck_assert_int_eq(gm_bitmap_new(4096, 0, &bitmap), GM_ERR_INVALID_ARGUMENT);
	ck_assert_ptr_null(bitmap);
	/* As many bits as 64 bits can count: the number of words must not wrap to a small one. */
	ck_assert_int_eq(gm_bitmap_new(UINT64_MAX, 1, &bitmap), GM_ERR_NO_MEMORY);
	bitmap = make_bitmap(100, 1);
	ck_assert_int_eq(gm_bitmap_enlarge(bitmap, UINT64_MAX - 99), GM_ERR_OVERFLOW);
	ck_assert_int_eq(gm_bitmap_enlarge(bitmap, UINT64_MAX - 100), GM_ERR_NO_MEMORY);
	ck_assert_uint_eq(gm_bitmap_pages(bitmap), 100);
	gm_bitmap_free(bitmap);
}
END_TEST

/* Ranges of all kinds, past the end and wrapping ones included. */
START_TEST(agrees_with_an_array_of_booleans)
{
	static const uint64_t page_sizes[] = {1, 64, 4096, 7, 4095};
	struct test_random random = test_random_new((uint64_t)_i);
	uint64_t page = page_sizes[_i], words[4];
	struct gm_bitmap *bitmap = make_bitmap(200 * page - page / 2, page);
	bool model[200] = {false};

	for (int op = 0; op < 20000; op++) {
		uint64_t offset = test_random_below(&random, 220 * page), first = offset / page;
		uint64_t len = test_random_below(&random, 90 * page), last;
		bool set = test_random_below(&random, 2);

		if (!test_random_below(&random, 10))
			len = UINT64_MAX - test_random_below(&random, 2 * offset + 1);
		last = len - 1 > UINT64_MAX - offset ? UINT64_MAX : offset + len - 1;
		last /= page;
		for (uint64_t i = first; len && i <= last && i < 200; i++)
			model[i] = set;
		if (set)
			gm_bitmap_mark(bitmap, offset, len);
		else
			gm_bitmap_clear_range(bitmap, offset, len);
		if (op % 64)
			continue;
		gm_bitmap_copy(bitmap, words);
		for (uint64_t i = 0; i < 256; i++) {
			if ((words[i / 64] >> (i % 64) & 1) != (i < 200 && model[i]))
				ck_abort_msg("TEST_SEED=%#lx op %d: page %lu", test_seed(), op, i);
		}
	}
	gm_bitmap_free(bitmap);
}
END_TEST

START_TEST(single_pages)
{
	struct gm_bitmap *bitmap = make_bitmap(130 * PAGE, PAGE);

	gm_bitmap_set(bitmap, 64);
	gm_bitmap_set(bitmap, 129);
	gm_bitmap_set(bitmap, 130);
	gm_bitmap_set(bitmap, UINT64_MAX);
	ck_assert(gm_bitmap_is_set(bitmap, 64));
	ck_assert(gm_bitmap_is_set(bitmap, 129));
	ck_assert(!gm_bitmap_is_set(bitmap, 63));
	ck_assert(!gm_bitmap_is_set(bitmap, 130));
	ck_assert(!gm_bitmap_is_set(bitmap, UINT64_MAX));
	ck_assert(gm_bitmap_dirty_at(bitmap, 64 * PAGE + 4095));
	ck_assert(!gm_bitmap_dirty_at(bitmap, 65 * PAGE));
	ck_assert(!gm_bitmap_dirty_at(bitmap, UINT64_MAX));
	gm_bitmap_clear(bitmap, 64);
	gm_bitmap_clear(bitmap, 1000);
	ck_assert(!gm_bitmap_is_set(bitmap, 64));
	ck_assert(gm_bitmap_is_set(bitmap, 129));
	gm_bitmap_free(bitmap);
}
END_TEST

START_TEST(taking_the_bits_leaves_none)
{
	struct gm_bitmap *bitmap = make_bitmap(65 * PAGE, PAGE);
	uint64_t words[2];

	ck_assert_uint_eq(gm_bitmap_words(bitmap), 2);
	gm_bitmap_mark(bitmap, 63 * PAGE, 2 * PAGE);
	gm_bitmap_copy(bitmap, words);
	ck_assert(words[0] == 1ULL << 63 && words[1] == 1);
	gm_bitmap_get_and_reset(bitmap, words);
	ck_assert(words[0] == 1ULL << 63 && words[1] == 1);
	gm_bitmap_get_and_reset(bitmap, words);
	ck_assert(words[0] == 0 && words[1] == 0);
	gm_bitmap_mark(bitmap, 0, 1);
	gm_bitmap_reset(bitmap);
	ck_assert(!gm_bitmap_is_set(bitmap, 0));
	gm_bitmap_free(bitmap);
}
END_TEST

START_TEST(enlarging_keeps_the_bits_and_adds_clean_ones)
{
	struct gm_bitmap *bitmap = make_bitmap(60 * PAGE + 1, PAGE);

	gm_bitmap_mark(bitmap, 0, UINT64_MAX);
	ck_assert_int_eq(gm_bitmap_enlarge(bitmap, PAGE - 1), 0);
	ck_assert_uint_eq(gm_bitmap_pages(bitmap), 61);
	ck_assert_int_eq(gm_bitmap_enlarge(bitmap, 1000 * PAGE), 0);
	ck_assert_uint_eq(gm_bitmap_pages(bitmap), 1061);
	for (uint64_t page = 0; page < 1061; page++)
		ck_assert_msg(gm_bitmap_is_set(bitmap, page) == (page < 61), "page %lu", page);
	gm_bitmap_mark(bitmap, 1060 * PAGE, PAGE);
	ck_assert(gm_bitmap_is_set(bitmap, 1060));
	gm_bitmap_free(bitmap);
}
END_TEST

START_TEST(slices_add_offsets)
{
	struct gm_bitmap *bitmap = make_bitmap(10 * PAGE, PAGE);
	struct gm_bitmap_slice slice = gm_bitmap_slice_at(bitmap, 2 * PAGE);

	gm_bitmap_slice_mark(slice, PAGE, 1);
	ck_assert(gm_bitmap_is_set(bitmap, 3));
	ck_assert(gm_bitmap_slice_dirty_at(slice, PAGE + 5));
	ck_assert(!gm_bitmap_slice_dirty_at(slice, 0));
	gm_bitmap_slice_mark(slice, -PAGE, 1);
	ck_assert(gm_bitmap_is_set(bitmap, 1));
	gm_bitmap_free(bitmap);

	slice = gm_bitmap_slice_at(NULL, 0);
	gm_bitmap_slice_mark(slice, 0, 1);
	ck_assert(!gm_bitmap_slice_dirty_at(slice, 0));
}
END_TEST

/* A log of any page size into a bitmap of any: each dirty page of the log marks what it touches. */
START_TEST(merges_a_log_of_another_page_size)
{
	static const uint64_t sizes[][2] = {
		{4096, 4096}, {4096, 16384}, {16384, 4096}, {2 << 20, 4096}, {4096, 7 * 512},
	};
	struct test_random random = test_random_new(100 + (uint64_t)_i);
	uint64_t own = sizes[_i][0], log_page = sizes[_i][1];
	uint64_t bytes = 300 * log_page, log[4], offset;
	struct gm_bitmap *merged = make_bitmap(bytes, own), *marked = make_bitmap(bytes, own);

	for (int round = 0; round < 200; round++) {
		gm_bitmap_reset(merged);
		gm_bitmap_reset(marked);
		offset = test_random_below(&random, 200) * own;
		for (int i = 0; i < 4; i++) {
			log[i] = test_random(&random) & test_random(&random);
			if (!test_random_below(&random, 3))
				log[i] = test_random_below(&random, 2) ? UINT64_MAX : 0;
		}
		ck_assert_int_eq(gm_bitmap_merge(merged, log, 201, log_page, offset), 0);
		for (uint64_t i = 0; i < 201; i++) {
			if (log[i / 64] >> (i % 64) & 1)
				gm_bitmap_mark(marked, offset + i * log_page, log_page);
		}
		ck_assert_mem_eq(merged->words, marked->words, gm_bitmap_words(merged) * 8);
	}
	ck_assert_int_eq(gm_bitmap_merge(merged, log, 201, 0, 0), GM_ERR_INVALID_ARGUMENT);
	gm_bitmap_free(merged);
	gm_bitmap_free(marked);
}
END_TEST

START_TEST(merging_past_the_end_is_harmless)
{
	struct gm_bitmap *bitmap = make_bitmap(3 * PAGE, PAGE);
	uint64_t log[2] = {UINT64_MAX, UINT64_MAX};

	ck_assert_int_eq(gm_bitmap_merge(bitmap, log, 128, PAGE, 2 * PAGE), 0);
	ck_assert(!gm_bitmap_is_set(bitmap, 1));
	ck_assert(gm_bitmap_is_set(bitmap, 2));
	gm_bitmap_reset(bitmap);
	ck_assert_int_eq(gm_bitmap_merge(bitmap, log, 128, 1ULL << 62, UINT64_MAX - PAGE), 0);
	ck_assert_int_eq(gm_bitmap_merge(bitmap, log, 0, PAGE, 0), 0);
	for (uint64_t page = 0; page < 3; page++)
		ck_assert(!gm_bitmap_is_set(bitmap, page));
	gm_bitmap_free(bitmap);
}
END_TEST

/*
 * The promise of get_and_reset: what was written before a bit was set, or found set, is visible to
 * who took the bit. In each round the bit is set already, one side writes and marks while the other
 * takes the bit and copies: either the copy has the value, or there is a new bit.
 */
#define RACE_ROUNDS  300000
#define RACE_SECONDS 10 /* fewer rounds where the two have to share a processor with others */

static struct {
	struct gm_bitmap *bitmap;
	unsigned int started, finished; /* rounds, by the side that takes and the one that writes */
	uint64_t pad[8];
	unsigned int value;
	unsigned int rounds;
} race;

static void wait_for(const unsigned int *counter, unsigned int round)
{
	for (int spins = 0; __atomic_load_n(counter, __ATOMIC_ACQUIRE) != round; spins++) {
		if (spins > 1000)
			sched_yield();
	}
}

static void *write_and_mark(void *arg)
{
	for (unsigned int round = 1; round <= __atomic_load_n(&race.rounds, __ATOMIC_RELAXED);
	     round++) {
		wait_for(&race.started, round);
		/* The bit in this cache, the value in the other: the store is late, the look early. */
		(void)__atomic_load_n(race.bitmap->words, __ATOMIC_ACQUIRE);
		__atomic_store_n(&race.value, round, __ATOMIC_RELAXED);
		gm_bitmap_mark(race.bitmap, 0, sizeof(race.value));
		__atomic_store_n(&race.finished, round, __ATOMIC_RELEASE);
	}
	return arg;
}

START_TEST(no_write_is_lost_between_mark_and_take)
{
	const time_t end = time(NULL) + RACE_SECONDS;
	unsigned int lost = 0, copy = 0;
	pthread_t thread;
	uint64_t words[1];

	race.rounds = RACE_ROUNDS;
	race.bitmap = make_bitmap(PAGE, PAGE);
	ck_assert_int_eq(pthread_create(&thread, NULL, write_and_mark, NULL), 0);
	for (unsigned int round = 1; round <= race.rounds; round++) {
		if (round % 64 == 0 && time(NULL) >= end)
			__atomic_store_n(&race.rounds, round, __ATOMIC_RELAXED);
		gm_bitmap_set(race.bitmap, 0);
		__atomic_store_n(&race.started, round, __ATOMIC_RELEASE);
		for (volatile unsigned int delay = round % 256; delay; delay--)
			;
		gm_bitmap_get_and_reset(race.bitmap, words);
		if (words[0])
			copy = __atomic_load_n(&race.value, __ATOMIC_RELAXED);
		wait_for(&race.finished, round);
		lost += copy != round && !gm_bitmap_is_set(race.bitmap, 0);
	}
	pthread_join(thread, NULL);
	ck_assert_uint_eq(lost, 0);
	gm_bitmap_free(race.bitmap);
}
END_TEST

Suite *bitmap_suite(void)
{
	Suite *suite = suite_create("bitmap");
	TCase *tcase = tcase_create("bitmap");

	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, size_is_rounded_up_to_pages);
	tcase_add_test(tcase, refuses_by_name);
	tcase_add_loop_test(tcase, agrees_with_an_array_of_booleans, 0, 5);
	tcase_add_test(tcase, single_pages);
	tcase_add_test(tcase, taking_the_bits_leaves_none);
	tcase_add_test(tcase, enlarging_keeps_the_bits_and_adds_clean_ones);
	tcase_add_test(tcase, slices_add_offsets);
	tcase_add_loop_test(tcase, merges_a_log_of_another_page_size, 0, 5);
	tcase_add_test(tcase, merging_past_the_end_is_harmless);
	tcase_add_test(tcase, no_write_is_lost_between_mark_and_take);
	suite_add_tcase(suite, tcase);
	return suite;
}
