/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * A set of 4 KiB pages by their numbers of 32 bits, as the balloon counts them: two levels of
 * bitmaps, of which the second exists only where there are pages. Knows nothing of memory; who adds
 * pages sees to it that they exist, which bounds what a guest can make this cost.
 *
 * Not for several threads at a time.
 */
#ifndef DEVICES_PAGE_SET_H
#define DEVICES_PAGE_SET_H

#include <stdbool.h>
#include <stdint.h>

struct page_set_leaf;

/* Empty if it is all zero. */
struct page_set {
	struct page_set_leaf **leaves; /* NULL until there is a first page */
	uint64_t end;                  /* behind the last leaf that may be there */
	uint64_t count;                /* pages in it */
};

/* Add pages [first, first + count), which end at 2^32 at most. False without memory: not all are in it. */
bool page_set_add(struct page_set *set, uint64_t first, uint64_t count);

/* Remove them; returns how many were in it. */
uint64_t page_set_remove(struct page_set *set, uint64_t first, uint64_t count);

/* Whether all of them are in it; pages past the last there can be never are. */
bool page_set_holds(const struct page_set *set, uint64_t first, uint64_t count);

/* Empty it and release what it took. */
void page_set_clear(struct page_set *set);

#endif
