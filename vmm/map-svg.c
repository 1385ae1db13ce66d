/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * A map as a picture. One bar is the address space, from the top down: memory, holes and registers,
 * with their addresses on the left. Beside it, what lies in them, in two lanes, as a queue may well
 * lie inside of a kernel; labels of those are in one column on the right, with lines to what they
 * belong to. Whole pixels and a font of one width, so that what fits here fits everywhere.
 */
#include <inttypes.h>
#include <string.h>

#include "vmm/map-impl.h"

#define WIDTH       1040
#define TOP         64 /* of the bar; the title is above it */
#define ADDRESS_X   152
#define BAR_X       162
#define BAR_W       320
#define LANE_X      490
#define LANE_W      18
#define LANE_STEP   22
#define LABEL_X     560
#define SIZE_X      890 /* right ends */
#define START_X     1024
#define LABEL_H     15 /* from one label to the next */
#define BREAK_X     (BAR_X - 8)
#define BREAK_TOOTH 8
#define BREAK_BAR   21   /* teeth, from before the bar to behind it */
#define BREAK_ALL   24   /* or to behind the lanes */
#define COLUMN_W    7.25 /* of 12 pixels high text, at most */

/* Columns that fit into the bar, and into labels before their size. */
#define BAR_COLUMNS   42
#define LABEL_COLUMNS 34

static const struct {
	const char *name; /* class, and in the legend */
	const char *fill, *stroke;
	const char *legend;
} kinds[ROW_KINDS] = {
	[ROW_ANON] = {"anon", "#dbeafe", "#3b82f6", "anonymous memory"},
	[ROW_MEMFD] = {"memfd", "#cffafe", "#0891b2", "memfd"},
	[ROW_FILE] = {"file", "#ede9fe", "#7c3aed", "file"},
	[ROW_FOREIGN] = {"foreign", "#e2e8f0", "#475569", "memory of others"},
	[ROW_MIXED] = {"mixed", "#e0e7ff", "#4f46e5", "memory of several kinds"},
	[ROW_HOLE] = {"hole", "#ffffff", "#cbd5e1", "hole"},
	[ROW_WINDOW] = {"window", "#fef3c7", "#d97706", "registers of devices"},
	[ROW_KERNEL] = {"kernel", "#f87171", "#b91c1c", "kernel"},
	[ROW_GIVEN] = {"given", "#fdba74", "#c2410c", "initrd, modules"},
	[ROW_TABLE] = {"table", "#86efac", "#15803d", "boot tables"},
	[ROW_QUEUE] = {"queue", "#f0abfc", "#a21caf", "virtio queues"},
};

/* A picture being drawn. */
struct picture {
	const struct map *map;
	FILE *out;
	struct map_rows rows;
	struct map_scale scale;
	int bottom; /* of the bar and of the labels */
	bool used[ROW_KINDS];
	bool many, read_only, broken; /* what the legend has to explain, too */
};

static void put_text(FILE *out, const char *text)
{
	while (*text) {
		uint32_t code = map_decode(&text);

		if (code == '<' || code == '>' || code == '&' || code == '"' || code == '\'')
			fprintf(out, "&#%" PRIu32 ";", code);
		else
			map_encode(code < 0x20 ? '?' : code, out);
	}
}

static void put_label(FILE *out, const char *class, int x, int y, const char *text)
{
	fprintf(out, "<text class=\"%s\" x=\"%d\" y=\"%d\">", class, x, y);
	put_text(out, text);
	fputs("</text>\n", out);
}

static void put_rect(FILE *out, const char *class, int x, int y, int width, int height)
{
	fprintf(out, "<rect class=\"%s\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\"/>\n", class,
		x, y, width, height);
}

static int y_of(const struct picture *picture, gm_addr addr)
{
	return TOP + map_scale_y(&picture->scale, addr);
}

/* --- what is the same in each --------------------------------------------------------------------- */

static void put_style(FILE *out)
{
	fputs("<style>\n"
	      "text { font: 12px 'DejaVu Sans Mono', Menlo, Consolas, 'Liberation Mono', "
	      "monospace; "
	      "fill: #0f172a; white-space: pre; }\n"
	      "text.title { font: bold 17px 'DejaVu Sans', Verdana, Helvetica, sans-serif; }\n"
	      "text.about { font: 12px 'DejaVu Sans', Verdana, Helvetica, sans-serif; fill: "
	      "#475569; "
	      "}\n"
	      "text.address { font-size: 11px; text-anchor: end; fill: #475569; }\n"
	      "text.empty { fill: #64748b; font-style: italic; }\n"
	      "text.number { text-anchor: end; fill: #475569; }\n"
	      "rect.paper { fill: #ffffff; }\n"
	      "rect.many { fill: url(#many); }\n"
	      "rect.ro { fill: url(#ro); }\n"
	      "path.line { fill: none; stroke: #94a3b8; }\n"
	      "path.cut { fill: #ffffff; }\n"
	      "path.edge { fill: none; stroke: #64748b; }\n"
	      "path.scale { fill: none; stroke: #0f172a; }\n",
	      out);
	for (size_t i = 0; i < ROW_KINDS; i++)
		fprintf(out, "rect.%s { fill: %s; stroke: %s;%s }\n", kinds[i].name, kinds[i].fill,
			kinds[i].stroke, i == ROW_HOLE ? " stroke-dasharray: 4 3;" : "");
	fputs("</style>\n"
	      "<defs>\n"
	      "<pattern id=\"many\" width=\"8\" height=\"4\" patternUnits=\"userSpaceOnUse\">"
	      "<path d=\"M0 3.5h8\" stroke=\"#1e3a8a\" stroke-opacity=\"0.35\"/></pattern>\n"
	      "<pattern id=\"ro\" width=\"8\" height=\"8\" patternUnits=\"userSpaceOnUse\">"
	      "<path d=\"M-2 10L10 -2M-2 2L2 -2M6 10L10 6\" stroke=\"#1e293b\" "
	      "stroke-opacity=\"0.22\" stroke-width=\"1.5\"/></pattern>\n"
	      "</defs>\n",
	      out);
}

/* --- rows ----------------------------------------------------------------------------------------- */

/* What a browser shows when one points at it. */
static void put_hint(const struct picture *picture, const struct map_row *row)
{
	char size[32], sum[100];

	map_about(size, sizeof(size), row->last - row->start + 1);
	map_row_sum(row, sum, sizeof(sum));
	fprintf(picture->out, "<title>0x%08" PRIx64 "-0x%08" PRIx64 " %s %s", row->start, row->last,
		size, sum);
	put_text(picture->out, row->text);
	if (!row->inside && row->kind < ROW_HOLE && row->count > 1)
		fprintf(picture->out, ", slots %zu to %zu", row->first, row->first + row->count - 1);
	else if (!row->inside && row->kind < ROW_HOLE)
		fprintf(picture->out, ", slot %zu", row->first);
	fputs("</title>\n", picture->out);
}

static void put_outer(struct picture *picture, const struct map_row *row)
{
	int y = y_of(picture, row->start), height = y_of(picture, row->last + 1) - y;
	char size[32], sum[100], whole[400], text[4 * BAR_COLUMNS + 4], address[24];
	FILE *out = picture->out;

	map_about(size, sizeof(size), row->last - row->start + 1);
	map_row_sum(row, sum, sizeof(sum));
	snprintf(whole, sizeof(whole), "%s%s %s%s", size, *sum ? ":" : "", sum, row->text);
	map_fit(text, sizeof(text), BAR_COLUMNS, whole);
	snprintf(address, sizeof(address), "0x%08" PRIx64, row->start);
	fputs("<g>\n", out);
	put_hint(picture, row);
	put_rect(out, kinds[row->kind].name, BAR_X, y, BAR_W, height);
	if (row->count > 1)
		put_rect(out, "many", BAR_X, y, BAR_W, height);
	if (row->read_only)
		put_rect(out, "ro", BAR_X, y, BAR_W, height);
	/* Stripes keep clear of the text. */
	if (row->count > 1 || row->read_only)
		fprintf(out, "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"17\" fill=\"%s\"/>\n",
			BAR_X + 5, y + 3, (int)((double)map_columns(text) * COLUMN_W) + 8,
			kinds[row->kind].fill);
	put_label(out, row->kind == ROW_HOLE ? "empty" : "what", BAR_X + 9, y + 16, text);
	put_label(out, "address", ADDRESS_X, y + 4, address);
	fputs("</g>\n", out);
	picture->many |= row->count > 1;
	picture->read_only |= row->read_only;
}

/* @y: where its label has room. */
static void put_inside(const struct picture *picture, const struct map_row *row, int y)
{
	int top = y_of(picture, row->start), height = y_of(picture, row->last + 1) - top;
	int x = LANE_X + (row->kind == ROW_QUEUE ? LANE_STEP : 0);
	int middle = top + (height < 2 * LABEL_H ? height / 2 : LABEL_H - 5);
	char size[32], start[24], text[4 * LABEL_COLUMNS + 4];
	FILE *out = picture->out;

	map_about(size, sizeof(size), row->last - row->start + 1);
	snprintf(start, sizeof(start), "0x%08" PRIx64, row->start);
	map_fit(text, sizeof(text), LABEL_COLUMNS, row->text);
	fputs("<g>\n", out);
	put_hint(picture, row);
	put_rect(out, kinds[row->kind].name, x, top, LANE_W, height);
	fprintf(out, "<path class=\"line\" d=\"M%d %d.5L%d %d.5H%d\"/>\n", x + LANE_W, middle,
		LABEL_X - 14, y, LABEL_X - 4);
	put_label(out, "what", LABEL_X, y + 5, text);
	put_label(out, "number", SIZE_X, y + 5, size);
	put_label(out, "number", START_X, y + 5, start);
	fputs("</g>\n", out);
}

static void put_rows(struct picture *picture)
{
	int free_from = TOP;

	for (size_t i = 0; i < picture->rows.count; i++) {
		const struct map_row *row = &picture->rows.rows[i];

		picture->used[row->kind] = true;
		if (!row->inside)
			put_outer(picture, row);
	}
	for (size_t i = 0; i < picture->rows.count; i++) {
		const struct map_row *row = &picture->rows.rows[i];
		int top, height, y;

		if (!row->inside)
			continue;
		top = y_of(picture, row->start);
		height = y_of(picture, row->last + 1) - top;
		y = top + (height < 2 * LABEL_H ? height / 2 : LABEL_H - 5);
		y = y < free_from ? free_from : y;
		put_inside(picture, row, y);
		free_from = y + LABEL_H;
	}
	picture->bottom = free_from > picture->bottom ? free_from : picture->bottom;
}

/* From one side to the other, or back the way it came. */
static void zigzag(FILE *out, int teeth, int direction)
{
	for (int i = 0; i < teeth; i++)
		fprintf(out, "l%d %dl%d %d", direction * BREAK_TOOTH, -direction * 5,
			direction * BREAK_TOOTH, direction * 5);
}

static void put_break(FILE *out, int y, int teeth)
{
	fprintf(out, "<path class=\"cut\" d=\"M%d %d", BREAK_X, y);
	zigzag(out, teeth, 1);
	fputs("v7", out);
	zigzag(out, teeth, -1);
	fputs("z\"/>\n", out);
	for (int edge = 0; edge < 2; edge++) {
		fprintf(out, "<path class=\"edge\" d=\"M%d %d", BREAK_X, y + 7 * edge);
		zigzag(out, teeth, 1);
		fputs("\"/>\n", out);
	}
}

/* Whether something that lies inside covers the addresses from @start on. */
static bool is_covered(const struct map_rows *rows, gm_addr start)
{
	for (size_t i = 0; i < rows->count; i++) {
		const struct map_row *row = &rows->rows[i];

		if (row->inside && row->start <= start && start <= row->last)
			return true;
	}
	return false;
}

/* Where something was left out: through the bar, and through the lanes if that is left out there. */
static void put_breaks(struct picture *picture)
{
	const struct map_scale *scale = &picture->scale;

	for (size_t i = 0; i < scale->count; i++) {
		const struct map_span *span = &scale->spans[i];
		int up = span->height > 100 ? span->height / 2 : 14;

		if (!span->broken)
			continue;
		picture->broken = true;
		put_break(picture->out, TOP + span->y + span->height - up,
			  is_covered(&picture->rows, span->start) ? BREAK_ALL : BREAK_BAR);
	}
}

/* --- legend --------------------------------------------------------------------------------------- */

static int put_entry(FILE *out, int *x, int *y, const char *class, const char *text)
{
	int width = 24 + (int)((double)map_columns(text) * COLUMN_W) + 22;

	if (*x + width > WIDTH) {
		*x = BAR_X;
		*y += 22;
	}
	put_rect(out, class, *x, *y, 16, 14);
	put_label(out, "what", *x + 24, *y + 11, text);
	*x += width;
	return 0;
}

/* A power of two whose height one can look at. */
static void put_scale(const struct picture *picture, int y)
{
	char text[64], size[32];
	unsigned int shift = 0;
	int height;

	while (shift < 63 && (double)(1ULL << shift) * picture->scale.pixels < 22)
		shift++;
	height = (int)((double)(1ULL << shift) * picture->scale.pixels + 0.5);
	height = height > 44 ? 44 : height;
	map_size(size, sizeof(size), 1ULL << shift);
	snprintf(text, sizeof(text), "%s", size);
	fprintf(picture->out, "<path class=\"scale\" d=\"M%d %d.5h8m-4 0v%dm-4 0h8\"/>\n", 64, y,
		height);
	put_label(picture->out, "address", 58, y + height / 2 + 4, text);
}

/* Returns where it ends. */
static int put_legend(const struct picture *picture)
{
	int x = BAR_X, y = picture->bottom + 34, first = y;
	FILE *out = picture->out;

	for (size_t i = 0; i < ROW_KINDS; i++) {
		if (picture->used[i])
			put_entry(out, &x, &y, kinds[i].name, kinds[i].legend);
	}
	if (picture->read_only)
		put_entry(out, &x, &y, "ro", "read-only");
	if (picture->many)
		put_entry(out, &x, &y, "many", "several regions");
	put_scale(picture, first);
	y += 36;
	put_label(out, "about", BAR_X, y,
		  picture->broken ? "To scale, but for breaks, where something was left out, and "
				    "for what would "
				    "be too small to see."
				  : "To scale, but for what would be too small to see.");
	return y > first + 50 ? y : first + 50;
}

/* --- all of it ------------------------------------------------------------------------------------ */

static void put_body(struct picture *picture)
{
	const struct map_rows *rows = &picture->rows;
	char address[24];

	picture->bottom = TOP;
	if (rows->count) {
		gm_addr end = 0;

		for (size_t i = 0; i < rows->count; i++)
			end = rows->rows[i].last + 1 > end ? rows->rows[i].last + 1 : end;
		picture->bottom = y_of(picture, end);
		snprintf(address, sizeof(address), "0x%08" PRIx64, end);
		put_label(picture->out, "address", ADDRESS_X, picture->bottom + 4, address);
	}
	put_rows(picture);
	put_breaks(picture);
}

static int put_picture(struct picture *picture, FILE *out)
{
	char title[MAP_TITLE_MAX], *body = NULL;
	size_t len = 0;
	int height;

	/* How high it is shows when it is drawn. */
	picture->out = open_memstream(&body, &len);
	if (!picture->out)
		return -1;
	put_body(picture);
	height = put_legend(picture) + 20;
	if (fclose(picture->out)) {
		free(body);
		return -1;
	}
	map_title(picture->map, title, sizeof(title));
	fprintf(out,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 "
		"0 "
		"%d %d\">\n",
		WIDTH, height, WIDTH, height);
	put_style(out);
	put_rect(out, "paper", 0, 0, WIDTH, height);
	put_label(out, "title", 20, 30, title);
	put_label(out, "about", 20, 48, "guest physical addresses");
	fwrite(body, 1, len, out);
	fputs("</svg>\n", out);
	free(body);
	return ferror(out) ? -1 : 0;
}

int map_write_svg(const struct map *map, FILE *out)
{
	struct picture picture = {.map = map};
	int err = map_rows_make(&picture.rows, map) || map_scale_make(&picture.scale, &picture.rows)
			  ? -1
			  : 0;

	if (!err)
		err = put_picture(&picture, out);
	map_scale_clear(&picture.scale);
	map_rows_clear(&picture.rows);
	return err;
}
