/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Hostile drivers of the balloon. A driver may give away what it likes of its own, its rings and
 * page tables too: that is its loss, and the device's to survive. What is not its own it cannot
 * give.
 */
#include <string.h>

#include "tests/devices/balloon.h"
#include "tests/devices/hostile.h"

#define ARRAY DATA

/* Make @count page numbers from @first on a request of queue @queue, without waiting for it. */
static void send_pages(struct hostile *t, unsigned int queue, uint64_t first, uint32_t count)
{
	const struct buffer array = {ARRAY, 4 * count, false};

	for (uint32_t i = 0; i < count; i++) {
		uint32_t page = htole32((uint32_t)(first + i));

		mem_write(t->h, ARRAY + 4ULL * i, &page, sizeof(page));
	}
	driver_add(t->h, &t->h->queues[queue], &array, 1, 0);
	driver_kick(t->h, &t->h->queues[queue]);
}

/* It comes back, as something that was not done. */
static void refuses_pages(struct hostile *t, unsigned int queue, uint64_t first, uint32_t count)
{
	uint64_t errors = balloon_errors(t->h);
	uint32_t head, len;

	send_pages(t, queue, first, count);
	driver_await(t->h, &t->h->queues[queue], &head, &len);
	ck_assert_uint_eq(len, 0);
	ck_assert_uint_eq(balloon_errors(t->h), errors + 1);
	ck_assert(!needs_reset(t->h));
}

static void pages_of_rom(struct hostile *t)
{
	refuses_pages(t, INFLATE, ROM_BASE / BALLOON_PAGE, ROM_SIZE / BALLOON_PAGE);
	refuses_pages(t, DEFLATE, ROM_BASE / BALLOON_PAGE, 1);
	ck_assert_uint_eq(balloon_state(t->h).held, 0);
	subject_serves(&t->s);
}

static void pages_of_nothing(struct hostile *t)
{
	refuses_pages(t, INFLATE, HOLE / BALLOON_PAGE, 100);
	refuses_pages(t, INFLATE, RAM_END / BALLOON_PAGE, 2);
	refuses_pages(t, INFLATE, RAM_BASE / BALLOON_PAGE - 1, 1);
	/* Numbers are 32 bits: the last is no sum that overflows. */
	refuses_pages(t, INFLATE, UINT32_MAX - 9, 10);
	refuses_pages(t, DEFLATE, UINT32_MAX - 9, 10);
	ck_assert_uint_eq(balloon_state(t->h).held, 0);
	subject_serves(&t->s);
}

static void pages_it_does_not_hold(struct hostile *t)
{
	refuses_pages(t, DEFLATE, RAM_BASE / BALLOON_PAGE, 256);
}

/* The rings are zero afterwards, whatever was in them. */
static void pages_of_its_rings(struct hostile *t)
{
	hostile_spread_rings(t);
	send_pages(t, INFLATE, DESC_PAGE / BALLOON_PAGE, 3);
	harness_settle(t->h);
	driver_kick(t->h, t->q);
	harness_settle(t->h);
}

static void one_page_of_its_rings(struct hostile *t, gm_addr page)
{
	hostile_spread_rings(t);
	send_pages(t, INFLATE, page / BALLOON_PAGE, 1);
	harness_settle(t->h);
	hostile_put_request(t);
	driver_kick(t->h, t->q);
	harness_settle(t->h);
}

static void page_of_its_descriptors(struct hostile *t)
{
	one_page_of_its_rings(t, DESC_PAGE);
}

static void page_of_its_driver_area(struct hostile *t)
{
	one_page_of_its_rings(t, AVAIL_PAGE);
}

static void page_of_its_device_area(struct hostile *t)
{
	one_page_of_its_rings(t, USED_PAGE);
}

/* What says which pages is in them, and is gone when the second half of it is read. */
static void pages_of_the_request(struct hostile *t)
{
	const struct buffer array = {ARRAY, 8192, false};
	uint64_t errors = balloon_errors(t->h);
	uint32_t pages[2048];

	for (uint32_t i = 0; i < 2048; i++)
		pages[i] = htole32(ARRAY / BALLOON_PAGE + i % 3);
	mem_write(t->h, ARRAY, pages, sizeof(pages));
	driver_add(t->h, t->q, &array, 1, 0);
	driver_kick(t->h, t->q);
	ck_assert_uint_eq(hostile_await(t), 0);
	/* Zeros, of which there is no such page. */
	ck_assert_uint_eq(balloon_errors(t->h), errors + 1);
	ck_assert_uint_eq(balloon_state(t->h).held, 3 * BALLOON_PAGE);
	subject_serves(&t->s);
}

/* Kernel, page tables, rings, all: nothing is left to the driver. */
static void pages_of_everything(struct hostile *t)
{
	uint8_t kept[0x10000];

	mem_read(t->h, BUFFERS + 0x80000, kept, sizeof(kept));
	send_pages(t, INFLATE, RAM_BASE / BALLOON_PAGE, RAM_SIZE / BALLOON_PAGE);
	harness_settle(t->h);
	ck_assert_uint_eq(balloon_state(t->h).held, RAM_SIZE);
	driver_kick(t->h, t->q);
	harness_settle(t->h);
	/* The suite wants its own back. */
	mem_write(t->h, BUFFERS + 0x80000, kept, sizeof(kept));
}

/*
 * Numbers without end: other things go on, and a reset ends it. They end where the other request's
 * begin, which is written meanwhile.
 */
static void request_without_end(struct hostile *t)
{
	struct buffer chain[15];
	uint32_t head, len;

	for (unsigned int i = 0; i < 15; i++)
		chain[i] = (struct buffer){STATUS, RAM_SIZE - (STATUS - RAM_BASE), false};
	driver_add(t->h, t->q, chain, 15, 0);
	driver_kick(t->h, t->q);
	for (unsigned int i = 0; i < 3; i++)
		driver_kick(t->h, t->q);
	ck_assert(!driver_used(t->h, t->q, &head, &len));
	send_pages(t, DEFLATE, 0, 1);
	driver_await(t->h, &t->h->queues[DEFLATE], &head, &len);
	ck_assert(!needs_reset(t->h));
}

static void offer_to(struct hostile *t, unsigned int queue, struct buffer buffer)
{
	driver_add(t->h, &t->h->queues[queue], &buffer, 1, 0);
	driver_kick(t->h, &t->h->queues[queue]);
	harness_settle(t->h);
}

static void report_of_rom(struct hostile *t)
{
	offer_to(t, REPORTS, (struct buffer){ROM_BASE, 4096, true});
}

static void report_of_nothing(struct hostile *t)
{
	offer_to(t, REPORTS, (struct buffer){RAM_END - 4096, 8192, true});
}

static void hint_of_nothing(struct hostile *t)
{
	offer_to(t, HINTS, (struct buffer){HOLE, 4096, true});
}

static void report_of_its_rings(struct hostile *t)
{
	offer_to(t, REPORTS, (struct buffer){RAM_BASE, RING_AREA, true});
	driver_kick(t->h, t->q);
	harness_settle(t->h);
}

/* Nobody has asked for hints. */
static void hints_nobody_wants(struct hostile *t)
{
	static const uint32_t commands[] = {0, 1, 2, 0x80000000, UINT32_MAX};

	for (unsigned int i = 0; i < 5; i++) {
		uint32_t command = htole32(commands[i]);

		mem_write(t->h, ARRAY, &command, sizeof(command));
		offer_to(t, HINTS, (struct buffer){ARRAY, 4, false});
		offer_to(t, HINTS, (struct buffer){TABLE, 8192, true});
	}
	ck_assert_uint_eq(balloon_state(t->h).hinted, 0);
	subject_start(&t->s, 0);
}

/* A buffer the device keeps to ask with, and more than it can ever need. */
static void statistics_without_end(struct hostile *t)
{
	struct buffer chain[15];

	for (unsigned int i = 0; i < 15; i++)
		chain[i] = (struct buffer){BUFFERS, RAM_SIZE - RING_AREA, false};
	driver_add(t->h, &t->h->queues[STATS], chain, 15, 0);
	driver_kick(t->h, &t->h->queues[STATS]);
	offer_to(t, STATS, (struct buffer){ARRAY, 10, false});
	offer_to(t, STATS, (struct buffer){ARRAY, 4096, true});
}

static void numbers_to_be_written(struct hostile *t)
{
	mem_fill(t->h, ARRAY, 0, 4096);
	hostile_offer(t, &(struct hostile_desc){ARRAY, 4096, WRITE}, 1);
	ck_assert_uint_eq(hostile_await(t), 0);
	ck_assert_uint_eq(balloon_state(t->h).held, 0);
}

#define BALLOON .device = "balloon"

const struct hostile_case hostile_balloon[] = {
	{"balloon_of_rom", CHECKED, BALLOON, .act = pages_of_rom},
	{"balloon_of_pages_that_are_not_there", CHECKED, BALLOON, .act = pages_of_nothing},
	{"balloon_of_pages_it_does_not_hold", GOES_ON, BALLOON, .act = pages_it_does_not_hold},
	{"balloon_of_its_own_rings", CHECKED, BALLOON, .act = pages_of_its_rings},
	{"balloon_of_its_own_descriptors", CHECKED, BALLOON, .act = page_of_its_descriptors},
	{"balloon_of_its_own_driver_area", CHECKED, BALLOON, .act = page_of_its_driver_area},
	{"balloon_of_its_own_device_area", CHECKED, BALLOON, .act = page_of_its_device_area},
	{"balloon_of_its_own_request", CHECKED, BALLOON, .act = pages_of_the_request},
	{"balloon_of_kernel_pages", CHECKED, BALLOON, .act = pages_of_everything},
	{"balloon_request_without_end", CHECKED, BALLOON, .act = request_without_end},
	{"balloon_numbers_to_be_written", GOES_ON, BALLOON, .act = numbers_to_be_written},
	{"balloon_report_of_rom", BREAKS, "not in writable memory", BALLOON, .act = report_of_rom},
	{"balloon_report_beyond_memory", BREAKS, "not in writable memory", BALLOON,
	 .act = report_of_nothing},
	{"balloon_report_of_its_own_rings", CHECKED, BALLOON, .act = report_of_its_rings},
	{"balloon_hint_of_nothing", BREAKS, "not in writable memory", BALLOON, .act = hint_of_nothing},
	{"balloon_hints_nobody_wants", GOES_ON, BALLOON, .act = hints_nobody_wants},
	{"balloon_statistics_without_end", GOES_ON, BALLOON, .act = statistics_without_end},
	{.name = NULL},
};
