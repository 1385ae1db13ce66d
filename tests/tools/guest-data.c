/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The host's side of what the test kernel leaves on disks: computes from guest/abi.h what must be
 * there and compares.
 *
 *	guest-data sum FILE			print the file's FNV-1a sum, for ext2sum=
 *	guest-data file FILE			the whole file must hold the pattern of ext2write=
 *	guest-data scratch FILE FIRST COUNT	these sectors must hold the final pattern
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guest/abi.h"

static int fail(const char *path, const char *what)
{
	fprintf(stderr, "guest-data: %s: %s\n", path, what);
	return EXIT_FAILURE;
}

static int sum(FILE *file)
{
	uint32_t value = ABI_FNV_INIT;
	unsigned char buf[4096];
	size_t n;

	while ((n = fread(buf, 1, sizeof(buf), file)))
		value = abi_fnv1a(value, buf, n);
	printf("%x\n", value);
	return EXIT_SUCCESS;
}

/* Sectors from the file's position on, numbered from @first; @count of them or up to the end. */
static int compare(FILE *file, const char *path, uint64_t first, uint64_t count, uint64_t generation)
{
	unsigned char sector[ABI_SECTOR_SIZE];
	uint64_t at = first;
	size_t n;

	while (at < first + count && (n = fread(sector, 1, sizeof(sector), file))) {
		for (size_t byte = 0; byte < n; byte++) {
			uint64_t word = abi_pattern(at, (unsigned int)(byte / 8), generation);

			if (sector[byte] != (unsigned char)(word >> byte % 8 * 8)) {
				fprintf(stderr, "guest-data: %s: sector %llu differs at byte %zu\n",
					path, (unsigned long long)at, byte);
				return EXIT_FAILURE;
			}
		}
		at++;
	}
	return at > first ? EXIT_SUCCESS : fail(path, "nothing to compare");
}

int main(int argc, char **argv)
{
	FILE *file = argc > 2 ? fopen(argv[2], "rb") : NULL;
	int ret = 2;

	if (argc > 2 && !file)
		return fail(argv[2], "cannot open it");
	if (argc == 3 && strcmp(argv[1], "sum") == 0) {
		ret = sum(file);
	} else if (argc == 3 && strcmp(argv[1], "file") == 0) {
		ret = compare(file, argv[2], 0, UINT64_MAX, ABI_PATTERN_FILE);
	} else if (argc == 5 && strcmp(argv[1], "scratch") == 0) {
		uint64_t first = strtoull(argv[3], NULL, 0);

		if (fseek(file, (long)(first * ABI_SECTOR_SIZE), SEEK_SET))
			ret = fail(argv[2], "cannot seek");
		else
			ret = compare(file, argv[2], first, strtoull(argv[4], NULL, 0),
				      ABI_PATTERN_FINAL);
	} else {
		fputs("usage: guest-data sum|file FILE | scratch FILE FIRST COUNT\n", stderr);
	}
	if (file)
		fclose(file);
	return ret;
}
