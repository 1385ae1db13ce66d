/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The scatter-gather cursor: every operation is "walk the ranges from here with the slice iterator
 * and do one thing with each slice".
 */
#include <errno.h>
#include <limits.h>

#include "guestmem/internal.h"

/* Enough for any request of a driver with 4 KiB pages up to 1 MiB in one system call. */
#define SG_IOV 256

int gm_sg_init(struct gm_sg *sg, const struct gm_memory *memory, const struct gm_range *ranges,
	       size_t count, enum gm_access access)
{
	uint64_t left = 0;

	for (size_t i = 0; i < count; i++) {
		if (__builtin_add_overflow(left, ranges[i].len, &left) || left > INT64_MAX)
			return GM_ERR_ADDRESS_OVERFLOW;
	}
	*sg = (struct gm_sg){
		.memory = memory,
		.ranges = ranges,
		.left = left,
		.access = access,
	};
	return 0;
}

/* Bytes of the list in the range at the cursor, which is moved off ranges that are used up. */
static uint64_t here(struct gm_sg *sg)
{
	uint64_t len;

	while (sg->left && sg->offset == sg->ranges->len) {
		sg->ranges++;
		sg->offset = 0;
	}
	if (!sg->left)
		return 0;
	len = sg->ranges->len - sg->offset;
	return len < sg->left ? len : sg->left;
}

static void advance(struct gm_sg *sg, uint64_t len)
{
	sg->offset += len;
	sg->left -= len;
}

/* An iterator over the next bytes that one range holds, @max of them at most. */
static bool walk(struct gm_sg *sg, uint64_t max, struct gm_iter *it)
{
	uint64_t len = here(sg);
	gm_addr addr;

	len = len < max ? len : max;
	if (!len)
		return false;
	/* A sum that wraps is past every region: the iterator then says so. */
	if (__builtin_add_overflow(sg->ranges->addr, sg->offset, &addr))
		addr = UINT64_MAX;
	gm_iter_init(it, sg->memory, addr, len, sg->access);
	return true;
}

bool gm_sg_check(const struct gm_sg *sg)
{
	struct gm_sg copy = *sg;
	uint64_t len;

	while ((len = here(&copy))) {
		gm_addr addr;

		if (__builtin_add_overflow(copy.ranges->addr, copy.offset, &addr) ||
		    !gm_check_range(copy.memory, addr, len, copy.access))
			return false;
		advance(&copy, len);
	}
	return true;
}

/* The part gm_sg_read() and gm_sg_write() share: one is given in, the other out. */
static int copy(struct gm_sg *sg, const char *in, char *out, size_t len)
{
	struct gm_slice slice;
	struct gm_iter it;

	if (len > sg->left)
		return GM_ERR_PARTIAL;
	while (walk(sg, len, &it)) {
		while (gm_iter_next(&it, &slice)) {
			ssize_t n = in ? gm_slice_write(&slice, 0, in, slice.len)
				       : gm_slice_read(&slice, 0, out, slice.len);

			if (n < 0)
				return (int)n;
			in = in ? in + slice.len : NULL;
			out = out ? out + slice.len : NULL;
			advance(sg, slice.len);
			len -= slice.len;
		}
		if (it.error)
			return it.error;
	}
	return 0;
}

int gm_sg_read(struct gm_sg *sg, void *buf, size_t len)
{
	return copy(sg, NULL, buf, len);
}

int gm_sg_write(struct gm_sg *sg, const void *buf, size_t len)
{
	return copy(sg, buf, NULL, len);
}

uint64_t gm_sg_skip(struct gm_sg *sg, uint64_t len)
{
	uint64_t skipped = 0, n;

	while (skipped < len && (n = here(sg))) {
		n = n < len - skipped ? n : len - skipped;
		advance(sg, n);
		skipped += n;
	}
	return skipped;
}

struct gm_sg gm_sg_take(struct gm_sg *sg, uint64_t len)
{
	struct gm_sg head = *sg;

	head.left = gm_sg_skip(sg, len);
	return head;
}

ssize_t gm_sg_iovec(struct gm_sg *sg, uint64_t max, struct iovec *iov, size_t cap, uint64_t *bytes)
{
	struct gm_slice slice;
	struct gm_iter it;
	size_t n = 0;

	*bytes = 0;
	while (*bytes < max && walk(sg, max - *bytes, &it)) {
		while (gm_iter_next(&it, &slice)) {
			if (n && (char *)iov[n - 1].iov_base + iov[n - 1].iov_len ==
					 (char *)slice.host) {
				iov[n - 1].iov_len += slice.len;
			} else if (n < cap) {
				iov[n++] = (struct iovec){slice.host, slice.len};
			} else {
				return (ssize_t)n;
			}
			advance(sg, slice.len);
			*bytes += slice.len;
		}
		if (it.error)
			return n ? (ssize_t)n : it.error;
	}
	return (ssize_t)n;
}

/*
 * Behind an IOMMU the translation may be gone by now, but what was transferred is no less dirty:
 * the bits of I/O addresses are set without asking it again.
 */
void gm_sg_mark_dirty(struct gm_sg *sg, uint64_t len)
{
	bool translated = gm_memory_iommu_enabled(sg->memory);
	struct gm_bitmap *log = translated ? gm_memory_iova_dirty(sg->memory) : NULL;
	struct gm_slice slice;
	struct gm_iter it;
	uint64_t marked = 0;

	while (marked < len && walk(sg, len - marked, &it)) {
		if (log) {
			gm_bitmap_mark(log, it.iova, it.more);
			advance(sg, it.more);
			marked += it.more;
			continue;
		}
		while (gm_iter_next(&it, &slice)) {
			gm_slice_mark_dirty(&slice, 0, slice.len);
			advance(sg, slice.len);
			marked += slice.len;
		}
		if (it.error)
			return;
	}
}

/* readv(2) or writev(2); a negative offset means the descriptor's own position. */
typedef ssize_t vector_io(int fd, const struct iovec *iov, int count, off_t offset);

static ssize_t do_readv(int fd, const struct iovec *iov, int count, off_t offset)
{
	return offset < 0 ? readv(fd, iov, count) : preadv(fd, iov, count, offset);
}

static ssize_t do_writev(int fd, const struct iovec *iov, int count, off_t offset)
{
	return offset < 0 ? writev(fd, iov, count) : pwritev(fd, iov, count, offset);
}

static ssize_t transfer(struct gm_sg *sg, int fd, off_t offset, uint64_t len, vector_io *io)
{
	uint64_t done = 0;
	ssize_t err = 0;

	while (done < len && sg->left) {
		struct iovec iov[SG_IOV];
		struct gm_sg before = *sg;
		uint64_t bytes;
		ssize_t count = gm_sg_iovec(sg, len - done, iov, SG_IOV, &bytes), n;

		if (count <= 0) {
			err = count;
			break;
		}
		do {
			n = io(fd, iov, (int)count, offset < 0 ? -1 : offset + (off_t)done);
		} while (n < 0 && errno == EINTR);
		if (n < 0) {
			*sg = before;
			err = errno == EFAULT ? GM_ERR_FAULT : GM_ERR_IO;
			break;
		}
		if ((uint64_t)n < bytes || (sg->access & GM_ACCESS_WRITE)) {
			*sg = before;
			if (sg->access & GM_ACCESS_WRITE)
				gm_sg_mark_dirty(sg, (uint64_t)n);
			else
				gm_sg_skip(sg, (uint64_t)n);
		}
		done += (uint64_t)n;
		if (n == 0 || offset < 0)
			break;
	}
	return done || !err ? (ssize_t)done : err;
}

ssize_t gm_sg_read_from_fd(struct gm_sg *sg, int fd, off_t offset, uint64_t len)
{
	return transfer(sg, fd, offset, len, do_readv);
}

ssize_t gm_sg_write_to_fd(struct gm_sg *sg, int fd, off_t offset, uint64_t len)
{
	return transfer(sg, fd, offset, len, do_writev);
}
