/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The PVH boot protocol (Xen's "x86/HVM direct boot ABI"): what a kernel entered through its PVH
 * note finds in memory. Written by vmm/boot-pvh.c, entered by any format that finds the note.
 */
#ifndef VMM_BOOT_PVH_H
#define VMM_BOOT_PVH_H

#include "vmm/boot-pieces.h"

/* Everything must be reachable for a 32-bit entry. */
#define PVH_LIMIT (1ULL << 32)

/* Of struct pvh_start_info. */
#define PVH_MAGIC   0x336ec578
#define PVH_VERSION 1

struct pvh_start_info {
	gm_le32_t magic;
	gm_le32_t version;
	gm_le32_t flags;
	gm_le32_t module_count;
	gm_le64_t modules;
	gm_le64_t cmdline;
	gm_le64_t rsdp;
	gm_le64_t memmap;
	gm_le32_t memmap_count;
	gm_le32_t reserved;
};

struct pvh_module {
	gm_le64_t addr;
	gm_le64_t size;
	gm_le64_t cmdline;
	gm_le64_t reserved;
};

struct pvh_memory {
	gm_le64_t addr;
	gm_le64_t size;
	gm_le32_t type; /* enum memmap_type */
	gm_le32_t reserved;
};

/*
 * The region table, passed as the first module to a kernel that carries an ELF note of the name
 * "vmm" and type 1: all regions in order, not merged. flags: bit 0, read-only.
 */
struct pvh_region {
	gm_le64_t base;
	gm_le64_t size;
	gm_le64_t flags;
};

#define PVH_REGION_READ_ONLY 1

/* What a kernel's notes say of it. */
struct pvh_kernel {
	gm_addr entry;
	bool wants_regions; /* the region table */
	bool is_linux;
};

/*
 * Add start info, memory map, ACPI tables, command line and modules to @pieces, and set the state
 * for the entry point. The kernel's own memory is spoken for in their placement already.
 */
int pvh_prepare(const struct boot_params *params, struct pieces *pieces,
		const struct pvh_kernel *kernel, struct boot_state *state);

#endif
