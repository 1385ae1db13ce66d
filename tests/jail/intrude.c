/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * A library for LD_PRELOAD that is an attacker inside the monitor: it waits for the call that a
 * thread of some role makes again and again once it is locked down, and then makes one that is
 * none of its business (actions.c).
 *
 *	INTRUDE="ROLE ACTION"	loop, vcpu, io or net, and the name of an action
 *	INTRUDE_FILE=PATH	a file for those that want one
 *
 * If the call comes back it says so on standard error, "INTRUDE: errno N", and ends the process
 * with status 70.
 */
#include <linux/kvm.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/jail/actions.h"

/* A thread of @role is here: is it its turn? */
static void here(const char *role)
{
	const char *plan = getenv("INTRUDE"), *file = getenv("INTRUDE_FILE");
	size_t len = strlen(role);

	if (!plan || strncmp(plan, role, len) != 0 || plan[len] != ' ')
		return;
	jail_attempt(plan + len + 1, file ? file : "/etc/passwd");
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

/* Reads and writes may be had on other threads; what makes them durable is a disk's own thread's. */
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
