/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vmm map: the map of a machine that is not started. Everything is checked and placed as if it
 * were; no KVM is needed, no device is connected to anything, no memory is mapped, and no file but
 * the map's is written.
 */
#include <errno.h>
#include <string.h>

#include "vmm/map-impl.h"
#include "vmm/plan.h"
#include "vmm/verbs.h"

/* On standard output, or where --map says. */
static int write_map(const struct options *options, const struct map *map, struct report *report)
{
	if (options->map_file)
		return map_write_file(map, options->map_file, report);
	errno = 0;
	if (map_write_text(map, stdout) || fflush(stdout))
		return report_fail(report, REPORT_HOST, "map: standard output: %s",
				   strerror(errno ? errno : ENOMEM));
	return 0;
}

static int draw(const struct options *options, struct report *report)
{
	struct plan *plan = calloc(1, sizeof(*plan));
	struct map map = {0};
	int err;

	if (!plan)
		return report_fail(report, REPORT_HOST, "out of memory");
	err = plan_make(plan, options, report);
	if (!err)
		err = map_collect(&map, &plan->machine, report);
	if (!err)
		err = write_map(options, &map, report);
	map_clear(&map);
	plan_free(plan);
	return err;
}

int map_main(int argc, char **argv, struct report *report)
{
	struct options options;
	int err = options_parse_map(argc, argv, &options, report);

	if (!err)
		err = draw(&options, report);
	options_clear(&options);
	return err < 0 ? -1 : 0;
}
