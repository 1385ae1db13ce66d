/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Words and numbers of maps, and names that come from the user's command line: a file may be called
 * anything, and must neither move a terminal's cursor nor end an attribute.
 */
#include <inttypes.h>
#include <string.h>

#include "vmm/map-impl.h"

#define NO_CHARACTER 0xfffd

const struct map_flag map_flags[] = {
	{GM_REGION_PRIVATE, "private"},
	{GM_REGION_HUGETLB, "huge"},
	{GM_REGION_POPULATE, "populate"},
	{GM_REGION_LOCK, "lock"},
	{.name = NULL},
};

const char *map_backing(enum gm_backing backing)
{
	static const char *const names[] = {
		[GM_BACKING_ANON] = "anon",
		[GM_BACKING_MEMFD] = "memfd",
		[GM_BACKING_FILE] = "file",
		[GM_BACKING_FOREIGN] = "foreign",
	};

	return names[backing];
}

/* --- characters ----------------------------------------------------------------------------------- */

uint32_t map_decode(const char **text)
{
	static const struct {
		uint8_t mask, lead;
		uint32_t min; /* below it a shorter form is the right one */
	} forms[] = {{0x80, 0, 0}, {0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};
	const uint8_t *at = (const uint8_t *)*text;
	size_t more = 0;
	uint32_t code;

	while (more < 4 && (*at & forms[more].mask) != forms[more].lead)
		more++;
	++*text;
	if (more == 4)
		return NO_CHARACTER;
	code = *at & (uint8_t)~forms[more].mask;
	for (size_t i = 1; i <= more; i++) {
		if ((at[i] & 0xc0) != 0x80)
			return NO_CHARACTER;
		code = code << 6 | (at[i] & 0x3f);
	}
	if (code < forms[more].min || code > 0x10ffff || (code >= 0xd800 && code < 0xe000) ||
	    (code & 0xfffe) == 0xfffe)
		return NO_CHARACTER;
	*text += more;
	return code;
}

static size_t encode(uint32_t code, char to[4])
{
	size_t more = code < 0x80 ? 0 : code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
	static const uint8_t lead[] = {0, 0xc0, 0xe0, 0xf0};

	for (size_t i = more; i > 0; i--, code >>= 6)
		to[i] = (char)(0x80 | (code & 0x3f));
	to[0] = (char)(lead[more] | code);
	return more + 1;
}

void map_encode(uint32_t code, FILE *out)
{
	char bytes[4];

	fwrite(bytes, 1, encode(code, bytes), out);
}

/* What is not of Latin, Greek or Cyrillic may be two columns wide, and is taken to be. */
static size_t width(uint32_t code)
{
	return code < 0x1100 ? 1 : 2;
}

static bool is_control(uint32_t code)
{
	return code < 0x20 || (code >= 0x7f && code < 0xa0) ||
	       /* What turns the direction of writing, or is not seen. */
	       (code >= 0x200b && code <= 0x200f) || (code >= 0x2028 && code <= 0x202e) ||
	       (code >= 0x2060 && code <= 0x206f) || code == 0xfeff;
}

size_t map_columns(const char *text)
{
	size_t columns = 0;

	while (*text)
		columns += width(map_decode(&text));
	return columns;
}

void map_fit(char *to, size_t size, size_t columns, const char *text)
{
	static const char dots[] = "...";
	size_t len = 0, used = 0, cut = 0;

	while (*text) {
		uint32_t code = map_decode(&text);
		char bytes[4];
		size_t n;

		code = is_control(code) ? '?' : code;
		n = encode(code, bytes);
		if (len + n >= size || used + width(code) > columns) {
			memcpy(to + cut, dots, sizeof(dots));
			return;
		}
		memcpy(to + len, bytes, n);
		len += n;
		used += width(code);
		/* Behind what the dots would have to follow. */
		if (used + 3 <= columns && len + sizeof(dots) <= size)
			cut = len;
	}
	to[len] = '\0';
}

/* --- numbers -------------------------------------------------------------------------------------- */

static const char units[][4] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};

void map_size(char *to, size_t size, uint64_t bytes)
{
	unsigned int unit = 0;

	while (unit < sizeof(units) / sizeof(units[0]) - 1 && bytes % 1024 == 0 && bytes) {
		bytes /= 1024;
		unit++;
	}
	snprintf(to, size, "%" PRIu64 " %s", bytes, units[unit]);
}

void map_about(char *to, size_t size, uint64_t bytes)
{
	unsigned int unit = 0, rest;
	uint64_t whole = bytes;

	while (whole >= 1024) {
		whole /= 1024;
		unit++;
	}
	/* Tenths of the unit, cut off: 1023.9 is not 1024. */
	rest = unit ? (unsigned int)((bytes >> (10 * (unit - 1)) & 1023) * 10 / 1024) : 0;
	if (!unit || (bytes & ((1ULL << (10 * unit)) - 1)) == 0)
		snprintf(to, size, "%" PRIu64 " %s", whole, units[unit]);
	else
		snprintf(to, size, "%" PRIu64 ".%u %s", whole, rest, units[unit]);
}

void map_title(const struct map *map, char *text, size_t size)
{
	char name[MAP_NAME_MAX] = "", bytes[32];
	uint64_t total = 0;

	for (size_t i = 0; i < map->region_count; i++)
		total += map->regions[i].size;
	map_about(bytes, sizeof(bytes), total);
	if (map->kernel) {
		const char *slash = strrchr(map->kernel, '/');

		map_fit(name, sizeof(name), 60, slash ? slash + 1 : map->kernel);
	}
	snprintf(text, size, "%s%s%zu region%s, %s of memory", name, *name ? ": " : "",
		 map->region_count, map->region_count == 1 ? "" : "s", bytes);
}

void map_row_sum(const struct map_row *row, char *text, size_t size)
{
	char min[32], max[32], every[64] = "";

	*text = '\0';
	if (row->count == 1 || row->inside)
		return;
	map_size(min, sizeof(min), row->min);
	map_size(max, sizeof(max), row->max);
	if (row->every)
		map_size(every, sizeof(every), row->every);
	snprintf(text, size, "%zu x %s%s%s%s%s%s ", row->count, min,
		 row->min == row->max ? "" : " to ", row->min == row->max ? "" : max,
		 row->every ? " every " : "", every,
		 row->holes && !row->every ? ", holes between," : "");
}

/* --- pieces --------------------------------------------------------------------------------------- */

static int by_address(const void *a, const void *b)
{
	const struct boot_placed *const *left = a, *const *right = b;

	return (*left)->addr < (*right)->addr ? -1 : (*left)->addr > (*right)->addr;
}

const struct boot_placed **map_sort_pieces(const struct map *map)
{
	const struct boot_placed **sorted =
		calloc(map->piece_count + 1, sizeof(const struct boot_placed *));

	for (size_t i = 0; sorted && i < map->piece_count; i++)
		sorted[i] = &map->pieces[i];
	if (sorted)
		qsort(sorted, map->piece_count, sizeof(*sorted), by_address);
	return sorted;
}
