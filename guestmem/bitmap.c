/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The dirty bitmap: what bitmap.h does not do inline. The reasoning about membarrier stands there.
 */
#include "guestmem/bitmap.h"

#include <linux/membarrier.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool have_membarrier;

static void membarrier_register(void)
{
	have_membarrier =
		syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
}

/* The partner of the signal fence in gm_bitmap_mark_inside(). */
static void order_writers(const struct gm_bitmap *bitmap)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (bitmap->test_first)
		syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
}

static uint64_t page_of(const struct gm_bitmap *bitmap, uint64_t offset)
{
	if (bitmap->page_size & (bitmap->page_size - 1))
		return offset / bitmap->page_size;
	return offset >> bitmap->shift;
}

static void set_size(struct gm_bitmap *bitmap, uint64_t bytes)
{
	bitmap->bytes = bytes;
	bitmap->bits = bytes ? page_of(bitmap, bytes - 1) + 1 : 0;
}

int gm_bitmap_new(uint64_t bytes, uint64_t page_size, struct gm_bitmap **out)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct gm_bitmap *bitmap;

	*out = NULL;
	if (page_size == 0)
		return GM_ERR_INVALID_ARGUMENT;
	pthread_once(&once, membarrier_register);
	bitmap = calloc(1, sizeof(*bitmap));
	if (!bitmap)
		return GM_ERR_NO_MEMORY;
	bitmap->page_size = page_size;
	bitmap->test_first = have_membarrier;
	if (page_size & (page_size - 1))
		bitmap->test_first = false;
	else
		bitmap->shift = (unsigned int)__builtin_ctzll(page_size);
	set_size(bitmap, bytes);
	bitmap->alloc_words = gm_bitmap_words(bitmap);
	bitmap->words = calloc(bitmap->alloc_words ? bitmap->alloc_words : 1, sizeof(uint64_t));
	if (!bitmap->words) {
		free(bitmap);
		return GM_ERR_NO_MEMORY;
	}
	*out = bitmap;
	return 0;
}

void gm_bitmap_free(struct gm_bitmap *bitmap)
{
	if (!bitmap)
		return;
	free(bitmap->words);
	free(bitmap);
}

/* Set or clear pages [first, last], a word at a time; the range is inside the bitmap. */
static void change_pages(struct gm_bitmap *bitmap, uint64_t first, uint64_t last, bool set)
{
	for (uint64_t word = first / 64; word <= last / 64; word++) {
		uint64_t mask = UINT64_MAX;

		if (word == first / 64)
			mask &= UINT64_MAX << (first % 64);
		if (word == last / 64)
			mask &= UINT64_MAX >> (63 - last % 64);
		if (set)
			__atomic_fetch_or(&bitmap->words[word], mask, __ATOMIC_SEQ_CST);
		else
			__atomic_fetch_and(&bitmap->words[word], ~mask, __ATOMIC_SEQ_CST);
	}
}

static void change_range(struct gm_bitmap *bitmap, uint64_t offset, uint64_t len, bool set)
{
	uint64_t first = page_of(bitmap, offset);
	uint64_t last;

	if (len == 0 || first >= bitmap->bits)
		return;
	if (__builtin_add_overflow(offset, len - 1, &last))
		last = UINT64_MAX;
	last = page_of(bitmap, last);
	change_pages(bitmap, first, last < bitmap->bits ? last : bitmap->bits - 1, set);
}

void gm_bitmap_mark_slow(struct gm_bitmap *bitmap, uint64_t offset, uint64_t len)
{
	change_range(bitmap, offset, len, true);
}

void gm_bitmap_clear_range(struct gm_bitmap *bitmap, uint64_t offset, uint64_t len)
{
	change_range(bitmap, offset, len, false);
	order_writers(bitmap);
}

void gm_bitmap_set(struct gm_bitmap *bitmap, uint64_t page)
{
	if (page < bitmap->bits)
		change_pages(bitmap, page, page, true);
}

void gm_bitmap_clear(struct gm_bitmap *bitmap, uint64_t page)
{
	if (page < bitmap->bits)
		change_pages(bitmap, page, page, false);
	order_writers(bitmap);
}

bool gm_bitmap_dirty_at(const struct gm_bitmap *bitmap, uint64_t offset)
{
	return gm_bitmap_is_set(bitmap, page_of(bitmap, offset));
}

bool gm_bitmap_is_set(const struct gm_bitmap *bitmap, uint64_t page)
{
	return page < bitmap->bits &&
	       (__atomic_load_n(&bitmap->words[page / 64], __ATOMIC_ACQUIRE) >> (page % 64) & 1);
}

void gm_bitmap_get_and_reset(struct gm_bitmap *bitmap, uint64_t *words)
{
	for (uint64_t i = 0; i < gm_bitmap_words(bitmap); i++)
		words[i] = __atomic_exchange_n(&bitmap->words[i], 0, __ATOMIC_SEQ_CST);
	order_writers(bitmap);
}

void gm_bitmap_reset(struct gm_bitmap *bitmap)
{
	for (uint64_t i = 0; i < gm_bitmap_words(bitmap); i++)
		__atomic_store_n(&bitmap->words[i], 0, __ATOMIC_SEQ_CST);
	order_writers(bitmap);
}

void gm_bitmap_copy(const struct gm_bitmap *bitmap, uint64_t *words)
{
	for (uint64_t i = 0; i < gm_bitmap_words(bitmap); i++)
		words[i] = __atomic_load_n(&bitmap->words[i], __ATOMIC_ACQUIRE);
}

uint64_t gm_bitmap_count(const struct gm_bitmap *bitmap)
{
	uint64_t count = 0;

	for (uint64_t i = 0; i < gm_bitmap_words(bitmap); i++)
		count += (uint64_t)__builtin_popcountll(
			__atomic_load_n(&bitmap->words[i], __ATOMIC_RELAXED));
	return count;
}

int gm_bitmap_enlarge(struct gm_bitmap *bitmap, uint64_t bytes)
{
	struct gm_bitmap larger = *bitmap;
	uint64_t words, *grown;

	if (__builtin_add_overflow(bitmap->bytes, bytes, &bytes))
		return GM_ERR_OVERFLOW;
	set_size(&larger, bytes);
	words = gm_bitmap_words(&larger);
	if (words > bitmap->alloc_words) {
		grown = reallocarray(bitmap->words, words, sizeof(*grown));
		if (!grown)
			return GM_ERR_NO_MEMORY;
		memset(grown + bitmap->alloc_words, 0,
		       (words - bitmap->alloc_words) * sizeof(*grown));
		larger.words = grown;
		larger.alloc_words = words;
	}
	*bitmap = larger;
	return 0;
}

/* Pages [*first, end) of a log are its first run of set bits from *first on; false if none. */
static bool next_run(const uint64_t *words, uint64_t pages, uint64_t *first, uint64_t *end)
{
	uint64_t i = *first;

	while (i < pages && !(words[i / 64] >> (i % 64) & 1)) {
		uint64_t rest = words[i / 64] >> (i % 64);

		i = rest ? i + (uint64_t)__builtin_ctzll(rest) : (i / 64 + 1) * 64;
	}
	if (i >= pages)
		return false;
	*first = i;
	while (i < pages && (words[i / 64] >> (i % 64) & 1)) {
		uint64_t clear = ~(words[i / 64] >> (i % 64));
		uint64_t ones = clear ? (uint64_t)__builtin_ctzll(clear) : 64;

		i += ones < 64 - i % 64 ? ones : 64 - i % 64;
	}
	*end = i < pages ? i : pages;
	return true;
}

int gm_bitmap_merge(struct gm_bitmap *bitmap, const uint64_t *words, uint64_t pages,
		    uint64_t page_size, uint64_t offset)
{
	uint64_t first = 0, end, start, len;

	if (page_size == 0)
		return GM_ERR_INVALID_ARGUMENT;
	for (; next_run(words, pages, &first, &end); first = end) {
		/* A start that wraps is past the end, a length that wraps reaches beyond it. */
		if (__builtin_mul_overflow(first, page_size, &start) ||
		    __builtin_add_overflow(start, offset, &start))
			break;
		if (__builtin_mul_overflow(end - first, page_size, &len))
			len = UINT64_MAX;
		change_range(bitmap, start, len, true);
	}
	return 0;
}
