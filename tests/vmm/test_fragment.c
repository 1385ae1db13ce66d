/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* --fragment: the same addresses, other pieces; the same seed, the same pieces. */
#include "tests/vmm/suites.h"
#include "vmm/layout.h"

#include <stdio.h>
#include <string.h>

#include "tests/runner.h"

static struct layout make(const char *fragment)
{
	struct layout layout = {0};
	struct report report;

	ck_assert_int_eq(layout_add_region(&layout, "0:1M", "a", &report), 0);
	ck_assert_int_eq(layout_add_region(&layout, "1M:64K,ro", "rom", &report), 0);
	ck_assert_int_eq(layout_add_region(&layout, "4G:100K,memfd", "b", &report), 0);
	ck_assert_int_eq(layout_fragment(&layout, fragment, &report), 0);
	return layout;
}

/* The pieces of [start, start + size) are in order, without gap, and at most @max long. */
static size_t check_pieces(const struct layout *layout, size_t i, uint64_t start, uint64_t size,
			   uint64_t max)
{
	uint64_t at = start;

	while (at < start + size) {
		const struct gm_region_config *config = &layout->regions[i++].config;

		ck_assert_uint_eq(config->start, at);
		ck_assert_uint_eq(config->size % 4096, 0);
		ck_assert(config->size > 0 && config->size <= max);
		at += config->size;
	}
	ck_assert_uint_eq(at, start + size);
	return i;
}

START_TEST(pieces_cover_the_same_addresses)
{
	static const char *const texts[] = {"4K",         "64K",        "12K",      "1G",
					    "64K,seed=1", "1M,seed=99", "4K,seed=0"};
	struct layout layout = make(texts[_i]);
	char size[16];
	uint64_t max;
	size_t i;

	snprintf(size, sizeof(size), "%.*s", (int)strcspn(texts[_i], ","), texts[_i]);
	ck_assert(parse_size(size, &max));
	i = check_pieces(&layout, 0, 0, 1 << 20, max);
	/* Read-only regions stay whole. */
	ck_assert_uint_eq(layout.regions[i].config.start, 1 << 20);
	ck_assert_uint_eq(layout.regions[i].config.size, 64 << 10);
	i = check_pieces(&layout, i + 1, 4ULL << 30, 100 << 10, max);
	ck_assert_uint_eq(i, layout.count);
	ck_assert_int_eq(layout.regions[i - 1].config.backing, GM_BACKING_MEMFD);
	layout_clear(&layout);
}
END_TEST

START_TEST(a_seed_means_the_same_cuts_for_ever)
{
	struct layout a = make("64K,seed=7"), b = make("64K,seed=7"), c = make("64K,seed=8");
	bool differ = a.count != c.count;

	ck_assert_uint_eq(a.count, b.count);
	for (size_t i = 0; i < a.count; i++) {
		ck_assert_uint_eq(a.regions[i].config.start, b.regions[i].config.start);
		differ |= i < c.count && a.regions[i].config.start != c.regions[i].config.start;
	}
	ck_assert(differ);
	/* Recorded: a replayed bug report must find the same layout in later versions. */
	ck_assert_uint_eq(a.regions[0].config.size, 0x8000);
	ck_assert_uint_eq(a.regions[1].config.size, 0xd000);
	layout_clear(&a);
	layout_clear(&b);
	layout_clear(&c);
}
END_TEST

START_TEST(file_pieces_keep_their_place_in_the_file)
{
	struct layout layout = {0};
	struct report report;

	ck_assert_int_eq(layout_add_region(&layout, "1M:40K,file=x,offset=8K", "f", &report), 0);
	ck_assert_int_eq(layout_fragment(&layout, "12K", &report), 0);
	ck_assert_uint_eq(layout.count, 4);
	for (size_t i = 0; i < 4; i++) {
		ck_assert_str_eq(layout.regions[i].file, "x");
		ck_assert_uint_eq(layout.regions[i].config.file_offset, 8192 + i * 12288);
	}
	ck_assert_uint_eq(layout.regions[3].config.size, 4096);
	layout_clear(&layout);
}
END_TEST

/* With a seed, neighbours of the guest are not neighbours in the order of mapping. */
START_TEST(scattered_on_the_host)
{
	struct layout layout = {0};
	struct gm_memory *memory;
	struct report report;
	size_t in_order = 0;

	ck_assert_int_eq(layout_add_memory(&layout, "8M", &report), 0);
	ck_assert_int_eq(layout_fragment(&layout, "64K,seed=3", &report), 0);
	ck_assert_int_eq(layout_build(&layout, 32764, 0, &memory, &report), 0);
	for (size_t i = 1; i < gm_memory_count(memory); i++) {
		const char *a = gm_region_host(gm_memory_region(memory, i - 1));
		const char *b = gm_region_host(gm_memory_region(memory, i));
		uint64_t size = gm_region_size(gm_memory_region(memory, i - 1));

		/* Guard pages keep even the luckiest pair apart. */
		ck_assert_ptr_ne(a + size, b);
		in_order += b < a && a - b < (1 << 20);
	}
	ck_assert_uint_lt(in_order, gm_memory_count(memory) / 2);
	gm_memory_put(memory);
	layout_clear(&layout);
}
END_TEST

static const struct {
	const char *text;
	const char *error;
} bad[] = {
	{"", "--fragment : the size must be a multiple of 4K, for example 64K"},
	{"0", "--fragment 0: the size must be a multiple of 4K, for example 64K"},
	{"1000", "--fragment 1000: the size must be a multiple of 4K, for example 64K"},
	{"big", "--fragment big: the size must be a multiple of 4K, for example 64K"},
	{"64K,", "--fragment 64K,: behind the size can only be seed=N"},
	{"64K,seed=", "--fragment 64K,seed=: behind the size can only be seed=N"},
	{"64K,sed=1", "--fragment 64K,sed=1: behind the size can only be seed=N"},
};

START_TEST(bad_fragment_says_what_is_right)
{
	struct layout layout = {0};
	struct report report;

	ck_assert_int_eq(layout_add_memory(&layout, "1M", &report), 0);
	ck_assert_int_eq(layout_fragment(&layout, bad[_i].text, &report), -1);
	ck_assert_str_eq(report.text, bad[_i].error);
	ck_assert_uint_eq(layout.count, 1);
	layout_clear(&layout);
}
END_TEST

/* Found by fuzzing: terabytes in pages must not take gigabytes to refuse. */
START_TEST(too_many_pieces)
{
	struct layout layout = {0};
	struct report report;

	ck_assert_int_eq(layout_add_region(&layout, "0:6T", "here", &report), 0);
	ck_assert_int_eq(layout_fragment(&layout, "4K", &report), -1);
	ck_assert_str_eq(
		report.text,
		"--fragment 4K: cuts here into more than 1000000 regions; make them larger");
	ck_assert_uint_eq(layout.count, 1);
	layout_clear(&layout);
}
END_TEST

/* A huge page cannot be cut: what does not fit is refused, what does is cut between them. */
START_TEST(huge_pages_stay_whole)
{
	struct layout layout = {0};
	struct report report;

	ck_assert_int_eq(layout_add_region(&layout, "0:1M", "low", &report), 0);
	ck_assert_int_eq(layout_add_region(&layout, "4G:64M,huge", "high", &report), 0);
	ck_assert_int_eq(layout_fragment(&layout, "64K", &report), -1);
	ck_assert_str_eq(report.text, "--fragment 64K: the size must be a multiple of 2M, as high "
				      "has huge pages");
	ck_assert_int_eq(layout_fragment(&layout, "6M,seed=1", &report), 0);
	ck_assert_uint_gt(layout.count, 64 / 6);
	for (size_t i = 0; i < layout.count; i++) {
		if (layout.regions[i].config.flags & GM_REGION_HUGETLB)
			ck_assert_uint_eq(layout.regions[i].config.size % (2 << 20), 0);
	}
	layout_clear(&layout);
}
END_TEST

Suite *suite_fragment(void)
{
	Suite *suite = suite_create("fragment");
	TCase *tcase = tcase_create("fragment");

	tcase_add_loop_test(tcase, pieces_cover_the_same_addresses, 0, 7);
	tcase_add_test(tcase, a_seed_means_the_same_cuts_for_ever);
	tcase_add_test(tcase, file_pieces_keep_their_place_in_the_file);
	tcase_add_test(tcase, scattered_on_the_host);
	tcase_add_test(tcase, too_many_pieces);
	tcase_add_test(tcase, huge_pages_stay_whole);
	tcase_add_loop_test(tcase, bad_fragment_says_what_is_right, 0,
			    (int)(sizeof(bad) / sizeof(bad[0])));
	suite_add_tcase(suite, tcase);
	return suite;
}
