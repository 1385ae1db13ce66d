/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The Bytes operations, on whatever the line's prefix chose: a memory, a region or a slice. The
 * functions at the top are all that knows the difference.
 */
#include "tests/conformance/conformance.h"

#include <stdlib.h>
#include <string.h>

static ssize_t target_read(const struct conf_target *t, uint64_t addr, void *buf, size_t len)
{
	if (t->slice)
		return gm_slice_read(t->slice, addr, buf, len);
	if (t->region)
		return gm_region_read(t->region, addr, buf, len);
	return gm_read(t->memory, addr, buf, len);
}

static ssize_t target_write(const struct conf_target *t, uint64_t addr, const void *buf, size_t len)
{
	if (t->slice)
		return gm_slice_write(t->slice, addr, buf, len);
	if (t->region)
		return gm_region_write(t->region, addr, buf, len);
	return gm_write(t->memory, addr, buf, len);
}

static int target_read_exact(const struct conf_target *t, uint64_t addr, void *buf, size_t len,
			     size_t *done)
{
	if (t->slice)
		return gm_slice_read_exact(t->slice, addr, buf, len, done);
	if (t->region)
		return gm_region_read_exact(t->region, addr, buf, len, done);
	return gm_read_exact(t->memory, addr, buf, len, done);
}

static int target_write_exact(const struct conf_target *t, uint64_t addr, const void *buf,
			      size_t len, size_t *done)
{
	if (t->slice)
		return gm_slice_write_exact(t->slice, addr, buf, len, done);
	if (t->region)
		return gm_region_write_exact(t->region, addr, buf, len, done);
	return gm_write_exact(t->memory, addr, buf, len, done);
}

static int memory_load(const struct gm_memory *memory, gm_addr addr, void *value, size_t width)
{
	switch (width) {
	case 1: return gm_load_u8(memory, addr, value, __ATOMIC_SEQ_CST);
	case 2: return gm_load_u16(memory, addr, value, __ATOMIC_ACQUIRE);
	case 4: return gm_load_u32(memory, addr, value, __ATOMIC_RELAXED);
	default: return gm_load_u64(memory, addr, value, __ATOMIC_SEQ_CST);
	}
}

static int memory_store(const struct gm_memory *memory, gm_addr addr, uint64_t value, size_t width)
{
	switch (width) {
	case 1: return gm_store_u8(memory, addr, (uint8_t)value, __ATOMIC_SEQ_CST);
	case 2: return gm_store_u16(memory, addr, (uint16_t)value, __ATOMIC_RELEASE);
	case 4: return gm_store_u32(memory, addr, (uint32_t)value, __ATOMIC_RELAXED);
	default: return gm_store_u64(memory, addr, value, __ATOMIC_SEQ_CST);
	}
}

static int target_load(const struct conf_target *t, uint64_t addr, void *value, size_t width)
{
	if (t->slice)
		return gm_slice_load(t->slice, addr, value, width, __ATOMIC_SEQ_CST);
	if (t->region)
		return gm_region_load(t->region, addr, value, width, __ATOMIC_SEQ_CST);
	return memory_load(t->memory, addr, value, width);
}

static int target_store(const struct conf_target *t, uint64_t addr, uint64_t value, size_t width)
{
	if (t->slice)
		return gm_slice_store(t->slice, addr, &value, width, __ATOMIC_SEQ_CST);
	if (t->region)
		return gm_region_store(t->region, addr, &value, width, __ATOMIC_SEQ_CST);
	return memory_store(t->memory, addr, value, width);
}

static void read_some(struct conf *c)
{
	struct conf_request request = {
		.addr = conf_u64(c, 0), .len = conf_u64(c, 1), .access = GM_ACCESS_READ};
	uint8_t *buf = conf_zalloc(conf_room(c, request.len));
	ssize_t n = target_read(&c->target, request.addr, buf, request.len);

	if (n < 0) {
		conf_error(c, (int)n, &request);
	} else {
		conf_put(c, "ok 0x%zx ", (size_t)n);
		conf_put_data(c, buf, (size_t)n);
	}
	free(buf);
}

static void write_some(struct conf *c)
{
	struct conf_request request = {.addr = conf_u64(c, 0), .access = GM_ACCESS_WRITE};
	uint8_t *data = conf_data(c, 1, &request.len);
	ssize_t n = target_write(&c->target, request.addr, data, request.len);

	if (n < 0)
		conf_error(c, (int)n, &request);
	else
		conf_put(c, "ok 0x%zx", (size_t)n);
	free(data);
}

static void read_slice(struct conf *c)
{
	struct conf_request request = {
		.addr = conf_u64(c, 0), .len = conf_u64(c, 1), .access = GM_ACCESS_READ};
	uint8_t *buf = conf_zalloc(request.len);
	int err = target_read_exact(&c->target, request.addr, buf, request.len, &request.done);

	if (err) {
		conf_error(c, err, &request);
		conf_put(c, " buf ");
	} else {
		conf_put(c, "ok ");
	}
	conf_put_data(c, buf, request.len);
	free(buf);
}

/* What write_slice and write_obj have in common. */
static void write_exact(struct conf *c, const void *data, size_t len)
{
	struct conf_request request = {.addr = conf_u64(c, 0), .len = len, .access = GM_ACCESS_WRITE};
	int err = target_write_exact(&c->target, request.addr, data, len, &request.done);

	if (err)
		conf_error(c, err, &request);
	else
		conf_put(c, "ok");
}

static void write_slice(struct conf *c)
{
	size_t len;
	uint8_t *data = conf_data(c, 1, &len);

	write_exact(c, data, len);
	free(data);
}

static void read_obj(struct conf *c)
{
	struct conf_request request = {
		.addr = conf_u64(c, 0), .len = c->width, .access = GM_ACCESS_READ};
	union {
		uint64_t value;
		uint8_t bytes[96];
	} obj = {0};
	int err = target_read_exact(&c->target, request.addr, &obj, c->width, &request.done);

	if (err) {
		conf_error(c, err, &request);
	} else if (c->width <= sizeof(obj.value)) {
		conf_put(c, "ok 0x%lx", obj.value);
	} else {
		conf_put(c, "ok ");
		conf_put_data(c, obj.bytes, c->width);
	}
}

static void write_obj(struct conf *c)
{
	uint64_t value;
	uint8_t *data;
	size_t len;

	if (c->width <= sizeof(value)) {
		value = conf_u64(c, 1);
		write_exact(c, &value, c->width);
		return;
	}
	data = conf_data(c, 1, &len);
	if (len == c->width)
		write_exact(c, data, len);
	else
		c->malformed = true;
	free(data);
}

static void load(struct conf *c)
{
	struct conf_request request = {
		.addr = conf_u64(c, 0), .len = c->width, .access = GM_ACCESS_READ, .range = true};
	uint64_t value = 0;
	int err = target_load(&c->target, request.addr, &value, c->width);

	if (err)
		conf_error(c, err, &request);
	else
		conf_put(c, "ok 0x%lx", value);
}

static void store(struct conf *c)
{
	struct conf_request request = {
		.addr = conf_u64(c, 0), .len = c->width, .access = GM_ACCESS_WRITE, .range = true};
	int err = target_store(&c->target, request.addr, conf_u64(c, 1), c->width);

	if (err)
		conf_error(c, err, &request);
	else
		conf_put(c, "ok");
}

const struct conf_op conf_bytes_ops[] = {
	{"read", 2, 2, read_some},
	{"write", 2, 2, write_some},
	{"read_slice", 2, 2, read_slice},
	{"write_slice", 2, 2, write_slice},
	{"read_obj#", 1, 1, read_obj},
	{"write_obj#", 2, 2, write_obj},
	{"load#", 1, 1, load},
	{"store#", 2, 2, store},
	{NULL, 0, 0, NULL},
};
