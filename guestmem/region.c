/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Regions: from a configuration to a host mapping between two guard pages, and back.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/mempolicy.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "guestmem/internal.h"

#define HUGE_PAGE (2ULL << 20)
#define HUGE_2MB  (21U << MAP_HUGE_SHIFT) /* its size, as mmap and memfd_create want it */

/* NUMA nodes that fit in the mask given to mbind(2). */
#define NUMA_NODES 64

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_READ  22
#define MADV_POPULATE_WRITE 23
#endif

static size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

/* Contradictions a caller can be told about before anything is opened or mapped. */
static int check_config(const struct gm_region_config *config)
{
	bool file = config->backing == GM_BACKING_FILE;
	gm_addr end;

	if (config->size == 0)
		return GM_ERR_ZERO_SIZE;
	if (config->backing > GM_BACKING_FOREIGN || (config->flags & ~GM_REGION_FLAGS))
		return GM_ERR_INVALID_ARGUMENT;
	if (config->numa_node < 0 || config->numa_node > NUMA_NODES)
		return GM_ERR_INVALID_ARGUMENT;
	if (config->dirty_page & (config->dirty_page - 1))
		return GM_ERR_INVALID_ARGUMENT;
	if (config->backing == GM_BACKING_FOREIGN && !config->host)
		return GM_ERR_INVALID_ARGUMENT;
	if ((config->flags & GM_REGION_PRIVATE) && !file)
		return GM_ERR_INVALID_ARGUMENT;
	if ((config->flags & GM_REGION_HUGETLB) &&
	    (file || config->backing == GM_BACKING_FOREIGN || config->size % HUGE_PAGE))
		return GM_ERR_INVALID_ARGUMENT;
	if (file && (config->file_offset & (page_size() - 1)))
		return GM_ERR_INVALID_ARGUMENT;
	if (__builtin_add_overflow(config->start, config->size, &end))
		return GM_ERR_INVALID_REGION;
	if (config->size > PTRDIFF_MAX - 4 * HUGE_PAGE) {
		errno = ENOMEM;
		return GM_ERR_MAP;
	}
	return 0;
}

/* A descriptor of the region's own for its file, large enough, in region->fd. */
static int open_backing(struct gm_region *region, const struct gm_region_config *config)
{
	struct statfs fs;
	struct stat st;
	uint64_t end;
	int seals;

	region->page = config->flags & GM_REGION_HUGETLB ? HUGE_PAGE : page_size();
	if (config->backing == GM_BACKING_MEMFD) {
		unsigned int huge = config->flags & GM_REGION_HUGETLB ? MFD_HUGETLB | HUGE_2MB : 0;

		region->fd = memfd_create("guestmem", MFD_CLOEXEC | MFD_ALLOW_SEALING | huge);
		if (region->fd < 0 || ftruncate(region->fd, (off_t)config->size))
			return GM_ERR_IO;
		/* Nobody the memory is shared with can make an access fault. */
		if (fcntl(region->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
			return GM_ERR_IO;
	} else if (config->backing == GM_BACKING_FILE) {
		region->fd = fcntl(config->fd, F_DUPFD_CLOEXEC, 0);
		if (region->fd < 0 || fstat(region->fd, &st) || fstatfs(region->fd, &fs))
			return GM_ERR_IO;
		if (fs.f_type == HUGETLBFS_MAGIC)
			region->page = (size_t)fs.f_bsize;
		region->file_offset = config->file_offset;
		if (__builtin_add_overflow(config->file_offset, config->size, &end) ||
		    (S_ISREG(st.st_mode) && end > (uint64_t)st.st_size))
			return GM_ERR_FILE_TOO_SMALL;
		/* A seal is for ever: such a file cannot lose pages. */
		seals = fcntl(region->fd, F_GET_SEALS);
		if (seals < 0 || !(seals & F_SEAL_SHRINK))
			region->entry.flags |= GM_SLICE_MAY_FAULT;
	}
	return 0;
}

/* Advice and policy: what the host cannot do here is not an error. */
static void advise(const struct gm_region *region, const struct gm_region_config *config, size_t len)
{
	void *host = region->entry.host;

	if (!(config->flags & GM_REGION_NO_THP) && region->page < HUGE_PAGE && len >= HUGE_PAGE)
		madvise(host, len, MADV_HUGEPAGE);
	if (config->flags & GM_REGION_DONTDUMP)
		madvise(host, len, MADV_DONTDUMP);
	if (config->numa_node) {
		unsigned long mask = 1UL << (config->numa_node - 1);

		syscall(SYS_mbind, host, len, MPOL_PREFERRED, &mask, 8 * sizeof(mask) + 1, 0);
	}
}

/* Map the backing between two inaccessible guards; large ones aligned for huge pages. */
static int map_backing(struct gm_region *region, const struct gm_region_config *config)
{
	bool read_only = config->flags & GM_REGION_READ_ONLY;
	size_t page = region->page;
	size_t align = config->size >= HUGE_PAGE && page < HUGE_PAGE ? HUGE_PAGE : page;
	size_t guard = config->flags & GM_REGION_NO_GUARD ? 0 : page;
	size_t len = (config->size + page - 1) & ~(page - 1);
	int flags = MAP_FIXED, prot = PROT_READ | (read_only ? 0 : PROT_WRITE);
	uintptr_t at;
	uint8_t *map;

	if (region->fd < 0 || (config->flags & GM_REGION_PRIVATE))
		flags |= MAP_PRIVATE;
	else
		flags |= MAP_SHARED;
	if (region->fd < 0)
		flags |= MAP_ANONYMOUS | (page == HUGE_PAGE ? MAP_HUGETLB | HUGE_2MB : 0);
	if (config->flags & GM_REGION_NO_RESERVE)
		flags |= MAP_NORESERVE;

	/* Reserve with room to align, then give back what the alignment left over. */
	region->map_len = len + 2 * guard + (align - page_size());
	map = mmap(NULL, region->map_len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		   -1, 0);
	if (map == MAP_FAILED)
		return GM_ERR_MAP;
	region->map = map;
	at = ((uintptr_t)map + guard + align - 1) & ~((uintptr_t)align - 1);
	if (at - guard > (uintptr_t)map)
		munmap(map, at - guard - (uintptr_t)map);
	region->map = (void *)(at - guard);
	if ((uintptr_t)map + region->map_len > at + len + guard)
		munmap((void *)(at + len + guard),
		       (uintptr_t)map + region->map_len - at - len - guard);
	region->map_len = len + 2 * guard;

	if (mmap((void *)at, len, prot, flags, region->fd, (off_t)region->file_offset) == MAP_FAILED)
		return GM_ERR_MAP;
	region->entry.host = (uint8_t *)at;
	advise(region, config, len);
	if ((config->flags & GM_REGION_LOCK) && mlock(region->entry.host, len))
		return GM_ERR_MAP;
	if ((config->flags & GM_REGION_POPULATE) &&
	    madvise(region->entry.host, len, read_only ? MADV_POPULATE_READ : MADV_POPULATE_WRITE) &&
	    errno != EINVAL)
		return GM_ERR_MAP;
	return 0;
}

static void destroy(struct gm_region *region)
{
	int saved = errno;

	if (region->map)
		munmap(region->map, region->map_len);
	if (region->fd >= 0)
		close(region->fd);
	gm_bitmap_free(region->entry.dirty);
	free(region);
	errno = saved;
}

int gm_region_new(const struct gm_region_config *config, struct gm_region **out)
{
	struct gm_region *region;
	int err;

	*out = NULL;
	err = check_config(config);
	if (err)
		return err;
	region = calloc(1, sizeof(*region));
	if (!region)
		return GM_ERR_NO_MEMORY;
	region->refs = 1;
	region->fd = -1;
	region->backing = config->backing;
	region->flags = config->flags;
	region->entry.start = config->start;
	region->entry.size = config->size;
	region->entry.region = region;
	if (config->flags & GM_REGION_READ_ONLY)
		region->entry.flags |= GM_SLICE_READ_ONLY;

	err = open_backing(region, config);
	if (!err && config->backing == GM_BACKING_FOREIGN)
		region->entry.host = config->host;
	else if (!err)
		err = map_backing(region, config);
	if (!err && config->dirty_page)
		err = gm_bitmap_new(config->size, config->dirty_page, &region->entry.dirty);
	if (err) {
		destroy(region);
		return err;
	}
	*out = region;
	return 0;
}

struct gm_region *gm_region_get(struct gm_region *region)
{
	__atomic_add_fetch(&region->refs, 1, __ATOMIC_RELAXED);
	return region;
}

void gm_region_put(struct gm_region *region)
{
	/* Release what this holder did, acquire what all others did, before the mapping goes. */
	if (region && __atomic_sub_fetch(&region->refs, 1, __ATOMIC_ACQ_REL) == 0)
		destroy(region);
}

gm_addr gm_region_start(const struct gm_region *region)
{
	return region->entry.start;
}

gm_addr gm_region_last(const struct gm_region *region)
{
	return region->entry.start + region->entry.size - 1;
}

uint64_t gm_region_size(const struct gm_region *region)
{
	return region->entry.size;
}

enum gm_backing gm_region_backing(const struct gm_region *region)
{
	return region->backing;
}

unsigned int gm_region_flags(const struct gm_region *region)
{
	return region->flags;
}

int gm_region_fd(const struct gm_region *region)
{
	return region->fd;
}

uint64_t gm_region_file_offset(const struct gm_region *region)
{
	return region->file_offset;
}

bool gm_region_is_hugetlbfs(const struct gm_region *region)
{
	return region->page > page_size();
}

bool gm_region_files_overlap(const struct gm_region *a, const struct gm_region *b)
{
	struct stat stat_a, stat_b;

	/* Descriptors are duplicates; the file is what they lead to. */
	if (a->fd < 0 || b->fd < 0 || fstat(a->fd, &stat_a) || fstat(b->fd, &stat_b) ||
	    stat_a.st_dev != stat_b.st_dev || stat_a.st_ino != stat_b.st_ino)
		return false;
	return a->file_offset < b->file_offset + b->entry.size &&
	       b->file_offset < a->file_offset + a->entry.size;
}

void *gm_region_host(const struct gm_region *region)
{
	return region->entry.host;
}

struct gm_bitmap *gm_region_dirty(const struct gm_region *region)
{
	return region->entry.dirty;
}
