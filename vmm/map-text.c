/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* A map as aligned text: a line a row, what is inside others indented. */
#include <inttypes.h>
#include <string.h>

#include "vmm/map-impl.h"

/* Hexadecimal digits for all addresses there are, eight at least. */
static int digits(const struct map_rows *rows)
{
	gm_addr last = 0;
	int count = 8;

	for (size_t i = 0; i < rows->count; i++)
		last = rows->rows[i].last > last ? rows->rows[i].last : last;
	while (count < 16 && last >> (4 * count))
		count++;
	return count;
}

static void put_slots(const struct map_row *row, const struct map *map, FILE *out)
{
	if (row->inside || row->kind == ROW_HOLE || row->kind == ROW_WINDOW)
		return;
	if (row->count > 1)
		fprintf(out, "  slots %zu-%zu", row->first, row->first + row->count - 1);
	else
		fprintf(out, "  slot %zu", row->first);
	if (row->count == 1 && map->regions[row->first].host)
		fprintf(out, "  host %p", map->regions[row->first].host);
}

static void put_row(const struct map_row *row, const struct map *map, int width, FILE *out)
{
	char size[32], sum[100];

	/* No row goes up to the end of the 64 bits, so that there is no sum that wraps. */
	map_about(size, sizeof(size), row->last - row->start + 1);
	map_row_sum(row, sum, sizeof(sum));
	fprintf(out, "0x%0*" PRIx64 "-0x%0*" PRIx64 "  %6.*s %-3s  %s%s%s", width, row->start,
		width, row->last, (int)strcspn(size, " "), size, strchr(size, ' ') + 1,
		row->inside ? "  " : "", sum, row->text);
	put_slots(row, map, out);
	putc('\n', out);
}

int map_write_text(const struct map *map, FILE *out)
{
	char title[MAP_TITLE_MAX];
	struct map_rows rows;
	int err = map_rows_make(&rows, map);

	map_title(map, title, sizeof(title));
	if (!err)
		fprintf(out, "%s\n", title);
	for (size_t i = 0; i < rows.count && !err; i++)
		put_row(&rows.rows[i], map, digits(&rows), out);
	map_rows_clear(&rows);
	return err || ferror(out) ? -1 : 0;
}
