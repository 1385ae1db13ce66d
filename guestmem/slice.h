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

#include <string.h>

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

/* Copy between private and guest memory; aligned small ones in a single access. Private. */
static inline void gm_copy_in_small(void *guest, const void *buf, size_t len)
{
	uint64_t v8;
	uint32_t v4;
	uint16_t v2;

	if (len == 8 && ((uintptr_t)guest & 7) == 0) {
		__builtin_memcpy(&v8, buf, 8);
		__atomic_store_n((uint64_t *)guest, v8, __ATOMIC_RELAXED);
	} else if (len == 4 && ((uintptr_t)guest & 3) == 0) {
		__builtin_memcpy(&v4, buf, 4);
		__atomic_store_n((uint32_t *)guest, v4, __ATOMIC_RELAXED);
	} else if (len == 2 && ((uintptr_t)guest & 1) == 0) {
		__builtin_memcpy(&v2, buf, 2);
		__atomic_store_n((uint16_t *)guest, v2, __ATOMIC_RELAXED);
	} else {
		memcpy(guest, buf, len);
	}
}

static inline void gm_copy_out_small(void *buf, const void *guest, size_t len)
{
	uint64_t v8;
	uint32_t v4;
	uint16_t v2;

	if (len == 8 && ((uintptr_t)guest & 7) == 0) {
		v8 = __atomic_load_n((const uint64_t *)guest, __ATOMIC_RELAXED);
		__builtin_memcpy(buf, &v8, 8);
	} else if (len == 4 && ((uintptr_t)guest & 3) == 0) {
		v4 = __atomic_load_n((const uint32_t *)guest, __ATOMIC_RELAXED);
		__builtin_memcpy(buf, &v4, 4);
	} else if (len == 2 && ((uintptr_t)guest & 1) == 0) {
		v2 = __atomic_load_n((const uint16_t *)guest, __ATOMIC_RELAXED);
		__builtin_memcpy(buf, &v2, 2);
	} else {
		memcpy(buf, guest, len);
	}
}

static inline void gm_copy_in(void *guest, const void *buf, size_t len)
{
	if (gm_likely(len > 8))
		memcpy(guest, buf, len);
	else
		gm_copy_in_small(guest, buf, len);
}

static inline void gm_copy_out(void *buf, const void *guest, size_t len)
{
	if (gm_likely(len > 8))
		memcpy(buf, guest, len);
	else
		gm_copy_out_small(buf, guest, len);
}

/* Mark [offset, offset + len) of the slice dirty. Seed: BitmapSlice::mark_dirty. */
static inline void gm_slice_mark_dirty(const struct gm_slice *slice, size_t offset, size_t len)
{
	if (slice->dirty)
		gm_bitmap_mark(slice->dirty, slice->dirty_offset + offset, len);
}

/*
 * Move up to @len bytes between @buf and the slice from @offset on. Returns the number moved, less
 * than @len only at the end of the slice. Length 0 succeeds anywhere; else GM_ERR_OUT_OF_BOUNDS at
 * or past the end, GM_ERR_READ_ONLY, GM_ERR_FAULT. Writes mark dirty pages. Seed: Bytes::read, write.
 */
ssize_t gm_slice_read(const struct gm_slice *slice, size_t offset, void *buf, size_t len);
ssize_t gm_slice_write(const struct gm_slice *slice, size_t offset, const void *buf, size_t len);

#ifdef __cplusplus
}
#endif

#endif
