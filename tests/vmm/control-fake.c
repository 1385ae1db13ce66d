/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The fake machine. */
#include "tests/vmm/control-fake.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What the table says is what comes. */
static void check(const struct control_call *call)
{
	const struct ctl_request *request = &ctl_requests[call->id];

	if (call->id >= CTL_REQUESTS || call->id == CTL_SUBSCRIBE || !json_is_object(call->reply))
		abort();
	for (size_t i = 0; i < CTL_PARAMS_MAX; i++) {
		const struct ctl_param *param = &request->params[i];

		if (call->given[i] && !param->name)
			abort();
		if (param->name && param->required && !call->given[i])
			abort();
		if (call->given[i] && (param->type == CTL_TEXT) != !!call->text[i])
			abort();
		if (call->given[i] && param->type == CTL_EXIT && call->number[i] > 255)
			abort();
	}
}

static void raw_member(const struct control_fake *fake, struct control_call *call)
{
	call->raw_name = "raw";
	call->raw = malloc(fake->raw_bytes + 4);
	memset(call->raw, 'x', fake->raw_bytes + 2);
	call->raw[0] = call->raw[fake->raw_bytes + 1] = '"';
	/* As who writes lines. */
	memcpy(call->raw + fake->raw_bytes + 2, "\n", 2);
}

static int call_fake(void *target, struct control_call *call, struct report *report)
{
	struct control_fake *fake = target;

	check(call);
	fake->calls[call->id]++;
	if (fake->refuse)
		return report_fail(report, REPORT_USER, "%s: not now", ctl_requests[call->id].name);
	for (size_t i = 0; i < CTL_PARAMS_MAX; i++) {
		if (call->text[i])
			snprintf(fake->text, sizeof(fake->text), "%s", call->text[i]);
		else if (call->given[i])
			fake->number = call->number[i];
	}
	if (call->id == CTL_PAUSE || call->id == CTL_RESUME)
		fake->paused = call->id == CTL_PAUSE;
	if (call->id == CTL_QUIT)
		fake->status = (int)call->number[0];
	json_object_set_new(call->reply, "state", json_string(fake->paused ? "paused" : "running"));
	if (call->id == CTL_CONSOLE_ATTACH)
		call->stream = fake;
	if (call->id == CTL_NET_ATTACH && *call->fd >= 0) {
		close(*call->fd);
		*call->fd = -1;
		fake->taken_fds++;
	}
	if (fake->raw_bytes)
		raw_member(fake, call);
	return 0;
}

/* What it becomes says what it was and hangs up. */
static int become(void *target, void *stream, int fd, const char *out, size_t out_len,
		  const char *in, size_t in_len)
{
	if (target != stream)
		abort();
	if (write(fd, out, out_len) != (ssize_t)out_len || write(fd, in, in_len) != (ssize_t)in_len)
		return -1;
	return close(fd);
}

const struct control_ops control_fake_ops = {call_fake, become};
