/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Memories: building the table of regions with its buckets, deriving one memory from another, and
 * the look-ups that memory.h does not answer inline.
 */
#include <stdlib.h>

#include "guestmem/internal.h"

/* How many buckets a memory may have: the more, the fewer of them meet two regions. */
#define BUCKETS_MIN        1024
#define BUCKETS_PER_REGION 16

/* Offsets to entries are 32 bits wide. */
#define REGIONS_MAX (1U << 24)

/*
 * The size of a bucket, as a logarithm: what all region boundaries are aligned to, so that no
 * bucket meets two regions; or larger, if that would take too many buckets.
 */
static uint8_t bucket_shift(const struct gm_entry *entries, size_t count, uint64_t span)
{
	uint64_t max = (uint64_t)count * BUCKETS_PER_REGION;
	uint64_t bits = 0;
	uint8_t shift;

	max = max > BUCKETS_MIN ? max : BUCKETS_MIN;
	for (size_t i = 0; i < count; i++)
		bits |= (entries[i].start - entries[0].start) | entries[i].size;
	shift = (uint8_t)__builtin_ctzll(bits);
	while (shift < 63 && ((span - 1) >> shift) >= max)
		shift++;
	return shift;
}

/* Each bucket names the first region that ends after the bucket begins; one more the sentinel. */
static void fill_buckets(struct gm_memory *memory, uint32_t *buckets)
{
	const struct gm_entry *entry = memory->entries;

	for (uint64_t b = 0; b < memory->nbuckets; b++) {
		gm_addr begin = memory->base + (b << memory->shift);

		while (entry->size && entry->start + entry->size <= begin)
			entry++;
		buckets[b] = (uint32_t)((const char *)entry - (const char *)memory);
	}
	entry = memory->entries + memory->count;
	buckets[memory->nbuckets] = (uint32_t)((const char *)entry - (const char *)memory);
}

/*
 * Table, two sentinels and buckets in one allocation behind the structure. The entries are in order
 * and do not overlap; references are taken here.
 */
static struct gm_memory *memory_alloc(struct gm_region *const *regions, size_t count)
{
	struct gm_memory *memory;
	struct gm_entry *entries;
	uint64_t span, nbuckets = 0;
	uint8_t shift = 63;
	size_t head = (sizeof(*memory) + 63) & ~(size_t)63, size;
	struct gm_entry *scratch = calloc(count + 2, sizeof(*scratch));
	static uint64_t last_id; /* atomic */

	if (!scratch)
		return NULL;
	for (size_t i = 0; i < count; i++)
		scratch[i] = regions[i]->entry;
	if (count) {
		span = scratch[count - 1].start + scratch[count - 1].size - scratch[0].start;
		shift = bucket_shift(scratch, count, span);
		nbuckets = ((span - 1) >> shift) + 1;
	}
	size = head + (count + 2) * sizeof(*entries) + (nbuckets + 1) * sizeof(uint32_t);
	memory = aligned_alloc(64, (size + 63) & ~(size_t)63);
	if (!memory) {
		free(scratch);
		return NULL;
	}
	entries = (struct gm_entry *)((char *)memory + head);
	__builtin_memcpy(entries, scratch, (count + 2) * sizeof(*entries));
	free(scratch);
	*memory = (struct gm_memory){
		.base = count ? entries[0].start : 0,
		.nbuckets = nbuckets,
		.buckets = (uint32_t *)(entries + count + 2),
		.entries = entries,
		.count = (uint32_t)count,
		.shift = shift,
		.refs = 1,
		.id = __atomic_add_fetch(&last_id, 1, __ATOMIC_RELAXED),
	};
	fill_buckets(memory, (uint32_t *)(entries + count + 2));
	for (size_t i = 0; i < count; i++)
		gm_region_get(regions[i]);
	return memory;
}

struct gm_memory *gm_memory_new_empty(void)
{
	return memory_alloc(NULL, 0);
}

int gm_memory_new(struct gm_region *const *regions, size_t count, struct gm_memory **out, size_t *bad)
{
	*out = NULL;
	if (count == 0)
		return GM_ERR_NO_REGION;
	if (count > REGIONS_MAX)
		return GM_ERR_NO_MEMORY;
	for (size_t i = 1; i < count; i++) {
		if (bad)
			*bad = i;
		if (gm_region_start(regions[i - 1]) > gm_region_start(regions[i]))
			return GM_ERR_UNSORTED;
		if (gm_region_last(regions[i - 1]) >= gm_region_start(regions[i]))
			return GM_ERR_OVERLAP;
	}
	*out = memory_alloc(regions, count);
	return *out ? 0 : GM_ERR_NO_MEMORY;
}

int gm_memory_from_configs(const struct gm_region_config *configs, size_t count,
			   struct gm_memory **out, size_t *bad)
{
	struct gm_region **regions = calloc(count ? count : 1, sizeof(struct gm_region *));
	size_t made = 0;
	int err = 0;

	*out = NULL;
	if (!regions)
		return GM_ERR_NO_MEMORY;
	while (made < count) {
		err = gm_region_new(&configs[made], &regions[made]);
		if (err)
			break;
		made++;
	}
	if (err && bad)
		*bad = made;
	if (!err)
		err = gm_memory_new(regions, count, out, bad);
	while (made)
		gm_region_put(regions[--made]);
	free(regions);
	return err;
}

int gm_memory_from_ranges(const struct gm_range *ranges, size_t count, uint64_t dirty_page,
			  struct gm_memory **out, size_t *bad)
{
	struct gm_region_config *configs = calloc(count ? count : 1, sizeof(*configs));
	int err;

	*out = NULL;
	if (!configs)
		return GM_ERR_NO_MEMORY;
	for (size_t i = 0; i < count; i++) {
		configs[i].start = ranges[i].addr;
		configs[i].size = ranges[i].len;
		configs[i].dirty_page = dirty_page;
	}
	err = gm_memory_from_configs(configs, count, out, bad);
	free(configs);
	return err;
}

int gm_memory_insert(const struct gm_memory *memory, struct gm_region *region, struct gm_memory **out)
{
	struct gm_region **regions;
	size_t n = 0, i = 0;
	int err;

	*out = NULL;
	if (memory->iommu)
		return GM_ERR_INVALID_ARGUMENT;
	regions = calloc(memory->count + 1ULL, sizeof(struct gm_region *));
	if (!regions)
		return GM_ERR_NO_MEMORY;
	while (i < memory->count && memory->entries[i].start <= region->entry.start)
		regions[n++] = memory->entries[i++].region;
	regions[n++] = region;
	while (i < memory->count)
		regions[n++] = memory->entries[i++].region;
	err = gm_memory_new(regions, n, out, NULL);
	free(regions);
	return err;
}

int gm_memory_remove(const struct gm_memory *memory, gm_addr start, uint64_t size,
		     struct gm_memory **out, struct gm_region **removed)
{
	const struct gm_entry *entry = gm_find_entry(memory, start);
	struct gm_region **regions;
	size_t n = 0;

	*out = NULL;
	if (memory->iommu)
		return GM_ERR_INVALID_ARGUMENT;
	if (entry->size == 0 || entry->start != start || entry->size != size)
		return GM_ERR_INVALID_REGION;
	regions = calloc(memory->count, sizeof(struct gm_region *));
	if (!regions)
		return GM_ERR_NO_MEMORY;
	for (size_t i = 0; i < memory->count; i++) {
		if (&memory->entries[i] != entry)
			regions[n++] = memory->entries[i].region;
	}
	*out = memory_alloc(regions, n);
	free(regions);
	if (!*out)
		return GM_ERR_NO_MEMORY;
	if (removed)
		*removed = gm_region_get(entry->region);
	return 0;
}

struct gm_memory *gm_memory_get(struct gm_memory *memory)
{
	__atomic_add_fetch(&memory->refs, 1, __ATOMIC_RELAXED);
	return memory;
}

void gm_memory_put(struct gm_memory *memory)
{
	if (!memory || __atomic_sub_fetch(&memory->refs, 1, __ATOMIC_ACQ_REL))
		return;
	for (size_t i = 0; i < memory->count; i++)
		gm_region_put(memory->entries[i].region);
	if (memory->iommu)
		gm_iommu_view_free(memory->iommu);
	free(memory);
}

gm_addr gm_memory_last(const struct gm_memory *memory)
{
	return memory->count ? gm_region_last(memory->entries[memory->count - 1].region) : 0;
}

static const struct gm_entry *bucket_entry(const struct gm_memory *memory, uint64_t bucket)
{
	return (const struct gm_entry *)((const char *)memory + memory->buckets[bucket]);
}

const struct gm_entry *gm_find_entry_slow(const struct gm_memory *memory, gm_addr addr)
{
	uint64_t bucket = (addr - memory->base) >> memory->shift;
	const struct gm_entry *low, *high;

	if (bucket >= memory->nbuckets)
		return &memory->entries[memory->count];
	/* The first region of the next bucket can begin in this one: it is a candidate as well. */
	low = bucket_entry(memory, bucket);
	high = bucket_entry(memory, bucket + 1);
	while (low < high) {
		const struct gm_entry *mid = low + (high - low) / 2;

		if (addr < mid->start + mid->size)
			high = mid;
		else
			low = mid + 1;
	}
	return low;
}
