/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The table of device types: each device file declares itself in one struct device_type, and
 * devices.c lists them. The command line, its help and the machine read the table; nothing else
 * names a device.
 */
#ifndef DEVICES_DEVICES_H
#define DEVICES_DEVICES_H

#include "devices/loop.h"
#include "devices/near.h"
#include "devices/report.h"
#include "devices/virtio.h"

struct device_type {
	const char *name; /* the option without dashes, "disk" for --disk */
	/*
	 * Its argument in help, "PATH[,ro][,id=TEXT]"; NULL: it takes none. One that may be left
	 * out begins with "[=" and is taken behind a '=' only, never from the next word.
	 */
	const char *args;
	const char *help;                /* one line */
	bool several;                    /* the option may be repeated */
	const struct device_word *words; /* of its argument, up to one without a name */
	/*
	 * Make a device from the option's argument (NULL if there is none). @option ("--disk") is
	 * for messages. On success *out is owned by the caller, who ends it with
	 * virtio_device_free() or hands it to a transport. Nothing that outlives the process may be
	 * created or changed unless it succeeds.
	 */
	int (*create)(const char *option, const char *args, struct loop *loop,
		      struct virtio_device **out, struct report *report);
	/*
	 * Check the argument as far as can be without anything that others would see. NULL:
	 * create() does nothing of the kind, so that it and an end are the check.
	 */
	int (*check)(const char *option, const char *args, struct report *report);
};

/* Whether create() would find something wrong: by check(), or by doing it. 0 or -1 (@report). */
int device_check(const struct device_type *type, const char *option, const char *args,
		 struct loop *loop, struct report *report);

/* NULL-terminated. */
extern const struct device_type *const device_types[];

#endif
