/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The balloon's set of pages, against a plain array and at its ends. */
#include <string.h>

#include "devices/page-set.h"
#include "tests/devices/suites.h"

#define LAST  UINT64_C(0xffffffff)
#define PAGES 4000 /* over a boundary of leaves, which are 32768 pages each */
#define BASE  (UINT64_C(3) * 32768 - PAGES / 2)

static struct page_set set;
static bool model[PAGES];

static uint64_t model_count(uint64_t first, uint64_t count)
{
	uint64_t sum = 0;

	for (uint64_t i = first; i < first + count; i++)
		sum += model[i];
	return sum;
}

START_TEST(is_as_the_model)
{
	struct test_random random = test_random_new(0);

	for (unsigned int step = 0; step < 5000; step++) {
		uint64_t first = test_random_below(&random, PAGES);
		uint64_t most = test_random_below(&random, 2) ? 3 : PAGES - first;
		uint64_t count =
			test_random_below(&random, (most < PAGES - first ? most : PAGES - first) + 1);
		uint64_t there = model_count(first, count);

		ck_assert_int_eq(page_set_holds(&set, BASE + first, count), there == count);
		if (test_random_below(&random, 2)) {
			ck_assert(page_set_add(&set, BASE + first, count));
			memset(model + first, true, count);
		} else {
			ck_assert_uint_eq(page_set_remove(&set, BASE + first, count), there);
			memset(model + first, false, count);
		}
		ck_assert_uint_eq(set.count, model_count(0, PAGES));
	}
	page_set_clear(&set);
	ck_assert_uint_eq(set.count, 0);
	ck_assert(!page_set_holds(&set, BASE, 1));
}
END_TEST

START_TEST(ends_where_numbers_end)
{
	ck_assert(!page_set_holds(&set, 0, 1));
	ck_assert_uint_eq(page_set_remove(&set, LAST, 1), 0);
	ck_assert(page_set_add(&set, 0, 1));
	ck_assert(page_set_add(&set, LAST, 1));
	ck_assert(page_set_holds(&set, LAST, 1));
	ck_assert(!page_set_holds(&set, LAST, 2));
	ck_assert(!page_set_holds(&set, LAST + 1, 1));
	ck_assert(page_set_holds(&set, LAST, 0));
	ck_assert_uint_eq(set.count, 2);
	ck_assert_uint_eq(page_set_remove(&set, LAST, 1), 1);
	ck_assert_uint_eq(page_set_remove(&set, 0, 65536), 1);
	page_set_clear(&set);
	page_set_clear(&set);
}
END_TEST

Suite *page_set_suite(void)
{
	Suite *suite = suite_create("page-set");
	TCase *tc = tcase_create("page-set");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, is_as_the_model);
	tcase_add_test(tc, ends_where_numbers_end);
	suite_add_tcase(suite, tc);
	return suite;
}
