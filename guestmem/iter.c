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

int gm_get_slice(const struct gm_memory *memory, gm_addr addr, uint64_t len, enum gm_access access,
		 struct gm_slice *slice)
{
	const struct gm_entry *entry = gm_find_entry(memory, addr);
	uint64_t offset = addr - entry->start;

	if (offset >= entry->size)
		return GM_ERR_INVALID_ADDRESS;
	if (len > entry->size - offset)
		return GM_ERR_INVALID_BACKEND;
	if ((access & GM_ACCESS_WRITE) && (entry->flags & GM_SLICE_READ_ONLY))
		return GM_ERR_READ_ONLY;
	*slice = (struct gm_slice){
		.host = entry->host + offset,
		.len = len,
		.dirty = entry->dirty,
		.dirty_offset = offset,
		.flags = entry->flags,
	};
	return 0;
}
