/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The connections of a virtio-vsock device: a table by port numbers, and for each connection its
 * host socket, its credit in both directions and a bounded buffer for what the guest sent and the
 * host program has not taken. Packets and queues are virtio-vsock.c's.
 *
 * All of it is touched with the device's lock held.
 */
#ifndef DEVICES_VSOCK_CONN_H
#define DEVICES_VSOCK_CONN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "guestmem/guestmem.h"

/* Bytes the guest may have on the way in one connection: the most that is buffered for it. */
#define VSOCK_BUF_ALLOC 65536U
/* Connections of a device, host programs that have not said CONNECT included. */
#define VSOCK_CONN_MAX 4096
/* The longest line that is understood: "CONNECT 4294967295\n". */
#define VSOCK_HELLO_MAX 19

enum vsock_state {
	VSOCK_HELLO,     /* a host program has connected and not said where to; not in the hash */
	VSOCK_REQUESTED, /* the guest was asked for a connection */
	VSOCK_OPEN,
	VSOCK_RESET, /* closed; stays until the guest has the RST */
};

/* What is to be sent to the guest: bits of vsock_conn.pending, the first of them first. */
enum {
	VSOCK_PENDING_RST = 1,
	VSOCK_PENDING_REQUEST = 2,
	VSOCK_PENDING_RESPONSE = 4,
	VSOCK_PENDING_DATA = 8, /* the host socket may have some */
	VSOCK_PENDING_SHUTDOWN = 16,
	VSOCK_PENDING_CREDIT_REQUEST = 32,
	VSOCK_PENDING_CREDIT_UPDATE = 64,
};

struct vsock_conn {
	LIST_ENTRY(vsock_conn) in_all;
	LIST_ENTRY(vsock_conn) in_hash;     /* if the state is not VSOCK_HELLO */
	TAILQ_ENTRY(vsock_conn) in_pending; /* if queued */
	enum vsock_state state;
	uint32_t guest_port, host_port;
	int fd;         /* -1 once nothing can be said on it any more */
	uint32_t armed; /* what epoll is asked for */
	unsigned int pending;
	bool queued;

	/* Which directions (VIRTIO_VSOCK_SHUTDOWN_...) each side has ended. */
	unsigned int guest_shut, host_shut;
	bool hung_up; /* the host program has closed; there may still be data from it */

	/* Host to guest: counted as the specification does, modulo 2^32 (5.10.6.3). */
	uint32_t peer_buf_alloc, peer_fwd_cnt, tx_cnt;
	bool credit_asked; /* and no answer yet */

	/* Guest to host. */
	uint32_t fwd_cnt, fwd_told; /* bytes the host took; as the guest was told last */
	uint8_t *buffer;            /* a ring of VSOCK_BUF_ALLOC bytes, or NULL if empty */
	uint32_t first, buffered;

	char hello[VSOCK_HELLO_MAX];
	unsigned int hello_len;
};

LIST_HEAD(vsock_list, vsock_conn);

#define VSOCK_HASH_SIZE 1024

struct vsock_table {
	struct vsock_list all;
	struct vsock_list hash[VSOCK_HASH_SIZE];
	unsigned int count;
};

/* A new connection on @fd, which is the connection's from now on; NULL if there are too many. */
struct vsock_conn *vsock_conn_new(struct vsock_table *table, int fd);

/* Give it ports, by which it can be found, and a state other than VSOCK_HELLO. */
void vsock_conn_name(struct vsock_table *table, struct vsock_conn *conn, enum vsock_state state,
		     uint32_t guest_port, uint32_t host_port);

struct vsock_conn *vsock_conn_find(struct vsock_table *table, uint32_t guest_port,
				   uint32_t host_port);

/* Close the socket and forget what was buffered for it. */
void vsock_conn_close(struct vsock_conn *conn);

/* Close and free. It is in no list of pending ones any more. */
void vsock_conn_free(struct vsock_table *table, struct vsock_conn *conn);

/* Bytes that the guest still has room for. */
uint32_t vsock_conn_credit(const struct vsock_conn *conn);

/*
 * Bring @len bytes of @sg to the host socket, buffering what it does not take now; they must not be
 * more than VSOCK_BUF_ALLOC with what is buffered. 0, or -1 if nobody will ever take them: these
 * and those that were buffered then count as delivered.
 */
int vsock_conn_send(struct vsock_conn *conn, struct gm_sg *sg, uint32_t len);

/* Go on with what is buffered; 0 or -1 as above. */
int vsock_conn_flush(struct vsock_conn *conn);

/* Count @len bytes behind what is buffered as delivered, and what is buffered too. */
void vsock_conn_discard(struct vsock_conn *conn, uint32_t len);

enum vsock_hello {
	VSOCK_HELLO_PART,    /* the line is not complete */
	VSOCK_HELLO_CONNECT, /* it asks for *@port */
	VSOCK_HELLO_WRONG,   /* it does not, or the other end is gone */
};

/* Read the line a host program begins with, and nothing behind it. */
enum vsock_hello vsock_conn_hello(struct vsock_conn *conn, uint32_t *port);

#endif
