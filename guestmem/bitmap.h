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
	uint64_t bits;	      /* number of pages */
	uint64_t bytes;	      /* size of what is tracked */
	unsigned int shift;   /* log2 of the page size */
	bool test_first;      /* membarrier is there: a set bit need not be set again */
	uint64_t alloc_words; /* capacity of words[] */
};

/*
 * A clean bitmap for @bytes bytes in pages of @page_size (a power of two, else
 * GM_ERR_INVALID_ARGUMENT). The caller owns it. Seed: AtomicBitmap::new.
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

/* The number of 64-bit words that hold the bits. */
static inline uint64_t gm_bitmap_words(const struct gm_bitmap *bitmap)
{
	return (bitmap->bits + 63) / 64;
}

#ifdef __cplusplus
}
#endif

#endif
