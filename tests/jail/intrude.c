/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * A library for LD_PRELOAD that is an attacker inside the monitor: it waits for the call that a
 * thread of some role makes again and again once it is locked down, and then makes one that is
 * none of its business.
 *
 *	INTRUDE="ROLE ACTION"	loop, vcpu, io or net, and the name of an action below
 *	INTRUDE_FILE=PATH	a file for those that want one
 *
 * If the call comes back it says so on standard error, "INTRUDE: errno N", and ends the process
 * with status 70.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <errno.h>

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

/* A thread of @role is here: is it its turn? */
static void here(const char *role)
{
	const char *plan = getenv("INTRUDE"), *file = getenv("INTRUDE_FILE");
	size_t len = strlen(role);
	char line[64];

	if (!plan || strncmp(plan, role, len) != 0 || plan[len] != ' ')
		return;
	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
		if (strcmp(plan + len + 1, actions[i].name) != 0)
			continue;
		len = (size_t)snprintf(line, sizeof(line), "INTRUDE: errno %d\n",
				       actions[i].make(file ? file : "/etc/passwd") < 0 ? errno : 0);
		if (write(STDERR_FILENO, line, len) < 0)
			_exit(71);
		_exit(70);
	}
}

/* --- the calls that are waited for --------------------------------------------------------------- */

int epoll_wait(int epfd, struct epoll_event *events, int max, int timeout)
{
	here("loop");
	return (int)syscall(SYS_epoll_wait, epfd, events, max, timeout);
}

int ioctl(int fd, unsigned long request, ...)
{
	va_list args;
	void *arg;

	va_start(args, request);
	arg = va_arg(args, void *);
	va_end(args);
	if (request == KVM_RUN)
		here("vcpu");
	return (int)syscall(SYS_ioctl, fd, request, arg);
}

ssize_t preadv2(int fd, const struct iovec *iov, int count, off_t offset, int flags)
{
	if (gettid() != getpid())
		here("io");
	return syscall(SYS_preadv2, fd, iov, count, offset, 0, flags);
}

ssize_t preadv64v2(int fd, const struct iovec *iov, int count, off64_t offset, int flags)
	__attribute__((alias("preadv2")));

/* Not every read comes to a disk's thread; what makes a write durable does. */
int fdatasync(int fd)
{
	if (gettid() != getpid())
		here("io");
	return (int)syscall(SYS_fdatasync, fd);
}

int poll(struct pollfd *fds, nfds_t count, int timeout)
{
	if (gettid() != getpid())
		here("net");
	return (int)syscall(SYS_poll, fds, count, timeout);
}
