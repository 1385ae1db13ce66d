/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Every device as the suites see it that run over all of them: how it is made, what a request is
 * that it answers at once, and how one knows that it did. A new device is one entry in subjects.c.
 */
#ifndef TESTS_DEVICES_SUBJECT_H
#define TESTS_DEVICES_SUBJECT_H

#include "tests/devices/harness.h"

/* Polite requests are put here, receive buffers behind them; cases keep away from it. */
#define SUBJECT_AREA (RAM_END - 0x20000)

#define SUBJECT_BUFFERS 4 /* of a request, at most */
#define SUBJECT_SECTORS 16

/* A device that was made, and its host side. */
struct subject_state {
	const struct subject *subject;
	struct harness h;
	int file;     /* what the device reads or writes: image, output; -1 */
	char dir[32]; /* for what has to have a path; empty: none */
};

struct subject {
	const char *name;        /* in the table of device types */
	bool (*available)(void); /* what it needs of the host is there; NULL: nothing */
	unsigned int queue;
	uint64_t features; /* its own, that its requests need */
	void (*make)(struct subject_state *s, const struct cutting *cutting);
	/* Fill a polite request for queue @queue, after driver_start(). Returns its buffers. */
	unsigned int (*request)(struct subject_state *s, struct buffer *chain);
	uint32_t used; /* the length it comes back with */
	/* Its effect is there; fails the test if not. */
	void (*check)(struct subject_state *s);
	/* Put right what wrong requests may have done to the host side; NULL: they cannot. */
	void (*mend)(struct subject_state *s);
	void (*end)(struct subject_state *s); /* of the host side; NULL: nothing */
};

extern const struct subject subject_disk, subject_rng, subject_console, subject_vsock, subject_net,
	subject_net_fake;
extern const struct subject subject_balloon;

/* NULL-terminated. */
extern const struct subject *const subjects[];
bool subject_available(const struct subject *subject);
/* Of those that are available. */
unsigned int subject_count(void);

/* Make the device on memory cut so, and run its loop. */
void subject_new(struct subject_state *s, const struct subject *subject,
		 const struct cutting *cutting);
void subject_free(struct subject_state *s);

/* The driver of a device that was reset or is new, with rings where they are by default. */
void subject_start(struct subject_state *s, uint64_t features);

/* One polite request from end to end on a device that was started; @q: its queue. */
void subject_serves(struct subject_state *s);

static inline struct driver_queue *subject_queue(struct subject_state *s)
{
	return &s->h.queues[s->subject->queue];
}

#endif
