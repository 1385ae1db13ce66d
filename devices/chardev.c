/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The bytes of character devices. Input is read on the loop's thread into a buffer, from which the
 * handler takes what it has room for; output is written by whoever has it, at once.
 *
 * A handler without room is asked again when chardev_resume() rings an eventfd, so that all of
 * input stays on the loop's thread. The same eventfd stands in for descriptors that are always
 * ready and that epoll therefore refuses (files, /dev/null).
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "devices/chardev-impl.h"

/* --- input ------------------------------------------------------------------------------------ */

/* Have the loop come back. */
static void ring(struct chardev *chardev)
{
	uint64_t one = 1;

	/* It fails only if 2^64 - 2 rings wait, and then the loop comes anyway. */
	if (write(chardev->wake, &one, sizeof(one)) < 0)
		return;
}

void chardev_resume(struct chardev *chardev)
{
	if (__atomic_load_n(&chardev->paused, __ATOMIC_SEQ_CST) &&
	    __atomic_exchange_n(&chardev->paused, false, __ATOMIC_SEQ_CST))
		ring(chardev);
}

/* Give the handler what it has room for. */
void chardev_deliver(struct chardev *chardev)
{
	const struct chardev_handler *handler = &chardev->handler;

	while (chardev->len) {
		size_t room = handler->room(handler->arg);

		if (!room) {
			/*
			 * Room that appeared before paused was set rang no bell, so look once more;
			 * from here on it does.
			 */
			__atomic_store_n(&chardev->paused, true, __ATOMIC_SEQ_CST);
			room = handler->room(handler->arg);
			if (!room)
				return;
			__atomic_store_n(&chardev->paused, false, __ATOMIC_SEQ_CST);
		}
		room = room < chardev->len ? room : chardev->len;
		handler->receive(handler->arg, chardev->buffer + chardev->start, room);
		chardev->start += room;
		chardev->len -= room;
	}
	chardev->start = 0;
}

size_t chardev_space(struct chardev *chardev, uint8_t **at)
{
	if (chardev->start && chardev->len)
		memmove(chardev->buffer, chardev->buffer + chardev->start, chardev->len);
	chardev->start = 0;
	*at = chardev->buffer + chardev->len;
	return BUFFER_SIZE - chardev->len;
}

/* Read once. False at the end of the input. */
static bool fill(struct chardev *chardev)
{
	uint8_t lost[256], *at;
	size_t space = chardev_space(chardev, &at);
	ssize_t n;

	n = read(chardev->in, space ? at : lost, space ? space : sizeof(lost));
	/* A pty nobody has open is EIO: someone may open it yet. */
	if (n < 0)
		return errno == EAGAIN || errno == EINTR || (errno == EIO && chardev->pty);
	if (n == 0)
		return false;
	if (chardev->filter)
		n = (ssize_t)chardev->filter(chardev->filter_arg, space ? at : lost, (size_t)n);
	if (space)
		chardev->len += (size_t)n;
	return true;
}

static void end_of_input(struct chardev *chardev)
{
	loop_remove(chardev->in_watch);
	chardev->in_watch = NULL;
	chardev->always_ready = false;
	chardev->idle = false;
	if (chardev->socket)
		chardev_hang_up(chardev);
}

/*
 * Ask the source for more. A watch is for one event, so that a source that has hung up does not
 * keep the loop busy while it is not asked; a pty, which hangs up and comes back, is edge triggered
 * instead.
 */
static void ask(struct chardev *chardev)
{
	uint32_t events = EPOLLIN | (chardev->pty ? EPOLLET : EPOLLONESHOT);

	if (chardev->always_ready)
		ring(chardev);
	else if (chardev->in_watch && loop_modify(chardev->in_watch, events))
		end_of_input(chardev);
}

static void pull(struct chardev *chardev)
{
	size_t before;

	do {
		before = chardev->len;
		if (!fill(chardev)) {
			end_of_input(chardev);
			chardev_deliver(chardev);
			return;
		}
		/* An edge is the only one until all of it is read. */
	} while (chardev->pty && chardev->len > before && chardev->len < BUFFER_SIZE);
	chardev_deliver(chardev);
	chardev->idle = chardev->len == BUFFER_SIZE && !chardev->filter;
	if (!chardev->idle && (!chardev->pty || chardev->len > before))
		ask(chardev);
}

static void input_ready(void *arg, uint32_t events)
{
	struct chardev *chardev = arg;

	(void)events;
	/* A client came while what the one before it sent still fills the buffer. */
	if (chardev->socket && chardev->len == BUFFER_SIZE)
		chardev->idle = true;
	else
		pull(chardev);
}

/* --- the terminal's size ---------------------------------------------------------------------- */

static void tell_size(struct chardev *chardev)
{
	struct winsize size;

	if (chardev->handler.resized && chardev->in >= 0 &&
	    ioctl(chardev->in, TIOCGWINSZ, &size) == 0 && size.ws_col && size.ws_row)
		chardev->handler.resized(chardev->handler.arg, size.ws_col, size.ws_row);
}

void chardev_winch(struct chardev *chardev)
{
	__atomic_store_n(&chardev->winch, true, __ATOMIC_SEQ_CST);
	ring(chardev);
}

static void wake_ready(void *arg, uint32_t events)
{
	struct chardev *chardev = arg;
	uint64_t count;

	(void)events;
	if (read(chardev->wake, &count, sizeof(count)) < 0)
		return;
	if (__atomic_exchange_n(&chardev->winch, false, __ATOMIC_SEQ_CST))
		tell_size(chardev);
	chardev_deliver(chardev);
	if (chardev->always_ready && chardev->len < BUFFER_SIZE) {
		pull(chardev);
	} else if (chardev->idle && chardev->len < BUFFER_SIZE) {
		chardev->idle = false;
		ask(chardev);
	}
	chardev_tap_resume(chardev);
}

void chardev_start_input(struct chardev *chardev)
{
	uint32_t events = EPOLLIN | (chardev->pty ? EPOLLET : EPOLLONESHOT);

	chardev->in_watch = loop_add(chardev->loop, chardev->in, events, input_ready, chardev);
	if (!chardev->in_watch && errno == EPERM) {
		chardev->always_ready = true;
		ring(chardev);
	}
}

/* Without a descriptor for it there is no input; output still works. */
bool chardev_start_wake(struct chardev *chardev)
{
	if (chardev->wake_watch)
		return true;
	chardev->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (chardev->wake >= 0)
		chardev->wake_watch =
			loop_add(chardev->loop, chardev->wake, EPOLLIN, wake_ready, chardev);
	if (!chardev->wake_watch)
		device_log(&chardev->log, chardev->name, "no input: %s", strerror(errno));
	return chardev->wake_watch;
}

void chardev_set_handler(struct chardev *chardev, const struct chardev_handler *handler)
{
	chardev->handler = *handler;
	if (handler->connected && !chardev->listener)
		handler->connected(handler->arg, true);
	tell_size(chardev);
	if ((chardev->in < 0 && !chardev->listener) || chardev->wake >= 0 ||
	    !chardev_start_wake(chardev))
		return;
	if (chardev->in >= 0)
		chardev_start_input(chardev);
	chardev_listen(chardev);
}

void chardev_set_filter(struct chardev *chardev,
			size_t (*filter)(void *arg, uint8_t *data, size_t len), void *arg)
{
	chardev->filter = filter;
	chardev->filter_arg = arg;
}

/* --- output ----------------------------------------------------------------------------------- */

static void output_ready(void *arg, uint32_t events)
{
	struct chardev *chardev = arg;

	(void)events;
	if (chardev->handler.writable)
		chardev->handler.writable(chardev->handler.arg);
}

/* Have the handler told once when writing can go on. */
static int await_output(struct chardev *chardev)
{
	uint32_t events = EPOLLOUT | EPOLLONESHOT;

	if (chardev->out_watch)
		return loop_modify(chardev->out_watch, events);
	if (chardev->out_watched < 0)
		chardev->out_watched = chardev->out == chardev->in
					       ? fcntl(chardev->out, F_DUPFD_CLOEXEC, 0)
					       : chardev->out;
	if (chardev->out_watched < 0)
		return -1;
	chardev->out_watch =
		loop_add(chardev->loop, chardev->out_watched, events, output_ready, chardev);
	return chardev->out_watch ? 0 : -1;
}

/* Whether nobody has the other end of a pty open: as on a real line, what is sent is lost. */
static bool unheard(const struct chardev *chardev)
{
	struct pollfd pollfd = {.fd = chardev->out};

	return chardev->pty && poll(&pollfd, 1, 0) == 1 && (pollfd.revents & POLLHUP);
}

/* What a failed write(2) means. */
enum write_failure {
	WRITE_GONE,  /* there is nobody any more */
	WRITE_LATER, /* the other end is not ready */
	WRITE_AGAIN, /* it was interrupted, and cannot be waited for */
	WRITE_LOST,  /* the bytes are */
};

static enum write_failure write_failed(struct chardev *chardev)
{
	bool interrupted = errno == EINTR;

	if (chardev->may_leave && (errno == EIO || errno == EPIPE || errno == ECONNRESET))
		return WRITE_LOST;
	if (errno == EAGAIN && unheard(chardev))
		return WRITE_LOST;
	/* Who interrupts a thread here wants it to leave. */
	if ((errno == EAGAIN || interrupted) && !await_output(chardev))
		return WRITE_LATER;
	/* A regular file: epoll has nothing to say about it, and it does not keep one waiting. */
	if (interrupted && errno == EPERM)
		return WRITE_AGAIN;
	device_log(&chardev->log, chardev->name, "%s; further output is lost", strerror(errno));
	chardev->gone = true;
	return WRITE_GONE;
}

static ssize_t put(const struct chardev *chardev, struct iovec *iov, int count)
{
	struct msghdr message = {.msg_iov = iov, .msg_iovlen = (size_t)count};

	return chardev->socket ? sendmsg(chardev->out, &message, MSG_NOSIGNAL)
			       : writev(chardev->out, iov, count);
}

/* Forget the first @len bytes of *@iov. */
static void advance(struct iovec **iov, int *count, size_t len)
{
	for (; *count && len >= (*iov)->iov_len; ++*iov, --*count)
		len -= (*iov)->iov_len;
	if (*count) {
		(*iov)->iov_base = (uint8_t *)(*iov)->iov_base + len;
		(*iov)->iov_len -= len;
	}
}

static ssize_t write_all(struct chardev *chardev, struct iovec *iov, int count)
{
	size_t len = 0, done = 0;

	if (chardev->gone)
		return -1;
	for (int i = 0; i < count; i++)
		len += iov[i].iov_len;
	while (chardev->out >= 0 && done < len) {
		ssize_t n = put(chardev, iov, count);
		enum write_failure failure;

		if (n >= 0) {
			done += (size_t)n;
			advance(&iov, &count, (size_t)n);
			continue;
		}
		failure = write_failed(chardev);
		if (failure == WRITE_AGAIN)
			continue;
		if (failure == WRITE_LOST)
			break;
		return failure == WRITE_LATER || done ? (ssize_t)done : -1;
	}
	return (ssize_t)len;
}

ssize_t chardev_writev(struct chardev *chardev, struct iovec *iov, int count)
{
	ssize_t n;

	pthread_mutex_lock(&chardev->lock);
	n = write_all(chardev, iov, count);
	pthread_mutex_unlock(&chardev->lock);
	return n;
}

ssize_t chardev_write(struct chardev *chardev, const void *data, size_t len)
{
	/* The writer's pieces are not written to. */
	struct iovec iov = {.iov_base = (void *)(uintptr_t)data, .iov_len = len};

	return chardev_writev(chardev, &iov, 1);
}
