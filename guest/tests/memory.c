/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Memory as announced is memory as it answers: every region has RAM at its ends and in its middle,
 * words that straddle boundaries are whole, holes are empty, ROM cannot be written.
 */
#include <stddef.h>

#include "guest/memory.h"
#include "guest/paging.h"
#include "guest/string.h"
#include "guest/tap.h"
#include "guest/tests/tests.h"

/* Devices are here, and reading them has effects: no holes are looked for. */
#define DEVICES_BASE 0xfe000000ull
#define DEVICES_END  0x100000000ull

/* Words at any address; x86 does not mind. */
typedef uint64_t unaligned_word __attribute__((aligned(1)));

static volatile unaligned_word *word_at(uint64_t address)
{
	return (volatile unaligned_word *)address;
}

/* A word keeps what is written, and is given back what it was. */
static bool word_works(uint64_t address, uint64_t value)
{
	volatile unaligned_word *word = word_at(address);
	uint64_t saved = *word, seen;

	*word = value;
	seen = *word;
	*word = saved;
	return CHECK(seen == value, "%lx: wrote %lx, read %lx", address, value, seen);
}

static bool reachable(const struct abi_region *region)
{
	return region->size >= sizeof(uint64_t) && region->base + region->size <= PAGING_LIMIT;
}

void test_memory_map(void)
{
	uint64_t words = 0, total = 0;

	for (uint32_t i = 0; i < memory_map.region_count; i++) {
		const struct abi_region *region = &memory_map.regions[i];
		uint64_t last = region->size - sizeof(uint64_t);
		uint64_t offsets[] = {0, last / 2 & ~7ull, last};

		total += region->size;
		CHECK(memory_map_agrees(region), "%lx+%lx: not in the memory map", region->base,
		      region->size);
		if (!reachable(region) || (region->flags & ABI_REGION_READONLY))
			continue;
		for (unsigned int j = 0; j < 3; j++) {
			uint64_t address = region->base + offsets[j];

			if (memory_is_used(address, sizeof(uint64_t)))
				continue;
			words++;
			word_works(address, address ^ 0x5aa5f00f0ff05aa5);
		}
	}
	CHECK(words > 0, "no word in any region is free");
	tap_note("%u regions%s, %lu KiB, %lu words, %u boundaries", memory_map.region_count,
		 memory_map.from_monitor ? "" : " (from the memory map)", total >> 10, words,
		 memory_map.boundary_total);
}

/* The bytes on the two sides of a boundary are those of the word that was written across it. */
static void straddle_at(uint64_t boundary)
{
	for (unsigned int before = 1; before < sizeof(uint64_t); before++) {
		uint64_t address = buffer_place(boundary, before, sizeof(uint64_t));
		uint64_t value = 0x0102030405060708 * before;
		volatile uint8_t *bytes = at(address);
		uint64_t seen = 0;

		if (!address || !word_works(address, ~value))
			return;
		*word_at(address) = value;
		for (unsigned int i = 0; i < sizeof(uint64_t); i++)
			seen |= (uint64_t)bytes[i] << 8 * i;
		CHECK(seen == value, "%lx: bytes of %lx are %lx", address, value, seen);
		for (unsigned int i = 0; i < sizeof(uint64_t); i++)
			bytes[i] = (uint8_t)(~value >> 8 * i);
		CHECK(*word_at(address) == ~value, "%lx: bytes do not make the word", address);
	}
}

void test_memory_straddle(void)
{
	if (!memory_map.boundary_count) {
		tap_skip("no boundaries");
		return;
	}
	for (uint32_t i = 0; i < memory_map.boundary_count; i++)
		straddle_at(memory_map.boundaries[i]);
	tap_note("%u of %u boundaries", memory_map.boundary_count, memory_map.boundary_total);
}

/* Reads of a hole are all ones before and after a write. 0 or 1 words looked at. */
static unsigned int look_into_hole(uint64_t address)
{
	volatile unaligned_word *word = word_at(address);

	if ((address >= DEVICES_BASE && address < DEVICES_END) ||
	    memory_is_used(address, sizeof(*word)) || address + sizeof(*word) > PAGING_LIMIT)
		return 0;
	CHECK(*word == UINT64_MAX, "hole at %lx reads %lx", address, *word);
	*word = 0;
	CHECK(*word == UINT64_MAX, "hole at %lx keeps a write", address);
	return 1;
}

void test_memory_holes(void)
{
	unsigned int words = 0;
	uint64_t end = 0;

	if (!memory_map.from_monitor) {
		tap_skip("no region table");
		return;
	}
	/* Each is two exits, or more: a few hundred show it. */
	for (uint32_t i = 0; i < memory_map.region_count && words < 256; i++) {
		const struct abi_region *region = &memory_map.regions[i];

		if (region->base != end) {
			words += look_into_hole(end);
			words += look_into_hole(region->base - sizeof(uint64_t));
		}
		end = region->base + region->size;
	}
	words += look_into_hole(end);
	tap_note("%u words", words);
}

static void look_into_rom(const struct abi_region *region)
{
	uint64_t last = region->size - sizeof(uint64_t);
	uint64_t offsets[] = {0, last / 2 & ~7ull, last};

	for (unsigned int i = 0; i < 3; i++) {
		volatile unaligned_word *word = word_at(region->base + offsets[i]);
		uint64_t before = *word;

		*word = ~before;
		CHECK(*word == before, "ROM at %lx: %lx became %lx", (uint64_t)word, before, *word);
	}
}

void test_memory_rom(void)
{
	unsigned int roms = 0;

	for (uint32_t i = 0; i < memory_map.region_count && roms < 64; i++) {
		const struct abi_region *region = &memory_map.regions[i];

		if (!(region->flags & ABI_REGION_READONLY) || !reachable(region))
			continue;
		look_into_rom(region);
		roms++;
	}
	if (!roms)
		tap_skip("no read-only region");
}
