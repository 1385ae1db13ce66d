/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Connections of virtio-vsock: finding them, their bytes on the way to a host program, and the line
 * a host program begins with.
 */
#include "devices/vsock-conn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

static struct vsock_list *bucket(struct vsock_table *table, uint32_t guest_port, uint32_t host_port)
{
	/* One of the two is counted up by whoever connects; the multiplier spreads the other. */
	return &table->hash[(guest_port * 2654435761U + host_port) % VSOCK_HASH_SIZE];
}

struct vsock_conn *vsock_conn_new(struct vsock_table *table, int fd)
{
	struct vsock_conn *conn;

	if (table->count == VSOCK_CONN_MAX)
		return NULL;
	conn = calloc(1, sizeof(*conn));
	if (!conn)
		return NULL;
	conn->fd = fd;
	LIST_INSERT_HEAD(&table->all, conn, in_all);
	table->count++;
	return conn;
}

void vsock_conn_name(struct vsock_table *table, struct vsock_conn *conn, enum vsock_state state,
		     uint32_t guest_port, uint32_t host_port)
{
	conn->state = state;
	conn->guest_port = guest_port;
	conn->host_port = host_port;
	LIST_INSERT_HEAD(bucket(table, guest_port, host_port), conn, in_hash);
}

struct vsock_conn *vsock_conn_find(struct vsock_table *table, uint32_t guest_port, uint32_t host_port)
{
	struct vsock_conn *conn;

	LIST_FOREACH(conn, bucket(table, guest_port, host_port), in_hash)
	{
		if (conn->guest_port == guest_port && conn->host_port == host_port)
			break;
	}
	return conn;
}

/* When all of it is counted. */
static void free_buffer(struct vsock_conn *conn)
{
	free(conn->buffer);
	conn->buffer = NULL;
	conn->buffered = 0;
	conn->first = 0;
}

void vsock_conn_discard(struct vsock_conn *conn, uint32_t len)
{
	conn->fwd_cnt += conn->buffered + len;
	free_buffer(conn);
}

void vsock_conn_close(struct vsock_conn *conn)
{
	vsock_conn_discard(conn, 0);
	/* There is no copy of the descriptor, so that epoll forgets it too. */
	if (conn->fd >= 0)
		close(conn->fd);
	conn->fd = -1;
}

void vsock_conn_free(struct vsock_table *table, struct vsock_conn *conn)
{
	vsock_conn_close(conn);
	LIST_REMOVE(conn, in_all);
	if (conn->state != VSOCK_HELLO)
		LIST_REMOVE(conn, in_hash);
	table->count--;
	free(conn);
}

uint32_t vsock_conn_credit(const struct vsock_conn *conn)
{
	uint32_t on_the_way = conn->tx_cnt - conn->peer_fwd_cnt;

	/* The guest may shrink its buffer below what is on the way, or count what it never got. */
	return on_the_way < conn->peer_buf_alloc ? conn->peer_buf_alloc - on_the_way : 0;
}

/* --- guest to host --------------------------------------------------------------------------- */

/* The one or two pieces of the ring from @from on. */
static int pieces(const struct vsock_conn *conn, uint32_t from, uint32_t len, struct iovec iov[2])
{
	uint32_t at = from % VSOCK_BUF_ALLOC, to_end = VSOCK_BUF_ALLOC - at;

	iov[0] = (struct iovec){conn->buffer + at, len < to_end ? len : to_end};
	iov[1] = (struct iovec){conn->buffer, len - iov[0].iov_len};
	return iov[1].iov_len ? 2 : 1;
}

static int buffer_rest(struct vsock_conn *conn, struct gm_sg *sg, uint32_t len)
{
	struct iovec iov[2];
	int count;

	if (!conn->buffer)
		conn->buffer = malloc(VSOCK_BUF_ALLOC);
	if (!conn->buffer)
		return -1;
	count = pieces(conn, conn->first + conn->buffered, len, iov);
	for (int i = 0; i < count; i++) {
		if (gm_sg_read(sg, iov[i].iov_base, iov[i].iov_len))
			return -1;
	}
	conn->buffered += len;
	return 0;
}

int vsock_conn_send(struct vsock_conn *conn, struct gm_sg *sg, uint32_t len)
{
	/* Until it is full: memory in many pieces takes several calls. */
	while (!conn->buffered && len) {
		ssize_t n = gm_sg_write_to_fd(sg, conn->fd, -1, len);

		if (n == GM_ERR_IO && errno == EAGAIN)
			break;
		if (n < 0)
			goto nobody;
		conn->fwd_cnt += (uint32_t)n;
		len -= (uint32_t)n;
	}
	if (len == 0 || buffer_rest(conn, sg, len) == 0)
		return 0;
nobody:
	vsock_conn_discard(conn, len);
	return -1;
}

int vsock_conn_flush(struct vsock_conn *conn)
{
	while (conn->buffered) {
		struct iovec iov[2];
		int count = pieces(conn, conn->first, conn->buffered, iov);
		ssize_t n = writev(conn->fd, iov, count);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n < 0) {
			vsock_conn_discard(conn, 0);
			return -1;
		}
		conn->fwd_cnt += (uint32_t)n;
		conn->first = (conn->first + (uint32_t)n) % VSOCK_BUF_ALLOC;
		conn->buffered -= (uint32_t)n;
	}
	free_buffer(conn);
	return 0;
}

/* --- the first line -------------------------------------------------------------------------- */

/* "CONNECT 52": the word in any case, one space, a decimal number of 32 bits. */
static bool parse_hello(const char *line, uint32_t *port)
{
	static const char word[] = "connect ";
	uint64_t value = 0;

	if (strncasecmp(line, word, sizeof(word) - 1) != 0)
		return false;
	line += sizeof(word) - 1;
	if (!*line)
		return false;
	for (; *line; line++) {
		if (*line < '0' || *line > '9')
			return false;
		value = value * 10 + (uint64_t)(*line - '0');
		if (value > UINT32_MAX)
			return false;
	}
	*port = (uint32_t)value;
	return true;
}

enum vsock_hello vsock_conn_hello(struct vsock_conn *conn, uint32_t *port)
{
	char *at = conn->hello + conn->hello_len, *end;
	size_t room = sizeof(conn->hello) - conn->hello_len;
	/* Looked at first, then taken to the end of the line: data may follow. */
	ssize_t n = recv(conn->fd, at, room, MSG_PEEK);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return VSOCK_HELLO_PART;
	if (n <= 0)
		return VSOCK_HELLO_WRONG;
	end = memchr(at, '\n', (size_t)n);
	if (end)
		n = end + 1 - at;
	if (recv(conn->fd, at, (size_t)n, 0) != n)
		return VSOCK_HELLO_WRONG;
	conn->hello_len += (unsigned int)n;
	if (!end)
		return conn->hello_len < sizeof(conn->hello) ? VSOCK_HELLO_PART : VSOCK_HELLO_WRONG;
	*end = '\0';
	return parse_hello(conn->hello, port) ? VSOCK_HELLO_CONNECT : VSOCK_HELLO_WRONG;
}
