/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The PVH boot protocol's tables. Adjacent RAM is one entry of the memory map however it is cut;
 * read-only regions are reserved memory. All of it is gathered first and written at the end, so
 * that a refusal leaves files behind guest memory as they were.
 */
#include "vmm/boot-pvh.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Longer ones overflow what kernels reserve for it. */
#define CMDLINE_MAX 65536

/* Something that has its place but is not written yet: bytes, or a file. */
struct piece {
	gm_addr addr;
	void *data; /* NULL: the file */
	struct boot_image file;
	uint64_t len;
	const char *what;
};

/* Start info, memory map, command line, region table, list of modules. */
#define PIECES_FIXED 5

/* What is being put together. */
struct pvh {
	const struct boot_params *params;
	struct placement *placement;
	struct report *report;
	struct pvh_start_info info;
	struct piece *pieces; /* room for all there can be */
	size_t piece_count;
	struct pvh_module *modules;
	size_t module_count;
};

/* Find room for @len bytes; a copy of them will be written there. */
static int put(struct pvh *pvh, const void *data, uint64_t len, const char *what, gm_le64_t *where)
{
	struct piece *piece = &pvh->pieces[pvh->piece_count];

	*piece = (struct piece){.file.fd = -1, .len = len, .what = what};
	if (placement_find(pvh->placement, len, 16, PVH_LIMIT, what, &piece->addr, pvh->report))
		return -1;
	piece->data = malloc(len);
	if (!piece->data)
		return report_fail(pvh->report, REPORT_HOST, "out of memory");
	memcpy(piece->data, data, len);
	pvh->piece_count++;
	*where = gm_le64(piece->addr);
	return 0;
}

static int put_text(struct pvh *pvh, const char *text, const char *what, gm_le64_t *where)
{
	if (!text || !*text)
		return 0;
	if (strlen(text) >= CMDLINE_MAX)
		return report_fail(pvh->report, REPORT_USER, "%s: %zu bytes; at most %d are possible",
				   what, strlen(text), CMDLINE_MAX - 1);
	return put(pvh, text, strlen(text) + 1, what, where);
}

static uint32_t memory_type(const struct gm_region *region)
{
	return gm_region_flags(region) & GM_REGION_READ_ONLY ? PVH_MEMORY_RESERVED : PVH_MEMORY_RAM;
}

static int put_memmap(struct pvh *pvh)
{
	const struct gm_memory *memory = pvh->placement->memory;
	struct pvh_memory *map = calloc(gm_memory_count(memory), sizeof(*map));
	size_t n = 0;
	int ret;

	if (!map)
		return report_fail(pvh->report, REPORT_HOST, "out of memory");
	for (size_t i = 0; i < gm_memory_count(memory); i++) {
		const struct gm_region *region = gm_memory_region(memory, i);
		uint64_t size = gm_region_size(region);
		struct pvh_memory *last = n ? &map[n - 1] : NULL;

		if (last && gm_le32_get(last->type) == memory_type(region) &&
		    gm_le64_get(last->addr) + gm_le64_get(last->size) == gm_region_start(region))
			last->size = gm_le64(gm_le64_get(last->size) + size);
		else
			map[n++] = (struct pvh_memory){
				.addr = gm_le64(gm_region_start(region)),
				.size = gm_le64(size),
				.type = gm_le32(memory_type(region)),
			};
	}
	pvh->info.memmap_count = gm_le32((uint32_t)n);
	ret = put(pvh, map, n * sizeof(*map), "the memory map", &pvh->info.memmap);
	free(map);
	return ret;
}

static int put_regions(struct pvh *pvh)
{
	const struct gm_memory *memory = pvh->placement->memory;
	size_t n = gm_memory_count(memory);
	struct pvh_region *table = calloc(n, sizeof(*table));
	struct pvh_module *module = &pvh->modules[pvh->module_count++];
	int ret;

	if (!table)
		return report_fail(pvh->report, REPORT_HOST, "out of memory");
	for (size_t i = 0; i < n; i++) {
		const struct gm_region *region = gm_memory_region(memory, i);
		bool read_only = gm_region_flags(region) & GM_REGION_READ_ONLY;

		table[i].base = gm_le64(gm_region_start(region));
		table[i].size = gm_le64(gm_region_size(region));
		table[i].flags = gm_le64(read_only ? PVH_REGION_READ_ONLY : 0);
	}
	module->size = gm_le64(n * sizeof(*table));
	ret = put(pvh, table, n * sizeof(*table), "the region table", &module->addr);
	free(table);
	return ret;
}

static int load_module(struct pvh *pvh, const struct boot_module *source)
{
	struct pvh_module *module = &pvh->modules[pvh->module_count++];
	struct piece *piece = &pvh->pieces[pvh->piece_count];
	char what[512];
	struct stat st;

	snprintf(what, sizeof(what), "--module %.480s", source->path);
	*piece = (struct piece){.file.path = source->path, .what = "the module"};
	piece->file.fd = open(source->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (piece->file.fd < 0)
		return report_fail(pvh->report, REPORT_USER, "--module %s: cannot open it: %s",
				   source->path, strerror(errno));
	pvh->piece_count++;
	if (fstat(piece->file.fd, &st) || !S_ISREG(st.st_mode) || st.st_size == 0)
		return report_fail(pvh->report, REPORT_USER,
				   "--module %s: must be a regular file that is not empty",
				   source->path);
	piece->len = (uint64_t)st.st_size;
	if (placement_find(pvh->placement, piece->len, 4096, PVH_LIMIT, what, &piece->addr,
			   pvh->report))
		return -1;
	module->addr = gm_le64(piece->addr);
	module->size = gm_le64(piece->len);
	return put_text(pvh, source->cmdline, "the text of --module", &module->cmdline);
}

static int put_modules(struct pvh *pvh, bool wants_regions)
{
	if (wants_regions && put_regions(pvh))
		return -1;
	for (size_t i = 0; i < pvh->params->module_count; i++) {
		if (load_module(pvh, &pvh->params->modules[i]))
			return -1;
	}
	pvh->info.module_count = gm_le32((uint32_t)pvh->module_count);
	if (!pvh->module_count)
		return 0;
	return put(pvh, pvh->modules, pvh->module_count * sizeof(pvh->modules[0]),
		   "the list of modules", &pvh->info.modules);
}

static int write_piece(const struct pvh *pvh, const struct piece *piece)
{
	const struct gm_memory *memory = pvh->placement->memory;

	if (!piece->data)
		return boot_load_range(&piece->file, 0, piece->len, memory, piece->addr, piece->len,
				       piece->what, pvh->report);
	if (gm_write_exact(memory, piece->addr, piece->data, piece->len, NULL))
		return report_fail(pvh->report, REPORT_HOST, "cannot write %s", piece->what);
	return 0;
}

int pvh_load(const struct boot_params *params, struct placement *placement, gm_addr entry,
	     bool wants_regions, struct boot_state *state, struct report *report)
{
	struct pvh pvh = {
		.params = params,
		.placement = placement,
		.report = report,
		.info = {.magic = gm_le32(PVH_MAGIC), .version = gm_le32(PVH_VERSION)},
		/* A module is a file and its text. */
		.pieces = calloc(2 * params->module_count + PIECES_FIXED, sizeof(struct piece)),
		.modules = calloc(params->module_count + 1, sizeof(struct pvh_module)),
	};
	gm_le64_t where;
	int ret = -1;

	if (!pvh.pieces || !pvh.modules) {
		report_fail(report, REPORT_HOST, "out of memory");
		goto out;
	}
	if (put_text(&pvh, params->cmdline, "--cmdline", &pvh.info.cmdline) || put_memmap(&pvh) ||
	    put_modules(&pvh, wants_regions) ||
	    put(&pvh, &pvh.info, sizeof(pvh.info), "the start info", &where))
		goto out;
	for (size_t i = 0; i < pvh.piece_count; i++) {
		if (write_piece(&pvh, &pvh.pieces[i]))
			goto out;
	}
	*state = (struct boot_state){
		.mode = BOOT_PROTECTED,
		.entry = entry,
		.rbx = gm_le64_get(where),
	};
	ret = 0;
out:
	for (size_t i = 0; i < pvh.piece_count; i++) {
		free(pvh.pieces[i].data);
		if (pvh.pieces[i].file.fd >= 0)
			close(pvh.pieces[i].file.fd);
	}
	free(pvh.pieces);
	free(pvh.modules);
	return ret;
}
