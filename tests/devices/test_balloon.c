/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The balloon: pages that go in and out, what is no page, requests of any size and shape, reports
 * and page poison, its configuration. Where the memory goes is test_balloon_memory.c's, what the
 * driver tells about its memory test_balloon_tells.c's.
 */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/devices/balloon.h"
#include "tests/devices/suites.h"

static struct harness harness;
static struct harness *const h = &harness;

#define ALL (MUST_TELL | STATS_VQ | HINT | POISON | REPORTING)

static void set_up(void)
{
	struct cutting pages = cutting_every(4096);

	harness_new(h, &pages, type_named("balloon"), "1M", NULL);
	cutting_free(&pages);
	driver_start(h, ALL);
	mem_fill(h, POOL, 0x5a, RAM_END - POOL);
}

static void tear_down(void)
{
	ck_assert(!needs_reset(h));
	harness_free(h);
}

static uint32_t config_read(uint64_t offset)
{
	return reg_read(h, VIRTIO_MMIO_CONFIG + offset);
}

static void config_write(uint64_t offset, uint32_t value)
{
	reg_write(h, VIRTIO_MMIO_CONFIG + offset, value);
}

/* All bytes of pages [first, first + count) of the pool are @byte. */
static void check_pages(uint64_t first, uint64_t count, uint8_t byte)
{
	static uint8_t got[RAM_SIZE];

	mem_read(h, POOL + first * BALLOON_PAGE, got, count * BALLOON_PAGE);
	for (uint64_t i = 0; i < count * BALLOON_PAGE; i++)
		ck_assert_msg(got[i] == byte, "page %llu of the pool, byte %#x: %#x",
			      (unsigned long long)(first + i / BALLOON_PAGE),
			      (unsigned int)(i % BALLOON_PAGE), got[i]);
}

/* --- pages in and out ------------------------------------------------------------------------ */

START_TEST(what_goes_in_leaves)
{
	balloon_send_run(h, INFLATE, 3, 5);
	ck_assert_uint_eq(balloon_state(h).held, 5 * BALLOON_PAGE);
	ck_assert_uint_eq(balloon_state(h).inflated, 5 * BALLOON_PAGE);
	check_pages(0, 3, 0x5a);
	check_pages(3, 5, 0);
	check_pages(8, POOL_PAGES - 8, 0x5a);
	ck_assert_uint_eq(balloon_errors(h), 0);
}
END_TEST

START_TEST(what_comes_out_is_the_drivers)
{
	balloon_send_run(h, INFLATE, 0, 8);
	balloon_send_run(h, DEFLATE, 2, 3);
	ck_assert_uint_eq(balloon_state(h).held, 5 * BALLOON_PAGE);
	mem_fill(h, POOL + 2 * BALLOON_PAGE, 0x77, 3 * BALLOON_PAGE);
	/* Its neighbours once more: they are given back, it is not. */
	balloon_send_run(h, INFLATE, 0, 2);
	balloon_send_run(h, INFLATE, 5, 3);
	check_pages(2, 3, 0x77);
	ck_assert_uint_eq(balloon_state(h).held, 5 * BALLOON_PAGE);
	ck_assert_uint_eq(balloon_errors(h), 0);
}
END_TEST

START_TEST(order_and_repetition_do_not_matter)
{
	const uint32_t pages[] = {pool_page(9), pool_page(2), pool_page(3), pool_page(9),
				  pool_page(1), pool_page(8), pool_page(2)};

	balloon_send(h, INFLATE, pages, 7);
	ck_assert_uint_eq(balloon_state(h).held, 5 * BALLOON_PAGE);
	check_pages(0, 1, 0x5a);
	check_pages(1, 3, 0);
	check_pages(4, 4, 0x5a);
	check_pages(8, 2, 0);
	check_pages(10, 2, 0x5a);
	/* Each is in it once, and comes out once. */
	balloon_send(h, DEFLATE, pages, 7);
	ck_assert_uint_eq(balloon_state(h).held, 0);
	ck_assert_uint_eq(balloon_errors(h), 0);
}
END_TEST

/* Nothing of the host is anywhere near what these numbers say. */
START_TEST(what_is_no_memory_is_ignored)
{
	const uint32_t wrong[] = {0,
				  UINT32_MAX,
				  HOLE / BALLOON_PAGE,
				  RAM_END / BALLOON_PAGE,
				  RAM_BASE / BALLOON_PAGE - 1,
				  ROM_BASE / BALLOON_PAGE,
				  0x80000000};
	int captured = memfd_create("stderr", MFD_CLOEXEC), saved = dup(STDERR_FILENO);
	uint32_t pages[14];
	char text[256] = "";

	for (unsigned int i = 0; i < 7; i++) {
		pages[2 * i] = wrong[i];
		pages[2 * i + 1] = pool_page(2 * i);
	}
	ck_assert_int_ge(dup2(captured, STDERR_FILENO), 0);
	balloon_send(h, INFLATE, pages, 14);
	dup2(saved, STDERR_FILENO);
	/* One request that was wrong, and the rest of it was done. */
	ck_assert_uint_eq(balloon_errors(h), 1);
	ck_assert_uint_eq(balloon_state(h).held, 7 * BALLOON_PAGE);
	for (unsigned int i = 0; i < 14; i++)
		check_pages(i, 1, i % 2 ? 0x5a : 0);
	ck_assert_int_gt(pread(captured, text, sizeof(text) - 1, 0), 0);
	ck_assert_ptr_nonnull(strstr(text, "vmm: virtio-balloon: page 0x0 is not in writable "
					   "memory, ignored\n"));
	balloon_send(h, INFLATE, wrong + 3, 1);
	ck_assert_uint_eq(balloon_errors(h), 2);
	close(captured);
	close(saved);
}
END_TEST

START_TEST(what_is_not_in_it_does_not_come_out)
{
	balloon_send_run(h, INFLATE, 4, 4);
	balloon_send_run(h, DEFLATE, 6, 4);
	ck_assert_uint_eq(balloon_errors(h), 1);
	ck_assert_uint_eq(balloon_state(h).held, 2 * BALLOON_PAGE);
	balloon_send(h, DEFLATE, (const uint32_t[]){UINT32_MAX}, 1);
	ck_assert_uint_eq(balloon_errors(h), 2);
}
END_TEST

/* The numbers themselves lie anywhere: in several buffers, cut inside a word. */
START_TEST(numbers_in_pieces)
{
	const gm_addr at = REQUESTS + 4096 - 6;
	const struct buffer chain[] = {
		{at, 7, false}, {at + 7, 1, false}, {at + 8, 4, false}, {REQUESTS, 64, true}};
	uint32_t pages[3];

	for (unsigned int i = 0; i < 3; i++)
		pages[i] = htole32(pool_page(2 + i));
	mem_write(h, at, pages, sizeof(pages));
	mem_fill(h, REQUESTS, 0x33, 64);
	balloon_offer(h, INFLATE, chain, 4);
	check_pages(0, 2, 0x5a);
	check_pages(2, 3, 0);
	check_pages(5, 1, 0x5a);
	/* What was to be written was not. */
	ck_assert_uint_eq(mem_byte(h, REQUESTS), 0x33);
	ck_assert_uint_eq(balloon_errors(h), 0);
}
END_TEST

START_TEST(part_of_a_number_is_none)
{
	const struct buffer array = {REQUESTS, 7, false}, nothing = {REQUESTS, 0, false};
	const uint32_t pages[] = {htole32(pool_page(1)), htole32(pool_page(2))};

	mem_write(h, REQUESTS, pages, sizeof(pages));
	balloon_offer(h, INFLATE, &array, 1);
	check_pages(1, 1, 0);
	check_pages(2, 1, 0x5a);
	ck_assert_uint_eq(balloon_errors(h), 1);
	balloon_offer(h, INFLATE, &nothing, 1);
	ck_assert_uint_eq(balloon_errors(h), 1);
}
END_TEST

START_TEST(counts_what_it_did)
{
	struct virtio_stats stats;

	balloon_send_run(h, INFLATE, 0, 100);
	balloon_send_run(h, DEFLATE, 0, 10);
	virtio_device_stats(h->dev, &stats);
	ck_assert_uint_eq(stats.requests, 2);
	ck_assert_uint_eq(stats.bytes_read, 440);
	ck_assert_uint_eq(stats.bytes_written, 0);
	ck_assert_uint_eq(stats.errors, 0);
}
END_TEST

/* The next driver knows nothing of what the last one gave. */
START_TEST(reset_empties_it)
{
	balloon_send_run(h, INFLATE, 0, 8);
	config_write(4, 8);
	driver_start(h, ALL);
	ck_assert_uint_eq(balloon_state(h).held, 0);
	ck_assert_uint_eq(balloon_state(h).actual, 0);
	ck_assert_uint_eq(balloon_state(h).target, 1 << 20);
	ck_assert_uint_eq(config_read(4), 0);
	balloon_send_run(h, DEFLATE, 0, 8);
	ck_assert_uint_eq(balloon_errors(h), 1);
	balloon_send_run(h, INFLATE, 0, 8);
	ck_assert_uint_eq(balloon_state(h).held, 8 * BALLOON_PAGE);
}
END_TEST

/* --- requests that take their time ----------------------------------------------------------- */

#define MANY 50000 /* numbers: 200 KiB of buffers that overlap */

/* Put a request of MANY numbers into the inflate queue, of pages 0 and 2 to the last but one. */
static uint16_t offer_many(void)
{
	const uint32_t first[] = {htole32(pool_page(0)), htole32(pool_page(2))};
	struct buffer chain[50];

	for (unsigned int i = 0; i < 1000; i++)
		mem_write(h, REQUESTS + 4ULL * i, &first[i % 2], 4);
	for (unsigned int i = 0; i < 50; i++)
		chain[i] = (struct buffer){REQUESTS, 4000, false};
	return driver_add(h, &h->queues[INFLATE], chain, 50, 0);
}

/* A request of any length holds neither the thread that notifies nor the loop. */
START_TEST(a_long_request_takes_turns)
{
	struct driver_queue *q = &h->queues[INFLATE];
	uint16_t added = offer_many();
	struct virtio_stats stats;
	uint32_t head, len;

	driver_kick(h, q);
	ck_assert(!driver_used(h, q, &head, &len));
	virtio_device_stats(h->dev, &stats);
	ck_assert_uint_gt(stats.bytes_read, 0);
	ck_assert_uint_lt(stats.bytes_read, 4 * MANY / 2);
	/* Other queues are served meanwhile. */
	balloon_send_run(h, DEFLATE, 0, 1);
	harness_run(h);
	driver_await(h, q, &head, &len);
	ck_assert_uint_eq(head, added);
	virtio_device_stats(h->dev, &stats);
	ck_assert_uint_eq(stats.bytes_read, 4 * MANY + 4);
	ck_assert_uint_eq(balloon_state(h).held, 2 * BALLOON_PAGE);
	check_pages(1, 1, 0x5a);
}
END_TEST

/* What waits behind it comes next, in order. */
START_TEST(requests_behind_a_long_one)
{
	struct driver_queue *q = &h->queues[INFLATE];
	const struct buffer array = {REQUESTS + 8192, 4, false};
	const uint32_t page = htole32(pool_page(7));
	uint16_t first = offer_many(), second;
	uint32_t head, len;

	mem_write(h, REQUESTS + 8192, &page, 4);
	second = driver_add(h, q, &array, 1, 0);
	harness_run(h);
	driver_kick(h, q);
	driver_await(h, q, &head, &len);
	ck_assert_uint_eq(head, first);
	driver_await(h, q, &head, &len);
	ck_assert_uint_eq(head, second);
	ck_assert_uint_eq(balloon_state(h).held, 3 * BALLOON_PAGE);
	check_pages(7, 1, 0);
}
END_TEST

START_TEST(resets_end_a_long_request)
{
	struct driver_queue *q = &h->queues[INFLATE];
	uint32_t head, len;

	driver_start(h, ALL | (_i ? FEATURE(VIRTIO_F_RING_RESET) : 0));
	offer_many();
	driver_kick(h, q);
	if (_i) {
		reg_write(h, VIRTIO_MMIO_QUEUE_SEL, INFLATE);
		reg_write(h, 0x0c0, 1);
		driver_clear_rings(h, q);
		driver_set_queue(h, q);
	} else {
		driver_start(h, ALL);
	}
	mem_fill(h, POOL, 0x11, 3 * BALLOON_PAGE);
	harness_run(h);
	harness_settle(h);
	ck_assert(!driver_used(h, q, &head, &len));
	check_pages(0, 3, 0x11);
	balloon_send_run(h, INFLATE, 5, 1);
	check_pages(5, 1, 0);
}
END_TEST

/* --- reports --------------------------------------------------------------------------------- */

#define AT(page) (POOL + (page)*BALLOON_PAGE)

static void report(void)
{
	const struct buffer chain[] = {{AT(2), 8192, true},
				       {AT(4), 4096, true},
				       {AT(9) + 1, 8191, true},
				       {AT(20), 4096, true},
				       {AT(19), 4096, true}};

	balloon_offer(h, REPORTS, chain, 5);
}

START_TEST(reported_pages_leave)
{
	report();
	ck_assert_uint_eq(balloon_state(h).reported, 6 * BALLOON_PAGE);
	ck_assert_uint_eq(balloon_state(h).held, 0);
	check_pages(0, 2, 0x5a);
	check_pages(2, 3, 0);
	/* The rest of a page that is not reported as a whole is the driver's. */
	check_pages(5, 5, 0x5a);
	check_pages(10, 1, 0);
	check_pages(11, 8, 0x5a);
	check_pages(19, 2, 0);
	check_pages(21, 4, 0x5a);
}
END_TEST

static void start_poisoned(uint64_t features, uint32_t poison)
{
	ck_assert(driver_negotiate(h, features | driver_ring_features() | VERSION_1));
	for (unsigned int i = 0; i < h->dev->queue_count; i++) {
		driver_clear_rings(h, &h->queues[i]);
		driver_set_queue(h, &h->queues[i]);
	}
	config_write(12, poison);
	reg_write(h, VIRTIO_MMIO_STATUS, reg_read(h, VIRTIO_MMIO_STATUS) | VIRTIO_CONFIG_S_DRIVER_OK);
}

/* A driver that keeps something in its free pages finds it there again. */
START_TEST(poisoned_pages_stay)
{
	start_poisoned(ALL, 0x5a5a5a5a);
	ck_assert_uint_eq(config_read(12), 0x5a5a5a5a);
	report();
	check_pages(0, POOL_PAGES, 0x5a);
	ck_assert_uint_eq(balloon_state(h).reported, 0);
	/* Those in the balloon it fills when they come out. */
	balloon_send_run(h, INFLATE, 0, 2);
	check_pages(0, 2, 0);
}
END_TEST

START_TEST(zero_is_no_poison)
{
	start_poisoned(ALL, 0);
	report();
	check_pages(2, 3, 0);
}
END_TEST

START_TEST(poison_is_said_before_driver_ok)
{
	config_write(12, 0x5a5a5a5a);
	ck_assert_uint_eq(config_read(12), 0);
	/* And only by who agreed on it. */
	start_poisoned(ALL & ~POISON, 0x5a5a5a5a);
	ck_assert_uint_eq(config_read(12), 0);
	report();
	check_pages(2, 3, 0);
	start_poisoned(ALL, 7);
	ck_assert_uint_eq(config_read(12), 7);
	driver_start(h, ALL);
	ck_assert_uint_eq(config_read(12), 0);
}
END_TEST

/* Queues of features that were not agreed on are not looked at. */
START_TEST(queues_without_their_feature)
{
	const struct buffer page = {AT(2), 4096, true};
	uint32_t head, len;

	driver_start(h, 0);
	for (unsigned int i = STATS; i <= REPORTS; i++) {
		driver_add(h, &h->queues[i], &page, 1, 0);
		driver_kick(h, &h->queues[i]);
		ck_assert(!driver_used(h, &h->queues[i], &head, &len));
	}
	check_pages(2, 1, 0x5a);
}
END_TEST

/* --- configuration --------------------------------------------------------------------------- */

START_TEST(the_target_is_in_the_configuration)
{
	unsigned int irqs = __atomic_load_n(&h->irq.count, __ATOMIC_SEQ_CST);
	uint32_t generation = reg_read(h, VIRTIO_MMIO_CONFIG_GENERATION);

	ck_assert_uint_eq(reg_read(h, VIRTIO_MMIO_DEVICE_ID), VIRTIO_ID_BALLOON);
	ck_assert_uint_eq(config_read(0), 256);
	ck_assert(virtio_balloon_set_target(h->dev, 3 * BALLOON_PAGE + 17));
	ck_assert_uint_eq(config_read(0), 3);
	ck_assert_uint_eq(balloon_state(h).target, 3 * BALLOON_PAGE);
	ck_assert(reg_read(h, VIRTIO_MMIO_INTERRUPT_STATUS) & VIRTIO_MMIO_INT_CONFIG);
	ck_assert_uint_eq(__atomic_load_n(&h->irq.count, __ATOMIC_SEQ_CST), irqs + 1);
	ck_assert_uint_ne(reg_read(h, VIRTIO_MMIO_CONFIG_GENERATION), generation);
	/* The same again is no change. */
	ck_assert(virtio_balloon_set_target(h->dev, 3 * BALLOON_PAGE));
	ck_assert_uint_eq(__atomic_load_n(&h->irq.count, __ATOMIC_SEQ_CST), irqs + 1);
	ck_assert(virtio_balloon_set_target(h->dev, UINT32_MAX * BALLOON_PAGE));
	ck_assert(!virtio_balloon_set_target(h->dev, (UINT32_MAX + 1ULL) * BALLOON_PAGE));
	ck_assert_uint_eq(config_read(0), UINT32_MAX);
}
END_TEST

START_TEST(the_driver_says_how_large_it_is)
{
	config_write(4, 12);
	ck_assert_uint_eq(config_read(4), 12);
	ck_assert_uint_eq(balloon_state(h).actual, 12 * BALLOON_PAGE);
	/* The rest of the configuration is not the driver's. */
	config_write(0, 77);
	config_write(8, 77);
	config_write(16, 77);
	ck_assert_uint_eq(config_read(0), 256);
	ck_assert_uint_eq(config_read(8), 0);
	ck_assert_uint_eq(config_read(16), 0);
	virtio_mmio_bus_ops.write(h->mmio, VIRTIO_MMIO_CONFIG + 4, &(uint8_t){1}, 1);
	virtio_mmio_bus_ops.write(h->mmio, VIRTIO_MMIO_CONFIG + 5, &(uint32_t){0}, 4);
	ck_assert_uint_eq(config_read(4), 12);
	/* Nor is any of it where there is no driver. */
	reg_write(h, VIRTIO_MMIO_STATUS, 0);
	reg_write(h, VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	config_write(4, 12);
	ck_assert_uint_eq(config_read(4), 0);
}
END_TEST

START_TEST(says_how_it_is)
{
	char text[256];

	balloon_send_run(h, INFLATE, 0, 8);
	report();
	virtio_device_describe(h->dev, text, sizeof(text));
	ck_assert_str_eq(text, "32 KiB of 1024 in it, given back 32 KiB of pages put in, 24 "
			       "reported free");
}
END_TEST

/* Bits 0 to 5. */
static uint32_t offered(const char *words)
{
	uint32_t features;

	harness_free(h);
	harness_new(h, &(struct cutting){&(uint64_t){RAM_SIZE}, 1}, type_named("balloon"), words,
		    NULL);
	features = reg_read(h, VIRTIO_MMIO_DEVICE_FEATURES) & 0xffffff;
	driver_start(h, ALL);
	return features;
}

START_TEST(words_choose_features)
{
	ck_assert_uint_eq(offered(NULL), 0x3f);
	ck_assert_uint_eq(config_read(0), 0);
	ck_assert_uint_eq(offered("reporting=off"), 0x1f);
	ck_assert_uint_eq(offered("64M,reporting=on,deflate-on-oom=off"), 0x3b);
	ck_assert_uint_eq(config_read(0), 16384);
}
END_TEST

/* --------------------------------------------------------------------------------------------- */

static void add_tests(TCase *tc)
{
	tcase_add_checked_fixture(tc, set_up, tear_down);
	/* A sanitizer on a loaded machine takes seconds for a memory of so many regions. */
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, what_goes_in_leaves);
	tcase_add_test(tc, what_comes_out_is_the_drivers);
	tcase_add_test(tc, order_and_repetition_do_not_matter);
	tcase_add_test(tc, what_is_no_memory_is_ignored);
	tcase_add_test(tc, what_is_not_in_it_does_not_come_out);
	tcase_add_test(tc, numbers_in_pieces);
	tcase_add_test(tc, part_of_a_number_is_none);
	tcase_add_test(tc, counts_what_it_did);
	tcase_add_test(tc, reset_empties_it);
	tcase_add_test(tc, a_long_request_takes_turns);
	tcase_add_test(tc, requests_behind_a_long_one);
	tcase_add_loop_test(tc, resets_end_a_long_request, 0, 2);
	tcase_add_test(tc, reported_pages_leave);
	tcase_add_test(tc, poisoned_pages_stay);
	tcase_add_test(tc, zero_is_no_poison);
	tcase_add_test(tc, poison_is_said_before_driver_ok);
	tcase_add_test(tc, queues_without_their_feature);
}

Suite *balloon_suite(void)
{
	Suite *suite = suite_create("balloon");
	TCase *tc = tcase_create("balloon");

	add_tests(tc);
	tcase_add_test(tc, the_target_is_in_the_configuration);
	tcase_add_test(tc, the_driver_says_how_large_it_is);
	tcase_add_test(tc, says_how_it_is);
	tcase_add_test(tc, words_choose_features);
	suite_add_tcase(suite, tc);
	tc = tcase_create("balloon on packed rings");
	tcase_add_checked_fixture(tc, driver_use_packed, driver_use_split);
	add_tests(tc);
	suite_add_tcase(suite, tc);
	return suite;
}
