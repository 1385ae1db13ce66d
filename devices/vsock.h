/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * A virtio-vsock device from the inside: what virtio-vsock.c (queues, packets to the guest),
 * vsock-guest.c (packets from the guest) and vsock-host.c (host sockets and their events) share.
 *
 * Everything here is called with the device's lock held, but vsock_host_ready().
 */
#ifndef DEVICES_VSOCK_H
#define DEVICES_VSOCK_H

#include <linux/virtio_vsock.h>

#include "devices/loop.h"
#include "devices/unix-socket.h"
#include "devices/virtio.h"
#include "devices/vsock-conn.h"

#define VSOCK_HOST_CID 2
/* So long may PATH be that PATH_4294967295 still is the address of a socket. */
#define VSOCK_PATH_MAX (UNIX_PATH_LIMIT + 1 - sizeof("_4294967295"))
/* RSTs to packets of no connection that wait for a buffer, before the tx queue waits with them. */
#define VSOCK_RST_MAX 64
/* Both directions of a connection. */
#define VSOCK_SHUT_BOTH (VIRTIO_VSOCK_SHUTDOWN_RCV | VIRTIO_VSOCK_SHUTDOWN_SEND)

TAILQ_HEAD(vsock_pending, vsock_conn);

/* All with the device's lock, but what is constant after set-up: listener, epoll, watch, config. */
struct vsock {
	struct virtio_device dev;
	struct virtio_vsock_config config;
	struct unix_listener listener;
	int epoll;
	struct loop_watch *watch; /* of epoll */
	bool listening;           /* the listener is in epoll: not while there are no descriptors */

	struct vsock_table conns;
	struct vsock_pending pending; /* conns that have something for the guest */
	uint32_t next_port;

	struct virtio_vsock_hdr rsts[VSOCK_RST_MAX]; /* a ring, ready to be sent */
	unsigned int rst_first, rst_count;

	struct virtq_chain rx; /* a buffer nothing was there for, valid if rx_held */
	bool rx_held;
	struct virtq_chain tx; /* a packet whose answer has no room yet, valid if tx_held */
	bool tx_held;
};

/* --- virtio-vsock.c -------------------------------------------------------------------------- */

/* A packet without data to the guest. */
struct virtio_vsock_hdr vsock_packet_header(const struct vsock *vsock, uint32_t host_port,
					    uint32_t guest_port, uint16_t op);

/* Send what has come up; then packets that waited for room may go on. */
void vsock_settle(struct vsock *vsock);

/* --- vsock-guest.c --------------------------------------------------------------------------- */

/* Do what the packet in @chain says. There is room for one more RST. */
void vsock_guest_packet(struct vsock *vsock, const struct gm_memory *memory,
			const struct virtq_chain *chain);

/* --- vsock-host.c ---------------------------------------------------------------------------- */

/* Accept connections, if that was stopped. */
void vsock_listen_again(struct vsock *vsock);

/* Some of the host sockets are ready; the loop's callback. */
void vsock_host_ready(void *arg, uint32_t events);

/* A connection on @fd, in the epoll set and not armed; NULL (and @fd closed) without room. */
struct vsock_conn *vsock_add(struct vsock *vsock, int fd);

/* The connection is over for both sides; the guest knows or need not. */
void vsock_drop(struct vsock *vsock, struct vsock_conn *conn);

/* End it on this side and tell the guest. */
void vsock_reset_conn(struct vsock *vsock, struct vsock_conn *conn);

/* There is something for the guest (VSOCK_PENDING_...). */
void vsock_pend(struct vsock *vsock, struct vsock_conn *conn, unsigned int what);

/* The host program ended these directions. */
void vsock_host_shutdown(struct vsock *vsock, struct vsock_conn *conn, unsigned int directions);

/* End towards the host what the guest ended, once all before it is delivered. */
void vsock_finish(struct vsock *vsock, struct vsock_conn *conn);

/* Tell the guest of its credit in time: it must not run out while there is room. */
void vsock_tell_credit(struct vsock *vsock, struct vsock_conn *conn);

/* Watch the socket for what is wanted now. After each change of the connection. */
void vsock_arm(struct vsock *vsock, struct vsock_conn *conn);

#endif
