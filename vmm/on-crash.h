/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* --gdb and --on-crash: who comes to the guest while it runs, and what is left of one that crashed. */
#ifndef VMM_ON_CRASH_H
#define VMM_ON_CRASH_H

#include "vmm/core.h"
#include "vmm/gdb.h"
#include "vmm/options.h"

struct on_crash {
	struct machine *machine;
	struct gdb *gdb; /* NULL: neither asked for it */
	struct core core;
	bool wait; /* for a debugger */
};

/* Whether @value is one of --on-crash: 0 or -1 (@report). */
int on_crash_check(const char *value, struct report *report);

/* Whether on_crash_open() would find something wrong, without making anything. 0 or -1 (@report). */
int on_crash_try(const struct options *options, struct report *report);

/* Before the guest starts. on_crash_close() in every case, before the machine goes. */
int on_crash_open(struct on_crash *crash, const struct options *options, struct machine *machine,
		  struct report *report);

/* machine_run() is over: what was asked for, if the guest crashed. */
int on_crash(struct on_crash *crash, int status, struct report *report);

void on_crash_close(struct on_crash *crash, int status);

#endif
