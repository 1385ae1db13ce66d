/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* What the files of guestmem/ share with each other and with nobody else. */
#ifndef GUESTMEM_INTERNAL_H
#define GUESTMEM_INTERNAL_H

#include "guestmem/guestmem.h"

/* None of this is for the users of the shared library. */
#pragma GCC visibility push(hidden)

/* A region; all fields but the count of references are constant once it is made. */
struct gm_region {
	struct gm_entry entry; /* what a memory copies into its table; .region is this */
	uint32_t refs;         /* atomic */
	enum gm_backing backing;
	unsigned int flags; /* enum gm_region_flags */
	int fd;             /* owned, or -1 */
	uint64_t file_offset;
	size_t page; /* of the mapping: larger than the host's with hugetlbfs */
	void *map;   /* the whole mapping, guard pages included, or NULL (foreign) */
	size_t map_len;
};

/* What an error of a slice is called by who asked a region. */
int gm_region_error(int err);

/*
 * Copy between private memory and a slice that may be backed by a file which shrinks meanwhile.
 * Returns GM_OK or GM_ERR_FAULT; after a fault, an unknown part was copied.
 */
int gm_fault_copy_in(const struct gm_slice *slice, size_t offset, const void *buf, size_t len);
int gm_fault_copy_out(const struct gm_slice *slice, size_t offset, void *buf, size_t len);

/* The same with another way to copy, where [low, low + len) holds all that may fault. */
typedef void gm_copy_fn(void *to, const void *from, size_t count, size_t size);
int gm_fault_copy(gm_copy_fn *copy, void *to, const void *from, size_t count, size_t size,
		  const void *low, size_t len);

/* A single access of 1, 2, 4, 8 aligned bytes with a memory order, guarded in the same way. */
int gm_fault_load(const void *host, void *value, size_t size, int order, bool may_fault);
int gm_fault_store(void *host, const void *value, size_t size, int order, bool may_fault);

/* A memory without regions, for a translation to be put in front of it; NULL without memory. */
struct gm_memory *gm_memory_new_empty(void);

/* The iterator's step in a memory behind an IOMMU: 0 with the next slice, or an error. */
/*@ requires gm_iter_ok(*it) && it->left + it->more > 0 && it->memory->iommu != \null;
    requires \valid(it) && \valid(slice) && \separated(it, slice, it->memory);
    assigns it->addr, it->left, it->more, it->iova, it->stage, *slice;
    ensures \result == 0 ==> 0 < slice->len &&
	it->left + it->more + slice->len == \old(it->left + it->more);
*/
int gm_iommu_step(struct gm_iter *it, struct gm_slice *slice);

void gm_iommu_view_free(struct gm_iommu_view *view);

#pragma GCC visibility pop

#endif
