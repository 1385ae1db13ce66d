/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* layout cases: a memory made of ranges, its look-ups, slices, dirty pages, insert and remove. */
#include "tests/conformance/conformance.h"

#include <stdlib.h>
#include <string.h>

#define DIRTY_PAGE 4096

static void layout_open(struct conf *c)
{
	struct gm_range *ranges = conf_zalloc((size_t)c->argc * sizeof(*ranges));
	int err = 0;

	for (int i = 0; i < c->argc; i++)
		conf_pair(c, i, &ranges[i].addr, &ranges[i].len);
	if (!c->malformed)
		err = gm_memory_from_ranges(ranges, (size_t)c->argc, DIRTY_PAGE, &c->memory, NULL);
	c->backend = c->memory;
	free(ranges);
	if (err)
		conf_error_name(c, err);
	else
		conf_put(c, "ok 0x%x", (unsigned int)c->argc);
}

static void layout_close(struct conf *c)
{
	gm_memory_put(c->memory);
}

static void put_bool(struct conf *c, bool value)
{
	conf_put(c, value ? "true" : "false");
}

static void put_option(struct conf *c, bool some, uint64_t value)
{
	if (some)
		conf_put(c, "0x%lx", value);
	else
		conf_put(c, "none");
}

static size_t region_index(const struct conf *c, const struct gm_region *region)
{
	size_t i = 0;

	while (gm_memory_region(c->memory, i) != region)
		i++;
	return i;
}

static void num_regions(struct conf *c)
{
	conf_put(c, "0x%zx", gm_memory_count(c->memory));
}

static void last_addr(struct conf *c)
{
	conf_put(c, "0x%lx", gm_memory_last(c->memory));
}

static void regions(struct conf *c)
{
	for (size_t i = 0; i < gm_memory_count(c->memory); i++) {
		const struct gm_region *region = gm_memory_region(c->memory, i);

		conf_put(c, "0x%lx:0x%lx:0x%lx ", gm_region_start(region), gm_region_size(region),
			 gm_region_last(region));
	}
	if (!gm_memory_count(c->memory))
		conf_put(c, "none");
}

static void find_region(struct conf *c)
{
	const struct gm_region *region = gm_find_region(c->memory, conf_u64(c, 0));

	put_option(c, region, region ? region_index(c, region) : 0);
}

static void to_region_addr(struct conf *c)
{
	uint64_t offset;
	const struct gm_region *region = gm_to_region_addr(c->memory, conf_u64(c, 0), &offset);

	if (region)
		conf_put(c, "0x%zx 0x%lx", region_index(c, region), offset);
	else
		conf_put(c, "none");
}

static void address_in_range(struct conf *c)
{
	put_bool(c, gm_address_in_range(c->memory, conf_u64(c, 0)));
}

static void check_address(struct conf *c)
{
	put_option(c, gm_address_in_range(c->memory, conf_u64(c, 0)), conf_u64(c, 0));
}

static void check_range(struct conf *c)
{
	put_bool(c, gm_check_range(c->memory, conf_u64(c, 0), conf_u64(c, 1), GM_ACCESS_NONE));
}

static void checked_offset(struct conf *c)
{
	gm_addr out = 0;
	bool some = gm_checked_offset(c->memory, conf_u64(c, 0), conf_u64(c, 1), &out);

	put_option(c, some, out);
}

/* "ok I OFF" of a host address, as opposed to I+OFF. */
static void put_ok_host(struct conf *c, const void *host)
{
	char *plus;

	conf_put(c, "ok ");
	conf_put_host(c, host);
	plus = strchr(c->out, '+');
	if (plus)
		*plus = ' ';
}

static void get_host_address(struct conf *c)
{
	struct conf_request request = {.addr = conf_u64(c, 0), .len = 1};
	void *host;
	int err = gm_get_host_address(c->memory, request.addr, GM_ACCESS_NONE, &host);

	if (err)
		conf_error(c, err, &request);
	else
		put_ok_host(c, host);
}

static void get_slice(struct conf *c)
{
	struct conf_request request = {.addr = conf_u64(c, 0), .len = conf_u64(c, 1)};
	struct gm_slice slice;
	int err = gm_get_slice(c->memory, request.addr, request.len, GM_ACCESS_NONE, &slice);

	if (err) {
		conf_error(c, err, &request);
		return;
	}
	put_ok_host(c, slice.host);
	conf_put(c, " 0x%zx", slice.len);
}

static void insert_region(struct conf *c)
{
	struct gm_region_config config = {
		.start = conf_u64(c, 0),
		.size = conf_u64(c, 1),
		.dirty_page = DIRTY_PAGE,
	};
	struct gm_memory *memory = NULL;
	struct gm_region *region;
	int err = gm_region_new(&config, &region);

	if (!err)
		err = gm_memory_insert(c->memory, region, &memory);
	gm_region_put(region);
	if (err) {
		conf_error_name(c, err);
		return;
	}
	gm_memory_put(c->memory);
	c->memory = c->backend = memory;
	conf_put(c, "ok 0x%zx", gm_memory_count(memory));
}

static void remove_region(struct conf *c)
{
	struct gm_memory *memory;
	struct gm_region *removed;
	int err = gm_memory_remove(c->memory, conf_u64(c, 0), conf_u64(c, 1), &memory, &removed);

	if (err) {
		/* The original has one name for it and for a memory without regions. */
		conf_error_name(c, err == GM_ERR_INVALID_REGION ? GM_ERR_NO_REGION : err);
		return;
	}
	gm_memory_put(c->memory);
	c->memory = c->backend = memory;
	conf_put(c, "ok 0x%zx removed 0x%lx:0x%lx", gm_memory_count(memory),
		 gm_region_start(removed), gm_region_size(removed));
	gm_region_put(removed);
}

static const struct conf_op layout_ops[] = {
	{"num_regions", 0, 0, num_regions},
	{"last_addr", 0, 0, last_addr},
	{"regions", 0, 0, regions},
	{"find_region", 1, 1, find_region},
	{"to_region_addr", 1, 1, to_region_addr},
	{"address_in_range", 1, 1, address_in_range},
	{"check_address", 1, 1, check_address},
	{"check_range", 2, 2, check_range},
	{"checked_offset", 2, 2, checked_offset},
	{"get_host_address", 1, 1, get_host_address},
	{"get_slice", 2, 2, get_slice},
	{"insert_region", 2, 2, insert_region},
	{"remove_region", 2, 2, remove_region},
	{NULL, 0, 0, NULL},
};

static const struct conf_op *const layout_tables[] = {
	layout_ops,      conf_region_ops,  conf_walk_ops, conf_bytes_ops,
	conf_stream_ops, conf_backend_ops, NULL,
};

const struct conf_kind conf_layout = {"layout", layout_open, layout_close, layout_tables};
