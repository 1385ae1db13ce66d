/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* What the test blk-records said it has flushed, and what is on the disk. */
#include "tests/kvm/records.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Whether the sector has all of record @number's, 0 being zeros. */
static bool holds(const uint64_t *words, uint64_t number, unsigned int sector)
{
	for (unsigned int word = 0; word < ABI_SECTOR_SIZE / 8; word++) {
		if (words[word] != (number ? abi_record(number, sector, word) : 0))
			return false;
	}
	return true;
}

/* The number of the record that is to be in @place when all up to @last are written. */
static uint64_t newest(uint64_t last, unsigned int place)
{
	uint64_t back = (last + RECORDS_PLACES - place) % RECORDS_PLACES;

	return last > back ? last - back : 0;
}

unsigned int records_check(int fd, uint64_t flushed, const char *round)
{
	uint64_t words[ABI_SECTOR_SIZE / 8];
	unsigned int under_way = 0;

	for (unsigned int place = 0; place < RECORDS_PLACES; place++) {
		uint64_t number = newest(flushed, place);
		uint64_t next = newest(flushed + ABI_RECORD_BATCH, place);

		for (unsigned int i = 0; i < ABI_RECORD_SECTORS; i++) {
			off_t at = (off_t)(place * ABI_RECORD_SECTORS + i) * ABI_SECTOR_SIZE;

			ck_assert_int_eq(pread(fd, words, sizeof(words), at), sizeof(words));
			if (holds(words, number, i))
				continue;
			ck_assert_msg(next != number,
				      "%s: record %llu is lost: sector %u of its place has %llu",
				      round, (unsigned long long)number, i,
				      (unsigned long long)words[0]);
			ck_assert_msg(
				holds(words, next, i),
				"%s: sector %u of place %u is neither of record %llu nor of %llu",
				round, i, place, (unsigned long long)number,
				(unsigned long long)next);
			under_way++;
		}
	}
	return under_way;
}

uint64_t records_flushed(const struct vm *vm)
{
	const char *line = NULL, *at = vm->output;
	uint64_t number = 0;

	while ((line = strstr(at, ABI_RECORD_LINE))) {
		at = line + strlen(ABI_RECORD_LINE);
		if (!strchr(at, '\n'))
			break;
		number = strtoull(at, NULL, 10);
	}
	return number;
}
