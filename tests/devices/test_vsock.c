/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * virtio-vsock: connections from both sides, bytes in both directions and their end, on memory in
 * pages and cut at random. Limits and hostile guests are test_vsock_limits.c's.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/devices/suites.h"
#include "tests/devices/vsock.h"

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

static void fill(uint8_t *data, uint32_t which, uint64_t at, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++)
		data[i] = vsock_byte(which, at + i);
}

static void check(const uint8_t *data, uint32_t which, uint64_t at, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++) {
		if (data[i] != vsock_byte(which, at + i))
			ck_abort_msg("byte %llu of stream %u differs", (unsigned long long)at + i,
				     which);
	}
}

/* --- connections ----------------------------------------------------------------------------- */

START_TEST(host_connects)
{
	struct virtio_vsock_hdr hdr;
	uint32_t port;
	int fd = vsock_to_guest(g, 52, &port);
	char got[5];

	ck_assert_int_eq(write(fd, "hello", 5), 5);
	vsock_expect(g, VIRTIO_VSOCK_OP_RW, 52, port);
	ck_assert_uint_eq(g->packet.len, 5);
	ck_assert_mem_eq(g->packet.data, "hello", 5);
	hdr = vsock_header(VIRTIO_VSOCK_OP_RW, 52, port, 5);
	vsock_send(g, &hdr, "there", 5);
	vsock_read(fd, got, 5);
	ck_assert_mem_eq(got, "there", 5);
	close(fd);
}
END_TEST

START_TEST(guest_refuses)
{
	int fd = vsock_dial(g, "CONNECT 99\n");

	ck_assert(vsock_take(g, 20000));
	ck_assert_uint_eq(g->packet.op, VIRTIO_VSOCK_OP_REQUEST);
	vsock_op(g, VIRTIO_VSOCK_OP_RST, 99, g->packet.src_port);
	vsock_read_end(fd);
	close(fd);
}
END_TEST

START_TEST(guest_connects)
{
	int fd = vsock_to_host(g, 1000, 7);
	struct virtio_vsock_hdr hdr = vsock_header(VIRTIO_VSOCK_OP_RW, 1000, 7, 3);
	char got[3];

	vsock_send(g, &hdr, "abc", 3);
	vsock_read(fd, got, 3);
	ck_assert_mem_eq(got, "abc", 3);
	ck_assert_int_eq(write(fd, "defg", 4), 4);
	vsock_expect(g, VIRTIO_VSOCK_OP_RW, 1000, 7);
	ck_assert_mem_eq(g->packet.data, "defg", 4);
	ck_assert_uint_eq(g->packet.buf_alloc, 65536);
	ck_assert_uint_eq(g->packet.fwd_cnt, 3);
	close(fd);
}
END_TEST

START_TEST(nobody_serves_the_port)
{
	vsock_op(g, VIRTIO_VSOCK_OP_REQUEST, 1000, 7);
	vsock_expect(g, VIRTIO_VSOCK_OP_RST, 1000, 7);
}
END_TEST

static const char *const bad_hellos[] = {"HELLO 5\n",
					 "CONNECT\n",
					 "CONNECT \n",
					 "CONNECT 5x\n",
					 "CONNECT -5\n",
					 "CONNECT 4294967296\n",
					 "CONNECT 00000000000000000000005\n",
					 "\n"};

START_TEST(hellos_that_are_wrong)
{
	int fd = vsock_dial(g, bad_hellos[_i]);

	vsock_read_end(fd);
	ck_assert(!vsock_take(g, 0));
	close(fd);
}
END_TEST

START_TEST(hello_in_pieces_and_data_behind_it)
{
	int fd = vsock_dial(g, "con");
	uint32_t port;

	usleep(20000);
	ck_assert_int_eq(write(fd, "nect 4294", 9), 9);
	usleep(20000);
	ck_assert_int_eq(write(fd, "967295\nearly", 12), 12);
	ck_assert(vsock_take(g, 20000));
	ck_assert_uint_eq(g->packet.op, VIRTIO_VSOCK_OP_REQUEST);
	ck_assert_uint_eq(g->packet.dst_port, 4294967295U);
	port = g->packet.src_port;
	vsock_op(g, VIRTIO_VSOCK_OP_RESPONSE, 4294967295U, port);
	vsock_expect(g, VIRTIO_VSOCK_OP_RW, 4294967295U, port);
	ck_assert_uint_eq(g->packet.len, 5);
	ck_assert_mem_eq(g->packet.data, "early", 5);
	close(fd);
}
END_TEST

START_TEST(host_leaves_before_the_answer)
{
	int fd = vsock_dial(g, "CONNECT 5\n");
	uint32_t port;

	ck_assert(vsock_take(g, 20000));
	port = g->packet.src_port;
	close(fd);
	vsock_expect(g, VIRTIO_VSOCK_OP_RST, 5, port);
}
END_TEST

/* --- the end of a connection ----------------------------------------------------------------- */

START_TEST(host_half_closes)
{
	uint32_t port;
	int fd = vsock_to_guest(g, 52, &port);
	struct virtio_vsock_hdr hdr = vsock_header(VIRTIO_VSOCK_OP_RW, 52, port, 4);
	char got[4];

	ck_assert_int_eq(write(fd, "last", 4), 4);
	shutdown(fd, SHUT_WR);
	vsock_expect(g, VIRTIO_VSOCK_OP_RW, 52, port);
	vsock_expect(g, VIRTIO_VSOCK_OP_SHUTDOWN, 52, port);
	ck_assert_uint_eq(g->packet.flags, VIRTIO_VSOCK_SHUTDOWN_SEND);
	/* The other direction goes on. */
	vsock_send(g, &hdr, "more", 4);
	vsock_read(fd, got, 4);
	close(fd);
	vsock_expect(g, VIRTIO_VSOCK_OP_SHUTDOWN, 52, port);
	ck_assert_uint_eq(g->packet.flags, 3);
}
END_TEST

START_TEST(guest_half_closes)
{
	uint32_t port;
	int fd = vsock_to_guest(g, 52, &port);
	struct virtio_vsock_hdr hdr = vsock_header(VIRTIO_VSOCK_OP_RW, 52, port, 4);
	char got[4];

	vsock_send(g, &hdr, "last", 4);
	hdr = vsock_header(VIRTIO_VSOCK_OP_SHUTDOWN, 52, port, 0);
	hdr.flags = htole32(VIRTIO_VSOCK_SHUTDOWN_SEND);
	vsock_send(g, &hdr, NULL, 0);
	vsock_read(fd, got, 4);
	vsock_read_end(fd);
	ck_assert_int_eq(write(fd, "more", 4), 4);
	vsock_expect(g, VIRTIO_VSOCK_OP_RW, 52, port);
	ck_assert_mem_eq(g->packet.data, "more", 4);
	/* With both directions ended, it is over. */
	hdr.flags = htole32(VIRTIO_VSOCK_SHUTDOWN_RCV);
	vsock_send(g, &hdr, NULL, 0);
	vsock_expect(g, VIRTIO_VSOCK_OP_RST, 52, port);
	close(fd);
}
END_TEST

START_TEST(host_closes)
{
	uint32_t port;
	int fd = vsock_to_guest(g, 52, &port);

	ck_assert_int_eq(write(fd, "last", 4), 4);
	close(fd);
	vsock_expect(g, VIRTIO_VSOCK_OP_RW, 52, port);
	vsock_expect(g, VIRTIO_VSOCK_OP_SHUTDOWN, 52, port);
	if (g->packet.flags != 3) {
		vsock_expect(g, VIRTIO_VSOCK_OP_SHUTDOWN, 52, port);
		ck_assert_uint_eq(g->packet.flags, 3);
	}
	vsock_op(g, VIRTIO_VSOCK_OP_RST, 52, port);
	/* The name is free again: what comes now belongs to nothing. */
	vsock_op(g, VIRTIO_VSOCK_OP_CREDIT_UPDATE, 52, port);
	vsock_expect(g, VIRTIO_VSOCK_OP_RST, 52, port);
}
END_TEST

START_TEST(guest_resets_a_connection)
{
	uint32_t port;
	int fd = vsock_to_guest(g, 52, &port);

	vsock_op(g, VIRTIO_VSOCK_OP_RST, 52, port);
	vsock_read_end(fd);
	ck_assert(!vsock_take(g, 20));
	close(fd);
}
END_TEST

START_TEST(device_reset_closes_all)
{
	uint32_t port;
	int one = vsock_to_guest(g, 52, &port), two = vsock_to_host(g, 1, 2);
	int hello = vsock_dial(g, "CONN");

	usleep(20000);
	reg_write(&g->h, VIRTIO_MMIO_STATUS, 0);
	vsock_read_end(one);
	vsock_read_end(two);
	vsock_read_end(hello);
	close(one);
	close(two);
	close(hello);
	/* Without a driver there is nobody to connect to. */
	one = vsock_dial(g, "CONNECT 52\n");
	vsock_read_end(one);
	close(one);
	vsock_start(g, 32, 4096);
	one = vsock_to_guest(g, 52, &port);
	close(one);
}
END_TEST

/* --- memory cut at random -------------------------------------------------------------------- */

#define WORKLOADS 8
#define CUTTINGS  26 /* of each */
#define STREAM    150000

/* Everything that happened, as the guest and the host program saw it. */
struct record {
	uint8_t bytes[2 * STREAM + 65536];
	size_t len;
	struct virtio_stats stats;
};

static struct record reference, record;

static void note(struct record *r, const void *data, size_t len)
{
	ck_assert_uint_le(len, sizeof(r->bytes) - r->len);
	memcpy(r->bytes + r->len, data, len);
	r->len += len;
}

/* Receive chains of up to four pieces, the header in up to all of them, all over the fine area. */
static void post_scattered(struct test_random *random)
{
	gm_addr at = BUFFERS;

	for (unsigned int i = 0; i < 12; i++) {
		struct buffer chain[VSOCK_CHUNKS];

		for (unsigned int k = 0; k < VSOCK_CHUNKS; k++) {
			uint32_t len = (uint32_t)test_random_below(random, k == 3 ? 9000 : 60) +
				       (k == 3 ? 64 : 0);

			at += test_random_below(random, 50);
			chain[k] = (struct buffer){at, len, true};
			at += len;
		}
		vsock_post(g, chain, VSOCK_CHUNKS);
	}
}

/* Send @len bytes cut into up to four pieces, header included, anywhere behind the receive area. */
static void send_scattered(struct test_random *random, const struct virtio_vsock_hdr *hdr,
			   const uint8_t *data, uint32_t len)
{
	uint8_t all[sizeof(*hdr) + 9000], *from = all;
	uint32_t left = (uint32_t)sizeof(*hdr) + len, head, used;
	gm_addr at = BUFFERS + 0x60000;
	struct buffer chain[VSOCK_CHUNKS];

	memcpy(all, hdr, sizeof(*hdr));
	memcpy(all + sizeof(*hdr), data, len);
	for (unsigned int i = 0; i < VSOCK_CHUNKS; i++) {
		uint32_t n = left;

		if (i + 1 < VSOCK_CHUNKS)
			n = (uint32_t)test_random_below(random, i ? left + 1 : 60);
		n = n < left ? n : left;
		at += test_random_below(random, 5000);
		chain[i] = (struct buffer){at, n, false};
		mem_write(&g->h, at, from, n);
		from += n;
		at += n;
		left -= n;
	}
	driver_add(&g->h, &g->h.queues[1], chain, VSOCK_CHUNKS, test_random_below(random, 2) * at);
	driver_kick(&g->h, &g->h.queues[1]);
	ck_assert(driver_used(&g->h, &g->h.queues[1], &head, &used));
	ck_assert_uint_eq(used, 0);
}

/* Up to what the guest has credit for lies in the socket before the guest gives credit for it. */
static uint32_t host_turn(struct test_random *random, int fd, uint32_t port, uint32_t at,
			  struct record *r)
{
	struct virtio_vsock_hdr hdr = vsock_header(VIRTIO_VSOCK_OP_CREDIT_UPDATE, 52, port, 0);
	uint32_t len = 1 + (uint32_t)test_random_below(random, 40000), got = 0;
	uint8_t *data = malloc(len);

	ck_assert_ptr_nonnull(data);
	fill(data, 1, at, len);
	ck_assert_int_eq(write(fd, data, len), len);
	free(data);
	hdr.buf_alloc = htole32(len);
	hdr.fwd_cnt = htole32(at);
	vsock_send(g, &hdr, NULL, 0);
	while (got < len) {
		ck_assert(vsock_take(g, 20000));
		if (g->packet.op == VIRTIO_VSOCK_OP_RW) {
			check(g->packet.data, 1, at + got, g->packet.len);
			note(r, &g->packet.used, sizeof(g->packet.used));
			note(r, g->packet.data, g->packet.len);
			got += g->packet.len;
		}
	}
	ck_assert_uint_eq(got, len);
	/* At rest again: it found out that there may be more and no credit for it. */
	vsock_expect(g, VIRTIO_VSOCK_OP_CREDIT_REQUEST, 52, port);
	return at + len;
}

static uint32_t guest_turn(struct test_random *random, int fd, uint32_t port, uint32_t at,
			   uint32_t received, struct record *r)
{
	uint32_t len = (uint32_t)test_random_below(random, 9000);
	struct virtio_vsock_hdr hdr = vsock_header(VIRTIO_VSOCK_OP_RW, 52, port, len);
	uint8_t data[9000], got[9000];

	fill(data, 2, at, len);
	/* No room, as in all of this but the host's turns. */
	hdr.buf_alloc = 0;
	hdr.fwd_cnt = htole32(received);
	send_scattered(random, &hdr, data, len);
	vsock_read(fd, got, len);
	check(got, 2, at, len);
	note(r, got, len);
	return at + len;
}

static void run(const struct cutting *cutting, unsigned int workload, struct record *r)
{
	struct virtio_vsock_hdr no_credit = vsock_header(VIRTIO_VSOCK_OP_CREDIT_UPDATE, 52, 0, 0);
	struct test_random random = test_random_new(workload);
	uint32_t port, to_guest = 0, to_host = 0;
	int fd;

	r->len = 0;
	vsock_new(g, cutting);
	for (unsigned int i = 0; i < 2; i++) {
		driver_place(&g->h, i, driver_ring_area(i) + 16 * test_random_below(&random, 64), 64);
		g->h.queues[i].used += 4 * test_random_below(&random, 512);
	}
	driver_start(&g->h, FEATURE(VIRTIO_RING_F_INDIRECT_DESC) |
				    (workload % 2 ? FEATURE(VIRTIO_RING_F_EVENT_IDX) : 0));
	post_scattered(&random);
	fd = vsock_to_guest(g, 52, &port);
	no_credit.dst_port = htole32(port);
	no_credit.buf_alloc = 0;
	vsock_send(g, &no_credit, NULL, 0);
	while (to_guest < 100000 || to_host < 70000) {
		if (test_random_below(&random, 4) == 0 && to_guest < 100000)
			to_guest = host_turn(&random, fd, port, to_guest, r);
		else if (to_host < 70000)
			to_host = guest_turn(&random, fd, port, to_host, to_guest, r);
	}
	virtio_device_stats(g->h.dev, &r->stats);
	close(fd);
	vsock_end(g);
}

START_TEST(does_not_see_the_cuts)
{
	for (unsigned int workload = 0; workload < WORKLOADS; workload++) {
		struct cutting cutting = cutting_whole();

		run(&cutting, workload, &reference);
		cutting_free(&cutting);
		ck_assert_uint_ge(reference.stats.bytes_written, 100000);
		ck_assert_uint_ge(reference.stats.bytes_read, 70000);
		for (unsigned int round = 0; round < CUTTINGS; round++) {
			struct test_random random = test_random_new(5000 + workload * 100 + round);

			cutting = cutting_random(&random, round);
			run(&cutting, workload, &record);
			cutting_free(&cutting);
			ck_assert_msg(
				record.len == reference.len &&
					memcmp(record.bytes, reference.bytes, record.len) == 0,
				"TEST_SEED=%#llx workload %u cutting %u: what was moved differs",
				(unsigned long long)test_seed(), workload, round);
			ck_assert_uint_eq(record.stats.bytes_read, reference.stats.bytes_read);
			ck_assert_uint_eq(record.stats.bytes_written, reference.stats.bytes_written);
			ck_assert_uint_eq(record.stats.errors, 0);
		}
	}
}
END_TEST

Suite *vsock_suite(void)
{
	Suite *suite = suite_create("vsock");
	TCase *tc = tcase_create("vsock");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, host_connects);
	tcase_add_test(tc, guest_refuses);
	tcase_add_test(tc, guest_connects);
	tcase_add_test(tc, nobody_serves_the_port);
	tcase_add_loop_test(tc, hellos_that_are_wrong, 0, sizeof(bad_hellos) / sizeof(*bad_hellos));
	tcase_add_test(tc, hello_in_pieces_and_data_behind_it);
	tcase_add_test(tc, host_leaves_before_the_answer);
	tcase_add_test(tc, host_half_closes);
	tcase_add_test(tc, guest_half_closes);
	tcase_add_test(tc, host_closes);
	tcase_add_test(tc, guest_resets_a_connection);
	tcase_add_test(tc, device_reset_closes_all);
	suite_add_tcase(suite, tc);
	tc = tcase_create("vsock-invariance");
	tcase_set_timeout(tc, 300);
	tcase_add_test(tc, does_not_see_the_cuts);
	suite_add_tcase(suite, tc);
	return suite;
}
