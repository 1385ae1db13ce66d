/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The two levels: a table of leaves for all of 2^32 pages, and 128 MiB of memory in each leaf. */
#include "devices/page-set.h"

#include <stdlib.h>

#define WORD_PAGES UINT64_C(64)
#define LEAF_PAGES (UINT64_C(1) << 15)
#define PAGES      (UINT64_C(1) << 32)
#define LEAVES     (PAGES / LEAF_PAGES)

struct page_set_leaf {
	uint64_t words[LEAF_PAGES / WORD_PAGES];
};

/* The part of [*first, *first + *count) in one word, as a mask of it; both move behind it. */
static uint64_t take_word(uint64_t *first, uint64_t *count)
{
	uint64_t bit = *first % WORD_PAGES;
	uint64_t part = *count < WORD_PAGES - bit ? *count : WORD_PAGES - bit;

	*first += part;
	*count -= part;
	return UINT64_MAX >> (WORD_PAGES - part) << bit;
}

/* The word that has page @page, or NULL if its leaf is not there. */
static uint64_t *find_word(const struct page_set *set, uint64_t page)
{
	struct page_set_leaf *leaf = set->leaves ? set->leaves[page / LEAF_PAGES] : NULL;

	return leaf ? &leaf->words[page % LEAF_PAGES / WORD_PAGES] : NULL;
}

static uint64_t *make_word(struct page_set *set, uint64_t page)
{
	/* Of the table, only the pages that are touched are ever in memory. */
	if (!set->leaves)
		set->leaves = calloc(LEAVES, sizeof(*set->leaves));
	if (!set->leaves)
		return NULL;
	if (!set->leaves[page / LEAF_PAGES])
		set->leaves[page / LEAF_PAGES] = calloc(1, sizeof(struct page_set_leaf));
	if (set->end <= page / LEAF_PAGES)
		set->end = page / LEAF_PAGES + 1;
	return find_word(set, page);
}

bool page_set_add(struct page_set *set, uint64_t first, uint64_t count)
{
	while (count) {
		uint64_t *word = make_word(set, first), mask = take_word(&first, &count);

		if (!word)
			return false;
		set->count += (uint64_t)__builtin_popcountll(mask & ~*word);
		*word |= mask;
	}
	return true;
}

uint64_t page_set_remove(struct page_set *set, uint64_t first, uint64_t count)
{
	uint64_t before = set->count;

	while (count) {
		uint64_t *word = find_word(set, first), mask = take_word(&first, &count);

		if (!word)
			continue;
		set->count -= (uint64_t)__builtin_popcountll(mask & *word);
		*word &= ~mask;
	}
	return before - set->count;
}

bool page_set_holds(const struct page_set *set, uint64_t first, uint64_t count)
{
	if (first + count > PAGES)
		return false;
	while (count) {
		const uint64_t *word = find_word(set, first);
		uint64_t mask = take_word(&first, &count);

		if (!word || (mask & ~*word))
			return false;
	}
	return true;
}

void page_set_clear(struct page_set *set)
{
	for (uint64_t i = 0; i < set->end; i++)
		free(set->leaves[i]);
	free(set->leaves);
	*set = (struct page_set){0};
}
