/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The parts of a request that are not data, and the parts of a queue, across boundaries: header,
 * status, descriptor table, avail ring, used ring, indirect table. All by reading sector 0, whose
 * content is known from a read that crosses nothing, so that nothing need be written.
 */
#include <stddef.h>

#include "guest/blk.h"
#include "guest/memory.h"
#include "guest/string.h"
#include "guest/tap.h"
#include "guest/tests/tests.h"

#define HEADER_SIZE 16
#define SMALL_QUEUE 4 /* a request takes three descriptors */

/*
 * So many queues a test, spread over the sample: to reset a device and lay its notification anew
 * can cost the host some milliseconds, and they are spent in its kernel, waiting.
 */
#define MAX_QUEUES 16

static uint8_t known[ABI_SECTOR_SIZE], data[ABI_SECTOR_SIZE];

/* The disk with sector 0 in known[]; NULL: the test is skipped or has failed. */
static struct blk *disk(void)
{
	struct blk *blk = blk_disk();

	if (!blk)
		tap_skip("no device");
	else if (!memory_map.boundary_count)
		tap_skip("no boundaries");
	else if (CHECK(blk_transfer(blk, BLK_IN, 0, (uint64_t)known, sizeof(known)) == BLK_OK,
		       "sector 0 cannot be read"))
		return blk;
	return NULL;
}

/* Read sector 0 with whatever of @request is set. */
static bool read_known(struct blk *blk, struct blk_request *request, uint64_t boundary)
{
	uint64_t to = request->extents ? request->data[0].address : (uint64_t)data;
	uint32_t status;

	request->type = BLK_IN;
	request->sector = 0;
	request->data[0] = (struct extent){to, ABI_SECTOR_SIZE};
	request->extents = 1;
	memset(at(to), 0x5a, ABI_SECTOR_SIZE);
	status = blk_submit(blk, request);
	return CHECK(status == BLK_OK && request->written == ABI_SECTOR_SIZE + 1,
		     "%lx: status %u, %u bytes written", boundary, status, request->written) &&
	       CHECK(!memcmp(at(to), known, sizeof(known)), "%lx: wrong data", boundary);
}

static void note(unsigned int requests, uint32_t boundaries)
{
	CHECK(requests > 0, "no boundary has room");
	tap_note("%u at %u of %u boundaries", requests, boundaries, memory_map.boundary_total);
}

void test_blk_header(void)
{
	struct blk *blk = disk();
	unsigned int requests = 0;

	if (!blk)
		return;
	for (uint32_t i = 0; i < memory_map.boundary_count; i++) {
		uint64_t boundary = memory_map.boundaries[i];
		uint64_t before = 1 + i % (HEADER_SIZE - 1);
		struct blk_request request = {
			.header = buffer_place(boundary, before, HEADER_SIZE),
		};

		if (request.header)
			requests += read_known(blk, &request, boundary);
	}
	note(requests, memory_map.boundary_count);
}

/* The last byte before and the first after a boundary, in a chain whose data crosses another. */
void test_blk_status(void)
{
	struct blk *blk = disk();
	unsigned int requests = 0;

	if (!blk)
		return;
	for (uint32_t i = 0; i < memory_map.boundary_count * 2; i++) {
		uint64_t boundary = memory_map.boundaries[i / 2];
		uint64_t other = memory_map.boundaries[(i / 2 + 1) % memory_map.boundary_count];
		struct blk_request request = {.status = buffer_place(boundary, i % 2, 1)};
		uint64_t to = buffer_place(other, 100, ABI_SECTOR_SIZE);

		if (!request.status)
			continue;
		/* Where the two boundaries are one, the status must not lie in the data. */
		if (to && other != boundary) {
			request.data[0].address = to;
			request.extents = 1;
		}
		requests += read_known(blk, &request, boundary);
	}
	note(requests, memory_map.boundary_count);
}

static bool run_queue(struct blk *blk, const struct virtq_place *place, uint64_t boundary)
{
	/* Each ring wraps, so that every entry is used on either side of the boundary. */
	for (unsigned int i = 0; i <= SMALL_QUEUE; i++) {
		struct blk_request request = {.extents = 0};

		if (i == 0 && !CHECK(blk_start(blk, place), "%lx: does not start", boundary))
			return false;
		if (!read_known(blk, &request, boundary))
			return false;
	}
	return true;
}

static uint32_t queue_count(void)
{
	return memory_map.boundary_count < MAX_QUEUES ? memory_map.boundary_count : MAX_QUEUES;
}

static uint64_t queue_boundary(uint32_t i)
{
	return memory_map.boundaries[i * memory_map.boundary_count / queue_count()];
}

/* Regions begin at pages, but a boundary made up by cut= need not. */
static uint64_t place_aligned(uint64_t boundary, uint64_t before, uint64_t len, uint64_t align)
{
	return buffer_place(boundary, before + boundary % align, len);
}

void test_blk_desc(void)
{
	struct blk *blk = disk();
	unsigned int queues = 0;

	if (!blk)
		return;
	for (uint32_t i = 0; i < queue_count(); i++) {
		uint64_t boundary = queue_boundary(i);
		struct virtq_place place = {.size = SMALL_QUEUE};

		/* One or two of a chain's three descriptors before the boundary. */
		place.desc = place_aligned(boundary, i % 2 ? 16 : 32, 16 * SMALL_QUEUE, 16);
		if (place.desc)
			queues += run_queue(blk, &place, boundary);
	}
	note(queues, queue_count());
}

/*
 * A ring of @len bytes, aligned to @align, @before of them before the boundary. Packed: the four
 * bytes of an event suppression, which cannot be cut, on either side of it.
 */
static uint64_t place_ring(const struct blk *blk, uint64_t boundary, uint64_t before, uint64_t len,
			   uint64_t align)
{
	if (blk->queue.packed)
		return place_aligned(boundary, before & 4, 4, 4);
	return place_aligned(boundary, before, len, align);
}

void test_blk_avail(void)
{
	/* Between flags and index; index and ring; in the ring; before used_event. */
	static const uint8_t before[] = {2, 4, 8, 12};
	struct blk *blk = disk();
	unsigned int queues = 0;

	if (!blk)
		return;
	for (uint32_t i = 0; i < queue_count(); i++) {
		uint64_t boundary = queue_boundary(i);
		struct virtq_place place = {.size = SMALL_QUEUE};

		place.avail = place_ring(blk, boundary, before[i % sizeof(before)],
					 6 + 2 * SMALL_QUEUE, 2);
		if (place.avail)
			queues += run_queue(blk, &place, boundary);
	}
	note(queues, queue_count());
}

void test_blk_used(void)
{
	/* Between index and ring; in an element, the first and the third; before avail_event. */
	static const uint8_t before[] = {4, 8, 24, 36};
	struct blk *blk = disk();
	unsigned int queues = 0;

	if (!blk)
		return;
	for (uint32_t i = 0; i < queue_count(); i++) {
		uint64_t boundary = queue_boundary(i);
		struct virtq_place place = {.size = SMALL_QUEUE};

		place.used = place_ring(blk, boundary, before[i % sizeof(before)],
					6 + 8 * SMALL_QUEUE, 4);
		if (place.used)
			queues += run_queue(blk, &place, boundary);
	}
	note(queues, queue_count());
}

void test_blk_indirect(void)
{
	struct blk *blk = disk();
	unsigned int requests = 0;

	if (!blk)
		return;
	if (!(blk->device->features & FEATURE_INDIRECT_DESC)) {
		tap_skip("not offered");
		return;
	}
	for (uint32_t i = 0; i < memory_map.boundary_count; i++) {
		uint64_t boundary = memory_map.boundaries[i];
		struct blk_request request = {.extents = 0};

		/* Indirect tables need no alignment: also cut within a descriptor. */
		request.indirect = buffer_place(boundary, 16 + 5 * (i % 4), 3 * 16);
		if (request.indirect)
			requests += read_known(blk, &request, boundary);
	}
	note(requests, memory_map.boundary_count);
}
