/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Lines of JSON in both directions. What a request may say is checked against the table, so that
 * who is called sees nothing that was not asked for.
 */
#include "vmm/control-session.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "devices/units.h"

void control_session_begin(struct control_session *session, const struct control_ops *ops,
			   void *target)
{
	*session = (struct control_session){.ops = ops, .target = target, .fd = -1};
}

void control_session_end(struct control_session *session)
{
	free(session->out);
	session->out = NULL;
	session->out_at = session->out_len = 0;
	control_session_take_fd(session, -1);
}

/* One at a time: what nobody asked for goes when the next comes. */
void control_session_take_fd(struct control_session *session, int fd)
{
	if (session->fd >= 0)
		close(session->fd);
	session->fd = fd;
}

/* --- output ------------------------------------------------------------------------------------- */

const char *control_session_output(const struct control_session *session, size_t *len)
{
	*len = session->out_len - session->out_at;
	return session->out ? session->out + session->out_at : "";
}

void control_session_sent(struct control_session *session, size_t len)
{
	session->out_at += len;
	if (session->out_at < session->out_len)
		return;
	/* It may have been a large one. */
	free(session->out);
	session->out = NULL;
	session->out_at = session->out_len = 0;
}

/* A client that cannot be answered for want of memory is dropped. */
static void put(struct control_session *session, const char *text, size_t len)
{
	char *out;

	if (session->dropped)
		return;
	out = realloc(session->out, session->out_len + len);
	if (!out) {
		session->dropped = true;
		return;
	}
	memcpy(out + session->out_len, text, len);
	session->out = out;
	session->out_len += len;
}

/* The object as a line; @name is a last member whose value is the JSON text @raw. */
static void put_object(struct control_session *session, const json_t *object, const char *name,
		       const char *raw)
{
	char *text = json_dumps(object, JSON_COMPACT);
	size_t len = text ? strlen(text) : 0;

	if (!text) {
		session->dropped = true;
		return;
	}
	/* Without its brace: there is a member before. */
	put(session, text, name ? len - 1 : len);
	if (name) {
		put(session, ",\"", 2);
		put(session, name, strlen(name));
		put(session, "\":", 2);
		put(session, raw, strlen(raw));
		put(session, "}", 1);
	}
	put(session, "\n", 1);
	free(text);
}

json_t *control_text(const char *text)
{
	json_t *value = json_string(text);
	char *copy;

	if (value)
		return value;
	copy = strdup(text);
	for (char *at = copy; at && *at; at++)
		*at = *at & 0x80 ? '?' : *at;
	value = copy ? json_string(copy) : NULL;
	free(copy);
	return value;
}

/* @id, which is NULL if it is not known, is used up. */
static void put_error(struct control_session *session, json_t *id, const char *why)
{
	json_t *reply = json_object();

	json_object_set_new(reply, "ok", json_false());
	if (id)
		json_object_set_new(reply, "id", id);
	json_object_set_new(reply, "error", control_text(why));
	put_object(session, reply, NULL, NULL);
	json_decref(reply);
}

void control_session_event(struct control_session *session, const char *name, int status)
{
	json_t *event;

	if (!session->subscribed || session->closing || session->dropped || session->stream)
		return;
	if (session->out_len - session->out_at > CONTROL_EVENTS_MAX) {
		session->dropped = true;
		return;
	}
	event = json_object();
	json_object_set_new(event, "event", json_string(name));
	if (status >= 0)
		json_object_set_new(event, "status", json_integer(status));
	put_object(session, event, NULL, NULL);
	json_decref(event);
}

/* --- requests ----------------------------------------------------------------------------------- */

static int fail_type(const struct ctl_request *request, const struct ctl_param *param,
		     const char *wanted, struct report *report)
{
	return report_fail(report, REPORT_USER, "%s: %s should be %s", request->name, param->name,
			   wanted);
}

static int take_param(const struct ctl_request *request, size_t index, const json_t *value,
		      struct control_call *call, struct report *report)
{
	const struct ctl_param *param = &request->params[index];
	json_int_t number = json_integer_value(value); /* 0 if it is none */

	call->given[index] = true;
	switch (param->type) {
	case CTL_TEXT:
		call->text[index] = json_string_value(value);
		return call->text[index] ? 0 : fail_type(request, param, "a text", report);
	case CTL_SIZE:
		call->number[index] = (uint64_t)number;
		if (json_is_integer(value) && number >= 0)
			return 0;
		if (json_is_string(value) &&
		    parse_size(json_string_value(value), &call->number[index]))
			return 0;
		return fail_type(request, param, "a size, in bytes or as \"64M\"", report);
	case CTL_EXIT:
		call->number[index] = (uint64_t)number;
		if (json_is_integer(value) && number >= 0 && number <= 255)
			return 0;
		return fail_type(request, param, "a number from 0 to 255", report);
	}
	return -1;
}

/* Members of the request are "request", "id" and its parameters, and nothing else. */
static int take_params(const struct ctl_request *request, json_t *object, struct control_call *call,
		       struct report *report)
{
	const char *key;
	json_t *value;

	json_object_foreach(object, key, value)
	{
		size_t i = 0;

		if (strcmp(key, "request") == 0 || strcmp(key, "id") == 0)
			continue;
		while (i < CTL_PARAMS_MAX &&
		       !(request->params[i].name && strcmp(request->params[i].name, key) == 0))
			i++;
		if (i == CTL_PARAMS_MAX)
			return report_fail(report, REPORT_USER, "%s: '%s' is not known to it",
					   request->name, key);
		if (take_param(request, i, value, call, report))
			return -1;
	}
	for (size_t i = 0; i < CTL_PARAMS_MAX; i++) {
		if (request->params[i].required && !call->given[i])
			return report_fail(report, REPORT_USER, "%s: %s is missing", request->name,
					   request->params[i].name);
	}
	return 0;
}

static const struct ctl_request *find(const json_t *object, struct report *report)
{
	const char *name = json_string_value(json_object_get(object, "request"));
	const struct ctl_request *request = name ? ctl_find(name) : NULL;
	const struct ctl_request *near = name && !request ? ctl_near(name) : NULL;

	if (!name)
		report_fail(report, REPORT_USER, "\"request\" is missing, or not a text");
	else if (near)
		report_fail(report, REPORT_USER, "%s: not a request; did you mean %s?", name,
			    near->name);
	else if (!request)
		report_fail(report, REPORT_USER, "%s: not a request", name);
	return request;
}

static int call(struct control_session *session, json_t *object, struct control_call *call,
		struct report *report)
{
	const struct ctl_request *request = find(object, report);

	if (!request || take_params(request, object, call, report))
		return -1;
	call->id = (enum ctl_id)(request - ctl_requests);
	call->fd = &session->fd;
	/* The one request that is about the client and not about the machine. */
	if (call->id == CTL_SUBSCRIBE) {
		session->subscribed = true;
		return 0;
	}
	return session->ops->call(session->target, call, report);
}

static void answer(struct control_session *session, json_t *object)
{
	struct control_call now = {.reply = json_object()};
	json_t *id = json_incref(json_object_get(object, "id"));
	struct report report;

	if (id && !json_is_integer(id) && !json_is_string(id)) {
		json_decref(id);
		put_error(session, NULL, "id should be a text or a whole number");
		goto out;
	}
	json_object_set_new(now.reply, "ok", json_true());
	if (id)
		json_object_set(now.reply, "id", id);
	if (call(session, object, &now, &report)) {
		put_error(session, id, report.text);
		goto out;
	}
	/* A line is a line. Ends of lines are nowhere in JSON but between things, and behind all. */
	for (char *at = now.raw; at && (at = strchr(at, '\n')); at++)
		*at = at[1] ? ' ' : '\0';
	if (now.raw && strlen(now.raw) > CONTROL_REPLY_MAX) {
		put_error(session, id, "the answer is too long");
		goto out;
	}
	put_object(session, now.reply, now.raw ? now.raw_name : NULL, now.raw);
	session->stream = now.stream;
	json_decref(id);
out:
	free(now.raw);
	json_decref(now.reply);
}

/* A line without its end. */
static void request_came(struct control_session *session)
{
	json_error_t error;
	json_t *value;
	char why[JSON_ERROR_TEXT_LENGTH + 64];

	session->in[session->in_len] = '\0';
	if (strspn(session->in, " \t\r") >= session->in_len)
		return;
	value = json_loadb(session->in, session->in_len, JSON_REJECT_DUPLICATES, &error);
	if (json_is_object(value)) {
		answer(session, value);
	} else {
		snprintf(why, sizeof(why), value ? "not a JSON object" : "not JSON: %s, byte %d",
			 error.text, error.position);
		put_error(session, NULL, why);
	}
	json_decref(value);
}

size_t control_session_receive(struct control_session *session, const char *data, size_t len)
{
	size_t taken = 0;

	while (taken < len && !session->closing && !session->dropped && !session->stream &&
	       session->out_at == session->out_len) {
		const char *end = memchr(data + taken, '\n', len - taken);
		size_t piece = (size_t)((end ? end : data + len) - (data + taken));

		if (piece > CONTROL_REQUEST_MAX - session->in_len) {
			put_error(session, NULL, "the request is too long");
			session->closing = true;
			break;
		}
		memcpy(session->in + session->in_len, data + taken, piece);
		session->in_len += piece;
		taken += piece;
		if (!end)
			break;
		taken++;
		request_came(session);
		session->in_len = 0;
	}
	return taken;
}
