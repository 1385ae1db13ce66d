/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * A network namespace for a test, and what has to be done to interfaces in it. Nothing of the
 * host's own network is touched, and all of it goes with the test's process.
 */
#ifndef TESTS_DEVICES_NET_NS_H
#define TESTS_DEVICES_NET_NS_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/runner.h"

/* Enter a new namespace. NULL, or why there are no TAP interfaces here. The process has one thread. */
const char *net_ns_enter(void);

/* For tests: enter one, or skip the test. */
#define NEED_TAP()                                \
	do {                                      \
		const char *why = net_ns_enter(); \
                                                  \
		if (why)                          \
			TEST_SKIP("%s", why);     \
	} while (0)

/* A persistent TAP interface; @multi: of several queues. */
void net_ns_add_tap(const char *ifname, bool multi);
/* Remove an interface, in use or not. */
void net_ns_remove(const char *ifname);

/* 10.0.2.2/24, and up. */
void net_ns_configure(const char *ifname);
void net_ns_set_up(const char *ifname, bool up);
void net_ns_set_mtu(const char *ifname, int mtu);
/* The guest's address and MAC, so that nobody has to ask for it. */
void net_ns_know_guest(const char *ifname, const uint8_t *mac);

/* A queue of a TAP interface as another program would open it; -1 and errno. */
int net_ns_open_tap(const char *ifname, short flags);

/* A socket of @type bound to 10.0.2.2, listening if it is a stream's; *@port is where. */
int net_ns_socket(int type, uint16_t *port);

/* From here on this process may not make or change interfaces. */
void net_ns_drop_privileges(void);

#endif
