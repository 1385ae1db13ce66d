/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The driver of a network device on the fake backend; see net-driver.h. */
#include "tests/devices/net-driver.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SEND_PIECES 8

void net_driver_open(struct net_driver *d, const struct device_type *type, const char *args,
		     uint64_t features)
{
	struct cutting cutting;

	d->random = test_random_new(7);
	cutting = cutting_random(&d->random, 1);
	harness_new(&d->h, &cutting, type, args, NULL);
	cutting_free(&cutting);
	harness_run(&d->h);
	driver_start(&d->h, features);
}

void net_driver_new(struct net_driver *d, uint64_t features)
{
	net_driver_open(d, &net_fake_type, NULL, features);
}

void net_driver_free(struct net_driver *d)
{
	harness_free(&d->h);
}

struct virtio_stats net_driver_stats(struct net_driver *d)
{
	struct virtio_stats stats;

	virtio_device_stats(d->h.dev, &stats);
	return stats;
}

void net_driver_post(struct net_driver *d, unsigned int pair, gm_addr addr, uint32_t len)
{
	const uint32_t first = len < 2 ? len : 1 + (uint32_t)test_random_below(&d->random, len - 1);
	const struct buffer chain[] = {{addr, first, true}, {addr + first, len - first, true}};
	struct driver_queue *q = &d->h.queues[2 * pair];

	d->buffers[q->index][driver_add(&d->h, q, chain, 2, 0)] = addr;
}

void net_driver_kick_rx(struct net_driver *d, unsigned int pair)
{
	driver_kick(&d->h, &d->h.queues[2 * pair]);
}

/* What the used chain @head begins, the rest of which is there, too. */
static size_t take_frame(struct net_driver *d, struct driver_queue *q, uint32_t head, uint32_t used,
			 uint8_t *frame, unsigned int *buffers)
{
	struct virtio_net_hdr_v1 hdr;
	unsigned int count;
	size_t len = used;

	ck_assert_uint_ge(used, sizeof(hdr));
	mem_read(&d->h, d->buffers[q->index][head], frame, used);
	memcpy(&hdr, frame, sizeof(hdr));
	count = le16toh(hdr.num_buffers);
	ck_assert_uint_ge(count, 1);
	for (unsigned int i = 1; i < count; i++) {
		/* All of a frame's buffers come at once. */
		ck_assert(driver_used(&d->h, q, &head, &used));
		mem_read(&d->h, d->buffers[q->index][head], frame + len, used);
		len += used;
	}
	if (buffers)
		*buffers = count;
	return len;
}

size_t net_driver_receive(struct net_driver *d, unsigned int pair, uint8_t *frame,
			  unsigned int *buffers)
{
	struct driver_queue *q = &d->h.queues[2 * pair];
	uint32_t head, used;

	driver_await(&d->h, q, &head, &used);
	return take_frame(d, q, head, used, frame, buffers);
}

size_t net_driver_poll(struct net_driver *d, unsigned int pair, uint8_t *frame, unsigned int *buffers)
{
	struct driver_queue *q = &d->h.queues[2 * pair];
	uint32_t head, used;

	if (!driver_used(&d->h, q, &head, &used))
		return 0;
	return take_frame(d, q, head, used, frame, buffers);
}

void net_driver_no_frame(struct net_driver *d, unsigned int pair)
{
	uint32_t head, used;

	harness_settle(&d->h);
	ck_assert(!driver_used(&d->h, &d->h.queues[2 * pair], &head, &used));
}

/* Cut @len bytes at @addr in up to @pieces. Returns how many. */
static unsigned int cut(struct net_driver *d, struct buffer *out, gm_addr addr, uint32_t len,
			unsigned int pieces)
{
	unsigned int n = 0;

	while (len) {
		uint32_t piece =
			n + 1 < pieces ? (uint32_t)test_random_below(&d->random, len + 1) : len;

		out[n++] = (struct buffer){addr, piece, false};
		addr += piece;
		len -= piece;
	}
	return n;
}

void net_driver_send(struct net_driver *d, unsigned int pair, const void *frame, uint32_t len)
{
	struct driver_queue *q = &d->h.queues[2 * pair + 1];
	struct buffer chain[SEND_PIECES];
	unsigned int n = cut(d, chain, NET_SEND_AT, len, SEND_PIECES);
	uint32_t head, used;

	mem_write(&d->h, NET_SEND_AT, frame, len);
	driver_add(&d->h, q, chain, n, 0);
	driver_kick(&d->h, q);
	driver_await(&d->h, q, &head, &used);
	ck_assert_uint_eq(used, 0);
}

uint8_t net_driver_command(struct net_driver *d, uint8_t class, uint8_t cmd, const void *data,
			   uint32_t len)
{
	const bool multi = d->h.features & FEATURE(VIRTIO_NET_F_MQ);
	struct driver_queue *q = &d->h.queues[multi ? NET_CTRL_QUEUE : 2];
	struct buffer chain[SEND_PIECES + 1];
	unsigned int n = cut(d, chain, NET_SEND_AT, 2 + len, SEND_PIECES);
	const uint8_t hdr[2] = {class, cmd};
	uint32_t head, used;

	mem_write(&d->h, NET_SEND_AT, hdr, sizeof(hdr));
	if (len)
		mem_write(&d->h, NET_SEND_AT + sizeof(hdr), data, len);
	mem_fill(&d->h, NET_SEND_AT - 1, 0xee, 1);
	chain[n++] = (struct buffer){NET_SEND_AT - 1, 1, true};
	driver_add(&d->h, q, chain, n, 0);
	driver_kick(&d->h, q);
	driver_await(&d->h, q, &head, &used);
	ck_assert_uint_eq(used, 1);
	return mem_byte(&d->h, NET_SEND_AT - 1);
}

void net_backend_put(unsigned int pair, const void *frame, size_t len)
{
	ck_assert_int_eq(send(net_fake.fds[pair], frame, len, 0), (ssize_t)len);
}

size_t net_backend_take(unsigned int pair, uint8_t *frame, size_t size)
{
	ssize_t len = recv(net_fake.fds[pair], frame, size, MSG_DONTWAIT);

	return len > 0 ? (size_t)len : 0;
}
