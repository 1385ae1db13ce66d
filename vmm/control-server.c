/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The socket of --control and those who come to it. Bytes and descriptors go between a client and
 * its session (control-session.h). Nobody waits for a client: from one that does not read nothing
 * more is read, and it has to go when another needs its place.
 */
#include "vmm/control-server.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "devices/unix-socket.h"

/* Descriptors that are taken off a message; the kernel closes what does not fit. */
#define FDS_MAX 4

struct client {
	struct control_server *server;
	int fd; /* -1: a free place */
	struct loop_watch *watch;
	struct control_session session;
	char in[CONTROL_REQUEST_MAX];
	size_t in_at, in_len; /* not taken by the session yet: in[in_at] to in[in_len] */
};

struct control_server {
	struct loop *loop;
	const struct control_ops *ops;
	void *target;
	struct unix_listener path; /* fd is -1: it was inherited */
	int listener;
	struct loop_watch *watch;
	struct client clients[CONTROL_CLIENTS_MAX];
};

/* --- a client ------------------------------------------------------------------------------------ */

static void drop(struct client *client)
{
	if (client->fd < 0)
		return;
	loop_remove(client->watch);
	close(client->fd);
	client->fd = -1;
	control_session_end(&client->session);
}

/* As much as the socket takes; false if the client is gone. */
static bool flush(struct client *client)
{
	for (;;) {
		size_t len;
		const char *bytes = control_session_output(&client->session, &len);
		ssize_t sent;

		if (len == 0)
			return true;
		sent = send(client->fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (sent < 0)
			return errno == EAGAIN || errno == EINTR;
		control_session_sent(&client->session, (size_t)sent);
	}
}

static size_t unsent(const struct client *client)
{
	size_t len;

	control_session_output(&client->session, &len);
	return len;
}

/* It is a client no more. */
static void hand_over(struct client *client)
{
	struct control_server *server = client->server;
	struct control_session *session = &client->session;
	size_t len;
	const char *out = control_session_output(session, &len);

	loop_remove(client->watch);
	if (server->ops->become(server->target, session->stream, client->fd, out, len,
				client->in + client->in_at, client->in_len - client->in_at))
		close(client->fd);
	client->fd = -1;
	control_session_end(session);
}

/*
 * One request at most, and as much of the answers as the socket takes. What has come and is not
 * done yet has its turn when the loop has looked at everybody else: the socket has room, so that
 * the loop comes back.
 */
static void pump(struct client *client)
{
	struct control_session *session = &client->session;
	uint32_t events = 0;

	client->in_at += control_session_receive(session, client->in + client->in_at,
						 client->in_len - client->in_at);
	if (!flush(client) || session->dropped || (session->closing && !unsent(client))) {
		drop(client);
		return;
	}
	if (session->stream) {
		hand_over(client);
		return;
	}
	if (client->in_at == client->in_len)
		client->in_at = client->in_len = 0;
	if (client->in_len == 0 && !session->closing)
		events |= EPOLLIN;
	if (client->in_len || unsent(client))
		events |= EPOLLOUT;
	if (loop_modify(client->watch, events))
		drop(client);
}

static void take_descriptors(struct client *client, struct msghdr *message)
{
	for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header;
	     header = CMSG_NXTHDR(message, header)) {
		size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		int fds[FDS_MAX];

		if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
			continue;
		memcpy(fds, CMSG_DATA(header), count * sizeof(int));
		for (size_t i = 0; i < count; i++)
			control_session_take_fd(&client->session, fds[i]);
	}
}

/* What there is to read; 0 at its end, or -1. */
static ssize_t receive(struct client *client)
{
	char control[CMSG_SPACE(FDS_MAX * sizeof(int))];
	struct iovec iov = {client->in, sizeof(client->in)};
	struct msghdr message = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	ssize_t len = recvmsg(client->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (len >= 0)
		take_descriptors(client, &message);
	return len;
}

static void client_ready(void *arg, uint32_t events)
{
	struct client *client = arg;

	if (events & EPOLLIN && client->in_len == 0) {
		ssize_t len = receive(client);

		if (len < 0 && errno != EAGAIN && errno != EINTR) {
			drop(client);
			return;
		}
		/* It has said all it will say, but may still read. */
		if (len == 0)
			client->session.closing = true;
		client->in_len = len < 0 ? 0 : (size_t)len;
	} else if (events & (EPOLLHUP | EPOLLERR)) {
		drop(client);
		return;
	}
	pump(client);
}

/* --- those who come ------------------------------------------------------------------------------- */

/* A free place; one that has not read what it was sent is made free. */
static struct client *find_place(struct control_server *server)
{
	for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		if (server->clients[i].fd < 0)
			return &server->clients[i];
	}
	for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		if (!unsent(&server->clients[i]))
			continue;
		drop(&server->clients[i]);
		return &server->clients[i];
	}
	return NULL;
}

static void welcome(struct control_server *server, int fd)
{
	static const char full[] =
		"{\"ok\":false,\"error\":\"there are as many clients as can be\"}\n";
	struct client *client = find_place(server);

	if (!client) {
		if (send(fd, full, sizeof(full) - 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
			errno = 0;
		close(fd);
		return;
	}
	client->watch = loop_add(server->loop, fd, EPOLLIN, client_ready, client);
	if (!client->watch) {
		close(fd);
		return;
	}
	client->fd = fd;
	client->in_at = client->in_len = 0;
	control_session_begin(&client->session, server->ops, server->target);
}

static void somebody_came(void *arg, uint32_t events)
{
	struct control_server *server = arg;
	int fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events;
	/* If there are no descriptors: notice who comes next, once each. */
	loop_modify(server->watch, fd < 0 && errno != EAGAIN ? EPOLLIN | EPOLLET : EPOLLIN);
	if (fd >= 0)
		welcome(server, fd);
}

/* --- events --------------------------------------------------------------------------------------- */

/* What does not fit into the socket's buffer waits, and a client that is to go does so by the loop. */
void control_server_tell(struct control_server *server, const char *name, int status)
{
	for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		struct client *client = &server->clients[i];

		if (client->fd < 0)
			continue;
		control_session_event(&client->session, name, status);
		if (client->session.dropped || unsent(client))
			loop_modify(client->watch, EPOLLOUT);
	}
}

/* --- where it listens ----------------------------------------------------------------------------- */

static bool has_option(int fd, int option, int value)
{
	socklen_t len = sizeof(int);
	int found;

	return getsockopt(fd, SOL_SOCKET, option, &found, &len) == 0 && found == value;
}

static bool is_inherited(const char *spec)
{
	return strncmp(spec, "fd:", 3) == 0;
}

/* The descriptor of "fd:N", or -1 (@report). */
static int inherited(const char *spec, struct report *report)
{
	const char *digits = spec + 3;
	char *end;
	unsigned long fd = strtoul(digits, &end, 10);

	if (*digits < '0' || *digits > '9' || *end || fd > 1000000)
		return report_fail(report, REPORT_USER,
				   "--control %s: a descriptor is fd:N, for example fd:3", spec);
	if (!has_option((int)fd, SO_ACCEPTCONN, 1) || !has_option((int)fd, SO_DOMAIN, AF_UNIX) ||
	    !has_option((int)fd, SO_TYPE, SOCK_STREAM))
		return report_fail(report, REPORT_USER,
				   "--control %s: not a UNIX stream socket that listens", spec);
	return (int)fd;
}

/* A copy, which stays when inherited descriptors are closed. */
static int inherit(struct control_server *server, const char *spec, struct report *report)
{
	int fd = inherited(spec, report), flags;

	if (fd < 0)
		return -1;
	server->listener = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	flags = server->listener < 0 ? -1 : fcntl(server->listener, F_GETFL);
	if (flags < 0 || fcntl(server->listener, F_SETFL, flags | O_NONBLOCK))
		return report_fail(report, REPORT_HOST, "--control %s: %s", spec, strerror(errno));
	return 0;
}

static int listen_at(struct control_server *server, const char *spec, struct report *report)
{
	if (is_inherited(spec))
		return inherit(server, spec, report);
	if (unix_listen("--control", spec, UNIX_PATH_LIMIT, &server->path, report)) {
		server->path.fd = -1;
		return -1;
	}
	server->listener = server->path.fd;
	return 0;
}

int control_server_try(const char *spec, struct report *report)
{
	if (is_inherited(spec))
		return inherited(spec, report) < 0 ? -1 : 0;
	return unix_try_listen("--control", spec, UNIX_PATH_LIMIT, report);
}

int control_server_open(const char *spec, struct loop *loop, const struct control_ops *ops,
			void *target, struct control_server **out, struct report *report)
{
	struct control_server *server = calloc(1, sizeof(*server));

	*out = server;
	if (!server)
		return report_fail(report, REPORT_HOST, "out of memory");
	server->loop = loop;
	server->ops = ops;
	server->target = target;
	server->listener = server->path.fd = -1;
	for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
		server->clients[i] = (struct client){.server = server, .fd = -1};
	if (listen_at(server, spec, report))
		return -1;
	server->watch = loop_add(loop, server->listener, EPOLLIN, somebody_came, server);
	return server->watch ? 0 : report_fail(report, REPORT_HOST, "epoll: %s", strerror(errno));
}

void control_server_close(struct control_server *server)
{
	if (!server)
		return;
	for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		/* What the socket takes at once: nobody waits for a client here. */
		if (server->clients[i].fd >= 0)
			flush(&server->clients[i]);
		drop(&server->clients[i]);
	}
	loop_remove(server->watch);
	if (server->path.fd >= 0)
		unix_unlisten(&server->path);
	else if (server->listener >= 0)
		close(server->listener);
	free(server);
}
