/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Reading and writing by guest address where one region is not enough, or may fault, or refuses.
 */
#include "guestmem/internal.h"

/* What ends a transfer is an error only if nothing was moved before. */
static ssize_t moved_or(size_t moved, int error)
{
	return moved || !error ? (ssize_t)moved : error;
}

static __attribute__((noinline)) ssize_t read_any(const struct gm_memory *memory, gm_addr addr, void *buf, size_t len)
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

static __attribute__((noinline)) ssize_t write_any(const struct gm_memory *memory, gm_addr addr,
						   const void *buf, size_t len)
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

/*
 * Bytes of [addr, addr + len) in @entry, if the rest is in the next entry and neither needs more
 * than a copy (no flag of @hard); else 0. One boundary is what nearly all crossings cross.
 */
static inline size_t split_in_two(const struct gm_entry *entry, gm_addr addr, size_t len,
				  unsigned int hard)
{
	uint64_t offset = addr - entry->start;
	const struct gm_entry *next = entry + 1;

	if (offset >= entry->size || next->start != entry->start + entry->size ||
	    len - (entry->size - offset) > next->size || ((entry->flags | next->flags) & hard))
		return 0;
	return entry->size - offset;
}

ssize_t gm_read_slow(const struct gm_memory *memory, const struct gm_entry *entry, gm_addr addr,
		     void *buf, size_t len)
{
	size_t head = split_in_two(entry, addr, len, GM_SLICE_MAY_FAULT);

	if (gm_unlikely(!head || head >= len))
		return read_any(memory, addr, buf, len);
	gm_copy_out(buf, entry->host + entry->size - head, head);
	gm_copy_out((char *)buf + head, entry[1].host, len - head);
	return (ssize_t)len;
}

ssize_t gm_write_slow(const struct gm_memory *memory, const struct gm_entry *entry, gm_addr addr,
		      const void *buf, size_t len)
{
	size_t head = split_in_two(entry, addr, len, ~0U);

	if (gm_unlikely(!head || head >= len))
		return write_any(memory, addr, buf, len);
	gm_copy_in(entry->host + entry->size - head, buf, head);
	gm_copy_in(entry[1].host, (const char *)buf + head, len - head);
	if (entry->dirty)
		gm_bitmap_mark_inside(entry->dirty, entry->size - head, head);
	if (entry[1].dirty)
		gm_bitmap_mark_inside(entry[1].dirty, 0, len - head);
	return (ssize_t)len;
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
