/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Character device backends. Input is read on the loop's thread into a buffer, from which the
 * handler takes what it has room for; output is written by whoever has it, at once.
 *
 * A handler without room is asked again when chardev_resume() rings an eventfd, so that all of
 * input stays on the loop's thread. The same eventfd stands in for descriptors that are always
 * ready and that epoll therefore refuses (files, /dev/null).
 */
#include "devices/chardev.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define BUFFER_SIZE 16384

/*
 * Descriptors, option and filter are constant once the loop runs. Fields marked W belong to the
 * writer (one thread at a time), all others to the loop's thread.
 */
struct chardev {
	struct loop *loop;
	char name[64];   /* for messages */
	int in;          /* -1: no input */
	int out;         /* -1: output vanishes */
	int out_watched; /* W: out, or for a pty a duplicate, as epoll takes a descriptor once */
	int wake;        /* eventfd */
	bool pty;

	struct chardev_handler handler;
	size_t (*filter)(void *arg, uint8_t *data, size_t len);
	void *filter_arg;

	struct loop_watch *in_watch;
	struct loop_watch *wake_watch;
	struct loop_watch *out_watch; /* W */
	bool always_ready;            /* in is a file: wake stands in for it */
	bool idle;                    /* the source is not asked: the buffer is full */
	bool paused;                  /* atomic: resume() has to ring */
	bool gone;                    /* W: nothing can be written any more */
	struct log_limit log;

	size_t start, len; /* of what is in the buffer */
	uint8_t buffer[BUFFER_SIZE];
};

/* Whose standard input and output are; set-up and teardown are one thread's. */
static struct chardev *stdio_owner;

struct chardev *chardev_stdio(void)
{
	return stdio_owner;
}

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
static void deliver(struct chardev *chardev)
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

/* Read once. False at the end of the input. */
static bool fill(struct chardev *chardev)
{
	size_t space = BUFFER_SIZE - chardev->len;
	uint8_t lost[256], *at;
	ssize_t n;

	if (chardev->start && chardev->len)
		memmove(chardev->buffer, chardev->buffer + chardev->start, chardev->len);
	chardev->start = 0;
	at = space ? chardev->buffer + chardev->len : lost;
	n = read(chardev->in, at, space ? space : sizeof(lost));
	/* A pty nobody has open is EIO: someone may open it yet. */
	if (n < 0)
		return errno == EAGAIN || errno == EINTR || (errno == EIO && chardev->pty);
	if (n == 0)
		return false;
	if (chardev->filter)
		n = (ssize_t)chardev->filter(chardev->filter_arg, at, (size_t)n);
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
			deliver(chardev);
			return;
		}
		/* An edge is the only one until all of it is read. */
	} while (chardev->pty && chardev->len > before && chardev->len < BUFFER_SIZE);
	deliver(chardev);
	chardev->idle = chardev->len == BUFFER_SIZE && !chardev->filter;
	if (!chardev->idle && (!chardev->pty || chardev->len > before))
		ask(chardev);
}

static void input_ready(void *arg, uint32_t events)
{
	(void)events;
	pull(arg);
}

static void wake_ready(void *arg, uint32_t events)
{
	struct chardev *chardev = arg;
	uint64_t count;

	(void)events;
	if (read(chardev->wake, &count, sizeof(count)) < 0)
		return;
	deliver(chardev);
	if (chardev->always_ready && chardev->len < BUFFER_SIZE) {
		pull(chardev);
	} else if (chardev->idle && chardev->len < BUFFER_SIZE) {
		chardev->idle = false;
		ask(chardev);
	}
}

/* Watch the source. Without a descriptor for it there is no input; output still works. */
static void start_input(struct chardev *chardev)
{
	uint32_t events = EPOLLIN | (chardev->pty ? EPOLLET : EPOLLONESHOT);

	chardev->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (chardev->wake >= 0)
		chardev->wake_watch =
			loop_add(chardev->loop, chardev->wake, EPOLLIN, wake_ready, chardev);
	if (!chardev->wake_watch) {
		device_log(&chardev->log, chardev->name, "no input: %s", strerror(errno));
		return;
	}
	chardev->in_watch = loop_add(chardev->loop, chardev->in, events, input_ready, chardev);
	if (!chardev->in_watch && errno == EPERM) {
		chardev->always_ready = true;
		ring(chardev);
	}
}

void chardev_set_handler(struct chardev *chardev, const struct chardev_handler *handler)
{
	chardev->handler = *handler;
	if (chardev->in >= 0 && chardev->wake < 0)
		start_input(chardev);
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
		chardev->out_watched =
			chardev->pty ? fcntl(chardev->out, F_DUPFD_CLOEXEC, 0) : chardev->out;
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

/* What a failed write(2) means: 0, the other end is not ready; -1, it is gone; 1, bytes are lost. */
static int write_failed(struct chardev *chardev)
{
	if (errno == EIO && chardev->pty)
		return 1;
	if (errno == EAGAIN && unheard(chardev))
		return 1;
	/* EINTR: who interrupts a thread here wants it to leave. */
	if ((errno == EAGAIN || errno == EINTR) && !await_output(chardev))
		return 0;
	device_log(&chardev->log, chardev->name, "%s; further output is lost", strerror(errno));
	chardev->gone = true;
	return -1;
}

ssize_t chardev_write(struct chardev *chardev, const void *data, size_t len)
{
	size_t done = 0;

	if (chardev->gone)
		return -1;
	while (chardev->out >= 0 && done < len) {
		ssize_t n = write(chardev->out, (const uint8_t *)data + done, len - done);
		int state;

		if (n >= 0) {
			done += (size_t)n;
			continue;
		}
		state = write_failed(chardev);
		if (state == 1)
			break;
		return state == 0 || done ? (ssize_t)done : -1;
	}
	return (ssize_t)len;
}

/* --- opening ---------------------------------------------------------------------------------- */

static int open_stdio(struct chardev *chardev, const char *option, struct report *report)
{
	if (stdio_owner)
		return report_fail(report, REPORT_USER,
				   "%s stdio: standard input and output are taken by %s", option,
				   stdio_owner->name);
	chardev->in = STDIN_FILENO;
	chardev->out = STDOUT_FILENO;
	stdio_owner = chardev;
	return 0;
}

static int open_file(struct chardev *chardev, const char *option, const char *path,
		     struct report *report)
{
	if (!*path)
		return report_fail(report, REPORT_USER, "%s file=: the path is missing", option);
	chardev->out = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0666);
	if (chardev->out < 0)
		return report_fail(report, REPORT_USER, "%s file=%s: %s", option, path,
				   strerror(errno));
	return 0;
}

/* Only once it was opened and closed does the kernel say that nobody has a pty open. */
static int hang_up(const char *name)
{
	int fd = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);

	return fd < 0 ? -1 : close(fd);
}

static int open_pty(struct chardev *chardev, const char *option, struct report *report)
{
	char name[64];
	int fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);

	chardev->pty = true;
	chardev->in = fd;
	chardev->out = fd;
	if (fd < 0 || grantpt(fd) || unlockpt(fd) || ptsname_r(fd, name, sizeof(name)) ||
	    hang_up(name))
		return report_fail(report, REPORT_HOST, "%s pty: %s", option, strerror(errno));
	fprintf(stderr, "vmm: %s: %s\n", option, name);
	return 0;
}

int chardev_open(const char *option, const char *spec, struct loop *loop, struct chardev **out,
		 struct report *report)
{
	struct chardev *chardev = calloc(1, sizeof(*chardev));
	int err;

	if (!chardev)
		return report_fail(report, REPORT_HOST, "%s %s: out of memory", option, spec);
	chardev->loop = loop;
	snprintf(chardev->name, sizeof(chardev->name), "%s", option);
	chardev->in = -1;
	chardev->out = -1;
	chardev->out_watched = -1;
	chardev->wake = -1;
	if (!strcmp(spec, "stdio"))
		err = open_stdio(chardev, option, report);
	else if (!strcmp(spec, "null"))
		err = 0;
	else if (!strncmp(spec, "file=", 5))
		err = open_file(chardev, option, spec + 5, report);
	else if (!strcmp(spec, "pty"))
		err = open_pty(chardev, option, report);
	else
		err = report_fail(report, REPORT_USER,
				  "%s %s: not a backend; there are stdio, null, file=PATH and pty",
				  option, spec);
	if (err) {
		chardev_close(chardev);
		return -1;
	}
	*out = chardev;
	return 0;
}

void chardev_close(struct chardev *chardev)
{
	if (!chardev)
		return;
	loop_remove(chardev->in_watch);
	loop_remove(chardev->wake_watch);
	loop_remove(chardev->out_watch);
	if (chardev->wake >= 0)
		close(chardev->wake);
	if (chardev->out_watched >= 0 && chardev->out_watched != chardev->out)
		close(chardev->out_watched);
	if (chardev == stdio_owner)
		stdio_owner = NULL;
	else if (chardev->out >= 0)
		close(chardev->out);
	free(chardev);
}
