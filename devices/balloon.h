/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * A virtio-balloon device from the inside: what virtio-balloon.c (options, configuration, life),
 * balloon-pages.c (pages given back), balloon-stats.c (statistics) and balloon-hints.c (free page
 * hinting) share.
 *
 * Everything here is called with the device's lock held.
 */
#ifndef DEVICES_BALLOON_H
#define DEVICES_BALLOON_H

#include "devices/loop.h"
#include "devices/page-set.h"
#include "devices/virtio-balloon.h"
#include "devices/virtio.h"

enum {
	BALLOON_INFLATE,
	BALLOON_DEFLATE,
	BALLOON_STATS,
	BALLOON_HINTS,
	BALLOON_REPORTS,
};

/* An array of page numbers that is being worked through, a turn of the loop at a time. */
struct balloon_request {
	struct virtq_chain chain; /* valid if held */
	bool held;
	bool wrong;    /* something in it could not be done */
	uint64_t done; /* bytes of it */
};

struct balloon {
	struct virtio_device dev;
	struct virtio_balloon_config config;

	struct balloon_request requests[2]; /* of the inflate and the deflate queue */
	uint32_t turn;               /* page numbers that may be taken before the loop's turn */
	struct page_set pages;       /* in the balloon */
	uint64_t inflated, reported; /* bytes given back */

	struct virtq_chain stats_chain; /* to ask for statistics with, valid if stats_held */
	bool stats_held;
	uint32_t stats_known;
	uint64_t stats[VIRTIO_BALLOON_S_NR];
	unsigned int period; /* seconds between questions; 0: nobody asks by itself */
	int timer;           /* -1: none */
	struct loop_watch *watch;

	const struct virtio_balloon_hints *hints; /* who wants them, while a round goes on */
	void *hints_arg;
	uint32_t last_command;   /* the id of the last round */
	uint32_t driver_command; /* the id the driver says its hints are for */
	uint64_t hinted;         /* bytes */
};

/* --- balloon-pages.c ------------------------------------------------------------------------ */

/* There may be requests in the inflate or the deflate queue. */
void balloon_pages_notify(struct balloon *balloon, unsigned int index);

/* There may be reports. */
void balloon_reports_notify(struct balloon *balloon);

/* --- balloon-stats.c ------------------------------------------------------------------------ */

/* Have the driver asked every so many seconds. 0, or -1 and errno. */
int balloon_stats_start(struct balloon *balloon, struct loop *loop, unsigned int seconds);
void balloon_stats_end(struct balloon *balloon);

/* There may be statistics. */
void balloon_stats_notify(struct balloon *balloon);

/* The buffer is the driver's again. */
void balloon_stats_forget(struct balloon *balloon);

/* --- balloon-hints.c ------------------------------------------------------------------------ */

/* There may be hints. */
void balloon_hints_notify(struct balloon *balloon);

/* The driver has gone, and what it hinted means nothing any more. */
void balloon_hints_void(struct balloon *balloon);

#endif
