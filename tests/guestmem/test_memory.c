/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Memories: errors of construction, look-up over nasty layouts, deriving one from another. */
#include <fcntl.h>

#include "tests/guestmem/fixture.h"
#include "tests/guestmem/suites.h"

static int try_ranges(const struct gm_range *ranges, size_t count, size_t *bad)
{
	struct gm_memory *memory = (void *)1;
	int err = gm_memory_from_ranges(ranges, count, PAGE, &memory, bad);

	if (err)
		ck_assert_ptr_null(memory);
	gm_memory_put(memory);
	return err;
}

START_TEST(refuses_by_name_and_index)
{
	static const struct {
		int err;
		size_t bad, count;
		struct gm_range ranges[3];
	} cases[] = {
		{GM_ERR_NO_REGION, 99, 0, {{0, 0}}},
		{GM_ERR_ZERO_SIZE, 1, 2, {{0, PAGE}, {PAGE, 0}}},
		{GM_ERR_OVERLAP, 1, 2, {{0, PAGE}, {PAGE - 1, PAGE}}},
		{GM_ERR_OVERLAP, 1, 2, {{0, PAGE}, {0, PAGE}}},
		{GM_ERR_UNSORTED, 2, 3, {{0, PAGE}, {4 * PAGE, PAGE}, {2 * PAGE, PAGE}}},
		/* Out of order is said before overlap, where both are true. */
		{GM_ERR_UNSORTED, 1, 2, {{PAGE, PAGE}, {0, 4 * PAGE}}},
		{GM_ERR_INVALID_REGION, 1, 2, {{0, PAGE}, {UINT64_MAX - PAGE + 1, PAGE}}},
		/* What is wrong with one region is said before what is wrong between two. */
		{GM_ERR_ZERO_SIZE, 2, 3, {{PAGE, PAGE}, {0, PAGE}, {0, 0}}},
		{0, 99, 2, {{0, PAGE}, {PAGE, PAGE}}},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		size_t bad = 99;
		int err = try_ranges(cases[i].ranges, cases[i].count, &bad);

		ck_assert_msg(err == cases[i].err, "case %zu: %s", i, gm_error_name(err));
		if (cases[i].bad != 99)
			ck_assert_msg(bad == cases[i].bad, "case %zu: bad %zu", i, bad);
		ck_assert_int_eq(try_ranges(cases[i].ranges, cases[i].count, NULL), cases[i].err);
	}
}
END_TEST

/* Descriptors this process has open. */
static int open_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

START_TEST(a_failure_leaves_nothing_behind)
{
	struct gm_region_config configs[4] = {
		{.start = 0, .size = PAGE, .backing = GM_BACKING_MEMFD},
		{.start = PAGE, .size = PAGE, .backing = GM_BACKING_MEMFD},
		{.start = 2 * PAGE, .size = PAGE, .backing = GM_BACKING_MEMFD},
		{.start = 3 * PAGE, .size = 0},
	};
	struct gm_memory *memory;
	int before = open_fds();
	size_t bad = 0;

	ck_assert_int_eq(gm_memory_from_configs(configs, 4, &memory, &bad), GM_ERR_ZERO_SIZE);
	ck_assert_uint_eq(bad, 3);
	ck_assert_int_eq(open_fds(), before);
	configs[3] = configs[0];
	ck_assert_int_eq(gm_memory_from_configs(configs, 4, &memory, &bad), GM_ERR_UNSORTED);
	ck_assert_int_eq(open_fds(), before);
}
END_TEST

START_TEST(ranges_with_files)
{
	int fd = make_file(4 * PAGE);
	struct gm_region_config configs[2] = {
		{.start = 0, .size = PAGE, .backing = GM_BACKING_FILE, .fd = fd},
		{.start = PAGE,
		 .size = 2 * PAGE,
		 .backing = GM_BACKING_FILE,
		 .fd = fd,
		 .file_offset = 2 * PAGE},
	};
	struct gm_memory *memory;
	uint8_t bytes[2] = {1, 2};

	ck_assert_int_eq(gm_memory_from_configs(configs, 2, &memory, NULL), 0);
	ck_assert_int_eq(gm_write_exact(memory, PAGE - 1, bytes, 2, NULL), 0);
	gm_memory_put(memory);
	ck_assert_int_eq(pread(fd, bytes, 1, PAGE - 1), 1);
	ck_assert_int_eq(pread(fd, bytes + 1, 1, 2 * PAGE), 1);
	ck_assert_int_eq(bytes[0], 1);
	ck_assert_int_eq(bytes[1], 2);
	close(fd);
}
END_TEST

/* What a look-up must answer, by the simplest means. */
static struct gm_region *linear_search(const struct gm_memory *memory, gm_addr addr)
{
	for (size_t i = 0; i < gm_memory_count(memory); i++) {
		struct gm_region *region = gm_memory_region(memory, i);

		if (addr >= gm_region_start(region) && addr <= gm_region_last(region))
			return region;
	}
	return NULL;
}

static void check_lookup(const struct gm_memory *memory, gm_addr addr)
{
	struct gm_region *expected = linear_search(memory, addr);
	uint64_t offset;

	ck_assert_msg(gm_find_region(memory, addr) == expected, "address %#lx", addr);
	ck_assert_ptr_eq(gm_to_region_addr(memory, addr, &offset), expected);
	if (expected)
		ck_assert_uint_eq(offset, addr - gm_region_start(expected));
	ck_assert(gm_address_in_range(memory, addr) == (expected != NULL));
	ck_assert(gm_check_range(memory, addr, 1, GM_ACCESS_READ) == (expected != NULL));
}

/* Every boundary and its neighbours, then anything. */
static void check_lookups(const struct gm_memory *memory, unsigned int random_ones)
{
	struct test_random random = test_random_new(1);
	gm_addr last = gm_memory_last(memory);

	for (size_t i = 0; i < gm_memory_count(memory); i++) {
		const struct gm_region *region = gm_memory_region(memory, i);

		for (int delta = -2; delta <= 2; delta++) {
			check_lookup(memory, gm_region_start(region) + (gm_addr)delta);
			check_lookup(memory, gm_region_last(region) + (gm_addr)delta);
		}
	}
	check_lookup(memory, 0);
	check_lookup(memory, UINT64_MAX);
	while (random_ones--) {
		check_lookup(memory, test_random(&random));
		if (last < UINT64_MAX)
			check_lookup(memory, test_random_below(&random, last + 1));
	}
}

START_TEST(look_up_in_nasty_layouts)
{
	struct gm_memory *memories[] = {
		make_memory(0, 1),
		make_memory(0, 1, 1, 1, 2, 1, 3, 1),
		make_memory(0, 1, 2, 1, 4, 1, UINT64_MAX - 1, 1),
		make_memory(5, 3, 8, PAGE, 0x100000000, 7, 0x100000007, 1),
		make_memory(0, 1, 1ULL << 63, PAGE),
		make_memory(UINT64_MAX - 2, 1, UINT64_MAX - 1, 1),
		make_memory(UINT64_MAX - 2 * PAGE, PAGE, UINT64_MAX - PAGE, PAGE),
		make_memory(1, 1, PAGE - 1, 2, 3 * PAGE + 1, 5 * PAGE - 3, 1ULL << 40, 3),
		make_memory(0, 0xa0000, 0xe0000, 0x20000, 0x100000, 0x100000, 0x100000000, PAGE),
	};

	for (size_t i = 0; i < ARRAY_LEN(memories); i++) {
		check_lookups(memories[i], 2000);
		gm_memory_put(memories[i]);
	}
}
END_TEST

/* @count regions of random sizes with random gaps; regions on foreign memory, so that many are cheap. */
static struct gm_memory *random_memory(struct test_random *random, size_t count, uint64_t max_size,
				       uint64_t max_gap)
{
	static uint8_t host[2 * PAGE];
	struct gm_region_config *configs = calloc(count, sizeof(*configs));
	gm_addr next = test_random_below(random, max_gap + 1);
	struct gm_memory *memory;

	for (size_t i = 0; i < count; i++) {
		configs[i].start = next;
		configs[i].size = 1 + test_random_below(random, max_size);
		configs[i].backing = GM_BACKING_FOREIGN;
		configs[i].host = host;
		next += configs[i].size;
		if (test_random_below(random, 2))
			next += test_random_below(random, max_gap + 1);
	}
	ck_assert_int_eq(gm_memory_from_configs(configs, count, &memory, NULL), 0);
	free(configs);
	return memory;
}

START_TEST(look_up_in_random_layouts)
{
	struct test_random random = test_random_new(2);

	for (int round = 0; round < 200; round++) {
		size_t count = 1 + test_random_below(&random, 20);
		uint64_t gap = 1ULL << test_random_below(&random, 58);
		struct gm_memory *memory = random_memory(&random, count, 2 * PAGE, gap);

		check_lookups(memory, 50);
		gm_memory_put(memory);
	}
}
END_TEST

START_TEST(look_up_among_5000_regions)
{
	struct test_random random = test_random_new(3);
	struct gm_memory *memory = random_memory(&random, 5000, 2 * PAGE, PAGE);
	gm_addr last = gm_memory_last(memory);
	const struct gm_region *region = NULL;

	ck_assert_uint_eq(gm_memory_count(memory), 5000);
	for (int i = 0; i < 3000; i++)
		check_lookup(memory, test_random_below(&random, last + PAGE));
	for (size_t i = 0; i < 5000; i++) {
		region = gm_memory_region(memory, i);
		ck_assert_ptr_eq(gm_find_region(memory, gm_region_start(region)), region);
		ck_assert_ptr_eq(gm_find_region(memory, gm_region_last(region)), region);
	}
	ck_assert_uint_eq(last, gm_region_last(region));
	ck_assert_ptr_null(gm_memory_region(memory, 5000));
	gm_memory_put(memory);
}
END_TEST

START_TEST(checks_ranges_and_offsets)
{
	struct gm_memory *memory = make_memory(PAGE, PAGE, 2 * PAGE, PAGE, 5 * PAGE, PAGE);
	gm_addr out;

	ck_assert(gm_check_range(memory, PAGE, 2 * PAGE, GM_ACCESS_RW));
	ck_assert(!gm_check_range(memory, PAGE, 2 * PAGE + 1, GM_ACCESS_READ));
	ck_assert(!gm_check_range(memory, PAGE - 1, 2, GM_ACCESS_READ));
	ck_assert(gm_check_range(memory, 0, 0, GM_ACCESS_READ));
	ck_assert(gm_check_range(memory, UINT64_MAX, 0, GM_ACCESS_READ));
	ck_assert(!gm_check_range(memory, PAGE, UINT64_MAX, GM_ACCESS_READ));
	ck_assert(!gm_check_range(memory, 5 * PAGE, UINT64_MAX - 5 * PAGE + 2, GM_ACCESS_READ));
	ck_assert(gm_checked_offset(memory, PAGE, 4 * PAGE, &out));
	ck_assert_uint_eq(out, 5 * PAGE);
	ck_assert(!gm_checked_offset(memory, PAGE, 3 * PAGE, &out));
	ck_assert(!gm_checked_offset(memory, 5 * PAGE, UINT64_MAX - PAGE, &out));
	gm_memory_put(memory);
}
END_TEST

START_TEST(one_slice_never_crosses)
{
	struct gm_memory *memory = make_memory(0, PAGE, PAGE, PAGE);
	struct gm_slice slice;
	void *host = NULL;

	ck_assert_int_eq(gm_get_slice(memory, 10, PAGE - 10, GM_ACCESS_RW, &slice), 0);
	ck_assert_uint_eq(slice.len, PAGE - 10);
	ck_assert_ptr_eq(slice.host, (uint8_t *)gm_region_host(gm_memory_region(memory, 0)) + 10);
	ck_assert_uint_eq(slice.dirty_offset, 10);
	ck_assert_int_eq(gm_get_slice(memory, 10, PAGE - 9, GM_ACCESS_READ, &slice),
			 GM_ERR_INVALID_BACKEND);
	ck_assert_int_eq(gm_get_slice(memory, 10, UINT64_MAX, GM_ACCESS_READ, &slice),
			 GM_ERR_INVALID_BACKEND);
	ck_assert_int_eq(gm_get_slice(memory, 2 * PAGE - 1, 0, GM_ACCESS_READ, &slice), 0);
	ck_assert_int_eq(gm_get_slice(memory, 2 * PAGE, 0, GM_ACCESS_READ, &slice),
			 GM_ERR_INVALID_ADDRESS);
	ck_assert_int_eq(gm_get_host_address(memory, PAGE, GM_ACCESS_READ, &host), 0);
	ck_assert_ptr_eq(host, gm_region_host(gm_memory_region(memory, 1)));
	ck_assert_int_eq(gm_get_host_address(memory, 2 * PAGE, GM_ACCESS_READ, &host),
			 GM_ERR_INVALID_ADDRESS);
	gm_memory_put(memory);
}
END_TEST

START_TEST(insert_shares_regions)
{
	struct gm_memory *old = make_memory(0, PAGE, 4 * PAGE, PAGE), *new;
	struct gm_region *middle = make_region(PAGE, PAGE);
	struct gm_region *overlapping = make_region(4 * PAGE - 1, 2);
	uint32_t value = 0x12345678;

	ck_assert_int_eq(gm_memory_insert(old, overlapping, &new), GM_ERR_OVERLAP);
	ck_assert_ptr_null(new);
	gm_region_put(overlapping);
	ck_assert_int_eq(gm_memory_insert(old, middle, &new), 0);
	gm_region_put(middle);
	ck_assert_uint_eq(gm_memory_count(old), 2);
	ck_assert_uint_eq(gm_memory_count(new), 3);
	ck_assert_ptr_eq(gm_memory_region(new, 0), gm_memory_region(old, 0));
	ck_assert_ptr_eq(gm_memory_region(new, 1), middle);
	ck_assert_ptr_eq(gm_memory_region(new, 2), gm_memory_region(old, 1));

	/* Both stay usable, and see the same bytes. */
	ck_assert_int_eq(gm_write_exact(new, PAGE - 2, &value, 4, NULL), 0);
	ck_assert_int_eq(gm_read_exact(old, PAGE - 2, &value, 4, NULL), GM_ERR_PARTIAL);
	gm_memory_put(old);
	value = 0;
	ck_assert_int_eq(gm_read_exact(new, PAGE - 2, &value, 4, NULL), 0);
	ck_assert_uint_eq(value, 0x12345678);
	gm_memory_put(new);
}
END_TEST

START_TEST(remove_wants_the_exact_region)
{
	struct gm_memory *memory = make_memory(0, PAGE, PAGE, PAGE), *rest, *empty;
	struct gm_region *removed = NULL;

	ck_assert_int_eq(gm_memory_remove(memory, 0, 2 * PAGE, &rest, &removed),
			 GM_ERR_INVALID_REGION);
	ck_assert_int_eq(gm_memory_remove(memory, 1, PAGE - 1, &rest, &removed),
			 GM_ERR_INVALID_REGION);
	ck_assert_int_eq(gm_memory_remove(memory, 9 * PAGE, PAGE, &rest, &removed),
			 GM_ERR_INVALID_REGION);
	ck_assert_ptr_null(removed);
	ck_assert_int_eq(gm_memory_remove(memory, 0, PAGE, &rest, &removed), 0);
	ck_assert_uint_eq(gm_region_start(removed), 0);
	ck_assert_uint_eq(gm_memory_count(rest), 1);
	ck_assert(!gm_address_in_range(rest, 0));
	ck_assert(gm_address_in_range(memory, 0));
	gm_memory_put(memory);

	/* The reference that was handed out keeps it mapped. */
	*(uint8_t *)gm_region_host(removed) = 1;
	gm_region_put(removed);
	ck_assert_int_eq(gm_memory_remove(rest, PAGE, PAGE, &empty, NULL), 0);
	ck_assert_uint_eq(gm_memory_count(empty), 0);
	ck_assert_uint_eq(gm_memory_last(empty), 0);
	ck_assert(!gm_address_in_range(empty, 0));
	ck_assert(!gm_address_in_range(empty, PAGE));
	ck_assert(gm_check_range(empty, PAGE, 0, GM_ACCESS_READ));
	gm_memory_put(rest);
	gm_memory_put(empty);
}
END_TEST

START_TEST(every_error_has_a_name_and_a_sentence)
{
	for (int err = GM_ERR_LAST; err <= 0; err++) {
		ck_assert_str_ne(gm_error_name(err), "unknown");
		ck_assert_str_ne(gm_strerror(err), "unknown error");
		for (int other = GM_ERR_LAST; other < err; other++)
			ck_assert_str_ne(gm_error_name(err), gm_error_name(other));
	}
	ck_assert_str_eq(gm_error_name(GM_ERR_LAST - 1), "unknown");
	ck_assert_str_eq(gm_error_name(1), "unknown");
	ck_assert_str_eq(gm_strerror(INT32_MIN), "unknown error");
}
END_TEST

Suite *memory_suite(void)
{
	Suite *suite = suite_create("memory");
	TCase *tcase = tcase_create("memory");

	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, refuses_by_name_and_index);
	tcase_add_test(tcase, a_failure_leaves_nothing_behind);
	tcase_add_test(tcase, ranges_with_files);
	tcase_add_test(tcase, look_up_in_nasty_layouts);
	tcase_add_test(tcase, look_up_in_random_layouts);
	tcase_add_test(tcase, look_up_among_5000_regions);
	tcase_add_test(tcase, checks_ranges_and_offsets);
	tcase_add_test(tcase, one_slice_never_crosses);
	tcase_add_test(tcase, insert_shares_regions);
	tcase_add_test(tcase, remove_wants_the_exact_region);
	tcase_add_test(tcase, every_error_has_a_name_and_a_sentence);
	suite_add_tcase(suite, tcase);
	return suite;
}
