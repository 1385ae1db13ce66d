/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * UNIX sockets with addresses in the file system, for whoever serves host programs at one or goes
 * to those that do. What is said on them is the devices'.
 */
#ifndef DEVICES_UNIX_SOCKET_H
#define DEVICES_UNIX_SOCKET_H

#include <sys/types.h>
#include <sys/un.h>

#include "devices/report.h"

/* The longest path that is an address. */
#define UNIX_PATH_LIMIT (sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1)

struct unix_listener {
	int fd;
	char path[UNIX_PATH_LIMIT + 1];
	dev_t device; /* which file it is, so that no other is removed at the end */
	ino_t inode;
};

/*
 * Listen at @path, of at most @path_max bytes. A socket nobody listens at any more is replaced;
 * anything else that is there is refused. The socket's mode is 0600: only its owner (and root) may
 * connect. 0 or -1 (@report).
 */
int unix_listen(const char *option, const char *path, size_t path_max,
		struct unix_listener *listener, struct report *report);

/* Whether it could, as far as can be told without asking who may listen there. 0 or -1 (@report). */
int unix_try_listen(const char *option, const char *path, size_t path_max, struct report *report);

/* Close it and remove its file. */
void unix_unlisten(struct unix_listener *listener);

/* The next connection to the listener, not blocking; -1 and errno. */
int unix_accept(const struct unix_listener *listener);

/* Connect to whoever listens at @path; not blocking, -1 and errno if nobody does. */
int unix_connect(const char *path);

#endif
