/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The requests of the control socket: one table for who answers them (control-session.c), who asks
 * (ctl.c) and the help of both. docs/control.md says what each does.
 */
#ifndef VMM_CTL_TABLE_H
#define VMM_CTL_TABLE_H

#include <stdbool.h>

#define CTL_PARAMS_MAX 2

enum ctl_id {
	CTL_STATUS,
	CTL_PAUSE,
	CTL_RESUME,
	CTL_POWER,
	CTL_RESET,
	CTL_QUIT,
	CTL_STATS,
	CTL_MAP,
	CTL_DISK_RESIZE,
	CTL_BALLOON,
	CTL_NET_DETACH,
	CTL_NET_ATTACH,
	CTL_CONSOLE_ATTACH,
	CTL_SUBSCRIBE,
	CTL_REQUESTS,
};

enum ctl_type {
	CTL_TEXT,
	CTL_SIZE, /* bytes: a number, or a text as on the command line: "64M" */
	CTL_EXIT, /* a number from 0 to 255 */
};

struct ctl_param {
	const char *name; /* NULL: there is none */
	enum ctl_type type;
	bool required;
};

struct ctl_request {
	const char *name;
	const char *alias; /* what vmm ctl takes for it, too, or NULL */
	const char *args;  /* of vmm ctl, in its help; "": none */
	const char *help;  /* one line */
	/* In the order in which vmm ctl takes them. */
	struct ctl_param params[CTL_PARAMS_MAX];
};

/* By enum ctl_id. */
extern const struct ctl_request ctl_requests[CTL_REQUESTS];

/* The request that vmm ctl is asked for as @name, or NULL. */
const struct ctl_request *ctl_find_alias(const char *name);

/* The request that is called @name, or NULL; and the one somebody may have meant by it, or NULL. */
const struct ctl_request *ctl_find(const char *name);
const struct ctl_request *ctl_near(const char *name);

#endif
