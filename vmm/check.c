/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vmm check: what is wrong with a command line or a configuration file, without a KVM and without
 * making, connecting or changing anything. It says nothing if nothing is. What only a start can find
 * out is not looked at: KVM's limits, ports and sockets that others listen at, memory that is short.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "devices/chardev.h"
#include "devices/try-path.h"
#include "vmm/control.h"
#include "vmm/expect.h"
#include "vmm/jail.h"
#include "vmm/map.h"
#include "vmm/on-crash.h"
#include "vmm/plan.h"
#include "vmm/stats.h"
#include "vmm/verbs.h"

/* Kernel, layout, and where everything has room. */
static int check_plan(const struct options *options, struct report *report)
{
	struct plan *plan = calloc(1, sizeof(*plan));
	int err;

	if (!plan)
		return report_fail(report, REPORT_HOST, "out of memory");
	err = plan_make(plan, options, report);
	plan_free(plan);
	return err;
}

static int check_devices(const struct options *options, struct report *report)
{
	struct loop *loop = loop_new();
	int err = loop ? chardev_check("--serial", options->serial, report)
		       : report_fail(report, REPORT_HOST, "epoll: %s", strerror(errno));

	for (size_t i = 0; i < options->device_count && !err; i++) {
		const struct option_device *device = &options->devices[i];
		char option[64];

		snprintf(option, sizeof(option), "--%s", device->type->name);
		err = device_check(device->type, option, device->args, loop, report);
	}
	loop_free(loop);
	return err;
}

static int check_expect(const struct options *options, struct report *report)
{
	struct expect *expect = NULL;
	int err;

	if (!options->expect_count || !expect_new)
		return 0;
	err = expect_new(options->expect, options->expect_count, &expect, report);
	expect_free(expect);
	return err;
}

static int check_files(const struct options *options, struct report *report)
{
	if (options->junit && try_write(options->junit))
		return report_fail(report, REPORT_USER, "--junit %s: cannot be written: %s",
				   options->junit, strerror(errno));
	if (map_try(options, report) || on_crash_try(options, report))
		return -1;
	/* Without it, it is no option. */
	if (options->control && control_try(options->control, report))
		return -1;
	return stats_try(options, report);
}

static int check(const struct options *options, struct report *report)
{
	static int (*const checks[])(const struct options *options, struct report *report) = {
		check_expect,
		check_files,
		check_devices,
		check_plan,
	};
	int err = 0;

	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]) && !err; i++)
		err = checks[i](options, report);
	if (!err)
		err = jail_begin(options->jail, report);
	jail_end();
	return err;
}

int check_main(int argc, char **argv, struct report *report)
{
	struct options options;
	int err = options_parse(argc, argv, &options, report);

	if (!err)
		err = check(&options, report);
	options_clear(&options);
	return err < 0 ? -1 : 0;
}
