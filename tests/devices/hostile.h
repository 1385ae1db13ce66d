/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Hostile drivers as tables: a case is something a driver must not do, and the answer it gets. Each
 * is run on every device it concerns and both ring formats, from test_hostile.c, which also looks
 * for what no case may do: touch memory that is nobody's business, cost memory, or leave a device
 * that does not work after a reset.
 */
#ifndef TESTS_DEVICES_HOSTILE_H
#define TESTS_DEVICES_HOSTILE_H

#include "tests/devices/subject.h"

#define NEXT     VRING_DESC_F_NEXT
#define WRITE    VRING_DESC_F_WRITE
#define INDIRECT VRING_DESC_F_INDIRECT

/* Where cases put theirs. */
#define TABLE  (BUFFERS + 0x10000)
#define HEADER (BUFFERS + 0x20000)
#define DATA   (BUFFERS + 0x21000)
#define STATUS (BUFFERS + 0x22000)
/* Whole pages for rings that must not share one. */
#define DESC_PAGE  (BUFFERS + 0x40000)
#define AVAIL_PAGE (BUFFERS + 0x41000)
#define USED_PAGE  (BUFFERS + 0x42000)

enum hostile_answer {
	BREAKS,  /* NEEDS_RESET, a configuration interrupt, one line; nothing served until reset */
	REFUSES, /* the same before DRIVER_OK, where a driver is not interrupted */
	GOES_ON, /* no line, and the next polite request is served */
	CHECKED, /* by the case itself; a reset must help in any case */
};

enum hostile_ring { BOTH_RINGS, SPLIT_RING, PACKED_RING };

/* A descriptor as it is written: NEXT leads to the one behind it. */
struct hostile_desc {
	gm_addr addr;
	uint32_t len;
	uint16_t flags;
};

struct hostile {
	struct subject_state s;
	struct harness *h;
	struct driver_queue *q; /* the subject's */
	bool packed;
};

struct hostile_case {
	const char *name;
	enum hostile_answer answer;
	const char *why; /* part of the line; NULL: any */
	enum hostile_ring ring;
	const char *device; /* the one it concerns; NULL: all */
	uint64_t without;   /* a feature the driver does not take */
	/* What the driver does. NULL: it offers @chain, with @table where INDIRECT leads to. */
	void (*act)(struct hostile *t);
	struct hostile_desc chain[3];
	struct hostile_desc table[3];
};

/* Ended by a case without a name. */
extern const struct hostile_case hostile_chains[];
extern const struct hostile_case hostile_rings[];
extern const struct hostile_case hostile_registers[];
extern const struct hostile_case hostile_disk[];
extern const struct hostile_case hostile_streams[];
extern const struct hostile_case hostile_console[];
extern const struct hostile_case hostile_net[];
extern const struct hostile_case hostile_balloon[];

/* Make @count descriptors available as one chain, whatever the ring, without a notification. */
void hostile_put(struct hostile *t, const struct hostile_desc *descs, unsigned int count);
/* And notify. */
void hostile_offer(struct hostile *t, const struct hostile_desc *descs, unsigned int count);
/* The next chain comes back; its used length. */
uint32_t hostile_await(struct hostile *t);
/* Start the driver again with the subject's ring parts on pages of their own. */
void hostile_spread_rings(struct hostile *t);
/* Make a polite request available, without a notification. */
void hostile_put_request(struct hostile *t);
/* NEEDS_RESET comes. */
void hostile_await_broken(struct hostile *t);

#endif
