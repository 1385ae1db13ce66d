/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The workload of layout invariance for the balloon: pages in and out, reports,
 * statistics and hints. What has left the host depends on where its pages begin, and a page that
 * was given is not memory until the driver fills it again; all else is the same on any cutting.
 */
#include <linux/virtio_balloon.h>
#include <string.h>

#include "tests/devices/balloon.h"
#include "tests/devices/invariance.h"

/* Pages that are given: behind all buffers. */
#define FIRST ((FINE_BUFFERS + FINE_SIZE) / BALLOON_PAGE)
#define LAST  (SUBJECT_AREA / BALLOON_PAGE - 1)

static gm_addr any_page(struct run *r)
{
	return (FIRST + run_below(r, LAST - FIRST)) * BALLOON_PAGE;
}

static void fill_page(struct run *r, gm_addr page)
{
	mem_fill(r->h, page, (uint8_t)test_random(&r->random), BALLOON_PAGE);
}

/* The chain in @queue, cut anywhere. */
static void send_bytes(struct run *r, unsigned int queue, const void *data, uint32_t len)
{
	struct buffer chain[RUN_BUFFERS];
	unsigned int n = run_split(r, chain, len, false, 1 + (unsigned int)run_below(r, 6));

	run_fill(r, chain, n, data);
	run_offer(r, queue, chain, n);
}

/* In, and out again with one more that may not be in it, so that all is the driver's in the end. */
static void pages_in_and_out(struct run *r)
{
	uint32_t pages[61], count = 1 + (uint32_t)run_below(r, 60);

	for (uint32_t i = 0; i <= count; i++)
		pages[i] = htole32((uint32_t)(any_page(r) / BALLOON_PAGE));
	send_bytes(r, INFLATE, pages, 4 * count - (uint32_t)run_below(r, 4));
	run_await(r, INFLATE);
	send_bytes(r, DEFLATE, pages, 4 * (count + 1));
	run_await(r, DEFLATE);
	for (uint32_t i = 0; i < count; i++)
		fill_page(r, le32toh(pages[i]) * BALLOON_PAGE);
}

static void reports(struct run *r)
{
	struct buffer chain[RUN_BUFFERS];
	unsigned int n = 1 + (unsigned int)run_below(r, 8);

	for (unsigned int i = 0; i < n; i++)
		chain[i] = (struct buffer){any_page(r), 4096, true};
	run_offer(r, REPORTS, chain, n);
	run_await(r, REPORTS);
	for (unsigned int i = 0; i < n; i++)
		fill_page(r, chain[i].addr);
}

static void statistics(struct run *r)
{
	struct virtio_balloon_stat stats[80];
	uint32_t count = 1 + (uint32_t)run_below(r, 79);

	for (uint32_t i = 0; i < count; i++) {
		stats[i].tag = htole16((uint16_t)run_below(r, 20));
		stats[i].val = test_random(&r->random);
	}
	send_bytes(r, STATS, stats, count * (uint32_t)sizeof(*stats));
	ck_assert(virtio_balloon_ask_stats(r->h->dev));
	run_await(r, STATS);
}

static void note_hint(void *arg, gm_addr addr, uint64_t len)
{
	const uint64_t hint[] = {addr, len};

	run_note(arg, hint, sizeof(hint));
}

static void note_end(void *arg, bool complete)
{
	run_note(arg, &complete, sizeof(complete));
}

static const struct virtio_balloon_hints hints = {note_hint, note_end};

static void hint_round(struct run *r)
{
	uint32_t command;

	ck_assert(virtio_balloon_hint(r->h->dev, &hints, r));
	/* As little endian as it is sent. */
	driver_config(r->h, 8, &command, sizeof(command));
	send_bytes(r, HINTS, &command, sizeof(command));
	run_await(r, HINTS);
	for (unsigned int i = 0; i < 5; i++) {
		struct buffer chain[RUN_BUFFERS];
		unsigned int n = run_split(r, chain, 1 + (uint32_t)run_below(r, 9000), true, 4);

		run_offer(r, HINTS, chain, n);
		run_await(r, HINTS);
	}
	command = VIRTIO_BALLOON_CMD_ID_STOP;
	send_bytes(r, HINTS, &command, sizeof(command));
	run_await(r, HINTS);
	virtio_balloon_hint_done(r->h->dev);
}

static void balloon_batch(struct run *r)
{
	struct virtio_balloon_state state;

	virtio_balloon_set_target(r->h->dev, run_below(r, RAM_SIZE));
	pages_in_and_out(r);
	reg_write(r->h, VIRTIO_MMIO_CONFIG + 4, (uint32_t)run_below(r, 256));
	reports(r);
	statistics(r);
	hint_round(r);
	virtio_balloon_state(r->h->dev, &state);
	state.inflated = 0;
	state.reported = 0;
	run_note(r, &state, sizeof(state));
}

const struct workload workload_balloon = {
	.subject = &subject_balloon,
	.batch = balloon_batch,
};
