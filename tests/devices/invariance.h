/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Layout invariance: what a workload of test_invariance.c uses. A workload drives one device
 * (subject.h) from a stream of random numbers, so that it can be repeated exactly on memory that is
 * cut in another way; it waits for each request before it makes the next, so that a device that
 * works on another thread has no choice of order either. All it sees of the device it notes down.
 */
#ifndef TESTS_DEVICES_INVARIANCE_H
#define TESTS_DEVICES_INVARIANCE_H

#include "tests/devices/subject.h"

#define RUN_BUFFERS 24        /* descriptors of a chain, at most */
#define RUN_NOTES   (1 << 20) /* bytes */

/* What a run leaves behind. */
struct outcome {
	uint8_t ram[RAM_SIZE];
	uint8_t notes[RUN_NOTES]; /* used ids and lengths, and what the host side has */
	size_t notes_len;
	uint8_t config[256];
	uint32_t generation;
	struct virtio_stats stats;
	unsigned int interrupts;
};

struct run {
	struct subject_state s;
	struct harness *h;
	struct test_random random;
	gm_addr at; /* where the next buffer may be */
	struct outcome *out;
	int peer;             /* a socket of the host side, or -1 */
	uint32_t received;    /* bytes of a stream */
	unsigned int waiting; /* chains the device has to receive into */
	unsigned int slot;    /* where the next of them goes */
};

/* A workload: one entry for each device. */
struct workload {
	const struct subject *subject;
	uint64_t features;            /* taken if offered, beside those that are drawn */
	void (*begin)(struct run *r); /* the driver is up; NULL: nothing to do */
	void (*batch)(struct run *r); /* one of many */
	void (*end)(struct run *r);   /* the last notes, the device still there; or NULL */
};

extern const struct workload workload_net_fake;
extern const struct workload workload_net, workload_balloon;

/* NULL-terminated. */
extern const struct workload *const workloads[];

uint64_t run_below(struct run *r, uint64_t bound);
void run_note(struct run *r, const void *data, size_t len);
/* The whole of a file of the host side. */
void run_note_file(struct run *r, int fd);

/* @len bytes somewhere behind the buffer placed last. */
gm_addr run_place(struct run *r, uint64_t len);

/* @len bytes in up to @pieces buffers, each somewhere else; returns how many. */
unsigned int run_split(struct run *r, struct buffer *out, uint32_t len, bool write,
		       unsigned int pieces);

/* Put @data, or random bytes (NULL), into what run_split() made. */
void run_fill(struct run *r, const struct buffer *pieces, unsigned int count, const void *data);

/* Offer the chain, half of them through an indirect table anywhere, and notify. */
void run_offer(struct run *r, unsigned int queue, const struct buffer *chain, unsigned int count);

/* Wait for the next used chain of @queue; noted, and its length returned. */
uint32_t run_await(struct run *r, unsigned int queue);

/*
 * Keep chains of up to four pieces and 1000 to 7000 bytes in queue 0 for the device to receive
 * into, and take what comes until @len bytes have come behind headers of @header bytes.
 */
void run_post(struct run *r);
void run_receive(struct run *r, uint32_t len, uint32_t header);

#endif
