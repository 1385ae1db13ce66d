/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Integers of a stated byte order, as virtio headers and file formats need them.
 *
 * Each is a structure, so that a plain assignment without conversion does not compile; size and
 * alignment are those of the integer. gm_le32(x) makes one, gm_le32_get(v) reads it. Seed: Le16 to
 * Be64.
 */
#ifndef GUESTMEM_ENDIAN_H
#define GUESTMEM_ENDIAN_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Conversion is its own inverse. <endian.h> is no part of strict C11. */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define gm_swap_le(bits, value) (value)
#define gm_swap_be(bits, value) __builtin_bswap##bits(value)
#else
#define gm_swap_le(bits, value) __builtin_bswap##bits(value)
#define gm_swap_be(bits, value) (value)
#endif

#define GM_DEFINE_ENDIAN(order, bits)                                                     \
	typedef struct {                                                                  \
		uint##bits##_t raw;                                                       \
	} gm_##order##bits##_t;                                                           \
                                                                                          \
	static inline gm_##order##bits##_t gm_##order##bits(uint##bits##_t value)         \
	{                                                                                 \
		gm_##order##bits##_t wrapped = {gm_swap_##order(bits, value)};            \
                                                                                          \
		return wrapped;                                                           \
	}                                                                                 \
                                                                                          \
	static inline uint##bits##_t gm_##order##bits##_get(gm_##order##bits##_t wrapped) \
	{                                                                                 \
		return gm_swap_##order(bits, wrapped.raw);                                \
	}

GM_DEFINE_ENDIAN(le, 16)
GM_DEFINE_ENDIAN(le, 32)
GM_DEFINE_ENDIAN(le, 64)
GM_DEFINE_ENDIAN(be, 16)
GM_DEFINE_ENDIAN(be, 32)
GM_DEFINE_ENDIAN(be, 64)
#undef GM_DEFINE_ENDIAN
#undef gm_swap_le
#undef gm_swap_be

#ifdef __cplusplus
}
#endif

#endif
