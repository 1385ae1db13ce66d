/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* What requests do to the machine. What they do to its devices is in control-devices.c. */
#include "vmm/control-target.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "vmm/control-devices.h"
#include "vmm/map.h"
#include "vmm/stats.h"

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* --- state -------------------------------------------------------------------------------------- */

static const char *state_of(const struct control_target *target)
{
	if (target->over)
		return machine_crash(target->machine) ? "crashed" : "ended";
	return machine_paused(target->machine) ? "paused" : "running";
}

static uint64_t memory_size(const struct machine *machine)
{
	struct gm_memory *memory = gm_cell_snapshot(machine->memory);
	uint64_t size = 0;

	for (size_t i = 0; i < gm_memory_count(memory); i++)
		size += gm_region_size(gm_memory_region(memory, i));
	gm_memory_put(memory);
	return size;
}

static int do_status(struct control_target *target, struct control_call *call, struct report *report)
{
	const struct machine *machine = target->machine;
	json_t *reply = call->reply;

	(void)report;
	json_object_set_new(reply, "state", json_string(state_of(target)));
	json_object_set_new(reply, "uptime_ms", json_integer((json_int_t)(now_ms() - target->since)));
	json_object_set_new(reply, "vcpus", json_integer(machine->config.cpus));
	json_object_set_new(reply, "memory", json_integer((json_int_t)memory_size(machine)));
	json_object_set_new(reply, "devices", control_devices(machine));
	json_object_set_new(reply, "consoles", control_consoles(machine));
	json_object_set_new(reply, "version", json_string(VMM_VERSION));
	return 0;
}

/* --- whether the guest runs ----------------------------------------------------------------------- */

static int say_state(struct control_target *target, struct control_call *call)
{
	json_object_set_new(call->reply, "state", json_string(state_of(target)));
	return 0;
}

static int do_pause(struct control_target *target, struct control_call *call, struct report *report)
{
	(void)report;
	if (!target->paused)
		machine_pause(target->machine);
	target->paused = true;
	return say_state(target, call);
}

/* What somebody else, a debugger, has paused stays so, as the state says. */
static int do_resume(struct control_target *target, struct control_call *call, struct report *report)
{
	(void)report;
	if (target->paused)
		machine_resume(target->machine);
	target->paused = false;
	return say_state(target, call);
}

static int do_power(struct control_target *target, struct control_call *call, struct report *report)
{
	(void)call;
	if (!machine_has_button(target->machine))
		return report_fail(report, REPORT_USER,
				   "power: the guest does not listen to the power button; quit "
				   "ends it");
	machine_press_button(target->machine, 0);
	return 0;
}

static int do_reset(struct control_target *target, struct control_call *call, struct report *report)
{
	(void)call;
	if (target->machine->config.no_reboot)
		return report_fail(report, REPORT_USER,
				   "reset: not with --no-reboot; quit ends the machine");
	machine_reset(target->machine);
	return 0;
}

static int do_quit(struct control_target *target, struct control_call *call, struct report *report)
{
	(void)report;
	machine_stop(target->machine, (int)call->number[0]);
	return 0;
}

/* --- counters, maps ----------------------------------------------------------------------------------------- */

/* What @write writes, to be freed; NULL and @report. */
static char *write_text(int (*write)(const void *of, FILE *out), const void *of, struct report *report)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	int err = !out || write(of, out);

	if ((out && fclose(out)) || err) {
		report_fail(report, REPORT_HOST, "out of memory");
		free(text);
		text = NULL;
	}
	return text;
}

static int write_stats(const void *of, FILE *out)
{
	return stats_write_json(of, out);
}

static int do_stats(struct control_target *target, struct control_call *call, struct report *report)
{
	call->raw_name = "stats";
	call->raw = write_text(write_stats, target->machine, report);
	return call->raw ? 0 : -1;
}

static int write_map_json(const void *of, FILE *out)
{
	return map_write_json(of, out);
}

static int write_map_text(const void *of, FILE *out)
{
	return map_write_text(of, out);
}

static int write_map_svg(const void *of, FILE *out)
{
	return map_write_svg(of, out);
}

static int do_map(struct control_target *target, struct control_call *call, struct report *report)
{
	static const struct {
		const char *name;
		int (*write)(const void *map, FILE *out);
	} formats[] = {{"json", write_map_json}, {"text", write_map_text}, {"svg", write_map_svg}};
	const char *format = call->text[0] ? call->text[0] : formats[0].name;
	struct map map = {0};
	char *text = NULL;
	size_t i = 0;

	while (i < 3 && strcmp(formats[i].name, format) != 0)
		i++;
	if (i == 3)
		return report_fail(report, REPORT_USER, "map: format is json, text or svg");
	if (map_collect(&map, target->machine, report) == 0)
		text = write_text(formats[i].write, &map, report);
	map_clear(&map);
	if (!text)
		return -1;
	if (i == 0) {
		call->raw_name = "map";
		call->raw = text;
		return 0;
	}
	json_object_set_new(call->reply, "map", control_text(text));
	free(text);
	return 0;
}

/* --- requests ------------------------------------------------------------------------------------ */

static const struct {
	int (*run)(struct control_target *target, struct control_call *call, struct report *report);
	bool alive; /* not of a guest that has crashed */
} handlers[CTL_REQUESTS] = {
	[CTL_STATUS] = {do_status, false},
	[CTL_MAP] = {do_map, false},
	[CTL_STATS] = {do_stats, false},
	[CTL_DISK_RESIZE] = {control_disk_resize, true},
	[CTL_BALLOON] = {control_balloon, true},
	[CTL_NET_DETACH] = {control_net_detach, true},
	[CTL_NET_ATTACH] = {control_net_attach, true},
	[CTL_CONSOLE_ATTACH] = {control_console_attach, true},
	[CTL_PAUSE] = {do_pause, true},
	[CTL_RESUME] = {do_resume, true},
	[CTL_POWER] = {do_power, true},
	[CTL_RESET] = {do_reset, true},
	[CTL_QUIT] = {do_quit, false},
};

static int call_target(void *arg, struct control_call *call, struct report *report)
{
	struct control_target *target = arg;

	if (handlers[call->id].alive && target->over)
		return report_fail(report, REPORT_USER, "%s: the guest has %s",
				   ctl_requests[call->id].name, state_of(target));
	return handlers[call->id].run(target, call, report);
}

const struct control_ops control_target_ops = {call_target, control_console_become};

void control_target_init(struct control_target *target, struct machine *machine)
{
	*target = (struct control_target){.machine = machine, .since = now_ms()};
}
