/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The workloads of layout invariance, one for each device: random requests in chains that are cut
 * at random, and what comes of them on the host side. A new device is one more here.
 */
#include <fcntl.h>
#include <linux/virtio_vsock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/devices/invariance.h"

/* --- disk: any type of request, in and out of range --------------------------------------------- */

static void disk_request(struct run *r)
{
	static const uint32_t types[] = {
		VIRTIO_BLK_T_IN,      VIRTIO_BLK_T_OUT,          VIRTIO_BLK_T_IN,
		VIRTIO_BLK_T_OUT,     VIRTIO_BLK_T_FLUSH,        VIRTIO_BLK_T_GET_ID,
		VIRTIO_BLK_T_DISCARD, VIRTIO_BLK_T_WRITE_ZEROES, 99};
	uint32_t type = types[run_below(r, sizeof(types) / sizeof(*types))];
	uint32_t len = 512 * (uint32_t)run_below(r, 12);
	struct {
		gm_le32_t type, reserved;
		gm_le64_t sector;
	} header = {gm_le32(type), gm_le32(0), gm_le64(run_below(r, SUBJECT_SECTORS + 2))};
	struct buffer chain[RUN_BUFFERS];
	unsigned int queue,
		n = run_split(r, chain, sizeof(header), false, 1 + (unsigned int)run_below(r, 4));

	run_fill(r, chain, n, &header);
	if (type == VIRTIO_BLK_T_OUT) {
		unsigned int data =
			run_split(r, chain + n, len, false, 1 + (unsigned int)run_below(r, 6));

		run_fill(r, chain + n, data, NULL);
		n += data;
		len = 0;
	}
	if (type == VIRTIO_BLK_T_DISCARD || type == VIRTIO_BLK_T_WRITE_ZEROES) {
		const struct {
			gm_le64_t sector;
			gm_le32_t sectors, flags;
		} segment = {gm_le64(run_below(r, SUBJECT_SECTORS)),
			     gm_le32((uint32_t)run_below(r, 4)),
			     gm_le32((uint32_t)run_below(r, 8) / 6)};
		unsigned int data = run_split(r, chain + n, sizeof(segment), false,
					      1 + (unsigned int)run_below(r, 3));

		run_fill(r, chain + n, data, &segment);
		n += data;
		len = 0;
	}
	/* Data and status are one stream, so that the status is behind data in its descriptor. */
	n += run_split(r, chain + n, len + 1, true, 1 + (unsigned int)run_below(r, 6));
	queue = (unsigned int)run_below(r, 2);
	run_offer(r, queue, chain, n);
	run_await(r, queue);
}

static void disk_batch(struct run *r)
{
	for (unsigned int requests = 1 + (unsigned int)run_below(r, 4); requests; requests--)
		disk_request(r);
}

static void disk_end(struct run *r)
{
	run_note_file(r, r->s.file);
}

static const struct workload disk = {
	.subject = &subject_disk,
	.features = FEATURE(VIRTIO_BLK_F_FLUSH) | FEATURE(VIRTIO_BLK_F_DISCARD) |
		    FEATURE(VIRTIO_BLK_F_WRITE_ZEROES),
	.batch = disk_batch,
	.end = disk_end,
};

/* --- rng: entropy differs each time, so what was filled is checked to be so, and blanked --------- */

static bool no_blank(struct run *r, const struct buffer *buffer)
{
	uint8_t *data = malloc(buffer->len + 1);
	uint32_t zeros = 0;

	ck_assert_ptr_nonnull(data);
	mem_read(r->h, buffer->addr, data, buffer->len);
	for (uint32_t i = 0; i < buffer->len && zeros < 16; i++)
		zeros = data[i] ? 0 : zeros + 1;
	free(data);
	return zeros < 16;
}

static void rng_batch(struct run *r)
{
	struct buffer chain[RUN_BUFFERS];
	uint32_t len = 16 + (uint32_t)run_below(r, 20000);
	unsigned int n = run_split(r, chain, len, true, 1 + (unsigned int)run_below(r, 8));

	for (unsigned int i = 0; i < n; i++)
		mem_fill(r->h, chain[i].addr, 0, chain[i].len);
	run_offer(r, 0, chain, n);
	run_await(r, 0);
	for (unsigned int i = 0; i < n; i++) {
		ck_assert(no_blank(r, &chain[i]));
		mem_fill(r->h, chain[i].addr, 0, chain[i].len);
	}
}

static const struct workload rng = {.subject = &subject_rng, .batch = rng_batch};

/* --- console: on the process's own standard input and output -------------------------------------- */

static int typed; /* the end of standard input that is written to */

static void stdio_make(struct subject_state *s, const struct cutting *cutting)
{
	int pipes[2];

	ck_assert_int_eq(pipe2(pipes, O_CLOEXEC), 0);
	s->file = memfd_create("console", MFD_CLOEXEC);
	ck_assert_int_ge(s->file, 0);
	ck_assert_int_ge(dup2(pipes[0], STDIN_FILENO), 0);
	ck_assert_int_ge(dup2(s->file, STDOUT_FILENO), 0);
	close(pipes[0]);
	typed = pipes[1];
	harness_new(&s->h, cutting, type_named("console"), "stdio", NULL);
}

static void stdio_end(struct subject_state *s)
{
	close(typed);
	close(s->file);
}

static const struct subject stdio = {
	.name = "console",
	.make = stdio_make,
	.end = stdio_end,
};

static void console_batch(struct run *r)
{
	uint32_t out = 1 + (uint32_t)run_below(r, 20000), in = 1 + (uint32_t)run_below(r, 4000);
	struct buffer chain[RUN_BUFFERS];
	unsigned int n = run_split(r, chain, out, false, 1 + (unsigned int)run_below(r, 8));
	uint8_t input[4000];

	run_fill(r, chain, n, NULL);
	run_offer(r, 1, chain, n);
	run_await(r, 1);
	run_post(r);
	harness_settle(r->h);
	/* At most what a pipe takes at once, so that it is there at once. */
	for (uint32_t i = 0; i < in; i++)
		input[i] = (uint8_t)test_random(&r->random);
	ck_assert_int_eq(write(typed, input, in), in);
	run_receive(r, in, 0);
}

static void console_end(struct run *r)
{
	run_note_file(r, r->s.file);
}

static const struct workload console = {
	.subject = &stdio,
	.batch = console_batch,
	.end = console_end,
};

/* --- vsock: one connection to a host program, both ways ------------------------------------------- */

#define CID  42
#define PORT 52

static struct virtio_vsock_hdr vsock_header(uint16_t op, uint32_t len, uint32_t received)
{
	return (struct virtio_vsock_hdr){
		.src_cid = htole64(CID),
		.dst_cid = htole64(2),
		.src_port = htole32(1000),
		.dst_port = htole32(PORT),
		.len = htole32(len),
		.type = htole16(VIRTIO_VSOCK_TYPE_STREAM),
		.op = htole16(op),
		.buf_alloc = htole32(1 << 20),
		.fwd_cnt = htole32(received),
	};
}

/* A packet cut anywhere, its header too. */
static void vsock_packet(struct run *r, uint16_t op, const void *data, uint32_t len, uint32_t received)
{
	const struct virtio_vsock_hdr hdr = vsock_header(op, len, received);
	uint8_t all[sizeof(hdr) + 9000];
	struct buffer chain[RUN_BUFFERS];
	unsigned int n =
		run_split(r, chain, sizeof(hdr) + len, false, 1 + (unsigned int)run_below(r, 6));

	memcpy(all, &hdr, sizeof(hdr));
	if (len)
		memcpy(all + sizeof(hdr), data, len);
	run_fill(r, chain, n, all);
	run_offer(r, 1, chain, n);
	run_await(r, 1);
}

static void vsock_begin(struct run *r)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/v.sock_%u", r->s.dir, PORT);
	ck_assert_int_eq(bind(listener, (struct sockaddr *)&addr, sizeof(addr)), 0);
	ck_assert_int_eq(listen(listener, 1), 0);
	run_post(r);
	vsock_packet(r, VIRTIO_VSOCK_OP_REQUEST, NULL, 0, 0);
	r->peer = accept(listener, NULL, NULL);
	ck_assert_int_ge(r->peer, 0);
	close(listener);
	unlink(addr.sun_path);
	run_await(r, 0);
	r->waiting--;
}

static void vsock_batch(struct run *r)
{
	uint32_t out = 1 + (uint32_t)run_below(r, 9000), in = 1 + (uint32_t)run_below(r, 8000);
	uint8_t data[9000], got[9000];

	for (uint32_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)test_random(&r->random);
	vsock_packet(r, VIRTIO_VSOCK_OP_RW, data, out, r->received);
	for (uint32_t at = 0; at < out;) {
		ssize_t n = read(r->peer, got + at, out - at);

		ck_assert_int_gt(n, 0);
		at += (uint32_t)n;
	}
	run_note(r, got, out);
	run_post(r);
	/* All of it is there when the device first looks. */
	virtio_lock(r->h->dev);
	ck_assert_int_eq(write(r->peer, data, in), in);
	virtio_unlock(r->h->dev);
	run_receive(r, in, sizeof(struct virtio_vsock_hdr));
	r->received += in;
}

static void vsock_end(struct run *r)
{
	/* The guest is told that the host program has gone. */
	run_post(r);
	close(r->peer);
	run_await(r, 0);
	harness_settle(r->h);
}

static const struct workload vsock = {
	.subject = &subject_vsock,
	.begin = vsock_begin,
	.batch = vsock_batch,
	.end = vsock_end,
};

/* --- all of them ----------------------------------------------------------------------------- */

const struct workload *const workloads[] = {
	&disk, &rng, &console, &vsock, &workload_net, &workload_net_fake, &workload_balloon, NULL};
