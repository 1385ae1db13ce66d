/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Dirty tracking: one bit for each page of a region, set by whoever writes to the page.
 *
 * Setting a bit that is set already is the hot case, and it costs a load, not a locked
 * instruction. That is sound because the other side pays: gm_bitmap_get_and_reset() and
 * gm_bitmap_reset() end with a membarrier(2), so that a writer which still saw the old bit has its
 * data visible before they return. Hence the one rule for users: *take the bits first, then read
 * the memory*. Where the kernel has no membarrier, setting is a locked OR as usual. A bitmap
 * belongs to one process.
 */
#ifndef GUESTMEM_BITMAP_H
#define GUESTMEM_BITMAP_H

#include "guestmem/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Fields are written by gm_bitmap_new() and gm_bitmap_enlarge() only; words[] by any thread,
 * atomically.
 */
struct gm_bitmap {
	uint64_t *words;
	uint64_t bits;  /* number of pages */
	uint64_t bytes; /* size of what is tracked */
	uint64_t page_size;
	unsigned int shift;   /* log2 of the page size, or 0 if it is not a power of two */
	bool test_first;      /* a set bit need not be set again: there is membarrier, and shift */
	uint64_t alloc_words; /* capacity of words[] */
};

/*
 * A clean bitmap for @bytes bytes in pages of @page_size, which the caller owns. Any page size but
 * 0 (GM_ERR_INVALID_ARGUMENT) does, powers of two are fast. GM_ERR_NO_MEMORY. Seed:
 * AtomicBitmap::new.
 */
int gm_bitmap_new(uint64_t bytes, uint64_t page_size, struct gm_bitmap **out);
void gm_bitmap_free(struct gm_bitmap *bitmap);

/* The part of gm_bitmap_mark() that leaves one page, or must set a bit. Any thread. */
void gm_bitmap_mark_slow(struct gm_bitmap *bitmap, uint64_t offset, uint64_t len);

/*
 * Mark the pages of [offset, offset + len), which the caller knows to lie inside, dirty after the
 * data is written. Private.
 */
static inline void gm_bitmap_mark_inside(struct gm_bitmap *bitmap, uint64_t offset, uint64_t len)
{
	uint64_t page = offset >> bitmap->shift;

	/* The data must be stored before the bit is looked at; the partner is the membarrier. */
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	if (gm_likely(bitmap->test_first && (offset + len - 1) >> bitmap->shift == page &&
		      (__atomic_load_n(&bitmap->words[page / 64], __ATOMIC_RELAXED) >> (page % 64) &
		       1)))
		return;
	gm_bitmap_mark_slow(bitmap, offset, len);
}

/*
 * Mark the pages of [offset, offset + len) dirty, after the data is written. Length 0 marks
 * nothing; what lies past the end is ignored, an end that wraps means the last page. Any thread.
 * Seed: Bitmap::mark_dirty, AtomicBitmap::set_addr_range.
 */
static inline void gm_bitmap_mark(struct gm_bitmap *bitmap, uint64_t offset, uint64_t len)
{
	if (gm_likely(len && offset < bitmap->bytes && len <= bitmap->bytes - offset))
		gm_bitmap_mark_inside(bitmap, offset, len);
	else
		gm_bitmap_mark_slow(bitmap, offset, len);
}

/* Whether the page that holds byte @offset is dirty; false past the end. Seed: is_addr_set. */
bool gm_bitmap_dirty_at(const struct gm_bitmap *bitmap, uint64_t offset);

/*
 * Take all bits and leave a clean bitmap. @words receives gm_bitmap_words() words. After it
 * returns, every write whose bit it took is visible to the caller. Seed: get_and_reset.
 */
void gm_bitmap_get_and_reset(struct gm_bitmap *bitmap, uint64_t *words);

/* Clear all bits. Seed: AtomicBitmap::reset. */
void gm_bitmap_reset(struct gm_bitmap *bitmap);

/*
 * Clear the bits of the pages of [offset, offset + len); ends as gm_bitmap_mark() treats them.
 * Orders writers as gm_bitmap_reset() does. Any thread. Seed: reset_addr_range.
 */
void gm_bitmap_clear_range(struct gm_bitmap *bitmap, uint64_t offset, uint64_t len);

/*
 * One page by number; a page past the end is ignored, and is never dirty. gm_bitmap_clear() orders
 * writers as gm_bitmap_reset() does. Any thread. Seed: set_bit, reset_bit, is_bit_set.
 */
void gm_bitmap_set(struct gm_bitmap *bitmap, uint64_t page);
void gm_bitmap_clear(struct gm_bitmap *bitmap, uint64_t page);
bool gm_bitmap_is_set(const struct gm_bitmap *bitmap, uint64_t page);

/* Copy the bits to gm_bitmap_words() @words and leave them as they are. Seed: Clone. */
void gm_bitmap_copy(const struct gm_bitmap *bitmap, uint64_t *words);

/*
 * Track @bytes bytes more, clean ones. No other thread may use the bitmap meanwhile. Errors, after
 * which nothing has changed: GM_ERR_OVERFLOW (the sum is 2^64 or more), GM_ERR_NO_MEMORY. Seed:
 * enlarge.
 */
int gm_bitmap_enlarge(struct gm_bitmap *bitmap, uint64_t bytes);

/*
 * Merge a dirty log in, as KVM_GET_DIRTY_LOG fills it for a memory slot: of @pages bits in @words,
 * lowest first, bit i stands for the bytes from @offset + i * @page_size on. @page_size is the
 * log's (0 is GM_ERR_INVALID_ARGUMENT); it may be larger or smaller than the bitmap's: every page
 * is marked that a dirty page of the log touches. What lies past the end is ignored. Any thread.
 */
int gm_bitmap_merge(struct gm_bitmap *bitmap, const uint64_t *words, uint64_t pages,
		    uint64_t page_size, uint64_t offset);

/* How many pages are dirty, while others may be marked. Any thread. */
uint64_t gm_bitmap_count(const struct gm_bitmap *bitmap);

/* The number of 64-bit words that hold the bits. */
static inline uint64_t gm_bitmap_words(const struct gm_bitmap *bitmap)
{
	return bitmap->bits / 64 + (bitmap->bits % 64 != 0);
}

/* Seed: AtomicBitmap::len, byte_size. */
static inline uint64_t gm_bitmap_pages(const struct gm_bitmap *bitmap)
{
	return bitmap->bits;
}

static inline uint64_t gm_bitmap_bytes(const struct gm_bitmap *bitmap)
{
	return bitmap->bytes;
}

/* The page size, in bytes. */
static inline uint64_t gm_bitmap_page_size(const struct gm_bitmap *bitmap)
{
	return bitmap->page_size;
}

/*
 * A bitmap as seen from an offset, as a slice of the memory sees it: offsets are added modulo 2^64.
 * A plain value that borrows the bitmap. Seed: Bitmap::slice_at, BitmapSlice.
 */
struct gm_bitmap_slice {
	struct gm_bitmap *bitmap; /* NULL: no tracking */
	uint64_t base;
};

static inline struct gm_bitmap_slice gm_bitmap_slice_at(struct gm_bitmap *bitmap, uint64_t base)
{
	struct gm_bitmap_slice slice = {bitmap, base};

	return slice;
}

static inline void gm_bitmap_slice_mark(struct gm_bitmap_slice slice, uint64_t offset, uint64_t len)
{
	if (slice.bitmap)
		gm_bitmap_mark(slice.bitmap, slice.base + offset, len);
}

static inline bool gm_bitmap_slice_dirty_at(struct gm_bitmap_slice slice, uint64_t offset)
{
	return slice.bitmap && gm_bitmap_dirty_at(slice.bitmap, slice.base + offset);
}

#ifdef __cplusplus
}
#endif

#endif
