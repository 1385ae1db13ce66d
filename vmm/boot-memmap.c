/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The memory map: regions in order, joined where the guest cannot tell them apart. */
#include "vmm/boot-memmap.h"

#include <stdlib.h>

/* Behind the *count @entries there are. */
static void append(struct memmap_entry *entries, size_t *count, gm_addr addr, uint64_t size,
		   enum memmap_type type)
{
	struct memmap_entry *next = entries + *count;

	if (size == 0)
		return;
	if (*count && next[-1].type == type && next[-1].addr + next[-1].size == addr) {
		next[-1].size += size;
		return;
	}
	*next = (struct memmap_entry){addr, size, type};
	++*count;
}

/* [addr, end) is RAM but for what the tables take of it. */
static void append_ram(struct memmap_entry *entries, size_t *count, gm_addr addr, gm_addr end,
		       struct gm_range acpi)
{
	gm_addr from = acpi.addr, to = acpi.addr + acpi.len;

	from = from < addr ? addr : from > end ? end : from;
	to = to < from ? from : to > end ? end : to;
	append(entries, count, addr, from - addr, MEMMAP_RAM);
	append(entries, count, from, to - from, MEMMAP_ACPI);
	append(entries, count, to, end - to, MEMMAP_RAM);
}

int memmap_build(const struct gm_memory *memory, struct gm_range acpi, struct gm_range reserved,
		 struct memmap_entry **out, size_t *count)
{
	size_t regions = gm_memory_count(memory);
	/* The tables make up to three pieces of one region, and one entry is reserved. */
	struct memmap_entry *entries = calloc(regions + 3, sizeof(*entries));

	if (!entries)
		return -1;
	*count = 0;
	for (size_t i = 0; i < regions; i++) {
		const struct gm_region *region = gm_memory_region(memory, i);
		gm_addr start = gm_region_start(region);
		uint64_t size = gm_region_size(region);

		if (reserved.len && reserved.addr < start) {
			append(entries, count, reserved.addr, reserved.len, MEMMAP_RESERVED);
			reserved.len = 0;
		}
		if (gm_region_flags(region) & GM_REGION_READ_ONLY)
			append(entries, count, start, size, MEMMAP_RESERVED);
		else
			append_ram(entries, count, start, start + size, acpi);
	}
	append(entries, count, reserved.addr, reserved.len, MEMMAP_RESERVED);
	*out = entries;
	return 0;
}
