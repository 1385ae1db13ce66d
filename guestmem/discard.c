/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Giving memory back, region by region and in whole pages. */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "guestmem/discard.h"
#include "guestmem/internal.h"

/* Not in every libc's header yet (Linux 5.18): also where the memory is locked. */
#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24
#endif

static bool can_discard(const struct gm_region *region)
{
	return region->backing != GM_BACKING_FOREIGN && !(region->flags & GM_REGION_PRIVATE);
}

/* [host, host + len) are whole pages of the region's mapping. */
static int discard_pages(const struct gm_region *region, uint8_t *host, uint64_t len)
{
	uint64_t offset = (uint64_t)(host - region->entry.host);
	int err;

	if (region->backing != GM_BACKING_ANON)
		err = fallocate(region->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				(off_t)(region->file_offset + offset), (off_t)len);
	else
		err = madvise(host, len,
			      region->flags & GM_REGION_LOCK ? MADV_DONTNEED_LOCKED : MADV_DONTNEED);
	return err ? GM_ERR_IO : 0;
}

/* The whole pages of [offset, offset + len) of a region; a page may be larger than the host's. */
static int discard_part(const struct gm_region *region, uint64_t offset, uint64_t len, uint64_t *given)
{
	uintptr_t host = (uintptr_t)region->entry.host, mask = region->page - 1;
	uintptr_t first = (host + offset + mask) & ~mask, end = (host + offset + len) & ~mask;
	int err;

	if (!can_discard(region) || first >= end)
		return 0;
	offset = first - host;
	err = discard_pages(region, region->entry.host + offset, end - first);
	if (err)
		return err;
	if (region->entry.dirty)
		gm_bitmap_mark(region->entry.dirty, offset, end - first);
	*given += end - first;
	return 0;
}

static int check(const struct gm_memory *memory, gm_addr addr, uint64_t len)
{
	gm_addr end;

	if (!memory)
		return GM_ERR_INVALID_ARGUMENT;
	if (__builtin_add_overflow(addr, len, &end))
		return GM_ERR_ADDRESS_OVERFLOW;
	if (!gm_check_range(memory, addr, len, GM_ACCESS_READ))
		return GM_ERR_INVALID_ADDRESS;
	return gm_check_range(memory, addr, len, GM_ACCESS_WRITE) ? 0 : GM_ERR_READ_ONLY;
}

int gm_discard(const struct gm_memory *memory, gm_addr addr, uint64_t len, uint64_t *given)
{
	uint64_t done = 0;
	int err;

	memory = gm_physical_memory(memory);
	err = check(memory, addr, len);
	while (len && !err) {
		uint64_t offset, part;
		const struct gm_region *region = gm_to_region_addr(memory, addr, &offset);

		part = region->entry.size - offset;
		part = part < len ? part : len;
		err = discard_part(region, offset, part, &done);
		addr += part;
		len -= part;
	}
	if (given)
		*given = done;
	return err;
}

bool gm_host_page(const struct gm_memory *memory, gm_addr addr, struct gm_range *page)
{
	const struct gm_region *region;
	uint64_t offset, before, behind;

	memory = gm_physical_memory(memory);
	region = memory ? gm_to_region_addr(memory, addr, &offset) : NULL;
	if (!region)
		return false;
	before = ((uintptr_t)region->entry.host + offset) & (region->page - 1);
	behind = region->page - before;
	before = before < offset ? before : offset;
	behind = behind < region->entry.size - offset ? behind : region->entry.size - offset;
	*page = (struct gm_range){addr - before, before + behind};
	return true;
}
