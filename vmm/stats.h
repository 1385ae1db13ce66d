/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* What --print-map and --stats print on standard error. */
#ifndef VMM_STATS_H
#define VMM_STATS_H

#include "vmm/machine.h"

/* One line a region: range, size, backing, flags. */
void print_map(const struct gm_memory *memory);

/* Counters of devices and exits. After machine_run(). */
void print_stats(const struct machine *machine);

#endif
