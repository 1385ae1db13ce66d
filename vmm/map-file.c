/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * A map in a file, which is there as a whole or not at all: it is written beside its place and then
 * renamed. And --map, which wants one as the machine starts.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "devices/try-path.h"
#include "vmm/map-impl.h"

static const struct form {
	const char *suffix;
	int (*write)(const struct map *map, FILE *out);
} forms[] = {
	{".svg", map_write_svg},
	{".json", map_write_json},
	{.suffix = NULL},
};

static const struct form *form_of(const char *path)
{
	size_t len = strlen(path);

	for (const struct form *form = forms; form->suffix; form++) {
		size_t n = strlen(form->suffix);

		if (len > n && strcmp(path + len - n, form->suffix) == 0)
			return form;
	}
	return NULL;
}

int map_check_path(const char *path, struct report *report)
{
	if (!form_of(path))
		return report_fail(report, REPORT_USER,
				   "--map=%s: must end in .svg, for a picture, or in .json", path);
	return 0;
}

static int failed(const char *path, int err, struct report *report)
{
	return report_fail(report, report_whose(err), "--map=%s: %s", path, strerror(err));
}

/* All that can be told about the place before anything is written. */
static int check_place(const char *path, struct report *report)
{
	struct stat st;

	if (stat(path, &st))
		return 0;
	if (S_ISDIR(st.st_mode))
		return failed(path, EISDIR, report);
	if (!S_ISREG(st.st_mode))
		return report_fail(report, REPORT_USER, "--map=%s: is there and not a regular file",
				   path);
	return access(path, W_OK) ? failed(path, errno, report) : 0;
}

/* 0 or an error number. */
static int write_to(const struct map *map, const struct form *form, int fd)
{
	FILE *out = fdopen(fd, "w");
	int err;

	if (!out) {
		err = errno;
		close(fd);
		return err;
	}
	errno = 0;
	err = form->write(map, out) ? (errno ? errno : ENOMEM) : 0;
	/* What was held back may not fit either. */
	if (fclose(out) && !err)
		err = errno;
	return err;
}

/* Where it is written before it has its name: to be freed, or NULL and errno. */
static char *name_temporary(const char *path)
{
	char *temporary;

	return asprintf(&temporary, "%s.%d", path, getpid()) < 0 ? NULL : temporary;
}

int map_try(const struct options *options, struct report *report)
{
	const char *path = options->map_file;
	char *temporary;
	int err = 0;

	if (!path)
		return 0;
	if (check_place(path, report))
		return -1;
	temporary = name_temporary(path);
	if (!temporary || try_make(temporary))
		err = failed(path, errno, report);
	free(temporary);
	return err;
}

int map_write_file(const struct map *map, const char *path, struct report *report)
{
	char *temporary;
	int fd, err;

	if (map_check_path(path, report) || check_place(path, report))
		return -1;
	temporary = name_temporary(path);
	if (!temporary)
		return report_fail(report, REPORT_HOST, "out of memory");
	fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	err = fd < 0 ? errno : write_to(map, form_of(path), fd);
	if (!err && rename(temporary, path))
		err = errno;
	if (err && fd >= 0)
		unlink(temporary);
	free(temporary);
	if (err && fd < 0)
		return failed(path, err, report);
	/* The name is right, then: there is no room for what is in it. */
	return err ? report_fail(report, REPORT_HOST, "--map=%s: %s", path, strerror(err)) : 0;
}

int map_show(const struct options *options, const struct machine *machine, struct report *report)
{
	struct map map;
	int err = 0;

	if (!options->map)
		return 0;
	err = map_collect(&map, machine, report);
	if (!err && options->map_file)
		err = map_write_file(&map, options->map_file, report);
	else if (!err && map_write_text(&map, stderr))
		err = report_fail(report, REPORT_HOST, "--map: out of memory");
	map_clear(&map);
	return err;
}
