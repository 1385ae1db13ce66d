/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The words everything else is written in: guest addresses, access permissions and errors.
 *
 * One error convention holds for the whole library. A function that can fail returns int (0 or a
 * negative enum gm_error) or ssize_t (a count of bytes, or a negative enum gm_error). Nothing in
 * the library prints, exits or aborts. Where the host's errno is the reason (GM_ERR_IO,
 * GM_ERR_MAP) errno still holds it when the call returns.
 */
#ifndef GUESTMEM_TYPES_H
#define GUESTMEM_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define gm_likely(x)   __builtin_expect(!!(x), 1)
#define gm_unlikely(x) __builtin_expect(!!(x), 0)

/* A guest physical address; or, in front of an IOMMU, an I/O virtual address. In bytes. */
typedef uint64_t gm_addr;

/* What an access wants, and what a translation allows. Seed: Permissions. */
enum gm_access {
	GM_ACCESS_NONE = 0,
	GM_ACCESS_READ = 1,
	GM_ACCESS_WRITE = 2,
	GM_ACCESS_RW = 3,
};

/* Every way to fail, by name. gm_strerror() has the sentence, gm_error_name() the name. */
enum gm_error {
	GM_OK = 0,

	/* access through a memory (seed: guest_memory::Error) */
	GM_ERR_INVALID_ADDRESS = -1,  /* no region holds the address the access starts at */
	GM_ERR_INVALID_BACKEND = -2,  /* outside the one region or host mapping asked for */
	GM_ERR_HOST_UNAVAILABLE = -3, /* the region has no host mapping */
	GM_ERR_PARTIAL = -4,          /* only a first part was transferred */
	GM_ERR_CALLBACK_RANGE = -5,   /* a callback claims more than it was offered */
	GM_ERR_ADDRESS_OVERFLOW = -6, /* address + length wraps around 2^64 */
	GM_ERR_IOMMU = -7,            /* the IOMMU does not allow the whole of the range */

	/* data that comes from or goes to somewhere else (seed: io::Error by kind) */
	GM_ERR_IO = -8,             /* the host reported an error: see errno */
	GM_ERR_UNEXPECTED_EOF = -9, /* the source ended first */
	GM_ERR_WRITE_ZERO = -10,    /* the sink takes no more */
	GM_ERR_INTERRUPTED = -11,   /* a signal came first; nothing was moved */

	/* slices (seed: volatile_memory::Error) */
	GM_ERR_OUT_OF_BOUNDS = -12, /* past the end of the slice */
	GM_ERR_OVERFLOW = -13,      /* offset + length wraps around */
	GM_ERR_TOO_BIG = -14,       /* element count * element size wraps around */
	GM_ERR_MISALIGNED = -15,    /* not aligned for the element's type */

	/* construction (seed: GuestRegionCollectionError, FromRangesError, MmapRegionError) */
	GM_ERR_NO_REGION = -16,        /* a memory needs at least one region */
	GM_ERR_OVERLAP = -17,          /* two regions share an address */
	GM_ERR_UNSORTED = -18,         /* regions are not in ascending order */
	GM_ERR_INVALID_REGION = -19,   /* the region would end at or after 2^64 */
	GM_ERR_ZERO_SIZE = -20,        /* a region of no bytes */
	GM_ERR_MAP = -21,              /* the host refused the mapping: see errno */
	GM_ERR_FILE_TOO_SMALL = -22,   /* the file ends before the region does */
	GM_ERR_NO_MEMORY = -23,        /* the host has no memory for the library's own tables */
	GM_ERR_INVALID_ARGUMENT = -24, /* a value no caller may pass (the seed panics) */

	/* what the seed answers with a signal */
	GM_ERR_READ_ONLY = -25, /* a write to a read-only region */
	GM_ERR_FAULT = -26,     /* the file behind the region no longer has the page */

	/* sharing a memory with another process */
	GM_ERR_NOT_SHAREABLE = -27, /* a region without a file, or with a private copy of it */
	GM_ERR_PROTOCOL = -28,      /* the other side sent something else than a memory */

	GM_ERR_LAST = GM_ERR_PROTOCOL,
};

/* A sentence without a full stop for an error (or GM_OK); never NULL. Any thread. */
const char *gm_strerror(int error);

/* The name of an error without its GM_ERR_ prefix, in lower case; never NULL. Any thread. */
const char *gm_error_name(int error);

#ifdef __cplusplus
}
#endif

#endif
