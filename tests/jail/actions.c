/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* System calls that are no business of a thread that was locked down, each made directly. */
#include "tests/jail/actions.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static char *const false_words[] = {"false", NULL}, *const no_words[] = {NULL};
static char page[4096] __attribute__((aligned(4096)));

static long do_open(const char *path)
{
	return syscall(SYS_openat, AT_FDCWD, path, O_RDONLY);
}

static long do_create(const char *path)
{
	return syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT, 0600);
}

static long do_exec(const char *path)
{
	(void)path;
	return syscall(SYS_execve, "/bin/false", false_words, no_words);
}

static long do_socket(const char *path)
{
	(void)path;
	return syscall(SYS_socket, AF_NETLINK, SOCK_RAW, 0);
}

static long do_ptrace(const char *path)
{
	(void)path;
	return syscall(SYS_ptrace, PTRACE_SEIZE, getppid(), 0, 0);
}

static long do_map(const char *path)
{
	(void)path;
	return syscall(SYS_mmap, NULL, sizeof(page), PROT_READ | PROT_EXEC,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static long do_protect(const char *path)
{
	(void)path;
	return syscall(SYS_mprotect, page, sizeof(page), PROT_READ | PROT_EXEC);
}

static long do_ioctl(const char *path)
{
	(void)path;
	return syscall(SYS_ioctl, STDIN_FILENO, FIOCLEX, 0);
}

static long do_fork(const char *path)
{
	long pid = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);

	(void)path;
	if (pid == 0)
		_exit(0);
	return pid;
}

static long do_kill(const char *path)
{
	(void)path;
	return syscall(SYS_tgkill, getppid(), getppid(), 0);
}

static long do_unlink(const char *path)
{
	return syscall(SYS_unlink, path);
}

static const struct {
	const char *name;
	long (*make)(const char *path);
} actions[] = {
	{"open", do_open},       {"create", do_create}, {"exec", do_exec},
	{"socket", do_socket},   {"ptrace", do_ptrace}, {"map", do_map},
	{"protect", do_protect}, {"ioctl", do_ioctl},   {"fork", do_fork},
	{"kill", do_kill},       {"unlink", do_unlink},
};

void jail_attempt(const char *name, const char *path)
{
	char line[64];
	size_t len;

	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
		if (strcmp(name, actions[i].name) != 0)
			continue;
		len = (size_t)snprintf(line, sizeof(line), "INTRUDE: errno %d\n",
				       actions[i].make(path) < 0 ? errno : 0);
		if (write(STDERR_FILENO, line, len) < 0)
			_exit(JAIL_ATTEMPTED + 1);
		_exit(JAIL_ATTEMPTED);
	}
}
