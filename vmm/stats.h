/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * What a machine did so far: exits of its vCPUs, requests of its devices, and how long they took.
 * Counters are always kept; times are where stats_measure() asked for them. All of it may be read on
 * the loop's thread while the guest runs: devices are read under their locks, vCPUs by atomic loads.
 *
 * docs/stats.md has the names and what they mean.
 */
#ifndef VMM_STATS_H
#define VMM_STATS_H

#include <stdio.h>

#include "devices/loop.h"
#include "vmm/machine.h"
#include "vmm/options.h"

/* Have times taken, too. Once, when all devices are there and before machine_run(). */
int stats_measure(struct machine *machine, struct report *report);

/* One JSON object on one line, with its end. 0, or -1 and errno if @out cannot be written. */
int stats_write_json(const struct machine *machine, FILE *out);

/* The same for people, a line for each thing there is something to say of. */
void stats_print(const struct machine *machine, FILE *out);

/* --- what --stats does with them ------------------------------------------------------------- */

/* The words behind "--stats=" into @options. */
int stats_words(struct options *options, const char *words, struct report *report);

struct stats {
	const struct options *options;
	const struct machine *machine;
	int fd;      /* of the file, or -1 */
	bool made;   /* it was not there before, and has no record yet */
	bool begun;  /* it has one; what was in it before is gone */
	bool failed; /* somebody was told that it cannot be written */
	char *rest;  /* of a record that could not be written as a whole, or NULL */
	size_t rest_len;
	int timer; /* a timerfd, or -1 */
	struct loop_watch *watch;
};

/*
 * Measure, open the file and start the timer, as @options say; before the jail, when all devices
 * are there. stats_close() in every case; a file that got no record is then as it was.
 */
int stats_open(struct stats *stats, const struct options *options, struct machine *machine,
	       struct report *report);

/* Whether stats_open() would find something wrong, without making anything. 0 or -1 (@report). */
int stats_try(const struct options *options, struct report *report);

/* The last record, after machine_run(). What is for people is printed: the terminal is as it was. */
void stats_end(struct stats *stats);

/* Before machine_destroy(). */
void stats_close(struct stats *stats);

#endif
