/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * A slice: a stretch of guest memory that is contiguous for the host, with its dirty tracking.
 *
 * It borrows: it is valid as long as the memory (or region) it came from is held. The bytes are
 * shared with a running guest, so each function reads or writes each byte once, and aligned
 * accesses of 1, 2, 4 and 8 bytes are single accesses that never tear. Seed: VolatileSlice.
 */
#ifndef GUESTMEM_SLICE_H
#define GUESTMEM_SLICE_H

#include "guestmem/bitmap.h"
#include "guestmem/types.h"

#ifdef __cplusplus
extern "C" {
#endif

enum gm_slice_flags {
	GM_SLICE_READ_ONLY = 1 << 0, /* may not be written */
	GM_SLICE_MAY_FAULT = 1 << 1, /* a file is behind it: an access may end in GM_ERR_FAULT */
};

struct gm_slice {
	uint8_t *host;
	size_t len;
	struct gm_bitmap *dirty; /* NULL: no tracking */
	uint64_t dirty_offset;	 /* offset of host[0] in what the bitmap tracks */
	unsigned int flags;	 /* enum gm_slice_flags */
};

/* Mark [offset, offset + len) of the slice dirty. Seed: BitmapSlice::mark_dirty. */
static inline void gm_slice_mark_dirty(const struct gm_slice *slice, size_t offset, size_t len)
{
	if (slice->dirty)
		gm_bitmap_mark(slice->dirty, slice->dirty_offset + offset, len);
}

#ifdef __cplusplus
}
#endif

#endif
