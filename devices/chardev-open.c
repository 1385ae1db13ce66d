/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The kinds of character devices by name, and their end. Those whose other end is a program that
 * comes and goes are opened in chardev-link.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "devices/chardev-impl.h"
#include "devices/near.h"
#include "devices/try-path.h"

/* Whose standard input and output are; set-up and teardown are one thread's. */
static struct chardev *stdio_owner;

struct chardev *chardev_stdio(void)
{
	return stdio_owner;
}

static int open_stdio(struct chardev *chardev, const char *option, const char *path,
		      struct report *report)
{
	(void)path;
	if (stdio_owner)
		return report_fail(report, REPORT_USER,
				   "%s stdio: standard input and output are taken by %s", option,
				   stdio_owner->name);
	chardev->in = STDIN_FILENO;
	chardev->out = STDOUT_FILENO;
	stdio_owner = chardev;
	return 0;
}

/* --- file= --------------------------------------------------------------------------------------- */

/* Those whose files are still as they were; set-up and teardown. */
static struct chardev *waiting;

/* The file is ours from here on: empty, and it stays when we end. */
static void take_file(struct chardev *chardev)
{
	struct stat st;

	chardev->file_count = 0;
	if (fstat(chardev->out, &st) == 0 && S_ISREG(st.st_mode) && ftruncate(chardev->out, 0))
		device_log(&chardev->log, chardev->name, "cannot empty '%s': %s",
			   chardev->files->path, strerror(errno));
}

void chardev_begin(void)
{
	for (; waiting; waiting = waiting->next_waiting)
		take_file(waiting);
}

static void wait_no_more(struct chardev *chardev)
{
	struct chardev **at = &waiting;

	while (*at && *at != chardev)
		at = &(*at)->next_waiting;
	if (*at)
		*at = chardev->next_waiting;
}

/* What is in it stays until the guest runs, since set-up may still fail elsewhere. */
static int open_file(struct chardev *chardev, const char *option, const char *path,
		     struct report *report)
{
	const int flags = O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY;
	struct stat st;

	chardev->files = calloc(1, sizeof(*chardev->files));
	if (!chardev->files)
		return report_fail(report, REPORT_HOST, "%s: out of memory", option);
	chardev->file_count = 1;
	chardev->out = open(path, flags | O_EXCL, 0666);
	chardev->files->made = chardev->out >= 0;
	if (chardev->out < 0)
		chardev->out = open(path, flags, 0666);
	if (chardev->out < 0 || fstat(chardev->out, &st))
		return report_fail(report, report_whose(errno), "%s file=%s: %s", option, path,
				   strerror(errno));
	snprintf(chardev->files->path, sizeof(chardev->files->path), "%s", path);
	chardev->files->device = st.st_dev;
	chardev->files->inode = st.st_ino;
	chardev->next_waiting = waiting;
	waiting = chardev;
	return 0;
}

/* --- the others ---------------------------------------------------------------------------------- */

/* Only once it was opened and closed does the kernel say that nobody has a pty open. */
static int hang_up(const char *name)
{
	int fd = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);

	return fd < 0 ? -1 : close(fd);
}

static int open_pty(struct chardev *chardev, const char *option, const char *path,
		    struct report *report)
{
	char name[64];
	int fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);

	(void)path;
	chardev->may_leave = true;
	chardev->pty = true;
	chardev->in = fd;
	chardev->out = fd;
	if (fd < 0 || grantpt(fd) || unlockpt(fd) || ptsname_r(fd, name, sizeof(name)) ||
	    hang_up(name))
		return report_fail(report, REPORT_HOST, "%s pty: %s", option, strerror(errno));
	log_line(LOG_LEVEL_INFO, "%s: %s", option, name);
	return 0;
}

static int open_null(struct chardev *chardev, const char *option, const char *path,
		     struct report *report)
{
	(void)chardev;
	(void)option;
	(void)path;
	(void)report;
	return 0;
}

static int check_stdio(const char *option, const char *path, struct report *report)
{
	static char checked[64];

	(void)path;
	if (*checked)
		return report_fail(report, REPORT_USER,
				   "%s stdio: standard input and output are taken by %s", option,
				   checked);
	snprintf(checked, sizeof(checked), "%s", option);
	return 0;
}

static int check_file(const char *option, const char *path, struct report *report)
{
	if (try_write(path))
		return report_fail(report, report_whose(errno), "%s file=%s: %s", option, path,
				   strerror(errno));
	return 0;
}

static const struct kind {
	const char *word;    /* with '=' at its end: a path follows */
	const char *ends[2]; /* of the paths that are its own, or NULL */
	int (*open)(struct chardev *chardev, const char *option, const char *path,
		    struct report *report);
	int (*check)(const char *option, const char *path, struct report *report);
} kinds[] = {
	{"stdio", {NULL}, open_stdio, check_stdio},
	{"null", {NULL}, open_null, NULL},
	{"pty", {NULL}, open_pty, NULL},
	{"file=", {""}, open_file, check_file},
	{"socket=", {""}, chardev_open_socket, chardev_check_socket},
	{"connect=", {NULL}, chardev_open_connect, chardev_check_connect},
	{"pipe=", {".in", ".out"}, chardev_open_pipe, chardev_check_pipe},
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

/* The kind of @spec and the path that follows; NULL (@report). */
static const struct kind *find_kind(const char *option, const char *spec, const char **path,
				    struct report *report)
{
	struct near near = {.text = spec};

	for (size_t i = 0; i < KINDS; i++) {
		size_t len = strlen(kinds[i].word);
		bool takes_path = kinds[i].word[len - 1] == '=';

		near_try(&near, kinds[i].word);
		if (strncmp(spec, kinds[i].word, len) != 0 || (!takes_path && spec[len]))
			continue;
		*path = spec + len;
		if (!takes_path || **path)
			return &kinds[i];
		report_fail(report, REPORT_USER, "%s %s: the path is missing", option, spec);
		return NULL;
	}
	if (near.best)
		report_fail(report, REPORT_USER, "%s %s: not a backend; did you mean %s%s?", option,
			    spec, near.best, strchr(near.best, '=') ? "PATH" : "");
	else
		report_fail(report, REPORT_USER,
			    "%s %s: not a backend; there are stdio, null, pty, file=PATH, "
			    "socket=PATH, connect=PATH and pipe=PATH",
			    option, spec);
	return NULL;
}

/* What nobody else may have; @owner is NULL if it is only checked. */
static int claim_files(const struct kind *kind, const struct chardev *owner, const char *option,
		       const char *spec, const char *path, struct report *report)
{
	int err = 0;

	for (size_t i = 0; i < 2 && kind->ends[i] && !err; i++) {
		char *file;

		if (asprintf(&file, "%s%s", path, kind->ends[i]) < 0)
			return report_fail(report, REPORT_HOST, "%s %s: out of memory", option, spec);
		err = chardev_claim(owner, option, spec, file, report);
		free(file);
	}
	return err;
}

int chardev_check(const char *option, const char *spec, struct report *report)
{
	const char *path;
	const struct kind *kind = find_kind(option, spec, &path, report);

	if (!kind || claim_files(kind, NULL, option, spec, path, report))
		return -1;
	return kind->check ? kind->check(option, path, report) : 0;
}

/* --- the observer -------------------------------------------------------------------------------- */

static struct chardev_observer observer; /* set-up */

void chardev_observe(const struct chardev_observer *who)
{
	observer = who ? *who : (struct chardev_observer){0};
}

bool chardev_is_observed(const struct chardev *chardev)
{
	return chardev->stream || chardev_is_attached(chardev);
}

void chardev_printed(struct chardev *chardev, const void *data, size_t len)
{
	if (chardev->stream)
		observer.printed(chardev->stream, data, len);
	chardev_tap_put(chardev, data, len);
}

int chardev_open(const char *option, const char *spec, struct loop *loop, struct chardev **out,
		 struct report *report)
{
	const char *path;
	const struct kind *kind = find_kind(option, spec, &path, report);
	struct chardev *chardev = kind ? calloc(1, sizeof(*chardev)) : NULL;

	if (!kind)
		return -1;
	if (!chardev)
		return report_fail(report, REPORT_HOST, "%s %s: out of memory", option, spec);
	chardev->loop = loop;
	snprintf(chardev->name, sizeof(chardev->name), "%s", option);
	if (observer.opened && !(chardev->stream = observer.opened(observer.arg))) {
		free(chardev);
		return report_fail(report, REPORT_HOST, "%s %s: out of memory", option, spec);
	}
	pthread_mutex_init(&chardev->lock, NULL);
	chardev->in = -1;
	chardev->out = -1;
	chardev->out_watched = -1;
	chardev->wake = -1;
	if (claim_files(kind, chardev, option, spec, path, report) ||
	    kind->open(chardev, option, path, report)) {
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
	chardev_tap_close(chardev);
	wait_no_more(chardev);
	loop_remove(chardev->in_watch);
	loop_remove(chardev->wake_watch);
	loop_remove(chardev->out_watch);
	loop_remove(chardev->listen_watch);
	if (chardev->wake >= 0)
		close(chardev->wake);
	if (chardev->out_watched >= 0 && chardev->out_watched != chardev->out)
		close(chardev->out_watched);
	if (chardev == stdio_owner) {
		stdio_owner = NULL;
	} else {
		if (chardev->in >= 0 && chardev->in != chardev->out)
			close(chardev->in);
		if (chardev->out >= 0)
			close(chardev->out);
	}
	if (chardev->stream)
		observer.closed(chardev->stream);
	chardev_unlink(chardev);
	chardev_disclaim(chardev);
	pthread_mutex_destroy(&chardev->lock);
	free(chardev);
}
