/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Eventfds of queues: made, connected to the guest's writes, and read on the loop's thread. */
#include "devices/virtio-notify.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

/*
 * The way of one queue's notifications over the loop. Made at the first DRIVER_OK, kept till the
 * end: a watch is removed on the loop's thread only, and a reset comes on a vCPU's.
 */
struct queue_kick {
	struct virtio_device *dev;
	uint32_t index;
	struct virtio_notifier *notifier;
	int eventfd; /* -1: none */
	struct loop_watch *watch;
	uint64_t again; /* of what is in the eventfd: not the driver's */
	bool open;      /* atomic: both are there */
	bool placed;    /* the driver may notify, by a write to offset */
	bool attached;  /* such writes go to the eventfd */
	uint64_t offset;
};

static void attach(struct queue_kick *kick)
{
	const struct virtio_notifier *notifier = kick->notifier;
	struct notify_line *line = notifier->line;

	if (kick->placed && !kick->attached)
		kick->attached = line->attach(line, kick->offset, notifier->len, kick->index,
					      kick->eventfd) == 0;
}

static void detach(struct queue_kick *kick)
{
	const struct virtio_notifier *notifier = kick->notifier;
	struct notify_line *line = notifier->line;

	if (kick->attached)
		line->detach(line, kick->offset, notifier->len, kick->index, kick->eventfd);
	kick->attached = false;
}

/* The queue was served: the next notification goes where the model wants it. */
static void follow(struct queue_kick *kick)
{
	const struct virtio_device *dev = kick->dev;
	enum virtio_place place;

	if (!kick->notifier->line || !dev->ops->notify_now)
		return;
	place = dev->ops->place(dev, kick->index);
	if (place == VIRTIO_ON_LOOP)
		attach(kick);
	else if (place == VIRTIO_ON_VCPU)
		detach(kick);
}

static void kick_ready(void *arg, uint32_t events)
{
	struct queue_kick *kick = arg;
	uint64_t count, own;

	(void)events;
	if (read(kick->eventfd, &count, sizeof(count)) != sizeof(count))
		return;
	virtio_lock(kick->dev);
	own = count < kick->again ? count : kick->again;
	kick->again -= own;
	if (count > own)
		virtio_count_notifications(kick->dev, kick->index, count - own);
	virtio_queue_notify(kick->dev, kick->index);
	follow(kick);
	virtio_unlock(kick->dev);
}

/* Make the eventfd and watch of a queue, if they are not there. */
static int kick_open(struct virtio_notifier *notifier, struct queue_kick *kick)
{
	if (kick->watch)
		return 0;
	if (kick->eventfd < 0)
		kick->eventfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (kick->eventfd < 0)
		return -1;
	kick->watch = loop_add(notifier->loop, kick->eventfd, EPOLLIN, kick_ready, kick);
	__atomic_store_n(&kick->open, kick->watch != NULL, __ATOMIC_RELEASE);
	return kick->watch ? 0 : -1;
}

void virtio_notifier_open(struct virtio_notifier *notifier)
{
	for (unsigned int i = 0; i < notifier->dev->queue_count; i++) {
		if (kick_open(notifier, &notifier->kicks[i])) {
			virtio_break(notifier->dev, "eventfd: %s", strerror(errno));
			return;
		}
	}
}

void virtio_notifier_attach(struct virtio_notifier *notifier, uint64_t offset, uint64_t stride)
{
	const struct virtio_device *dev = notifier->dev;

	for (unsigned int i = 0; notifier->line && i < dev->queue_count; i++) {
		struct queue_kick *kick = &notifier->kicks[i];

		if (!dev->queues[i].ready || kick->placed || kick->eventfd < 0)
			continue;
		kick->offset = offset + i * stride;
		kick->placed = true;
		if (!dev->ops->notify_now || dev->ops->place(dev, i) == VIRTIO_ON_LOOP)
			attach(kick);
	}
}

void virtio_notifier_detach(struct virtio_notifier *notifier)
{
	for (unsigned int i = 0; i < notifier->dev->queue_count; i++) {
		detach(&notifier->kicks[i]);
		notifier->kicks[i].placed = false;
	}
}

static void ring(struct queue_kick *kick)
{
	uint64_t one = 1;

	/* Else it fails only if 2^64 - 2 of them wait, and then the loop comes anyway. */
	while (write(kick->eventfd, &one, sizeof(one)) < 0 && errno == EINTR)
		continue;
}

void virtio_notifier_again(struct virtio_notifier *notifier, unsigned int index)
{
	notifier->kicks[index].again++;
	ring(&notifier->kicks[index]);
}

void virtio_notifier_notify(struct virtio_notifier *notifier, uint32_t index)
{
	struct virtio_device *dev = notifier->dev;
	struct queue_kick *kick;

	if (index >= dev->queue_count)
		return;
	kick = &notifier->kicks[index];
	if (!notifier->line) {
		virtio_lock(dev);
		virtio_count_notifications(dev, index, 1);
		virtio_queue_notify(dev, index);
		virtio_unlock(dev);
		return;
	}
	if (!__atomic_load_n(&kick->open, __ATOMIC_ACQUIRE))
		return;
	/* Who has the lock may have it for long. */
	if (!dev->ops->notify_now || !virtio_try_lock(dev)) {
		ring(kick);
		return;
	}
	virtio_count_notifications(dev, index, 1);
	if (!virtio_queue_notify_now(dev, index))
		virtio_notifier_again(notifier, index);
	follow(kick);
	virtio_unlock(dev);
}

int virtio_notifier_init(struct virtio_notifier *notifier, struct virtio_device *dev,
			 struct loop *loop, struct notify_line *line, unsigned int len)
{
	*notifier = (struct virtio_notifier){.dev = dev, .loop = loop, .line = line, .len = len};
	notifier->kicks = calloc(dev->queue_count, sizeof(*notifier->kicks));
	if (!notifier->kicks)
		return -1;
	for (unsigned int i = 0; i < dev->queue_count; i++)
		notifier->kicks[i] = (struct queue_kick){
			.dev = dev, .index = i, .notifier = notifier, .eventfd = -1};
	return 0;
}

void virtio_notifier_destroy(struct virtio_notifier *notifier)
{
	virtio_notifier_detach(notifier);
	for (unsigned int i = 0; i < notifier->dev->queue_count; i++) {
		loop_remove(notifier->kicks[i].watch);
		if (notifier->kicks[i].eventfd >= 0)
			close(notifier->kicks[i].eventfd);
	}
	free(notifier->kicks);
}
