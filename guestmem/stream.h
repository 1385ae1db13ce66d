/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Transfers between guest memory and somewhere else: a file descriptor, or anything a callback can
 * be written for. No byte passes through a buffer in between.
 *
 * "Reading from" a source writes guest memory, and marks it dirty as far as the source filled it.
 * The bytes moved are always the contiguous first ones: a source that gives less than it was asked
 * for ends the transfer. GM_ERR_INTERRUPTED from a callback, and EINTR, are retried; no function
 * here returns it. Any thread, as long as memory, region or slice is held.
 *
 * A callback's error ends the transfer and is returned even if bytes were moved before: the
 * callback knows what it gave or took. The functions on descriptors return the count instead, as
 * read(2) does, and the error with the next call.
 */
#ifndef GUESTMEM_STREAM_H
#define GUESTMEM_STREAM_H

#include "guestmem/memory.h"
#include "guestmem/region.h"
#include "guestmem/slice.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * A source. Embed it in a structure of your own. Seed: ReadVolatile.
 *
 * read() fills the first bytes of @into (with gm_slice_write(), or through into->host) and returns
 * how many, 0 at the end, or an error; more than into->len is GM_ERR_CALLBACK_RANGE. read_exact()
 * fills all of @into or fails, *@done says how much it filled; NULL means that read() is called
 * until @into is full, and 0 is GM_ERR_UNEXPECTED_EOF.
 */
struct gm_reader {
	ssize_t (*read)(struct gm_reader *reader, const struct gm_slice *into);
	int (*read_exact)(struct gm_reader *reader, const struct gm_slice *into, size_t *done);
};

/*
 * A sink. Seed: WriteVolatile. write() takes the first bytes of @from and returns how many, or an
 * error; 0 means it takes no more.
 */
struct gm_writer {
	ssize_t (*write)(struct gm_writer *writer, const struct gm_slice *from);
};

/*
 * Move up to @len bytes from @addr or @offset on. The count is less than @len where memory ends or
 * the source does. On memories, the whole of each slice must be taken by the sink, else
 * GM_ERR_WRITE_ZERO; a region or slice makes one call of write(). Errors: those of gm_write() and
 * gm_read(), gm_region_get_slice(), gm_slice_offset() (an @offset at the very end moves nothing);
 * the callback's. Seed: read_volatile_from, write_volatile_to.
 */
static inline ssize_t gm_read_from(const struct gm_memory *memory, gm_addr addr, uint64_t len,
				   struct gm_reader *reader);
static inline ssize_t gm_write_to(const struct gm_memory *memory, gm_addr addr, uint64_t len,
				  struct gm_writer *writer);
ssize_t gm_region_read_from(const struct gm_region *region, uint64_t offset, uint64_t len,
			    struct gm_reader *reader);
ssize_t gm_region_write_to(const struct gm_region *region, uint64_t offset, uint64_t len,
			   struct gm_writer *writer);
ssize_t gm_slice_read_from(const struct gm_slice *slice, size_t offset, size_t len,
			   struct gm_reader *reader);
ssize_t gm_slice_write_to(const struct gm_slice *slice, size_t offset, size_t len,
			  struct gm_writer *writer);

/*
 * Move exactly @len bytes. On memories GM_ERR_PARTIAL if fewer were moved; a region or slice must
 * hold them all before anything is moved, and an end that comes first is GM_ERR_UNEXPECTED_EOF or
 * GM_ERR_WRITE_ZERO. Otherwise the errors above. If @done is not NULL it receives the number of
 * bytes moved. Seed: read_exact_volatile_from, write_all_volatile_to.
 */
int gm_read_exact_from(const struct gm_memory *memory, gm_addr addr, uint64_t len,
		       struct gm_reader *reader, size_t *done);
int gm_write_all_to(const struct gm_memory *memory, gm_addr addr, uint64_t len,
		    struct gm_writer *writer, size_t *done);
int gm_region_read_exact_from(const struct gm_region *region, uint64_t offset, uint64_t len,
			      struct gm_reader *reader, size_t *done);
int gm_region_write_all_to(const struct gm_region *region, uint64_t offset, uint64_t len,
			   struct gm_writer *writer, size_t *done);
int gm_slice_read_exact_from(const struct gm_slice *slice, size_t offset, size_t len,
			     struct gm_reader *reader, size_t *done);
int gm_slice_write_all_to(const struct gm_slice *slice, size_t offset, size_t len,
			  struct gm_writer *writer, size_t *done);

/*
 * Between a memory and a descriptor, with readv(2) and writev(2) straight on guest memory; @position
 * is the file offset, or -1 to use and move the descriptor's own. The partial forms make one system
 * call if the position is the descriptor's own (so that they never wait for more than what is
 * there); the exact forms go on until all is moved. Errors: GM_ERR_IO (errno), GM_ERR_FAULT (the
 * file behind the memory is too short), those of gm_write() and gm_read(); the exact forms also
 * GM_ERR_PARTIAL (the memory ends after some bytes), GM_ERR_UNEXPECTED_EOF, GM_ERR_WRITE_ZERO, *@done says
 * after how many. @len at most 2^63 - 1, else GM_ERR_ADDRESS_OVERFLOW. Seed: the same with File.
 */
ssize_t gm_read_from_fd(const struct gm_memory *memory, gm_addr addr, uint64_t len, int fd,
			off_t position);
ssize_t gm_write_to_fd(const struct gm_memory *memory, gm_addr addr, uint64_t len, int fd,
		       off_t position);
int gm_read_exact_from_fd(const struct gm_memory *memory, gm_addr addr, uint64_t len, int fd,
			  off_t position, size_t *done);
int gm_write_all_to_fd(const struct gm_memory *memory, gm_addr addr, uint64_t len, int fd,
		       off_t position, size_t *done);

/* Private memory as a source and as a sink; left counts down, buf goes up. Seed: &[u8], &mut [u8]. */
struct gm_buf_reader {
	struct gm_reader reader;
	const uint8_t *buf;
	size_t left;
};

struct gm_buf_writer {
	struct gm_writer writer;
	uint8_t *buf;
	size_t left;
};

/* The callbacks of both, inline so that a transfer between two buffers is a copy. Private. */
int gm_buf_read_exact(struct gm_reader *reader, const struct gm_slice *into, size_t *done);

static inline ssize_t gm_buf_read(struct gm_reader *reader, const struct gm_slice *into)
{
	struct gm_buf_reader *source = (struct gm_buf_reader *)reader;
	size_t len = source->left < into->len ? source->left : into->len;

	if (gm_unlikely(into->flags != 0)) {
		ssize_t n = gm_slice_write(into, 0, source->buf, len);

		if (n < 0)
			return n;
	} else {
		gm_copy_in(into->host, source->buf, len);
	}
	source->buf += len;
	source->left -= len;
	return (ssize_t)len;
}

static inline ssize_t gm_buf_write(struct gm_writer *writer, const struct gm_slice *from)
{
	struct gm_buf_writer *sink = (struct gm_buf_writer *)writer;
	size_t len = sink->left < from->len ? sink->left : from->len;

	if (gm_unlikely(from->flags != 0)) {
		ssize_t n = gm_slice_read(from, 0, sink->buf, len);

		if (n < 0)
			return n;
	} else {
		gm_copy_out(sink->buf, from->host, len);
	}
	sink->buf += len;
	sink->left -= len;
	return (ssize_t)len;
}

/* read_exact() of a buffer that is too short is GM_ERR_UNEXPECTED_EOF and moves nothing. */
static inline struct gm_buf_reader gm_buf_reader(const void *buf, size_t len)
{
	struct gm_buf_reader source = {{gm_buf_read, gm_buf_read_exact}, (const uint8_t *)buf, len};

	return source;
}

static inline struct gm_buf_writer gm_buf_writer(void *buf, size_t len)
{
	struct gm_buf_writer sink = {{gm_buf_write}, (uint8_t *)buf, len};

	return sink;
}

/* A descriptor as source and sink, for regions and slices; its own position. Seed: impl for File. */
struct gm_fd_stream {
	struct gm_reader reader;
	struct gm_writer writer;
	int fd;
};

struct gm_fd_stream gm_fd_stream(int fd);

/* More than one region, or one that needs care, or a callback that was interrupted. Private. */
ssize_t gm_read_from_slow(const struct gm_memory *memory, gm_addr addr, uint64_t len,
			  struct gm_reader *reader);
ssize_t gm_write_to_slow(const struct gm_memory *memory, gm_addr addr, uint64_t len,
			 struct gm_writer *writer);

static inline ssize_t gm_read_from(const struct gm_memory *memory, gm_addr addr, uint64_t len,
				   struct gm_reader *reader)
{
	const struct gm_entry *entry = gm_find_entry(memory, addr);
	uint64_t offset = addr - entry->start;
	struct gm_slice slice;
	ssize_t n;

	if (gm_unlikely(len == 0 || offset >= entry->size || len > entry->size - offset ||
			entry->flags))
		return gm_read_from_slow(memory, addr, len, reader);
	slice = gm_slice_from_host(entry->host + offset, len, entry->dirty, offset);
	n = reader->read(reader, &slice);
	if (gm_unlikely(n <= 0))
		return n == GM_ERR_INTERRUPTED ? gm_read_from_slow(memory, addr, len, reader) : n;
	if (gm_unlikely((uint64_t)n > len))
		return GM_ERR_CALLBACK_RANGE;
	if (entry->dirty)
		gm_bitmap_mark_inside(entry->dirty, offset, (uint64_t)n);
	return n;
}

static inline ssize_t gm_write_to(const struct gm_memory *memory, gm_addr addr, uint64_t len,
				  struct gm_writer *writer)
{
	const struct gm_entry *entry = gm_find_entry(memory, addr);
	uint64_t offset = addr - entry->start;
	struct gm_slice slice;
	ssize_t n, rest;

	if (gm_unlikely(len == 0 || offset >= entry->size || len > entry->size - offset ||
			(entry->flags & GM_SLICE_MAY_FAULT)))
		return gm_write_to_slow(memory, addr, len, writer);
	slice = gm_slice_from_host(entry->host + offset, len, entry->dirty, offset);
	n = writer->write(writer, &slice);
	if (gm_likely(n > 0 && (uint64_t)n == len))
		return n;
	if (n == GM_ERR_INTERRUPTED)
		return gm_write_to_slow(memory, addr, len, writer);
	if (n <= 0)
		return n ? n : (ssize_t)GM_ERR_WRITE_ZERO;
	if ((uint64_t)n > len)
		return GM_ERR_CALLBACK_RANGE;
	rest = gm_write_to_slow(memory, addr + (uint64_t)n, len - (uint64_t)n, writer);
	return rest < 0 ? rest : n + rest;
}

#ifdef __cplusplus
}
#endif

#endif
