/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Planning a machine: its devices' places, its memory, its boot. */
#include "vmm/plan.h"

#include <stdlib.h>
#include <string.h>

#include "vmm/map-impl.h"

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

int plan_make(struct plan *plan, const struct options *options, struct report *report)
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

void plan_free(struct plan *plan)
{
	boot_options_clear(&plan->params);
	boot_record_clear(&plan->machine.record);
	gm_cell_free(plan->machine.memory);
	gm_memory_put(plan->memory);
	free(plan);
}
