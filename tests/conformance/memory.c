/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* What layout and iommu cases share: walking slices, and a look at the memory as a whole. */
#include "tests/conformance/conformance.h"

#include <stdlib.h>

/* get_slices gives the error as the last item; its stop_on_error form only as the first. */
static void slices(struct conf *c, bool stop)
{
	struct conf_request request = {.addr = conf_u64(c, 0), .len = conf_u64(c, 1)};
	struct gm_slice slice;
	struct gm_iter it;
	bool any = false;

	if (c->argc > 2)
		request.access = conf_access(c, 2);
	gm_iter_init(&it, c->memory, request.addr, request.len, request.access);
	while (gm_iter_next(&it, &slice)) {
		conf_put(c, stop && !any ? "ok " : "");
		any = true;
		conf_put_host(c, slice.host);
		conf_put(c, ":0x%zx ", slice.len);
	}
	if (it.error && !(stop && any))
		conf_error(c, it.error, &request);
	else
		conf_put(c, stop && !any ? "ok end" : "end");
	if (gm_iter_next(&it, &slice))
		conf_put(c, " (another slice behind the end)");
}

static void get_slices(struct conf *c)
{
	slices(c, false);
}

static void get_slices_stop(struct conf *c)
{
	slices(c, true);
}

const struct conf_op conf_walk_ops[] = {
	{"get_slices", 2, 3, get_slices},
	{"get_slices_stop", 2, 3, get_slices_stop},
	{NULL, 0, 0, NULL},
};

bool conf_put_dirty_pages(struct conf *c, const struct gm_bitmap *bitmap)
{
	uint64_t pages = gm_bitmap_pages(bitmap);
	bool any = false;

	for (uint64_t page = 0; page < pages; page++) {
		if (!gm_bitmap_is_set(bitmap, page))
			continue;
		conf_put(c, "%s0x%lx", any ? "," : "", page);
		any = true;
	}
	return any;
}

static void dirty(struct conf *c)
{
	size_t start = c->out_len;

	for (size_t i = 0; i < gm_memory_count(c->backend); i++) {
		size_t before = c->out_len;

		conf_put(c, "0x%zx=", i);
		if (conf_put_dirty_pages(c, gm_region_dirty(gm_memory_region(c->backend, i))))
			conf_put(c, " ");
		else
			c->out[c->out_len = before] = '\0';
	}
	if (c->out_len == start)
		conf_put(c, "none");
}

static void dirty_at(struct conf *c)
{
	uint64_t offset;
	const struct gm_region *region = gm_to_region_addr(c->backend, conf_u64(c, 0), &offset);

	if (region)
		conf_put(c, gm_bitmap_dirty_at(gm_region_dirty(region), offset) ? "true" : "false");
	else
		conf_put(c, "none");
}

static void reset_dirty(struct conf *c)
{
	for (size_t i = 0; i < gm_memory_count(c->backend); i++)
		gm_bitmap_reset(gm_region_dirty(gm_memory_region(c->backend, i)));
	conf_put(c, "ok");
}

static void dirty_get_and_reset(struct conf *c)
{
	struct gm_region *region = gm_memory_region(c->backend, conf_u64(c, 0));
	struct gm_bitmap *bitmap;
	uint64_t *words;

	if (!region) {
		c->malformed = true;
		return;
	}
	bitmap = gm_region_dirty(region);
	words = conf_zalloc(gm_bitmap_words(bitmap) * sizeof(*words));
	gm_bitmap_get_and_reset(bitmap, words);
	conf_put_words(c, words, gm_bitmap_words(bitmap));
	free(words);
}

static void fnv(struct conf *c)
{
	uint64_t hash = CONF_FNV_BASE;

	for (size_t i = 0; i < gm_memory_count(c->backend); i++) {
		const struct gm_region *region = gm_memory_region(c->backend, i);

		hash = conf_fnv(hash, gm_region_host(region), gm_region_size(region));
	}
	conf_put(c, "0x%lx", hash);
}

const struct conf_op conf_backend_ops[] = {
	{"dirty", 0, 0, dirty},
	{"dirty_at", 1, 1, dirty_at},
	{"reset_dirty", 0, 0, reset_dirty},
	{"dirty_get_and_reset", 1, 1, dirty_get_and_reset},
	{"fnv", 0, 0, fnv},
	{NULL, 0, 0, NULL},
};
