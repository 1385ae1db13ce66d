/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Where the balloon's pages go: out of the host's memory, whatever is behind them and however it is
 * cut, and never a byte of a page that the driver did not give.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/devices/balloon.h"
#include "tests/devices/suites.h"

static struct harness harness;
static struct harness *const h = &harness;

#define HUGE UINT64_C(0x200000)

static const enum gm_backing backings[] = {GM_BACKING_ANON, GM_BACKING_MEMFD, GM_BACKING_FILE};

#define BACKINGS (sizeof(backings) / sizeof(*backings))

static int make_file(uint64_t size)
{
	char path[] = "/tmp/test-balloon-XXXXXX";
	int fd = mkstemp(path);

	ck_assert_int_ge(fd, 0);
	unlink(path);
	ck_assert_int_eq(ftruncate(fd, (off_t)size), 0);
	return fd;
}

static struct gm_region_config region(gm_addr start, uint64_t size, enum gm_backing backing)
{
	return (struct gm_region_config){
		.start = start,
		.size = size,
		.backing = backing,
		.flags = GM_REGION_NO_THP,
		.dirty_page = 4096,
		.fd = backing == GM_BACKING_FILE ? make_file(size) : -1,
	};
}

/* Start on memory of these regions, whose files are closed here. */
static void start(struct gm_region_config *configs, size_t count, uint64_t features)
{
	struct gm_memory *memory;

	ck_assert_int_eq(gm_memory_from_configs(configs, count, &memory, NULL), 0);
	for (size_t i = 0; i < count; i++) {
		if (configs[i].fd >= 0)
			close(configs[i].fd);
	}
	harness_new_on(h, memory, type_named("balloon"), NULL);
	driver_start(h, features);
}

/* Rings and requests in the first part, the pool in one region of @backing. */
static const struct gm_region *start_on(enum gm_backing backing, uint64_t features)
{
	struct gm_region_config configs[] = {
		region(RAM_BASE, POOL - RAM_BASE, GM_BACKING_ANON),
		region(POOL, RAM_END - POOL, backing),
	};

	start(configs, 2, features);
	mem_fill(h, POOL, 0x5a, RAM_END - POOL);
	return gm_memory_region(h->memory, 1);
}

static uint64_t blocks(const struct gm_region *region)
{
	struct stat st;

	ck_assert_int_eq(fstat(gm_region_fd(region), &st), 0);
	return (uint64_t)st.st_blocks * 512;
}

START_TEST(leaves_the_host)
{
	const struct gm_region *pool = start_on(backings[_i], MUST_TELL | REPORTING);
	const struct buffer reported = {POOL + 100 * BALLOON_PAGE, 50 * 4096, true};

	ck_assert_uint_eq(region_pages_held(pool), POOL_PAGES);
	balloon_send_run(h, INFLATE, 10, 30);
	ck_assert_uint_eq(region_pages_held(pool), POOL_PAGES - 30);
	balloon_offer(h, REPORTS, &reported, 1);
	ck_assert_uint_eq(region_pages_held(pool), POOL_PAGES - 80);
	if (gm_region_fd(pool) >= 0) {
		ck_assert_uint_lt(blocks(pool), POOL_PAGES * BALLOON_PAGE);
		ck_assert_int_eq(lseek(gm_region_fd(pool), 0, SEEK_HOLE), 10 * BALLOON_PAGE);
		ck_assert_int_eq(lseek(gm_region_fd(pool), 10 * BALLOON_PAGE, SEEK_DATA),
				 40 * BALLOON_PAGE);
	}
	/* Given again, it is memory again. */
	balloon_send_run(h, DEFLATE, 10, 30);
	mem_fill(h, POOL + 10 * BALLOON_PAGE, 0x11, 30 * BALLOON_PAGE);
	ck_assert_uint_ge(region_pages_held(pool), POOL_PAGES - 50);
	/* What changed without a write of anybody's is dirty. */
	gm_bitmap_reset(gm_region_dirty(pool));
	balloon_send_run(h, INFLATE, 3, 1);
	for (uint64_t i = 0; i < POOL_PAGES; i++)
		ck_assert_int_eq(gm_bitmap_dirty_at(gm_region_dirty(pool), i * 4096), i == 3);
	harness_free(h);
}
END_TEST

/* What the host cannot have back is taken note of, and stays. */
START_TEST(a_private_file_stays)
{
	struct gm_region_config configs[] = {
		region(RAM_BASE, POOL - RAM_BASE, GM_BACKING_ANON),
		region(POOL, RAM_END - POOL, GM_BACKING_FILE),
	};

	configs[1].flags |= GM_REGION_PRIVATE;
	start(configs, 2, MUST_TELL);
	mem_fill(h, POOL, 0x5a, RAM_END - POOL);
	balloon_send_run(h, INFLATE, 0, 4);
	ck_assert_uint_eq(balloon_state(h).held, 4 * BALLOON_PAGE);
	ck_assert_uint_eq(balloon_state(h).inflated, 0);
	ck_assert_uint_eq(mem_byte(h, POOL), 0x5a);
	ck_assert_uint_eq(balloon_errors(h), 0);
	harness_free(h);
}
END_TEST

/* A page of hugetlbfs goes when the last of its 512 pages has come. */
START_TEST(huge_pages)
{
	struct gm_region_config configs[] = {
		region(RAM_BASE, RAM_SIZE, GM_BACKING_ANON),
		region(HUGE, 2 * HUGE, GM_BACKING_MEMFD),
	};
	const struct gm_region *huge;
	struct gm_memory *memory;

	configs[1].flags |= GM_REGION_HUGETLB;
	if (gm_memory_from_configs(configs, 2, &memory, NULL))
		TEST_SKIP("the host has no 2 free huge pages");
	harness_new_on(h, memory, type_named("balloon"), NULL);
	driver_start(h, MUST_TELL);
	huge = gm_memory_region(memory, 1);
	mem_fill(h, HUGE, 0x5a, 2 * HUGE);
	ck_assert_uint_eq(blocks(huge), 2 * HUGE);
	/* From both ends to the middle of the second one. */
	for (uint32_t i = 0; i < 256; i++) {
		const uint32_t pages[] = {1024 + i, 1535 - i};

		ck_assert_uint_eq(blocks(huge), 2 * HUGE);
		ck_assert_uint_eq(mem_byte(h, 2 * HUGE + i * 4096ULL), 0x5a);
		balloon_send(h, INFLATE, pages, 2);
	}
	ck_assert_uint_eq(blocks(huge), HUGE);
	ck_assert_uint_eq(balloon_state(h).inflated, HUGE);
	ck_assert_uint_eq(mem_byte(h, HUGE), 0x5a);
	ck_assert_uint_eq(mem_byte(h, 2 * HUGE - 1), 0x5a);
	/* One page comes out, so that a neighbour that goes in again takes nothing with it. */
	balloon_send(h, DEFLATE, (const uint32_t[]){1024}, 1);
	mem_fill(h, 2 * HUGE, 0x77, 4096);
	balloon_send(h, INFLATE, (const uint32_t[]){1025}, 1);
	ck_assert_uint_eq(mem_byte(h, 2 * HUGE), 0x77);
	harness_free(h);
}
END_TEST

/* --- pages that are cut ---------------------------------------------------------------------- */

/* Two regions, the second of which has its pages of the host @offset behind those of the guest. */
static const struct gm_region *start_cut(uint64_t offset, uint64_t features)
{
	const gm_addr cut = POOL + 8 * BALLOON_PAGE + offset;
	struct gm_region_config configs[] = {
		region(RAM_BASE, cut - RAM_BASE, GM_BACKING_ANON),
		region(cut, RAM_END - cut, GM_BACKING_MEMFD),
	};

	start(configs, 2, features);
	mem_fill(h, POOL, 0x5a, RAM_END - POOL);
	return gm_memory_region(h->memory, 1);
}

/* A page of the host that two pages of the guest share goes when both are given. */
START_TEST(shared_pages_go_with_the_second)
{
	const struct gm_region *cut = start_cut(100, MUST_TELL);
	uint64_t before = region_pages_held(cut);

	balloon_send_run(h, INFLATE, 20, 1);
	ck_assert_uint_eq(region_pages_held(cut), before);
	ck_assert_uint_eq(balloon_state(h).inflated, 0);
	balloon_send_run(h, INFLATE, 21, 1);
	ck_assert_uint_eq(region_pages_held(cut), before - 1);
	balloon_send_run(h, INFLATE, 19, 1);
	ck_assert_uint_eq(region_pages_held(cut), before - 2);
	ck_assert_uint_eq(balloon_state(h).inflated, 2 * BALLOON_PAGE);
	/* The page with the boundary in it, and the one behind it. */
	balloon_send_run(h, INFLATE, 8, 2);
	ck_assert_uint_eq(region_pages_held(cut), before - 3);
	/* Not what a page that came out again shares. */
	balloon_send_run(h, DEFLATE, 20, 1);
	mem_fill(h, POOL + 20 * BALLOON_PAGE, 0x77, BALLOON_PAGE);
	balloon_send_run(h, INFLATE, 19, 1);
	balloon_send_run(h, INFLATE, 21, 1);
	for (unsigned int i = 0; i < BALLOON_PAGE; i++)
		ck_assert_uint_eq(mem_byte(h, POOL + 20 * BALLOON_PAGE + i), 0x77);
	harness_free(h);
}
END_TEST

/* A driver that need not tell may use a page of the balloon already: only one request counts. */
START_TEST(shared_pages_without_being_told)
{
	const struct gm_region *cut = start_cut(100, 0);
	uint64_t before = region_pages_held(cut);

	balloon_send_run(h, INFLATE, 20, 1);
	mem_fill(h, POOL + 20 * BALLOON_PAGE, 0x77, BALLOON_PAGE);
	balloon_send_run(h, INFLATE, 21, 1);
	for (unsigned int i = 0; i < BALLOON_PAGE; i++)
		ck_assert_uint_eq(mem_byte(h, POOL + 20 * BALLOON_PAGE + i), 0x77);
	ck_assert_uint_eq(region_pages_held(cut), before);
	balloon_send_run(h, INFLATE, 30, 2);
	ck_assert_uint_eq(region_pages_held(cut), before - 1);
	harness_free(h);
}
END_TEST

/* --- anything, on any memory ----------------------------------------------------------------- */

#define ROUNDS 24
#define STEPS  60

static struct test_random rng;
static uint8_t model[POOL_PAGES]; /* what each page is full of; 0: it is in the balloon */

/* RAM cut at random, each piece on a backing of its own. */
static void start_random(unsigned int round, uint64_t features)
{
	struct cutting cutting = cutting_random(&rng, round % 2);
	struct gm_region_config *configs = calloc(cutting.count, sizeof(*configs));
	gm_addr at = RAM_BASE;

	ck_assert_ptr_nonnull(configs);
	for (size_t i = 0; i < cutting.count; i++) {
		configs[i] =
			region(at, cutting.sizes[i], backings[test_random_below(&rng, BACKINGS)]);
		at += cutting.sizes[i];
	}
	start(configs, cutting.count, features);
	free(configs);
	cutting_free(&cutting);
}

static void use_page(unsigned int page)
{
	model[page] = (uint8_t)(1 + test_random_below(&rng, 255));
	mem_fill(h, POOL + page * BALLOON_PAGE, model[page], BALLOON_PAGE);
}

/* Up to @most pages in any order, all in the balloon or (not @in) all the driver's. */
static size_t draw(uint32_t *pages, size_t most, bool in)
{
	size_t count = 0, wanted = 1 + test_random_below(&rng, most);
	uint64_t at = test_random_below(&rng, POOL_PAGES);

	for (unsigned int i = 0; i < 4 * most && count < wanted; i++) {
		/* Often its neighbour. */
		at = test_random_below(&rng, 3) ? at + 1 : test_random_below(&rng, POOL_PAGES);
		at %= POOL_PAGES;
		if (in != !model[at])
			continue;
		/* Each once. */
		for (size_t k = 0; k <= count; k++) {
			if (k == count) {
				pages[count++] = pool_page(at);
				break;
			}
			if (pages[k] == pool_page(at))
				break;
		}
	}
	return count;
}

static void inflate_some(void)
{
	uint32_t pages[40];
	size_t count = draw(pages, 40, false);

	balloon_send(h, INFLATE, pages, count);
	for (size_t i = 0; i < count; i++)
		model[pages[i] - pool_page(0)] = 0;
}

/* A driver that need not tell uses them first. */
static void deflate_some(bool must_tell)
{
	uint32_t pages[40];
	size_t count = draw(pages, 40, true);

	for (size_t i = 0; i < count && !must_tell; i++)
		use_page(pages[i] - pool_page(0));
	balloon_send(h, DEFLATE, pages, count);
	for (size_t i = 0; i < count && must_tell; i++)
		use_page(pages[i] - pool_page(0));
}

static void report_some(void)
{
	uint32_t pages[12];
	size_t count = draw(pages, 12, false);
	struct buffer chain[12];

	for (size_t i = 0; i < count; i++)
		chain[i] = (struct buffer){pages[i] * BALLOON_PAGE, 4096, true};
	if (count)
		balloon_offer(h, REPORTS, chain, (unsigned int)count);
	for (size_t i = 0; i < count; i++)
		use_page(pages[i] - pool_page(0));
}

/* What the driver has, it has unchanged. */
static void check_model(unsigned int round)
{
	uint8_t got[BALLOON_PAGE];
	uint64_t held = 0;

	for (unsigned int i = 0; i < POOL_PAGES; i++) {
		bool same = true;

		held += !model[i];
		if (!model[i])
			continue;
		mem_read(h, POOL + i * BALLOON_PAGE, got, sizeof(got));
		for (unsigned int k = 0; k < BALLOON_PAGE; k++)
			same = same && got[k] == model[i];
		ck_assert_msg(same, "TEST_SEED=%#llx round %u: page %u of the pool has changed",
			      (unsigned long long)test_seed(), round, i);
	}
	ck_assert_uint_eq(balloon_state(h).held, held * BALLOON_PAGE);
}

/* Take all pages in the order they come out of a hat, @each in a request. */
static void inflate_all(size_t each)
{
	uint32_t pages[POOL_PAGES];

	for (unsigned int i = 0; i < POOL_PAGES; i++)
		pages[i] = pool_page(i);
	for (unsigned int i = POOL_PAGES - 1; i > 0; i--) {
		uint64_t k = test_random_below(&rng, i + 1);
		uint32_t page = pages[i];

		pages[i] = pages[k];
		pages[k] = page;
	}
	for (size_t i = 0; i < POOL_PAGES; i += each)
		balloon_send(h, INFLATE, pages + i, POOL_PAGES - i < each ? POOL_PAGES - i : each);
}

/* When all of it is in the balloon, nothing is left but the ends of pages regions end in. */
static void check_all_gone(unsigned int round)
{
	for (size_t i = 0; i < gm_memory_count(h->memory); i++) {
		const struct gm_region *region = gm_memory_region(h->memory, i);

		if (gm_region_start(region) < POOL)
			continue;
		ck_assert_msg(region_pages_held(region) <= (gm_region_size(region) % 4096 > 0),
			      "TEST_SEED=%#llx round %u: %llu pages of region %zu are still there",
			      (unsigned long long)test_seed(), round,
			      (unsigned long long)region_pages_held(region), i);
	}
}

static void play(unsigned int round)
{
	bool must_tell = round / 2 % 2;

	start_random(round, REPORTING | (must_tell ? MUST_TELL : 0));
	for (unsigned int i = 0; i < POOL_PAGES; i++)
		use_page(i);
	for (unsigned int step = 0; step < STEPS; step++) {
		switch (test_random_below(&rng, 4)) {
		case 0: deflate_some(must_tell); break;
		case 1: report_some(); break;
		default: inflate_some(); break;
		}
		check_model(round);
	}
	balloon_send_run(h, DEFLATE, 0, POOL_PAGES);
	for (unsigned int i = 0; i < POOL_PAGES; i++)
		use_page(i);
	inflate_all(must_tell ? 1 + test_random_below(&rng, 20) : POOL_PAGES);
	check_all_gone(round);
	harness_free(h);
}

START_TEST(only_what_was_given_and_all_of_it)
{
	for (unsigned int round = 0; round < ROUNDS; round++) {
		rng = test_random_new(round);
		play(round);
	}
}
END_TEST

static void add_tests(TCase *tc)
{
	tcase_set_timeout(tc, 300);
	tcase_add_loop_test(tc, leaves_the_host, 0, BACKINGS);
	tcase_add_test(tc, a_private_file_stays);
	tcase_add_test(tc, huge_pages);
	tcase_add_test(tc, shared_pages_go_with_the_second);
	tcase_add_test(tc, shared_pages_without_being_told);
	tcase_add_test(tc, only_what_was_given_and_all_of_it);
}

Suite *balloon_memory_suite(void)
{
	Suite *suite = suite_create("balloon-memory");
	TCase *tc = tcase_create("balloon-memory");

	add_tests(tc);
	suite_add_tcase(suite, tc);
	tc = tcase_create("balloon-memory on packed rings");
	tcase_add_checked_fixture(tc, driver_use_packed, driver_use_split);
	add_tests(tc);
	suite_add_tcase(suite, tc);
	return suite;
}
