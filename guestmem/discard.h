/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Giving the host's memory behind guest addresses back: for a balloon, for a machine that starts
 * again. No counterpart in the seed.
 */
#ifndef GUESTMEM_DISCARD_H
#define GUESTMEM_DISCARD_H

#include "guestmem/memory.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Give back the pages that lie in [addr, addr + len) as a whole, each where its region's mapping
 * has it: their contents are zero from then on, and they take no host memory until they are touched
 * again. What a page shares with the outside of the range, and what shares one with another region,
 * stays as it is. By backing:
 *
 *	anonymous	madvise(2), pages of hugetlbfs included
 *	memfd, file	a hole is punched, in the file too
 *	private file	nothing: the file's old contents would come back
 *	foreign		nothing: what the caller mapped is the caller's
 *
 * The page is the host's, or hugetlbfs's. What is given back is marked dirty. *given, if it is not
 * NULL, is set to the number of bytes of it. An access at the same time by another thread sees old
 * contents or zero. Any thread.
 *
 * Errors, before anything has happened: GM_ERR_INVALID_ADDRESS (not all of it in memory),
 * GM_ERR_READ_ONLY, GM_ERR_ADDRESS_OVERFLOW, GM_ERR_INVALID_ARGUMENT (behind an
 * IOMMU that translates); later:
 * GM_ERR_IO (errno: the host refuses), with *given the part before it.
 */
int gm_discard(const struct gm_memory *memory, gm_addr addr, uint64_t len, uint64_t *given);

/*
 * What gm_discard() gives back as a whole or not at all: the part of @addr's region that lies in
 * the same page of the host. It may begin and end anywhere, since a region may. False, and *page
 * unchanged, if @addr is not in memory or behind an IOMMU that translates. Any thread.
 */
bool gm_host_page(const struct gm_memory *memory, gm_addr addr, struct gm_range *page);

#ifdef __cplusplus
}
#endif

#endif
