/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The files a guest is loaded from, kept open: a restart loads them again, and opens nothing by
 * then (jail.h). A file that was replaced meanwhile is the one it was.
 */
#ifndef VMM_BOOT_FILES_H
#define VMM_BOOT_FILES_H

#include <stddef.h>

struct boot_file {
	const char *path; /* the caller's */
	int fd;
};

struct boot_files {
	struct boot_file *list;
	size_t count;
};

/*
 * A descriptor of its own to read @path with, or -1 and errno. @files may be NULL: the file is
 * opened anew whenever it is wanted.
 */
int boot_files_open(struct boot_files *files, const char *path);
void boot_files_clear(struct boot_files *files);

#endif
