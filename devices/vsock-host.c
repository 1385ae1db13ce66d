/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * virtio-vsock: host sockets. They are in an epoll set of the device's own, which the loop watches:
 * they may then be closed on whatever thread the driver's action arrived on. A socket is armed for
 * one event at a time, and only for what can be acted on: input waits in it until the guest has
 * credit.
 */
#include "devices/vsock.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* Sockets, and new connections, that are looked at before the loop gets a turn. */
#define EVENTS_MAX 64
#define ACCEPT_MAX 16
/* Where the ports of host programs begin; they have none of their own. */
#define HOST_PORT_FIRST 0x40000000U

/* --- connections ----------------------------------------------------------------------------- */

void vsock_pend(struct vsock *vsock, struct vsock_conn *conn, unsigned int what)
{
	conn->pending |= what;
	if (conn->queued)
		return;
	TAILQ_INSERT_TAIL(&vsock->pending, conn, in_pending);
	conn->queued = true;
}

void vsock_listen_again(struct vsock *vsock)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};

	if (!vsock->listening &&
	    epoll_ctl(vsock->epoll, EPOLL_CTL_ADD, vsock->listener.fd, &event) == 0)
		vsock->listening = true;
}

/* The connection is over for both sides; the guest knows or need not. */
void vsock_drop(struct vsock *vsock, struct vsock_conn *conn)
{
	if (conn->queued)
		TAILQ_REMOVE(&vsock->pending, conn, in_pending);
	vsock_conn_free(&vsock->conns, conn);
	vsock_listen_again(vsock);
}

/* End it on this side and tell the guest. */
void vsock_reset_conn(struct vsock *vsock, struct vsock_conn *conn)
{
	vsock_conn_close(conn);
	conn->state = VSOCK_RESET;
	vsock_pend(vsock, conn, VSOCK_PENDING_RST);
	conn->pending = VSOCK_PENDING_RST;
}

/* The host program ended these directions. */
void vsock_host_shutdown(struct vsock *vsock, struct vsock_conn *conn, unsigned int directions)
{
	if ((conn->host_shut | directions) == conn->host_shut)
		return;
	conn->host_shut |= directions;
	vsock_pend(vsock, conn, VSOCK_PENDING_SHUTDOWN);
	if (conn->host_shut == VSOCK_SHUT_BOTH)
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
void vsock_arm(struct vsock *vsock, struct vsock_conn *conn)
{
	uint32_t events = conn_wants(conn);
	struct epoll_event event = {.events = events | EPOLLONESHOT, .data.ptr = conn};

	if (conn->fd < 0 || events == 0 || events == conn->armed)
		return;
	if (epoll_ctl(vsock->epoll, EPOLL_CTL_MOD, conn->fd, &event) == 0)
		conn->armed = events;
}

/* A connection on @fd, which is in epoll and not armed; NULL (and @fd closed) if there is no room. */
struct vsock_conn *vsock_add(struct vsock *vsock, int fd)
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

/* Tell the guest in time: it must not run out of credit while there is room. */
void vsock_tell_credit(struct vsock *vsock, struct vsock_conn *conn)
{
	if (conn->fwd_cnt - conn->fwd_told >= VSOCK_BUF_ALLOC / 2)
		vsock_pend(vsock, conn, VSOCK_PENDING_CREDIT_UPDATE);
}

/* What the guest ended is ended on the host side when all before it was delivered. */
void vsock_finish(struct vsock *vsock, struct vsock_conn *conn)
{
	if (conn->buffered)
		return;
	if (conn->guest_shut == VSOCK_SHUT_BOTH)
		vsock_reset_conn(vsock, conn);
	else if ((conn->guest_shut & VIRTIO_VSOCK_SHUTDOWN_SEND) && conn->fd >= 0)
		shutdown(conn->fd, SHUT_WR);
}

/* --- the host's side ------------------------------------------------------------------------- */

/* A host program has said, or not said, what it begins with. */
static void host_hello(struct vsock *vsock, struct vsock_conn *conn)
{
	uint32_t port;

	switch (vsock_conn_hello(conn, &port)) {
	case VSOCK_HELLO_PART: vsock_arm(vsock, conn); return;
	case VSOCK_HELLO_WRONG: vsock_drop(vsock, conn); return;
	case VSOCK_HELLO_CONNECT: break;
	}
	if (!virtio_is_live(&vsock->dev)) {
		vsock_drop(vsock, conn);
		return;
	}
	/* There are fewer connections than ports. */
	do {
		vsock->next_port = HOST_PORT_FIRST | (vsock->next_port + 1) % HOST_PORT_FIRST;
	} while (vsock_conn_find(&vsock->conns, port, vsock->next_port));
	vsock_conn_name(&vsock->conns, conn, VSOCK_REQUESTED, port, vsock->next_port);
	vsock_pend(vsock, conn, VSOCK_PENDING_REQUEST);
	vsock_arm(vsock, conn);
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
			vsock_drop(vsock, conn);
		else
			vsock_reset_conn(vsock, conn);
		return;
	}
	if (conn->buffered && vsock_conn_flush(conn))
		vsock_host_shutdown(vsock, conn, VIRTIO_VSOCK_SHUTDOWN_RCV);
	if ((conn->host_shut & VIRTIO_VSOCK_SHUTDOWN_SEND) ||
	    (conn->guest_shut & VIRTIO_VSOCK_SHUTDOWN_RCV)) {
		/* Nothing more is read, so that this is how its end is seen. */
		if (over)
			vsock_host_shutdown(vsock, conn, VSOCK_SHUT_BOTH);
	} else if (over || (events & EPOLLIN)) {
		vsock_pend(vsock, conn, VSOCK_PENDING_DATA);
	}
	vsock_tell_credit(vsock, conn);
	vsock_finish(vsock, conn);
	vsock_arm(vsock, conn);
}

static void host_accept(struct vsock *vsock)
{
	for (unsigned int i = 0; i < ACCEPT_MAX; i++) {
		int fd = unix_accept(&vsock->listener);
		struct vsock_conn *conn;

		if (fd >= 0) {
			conn = vsock_add(vsock, fd);
			if (conn)
				vsock_arm(vsock, conn);
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
void vsock_host_ready(void *arg, uint32_t unused)
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
	vsock_settle(vsock);
	virtio_unlock(&vsock->dev);
}
