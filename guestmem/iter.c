/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The slice iterator off its fast path: holes, read-only regions, ranges over several regions, and
 * memories behind an IOMMU, whose own table is empty so that all their accesses end up here.
 */
#include "guestmem/internal.h"

struct gm_iter_step gm_iter_refill(struct gm_iter it)
{
	struct gm_iter_step step = {.it = it};

	if (it.memory->iommu)
		step.it.error = gm_iommu_step(&step.it, &step.slice);
	else if (!gm_entry_holds(it.entry, it.addr))
		step.it.error = GM_ERR_INVALID_ADDRESS;
	else
		step.it.error = GM_ERR_READ_ONLY;
	if (step.it.error) {
		step.it.left = 0;
		step.it.more = 0;
	}
	return step;
}

bool gm_check_range_slow(const struct gm_memory *memory, gm_addr addr, uint64_t len,
			 enum gm_access access)
{
	struct gm_slice slice;
	struct gm_iter it;

	gm_iter_init(&it, memory, addr, len, access);
	/*@ loop invariant gm_iter_ok(it) && it.memory == memory && it.access == access;
	    loop invariant memory->iommu == \null ==> it.error == 0 &&
		it.addr + it.left == addr + len && addr <= it.addr &&
		\forall integer a; addr <= a < it.addr ==> gm_accessible(memory, a, access);
	    loop assigns it, slice;
	    loop variant it.left + it.more;
	*/
	while (gm_iter_next(&it, &slice))
		;
	return it.error == 0;
}

/* The first slice must be all of it. Length 0 is looked up as the byte that is there. */
static int get_translated_slice(const struct gm_memory *memory, gm_addr addr, uint64_t len,
				enum gm_access access, struct gm_slice *slice)
{
	struct gm_iter it;

	gm_iter_init(&it, memory, addr, len ? len : 1, access);
	if (!gm_iter_next(&it, slice))
		return it.error;
	if (slice->len < len)
		return GM_ERR_INVALID_BACKEND;
	slice->len = len;
	return 0;
}

/* Says why: the fast path took what can be had. */
int gm_get_slice_slow(const struct gm_memory *memory, gm_addr addr, uint64_t len,
		      enum gm_access access, struct gm_slice *slice)
{
	const struct gm_entry *entry = gm_find_entry(memory, addr);
	uint64_t offset = addr - entry->start;

	if (memory->iommu)
		return get_translated_slice(memory, addr, len, access, slice);
	if (!gm_entry_holds(entry, addr))
		return GM_ERR_INVALID_ADDRESS;
	return len > entry->size - offset ? GM_ERR_INVALID_BACKEND : GM_ERR_READ_ONLY;
}
