/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The machine behind the control socket. All of it is the loop's thread's. */
#ifndef VMM_CONTROL_TARGET_H
#define VMM_CONTROL_TARGET_H

#include "vmm/control-session.h"
#include "vmm/machine.h"

struct control_target {
	struct machine *machine;
	uint64_t since; /* ms of CLOCK_MONOTONIC */
	bool paused;    /* clients want it paused */
	bool over;      /* machine_run() is */
};

extern const struct control_ops control_target_ops; /* target: struct control_target */

void control_target_init(struct control_target *target, struct machine *machine);

#endif
