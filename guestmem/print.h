/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* A map of a memory for people: in a log, a debugger, an error report. */
#ifndef GUESTMEM_PRINT_H
#define GUESTMEM_PRINT_H

#include <stdio.h>

#include "guestmem/memory.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Write one line for each region of @memory to @out, ascending:
 *
 *	0x0000000000000000-0x000000000009ffff    640 KiB  anon   rw  host 0x7f52c4e00000
 *	0x00000000000a0000-0x00000000000fffff    384 KiB  file   ro  host 0x7f52c4d9f000 bios.bin@0x0 +
 *
 * first and last address, size, backing, access, host mapping, file and offset; then flags by name,
 * and "+" if the region begins where the one before it ends. A memory behind an IOMMU says so in a
 * line of its own, then prints its backend. 0, or GM_ERR_IO (errno) if @out reports an error.
 */
int gm_memory_print(const struct gm_memory *memory, FILE *out);

#ifdef __cplusplus
}
#endif

#endif
