/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Which files are whose: two character devices on one would both empty and write it, or take each
 * other's input. Files are told apart by where they are, so that neither what they are called
 * matters nor whether they are there yet.
 */
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "devices/chardev-impl.h"

struct claim {
	struct claim *next;
	const struct chardev *owner; /* NULL: it was only checked, and stays */
	char option[64];
	char *file;
};

/* Set-up and teardown are one thread's. */
static struct claim *claims;

/* Where @path is, to be freed; NULL without memory. In no directory it is nowhere, and told so later. */
static char *locate(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *real = realpath(path, NULL), *copy, *dir;

	if (real)
		return real;
	copy = strdup(path);
	dir = copy ? realpath(dirname(copy), NULL) : NULL;
	if (copy &&
	    (!dir || asprintf(&real, "%s/%s", dir[1] ? dir : "", slash ? slash + 1 : path) < 0))
		real = dir ? NULL : strdup(path);
	free(dir);
	free(copy);
	return real;
}

static const struct claim *find(const char *file)
{
	const struct claim *claim = claims;

	while (claim && strcmp(claim->file, file) != 0)
		claim = claim->next;
	return claim;
}

/* Of what is neither a file nor a FIFO nor a socket, as a terminal, there may be any number of users. */
static bool is_shared(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISFIFO(st.st_mode) &&
	       !S_ISSOCK(st.st_mode);
}

int chardev_claim(const struct chardev *owner, const char *option, const char *spec,
		  const char *path, struct report *report)
{
	const struct claim *other;
	struct claim *claim;

	if (is_shared(path))
		return 0;
	claim = calloc(1, sizeof(*claim));
	if (!claim || !(claim->file = locate(path))) {
		free(claim);
		return report_fail(report, REPORT_HOST, "%s %s: out of memory", option, spec);
	}
	other = find(claim->file);
	if (other) {
		free(claim->file);
		free(claim);
		return report_fail(report, REPORT_USER,
				   "%s %s: %s has that file already; give each one of its own",
				   option, spec, other->option);
	}
	claim->owner = owner;
	snprintf(claim->option, sizeof(claim->option), "%s", option);
	claim->next = claims;
	claims = claim;
	return 0;
}

void chardev_disclaim(const struct chardev *owner)
{
	for (struct claim **at = &claims, *claim; (claim = *at);) {
		if (claim->owner != owner) {
			at = &claim->next;
			continue;
		}
		*at = claim->next;
		free(claim->file);
		free(claim);
	}
}
