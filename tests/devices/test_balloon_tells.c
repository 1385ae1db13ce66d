/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* What the driver tells the balloon about its memory: statistics, and rounds of free page hints. */
#include <string.h>
#include <time.h>

#include "tests/devices/balloon.h"
#include "tests/devices/suites.h"

static struct harness harness;
static struct harness *const h = &harness;

static void start(const char *words)
{
	struct cutting pages = cutting_every(4096);

	harness_new(h, &pages, type_named("balloon"), words, NULL);
	cutting_free(&pages);
	driver_start(h, MUST_TELL | STATS_VQ | HINT);
}

static void set_up(void)
{
	start(NULL);
}

static void tear_down(void)
{
	ck_assert(!needs_reset(h));
	harness_free(h);
}

/* --- statistics ------------------------------------------------------------------------------ */

static uint16_t put_stats(const struct virtio_balloon_stat *stats, uint32_t count, uint32_t more)
{
	const gm_addr at = REQUESTS + 4096 - 7;
	const uint32_t len = count * (uint32_t)sizeof(*stats) + more;
	const struct buffer chain[] = {{at, len / 3, false}, {at + len / 3, len - len / 3, false}};
	uint16_t added;

	mem_write(h, at, stats, count * sizeof(*stats));
	added = driver_add(h, &h->queues[STATS], chain, 2, 0);
	driver_kick(h, &h->queues[STATS]);
	return added;
}

static struct virtio_balloon_stat stat(uint16_t tag, uint64_t value)
{
	return (struct virtio_balloon_stat){htole16(tag), htole64(value)};
}

START_TEST(statistics_are_taken)
{
	const struct virtio_balloon_stat stats[] = {
		stat(VIRTIO_BALLOON_S_MEMTOT, UINT64_C(5) << 33),
		stat(0x7777, 1),
		stat(VIRTIO_BALLOON_S_MEMFREE, 4096),
		stat(VIRTIO_BALLOON_S_SWAP_IN, 1),
		stat(VIRTIO_BALLOON_S_NR, 2),
	};
	struct virtio_balloon_state state;
	uint32_t head, len;
	char text[256];

	put_stats(stats, 5, 0);
	state = balloon_state(h);
	ck_assert_uint_eq(state.known, 1 << VIRTIO_BALLOON_S_MEMTOT | 1 << VIRTIO_BALLOON_S_MEMFREE |
					       1 << VIRTIO_BALLOON_S_SWAP_IN);
	ck_assert_uint_eq(state.guest[VIRTIO_BALLOON_S_MEMTOT], UINT64_C(5) << 33);
	ck_assert_uint_eq(state.guest[VIRTIO_BALLOON_S_MEMFREE], 4096);
	ck_assert_uint_eq(state.guest[VIRTIO_BALLOON_S_SWAP_IN], 1);
	ck_assert_uint_eq(balloon_errors(h), 0);
	/* The buffer stays, to ask with. */
	ck_assert(!driver_used(h, &h->queues[STATS], &head, &len));
	virtio_device_describe(h->dev, text, sizeof(text));
	ck_assert_ptr_nonnull(strstr(text, "; 4 KiB of 41943040 free"));
}
END_TEST

START_TEST(statistics_are_asked_for)
{
	const struct virtio_balloon_stat one = stat(VIRTIO_BALLOON_S_MAJFLT, 1),
					 two = stat(VIRTIO_BALLOON_S_MINFLT, 2);
	uint32_t head, len;
	uint16_t added;

	ck_assert(!virtio_balloon_ask_stats(h->dev));
	added = put_stats(&one, 1, 0);
	ck_assert(virtio_balloon_ask_stats(h->dev));
	ck_assert(driver_used(h, &h->queues[STATS], &head, &len));
	ck_assert_uint_eq(head, added);
	ck_assert_uint_eq(len, 0);
	/* A question that was not answered is not asked again. */
	ck_assert(!virtio_balloon_ask_stats(h->dev));
	put_stats(&two, 1, 0);
	ck_assert_uint_eq(balloon_state(h).known, 1 << VIRTIO_BALLOON_S_MINFLT);
	ck_assert(virtio_balloon_ask_stats(h->dev));
}
END_TEST

/* As Linux does it: offered and notified of while the driver is not up yet. */
START_TEST(statistics_from_before_driver_ok)
{
	const struct virtio_balloon_stat one = stat(VIRTIO_BALLOON_S_MAJFLT, 1);
	uint32_t head, len;
	uint16_t added;

	ck_assert(driver_negotiate(h, STATS_VQ | driver_ring_features() | VERSION_1));
	for (unsigned int i = 0; i < h->dev->queue_count; i++) {
		driver_clear_rings(h, &h->queues[i]);
		driver_set_queue(h, &h->queues[i]);
	}
	added = put_stats(&one, 1, 0);
	ck_assert_uint_eq(balloon_state(h).known, 0);
	reg_write(h, VIRTIO_MMIO_STATUS, reg_read(h, VIRTIO_MMIO_STATUS) | VIRTIO_CONFIG_S_DRIVER_OK);
	ck_assert_uint_eq(balloon_state(h).known, 1 << VIRTIO_BALLOON_S_MAJFLT);
	ck_assert(virtio_balloon_ask_stats(h->dev));
	ck_assert(driver_used(h, &h->queues[STATS], &head, &len));
	ck_assert_uint_eq(head, added);
}
END_TEST

/* A driver with two buffers breaks a rule, and nothing else. */
START_TEST(two_buffers_for_statistics)
{
	const struct virtio_balloon_stat one = stat(VIRTIO_BALLOON_S_MAJFLT, 1),
					 two = stat(VIRTIO_BALLOON_S_MAJFLT, 2);
	uint16_t first = put_stats(&one, 1, 0), second = put_stats(&two, 1, 0);
	uint32_t head, len;

	ck_assert(virtio_balloon_ask_stats(h->dev));
	ck_assert(driver_used(h, &h->queues[STATS], &head, &len));
	ck_assert_uint_eq(head, first);
	ck_assert_uint_eq(balloon_state(h).guest[VIRTIO_BALLOON_S_MAJFLT], 2);
	ck_assert(virtio_balloon_ask_stats(h->dev));
	ck_assert(driver_used(h, &h->queues[STATS], &head, &len));
	ck_assert_uint_eq(head, second);
}
END_TEST

START_TEST(statistics_of_odd_lengths)
{
	static struct virtio_balloon_stat many[1000];
	const struct virtio_balloon_stat one = stat(VIRTIO_BALLOON_S_CACHES, 3);
	struct virtio_stats stats;
	struct buffer chain[60];

	put_stats(&one, 1, 9);
	ck_assert_uint_eq(balloon_state(h).guest[VIRTIO_BALLOON_S_CACHES], 3);
	ck_assert_uint_eq(balloon_errors(h), 1);
	driver_start(h, STATS_VQ);
	put_stats(&one, 0, 0);
	ck_assert_uint_eq(balloon_state(h).known, 0);
	ck_assert_uint_eq(balloon_errors(h), 1);
	/* More than there are tags: an end is made of it. */
	driver_start(h, STATS_VQ);
	mem_write(h, REQUESTS, many, sizeof(many));
	for (unsigned int i = 0; i < 60; i++)
		chain[i] = (struct buffer){REQUESTS, sizeof(many), false};
	chain[0] = (struct buffer){POOL, 60 * sizeof(many), false};
	driver_add(h, &h->queues[STATS], chain, 60, 0);
	driver_kick(h, &h->queues[STATS]);
	virtio_device_stats(h->dev, &stats);
	ck_assert_uint_eq(stats.errors, 2);
	ck_assert_uint_le(stats.bytes_read, 20 + 65536 * sizeof(one));
}
END_TEST

START_TEST(reset_forgets_the_buffer_for_statistics)
{
	const struct virtio_balloon_stat one = stat(VIRTIO_BALLOON_S_AVAIL, 3);

	put_stats(&one, 1, 0);
	driver_start(h, STATS_VQ);
	/* What was said last is still known. */
	ck_assert_uint_eq(balloon_state(h).known, 1 << VIRTIO_BALLOON_S_AVAIL);
	ck_assert(!virtio_balloon_ask_stats(h->dev));
	put_stats(&one, 1, 0);
	ck_assert(virtio_balloon_ask_stats(h->dev));
}
END_TEST

static double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* With a period they are asked for when it has passed since the last answer. */
START_TEST(statistics_come_by_themselves)
{
	const struct virtio_balloon_stat one = stat(VIRTIO_BALLOON_S_AVAIL, 3);
	double began;
	uint32_t head, len;

	tear_down();
	start("stats=1");
	harness_run(h);
	for (unsigned int i = 0; i < 2; i++) {
		began = seconds();
		put_stats(&one, 1, 0);
		driver_await(h, &h->queues[STATS], &head, &len);
		ck_assert_double_ge(seconds() - began, 0.99);
	}
}
END_TEST

/* --- hints ----------------------------------------------------------------------------------- */

/* What the host side was told. */
static struct {
	uint64_t bytes;
	gm_addr last;
	unsigned int complete, void_;
} told;

static void take_page(void *arg, gm_addr addr, uint64_t len)
{
	ck_assert_ptr_eq(arg, &told);
	told.bytes += len;
	told.last = addr;
}

static void take_end(void *arg, bool complete)
{
	ck_assert_ptr_eq(arg, &told);
	told.complete += complete;
	told.void_ += !complete;
}

static const struct virtio_balloon_hints hints = {take_page, take_end};

static uint32_t command(void)
{
	return reg_read(h, VIRTIO_MMIO_CONFIG + 8);
}

/* The id of a round that begins now. */
static uint32_t begin(void)
{
	uint32_t before = command();

	reg_write(h, VIRTIO_MMIO_INTERRUPT_ACK, VIRTIO_MMIO_INT_CONFIG);
	ck_assert(virtio_balloon_hint(h->dev, &hints, &told));
	ck_assert(reg_read(h, VIRTIO_MMIO_INTERRUPT_STATUS) & VIRTIO_MMIO_INT_CONFIG);
	ck_assert_uint_ge(command(), 2);
	ck_assert_uint_ne(command(), before);
	return command();
}

static void say(uint32_t id)
{
	const struct buffer buffer = {REQUESTS, 4, false};

	id = htole32(id);
	mem_write(h, REQUESTS, &id, sizeof(id));
	balloon_offer(h, HINTS, &buffer, 1);
}

static void hint(uint64_t page, uint32_t pages)
{
	const struct buffer buffer = {POOL + page * BALLOON_PAGE, pages * 4096, true};

	balloon_offer(h, HINTS, &buffer, 1);
}

START_TEST(a_round_of_hints)
{
	uint32_t id;

	mem_fill(h, POOL, 0x5a, RAM_END - POOL);
	ck_assert_uint_eq(command(), VIRTIO_BALLOON_CMD_ID_STOP);
	id = begin();
	/* One at a time. */
	ck_assert(!virtio_balloon_hint(h->dev, &hints, &told));
	say(id);
	hint(3, 2);
	hint(9, 1);
	ck_assert_uint_eq(told.bytes, 3 * BALLOON_PAGE);
	ck_assert_uint_eq(told.last, POOL + 9 * BALLOON_PAGE);
	/* They may be in use again: nothing is done to them. */
	ck_assert_uint_eq(mem_byte(h, POOL + 3 * BALLOON_PAGE), 0x5a);
	say(VIRTIO_BALLOON_CMD_ID_STOP);
	ck_assert_uint_eq(told.complete, 1);
	/* What comes behind the end is none. */
	hint(1, 1);
	ck_assert_uint_eq(told.bytes, 3 * BALLOON_PAGE);
	ck_assert_uint_eq(balloon_state(h).hinted, 3 * BALLOON_PAGE);
	ck_assert_uint_eq(command(), id);
	virtio_balloon_hint_done(h->dev);
	ck_assert_uint_eq(command(), VIRTIO_BALLOON_CMD_ID_DONE);
	ck_assert_uint_ne(begin(), id);
	ck_assert_uint_eq(told.void_, 0);
	ck_assert_uint_eq(balloon_errors(h), 0);
}
END_TEST

START_TEST(hints_for_another_round)
{
	uint32_t id = begin(), next;

	/* Before the driver says what they are for. */
	hint(1, 1);
	say(id + 1);
	hint(1, 1);
	say(VIRTIO_BALLOON_CMD_ID_STOP);
	say(VIRTIO_BALLOON_CMD_ID_DONE);
	hint(1, 1);
	ck_assert_uint_eq(told.bytes, 0);
	ck_assert_uint_eq(told.complete, 0);
	/* Still for the first round when there is a second. */
	say(id);
	virtio_balloon_hint_stop(h->dev);
	ck_assert_uint_eq(command(), VIRTIO_BALLOON_CMD_ID_STOP);
	hint(1, 1);
	next = begin();
	hint(1, 1);
	say(VIRTIO_BALLOON_CMD_ID_STOP);
	ck_assert_uint_eq(told.bytes, 0);
	ck_assert_uint_eq(told.complete, 0);
	say(next);
	hint(1, 1);
	ck_assert_uint_eq(told.bytes, BALLOON_PAGE);
}
END_TEST

START_TEST(a_command_of_another_length_is_none)
{
	static const uint32_t lens[] = {1, 3, 5, 8};
	uint32_t id = begin();

	for (unsigned int i = 0; i < 4; i++) {
		const struct buffer buffer = {REQUESTS, lens[i], false};

		say(id);
		mem_fill(h, REQUESTS, 0, 8);
		balloon_offer(h, HINTS, &buffer, 1);
		hint(1, 1);
		ck_assert_uint_eq(balloon_errors(h), i + 1);
	}
	ck_assert_uint_eq(told.bytes, 0);
	ck_assert_uint_eq(told.complete, 0);
}
END_TEST

/* A command and its hints may come in one chain. */
START_TEST(a_command_with_hints)
{
	const struct buffer chain[] = {
		{REQUESTS, 4, false}, {POOL, 4096, true}, {POOL + 12288, 8192, true}};
	uint32_t id = htole32(begin());

	mem_write(h, REQUESTS, &id, sizeof(id));
	balloon_offer(h, HINTS, chain, 3);
	ck_assert_uint_eq(told.bytes, 3 * BALLOON_PAGE);
}
END_TEST

/* A driver that is gone has hinted nothing. */
START_TEST(resets_void_hints)
{
	driver_start(h, HINT | (_i ? FEATURE(VIRTIO_F_RING_RESET) : 0));
	say(begin());
	hint(1, 1);
	if (_i) {
		reg_write(h, VIRTIO_MMIO_QUEUE_SEL, HINTS);
		reg_write(h, 0x0c0, 1);
	} else {
		reg_write(h, VIRTIO_MMIO_STATUS, 0);
	}
	ck_assert_uint_eq(told.void_, 1);
	ck_assert_uint_eq(told.complete, 0);
	ck_assert_uint_eq(command(), VIRTIO_BALLOON_CMD_ID_STOP);
	/* None begins where there is no driver. */
	if (!_i)
		ck_assert(!virtio_balloon_hint(h->dev, &hints, &told));
	driver_start(h, HINT);
	say(begin());
	hint(2, 1);
	ck_assert_uint_eq(told.bytes, 2 * BALLOON_PAGE);
}
END_TEST

START_TEST(no_hints_without_the_feature)
{
	driver_start(h, STATS_VQ);
	ck_assert(!virtio_balloon_hint(h->dev, &hints, &told));
	ck_assert_uint_eq(command(), VIRTIO_BALLOON_CMD_ID_STOP);
}
END_TEST

static void add_tests(TCase *tc)
{
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, statistics_are_taken);
	tcase_add_test(tc, statistics_are_asked_for);
	tcase_add_test(tc, statistics_from_before_driver_ok);
	tcase_add_test(tc, two_buffers_for_statistics);
	tcase_add_test(tc, statistics_of_odd_lengths);
	tcase_add_test(tc, reset_forgets_the_buffer_for_statistics);
	tcase_add_test(tc, a_round_of_hints);
	tcase_add_test(tc, hints_for_another_round);
	tcase_add_test(tc, a_command_of_another_length_is_none);
	tcase_add_test(tc, a_command_with_hints);
	tcase_add_loop_test(tc, resets_void_hints, 0, 2);
	tcase_add_test(tc, no_hints_without_the_feature);
}

Suite *balloon_tells_suite(void)
{
	Suite *suite = suite_create("balloon-tells");
	TCase *tc = tcase_create("balloon-tells");

	add_tests(tc);
	tcase_add_test(tc, statistics_come_by_themselves);
	suite_add_tcase(suite, tc);
	tc = tcase_create("balloon-tells on packed rings");
	tcase_add_checked_fixture(tc, driver_use_packed, driver_use_split);
	add_tests(tc);
	suite_add_tcase(suite, tc);
	return suite;
}
