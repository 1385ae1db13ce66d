/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Verbs: what the monitor does other than run a kernel. A verb is a row in verbs.c. A kernel whose
 * file has the name of one is reached as ./NAME.
 */
#ifndef VMM_VERBS_H
#define VMM_VERBS_H

#include "devices/report.h"

struct verb {
	const char *name;
	const char *args; /* in the help; NULL: none */
	const char *help;
	/* @argv begins with the verb. 0, or -1 and @report. NULL: the machine is to be started. */
	int (*main)(int argc, char **argv, struct report *report);
	void (*more)(void); /* prints the rest of its help; NULL: there is none */
};

/* Ends with a row without a name. */
extern const struct verb verbs[];

/* The verb that is called @name, or NULL. */
const struct verb *verb_find(const char *name);

/* The verb somebody may have meant by @name, which is neither a verb nor a file; or NULL. */
const struct verb *verb_near(const char *name);

/* What it is, on standard output. */
void verb_help(const struct verb *verb);

/* Do it, or say what it is if --help stands behind it. */
int verb_run(const struct verb *verb, int argc, char **argv, struct report *report);

int map_main(int argc, char **argv, struct report *report);
int check_main(int argc, char **argv, struct report *report);
int features_main(int argc, char **argv, struct report *report);

#endif
