/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * A dump of the guest: an ELF core file with one segment for each region of memory, by physical
 * address, and the registers of each vCPU as a thread's. gdb, readelf and crash-style tools open it.
 */
#ifndef VMM_CORE_H
#define VMM_CORE_H

#include "vmm/machine.h"

struct core {
	int fd; /* -1: none */
	const char *path;
	bool written;
};

/*
 * Make the file, which must not exist, before the guest starts: later nothing may be opened. @path
 * outlives it; @machine has its memory and vCPUs. core_close() in every case. 0 or -1 (@report).
 */
int core_open(struct core *core, const char *path, const struct machine *machine,
	      struct report *report);

/* Write it; no vCPU runs any more. Pages of zeros are holes. 0 or -1 (@report). */
int core_write(struct core *core, const struct machine *machine, struct report *report);

/* What was not written whole is removed. */
void core_close(struct core *core);

#endif
