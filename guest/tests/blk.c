/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* What a disk says about itself, the requests it must refuse, ROM, and the read-only disk. */
#include "guest/blk.h"

#include <stddef.h>

#include "guest/memory.h"
#include "guest/string.h"
#include "guest/tap.h"
#include "guest/tests/blk-data.h"
#include "guest/tests/tests.h"

#define NO_SUCH_REQUEST 0x7777

static uint8_t own[2 * ABI_SECTOR_SIZE];

void test_blk_identify(void)
{
	struct blk_request request = {
		.type = BLK_GET_ID,
		.data = {{(uint64_t)own, BLK_ID_SIZE}},
		.extents = 1,
	};
	struct blk *blk = blk_disk();
	unsigned int len = 0;
	uint32_t status;

	if (!blk) {
		tap_skip("no device");
		return;
	}
	memset(own, 0xff, sizeof(own));
	status = blk_submit(blk, &request);
	CHECK(status == BLK_OK, "GET_ID: status %u", status);
	CHECK(request.written == BLK_ID_SIZE + 1, "GET_ID: %u bytes written", request.written);
	CHECK(own[BLK_ID_SIZE] == 0xff, "GET_ID wrote beyond the buffer");
	while (len < BLK_ID_SIZE && own[len])
		CHECK(own[len++] < 0x7f, "GET_ID: not text");
	CHECK(blk->capacity > 0, "no capacity");
	own[BLK_ID_SIZE] = 0;
	tap_note("id \"%s\", %lu sectors%s%s, scratch %lu,%lu", (const char *)own, blk->capacity,
		 blk->readonly ? ", read-only" : "", blk->ext2 ? ", ext2" : "", blk->scratch,
		 blk->scratch_count);
}

static void expect(struct blk *blk, const char *what, uint32_t type, uint64_t sector, uint64_t len,
		   uint32_t want)
{
	uint32_t status = blk_transfer(blk, type, sector, (uint64_t)own, len);

	CHECK(status == want, "%s: status %u, not %u", what, status, want);
}

void test_blk_errors(void)
{
	struct blk_request flush = {.type = BLK_FLUSH};
	struct blk *blk = blk_disk();
	uint32_t status;

	if (!blk) {
		tap_skip("no device");
		return;
	}
	expect(blk, "last sector", BLK_IN, blk->capacity - 1, ABI_SECTOR_SIZE, BLK_OK);
	expect(blk, "read of the end", BLK_IN, blk->capacity, ABI_SECTOR_SIZE, BLK_IOERR);
	expect(blk, "read across the end", BLK_IN, blk->capacity - 1, sizeof(own), BLK_IOERR);
	expect(blk, "read of sector 2^64 - 1", BLK_IN, UINT64_MAX, sizeof(own), BLK_IOERR);
	expect(blk, "read of sector 2^55", BLK_IN, 1ull << 55, ABI_SECTOR_SIZE, BLK_IOERR);
	expect(blk, "write beyond the end", BLK_OUT, blk->capacity, ABI_SECTOR_SIZE, BLK_IOERR);
	expect(blk, "unknown request", NO_SUCH_REQUEST, 0, ABI_SECTOR_SIZE, BLK_UNSUPP);
	if (blk->device->features & BLK_FEATURE_FLUSH) {
		status = blk_submit(blk, &flush);
		CHECK(status == BLK_OK && flush.written == 1, "flush: status %u, %u written",
		      status, flush.written);
	}
	expect(blk, "read after errors", BLK_IN, 0, ABI_SECTOR_SIZE, BLK_OK);
}

/*
 * A disk write takes ROM as its source. A disk read into it must be refused, as an I/O error or as
 * a broken driver, and must not change it; the device works again after a reset.
 */
static void check_rom(struct blk *blk, uint64_t rom)
{
	uint64_t sector = blk_scratch(blk, 1);
	uint32_t status;

	memcpy(own, at(rom), ABI_SECTOR_SIZE);
	status = blk_transfer(blk, BLK_OUT, sector, rom, ABI_SECTOR_SIZE);
	CHECK(status == BLK_OK, "write from ROM at %lx: status %u", rom, status);
	memset(own + ABI_SECTOR_SIZE, 0x5a, ABI_SECTOR_SIZE);
	status = blk_transfer(blk, BLK_IN, sector, (uint64_t)own + ABI_SECTOR_SIZE, ABI_SECTOR_SIZE);
	CHECK(status == BLK_OK && !memcmp(own, own + ABI_SECTOR_SIZE, ABI_SECTOR_SIZE),
	      "ROM at %lx did not reach the disk", rom);
	/* Something other than what the ROM holds. */
	blk_fill_sector(own + ABI_SECTOR_SIZE, sector);
	blk_transfer(blk, BLK_OUT, sector, (uint64_t)own + ABI_SECTOR_SIZE, ABI_SECTOR_SIZE);
	status = blk_transfer(blk, BLK_IN, sector, rom, ABI_SECTOR_SIZE);
	CHECK(status == BLK_IOERR || status == BLK_BROKEN, "read into ROM at %lx: status %u", rom,
	      status);
	CHECK(blk_start(blk, 0), "no start after a read into ROM at %lx", rom);
	CHECK(!memcmp(own, at(rom), ABI_SECTOR_SIZE), "read changed the ROM at %lx", rom);
}

void test_blk_rom(void)
{
	struct blk *blk = blk_disk();
	unsigned int roms = 0;

	if (!blk || !blk->scratch_count) {
		tap_skip(blk ? "no scratch sectors" : "no device");
		return;
	}
	for (uint32_t i = 0; i < memory_map.region_count && roms < 16; i++) {
		const struct abi_region *region = &memory_map.regions[i];

		if (!(region->flags & ABI_REGION_READONLY) || region->size < ABI_SECTOR_SIZE)
			continue;
		check_rom(blk, region->base);
		check_rom(blk, region->base + region->size - ABI_SECTOR_SIZE);
		roms++;
	}
	if (!roms)
		tap_skip("no read-only region");
}

void test_blk_readonly(void)
{
	struct blk *blk = blk_readonly_disk();

	if (!blk) {
		tap_skip("no read-only device");
		return;
	}
	expect(blk, "read", BLK_IN, 0, ABI_SECTOR_SIZE, BLK_OK);
	memcpy(own + ABI_SECTOR_SIZE, own, ABI_SECTOR_SIZE);
	for (unsigned int i = 0; i < ABI_SECTOR_SIZE; i++)
		own[i] = (uint8_t)~own[i];
	expect(blk, "write", BLK_OUT, 0, ABI_SECTOR_SIZE, BLK_IOERR);
	expect(blk, "read", BLK_IN, 0, ABI_SECTOR_SIZE, BLK_OK);
	CHECK(!memcmp(own, own + ABI_SECTOR_SIZE, ABI_SECTOR_SIZE), "the write arrived");
}
