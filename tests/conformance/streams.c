/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Bytes operations with a source or a sink, and the sources and sinks of the format. */
#include "tests/conformance/conformance.h"

#include <stdlib.h>
#include <string.h>

/*
 * chunk:K at most K bytes per call; eintr:K the same, and every other call is interrupted; fail:N
 * an error once N bytes have passed. Both directions; buf points behind what has passed.
 */
struct unreliable {
	struct gm_reader reader;
	struct gm_writer writer;
	uint8_t *buf;
	size_t left;
	uint64_t per_call, fail_after, passed;
	bool interrupts, interrupt_next;
};

/* How many of @want bytes this call moves, or an error. */
static ssize_t allowance(struct unreliable *u, size_t want)
{
	if (u->interrupts) {
		u->interrupt_next = !u->interrupt_next;
		if (u->interrupt_next)
			return GM_ERR_INTERRUPTED;
	}
	if (u->passed >= u->fail_after)
		return GM_ERR_IO;
	want = want < u->per_call ? want : u->per_call;
	want = want < u->fail_after - u->passed ? want : u->fail_after - u->passed;
	return (ssize_t)want;
}

static ssize_t advance(struct unreliable *u, ssize_t n)
{
	u->buf += n;
	u->left -= (size_t)n;
	u->passed += (uint64_t)n;
	return n;
}

static ssize_t unreliable_read(struct gm_reader *reader, const struct gm_slice *into)
{
	struct unreliable *u = (struct unreliable *)reader;
	ssize_t n = allowance(u, into->len < u->left ? into->len : u->left);

	if (n <= 0)
		return n;
	return advance(u, gm_slice_write(into, 0, u->buf, (size_t)n));
}

static ssize_t unreliable_write(struct gm_writer *writer, const struct gm_slice *from)
{
	struct unreliable *u = (void *)((char *)writer - offsetof(struct unreliable, writer));
	ssize_t n = allowance(u, from->len < u->left ? from->len : u->left);

	if (n <= 0)
		return n;
	return advance(u, gm_slice_read(from, 0, u->buf, (size_t)n));
}

/* A source or sink by its description; false (and malformed) if there is none of that name. */
static bool parse_unreliable(struct conf *c, int arg, struct unreliable *u)
{
	const char *text = c->argv[arg], *colon = strchr(text, ':');
	uint64_t number = colon ? strtoull(colon + 1, NULL, 0) : UINT64_MAX;

	*u = (struct unreliable){
		.reader = {.read = unreliable_read},
		.writer = {unreliable_write},
		.per_call = UINT64_MAX,
		.fail_after = UINT64_MAX,
	};
	if (!strncmp(text, "fail:", 5)) {
		u->fail_after = number;
	} else if (!strncmp(text, "eintr:", 6)) {
		u->interrupts = true;
		u->per_call = number;
	} else if (!strncmp(text, "chunk:", 6)) {
		u->per_call = number;
	} else if (strcmp(text, "vec")) {
		c->malformed = true;
		return false;
	}
	return true;
}

static ssize_t target_read_from(const struct conf_target *t, uint64_t addr, uint64_t len,
				struct gm_reader *reader)
{
	if (t->slice)
		return gm_slice_read_from(t->slice, addr, len, reader);
	if (t->region)
		return gm_region_read_from(t->region, addr, len, reader);
	return gm_read_from(t->memory, addr, len, reader);
}

static int target_read_exact_from(const struct conf_target *t, uint64_t addr, uint64_t len,
				  struct gm_reader *reader, size_t *done)
{
	if (t->slice)
		return gm_slice_read_exact_from(t->slice, addr, len, reader, done);
	if (t->region)
		return gm_region_read_exact_from(t->region, addr, len, reader, done);
	return gm_read_exact_from(t->memory, addr, len, reader, done);
}

static ssize_t target_write_to(const struct conf_target *t, uint64_t addr, uint64_t len,
			       struct gm_writer *writer)
{
	if (t->slice)
		return gm_slice_write_to(t->slice, addr, len, writer);
	if (t->region)
		return gm_region_write_to(t->region, addr, len, writer);
	return gm_write_to(t->memory, addr, len, writer);
}

static int target_write_all_to(const struct conf_target *t, uint64_t addr, uint64_t len,
			       struct gm_writer *writer, size_t *done)
{
	if (t->slice)
		return gm_slice_write_all_to(t->slice, addr, len, writer, done);
	if (t->region)
		return gm_region_write_all_to(t->region, addr, len, writer, done);
	return gm_write_all_to(t->memory, addr, len, writer, done);
}

/* "ok", "ok N" or the error; @n as the partial forms return it. */
static void put_moved(struct conf *c, bool exact, ssize_t n, struct conf_request *request)
{
	request->range = exact;
	request->from_host = !exact;
	if (n < 0)
		conf_error(c, (int)n, request);
	else if (exact)
		conf_put(c, "ok");
	else
		conf_put(c, "ok 0x%zx", (size_t)n);
}

static void read_from(struct conf *c, bool exact)
{
	struct conf_request request = {
		.addr = conf_u64(c, 0), .len = conf_u64(c, 1), .access = GM_ACCESS_WRITE};
	bool plain = !strcmp(c->argv[2], "mem");
	struct gm_buf_reader buffer;
	struct unreliable unreliable;
	struct gm_reader *reader = &buffer.reader;
	uint8_t *data;
	size_t len;
	ssize_t n;

	if (!plain && !parse_unreliable(c, 2, &unreliable))
		return;
	data = conf_data(c, 3, &len);
	buffer = gm_buf_reader(data, len);
	if (!plain) {
		unreliable.buf = data;
		unreliable.left = len;
		reader = &unreliable.reader;
	}
	if (exact)
		n = target_read_exact_from(&c->target, request.addr, request.len, reader,
					   &request.done);
	else
		n = target_read_from(&c->target, request.addr, request.len, reader);
	put_moved(c, exact, n, &request);
	conf_put(c, " left 0x%zx", plain ? buffer.left : unreliable.left);
	free(data);
}

static void write_to(struct conf *c, bool exact)
{
	struct conf_request request = {
		.addr = conf_u64(c, 0), .len = conf_u64(c, 1), .access = GM_ACCESS_READ};
	bool plain = !strncmp(c->argv[2], "buf:", 4);
	size_t room = plain ? strtoull(c->argv[2] + 4, NULL, 0) : conf_room(c, request.len);
	struct gm_buf_writer buffer;
	struct unreliable unreliable;
	struct gm_writer *writer = &buffer.writer;
	uint8_t *out;
	ssize_t n;

	if (!plain && !parse_unreliable(c, 2, &unreliable))
		return;
	out = conf_zalloc(room);
	buffer = gm_buf_writer(out, room);
	if (!plain) {
		unreliable.buf = out;
		unreliable.left = room;
		writer = &unreliable.writer;
	}
	if (exact)
		n = target_write_all_to(&c->target, request.addr, request.len, writer, &request.done);
	else
		n = target_write_to(&c->target, request.addr, request.len, writer);
	put_moved(c, exact, n, &request);
	conf_put(c, " out ");
	conf_put_data(c, out, room - (plain ? buffer.left : unreliable.left));
	free(out);
}

static void read_volatile_from(struct conf *c)
{
	read_from(c, false);
}

static void read_exact_volatile_from(struct conf *c)
{
	read_from(c, true);
}

static void write_volatile_to(struct conf *c)
{
	write_to(c, false);
}

static void write_all_volatile_to(struct conf *c)
{
	write_to(c, true);
}

const struct conf_op conf_stream_ops[] = {
	{"read_volatile_from", 4, 4, read_volatile_from},
	{"read_exact_volatile_from", 4, 4, read_exact_volatile_from},
	{"write_volatile_to", 3, 3, write_volatile_to},
	{"write_all_volatile_to", 3, 3, write_all_volatile_to},
	{NULL, 0, 0, NULL},
};
