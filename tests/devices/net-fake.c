/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The network backend for tests; see net-fake.h. */
#include "tests/devices/net-fake.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_net.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define BIT(n) (UINT64_C(1) << (n))
/* The kernel gives less where wmem_max is smaller: a few of the longest frames at least. */
#define SOCKET_BYTES (1 << 20)

struct fake;

struct fake_pair {
	struct fake *fake;
	int fd, out_fd;
	struct loop_watch *in_watch, *out_watch;
};

struct fake {
	struct net_backend backend;
	struct fake_pair pairs[NET_FAKE_PAIRS];
	struct net_handler handler;
};

struct net_fake net_fake;
static struct fake *last;

static void in_ready(void *arg, uint32_t events)
{
	struct fake_pair *pair = arg;
	const struct net_handler *handler = &pair->fake->handler;

	if (events & EPOLLIN)
		handler->readable(handler->arg, (unsigned int)(pair - pair->fake->pairs));
}

static void out_ready(void *arg, uint32_t events)
{
	struct fake_pair *pair = arg;
	const struct net_handler *handler = &pair->fake->handler;

	if (events & EPOLLOUT)
		handler->writable(handler->arg, (unsigned int)(pair - pair->fake->pairs));
}

static void fake_close(struct net_backend *backend)
{
	struct fake *fake = (struct fake *)backend;

	for (unsigned int i = 0; i < NET_FAKE_PAIRS; i++) {
		loop_remove(fake->pairs[i].in_watch);
		loop_remove(fake->pairs[i].out_watch);
		close(fake->pairs[i].fd);
		close(fake->pairs[i].out_fd);
		close(net_fake.fds[i]);
	}
	free(fake);
}

static void fake_set_handler(struct net_backend *backend, const struct net_handler *handler)
{
	((struct fake *)backend)->handler = *handler;
}

static ssize_t fake_send(struct net_backend *backend, unsigned int pair, const struct iovec *iov,
			 unsigned int count)
{
	struct fake_pair *p = &((struct fake *)backend)->pairs[pair];
	const struct msghdr msg = {.msg_iov = (struct iovec *)iov, .msg_iovlen = count};
	ssize_t len = sendmsg(p->fd, &msg, MSG_NOSIGNAL);

	if (len < 0 && errno == EAGAIN && !loop_modify(p->out_watch, EPOLLOUT | EPOLLONESHOT))
		errno = EAGAIN;
	return len;
}

static ssize_t fake_receive(struct net_backend *backend, unsigned int pair, const struct iovec *iov,
			    unsigned int count)
{
	struct msghdr msg = {.msg_iov = (struct iovec *)iov, .msg_iovlen = count};

	return recvmsg(((struct fake *)backend)->pairs[pair].fd, &msg, 0);
}

static void fake_want(struct net_backend *backend, unsigned int pair, bool readable)
{
	loop_modify(((struct fake *)backend)->pairs[pair].in_watch, readable ? EPOLLIN : 0);
}

static int fake_set_offload(struct net_backend *backend, uint64_t features)
{
	(void)backend;
	if (net_fake.refuse)
		return -1;
	net_fake.offload = features;
	return 0;
}

static int fake_set_pairs(struct net_backend *backend, unsigned int count)
{
	(void)backend;
	if (net_fake.refuse)
		return -1;
	net_fake.pairs = count;
	return 0;
}

static uint64_t fake_dropped(struct net_backend *backend)
{
	(void)backend;
	return 0;
}

static const struct net_backend_ops fake_ops = {
	.close = fake_close,
	.set_handler = fake_set_handler,
	.send = fake_send,
	.receive = fake_receive,
	.want = fake_want,
	.set_offload = fake_set_offload,
	.set_pairs = fake_set_pairs,
	.dropped = fake_dropped,
};

static const uint64_t all_offloads = BIT(VIRTIO_NET_F_CSUM) | BIT(VIRTIO_NET_F_GUEST_CSUM) |
				     BIT(VIRTIO_NET_F_GUEST_TSO4) | BIT(VIRTIO_NET_F_GUEST_TSO6) |
				     BIT(VIRTIO_NET_F_GUEST_ECN) | BIT(VIRTIO_NET_F_GUEST_UFO) |
				     BIT(VIRTIO_NET_F_HOST_TSO4) | BIT(VIRTIO_NET_F_HOST_TSO6) |
				     BIT(VIRTIO_NET_F_HOST_ECN) | BIT(VIRTIO_NET_F_HOST_UFO);

static int open_pair(struct fake_pair *pair, struct loop *loop, int *other)
{
	int ends[2], size = SOCKET_BYTES;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends))
		return -1;
	setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	/* The test may wait. */
	fcntl(ends[1], F_SETFL, 0);
	*other = ends[1];
	pair->fd = ends[0];
	pair->out_fd = fcntl(ends[0], F_DUPFD_CLOEXEC, 0);
	pair->in_watch = loop_add(loop, pair->fd, 0, in_ready, pair);
	pair->out_watch = loop_add(loop, pair->out_fd, 0, out_ready, pair);
	return pair->in_watch && pair->out_watch ? 0 : -1;
}

static int fake_create(const char *option, const char *args, struct loop *loop,
		       struct virtio_device **out, struct report *report)
{
	const struct net_options options = {
		.backend = "fake",
		.has_mac = true,
		.mac = {0x52, 0x54, 0, 0x12, 0x34, 0x56},
	};
	struct fake *fake = calloc(1, sizeof(*fake));

	(void)args;
	if (!fake)
		return report_fail(report, REPORT_HOST, "%s: out of memory", option);
	fake->backend = (struct net_backend){
		.ops = &fake_ops,
		.features = all_offloads,
		.max_pairs = NET_FAKE_PAIRS,
		.mtu = 9000,
		.speed = 10000,
		.link_up = true,
	};
	last = fake;
	net_fake = (struct net_fake){.pairs = 1};
	for (unsigned int i = 0; i < NET_FAKE_PAIRS; i++) {
		fake->pairs[i].fake = fake;
		if (open_pair(&fake->pairs[i], loop, &net_fake.fds[i]))
			return report_fail(report, REPORT_HOST, "%s: %s", option, strerror(errno));
	}
	return net_device_new(option, &options, &fake->backend, out, report);
}

void net_fake_set_link(bool up)
{
	last->backend.link_up = up;
	last->handler.link(last->handler.arg, up);
}

const struct device_type net_fake_type = {.name = "net", .create = fake_create};
