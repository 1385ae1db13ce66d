/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The UNIX sockets behind virtio-vsock: the listening one at PATH, through which host programs come
 * to the guest, and those at PATH_PORT, at which host programs serve it. What is said on them is
 * virtio-vsock.c's.
 */
#ifndef DEVICES_VSOCK_SOCKET_H
#define DEVICES_VSOCK_SOCKET_H

#include <stdint.h>
#include <sys/types.h>
#include <sys/un.h>

#include "devices/report.h"

/* So long may PATH be that PATH_4294967295 still is the address of a socket. */
#define VSOCK_PATH_MAX (sizeof(((struct sockaddr_un *)NULL)->sun_path) - sizeof("_4294967295"))

struct vsock_listener {
	int fd;
	char path[VSOCK_PATH_MAX + 1];
	dev_t device; /* which file it is, so that no other is removed at the end */
	ino_t inode;
};

/*
 * Listen at @path. A socket nobody listens at any more is replaced; anything else that is there is
 * refused. The socket's mode is 0600: only its owner (and root) may connect. 0 or -1 (@report).
 */
int vsock_listen(const char *option, const char *path, struct vsock_listener *listener,
		 struct report *report);

/* Close it and remove its file. */
void vsock_unlisten(struct vsock_listener *listener);

/* The next connection to the listener, not blocking; -1 and errno. */
int vsock_accept(const struct vsock_listener *listener);

/* Connect to whoever serves @port at PATH_PORT; not blocking, -1 and errno if nobody does. */
int vsock_connect(const struct vsock_listener *listener, uint32_t port);

#endif
