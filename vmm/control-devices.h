/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Requests about the machine's devices: what control-target.c and control-devices.c share. */
#ifndef VMM_CONTROL_DEVICES_H
#define VMM_CONTROL_DEVICES_H

#include "vmm/control-target.h"

/* All of them: an array of {"name": "disk0", "what": "disk a.img"}. */
json_t *control_devices(const struct machine *machine);

#endif
