/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The event loop: file descriptors and the functions to call when they are ready.
 *
 * One thread runs the loop; all callbacks run on it. Watches are added, changed and removed on
 * that thread or before it runs, except loop_stop() and what says otherwise. A callback may remove
 * any watch, its own included, without being called for it again.
 */
#ifndef DEVICES_LOOP_H
#define DEVICES_LOOP_H

#include <stdint.h>

struct loop;
struct loop_watch;

/* @events: EPOLLIN, EPOLLOUT, EPOLLHUP, EPOLLERR as epoll_wait(2) reports them. */
typedef void loop_callback(void *arg, uint32_t events);

/* NULL and errno on failure. */
struct loop *loop_new(void);
void loop_free(struct loop *loop);

/*
 * Watch @fd (which stays the caller's) for @events; 0 events: only errors and hang-up. A descriptor
 * that epoll refuses (a regular file) is EPERM. NULL and errno on failure. May be called from any
 * thread; the callback still runs on the loop's.
 */
struct loop_watch *loop_add(struct loop *loop, int fd, uint32_t events, loop_callback *callback,
			    void *arg);

/* Change what is watched for. 0, or -1 and errno. Any thread. */
int loop_modify(struct loop_watch *watch, uint32_t events);

/* NULL is allowed. Loop thread, or when the loop does not run. */
void loop_remove(struct loop_watch *watch);

/*
 * Handle what is ready, waiting for it up to @timeout milliseconds (-1: for as long as it takes).
 * 0, or -1 and errno if epoll_wait(2) fails. For who has other things to do between the turns.
 */
int loop_turn(struct loop *loop, int timeout);

/* Run until loop_stop(); returns its argument, or -1 and errno if epoll_wait(2) fails. */
int loop_run(struct loop *loop);

/* Make loop_run() return @result; the first call counts. Any thread, async-signal-safe. */
void loop_stop(struct loop *loop, int result);

#endif
