/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Tokens and results of the vector format; which error is called what. */
#include "tests/conformance/conformance.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FNV_PRIME 0x100000001b3ULL

/* Reads that ask for more than this are refused: no recorded one can be answered with so much. */
#define BUFFER_MAX (1ULL << 32)

void *conf_zalloc(size_t len)
{
	void *buf = len <= BUFFER_MAX ? calloc(len ? len : 1, 1) : NULL;

	if (!buf) {
		fprintf(stderr, "conformance: no memory for a buffer of %#zx bytes\n", len);
		exit(2);
	}
	return buf;
}

/* Translations may map the same memory more than once, but not that often. */
#define MAPPED_TIMES 256

size_t conf_room(const struct conf *c, uint64_t len)
{
	uint64_t room = c->target.slice ? c->target.slice->len : 0;

	if (c->target.region)
		room = gm_region_size(c->target.region);
	for (size_t i = 0; c->target.memory && i < gm_memory_count(c->backend); i++)
		room += MAPPED_TIMES * gm_region_size(gm_memory_region(c->backend, i));
	return len < room ? len : room;
}

static uint64_t parse_u64(struct conf *c, const char *text, const char *stop)
{
	uint64_t value;
	char *end;

	errno = 0;
	value = strtoull(text, &end, 0);
	if (errno || end == text || !strchr(stop, *end))
		c->malformed = true;
	return value;
}

uint64_t conf_u64(struct conf *c, int arg)
{
	return parse_u64(c, c->argv[arg], "");
}

bool conf_pair(struct conf *c, int arg, uint64_t *first, uint64_t *second)
{
	const char *colon = strchr(c->argv[arg], ':');

	if (!colon) {
		c->malformed = true;
		return false;
	}
	*first = parse_u64(c, c->argv[arg], ":");
	*second = parse_u64(c, colon + 1, "");
	return !c->malformed;
}

enum gm_access conf_access(struct conf *c, int arg)
{
	static const char *const names[] = {"no", "r", "w", "rw"};

	for (int i = 0; i < 4; i++) {
		if (!strcmp(c->argv[arg], names[i]))
			return (enum gm_access)i;
	}
	c->malformed = true;
	return GM_ACCESS_NONE;
}

static uint8_t *generate(struct conf *c, const char *text, size_t *len)
{
	const char *colon = strchr(text, ':');
	uint64_t seed;
	uint8_t *data;

	if (!colon) {
		c->malformed = true;
		*len = 0;
		return conf_zalloc(0);
	}
	seed = parse_u64(c, text, ":");
	*len = parse_u64(c, colon + 1, "");
	data = conf_zalloc(*len);
	for (size_t i = 0; i < *len; i++)
		data[i] = (uint8_t)(((seed + i) * 0x9e3779b97f4a7c15ULL) >> 56);
	return data;
}

uint8_t *conf_data(struct conf *c, int arg, size_t *len)
{
	const char *text = c->argv[arg];
	uint8_t *data;

	if (!strncmp(text, "gen:", 4))
		return generate(c, text + 4, len);
	if (!strcmp(text, "-"))
		text = "";
	*len = strlen(text) / 2;
	c->malformed |= strlen(text) % 2 || strspn(text, "0123456789abcdef") != strlen(text);
	data = conf_zalloc(*len);
	for (size_t i = 0; i < *len && !c->malformed; i++)
		sscanf(text + 2 * i, "%2hhx", &data[i]);
	return data;
}

uint8_t *conf_list(struct conf *c, int arg, size_t width, size_t *count)
{
	const char *text = c->argv[arg];
	uint8_t *list;

	*count = 0;
	if (!strcmp(text, "-"))
		return conf_zalloc(0);
	list = conf_zalloc((strlen(text) + 1) * width);
	while (text) {
		uint64_t value = parse_u64(c, text, ",");

		memcpy(list + (*count)++ * width, &value, width);
		text = strchr(text, ',');
		text = text ? text + 1 : NULL;
	}
	return list;
}

void conf_put(struct conf *c, const char *format, ...)
{
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (c->out_len + (size_t)len + 1 > c->out_cap) {
		c->out_cap = 2 * (c->out_len + (size_t)len) + 256;
		c->out = realloc(c->out, c->out_cap);
		if (!c->out) {
			fprintf(stderr, "conformance: no memory for a result\n");
			exit(2);
		}
	}
	va_start(args, format);
	vsnprintf(c->out + c->out_len, (size_t)len + 1, format, args);
	va_end(args);
	c->out_len += (size_t)len;
}

uint64_t conf_fnv(uint64_t hash, const void *data, size_t len)
{
	const uint8_t *bytes = data;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ bytes[i]) * FNV_PRIME;
	return hash;
}

void conf_put_data(struct conf *c, const uint8_t *data, size_t len)
{
	if (len == 0) {
		conf_put(c, "-");
	} else if (len > 48) {
		conf_put(c, "fnv:0x%lx:0x%zx", conf_fnv(CONF_FNV_BASE, data, len), len);
	} else {
		for (size_t i = 0; i < len; i++)
			conf_put(c, "%02x", data[i]);
	}
}

void conf_put_words(struct conf *c, const uint64_t *words, size_t count)
{
	if (!count)
		conf_put(c, "-");
	for (size_t i = 0; i < count; i++)
		conf_put(c, "%s0x%lx", i ? "," : "", words[i]);
}

void conf_put_host(struct conf *c, const void *host)
{
	for (size_t i = 0; i < gm_memory_count(c->backend); i++) {
		const struct gm_region *region = gm_memory_region(c->backend, i);
		uint64_t offset = (uintptr_t)host - (uintptr_t)gm_region_host(region);

		if (offset < gm_region_size(region)) {
			conf_put(c, "0x%zx+0x%lx", i, offset);
			return;
		}
	}
	conf_put(c, "(a host address outside of all regions)");
}

/* The original's names, where they are not the library's own. */
void conf_error_name(struct conf *c, int err)
{
	static const struct {
		int err;
		const char *text;
	} names[] = {
		{GM_ERR_INVALID_BACKEND, "invalid_backend_address"},
		{GM_ERR_HOST_UNAVAILABLE, "host_address_not_available"},
		{GM_ERR_CALLBACK_RANGE, "callback_out_of_range"},
		{GM_ERR_ADDRESS_OVERFLOW, "guest_address_overflow"},
		{GM_ERR_IO, "io_error other"},
		{GM_ERR_UNEXPECTED_EOF, "io_error unexpected_eof"},
		{GM_ERR_WRITE_ZERO, "io_error write_zero"},
		{GM_ERR_INTERRUPTED, "io_error interrupted"},
		{GM_ERR_NO_REGION, "no_memory_region"},
		{GM_ERR_OVERLAP, "memory_region_overlap"},
		{GM_ERR_UNSORTED, "unsorted_memory_regions"},
		{GM_ERR_INVALID_REGION, "invalid_guest_region"},
		{GM_ERR_ZERO_SIZE, "mmap einval"},
	};

	c->refused = true;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (names[i].err == err) {
			conf_put(c, "err %s", names[i].text);
			return;
		}
	}
	conf_put(c, "err %s", gm_error_name(err));
}

/* Where the access meets the first byte it cannot have; behind an IOMMU, in physical addresses. */
static gm_addr first_hole(const struct gm_memory *memory, const struct conf_request *request)
{
	struct gm_slice slice;
	struct gm_iter it;

	gm_iter_init(&it, memory, request->addr, request->len ? request->len : 1, request->access);
	while (gm_iter_next(&it, &slice))
		;
	return it.addr;
}

void conf_error(struct conf *c, int err, const struct conf_request *request)
{
	c->refused = true;
	switch (err) {
	case GM_ERR_INVALID_ADDRESS:
		conf_put(c, "err invalid_guest_address 0x%lx", first_hole(c->target.memory, request));
		break;
	case GM_ERR_PARTIAL:
		conf_put(c, "err partial_buffer 0x%lx 0x%lx", request->len, request->done);
		break;
	case GM_ERR_IOMMU:
		conf_put(c, "err iommu_error cannot_resolve 0x%lx 0x%lx", request->addr,
			 request->len);
		break;
	case GM_ERR_OUT_OF_BOUNDS:
		conf_put(c, "err out_of_bounds 0x%lx",
			 request->addr + (request->range ? request->len : 0));
		break;
	case GM_ERR_OVERFLOW:
		if (request->from_host)
			conf_put(c, "err overflow host 0x%lx", request->addr);
		else
			conf_put(c, "err overflow 0x%lx 0x%lx", request->addr, request->len);
		break;
	case GM_ERR_MISALIGNED:
		conf_put(c, "err misaligned 0x%lx 0x%lx", request->addr, request->len);
		break;
	default: conf_error_name(c, err);
	}
}
