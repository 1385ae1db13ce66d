/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * A guest with a vsock driver, and host programs at its sockets: what test_vsock.c and
 * test_vsock_limits.c have in common. The loop runs on a thread of its own, as in the monitor.
 */
#ifndef TESTS_DEVICES_VSOCK_H
#define TESTS_DEVICES_VSOCK_H

#include <linux/virtio_vsock.h>
#include <pthread.h>

#include "tests/devices/harness.h"

#define VSOCK_CID    42
#define VSOCK_CHUNKS 4     /* buffers a chain at most */
#define VSOCK_DATA   65536 /* data of a packet at most */

struct packet {
	uint32_t src_port, dst_port, len, flags, buf_alloc, fwd_cnt, used;
	uint64_t src_cid, dst_cid;
	uint16_t type, op;
	uint8_t data[VSOCK_DATA];
};

struct vsock_guest {
	struct harness h;
	pthread_t thread;
	char dir[32], path[48];
	struct buffer posted[64][VSOCK_CHUNKS]; /* by head */
	unsigned int posted_count[64];
	struct packet packet; /* the last one taken */
};

/* Make the device on memory cut so, at PATH in a directory of its own, and start its loop. */
void vsock_new(struct vsock_guest *g, const struct cutting *cutting);
void vsock_end(struct vsock_guest *g);

/* Start the driver, with @count receive buffers of @size bytes. */
void vsock_start(struct vsock_guest *g, unsigned int count, uint32_t size);

/* Offer a chain to receive into. */
void vsock_post(struct vsock_guest *g, const struct buffer *chain, unsigned int count);

/* The next packet from the device; its chain is offered again. False if none came in @ms. */
bool vsock_take(struct vsock_guest *g, unsigned int ms);

/* The next packet, which must be @op from @host_port to @guest_port. */
struct packet *vsock_expect(struct vsock_guest *g, uint16_t op, uint32_t guest_port,
			    uint32_t host_port);

/* A header as a polite guest fills it, with 64 KiB of credit. */
struct virtio_vsock_hdr vsock_header(uint16_t op, uint32_t guest_port, uint32_t host_port,
				     uint32_t len);

/* Send it with @len bytes of @data from the last 128 KiB of RAM. */
void vsock_send(struct vsock_guest *g, const struct virtio_vsock_hdr *hdr, const void *data,
		uint32_t len);

/* Send a packet without data. */
void vsock_op(struct vsock_guest *g, uint16_t op, uint32_t guest_port, uint32_t host_port);

/* A host program: connect to PATH, say @hello. */
int vsock_dial(struct vsock_guest *g, const char *hello);

/* A host program: listen at PATH_@port. */
int vsock_serve(struct vsock_guest *g, uint32_t port);

/* Exactly @len bytes from a host program's socket. */
void vsock_read(int fd, void *data, size_t len);

/* The other end has closed. */
void vsock_read_end(int fd);

/* A connection from either side, up to where data may flow. Returns the host program's socket. */
int vsock_to_guest(struct vsock_guest *g, uint32_t guest_port, uint32_t *host_port);
int vsock_to_host(struct vsock_guest *g, uint32_t guest_port, uint32_t host_port);

/* Byte @at of stream @which, so that what arrives at the wrong place is seen. */
uint8_t vsock_byte(uint32_t which, uint64_t at);

#endif
