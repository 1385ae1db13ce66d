/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * What the consoles say about a guest that is a test: --expect, --tap and --junit. Every serial and
 * virtio console is listened to, wherever its output goes; each has its own line, of which at most
 * VERDICT_LINE bytes are kept. A longer line is looked at in pieces, of which each has the last
 * VERDICT_OVERLAP bytes of the one before; as TAP only its first piece counts.
 */
#ifndef VMM_VERDICT_H
#define VMM_VERDICT_H

#include <pthread.h>

#include "devices/report.h"
#include "vmm/expect.h"
#include "vmm/junit.h"
#include "vmm/machine.h"
#include "vmm/options.h"
#include "vmm/tap.h"

#define VERDICT_LINE    4096
#define VERDICT_OVERLAP 1024

#define VERDICT_NOT_SEEN 6 /* exit statuses: --expect, */
#define VERDICT_NOT_OK   7 /* --tap */

struct verdict {
	const struct options *options;
	pthread_mutex_t lock; /* of what follows: consoles have threads of their own */
	struct machine *machine;
	struct expect *expect;
	struct stream *streams; /* the consoles' */
	struct tap tap;
	struct junit junit;
	bool seen; /* all that --expect names */
};

/* Before any console is opened. verdict_close() in every case. */
int verdict_open(struct verdict *verdict, const struct options *options, struct report *report);
void verdict_close(struct verdict *verdict);

/* Which machine ends when all that is expected was seen; NULL: none any more. */
void verdict_set_machine(struct verdict *verdict, struct machine *machine);

/*
 * The machine ended with *@status: say on standard error what is missing, write the JUnit file, and
 * change *@status to what it says. The machine is still there.
 */
int verdict_reach(struct verdict *verdict, int *status, struct report *report);

#endif
