/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* What --stats prints on standard error. */
#ifndef VMM_STATS_H
#define VMM_STATS_H

#include "vmm/machine.h"

/* Counters of devices and exits. After machine_run(). */
void print_stats(const struct machine *machine);

#endif
