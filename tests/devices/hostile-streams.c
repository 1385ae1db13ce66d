/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Hostile drivers of the devices that move streams: entropy, console, vsock. A wrong vsock packet
 * costs its own connection, and one without room for a header is a broken driver.
 */
#include <linux/virtio_vsock.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/devices/hostile.h"

/* --- chains with nothing in them, or the wrong way round ---------------------------------------- */

/* Each comes back with nothing written. */
static void offer_useless(struct hostile *t)
{
	static const struct hostile_desc chains[][2] = {
		{{DATA, 0, 0}},
		{{DATA, 0, WRITE}},
		{{DATA, 0, NEXT}, {DATA, 0, WRITE}},
		{{HOLE, 0, 0}},
	};

	for (size_t i = 0; i < sizeof(chains) / sizeof(*chains); i++) {
		hostile_offer(t, chains[i], chains[i][0].flags & NEXT ? 2 : 1);
		ck_assert_uint_eq(hostile_await(t), 0);
	}
	subject_start(&t->s, 0);
}

static void rng_readable(struct hostile *t)
{
	hostile_offer(t, &(struct hostile_desc){DATA, 512, 0}, 1);
	ck_assert_uint_eq(hostile_await(t), 0);
	subject_start(&t->s, 0);
}

/* Firecracker 4392a8d again: 15 MiB asked for in one MiB of memory. */
static void rng_overlapping(struct hostile *t)
{
	struct buffer chain[15];

	for (unsigned int i = 0; i < 15; i++)
		chain[i] = (struct buffer){BUFFERS, 0x10000, true};
	driver_add(t->h, t->q, chain, 15, 0);
	driver_kick(t->h, t->q);
	ck_assert_uint_gt(hostile_await(t), 0);
}

static void console_writable(struct hostile *t)
{
	mem_fill(t->h, DATA, 0xcc, 512);
	hostile_offer(t, &(struct hostile_desc){DATA, 512, WRITE}, 1);
	ck_assert_uint_eq(hostile_await(t), 0);
	ck_assert_uint_eq(mem_byte(t->h, DATA), 0xcc);
	subject_start(&t->s, 0);
}

/* Buffers to receive into that cannot receive anything. */
static void console_receive_readable(struct hostile *t)
{
	struct driver_queue *rx = &t->h->queues[0];
	const struct buffer chains[] = {{DATA, 512, false}, {DATA, 0, true}};

	for (unsigned int i = 0; i < 2; i++)
		driver_add(t->h, rx, &chains[i], 1, 0);
	driver_kick(t->h, rx);
}

/* --- vsock -------------------------------------------------------------------------------------- */

#define CID      42
#define PORT     1000
#define SERVED   52
#define RECEIVE  (DATA + 0x2000)
#define CREDIT   65536U /* what the device gives */
#define RECEIVED 4096U

static struct virtio_vsock_hdr packet(uint16_t op, uint32_t host_port, uint32_t len)
{
	return (struct virtio_vsock_hdr){
		.src_cid = htole64(CID),
		.dst_cid = htole64(2),
		.src_port = htole32(PORT),
		.dst_port = htole32(host_port),
		.len = htole32(len),
		.type = htole16(VIRTIO_VSOCK_TYPE_STREAM),
		.op = htole16(op),
		.buf_alloc = htole32(65536),
	};
}

/* Send the packet with @len bytes of data, and wait until the device has taken it. */
static void send_packet(struct hostile *t, const struct virtio_vsock_hdr *hdr, uint32_t len)
{
	const struct buffer chain[] = {{HEADER, sizeof(*hdr), false}, {TABLE, len, false}};

	mem_write(t->h, HEADER, hdr, sizeof(*hdr));
	driver_add(t->h, t->q, chain, len ? 2 : 1, 0);
	driver_kick(t->h, t->q);
	ck_assert_uint_eq(hostile_await(t), 0);
}

/* A buffer to receive into; every one is the same memory, taken before the next is offered. */
static void post_receive(struct hostile *t, uint32_t len)
{
	driver_add(t->h, &t->h->queues[0], &(struct buffer){RECEIVE, len, true}, 1, 0);
	driver_kick(t->h, &t->h->queues[0]);
}

/* The next packet, which must be @op. */
static void expect(struct hostile *t, uint16_t op)
{
	struct virtio_vsock_hdr hdr;
	uint32_t head, len;

	post_receive(t, RECEIVED);
	driver_await(t->h, &t->h->queues[0], &head, &len);
	mem_read(t->h, RECEIVE, &hdr, sizeof(hdr));
	ck_assert_uint_eq(le16toh(hdr.op), op);
	ck_assert_uint_eq(le64toh(hdr.dst_cid), CID);
}

static void send_op(struct hostile *t, uint16_t op, uint32_t host_port)
{
	const struct virtio_vsock_hdr hdr = packet(op, host_port, 0);

	send_packet(t, &hdr, 0);
}

/* A connection to a host program; the program's socket. */
static int connect_out(struct hostile *t)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), fd;

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/v.sock_%u", t->s.dir, SERVED);
	ck_assert_int_eq(bind(listener, (struct sockaddr *)&addr, sizeof(addr)), 0);
	ck_assert_int_eq(listen(listener, 4), 0);
	send_op(t, VIRTIO_VSOCK_OP_REQUEST, SERVED);
	fd = accept(listener, NULL, NULL);
	ck_assert_int_ge(fd, 0);
	close(listener);
	unlink(addr.sun_path);
	expect(t, VIRTIO_VSOCK_OP_RESPONSE);
	return fd;
}

/* The packet ends its connection, and nothing else. */
static void ends_connection(struct hostile *t, const struct virtio_vsock_hdr *hdr, uint32_t len)
{
	int fd = connect_out(t);

	send_packet(t, hdr, len);
	expect(t, VIRTIO_VSOCK_OP_RST);
	close(fd);
}

static void vsock_operations_that_are_none(struct hostile *t)
{
	static const uint16_t ops[] = {0, 8, 9, 0x100, 0xffff};

	for (size_t i = 0; i < sizeof(ops) / sizeof(*ops); i++) {
		const struct virtio_vsock_hdr hdr = packet(ops[i], SERVED, 0);

		ends_connection(t, &hdr, 0);
	}
}

static void vsock_operations_without_connection(struct hostile *t)
{
	static const uint16_t ops[] = {
		0,
		VIRTIO_VSOCK_OP_RESPONSE,
		VIRTIO_VSOCK_OP_SHUTDOWN,
		VIRTIO_VSOCK_OP_RW,
		VIRTIO_VSOCK_OP_CREDIT_UPDATE,
		VIRTIO_VSOCK_OP_CREDIT_REQUEST,
		99,
	};

	for (size_t i = 0; i < sizeof(ops) / sizeof(*ops); i++) {
		send_op(t, ops[i], SERVED);
		expect(t, VIRTIO_VSOCK_OP_RST);
	}
	/* An RST is not answered by another. */
	send_op(t, VIRTIO_VSOCK_OP_RST, SERVED);
}

static void vsock_wrong_addresses(struct hostile *t)
{
	struct virtio_vsock_hdr hdr = packet(VIRTIO_VSOCK_OP_REQUEST, SERVED, 0);

	/* From another machine: nobody to answer. */
	hdr.src_cid = htole64(CID + 1);
	send_packet(t, &hdr, 0);
	hdr.src_cid = htole64(CID | 1ULL << 32);
	send_packet(t, &hdr, 0);
	hdr.src_cid = htole64(CID);
	hdr.dst_cid = htole64(3);
	send_packet(t, &hdr, 0);
	expect(t, VIRTIO_VSOCK_OP_RST);
	hdr.dst_cid = htole64(2);
	hdr.type = htole16(7);
	send_packet(t, &hdr, 0);
	expect(t, VIRTIO_VSOCK_OP_RST);
}

/* CVE-2019-18960: the length in the header was believed, whatever the buffers held. */
static void vsock_length_beyond_its_buffers(struct hostile *t)
{
	static const uint32_t lens[] = {17, 4096, CREDIT, CREDIT + 1, INT32_MAX, UINT32_MAX};

	for (size_t i = 0; i < sizeof(lens) / sizeof(*lens); i++) {
		const struct virtio_vsock_hdr hdr = packet(VIRTIO_VSOCK_OP_RW, SERVED, lens[i]);

		ends_connection(t, &hdr, 16);
	}
}

/* The host program does not read, and the guest sends more than it has credit for. */
static void vsock_credit_abuse(struct hostile *t)
{
	const struct virtio_vsock_hdr hdr = packet(VIRTIO_VSOCK_OP_RW, SERVED, 32768);
	struct virtio_vsock_hdr got;
	unsigned int sent = 0;
	int fd = connect_out(t);

	/* The socket takes some of it, the device buffers its 64 KiB: then there is no more. */
	do {
		uint32_t head, len;

		ck_assert_uint_lt(++sent, 200);
		send_packet(t, &hdr, 32768);
		post_receive(t, RECEIVED);
		got.op = 0;
		while (driver_used(t->h, &t->h->queues[0], &head, &len))
			mem_read(t->h, RECEIVE, &got, sizeof(got));
	} while (le16toh(got.op) != VIRTIO_VSOCK_OP_RST);
	close(fd);
	subject_start(&t->s, 0);
}

/* Counts of what the guest took that it never got, and a buffer that shrinks to nothing. */
static void vsock_counts_that_lie(struct hostile *t)
{
	static const uint32_t counts[][2] = {
		{0, UINT32_MAX}, {UINT32_MAX, 1}, {UINT32_MAX, UINT32_MAX}, {0, 0}, {1, 0x80000000}};
	int fd = connect_out(t);

	for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
		struct virtio_vsock_hdr hdr = packet(VIRTIO_VSOCK_OP_CREDIT_UPDATE, SERVED, 0);

		hdr.buf_alloc = htole32(counts[i][0]);
		hdr.fwd_cnt = htole32(counts[i][1]);
		send_packet(t, &hdr, 0);
		send_op(t, VIRTIO_VSOCK_OP_CREDIT_REQUEST, SERVED);
		expect(t, VIRTIO_VSOCK_OP_CREDIT_UPDATE);
	}
	close(fd);
	subject_start(&t->s, 0);
}

static void vsock_connection_asked_for_twice(struct hostile *t)
{
	const struct virtio_vsock_hdr hdr = packet(VIRTIO_VSOCK_OP_REQUEST, SERVED, 0);

	ends_connection(t, &hdr, 0);
}

static void vsock_data_after_shutdown(struct hostile *t)
{
	struct virtio_vsock_hdr hdr = packet(VIRTIO_VSOCK_OP_SHUTDOWN, SERVED, 0);
	int fd = connect_out(t);

	hdr.flags = htole32(VIRTIO_VSOCK_SHUTDOWN_SEND);
	send_packet(t, &hdr, 0);
	hdr = packet(VIRTIO_VSOCK_OP_RW, SERVED, 16);
	send_packet(t, &hdr, 16);
	expect(t, VIRTIO_VSOCK_OP_RST);
	close(fd);
}

/* More wrong packets than answers are kept for, and no buffer to receive one: they wait. */
static void vsock_flood_without_buffers(struct hostile *t)
{
	const struct virtio_vsock_hdr hdr = packet(VIRTIO_VSOCK_OP_RW, 9, 0);
	uint32_t head, len;
	unsigned int taken = 0;

	mem_write(t->h, HEADER, &hdr, sizeof(hdr));
	for (unsigned int i = 0; i < 200; i++) {
		/* As long as there is an entry that is not in flight. */
		if (i - taken < t->q->size)
			driver_add(t->h, t->q, &(struct buffer){HEADER, sizeof(hdr), false}, 1, 0);
		else
			break;
		driver_kick(t->h, t->q);
		while (driver_used(t->h, t->q, &head, &len))
			taken++;
	}
	ck_assert_uint_lt(taken, 100);
	subject_start(&t->s, 0);
}

static void vsock_receive_without_room(struct hostile *t)
{
	post_receive(t, sizeof(struct virtio_vsock_hdr));
	send_op(t, VIRTIO_VSOCK_OP_RW, 9);
}

const struct hostile_case hostile_streams[] = {
	{"rng_chains_with_nothing_in_them", GOES_ON, .device = "rng", .act = offer_useless},
	{"rng_chain_to_be_read", GOES_ON, .device = "rng", .act = rng_readable},
	{"bug10_rng_overlapping_descriptors", GOES_ON, .device = "rng", .act = rng_overlapping},

	{"console_chains_with_nothing_in_them", GOES_ON, .device = "console", .act = offer_useless},
	{"console_chain_to_be_written", GOES_ON, .device = "console", .act = console_writable},
	{"console_receive_buffers_without_room", GOES_ON, .device = "console",
	 .act = console_receive_readable},

	{"vsock_packet_without_header", BREAKS, "without a header", .device = "vsock",
	 .chain = {{HEADER, 0, 0}}},
	{"vsock_packet_with_half_a_header", BREAKS, "without a header", .device = "vsock",
	 .chain = {{HEADER, 43, 0}}},
	{"vsock_packet_to_be_written", BREAKS, "without a header", .device = "vsock",
	 .chain = {{HEADER, 64, WRITE}}},
	{"vsock_receive_buffer_without_room", BREAKS, "no room", .device = "vsock",
	 .act = vsock_receive_without_room},
	{"vsock_operations_that_are_none", GOES_ON, .device = "vsock",
	 .act = vsock_operations_that_are_none},
	{"vsock_operations_without_connection", GOES_ON, .device = "vsock",
	 .act = vsock_operations_without_connection},
	{"vsock_addresses_and_types_that_are_wrong", GOES_ON, .device = "vsock",
	 .act = vsock_wrong_addresses},
	{"bug16_vsock_length_beyond_its_buffers", GOES_ON, .device = "vsock",
	 .act = vsock_length_beyond_its_buffers},
	{"vsock_credit_abuse", GOES_ON, .device = "vsock", .act = vsock_credit_abuse},
	{"vsock_counts_that_lie", GOES_ON, .device = "vsock", .act = vsock_counts_that_lie},
	{"vsock_connection_asked_for_twice", GOES_ON, .device = "vsock",
	 .act = vsock_connection_asked_for_twice},
	{"vsock_data_after_shutdown", GOES_ON, .device = "vsock", .act = vsock_data_after_shutdown},
	{"vsock_flood_without_receive_buffers", GOES_ON, .device = "vsock",
	 .act = vsock_flood_without_buffers},
	{.name = NULL},
};
