/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* slice cases: page-aligned host memory with a dirty bitmap of its own. */
#include "tests/conformance/conformance.h"

#include <stdlib.h>
#include <string.h>

#define PAGE 4096

static void slice_open(struct conf *c)
{
	size_t len = c->argc == 2 ? conf_u64(c, 0) : 0;
	int err = c->argc == 2 ? gm_bitmap_new(len, conf_u64(c, 1), &c->bitmap)
			       : GM_ERR_INVALID_ARGUMENT;
	size_t room = (len / PAGE + 1) * PAGE;

	if (err) {
		conf_error_name(c, err);
		return;
	}
	c->host = aligned_alloc(PAGE, room);
	if (!c->host) {
		c->malformed = true;
		return;
	}
	memset(c->host, 0, room);
	c->slice = gm_slice_from_host(c->host, len, c->bitmap, 0);
	conf_put(c, "ok");
}

static void slice_close(struct conf *c)
{
	gm_bitmap_free(c->bitmap);
	free(c->host);
	c->slice = (struct gm_slice){0};
}

static uint64_t offset_of(const struct conf *c, const struct gm_slice *part)
{
	return (uint64_t)(part->host - c->slice.host);
}

static void subslice(struct conf *c)
{
	struct conf_request request = {.addr = conf_u64(c, 0), .len = conf_u64(c, 1), .range = true};
	struct gm_slice part;
	int err = gm_slice_sub(&c->slice, request.addr, request.len, &part);

	if (err)
		conf_error(c, err, &request);
	else
		conf_put(c, "ok 0x%lx 0x%zx", offset_of(c, &part), part.len);
}

static void offset(struct conf *c)
{
	struct conf_request request = {.addr = conf_u64(c, 0), .from_host = true};
	struct gm_slice part;
	int err = gm_slice_offset(&c->slice, request.addr, &part);

	if (err)
		conf_error(c, err, &request);
	else
		conf_put(c, "ok 0x%lx 0x%zx", offset_of(c, &part), part.len);
}

static void split_at(struct conf *c)
{
	struct conf_request request = {.addr = conf_u64(c, 0), .from_host = true};
	struct gm_slice head, tail;
	int err = gm_slice_split_at(&c->slice, request.addr, &head, &tail);

	if (err)
		conf_error(c, err, &request);
	else
		conf_put(c, "ok 0x%zx 0x%zx", head.len, tail.len);
}

static void compute_end_offset(struct conf *c)
{
	struct conf_request request = {.addr = conf_u64(c, 0), .len = conf_u64(c, 1), .range = true};
	size_t end;
	int err = gm_slice_end_offset(&c->slice, request.addr, request.len, &end);

	if (err)
		conf_error(c, err, &request);
	else
		conf_put(c, "ok 0x%zx", end);
}

/* The value behind a pointer the library gave out. */
static void put_pointee(struct conf *c, int err, const void *ref, uint64_t at)
{
	struct conf_request request = {.addr = at, .len = c->width, .range = true};
	uint64_t value = 0;

	if (err) {
		conf_error(c, err, &request);
		return;
	}
	memcpy(&value, ref, c->width);
	conf_put(c, "ok 0x%lx", value);
}

static void get_atomic_ref(struct conf *c)
{
	void *ref = NULL;
	int err = gm_slice_atomic_ref(&c->slice, conf_u64(c, 0), c->width, &ref);

	put_pointee(c, err, ref, conf_u64(c, 0));
}

static void aligned_as_ref(struct conf *c)
{
	const void *ref = NULL;
	int err = gm_slice_aligned_ref(&c->slice, conf_u64(c, 0), c->width, c->width, &ref);

	put_pointee(c, err, ref, conf_u64(c, 0));
}

static void ref_access(struct conf *c, bool store)
{
	struct conf_request request = {.addr = conf_u64(c, 0), .len = c->width, .range = true};
	uint64_t value = store ? conf_u64(c, 1) : 0;
	struct gm_slice ref;
	int err = gm_slice_ref(&c->slice, request.addr, c->width, &ref);

	if (!err)
		err = store ? gm_ref_store(&ref, &value) : gm_ref_load(&ref, &value);
	if (err)
		conf_error(c, err, &request);
	else if (store)
		conf_put(c, "ok");
	else
		conf_put(c, "ok 0x%lx", value);
}

static void ref_store(struct conf *c)
{
	ref_access(c, true);
}

static void ref_load(struct conf *c)
{
	ref_access(c, false);
}

/* The array OFF COUNT that all array operations begin with; on error the result is written. */
static bool get_array(struct conf *c, struct gm_array *array)
{
	struct conf_request request = {.addr = conf_u64(c, 0), .range = true};
	uint64_t count = conf_u64(c, 1);
	int err = gm_slice_array(&c->slice, request.addr, count, c->width, array);

	request.len = count * c->width;
	if (err == GM_ERR_TOO_BIG) {
		c->refused = true;
		conf_put(c, "err too_big 0x%lx 0x%zx", count, c->width);
	} else if (err) {
		conf_error(c, err, &request);
	}
	return !err;
}

static void array_ref(struct conf *c)
{
	struct gm_array array;

	if (get_array(c, &array))
		conf_put(c, "ok 0x%zx 0x%zx", array.count, array.size);
}

static void array_store(struct conf *c)
{
	uint64_t value = conf_u64(c, 3);
	struct gm_array array;
	int err;

	if (!get_array(c, &array))
		return;
	err = gm_array_store(&array, conf_u64(c, 2), &value);
	if (err)
		conf_error_name(c, err);
	else
		conf_put(c, "ok");
}

static void array_load(struct conf *c)
{
	struct gm_array array;
	uint64_t value = 0;
	int err;

	if (!get_array(c, &array))
		return;
	err = gm_array_load(&array, conf_u64(c, 2), &value);
	if (err)
		conf_error_name(c, err);
	else
		conf_put(c, "ok 0x%lx", value);
}

/* "COPIED v,v" with the whole buffer, which began as zeroes. */
static void put_copied(struct conf *c, ssize_t copied, const uint8_t *buf, size_t count)
{
	uint64_t *values = conf_zalloc(count * sizeof(*values));

	if (copied < 0) {
		conf_error_name(c, (int)copied);
	} else {
		for (size_t i = 0; i < count; i++)
			memcpy(&values[i], buf + i * c->width, c->width);
		conf_put(c, "0x%zx ", (size_t)copied);
		conf_put_words(c, values, count);
	}
	free(values);
}

static void put_done(struct conf *c, ssize_t copied)
{
	if (copied < 0)
		conf_error_name(c, (int)copied);
	else
		conf_put(c, "ok");
}

static void array_copy_to(struct conf *c)
{
	size_t count = conf_u64(c, 2);
	struct gm_array array;
	uint8_t *buf;

	if (!get_array(c, &array))
		return;
	buf = conf_zalloc(count * c->width);
	put_copied(c, gm_array_copy_to(&array, buf, count), buf, count);
	free(buf);
}

static void array_copy_from(struct conf *c)
{
	struct gm_array array;
	uint8_t *list;
	size_t count;

	if (!get_array(c, &array))
		return;
	list = conf_list(c, 2, c->width, &count);
	put_done(c, gm_array_copy_from(&array, list, count));
	free(list);
}

/* The subslice that two arguments name; on error the result is written. */
static bool get_part(struct conf *c, int arg, struct gm_slice *part)
{
	struct conf_request request = {
		.addr = conf_u64(c, arg), .len = conf_u64(c, arg + 1), .range = true};
	int err = gm_slice_sub(&c->slice, request.addr, request.len, part);

	if (err)
		conf_error(c, err, &request);
	return !err;
}

static void copy_to(struct conf *c)
{
	size_t count = conf_u64(c, 2);
	struct gm_slice part;
	uint8_t *buf;

	if (!get_part(c, 0, &part))
		return;
	buf = conf_zalloc(count * c->width);
	put_copied(c, gm_slice_copy_to(&part, c->width, buf, count), buf, count);
	free(buf);
}

static void copy_from(struct conf *c)
{
	struct gm_slice part;
	uint8_t *list;
	size_t count;

	if (!get_part(c, 0, &part))
		return;
	list = conf_list(c, 2, c->width, &count);
	put_done(c, gm_slice_copy_from(&part, c->width, list, count));
	free(list);
}

static void copy_to_volatile_slice(struct conf *c)
{
	struct gm_slice from, to;

	if (get_part(c, 0, &from) && get_part(c, 2, &to))
		put_done(c, gm_slice_copy(&to, &from));
}

/* Long lists of pages are recorded as their number and a hash of one byte for each page. */
static void dirty(struct conf *c)
{
	uint64_t hash = CONF_FNV_BASE, count = 0;

	for (uint64_t page = 0; page < gm_bitmap_pages(c->bitmap); page++) {
		uint8_t set = gm_bitmap_is_set(c->bitmap, page);

		hash = conf_fnv(hash, &set, 1);
		count += set;
	}
	if (count > 16)
		conf_put(c, "count:0x%lx:fnv:0x%lx", count, hash);
	else if (!conf_put_dirty_pages(c, c->bitmap))
		conf_put(c, "none");
}

static void sub_dirty_at(struct conf *c)
{
	struct gm_slice part;

	if (get_part(c, 0, &part))
		conf_put(c, gm_slice_dirty_at(&part, conf_u64(c, 2)) ? "true" : "false");
}

static void reset_dirty(struct conf *c)
{
	gm_bitmap_reset(c->bitmap);
	conf_put(c, "ok");
}

static void dump(struct conf *c)
{
	conf_put_data(c, c->slice.host, c->slice.len);
}

static const struct conf_op slice_ops[] = {
	{"subslice", 2, 2, subslice},
	{"offset", 1, 1, offset},
	{"split_at", 1, 1, split_at},
	{"compute_end_offset", 2, 2, compute_end_offset},
	{"get_atomic_ref#", 1, 1, get_atomic_ref},
	{"aligned_as_ref#", 1, 1, aligned_as_ref},
	{"ref_store#", 2, 2, ref_store},
	{"ref_load#", 1, 1, ref_load},
	{"array_ref#", 2, 2, array_ref},
	{"array_store#", 4, 4, array_store},
	{"array_load#", 3, 3, array_load},
	{"array_copy_to#", 3, 3, array_copy_to},
	{"array_copy_from#", 3, 3, array_copy_from},
	{"copy_to#", 3, 3, copy_to},
	{"copy_from#", 3, 3, copy_from},
	{"copy_to_volatile_slice", 4, 4, copy_to_volatile_slice},
	{"dirty", 0, 0, dirty},
	{"sub_dirty_at", 3, 3, sub_dirty_at},
	{"reset_dirty", 0, 0, reset_dirty},
	{"dump", 0, 0, dump},
	{NULL, 0, 0, NULL},
};

static const struct conf_op *const slice_tables[] = {
	slice_ops,
	conf_bytes_ops,
	conf_stream_ops,
	NULL,
};

const struct conf_kind conf_slice = {"slice", slice_open, slice_close, slice_tables};
