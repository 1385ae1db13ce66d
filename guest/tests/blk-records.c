/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Numbered records, written over older ones and flushed, batch by batch, and after each batch a
 * line that says so: for a host that kills the monitor at any moment and then looks at the disk.
 */
#include <stddef.h>

#include "guest/blk.h"
#include "guest/cmdline.h"
#include "guest/interrupts.h"
#include "guest/print.h"
#include "guest/tap.h"
#include "guest/tests/tests.h"

static uint64_t record[ABI_RECORD_SECTORS][ABI_SECTOR_SIZE / 8];

static bool write_record(struct blk *blk, uint64_t number)
{
	const uint64_t places = blk->scratch_count / ABI_RECORD_SECTORS;
	uint64_t sector = blk->scratch + number % places * ABI_RECORD_SECTORS;
	uint32_t status;

	for (unsigned int i = 0; i < ABI_RECORD_SECTORS; i++) {
		for (unsigned int word = 0; word < ABI_SECTOR_SIZE / 8; word++)
			record[i][word] = abi_record(number, i, word);
	}
	status = blk_transfer(blk, BLK_OUT, sector, (uint64_t)record, sizeof(record));
	return CHECK(status == BLK_OK, "record %lu: status %u", number, status);
}

static bool flush(struct blk *blk)
{
	struct blk_request request = {.type = BLK_FLUSH};
	uint32_t status;

	/* A disk without the feature has written what it says it has. */
	if (!(blk->device->features & BLK_FEATURE_FLUSH))
		return true;
	status = blk_submit(blk, &request);
	return CHECK(status == BLK_OK, "flush: status %u", status);
}

void test_blk_records(void)
{
	const char *value = cmdline_next(ABI_KEY_RECORDS, NULL);
	struct blk *blk = value ? blk_disk() : NULL;
	uint64_t number, count;

	if (!value) {
		tap_skip("no records=");
		return;
	}
	if (!CHECK(blk && blk->scratch_count >= ABI_RECORD_SECTORS, "no disk with room"))
		return;
	number = cmdline_number(&value);
	if (!CHECK(*value == ',', "records= without a count"))
		return;
	value++;
	for (count = cmdline_number(&value); count; count--, number++) {
		if (!write_record(blk, number))
			return;
		if (count > 1 && number % ABI_RECORD_BATCH)
			continue;
		if (!flush(blk))
			return;
		print(ABI_RECORD_LINE "%lu\n", number);
		/* As long as it goes on it does not hang. */
		watchdog_restart();
	}
}
