/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * virtio-vsock where something runs out or breaks the rules: credit in both directions, slow host
 * programs, many connections, guests that lie, socket files that are in the way.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/devices/suites.h"
#include "tests/devices/vsock.h"

#define BUF_ALLOC 65536U /* what the device gives */

static struct vsock_guest guest;
static struct vsock_guest *const g = &guest;

static void set_up(void)
{
	struct cutting pages = cutting_every(4096);

	vsock_new(g, &pages);
	cutting_free(&pages);
	vsock_start(g, 32, 4096);
}

static void tear_down(void)
{
	vsock_end(g);
}

/* --- credit ---------------------------------------------------------------------------------- */

static void write_stream(int fd, uint32_t which, uint32_t len)
{
	uint8_t *data = malloc(len);

	ck_assert_ptr_nonnull(data);
	for (uint32_t i = 0; i < len; i++)
		data[i] = vsock_byte(which, i);
	ck_assert_int_eq(write(fd, data, len), len);
	free(data);
}

/* Take packets until the device asks for credit; returns the bytes of stream @which at @at. */
static uint32_t take_until_asked(uint32_t port, uint32_t which, uint32_t at)
{
	uint32_t got = 0;

	for (;;) {
		ck_assert(vsock_take(g, 20000));
		ck_assert_uint_eq(g->packet.src_port, port);
		if (g->packet.op == VIRTIO_VSOCK_OP_CREDIT_REQUEST)
			return got;
		ck_assert_uint_eq(g->packet.op, VIRTIO_VSOCK_OP_RW);
		for (uint32_t i = 0; i < g->packet.len; i++) {
			if (g->packet.data[i] != vsock_byte(which, at + got + i))
				ck_abort_msg("byte %u differs", at + got + i);
		}
		got += g->packet.len;
	}
}

static void give_credit(uint32_t port, uint32_t buf_alloc, uint32_t fwd_cnt)
{
	struct virtio_vsock_hdr hdr = vsock_header(VIRTIO_VSOCK_OP_CREDIT_UPDATE, 52, port, 0);

	hdr.buf_alloc = htole32(buf_alloc);
	hdr.fwd_cnt = htole32(fwd_cnt);
	vsock_send(g, &hdr, NULL, 0);
}

START_TEST(never_more_than_the_guest_has_room_for)
{
	uint32_t port;
	int fd = vsock_to_guest(g, 52, &port);

	give_credit(port, 10000, 0);
	write_stream(fd, 1, 60000);
	ck_assert_uint_eq(take_until_asked(port, 1, 0), 10000);
	ck_assert(!vsock_take(g, 20));
	give_credit(port, 10000, 9999);
	ck_assert_uint_eq(take_until_asked(port, 1, 10000), 9999);
	/* A buffer that shrank, and more forwarded than was ever sent: no room in either. */
	give_credit(port, 5, 10000);
	ck_assert(!vsock_take(g, 20));
	give_credit(port, 100, 20000);
	ck_assert(!vsock_take(g, 20));
	give_credit(port, 30000, 19999);
	ck_assert_uint_eq(take_until_asked(port, 1, 19999), 30000);
	close(fd);
}
END_TEST

/* As much as a polite guest can send; what it was told of credit is in @told. */
static uint32_t send_stream(uint32_t port, uint32_t which, uint32_t from, uint32_t to, uint32_t *told)
{
	uint8_t data[8192];

	while (from < to) {
		uint32_t room = BUF_ALLOC - (from - *told), len = to - from;
		struct virtio_vsock_hdr hdr;

		if (room == 0 && !vsock_take(g, 100))
			break;
		if (room == 0) {
			ck_assert_uint_eq(g->packet.op, VIRTIO_VSOCK_OP_CREDIT_UPDATE);
			ck_assert_uint_eq(g->packet.buf_alloc, BUF_ALLOC);
			*told = g->packet.fwd_cnt;
			continue;
		}
		len = len < room ? len : room;
		len = len < sizeof(data) ? len : sizeof(data);
		for (uint32_t i = 0; i < len; i++)
			data[i] = vsock_byte(which, from + i);
		hdr = vsock_header(VIRTIO_VSOCK_OP_RW, 52, port, len);
		vsock_send(g, &hdr, data, len);
		from += len;
	}
	return from;
}

static void read_stream(int fd, uint32_t which, uint32_t from, uint32_t to)
{
	uint8_t *data = malloc(to - from);

	ck_assert_ptr_nonnull(data);
	vsock_read(fd, data, to - from);
	for (uint32_t i = 0; i < to - from; i++) {
		if (data[i] != vsock_byte(which, from + i))
			ck_abort_msg("byte %u differs", from + i);
	}
	free(data);
}

START_TEST(slow_host_program)
{
	uint32_t slow_port, port, told = 0, other = 0, sent;
	int slow = vsock_to_guest(g, 52, &slow_port), fd = vsock_to_guest(g, 52, &port);

	sent = send_stream(slow_port, 1, 0, 4000000, &told);
	ck_assert_uint_lt(sent, 4000000);
	ck_assert_uint_eq(sent - told, BUF_ALLOC);
	/* Another connection is not held up by it. */
	ck_assert_uint_eq(send_stream(port, 2, 0, 50000, &other), 50000);
	read_stream(fd, 2, 0, 50000);
	close(fd);
	do {
		ck_assert(vsock_take(g, 20000));
		ck_assert_uint_eq(g->packet.src_port, port);
	} while (g->packet.op == VIRTIO_VSOCK_OP_CREDIT_UPDATE);
	ck_assert_uint_eq(g->packet.op, VIRTIO_VSOCK_OP_SHUTDOWN);
	/* Everything comes out, in order, and the guest may go on. */
	read_stream(slow, 1, 0, sent);
	ck_assert_uint_eq(send_stream(slow_port, 1, sent, sent + 30000, &told), sent + 30000);
	read_stream(slow, 1, sent, sent + 30000);
	close(slow);
}
END_TEST

START_TEST(guest_beyond_its_credit)
{
	uint32_t port, told = 0, sent;
	int fd = vsock_to_guest(g, 52, &port);
	struct virtio_vsock_hdr hdr = vsock_header(VIRTIO_VSOCK_OP_RW, 52, port, 1);

	sent = send_stream(port, 1, 0, 4000000, &told);
	ck_assert_uint_eq(sent - told, BUF_ALLOC);
	vsock_send(g, &hdr, "x", 1);
	vsock_expect(g, VIRTIO_VSOCK_OP_RST, 52, port);
	close(fd);
}
END_TEST

START_TEST(host_closes_in_the_middle)
{
	uint32_t port, told = 0, sent;
	int fd = vsock_to_guest(g, 52, &port);
	struct virtio_vsock_hdr hdr = vsock_header(VIRTIO_VSOCK_OP_RW, 52, port, 1);

	sent = send_stream(port, 1, 0, 4000000, &told);
	ck_assert_uint_lt(sent, 4000000);
	close(fd);
	do {
		ck_assert(vsock_take(g, 20000));
	} while (g->packet.op != VIRTIO_VSOCK_OP_RST);
	ck_assert_uint_eq(g->packet.src_port, port);
	ck_assert_uint_eq(g->packet.fwd_cnt, sent);
	/* What was still on the way belongs to nothing. */
	vsock_send(g, &hdr, "x", 1);
	vsock_expect(g, VIRTIO_VSOCK_OP_RST, 52, port);
}
END_TEST

START_TEST(guest_closes_before_all_is_delivered)
{
	uint32_t port, told = 0, sent;
	int fd = vsock_to_guest(g, 52, &port);
	struct virtio_vsock_hdr hdr = vsock_header(VIRTIO_VSOCK_OP_SHUTDOWN, 52, port, 0);

	sent = send_stream(port, 1, 0, 4000000, &told);
	hdr.flags = htole32(3);
	vsock_send(g, &hdr, NULL, 0);
	ck_assert(!vsock_take(g, 20));
	read_stream(fd, 1, 0, sent);
	vsock_read_end(fd);
	do {
		ck_assert(vsock_take(g, 20000));
	} while (g->packet.op == VIRTIO_VSOCK_OP_CREDIT_UPDATE);
	ck_assert_uint_eq(g->packet.op, VIRTIO_VSOCK_OP_RST);
	close(fd);
}
END_TEST

/* --- many ------------------------------------------------------------------------------------ */

#define MANY 400

START_TEST(hundreds_of_connections)
{
	static int fds[MANY];
	static uint32_t ports[MANY];
	static bool seen[MANY];
	char data[8];

	for (unsigned int i = 0; i < MANY; i++)
		fds[i] = vsock_to_guest(g, 52, &ports[i]);
	for (unsigned int i = 0; i < MANY; i++) {
		snprintf(data, sizeof(data), "%07u", i);
		ck_assert_int_eq(write(fds[i], data, sizeof(data)), sizeof(data));
	}
	for (unsigned int n = 0; n < MANY; n++) {
		unsigned int i;

		ck_assert(vsock_take(g, 20000));
		ck_assert_uint_eq(g->packet.op, VIRTIO_VSOCK_OP_RW);
		i = (unsigned int)atoi((const char *)g->packet.data);
		ck_assert_uint_lt(i, MANY);
		ck_assert(!seen[i]);
		ck_assert_uint_eq(g->packet.src_port, ports[i]);
		seen[i] = true;
	}
	for (unsigned int i = 0; i < MANY; i++) {
		vsock_op(g, VIRTIO_VSOCK_OP_RST, 52, ports[i]);
		vsock_read_end(fds[i]);
		close(fds[i]);
	}
}
END_TEST

/* One that has much to say does not keep the others waiting. */
START_TEST(connections_take_turns)
{
	uint32_t port, other, packets = 0;
	int fd = vsock_to_guest(g, 52, &port), second = vsock_to_guest(g, 53, &other);

	write_stream(fd, 1, 60000);
	ck_assert(vsock_take(g, 20000));
	ck_assert_int_eq(write(second, "now", 3), 3);
	/* The 32 buffers that are offered may be full of the first by now; no more than these. */
	do {
		ck_assert(vsock_take(g, 20000));
		packets++;
	} while (g->packet.src_port == port);
	ck_assert_uint_eq(g->packet.src_port, other);
	ck_assert_uint_le(packets, 34);
	close(fd);
	close(second);
}
END_TEST

START_TEST(descriptors_run_out)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct rlimit limit, few;
	uint32_t port;
	int fd = vsock_to_guest(g, 52, &port), second;

	strcpy(addr.sun_path, g->path);
	second = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_ge(second, 0);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	few = (struct rlimit){(rlim_t)second + 1, limit.rlim_max};
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	ck_assert_int_eq(connect(second, (struct sockaddr *)&addr, sizeof(addr)), 0);
	ck_assert_int_eq(write(second, "CONNECT 53\n", 11), 11);
	ck_assert(!vsock_take(g, 50));
	/* It is accepted with the descriptor of a connection that ends. */
	vsock_op(g, VIRTIO_VSOCK_OP_RST, 52, port);
	ck_assert(vsock_take(g, 20000));
	ck_assert_uint_eq(g->packet.op, VIRTIO_VSOCK_OP_REQUEST);
	ck_assert_uint_eq(g->packet.dst_port, 53);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	close(second);
	close(fd);
}
END_TEST

/* --- guests that break the rules ------------------------------------------------------------- */

/* Each costs the connection it names, with an RST, and nothing else. */
static const struct {
	uint16_t op;
	uint32_t len, flags;
} wrong_packets[] = {
	{VIRTIO_VSOCK_OP_INVALID, 0, 0},
	{8, 0, 0},
	{0xffff, 0, 0},
	{VIRTIO_VSOCK_OP_REQUEST, 0, 0},
	{VIRTIO_VSOCK_OP_RESPONSE, 0, 0},
	{VIRTIO_VSOCK_OP_RW, 5, 0},
	{VIRTIO_VSOCK_OP_RW, 0xffffffff, 0},
	{VIRTIO_VSOCK_OP_RW, 0xffffffd4, 0},
};

START_TEST(wrong_packet_resets_its_connection)
{
	uint32_t port, other;
	int fd = vsock_to_guest(g, 52, &port), good = vsock_to_guest(g, 53, &other);
	struct virtio_vsock_hdr hdr =
		vsock_header(wrong_packets[_i].op, 52, port, wrong_packets[_i].len);
	struct virtio_stats stats;

	vsock_send(g, &hdr, "1234", 4);
	vsock_expect(g, VIRTIO_VSOCK_OP_RST, 52, port);
	vsock_read_end(fd);
	ck_assert_int_eq(write(good, "x", 1), 1);
	vsock_expect(g, VIRTIO_VSOCK_OP_RW, 53, other);
	virtio_device_stats(g->h.dev, &stats);
	ck_assert_uint_eq(stats.errors, 1);
	close(fd);
	close(good);
}
END_TEST

START_TEST(data_after_shutdown)
{
	uint32_t port;
	int fd = vsock_to_guest(g, 52, &port);
	struct virtio_vsock_hdr hdr = vsock_header(VIRTIO_VSOCK_OP_SHUTDOWN, 52, port, 0);

	hdr.flags = htole32(VIRTIO_VSOCK_SHUTDOWN_SEND | 0xf0);
	vsock_send(g, &hdr, NULL, 0);
	hdr = vsock_header(VIRTIO_VSOCK_OP_RW, 52, port, 1);
	vsock_send(g, &hdr, "x", 1);
	vsock_expect(g, VIRTIO_VSOCK_OP_RST, 52, port);
	close(fd);
}
END_TEST

START_TEST(packets_of_no_connection)
{
	for (uint16_t op = 0; op < 10; op++) {
		vsock_op(g, op, 7, 8);
		if (op == VIRTIO_VSOCK_OP_RST)
			ck_assert(!vsock_take(g, 20));
		else
			vsock_expect(g, VIRTIO_VSOCK_OP_RST, 7, 8);
	}
}
END_TEST

START_TEST(wrong_addresses_and_types)
{
	struct virtio_vsock_hdr hdr = vsock_header(VIRTIO_VSOCK_OP_REQUEST, 7, 8, 0);

	hdr.dst_cid = htole64(UINT64_C(0x100000002));
	vsock_send(g, &hdr, NULL, 0);
	ck_assert(vsock_take(g, 20000));
	ck_assert_uint_eq(g->packet.op, VIRTIO_VSOCK_OP_RST);
	ck_assert_uint_eq(g->packet.src_cid, UINT64_C(0x100000002));
	hdr = vsock_header(VIRTIO_VSOCK_OP_REQUEST, 7, 8, 0);
	hdr.type = htole16(VIRTIO_VSOCK_TYPE_SEQPACKET);
	vsock_send(g, &hdr, NULL, 0);
	ck_assert(vsock_take(g, 20000));
	ck_assert_uint_eq(g->packet.op, VIRTIO_VSOCK_OP_RST);
	ck_assert_uint_eq(g->packet.type, VIRTIO_VSOCK_TYPE_SEQPACKET);
	/* In another guest's name: no answer. */
	hdr = vsock_header(VIRTIO_VSOCK_OP_REQUEST, 7, 8, 0);
	hdr.src_cid = htole64(VSOCK_CID + 1);
	vsock_send(g, &hdr, NULL, 0);
	ck_assert(!vsock_take(g, 20));
}
END_TEST

START_TEST(response_nobody_asked_for)
{
	/* The port the next host program will get, without its REQUEST having been seen. */
	vsock_op(g, VIRTIO_VSOCK_OP_RESPONSE, 52, 0x40000001);
	vsock_expect(g, VIRTIO_VSOCK_OP_RST, 52, 0x40000001);
}
END_TEST

static void broken_then_works(void)
{
	uint32_t port;

	ck_assert(needs_reset(&g->h));
	vsock_start(g, 32, 4096);
	close(vsock_to_guest(g, 52, &port));
}

START_TEST(packet_without_a_header)
{
	struct buffer chains[][2] = {{{BUFFERS + 0x80000, 43, false}, {BUFFERS + 0x90000, 9000, true}},
				     {{BUFFERS + 0x80000, 44, true}, {BUFFERS + 0x90000, 44, true}}};

	driver_add(&g->h, &g->h.queues[1], chains[_i], 2, 0);
	driver_kick(&g->h, &g->h.queues[1]);
	broken_then_works();
}
END_TEST

START_TEST(receive_buffer_without_room)
{
	uint32_t size = _i ? 44 : 0;
	int fd;

	vsock_start(g, 0, 0);
	vsock_post(g, (struct buffer[]){{BUFFERS, 100, false}, {BUFFERS + 200, size, true}}, 2);
	fd = vsock_dial(g, "CONNECT 52\n");
	for (unsigned int i = 0; i < 5000 && !needs_reset(&g->h); i++)
		usleep(1000);
	broken_then_works();
	close(fd);
}
END_TEST

/* Answers are kept up to a bound, then packets wait; all of them are answered in the end. */
START_TEST(answers_without_buffers)
{
	struct driver_queue *tx = &g->h.queues[1];
	const gm_addr at = RAM_END - 0x20000;
	uint32_t head, len, taken = 0;

	vsock_start(g, 0, 0);
	for (unsigned int i = 0; i < 128; i++) {
		struct virtio_vsock_hdr hdr = vsock_header(VIRTIO_VSOCK_OP_RW, i, 9, 0);
		struct buffer buffer = {at + 64 * i, sizeof(hdr), false};

		if (i >= 64 && i - taken >= 64)
			break;
		mem_write(&g->h, buffer.addr, &hdr, sizeof(hdr));
		driver_add(&g->h, tx, &buffer, 1, 0);
		driver_kick(&g->h, tx);
		while (driver_used(&g->h, tx, &head, &len))
			taken++;
	}
	ck_assert_uint_eq(taken, 64);
	for (unsigned int i = 0; i < 16; i++)
		vsock_post(g, &(struct buffer){BUFFERS + i * 4096, 4096, true}, 1);
	for (unsigned int i = 0; i < 128; i++)
		vsock_expect(g, VIRTIO_VSOCK_OP_RST, i, 9);
	ck_assert(!vsock_take(g, 20));
}
END_TEST

/* --- the socket's file ----------------------------------------------------------------------- */

/* Devices come and go before a loop runs; the one of the guest runs already. */
static void refused(const char *args, const char *text)
{
	struct loop *loop = loop_new();
	struct virtio_device *dev = NULL;
	struct report report = {0};

	ck_assert_int_eq(type_named("vsock")->create("--vsock", args, loop, &dev, &report), -1);
	ck_assert_str_eq(report.text, text);
	ck_assert_int_eq(report.status, REPORT_USER);
	loop_free(loop);
}

START_TEST(words)
{
	static const char *const cids[] = {"2",  "",           "-3",
					   "3x", "4294967295", "99999999999999999999"};
	char args[64], text[256], path[120];

	refused("", "--vsock: the path of the socket is missing");
	refused(",cid=3", "--vsock: the path of the socket is missing");
	refused("/tmp/x,sid=3", "--vsock: 'sid=3': unknown word; did you mean cid=N?");
	for (unsigned int i = 0; i < sizeof(cids) / sizeof(*cids); i++) {
		snprintf(args, sizeof(args), "/tmp/x,cid=%s", cids[i]);
		snprintf(text, sizeof(text),
			 "--vsock: cid '%s' is not a number from 3 to 4294967294", cids[i]);
		refused(args, text);
	}
	memset(path, 'x', 97);
	path[97] = '\0';
	snprintf(text, sizeof(text),
		 "--vsock: '%s' has 97 bytes; the path of a socket has at most 96", path);
	refused(path, text);
	refused("/nowhere/x", "--vsock: cannot create the socket '/nowhere/x': No such file or "
			      "directory");
}
END_TEST

START_TEST(path_in_use)
{
	char text[256];
	uint32_t port;

	snprintf(text, sizeof(text), "--vsock: '%s' is in use: another process listens there",
		 g->path);
	refused(g->path, text);
	/* The one that is in use has not suffered. */
	close(vsock_to_guest(g, 52, &port));
	snprintf(text, sizeof(text), "--vsock: '%s' exists and is not a socket; it is not replaced",
		 g->dir);
	refused(g->dir, text);
}
END_TEST

START_TEST(stale_socket_is_replaced)
{
	struct loop *loop = loop_new();
	struct virtio_device *dev;
	struct report report;
	struct stat st;
	char path[64];

	close(vsock_serve(g, 1));
	snprintf(path, sizeof(path), "%s_1", g->path);
	ck_assert_int_eq(type_named("vsock")->create("--vsock", path, loop, &dev, &report), 0);
	ck_assert_int_eq(lstat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode, S_IFSOCK | 0600);
	virtio_device_free(dev);
	loop_free(loop);
	ck_assert_int_eq(lstat(path, &st), -1);
}
END_TEST

START_TEST(configuration)
{
	ck_assert_uint_eq(reg_read(&g->h, VIRTIO_MMIO_DEVICE_ID), VIRTIO_ID_VSOCK);
	ck_assert_uint_eq(reg_read(&g->h, VIRTIO_MMIO_CONFIG), VSOCK_CID);
	ck_assert_uint_eq(reg_read(&g->h, VIRTIO_MMIO_CONFIG + 4), 0);
}
END_TEST

Suite *vsock_limits_suite(void)
{
	Suite *suite = suite_create("vsock-limits");
	TCase *tc = tcase_create("vsock-limits");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, never_more_than_the_guest_has_room_for);
	tcase_add_test(tc, slow_host_program);
	tcase_add_test(tc, guest_beyond_its_credit);
	tcase_add_test(tc, host_closes_in_the_middle);
	tcase_add_test(tc, guest_closes_before_all_is_delivered);
	tcase_add_test(tc, hundreds_of_connections);
	tcase_add_test(tc, connections_take_turns);
	tcase_add_test(tc, descriptors_run_out);
	tcase_add_loop_test(tc, wrong_packet_resets_its_connection, 0,
			    sizeof(wrong_packets) / sizeof(*wrong_packets));
	tcase_add_test(tc, data_after_shutdown);
	tcase_add_test(tc, packets_of_no_connection);
	tcase_add_test(tc, wrong_addresses_and_types);
	tcase_add_test(tc, response_nobody_asked_for);
	tcase_add_loop_test(tc, packet_without_a_header, 0, 2);
	tcase_add_loop_test(tc, receive_buffer_without_room, 0, 2);
	tcase_add_test(tc, answers_without_buffers);
	tcase_add_test(tc, words);
	tcase_add_test(tc, path_in_use);
	tcase_add_test(tc, stale_socket_is_replaced);
	tcase_add_test(tc, configuration);
	suite_add_tcase(suite, tc);
	return suite;
}
