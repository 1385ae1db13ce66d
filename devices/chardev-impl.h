/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * What a character device is made of, for the files that are it: chardev.c moves bytes,
 * chardev-open.c makes and ends the kinds of it, chardev-link.c those whose other end comes and
 * goes.
 */
#ifndef DEVICES_CHARDEV_IMPL_H
#define DEVICES_CHARDEV_IMPL_H

#include <limits.h>
#include <pthread.h>

#include "devices/chardev.h"
#include "devices/unix-socket.h"

#define BUFFER_SIZE 16384

/* A file in the file system, and whether it was made here. */
struct chardev_file {
	char path[PATH_MAX];
	bool made;
	dev_t device; /* which file it is, so that no other is removed at the end */
	ino_t inode;
};

/*
 * Option, filter and what kind it is are constant once the loop runs. Fields marked L are touched
 * with the lock held, by the writer (one thread at a time) and by the loop's thread, on which
 * clients come and go; all others are the loop thread's.
 */
struct chardev {
	struct loop *loop;
	char name[64]; /* for messages */
	int in;        /* -1: no input */
	int wake;      /* eventfd */
	bool pty;
	bool socket;    /* of either kind */
	bool may_leave; /* the other end comes and goes: what nobody hears is lost */
	struct unix_listener *listener; /* socket=, or NULL */
	struct chardev_file *files;     /* pipe=: in and out; file=: until it is emptied; or NULL */
	unsigned int file_count;
	struct chardev *next_waiting; /* whose file is to be emptied, too; set-up */

	pthread_mutex_t lock;
	int out;         /* L: -1: output vanishes */
	int out_watched; /* L: out, or a duplicate if it is in too: epoll takes a descriptor once */
	struct loop_watch *out_watch; /* L */
	bool gone;                    /* L: nothing can be written any more */
	struct chardev_tap *tap; /* L: somebody beside, or NULL; changes on the loop's thread */

	struct chardev_handler handler;
	size_t (*filter)(void *arg, uint8_t *data, size_t len);
	void *filter_arg;
	void *stream; /* of the observer, or NULL; constant */

	struct loop_watch *in_watch;
	struct loop_watch *wake_watch;
	struct loop_watch *listen_watch;
	bool always_ready; /* in is a file: wake stands in for it */
	bool idle;         /* the source is not asked: the buffer is full */
	bool paused;       /* atomic: resume() has to ring */
	bool winch;        /* atomic: the terminal's size may have changed */
	struct log_limit log;

	size_t start, len; /* of what is in the buffer */
	uint8_t buffer[BUFFER_SIZE];
};

/* Give the handler what it has room for. */
void chardev_deliver(struct chardev *chardev);

/* Put up to BUFFER_SIZE bytes of input together: how many there is room for, and where. */
size_t chardev_space(struct chardev *chardev, uint8_t **at);

/* Have an eventfd to be rung by; false if there is none. */
bool chardev_start_wake(struct chardev *chardev);

/* --- chardev-claim.c --- */

/*
 * The file @path of @spec is @owner's (NULL: whose who only checks, for ever) and nobody else's.
 * 0, or -1 if somebody has it (@report). Set-up.
 */
int chardev_claim(const struct chardev *owner, const char *option, const char *spec,
		  const char *path, struct report *report);
/* What was @owner's is nobody's. */
void chardev_disclaim(const struct chardev *owner);

/* --- chardev-tap.c --- */

/* The guest printed this; any thread. */
void chardev_tap_put(struct chardev *chardev, const void *data, size_t len);
/* There may be room for input again. */
void chardev_tap_resume(struct chardev *chardev);
void chardev_tap_close(struct chardev *chardev);

/* Take up input from the descriptor @in. */
void chardev_start_input(struct chardev *chardev);

/* The kinds of chardev-link.c; 0 or -1 (@report). */
int chardev_open_socket(struct chardev *chardev, const char *option, const char *path,
			struct report *report);
int chardev_open_connect(struct chardev *chardev, const char *option, const char *path,
			 struct report *report);
int chardev_open_pipe(struct chardev *chardev, const char *option, const char *path,
		      struct report *report);

/* Whether they would; without a change. */
int chardev_check_socket(const char *option, const char *path, struct report *report);
int chardev_check_connect(const char *option, const char *path, struct report *report);
int chardev_check_pipe(const char *option, const char *path, struct report *report);

/* Wait for clients. Without a listener there is nothing to do. */
void chardev_listen(struct chardev *chardev);

/* The client has closed its end. */
void chardev_hang_up(struct chardev *chardev);

/* Remove what was made in the file system, but a file that has come into use. */
void chardev_unlink(struct chardev *chardev);

#endif
