/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Streams: the loops around readers and writers, and the readers and writers the library brings.
 * Descriptors and whole memories meet in the scatter-gather list's vectored calls.
 */
#include <errno.h>
#include <unistd.h>

#include "guestmem/internal.h"

#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

/* One read() with its answer checked; what was filled is marked dirty. */
static ssize_t read_once(const struct gm_slice *into, struct gm_reader *reader)
{
	ssize_t n;

	if (into->flags & GM_SLICE_READ_ONLY)
		return GM_ERR_READ_ONLY;
	do {
		n = reader->read(reader, into);
	} while (n == GM_ERR_INTERRUPTED);
	if (n > 0 && (size_t)n > into->len)
		return GM_ERR_CALLBACK_RANGE;
	if (n > 0)
		gm_slice_mark_dirty(into, 0, (size_t)n);
	return n;
}

static ssize_t write_once(const struct gm_slice *from, struct gm_writer *writer)
{
	ssize_t n;

	do {
		n = writer->write(writer, from);
	} while (n == GM_ERR_INTERRUPTED);
	return n > 0 && (size_t)n > from->len ? GM_ERR_CALLBACK_RANGE : n;
}

static int write_all(const struct gm_slice *from, struct gm_writer *writer, size_t *done)
{
	struct gm_slice rest = *from;
	ssize_t n;

	*done = 0;
	while (rest.len) {
		n = write_once(&rest, writer);
		if (n <= 0)
			return n ? (int)n : GM_ERR_WRITE_ZERO;
		*done += (size_t)n;
		gm_slice_sub(&rest, (size_t)n, rest.len - (size_t)n, &rest);
	}
	return 0;
}

static int read_exact(const struct gm_slice *into, struct gm_reader *reader, size_t *done)
{
	struct gm_slice rest = *into;
	ssize_t n;
	int err;

	*done = 0;
	if (reader->read_exact) {
		if (into->len && (into->flags & GM_SLICE_READ_ONLY))
			return GM_ERR_READ_ONLY;
		err = reader->read_exact(reader, into, done);
		if (*done > into->len)
			return GM_ERR_CALLBACK_RANGE;
		gm_slice_mark_dirty(into, 0, *done);
		return err;
	}
	while (rest.len) {
		n = read_once(&rest, reader);
		if (n <= 0)
			return n ? (int)n : GM_ERR_UNEXPECTED_EOF;
		*done += (size_t)n;
		gm_slice_sub(&rest, (size_t)n, rest.len - (size_t)n, &rest);
	}
	return 0;
}

/* Memories. *@done is what was moved, also where the result is an error. */

static int read_from(const struct gm_memory *memory, gm_addr addr, uint64_t len,
		     struct gm_reader *reader, size_t *done)
{
	struct gm_slice slice;
	struct gm_iter it;

	*done = 0;
	gm_iter_init(&it, memory, addr, len, GM_ACCESS_WRITE);
	while (gm_iter_next(&it, &slice)) {
		ssize_t n = read_once(&slice, reader);

		if (n < 0)
			return (int)n;
		*done += (size_t)n;
		if ((size_t)n < slice.len)
			return 0;
	}
	return *done ? 0 : it.error;
}

static int write_to(const struct gm_memory *memory, gm_addr addr, uint64_t len,
		    struct gm_writer *writer, size_t *done)
{
	struct gm_slice slice;
	struct gm_iter it;

	*done = 0;
	gm_iter_init(&it, memory, addr, len, GM_ACCESS_READ);
	while (gm_iter_next(&it, &slice)) {
		size_t n;
		int err = write_all(&slice, writer, &n);

		*done += n;
		if (err)
			return err;
	}
	return *done ? 0 : it.error;
}

ssize_t gm_read_from_slow(const struct gm_memory *memory, gm_addr addr, uint64_t len,
			  struct gm_reader *reader)
{
	size_t done;
	int err = read_from(memory, addr, len, reader, &done);

	return err ? err : (ssize_t)done;
}

ssize_t gm_write_to_slow(const struct gm_memory *memory, gm_addr addr, uint64_t len,
			 struct gm_writer *writer)
{
	size_t done;
	int err = write_to(memory, addr, len, writer, &done);

	return err ? err : (ssize_t)done;
}

int gm_read_exact_from(const struct gm_memory *memory, gm_addr addr, uint64_t len,
		       struct gm_reader *reader, size_t *done)
{
	size_t moved;
	int err = read_from(memory, addr, len, reader, &moved);

	if (done)
		*done = moved;
	return !err && moved < len ? GM_ERR_PARTIAL : err;
}

int gm_write_all_to(const struct gm_memory *memory, gm_addr addr, uint64_t len,
		    struct gm_writer *writer, size_t *done)
{
	size_t moved;
	int err = write_to(memory, addr, len, writer, &moved);

	if (done)
		*done = moved;
	return !err && moved < len ? GM_ERR_PARTIAL : err;
}

/* Slices. */

/* What there is of @len bytes at @offset. */
static int available(const struct gm_slice *slice, size_t offset, size_t len, struct gm_slice *part)
{
	int err = gm_slice_offset(slice, offset, part);

	if (!err && part->len > len)
		part->len = len;
	return err;
}

ssize_t gm_slice_read_from(const struct gm_slice *slice, size_t offset, size_t len,
			   struct gm_reader *reader)
{
	struct gm_slice part;
	int err = available(slice, offset, len, &part);

	return err ? err : read_once(&part, reader);
}

ssize_t gm_slice_write_to(const struct gm_slice *slice, size_t offset, size_t len,
			  struct gm_writer *writer)
{
	struct gm_slice part;
	int err = available(slice, offset, len, &part);

	return err ? err : write_once(&part, writer);
}

int gm_slice_read_exact_from(const struct gm_slice *slice, size_t offset, size_t len,
			     struct gm_reader *reader, size_t *done)
{
	struct gm_slice part;
	size_t moved = 0;
	int err = gm_slice_sub(slice, offset, len, &part);

	if (!err)
		err = read_exact(&part, reader, &moved);
	if (done)
		*done = moved;
	return err;
}

int gm_slice_write_all_to(const struct gm_slice *slice, size_t offset, size_t len,
			  struct gm_writer *writer, size_t *done)
{
	struct gm_slice part;
	size_t moved = 0;
	int err = gm_slice_sub(slice, offset, len, &part);

	if (!err)
		err = write_all(&part, writer, &moved);
	if (done)
		*done = moved;
	return err;
}

/* Regions. */

ssize_t gm_region_read_from(const struct gm_region *region, uint64_t offset, uint64_t len,
			    struct gm_reader *reader)
{
	struct gm_slice part, whole = gm_region_slice(region);
	int err = gm_region_error(available(&whole, offset, len, &part));

	return err ? err : read_once(&part, reader);
}

ssize_t gm_region_write_to(const struct gm_region *region, uint64_t offset, uint64_t len,
			   struct gm_writer *writer)
{
	struct gm_slice part, whole = gm_region_slice(region);
	int err = gm_region_error(available(&whole, offset, len, &part));

	return err ? err : write_once(&part, writer);
}

int gm_region_read_exact_from(const struct gm_region *region, uint64_t offset, uint64_t len,
			      struct gm_reader *reader, size_t *done)
{
	struct gm_slice part;
	int err = gm_region_get_slice(region, offset, len, &part);

	if (!err)
		return gm_slice_read_exact_from(&part, 0, len, reader, done);
	if (done)
		*done = 0;
	return err;
}

int gm_region_write_all_to(const struct gm_region *region, uint64_t offset, uint64_t len,
			   struct gm_writer *writer, size_t *done)
{
	struct gm_slice part;
	int err = gm_region_get_slice(region, offset, len, &part);

	if (!err)
		return gm_slice_write_all_to(&part, 0, len, writer, done);
	if (done)
		*done = 0;
	return err;
}

/* Descriptors. */

typedef ssize_t fd_transfer(struct gm_sg *sg, int fd, off_t offset, uint64_t len);

static ssize_t with_fd(const struct gm_memory *memory, gm_addr addr, uint64_t len,
		       enum gm_access access, int fd, off_t position, fd_transfer *transfer)
{
	struct gm_range range = {addr, len};
	struct gm_sg sg;
	int err = gm_sg_init(&sg, memory, &range, 1, access);

	return err ? err : transfer(&sg, fd, position, len);
}

ssize_t gm_read_from_fd(const struct gm_memory *memory, gm_addr addr, uint64_t len, int fd,
			off_t position)
{
	return with_fd(memory, addr, len, GM_ACCESS_WRITE, fd, position, gm_sg_read_from_fd);
}

ssize_t gm_write_to_fd(const struct gm_memory *memory, gm_addr addr, uint64_t len, int fd,
		       off_t position)
{
	return with_fd(memory, addr, len, GM_ACCESS_READ, fd, position, gm_sg_write_to_fd);
}

/* Call after call until all is moved. @end: what a call that moves nothing means. */
static int all_with_fd(const struct gm_memory *memory, gm_addr addr, uint64_t len,
		       enum gm_access access, int fd, off_t position, fd_transfer *transfer,
		       int end, size_t *done)
{
	struct gm_range range = {addr, len};
	struct gm_sg sg;
	size_t moved = 0;
	int err = gm_sg_init(&sg, memory, &range, 1, access);

	while (!err && moved < len) {
		off_t at = position < 0 ? -1 : position + (off_t)moved;
		ssize_t n = transfer(&sg, fd, at, len - moved);

		if (n > 0)
			moved += (size_t)n;
		else
			err = n ? (int)n : end;
	}
	if (done)
		*done = moved;
	if (moved && (err == GM_ERR_INVALID_ADDRESS || err == GM_ERR_IOMMU || err == GM_ERR_READ_ONLY))
		err = GM_ERR_PARTIAL;
	return err;
}

int gm_read_exact_from_fd(const struct gm_memory *memory, gm_addr addr, uint64_t len, int fd,
			  off_t position, size_t *done)
{
	return all_with_fd(memory, addr, len, GM_ACCESS_WRITE, fd, position, gm_sg_read_from_fd,
			   GM_ERR_UNEXPECTED_EOF, done);
}

int gm_write_all_to_fd(const struct gm_memory *memory, gm_addr addr, uint64_t len, int fd,
		       off_t position, size_t *done)
{
	return all_with_fd(memory, addr, len, GM_ACCESS_READ, fd, position, gm_sg_write_to_fd,
			   GM_ERR_WRITE_ZERO, done);
}

static int host_error(void)
{
	switch (errno) {
	case EINTR: return GM_ERR_INTERRUPTED;
	case EFAULT: return GM_ERR_FAULT;
	default: return GM_ERR_IO;
	}
}

static ssize_t fd_read(struct gm_reader *reader, const struct gm_slice *into)
{
	struct gm_fd_stream *stream = container_of(reader, struct gm_fd_stream, reader);
	ssize_t n = read(stream->fd, into->host, into->len);

	return n < 0 ? host_error() : n;
}

static ssize_t fd_write(struct gm_writer *writer, const struct gm_slice *from)
{
	struct gm_fd_stream *stream = container_of(writer, struct gm_fd_stream, writer);
	ssize_t n = write(stream->fd, from->host, from->len);

	return n < 0 ? host_error() : n;
}

struct gm_fd_stream gm_fd_stream(int fd)
{
	return (struct gm_fd_stream){.reader = {.read = fd_read}, .writer = {fd_write}, .fd = fd};
}

/* Buffers. */

int gm_buf_read_exact(struct gm_reader *reader, const struct gm_slice *into, size_t *done)
{
	struct gm_buf_reader *source = container_of(reader, struct gm_buf_reader, reader);
	ssize_t n;

	*done = 0;
	if (source->left < into->len)
		return GM_ERR_UNEXPECTED_EOF;
	n = gm_buf_read(reader, into);
	if (n < 0)
		return (int)n;
	*done = (size_t)n;
	return 0;
}
