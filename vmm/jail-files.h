/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* What of the file system, and of the descriptors, is left to the process. */
#ifndef VMM_JAIL_FILES_H
#define VMM_JAIL_FILES_H

#include <stdbool.h>

#include "vmm/jail.h"

/* Landlock's version, or 0: the host has none. */
int jail_landlock_version(void);

/* Files may be removed where @path is. */
void jail_will_unlink(const char *path);

/* Forget what jail_will_unlink() has noted. */
void jail_forget_files(void);

/*
 * Let the calling thread, and what it starts, open nothing, but for what @role needs: 0, or -1 and
 * errno.
 */
int jail_restrict_files(enum jail_role role);

/* Close what came through exec() and was not taken: 0, or -1 and errno. */
int jail_close_inherited(void);

#endif
