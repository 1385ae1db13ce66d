/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Access by region offset: the slice of the whole region, with the errors of a region. */
#include "guestmem/internal.h"

int gm_region_error(int err)
{
	switch (err) {
	case GM_ERR_OUT_OF_BOUNDS:
	case GM_ERR_OVERFLOW:
	case GM_ERR_MISALIGNED: return GM_ERR_INVALID_BACKEND;
	default: return err;
	}
}

struct gm_slice gm_region_slice(const struct gm_region *region)
{
	const struct gm_entry *entry = &region->entry;

	return (struct gm_slice){
		.host = entry->host,
		.len = entry->size,
		.dirty = entry->dirty,
		.flags = entry->flags,
	};
}

int gm_region_get_slice(const struct gm_region *region, uint64_t offset, uint64_t len,
			struct gm_slice *slice)
{
	struct gm_slice whole = gm_region_slice(region);

	return gm_region_error(gm_slice_sub(&whole, offset, len, slice));
}

bool gm_region_checked_offset(const struct gm_region *region, uint64_t base, uint64_t offset,
			      uint64_t *out)
{
	return !__builtin_add_overflow(base, offset, out) && gm_region_offset_in_range(region, *out);
}

bool gm_region_to_offset(const struct gm_region *region, gm_addr addr, uint64_t *offset)
{
	*offset = addr - region->entry.start;
	return *offset < region->entry.size;
}

int gm_region_get_host_address(const struct gm_region *region, uint64_t offset, void **host)
{
	struct gm_slice slice;
	int err = gm_region_get_slice(region, offset, 1, &slice);

	if (!err)
		*host = slice.host;
	return err;
}

ssize_t gm_region_read(const struct gm_region *region, uint64_t offset, void *buf, size_t len)
{
	struct gm_slice whole = gm_region_slice(region);
	ssize_t n = gm_slice_read(&whole, offset, buf, len);

	return n < 0 ? gm_region_error((int)n) : n;
}

ssize_t gm_region_write(const struct gm_region *region, uint64_t offset, const void *buf, size_t len)
{
	struct gm_slice whole = gm_region_slice(region);
	ssize_t n = gm_slice_write(&whole, offset, buf, len);

	return n < 0 ? gm_region_error((int)n) : n;
}

int gm_region_read_exact(const struct gm_region *region, uint64_t offset, void *buf, size_t len,
			 size_t *done)
{
	return gm_exact(gm_region_read(region, offset, buf, len), len, done);
}

int gm_region_write_exact(const struct gm_region *region, uint64_t offset, const void *buf,
			  size_t len, size_t *done)
{
	return gm_exact(gm_region_write(region, offset, buf, len), len, done);
}

int gm_region_load(const struct gm_region *region, uint64_t offset, void *value, size_t size,
		   int order)
{
	struct gm_slice whole = gm_region_slice(region);

	return gm_region_error(gm_slice_load(&whole, offset, value, size, order));
}

int gm_region_store(const struct gm_region *region, uint64_t offset, const void *value, size_t size,
		    int order)
{
	struct gm_slice whole = gm_region_slice(region);

	return gm_region_error(gm_slice_store(&whole, offset, value, size, order));
}
