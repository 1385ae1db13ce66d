/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* A map as one JSON object, for programs: everything, in order, nothing summed up. */
#include <inttypes.h>

#include "vmm/map-impl.h"

static void put_string(FILE *out, const char *text)
{
	putc('"', out);
	while (*text) {
		uint32_t code = map_decode(&text);

		if (code == '"' || code == '\\')
			fprintf(out, "\\%c", (char)code);
		else if (code < 0x20 || code == 0x7f)
			fprintf(out, "\\u%04x", code);
		else
			map_encode(code, out);
	}
	putc('"', out);
}

static void put_range(FILE *out, gm_addr start, uint64_t size)
{
	fprintf(out, "\"start\": %" PRIu64 ", \"size\": %" PRIu64, start, size);
}

/* Between the elements of an array, a line each. */
static const char *next(size_t i)
{
	return i ? ",\n  " : "\n  ";
}

static void put_region(FILE *out, const struct map_region *region, size_t slot)
{
	fprintf(out, "%s{\"slot\": %zu, ", next(slot), slot);
	put_range(out, region->start, region->size);
	fprintf(out, ", \"backing\": \"%s\", \"read_only\": %s", map_backing(region->backing),
		region->flags & GM_REGION_READ_ONLY ? "true" : "false");
	for (const struct map_flag *flag = map_flags; flag->name; flag++) {
		if (region->flags & flag->flag)
			fprintf(out, ", \"%s\": true", flag->name);
	}
	if (region->file) {
		fputs(", \"file\": ", out);
		put_string(out, region->file);
		fprintf(out, ", \"offset\": %" PRIu64, region->file_offset);
	}
	if (region->host)
		fprintf(out, ", \"host\": %" PRIu64, (uint64_t)(uintptr_t)region->host);
	putc('}', out);
}

static void put_piece(FILE *out, const struct boot_placed *piece, size_t i)
{
	static const char *const kinds[] = {
		[BOOT_KERNEL] = "kernel",
		[BOOT_FILE] = "file",
		[BOOT_TABLE] = "table",
	};

	fprintf(out, "%s{", next(i));
	put_range(out, piece->addr, piece->len);
	fprintf(out, ", \"kind\": \"%s\", \"name\": ", kinds[piece->kind]);
	put_string(out, piece->name);
	putc('}', out);
}

static void put_window(FILE *out, const struct map_window *window, size_t i)
{
	fprintf(out, "%s{", next(i));
	put_range(out, window->start, window->size);
	fputs(", \"name\": ", out);
	put_string(out, window->name);
	if (window->pin >= 0)
		fprintf(out, ", \"pin\": %d", window->pin);
	putc('}', out);
}

static void put_queue(FILE *out, const struct map_queue *queue, size_t i)
{
	static const char *const areas[] = {"descriptors", "driver", "device"};

	fprintf(out, "%s{\"device\": ", next(i));
	put_string(out, queue->device);
	fprintf(out, ", \"index\": %u, \"entries\": %" PRIu32 ", \"format\": \"%s\"", queue->index,
		queue->size, queue->packed ? "packed" : "split");
	for (size_t j = 0; j < VIRTQ_AREAS; j++) {
		fprintf(out, ", \"%s\": {", areas[j]);
		put_range(out, queue->areas[j].addr, queue->areas[j].len);
		putc('}', out);
	}
	putc('}', out);
}

int map_write_json(const struct map *map, FILE *out)
{
	const struct boot_placed **pieces = map_sort_pieces(map);

	if (!pieces)
		return -1;
	fputs("{\"kernel\": ", out);
	if (map->kernel)
		put_string(out, map->kernel);
	else
		fputs("null", out);
	fputs(",\n \"regions\": [", out);
	for (size_t i = 0; i < map->region_count; i++)
		put_region(out, &map->regions[i], i);
	fputs("],\n \"pieces\": [", out);
	for (size_t i = 0; i < map->piece_count; i++)
		put_piece(out, pieces[i], i);
	fputs("],\n \"windows\": [", out);
	for (size_t i = 0; i < map->window_count; i++)
		put_window(out, &map->windows[i], i);
	fputs("],\n \"queues\": [", out);
	for (size_t i = 0; i < map->queue_count; i++)
		put_queue(out, &map->queues[i], i);
	fputs("]}\n", out);
	free(pieces);
	return ferror(out) ? -1 : 0;
}
