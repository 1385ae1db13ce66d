/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The slice iterator off its fast path: holes, read-only regions, ranges over several regions.
 */
#include "guestmem/internal.h"

struct gm_iter gm_iter_refill(struct gm_iter it)
{
	if (it.addr - it.entry->start >= it.entry->size)
		it.error = GM_ERR_INVALID_ADDRESS;
	else
		it.error = GM_ERR_READ_ONLY;
	it.left = 0;
	it.more = 0;
	return it;
}

bool gm_check_range_slow(const struct gm_memory *memory, gm_addr addr, uint64_t len,
			 enum gm_access access)
{
	struct gm_slice slice;
	struct gm_iter it;

	gm_iter_init(&it, memory, addr, len, access);
	while (gm_iter_next(&it, &slice))
		;
	return it.error == 0;
}

/* Says why: the fast path took what can be had. */
int gm_get_slice_slow(const struct gm_memory *memory, gm_addr addr, uint64_t len,
		      enum gm_access access, struct gm_slice *slice)
{
	const struct gm_entry *entry = gm_find_entry(memory, addr);
	uint64_t offset = addr - entry->start;

	(void)access;
	(void)slice;
	if (offset >= entry->size)
		return GM_ERR_INVALID_ADDRESS;
	return len > entry->size - offset ? GM_ERR_INVALID_BACKEND : GM_ERR_READ_ONLY;
}
