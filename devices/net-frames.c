/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Backends that need nothing of the host but what is there: none at all, for a network device whose
 * cable is plugged in later, and a UNIX socket of datagrams or packets, of which each is a frame.
 * What a socket has no room for waits in the driver's queue. One of packets says when its other end
 * has gone: then the link is down for good.
 */
#include <errno.h>
#include <linux/virtio_net.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "devices/net-device.h"
#include "devices/virtio-net.h"

/* --- none ------------------------------------------------------------------------------------- */

static void none_close(struct net_backend *backend)
{
	free(backend);
}

static void none_set_handler(struct net_backend *backend, const struct net_handler *handler)
{
	(void)backend;
	(void)handler;
}

/* What is sent into no cable is gone. */
static ssize_t none_send(struct net_backend *backend, unsigned int pair, const struct iovec *iov,
			 unsigned int count)
{
	(void)backend;
	(void)pair;
	(void)iov;
	(void)count;
	errno = ENETDOWN;
	return -1;
}

static ssize_t none_receive(struct net_backend *backend, unsigned int pair, const struct iovec *iov,
			    unsigned int count)
{
	(void)backend;
	(void)pair;
	(void)iov;
	(void)count;
	errno = EAGAIN;
	return -1;
}

static void none_want(struct net_backend *backend, unsigned int pair, bool readable)
{
	(void)backend;
	(void)pair;
	(void)readable;
}

const struct net_backend_ops net_none_ops = {
	.close = none_close,
	.set_handler = none_set_handler,
	.send = none_send,
	.receive = none_receive,
	.want = none_want,
};

static int none_check(const char *option, char *words, struct report *report)
{
	if (!words)
		return 0;
	return report_fail(report, REPORT_USER,
			   "%s none: '%s': unknown word; it takes mac=MAC and mtu=BYTES", option,
			   words);
}

static int none_open(const char *option, char *words, struct loop *loop, struct net_backend **out,
		     struct report *report)
{
	(void)loop;
	if (none_check(option, words, report))
		return -1;
	*out = calloc(1, sizeof(**out));
	if (!*out)
		return report_fail(report, REPORT_HOST, "%s: out of memory", option);
	**out = (struct net_backend){.ops = &net_none_ops, .max_pairs = 1};
	return 0;
}

const struct net_backend_type net_none_type = {
	.name = "none",
	.args = "",
	.open = none_open,
	.check = none_check,
};

/* --- a socket --------------------------------------------------------------------------------- */

struct net_frames {
	struct net_backend backend;
	int fd;
	struct loop_watch *watch;
	struct net_handler handler;
	pthread_mutex_t lock; /* of what follows, which changes on the device's side and the loop's */
	bool wanted;          /* readable() is to be called */
	bool full;            /* writable() is */
	bool gone;            /* the other end is */
	struct iovec iov[NET_IOV_COUNT]; /* of one call at a time */
};

/* With the lock. */
static int watch(struct net_frames *frames)
{
	return loop_modify(frames->watch,
			   (frames->wanted ? EPOLLIN : 0u) | (frames->full ? EPOLLOUT : 0u));
}

/* An end that is gone is said again and again to who listens. */
static void other_end_gone(struct net_frames *frames)
{
	loop_remove(frames->watch);
	pthread_mutex_lock(&frames->lock);
	frames->watch = NULL;
	frames->gone = true;
	pthread_mutex_unlock(&frames->lock);
	frames->backend.link_up = false;
	frames->handler.link(frames->handler.arg, false);
}

static void frames_ready(void *arg, uint32_t events)
{
	struct net_frames *frames = arg;

	if (events & EPOLLIN)
		frames->handler.readable(frames->handler.arg, 0);
	if (events & EPOLLOUT) {
		pthread_mutex_lock(&frames->lock);
		frames->full = false;
		watch(frames);
		pthread_mutex_unlock(&frames->lock);
		frames->handler.writable(frames->handler.arg, 0);
	}
	if (events & (EPOLLERR | EPOLLHUP))
		other_end_gone(frames);
}

static void frames_set_handler(struct net_backend *backend, const struct net_handler *handler)
{
	((struct net_frames *)backend)->handler = *handler;
}

/* The pieces without the header, which is zeros and stays here. */
static struct msghdr without_header(struct net_frames *frames, const struct iovec *iov,
				    unsigned int count, bool clear)
{
	size_t header = NET_HEADER;
	unsigned int kept = 0;

	for (unsigned int i = 0; i < count && kept < NET_IOV_COUNT; i++) {
		size_t len = iov[i].iov_len < header ? iov[i].iov_len : header;

		if (clear && len)
			memset(iov[i].iov_base, 0, len);
		header -= len;
		if (iov[i].iov_len > len)
			frames->iov[kept++] =
				(struct iovec){(char *)iov[i].iov_base + len, iov[i].iov_len - len};
	}
	return (struct msghdr){.msg_iov = frames->iov, .msg_iovlen = kept};
}

static ssize_t frames_send(struct net_backend *backend, unsigned int pair, const struct iovec *iov,
			   unsigned int count)
{
	struct net_frames *frames = (struct net_frames *)backend;
	struct msghdr message = without_header(frames, iov, count, false);
	ssize_t len = sendmsg(frames->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	int err = errno;

	(void)pair;
	if (len >= 0)
		return len + (ssize_t)NET_HEADER;
	/* Should it not be said when there is room, the frame is lost instead of never sent. */
	pthread_mutex_lock(&frames->lock);
	if (err == EAGAIN) {
		frames->full = true;
		err = frames->gone || watch(frames) ? EIO : EAGAIN;
	}
	pthread_mutex_unlock(&frames->lock);
	errno = err;
	return -1;
}

static ssize_t frames_receive(struct net_backend *backend, unsigned int pair,
			      const struct iovec *iov, unsigned int count)
{
	struct net_frames *frames = (struct net_frames *)backend;
	struct msghdr message = without_header(frames, iov, count, true);
	ssize_t len = recvmsg(frames->fd, &message, MSG_DONTWAIT);

	(void)pair;
	if (len > 0 && !(message.msg_flags & MSG_TRUNC))
		return len + (ssize_t)NET_HEADER;
	/* Of an end that has gone, or fails, there is nothing; epoll says that it has. */
	if (len <= 0)
		errno = EAGAIN;
	else
		errno = EMSGSIZE;
	return -1;
}

static void frames_want(struct net_backend *backend, unsigned int pair, bool readable)
{
	struct net_frames *frames = (struct net_frames *)backend;

	(void)pair;
	pthread_mutex_lock(&frames->lock);
	if (frames->wanted != readable) {
		frames->wanted = readable;
		if (!frames->gone)
			watch(frames);
	}
	pthread_mutex_unlock(&frames->lock);
}

static void frames_close(struct net_backend *backend)
{
	struct net_frames *frames = (struct net_frames *)backend;

	loop_remove(frames->watch);
	if (frames->fd >= 0)
		close(frames->fd);
	pthread_mutex_destroy(&frames->lock);
	free(frames);
}

static const struct net_backend_ops frames_ops = {
	.close = frames_close,
	.set_handler = frames_set_handler,
	.send = frames_send,
	.receive = frames_receive,
	.want = frames_want,
};

static int option_of(int fd, int option)
{
	int value = -1;
	socklen_t len = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, option, &value, &len) ? -1 : value;
}

int net_frames_new(int fd, struct loop *loop, struct net_backend **out, struct report *report)
{
	int type = option_of(fd, SO_TYPE);
	struct net_frames *frames;

	if (option_of(fd, SO_DOMAIN) != AF_UNIX || (type != SOCK_DGRAM && type != SOCK_SEQPACKET))
		return report_fail(report, REPORT_USER,
				   "the descriptor is not a UNIX socket of datagrams or packets");
	frames = calloc(1, sizeof(*frames));
	if (!frames)
		return report_fail(report, REPORT_HOST, "out of memory");
	frames->backend = (struct net_backend){.ops = &frames_ops, .max_pairs = 1, .link_up = true};
	frames->fd = -1;
	pthread_mutex_init(&frames->lock, NULL);
	frames->watch = loop_add(loop, fd, 0, frames_ready, frames);
	if (!frames->watch) {
		frames_close(&frames->backend);
		return report_fail(report, REPORT_HOST, "epoll: %s", strerror(errno));
	}
	frames->fd = fd;
	*out = &frames->backend;
	return 0;
}
