/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The memory map a kernel is told: the region table with adjacent regions of one kind as one entry,
 * however the memory is cut. Boot protocols write it down each in its own form.
 */
#ifndef VMM_BOOT_MEMMAP_H
#define VMM_BOOT_MEMMAP_H

#include "guestmem/guestmem.h"

/* The numbers are those of E820 and of PVH. */
enum memmap_type {
	MEMMAP_RAM = 1,
	MEMMAP_RESERVED = 2, /* read-only regions, configuration space of PCI */
	MEMMAP_ACPI = 3,     /* tables; RAM once they were read */
};

struct memmap_entry {
	gm_addr addr;
	uint64_t size;
	enum memmap_type type;
};

/*
 * The map of @memory, in ascending order; @acpi (in RAM, or of length 0) is cut out of it, and
 * @reserved (outside of it, or of length 0) is an entry of its own. *out is the caller's to free.
 * 0, or -1 without host memory.
 */
int memmap_build(const struct gm_memory *memory, struct gm_range acpi, struct gm_range reserved,
		 struct memmap_entry **out, size_t *count);

#endif
