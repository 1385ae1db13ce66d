/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The calls of the C library that can be made to fail, loaded before it (LD_PRELOAD): each asks the
 * plan and then fails, does less, or is the real one. io_uring.c has those that are no library calls.
 */
#include <dlfcn.h>
#include <errno.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "tests/faults/plan.h"

/* The library behind this one has it under the same name. */
#define REAL(name)                                                 \
	({                                                         \
		static __typeof__(&name) real;                     \
		if (!real)                                         \
			*(void **)&real = dlsym(RTLD_NEXT, #name); \
		real;                                              \
	})

/* FAIL(call, fd, failure): leave with the error that is due, if one is. */
#define FAIL(call, fd, failure)                  \
	do {                                     \
		int what_ = fault_now(call, fd); \
		if (what_ > 0) {                 \
			errno = what_;           \
			return failure;          \
		}                                \
	} while (0)

/* --- calls that succeed or fail -------------------------------------------------------------------- */

#define PLAIN(type, failure, call, fd, name, parameters, arguments) \
	type name parameters;                                       \
	type name parameters                                        \
	{                                                           \
		FAIL(call, fd, failure);                            \
		return REAL(name) arguments;                        \
	}

int __open_2(const char *path, int flags);
int eventfd(unsigned int count, int flags);
int timerfd_create(int clock, int flags);
int fallocate(int fd, int mode, off_t offset, off_t len);
int fdatasync(int fd);
int ftruncate(int fd, off_t len);

PLAIN(int, -1, FAULT_OPEN, -1, open, (const char *path, int flags, ...), (path, flags, 0666))
PLAIN(int, -1, FAULT_OPEN, -1, __open_2, (const char *path, int flags), (path, flags))
PLAIN(FILE *, NULL, FAULT_OPEN, -1, fopen, (const char *path, const char *mode), (path, mode))
PLAIN(int, -1, FAULT_FD, -1, eventfd, (unsigned int count, int flags), (count, flags))
PLAIN(int, -1, FAULT_FD, -1, epoll_create1, (int flags), (flags))
PLAIN(int, -1, FAULT_FD, -1, timerfd_create, (int clock, int flags), (clock, flags))
PLAIN(int, -1, FAULT_FD, -1, memfd_create, (const char *name, unsigned int flags), (name, flags))
PLAIN(int, -1, FAULT_SOCKET, -1, socket, (int domain, int type, int protocol),
      (domain, type, protocol))
PLAIN(int, -1, FAULT_SOCKET, -1, listen, (int fd, int backlog), (fd, backlog))
PLAIN(int, -1, FAULT_SOCKET, -1, bind, (int fd, const struct sockaddr *addr, socklen_t len),
      (fd, addr, len))
PLAIN(int, -1, FAULT_SOCKET, -1, connect, (int fd, const struct sockaddr *addr, socklen_t len),
      (fd, addr, len))
PLAIN(int, -1, FAULT_SOCKET, fd, accept4,
      (int fd, struct sockaddr *addr, socklen_t *len, int flags), (fd, addr, len, flags))
PLAIN(int, -1, FAULT_SYNC, fd, fdatasync, (int fd), (fd))
PLAIN(int, -1, FAULT_SIZE, fd, ftruncate, (int fd, off_t len), (fd, len))
PLAIN(int, -1, FAULT_SIZE, fd, fallocate, (int fd, int mode, off_t offset, off_t len),
      (fd, mode, offset, len))
PLAIN(int, -1, FAULT_EPOLL, fd, epoll_ctl, (int epoll, int op, int fd, struct epoll_event *event),
      (epoll, op, fd, event))
PLAIN(int, -1, FAULT_WAIT, -1, epoll_wait,
      (int epoll, struct epoll_event *events, int max, int timeout), (epoll, events, max, timeout))
PLAIN(int, -1, FAULT_MAP, -1, madvise, (void *addr, size_t len, int advice), (addr, len, advice))

int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *), void *arg)
{
	int what = fault_now(FAULT_THREAD, -1);

	return what > 0 ? what : REAL(pthread_create)(thread, attr, start, arg);
}

int ioctl(int fd, unsigned long request, ...)
{
	void *arg;
	va_list args;

	va_start(args, request);
	arg = va_arg(args, void *);
	va_end(args);
	if (_IOC_TYPE(request) == KVMIO)
		FAIL(request == KVM_RUN ? FAULT_RUN : FAULT_KVM, fd, -1);
	return REAL(ioctl)(fd, request, arg);
}

void *mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset)
{
	FAIL(FAULT_MAP, fd, MAP_FAILED);
	return REAL(mmap)(addr, len, prot, flags, fd, offset);
}

/* --- calls that may do less ------------------------------------------------------------------------ */

static size_t half(size_t len)
{
	return len > 8 ? len / 2 : len;
}

#define BYTES(call, name, parameters, arguments) \
	ssize_t name parameters;                 \
	ssize_t name parameters                  \
	{                                        \
		int what = fault_now(call, fd);  \
		if (what > 0) {                  \
			errno = what;            \
			return -1;               \
		}                                \
		if (what == FAULT_SHORT)         \
			len = half(len);         \
		return REAL(name) arguments;     \
	}

ssize_t read(int fd, void *buf, size_t len);
ssize_t write(int fd, const void *buf, size_t len);
ssize_t pread(int fd, void *buf, size_t len, off_t offset);

BYTES(FAULT_READ, read, (int fd, void *buf, size_t len), (fd, buf, len))
BYTES(FAULT_READ, pread, (int fd, void *buf, size_t len, off_t offset), (fd, buf, len, offset))
BYTES(FAULT_READ, recv, (int fd, void *buf, size_t len, int flags), (fd, buf, len, flags))
BYTES(FAULT_WRITE, write, (int fd, const void *buf, size_t len), (fd, buf, len))
BYTES(FAULT_WRITE, send, (int fd, const void *buf, size_t len, int flags), (fd, buf, len, flags))

#define PIECES_MAX 1024

/* The first half of the bytes; returns in how many pieces. */
static int half_of(const struct iovec *iov, int count, struct iovec *out)
{
	size_t sum = 0, left;
	int used = 0;

	for (int i = 0; i < count && i < PIECES_MAX; i++)
		sum += iov[i].iov_len;
	for (left = half(sum); left && used < count; used++) {
		out[used] = iov[used];
		out[used].iov_len = iov[used].iov_len < left ? iov[used].iov_len : left;
		left -= out[used].iov_len;
	}
	return used;
}

#define PIECES(call, name, parameters, arguments)          \
	ssize_t name parameters;                           \
	ssize_t name parameters                            \
	{                                                  \
		struct iovec part[PIECES_MAX];             \
		int what = fault_now(call, fd);            \
		if (what > 0) {                            \
			errno = what;                      \
			return -1;                         \
		}                                          \
		if (what == FAULT_SHORT) {                 \
			count = half_of(iov, count, part); \
			iov = part;                        \
		}                                          \
		return REAL(name) arguments;               \
	}

PIECES(FAULT_READ, readv, (int fd, const struct iovec *iov, int count), (fd, iov, count))
PIECES(FAULT_READ, preadv, (int fd, const struct iovec *iov, int count, off_t offset),
       (fd, iov, count, offset))
PIECES(FAULT_READ, preadv2, (int fd, const struct iovec *iov, int count, off_t offset, int flags),
       (fd, iov, count, offset, flags))
PIECES(FAULT_WRITE, writev, (int fd, const struct iovec *iov, int count), (fd, iov, count))
PIECES(FAULT_WRITE, pwritev, (int fd, const struct iovec *iov, int count, off_t offset),
       (fd, iov, count, offset))
PIECES(FAULT_WRITE, pwritev2, (int fd, const struct iovec *iov, int count, off_t offset, int flags),
       (fd, iov, count, offset, flags))

/* Messages are whole or not at all. */
PLAIN(ssize_t, -1, FAULT_READ, fd, recvmsg, (int fd, struct msghdr *msg, int flags), (fd, msg, flags))
PLAIN(ssize_t, -1, FAULT_WRITE, fd, sendmsg, (int fd, const struct msghdr *msg, int flags),
      (fd, msg, flags))

/* --- memory ------------------------------------------------------------------------------------------ */

/* The C library's own, which need not be looked for: that would allocate. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *memory);

static void *counted(void *memory)
{
	if (memory)
		fault_count_allocations(1);
	return memory;
}

void *malloc(size_t size)
{
	FAIL(FAULT_ALLOC, -1, NULL);
	return counted(__libc_malloc(size));
}

void *calloc(size_t count, size_t size)
{
	FAIL(FAULT_ALLOC, -1, NULL);
	return counted(__libc_calloc(count, size));
}

void *realloc(void *old, size_t size)
{
	void *memory;

	FAIL(FAULT_ALLOC, -1, NULL);
	memory = __libc_realloc(old, size);
	return old ? memory : counted(memory);
}

void *aligned_alloc(size_t alignment, size_t size)
{
	FAIL(FAULT_ALLOC, -1, NULL);
	return counted(__libc_memalign(alignment, size));
}

void free(void *memory)
{
	if (memory)
		fault_count_allocations(-1);
	__libc_free(memory);
}
