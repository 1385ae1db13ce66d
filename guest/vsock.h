/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * virtio-vsock, a packet at a time, from and into buffers across boundaries; virtio 1.2, section
 * 5.10. What connections do with packets is the tests'.
 */
#ifndef GUEST_VSOCK_H
#define GUEST_VSOCK_H

#include "guest/virtio.h"

#define VSOCK_HOST_CID 2

enum vsock_op {
	VSOCK_REQUEST = 1,
	VSOCK_RESPONSE,
	VSOCK_RST,
	VSOCK_SHUTDOWN,
	VSOCK_RW,
	VSOCK_CREDIT_UPDATE,
	VSOCK_CREDIT_REQUEST,
};

#define VSOCK_STREAM        1
#define VSOCK_SHUTDOWN_RCV  1
#define VSOCK_SHUTDOWN_SEND 2

struct vsock_header {
	uint64_t src_cid;
	uint64_t dst_cid;
	uint32_t src_port;
	uint32_t dst_port;
	uint32_t len;
	uint16_t type;
	uint16_t op;
	uint32_t flags;
	uint32_t buf_alloc;
	uint32_t fwd_cnt;
} __attribute__((packed));

#define VSOCK_DATA_MAX 1500 /* in a packet */

struct vsock {
	struct virtio_device *device;
	struct virtq rx, tx;
	uint64_t cid;
	uint32_t next_boundary;
	unsigned int crossings;   /* buffers so far that lay across a boundary */
	struct buffer rx_data[2]; /* of the buffer the device has: header, data */
};

/* Start the device; false if it does not. */
bool vsock_start(struct vsock *vsock, struct virtio_device *device);

/* Send a packet with header->len bytes of @data. False if the device does not take it. */
bool vsock_send(struct vsock *vsock, const struct vsock_header *header, const void *data);

/* The next packet, with up to VSOCK_DATA_MAX bytes. False if none comes or it is malformed. */
bool vsock_receive(struct vsock *vsock, struct vsock_header *header, void *data);

#endif
