/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Random memories under random operations, against a model that is one array of bytes.
 *
 * The model knows for each address of a small span which region it belongs to, if any, the value,
 * and for each region which pages are dirty. Every operation is done on both. A failure names the
 * operation's number and the seed: TEST_SEED=... repeats it.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "tests/guestmem/fixture.h"
#include "tests/guestmem/suites.h"

#define SPAN	    8192
#define SLOTS	    64
#define DIRTY_PAGE  64
#define FILE_SIZE   5000
#define ROUNDS	    1000
#define ROUND_OPS   3000
#define LIST_RANGES 6

struct slot {
	struct gm_region *region; /* NULL: free */
	uint64_t start, size;	  /* start in the span */
	bool read_only;
	bool dirty[SPAN / DIRTY_PAGE + 1];
};

struct world {
	struct test_random random;
	unsigned int round, op;
	const char *what;
	struct gm_memory *memory;
	gm_addr base; /* guest address of the span */
	struct slot slots[SLOTS];
	int8_t slot_at[SPAN]; /* -1: a hole */
	uint8_t value[SPAN];
	int fd;
	uint8_t file[FILE_SIZE];
};

static uint8_t buffer[2 * SPAN];

static void give_up(const struct world *w, const char *format, ...)
	__attribute__((format(printf, 2, 3), noreturn));

static void give_up(const struct world *w, const char *format, ...)
{
	char text[200];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	ck_abort_msg("TEST_SEED=%#lx, operation %u of round %u, %s: %s", test_seed(), w->op, w->round,
		     w->what, text);
}

/* libcheck's own assertions cost more than the operations they would follow. */
#define CHECK(w, condition)                                                                        \
	do {                                                                                       \
		if (!(condition))                                                                  \
			give_up(w, "line %d: %s", __LINE__, #condition);                              \
	} while (0)

static uint64_t below(struct world *w, uint64_t bound)
{
	return test_random_below(&w->random, bound);
}

static size_t some_length(struct world *w)
{
	switch (below(w, 20)) {
	case 0: return below(w, SPAN);
	case 1 ... 5: return below(w, 400);
	case 6: return 0;
	default: return 1 + below(w, 40);
	}
}

/* An offset in the span; often next to the edge of a region, where it matters. */
static uint64_t some_place(struct world *w)
{
	const struct slot *slot = &w->slots[below(w, SLOTS)];
	uint64_t at = slot->start;

	if (!slot->region || below(w, 3))
		return below(w, SPAN);
	if (below(w, 2))
		at += slot->size;
	at -= below(w, 12);
	return at < SPAN ? at : 0;
}

static void fill(struct world *w, uint8_t *data, size_t len)
{
	uint64_t word = test_random(&w->random);

	for (size_t i = 0; i < len; i++) {
		data[i] = (uint8_t)(word >> (i % 8 * 8));
		if (i % 8 == 7)
			word = word * 6364136223846793005ULL + 1442695040888963407ULL;
	}
}

/* --- the model --- */

static bool can(const struct world *w, uint64_t at, enum gm_access access)
{
	return at < SPAN && w->slot_at[at] >= 0 &&
	       !((access & GM_ACCESS_WRITE) && w->slots[w->slot_at[at]].read_only);
}

/* How many of @len bytes from @at on can be accessed without a gap. */
static size_t run_length(const struct world *w, uint64_t at, size_t len, enum gm_access access)
{
	size_t n = 0;

	while (n < len && can(w, at + n, access))
		n++;
	return n;
}

/* The error of an access that cannot even begin. */
static int first_error(const struct world *w, uint64_t at)
{
	return can(w, at, GM_ACCESS_READ) ? GM_ERR_READ_ONLY : GM_ERR_INVALID_ADDRESS;
}

static void mark(struct world *w, uint64_t at, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		struct slot *slot = &w->slots[w->slot_at[at + i]];

		slot->dirty[(at + i - slot->start) / DIRTY_PAGE] = true;
	}
}

static void put_bytes(struct world *w, uint64_t at, const uint8_t *data, size_t len)
{
	memcpy(w->value + at, data, len);
	mark(w, at, len);
}

/* A transfer of up to @len bytes moved @n: is that what the model says? Returns the count. */
static size_t check_count(const struct world *w, uint64_t at, size_t len, enum gm_access access,
			  ssize_t n)
{
	size_t run = run_length(w, at, len, access);

	if (run == 0 && len)
		CHECK(w, n == first_error(w, at));
	else
		CHECK(w, n == (ssize_t)run);
	return run;
}

static void check_exact(const struct world *w, uint64_t at, size_t len, enum gm_access access,
			int err, size_t done)
{
	size_t run = run_length(w, at, len, access);

	CHECK(w, done == run);
	if (run == len)
		CHECK(w, err == 0);
	else
		CHECK(w, err == (run ? GM_ERR_PARTIAL : first_error(w, at)));
}

/* --- bytes --- */

static void op_read(struct world *w)
{
	uint64_t at = some_place(w);
	size_t len = some_length(w);
	ssize_t n = gm_read(w->memory, w->base + at, buffer, len);

	len = check_count(w, at, len, GM_ACCESS_READ, n);
	CHECK(w, !memcmp(buffer, w->value + at, len));
}

static void op_write(struct world *w)
{
	uint64_t at = some_place(w);
	size_t len = some_length(w);

	fill(w, buffer, len);
	len = check_count(w, at, len, GM_ACCESS_WRITE,
			  gm_write(w->memory, w->base + at, buffer, len));
	put_bytes(w, at, buffer, len);
}

static void op_exact(struct world *w)
{
	uint64_t at = some_place(w);
	size_t len = some_length(w), done;
	int err;

	if (below(w, 2)) {
		err = gm_read_exact(w->memory, w->base + at, buffer, len, &done);
		check_exact(w, at, len, GM_ACCESS_READ, err, done);
		CHECK(w, !memcmp(buffer, w->value + at, done));
	} else {
		fill(w, buffer, len);
		err = gm_write_exact(w->memory, w->base + at, buffer, len, &done);
		check_exact(w, at, len, GM_ACCESS_WRITE, err, done);
		put_bytes(w, at, buffer, done);
	}
}

/* What an access that must stay in one region says, and whether it is aligned there. */
static int one_region_error(const struct world *w, uint64_t at, size_t len, enum gm_access access)
{
	const struct slot *slot;

	if (!can(w, at, GM_ACCESS_READ))
		return GM_ERR_INVALID_ADDRESS;
	slot = &w->slots[w->slot_at[at]];
	if (len > slot->start + slot->size - at)
		return GM_ERR_INVALID_BACKEND;
	return can(w, at, access) ? 0 : GM_ERR_READ_ONLY;
}

static void op_atomic(struct world *w)
{
	uint64_t at = some_place(w), value = test_random(&w->random);
	bool store = below(w, 2);
	size_t size = (size_t)1 << below(w, 4);
	int err, expected = one_region_error(w, at, size, store ? GM_ACCESS_WRITE : GM_ACCESS_READ);
	gm_addr addr = w->base + at;
	uint8_t v1 = (uint8_t)value;
	uint16_t v2 = (uint16_t)value;
	uint32_t v4 = (uint32_t)value;

	if (!expected && (at - w->slots[w->slot_at[at]].start) % size)
		expected = GM_ERR_INVALID_BACKEND;
	if (size == 1)
		err = store ? gm_store_u8(w->memory, addr, v1, __ATOMIC_RELEASE)
			    : gm_load_u8(w->memory, addr, &v1, __ATOMIC_ACQUIRE);
	else if (size == 2)
		err = store ? gm_store_u16(w->memory, addr, v2, __ATOMIC_RELAXED)
			    : gm_load_u16(w->memory, addr, &v2, __ATOMIC_RELAXED);
	else if (size == 4)
		err = store ? gm_store_u32(w->memory, addr, v4, __ATOMIC_SEQ_CST)
			    : gm_load_u32(w->memory, addr, &v4, __ATOMIC_SEQ_CST);
	else
		err = store ? gm_store_u64(w->memory, addr, value, __ATOMIC_RELEASE)
			    : gm_load_u64(w->memory, addr, &value, __ATOMIC_ACQUIRE);
	CHECK(w, err == expected);
	if (err)
		return;
	value = size == 1 ? v1 : size == 2 ? v2 : size == 4 ? v4 : value;
	if (store)
		put_bytes(w, at, (uint8_t *)&value, size);
	else
		CHECK(w, !memcmp(&value, w->value + at, size));
}

/* --- look-ups and slices --- */

static void op_look_up(struct world *w)
{
	uint64_t at = some_place(w), offset;
	size_t len = some_length(w);
	enum gm_access access = (enum gm_access)below(w, 4);
	struct gm_region *region = gm_to_region_addr(w->memory, w->base + at, &offset);
	const struct slot *slot = w->slot_at[at] < 0 ? NULL : &w->slots[w->slot_at[at]];

	CHECK(w, region == (slot ? slot->region : NULL));
	CHECK(w, gm_find_region(w->memory, w->base + at) == region);
	CHECK(w, !slot || offset == at - slot->start);
	CHECK(w, gm_check_range(w->memory, w->base + at, len, access) ==
			 (run_length(w, at, len, access) == len));
}

static bool some_slice(struct world *w, enum gm_access access, uint64_t *at, struct gm_slice *slice)
{
	size_t len = some_length(w);
	int err;

	*at = some_place(w);
	err = gm_get_slice(w->memory, w->base + *at, len, access, slice);
	CHECK(w, err == one_region_error(w, *at, len, access));
	if (!err) {
		const struct slot *owner = &w->slots[w->slot_at[*at]];

		CHECK(w, slice->len == len);
		CHECK(w, slice->host == (uint8_t *)gm_region_host(owner->region) + *at -
						owner->start);
	}
	return !err;
}

static void op_slice_copy(struct world *w)
{
	struct gm_slice from, to;
	uint64_t at_from, at_to;
	size_t len;

	if (!some_slice(w, GM_ACCESS_READ, &at_from, &from) ||
	    !some_slice(w, GM_ACCESS_WRITE, &at_to, &to))
		return;
	len = from.len < to.len ? from.len : to.len;
	CHECK(w, gm_slice_copy(&to, &from) == (ssize_t)len);
	memmove(w->value + at_to, w->value + at_from, len);
	mark(w, at_to, len);
}

static void op_slice_elements(struct world *w)
{
	size_t size = (size_t)1 << below(w, 4), count = below(w, 50), expected;
	struct gm_slice slice;
	uint64_t at;

	if (!some_slice(w, GM_ACCESS_WRITE, &at, &slice))
		return;
	expected = slice.len / size < count ? slice.len / size : count;
	if (below(w, 2)) {
		CHECK(w, gm_slice_copy_to(&slice, size, buffer, count) == (ssize_t)expected);
		CHECK(w, !memcmp(buffer, w->value + at, expected * size));
	} else {
		fill(w, buffer, count * size);
		CHECK(w, gm_slice_copy_from(&slice, size, buffer, count) == (ssize_t)expected);
		put_bytes(w, at, buffer, expected * size);
	}
}

/* By region offset, and a part of a part. */
static void op_region(struct world *w)
{
	struct slot *slot = &w->slots[below(w, SLOTS)];
	struct gm_slice slice, part;
	uint64_t offset, in_part;
	size_t len = some_length(w), n;
	ssize_t got;

	if (!slot->region || slot->read_only)
		return;
	offset = below(w, slot->size);
	n = len < slot->size - offset ? len : slot->size - offset;
	fill(w, buffer, len);
	CHECK(w, gm_region_write(slot->region, offset, buffer, len) == (ssize_t)n);
	put_bytes(w, slot->start + offset, buffer, n);

	slice = gm_region_slice(slot->region);
	CHECK(w, !gm_slice_offset(&slice, offset, &part));
	in_part = below(w, part.len);
	n = len < part.len - in_part ? len : part.len - in_part;
	got = gm_slice_read(&part, in_part, buffer, len);
	CHECK(w, got == (ssize_t)n);
	CHECK(w, !memcmp(buffer, w->value + slot->start + offset + in_part, n));
}

/* --- lists --- */

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

static void op_list_read(struct world *w)
{
	make_list(w, GM_ACCESS_READ);
	for (int i = 0; i < 3; i++) {
		size_t len = some_length(w), run = list_run(w, len, GM_ACCESS_READ);
		int err = gm_sg_read(&list.sg, buffer, len);

		if (len > list.len - list.pos) {
			CHECK(w, err == GM_ERR_PARTIAL);
		} else {
			CHECK(w, (err == 0) == (run == len));
			list_compare(w, buffer, run);
		}
		list_iovec(w, GM_ACCESS_READ);
		list_skip(w);
		CHECK(w, gm_sg_left(&list.sg) == list.len - list.pos);
	}
}

static void op_list_write(struct world *w)
{
	make_list(w, GM_ACCESS_WRITE);
	for (int i = 0; i < 3; i++) {
		size_t len = some_length(w), run = list_run(w, len, GM_ACCESS_WRITE);
		struct gm_sg copy;
		int err;

		fill(w, buffer, len);
		err = gm_sg_write(&list.sg, buffer, len);
		if (len > list.len - list.pos) {
			CHECK(w, err == GM_ERR_PARTIAL);
		} else {
			CHECK(w, (err == 0) == (run == len));
			list_put(w, buffer, run);
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

static void op_list_file(struct world *w)
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
		list_put(w, w->file + offset, run);
	} else {
		for (size_t i = 0; i < run; i++)
			w->file[offset + i] = w->value[list.at[i]];
	}
	CHECK(w, gm_sg_left(&list.sg) == list.len - run);
}

/* --- streams --- */

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
	memcpy(into->host, buffer + s->moved, n);
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
	memcpy(buffer + s->moved, from->host, n);
	s->moved += n;
	return (ssize_t)n;
}

static void op_stream(struct world *w)
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
		CHECK(w, s.moved == run && !memcmp(buffer, w->value + at, run));
		return;
	}
	fill(w, buffer, len);
	n = gm_read_from(w->memory, w->base + at, len, &s.reader);
	if (s.came_short)
		CHECK(w, n == (ssize_t)s.moved);
	else
		check_count(w, at, len, GM_ACCESS_WRITE, n);
	put_bytes(w, at, buffer, s.moved);
}

static void op_file(struct world *w)
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

/* --- the memory itself --- */

static struct slot *add_slot(struct world *w, struct gm_region *region, uint64_t start, uint64_t size,
			     bool read_only)
{
	for (size_t i = 0; i < SLOTS; i++) {
		if (w->slots[i].region)
			continue;
		w->slots[i] = (struct slot){region, start, size, read_only, {0}};
		memset(w->slot_at + start, (int)i, size);
		memset(w->value + start, 0, size);
		return &w->slots[i];
	}
	give_up(w, "more regions than the model has room for");
}

static void op_insert(struct world *w)
{
	struct gm_region_config config = {
		.start = some_place(w),
		.flags = below(w, 5) ? 0 : GM_REGION_READ_ONLY,
		.dirty_page = DIRTY_PAGE,
	};
	uint64_t start = config.start, free_bytes = 0;
	struct gm_memory *grown;
	struct gm_region *region;
	int err;

	config.size = 1 + below(w, below(w, 2) ? 30 : 900);
	config.size = config.size < SPAN - start ? config.size : SPAN - start;
	if (gm_memory_count(w->memory) == SLOTS)
		return;
	while (free_bytes < config.size && w->slot_at[start + free_bytes] < 0)
		free_bytes++;
	config.start += w->base;
	CHECK(w, !gm_region_new(&config, &region));
	err = gm_memory_insert(w->memory, region, &grown);
	CHECK(w, err == (free_bytes == config.size ? 0 : GM_ERR_OVERLAP));
	if (!err) {
		add_slot(w, region, start, config.size, config.flags != 0);
		/* The old memory is as it was. */
		CHECK(w, !gm_address_in_range(w->memory, config.start));
		gm_memory_put(w->memory);
		w->memory = grown;
	}
	gm_region_put(region);
}

static void op_remove(struct world *w)
{
	struct slot *slot = &w->slots[below(w, SLOTS)];
	struct gm_region *removed;
	struct gm_memory *shrunk;
	uint64_t wrong = below(w, 8) ? 0 : 1;
	int err;

	if (!slot->region)
		return;
	err = gm_memory_remove(w->memory, w->base + slot->start, slot->size + wrong, &shrunk,
			       &removed);
	CHECK(w, err == (wrong ? GM_ERR_INVALID_REGION : 0));
	if (err)
		return;
	gm_memory_put(w->memory);
	w->memory = shrunk;
	CHECK(w, removed == slot->region);
	CHECK(w, !memcmp(gm_region_host(removed), w->value + slot->start, slot->size));
	gm_region_put(removed);
	memset(w->slot_at + slot->start, -1, slot->size);
	slot->region = NULL;
}

static void check_dirty(struct world *w, struct slot *slot)
{
	uint64_t words[SPAN / DIRTY_PAGE / 64 + 1];
	struct gm_bitmap *bitmap = gm_region_dirty(slot->region);

	gm_bitmap_get_and_reset(bitmap, words);
	for (uint64_t page = 0; page < gm_bitmap_pages(bitmap); page++) {
		CHECK(w, (words[page / 64] >> (page % 64) & 1) == slot->dirty[page]);
		slot->dirty[page] = false;
	}
}

static void op_dirty(struct world *w)
{
	struct slot *slot = &w->slots[below(w, SLOTS)];
	struct gm_bitmap *bitmap;
	uint64_t page, count;

	if (!slot->region)
		return;
	bitmap = gm_region_dirty(slot->region);
	page = below(w, gm_bitmap_pages(bitmap));
	count = 1 + below(w, 70);
	CHECK(w, gm_bitmap_is_set(bitmap, page) == slot->dirty[page]);
	if (below(w, 2)) {
		check_dirty(w, slot);
		return;
	}
	gm_bitmap_clear_range(bitmap, page * DIRTY_PAGE, count * DIRTY_PAGE);
	for (uint64_t i = page; i < page + count && i < gm_bitmap_pages(bitmap); i++)
		slot->dirty[i] = false;
}

static const struct operation {
	const char *name;
	unsigned int weight;
	void (*run)(struct world *w);
} operations[] = {
	{"read", 20, op_read},
	{"write", 20, op_write},
	{"exact", 10, op_exact},
	{"atomic", 15, op_atomic},
	{"look up", 10, op_look_up},
	{"slice copy", 5, op_slice_copy},
	{"slice elements", 5, op_slice_elements},
	{"region", 5, op_region},
	{"list read", 4, op_list_read},
	{"list write", 4, op_list_write},
	{"list file", 1, op_list_file},
	{"stream", 6, op_stream},
	{"file", 1, op_file},
	{"insert", 1, op_insert},
	{"remove", 1, op_remove},
	{"dirty", 3, op_dirty},
};

static void one_operation(struct world *w)
{
	unsigned int total = 0, pick;

	for (size_t i = 0; i < ARRAY_LEN(operations); i++)
		total += operations[i].weight;
	pick = (unsigned int)below(w, total);
	for (size_t i = 0; i < ARRAY_LEN(operations); i++) {
		if (pick < operations[i].weight) {
			w->what = operations[i].name;
			operations[i].run(w);
			return;
		}
		pick -= operations[i].weight;
	}
}

/* Up to half the slots, about every other one right behind the one before. */
static void make_world(struct world *w)
{
	static const gm_addr bases[] = {0, 0x1000, 0xfffff800, ~0ULL - SPAN};
	struct gm_region_config configs[SLOTS / 2] = {0};
	size_t count = 0, wanted = 1 + below(w, SLOTS / 2);
	uint64_t at = below(w, 100);

	w->base = bases[below(w, ARRAY_LEN(bases))];
	memset(w->slots, 0, sizeof(w->slots));
	memset(w->slot_at, -1, sizeof(w->slot_at));
	while (count < wanted) {
		uint64_t size = 1 + below(w, below(w, 3) ? 2 * SPAN / wanted : 20);

		if (at + size > SPAN)
			break;
		configs[count].start = w->base + at;
		configs[count].size = size;
		configs[count].flags = below(w, 8) ? 0 : GM_REGION_READ_ONLY;
		configs[count].dirty_page = DIRTY_PAGE;
		count++;
		at += size + (below(w, 2) ? 0 : below(w, 200));
	}
	if (count == 0)
		configs[count++] = (struct gm_region_config){
			.start = w->base, .size = 100, .dirty_page = DIRTY_PAGE};
	CHECK(w, !gm_memory_from_configs(configs, count, &w->memory, NULL));
	for (size_t i = 0; i < count; i++)
		add_slot(w, gm_memory_region(w->memory, i), configs[i].start - w->base,
			 configs[i].size, configs[i].flags != 0);
}

START_TEST(agrees_with_an_array_of_bytes)
{
	static struct world w;

	w.fd = make_file(FILE_SIZE);
	w.random = test_random_new(7);
	fill(&w, w.file, FILE_SIZE);
	ck_assert_int_eq(pwrite(w.fd, w.file, FILE_SIZE, 0), FILE_SIZE);
	for (w.round = 0; w.round < ROUNDS; w.round++) {
		w.what = "set-up";
		make_world(&w);
		for (w.op = 0; w.op < ROUND_OPS; w.op++)
			one_operation(&w);
		w.what = "final comparison";
		for (size_t i = 0; i < SLOTS; i++) {
			struct slot *slot = &w.slots[i];

			if (!slot->region)
				continue;
			check_dirty(&w, slot);
			CHECK(&w, !memcmp(gm_region_host(slot->region), w.value + slot->start,
					  slot->size));
		}
		gm_memory_put(w.memory);
	}
	close(w.fd);
}
END_TEST

Suite *property_suite(void)
{
	Suite *suite = suite_create("property");
	TCase *tcase = tcase_create("property");

	tcase_set_timeout(tcase, 300);
	tcase_add_test(tcase, agrees_with_an_array_of_bytes);
	suite_add_tcase(suite, tcase);
	return suite;
}
