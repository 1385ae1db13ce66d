/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The TAP backend: frames go to and come from an interface of the host, a descriptor for each pair of
 * queues. Checksums and segmentation that the driver leaves to the host are the kernel's work, and the
 * other way round: that is what the header in front of each frame is about.
 *
 * The kernel's queue for a guest that has no buffers is the interface's, which loses what it has no
 * room for; its count is told. The interface may go away at any time: then the link is down for good.
 */
#include "devices/net-tap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define FEATURE(bit) (UINT64_C(1) << (bit))

struct net_tap;

struct tap_queue {
	struct net_tap *tap;
	int out_fd; /* a duplicate: epoll takes a descriptor once */
	struct loop_watch *in_watch;
	struct loop_watch *out_watch; /* for one event, after a send() that found no room */
	bool wanted;                  /* with the lock */
};

/* Constant once open, but for what is marked; the link is the loop thread's. */
struct net_tap {
	struct net_backend backend;
	struct net_tap_queues queues;
	struct tap_queue pairs[NET_PAIRS_MAX];
	struct net_tap_link link;
	struct loop_watch *link_watch;
	struct net_handler handler;
	struct log_limit log;
	pthread_mutex_t lock;  /* what is watched changes on the device's side and on the loop's */
	unsigned int attached; /* with the lock: queues the interface uses, from the first on */
	bool gone;             /* with the lock: the interface is no more */
};

/* What frames may need done by whom, as the device and as the kernel says it. */
static const struct {
	unsigned int tun;
	uint64_t guest;
	uint64_t host;
} offloads[] = {
	{TUN_F_CSUM, FEATURE(VIRTIO_NET_F_GUEST_CSUM), FEATURE(VIRTIO_NET_F_CSUM)},
	{TUN_F_TSO4, FEATURE(VIRTIO_NET_F_GUEST_TSO4), FEATURE(VIRTIO_NET_F_HOST_TSO4)},
	{TUN_F_TSO6, FEATURE(VIRTIO_NET_F_GUEST_TSO6), FEATURE(VIRTIO_NET_F_HOST_TSO6)},
	{TUN_F_TSO_ECN, FEATURE(VIRTIO_NET_F_GUEST_ECN), FEATURE(VIRTIO_NET_F_HOST_ECN)},
	{TUN_F_UFO, FEATURE(VIRTIO_NET_F_GUEST_UFO), FEATURE(VIRTIO_NET_F_HOST_UFO)},
};

#define OFFLOAD_COUNT (sizeof(offloads) / sizeof(*offloads))

/* --- what is watched ------------------------------------------------------------------------- */

/*
 * A descriptor whose queue is not the interface's, or whose interface is no more, is in error, and
 * epoll says so whatever it is asked for: once, if it is asked for one event. With the lock.
 */
static void watch(struct net_tap *tap, unsigned int pair)
{
	const struct tap_queue *queue = &tap->pairs[pair];
	const bool there = pair < tap->attached && !tap->gone;

	loop_modify(queue->in_watch, there ? (queue->wanted ? EPOLLIN : 0) : EPOLLONESHOT);
}

static void tap_want(struct net_backend *backend, unsigned int pair, bool readable)
{
	struct net_tap *tap = (struct net_tap *)backend;

	pthread_mutex_lock(&tap->lock);
	if (tap->pairs[pair].wanted != readable) {
		tap->pairs[pair].wanted = readable;
		watch(tap, pair);
	}
	pthread_mutex_unlock(&tap->lock);
}

static int tap_set_pairs(struct net_backend *backend, unsigned int count)
{
	struct net_tap *tap = (struct net_tap *)backend;
	int err = 0;

	pthread_mutex_lock(&tap->lock);
	while (!err && tap->attached != count) {
		const bool more = tap->attached < count;
		const unsigned int pair = more ? tap->attached : tap->attached - 1;
		struct ifreq ifr = {.ifr_flags = more ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE};

		err = ioctl(tap->queues.fds[pair], TUNSETQUEUE, &ifr);
		if (err)
			break;
		tap->attached += more ? 1 : -1u;
		watch(tap, pair);
	}
	pthread_mutex_unlock(&tap->lock);
	return err;
}

/* --- events ---------------------------------------------------------------------------------- */

static void set_link(struct net_tap *tap, bool up)
{
	if (tap->backend.link_up == up)
		return;
	tap->backend.link_up = up;
	tap->handler.link(tap->handler.arg, up);
}

/* Whether the first queue, which is never detached, has no interface any more. */
static bool look_if_gone(struct net_tap *tap)
{
	struct ifreq ifr;
	bool news = false;

	pthread_mutex_lock(&tap->lock);
	if (!tap->gone && ioctl(tap->queues.fds[0], TUNGETIFF, &ifr) && errno == EBADFD) {
		tap->gone = news = true;
		for (unsigned int i = 0; i < tap->queues.count; i++)
			watch(tap, i);
	}
	pthread_mutex_unlock(&tap->lock);
	if (news) {
		device_log(&tap->log, "net tap", "interface '%s' is gone; the link is down",
			   tap->queues.ifname);
		set_link(tap, false);
	}
	return news;
}

static void in_ready(void *arg, uint32_t events)
{
	struct tap_queue *queue = arg;
	struct net_tap *tap = queue->tap;

	if (events & (EPOLLERR | EPOLLHUP))
		look_if_gone(tap);
	if (events & EPOLLIN)
		tap->handler.readable(tap->handler.arg, (unsigned int)(queue - tap->pairs));
}

static void out_ready(void *arg, uint32_t events)
{
	struct tap_queue *queue = arg;
	struct net_tap *tap = queue->tap;

	if (events & EPOLLOUT)
		tap->handler.writable(tap->handler.arg, (unsigned int)(queue - tap->pairs));
}

static void link_ready(void *arg, uint32_t events)
{
	struct net_tap *tap = arg;

	(void)events;
	if (!net_tap_link_changed(&tap->link) || look_if_gone(tap))
		return;
	pthread_mutex_lock(&tap->lock);
	/* Only this thread changes it. */
	events = tap->gone;
	pthread_mutex_unlock(&tap->lock);
	if (!events)
		set_link(tap, net_tap_link_is_up(&tap->link));
}

/* --- operations ------------------------------------------------------------------------------ */

static void tap_set_handler(struct net_backend *backend, const struct net_handler *handler)
{
	((struct net_tap *)backend)->handler = *handler;
}

static ssize_t tap_send(struct net_backend *backend, unsigned int pair, const struct iovec *iov,
			unsigned int count)
{
	struct net_tap *tap = (struct net_tap *)backend;
	ssize_t len = writev(tap->queues.fds[pair], iov, (int)count);

	/* Should that fail, its error stands: a frame is lost instead of never sent. */
	if (len < 0 && errno == EAGAIN &&
	    !loop_modify(tap->pairs[pair].out_watch, EPOLLOUT | EPOLLONESHOT))
		errno = EAGAIN;
	return len;
}

static ssize_t tap_receive(struct net_backend *backend, unsigned int pair, const struct iovec *iov,
			   unsigned int count)
{
	struct net_tap *tap = (struct net_tap *)backend;
	ssize_t len = readv(tap->queues.fds[pair], iov, (int)count);

	/* Of an interface that is gone, or a queue that is not its own, there is nothing. */
	if (len < 0 && (errno == EBADFD || errno == EIO))
		errno = EAGAIN;
	return len;
}

static int tap_set_offload(struct net_backend *backend, uint64_t features)
{
	const struct net_tap *tap = (struct net_tap *)backend;
	unsigned int tun = 0;

	for (size_t i = 0; i < OFFLOAD_COUNT; i++)
		tun |= features & offloads[i].guest ? offloads[i].tun : 0;
	return net_tap_set_offloads(&tap->queues, tun);
}

static uint64_t tap_dropped(struct net_backend *backend)
{
	return net_tap_link_dropped(&((struct net_tap *)backend)->link);
}

static void tap_close(struct net_backend *backend)
{
	struct net_tap *tap = (struct net_tap *)backend;

	loop_remove(tap->link_watch);
	for (unsigned int i = 0; i < tap->queues.count; i++) {
		loop_remove(tap->pairs[i].in_watch);
		loop_remove(tap->pairs[i].out_watch);
		if (tap->pairs[i].out_fd >= 0)
			close(tap->pairs[i].out_fd);
	}
	net_tap_link_destroy(&tap->link);
	net_tap_close_queues(&tap->queues);
	pthread_mutex_destroy(&tap->lock);
	free(tap);
}

static const struct net_backend_ops tap_ops = {
	.close = tap_close,
	.set_handler = tap_set_handler,
	.send = tap_send,
	.receive = tap_receive,
	.want = tap_want,
	.set_offload = tap_set_offload,
	.set_pairs = tap_set_pairs,
	.dropped = tap_dropped,
};

/* --- opening --------------------------------------------------------------------------------- */

static int watch_queue(struct net_tap *tap, unsigned int pair, struct loop *loop)
{
	struct tap_queue *queue = &tap->pairs[pair];

	queue->out_fd = fcntl(tap->queues.fds[pair], F_DUPFD_CLOEXEC, 0);
	if (queue->out_fd >= 0)
		queue->in_watch = loop_add(loop, tap->queues.fds[pair], 0, in_ready, queue);
	if (queue->in_watch)
		queue->out_watch = loop_add(loop, queue->out_fd, EPOLLONESHOT, out_ready, queue);
	return queue->out_watch ? 0 : -1;
}

static int watch_all(struct net_tap *tap, struct loop *loop)
{
	for (unsigned int i = 0; i < tap->queues.count; i++) {
		if (watch_queue(tap, i, loop))
			return -1;
	}
	tap->link_watch = loop_add(loop, tap->link.socket, EPOLLIN, link_ready, tap);
	return tap->link_watch ? 0 : -1;
}

static void fill_backend(struct net_tap *tap)
{
	struct net_backend *backend = &tap->backend;

	backend->max_pairs = tap->queues.count;
	backend->mtu = net_tap_link_mtu(&tap->link);
	backend->speed = net_tap_link_speed(&tap->link);
	backend->link_up = net_tap_link_is_up(&tap->link);
	for (size_t i = 0; i < OFFLOAD_COUNT; i++) {
		if (tap->queues.offloads & offloads[i].tun)
			backend->features |= offloads[i].guest | offloads[i].host;
	}
}

static int start(const char *option, const struct net_tap_config *config, struct loop *loop,
		 struct net_backend **out, struct report *report)
{
	struct net_tap *tap = calloc(1, sizeof(*tap));

	if (!tap)
		return report_fail(report, REPORT_HOST, "%s: out of memory", option);
	tap->backend.ops = &tap_ops;
	tap->link.socket = -1;
	pthread_mutex_init(&tap->lock, NULL);
	for (unsigned int i = 0; i < NET_PAIRS_MAX; i++)
		tap->pairs[i] = (struct tap_queue){.tap = tap, .out_fd = -1};
	if (net_tap_open_queues(option, config, &tap->queues, report) ||
	    net_tap_link_init(option, &tap->link, tap->queues.ifname, tap->queues.fds[0], report))
		goto fail;
	tap->attached = tap->queues.count;
	if (watch_all(tap, loop) || tap_set_pairs(&tap->backend, 1)) {
		report_fail(report, REPORT_HOST, "%s: interface '%s' cannot be watched: %s", option,
			    tap->queues.ifname, strerror(errno));
		goto fail;
	}
	fill_backend(tap);
	if (tap->queues.is_new)
		log_line(LOG_LEVEL_INFO, "net tap: interface '%s'", tap->queues.ifname);
	*out = &tap->backend;
	return 0;

fail:
	tap_close(&tap->backend);
	return -1;
}

static int take_words(const char *option, char *words, struct net_tap_config *config,
		      struct report *report)
{
	char *word;
	int err = 0;

	while (!err && (word = strsep(&words, ",")))
		err = net_tap_take_word(option, word, config, report);
	return err ? err : net_tap_check(option, config, report);
}

static int tap_open(const char *option, char *words, struct loop *loop, struct net_backend **out,
		    struct report *report)
{
	struct net_tap_config config = {0};

	if (take_words(option, words, &config, report))
		return -1;
	return start(option, &config, loop, out, report);
}

static int tap_check(const char *option, char *words, struct report *report)
{
	struct net_tap_config config = {0};

	if (take_words(option, words, &config, report))
		return -1;
	return net_tap_try(option, &config, report);
}

const struct net_backend_type net_tap_type = {
	.name = "tap",
	.args = "[ifname=NAME|fd=N[:N...]][,queues=N]",
	.open = tap_open,
	.check = tap_check,
};
