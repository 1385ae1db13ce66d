/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Guest memory as the monitor describes it: regions, the boundaries between adjacent ones, which
 * addresses are free, and buffers placed across boundaries.
 */
#ifndef GUEST_MEMORY_H
#define GUEST_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

#include "guest/abi.h"

/* Around every buffer from buffer_place() there is this much free memory for canaries. */
#define CANARY_SIZE 16

struct memory_map {
	const struct abi_region *regions; /* sorted by base */
	uint32_t region_count;
	bool from_monitor; /* the unmerged table; otherwise the memory map's RAM */
	/* The sample of boundaries between adjacent writable regions that tests use. */
	uint64_t boundaries[256];
	uint32_t boundary_count;
	uint32_t boundary_total;
};

extern struct memory_map memory_map;

/* Read the start info and the command line. False: this is no PVH start info. */
bool memory_init(uint64_t start_info);

/* Take the sample, after the command line and every memory_reserve(). */
void memory_sample_boundaries(void);

/* The region that holds @address, or NULL. */
const struct abi_region *memory_region(uint64_t address);

/* True if [address, address + len) is RAM, in however many regions, and nothing is in it. */
bool memory_is_free(uint64_t address, uint64_t len);

/* True if something is in [address, address + len), be it RAM or not. */
bool memory_is_used(uint64_t address, uint64_t len);

/* Mark a range as used. */
void memory_reserve(uint64_t address, uint64_t len);

/* True if the memory map of the PVH start info has all of the region under the right type. */
bool memory_map_agrees(const struct abi_region *region);

/* The address @before bytes below @boundary if @len bytes and canaries are free there; or 0. */
uint64_t buffer_place(uint64_t boundary, uint64_t before, uint64_t len);

/*
 * A buffer that begins @before bytes below @boundary and crosses @crossings boundaries; *len gets
 * the size up to @after bytes above the last, rounded up to @unit. 0 if there is none of at most
 * @max bytes.
 */
uint64_t buffer_span(uint64_t boundary, uint64_t before, unsigned int crossings, uint64_t after,
		     uint64_t unit, uint64_t max, uint64_t *len);

static inline void *at(uint64_t address)
{
	return (void *)address;
}

/* A generator of numbers that need not be good, only reproducible: xorshift. */
uint64_t memory_random(void);

#endif
