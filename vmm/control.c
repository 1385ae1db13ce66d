/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* --control: the machine, its requests and its events, behind a socket. */
#include "vmm/control.h"

#include <stdlib.h>

#include "vmm/control-server.h"
#include "vmm/control-target.h"

struct control {
	struct control_target target;
	struct control_server *server;
};

static void machine_happened(void *arg, enum machine_event event)
{
	static const char *const names[] = {
		[MACHINE_PAUSED] = "paused",
		[MACHINE_RESUMED] = "resumed",
		[MACHINE_RESTARTED] = "reset",
	};
	struct control *control = arg;

	control_server_tell(control->server, names[event], -1);
}

int control_try(const char *spec, struct report *report)
{
	return control_server_try(spec, report);
}

int control_open(const char *spec, struct machine *machine, struct control **out,
		 struct report *report)
{
	struct control *control = calloc(1, sizeof(*control));

	*out = control;
	if (!control)
		return report_fail(report, REPORT_HOST, "out of memory");
	/* Else it is the library's first object that reads it from a file. */
	json_object_seed(0);
	control_target_init(&control->target, machine);
	if (control_server_open(spec, machine->loop, &control_target_ops, &control->target,
				&control->server, report))
		return -1;
	machine_listen(machine, &(struct machine_listener){machine_happened, control});
	return 0;
}

void control_over(struct control *control, int status)
{
	if (!control)
		return;
	control->target.over = true;
	if (machine_crash(control->target.machine))
		control_server_tell(control->server, "crashed", status);
}

void control_close(struct control *control, int status)
{
	if (!control)
		return;
	machine_listen(control->target.machine, NULL);
	if (control->server)
		control_server_tell(control->server, "ended", status);
	control_server_close(control->server);
	free(control);
}
