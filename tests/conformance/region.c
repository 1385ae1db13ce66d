/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Operations on one region (r_*) that are not Bytes, and try_access with its scripted callback. The
 * frame has taken the region's index off the arguments.
 */
#include "tests/conformance/conformance.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void put_option(struct conf *c, bool some, uint64_t value)
{
	if (some)
		conf_put(c, "0x%lx", value);
	else
		conf_put(c, "none");
}

static void check_address(struct conf *c)
{
	uint64_t offset = conf_u64(c, 0);

	put_option(c, gm_region_offset_in_range(c->target.region, offset), offset);
}

static void address_in_range(struct conf *c)
{
	conf_put(c, gm_region_offset_in_range(c->target.region, conf_u64(c, 0)) ? "true" : "false");
}

static void checked_offset(struct conf *c)
{
	uint64_t out;
	bool some = gm_region_checked_offset(c->target.region, conf_u64(c, 0), conf_u64(c, 1), &out);

	put_option(c, some, out);
}

static void to_region_addr(struct conf *c)
{
	uint64_t offset;
	bool some = gm_region_to_offset(c->target.region, conf_u64(c, 0), &offset);

	put_option(c, some, offset);
}

static uint64_t offset_of(const struct conf *c, const void *host)
{
	return (uintptr_t)host - (uintptr_t)gm_region_host(c->target.region);
}

static void get_host_address(struct conf *c)
{
	void *host;
	int err = gm_region_get_host_address(c->target.region, conf_u64(c, 0), &host);

	if (err)
		conf_error_name(c, err);
	else
		conf_put(c, "ok 0x%lx", offset_of(c, host));
}

static void get_slice(struct conf *c)
{
	struct gm_slice slice;
	int err = gm_region_get_slice(c->target.region, conf_u64(c, 0), conf_u64(c, 1), &slice);

	if (err)
		conf_error_name(c, err);
	else
		conf_put(c, "ok 0x%lx 0x%zx", offset_of(c, slice.host), slice.len);
}

/* try_access: what the callback does, and what it saw. */
struct attempt {
	struct conf *c;
	const char *mode;
	uint64_t argument;
	uint64_t calls;
};

#define CALLS_SHOWN 5

static ssize_t attempt_callback(void *arg, uint64_t done, const struct gm_slice *slice)
{
	struct attempt *attempt = arg;
	size_t len = slice->len;

	if (attempt->calls < CALLS_SHOWN) {
		conf_put(attempt->c, " 0x%lx,0x%zx,", done, len);
		conf_put_host(attempt->c, slice->host);
	}
	attempt->calls++;
	if (!strncmp(attempt->mode, "max:", 4))
		return (ssize_t)(len < attempt->argument ? len : attempt->argument);
	if (!strncmp(attempt->mode, "over:", 5))
		return (ssize_t)(len + attempt->argument);
	if (!strncmp(attempt->mode, "err_at:", 7) && attempt->calls == attempt->argument + 1)
		return GM_ERR_HOST_UNAVAILABLE;
	return strcmp(attempt->mode, "zero") ? (ssize_t)len : 0;
}

static bool mode_is_known(const char *mode)
{
	return !strcmp(mode, "all") || !strcmp(mode, "zero") || !strncmp(mode, "max:", 4) ||
	       !strncmp(mode, "over:", 5) || !strncmp(mode, "err_at:", 7);
}

static void try_access(struct conf *c)
{
	struct conf_request request = {.addr = conf_u64(c, 0), .len = conf_u64(c, 1)};
	const char *colon = strchr(c->argv[2], ':');
	struct attempt attempt = {
		.c = c,
		.mode = c->argv[2],
		.argument = colon ? strtoull(colon + 1, NULL, 0) : 0,
	};
	char *seen;
	ssize_t n;

	if (!mode_is_known(attempt.mode)) {
		c->malformed = true;
		return;
	}
	n = gm_try_access(c->target.memory, request.addr, request.len, GM_ACCESS_NONE,
			  attempt_callback, &attempt);
	seen = strdup(c->out);
	c->out_len = 0;
	if (n < 0)
		conf_error(c, (int)n, &request);
	else
		conf_put(c, "ok 0x%zx", (size_t)n);
	conf_put(c, " calls 0x%lx%s", attempt.calls, seen ? seen : "");
	free(seen);
}

const struct conf_op conf_region_ops[] = {
	{"r_check_address", 1, 1, check_address},
	{"r_address_in_range", 1, 1, address_in_range},
	{"r_checked_offset", 2, 2, checked_offset},
	{"r_to_region_addr", 1, 1, to_region_addr},
	{"r_get_host_address", 1, 1, get_host_address},
	{"r_get_slice", 2, 2, get_slice},
	{"try_access", 3, 3, try_access},
	{NULL, 0, 0, NULL},
};
