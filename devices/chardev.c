/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Character device backends: one structure for all, since they differ only in where the two
 * descriptors come from. A table of openers, one row each.
 */
#define _XOPEN_SOURCE 700
#include "devices/chardev.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <termios.h>
#include <unistd.h>

#define INPUT_MAX 4096

struct chardev {
	struct loop *loop;
	int in;	 /* -1: no input */
	int out; /* -1: output vanishes */
	bool owned; /* the descriptors are ours to close */
	bool stdio;
	bool blocking_out; /* writing may block: a terminal or file of the user's choice */
	int pty_slave;	   /* kept open, so that the master never sees a hang-up; or -1 */
	int out_dup;	   /* epoll takes a descriptor once, and pty input has it; or -1 */

	struct chardev_handler handler;
	size_t (*filter)(void *arg, uint8_t *data, size_t len);
	void *filter_arg;

	/* Loop thread. Input that epoll cannot watch is announced through the eventfd instead. */
	struct loop_watch *in_watch;
	struct loop_watch *out_watch; /* one-shot, armed by a short write; on out_dup */
	struct loop_watch *kick_watch;
	int kick;	 /* eventfd: chardev_resume(), or input that is always ready */
	bool always_ready; /* in is a file: epoll refuses it */
	bool paused;	 /* atomic: the handler had no room */
	bool eof;
};

static bool stdio_taken;

static int open_stdio(struct chardev *chardev, const char *arg)
{
	(void)arg;
	if (stdio_taken) {
		errno = EBUSY;
		return -1;
	}
	stdio_taken = true;
	chardev->stdio = true;
	chardev->blocking_out = true;
	chardev->in = STDIN_FILENO;
	chardev->out = STDOUT_FILENO;
	return 0;
}

static int open_null(struct chardev *chardev, const char *arg)
{
	(void)chardev;
	(void)arg;
	return 0;
}

static int open_file(struct chardev *chardev, const char *arg)
{
	chardev->owned = true;
	chardev->blocking_out = true;
	chardev->out = open(arg, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0666);
	return chardev->out < 0 ? -1 : 0;
}

static int open_pty(struct chardev *chardev, const char *arg)
{
	struct termios termios;
	char name[128];

	(void)arg;
	chardev->owned = true;
	chardev->in = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	if (chardev->in < 0 || grantpt(chardev->in) || unlockpt(chardev->in) ||
	    ptsname_r(chardev->in, name, sizeof(name)))
		return -1;
	chardev->pty_slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (chardev->pty_slave < 0 || tcgetattr(chardev->pty_slave, &termios))
		return -1;
	cfmakeraw(&termios);
	if (tcsetattr(chardev->pty_slave, TCSANOW, &termios))
		return -1;
	chardev->out = chardev->in;
	fprintf(stderr, "vmm: pty is %s\n", name);
	return 0;
}

static const struct {
	const char *name;
	bool takes_path;
	int (*open)(struct chardev *chardev, const char *arg);
} backends[] = {
	{"stdio", false, open_stdio},
	{"null", false, open_null},
	{"file", true, open_file},
	{"pty", false, open_pty},
};

/* --- input ----------------------------------------------------------------------------------- */

/* Regular files are polled through the eventfd: one turn of the loop for each piece. */
static void kick(struct chardev *chardev)
{
	uint64_t one = 1;

	if (write(chardev->kick, &one, sizeof(one)) < 0)
		return; /* already signalled */
}

static void pause_input(struct chardev *chardev)
{
	__atomic_store_n(&chardev->paused, true, __ATOMIC_SEQ_CST);
	if (chardev->in_watch)
		loop_modify(chardev->in_watch, 0);
	/* Room may have come between asking for it and pausing; chardev_resume() then said nothing. */
	if (chardev->handler.room(chardev->handler.arg))
		chardev_resume(chardev);
}

static void end_input(struct chardev *chardev)
{
	chardev->eof = true;
	loop_remove(chardev->in_watch);
	chardev->in_watch = NULL;
}

static void on_input(void *arg, uint32_t events)
{
	struct chardev *chardev = arg;
	uint8_t data[INPUT_MAX];
	size_t room, len;
	ssize_t n;

	(void)events;
	if (chardev->eof)
		return;
	room = chardev->handler.room(chardev->handler.arg);
	if (room == 0) {
		pause_input(chardev);
		return;
	}
	n = read(chardev->in, data, room < sizeof(data) ? room : sizeof(data));
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	/* A pty nobody has opened yet says EIO; our own slave descriptor prevents that. */
	if (n <= 0) {
		end_input(chardev);
		return;
	}
	len = (size_t)n;
	if (chardev->filter)
		len = chardev->filter(chardev->filter_arg, data, len);
	if (len)
		chardev->handler.receive(chardev->handler.arg, data, len);
	if (chardev->always_ready)
		kick(chardev);
}

static void on_kick(void *arg, uint32_t events)
{
	struct chardev *chardev = arg;
	uint64_t count;

	(void)events;
	if (read(chardev->kick, &count, sizeof(count)) < 0)
		return;
	if (chardev->in_watch)
		loop_modify(chardev->in_watch, EPOLLIN);
	else if (chardev->always_ready && !chardev->eof)
		on_input(chardev, EPOLLIN);
}

void chardev_resume(struct chardev *chardev)
{
	if (__atomic_exchange_n(&chardev->paused, false, __ATOMIC_SEQ_CST))
		kick(chardev);
}

/* --- output ---------------------------------------------------------------------------------- */

static void on_output(void *arg, uint32_t events)
{
	struct chardev *chardev = arg;

	(void)events;
	chardev->handler.writable(chardev->handler.arg);
}

/* The other end is not ready: hear of it when it is. */
static ssize_t came_short(struct chardev *chardev, ssize_t n)
{
	if (chardev->out_watch)
		loop_modify(chardev->out_watch, EPOLLOUT | EPOLLONESHOT);
	return n;
}

ssize_t chardev_write(struct chardev *chardev, const void *data, size_t len)
{
	ssize_t n;

	if (chardev->out < 0)
		return (ssize_t)len;
	for (;;) {
		n = write(chardev->out, data, len);
		if (n >= 0)
			return (size_t)n < len ? came_short(chardev, n) : n;
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return -1;
		if (!chardev->blocking_out)
			return came_short(chardev, 0);
		/* A terminal or pipe that somebody else made non-blocking: wait for it. */
		poll(&(struct pollfd){.fd = chardev->out, .events = POLLOUT}, 1, -1);
	}
}

void chardev_set_handler(struct chardev *chardev, const struct chardev_handler *handler)
{
	chardev->handler = *handler;
	if (handler->writable && chardev->out >= 0) {
		chardev->out_dup = fcntl(chardev->out, F_DUPFD_CLOEXEC, 0);
		if (chardev->out_dup >= 0)
			chardev->out_watch = loop_add(chardev->loop, chardev->out_dup,
						      EPOLLONESHOT, on_output, chardev);
	}
	if (chardev->in < 0)
		return;
	chardev->kick_watch = loop_add(chardev->loop, chardev->kick, EPOLLIN, on_kick, chardev);
	chardev->in_watch = loop_add(chardev->loop, chardev->in, EPOLLIN, on_input, chardev);
	if (!chardev->in_watch && errno == EPERM) {
		chardev->always_ready = true;
		kick(chardev);
	}
}

void chardev_set_filter(struct chardev *chardev,
			size_t (*filter)(void *arg, uint8_t *data, size_t len), void *arg)
{
	chardev->filter = filter;
	chardev->filter_arg = arg;
}

bool chardev_is_stdio(const struct chardev *chardev)
{
	return chardev->stdio;
}

/* --- life ------------------------------------------------------------------------------------ */

int chardev_open(const char *option, const char *spec, struct loop *loop, struct chardev **out,
		 struct report *report)
{
	size_t name_len = strcspn(spec, "="), i = 0;
	const char *arg = spec[name_len] ? spec + name_len + 1 : NULL;
	struct chardev *chardev;

	*out = NULL;
	while (i < sizeof(backends) / sizeof(backends[0]) &&
	       (strlen(backends[i].name) != name_len ||
		strncmp(backends[i].name, spec, name_len) != 0))
		i++;
	if (i == sizeof(backends) / sizeof(backends[0]) || backends[i].takes_path != (arg && *arg))
		return report_fail(report, REPORT_USER,
				   "%s %s: not a backend; these are: stdio, null, file=PATH, pty",
				   option, spec);
	chardev = calloc(1, sizeof(*chardev));
	if (!chardev)
		return report_fail(report, REPORT_HOST, "%s %s: out of memory", option, spec);
	chardev->loop = loop;
	chardev->in = chardev->out = chardev->pty_slave = chardev->out_dup = -1;
	chardev->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (chardev->kick < 0 || backends[i].open(chardev, arg)) {
		int err = errno;

		chardev_close(chardev);
		if (err == EBUSY)
			return report_fail(report, REPORT_USER,
					   "%s %s: standard input and output have a user already",
					   option, spec);
		return report_fail(report, REPORT_USER, "%s %s: cannot open it: %s", option, spec,
				   strerror(err));
	}
	*out = chardev;
	return 0;
}

void chardev_close(struct chardev *chardev)
{
	if (!chardev)
		return;
	loop_remove(chardev->in_watch);
	loop_remove(chardev->out_watch);
	loop_remove(chardev->kick_watch);
	if (chardev->stdio)
		stdio_taken = false;
	if (chardev->owned && chardev->out >= 0 && chardev->out != chardev->in)
		close(chardev->out);
	if (chardev->owned && chardev->in >= 0)
		close(chardev->in);
	if (chardev->pty_slave >= 0)
		close(chardev->pty_slave);
	if (chardev->out_dup >= 0)
		close(chardev->out_dup);
	if (chardev->kick >= 0)
		close(chardev->kick);
	free(chardev);
}
