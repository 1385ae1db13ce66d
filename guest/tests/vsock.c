/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * virtio-vsock: a connection nobody serves is refused; one to a host program and one from it carry
 * a pattern both ways, within the credit either side gave, and end in order.
 */
#include <stddef.h>

#include "guest/cmdline.h"
#include "guest/memory.h"
#include "guest/tap.h"
#include "guest/tests/tests.h"
#include "guest/vsock.h"

#define GUEST_PORT   1024
#define REFUSED_PORT 9
#define BUF_ALLOC    4096 /* less than the host has to send, so that it must wait for credit */

/* One connection at a time. */
struct conn {
	struct vsock vsock;
	uint32_t guest_port, host_port;
	uint32_t sent, peer_buf_alloc, peer_fwd_cnt;
	uint32_t received, told; /* bytes consumed, and as the host knows */
	unsigned int waits;      /* times that credit had run out */
	bool ended;              /* the host sends no more */
};

static struct conn conn;
static uint8_t data[VSOCK_DATA_MAX];

static bool start(void)
{
	struct virtio_device *device = virtio_find(VIRTIO_ID_VSOCK, 0);

	if (!device) {
		tap_skip("no device");
		return false;
	}
	conn = (struct conn){.guest_port = GUEST_PORT};
	return CHECK(vsock_start(&conn.vsock, device), "does not start") &&
	       CHECK(conn.vsock.cid > VSOCK_HOST_CID, "guest CID %lu", conn.vsock.cid);
}

static bool send_packet(enum vsock_op op, uint32_t flags, uint32_t len)
{
	struct vsock_header header = {
		.src_cid = conn.vsock.cid,
		.dst_cid = VSOCK_HOST_CID,
		.src_port = conn.guest_port,
		.dst_port = conn.host_port,
		.len = len,
		.type = VSOCK_STREAM,
		.op = op,
		.flags = flags,
		.buf_alloc = BUF_ALLOC,
		.fwd_cnt = conn.received,
	};

	conn.told = conn.received;
	return CHECK(vsock_send(&conn.vsock, &header, data), "packet %u is not taken", op);
}

/* The host program may connect before anybody listens here, and tries again when it is refused. */
static bool refuse(const struct vsock_header *request)
{
	struct vsock_header rst = {
		.src_cid = conn.vsock.cid,
		.dst_cid = VSOCK_HOST_CID,
		.src_port = request->dst_port,
		.dst_port = request->src_port,
		.type = VSOCK_STREAM,
		.op = VSOCK_RST,
	};

	return CHECK(vsock_send(&conn.vsock, &rst, data), "a refusal is not taken");
}

/* The next packet for the guest's port; one of the connection brings credit too. */
static bool receive_packet(struct vsock_header *header)
{
	for (;;) {
		if (!CHECK(vsock_receive(&conn.vsock, header, data),
			   "no packet, or a malformed one"))
			return false;
		if (header->op != VSOCK_REQUEST || header->dst_port == conn.guest_port)
			break;
		if (!refuse(header))
			return false;
	}
	conn.peer_buf_alloc = header->buf_alloc;
	conn.peer_fwd_cnt = header->fwd_cnt;
	return CHECK(header->src_cid == VSOCK_HOST_CID && header->dst_cid == conn.vsock.cid &&
			     header->dst_port == conn.guest_port && header->type == VSOCK_STREAM,
		     "packet %u from %lu to %lu, port %u", header->op, header->src_cid,
		     header->dst_cid, header->dst_port);
}

/* The next packet is @op, of the connection. */
static bool expect(enum vsock_op op)
{
	struct vsock_header header;

	return receive_packet(&header) &&
	       CHECK(header.op == op && header.src_port == conn.host_port,
		     "packet %u of port %u instead of %u", header.op, header.src_port, op);
}

static bool check_data(uint32_t len)
{
	for (uint32_t i = 0; i < len; i++) {
		if (!CHECK(data[i] == abi_pattern_byte(conn.received + i, ABI_PATTERN_VSOCK_HOST),
			   "byte %u is wrong", conn.received + i))
			return false;
	}
	return true;
}

/* Do what one packet of an open connection says. */
static bool take_packet(void)
{
	struct vsock_header header;

	if (!receive_packet(&header) ||
	    !CHECK(header.src_port == conn.host_port, "a packet of port %u", header.src_port))
		return false;
	switch (header.op) {
	case VSOCK_CREDIT_UPDATE: return true;
	case VSOCK_CREDIT_REQUEST: return send_packet(VSOCK_CREDIT_UPDATE, 0, 0);
	case VSOCK_SHUTDOWN: conn.ended = header.flags & VSOCK_SHUTDOWN_SEND; return true;
	case VSOCK_RW:
		if (!CHECK(conn.received + header.len - conn.told <= BUF_ALLOC,
			   "%u bytes beyond the credit",
			   conn.received + header.len - conn.told - BUF_ALLOC) ||
		    !check_data(header.len))
			return false;
		conn.received += header.len;
		/* All credit is used up before there is more, so that the host has to wait. */
		return conn.received - conn.told < BUF_ALLOC ||
		       send_packet(VSOCK_CREDIT_UPDATE, 0, 0);
	default: tap_fail("packet %u", header.op); return false;
	}
}

static bool send_all(void)
{
	while (conn.sent < ABI_VSOCK_BYTES) {
		uint32_t credit = conn.peer_buf_alloc - (conn.sent - conn.peer_fwd_cnt);
		uint32_t len = 1 + memory_random() % VSOCK_DATA_MAX;

		len = len < ABI_VSOCK_BYTES - conn.sent ? len : ABI_VSOCK_BYTES - conn.sent;
		if (len > credit) {
			conn.waits++;
			if (!take_packet())
				return false;
			continue;
		}
		for (uint32_t i = 0; i < len; i++)
			data[i] = abi_pattern_byte(conn.sent + i, ABI_PATTERN_VSOCK_GUEST);
		if (!send_packet(VSOCK_RW, 0, len))
			return false;
		conn.sent += len;
	}
	return send_packet(VSOCK_SHUTDOWN, VSOCK_SHUTDOWN_SEND, 0);
}

static bool receive_all(void)
{
	while (!conn.ended) {
		if (!take_packet())
			return false;
	}
	return CHECK(conn.received == ABI_VSOCK_BYTES, "%u of %u bytes", conn.received,
		     ABI_VSOCK_BYTES);
}

/* Either side has said that it sends no more. */
static bool close_conn(void)
{
	CHECK(conn.waits > 0, "credit never ran out");
	CHECK(conn.vsock.crossings > 0 || !memory_map.boundary_count, "no boundary has room");
	tap_note("%u bytes each way, %u buffers across boundaries", conn.sent, conn.vsock.crossings);
	return send_packet(VSOCK_RST, 0, 0);
}

void test_vsock_refused(void)
{
	if (!start())
		return;
	conn.host_port = REFUSED_PORT;
	/* Twice: a refusal leaves nothing behind. And a packet of no connection is one. */
	if (send_packet(VSOCK_REQUEST, 0, 0) && expect(VSOCK_RST) &&
	    send_packet(VSOCK_REQUEST, 0, 0) && expect(VSOCK_RST) && send_packet(VSOCK_RW, 0, 1))
		expect(VSOCK_RST);
}

/* The host program sends when it has got all. */
void test_vsock_connect(void)
{
	if (!cmdline_get(ABI_KEY_VSOCK_PEER, 0)) {
		tap_skip("no host program");
		return;
	}
	if (!start())
		return;
	conn.host_port = ABI_VSOCK_HOST_PORT;
	if (send_packet(VSOCK_REQUEST, 0, 0) && expect(VSOCK_RESPONSE) && send_all() && receive_all())
		close_conn();
}

void test_vsock_accept(void)
{
	struct vsock_header header;

	if (!cmdline_get(ABI_KEY_VSOCK_PEER, 0)) {
		tap_skip("no host program");
		return;
	}
	if (!start())
		return;
	conn.guest_port = ABI_VSOCK_GUEST_PORT;
	if (!receive_packet(&header) || !CHECK(header.op == VSOCK_REQUEST, "packet %u", header.op))
		return;
	conn.host_port = header.src_port;
	if (!send_packet(VSOCK_RESPONSE, 0, 0) || !send_all() || !receive_all() || !close_conn())
		return;
	/* Nobody connects any more, so the next packet says that the connection is unknown now. */
	if (send_packet(VSOCK_RW, 0, 1))
		expect(VSOCK_RST);
}
