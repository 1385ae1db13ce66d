/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Somebody beside the other end of a character device, at a socket: he sees what the guest prints,
 * wherever it goes, and what he says is input like the other's. The guest does not wait for him:
 * what he does not read waits here, and when that is too much he is let go.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "devices/chardev-impl.h"

/* With the chardev's lock, but for fd and watch, which are constant. */
struct chardev_tap {
	struct chardev *chardev;
	int fd;
	struct loop_watch *watch;
	bool waits; /* there is no room for input */
	bool lost;  /* too much was printed */
	size_t start, len;
	uint8_t ring[CHARDEV_ROOM];
};

/* With the lock. */
static void update(struct chardev_tap *tap)
{
	loop_modify(tap->watch, (tap->waits ? 0u : EPOLLIN) | (tap->len ? EPOLLOUT : 0u));
}

/* With the lock. */
static void append(struct chardev_tap *tap, const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		tap->ring[(tap->start + tap->len + i) % CHARDEV_ROOM] = data[i];
	tap->len += len;
}

void chardev_tap_put(struct chardev *chardev, const void *data, size_t len)
{
	struct chardev_tap *tap;

	if (!chardev_is_attached(chardev))
		return;
	pthread_mutex_lock(&chardev->lock);
	tap = chardev->tap;
	if (tap && !tap->lost && len <= CHARDEV_ROOM - tap->len) {
		append(tap, data, len);
		if (tap->len == len)
			update(tap);
	} else if (tap && !tap->lost) {
		/* Who does not read is not told by a socket that has no room; this he hears. */
		tap->lost = true;
		shutdown(tap->fd, SHUT_RDWR);
	}
	pthread_mutex_unlock(&chardev->lock);
}

/* Send what the socket takes; false if nobody is there. With the lock. */
static bool push(struct chardev_tap *tap)
{
	while (tap->len) {
		size_t piece = CHARDEV_ROOM - tap->start;
		ssize_t n;

		piece = piece < tap->len ? piece : tap->len;
		n = send(tap->fd, tap->ring + tap->start, piece, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0)
			return errno == EAGAIN || errno == EINTR;
		tap->start = (tap->start + (size_t)n) % CHARDEV_ROOM;
		tap->len -= (size_t)n;
	}
	return true;
}

/* Read once; false at the end. */
static bool pull(struct chardev_tap *tap)
{
	struct chardev *chardev = tap->chardev;
	uint8_t *at;
	size_t space = chardev_space(chardev, &at);
	ssize_t n;

	if (!space) {
		pthread_mutex_lock(&chardev->lock);
		tap->waits = true;
		pthread_mutex_unlock(&chardev->lock);
		return true;
	}
	n = recv(tap->fd, at, space, MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	chardev->len += (size_t)n;
	return n > 0;
}

/* Whether there is another end without him. */
static bool has_other_end(struct chardev *chardev)
{
	bool gone;

	pthread_mutex_lock(&chardev->lock);
	gone = chardev->listener ? chardev->in < 0 : chardev->gone;
	pthread_mutex_unlock(&chardev->lock);
	return !gone;
}

void chardev_tap_close(struct chardev *chardev)
{
	struct chardev_tap *tap = chardev->tap;

	if (!tap)
		return;
	pthread_mutex_lock(&chardev->lock);
	__atomic_store_n(&chardev->tap, NULL, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&chardev->lock);
	loop_remove(tap->watch);
	close(tap->fd);
	free(tap);
}

static void end(struct chardev *chardev)
{
	chardev_tap_close(chardev);
	if (chardev->handler.connected && !has_other_end(chardev))
		chardev->handler.connected(chardev->handler.arg, false);
}

static void ready(void *arg, uint32_t events)
{
	struct chardev_tap *tap = arg;
	struct chardev *chardev = tap->chardev;
	bool there = events & EPOLLIN ? pull(tap) : !(events & (EPOLLHUP | EPOLLERR));

	pthread_mutex_lock(&chardev->lock);
	there = there && !tap->lost && push(tap);
	if (there)
		update(tap);
	pthread_mutex_unlock(&chardev->lock);
	if (!there)
		end(chardev);
	chardev_deliver(chardev);
}

void chardev_tap_resume(struct chardev *chardev)
{
	struct chardev_tap *tap = chardev->tap;

	if (!tap || !tap->waits || chardev->len == BUFFER_SIZE)
		return;
	pthread_mutex_lock(&chardev->lock);
	tap->waits = false;
	update(tap);
	pthread_mutex_unlock(&chardev->lock);
}

bool chardev_is_attached(const struct chardev *chardev)
{
	return __atomic_load_n(&chardev->tap, __ATOMIC_ACQUIRE);
}

int chardev_attach(struct chardev *chardev, int fd, const void *out, size_t out_len, const void *in,
		   size_t in_len)
{
	struct chardev_tap *tap;
	uint8_t *at;
	size_t space = chardev_space(chardev, &at);

	if (chardev->tap || out_len > CHARDEV_ROOM) {
		errno = chardev->tap ? EBUSY : EMSGSIZE;
		return -1;
	}
	tap = malloc(sizeof(*tap));
	if (!tap || !chardev_start_wake(chardev)) {
		free(tap);
		return -1;
	}
	/* The ring is touched as it is used. */
	memset(tap, 0, offsetof(struct chardev_tap, ring));
	tap->chardev = chardev;
	tap->fd = fd;
	append(tap, out, out_len);
	tap->watch = loop_add(chardev->loop, fd, EPOLLIN | EPOLLOUT, ready, tap);
	if (!tap->watch) {
		free(tap);
		return -1;
	}
	if (chardev->handler.connected && !has_other_end(chardev))
		chardev->handler.connected(chardev->handler.arg, true);
	pthread_mutex_lock(&chardev->lock);
	__atomic_store_n(&chardev->tap, tap, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&chardev->lock);
	/* As much as there is room for. */
	in_len = in_len < space ? in_len : space;
	memcpy(at, in, in_len);
	chardev->len += in_len;
	chardev_deliver(chardev);
	return 0;
}
