/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Data across boundaries. Every check writes a pattern that was never used before, clears the
 * buffers, reads it back, and looks at the bytes around the buffers; blk-final leaves the scratch
 * sectors as the host expects them.
 */
#include "guest/tests/blk-data.h"

#include <stddef.h>

#include "guest/memory.h"
#include "guest/string.h"
#include "guest/tap.h"
#include "guest/tests/tests.h"

#define CANARY 0xa5
#define STALE  0x5a
#define WORD   sizeof(uint64_t)

typedef uint64_t unaligned_word __attribute__((aligned(1)));

static uint64_t generation = ABI_PATTERN_TESTS;

void blk_fill_sector(void *data, uint64_t sector)
{
	unaligned_word *words = data;

	generation++;
	for (unsigned int i = 0; i < ABI_SECTOR_SIZE / WORD; i++)
		words[i] = abi_pattern(sector, i, generation);
}

static uint64_t pattern_at(uint64_t sector, uint64_t offset)
{
	return abi_pattern(sector + offset / ABI_SECTOR_SIZE,
			   (unsigned int)(offset % ABI_SECTOR_SIZE / WORD), generation);
}

static void fill(const struct blk_request *request)
{
	uint64_t offset = 0;

	for (unsigned int i = 0; i < request->extents; i++) {
		unaligned_word *words = at(request->data[i].address);
		uint64_t count = request->data[i].len / WORD;

		for (uint64_t j = 0; j < count; j++, offset += WORD)
			words[j] = pattern_at(request->sector, offset);
	}
}

static void clear(const struct blk_request *request)
{
	for (unsigned int i = 0; i < request->extents; i++) {
		const struct extent *extent = &request->data[i];

		memset(at(extent->address - CANARY_SIZE), CANARY, CANARY_SIZE);
		memset(at(extent->address), STALE, extent->len);
		memset(at(extent->address + extent->len), CANARY, CANARY_SIZE);
	}
}

static bool canaries_live(const struct extent *extent)
{
	const uint8_t *before = at(extent->address - CANARY_SIZE);
	const uint8_t *after = at(extent->address + extent->len);

	for (unsigned int i = 0; i < CANARY_SIZE; i++) {
		if (before[i] != CANARY || after[i] != CANARY)
			return false;
	}
	return true;
}

static bool verify(const struct blk_request *request)
{
	uint64_t offset = 0;

	for (unsigned int i = 0; i < request->extents; i++) {
		const struct extent *extent = &request->data[i];
		const unaligned_word *words = at(extent->address);

		for (uint64_t j = 0; j < extent->len / WORD; j++, offset += WORD) {
			if (!CHECK(words[j] == pattern_at(request->sector, offset),
				   "%lx+%lx: byte %lu is wrong", extent->address, extent->len,
				   j * WORD))
				return false;
		}
		if (!CHECK(canaries_live(extent), "%lx+%lx: bytes around it changed",
			   extent->address, extent->len))
			return false;
	}
	return true;
}

/* Write the extents of @request, each a multiple of 8 bytes, together whole sectors; read back. */
static bool write_and_read(struct blk *blk, struct blk_request *request)
{
	uint64_t len = 0, first = request->data[0].address;
	uint32_t status;

	for (unsigned int i = 0; i < request->extents; i++)
		len += request->data[i].len;
	request->sector = blk_scratch(blk, len / ABI_SECTOR_SIZE);
	generation++;
	fill(request);
	request->type = BLK_OUT;
	status = blk_submit(blk, request);
	if (!CHECK(status == BLK_OK, "%lx+%lx: write: status %u", first, len, status))
		return false;
	CHECK(request->written == 1, "%lx+%lx: write: %u bytes written", first, len,
	      request->written);
	clear(request);
	request->type = BLK_IN;
	status = blk_submit(blk, request);
	if (!CHECK(status == BLK_OK, "%lx+%lx: read: status %u", first, len, status))
		return false;
	CHECK(request->written == len + 1, "%lx+%lx: read: %u bytes written", first, len,
	      request->written);
	return verify(request);
}

/* The disk, if it has @sectors scratch sectors and there are boundaries; else the test skips. */
static struct blk *scratch_disk(uint64_t sectors)
{
	struct blk *blk = blk_disk();

	if (!blk)
		tap_skip("no device");
	else if (blk->scratch_count < sectors)
		tap_skip("too few scratch sectors");
	else if (!memory_map.boundary_count)
		tap_skip("no boundaries");
	else
		return blk;
	return NULL;
}

/* Buffers that begin so many bytes before a boundary, and how long they are. */
static const struct {
	uint64_t before;
	uint64_t len;
} starts[] = {{1, 512}, {511, 1024}, {512, 1024}, {4095, 4608}};

#define START_COUNT (sizeof(starts) / sizeof(starts[0]))

void test_blk_data(void)
{
	struct blk *blk = scratch_disk(9);
	unsigned int buffers = 0;

	if (!blk)
		return;
	for (uint32_t i = 0; i < memory_map.boundary_count * START_COUNT; i++) {
		uint64_t boundary = memory_map.boundaries[i / START_COUNT];
		uint64_t before = starts[i % START_COUNT].before;
		uint64_t len = starts[i % START_COUNT].len;
		struct blk_request request = {
			.data = {{buffer_place(boundary, before, len), len}},
			.extents = 1,
		};

		if (request.data[0].address)
			buffers += write_and_read(blk, &request);
	}
	CHECK(buffers > 0, "no boundary has room for a buffer");
	tap_note("%u buffers at %u of %u boundaries", buffers, memory_map.boundary_count,
		 memory_map.boundary_total);
}

/* @crossings boundaries crossed by one buffer; or by a chain with one buffer at each. */
static bool span(struct blk *blk, uint32_t i, unsigned int crossings, unsigned int counts[2])
{
	struct blk_request request = {.extents = 0};
	uint64_t max = blk->scratch_count * ABI_SECTOR_SIZE;
	uint64_t len = 0, address;
	uint32_t count = memory_map.boundary_count;

	address =
		buffer_span(memory_map.boundaries[i], 511, crossings, 1, ABI_SECTOR_SIZE, max, &len);
	if (address) {
		request.data[request.extents++] = (struct extent){address, len};
		counts[0]++;
		return write_and_read(blk, &request);
	}
	if (count < crossings)
		return true;
	for (unsigned int j = 0; j < crossings; j++) {
		/* Sizes that end within sectors, and sum up to one for each crossing. */
		len = ABI_SECTOR_SIZE + (j == 0 ? 8 : 0) - (j + 1 == crossings ? 8 : 0);
		address = buffer_place(memory_map.boundaries[(i + j) % count], 8 * j + 3, len);
		if (!address)
			return true;
		request.data[request.extents++] = (struct extent){address, len};
	}
	counts[1]++;
	return write_and_read(blk, &request);
}

void test_blk_span(void)
{
	struct blk *blk = scratch_disk(3);
	unsigned int counts[2] = {0, 0};

	if (!blk)
		return;
	/* Long buffers take their time; a quarter of the boundaries is enough of them. */
	for (uint32_t i = 0; i < memory_map.boundary_count; i++) {
		for (unsigned int crossings = 2; crossings <= 3; crossings++) {
			if (memory_map.boundary_count < 8 || i % 4 == 0)
				span(blk, i, crossings, counts);
		}
	}
	if (!counts[0] && !counts[1])
		tap_skip("no two boundaries have room");
	else
		tap_note("%u buffers and %u chains across 2 and 3 boundaries", counts[0], counts[1]);
}

/* Everything was written to the scratch sectors; now what the host can compute. */
void test_blk_final(void)
{
	static uint8_t data[8 * ABI_SECTOR_SIZE];
	struct blk_request flush = {.type = BLK_FLUSH};
	struct blk *blk = blk_disk();

	if (!blk || !blk->scratch_count) {
		tap_skip(blk ? "no scratch sectors" : "no device");
		return;
	}
	for (uint64_t done = 0, count; done < blk->scratch_count; done += count) {
		uint64_t sector = blk->scratch + done;
		unaligned_word *words = (unaligned_word *)data;
		uint32_t status;

		count = blk->scratch_count - done < 8 ? blk->scratch_count - done : 8;
		for (uint64_t i = 0; i < count * ABI_SECTOR_SIZE / WORD; i++)
			words[i] = abi_pattern(sector + i / 64, i % 64, ABI_PATTERN_FINAL);
		status = blk_transfer(blk, BLK_OUT, sector, (uint64_t)data, count * ABI_SECTOR_SIZE);
		if (!CHECK(status == BLK_OK, "sector %lu: status %u", sector, status))
			return;
	}
	if (blk->device->features & BLK_FEATURE_FLUSH)
		CHECK(blk_submit(blk, &flush) == BLK_OK, "flush failed");
}
