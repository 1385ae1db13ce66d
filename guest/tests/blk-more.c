/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* What a disk may offer besides reading and writing: zeros, discards, a second queue. */
#include <stddef.h>

#include "guest/blk.h"
#include "guest/memory.h"
#include "guest/string.h"
#include "guest/tap.h"
#include "guest/tests/blk-data.h"
#include "guest/tests/tests.h"

#define SECTORS 4

/* Offsets in the configuration (5.2.4). */
#define MAX_DISCARD_SEG      40
#define MAX_WRITE_ZEROES_SEG 52

static uint8_t data[SECTORS * ABI_SECTOR_SIZE];

/* Sectors with something in them. */
static bool fill(struct blk *blk, uint64_t sector)
{
	for (unsigned int i = 0; i < SECTORS; i++)
		blk_fill_sector(data + (size_t)i * ABI_SECTOR_SIZE, sector + i);
	return CHECK(blk_transfer(blk, BLK_OUT, sector, (uint64_t)data, sizeof(data)) == BLK_OK,
		     "sector %lu cannot be written", sector);
}

/* Two segments with a sector between them, which is to stay; across a boundary if there is one. */
static void check(struct blk *blk, const char *what, uint32_t type, uint32_t flags)
{
	const uint64_t sector = blk_scratch(blk, SECTORS);
	const uint32_t max = (uint32_t)virtio_config64(
		blk->device, type == BLK_DISCARD ? MAX_DISCARD_SEG : MAX_WRITE_ZEROES_SEG);
	struct blk_segment segments[] = {{sector, 1, flags}, {sector + 2, 2, flags}};
	const uint32_t step = max < 2 ? sizeof(*segments) : sizeof(segments);
	uint64_t place = 0;
	uint32_t status;

	if (memory_map.boundary_count)
		place = buffer_place(memory_map.boundaries[0], 20, sizeof(segments));
	if (!place)
		place = (uint64_t)segments;
	if (!fill(blk, sector))
		return;
	memcpy(at(place), segments, sizeof(segments));
	/* Both in a request, or one in each for a device that takes no more. */
	for (uint32_t done = 0; done < sizeof(segments); done += step) {
		status = blk_transfer(blk, type, 0, place + done, step);
		if (!CHECK(status == BLK_OK, "%s: status %u", what, status))
			return;
	}
	memset(data, 0x5a, sizeof(data));
	status = blk_transfer(blk, BLK_IN, sector, (uint64_t)data, sizeof(data));
	CHECK(status == BLK_OK, "%s: read: status %u", what, status);
	CHECK(data[ABI_SECTOR_SIZE] | data[ABI_SECTOR_SIZE + 1] | data[ABI_SECTOR_SIZE + 2],
	      "%s: more than was asked for", what);
	/* What was discarded reads as anything. */
	for (unsigned int i = 0; type == BLK_WRITE_ZEROES && i < sizeof(data); i += 8) {
		if (i / ABI_SECTOR_SIZE != 1 && !CHECK(!data[i], "%s: byte %u is not 0", what, i))
			return;
	}
	/* Beyond the end, and a flag nobody knows. */
	segments[0] = (struct blk_segment){blk->capacity, 1, 0};
	status = blk_transfer(blk, type, 0, (uint64_t)segments, sizeof(*segments));
	CHECK(status == BLK_IOERR, "%s beyond the end: status %u", what, status);
	segments[0] = (struct blk_segment){sector, 1, 0x100};
	status = blk_transfer(blk, type, 0, (uint64_t)segments, sizeof(*segments));
	CHECK(status == BLK_UNSUPP, "%s with an unknown flag: status %u", what, status);
}

void test_blk_zeroes(void)
{
	struct blk_request flush = {.type = BLK_FLUSH};
	struct blk *blk = blk_disk();
	uint64_t features = blk ? blk->device->features : 0;

	if (!blk || blk->scratch_count < SECTORS) {
		tap_skip(blk ? "too few scratch sectors" : "no device");
		return;
	}
	if (!(features & (BLK_FEATURE_WRITE_ZEROES | BLK_FEATURE_DISCARD))) {
		tap_skip("not offered");
		return;
	}
	if (features & BLK_FEATURE_WRITE_ZEROES) {
		check(blk, "zeroes", BLK_WRITE_ZEROES, 0);
		check(blk, "zeroes with unmap", BLK_WRITE_ZEROES, BLK_UNMAP);
	}
	if (features & BLK_FEATURE_DISCARD)
		check(blk, "discard", BLK_DISCARD, 0);
	if (features & BLK_FEATURE_FLUSH)
		CHECK(blk_submit(blk, &flush) == BLK_OK, "flush failed");
}

/* What is written through one queue is read through the other, until their rings have wrapped. */
void test_blk_queues(void)
{
	struct blk *blk = blk_disk();
	uint64_t sector;
	struct blk other;

	if (!blk || blk->scratch_count < SECTORS) {
		tap_skip(blk ? "too few scratch sectors" : "no device");
		return;
	}
	if (blk->queues < 2) {
		tap_skip("one queue");
		return;
	}
	sector = blk_scratch(blk, SECTORS);
	other = *blk;
	other.queue = blk->second;
	for (unsigned int i = 0; i < 8; i++) {
		static uint8_t back[sizeof(data)];
		struct blk *from = i % 2 ? &other : blk, *to = i % 2 ? blk : &other;

		if (!fill(from, sector))
			return;
		memset(back, 0, sizeof(back));
		if (!CHECK(blk_transfer(to, BLK_IN, sector, (uint64_t)back, sizeof(back)) == BLK_OK,
			   "queue %u cannot read", to->queue.index) ||
		    !CHECK(!memcmp(data, back, sizeof(back)), "wrong data"))
			return;
	}
	tap_note("%u queues", blk->queues);
}
