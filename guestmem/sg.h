/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * A scatter-gather list: a cursor over a list of guest ranges, as devices get them from a driver.
 *
 * This is the one thing between a descriptor chain and readv(2): what the driver cut into ranges
 * and the host into regions reads and writes here as one stream of bytes, and comes out as iovecs
 * for one vectored system call. The list is never materialised: the cursor walks the ranges with
 * the slice iterator, so that a hostile list costs no memory.
 *
 * All transfers advance the cursor by what they moved. Writes mark dirty pages.
 */
#ifndef GUESTMEM_SG_H
#define GUESTMEM_SG_H

#include <sys/uio.h>

#include "guestmem/memory.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A plain value: copy it to remember a position. Borrows the memory and the ranges. */
struct gm_sg {
	const struct gm_memory *memory;
	const struct gm_range *ranges; /* the range the cursor is in */
	uint64_t offset;               /* bytes of it that are behind the cursor */
	uint64_t left;                 /* bytes of the list that are before the cursor */
	enum gm_access access;
};

/*
 * A cursor at the start of @count ranges. Checks nothing but the sum: GM_ERR_ADDRESS_OVERFLOW if
 * the lengths together exceed 2^63 - 1.
 */
int gm_sg_init(struct gm_sg *sg, const struct gm_memory *memory, const struct gm_range *ranges,
	       size_t count, enum gm_access access);

/* Whether every byte before the cursor is backed and may be accessed as the list says. */
bool gm_sg_check(const struct gm_sg *sg);

/* Bytes before the cursor. */
static inline uint64_t gm_sg_left(const struct gm_sg *sg)
{
	return sg->left;
}

/*
 * Move exactly @len bytes between @buf and the list. GM_ERR_PARTIAL if fewer are before the cursor
 * (then nothing is moved); the errors of gm_read_exact() and gm_write_exact(), after which the
 * cursor stands behind the bytes that were moved.
 */
int gm_sg_read(struct gm_sg *sg, void *buf, size_t len);
int gm_sg_write(struct gm_sg *sg, const void *buf, size_t len);

/* Move the cursor; by at most what is left. Returns by how much. */
uint64_t gm_sg_skip(struct gm_sg *sg, uint64_t len);

/* The next @len bytes as a list of their own (fewer if fewer are left); @sg moves behind them. */
struct gm_sg gm_sg_take(struct gm_sg *sg, uint64_t len);

/*
 * Fill @iov with at most @cap elements for at most @max bytes and move the cursor behind them.
 * Returns the number of elements, adjacent host memory merged; *@bytes receives their sum. 0
 * elements mean the end, a negative value that not even the next byte can be accessed. Call again
 * to go on: the cursor is the resume point. The pages are not marked dirty: when the data is there,
 * call gm_sg_mark_dirty() with a copy of the cursor from before.
 */
ssize_t gm_sg_iovec(struct gm_sg *sg, uint64_t max, struct iovec *iov, size_t cap, uint64_t *bytes);

/* Mark the next @len bytes dirty (fewer if fewer are left); @sg moves behind them. */
void gm_sg_mark_dirty(struct gm_sg *sg, uint64_t len);

/*
 * Move up to @len bytes between a file descriptor and the list with vectored calls. @offset is the
 * file offset, or -1 to use and move the descriptor's own (sockets, pipes, terminals). A single
 * call is made if the descriptor's own position is used, since a second could block; with an offset
 * they go on until @len bytes are moved, the end of the file, or an error. EINTR is retried.
 * Returns the number moved: less than @len at the end of the file or after an error that came after
 * some bytes; GM_ERR_IO (errno) or an access error if it came first.
 */
ssize_t gm_sg_read_from_fd(struct gm_sg *sg, int fd, off_t offset, uint64_t len);
ssize_t gm_sg_write_to_fd(struct gm_sg *sg, int fd, off_t offset, uint64_t len);

#ifdef __cplusplus
}
#endif

#endif
