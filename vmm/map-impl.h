/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * What the forms of a map share: words, characters that may be printed, and the rows of text and
 * picture.
 */
#ifndef VMM_MAP_IMPL_H
#define VMM_MAP_IMPL_H

#include <stdlib.h>

#include "vmm/map.h"

/* --- map-words.c ---------------------------------------------------------------------------------- */

/* Flags of a region that are worth a word; ends with one without a name. */
struct map_flag {
	unsigned int flag;
	const char *name;
};

extern const struct map_flag map_flags[];

const char *map_backing(enum gm_backing backing);

/*
 * One character of UTF-8, and *text is behind it. What is none, and what no XML file may have, is
 * U+FFFD.
 */
uint32_t map_decode(const char **text);
void map_encode(uint32_t code, FILE *out);

/*
 * As much of @text as fits into @size bytes and @columns columns of a terminal, with "..." where
 * something was left out. Control characters, which a terminal would obey, become question marks.
 */
void map_fit(char *to, size_t size, size_t columns, const char *text);

/* How many columns @text, of map_fit(), takes. */
size_t map_columns(const char *text);

/* "64 KiB", exact: the largest unit that divides it. */
void map_size(char *to, size_t size, uint64_t bytes);

/* "46.2 MiB": one decimal where it is not exact. */
void map_about(char *to, size_t size, uint64_t bytes);

/* The pieces of the map, ascending; to be freed. NULL if memory is short. */
const struct boot_placed **map_sort_pieces(const struct map *map);

/* --- map-rows.c ----------------------------------------------------------------------------------- */

/* What an address is for; the order is the legend's. */
enum row_kind {
	ROW_ANON,
	ROW_MEMFD,
	ROW_FILE,
	ROW_FOREIGN,
	ROW_MIXED, /* regions of several kinds that are summed up */
	ROW_HOLE,
	ROW_WINDOW,
	ROW_KERNEL,
	ROW_GIVEN, /* files beside the kernel */
	ROW_TABLE,
	ROW_QUEUE,
	ROW_KINDS,
};

/*
 * A row: a region or several that are alike, a hole, a window; or, if it is inside, what lies in
 * these. Rows that are not inside are disjoint and have no gaps between them, from address 0 on.
 */
struct map_row {
	gm_addr start;
	gm_addr last;
	enum row_kind kind;
	bool inside;
	bool read_only;
	size_t first;      /* region: its index, of the first one it stands for */
	size_t count;      /* how many it stands for */
	uint64_t min, max; /* regions: the smallest and the largest size */
	uint64_t every;    /* regions with equal holes between them: from one to the next, or 0 */
	bool holes;        /* between them are holes of any size */
	char text[200];    /* what it is, of map_fit() */
};

struct map_rows {
	struct map_row *rows; /* ascending; what is inside behind what it begins in */
	size_t count;
	size_t capacity;
};

/* 0, or -1 if memory is short. map_rows_clear() in every case. */
int map_rows_make(struct map_rows *rows, const struct map *map);
void map_rows_clear(struct map_rows *rows);

#define MAP_TITLE_MAX 200

/* The first line of text and picture: "kernel.elf on 1000 regions of memory, 62.5 MiB". */
void map_title(const struct map *map, char *text, size_t size);

/* What goes before a row's text if it stands for several regions: "1000 x 64 KiB ", or nothing. */
void map_row_sum(const struct map_row *row, char *text, size_t size);

/* --- map-scale.c ---------------------------------------------------------------------------------- */

/* From one address where something begins or ends to the next. */
struct map_span {
	gm_addr start;
	int max; /* pixels; beyond it is a break */
	int height;
	int y; /* from the top */
	bool broken;
};

struct map_scale {
	struct map_span *spans; /* count, and one behind them for the end */
	size_t count;
	double pixels; /* for a byte */
};

/* 0, or -1 if memory is short. map_scale_clear() in every case. */
int map_scale_make(struct map_scale *scale, const struct map_rows *rows);
void map_scale_clear(struct map_scale *scale);

/* Where @addr is, at which a row begins, or behind which one ends. */
int map_scale_y(const struct map_scale *scale, gm_addr addr);

#endif
