/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * What devices say to whoever locks the process down once it is set up: which of their threads
 * does what, and what they will still need of the host then. How it is locked down is the
 * monitor's (vmm/jail.h); without one, as in tests, all of this does nothing.
 */
#ifndef DEVICES_CONFINE_H
#define DEVICES_CONFINE_H

enum confine_role {
	CONFINE_IO,  /* reads and writes descriptors that are open */
	CONFINE_NET, /* makes sockets on behalf of the guest */
};

struct confine_ops {
	void (*enter)(enum confine_role role);
	void (*will_unlink)(const char *path);
	void (*will_connect)(void);
};

/* Before the first device is made. NULL: nobody. */
void confine_by(const struct confine_ops *ops);

/*
 * First of all in a thread of a device, or behind what it sets up while its maker waits: from here
 * on it can do no more than its role needs.
 */
void confine_enter(enum confine_role role);

/* The device made @path and will remove it when it goes. */
void confine_will_unlink(const char *path);

/* The device will connect to UNIX sockets when the guest asks for it. */
void confine_will_connect(void);

#endif
