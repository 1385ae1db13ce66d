/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The PVH boot protocol's tables. Adjacent RAM is one entry of the memory map however it is cut;
 * read-only regions are reserved memory. All of it is gathered first and written at the end.
 */
#include "vmm/boot-pvh.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Longer ones overflow what kernels reserve for it. */
#define CMDLINE_MAX 65536

/* What is being put together. */
struct pvh {
	const struct boot_params *params;
	struct placement *placement;
	struct report *report;
	struct pvh_start_info info;
	struct pvh_module *modules;
	size_t module_count;
};

/* Find room for @len bytes and write them there. */
static int put(struct pvh *pvh, const void *data, uint64_t len, const char *what, gm_le64_t *where)
{
	gm_addr addr;

	if (placement_find(pvh->placement, len, 16, PVH_LIMIT, what, &addr, pvh->report))
		return -1;
	if (gm_write_exact(pvh->placement->memory, addr, data, len, NULL))
		return report_fail(pvh->report, REPORT_HOST, "cannot write %s", what);
	*where = gm_le64(addr);
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
	struct boot_image image = {.path = source->path};
	struct stat st;
	gm_addr addr;
	int ret = -1;

	image.fd = open(source->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (image.fd < 0)
		return report_fail(pvh->report, REPORT_USER, "--module %s: cannot open it: %s",
				   source->path, strerror(errno));
	if (fstat(image.fd, &st) || !S_ISREG(st.st_mode) || st.st_size == 0) {
		report_fail(pvh->report, REPORT_USER,
			    "--module %s: must be a regular file that is not empty", source->path);
		goto out;
	}
	image.size = (uint64_t)st.st_size;
	if (placement_find(pvh->placement, image.size, 4096, PVH_LIMIT, source->path, &addr,
			   pvh->report) ||
	    boot_load_range(&image, 0, image.size, pvh->placement->memory, addr, image.size,
			    "the module", pvh->report) ||
	    put_text(pvh, source->cmdline, "the text of --module", &module->cmdline))
		goto out;
	module->addr = gm_le64(addr);
	module->size = gm_le64(image.size);
	ret = 0;
out:
	close(image.fd);
	return ret;
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

int pvh_load(const struct boot_params *params, struct placement *placement, gm_addr entry,
	     bool wants_regions, struct boot_state *state, struct report *report)
{
	struct pvh pvh = {
		.params = params,
		.placement = placement,
		.report = report,
		.info = {.magic = gm_le32(PVH_MAGIC), .version = gm_le32(PVH_VERSION)},
		.modules = calloc(params->module_count + 1, sizeof(struct pvh_module)),
	};
	gm_le64_t where;
	int ret = -1;

	if (!pvh.modules)
		return report_fail(report, REPORT_HOST, "out of memory");
	if (put_text(&pvh, params->cmdline, "--cmdline", &pvh.info.cmdline) || put_memmap(&pvh) ||
	    put_modules(&pvh, wants_regions) ||
	    put(&pvh, &pvh.info, sizeof(pvh.info), "the start info", &where))
		goto out;
	*state = (struct boot_state){
		.mode = BOOT_PROTECTED,
		.entry = entry,
		.rbx = gm_le64_get(where),
	};
	ret = 0;
out:
	free(pvh.modules);
	return ret;
}
