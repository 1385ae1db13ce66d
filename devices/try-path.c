/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Files that could be made. What may change until somebody makes them, may change. */
#include "devices/try-path.h"

#include <errno.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int try_make(const char *path)
{
	struct stat st;
	char *copy;
	int ret;

	ret = lstat(path, &st);
	if (ret == 0)
		errno = EEXIST;
	if (ret == 0 || errno != ENOENT || !*path)
		return -1;
	copy = strdup(path);
	ret = copy ? access(dirname(copy), W_OK | X_OK) : -1;
	free(copy);
	return ret;
}

int try_write(const char *path)
{
	struct stat st;

	if (stat(path, &st))
		return try_make(path);
	if (S_ISDIR(st.st_mode)) {
		errno = EISDIR;
		return -1;
	}
	if (S_ISSOCK(st.st_mode)) {
		errno = ENXIO;
		return -1;
	}
	return access(path, W_OK);
}
