/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The PVH boot protocol's tables, and what they point to. */
#include "vmm/boot-pvh.h"

#include <stdlib.h>

#include "vmm/acpi.h"
#include "vmm/boot-linux.h"
#include "vmm/boot-memmap.h"
#include "vmm/boot-pieces.h"

/* Longer ones overflow what kernels reserve for it. */
#define CMDLINE_MAX 65535

/* What is being put together. */
struct pvh {
	const struct boot_params *params;
	struct pieces *pieces;
	struct pvh_start_info info;
	struct gm_range acpi;
	struct pvh_module *modules;
	size_t module_count;
};

static int out_of_memory(const struct pvh *pvh)
{
	return report_fail(pvh->pieces->report, REPORT_HOST, "out of memory");
}

static int put(struct pvh *pvh, const void *data, uint64_t len, const char *what, gm_le64_t *where)
{
	gm_addr addr;

	if (pieces_put(pvh->pieces, data, len, 16, PVH_LIMIT, what, &addr))
		return -1;
	*where = gm_le64(addr);
	return 0;
}

static int put_text(struct pvh *pvh, const char *text, const char *what, gm_le64_t *where)
{
	gm_addr addr;

	if (pieces_put_text(pvh->pieces, text, CMDLINE_MAX, PVH_LIMIT, what, &addr))
		return -1;
	*where = gm_le64(addr);
	return 0;
}

static int put_cmdline(struct pvh *pvh, bool is_linux)
{
	gm_addr addr;

	if (pieces_put_cmdline(pvh->pieces, pvh->params, is_linux, CMDLINE_MAX, PVH_LIMIT, &addr))
		return -1;
	pvh->info.cmdline = gm_le64(addr);
	return 0;
}

static int put_acpi(struct pvh *pvh)
{
	if (acpi_put(pvh->params->acpi, pvh->pieces, PVH_LIMIT, &pvh->acpi))
		return -1;
	pvh->info.rsdp = gm_le64(pvh->acpi.addr);
	return 0;
}

static int put_memmap(struct pvh *pvh)
{
	struct memmap_entry *entries;
	struct pvh_memory *map;
	size_t count;
	int ret;

	if (memmap_build(pvh->pieces->placement->memory, pvh->acpi,
			 acpi_reserved(pvh->params->acpi), &entries, &count))
		return out_of_memory(pvh);
	map = calloc(count, sizeof(*map));
	for (size_t i = 0; map && i < count; i++)
		map[i] = (struct pvh_memory){
			.addr = gm_le64(entries[i].addr),
			.size = gm_le64(entries[i].size),
			.type = gm_le32(entries[i].type),
		};
	free(entries);
	if (!map)
		return out_of_memory(pvh);
	pvh->info.memmap_count = gm_le32((uint32_t)count);
	ret = put(pvh, map, count * sizeof(*map), "the memory map", &pvh->info.memmap);
	free(map);
	return ret;
}

static int put_regions(struct pvh *pvh)
{
	const struct gm_memory *memory = pvh->pieces->placement->memory;
	size_t n = gm_memory_count(memory);
	struct pvh_region *table = calloc(n, sizeof(*table));
	struct pvh_module *module = &pvh->modules[pvh->module_count++];
	int ret;

	if (!table)
		return out_of_memory(pvh);
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

static int put_file(struct pvh *pvh, const char *option, const struct boot_module *source)
{
	struct pvh_module *module = &pvh->modules[pvh->module_count++];
	gm_addr addr;
	uint64_t len;

	if (pieces_put_file(pvh->pieces, source->path, option, PVH_LIMIT, &addr, &len))
		return -1;
	module->addr = gm_le64(addr);
	module->size = gm_le64(len);
	return put_text(pvh, source->cmdline, "the text of --module", &module->cmdline);
}

static int put_modules(struct pvh *pvh, bool wants_regions)
{
	const struct boot_params *params = pvh->params;

	/* The region table, the initrd, where Linux looks for it, and what else there is. */
	pvh->modules = calloc(params->module_count + 2, sizeof(*pvh->modules));
	if (!pvh->modules)
		return out_of_memory(pvh);
	if (wants_regions && put_regions(pvh))
		return -1;
	if (params->initrd && put_file(pvh, "--initrd", &(struct boot_module){params->initrd, NULL}))
		return -1;
	for (size_t i = 0; i < params->module_count; i++) {
		if (put_file(pvh, "--module", &params->modules[i]))
			return -1;
	}
	pvh->info.module_count = gm_le32((uint32_t)pvh->module_count);
	if (!pvh->module_count)
		return 0;
	return put(pvh, pvh->modules, pvh->module_count * sizeof(pvh->modules[0]),
		   "the list of modules", &pvh->info.modules);
}

int pvh_prepare(const struct boot_params *params, struct pieces *pieces,
		const struct pvh_kernel *kernel, struct boot_state *state)
{
	struct pvh pvh = {
		.params = params,
		.pieces = pieces,
		.info = {.magic = gm_le32(PVH_MAGIC), .version = gm_le32(PVH_VERSION)},
	};
	gm_le64_t where;
	int ret = -1;

	/* Linux has a use for the first MiB, whatever the memory map says of it. */
	if (kernel->is_linux &&
	    placement_take(pieces->placement, 0, LINUX_LOW_END, NULL, pieces->report))
		goto out;
	if (put_cmdline(&pvh, kernel->is_linux) || put_acpi(&pvh) || put_memmap(&pvh) ||
	    put_modules(&pvh, kernel->wants_regions) ||
	    put(&pvh, &pvh.info, sizeof(pvh.info), "the start info", &where))
		goto out;
	*state = (struct boot_state){
		.mode = BOOT_PROTECTED,
		.entry = kernel->entry,
		.rbx = gm_le64_get(where),
		.is_linux = kernel->is_linux,
	};
	ret = 0;
out:
	free(pvh.modules);
	return ret;
}
