/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * A machine that is not started: everything is checked and placed as if it were, no KVM is needed,
 * no device is connected to anything, no memory is mapped, and nothing is written. For vmm map and
 * vmm check.
 */
#ifndef VMM_PLAN_H
#define VMM_PLAN_H

#include "vmm/boot-options.h"
#include "vmm/map.h"

/* A machine that is only planned, and what belongs to it. */
struct plan {
	struct machine machine;
	struct boot_params params;
	struct gm_memory *memory;
	char names[MACHINE_DEVICES_MAX][MAP_NAME_MAX];
};

/* Fill @plan, which is zero. plan_free() in every case. 0 or -1 (@report). */
int plan_make(struct plan *plan, const struct options *options, struct report *report);
void plan_free(struct plan *plan);

#endif
