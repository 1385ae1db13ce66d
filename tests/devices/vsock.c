/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The guest and the host programs of the vsock tests; what they offer is in vsock.h. */
#include "tests/devices/vsock.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define PATIENCE_MS 20000
/* Where packets to send are, behind all receive buffers. */
#define SEND_HEADER (RAM_END - 0x20000)
#define SEND_DATA   (SEND_HEADER + 64)

static struct driver_queue *rx(struct vsock_guest *g)
{
	return &g->h.queues[0];
}

static struct driver_queue *tx(struct vsock_guest *g)
{
	return &g->h.queues[1];
}

static void *run_loop(void *arg)
{
	loop_run(arg);
	return NULL;
}

void vsock_new(struct vsock_guest *g, const struct cutting *cutting)
{
	char args[80];

	/* As the monitor does. */
	signal(SIGPIPE, SIG_IGN);
	strcpy(g->dir, "/tmp/test-vsock-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(g->dir));
	snprintf(g->path, sizeof(g->path), "%s/v.sock", g->dir);
	snprintf(args, sizeof(args), "%s,cid=%d", g->path, VSOCK_CID);
	harness_new(&g->h, cutting, type_named("vsock"), args, NULL);
	driver_place(&g->h, 2, driver_ring_area(2), 16);
	ck_assert_int_eq(pthread_create(&g->thread, NULL, run_loop, g->h.loop), 0);
}

void vsock_end(struct vsock_guest *g)
{
	loop_stop(g->h.loop, 0);
	pthread_join(g->thread, NULL);
	harness_free(&g->h);
	/* So nothing is left in it. */
	ck_assert_int_eq(rmdir(g->dir), 0);
}

void vsock_start(struct vsock_guest *g, unsigned int count, uint32_t size)
{
	driver_start(&g->h, 0);
	for (unsigned int i = 0; i < count; i++)
		vsock_post(g, &(struct buffer){BUFFERS + i * size, size, true}, 1);
}

void vsock_post(struct vsock_guest *g, const struct buffer *chain, unsigned int count)
{
	uint16_t head = driver_add(&g->h, rx(g), chain, count, 0);

	memcpy(g->posted[head], chain, count * sizeof(*chain));
	g->posted_count[head] = count;
	driver_kick(&g->h, rx(g));
}

/* Copy @len bytes of what was written to a chain, behind the first @skip. */
static void gather(struct vsock_guest *g, uint32_t head, uint32_t skip, void *data, uint32_t len)
{
	uint8_t *to = data;

	for (unsigned int i = 0; i < g->posted_count[head]; i++) {
		const struct buffer *buffer = &g->posted[head][i];
		uint32_t from = skip < buffer->len ? skip : buffer->len;
		uint32_t n = buffer->len - from < len ? buffer->len - from : len;

		mem_read(&g->h, buffer->addr + from, to, n);
		skip -= from;
		to += n;
		len -= n;
	}
	ck_assert_uint_eq(len, 0);
}

bool vsock_take(struct vsock_guest *g, unsigned int ms)
{
	struct packet *packet = &g->packet;
	struct virtio_vsock_hdr hdr;
	struct buffer again[VSOCK_CHUNKS];
	uint32_t head;

	for (unsigned int i = 0; !driver_used(&g->h, rx(g), &head, &packet->used); i++) {
		if (i >= ms * 10)
			return false;
		usleep(100);
	}
	ck_assert_uint_ge(packet->used, sizeof(hdr));
	gather(g, head, 0, &hdr, sizeof(hdr));
	packet->src_cid = le64toh(hdr.src_cid);
	packet->dst_cid = le64toh(hdr.dst_cid);
	packet->src_port = le32toh(hdr.src_port);
	packet->dst_port = le32toh(hdr.dst_port);
	packet->len = le32toh(hdr.len);
	packet->type = le16toh(hdr.type);
	packet->op = le16toh(hdr.op);
	packet->flags = le32toh(hdr.flags);
	packet->buf_alloc = le32toh(hdr.buf_alloc);
	packet->fwd_cnt = le32toh(hdr.fwd_cnt);
	ck_assert_uint_eq(packet->used, sizeof(hdr) + packet->len);
	ck_assert_uint_le(packet->len, VSOCK_DATA);
	gather(g, head, sizeof(hdr), packet->data, packet->len);
	memcpy(again, g->posted[head], sizeof(again));
	vsock_post(g, again, g->posted_count[head]);
	return true;
}

struct packet *vsock_expect(struct vsock_guest *g, uint16_t op, uint32_t guest_port,
			    uint32_t host_port)
{
	struct packet *packet = &g->packet;

	ck_assert_msg(vsock_take(g, PATIENCE_MS), "no packet came, wanted op %u of %u", op,
		      guest_port);
	ck_assert_uint_eq(packet->op, op);
	ck_assert_uint_eq(packet->src_cid, 2);
	ck_assert_uint_eq(packet->dst_cid, VSOCK_CID);
	ck_assert_uint_eq(packet->type, VIRTIO_VSOCK_TYPE_STREAM);
	ck_assert_uint_eq(packet->dst_port, guest_port);
	ck_assert_uint_eq(packet->src_port, host_port);
	return packet;
}

struct virtio_vsock_hdr vsock_header(uint16_t op, uint32_t guest_port, uint32_t host_port,
				     uint32_t len)
{
	return (struct virtio_vsock_hdr){
		.src_cid = htole64(VSOCK_CID),
		.dst_cid = htole64(2),
		.src_port = htole32(guest_port),
		.dst_port = htole32(host_port),
		.len = htole32(len),
		.type = htole16(VIRTIO_VSOCK_TYPE_STREAM),
		.op = htole16(op),
		.buf_alloc = htole32(65536),
	};
}

void vsock_send(struct vsock_guest *g, const struct virtio_vsock_hdr *hdr, const void *data,
		uint32_t len)
{
	struct buffer chain[] = {{SEND_HEADER, sizeof(*hdr), false}, {SEND_DATA, len, false}};
	uint32_t head, used;
	uint16_t added;

	mem_write(&g->h, SEND_HEADER, hdr, sizeof(*hdr));
	if (len)
		mem_write(&g->h, SEND_DATA, data, len);
	added = driver_add(&g->h, tx(g), chain, len ? 2 : 1, 0);
	driver_kick(&g->h, tx(g));
	ck_assert(driver_used(&g->h, tx(g), &head, &used));
	ck_assert_uint_eq(head, added);
	ck_assert_uint_eq(used, 0);
}

void vsock_op(struct vsock_guest *g, uint16_t op, uint32_t guest_port, uint32_t host_port)
{
	struct virtio_vsock_hdr hdr = vsock_header(op, guest_port, host_port, 0);

	vsock_send(g, &hdr, NULL, 0);
}

/* --- host programs --------------------------------------------------------------------------- */

int vsock_dial(struct vsock_guest *g, const char *hello)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	strcpy(addr.sun_path, g->path);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	ck_assert_int_eq(write(fd, hello, strlen(hello)), (ssize_t)strlen(hello));
	return fd;
}

int vsock_serve(struct vsock_guest *g, uint32_t port)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s_%u", g->path, port);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	ck_assert_int_eq(listen(fd, 16), 0);
	return fd;
}

void vsock_read(int fd, void *data, size_t len)
{
	uint8_t *to = data;

	while (len) {
		struct pollfd ready = {.fd = fd, .events = POLLIN};
		ssize_t n;

		ck_assert_int_eq(poll(&ready, 1, PATIENCE_MS), 1);
		n = read(fd, to, len);
		ck_assert_int_gt(n, 0);
		to += n;
		len -= (size_t)n;
	}
}

void vsock_read_end(int fd)
{
	struct pollfd ready = {.fd = fd, .events = POLLIN};
	char byte;

	ck_assert_int_eq(poll(&ready, 1, PATIENCE_MS), 1);
	ck_assert_int_le(read(fd, &byte, 1), 0);
}

int vsock_to_guest(struct vsock_guest *g, uint32_t guest_port, uint32_t *host_port)
{
	char hello[32], want[32], line[32];
	int fd;

	snprintf(hello, sizeof(hello), "CONNECT %u\n", guest_port);
	fd = vsock_dial(g, hello);
	ck_assert(vsock_take(g, PATIENCE_MS));
	*host_port = g->packet.src_port;
	ck_assert_uint_eq(g->packet.op, VIRTIO_VSOCK_OP_REQUEST);
	ck_assert_uint_eq(g->packet.dst_port, guest_port);
	vsock_op(g, VIRTIO_VSOCK_OP_RESPONSE, guest_port, *host_port);
	snprintf(want, sizeof(want), "OK %u\n", *host_port);
	vsock_read(fd, line, strlen(want));
	ck_assert_mem_eq(line, want, strlen(want));
	return fd;
}

int vsock_to_host(struct vsock_guest *g, uint32_t guest_port, uint32_t host_port)
{
	int listener = vsock_serve(g, host_port), fd;
	char path[64];

	vsock_op(g, VIRTIO_VSOCK_OP_REQUEST, guest_port, host_port);
	vsock_expect(g, VIRTIO_VSOCK_OP_RESPONSE, guest_port, host_port);
	fd = accept(listener, NULL, NULL);
	ck_assert_int_ge(fd, 0);
	close(listener);
	snprintf(path, sizeof(path), "%s_%u", g->path, host_port);
	ck_assert_int_eq(unlink(path), 0);
	return fd;
}

uint8_t vsock_byte(uint32_t which, uint64_t at)
{
	return (uint8_t)(which * 101 + at * 7 + (at >> 8) * 13 + (at >> 16));
}
