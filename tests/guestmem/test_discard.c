/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Memory that is given back: it is zero, it has left the host, and nothing beside it has changed. */
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "tests/guestmem/fixture.h"
#include "tests/guestmem/suites.h"

#define START 0x10000ULL
#define PAGES 16ULL

static struct gm_memory *make(const struct gm_region_config *configs, size_t count)
{
	struct gm_memory *memory;

	ck_assert_int_eq(gm_memory_from_configs(configs, count, &memory, NULL), 0);
	return memory;
}

static void fill(const struct gm_memory *memory, gm_addr addr, uint64_t len)
{
	static uint8_t bytes[PAGES * PAGE];

	memset(bytes, 0x5a, sizeof(bytes));
	ck_assert_int_eq(gm_write_exact(memory, addr, bytes, len, NULL), 0);
}

/* The first byte in [addr, addr + len) that is not @value, or the end. */
static gm_addr first_other(const struct gm_memory *memory, gm_addr addr, uint64_t len, uint8_t value)
{
	static uint8_t bytes[PAGES * PAGE];
	uint64_t i = 0;

	ck_assert_int_eq(gm_read_exact(memory, addr, bytes, len, NULL), 0);
	while (i < len && bytes[i] == value)
		i++;
	return addr + i;
}

#define ASSERT_ALL(memory, from, to, value) \
	ck_assert_uint_eq(first_other(memory, from, (to) - (from), value), to)

/* Pages of the host's memory behind a region. */
static uint64_t pages_held(const struct gm_region *region)
{
	unsigned char held[PAGES];
	uint64_t count = 0;
	struct stat st;

	if (gm_region_fd(region) >= 0) {
		ck_assert_int_eq(fstat(gm_region_fd(region), &st), 0);
		return (uint64_t)st.st_blocks * 512 / PAGE;
	}
	ck_assert_int_eq(mincore(gm_region_host(region), gm_region_size(region), held), 0);
	for (uint64_t i = 0; i < gm_region_size(region) / PAGE; i++)
		count += held[i] & 1;
	return count;
}

static const enum gm_backing backings[] = {GM_BACKING_ANON, GM_BACKING_MEMFD, GM_BACKING_FILE};

START_TEST(leaves_the_host)
{
	struct gm_region_config config = {
		.start = START,
		.size = PAGES * PAGE,
		.backing = backings[_i],
		.flags = GM_REGION_NO_THP,
		.dirty_page = PAGE,
		.fd = -1,
	};
	struct gm_memory *memory;
	struct gm_region *region;
	uint64_t given, before;

	if (config.backing == GM_BACKING_FILE)
		config.fd = make_file(PAGES * PAGE);
	memory = make(&config, 1);
	region = gm_memory_region(memory, 0);
	fill(memory, START, PAGES * PAGE);
	before = pages_held(region);
	ck_assert_uint_ge(before, PAGES);
	gm_bitmap_reset(gm_region_dirty(region));
	ck_assert_int_eq(gm_discard(memory, START + 3 * PAGE, 5 * PAGE, &given), 0);
	ck_assert_uint_eq(given, 5 * PAGE);
	/* Before it is looked at, which brings pages back. */
	ck_assert_uint_eq(pages_held(region), before - 5);
	for (uint64_t i = 0; i < PAGES; i++)
		ck_assert_int_eq(gm_bitmap_dirty_at(gm_region_dirty(region), i * PAGE),
				 i >= 3 && i < 8);
	ASSERT_ALL(memory, START, START + 3 * PAGE, 0x5a);
	ASSERT_ALL(memory, START + 3 * PAGE, START + 8 * PAGE, 0);
	ASSERT_ALL(memory, START + 8 * PAGE, START + PAGES * PAGE, 0x5a);
	/* And again: there is nothing against giving back what is not there. */
	ck_assert_int_eq(gm_discard(memory, START, PAGES * PAGE, NULL), 0);
	ASSERT_ALL(memory, START, START + PAGES * PAGE, 0);
	gm_memory_put(memory);
}
END_TEST

START_TEST(only_whole_pages)
{
	struct gm_memory *memory = make_memory(START, PAGES * PAGE);
	uint64_t given = 99;

	fill(memory, START, PAGES * PAGE);
	ck_assert_int_eq(gm_discard(memory, START + 1, 2 * PAGE - 1, &given), 0);
	ck_assert_uint_eq(given, PAGE);
	ASSERT_ALL(memory, START, START + PAGE, 0x5a);
	ASSERT_ALL(memory, START + PAGE, START + 2 * PAGE, 0);
	ck_assert_int_eq(gm_discard(memory, START + 4 * PAGE + 1, 2 * PAGE - 2, &given), 0);
	ck_assert_uint_eq(given, 0);
	ck_assert_int_eq(gm_discard(memory, START + 4 * PAGE, PAGE - 1, &given), 0);
	ck_assert_uint_eq(given, 0);
	ck_assert_int_eq(gm_discard(memory, START + 4 * PAGE, 0, &given), 0);
	ASSERT_ALL(memory, START + 2 * PAGE, START + PAGES * PAGE, 0x5a);
	gm_memory_put(memory);
}
END_TEST

/* A boundary inside a page of the guest: each region has pages of its own, whole ones are given. */
START_TEST(across_regions)
{
	uint64_t cut = START + 2 * PAGE + 100;
	struct gm_memory *memory =
		make_memory(START, cut - START, cut, 3 * PAGE, cut + 3 * PAGE, 4 * PAGE);
	uint64_t given;

	fill(memory, START, 9 * PAGE);
	ck_assert_int_eq(gm_discard(memory, START + PAGE, 6 * PAGE, &given), 0);
	/* One of the first, three of the second, one of the third: its mapping begins at the cut. */
	ck_assert_uint_eq(given, 5 * PAGE);
	ASSERT_ALL(memory, START, START + PAGE, 0x5a);
	ASSERT_ALL(memory, START + PAGE, START + 2 * PAGE, 0);
	ASSERT_ALL(memory, START + 2 * PAGE, cut, 0x5a);
	ASSERT_ALL(memory, cut, cut + 4 * PAGE, 0);
	ASSERT_ALL(memory, cut + 4 * PAGE, START + 9 * PAGE, 0x5a);
	gm_memory_put(memory);
}
END_TEST

START_TEST(refuses_by_name)
{
	static uint8_t zeros[PAGE];
	struct gm_region_config configs[] = {
		{.start = START, .size = 4 * PAGE},
		{.start = START + 4 * PAGE, .size = PAGE, .flags = GM_REGION_READ_ONLY},
		{.start = START + 8 * PAGE, .size = PAGE},
	};
	struct gm_memory *memory = make(configs, 3), *translated;
	struct gm_iotlb *iotlb;
	uint64_t given = 99;

	fill(memory, START, 4 * PAGE);
	ck_assert_int_eq(gm_discard(memory, START, 5 * PAGE, &given), GM_ERR_READ_ONLY);
	ck_assert_uint_eq(given, 0);
	ck_assert_int_eq(gm_discard(memory, START + 3 * PAGE, 6 * PAGE, NULL),
			 GM_ERR_INVALID_ADDRESS);
	ck_assert_int_eq(gm_discard(memory, 0, PAGE, NULL), GM_ERR_INVALID_ADDRESS);
	ck_assert_int_eq(gm_discard(memory, START, UINT64_MAX, NULL), GM_ERR_ADDRESS_OVERFLOW);
	ck_assert_int_eq(gm_iotlb_new(&iotlb), 0);
	ck_assert_int_eq(
		gm_memory_new_translated(memory, gm_iotlb_iommu(iotlb), true, 0, 0, &translated), 0);
	ck_assert_int_eq(gm_discard(translated, START, PAGE, NULL), GM_ERR_INVALID_ARGUMENT);
	/* Nothing has happened. */
	ASSERT_ALL(memory, START, START + 4 * PAGE, 0x5a);
	ck_assert_int_eq(gm_read_exact(memory, START + 4 * PAGE, zeros, PAGE, NULL), 0);
	/* Off, its addresses are the backend's. */
	gm_memory_set_iommu_enabled(translated, false);
	ck_assert_int_eq(gm_discard(translated, START, PAGE, &given), 0);
	ck_assert_uint_eq(given, PAGE);
	gm_memory_put(translated);
	gm_iotlb_put(iotlb);
	gm_memory_put(memory);
}
END_TEST

/* What is not the library's to give stays as it is. */
START_TEST(leaves_alone)
{
	uint8_t *own =
		mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = make_file(2 * PAGE);
	struct gm_region_config configs[] = {
		{.start = START, .size = 2 * PAGE, .backing = GM_BACKING_FOREIGN, .host = own},
		{.start = START + 2 * PAGE,
		 .size = 2 * PAGE,
		 .backing = GM_BACKING_FILE,
		 .flags = GM_REGION_PRIVATE,
		 .fd = fd},
		{.start = START + 4 * PAGE, .size = PAGE},
	};
	struct gm_memory *memory = make(configs, 3);
	uint64_t given;

	fill(memory, START, 5 * PAGE);
	ck_assert_int_eq(gm_discard(memory, START, 5 * PAGE, &given), 0);
	ck_assert_uint_eq(given, PAGE);
	ASSERT_ALL(memory, START, START + 4 * PAGE, 0x5a);
	ASSERT_ALL(memory, START + 4 * PAGE, START + 5 * PAGE, 0);
	gm_memory_put(memory);
	munmap(own, 2 * PAGE);
}
END_TEST

#define ASSERT_PAGE(memory, at, from, to)                      \
	do {                                                   \
		struct gm_range page_;                         \
                                                               \
		ck_assert(gm_host_page(memory, at, &page_));   \
		ck_assert_uint_eq(page_.addr, from);           \
		ck_assert_uint_eq(page_.addr + page_.len, to); \
	} while (0)

/* A page of the host as the guest sees it: from where its mapping has it, as far as the region goes. */
START_TEST(host_pages)
{
	uint64_t cut = START + 2 * PAGE + 100;
	struct gm_memory *memory = make_memory(START, cut - START, cut, 3 * PAGE), *translated;
	struct gm_range page = {1, 2};
	struct gm_iotlb *iotlb;

	ASSERT_PAGE(memory, START, START, START + PAGE);
	ASSERT_PAGE(memory, START + PAGE + 1, START + PAGE, START + 2 * PAGE);
	ASSERT_PAGE(memory, START + 2 * PAGE, START + 2 * PAGE, cut);
	ASSERT_PAGE(memory, cut - 1, START + 2 * PAGE, cut);
	ASSERT_PAGE(memory, cut, cut, cut + PAGE);
	ASSERT_PAGE(memory, START + 4 * PAGE, cut + PAGE, cut + 2 * PAGE);
	ASSERT_PAGE(memory, cut + 3 * PAGE - 1, cut + 2 * PAGE, cut + 3 * PAGE);
	ck_assert(!gm_host_page(memory, START - 1, &page));
	ck_assert(!gm_host_page(memory, cut + 3 * PAGE, &page));
	ck_assert_int_eq(gm_iotlb_new(&iotlb), 0);
	ck_assert_int_eq(
		gm_memory_new_translated(memory, gm_iotlb_iommu(iotlb), true, 0, 0, &translated), 0);
	ck_assert(!gm_host_page(translated, START, &page));
	ck_assert_uint_eq(page.addr, 1);
	ck_assert_uint_eq(page.len, 2);
	gm_memory_set_iommu_enabled(translated, false);
	ASSERT_PAGE(translated, cut, cut, cut + PAGE);
	gm_memory_put(translated);
	gm_iotlb_put(iotlb);
	gm_memory_put(memory);
}
END_TEST

/* A mapping that begins in the middle of a page: the caller's own pointer. */
START_TEST(host_pages_of_a_foreign_mapping)
{
	static uint8_t bytes[4 * PAGE] __attribute__((aligned(4096)));
	struct gm_region_config config = {.start = START,
					  .size = 2 * PAGE,
					  .backing = GM_BACKING_FOREIGN,
					  .host = bytes + 1000};
	struct gm_memory *memory = make(&config, 1);

	ASSERT_PAGE(memory, START, START, START + PAGE - 1000);
	ASSERT_PAGE(memory, START + PAGE, START + PAGE - 1000, START + 2 * PAGE - 1000);
	ASSERT_PAGE(memory, START + 2 * PAGE - 1, START + 2 * PAGE - 1000, START + 2 * PAGE);
	gm_memory_put(memory);
}
END_TEST

Suite *discard_suite(void)
{
	Suite *suite = suite_create("discard");
	TCase *tc = tcase_create("discard");

	tcase_add_loop_test(tc, leaves_the_host, 0, ARRAY_LEN(backings));
	tcase_add_test(tc, only_whole_pages);
	tcase_add_test(tc, across_regions);
	tcase_add_test(tc, refuses_by_name);
	tcase_add_test(tc, leaves_alone);
	tcase_add_test(tc, host_pages);
	tcase_add_test(tc, host_pages_of_a_foreign_mapping);
	suite_add_tcase(suite, tc);
	return suite;
}
