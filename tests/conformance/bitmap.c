/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* bitmap and address cases. */
#include "tests/conformance/conformance.h"

#include <stdlib.h>

static void put_size(struct conf *c)
{
	conf_put(c, "ok 0x%lx 0x%lx", gm_bitmap_pages(c->bitmap), gm_bitmap_bytes(c->bitmap));
}

static void bitmap_open(struct conf *c)
{
	int err = c->argc == 2 ? gm_bitmap_new(conf_u64(c, 0), conf_u64(c, 1), &c->bitmap)
			       : GM_ERR_INVALID_ARGUMENT;

	if (err)
		conf_error_name(c, err);
	else
		put_size(c);
}

static void bitmap_close(struct conf *c)
{
	gm_bitmap_free(c->bitmap);
}

static void put_bool(struct conf *c, bool value)
{
	conf_put(c, value ? "true" : "false");
}

static void set_addr_range(struct conf *c)
{
	gm_bitmap_mark(c->bitmap, conf_u64(c, 0), conf_u64(c, 1));
	conf_put(c, "ok");
}

static void reset_addr_range(struct conf *c)
{
	gm_bitmap_clear_range(c->bitmap, conf_u64(c, 0), conf_u64(c, 1));
	conf_put(c, "ok");
}

static void set_bit(struct conf *c)
{
	gm_bitmap_set(c->bitmap, conf_u64(c, 0));
	conf_put(c, "ok");
}

static void reset_bit(struct conf *c)
{
	gm_bitmap_clear(c->bitmap, conf_u64(c, 0));
	conf_put(c, "ok");
}

static void is_bit_set(struct conf *c)
{
	put_bool(c, gm_bitmap_is_set(c->bitmap, conf_u64(c, 0)));
}

static void is_addr_set(struct conf *c)
{
	put_bool(c, gm_bitmap_dirty_at(c->bitmap, conf_u64(c, 0)));
}

static void slice_mark_dirty(struct conf *c)
{
	gm_bitmap_slice_mark(gm_bitmap_slice_at(c->bitmap, conf_u64(c, 0)), conf_u64(c, 1),
			     conf_u64(c, 2));
	conf_put(c, "ok");
}

static void slice_dirty_at(struct conf *c)
{
	put_bool(c, gm_bitmap_slice_dirty_at(gm_bitmap_slice_at(c->bitmap, conf_u64(c, 0)),
					     conf_u64(c, 1)));
}

static void enlarge(struct conf *c)
{
	int err = gm_bitmap_enlarge(c->bitmap, conf_u64(c, 0));

	if (err)
		conf_error_name(c, err);
	else
		put_size(c);
}

static void put_all(struct conf *c, bool take)
{
	size_t count = gm_bitmap_words(c->bitmap);
	uint64_t *words = conf_zalloc(count * sizeof(*words));

	if (take)
		gm_bitmap_get_and_reset(c->bitmap, words);
	else
		gm_bitmap_copy(c->bitmap, words);
	conf_put_words(c, words, count);
	free(words);
}

static void get_and_reset(struct conf *c)
{
	put_all(c, true);
}

static void clone_words(struct conf *c)
{
	put_all(c, false);
}

static void reset(struct conf *c)
{
	gm_bitmap_reset(c->bitmap);
	conf_put(c, "ok");
}

static const struct conf_op bitmap_ops[] = {
	{"bm_set_addr_range", 2, 2, set_addr_range},
	{"bm_reset_addr_range", 2, 2, reset_addr_range},
	{"bm_set_bit", 1, 1, set_bit},
	{"bm_reset_bit", 1, 1, reset_bit},
	{"bm_is_bit_set", 1, 1, is_bit_set},
	{"bm_is_addr_set", 1, 1, is_addr_set},
	{"bm_slice_mark_dirty", 3, 3, slice_mark_dirty},
	{"bm_slice_dirty_at", 2, 2, slice_dirty_at},
	{"bm_enlarge", 1, 1, enlarge},
	{"bm_get_and_reset", 0, 0, get_and_reset},
	{"bm_reset", 0, 0, reset},
	{"bm_words", 0, 0, clone_words},
	{NULL, 0, 0, NULL},
};

static const struct conf_op *const bitmap_tables[] = {bitmap_ops, NULL};

const struct conf_kind conf_bitmap = {"bitmap", bitmap_open, bitmap_close, bitmap_tables};

static void address_open(struct conf *c)
{
	conf_put(c, "ok");
}

static void address_close(struct conf *c)
{
	(void)c; /* a case without state */
}

static void put_option(struct conf *c, bool some, uint64_t value)
{
	if (some)
		conf_put(c, "0x%lx", value);
	else
		conf_put(c, "none");
}

static void checked_add(struct conf *c)
{
	gm_addr out = 0;
	bool some = gm_addr_checked_add(conf_u64(c, 0), conf_u64(c, 1), &out);

	put_option(c, some, out);
}

static void checked_sub(struct conf *c)
{
	gm_addr out = 0;
	bool some = gm_addr_checked_sub(conf_u64(c, 0), conf_u64(c, 1), &out);

	put_option(c, some, out);
}

static void checked_offset_from(struct conf *c)
{
	uint64_t out = 0;
	bool some = gm_addr_checked_offset_from(conf_u64(c, 0), conf_u64(c, 1), &out);

	put_option(c, some, out);
}

static void overflowing_add(struct conf *c)
{
	gm_addr out;
	bool wrapped = gm_addr_overflowing_add(conf_u64(c, 0), conf_u64(c, 1), &out);

	conf_put(c, "0x%lx %s", out, wrapped ? "true" : "false");
}

static void overflowing_sub(struct conf *c)
{
	gm_addr out;
	bool wrapped = gm_addr_overflowing_sub(conf_u64(c, 0), conf_u64(c, 1), &out);

	conf_put(c, "0x%lx %s", out, wrapped ? "true" : "false");
}

static void checked_align_up(struct conf *c)
{
	gm_addr out = 0;
	int err = gm_addr_align_up(conf_u64(c, 0), conf_u64(c, 1), &out);

	if (err && err != GM_ERR_ADDRESS_OVERFLOW)
		conf_error_name(c, err);
	else
		put_option(c, !err, out);
}

static void mask(struct conf *c)
{
	conf_put(c, "0x%lx", gm_addr_mask(conf_u64(c, 0), conf_u64(c, 1)));
}

static void and_or(struct conf *c)
{
	gm_addr addr = conf_u64(c, 0), other = conf_u64(c, 1);

	conf_put(c, "0x%lx 0x%lx", addr & other, addr | other);
}

static const struct conf_op address_ops[] = {
	{"checked_add", 2, 2, checked_add},
	{"checked_sub", 2, 2, checked_sub},
	{"checked_offset_from", 2, 2, checked_offset_from},
	{"overflowing_add", 2, 2, overflowing_add},
	{"overflowing_sub", 2, 2, overflowing_sub},
	{"checked_align_up", 2, 2, checked_align_up},
	{"mask", 2, 2, mask},
	{"and_or", 2, 2, and_or},
	{NULL, 0, 0, NULL},
};

static const struct conf_op *const address_tables[] = {address_ops, NULL};

const struct conf_kind conf_address = {"address", address_open, address_close, address_tables};
