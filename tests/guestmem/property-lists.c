/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Random scatter-gather lists, iovecs and streams against the model. */
#include "tests/guestmem/property.h"

#define LIST_RANGES 6

struct list {
	struct gm_sg sg;
	struct gm_range ranges[LIST_RANGES];
	uint64_t at[LIST_RANGES * 512]; /* the span's offset of each byte of the list */
	size_t pos, len;
};

static struct list list;

static void make_list(struct world *w, enum gm_access access)
{
	size_t count = below(w, LIST_RANGES + 1);

	list.pos = list.len = 0;
	for (size_t i = 0; i < count; i++) {
		uint64_t at = some_place(w);
		size_t len = below(w, 3) ? below(w, 40) : below(w, 512);

		list.ranges[i] = (struct gm_range){w->base + at, len};
		for (size_t j = 0; j < len; j++)
			list.at[list.len++] = at + j;
	}
	CHECK(w, !gm_sg_init(&list.sg, w->memory, list.ranges, count, access));
	CHECK(w, gm_sg_left(&list.sg) == list.len);
}

static size_t list_run(const struct world *w, size_t len, enum gm_access access)
{
	size_t n = 0;

	while (n < len && list.pos + n < list.len && can(w, list.at[list.pos + n], access))
		n++;
	return n;
}

/* The first @n bytes at the cursor are now @data; the cursor goes behind them. */
static void list_put(struct world *w, const uint8_t *data, size_t n)
{
	for (size_t i = 0; i < n; i++)
		put_bytes(w, list.at[list.pos++], &data[i], 1);
}

static void list_compare(struct world *w, const uint8_t *data, size_t n)
{
	for (size_t i = 0; i < n; i++)
		CHECK(w, data[i] == w->value[list.at[list.pos + i]]);
	list.pos += n;
}

static void list_skip(struct world *w)
{
	size_t len = some_length(w), left = list.len - list.pos;
	size_t expected = len < left ? len : left;

	CHECK(w, gm_sg_skip(&list.sg, len) == expected);
	list.pos += expected;
}

static void list_iovec(struct world *w, enum gm_access access)
{
	size_t max = some_length(w), cap = 1 + below(w, 8), run = list_run(w, max, access);
	struct iovec iov[8];
	uint64_t bytes, sum = 0;
	ssize_t n = gm_sg_iovec(&list.sg, max, iov, cap, &bytes);

	if (n < 0) {
		CHECK(w, max && run == 0 && list.pos < list.len);
		CHECK(w, n == first_error(w, list.at[list.pos]));
		return;
	}
	CHECK(w, (size_t)n <= cap);
	CHECK(w, bytes == run || ((size_t)n == cap && bytes < run));
	for (ssize_t i = 0; i < n; i++) {
		list_compare(w, iov[i].iov_base, iov[i].iov_len);
		sum += iov[i].iov_len;
	}
	CHECK(w, sum == bytes);
}

void op_list_read(struct world *w)
{
	make_list(w, GM_ACCESS_READ);
	for (int i = 0; i < 3; i++) {
		size_t len = some_length(w), run = list_run(w, len, GM_ACCESS_READ);
		int err = gm_sg_read(&list.sg, property_buffer, len);

		if (len > list.len - list.pos) {
			CHECK(w, err == GM_ERR_PARTIAL);
		} else {
			CHECK(w, (err == 0) == (run == len));
			list_compare(w, property_buffer, run);
		}
		list_iovec(w, GM_ACCESS_READ);
		list_skip(w);
		CHECK(w, gm_sg_left(&list.sg) == list.len - list.pos);
	}
}

void op_list_write(struct world *w)
{
	make_list(w, GM_ACCESS_WRITE);
	for (int i = 0; i < 3; i++) {
		size_t len = some_length(w), run = list_run(w, len, GM_ACCESS_WRITE);
		struct gm_sg copy;
		int err;

		fill(w, property_buffer, len);
		err = gm_sg_write(&list.sg, property_buffer, len);
		if (len > list.len - list.pos) {
			CHECK(w, err == GM_ERR_PARTIAL);
		} else {
			CHECK(w, (err == 0) == (run == len));
			list_put(w, property_buffer, run);
		}
		len = some_length(w);
		copy = list.sg;
		run = list_run(w, len, GM_ACCESS_WRITE);
		gm_sg_mark_dirty(&copy, len);
		for (size_t j = 0; j < run; j++)
			mark(w, list.at[list.pos + j], 1);
		list_skip(w);
		CHECK(w, gm_sg_left(&list.sg) == list.len - list.pos);
	}
}

void op_list_file(struct world *w)
{
	enum gm_access access = below(w, 2) ? GM_ACCESS_READ : GM_ACCESS_WRITE;
	uint64_t offset = below(w, FILE_SIZE + 10);
	size_t len = some_length(w), run, there = offset < FILE_SIZE ? FILE_SIZE - offset : 0;
	ssize_t n;

	make_list(w, access);
	run = list_run(w, len, access);
	if (access == GM_ACCESS_READ) {
		if (run > there)
			return;
		n = gm_sg_write_to_fd(&list.sg, w->fd, (off_t)offset, len);
	} else {
		n = gm_sg_read_from_fd(&list.sg, w->fd, (off_t)offset, len);
	}
	if (run == 0 && len && list.len) {
		CHECK(w, n == first_error(w, list.at[0]));
		return;
	}
	run = run < there ? run : there;
	CHECK(w, n == (ssize_t)run);
	if (access == GM_ACCESS_WRITE) {
		/* Behind the end of the file there is nothing to point to. */
		list_put(w, w->file + (run ? offset : 0), run);
	} else {
		for (size_t i = 0; i < run; i++)
			w->file[offset + i] = w->value[list.at[i]];
	}
	CHECK(w, gm_sg_left(&list.sg) == list.len - run);
}

/* A source that likes to give less, and a sink that likes to take less, than there is. */
struct stream {
	struct gm_reader reader;
	struct gm_writer writer;
	struct world *w;
	size_t moved;
	bool generous, came_short;
};

static ssize_t stream_read(struct gm_reader *reader, const struct gm_slice *into)
{
	struct stream *s = (struct stream *)reader;
	size_t n = s->generous ? into->len : below(s->w, into->len + 1);

	CHECK(s->w, !s->came_short && into->len);
	if (!below(s->w, 4))
		return GM_ERR_INTERRUPTED;
	memcpy(into->host, property_buffer + s->moved, n);
	s->moved += n;
	s->came_short = n < into->len;
	return (ssize_t)n;
}

static ssize_t stream_write(struct gm_writer *writer, const struct gm_slice *from)
{
	struct stream *s = (void *)((char *)writer - offsetof(struct stream, writer));
	size_t n = 1 + below(s->w, from->len);

	if (!below(s->w, 4))
		return GM_ERR_INTERRUPTED;
	memcpy(property_buffer + s->moved, from->host, n);
	s->moved += n;
	return (ssize_t)n;
}

void op_stream(struct world *w)
{
	struct stream s = {
		.reader = {.read = stream_read},
		.writer = {stream_write},
		.w = w,
		.generous = below(w, 2),
	};
	uint64_t at = some_place(w);
	size_t len = some_length(w), run;
	ssize_t n;

	if (below(w, 2)) {
		n = gm_write_to(w->memory, w->base + at, len, &s.writer);
		run = check_count(w, at, len, GM_ACCESS_READ, n);
		CHECK(w, s.moved == run && !memcmp(property_buffer, w->value + at, run));
		return;
	}
	fill(w, property_buffer, len);
	n = gm_read_from(w->memory, w->base + at, len, &s.reader);
	if (s.came_short)
		CHECK(w, n == (ssize_t)s.moved);
	else
		check_count(w, at, len, GM_ACCESS_WRITE, n);
	put_bytes(w, at, property_buffer, s.moved);
}

void op_file(struct world *w)
{
	uint64_t at = some_place(w), offset = below(w, FILE_SIZE);
	size_t len = some_length(w), run = run_length(w, at, len, GM_ACCESS_WRITE), done;
	size_t there = FILE_SIZE - offset, expected = run < there ? run : there;
	int err = gm_read_exact_from_fd(w->memory, w->base + at, len, w->fd, (off_t)offset, &done);

	CHECK(w, done == expected);
	if (expected == len)
		CHECK(w, err == 0);
	else if (expected < run)
		CHECK(w, err == GM_ERR_UNEXPECTED_EOF);
	else
		CHECK(w, err != 0);
	put_bytes(w, at, w->file + offset, done);
}
