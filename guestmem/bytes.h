/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Reading and writing guest memory by guest address, across any number of regions.
 *
 * gm_read() and gm_write() move what they can and say how much; the _exact forms move all or fail.
 * The first parts of both are the same: bytes are moved in ascending order, and a hole ends the
 * transfer, so that what was moved is always the contiguous first part. Writes mark dirty pages.
 * Length 0 succeeds at any address. Any thread, as long as the memory is held.
 *
 * Aligned accesses of 1, 2, 4 and 8 bytes that stay in one region are single and do not tear.
 */
#ifndef GUESTMEM_BYTES_H
#define GUESTMEM_BYTES_H

#include "guestmem/memory.h"

#ifdef __cplusplus
extern "C" {
#endif

/* More than two regions, or one that needs care. Private. */
ssize_t gm_read_slow(const struct gm_memory *memory, gm_addr addr, void *buf, size_t len);
ssize_t gm_write_slow(const struct gm_memory *memory, gm_addr addr, const void *buf, size_t len);

/*
 * Bytes of [addr, addr + len) in @entry, if the rest is in the next entry and neither needs more
 * than a copy (no flag of @hard); else 0. One boundary is what nearly all crossings cross. Private.
 */
static inline size_t gm_split_in_two(const struct gm_entry *entry, uint64_t offset, size_t len,
				     unsigned int hard)
{
	const struct gm_entry *next = entry + 1;
	uint64_t head = entry->size - offset;

	if (offset >= entry->size || len <= head || next->start != entry->start + entry->size ||
	    len - head > next->size || ((entry->flags | next->flags) & hard))
		return 0;
	return head;
}

/*
 * Read up to @len bytes at @addr into @buf. Returns the number read, which is less than @len only
 * if a hole (or a faulting file) ends them; negative if not even the first byte could be read:
 * GM_ERR_INVALID_ADDRESS, GM_ERR_IOMMU, GM_ERR_FAULT. Seed: Bytes::read.
 */
static inline ssize_t gm_read(const struct gm_memory *memory, gm_addr addr, void *buf, size_t len)
{
	const struct gm_entry *entry = gm_find_entry(memory, addr);
	uint64_t offset = addr - entry->start;
	size_t head;

	if (gm_likely(offset < entry->size && len <= entry->size - offset &&
		      !(entry->flags & GM_SLICE_MAY_FAULT))) {
		gm_copy_out(buf, entry->host + offset, len);
		return (ssize_t)len;
	}
	head = gm_split_in_two(entry, offset, len, GM_SLICE_MAY_FAULT);
	if (gm_unlikely(!head))
		return gm_read_slow(memory, addr, buf, len);
	if (head >= len)
		__builtin_unreachable(); /* else gcc 12 warns of a copy of len - head < 0 bytes */
	gm_copy_out(buf, entry->host + offset, head);
	gm_copy_out((char *)buf + head, entry[1].host, len - head);
	return (ssize_t)len;
}

/* The same in the other direction; also GM_ERR_READ_ONLY. Seed: Bytes::write. */
static inline ssize_t gm_write(const struct gm_memory *memory, gm_addr addr, const void *buf,
			       size_t len)
{
	const struct gm_entry *entry = gm_find_entry(memory, addr);
	uint64_t offset = addr - entry->start;
	size_t head;

	if (gm_likely(offset < entry->size && len <= entry->size - offset && !entry->flags)) {
		gm_copy_in(entry->host + offset, buf, len);
		if (entry->dirty)
			gm_bitmap_mark_inside(entry->dirty, offset, len);
		return (ssize_t)len;
	}
	head = gm_split_in_two(entry, offset, len, ~0U);
	if (gm_unlikely(!head))
		return gm_write_slow(memory, addr, buf, len);
	if (head >= len)
		__builtin_unreachable(); /* else gcc 12 warns of a copy of len - head < 0 bytes */
	gm_copy_in(entry->host + offset, buf, head);
	gm_copy_in(entry[1].host, (const char *)buf + head, len - head);
	if (entry->dirty)
		gm_bitmap_mark_inside(entry->dirty, offset, head);
	if (entry[1].dirty)
		gm_bitmap_mark_inside(entry[1].dirty, 0, len - head);
	return (ssize_t)len;
}

/* 0 if @moved is all of @len, the error it is, or GM_ERR_PARTIAL; *@done says how much. Private. */
static inline int gm_exact(ssize_t moved, size_t len, size_t *done)
{
	if (done)
		*done = moved < 0 ? 0 : (size_t)moved;
	if (gm_likely(moved >= 0 && (size_t)moved == len))
		return 0;
	return moved < 0 ? (int)moved : GM_ERR_PARTIAL;
}

/*
 * Read exactly @len bytes at @addr into @buf: 0, the errors of gm_read(), or GM_ERR_PARTIAL after a
 * first part. If @done is not NULL it receives the number of bytes moved. Seed: Bytes::read_slice.
 */
static inline int gm_read_exact(const struct gm_memory *memory, gm_addr addr, void *buf, size_t len,
				size_t *done)
{
	return gm_exact(gm_read(memory, addr, buf, len), len, done);
}

/* The same in the other direction; also GM_ERR_READ_ONLY. Seed: Bytes::write_slice. */
static inline int gm_write_exact(const struct gm_memory *memory, gm_addr addr, const void *buf,
				 size_t len, size_t *done)
{
	return gm_exact(gm_write(memory, addr, buf, len), len, done);
}

/* An object of any plain type, *@obj. Seed: Bytes::read_obj, write_obj. */
#define gm_read_obj(memory, addr, obj)  gm_read_exact(memory, addr, obj, sizeof(*(obj)), NULL)
#define gm_write_obj(memory, addr, obj) gm_write_exact(memory, addr, obj, sizeof(*(obj)), NULL)

/*
 * One slice of a try_access: @done bytes are behind it. Returns how many of its bytes it dealt with
 * or a negative enum gm_error.
 */
typedef ssize_t gm_access_fn(void *arg, uint64_t done, const struct gm_slice *slice);

/*
 * Call @fn for the bytes of [addr, addr + len), slice by slice; where it deals with fewer than it
 * was offered, it is called again for the rest. Ends after @len bytes, at a hole, or when @fn
 * returns 0; an error of @fn is the result whatever came before. Returns the number of bytes @fn
 * has dealt with by its own account. Errors: GM_ERR_INVALID_ADDRESS, GM_ERR_IOMMU if @addr itself is
 * not there, GM_ERR_READ_ONLY, GM_ERR_CALLBACK_RANGE if @fn claims more than @len in all,
 * GM_ERR_ADDRESS_OVERFLOW if its claims lead past 2^64. Length 0 calls @fn once with an empty slice
 * if @addr is there. Seed: try_access.
 */
ssize_t gm_try_access(const struct gm_memory *memory, gm_addr addr, uint64_t len,
		      enum gm_access access, gm_access_fn *fn, void *arg);

/*
 * Atomic accesses of 1, 2, 4, 8 bytes in one region, with a memory order of C11 (relaxed, acquire,
 * seq_cst for loads; relaxed, release, seq_cst for stores; __ATOMIC_* or memory_order_*). Errors:
 * GM_ERR_INVALID_ADDRESS (unmapped), GM_ERR_INVALID_BACKEND (not aligned by region offset, or
 * leaves the region), GM_ERR_READ_ONLY, GM_ERR_FAULT, GM_ERR_IOMMU. Seed: Bytes::load, store.
 */
int gm_load_slow(const struct gm_memory *memory, gm_addr addr, void *value, size_t size, int order);
int gm_store_slow(const struct gm_memory *memory, gm_addr addr, const void *value, size_t size,
		  int order);

/* The host address is a number until the offset is known to be inside. */
#define GM_DEFINE_ATOMIC(bits)                                                                    \
	static inline int gm_load_u##bits(const struct gm_memory *memory, gm_addr addr,           \
					  uint##bits##_t *value, int order)                       \
	{                                                                                         \
		const struct gm_entry *entry = gm_find_entry(memory, addr);                       \
		uint64_t offset = addr - entry->start;                                            \
		const uint##bits##_t *host =                                                      \
			(const uint##bits##_t *)((uintptr_t)entry->host + offset);                \
                                                                                                  \
		if (gm_unlikely(offset >= entry->size || entry->size - offset < sizeof(*value) || \
				((uintptr_t)host & (sizeof(*value) - 1)) ||                       \
				(entry->flags & GM_SLICE_MAY_FAULT)))                             \
			return gm_load_slow(memory, addr, value, sizeof(*value), order);          \
		if (order == __ATOMIC_RELAXED)                                                    \
			*value = __atomic_load_n(host, __ATOMIC_RELAXED);                         \
		else if (order == __ATOMIC_ACQUIRE)                                               \
			*value = __atomic_load_n(host, __ATOMIC_ACQUIRE);                         \
		else                                                                              \
			*value = __atomic_load_n(host, __ATOMIC_SEQ_CST);                         \
		return 0;                                                                         \
	}                                                                                         \
                                                                                                  \
	static inline int gm_store_u##bits(const struct gm_memory *memory, gm_addr addr,          \
					   uint##bits##_t value, int order)                       \
	{                                                                                         \
		const struct gm_entry *entry = gm_find_entry(memory, addr);                       \
		uint64_t offset = addr - entry->start;                                            \
		uint##bits##_t *host = (uint##bits##_t *)((uintptr_t)entry->host + offset);       \
                                                                                                  \
		if (gm_unlikely(offset >= entry->size || entry->size - offset < sizeof(value) ||  \
				((uintptr_t)host & (sizeof(value) - 1)) || entry->flags))         \
			return gm_store_slow(memory, addr, &value, sizeof(value), order);         \
		if (order == __ATOMIC_RELAXED)                                                    \
			__atomic_store_n(host, value, __ATOMIC_RELAXED);                          \
		else if (order == __ATOMIC_RELEASE)                                               \
			__atomic_store_n(host, value, __ATOMIC_RELEASE);                          \
		else                                                                              \
			__atomic_store_n(host, value, __ATOMIC_SEQ_CST);                          \
		if (entry->dirty)                                                                 \
			gm_bitmap_mark_inside(entry->dirty, offset, sizeof(value));               \
		return 0;                                                                         \
	}

GM_DEFINE_ATOMIC(8)
GM_DEFINE_ATOMIC(16)
GM_DEFINE_ATOMIC(32)
GM_DEFINE_ATOMIC(64)
#undef GM_DEFINE_ATOMIC

#ifdef __cplusplus
}
#endif

#endif
