/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The file system, by Landlock, and descriptors. Everything is handled, so that nothing can be
 * opened, made or removed but below what rules name. Landlock says nothing about connecting to a
 * UNIX socket by its path, which is what a vsock device does.
 *
 * The structure of a rule set is written down here: it grew, and a kernel takes one that is longer
 * than it knows as long as the rest is zero.
 */
#include "vmm/jail-files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define RESOLV_CONF "/etc/resolv.conf"

struct ruleset {
	uint64_t handled_fs;
	uint64_t handled_net; /* from version 4 on */
	uint64_t scoped;      /* from version 6 on */
};

#define NET_TCP             3ULL /* bind() and connect() */
#define SCOPE_ABSTRACT_UNIX 1ULL

/* Rights of the file system by version: all bits up to the highest. */
static const unsigned int fs_rights[] = {0, 13, 14, 15, 15, 16};

static int *directories; /* where files may be removed; set-up, then jail_restrict_files() */
static size_t directory_count;
static int missed; /* why one of them could not be had, or 0 */

int jail_landlock_version(void)
{
	long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	return version > 0 ? (int)version : 0;
}

void jail_will_unlink(const char *path)
{
	const char *slash = strrchr(path, '/');
	char parent[PATH_MAX];
	int *more, fd;

	if (!slash)
		snprintf(parent, sizeof(parent), ".");
	else
		snprintf(parent, sizeof(parent), "%.*s", (int)(slash - path) + 1, path);
	more = realloc(directories, (directory_count + 1) * sizeof(*directories));
	if (more)
		directories = more;
	fd = more ? open(parent, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	/* Without it a file would stay: the jail is not entered. */
	if (fd < 0)
		missed = more ? errno : ENOMEM;
	else
		directories[directory_count++] = fd;
}

void jail_forget_files(void)
{
	while (directory_count)
		close(directories[--directory_count]);
	free(directories);
	directories = NULL;
	missed = 0;
}

static int allow(int ruleset, int fd, uint64_t access)
{
	struct landlock_path_beneath_attr rule = {.allowed_access = access, .parent_fd = fd};

	return (int)syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
}

static int allow_directories(int ruleset)
{
	int err = missed ? -1 : 0;

	errno = missed;
	for (size_t i = 0; i < directory_count && !err; i++)
		err = allow(ruleset, directories[i], LANDLOCK_ACCESS_FS_REMOVE_FILE);
	return err;
}

static int allow_file(int ruleset, const char *path, uint64_t access)
{
	int fd = open(path, O_PATH | O_CLOEXEC), err;

	/* What is not there cannot be read either. */
	if (fd < 0)
		return 0;
	err = allow(ruleset, fd, access);
	close(fd);
	return err;
}

/*
 * The name servers. Who replaces their file does it by a new one of the same name: where it is a
 * link out of /etc, into a directory that holds nothing else, all of that directory can be read.
 */
static int allow_name_servers(int ruleset)
{
	char path[PATH_MAX], *slash;

	if (!realpath(RESOLV_CONF, path))
		return 0;
	slash = strrchr(path, '/');
	if (strncmp(path, "/run/", 5) == 0)
		*slash = '\0';
	return allow_file(ruleset, path, LANDLOCK_ACCESS_FS_READ_FILE);
}

int jail_restrict_files(enum jail_role role)
{
	const size_t known = sizeof(fs_rights) / sizeof(fs_rights[0]) - 1;
	size_t version = (size_t)jail_landlock_version();
	struct ruleset attr = {0};
	int ruleset, err = 0;

	attr.handled_fs = (1ULL << fs_rights[version < known ? version : known]) - 1;
	if (version >= 4 && role != JAIL_NET)
		attr.handled_net = NET_TCP;
	if (version >= 6)
		attr.scoped = SCOPE_ABSTRACT_UNIX;
	ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
	if (ruleset < 0)
		return -1;
	if (role == JAIL_NET)
		err = allow_name_servers(ruleset);
	else if (role == JAIL_LOOP || role == JAIL_LOOP_VSOCK)
		err = allow_directories(ruleset);
	if (!err)
		err = (int)syscall(SYS_landlock_restrict_self, ruleset, 0);
	close(ruleset);
	return err;
}

/*
 * What this process opened closes on exec() and what came through exec() cannot; a descriptor that
 * an option names was taken by a copy that does.
 */
int jail_close_inherited(void)
{
	DIR *all = opendir("/proc/self/fd");
	const struct dirent *entry;

	if (!all)
		return -1;
	while ((entry = readdir(all))) {
		int fd = atoi(entry->d_name);

		if (fd > STDERR_FILENO && fcntl(fd, F_GETFD) == 0)
			close(fd);
	}
	closedir(all);
	return 0;
}
