/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * From a map to rows that a person can read. Neighbours that are alike become one row; where that
 * leaves too many, what counts as alike is taken more and more loosely, until it does not. A window
 * is always a row of its own, and regions on both sides of one are never summed up.
 */
#include <inttypes.h>
#include <string.h>

#include "vmm/map-impl.h"

/* Beyond this many rows of regions, more are summed up. */
#define REGION_ROWS_MAX 48
/* Likewise of what is inside. */
#define INSIDE_ROWS_MAX 48
/* Fewer than this are not worth it. */
#define RUN_MIN 4

/* Flags by which people tell regions apart. */
#define FLAGS_SHOWN                                                                         \
	(GM_REGION_READ_ONLY | GM_REGION_PRIVATE | GM_REGION_HUGETLB | GM_REGION_POPULATE | \
	 GM_REGION_LOCK)

static struct map_row *add_row(struct map_rows *rows)
{
	if (rows->count == rows->capacity) {
		size_t capacity = rows->capacity ? 2 * rows->capacity : 64;
		struct map_row *more = realloc(rows->rows, capacity * sizeof(*more));

		if (!more)
			return NULL;
		rows->rows = more;
		rows->capacity = capacity;
	}
	rows->rows[rows->count] = (struct map_row){.count = 1};
	return &rows->rows[rows->count++];
}

/* --- regions that are alike ----------------------------------------------------------------------- */

static gm_addr last_of(const struct map_region *region)
{
	return region->start + region->size - 1;
}

/* From the end of one to the beginning of the next. */
static uint64_t gap_behind(const struct map_region *region)
{
	return region[1].start - last_of(region) - 1;
}

static bool same_kind(const struct map_region *a, const struct map_region *b)
{
	return a->backing == b->backing && !((a->flags ^ b->flags) & FLAGS_SHOWN) &&
	       (a->file ? b->file && strcmp(a->file, b->file) == 0 : !b->file);
}

/* And what a file has in one is followed by what it has in the other. */
static bool goes_on(const struct map_region *a)
{
	return same_kind(a, a + 1) && gap_behind(a) == 0 &&
	       (!a->file || a->file_offset + a->size == a[1].file_offset);
}

/* Whether the region behind @at joins a run that began with @first; from strict to loose. */
static bool equal(const struct map_region *first, const struct map_region *at)
{
	return goes_on(at) && at[1].size == first->size;
}

static bool equally_apart(const struct map_region *first, const struct map_region *at)
{
	return same_kind(at, at + 1) && at[1].size == first->size &&
	       gap_behind(at) == gap_behind(first);
}

static bool adjacent(const struct map_region *first, const struct map_region *at)
{
	(void)first;
	return goes_on(at);
}

static bool of_one_kind(const struct map_region *first, const struct map_region *at)
{
	(void)first;
	return same_kind(at, at + 1);
}

static bool any(const struct map_region *first, const struct map_region *at)
{
	(void)first;
	(void)at;
	return true;
}

static bool (*const joins[])(const struct map_region *first, const struct map_region *at) = {
	equal, equally_apart, adjacent, of_one_kind, any,
};

#define LEVELS (sizeof(joins) / sizeof(joins[0]))

/* Whether a window begins in the hole behind a region. */
static bool window_behind(const struct map *map, const struct map_region *region)
{
	for (size_t i = 0; i < map->window_count && gap_behind(region); i++) {
		if (map->windows[i].start > last_of(region) && map->windows[i].start < region[1].start)
			return true;
	}
	return false;
}

/* How many regions from @at on are one row, if levels up to @level count. */
static size_t run(const struct map *map, size_t at, size_t level)
{
	const struct map_region *first = &map->regions[at];
	size_t best = 1, left = map->region_count - at;

	for (size_t i = 0; i <= level; i++) {
		size_t n = 1;

		while (n < left && joins[i](first, first + n - 1) &&
		       !window_behind(map, first + n - 1))
			n++;
		best = n > best ? n : best;
	}
	return best < RUN_MIN ? 1 : best;
}

/* The strictest level that leaves few enough rows, or the loosest. */
static size_t choose_level(const struct map *map)
{
	size_t level = 0;

	for (; level + 1 < LEVELS; level++) {
		size_t rows = 0;

		for (size_t i = 0; i < map->region_count && rows <= REGION_ROWS_MAX; rows++)
			i += run(map, i, level);
		if (rows <= REGION_ROWS_MAX)
			break;
	}
	return level;
}

/* --- rows of regions ------------------------------------------------------------------------------ */

/* "file rw private bios.bin@0x0" */
static void describe_region(struct map_row *row, const struct map_region *region)
{
	char text[512];
	size_t len;

	len = (size_t)snprintf(text, sizeof(text), "%s %s", map_backing(region->backing),
			       region->flags & GM_REGION_READ_ONLY ? "ro" : "rw");
	for (const struct map_flag *flag = map_flags; flag->name; flag++) {
		if (region->flags & flag->flag)
			len += (size_t)snprintf(text + len, sizeof(text) - len, " %s", flag->name);
	}
	if (region->file) {
		char name[MAP_NAME_MAX];

		map_fit(name, sizeof(name), sizeof(name), region->file);
		snprintf(text + len, sizeof(text) - len, " %s@0x%" PRIx64, name, region->file_offset);
	}
	map_fit(row->text, sizeof(row->text), sizeof(row->text), text);
}

static int add_regions(struct map_rows *rows, const struct map *map, size_t at, size_t count)
{
	static const enum row_kind kinds[] = {
		[GM_BACKING_ANON] = ROW_ANON,
		[GM_BACKING_MEMFD] = ROW_MEMFD,
		[GM_BACKING_FILE] = ROW_FILE,
		[GM_BACKING_FOREIGN] = ROW_FOREIGN,
	};
	const struct map_region *first = &map->regions[at];
	struct map_row *row = add_row(rows);
	bool apart = true;

	if (!row)
		return -1;
	row->start = first->start;
	row->last = last_of(first + count - 1);
	row->kind = kinds[first->backing];
	row->first = at;
	row->count = count;
	row->min = row->max = first->size;
	row->read_only = first->flags & GM_REGION_READ_ONLY;
	describe_region(row, first);
	for (size_t i = 0; i + 1 < count; i++) {
		if (!same_kind(first + i, first + i + 1)) {
			row->kind = ROW_MIXED;
			row->read_only = false;
			snprintf(row->text, sizeof(row->text), "of several kinds");
		}
		row->holes |= gap_behind(first + i) != 0;
		apart &= equally_apart(first, first + i);
		row->min = first[i + 1].size < row->min ? first[i + 1].size : row->min;
		row->max = first[i + 1].size > row->max ? first[i + 1].size : row->max;
	}
	if (apart && row->holes)
		row->every = first[1].start - first->start;
	return 0;
}

static int add_window(struct map_rows *rows, const struct map_window *window, bool inside)
{
	struct map_row *row = add_row(rows);
	char name[2 * MAP_NAME_MAX], pin[24] = "";

	if (!row)
		return -1;
	row->start = window->start;
	row->last = window->start + window->size - 1;
	row->kind = ROW_WINDOW;
	row->inside = inside;
	if (window->pin >= 0)
		snprintf(pin, sizeof(pin), ", pin %d", window->pin);
	map_fit(name, sizeof(name), 120, window->name);
	snprintf(row->text, sizeof(row->text), "%s%s", name, pin);
	return 0;
}

/* What lies between the row before and @start. */
static int add_hole(struct map_rows *rows, gm_addr start)
{
	const struct map_row *before = rows->count ? &rows->rows[rows->count - 1] : NULL;
	gm_addr from = before ? before->last + 1 : 0;
	struct map_row *row;

	if (from >= start)
		return 0;
	row = add_row(rows);
	if (!row)
		return -1;
	row->start = from;
	row->last = start - 1;
	row->kind = ROW_HOLE;
	snprintf(row->text, sizeof(row->text), "hole");
	return 0;
}

/* No layout has that, but a memory may. @at is the region behind the last row. */
static bool meets_region(const struct map_rows *rows, const struct map *map, size_t at,
			 const struct map_window *window)
{
	if (rows->count && window->start <= rows->rows[rows->count - 1].last)
		return true;
	return at < map->region_count && window->start <= last_of(&map->regions[at]) &&
	       map->regions[at].start <= window->start + window->size - 1;
}

/* Regions, windows and holes; a window that meets a region is @inside. */
static int make_outer(struct map_rows *rows, struct map_rows *inside, const struct map *map)
{
	size_t level = choose_level(map), at = 0, window = 0;
	int err = 0;

	while (!err && (at < map->region_count || window < map->window_count)) {
		const struct map_window *next = &map->windows[window];
		size_t count;

		if (window < map->window_count &&
		    (next->inside || meets_region(rows, map, at, next))) {
			err = add_window(inside, next, true);
			window++;
		} else if (at == map->region_count ||
			   (window < map->window_count && next->start < map->regions[at].start)) {
			err = add_hole(rows, next->start) || add_window(rows, next, false);
			window++;
		} else {
			count = run(map, at, level);
			err = add_hole(rows, map->regions[at].start) ||
			      add_regions(rows, map, at, count);
			at += count;
		}
	}
	return err;
}

/* --- what is inside ------------------------------------------------------------------------------- */

static int add_pieces(struct map_rows *inside, const struct map *map)
{
	static const enum row_kind kinds[] = {
		[BOOT_KERNEL] = ROW_KERNEL,
		[BOOT_FILE] = ROW_GIVEN,
		[BOOT_TABLE] = ROW_TABLE,
	};

	for (size_t i = 0; i < map->piece_count; i++) {
		const struct boot_placed *piece = &map->pieces[i];
		struct map_row *row;

		/* An empty one is nowhere. */
		if (!piece->len)
			continue;
		row = add_row(inside);
		if (!row)
			return -1;
		row->start = piece->addr;
		row->last = piece->addr + piece->len - 1;
		row->kind = kinds[piece->kind];
		row->inside = true;
		map_fit(row->text, sizeof(row->text), 120, piece->name);
	}
	return 0;
}

static int add_queues(struct map_rows *inside, const struct map *map)
{
	static const char *const areas[][VIRTQ_AREAS] = {
		{"descriptors", "available ring", "used ring"},
		{"descriptor ring", "driver events", "device events"},
	};

	for (size_t i = 0; i < map->queue_count * VIRTQ_AREAS; i++) {
		const struct map_queue *queue = &map->queues[i / VIRTQ_AREAS];
		const struct gm_range *area = &queue->areas[i % VIRTQ_AREAS];
		struct map_row *row = area->len ? add_row(inside) : NULL;
		char name[MAP_NAME_MAX];

		if (!row && area->len)
			return -1;
		if (!row)
			continue;
		row->start = area->addr;
		row->last = area->addr + area->len - 1;
		row->kind = ROW_QUEUE;
		row->inside = true;
		row->first = i;
		map_fit(name, sizeof(name), 60, queue->device);
		snprintf(row->text, sizeof(row->text), "%s queue %u %s", name, queue->index,
			 areas[queue->packed][i % VIRTQ_AREAS]);
	}
	return 0;
}

static int by_place(const void *a, const void *b)
{
	const struct map_row *l = a, *r = b;

	if (l->start != r->start)
		return l->start < r->start ? -1 : 1;
	if (l->last != r->last)
		return l->last > r->last ? -1 : 1;
	return l->kind != r->kind ? (int)l->kind - (int)r->kind : strcmp(l->text, r->text);
}

/* Whether @b, which begins at or behind @a, is summed up with it. */
static bool together(const struct map *map, const struct map_row *a, const struct map_row *b,
		     unsigned int level)
{
	const struct map_queue *qa, *qb;
	uint64_t apart = b->start > a->last ? b->start - a->last : 0;

	if (a->kind != b->kind || a->kind == ROW_WINDOW)
		return false;
	if (level == 3)
		return true;
	if (a->kind != ROW_QUEUE || level == 0)
		return false;
	qa = &map->queues[a->first / VIRTQ_AREAS];
	qb = &map->queues[b->first / VIRTQ_AREAS];
	if (level == 1)
		return qa == qb && apart < 0x10000;
	return strcmp(qa->device, qb->device) == 0 && apart < 0x100000;
}

static void name_sum(const struct map *map, struct map_row *row, unsigned int level)
{
	static const char *const many[ROW_KINDS] = {
		[ROW_KERNEL] = "segments of the kernel",
		[ROW_GIVEN] = "files",
		[ROW_TABLE] = "tables",
		[ROW_QUEUE] = "areas of queues",
	};
	const struct map_queue *queue = &map->queues[row->first / VIRTQ_AREAS];
	char name[MAP_NAME_MAX];

	if (row->count == 1)
		return;
	if (row->kind != ROW_QUEUE || level == 3) {
		snprintf(row->text, sizeof(row->text), "%zu %s", row->count, many[row->kind]);
		return;
	}
	map_fit(name, sizeof(name), 60, queue->device);
	if (level == 1)
		snprintf(row->text, sizeof(row->text), "%s queue %u, %s, %u entries", name,
			 queue->index, queue->packed ? "packed" : "split", queue->size);
	else
		snprintf(row->text, sizeof(row->text), "%s, %zu areas of queues", name, row->count);
}

/* Sum up in place, as loosely as it takes. */
static void sum_up(struct map_rows *inside, const struct map *map)
{
	for (unsigned int level = 1; inside->count > INSIDE_ROWS_MAX && level <= 3; level++) {
		size_t kept = 0;

		for (size_t i = 0; i < inside->count; i++) {
			struct map_row *row = &inside->rows[i], *before = row;

			if (kept)
				before = &inside->rows[kept - 1];
			if (before != row && together(map, before, row, level)) {
				before->last = row->last > before->last ? row->last : before->last;
				before->count += row->count;
			} else {
				inside->rows[kept++] = *row;
			}
		}
		inside->count = kept;
		for (size_t i = 0; i < kept; i++)
			name_sum(map, &inside->rows[i], level);
	}
}

/* --- together ------------------------------------------------------------------------------------- */

/* Each of @inside behind the row of @outer that it begins in. */
static int merge(struct map_rows *rows, const struct map_rows *outer, const struct map_rows *inside)
{
	size_t at = 0;

	for (size_t i = 0; i < outer->count || at < inside->count;) {
		bool take = at < inside->count &&
			    (i == outer->count || inside->rows[at].start < outer->rows[i].start);
		struct map_row *row = add_row(rows);

		if (!row)
			return -1;
		*row = take ? inside->rows[at++] : outer->rows[i++];
	}
	return 0;
}

int map_rows_make(struct map_rows *rows, const struct map *map)
{
	struct map_rows outer = {0}, inside = {0};
	int err;

	*rows = (struct map_rows){0};
	err = make_outer(&outer, &inside, map) || add_pieces(&inside, map) ||
	      add_queues(&inside, map);
	if (!err) {
		if (inside.count)
			qsort(inside.rows, inside.count, sizeof(*inside.rows), by_place);
		sum_up(&inside, map);
		err = merge(rows, &outer, &inside);
	}
	map_rows_clear(&outer);
	map_rows_clear(&inside);
	return err ? -1 : 0;
}

void map_rows_clear(struct map_rows *rows)
{
	free(rows->rows);
	*rows = (struct map_rows){0};
}
