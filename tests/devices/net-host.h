/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Programs of the host, on its loopback interface, that a test's guest talks to. */
#ifndef TESTS_DEVICES_NET_HOST_H
#define TESTS_DEVICES_NET_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All of them give up, and fail the test, after 20 seconds; descriptors are the caller's. */

/* A socket of @type on @port of 127.0.0.1 (0: any); -1 if it is taken. */
int net_host_bind(int type, uint16_t port);
/* A port nobody has. */
uint16_t net_host_free_port(int type);
int net_host_listen(uint16_t *port);
int net_host_udp(uint16_t *port);
int net_host_connect(uint16_t port);
void net_host_connect_udp(int fd, uint16_t port);
void net_host_read(int fd, void *data, size_t len);

/* How many sockets this process has, or a thread of it with descriptors of its own. */
unsigned int net_host_sockets(void);

/* Whether every thread has this descriptor. */
bool net_host_all_have(int fd);

/* How often the thread of this process that is named @name has gone to sleep; -1: there is none. */
long net_host_switches(const char *name);

#endif
