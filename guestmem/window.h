/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * A window: a range of guest memory that is looked up once and used many times, as the rings of a
 * virtqueue are.
 *
 * Each access names the memory it is for. As long as that is the one of the access before, nothing
 * is looked up; in another one the window is looked up anew. A memory never changes, and windows
 * tell memories apart by a number that is used once, not by their address: what was found in a
 * memory is used with that memory only, while the caller holds it. So a window holds no reference,
 * needs no clean-up, and may outlive any memory.
 *
 * What lies behind the first region boundary in the window, and what needs care (a file that may
 * fault, an IOMMU), is reached by address with each access and costs what that costs. Writes mark
 * dirty pages. A window is used by one thread at a time.
 */
#ifndef GUESTMEM_WINDOW_H
#define GUESTMEM_WINDOW_H

#include "guestmem/bytes.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The fields are private. */
struct gm_window {
	uint64_t memory; /* the memory's id; 0: not looked up */
	uint8_t *host;
	uint64_t readable; /* bytes there */
	uint64_t writable; /* the same, or 0 */
	struct gm_bitmap *dirty;
	uint64_t dirty_offset; /* of host[0] in what the bitmap tracks */
	gm_addr addr;
	uint64_t len;
};

/* The window of [addr, addr + len), which need not be backed. GM_ERR_ADDRESS_OVERFLOW. */
int gm_window_init(struct gm_window *window, gm_addr addr, uint64_t len);

/* Find the window in @memory. Private. */
void gm_window_look_up(struct gm_window *window, const struct gm_memory *memory);

/*
 * Whether @len bytes at @offset are among the first *@bytes, what can be read (written) without a
 * look-up. Private.
 */
static inline bool gm_window_holds(struct gm_window *window, const struct gm_memory *memory,
				   const uint64_t *bytes, uint64_t offset, size_t len)
{
	if (gm_unlikely(window->memory != memory->id))
		gm_window_look_up(window, memory);
	return gm_likely(offset <= *bytes && len <= *bytes - offset);
}

/*
 * Where the @len bytes at @offset are, to be copied from, once and before anything else is done
 * with the window; or NULL if only gm_window_read() can say.
 */
static inline const void *gm_window_peek(struct gm_window *window, const struct gm_memory *memory,
					 uint64_t offset, size_t len)
{
	if (!gm_window_holds(window, memory, &window->readable, offset, len))
		return NULL;
	return window->host + offset;
}

/*
 * Move exactly @len bytes between @buf and the window at @offset: 0, GM_ERR_OUT_OF_BOUNDS if that
 * is not in the window, or the errors of gm_read_exact() and gm_write_exact().
 */
int gm_window_read_slow(const struct gm_window *window, const struct gm_memory *memory,
			uint64_t offset, void *buf, size_t len);
int gm_window_write_slow(const struct gm_window *window, const struct gm_memory *memory,
			 uint64_t offset, const void *buf, size_t len);

static inline int gm_window_read(struct gm_window *window, const struct gm_memory *memory,
				 uint64_t offset, void *buf, size_t len)
{
	if (!gm_window_holds(window, memory, &window->readable, offset, len))
		return gm_window_read_slow(window, memory, offset, buf, len);
	gm_copy_out(buf, window->host + offset, len);
	return 0;
}

/* What follows a write of @len bytes at @offset. Private. */
static inline void gm_window_mark(const struct gm_window *window, uint64_t offset, size_t len)
{
	if (window->dirty)
		gm_bitmap_mark_inside(window->dirty, window->dirty_offset + offset, len);
}

static inline int gm_window_write(struct gm_window *window, const struct gm_memory *memory,
				  uint64_t offset, const void *buf, size_t len)
{
	if (!gm_window_holds(window, memory, &window->writable, offset, len))
		return gm_window_write_slow(window, memory, offset, buf, len);
	gm_copy_in(window->host + offset, buf, len);
	gm_window_mark(window, offset, len);
	return 0;
}

/* Write the eight bytes of @value, which stays in a register. Errors as gm_window_write(). */
int gm_window_write_u64_slow(const struct gm_window *window, const struct gm_memory *memory,
			     uint64_t offset, uint64_t value);

static inline int gm_window_write_u64(struct gm_window *window, const struct gm_memory *memory,
				      uint64_t offset, uint64_t value)
{
	if (!gm_window_holds(window, memory, &window->writable, offset, sizeof(value)))
		return gm_window_write_u64_slow(window, memory, offset, value);
	memcpy(window->host + offset, &value, sizeof(value));
	gm_window_mark(window, offset, sizeof(value));
	return 0;
}

/*
 * Atomic accesses of 16 bits with a memory order of C11, as gm_load_u16() and gm_store_u16(). The
 * load returns the value, or a negative error: theirs, or GM_ERR_OUT_OF_BOUNDS.
 */
int gm_window_load_u16_slow(const struct gm_window *window, const struct gm_memory *memory,
			    uint64_t offset, int order);
int gm_window_store_u16_slow(const struct gm_window *window, const struct gm_memory *memory,
			     uint64_t offset, uint16_t value, int order);

static inline int gm_window_load_u16(struct gm_window *window, const struct gm_memory *memory,
				     uint64_t offset, int order)
{
	if (!gm_window_holds(window, memory, &window->readable, offset, sizeof(uint16_t)) ||
	    gm_unlikely((uintptr_t)(window->host + offset) % sizeof(uint16_t)))
		return gm_window_load_u16_slow(window, memory, offset, order);
	return __atomic_load_n((const uint16_t *)(window->host + offset), order);
}

static inline int gm_window_store_u16(struct gm_window *window, const struct gm_memory *memory,
				      uint64_t offset, uint16_t value, int order)
{
	if (!gm_window_holds(window, memory, &window->writable, offset, sizeof(value)) ||
	    gm_unlikely((uintptr_t)(window->host + offset) % sizeof(value)))
		return gm_window_store_u16_slow(window, memory, offset, value, order);
	__atomic_store_n((uint16_t *)(window->host + offset), value, order);
	gm_window_mark(window, offset, sizeof(value));
	return 0;
}

#ifdef __cplusplus
}
#endif

#endif
