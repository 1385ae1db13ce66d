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
	uint64_t dirty_offset;   /* offset of host[0] in what the bitmap tracks */
	unsigned int flags;      /* enum gm_slice_flags */
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
 * A slice of @len bytes of host memory the caller owns, tracked from byte @dirty_offset of @dirty
 * on (NULL: not tracked). Seed: VolatileSlice::new, with_bitmap.
 */
static inline struct gm_slice gm_slice_from_host(void *host, size_t len, struct gm_bitmap *dirty,
						 uint64_t dirty_offset)
{
	struct gm_slice slice = {(uint8_t *)host, len, dirty, dirty_offset, 0};

	return slice;
}

/* Whether the page of byte @offset is dirty; false without tracking. Seed: dirty_at. */
static inline bool gm_slice_dirty_at(const struct gm_slice *slice, size_t offset)
{
	return slice->dirty && gm_bitmap_dirty_at(slice->dirty, slice->dirty_offset + offset);
}

/*
 * Parts of a slice. They share its tracking and flags. Bounds errors of all functions below:
 * GM_ERR_OVERFLOW if offset + length wraps, GM_ERR_OUT_OF_BOUNDS if it is past the end. An empty
 * part at the very end is fine. Seed: compute_end_offset, subslice, offset, split_at.
 */
static inline int gm_slice_end_offset(const struct gm_slice *slice, size_t offset, size_t len,
				      size_t *end)
{
	size_t sum;

	if (__builtin_add_overflow(offset, len, &sum))
		return GM_ERR_OVERFLOW;
	if (sum > slice->len)
		return GM_ERR_OUT_OF_BOUNDS;
	*end = sum;
	return 0;
}

static inline int gm_slice_sub(const struct gm_slice *slice, size_t offset, size_t len,
			       struct gm_slice *part)
{
	size_t end;
	int err = gm_slice_end_offset(slice, offset, len, &end);

	if (err)
		return err;
	part->host = slice->host + offset;
	part->len = len;
	part->dirty = slice->dirty;
	part->dirty_offset = slice->dirty_offset + offset;
	part->flags = slice->flags;
	return 0;
}

/* All from @count on. GM_ERR_OVERFLOW if host address + count wraps. */
int gm_slice_offset(const struct gm_slice *slice, size_t count, struct gm_slice *rest);

/* [0, mid) and [mid, len). Errors as gm_slice_offset(), after which neither is written. */
int gm_slice_split_at(const struct gm_slice *slice, size_t mid, struct gm_slice *head,
		      struct gm_slice *tail);

/*
 * Move up to @len bytes between @buf and the slice from @offset on. Returns the number moved, less
 * than @len only at the end of the slice. Length 0 succeeds anywhere; else GM_ERR_OUT_OF_BOUNDS at
 * or past the end, GM_ERR_READ_ONLY, GM_ERR_FAULT. Writes mark dirty pages. Seed: Bytes::read, write.
 */
ssize_t gm_slice_read(const struct gm_slice *slice, size_t offset, void *buf, size_t len);
ssize_t gm_slice_write(const struct gm_slice *slice, size_t offset, const void *buf, size_t len);

/*
 * The same for exactly @len bytes: 0, those errors, or GM_ERR_PARTIAL after a first part. If @done
 * is not NULL it receives the number of bytes moved. Seed: Bytes::read_slice, write_slice.
 */
int gm_slice_read_exact(const struct gm_slice *slice, size_t offset, void *buf, size_t len,
			size_t *done);
int gm_slice_write_exact(const struct gm_slice *slice, size_t offset, const void *buf, size_t len,
			 size_t *done);

/* An object of any plain type, *@obj. Seed: Bytes::read_obj, write_obj. */
#define gm_slice_read_obj(slice, offset, obj) \
	gm_slice_read_exact(slice, offset, obj, sizeof(*(obj)), NULL)
#define gm_slice_write_obj(slice, offset, obj) \
	gm_slice_write_exact(slice, offset, obj, sizeof(*(obj)), NULL)

/*
 * Atomic accesses of @size 1, 2, 4 or 8 bytes (else GM_ERR_INVALID_ARGUMENT) with a memory order of
 * C11. Errors: bounds, GM_ERR_MISALIGNED (by host address), GM_ERR_READ_ONLY, GM_ERR_FAULT. Seed:
 * Bytes::load, store.
 */
int gm_slice_load(const struct gm_slice *slice, size_t offset, void *value, size_t size, int order);
int gm_slice_store(const struct gm_slice *slice, size_t offset, const void *value, size_t size,
		   int order);

/*
 * A pointer to an object of @size bytes, aligned to @align (a power of two, else
 * GM_ERR_INVALID_ARGUMENT), in guest memory. What is done through it is the caller's: marking pages
 * dirty, reading each value once; it is refused (GM_ERR_FAULT) where a file may fault under it.
 * gm_slice_aligned_ref() is for reading only, gm_slice_atomic_ref() (aligned to its size, 1 to 8
 * bytes) for atomic accesses of both kinds: GM_ERR_READ_ONLY. Errors: bounds, GM_ERR_MISALIGNED.
 * Seed: aligned_as_ref, get_atomic_ref.
 */
int gm_slice_aligned_ref(const struct gm_slice *slice, size_t offset, size_t size, size_t align,
			 const void **ref);
int gm_slice_atomic_ref(const struct gm_slice *slice, size_t offset, size_t size, void **ref);

/*
 * Copy to the smaller of both lengths, as memmove(3) does where they overlap. Returns the number of
 * bytes, or GM_ERR_READ_ONLY, GM_ERR_FAULT. Seed: copy_to_volatile_slice.
 */
ssize_t gm_slice_copy(const struct gm_slice *to, const struct gm_slice *from);

/*
 * Copy whole elements of @size bytes (not 0, else GM_ERR_INVALID_ARGUMENT), as many as both the
 * slice holds and @count allows, between its start and @buf. Elements of 2, 4 and 8 bytes that are
 * aligned do not tear. Returns the number of elements, or GM_ERR_READ_ONLY, GM_ERR_FAULT. Seed:
 * VolatileSlice::copy_to, copy_from.
 */
ssize_t gm_slice_copy_to(const struct gm_slice *slice, size_t size, void *buf, size_t count);
ssize_t gm_slice_copy_from(const struct gm_slice *slice, size_t size, const void *buf, size_t count);

/*
 * A typed reference is a slice of the type's size: any alignment, single access where aligned.
 * gm_ref_load() and gm_ref_store() move all of it. Errors: bounds; GM_ERR_READ_ONLY, GM_ERR_FAULT.
 * Seed: get_ref, VolatileRef.
 */
static inline int gm_slice_ref(const struct gm_slice *slice, size_t offset, size_t size,
			       struct gm_slice *ref)
{
	return gm_slice_sub(slice, offset, size, ref);
}

int gm_ref_load(const struct gm_slice *ref, void *value);
int gm_ref_store(const struct gm_slice *ref, const void *value);

/* An array of elements in guest memory, of any alignment. Seed: VolatileArrayRef. */
struct gm_array {
	struct gm_slice slice; /* count * size bytes */
	size_t count;
	size_t size;
};

/*
 * The array of @count elements of @size bytes (not 0, else GM_ERR_INVALID_ARGUMENT) at @offset.
 * GM_ERR_TOO_BIG if that is more than PTRDIFF_MAX bytes, then bounds. Seed: get_array_ref.
 */
int gm_slice_array(const struct gm_slice *slice, size_t offset, size_t count, size_t size,
		   struct gm_array *array);

/* Element @index: GM_ERR_OUT_OF_BOUNDS at or past the end (the seed panics). Seed: ref_at. */
int gm_array_ref(const struct gm_array *array, size_t index, struct gm_slice *ref);
int gm_array_load(const struct gm_array *array, size_t index, void *value);
int gm_array_store(const struct gm_array *array, size_t index, const void *value);

/* gm_slice_copy_to(), gm_slice_copy_from() with the array's size. Seed: copy_to, copy_from. */
static inline ssize_t gm_array_copy_to(const struct gm_array *array, void *buf, size_t count)
{
	return gm_slice_copy_to(&array->slice, array->size, buf, count);
}

static inline ssize_t gm_array_copy_from(const struct gm_array *array, const void *buf, size_t count)
{
	return gm_slice_copy_from(&array->slice, array->size, buf, count);
}

#ifdef __cplusplus
}
#endif

#endif
