/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * From addresses to places in a picture. Between each two addresses where a row begins or ends, the
 * picture is to scale, with one scale for all of it, but for two things: what would be higher than
 * it is worth is cut short, which is a break, and what would be too low to be seen or to have its
 * label is higher. The scale is the largest with which all of it is about a screen high.
 */
#include <string.h>

#include "vmm/map-impl.h"

#define HEIGHT 620 /* what is aimed at */

#define OUTER_MIN  24  /* a row with its label and its address */
#define INSIDE_MIN 15  /* one with a label beside it */
#define SPAN_MIN   3   /* anything */
#define BREAK_MIN  20  /* what a break takes, beside the label */
#define MEMORY_MAX 150 /* memory that nothing is said about, before it is broken */
#define PIECE_MAX  300 /* a piece of the boot, a queue */
#define HOLE_MAX   46

static int by_value(const void *a, const void *b)
{
	gm_addr l = *(const gm_addr *)a, r = *(const gm_addr *)b;

	return l < r ? -1 : l > r;
}

/* Where a row begins or ends, each once. */
static int find_spans(struct map_scale *scale, const struct map_rows *rows)
{
	gm_addr *cuts = calloc(2 * rows->count + 1, sizeof(*cuts));
	size_t count = 1;

	if (!cuts)
		return -1;
	for (size_t i = 0; i < rows->count; i++) {
		cuts[2 * i] = rows->rows[i].start;
		cuts[2 * i + 1] = rows->rows[i].last + 1;
	}
	qsort(cuts, 2 * rows->count, sizeof(*cuts), by_value);
	for (size_t i = 1; i < 2 * rows->count; i++) {
		if (cuts[i] != cuts[i - 1])
			cuts[count++] = cuts[i];
	}
	scale->spans = calloc(count, sizeof(*scale->spans));
	for (size_t i = 0; scale->spans && i < count; i++)
		scale->spans[i] = (struct map_span){.start = cuts[i], .max = MEMORY_MAX};
	scale->count = scale->spans && rows->count ? count - 1 : 0;
	free(cuts);
	return scale->spans ? 0 : -1;
}

static size_t span_at(const struct map_scale *scale, gm_addr start)
{
	size_t low = 0, high = scale->count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (scale->spans[middle].start < start)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static double bytes_of(const struct map_span *span)
{
	return (double)(span[1].start - span->start);
}

static double height_of(const struct map_span *span, double pixels)
{
	double height = bytes_of(span) * pixels;

	return height < SPAN_MIN ? SPAN_MIN : height > span->max ? span->max : height;
}

static double sum(const struct map_scale *scale, double pixels)
{
	double total = 0;

	for (size_t i = 0; i < scale->count; i++)
		total += height_of(&scale->spans[i], pixels);
	return total;
}

/* The most pixels a byte with which nothing but holes has to be broken. */
static double unbroken(const struct map_scale *scale)
{
	double most = 1;

	for (size_t i = 0; i < scale->count; i++) {
		if (scale->spans[i].max != HOLE_MAX && bytes_of(&scale->spans[i]) > most)
			most = bytes_of(&scale->spans[i]);
	}
	return MEMORY_MAX / most;
}

static void choose_pixels(struct map_scale *scale)
{
	double low = unbroken(scale), high = MEMORY_MAX;

	/* Nothing is gained by breaking what fits. */
	scale->pixels = low;
	if (sum(scale, high) <= HEIGHT)
		return;
	if (sum(scale, low) > HEIGHT)
		low = 0;
	for (int i = 0; i < 100; i++) {
		double middle = (low + high) / 2;

		if (sum(scale, middle) <= HEIGHT)
			low = middle;
		else
			high = middle;
	}
	scale->pixels = low;
}

/* A row that is too low for what is written beside it grows where it begins. */
static void grow(struct map_scale *scale, const struct map_row *row)
{
	size_t at = span_at(scale, row->start), end = span_at(scale, row->last + 1);
	int need = row->inside ? INSIDE_MIN : OUTER_MIN, height = 0;

	for (size_t i = at; i < end; i++) {
		height += scale->spans[i].height;
		need = !row->inside && scale->spans[i].broken && need == OUTER_MIN
			       ? OUTER_MIN + BREAK_MIN
			       : need;
	}
	if (height < need)
		scale->spans[at].height += need - height;
}

/* How high what the row covers may be at most. */
static void limit(struct map_scale *scale, const struct map_row *row)
{
	bool empty = row->kind == ROW_HOLE || row->kind == ROW_WINDOW;

	for (size_t i = span_at(scale, row->start); i < span_at(scale, row->last + 1); i++) {
		if (empty)
			scale->spans[i].max = HOLE_MAX;
		else if (row->inside)
			scale->spans[i].max = PIECE_MAX;
	}
}

int map_scale_make(struct map_scale *scale, const struct map_rows *rows)
{
	int y = 0;

	*scale = (struct map_scale){0};
	if (find_spans(scale, rows))
		return -1;
	for (size_t i = 0; i < rows->count; i++)
		limit(scale, &rows->rows[i]);
	choose_pixels(scale);
	for (size_t i = 0; i < scale->count; i++) {
		struct map_span *span = &scale->spans[i];

		span->height = (int)(height_of(span, scale->pixels) + 0.5);
		span->broken = bytes_of(span) * scale->pixels > span->max * 1.01;
	}
	for (size_t i = 0; i < rows->count; i++)
		grow(scale, &rows->rows[i]);
	for (size_t i = 0; i < scale->count; i++) {
		scale->spans[i].y = y;
		y += scale->spans[i].height;
	}
	if (rows->count)
		scale->spans[scale->count].y = y;
	return 0;
}

int map_scale_y(const struct map_scale *scale, gm_addr addr)
{
	return scale->spans[span_at(scale, addr)].y;
}

void map_scale_clear(struct map_scale *scale)
{
	free(scale->spans);
	*scale = (struct map_scale){0};
}
