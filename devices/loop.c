/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The event loop on epoll(7). Who watches what for how long is the callers'.
 *
 * A watch that is removed while a batch of events is handled may still be named by a later event of
 * the batch: it stays as a dead entry until the batch is done.
 */
#include "devices/loop.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define LOOP_BATCH 16

/* Constant from loop_add() on, but for what is marked; that is the loop thread's. */
struct loop_watch {
	struct loop *loop;
	int fd;
	loop_callback *callback;
	void *arg;
	bool dead;                    /* loop thread */
	struct loop_watch *next_dead; /* loop thread */
};

struct loop {
	int epoll;
	int stop;                /* eventfd; its epoll entry has no watch */
	int result;              /* atomic; valid once stopped is 2 */
	int stopped;             /* atomic: 0, 1 while result is being written, 2 */
	struct loop_watch *dead; /* loop thread */
};

struct loop *loop_new(void)
{
	struct epoll_event event = {.events = EPOLLIN};
	struct loop *loop = calloc(1, sizeof(*loop));
	int err;

	if (!loop)
		return NULL;
	loop->stop = -1;
	loop->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll < 0)
		goto fail;
	loop->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (loop->stop < 0)
		goto fail;
	if (epoll_ctl(loop->epoll, EPOLL_CTL_ADD, loop->stop, &event))
		goto fail;
	return loop;
fail:
	err = errno;
	loop_free(loop);
	errno = err;
	return NULL;
}

static void bury(struct loop *loop)
{
	while (loop->dead) {
		struct loop_watch *watch = loop->dead;

		loop->dead = watch->next_dead;
		free(watch);
	}
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	bury(loop);
	if (loop->stop >= 0)
		close(loop->stop);
	if (loop->epoll >= 0)
		close(loop->epoll);
	free(loop);
}

struct loop_watch *loop_add(struct loop *loop, int fd, uint32_t events, loop_callback *callback,
			    void *arg)
{
	struct loop_watch *watch = calloc(1, sizeof(*watch));
	struct epoll_event event = {.events = events};

	if (!watch)
		return NULL;
	watch->loop = loop;
	watch->fd = fd;
	watch->callback = callback;
	watch->arg = arg;
	event.data.ptr = watch;
	if (epoll_ctl(loop->epoll, EPOLL_CTL_ADD, fd, &event)) {
		int err = errno;

		free(watch);
		errno = err;
		return NULL;
	}
	return watch;
}

int loop_modify(struct loop_watch *watch, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = watch};

	return epoll_ctl(watch->loop->epoll, EPOLL_CTL_MOD, watch->fd, &event);
}

void loop_remove(struct loop_watch *watch)
{
	if (!watch)
		return;
	/* It fails only if the owner closed the descriptor first, which removed it too. */
	epoll_ctl(watch->loop->epoll, EPOLL_CTL_DEL, watch->fd, NULL);
	watch->dead = true;
	watch->next_dead = watch->loop->dead;
	watch->loop->dead = watch;
}

int loop_turn(struct loop *loop, int timeout)
{
	struct epoll_event events[LOOP_BATCH];
	int count = epoll_wait(loop->epoll, events, LOOP_BATCH, timeout);

	if (count < 0 && errno != EINTR)
		return -1;
	for (int i = 0; i < count; i++) {
		struct loop_watch *watch = events[i].data.ptr;

		/* The stop event has no watch. */
		if (watch && !watch->dead)
			watch->callback(watch->arg, events[i].events);
	}
	bury(loop);
	return 0;
}

int loop_run(struct loop *loop)
{
	while (__atomic_load_n(&loop->stopped, __ATOMIC_ACQUIRE) != 2) {
		if (loop_turn(loop, -1))
			return -1;
	}
	return __atomic_load_n(&loop->result, __ATOMIC_RELAXED);
}

void loop_stop(struct loop *loop, int result)
{
	uint64_t one = 1;
	int err = errno, running = 0;

	if (!__atomic_compare_exchange_n(&loop->stopped, &running, 1, false, __ATOMIC_ACQ_REL,
					 __ATOMIC_RELAXED))
		return;
	__atomic_store_n(&loop->result, result, __ATOMIC_RELAXED);
	__atomic_store_n(&loop->stopped, 2, __ATOMIC_RELEASE);
	/* The counter is 0 here, so that only a signal can keep the write from succeeding. */
	while (write(loop->stop, &one, sizeof(one)) < 0) {
		if (errno != EINTR)
			abort();
	}
	/* A signal handler may have brought us here. */
	errno = err;
}
