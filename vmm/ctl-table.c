/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The table of requests. */
#include "vmm/ctl-table.h"

#include <stddef.h>
#include <string.h>

#include "devices/near.h"

/* clang-format off */
const struct ctl_request ctl_requests[CTL_REQUESTS] = {
	[CTL_STATUS] = {"status", NULL, "", "whether it runs, since when, and what it has", {{0}}},
	[CTL_PAUSE] = {"pause", NULL, "", "have the guest stand still", {{0}}},
	[CTL_RESUME] = {"resume", NULL, "", "let it go on", {{0}}},
	[CTL_POWER] = {"power", NULL, "", "press the power button", {{0}}},
	[CTL_RESET] = {"reset", NULL, "", "start the guest again", {{0}}},
	[CTL_QUIT] = {"quit", NULL, "[STATUS]", "end the machine with this exit status (0)",
		      {{"status", CTL_EXIT, false}}},
	[CTL_STATS] = {"stats", NULL, "", "the counters", {{0}}},
	[CTL_MAP] = {"map", NULL, "[text|json|svg]", "what is where in its memory (text)",
		     {{"format", CTL_TEXT, false}}},
	[CTL_DISK_RESIZE] = {"disk-resize", "resize", "[DISK] [SIZE]",
			     "make a disk longer, or look how long it is now",
			     {{"disk", CTL_TEXT, false}, {"size", CTL_SIZE, false}}},
	[CTL_BALLOON] = {"balloon", NULL, "[SIZE]", "how much memory the balloon should take",
			 {{"size", CTL_SIZE, false}}},
	[CTL_NET_DETACH] = {"net-detach", "detach", "[NET]", "pull the cable of a network",
			    {{"net", CTL_TEXT, false}}},
	[CTL_NET_ATTACH] = {"net-attach", "attach", "[NET] [unix=PATH|fd=N]",
			    "plug it in where it was, or into a socket of frames",
			    {{"net", CTL_TEXT, false}}},
	[CTL_CONSOLE_ATTACH] = {"console-attach", "console", "[CONSOLE]",
				"be at a console, beside who is there (console)",
				{{"console", CTL_TEXT, false}}},
	[CTL_SUBSCRIBE] = {"subscribe", NULL, "", "tell what happens to the guest, as it happens", {{0}}},
};
/* clang-format on */

const struct ctl_request *ctl_find(const char *name)
{
	for (size_t i = 0; i < CTL_REQUESTS; i++) {
		if (strcmp(ctl_requests[i].name, name) == 0)
			return &ctl_requests[i];
	}
	return NULL;
}

const struct ctl_request *ctl_find_alias(const char *name)
{
	for (size_t i = 0; i < CTL_REQUESTS; i++) {
		if (ctl_requests[i].alias && strcmp(ctl_requests[i].alias, name) == 0)
			return &ctl_requests[i];
	}
	return ctl_find(name);
}

const struct ctl_request *ctl_near(const char *name)
{
	struct near near = {.text = name};

	for (size_t i = 0; i < CTL_REQUESTS; i++)
		near_try(&near, ctl_requests[i].name);
	return near.best ? ctl_find(near.best) : NULL;
}
