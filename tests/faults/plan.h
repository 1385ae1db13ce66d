/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * What is to fail, and when: the plan in the environment variable FAULT, rules separated by ';'.
 *
 *	CALL[@DESCRIPTOR] WHEN WHAT
 *
 *	CALL		a kind of call: see enum fault_call
 *	DESCRIPTOR	only on descriptors whose name in /proc/self/fd has this text: "eventfd", "socket"
 *	WHEN		nth=N (from 1), from=N, every=N, percent=P (FAULT_SEED repeats it)
 *	WHAT		the name of an error, or short: half of what was asked for, if that is more than
 *			eight bytes, since events and counters come whole
 *
 * FAULT_LOG names a file that gets one line when the process ends: for each rule how many calls it
 * looked at and how many failed, then how many allocations and descriptors were left.
 */
#ifndef TESTS_FAULTS_PLAN_H
#define TESTS_FAULTS_PLAN_H

#include <stdbool.h>
#include <stddef.h>

enum fault_call {
	FAULT_ALLOC,  /* malloc and its kin */
	FAULT_MAP,    /* mmap, mremap, madvise */
	FAULT_OPEN,   /* open, fopen */
	FAULT_FD,     /* calls that make a descriptor of nothing: eventfd, epoll, timerfd, memfd */
	FAULT_SOCKET, /* socket, connect, bind, listen, accept */
	FAULT_READ,   /* read, recv and their kin */
	FAULT_WRITE,  /* write, send and their kin */
	FAULT_SYNC,   /* fdatasync */
	FAULT_SIZE,   /* ftruncate, fallocate */
	FAULT_EPOLL,  /* epoll_ctl */
	FAULT_WAIT,   /* epoll_wait */
	FAULT_THREAD, /* pthread_create */
	FAULT_KVM,    /* ioctl of KVM, but for KVM_RUN */
	FAULT_RUN,    /* KVM_RUN */
	FAULT_URING,  /* io_uring_setup, io_uring_enter, io_uring_register */
	FAULT_CALLS,
};

/* What a rule wants instead of the call. */
#define FAULT_NOTHING 0
#define FAULT_SHORT   (-1)

/* An error number, FAULT_SHORT or FAULT_NOTHING for this call on @fd (-1: none). Any thread. */
int fault_now(enum fault_call call, int fd);

/* Whether a rule is about @call. */
bool fault_planned(enum fault_call call);

/* How many allocations there are, after @change. Any thread. */
void fault_count_allocations(int change);

#endif
