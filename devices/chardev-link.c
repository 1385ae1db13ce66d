/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Character devices whose other end is a program that comes and goes: the client of a UNIX socket,
 * the server of one, the readers and writers of two FIFOs. Clients are accepted and let go on the
 * loop's thread; the writer may be another, so that both take the lock.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "devices/chardev-impl.h"
#include "devices/confine.h"
#include "devices/try-path.h"

/* --- sockets ---------------------------------------------------------------------------------- */

static void client_came(void *arg, uint32_t events)
{
	struct chardev *chardev = arg;
	int fd;

	(void)events;
	if (chardev->in >= 0)
		return;
	fd = unix_accept(chardev->listener);
	if (fd < 0) {
		/* It left again, or there are no descriptors: notice who comes next, once each. */
		loop_modify(chardev->listen_watch, EPOLLIN | EPOLLET);
		return;
	}
	pthread_mutex_lock(&chardev->lock);
	chardev->out = fd;
	chardev->in = fd;
	pthread_mutex_unlock(&chardev->lock);
	if (chardev->handler.connected)
		chardev->handler.connected(chardev->handler.arg, true);
	chardev_start_input(chardev);
	if (!chardev->in_watch)
		chardev_hang_up(chardev);
}

/* For one client: while it is there, others wait in the socket's queue. */
void chardev_listen(struct chardev *chardev)
{
	uint32_t events = EPOLLIN | EPOLLONESHOT;

	if (!chardev->listener)
		return;
	if (chardev->listen_watch)
		loop_modify(chardev->listen_watch, events);
	else
		chardev->listen_watch =
			loop_add(chardev->loop, chardev->listener->fd, events, client_came, chardev);
	if (!chardev->listen_watch)
		device_log(&chardev->log, chardev->name, "no clients: %s", strerror(errno));
}

void chardev_hang_up(struct chardev *chardev)
{
	bool was_gone;

	pthread_mutex_lock(&chardev->lock);
	was_gone = chardev->gone;
	loop_remove(chardev->out_watch);
	chardev->out_watch = NULL;
	if (chardev->out_watched >= 0)
		close(chardev->out_watched);
	chardev->out_watched = -1;
	close(chardev->out);
	chardev->out = -1;
	chardev->in = -1;
	chardev->gone = !chardev->listener;
	pthread_mutex_unlock(&chardev->lock);
	/* Who was writing when it went has said so. */
	if (!chardev->listener && !was_gone)
		device_log(&chardev->log, chardev->name, "the other end has closed the connection");
	if (chardev->handler.connected && !chardev_is_attached(chardev))
		chardev->handler.connected(chardev->handler.arg, false);
	/* Who waits for the client waits no more. */
	if (chardev->handler.writable)
		chardev->handler.writable(chardev->handler.arg);
	chardev_listen(chardev);
}

int chardev_open_socket(struct chardev *chardev, const char *option, const char *path,
			struct report *report)
{
	struct unix_listener *listener = malloc(sizeof(*listener));

	if (!listener)
		return report_fail(report, REPORT_HOST, "%s: out of memory", option);
	if (unix_listen(option, path, UNIX_PATH_LIMIT, listener, report)) {
		free(listener);
		return -1;
	}
	chardev->socket = true;
	chardev->may_leave = true;
	chardev->listener = listener;
	return 0;
}

static int check_length(const char *option, const char *path, struct report *report)
{
	if (strlen(path) <= UNIX_PATH_LIMIT)
		return 0;
	return report_fail(report, REPORT_USER,
			   "%s: '%s' has %zu bytes; the path of a socket has at most %zu", option,
			   path, strlen(path), UNIX_PATH_LIMIT);
}

static int cannot_connect(const char *option, const char *path, struct report *report)
{
	return report_fail(report, report_whose(errno), "%s: cannot connect to '%s': %s", option,
			   path, strerror(errno));
}

int chardev_check_socket(const char *option, const char *path, struct report *report)
{
	return unix_try_listen(option, path, UNIX_PATH_LIMIT, report);
}

/* Somebody may begin to listen only later; what is no socket will not. */
int chardev_check_connect(const char *option, const char *path, struct report *report)
{
	struct stat st;

	if (check_length(option, path, report))
		return -1;
	if (stat(path, &st) == 0 && !S_ISSOCK(st.st_mode))
		errno = ENOTSOCK;
	else if (access(path, W_OK) == 0)
		return 0;
	return cannot_connect(option, path, report);
}

int chardev_open_connect(struct chardev *chardev, const char *option, const char *path,
			 struct report *report)
{
	int fd;

	if (check_length(option, path, report))
		return -1;
	fd = unix_connect(path);
	if (fd < 0)
		return cannot_connect(option, path, report);
	chardev->socket = true;
	chardev->in = fd;
	chardev->out = fd;
	return 0;
}

/* --- FIFOs ------------------------------------------------------------------------------------ */

/* Whether @fifo can be used or made. */
static int check_fifo(const struct chardev_file *fifo, const char *option, struct report *report)
{
	struct stat st;

	if (stat(fifo->path, &st) == 0 && !S_ISFIFO(st.st_mode))
		return report_fail(report, REPORT_USER, "%s: '%s' exists and is not a FIFO", option,
				   fifo->path);
	return 0;
}

static int cannot_make_fifo(const struct chardev_file *fifo, const char *option, struct report *report)
{
	return report_fail(report, report_whose(errno), "%s: cannot create the FIFO '%s': %s",
			   option, fifo->path, strerror(errno));
}

static int make_fifo(struct chardev_file *fifo, const char *option, struct report *report)
{
	struct stat st;

	if (mkfifo(fifo->path, 0600)) {
		if (errno == EEXIST)
			return 0;
		return cannot_make_fifo(fifo, option, report);
	}
	fifo->made = true;
	if (lstat(fifo->path, &st))
		return report_fail(report, REPORT_HOST, "%s: '%s': %s", option, fifo->path,
				   strerror(errno));
	confine_will_unlink(fifo->path);
	fifo->device = st.st_dev;
	fifo->inode = st.st_ino;
	return 0;
}

/*
 * PATH.in is open for writing too, so that its end is never reached. PATH.out is not open for
 * reading, so that it is known when nobody reads; but without a reader it cannot be opened.
 */
static int open_fifos(struct chardev *chardev)
{
	const int flags = O_CLOEXEC | O_NONBLOCK;
	const struct chardev_file *fifos = chardev->files;
	int reader = open(fifos[1].path, O_RDONLY | flags);

	if (reader < 0)
		return -1;
	chardev->out = open(fifos[1].path, O_WRONLY | flags);
	close(reader);
	if (chardev->out >= 0)
		chardev->in = open(fifos[0].path, O_RDWR | flags);
	return chardev->in < 0 ? -1 : 0;
}

/* The names of the two FIFOs, if they may be some. */
static int name_fifos(struct chardev_file fifos[2], const char *option, const char *path,
		      struct report *report)
{
	static const char *const ends[] = {"in", "out"};

	if (strlen(path) + sizeof(".out") > PATH_MAX)
		return report_fail(report, REPORT_USER, "%s pipe=%s: %s", option, path,
				   strerror(ENAMETOOLONG));
	for (int i = 0; i < 2; i++) {
		snprintf(fifos[i].path, PATH_MAX, "%s.%s", path, ends[i]);
		if (check_fifo(&fifos[i], option, report))
			return -1;
	}
	return 0;
}

int chardev_check_pipe(const char *option, const char *path, struct report *report)
{
	struct chardev_file *fifos = calloc(2, sizeof(*fifos));
	int err;

	if (!fifos)
		return report_fail(report, REPORT_HOST, "%s: out of memory", option);
	err = name_fifos(fifos, option, path, report);
	for (int i = 0; i < 2 && !err; i++) {
		if (try_write(fifos[i].path))
			err = cannot_make_fifo(&fifos[i], option, report);
	}
	free(fifos);
	return err;
}

int chardev_open_pipe(struct chardev *chardev, const char *option, const char *path,
		      struct report *report)
{
	chardev->files = calloc(2, sizeof(*chardev->files));
	if (!chardev->files)
		return report_fail(report, REPORT_HOST, "%s: out of memory", option);
	chardev->file_count = 2;
	chardev->may_leave = true;
	if (name_fifos(chardev->files, option, path, report))
		return -1;
	for (int i = 0; i < 2; i++) {
		if (make_fifo(&chardev->files[i], option, report))
			return -1;
	}
	if (open_fifos(chardev))
		return report_fail(report, report_whose(errno), "%s pipe=%s: %s", option, path,
				   strerror(errno));
	return 0;
}

/* --- the end ---------------------------------------------------------------------------------- */

void chardev_unlink(struct chardev *chardev)
{
	struct stat st;

	for (unsigned int i = 0; i < chardev->file_count; i++) {
		const struct chardev_file *file = &chardev->files[i];

		if (file->made && lstat(file->path, &st) == 0 && st.st_dev == file->device &&
		    st.st_ino == file->inode)
			unlink(file->path);
	}
	free(chardev->files);
	if (chardev->listener)
		unix_unlisten(chardev->listener);
	free(chardev->listener);
}
