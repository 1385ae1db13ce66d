/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * virtio-balloon: pages on both sides of boundaries go into the balloon and come out again, and are
 * reported free, by requests that lie across boundaries. What is beside them stays as it was; they
 * are memory again afterwards.
 */
#include <stddef.h>

#include "guest/memory.h"
#include "guest/string.h"
#include "guest/tap.h"
#include "guest/tests/tests.h"
#include "guest/virtio.h"

#define INFLATE 0
#define DEFLATE 1
#define STATS   2
#define REPORTS 4

#define FEATURE_MUST_TELL_HOST (1ull << 0)
#define FEATURE_STATS_VQ       (1ull << 1)
#define FEATURE_FREE_PAGE_HINT (1ull << 3)
#define FEATURE_REPORTING      (1ull << 5)

#define CONFIG_ACTUAL 4 /* behind num_pages */

#define STAT_FREE  4
#define STAT_TOTAL 5
#define STAT_SIZE  10

#define PAGE           4096
#define CANARY         0xa5
#define MAX_BOUNDARIES 16

static struct {
	struct virtio_device *device;
	struct virtq inflate, deflate, stats, reports;
	uint32_t pages; /* given */
	uint32_t zero;  /* of these: came back empty */
} balloon;

/* The pages below and above @boundary: whether they are the test's to give. */
static bool is_usable(uint64_t boundary)
{
	return boundary % PAGE == 0 &&
	       memory_is_free(boundary - PAGE - CANARY_SIZE, 2ul * (PAGE + CANARY_SIZE));
}

static bool bytes_are(uint64_t address, uint64_t len, uint8_t value)
{
	const uint8_t *bytes = at(address);

	for (uint64_t i = 0; i < len; i++) {
		if (bytes[i] != value)
			return false;
	}
	return true;
}

/* The two pages and what is around them. */
static void fill(uint64_t boundary, uint8_t value)
{
	memset(at(boundary - PAGE - CANARY_SIZE), CANARY, 2ul * (PAGE + CANARY_SIZE));
	memset(at(boundary - PAGE), value, 2ul * PAGE);
}

static void check_around(uint64_t boundary)
{
	CHECK(bytes_are(boundary - PAGE - CANARY_SIZE, CANARY_SIZE, CANARY) &&
		      bytes_are(boundary + PAGE, CANARY_SIZE, CANARY),
	      "%lx: bytes around its pages changed", boundary);
}

static bool answered(struct virtq *queue, const struct buffer *chain, unsigned int count)
{
	uint32_t written;

	virtq_post(queue, chain, count, 0);
	return CHECK(virtq_wait(queue, &written), "queue %u: no answer", queue->index) &&
	       CHECK(written == 0, "queue %u: %u bytes written", queue->index, written);
}

/* Both pages of @boundary, by numbers that lie across another one if there is room. */
static bool send(struct virtq *queue, uint64_t boundary, uint64_t other)
{
	static uint32_t own[2];
	const uint32_t numbers[] = {(uint32_t)(boundary / PAGE), (uint32_t)(boundary / PAGE) - 1};
	struct buffer array = {buffer_place(other, 3, sizeof(own)), sizeof(own), false};

	/* Apart from the pages and what is beside them. */
	if (!array.address || (array.address + array.len > boundary - PAGE - CANARY_SIZE &&
			       array.address < boundary + PAGE + CANARY_SIZE))
		array.address = (uint64_t)own;
	memcpy(at(array.address), numbers, sizeof(numbers));
	return answered(queue, &array, 1);
}

static bool in_and_out(uint64_t boundary, uint64_t other)
{
	fill(boundary, 0x11);
	if (!send(&balloon.inflate, boundary, other))
		return false;
	balloon.pages += 2;
	for (unsigned int i = 0; i < 2; i++)
		balloon.zero += bytes_are(boundary - i * PAGE, PAGE, 0);
	check_around(boundary);
	if (!send(&balloon.deflate, boundary, other))
		return false;
	fill(boundary, 0x22);
	CHECK(bytes_are(boundary - PAGE, 2ul * PAGE, 0x22), "%lx: no memory after it came out",
	      boundary);
	return true;
}

static bool report(uint64_t boundary)
{
	const struct buffer chain[] = {{boundary - PAGE, PAGE, true}, {boundary, PAGE, true}};

	if (!answered(&balloon.reports, chain, 2))
		return false;
	check_around(boundary);
	fill(boundary, 0x33);
	CHECK(bytes_are(boundary - PAGE, 2ul * PAGE, 0x33), "%lx: no memory after the report",
	      boundary);
	return true;
}

/* They stay with the device, which may ask for more; that is not waited for. */
static void send_statistics(void)
{
	static uint8_t stats[2 * STAT_SIZE];
	const struct buffer buffer = {(uint64_t)stats, sizeof(stats), false};
	const uint64_t total = 32768, free = 4096;

	stats[0] = STAT_TOTAL;
	memcpy(stats + 2, &total, sizeof(total));
	stats[STAT_SIZE] = STAT_FREE;
	memcpy(stats + STAT_SIZE + 2, &free, sizeof(free));
	virtq_post(&balloon.stats, &buffer, 1, 0);
}

static bool start(void)
{
	/* Queues are numbered as if all features were there only where all of them are taken. */
	const uint64_t features = FEATURE_MUST_TELL_HOST | FEATURE_STATS_VQ |
				  FEATURE_FREE_PAGE_HINT | FEATURE_REPORTING;

	if (!virtio_start(balloon.device, features | FEATURE_EVENT_IDX) ||
	    !virtq_setup(&balloon.inflate, balloon.device, INFLATE, NULL) ||
	    !virtq_setup(&balloon.deflate, balloon.device, DEFLATE, NULL))
		return false;
	if (balloon.device->features & FEATURE_STATS_VQ &&
	    !virtq_setup(&balloon.stats, balloon.device, STATS, NULL))
		return false;
	if (balloon.device->features & FEATURE_REPORTING &&
	    !virtq_setup(&balloon.reports, balloon.device, REPORTS, NULL))
		return false;
	virtio_ready(balloon.device);
	return true;
}

void test_balloon(void)
{
	uint32_t count = memory_map.boundary_count;

	balloon.device = virtio_find(VIRTIO_ID_BALLOON, 0);
	if (!balloon.device || !count) {
		tap_skip(balloon.device ? "no boundaries" : "no device");
		return;
	}
	if (!CHECK(start(), "does not start"))
		return;
	for (uint32_t i = 0; i < count && balloon.pages < 2 * MAX_BOUNDARIES; i++) {
		uint64_t boundary = memory_map.boundaries[i];

		if (!is_usable(boundary))
			continue;
		if (!in_and_out(boundary, memory_map.boundaries[(i + 1) % count]))
			return;
		if (balloon.device->features & FEATURE_REPORTING && !report(boundary))
			return;
	}
	CHECK(balloon.pages > 0, "no boundary has room");
	virtio_write(balloon.device, VIRTIO_CONFIG + CONFIG_ACTUAL, balloon.pages);
	CHECK(virtio_config64(balloon.device, 0) >> 32 == balloon.pages, "it forgets its size");
	if (balloon.device->features & FEATURE_STATS_VQ)
		send_statistics();
	tap_note("%u pages, %u of them empty when they came out", balloon.pages, balloon.zero);
}
