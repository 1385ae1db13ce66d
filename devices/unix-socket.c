/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * UNIX sockets with addresses in the file system: what may be wrong with a path is found and named
 * here, before a guest runs.
 */
#include "devices/unix-socket.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "devices/confine.h"
#include "devices/try-path.h"

/* Host programs that may wait to be accepted. */
#define BACKLOG 128

static int new_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

static struct sockaddr_un address(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	return addr;
}

int unix_connect(const char *path)
{
	struct sockaddr_un addr = address(path);
	int fd = new_socket();

	if (fd < 0)
		return -1;
	if (connect(fd, (const struct sockaddr *)&addr, sizeof(addr))) {
		int err = errno;

		close(fd);
		errno = err;
		return -1;
	}
	return fd;
}

static int not_replaced(const char *option, const char *path, struct report *report)
{
	return report_fail(report, REPORT_USER,
			   "%s: '%s' exists and is not a socket; it is not replaced", option, path);
}

/* What is at @path goes if it is a socket without a listener, and is refused otherwise. */
static int make_way(const char *option, const char *path, struct report *report)
{
	struct stat st;
	int fd;

	if (lstat(path, &st))
		return 0;
	if (!S_ISSOCK(st.st_mode))
		return not_replaced(option, path, report);
	fd = unix_connect(path);
	if (fd >= 0)
		close(fd);
	/* EAGAIN: somebody listens who has more connections waiting than he wants. */
	if (fd >= 0 || errno == EAGAIN)
		return report_fail(report, REPORT_USER,
				   "%s: '%s' is in use: another process listens there", option, path);
	if (errno != ECONNREFUSED || unlink(path))
		return report_fail(report, report_whose(errno),
				   "%s: cannot replace the socket '%s': %s", option, path,
				   strerror(errno));
	return 0;
}

static int check_path(const char *option, const char *path, size_t path_max, struct report *report)
{
	if (!*path)
		return report_fail(report, REPORT_USER, "%s: the path of the socket is missing",
				   option);
	if (strlen(path) <= path_max)
		return 0;
	return report_fail(report, REPORT_USER,
			   "%s: '%s' has %zu bytes; the path of a socket has at most %zu", option,
			   path, strlen(path), path_max);
}

int unix_try_listen(const char *option, const char *path, size_t path_max, struct report *report)
{
	struct stat st;

	if (check_path(option, path, path_max, report))
		return -1;
	if (lstat(path, &st) == 0 && !S_ISSOCK(st.st_mode))
		return not_replaced(option, path, report);
	if (try_make(path) && errno != EEXIST)
		return report_fail(report, report_whose(errno),
				   "%s: cannot create the socket '%s': %s", option, path,
				   strerror(errno));
	return 0;
}

int unix_listen(const char *option, const char *path, size_t path_max,
		struct unix_listener *listener, struct report *report)
{
	struct sockaddr_un addr;
	struct stat st;

	if (check_path(option, path, path_max, report))
		return -1;
	if (make_way(option, path, report))
		return -1;
	snprintf(listener->path, sizeof(listener->path), "%s", path);
	addr = address(path);
	listener->fd = new_socket();
	if (listener->fd < 0)
		return report_fail(report, REPORT_HOST, "%s: cannot make a socket: %s", option,
				   strerror(errno));
	/* Before bind(), so that there is no moment at which others could connect. */
	if (fchmod(listener->fd, 0600) ||
	    bind(listener->fd, (const struct sockaddr *)&addr, sizeof(addr))) {
		report_fail(report, report_whose(errno), "%s: cannot create the socket '%s': %s",
			    option, path, strerror(errno));
		close(listener->fd);
		return -1;
	}
	if (lstat(path, &st) || listen(listener->fd, BACKLOG)) {
		report_fail(report, REPORT_HOST, "%s: cannot listen at '%s': %s", option, path,
			    strerror(errno));
		close(listener->fd);
		unlink(path);
		return -1;
	}
	confine_will_unlink(path);
	listener->device = st.st_dev;
	listener->inode = st.st_ino;
	return 0;
}

void unix_unlisten(struct unix_listener *listener)
{
	struct stat st;

	if (lstat(listener->path, &st) == 0 && st.st_dev == listener->device &&
	    st.st_ino == listener->inode)
		unlink(listener->path);
	close(listener->fd);
}

int unix_accept(const struct unix_listener *listener)
{
	return accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
}
