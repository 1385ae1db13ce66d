/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* What an attacker inside the monitor would attempt. */
#ifndef TESTS_JAIL_ACTIONS_H
#define TESTS_JAIL_ACTIONS_H

#define JAIL_ATTEMPTED 70 /* the status of a process whose attempt came back */

/* Every action, by name. */
#define JAIL_ACTIONS                                                                             \
	{                                                                                        \
		"open", "create", "exec", "socket", "ptrace", "map", "protect", "ioctl", "fork", \
			"kill", "unlink"                                                         \
	}

/*
 * Make the call that @name says, some of them with @path. If it comes back, "INTRUDE: errno N" goes
 * to standard error and the process ends. An unknown name does nothing.
 */
void jail_attempt(const char *name, const char *path);

#endif
