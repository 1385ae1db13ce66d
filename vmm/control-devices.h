/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Requests about the machine's devices: what control-target.c and control-devices.c share. */
#ifndef VMM_CONTROL_DEVICES_H
#define VMM_CONTROL_DEVICES_H

#include "vmm/control-target.h"

/* All of them: an array of {"name": "disk0", "what": "disk a.img"}. */
json_t *control_devices(const struct machine *machine);
/* The names of what can be attached to. */
json_t *control_consoles(const struct machine *machine);

int control_disk_resize(struct control_target *target, struct control_call *call,
			struct report *report);
int control_balloon(struct control_target *target, struct control_call *call, struct report *report);
int control_net_detach(struct control_target *target, struct control_call *call,
		       struct report *report);
int control_net_attach(struct control_target *target, struct control_call *call,
		       struct report *report);
int control_console_attach(struct control_target *target, struct control_call *call,
			   struct report *report);
int control_console_become(void *target, void *stream, int fd, const char *out, size_t out_len,
			   const char *in, size_t in_len);

#endif
