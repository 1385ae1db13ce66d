/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Histograms of durations: what goes where, and the percentiles of distributions that are known. */
#include "devices/histogram.h"
#include "tests/devices/suites.h"

static struct histogram histogram;

/* So much above the truth may be read: a 32nd. */
static void check_percentile(unsigned int permille, uint64_t truth)
{
	uint64_t read = histogram_percentile(&histogram, permille);

	ck_assert_uint_ge(read, truth);
	ck_assert_uint_le(read, truth + truth / 31 + 1);
}

START_TEST(buckets_have_no_gaps)
{
	ck_assert_uint_eq(histogram_low(0), 0);
	for (unsigned int i = 0; i < HISTOGRAM_BUCKETS; i++) {
		ck_assert_uint_eq(histogram_bucket(histogram_low(i)), i);
		ck_assert_uint_eq(histogram_bucket(histogram_high(i)), i);
		ck_assert_uint_eq(histogram_low(i + 1), histogram_high(i) + 1);
		ck_assert_uint_le(histogram_high(i) - histogram_low(i), histogram_low(i) / 32);
	}
	ck_assert_uint_eq(histogram_high(HISTOGRAM_BUCKETS - 1), (UINT64_C(1) << HISTOGRAM_TOP) - 1);
}
END_TEST

START_TEST(nothing_has_no_percentiles)
{
	ck_assert_uint_eq(histogram_percentile(&histogram, 500), 0);
	ck_assert_uint_eq(histogram_percentile(&histogram, 1000), 0);
}
END_TEST

START_TEST(one_value_is_all_of_them)
{
	histogram_add(&histogram, 123456789);
	for (unsigned int permille = 0; permille <= 1000; permille += 50)
		ck_assert_uint_eq(histogram_percentile(&histogram, permille), 123456789);
	ck_assert_uint_eq(histogram.sum, 123456789);
}
END_TEST

/* 1 to 100,000, each once, and not in order. */
START_TEST(uniform)
{
	for (uint64_t i = 1; i <= 100000; i++)
		histogram_add(&histogram, i % 2 ? i : 100002 - i);
	ck_assert_uint_eq(histogram.count, 100000);
	ck_assert_uint_eq(histogram.sum, UINT64_C(100000) * 100001 / 2);
	check_percentile(1, 100);
	check_percentile(500, 50000);
	check_percentile(900, 90000);
	check_percentile(990, 99000);
	ck_assert_uint_eq(histogram_percentile(&histogram, 1000), 100000);
}
END_TEST

/* Half of what is left takes ten times as long: 2^19 values, seven sizes. */
START_TEST(long_tail)
{
	uint64_t value = 1000, left = 1 << 19;

	for (; left > 1 << 12; left /= 2, value *= 10) {
		for (uint64_t i = 0; i < left / 2; i++)
			histogram_add(&histogram, value);
	}
	check_percentile(500, 1000);
	check_percentile(503, 1000);
	check_percentile(504, 10000);
	check_percentile(990, 100000000);
	check_percentile(993, 1000000000);
	ck_assert_uint_eq(histogram_percentile(&histogram, 1000), UINT64_C(1000000000));
}
END_TEST

START_TEST(small_values_are_exact)
{
	for (uint64_t i = 0; i < 32; i++)
		histogram_add(&histogram, i);
	ck_assert_uint_eq(histogram_percentile(&histogram, 500), 15);
	ck_assert_uint_eq(histogram_percentile(&histogram, 31), 0);
	ck_assert_uint_eq(histogram_percentile(&histogram, 32), 1);
}
END_TEST

/* What is too long is in the last bucket, and its maximum is known nevertheless. */
START_TEST(saturates)
{
	histogram_add(&histogram, 5);
	histogram_add(&histogram, UINT64_C(1) << HISTOGRAM_TOP);
	histogram_add(&histogram, UINT64_MAX);
	ck_assert_uint_eq(histogram.buckets[HISTOGRAM_BUCKETS - 1], 2);
	ck_assert_uint_eq(histogram.count, 3);
	ck_assert_uint_eq(histogram.sum, UINT64_MAX);
	ck_assert_uint_eq(histogram.max, UINT64_MAX);
	ck_assert_uint_eq(histogram_percentile(&histogram, 333), 5);
	ck_assert_uint_eq(histogram_percentile(&histogram, 900), UINT64_MAX);
}
END_TEST

/* Counts near 2^64 do not wrap in the rank. */
START_TEST(very_many)
{
	histogram.buckets[10] = UINT64_MAX / 2;
	histogram.buckets[20] = UINT64_MAX / 2;
	histogram.count = UINT64_MAX - 1;
	histogram.max = 20;
	ck_assert_uint_eq(histogram_percentile(&histogram, 499), 10);
	ck_assert_uint_eq(histogram_percentile(&histogram, 501), 20);
	ck_assert_uint_eq(histogram_percentile(&histogram, 1000), 20);
}
END_TEST

START_TEST(merged_is_as_if_added)
{
	static struct histogram one, two;

	for (uint64_t i = 0; i < 10000; i++) {
		histogram_add(&histogram, i * i);
		histogram_add(i % 3 ? &one : &two, i * i);
	}
	histogram_merge(&one, &two);
	ck_assert_mem_eq(&one, &histogram, sizeof(one));
	histogram_merge(&one, &(struct histogram){.max = 0});
	ck_assert_mem_eq(&one, &histogram, sizeof(one));
	one.sum = UINT64_MAX - 1;
	histogram_merge(&one, &two);
	ck_assert_uint_eq(one.sum, UINT64_MAX);
}
END_TEST

Suite *histogram_suite(void)
{
	Suite *suite = suite_create("histogram");
	TCase *tcase = tcase_create("histogram");

	tcase_add_test(tcase, buckets_have_no_gaps);
	tcase_add_test(tcase, nothing_has_no_percentiles);
	tcase_add_test(tcase, one_value_is_all_of_them);
	tcase_add_test(tcase, uniform);
	tcase_add_test(tcase, long_tail);
	tcase_add_test(tcase, small_values_are_exact);
	tcase_add_test(tcase, saturates);
	tcase_add_test(tcase, very_many);
	tcase_add_test(tcase, merged_is_as_if_added);
	suite_add_tcase(suite, tcase);
	return suite;
}
