/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Access to one region by offset from its start: what a device does that owns a window of memory,
 * and what the operations on a whole memory mean for one of its regions.
 *
 * Every bounds or alignment error is GM_ERR_INVALID_BACKEND, as in the seed; besides them
 * GM_ERR_PARTIAL, GM_ERR_READ_ONLY and GM_ERR_FAULT as with slices. Any thread, while the region is
 * held. Transfers with streams are in stream.h. Seed: Bytes<MemoryRegionAddress>.
 */
#ifndef GUESTMEM_REGION_BYTES_H
#define GUESTMEM_REGION_BYTES_H

#include "guestmem/region.h"
#include "guestmem/slice.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The whole region; always possible. Borrows the region. Seed: as_volatile_slice. */
struct gm_slice gm_region_slice(const struct gm_region *region);

/* [offset, offset + len), which may be empty at the very end. Seed: GuestMemoryRegion::get_slice. */
int gm_region_get_slice(const struct gm_region *region, uint64_t offset, uint64_t len,
			struct gm_slice *slice);

/* Whether @offset is in the region. Seed: address_in_range, check_address. */
static inline bool gm_region_offset_in_range(const struct gm_region *region, uint64_t offset)
{
	return offset < gm_region_size(region);
}

/* *out = base + offset, if that does not wrap and is in the region. Seed: checked_offset. */
bool gm_region_checked_offset(const struct gm_region *region, uint64_t base, uint64_t offset,
			      uint64_t *out);

/* The offset of guest address @addr; false if it is not in the region. Seed: to_region_addr. */
bool gm_region_to_offset(const struct gm_region *region, gm_addr addr, uint64_t *offset);

/* Where byte @offset is mapped; for that byte only. Seed: get_host_address. */
int gm_region_get_host_address(const struct gm_region *region, uint64_t offset, void **host);

/* The counterparts of gm_slice_read() to gm_slice_store(), slice.h. Seed: Bytes. */
ssize_t gm_region_read(const struct gm_region *region, uint64_t offset, void *buf, size_t len);
ssize_t gm_region_write(const struct gm_region *region, uint64_t offset, const void *buf, size_t len);
int gm_region_read_exact(const struct gm_region *region, uint64_t offset, void *buf, size_t len,
			 size_t *done);
int gm_region_write_exact(const struct gm_region *region, uint64_t offset, const void *buf,
			  size_t len, size_t *done);
int gm_region_load(const struct gm_region *region, uint64_t offset, void *value, size_t size,
		   int order);
int gm_region_store(const struct gm_region *region, uint64_t offset, const void *value, size_t size,
		    int order);

/* An object of any plain type, *@obj. Seed: read_obj, write_obj. */
#define gm_region_read_obj(region, offset, obj) \
	gm_region_read_exact(region, offset, obj, sizeof(*(obj)), NULL)
#define gm_region_write_obj(region, offset, obj) \
	gm_region_write_exact(region, offset, obj, sizeof(*(obj)), NULL)

#ifdef __cplusplus
}
#endif

#endif
