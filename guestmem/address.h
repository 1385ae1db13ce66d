/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Arithmetic on guest addresses that says when it wraps. A gm_addr is a plain integer: comparing,
 * "&" and "|" are the language's own. All functions are pure; out is written on success only,
 * except by the overflowing ones. Seed: GuestAddress, Address, AddressValue.
 */
#ifndef GUESTMEM_ADDRESS_H
#define GUESTMEM_ADDRESS_H

#include "guestmem/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* *sum = addr + offset modulo 2^64; true if it wrapped. Seed: overflowing_add. */
static inline bool gm_addr_overflowing_add(gm_addr addr, uint64_t offset, gm_addr *sum)
{
	return __builtin_add_overflow(addr, offset, sum);
}

/* *difference = addr - offset modulo 2^64; true if it wrapped. Seed: overflowing_sub. */
static inline bool gm_addr_overflowing_sub(gm_addr addr, uint64_t offset, gm_addr *difference)
{
	return __builtin_sub_overflow(addr, offset, difference);
}

/* *out = addr + offset; false if that is 2^64 or more. Seed: checked_add. */
static inline bool gm_addr_checked_add(gm_addr addr, uint64_t offset, gm_addr *out)
{
	gm_addr sum;

	if (__builtin_add_overflow(addr, offset, &sum))
		return false;
	*out = sum;
	return true;
}

/* *out = addr - offset; false if that is below 0. Seed: checked_sub. */
static inline bool gm_addr_checked_sub(gm_addr addr, uint64_t offset, gm_addr *out)
{
	if (offset > addr)
		return false;
	*out = addr - offset;
	return true;
}

/* The distance from @base up to @addr; false if @addr is below. Seed: checked_offset_from. */
static inline bool gm_addr_checked_offset_from(gm_addr addr, gm_addr base, uint64_t *out)
{
	return gm_addr_checked_sub(addr, base, out);
}

/*
 * The first multiple of @align at or above @addr. GM_ERR_INVALID_ARGUMENT if @align is not a power
 * of two (the seed panics), GM_ERR_ADDRESS_OVERFLOW if there is none. Seed: checked_align_up.
 */
static inline int gm_addr_align_up(gm_addr addr, uint64_t align, gm_addr *out)
{
	gm_addr sum;

	if (align == 0 || (align & (align - 1)))
		return GM_ERR_INVALID_ARGUMENT;
	if (!gm_addr_checked_add(addr, align - 1, &sum))
		return GM_ERR_ADDRESS_OVERFLOW;
	*out = sum & ~(align - 1);
	return 0;
}

/* The bits of @addr that are in @mask. Seed: mask. */
static inline uint64_t gm_addr_mask(gm_addr addr, uint64_t mask)
{
	return addr & mask;
}

#ifdef __cplusplus
}
#endif

#endif
