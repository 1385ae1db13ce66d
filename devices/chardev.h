/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * A character device backend: where a serial port's or console port's bytes go and come from.
 *
 *	stdio		standard input and output (one user only)
 *	null		output vanishes, no input
 *	file=PATH	output goes to PATH (created, or emptied by chardev_begin()), no input
 *	pty		a new pseudo-terminal; its name is printed on standard error
 *	socket=PATH	listens at PATH for one client at a time, the next when it has gone
 *	connect=PATH	connects to who listens at PATH; its end is the end of both directions
 *	pipe=PATH	input from the FIFO PATH.in, output to PATH.out; made if they are missing
 *
 * A file of file=, socket= or pipe= has one user: opening it once more is refused. Where other ends
 * come and go (pty, socket=, pipe=), what is sent while there is none is lost, as on a line that
 * nobody listens to. Sockets and FIFOs that were made are removed at the end.
 *
 * Raw terminal mode and the Ctrl-A escape belong to whoever runs the terminal: see
 * chardev_set_filter().
 */
#ifndef DEVICES_CHARDEV_H
#define DEVICES_CHARDEV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "devices/loop.h"
#include "devices/report.h"

struct chardev;

/*
 * Who receives input; called on the loop's thread, never from inside chardev_resume() or
 * chardev_write(), so that a handler may take the lock under which it calls these.
 */
struct chardev_handler {
	size_t (*room)(void *arg); /* bytes that can be taken now; 0 pauses input */
	void (*receive)(void *arg, const uint8_t *data, size_t len); /* len <= room() */
	void *arg;
	/* NULL: not interested. */
	void (*writable)(void *arg);                 /* a write that came short can go on */
	void (*connected)(void *arg, bool somebody); /* the other end came or went */
	void (*resized)(void *arg, uint16_t cols, uint16_t rows); /* it is such a terminal now */
};

/*
 * Open the backend @spec (see above). @option is the option's name, for messages. Regular files
 * and other descriptors that epoll refuses are read as if always ready. Returns 0 or -1 (@report).
 */
int chardev_open(const char *option, const char *spec, struct loop *loop, struct chardev **out,
		 struct report *report);
void chardev_close(struct chardev *chardev);

/*
 * Whether @spec could be opened, too, as far as can be told without making or connecting anything.
 * 0 or -1 (@report).
 */
int chardev_check(const char *option, const char *spec, struct report *report);

/*
 * All that the user can get wrong is right, and the guest is about to run: files of file=, which
 * opening left as they were, are emptied, and stay. Set-up.
 */
void chardev_begin(void);

/*
 * Start delivering input. The handler's storage is copied. Before this returns connected() is
 * called if somebody is there, and resized() if it is a terminal.
 */
void chardev_set_handler(struct chardev *chardev, const struct chardev_handler *handler);

/* There is room again after room() returned 0. Any thread. */
void chardev_resume(struct chardev *chardev);

/*
 * Write up to @len bytes; returns how many were taken, 0 if the other end is not ready (never
 * blocks for a pty; a terminal or file on stdio may block), -1 if it is gone. After fewer than @len
 * the handler's writable() is called once when the other end is ready again, or gone. Any thread,
 * but one at a time for one chardev.
 */
ssize_t chardev_write(struct chardev *chardev, const void *data, size_t len);

/* The same for several pieces, in one system call if it takes them all. @iov is used up. */
ssize_t chardev_writev(struct chardev *chardev, struct iovec *iov, int count);

/* The chardev on standard input and output, or NULL. */
struct chardev *chardev_stdio(void);

/* Its terminal may have another size: the handler will know. Any thread, async-signal-safe. */
void chardev_winch(struct chardev *chardev);

/*
 * Let @filter see (and shorten, in place) input before the handler: returns the bytes kept. For the
 * terminal's escape sequences. It sees all input, also what the handler has no room for: beyond a
 * buffer of 16 KiB that is then lost instead of waiting at its source. Before the loop runs.
 */
void chardev_set_filter(struct chardev *chardev,
			size_t (*filter)(void *arg, uint8_t *data, size_t len), void *arg);

/*
 * Somebody at the stream socket @fd sees what the guest prints from here on, and what he says is
 * input, both beside the other end there is. One at a time. @fd is the chardev's from here on, and
 * closed when he has gone, or when CHARDEV_ROOM bytes wait to be read by him. @out is sent first,
 * @in has come from him already. The loop's thread. 0, or -1 and errno; EBUSY: there is somebody.
 */
#define CHARDEV_ROOM (256 << 10)
int chardev_attach(struct chardev *chardev, int fd, const void *out, size_t out_len, const void *in,
		   size_t in_len);
bool chardev_is_attached(const struct chardev *chardev);

/*
 * Who wants to know what guests print, wherever it goes. opened() is called for each chardev opened
 * from here on and returns what printed() (any thread, one at a time for one chardev) and closed()
 * are called with, or NULL without memory.
 */
struct chardev_observer {
	void *(*opened)(void *arg);
	void (*printed)(void *stream, const void *data, size_t len);
	void (*closed)(void *stream);
	void *arg;
};

/* One for the process, copied; NULL: nobody. Set-up. */
void chardev_observe(const struct chardev_observer *observer);

/* For who writes to a chardev: the guest printed this; and whether anybody wants to know. */
void chardev_printed(struct chardev *chardev, const void *data, size_t len);
bool chardev_is_observed(const struct chardev *chardev);

#endif
