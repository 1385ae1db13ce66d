/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Linux's 64-bit boot protocol (Documentation/arch/x86/boot.rst): what the kernel finds in memory
 * when it is entered in long mode, whatever file it came in.
 */
#ifndef VMM_BOOT_LINUX_H
#define VMM_BOOT_LINUX_H

#include "vmm/boot-pieces.h"

/* The page tables a kernel is entered with map what is below, one to one. */
#define LINUX_LIMIT (1ULL << 32)

/* What a PC has there is no place for anything that must stay. */
#define LINUX_LOW_END 0x100000ULL

struct setup_header; /* asm/bootparam.h */

/*
 * Add zero page, page tables, ACPI tables, command line and initrd to @pieces, and set the state
 * for @entry. @header is the file's own setup header, NULL for a file that has none. The kernel's
 * memory is spoken for already. 0 or -1 (the pieces' report).
 */
int linux_prepare(const struct boot_params *params, struct pieces *pieces,
		  const struct setup_header *header, gm_addr entry, struct boot_state *state);

#endif
