/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * A memory: an immutable, sorted collection of regions, and the slice iterator over it.
 *
 * Everything that touches guest memory begins with one question: which region holds this address?
 * The answer comes from a table of equal buckets over the address span, each naming the first
 * region that can hold an address of the bucket. Buckets are as small as the regions are aligned
 * where that is affordable, and then the first candidate is the only one: a look-up costs the same
 * for four regions and for four thousand. From there the iterator walks: the neighbour of a region
 * is the next entry of the table, not a new search.
 *
 * The structures are public for the inline functions' sake; their fields are private to guestmem/.
 */
#ifndef GUESTMEM_MEMORY_H
#define GUESTMEM_MEMORY_H

#include "guestmem/region.h"
#include "guestmem/slice.h"
#include "guestmem/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One region as the access path sees it: one cache line. Private. */
struct gm_entry {
	gm_addr start;
	uint64_t size; /* 0 in the sentinel that ends the table */
	uint8_t *host;
	struct gm_bitmap *dirty;
	unsigned int flags; /* enum gm_slice_flags */
	unsigned int pad;
	struct gm_region *region;
	uint64_t pad2[2];
};

/* Private. All fields but the count of references are constant. */
struct gm_memory {
	gm_addr base; /* where bucket 0 begins */
	uint64_t nbuckets;
	const uint32_t *buckets; /* offset from here to the entry to try first; one more than n */
	const struct gm_entry *entries; /* count + 2, the last two with size 0 */
	uint32_t count;
	uint8_t shift;               /* log2 of a bucket's size */
	uint32_t refs;               /* atomic */
	struct gm_iommu_view *iommu; /* translation in front, or NULL; then count is 0 */
	uint64_t id; /* not 0, and no other memory's, not even of one that is gone */
};

/*
 * What is proven about memories and iterators is written in ACSL, in comments that begin with an
 * "@", and checked by `make prove`; docs/proof.md says how to read them. Here are the words for it.
 */
/*@ // Unsigned subtraction wraps (C11 6.2.5p9), which the prover's integers do not: assumed.
    axiomatic gm_unsigned {
	axiom gm_wraps: \forall integer d; -UINT64_MAX <= d < 0 ==>
		(uint64_t)d == d + UINT64_MAX + 1;
    }

    predicate gm_holds(struct gm_entry *entry, integer addr) =
	entry->start <= addr < entry->start + entry->size;

    predicate gm_allows(struct gm_entry *entry, integer access) =
	(access & GM_ACCESS_WRITE) == 0 || (entry->flags & GM_SLICE_READ_ONLY) == 0;

    // Regions in order and apart, none empty, none up to 2^64; then an entry that holds nothing.
    predicate gm_table(struct gm_memory *memory) =
	\valid_read(memory) && \valid_read(memory->entries + (0 .. memory->count)) &&
	memory->entries[memory->count].size == 0 &&
	(memory->iommu != \null ==> memory->count == 0) &&
	(\forall integer i; 0 <= i < memory->count ==>
		0 < memory->entries[i].size &&
		memory->entries[i].start + memory->entries[i].size <= UINT64_MAX) &&
	(\forall integer i, j; 0 <= i < j < memory->count ==>
		memory->entries[i].start + memory->entries[i].size <= memory->entries[j].start);

    // The entry at @index of the table holds @addr, or none does.
    predicate gm_is_entry(struct gm_memory *memory, struct gm_entry *entry, integer index,
			  integer addr) =
	0 <= index <= memory->count && entry == memory->entries + index &&
	(\forall integer i; 0 <= i < memory->count && gm_holds(memory->entries + i, addr) ==>
		i == index);

    predicate gm_mapped(struct gm_memory *memory, integer addr) =
	\exists integer i; 0 <= i < memory->count && gm_holds(memory->entries + i, addr);

    predicate gm_accessible(struct gm_memory *memory, integer addr, integer access) =
	\exists integer i; 0 <= i < memory->count && gm_holds(memory->entries + i, addr) &&
		gm_allows(memory->entries + i, access);

    // What the iterator lives on: the end of a region can only be held by the one behind it.
    lemma gm_neighbour: \forall struct gm_memory *memory, struct gm_entry *entry, integer k, a;
	gm_table(memory) && gm_is_entry(memory, entry, k, a) && gm_holds(entry, a) ==>
	k < memory->count && gm_mapped(memory, a) &&
	gm_is_entry(memory, entry + 1, k + 1, entry->start + entry->size);
*/

/* Whether @addr lies in the region: the difference wraps for addresses below it. Private. */
/*@ requires \valid_read(entry) && entry->start + entry->size <= UINT64_MAX;
    assigns \nothing;
    ensures \result <==> gm_holds(entry, addr);
*/
static inline bool gm_entry_holds(const struct gm_entry *entry, gm_addr addr)
{
	return addr - entry->start < entry->size;
}

/* Whether the region may be accessed so. Private. */
/*@ requires \valid_read(entry);
    assigns \nothing;
    ensures \result <==> gm_allows(entry, access);
*/
static inline bool gm_entry_allows(const struct gm_entry *entry, enum gm_access access)
{
	return !((access & GM_ACCESS_WRITE) && (entry->flags & GM_SLICE_READ_ONLY));
}

/* A range of guest addresses. */
struct gm_range {
	gm_addr addr;
	uint64_t len;
};

/*
 * Make a memory of regions in ascending order. It takes references of its own, the caller keeps
 * its. Errors: GM_ERR_NO_REGION, GM_ERR_UNSORTED, GM_ERR_OVERLAP, GM_ERR_NO_MEMORY. If @bad is not
 * NULL, it receives the index of the region that is out of order or overlaps the one before it.
 * Seed: GuestRegionCollection::from_regions.
 */
int gm_memory_new(struct gm_region *const *regions, size_t count, struct gm_memory **out,
		  size_t *bad);

/*
 * Make the regions, then the memory, from configurations in ascending order. Errors of single
 * regions come first, in input order; then those of gm_memory_new(). On error nothing remains.
 * Seed: GuestMemoryMmap::from_ranges, from_ranges_with_files.
 */
int gm_memory_from_configs(const struct gm_region_config *configs, size_t count,
			   struct gm_memory **out, size_t *bad);

/* The same for plain anonymous memory with dirty pages of @dirty_page (0: no tracking). */
int gm_memory_from_ranges(const struct gm_range *ranges, size_t count, uint64_t dirty_page,
			  struct gm_memory **out, size_t *bad);

/*
 * A new memory with one region more; @memory stays as it is and shares all its regions.
 * GM_ERR_OVERLAP if an address is taken, GM_ERR_INVALID_ARGUMENT if @memory is behind an IOMMU.
 * Seed: insert_region.
 */
int gm_memory_insert(const struct gm_memory *memory, struct gm_region *region,
		     struct gm_memory **out);

/*
 * A new memory without the region that has exactly this start and size, else GM_ERR_INVALID_REGION
 * (GM_ERR_INVALID_ARGUMENT behind an IOMMU). If @removed is not NULL it receives a reference to
 * that region. The memory that remains may be empty. Seed: remove_region.
 */
int gm_memory_remove(const struct gm_memory *memory, gm_addr start, uint64_t size,
		     struct gm_memory **out, struct gm_region **removed);

/* Take and drop a reference; get returns its argument, put takes NULL. Any thread. */
struct gm_memory *gm_memory_get(struct gm_memory *memory);
void gm_memory_put(struct gm_memory *memory);

/* Seed: num_regions, iter. The regions in ascending order; the pointer is borrowed. */
static inline size_t gm_memory_count(const struct gm_memory *memory)
{
	return memory->count;
}

static inline struct gm_region *gm_memory_region(const struct gm_memory *memory, size_t index)
{
	return index < memory->count ? memory->entries[index].region : NULL;
}

/* Highest backed address; 0 for an empty memory. Seed: last_addr. */
gm_addr gm_memory_last(const struct gm_memory *memory);

/* Look-up where the first candidate of the bucket is not the answer. Private. */
const struct gm_entry *gm_find_entry_slow(const struct gm_memory *memory, gm_addr addr);

/*
 * The entry that holds @addr, or one that does not: the caller asks gm_entry_holds(). Private.
 */
/*@ requires gm_table(memory);
    assigns \nothing;
    ensures \exists integer k; gm_is_entry(memory, \result, k, addr);
*/
static inline const struct gm_entry *gm_find_entry(const struct gm_memory *memory, gm_addr addr)
{
	uint64_t bucket = (addr - memory->base) >> memory->shift;

	if (gm_likely(bucket < memory->nbuckets)) {
		const struct gm_entry *entry =
			(const struct gm_entry *)((const char *)memory + memory->buckets[bucket]);

		if (gm_likely(gm_entry_holds(entry, addr)))
			return entry;
	}
	return gm_find_entry_slow(memory, addr);
}

/* The region that holds @addr, borrowed, or NULL. Seed: find_region. */
static inline struct gm_region *gm_find_region(const struct gm_memory *memory, gm_addr addr)
{
	const struct gm_entry *entry = gm_find_entry(memory, addr);

	return gm_entry_holds(entry, addr) ? entry->region : NULL;
}

/* The same with the offset of @addr in the region. Seed: to_region_addr. */
static inline struct gm_region *gm_to_region_addr(const struct gm_memory *memory, gm_addr addr,
						  uint64_t *offset)
{
	const struct gm_entry *entry = gm_find_entry(memory, addr);

	*offset = addr - entry->start;
	return gm_entry_holds(entry, addr) ? entry->region : NULL;
}

/* Whether a region holds @addr. Seed: address_in_range, check_address. */
static inline bool gm_address_in_range(const struct gm_memory *memory, gm_addr addr)
{
	return gm_find_region(memory, addr) != NULL;
}

/*
 * *out = base + offset, if that does not wrap and is backed; what lies between is not looked at.
 * Seed: checked_offset.
 */
static inline bool gm_checked_offset(const struct gm_memory *memory, gm_addr base, uint64_t offset,
				     gm_addr *out)
{
	return !__builtin_add_overflow(base, offset, out) && gm_address_in_range(memory, *out);
}

/*
 * Whether [addr, addr + len) lies in one region and may be accessed so. Length 0 too needs a mapped
 * address. In a memory behind an IOMMU no range does.
 */
static inline bool gm_in_one_region(const struct gm_memory *memory, gm_addr addr, uint64_t len,
				    enum gm_access access)
{
	const struct gm_entry *entry = gm_find_entry(memory, addr);
	uint64_t offset = addr - entry->start;

	return gm_entry_holds(entry, addr) && len <= entry->size - offset &&
	       gm_entry_allows(entry, access);
}

/*@ requires gm_table(memory);
    assigns \nothing;
    ensures memory->iommu == \null ==> (\result != 0 <==>
	\forall integer a; addr <= a < addr + len ==> gm_accessible(memory, a, access));
*/
bool gm_check_range_slow(const struct gm_memory *memory, gm_addr addr, uint64_t len,
			 enum gm_access access);

/*
 * Whether every byte of [addr, addr + len) is backed and may be accessed so. Length 0 is true at
 * any address; a range that wraps is false. Seed: check_range.
 */
static inline bool gm_check_range(const struct gm_memory *memory, gm_addr addr, uint64_t len,
				  enum gm_access access)
{
	if (gm_likely(gm_in_one_region(memory, addr, len, access)))
		return true;
	return gm_check_range_slow(memory, addr, len, access);
}

int gm_get_slice_slow(const struct gm_memory *memory, gm_addr addr, uint64_t len,
		      enum gm_access access, struct gm_slice *slice);

/*
 * One slice for [addr, addr + len), all in one region (never across, even where the next region is
 * adjacent). Length 0 too needs a mapped address. The slice is valid as long as the memory is held.
 * Errors: GM_ERR_INVALID_ADDRESS, GM_ERR_INVALID_BACKEND (leaves the region), GM_ERR_READ_ONLY.
 * Seed: get_slice.
 */
static inline int gm_get_slice(const struct gm_memory *memory, gm_addr addr, uint64_t len,
			       enum gm_access access, struct gm_slice *slice)
{
	const struct gm_entry *entry = gm_find_entry(memory, addr);
	uint64_t offset = addr - entry->start;

	if (gm_unlikely(!gm_entry_holds(entry, addr) || len > entry->size - offset ||
			!gm_entry_allows(entry, access)))
		return gm_get_slice_slow(memory, addr, len, access, slice);
	slice->host = entry->host + offset;
	slice->len = len;
	slice->dirty = entry->dirty;
	slice->dirty_offset = offset;
	slice->flags = entry->flags;
	return 0;
}

/*
 * Where the byte at @addr is mapped, for who must hand a pointer to other software; devices use
 * slices. Valid for that byte only, as long as the memory is held. Errors as gm_get_slice(). Seed:
 * get_host_address.
 */
static inline int gm_get_host_address(const struct gm_memory *memory, gm_addr addr,
				      enum gm_access access, void **host)
{
	struct gm_slice slice;
	int err = gm_get_slice(memory, addr, 1, access, &slice);

	if (gm_likely(!err))
		*host = slice.host;
	return err;
}

/*
 * The slice iterator: [addr, addr + len) as the pieces that are contiguous for the host.
 *
 *	struct gm_iter it;
 *	struct gm_slice slice;
 *
 *	gm_iter_init(&it, memory, addr, len, GM_ACCESS_READ);
 *	while (gm_iter_next(&it, &slice))
 *		use(slice.host, slice.len);
 *	if (it.error)
 *		...the slices so far are the contiguous first part; it.addr is where it ends
 *
 * Slices come in ascending order, none is empty, their sum is len unless error is set, and after
 * an error or the end gm_iter_next() stays false. Length 0 gives no slice and no error. A write
 * access stops at a read-only region with GM_ERR_READ_ONLY. Marking what was written dirty is the
 * user's part (gm_slice_mark_dirty()). An iterator belongs to one thread and needs no clean-up; the
 * memory must be held meanwhile. In a memory behind an IOMMU the first step translates the whole
 * range and fails with GM_ERR_IOMMU, or GM_ERR_ADDRESS_OVERFLOW if the range wraps, before there is
 * any slice. Seed: get_slices, stop_on_error.
 */
struct gm_iter {
	/* addr and left apart: next to each other, gcc moves them through a vector register. */
	gm_addr addr;                 /* guest physical address of the next byte */
	const struct gm_entry *entry; /* the entry that must hold addr */
	const struct gm_memory *memory;
	uint64_t left; /* bytes to go in this translation */
	uint64_t more; /* IOMMU: bytes to go behind this translation */
	gm_addr iova;  /* IOMMU: address of the byte behind this translation */
	enum gm_access access;
	int error;
	unsigned int stage; /* IOMMU: enum gm_iter_stage */
};

/* How an iterator goes through an IOMMU, decided at its first step. Private. */
enum gm_iter_stage {
	GM_ITER_NEW,
	GM_ITER_TRANSLATED,
	GM_ITER_PHYSICAL, /* the translation is switched off */
};

/*@ // What is so between any two calls.
    predicate gm_iter_ok(struct gm_iter it) =
	gm_table(it.memory) && it.left + it.more <= UINT64_MAX &&
	(it.error != 0 ==> it.left == 0 && it.more == 0) &&
	(it.memory->iommu == \null ==> it.more == 0) &&
	(it.memory->iommu != \null ==> it.entry == it.memory->entries) &&
	(it.memory->iommu == \null && it.left != 0 ==>
		\exists integer k; gm_is_entry(it.memory, it.entry, k, it.addr));
*/

/* By value, so that the caller's iterator can live in registers. Private. */
struct gm_iter_step {
	struct gm_iter it;
	struct gm_slice slice;
};

/* Whether an IOMMU refuses an access of no bytes: 0 or GM_ERR_IOMMU. Private. */
/*@ assigns \nothing; */
int gm_iommu_empty(const struct gm_memory *memory, gm_addr iova, enum gm_access access);

/* The step where the entry at hand does not hold the address, or may not be written. Private. */
/*@ requires gm_iter_ok(it) && it.left + it.more > 0;
    requires it.memory->iommu == \null ==>
	!gm_holds(it.entry, it.addr) || !gm_allows(it.entry, it.access);
    assigns \nothing;
    ensures gm_iter_ok(\result.it) && \result.it.memory == it.memory;
    ensures \result.it.error == 0 ==> 0 < \result.slice.len &&
	\result.it.left + \result.it.more + \result.slice.len == it.left + it.more;
    ensures it.memory->iommu == \null ==> \result.it.addr == it.addr;
    ensures it.memory->iommu == \null && gm_holds(it.entry, it.addr) ==>
	\result.it.error == GM_ERR_READ_ONLY;
    ensures it.memory->iommu == \null && !gm_holds(it.entry, it.addr) ==>
	\result.it.error == GM_ERR_INVALID_ADDRESS;
*/
struct gm_iter_step gm_iter_refill(struct gm_iter it);

/*@ requires gm_table(memory) && \valid(it);
    requires \separated(it, memory) && \separated(it, memory->entries + (0 .. memory->count));
    assigns *it;
    ensures gm_iter_ok(*it) && it->memory == memory && it->access == access;
    ensures it->error == 0 ==> it->left + it->more == len;
    ensures memory->iommu == \null ==> it->error == 0 && it->addr == addr;
*/
static inline void gm_iter_init(struct gm_iter *it, const struct gm_memory *memory, gm_addr addr,
				uint64_t len, enum gm_access access)
{
	it->memory = memory;
	it->entry = gm_find_entry(memory, addr);
	it->addr = addr;
	it->left = len;
	it->more = 0;
	it->iova = 0;
	it->access = access;
	it->error = 0;
	it->stage = GM_ITER_NEW;
	if (gm_unlikely(memory->iommu != NULL)) {
		it->left = 0;
		it->more = len;
		it->iova = addr;
		if (len == 0)
			it->error = gm_iommu_empty(memory, addr, access);
	}
}

/*@ requires gm_iter_ok(*it) && \valid(it) && \valid(slice);
    requires \separated(it, slice, it->memory);
    requires \separated(it, it->memory->entries + (0 .. it->memory->count)) &&
	\separated(slice, it->memory->entries + (0 .. it->memory->count));
    assigns it->entry, it->addr, it->left, it->more, it->iova, it->error, it->stage, *slice;
    ensures gm_iter_ok(*it);
    ensures \result ==> it->error == 0 && 0 < slice->len &&
	it->left + it->more + slice->len == \old(it->left + it->more);
    ensures !\result ==> it->left == 0 && it->more == 0;
    ensures !\result && it->error == 0 ==> \old(it->left + it->more) == 0;

    behavior end:
	assumes it->left == 0 && it->more == 0;
	ensures !\result && *it == \old(*it);
    behavior slice:
	assumes it->memory->iommu == \null && it->left != 0 &&
		gm_accessible(it->memory, it->addr, it->access);
	ensures \result && it->addr == \old(it->addr) + slice->len;
	ensures \let entry = \old(it->entry);
		gm_holds(entry, \old(it->addr)) && gm_allows(entry, it->access) &&
		it->addr <= entry->start + entry->size &&
		slice->dirty_offset == \old(it->addr) - entry->start &&
		slice->host == entry->host + slice->dirty_offset;
    behavior hole:
	assumes it->memory->iommu == \null && it->left != 0 &&
		!gm_accessible(it->memory, it->addr, it->access);
	ensures !\result && it->addr == \old(it->addr);
	ensures gm_mapped(it->memory, it->addr) ==> it->error == GM_ERR_READ_ONLY;
	ensures !gm_mapped(it->memory, it->addr) ==> it->error == GM_ERR_INVALID_ADDRESS;
*/
static inline bool gm_iter_next(struct gm_iter *it, struct gm_slice *slice)
{
	const struct gm_entry *entry;
	uint64_t offset, len;

	if (it->left == 0 && gm_likely(it->more == 0))
		return false;
	if (gm_unlikely(it->left == 0 || !gm_entry_holds(it->entry, it->addr) ||
			!gm_entry_allows(it->entry, it->access))) {
		/*@ assert mapped: it->memory->iommu == \null && gm_holds(it->entry, it->addr) ==>
			gm_mapped(it->memory, it->addr); */
		struct gm_iter_step step = gm_iter_refill(*it);

		/* Field by field, so that compilers keep both structures in registers. */
		it->entry = step.it.entry;
		it->addr = step.it.addr;
		it->left = step.it.left;
		it->more = step.it.more;
		it->iova = step.it.iova;
		it->error = step.it.error;
		it->stage = step.it.stage;
		slice->host = step.slice.host;
		slice->len = step.slice.len;
		slice->dirty = step.slice.dirty;
		slice->dirty_offset = step.slice.dirty_offset;
		slice->flags = step.slice.flags;
		/*@ assert refilled: gm_iter_ok(*it); */
		return step.it.error == 0;
	}
	entry = it->entry;
	/*@ assert found: \exists integer k; gm_is_entry(it->memory, entry, k, it->addr) &&
		k < it->memory->count; */
	/*@ assert plain: it->memory->iommu == \null; */
	/*@ assert neighbour: \exists integer k; gm_is_entry(it->memory, entry + 1, k,
		entry->start + entry->size); */
	offset = it->addr - entry->start;
	len = entry->size - offset;
	len = len < it->left ? len : it->left;
	slice->host = entry->host + offset;
	slice->len = len;
	slice->dirty = entry->dirty;
	slice->dirty_offset = offset;
	slice->flags = entry->flags;
	it->addr += len;
	it->left -= len;
	it->entry = entry + 1;
	/*@ assert onward: it->left != 0 ==> it->addr == entry->start + entry->size; */
	/*@ assert again: it->left != 0 ==>
		\exists integer k; gm_is_entry(it->memory, it->entry, k, it->addr); */
	return true;
}

#ifdef __cplusplus
}
#endif

#endif
