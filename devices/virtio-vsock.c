/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * virtio-vsock (virtio 1.2, section 5.10): stream sockets of the guest, each mapped to a UNIX socket
 * of the host.
 *
 *	host to guest	connect to PATH, say "CONNECT <port>\n", read "OK <host port>\n"; or be
 *			closed if nobody in the guest listens at that port
 *	guest to host	connect to CID 2, port P; a host program listens at PATH_P
 *
 * Both directions move bytes between the socket and the driver's buffers in one vectored call. Only
 * what a slow host program does not take is buffered, up to the credit the guest was given; input is
 * read when the guest has a buffer and credit for it, and waits in its socket until then.
 *
 * All host sockets are in an epoll set of the device's own, which the loop watches: they may then be
 * closed on whatever thread the driver's action arrived on. They are armed for one event at a time.
 *
 * Connections that have something for the guest stand in a queue and send one packet at a turn.
 */
#include <errno.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_vsock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "devices/devices.h"
#include "devices/virtio.h"
#include "devices/vsock-conn.h"
#include "devices/vsock-socket.h"

enum { RX, TX, EVENT };

static const uint16_t queue_sizes[] = {256, 256, 16, 0};

#define HOST_CID    2
#define CID_DEFAULT 3
#define CID_MAX     0xfffffffeU /* above is VMADDR_CID_ANY */

/* The most in one packet to the guest, so that connections take turns. */
#define PACKET_MAX 65536U
/* RSTs to packets of no connection that wait for a buffer, before the tx queue waits with them. */
#define RST_MAX 64
/* Sockets, and new connections, that are looked at before the loop gets a turn. */
#define EVENTS_MAX 64
#define ACCEPT_MAX 16
/* Where the ports of host programs begin; they have none of their own. */
#define HOST_PORT_FIRST 0x40000000U

#define SHUT_BOTH (VIRTIO_VSOCK_SHUTDOWN_RCV | VIRTIO_VSOCK_SHUTDOWN_SEND)

TAILQ_HEAD(vsock_pending, vsock_conn);

/* All with the device's lock, but what is constant after set-up: listener, epoll, watch, config. */
struct vsock {
	struct virtio_device dev;
	struct virtio_vsock_config config;
	struct vsock_listener listener;
	int epoll;
	struct loop_watch *watch; /* of epoll */
	bool listening;           /* the listener is in epoll: not while there are no descriptors */

	struct vsock_table conns;
	struct vsock_pending pending; /* conns that have something for the guest */
	uint32_t next_port;

	struct virtio_vsock_hdr rsts[RST_MAX]; /* a ring, ready to be sent */
	unsigned int rst_first, rst_count;

	struct virtq_chain rx; /* a buffer nothing was there for, valid if rx_held */
	bool rx_held;
	struct virtq_chain tx; /* a packet whose answer has no room yet, valid if tx_held */
	bool tx_held;
};

/* --- connections ----------------------------------------------------------------------------- */

static void pend(struct vsock *vsock, struct vsock_conn *conn, unsigned int what)
{
	conn->pending |= what;
	if (conn->queued)
		return;
	TAILQ_INSERT_TAIL(&vsock->pending, conn, in_pending);
	conn->queued = true;
}

static void listen_again(struct vsock *vsock)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};

	if (!vsock->listening &&
	    epoll_ctl(vsock->epoll, EPOLL_CTL_ADD, vsock->listener.fd, &event) == 0)
		vsock->listening = true;
}

/* The connection is over for both sides; the guest knows or need not. */
static void conn_end(struct vsock *vsock, struct vsock_conn *conn)
{
	if (conn->queued)
		TAILQ_REMOVE(&vsock->pending, conn, in_pending);
	vsock_conn_free(&vsock->conns, conn);
	listen_again(vsock);
}

/* End it on this side and tell the guest. */
static void conn_reset(struct vsock *vsock, struct vsock_conn *conn)
{
	vsock_conn_close(conn);
	conn->state = VSOCK_RESET;
	pend(vsock, conn, VSOCK_PENDING_RST);
	conn->pending = VSOCK_PENDING_RST;
}

/* The host program ended these directions. */
static void host_shutdown(struct vsock *vsock, struct vsock_conn *conn, unsigned int directions)
{
	if ((conn->host_shut | directions) == conn->host_shut)
		return;
	conn->host_shut |= directions;
	pend(vsock, conn, VSOCK_PENDING_SHUTDOWN);
	if (conn->host_shut == SHUT_BOTH)
		vsock_conn_close(conn);
}

/* What the socket is to be watched for. */
static uint32_t conn_wants(const struct vsock_conn *conn)
{
	uint32_t events = conn->hung_up ? 0 : EPOLLHUP;

	if (conn->state == VSOCK_HELLO)
		return EPOLLIN;
	if (conn->state != VSOCK_OPEN)
		return events;
	if (conn->buffered)
		events |= EPOLLOUT;
	if (!(conn->pending & VSOCK_PENDING_DATA) && !(conn->host_shut & VIRTIO_VSOCK_SHUTDOWN_SEND) &&
	    !(conn->guest_shut & VIRTIO_VSOCK_SHUTDOWN_RCV) && vsock_conn_credit(conn))
		events |= EPOLLIN;
	return events;
}

/* Whenever something conn_wants() looks at has changed, and after each event. */
static void conn_arm(struct vsock *vsock, struct vsock_conn *conn)
{
	uint32_t events = conn_wants(conn);
	struct epoll_event event = {.events = events | EPOLLONESHOT, .data.ptr = conn};

	if (conn->fd < 0 || events == 0 || events == conn->armed)
		return;
	if (epoll_ctl(vsock->epoll, EPOLL_CTL_MOD, conn->fd, &event) == 0)
		conn->armed = events;
}

/* A connection on @fd, which is in epoll and not armed; NULL (and @fd closed) if there is no room. */
static struct vsock_conn *conn_new(struct vsock *vsock, int fd)
{
	struct epoll_event event = {.events = EPOLLONESHOT};
	struct vsock_conn *conn = vsock_conn_new(&vsock->conns, fd);

	if (!conn) {
		close(fd);
		return NULL;
	}
	event.data.ptr = conn;
	if (epoll_ctl(vsock->epoll, EPOLL_CTL_ADD, fd, &event)) {
		vsock_conn_free(&vsock->conns, conn);
		return NULL;
	}
	return conn;
}

/* --- packets to the guest -------------------------------------------------------------------- */

static struct virtio_vsock_hdr header(const struct vsock *vsock, uint32_t host_port,
				      uint32_t guest_port, uint16_t op)
{
	return (struct virtio_vsock_hdr){
		.src_cid = htole64(HOST_CID),
		.dst_cid = vsock->config.guest_cid,
		.src_port = htole32(host_port),
		.dst_port = htole32(guest_port),
		.type = htole16(VIRTIO_VSOCK_TYPE_STREAM),
		.op = htole16(op),
	};
}

/* The first packet other than data that waits, 0 for none; it waits no longer. */
static uint16_t next_op(struct vsock_conn *conn)
{
	static const struct {
		unsigned int pending;
		uint16_t op;
	} ops[] = {
		{VSOCK_PENDING_RST, VIRTIO_VSOCK_OP_RST},
		{VSOCK_PENDING_REQUEST, VIRTIO_VSOCK_OP_REQUEST},
		{VSOCK_PENDING_RESPONSE, VIRTIO_VSOCK_OP_RESPONSE},
		{VSOCK_PENDING_SHUTDOWN, VIRTIO_VSOCK_OP_SHUTDOWN},
		{VSOCK_PENDING_CREDIT_REQUEST, VIRTIO_VSOCK_OP_CREDIT_REQUEST},
		{VSOCK_PENDING_CREDIT_UPDATE, VIRTIO_VSOCK_OP_CREDIT_UPDATE},
	};

	for (size_t i = 0; i < sizeof(ops) / sizeof(*ops); i++) {
		if (conn->pending & ops[i].pending) {
			conn->pending &= ~ops[i].pending;
			return ops[i].op;
		}
	}
	return 0;
}

/*
 * Read from the host socket into @sg, as much as the guest has credit for. Returns the number of
 * bytes; 0 if it is not the time for data, with what else is to be done pending.
 */
static uint32_t read_data(struct vsock *vsock, struct vsock_conn *conn, struct gm_sg *sg)
{
	const unsigned int before =
		VSOCK_PENDING_RST | VSOCK_PENDING_REQUEST | VSOCK_PENDING_RESPONSE;
	uint32_t credit = vsock_conn_credit(conn), len, done = 0;
	ssize_t n;

	if (!(conn->pending & VSOCK_PENDING_DATA) || (conn->pending & before))
		return 0;
	/* It stands only while the next read may find something at once. */
	conn->pending &= ~VSOCK_PENDING_DATA;
	if (conn->fd < 0 || (conn->guest_shut & VIRTIO_VSOCK_SHUTDOWN_RCV))
		return 0;
	if (credit == 0) {
		if (!conn->credit_asked)
			conn->pending |= VSOCK_PENDING_CREDIT_REQUEST;
		conn->credit_asked = true;
		return 0;
	}
	len = credit < PACKET_MAX ? credit : PACKET_MAX;
	/* Until it is full or there is no more: memory in many pieces takes several calls. */
	do {
		n = gm_sg_read_from_fd(sg, conn->fd, -1, len - done);
		if (n > 0)
			done += (uint32_t)n;
	} while (n > 0 && done < len && gm_sg_left(sg));
	conn->tx_cnt += done;
	vsock->dev.stats.bytes_written += done;
	if (n == GM_ERR_IO && errno == EAGAIN)
		return done;
	/* What else ended it is found again behind the data. */
	if (done)
		conn->pending |= VSOCK_PENDING_DATA;
	else if (n == 0)
		host_shutdown(vsock, conn, conn->hung_up ? SHUT_BOTH : VIRTIO_VSOCK_SHUTDOWN_SEND);
	else
		conn_reset(vsock, conn);
	return done;
}

/* Let the first in the queue send a packet. Returns its bytes; 0 if there was none after all. */
static uint32_t emit(struct vsock *vsock, struct vsock_conn *conn, struct gm_sg sg)
{
	struct gm_sg head = gm_sg_take(&sg, sizeof(struct virtio_vsock_hdr));
	uint32_t len = read_data(vsock, conn, &sg);
	uint16_t op = len ? VIRTIO_VSOCK_OP_RW : next_op(conn);
	struct virtio_vsock_hdr hdr = header(vsock, conn->host_port, conn->guest_port, op);

	TAILQ_REMOVE(&vsock->pending, conn, in_pending);
	conn->queued = false;
	if (op) {
		hdr.len = htole32(len);
		if (op == VIRTIO_VSOCK_OP_SHUTDOWN)
			hdr.flags = htole32(conn->host_shut);
		hdr.buf_alloc = htole32(VSOCK_BUF_ALLOC);
		hdr.fwd_cnt = htole32(conn->fwd_cnt);
		/* Every packet carries the credit. */
		conn->fwd_told = conn->fwd_cnt;
		conn->pending &= ~VSOCK_PENDING_CREDIT_UPDATE;
		if (gm_sg_write(&head, &hdr, sizeof(hdr)))
			virtio_break(&vsock->dev, "receive buffer is not in writable memory");
		len += (uint32_t)sizeof(hdr);
	}
	if (op == VIRTIO_VSOCK_OP_RST) {
		conn_end(vsock, conn);
		return len;
	}
	/* Behind the others. */
	if (conn->pending)
		pend(vsock, conn, 0);
	conn_arm(vsock, conn);
	return len;
}

/* Put the next packet into a buffer. Returns its bytes, 0 if there is none. */
static uint32_t fill(struct vsock *vsock, const struct gm_memory *memory,
		     const struct virtq_chain *chain)
{
	struct gm_sg sg = virtq_writable(chain, memory);
	struct vsock_conn *conn;
	uint32_t len = 0;

	if (vsock->rst_count) {
		if (gm_sg_write(&sg, &vsock->rsts[vsock->rst_first], sizeof(*vsock->rsts)))
			virtio_break(&vsock->dev, "receive buffer is not in writable memory");
		vsock->rst_first = (vsock->rst_first + 1) % RST_MAX;
		vsock->rst_count--;
		return sizeof(*vsock->rsts);
	}
	while (len == 0 && (conn = TAILQ_FIRST(&vsock->pending)))
		len = emit(vsock, conn, sg);
	return len;
}

static int64_t handle_rx(struct virtio_device *dev, const struct gm_memory *memory,
			 const struct virtq_chain *chain)
{
	struct vsock *vsock = (struct vsock *)dev;
	uint32_t len;

	if (chain->writable_len <= sizeof(struct virtio_vsock_hdr)) {
		virtio_break(dev, "receive buffer of %llu bytes has no room for data",
			     (unsigned long long)chain->writable_len);
		return VIRTIO_KEEP;
	}
	len = fill(vsock, memory, chain);
	if (!virtio_is_live(dev))
		return VIRTIO_KEEP;
	if (len)
		return len;
	vsock->rx = *chain;
	vsock->rx_held = true;
	return VIRTIO_KEEP;
}

/* Send what is pending, as far as there are buffers. */
static void run_rx(struct vsock *vsock)
{
	struct virtio_device *dev = &vsock->dev;

	if (!virtio_is_live(dev) || !dev->queues[RX].ready)
		return;
	if (vsock->rx_held) {
		struct gm_memory *memory = gm_cell_snapshot(dev->memory);
		uint32_t len = fill(vsock, memory, &vsock->rx);

		if (len && virtio_is_live(dev)) {
			vsock->rx_held = false;
			virtio_complete(dev, &dev->queues[RX], memory, vsock->rx.head, len);
		}
		gm_memory_put(memory);
	}
	if (!vsock->rx_held && (vsock->rst_count || !TAILQ_EMPTY(&vsock->pending)))
		virtio_run_queue(dev, RX, handle_rx);
}

/* --- packets from the guest ------------------------------------------------------------------ */

/* Answer a packet that no connection is there for. An RST is not answered by another. */
static void refuse(struct vsock *vsock, const struct virtio_vsock_hdr *hdr)
{
	struct virtio_vsock_hdr *rst = &vsock->rsts[(vsock->rst_first + vsock->rst_count) % RST_MAX];

	if (le16toh(hdr->op) == VIRTIO_VSOCK_OP_RST)
		return;
	vsock->dev.stats.errors++;
	*rst = header(vsock, le32toh(hdr->dst_port), le32toh(hdr->src_port), VIRTIO_VSOCK_OP_RST);
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

/* Tell the guest in time: it must not run out of credit while there is room. */
static void tell_credit(struct vsock *vsock, struct vsock_conn *conn)
{
	if (conn->fwd_cnt - conn->fwd_told >= VSOCK_BUF_ALLOC / 2)
		pend(vsock, conn, VSOCK_PENDING_CREDIT_UPDATE);
}

/* What the guest ended is ended on the host side when all before it was delivered. */
static void finish(struct vsock *vsock, struct vsock_conn *conn)
{
	if (conn->buffered)
		return;
	if (conn->guest_shut == SHUT_BOTH)
		conn_reset(vsock, conn);
	else if ((conn->guest_shut & VIRTIO_VSOCK_SHUTDOWN_SEND) && conn->fd >= 0)
		shutdown(conn->fd, SHUT_WR);
}

static void guest_shutdown(struct vsock *vsock, struct vsock_conn *conn, uint32_t flags)
{
	conn->guest_shut |= flags & SHUT_BOTH;
	if ((conn->guest_shut & VIRTIO_VSOCK_SHUTDOWN_RCV) && conn->fd >= 0)
		shutdown(conn->fd, SHUT_RD);
	finish(vsock, conn);
}

/* A connection the guest asks for. */
static void guest_request(struct vsock *vsock, const struct virtio_vsock_hdr *hdr)
{
	int fd = vsock_connect(&vsock->listener, le32toh(hdr->dst_port));
	struct vsock_conn *conn = fd >= 0 ? conn_new(vsock, fd) : NULL;

	if (!conn) {
		refuse(vsock, hdr);
		return;
	}
	vsock_conn_name(&vsock->conns, conn, VSOCK_OPEN, le32toh(hdr->src_port),
			le32toh(hdr->dst_port));
	take_credit(conn, hdr);
	pend(vsock, conn, VSOCK_PENDING_RESPONSE);
	conn_arm(vsock, conn);
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
		host_shutdown(vsock, conn, VIRTIO_VSOCK_SHUTDOWN_RCV);
	tell_credit(vsock, conn);
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
		pend(vsock, conn, VSOCK_PENDING_CREDIT_UPDATE);
		return true;
	default: return false;
	}
}

static void guest_packet(struct vsock *vsock, const struct gm_memory *memory,
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
	if (le64toh(hdr.dst_cid) != HOST_CID || le16toh(hdr.type) != VIRTIO_VSOCK_TYPE_STREAM) {
		refuse(vsock, &hdr);
		return;
	}
	conn = vsock_conn_find(&vsock->conns, le32toh(hdr.src_port), le32toh(hdr.dst_port));
	if (!conn && le16toh(hdr.op) == VIRTIO_VSOCK_OP_REQUEST) {
		guest_request(vsock, &hdr);
	} else if (!conn) {
		refuse(vsock, &hdr);
	} else if (le16toh(hdr.op) == VIRTIO_VSOCK_OP_RST) {
		conn_end(vsock, conn);
	} else if (conn->state != VSOCK_RESET) {
		take_credit(conn, &hdr);
		if (!conn_packet(vsock, conn, &hdr, &sg)) {
			vsock->dev.stats.errors++;
			conn_reset(vsock, conn);
		}
		conn_arm(vsock, conn);
	}
}

static int64_t handle_tx(struct virtio_device *dev, const struct gm_memory *memory,
			 const struct virtq_chain *chain)
{
	struct vsock *vsock = (struct vsock *)dev;

	/* Its answer might have no room: it waits until the guest has taken others (5.10.6.1.1). */
	if (vsock->rst_count == RST_MAX) {
		vsock->tx = *chain;
		vsock->tx_held = true;
		return VIRTIO_KEEP;
	}
	guest_packet(vsock, memory, chain);
	return virtio_is_live(dev) ? 0 : VIRTIO_KEEP;
}

/* Take what the guest sends, as far as there is room for answers. */
static void run_tx(struct vsock *vsock)
{
	struct virtio_device *dev = &vsock->dev;

	if (!virtio_is_live(dev) || !dev->queues[TX].ready || vsock->rst_count == RST_MAX)
		return;
	if (vsock->tx_held) {
		struct gm_memory *memory = gm_cell_snapshot(dev->memory);

		vsock->tx_held = false;
		guest_packet(vsock, memory, &vsock->tx);
		if (virtio_is_live(dev))
			virtio_complete(dev, &dev->queues[TX], memory, vsock->tx.head, 0);
		gm_memory_put(memory);
	}
	if (virtio_is_live(dev))
		virtio_run_queue(dev, TX, handle_tx);
}

/* Send what has come up; then packets that waited for room may go on. */
static void settle(struct vsock *vsock)
{
	run_rx(vsock);
	if (vsock->tx_held && vsock->rst_count < RST_MAX && virtio_is_live(&vsock->dev))
		virtio_again(&vsock->dev, TX);
}

/* --- the host's side ------------------------------------------------------------------------- */

/* A host program has said, or not said, what it begins with. */
static void host_hello(struct vsock *vsock, struct vsock_conn *conn)
{
	uint32_t port;

	switch (vsock_conn_hello(conn, &port)) {
	case VSOCK_HELLO_PART: conn_arm(vsock, conn); return;
	case VSOCK_HELLO_WRONG: conn_end(vsock, conn); return;
	case VSOCK_HELLO_CONNECT: break;
	}
	if (!virtio_is_live(&vsock->dev)) {
		conn_end(vsock, conn);
		return;
	}
	/* There are fewer connections than ports. */
	do {
		vsock->next_port = HOST_PORT_FIRST | (vsock->next_port + 1) % HOST_PORT_FIRST;
	} while (vsock_conn_find(&vsock->conns, port, vsock->next_port));
	vsock_conn_name(&vsock->conns, conn, VSOCK_REQUESTED, port, vsock->next_port);
	pend(vsock, conn, VSOCK_PENDING_REQUEST);
	conn_arm(vsock, conn);
}

static void host_event(struct vsock *vsock, struct vsock_conn *conn, uint32_t events)
{
	bool over = events & (EPOLLHUP | EPOLLERR);

	conn->armed = 0;
	if (conn->state == VSOCK_HELLO) {
		host_hello(vsock, conn);
		return;
	}
	conn->hung_up |= over;
	if (conn->state == VSOCK_REQUESTED && over) {
		/* Gone before it was answered; perhaps before the guest was asked. */
		if (conn->pending & VSOCK_PENDING_REQUEST)
			conn_end(vsock, conn);
		else
			conn_reset(vsock, conn);
		return;
	}
	if (conn->buffered && vsock_conn_flush(conn))
		host_shutdown(vsock, conn, VIRTIO_VSOCK_SHUTDOWN_RCV);
	if ((conn->host_shut & VIRTIO_VSOCK_SHUTDOWN_SEND) ||
	    (conn->guest_shut & VIRTIO_VSOCK_SHUTDOWN_RCV)) {
		/* Nothing more is read, so that this is how its end is seen. */
		if (over)
			host_shutdown(vsock, conn, SHUT_BOTH);
	} else if (over || (events & EPOLLIN)) {
		pend(vsock, conn, VSOCK_PENDING_DATA);
	}
	tell_credit(vsock, conn);
	finish(vsock, conn);
	conn_arm(vsock, conn);
}

static void host_accept(struct vsock *vsock)
{
	for (unsigned int i = 0; i < ACCEPT_MAX; i++) {
		int fd = vsock_accept(&vsock->listener);
		struct vsock_conn *conn;

		if (fd >= 0) {
			conn = conn_new(vsock, fd);
			if (conn)
				conn_arm(vsock, conn);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
			device_log(&vsock->dev.log, vsock->dev.name, "cannot accept: %s",
				   strerror(errno));
			/* It would be ready all the time: until a connection ends. */
			epoll_ctl(vsock->epoll, EPOLL_CTL_DEL, vsock->listener.fd, NULL);
			vsock->listening = false;
		}
		return;
	}
}

/* Some of the sockets are ready. On the loop's thread. */
static void vsock_ready(void *arg, uint32_t unused)
{
	struct vsock *vsock = arg;
	struct epoll_event events[EVENTS_MAX];
	int count;

	(void)unused;
	virtio_lock(&vsock->dev);
	count = epoll_wait(vsock->epoll, events, EVENTS_MAX, 0);
	/* An event ends no connection but its own, so that all pointers stay valid. */
	for (int i = 0; i < count; i++) {
		if (events[i].data.ptr)
			host_event(vsock, events[i].data.ptr, events[i].events);
		else
			host_accept(vsock);
	}
	settle(vsock);
	virtio_unlock(&vsock->dev);
}

/* --- the device ------------------------------------------------------------------------------ */

static void vsock_notify(struct virtio_device *dev, unsigned int index)
{
	struct vsock *vsock = (struct vsock *)dev;

	/* Buffers in the event queue stay there: this device never changes its CID. */
	if (index == TX)
		run_tx(vsock);
	settle(vsock);
}

static void vsock_reset(struct virtio_device *dev)
{
	struct vsock *vsock = (struct vsock *)dev;
	struct vsock_conn *conn;

	while ((conn = LIST_FIRST(&vsock->conns.all)))
		conn_end(vsock, conn);
	vsock->rst_count = 0;
	vsock->rx_held = false;
	vsock->tx_held = false;
}

static void vsock_free(struct virtio_device *dev)
{
	struct vsock *vsock = (struct vsock *)dev;

	vsock_reset(dev);
	loop_remove(vsock->watch);
	close(vsock->epoll);
	vsock_unlisten(&vsock->listener);
	virtio_device_destroy(dev);
	free(vsock);
}

static const struct virtio_ops vsock_ops = {
	.device_id = VIRTIO_ID_VSOCK,
	.name = "virtio-vsock",
	.queue_sizes = queue_sizes,
	.reset = vsock_reset,
	.notify = vsock_notify,
	.free = vsock_free,
};

/* "PATH[,cid=N]"; writes into @args, and *@path points into it. */
static int parse_args(const char *option, char *args, uint64_t *cid, const char **path,
		      struct report *report)
{
	const char *word;
	char *end;

	*path = strsep(&args, ",");
	*cid = CID_DEFAULT;
	if (**path == '\0')
		return report_fail(report, REPORT_USER, "%s: the path of the socket is missing",
				   option);
	while ((word = strsep(&args, ","))) {
		if (strncmp(word, "cid=", 4) != 0)
			return report_fail(report, REPORT_USER,
					   "%s: '%s': unknown word, known is cid=N", option, word);
		word += 4;
		errno = 0;
		*cid = strtoull(word, &end, 10);
		if (*word < '0' || *word > '9' || *end || errno || *cid < CID_DEFAULT ||
		    *cid > CID_MAX)
			return report_fail(report, REPORT_USER,
					   "%s: cid '%s' is not a number from %d to %u", option,
					   word, CID_DEFAULT, CID_MAX);
	}
	return 0;
}

/* Everything but the file of the socket, which comes last. */
static int vsock_set_up(const char *option, struct vsock *vsock, struct loop *loop,
			struct report *report)
{
	if (virtio_device_init(&vsock->dev, &vsock_ops, 0, &vsock->config, sizeof(vsock->config),
			       report))
		return -1;
	vsock->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (vsock->epoll >= 0)
		vsock->watch = loop_add(loop, vsock->epoll, EPOLLIN, vsock_ready, vsock);
	if (vsock->watch)
		return 0;
	report_fail(report, REPORT_HOST, "%s: cannot watch sockets: %s", option, strerror(errno));
	if (vsock->epoll >= 0)
		close(vsock->epoll);
	virtio_device_destroy(&vsock->dev);
	return -1;
}

static int vsock_create(const char *option, const char *args, struct loop *loop,
			struct virtio_device **out, struct report *report)
{
	struct vsock *vsock = calloc(1, sizeof(*vsock));
	char *copy = strdup(args ? args : "");
	const char *path;
	uint64_t cid;

	if (!vsock || !copy) {
		report_fail(report, REPORT_HOST, "%s: out of memory", option);
		goto fail;
	}
	TAILQ_INIT(&vsock->pending);
	if (parse_args(option, copy, &cid, &path, report))
		goto fail;
	vsock->config.guest_cid = htole64(cid);
	if (vsock_set_up(option, vsock, loop, report))
		goto fail;
	if (vsock_listen(option, path, &vsock->listener, report)) {
		loop_remove(vsock->watch);
		close(vsock->epoll);
		virtio_device_destroy(&vsock->dev);
		goto fail;
	}
	virtio_device_name(&vsock->dev, "vsock %s", path);
	listen_again(vsock);
	free(copy);
	*out = &vsock->dev;
	return 0;

fail:
	free(copy);
	free(vsock);
	return -1;
}

const struct device_type virtio_vsock_type = {
	.name = "vsock",
	.args = "PATH[,cid=N]",
	.help = "stream sockets between guest and host programs",
	.create = vsock_create,
};
