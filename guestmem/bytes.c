/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Reading and writing by guest address where one region is not enough, or may fault, or refuses.
 */
#include <limits.h>

#include "guestmem/internal.h"

/* What ends a transfer is an error only if nothing was moved before. */
static ssize_t moved_or(size_t moved, int error)
{
	return moved || !error ? (ssize_t)moved : error;
}

ssize_t gm_read_slow(const struct gm_memory *memory, gm_addr addr, void *buf, size_t len)
{
	struct gm_slice slice;
	struct gm_iter it;
	size_t moved = 0;

	gm_iter_init(&it, memory, addr, len, GM_ACCESS_READ);
	while (gm_iter_next(&it, &slice)) {
		ssize_t n = gm_slice_read(&slice, 0, (char *)buf + moved, slice.len);

		if (n < 0)
			return moved_or(moved, (int)n);
		moved += slice.len;
	}
	return moved_or(moved, it.error);
}

ssize_t gm_write_slow(const struct gm_memory *memory, gm_addr addr, const void *buf, size_t len)
{
	struct gm_slice slice;
	struct gm_iter it;
	size_t moved = 0;

	gm_iter_init(&it, memory, addr, len, GM_ACCESS_WRITE);
	while (gm_iter_next(&it, &slice)) {
		ssize_t n = gm_slice_write(&slice, 0, (const char *)buf + moved, slice.len);

		if (n < 0)
			return moved_or(moved, (int)n);
		moved += slice.len;
	}
	return moved_or(moved, it.error);
}

ssize_t gm_try_access(const struct gm_memory *memory, gm_addr addr, uint64_t len,
		      enum gm_access access, gm_access_fn *fn, void *arg)
{
	uint64_t done = 0;

	for (;;) {
		uint64_t left = len - done;
		struct gm_slice slice;
		struct gm_iter it;
		ssize_t n;

		/* A new look-up each time: @fn may have claimed more than its slice. */
		gm_iter_init(&it, memory, addr, left ? left : 1, access);
		if (!gm_iter_next(&it, &slice))
			return moved_or(done, it.error);
		slice.len = slice.len < left ? slice.len : left;
		n = fn(arg, done, &slice);
		if (n <= 0)
			return n ? n : (ssize_t)done;
		if (__builtin_add_overflow(done, (uint64_t)n, &done) || done > len || done > SSIZE_MAX)
			return GM_ERR_CALLBACK_RANGE;
		if (done == len)
			return (ssize_t)done;
		/* 2^64 itself is followed by address 0. */
		if (__builtin_add_overflow(addr, (uint64_t)n, &addr) && addr != 0)
			return GM_ERR_ADDRESS_OVERFLOW;
	}
}

/* One slice of @size bytes, aligned for an atomic access. */
static int atomic_slice(const struct gm_memory *memory, gm_addr addr, size_t size,
			enum gm_access access, struct gm_slice *slice)
{
	int err = gm_get_slice(memory, addr, size, access, slice);

	if (!err && ((uintptr_t)slice->host & (size - 1)))
		err = GM_ERR_INVALID_BACKEND;
	return err;
}

int gm_load_slow(const struct gm_memory *memory, gm_addr addr, void *value, size_t size, int order)
{
	struct gm_slice slice;
	int err = atomic_slice(memory, addr, size, GM_ACCESS_READ, &slice);

	if (err)
		return err;
	return gm_fault_load(slice.host, value, size, order, slice.flags & GM_SLICE_MAY_FAULT);
}

int gm_store_slow(const struct gm_memory *memory, gm_addr addr, const void *value, size_t size,
		  int order)
{
	struct gm_slice slice;
	int err = atomic_slice(memory, addr, size, GM_ACCESS_WRITE, &slice);

	if (err)
		return err;
	err = gm_fault_store(slice.host, value, size, order, slice.flags & GM_SLICE_MAY_FAULT);
	if (!err)
		gm_slice_mark_dirty(&slice, 0, size);
	return err;
}
