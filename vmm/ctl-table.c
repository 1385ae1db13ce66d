/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The table of requests. */
#include "vmm/ctl-table.h"

#include <stddef.h>
#include <string.h>

#include "devices/near.h"

const struct ctl_request ctl_requests[CTL_REQUESTS] = {
	[CTL_STATUS] = {"status", "", "whether it runs, since when, and what it has", {{0}}},
	[CTL_PAUSE] = {"pause", "", "have the guest stand still", {{0}}},
	[CTL_RESUME] = {"resume", "", "let it go on", {{0}}},
	[CTL_POWER] = {"power", "", "press the power button", {{0}}},
	[CTL_RESET] = {"reset", "", "start the guest again", {{0}}},
	[CTL_QUIT] = {"quit",
		      "[STATUS]",
		      "end the machine with this exit status (0)",
		      {{"status", CTL_EXIT, false}}},
	[CTL_SUBSCRIBE] = {"subscribe", "", "tell what happens to the guest, as it happens", {{0}}},
};

const struct ctl_request *ctl_find(const char *name)
{
	for (size_t i = 0; i < CTL_REQUESTS; i++) {
		if (strcmp(ctl_requests[i].name, name) == 0)
			return &ctl_requests[i];
	}
	return NULL;
}

const struct ctl_request *ctl_near(const char *name)
{
	struct near near = {.text = name};

	for (size_t i = 0; i < CTL_REQUESTS; i++)
		near_try(&near, ctl_requests[i].name);
	return near.best ? ctl_find(near.best) : NULL;
}
