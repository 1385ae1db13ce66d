/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Windows: finding one in a memory, and the accesses that cannot use what was found. */
#include "guestmem/internal.h"

int gm_window_init(struct gm_window *window, gm_addr addr, uint64_t len)
{
	gm_addr end;

	if (__builtin_add_overflow(addr, len, &end))
		return GM_ERR_ADDRESS_OVERFLOW;
	*window = (struct gm_window){.addr = addr, .len = len};
	return 0;
}

void gm_window_look_up(struct gm_window *window, const struct gm_memory *memory)
{
	struct gm_slice slice;
	struct gm_iter it;

	window->memory = memory->id;
	window->readable = 0;
	window->writable = 0;
	/* A translation can change while the memory stays. */
	if (memory->iommu)
		return;
	gm_iter_init(&it, memory, window->addr, window->len, GM_ACCESS_READ);
	if (!gm_iter_next(&it, &slice) || (slice.flags & GM_SLICE_MAY_FAULT))
		return;
	window->host = slice.host;
	window->dirty = slice.dirty;
	window->dirty_offset = slice.dirty_offset;
	window->readable = slice.len;
	if (!(slice.flags & GM_SLICE_READ_ONLY))
		window->writable = slice.len;
}

static bool outside(const struct gm_window *window, uint64_t offset, size_t len)
{
	return offset > window->len || len > window->len - offset;
}

int gm_window_read_slow(const struct gm_window *window, const struct gm_memory *memory,
			uint64_t offset, void *buf, size_t len)
{
	if (outside(window, offset, len))
		return GM_ERR_OUT_OF_BOUNDS;
	return gm_read_exact(memory, window->addr + offset, buf, len, NULL);
}

int gm_window_write_slow(const struct gm_window *window, const struct gm_memory *memory,
			 uint64_t offset, const void *buf, size_t len)
{
	if (outside(window, offset, len))
		return GM_ERR_OUT_OF_BOUNDS;
	return gm_write_exact(memory, window->addr + offset, buf, len, NULL);
}

int gm_window_write_u64_slow(const struct gm_window *window, const struct gm_memory *memory,
			     uint64_t offset, uint64_t value)
{
	return gm_window_write_slow(window, memory, offset, &value, sizeof(value));
}

int gm_window_load_u16_slow(const struct gm_window *window, const struct gm_memory *memory,
			    uint64_t offset, int order)
{
	uint16_t value;
	int err;

	if (outside(window, offset, sizeof(value)))
		return GM_ERR_OUT_OF_BOUNDS;
	err = gm_load_u16(memory, window->addr + offset, &value, order);
	return err ? err : value;
}

int gm_window_store_u16_slow(const struct gm_window *window, const struct gm_memory *memory,
			     uint64_t offset, uint16_t value, int order)
{
	if (outside(window, offset, sizeof(value)))
		return GM_ERR_OUT_OF_BOUNDS;
	return gm_store_u16(memory, window->addr + offset, value, order);
}
