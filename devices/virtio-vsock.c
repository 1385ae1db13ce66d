/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * virtio-vsock (virtio 1.2, section 5.10): stream sockets of the guest, each mapped to a UNIX
 * socket of the host.
 *
 *	host to guest	connect to PATH, say "CONNECT <port>\n", read "OK <host port>\n"; or be
 *			closed if nobody in the guest listens at that port
 *	guest to host	connect to CID 2, port P; a host program listens at PATH_P
 *
 * Both directions move bytes between the socket and the driver's buffers in one vectored call. Only
 * what a slow host program does not take is buffered, up to the credit the guest was given; input
 * is read when the guest has a buffer and credit for it, and waits in its socket until then.
 *
 * Here are the queues, the options and packets to the guest: connections that have something for it
 * stand in a queue and send one packet at a turn. Packets from it are vsock-guest.c's, host sockets
 * vsock-host.c's.
 */
#include <errno.h>
#include <linux/virtio_ids.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "devices/confine.h"
#include "devices/devices.h"
#include "devices/vsock.h"

enum { RX, TX, EVENT };

static const uint16_t queue_sizes[] = {256, 256, 16, 0};

#define CID_DEFAULT 3
#define CID_MAX     0xfffffffeU /* above is VMADDR_CID_ANY */

/* The most in one packet to the guest, so that connections take turns. */
#define PACKET_MAX 65536U

/* --- packets to the guest -------------------------------------------------------------------- */

struct virtio_vsock_hdr vsock_packet_header(const struct vsock *vsock, uint32_t host_port,
					    uint32_t guest_port, uint16_t op)
{
	return (struct virtio_vsock_hdr){
		.src_cid = htole64(VSOCK_HOST_CID),
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
		vsock_host_shutdown(vsock, conn,
				    conn->hung_up ? VSOCK_SHUT_BOTH : VIRTIO_VSOCK_SHUTDOWN_SEND);
	else
		vsock_reset_conn(vsock, conn);
	return done;
}

/* Let the first in the queue send a packet. Returns its bytes; 0 if there was none after all. */
static uint32_t emit(struct vsock *vsock, struct vsock_conn *conn, struct gm_sg sg)
{
	struct gm_sg head = gm_sg_take(&sg, sizeof(struct virtio_vsock_hdr));
	uint32_t len = read_data(vsock, conn, &sg);
	uint16_t op = len ? VIRTIO_VSOCK_OP_RW : next_op(conn);
	struct virtio_vsock_hdr hdr =
		vsock_packet_header(vsock, conn->host_port, conn->guest_port, op);

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
		vsock_drop(vsock, conn);
		return len;
	}
	/* Behind the others. */
	if (conn->pending)
		vsock_pend(vsock, conn, 0);
	vsock_arm(vsock, conn);
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
		vsock->rst_first = (vsock->rst_first + 1) % VSOCK_RST_MAX;
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

/* --- queues ---------------------------------------------------------------------------------- */

static int64_t handle_tx(struct virtio_device *dev, const struct gm_memory *memory,
			 const struct virtq_chain *chain)
{
	struct vsock *vsock = (struct vsock *)dev;

	/* Its answer might have no room: it waits until the guest has taken others (5.10.6.1). */
	if (vsock->rst_count == VSOCK_RST_MAX) {
		vsock->tx = *chain;
		vsock->tx_held = true;
		return VIRTIO_KEEP;
	}
	vsock_guest_packet(vsock, memory, chain);
	return virtio_is_live(dev) ? 0 : VIRTIO_KEEP;
}

/* Take what the guest sends, as far as there is room for answers. */
static void run_tx(struct vsock *vsock)
{
	struct virtio_device *dev = &vsock->dev;

	if (!virtio_is_live(dev) || !dev->queues[TX].ready ||
	    (vsock->tx_held && vsock->rst_count == VSOCK_RST_MAX))
		return;
	if (vsock->tx_held) {
		struct gm_memory *memory = gm_cell_snapshot(dev->memory);

		vsock->tx_held = false;
		vsock_guest_packet(vsock, memory, &vsock->tx);
		if (virtio_is_live(dev))
			virtio_complete(dev, &dev->queues[TX], memory, vsock->tx.head, 0);
		gm_memory_put(memory);
	}
	if (virtio_is_live(dev))
		virtio_run_queue(dev, TX, handle_tx);
}

/* Send what has come up; then packets that waited for room may go on. */
void vsock_settle(struct vsock *vsock)
{
	run_rx(vsock);
	if (vsock->tx_held && vsock->rst_count < VSOCK_RST_MAX && virtio_is_live(&vsock->dev))
		virtio_again(&vsock->dev, TX);
}

/* --- the device ------------------------------------------------------------------------------ */

static void vsock_notify(struct virtio_device *dev, unsigned int index)
{
	struct vsock *vsock = (struct vsock *)dev;

	/* Buffers in the event queue stay there: this device never changes its CID. */
	if (index == TX)
		run_tx(vsock);
	vsock_settle(vsock);
}

static void vsock_reset(struct virtio_device *dev)
{
	struct vsock *vsock = (struct vsock *)dev;
	struct vsock_conn *conn;

	while ((conn = LIST_FIRST(&vsock->conns.all)))
		vsock_drop(vsock, conn);
	vsock->rst_count = 0;
}

static void vsock_queue_reset(struct virtio_device *dev, unsigned int index)
{
	struct vsock *vsock = (struct vsock *)dev;

	if (index == RX)
		vsock->rx_held = false;
	else if (index == TX)
		vsock->tx_held = false;
}

static void vsock_free(struct virtio_device *dev)
{
	struct vsock *vsock = (struct vsock *)dev;

	vsock_reset(dev);
	loop_remove(vsock->watch);
	close(vsock->epoll);
	unix_unlisten(&vsock->listener);
	virtio_device_destroy(dev);
	free(vsock);
}

static const struct virtio_ops vsock_ops = {
	.device_id = VIRTIO_ID_VSOCK,
	.name = "virtio-vsock",
	.queue_sizes = queue_sizes,
	.reset = vsock_reset,
	.queue_reset = vsock_queue_reset,
	.notify = vsock_notify,
	.free = vsock_free,
};

static const struct device_word words[] = {
	{"PATH", "a UNIX socket host programs connect to; ports of the host are sockets PATH_PORT"},
	{"cid=N", "the guest's address, from 3 on (3)"},
	{.word = NULL},
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
		if (strncmp(word, "cid=", 4) != 0 && near_word(word, words))
			return report_fail(report, REPORT_USER,
					   "%s: '%s': unknown word; did you mean %s?", option, word,
					   near_word(word, words));
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
		vsock->watch = loop_add(loop, vsock->epoll, EPOLLIN, vsock_host_ready, vsock);
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
	if (unix_listen(option, path, VSOCK_PATH_MAX, &vsock->listener, report)) {
		loop_remove(vsock->watch);
		close(vsock->epoll);
		virtio_device_destroy(&vsock->dev);
		goto fail;
	}
	confine_will_connect();
	virtio_device_name(&vsock->dev, "vsock %s", path);
	vsock_listen_again(vsock);
	free(copy);
	*out = &vsock->dev;
	return 0;

fail:
	free(copy);
	free(vsock);
	return -1;
}

static int vsock_check(const char *option, const char *args, struct report *report)
{
	char *copy = strdup(args ? args : "");
	const char *path;
	uint64_t cid;
	int err;

	if (!copy)
		return report_fail(report, REPORT_HOST, "%s: out of memory", option);
	err = parse_args(option, copy, &cid, &path, report);
	if (!err)
		err = unix_try_listen(option, path, VSOCK_PATH_MAX, report);
	free(copy);
	return err;
}

const struct device_type virtio_vsock_type = {
	.name = "vsock",
	.args = "PATH[,cid=N]",
	.help = "sockets between guest and host programs",
	.words = words,
	.create = vsock_create,
	.check = vsock_check,
};
