/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The table of verbs. */
#include "vmm/verbs.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "devices/near.h"
#include "vmm/ctl.h"

static int ask(int argc, char **argv, struct report *report)
{
	if (!ctl_main)
		return report_fail(report, REPORT_HOST,
				   "ctl: this program is static and cannot ask "
				   "others; a build that is not can");
	return ctl_main(argc, argv, report);
}

const struct verb verbs[] = {
	{"run", "KERNEL [options]", "start a machine, as without a verb", NULL, NULL},
	{"map", "[KERNEL] [options]", "print where everything would be in its memory", map_main, NULL},
	{"check", "KERNEL [options]", "say what is wrong with them, without starting", check_main,
	 NULL},
	{"features", "[--json]", "what this host's KVM can do, and what vmm makes of it",
	 features_main, NULL},
	{"ctl", "PATH REQUEST [ARGS]", "ask a machine with --control PATH, or steer it", ask,
	 ctl_help},
	{.name = NULL},
};

const struct verb *verb_find(const char *name)
{
	for (const struct verb *verb = verbs; verb->name; verb++) {
		if (strcmp(verb->name, name) == 0)
			return verb;
	}
	return NULL;
}

const struct verb *verb_near(const char *name)
{
	struct near near = {.text = name};

	if (access(name, F_OK) == 0)
		return NULL;
	for (const struct verb *verb = verbs; verb->name; verb++)
		near_try(&near, verb->name);
	return near.best ? verb_find(near.best) : NULL;
}

void verb_help(const struct verb *verb)
{
	printf("usage: vmm %s%s%s\n\n%s\n", verb->name, verb->args ? " " : "",
	       verb->args ? verb->args : "", verb->help);
	if (verb->more)
		verb->more();
}

int verb_run(const struct verb *verb, int argc, char **argv, struct report *report)
{
	if (argc == 2 && strcmp(argv[1], "--help") == 0) {
		verb_help(verb);
		return 0;
	}
	return verb->main(argc, argv, report);
}
