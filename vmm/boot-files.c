/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Who asks for a file gets a copy of a descriptor: all reading is at offsets (pread). */
#include "vmm/boot-files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int keep(struct boot_files *files, const char *path, int fd)
{
	struct boot_file *list = realloc(files->list, (files->count + 1) * sizeof(*list));
	int kept;

	if (!list)
		return -1;
	files->list = list;
	kept = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (kept < 0)
		return -1;
	list[files->count++] = (struct boot_file){path, kept};
	return 0;
}

int boot_files_open(struct boot_files *files, const char *path)
{
	int fd;

	for (size_t i = 0; files && i < files->count; i++) {
		if (strcmp(files->list[i].path, path) == 0)
			return fcntl(files->list[i].fd, F_DUPFD_CLOEXEC, 0);
	}
	/* O_NONBLOCK: a FIFO must not hang us; regular files do not care. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd >= 0 && files && keep(files, path, fd)) {
		int err = errno;

		close(fd);
		errno = err;
		return -1;
	}
	return fd;
}

void boot_files_clear(struct boot_files *files)
{
	while (files->count)
		close(files->list[--files->count].fd);
	free(files->list);
	files->list = NULL;
}
