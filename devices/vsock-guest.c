/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * virtio-vsock: packets from the guest. A packet is read once and checked; one that breaks the
 * rules costs its own connection, with an RST, and no other.
 */
#include "devices/vsock.h"

#include <endian.h>
#include <stdio.h>
#include <sys/socket.h>

/* Answer a packet that no connection is there for. An RST is not answered by another. */
static void refuse(struct vsock *vsock, const struct virtio_vsock_hdr *hdr)
{
	struct virtio_vsock_hdr *rst =
		&vsock->rsts[(vsock->rst_first + vsock->rst_count) % VSOCK_RST_MAX];

	if (le16toh(hdr->op) == VIRTIO_VSOCK_OP_RST)
		return;
	vsock->dev.stats.errors++;
	*rst = vsock_packet_header(vsock, le32toh(hdr->dst_port), le32toh(hdr->src_port),
				   VIRTIO_VSOCK_OP_RST);
	/* Of the type and from the place the guest spoke to, or it would not know which it is. */
	rst->src_cid = hdr->dst_cid;
	rst->type = hdr->type;
	vsock->rst_count++;
}

static void take_credit(struct vsock_conn *conn, const struct virtio_vsock_hdr *hdr)
{
	conn->peer_buf_alloc = le32toh(hdr->buf_alloc);
	conn->peer_fwd_cnt = le32toh(hdr->fwd_cnt);
	conn->credit_asked = false;
}

static void guest_shutdown(struct vsock *vsock, struct vsock_conn *conn, uint32_t flags)
{
	conn->guest_shut |= flags & VSOCK_SHUT_BOTH;
	if ((conn->guest_shut & VIRTIO_VSOCK_SHUTDOWN_RCV) && conn->fd >= 0)
		shutdown(conn->fd, SHUT_RD);
	vsock_finish(vsock, conn);
}

/* To the host program that serves @port at PATH_PORT; -1 if none does. */
static int connect_to_port(const struct vsock *vsock, uint32_t port)
{
	char path[UNIX_PATH_LIMIT + sizeof("_4294967295")];

	snprintf(path, sizeof(path), "%s_%u", vsock->listener.path, port);
	return unix_connect(path);
}

/* A connection the guest asks for. */
static void guest_request(struct vsock *vsock, const struct virtio_vsock_hdr *hdr)
{
	int fd = connect_to_port(vsock, le32toh(hdr->dst_port));
	struct vsock_conn *conn = fd >= 0 ? vsock_add(vsock, fd) : NULL;

	if (!conn) {
		refuse(vsock, hdr);
		return;
	}
	vsock_conn_name(&vsock->conns, conn, VSOCK_OPEN, le32toh(hdr->src_port),
			le32toh(hdr->dst_port));
	take_credit(conn, hdr);
	vsock_pend(vsock, conn, VSOCK_PENDING_RESPONSE);
	vsock_arm(vsock, conn);
}

/* The guest takes the connection a host program asked for. */
static bool guest_response(struct vsock_conn *conn)
{
	char line[sizeof("OK 4294967295\n")];
	int len = snprintf(line, sizeof(line), "OK %u\n", conn->host_port);

	conn->state = VSOCK_OPEN;
	return send(conn->fd, line, (size_t)len, MSG_DONTWAIT | MSG_NOSIGNAL) == len;
}

/* False if the guest may not send this. */
static bool guest_data(struct vsock *vsock, struct vsock_conn *conn, uint32_t len, struct gm_sg *sg)
{
	if (len > gm_sg_left(sg) || len > VSOCK_BUF_ALLOC - conn->buffered ||
	    (conn->guest_shut & VIRTIO_VSOCK_SHUTDOWN_SEND))
		return false;
	vsock->dev.stats.bytes_read += len;
	if (conn->fd < 0 || (conn->host_shut & VIRTIO_VSOCK_SHUTDOWN_RCV))
		vsock_conn_discard(conn, len);
	else if (vsock_conn_send(conn, sg, len))
		vsock_host_shutdown(vsock, conn, VIRTIO_VSOCK_SHUTDOWN_RCV);
	vsock_tell_credit(vsock, conn);
	return true;
}

/* A packet of a connection. False if it breaks the rules. */
static bool conn_packet(struct vsock *vsock, struct vsock_conn *conn,
			const struct virtio_vsock_hdr *hdr, struct gm_sg *sg)
{
	bool asked = conn->state == VSOCK_REQUESTED && !(conn->pending & VSOCK_PENDING_REQUEST);
	uint16_t op = le16toh(hdr->op);

	if (op == VIRTIO_VSOCK_OP_RESPONSE)
		return asked && guest_response(conn);
	if (conn->state != VSOCK_OPEN)
		return false;
	switch (op) {
	case VIRTIO_VSOCK_OP_SHUTDOWN:
		guest_shutdown(vsock, conn, le32toh(hdr->flags));
		return true;
	case VIRTIO_VSOCK_OP_RW: return guest_data(vsock, conn, le32toh(hdr->len), sg);
	case VIRTIO_VSOCK_OP_CREDIT_UPDATE: return true;
	case VIRTIO_VSOCK_OP_CREDIT_REQUEST:
		vsock_pend(vsock, conn, VSOCK_PENDING_CREDIT_UPDATE);
		return true;
	default: return false;
	}
}

void vsock_guest_packet(struct vsock *vsock, const struct gm_memory *memory,
			const struct virtq_chain *chain)
{
	struct gm_sg sg = virtq_readable(chain, memory);
	struct virtio_vsock_hdr hdr;
	struct vsock_conn *conn;

	if (gm_sg_read(&sg, &hdr, sizeof(hdr))) {
		virtio_break(&vsock->dev, "packet without a header");
		return;
	}
	/* Nobody to answer: it says it comes from another machine. */
	if (hdr.src_cid != vsock->config.guest_cid) {
		vsock->dev.stats.errors++;
		return;
	}
	if (le64toh(hdr.dst_cid) != VSOCK_HOST_CID || le16toh(hdr.type) != VIRTIO_VSOCK_TYPE_STREAM) {
		refuse(vsock, &hdr);
		return;
	}
	conn = vsock_conn_find(&vsock->conns, le32toh(hdr.src_port), le32toh(hdr.dst_port));
	if (!conn && le16toh(hdr.op) == VIRTIO_VSOCK_OP_REQUEST) {
		guest_request(vsock, &hdr);
	} else if (!conn) {
		refuse(vsock, &hdr);
	} else if (le16toh(hdr.op) == VIRTIO_VSOCK_OP_RST) {
		vsock_drop(vsock, conn);
	} else if (conn->state != VSOCK_RESET) {
		take_credit(conn, &hdr);
		if (!conn_packet(vsock, conn, &hdr, &sg)) {
			vsock->dev.stats.errors++;
			vsock_reset_conn(vsock, conn);
		}
		vsock_arm(vsock, conn);
	}
}
