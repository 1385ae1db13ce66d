/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The PVH start info, the table of regions, and where buffers can go. The table is used where the
 * monitor put it, since it may have thousands of entries; where there is none, each RAM entry of
 * the memory map is a region, cut into smaller ones if cut= asks for it.
 */
#include "guest/memory.h"

#include <stddef.h>

#include "guest/cmdline.h"
#include "guest/paging.h"

#define START_INFO_MAGIC 0x336ec578
#define MEMMAP_RAM       1
#define MEMMAP_ACPI      3
#define LOW_MEMORY_END   0x10000 /* left alone: firmware tables may be there */
#define OWN_REGIONS      256
#define MAX_USED         64

/* Xen's hvm_start_info and what it points to. */
struct start_info {
	uint32_t magic;
	uint32_t version;
	uint32_t flags;
	uint32_t nr_modules;
	uint64_t modlist;
	uint64_t cmdline;
	uint64_t rsdp;
	uint64_t memmap; /* from version 1 on */
	uint32_t memmap_entries;
	uint32_t reserved;
};

struct module {
	uint64_t address;
	uint64_t size;
	uint64_t cmdline;
	uint64_t reserved;
};

struct memmap_entry {
	uint64_t base;
	uint64_t size;
	uint32_t type;
	uint32_t reserved;
};

struct range {
	uint64_t base;
	uint64_t len;
};

struct memory_map memory_map;

extern uint8_t image_start[], image_end[]; /* link.ld */

static const struct memmap_entry *memmap;
static uint32_t memmap_count;
static struct abi_region own_regions[OWN_REGIONS];
static struct range used[MAX_USED];
static uint32_t used_count;
static uint64_t random_state;

/* --- occupied and free ----------------------------------------------------------------------- */

void memory_reserve(uint64_t address, uint64_t len)
{
	if (len && used_count < MAX_USED)
		used[used_count++] = (struct range){.base = address, .len = len};
}

bool memory_is_used(uint64_t address, uint64_t len)
{
	for (uint32_t i = 0; i < used_count; i++) {
		if (address < used[i].base + used[i].len && used[i].base < address + len)
			return true;
	}
	return false;
}

const struct abi_region *memory_region(uint64_t address)
{
	uint32_t low = 0, high = memory_map.region_count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		const struct abi_region *region = &memory_map.regions[middle];

		if (address < region->base)
			high = middle;
		else if (address - region->base >= region->size)
			low = middle + 1;
		else
			return region;
	}
	return NULL;
}

bool memory_is_free(uint64_t address, uint64_t len)
{
	const struct abi_region *region = memory_region(address);
	const struct abi_region *end = memory_map.regions + memory_map.region_count;
	uint64_t last = address + len - 1;

	if (!region || last < address || last >= PAGING_LIMIT || memory_is_used(address, len))
		return false;
	for (;; region++) {
		if (region->flags & ABI_REGION_READONLY)
			return false;
		if (last - region->base < region->size)
			return true;
		if (region + 1 == end || region[1].base != region->base + region->size)
			return false;
	}
}

bool memory_map_agrees(const struct abi_region *region)
{
	bool ram = !(region->flags & ABI_REGION_READONLY);
	uint64_t at = region->base, end = region->base + region->size;

	/* Entries are in order; a part of RAM may hold tables. */
	for (uint32_t i = 0; i < memmap_count && at < end; i++) {
		if (at < memmap[i].base || at - memmap[i].base >= memmap[i].size)
			continue;
		if ((memmap[i].type == MEMMAP_RAM || memmap[i].type == MEMMAP_ACPI) != ram)
			return false;
		at = memmap[i].base + memmap[i].size;
	}
	return at >= end;
}

/* --- buffers --------------------------------------------------------------------------------- */

uint64_t buffer_place(uint64_t boundary, uint64_t before, uint64_t len)
{
	uint64_t address = boundary - before;

	if (before + CANARY_SIZE > boundary)
		return 0;
	return memory_is_free(address - CANARY_SIZE, len + 2 * CANARY_SIZE) ? address : 0;
}

uint64_t buffer_span(uint64_t boundary, uint64_t before, unsigned int crossings, uint64_t after,
		     uint64_t unit, uint64_t max, uint64_t *len)
{
	uint64_t end = boundary;

	/* Adjacency need not be checked here: buffer_place() looks at all of the buffer. */
	for (unsigned int i = 1; i < crossings; i++) {
		const struct abi_region *region = memory_region(end);

		if (!region || region->size > max)
			return 0;
		end = region->base + region->size;
	}
	*len = (before + (end - boundary) + after + unit - 1) / unit * unit;
	return *len <= max ? buffer_place(boundary, before, *len) : 0;
}

uint64_t memory_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

/* --- boundaries ------------------------------------------------------------------------------ */

/* The boundary at the end of region @i if there is one that buffers can cross; or 0. */
static uint64_t boundary_after(uint32_t i)
{
	const struct abi_region *region = &memory_map.regions[i];
	uint64_t boundary = region->base + region->size;

	if (i + 1 == memory_map.region_count || region[1].base != boundary)
		return 0;
	return buffer_place(boundary, 1, 2) ? boundary : 0;
}

void memory_sample_boundaries(void)
{
	struct memory_map *map = &memory_map;
	uint64_t limit = cmdline_get(ABI_KEY_MAXBOUNDARIES, ABI_DEFAULT_BOUNDARIES);
	uint64_t space = sizeof(map->boundaries) / sizeof(map->boundaries[0]);
	uint32_t seen = 0, next = 0;

	random_state = cmdline_get(ABI_KEY_SEED, 1) * 0x9e3779b97f4a7c15u | 1;
	limit = limit < space ? limit : space;
	for (uint32_t i = 0; i < map->region_count; i++)
		map->boundary_total += boundary_after(i) != 0;
	if (limit > map->boundary_total)
		limit = map->boundary_total;
	/* One from each of @limit equal parts, at random within its part. */
	for (uint32_t i = 0; i < map->region_count && map->boundary_count < limit; i++) {
		uint64_t boundary = boundary_after(i);
		uint64_t part = map->boundary_count * (uint64_t)map->boundary_total / limit;
		uint64_t part_end = (map->boundary_count + 1) * (uint64_t)map->boundary_total / limit;

		if (!boundary)
			continue;
		if (seen == part)
			next = (uint32_t)(part + memory_random() % (part_end - part));
		if (seen++ == next)
			map->boundaries[map->boundary_count++] = boundary;
	}
}

/* --- the start info -------------------------------------------------------------------------- */

static bool table_is_valid(const struct abi_region *table, uint64_t size)
{
	uint64_t end = 0;

	if (size == 0 || size % sizeof(*table) || size / sizeof(*table) > UINT32_MAX)
		return false;
	for (uint64_t i = 0; i < size / sizeof(*table); i++) {
		if (table[i].base < end || table[i].size == 0 || table[i].flags > 1 ||
		    table[i].base + table[i].size < table[i].base)
			return false;
		end = table[i].base + table[i].size;
	}
	return true;
}

/* One entry of the memory map, in pieces of @cut bytes as far as there is room for them. */
static void add_own(uint64_t base, uint64_t size, uint64_t cut)
{
	while (size && memory_map.region_count < OWN_REGIONS) {
		uint64_t len = cut && cut < size ? cut - base % cut : size;

		if (memory_map.region_count == OWN_REGIONS - 8)
			cut = 0; /* the rest of this entry, and some more, in one piece */
		if (len > size || !cut)
			len = size;
		own_regions[memory_map.region_count++] = (struct abi_region){base, len, 0};
		base += len;
		size -= len;
	}
}

static void regions_from_memmap(void)
{
	uint64_t cut = cmdline_get(ABI_KEY_CUT, 0);

	memory_map.regions = own_regions;
	for (uint32_t i = 0; i < memmap_count; i++) {
		if (memmap[i].type == MEMMAP_RAM)
			add_own(memmap[i].base, memmap[i].size, cut);
	}
}

static void read_modules(const struct start_info *info)
{
	const struct module *modules = at(info->modlist);

	if (!info->nr_modules)
		return;
	memory_reserve(info->modlist, info->nr_modules * sizeof(*modules));
	for (uint32_t i = 0; i < info->nr_modules; i++)
		memory_reserve(modules[i].address, modules[i].size);
	/* Only a monitor that knows the note passes the table; any other's module is something else. */
	if (table_is_valid(at(modules[0].address), modules[0].size)) {
		memory_map.regions = at(modules[0].address);
		memory_map.region_count = (uint32_t)(modules[0].size / sizeof(struct abi_region));
		memory_map.from_monitor = true;
	}
}

bool memory_init(uint64_t start_info)
{
	const struct start_info *info = at(start_info);

	if (info->magic != START_INFO_MAGIC || info->version < 1)
		return false;
	if (info->cmdline)
		cmdline_init(at(info->cmdline));
	memmap = at(info->memmap);
	memmap_count = info->memmap_entries;
	memory_reserve(0, LOW_MEMORY_END);
	memory_reserve((uint64_t)image_start, (uint64_t)(image_end - image_start));
	memory_reserve(start_info, sizeof(*info));
	memory_reserve(info->memmap, memmap_count * sizeof(*memmap));
	if (info->cmdline)
		memory_reserve(info->cmdline, 4096);
	read_modules(info);
	if (!memory_map.from_monitor)
		regions_from_memmap();
	return true;
}
