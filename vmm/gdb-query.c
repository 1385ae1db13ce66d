/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* What gdb asks about the target: features, threads, monitor commands. */
#include "vmm/gdb-query.h"

#include <stdlib.h>
#include <string.h>

/* What a monitor command prints goes out in pieces of so many bytes. */
#define TEXT_PIECE 1024

void gdb_query_supported(struct gdb_session *session, const char *args)
{
	session->reasons = strstr(args, "swbreak+") && strstr(args, "hwbreak+");
	gdb_reply_begin(&session->frame);
	gdb_reply_text(&session->frame, "PacketSize=");
	gdb_reply_number(&session->frame, GDB_PACKET_MAX);
	gdb_reply_text(&session->frame, ";QStartNoAckMode+;qXfer:features:read+;vContSupported+;"
					"swbreak+;hwbreak+");
	gdb_reply_send(&session->frame);
}

void gdb_query_features(struct gdb_session *session, const char *args)
{
	char *xml = gdb_register_xml();
	size_t size = xml ? strlen(xml) : 0;
	uint64_t from, len;

	if (!xml || !gdb_number(&args, &from) || *args++ != ',' || !gdb_number(&args, &len) ||
	    *args || from > size) {
		gdb_reply(&session->frame, "E00");
		goto out;
	}
	len = len < GDB_PACKET_MAX / 2 ? len : GDB_PACKET_MAX / 2;
	len = len < size - from ? len : size - from;
	gdb_reply_begin(&session->frame);
	gdb_reply_text(&session->frame, from + len < size ? "m" : "l");
	/* It has nothing to escape in it. */
	gdb_reply_bytes(&session->frame, xml + from, len);
	gdb_reply_send(&session->frame);
out:
	free(xml);
}

/* As many as fit, then the rest for the next question. */
void gdb_query_more_threads(struct gdb_session *session, const char *args)
{
	unsigned int cpus = session->ops->cpus(session->target);

	(void)args;
	gdb_reply_begin(&session->frame);
	gdb_reply_text(&session->frame, session->listed < cpus ? "m" : "l");
	for (unsigned int n = 0; session->listed < cpus && n < 64; n++) {
		if (n)
			gdb_reply_text(&session->frame, ",");
		gdb_reply_number(&session->frame, ++session->listed);
	}
	gdb_reply_send(&session->frame);
}

void gdb_query_threads(struct gdb_session *session, const char *args)
{
	session->listed = 0;
	gdb_query_more_threads(session, args);
}

void gdb_query_thread(struct gdb_session *session, const char *args)
{
	struct gdb_frame *frame = &session->frame;
	unsigned int cpu;
	const char *state;

	if (!gdb_session_thread(session, &args, &cpu) || cpu == UINT32_MAX || *args) {
		gdb_reply(frame, "E16");
		return;
	}
	state = session->ops->cpu_state(session->target, cpu);
	gdb_reply_begin(frame);
	gdb_reply_hex(frame, "vCPU ", 5);
	if (cpu >= 100)
		gdb_reply_hex(frame, &"0123456789"[cpu / 100], 1);
	if (cpu >= 10)
		gdb_reply_hex(frame, &"0123456789"[cpu / 10 % 10], 1);
	gdb_reply_hex(frame, &"0123456789"[cpu % 10], 1);
	gdb_reply_hex(frame, ", ", 2);
	gdb_reply_hex(frame, state, strlen(state));
	gdb_reply_send(frame);
}

/* A client that goes leaves the guest alone. */
void gdb_query_attached(struct gdb_session *session, const char *args)
{
	(void)args;
	gdb_reply(&session->frame, "1");
}

void gdb_query_current(struct gdb_session *session, const char *args)
{
	/* There are others that begin alike. */
	if (*args) {
		gdb_reply(&session->frame, "");
		return;
	}
	gdb_reply_begin(&session->frame);
	gdb_reply_text(&session->frame, "QC");
	gdb_reply_number(&session->frame, session->cpu + 1);
	gdb_reply_send(&session->frame);
}

/* --- monitor commands --------------------------------------------------------------------------- */

void gdb_query_monitor(struct gdb_session *session, const char *args)
{
	char command[64];
	size_t len = strlen(args) / 2;

	if (len >= sizeof(command) || !gdb_unhex(&args, command, len) || *args) {
		gdb_reply(&session->frame, "E16");
		return;
	}
	command[len] = '\0';
	session->text = session->ops->monitor(session->target, command);
	session->text_at = 0;
	if (!session->text)
		gdb_reply(&session->frame, "");
	else
		gdb_query_go_on(session);
}

void gdb_query_go_on(struct gdb_session *session)
{
	struct gdb_frame *frame = &session->frame;

	while (session->text && gdb_frame_has_room(frame)) {
		const char *from = session->text + session->text_at;
		size_t len = strnlen(from, TEXT_PIECE);

		if (len == 0) {
			free(session->text);
			session->text = NULL;
			gdb_reply(frame, "OK");
			return;
		}
		gdb_reply_begin(frame);
		gdb_reply_text(frame, "O");
		gdb_reply_hex(frame, from, len);
		gdb_reply_send(frame);
		session->text_at += len;
	}
}

/* --- modes -------------------------------------------------------------------------------------- */

void gdb_query_physical(struct gdb_session *session, const char *args)
{
	(void)args;
	gdb_reply(&session->frame, session->physical ? "1" : "0");
}

void gdb_set_physical(struct gdb_session *session, const char *args)
{
	uint64_t on;

	if (!gdb_number(&args, &on) || on > 1 || *args) {
		gdb_reply(&session->frame, "E16");
		return;
	}
	session->physical = on;
	gdb_reply(&session->frame, "OK");
}

void gdb_set_no_acks(struct gdb_session *session, const char *args)
{
	(void)args;
	gdb_reply(&session->frame, "OK");
	session->frame.no_acks = true;
}
