/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * A region: a range of guest addresses on one host mapping, with one kind of backing.
 *
 * Regions are reference counted and never change after they are made, so any number of memories
 * and threads may share one; the mapping goes away with the last reference.
 */
#ifndef GUESTMEM_REGION_H
#define GUESTMEM_REGION_H

#include "guestmem/bitmap.h"
#include "guestmem/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What the bytes of a region live in. */
enum gm_backing {
	GM_BACKING_ANON,    /* anonymous private memory */
	GM_BACKING_MEMFD,   /* a memfd of its own, sealed against shrinking; can be shared */
	GM_BACKING_FILE,    /* a file the caller opened */
	GM_BACKING_FOREIGN, /* host memory the caller mapped and keeps mapped */
};

enum gm_region_flags {
	GM_REGION_READ_ONLY = 1 << 0,  /* writes fail; the mapping itself is read-only too */
	GM_REGION_PRIVATE = 1 << 1,    /* file: copy on write, the file never changes */
	GM_REGION_HUGETLB = 1 << 2,    /* anon, memfd: pages of hugetlbfs */
	GM_REGION_POPULATE = 1 << 3,   /* fault every page in now */
	GM_REGION_LOCK = 1 << 4,       /* mlock: never swapped */
	GM_REGION_NO_THP = 1 << 5,     /* do not ask for transparent huge pages */
	GM_REGION_NO_GUARD = 1 << 6,   /* no inaccessible pages around the mapping */
	GM_REGION_NO_RESERVE = 1 << 7, /* MAP_NORESERVE */
	GM_REGION_DONTDUMP = 1 << 8,   /* leave the memory out of core files */
};

#define GM_REGION_FLAGS 0x1ff /* all of them */

/*
 * How to make a region. Zero-initialise it, set what matters: {.start, .size} alone is anonymous
 * memory without dirty tracking. Seed: MmapRegionBuilder.
 */
struct gm_region_config {
	gm_addr start; /* any alignment */
	uint64_t size; /* bytes, not 0; start + size must stay below 2^64 */
	enum gm_backing backing;
	unsigned int flags;   /* enum gm_region_flags */
	int fd;               /* FILE: stays the caller's, it is duplicated */
	uint64_t file_offset; /* FILE: a multiple of the host page size */
	void *host;           /* FOREIGN: at least size bytes, outlives the region */
	uint64_t dirty_page;  /* page size of the dirty bitmap, a power of two; 0: no tracking */
	int numa_node;        /* preferred NUMA node + 1, at most 64; 0: no preference */
};

struct gm_region;

/*
 * Make a region. The caller owns the one reference. Errors, in this order: GM_ERR_ZERO_SIZE,
 * GM_ERR_INVALID_ARGUMENT (a configuration that contradicts itself), GM_ERR_INVALID_REGION (ends
 * at or past 2^64), GM_ERR_FILE_TOO_SMALL, GM_ERR_MAP and GM_ERR_IO (errno), GM_ERR_NO_MEMORY.
 * Seed: GuestRegionMmap::new, from_range.
 */
int gm_region_new(const struct gm_region_config *config, struct gm_region **out);

/* Take and drop a reference; get returns its argument, put takes NULL. Any thread. */
struct gm_region *gm_region_get(struct gm_region *region);
void gm_region_put(struct gm_region *region);

/* Constant properties; any thread. last is start + size - 1. Seed: GuestMemoryRegion. */
gm_addr gm_region_start(const struct gm_region *region);
gm_addr gm_region_last(const struct gm_region *region);
uint64_t gm_region_size(const struct gm_region *region);
enum gm_backing gm_region_backing(const struct gm_region *region);
unsigned int gm_region_flags(const struct gm_region *region);

/* The file behind the region (memfd or file) and the offset of its first byte; -1 without one. */
int gm_region_fd(const struct gm_region *region);
uint64_t gm_region_file_offset(const struct gm_region *region);

/* Whether the pages are hugetlbfs's, asked for or found behind the file. Seed: is_hugetlbfs. */
bool gm_region_is_hugetlbfs(const struct gm_region *region);

/*
 * Whether both regions show some byte of the same file, so that a write to one is seen in the other
 * (or under it, with a private mapping). Seed: fds_overlap.
 */
bool gm_region_files_overlap(const struct gm_region *a, const struct gm_region *b);

/* Where the first byte is mapped, for who must tell it to the kernel (KVM memory slots). */
void *gm_region_host(const struct gm_region *region);

/* The dirty bitmap, indexed by region offset, or NULL without tracking. Owned by the region. */
struct gm_bitmap *gm_region_dirty(const struct gm_region *region);

#ifdef __cplusplus
}
#endif

#endif
