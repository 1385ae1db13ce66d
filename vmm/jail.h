/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The jail: what this process can still do once it is set up, which is as little as the guest's
 * devices need. docs/jail.md has the steps, and the table of system calls.
 */
#ifndef VMM_JAIL_H
#define VMM_JAIL_H

#include <stdbool.h>

#include "devices/report.h"

enum jail_mode {
	JAIL_DEFAULT, /* what of it the host has */
	JAIL_OFF,     /* --no-jail */
	JAIL_STRICT,  /* --jail: all of it, or an error */
};

/* What a thread is for. */
enum jail_role {
	JAIL_VCPU,
	JAIL_LOOP,
	JAIL_LOOP_VSOCK, /* the loop's thread, with a device that connects to UNIX sockets */
	JAIL_IO,
	JAIL_NET,
	JAIL_ROLES,
};

/* Before the first device, whose threads lock themselves down as they start. */
int jail_begin(enum jail_mode mode, struct report *report);

/*
 * Lock down the calling thread, which is the loop's, and with it all that it starts from here on:
 * everything is open and nothing of the guest has run.
 */
int jail_lock(struct report *report);

/* Where jail_lock() was not reached, what it would have needed goes. */
void jail_end(void);

/* First of all in a vCPU's thread: less than the loop's, from which it has all the rest. */
void jail_vcpu(void);

#endif
