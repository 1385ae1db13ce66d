/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vmm map: the map of a machine that is not started. Everything is checked and placed as if it
 * were; no KVM is needed, no device is connected to anything, no memory is mapped, and no file but
 * the map's is written.
 */
#include <errno.h>
#include <string.h>

#include "vmm/boot-options.h"
#include "vmm/map-impl.h"
#include "vmm/verbs.h"

/* A machine that is only planned, and what belongs to it. */
struct plan {
	struct machine machine;
	struct boot_params params;
	struct gm_memory *memory;
	char names[MACHINE_DEVICES_MAX][MAP_NAME_MAX];
};

/* "disk disk.img": the option and the first word of its argument. */
static void name_device(char *name, size_t size, const struct option_device *device)
{
	char text[256];

	snprintf(text, sizeof(text), "%s%s%.*s", device->type->name, device->args ? " " : "",
		 device->args ? (int)strcspn(device->args, ",") : 0,
		 device->args ? device->args : "");
	map_fit(name, size, 60, text);
}

static int place(struct plan *plan, struct report *report)
{
	struct boot_state state;

	plan->params.record = &plan->machine.record;
	plan->params.plan = true;
	plan->machine.boot = &plan->params;
	return boot_load(&plan->params, plan->memory, &state, report);
}

static int make_plan(struct plan *plan, const struct options *options, struct report *report)
{
	const struct machine_config config = {
		.cpus = options->cpus,
		.pci = options->pci,
		.layout = &options->layout,
	};

	if (machine_plan(&plan->machine, &config, options->device_count, report) ||
	    layout_plan(&options->layout, &plan->memory, report))
		return -1;
	for (size_t i = 0; i < options->device_count; i++) {
		name_device(plan->names[i], sizeof(plan->names[i]), &options->devices[i]);
		plan->machine.slots[i].planned = plan->names[i];
	}
	if (gm_cell_new(plan->memory, &plan->machine.memory))
		return report_fail(report, REPORT_HOST, "out of memory");
	if (!options->kernel)
		return 0;
	if (boot_options_take(&plan->params, options, &plan->machine, report))
		return -1;
	return place(plan, report);
}

static void clear_plan(struct plan *plan)
{
	boot_options_clear(&plan->params);
	boot_record_clear(&plan->machine.record);
	gm_cell_free(plan->machine.memory);
	gm_memory_put(plan->memory);
	free(plan);
}

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
	err = make_plan(plan, options, report);
	if (!err)
		err = map_collect(&map, &plan->machine, report);
	if (!err)
		err = write_map(options, &map, report);
	map_clear(&map);
	clear_plan(plan);
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
