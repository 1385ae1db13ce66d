/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * A session of gdb's remote protocol: one table of packets, those that concern registers, memory,
 * breakpoints and running. What asks for something about the target is gdb-query.c's.
 */
#include "vmm/gdb-session.h"

#include <stdlib.h>
#include <string.h>

#include "vmm/gdb-query.h"

/* Answers; the numbers mean nothing to gdb. */
#define OK         "OK"
#define E_ARGUMENT "E16"
#define E_REFUSED  "E01"
#define E_MEMORY   "E0e"
#define E_LONG     "E5a"

/* --- threads ------------------------------------------------------------------------------------ */

/* A thread's number; -1 is all, 0 any: *@cpu is then UINT_MAX and the current one. */
bool gdb_session_thread(const struct gdb_session *session, const char **text, unsigned int *cpu)
{
	uint64_t number;

	if (strncmp(*text, "-1", 2) == 0) {
		*text += 2;
		*cpu = UINT32_MAX;
		return true;
	}
	if (!gdb_number(text, &number) || number > session->ops->cpus(session->target))
		return false;
	*cpu = number ? (unsigned int)number - 1 : session->cpu;
	return true;
}

static void set_thread(struct gdb_session *session, const char *args)
{
	char operation = *args ? *args++ : '\0';
	unsigned int cpu;

	if (!gdb_session_thread(session, &args, &cpu) || *args) {
		gdb_reply(&session->frame, E_ARGUMENT);
		return;
	}
	/* Hc is told by vCont. */
	if (operation == 'g' && cpu != UINT32_MAX)
		session->cpu = cpu;
	gdb_reply(&session->frame, OK);
}

static void thread_alive(struct gdb_session *session, const char *args)
{
	unsigned int cpu;
	bool is = gdb_session_thread(session, &args, &cpu) && cpu != UINT32_MAX;

	gdb_reply(&session->frame, is ? OK : E_ARGUMENT);
}

/* --- registers ---------------------------------------------------------------------------------- */

static bool get_registers(struct gdb_session *session, struct gdb_registers *registers)
{
	if (session->ops->get_registers(session->target, session->cpu, registers) == 0)
		return true;
	gdb_reply(&session->frame, E_REFUSED);
	return false;
}

static void put_registers(struct gdb_session *session, const struct gdb_registers *registers)
{
	bool bad = session->ops->set_registers(session->target, session->cpu, registers);

	gdb_reply(&session->frame, bad ? E_REFUSED : OK);
}

static void read_registers(struct gdb_session *session, const char *args)
{
	struct gdb_registers registers;
	uint8_t bytes[GDB_REGISTER_MAX];

	(void)args;
	if (!get_registers(session, &registers))
		return;
	gdb_reply_begin(&session->frame);
	for (unsigned int i = 0; i < gdb_register_count(); i++) {
		gdb_register_get(&registers, i, bytes);
		gdb_reply_hex(&session->frame, bytes, gdb_register_size(i));
	}
	gdb_reply_send(&session->frame);
}

static void write_registers(struct gdb_session *session, const char *args)
{
	struct gdb_registers registers;
	uint8_t bytes[GDB_REGISTER_MAX];

	if (!get_registers(session, &registers))
		return;
	for (unsigned int i = 0; i < gdb_register_count() && *args; i++) {
		if (!gdb_unhex(&args, bytes, gdb_register_size(i))) {
			gdb_reply(&session->frame, E_ARGUMENT);
			return;
		}
		gdb_register_set(&registers, i, bytes);
	}
	put_registers(session, &registers);
}

static void read_register(struct gdb_session *session, const char *args)
{
	struct gdb_registers registers;
	uint8_t bytes[GDB_REGISTER_MAX];
	uint64_t number;

	if (!gdb_number(&args, &number) || number >= gdb_register_count()) {
		gdb_reply(&session->frame, E_ARGUMENT);
		return;
	}
	if (!get_registers(session, &registers))
		return;
	gdb_register_get(&registers, (unsigned int)number, bytes);
	gdb_reply_begin(&session->frame);
	gdb_reply_hex(&session->frame, bytes, gdb_register_size((unsigned int)number));
	gdb_reply_send(&session->frame);
}

static void write_register(struct gdb_session *session, const char *args)
{
	struct gdb_registers registers;
	uint8_t bytes[GDB_REGISTER_MAX];
	uint64_t number;

	if (!gdb_number(&args, &number) || number >= gdb_register_count() || *args++ != '=' ||
	    !gdb_unhex(&args, bytes, gdb_register_size((unsigned int)number)) || *args) {
		gdb_reply(&session->frame, E_ARGUMENT);
		return;
	}
	if (!get_registers(session, &registers))
		return;
	gdb_register_set(&registers, (unsigned int)number, bytes);
	put_registers(session, &registers);
}

/* --- memory ------------------------------------------------------------------------------------- */

static bool range(const char **args, uint64_t *addr, uint64_t *len)
{
	return gdb_number(args, addr) && *(*args)++ == ',' && gdb_number(args, len);
}

static void read_memory(struct gdb_session *session, const char *args)
{
	uint8_t bytes[GDB_PACKET_MAX / 2];
	uint64_t addr, len;
	size_t done;

	if (!range(&args, &addr, &len) || *args) {
		gdb_reply(&session->frame, E_ARGUMENT);
		return;
	}
	len = len < sizeof(bytes) ? len : sizeof(bytes);
	done = session->ops->read(session->target, session->cpu, session->physical, addr, bytes, len);
	if (len && !done) {
		gdb_reply(&session->frame, E_MEMORY);
		return;
	}
	/* Fewer than asked for is an answer. */
	gdb_reply_begin(&session->frame);
	gdb_reply_hex(&session->frame, bytes, done);
	gdb_reply_send(&session->frame);
}

static void put_memory(struct gdb_session *session, uint64_t addr, const void *bytes, size_t len)
{
	size_t done = session->ops->write(session->target, session->cpu, session->physical, addr,
					  bytes, len);

	gdb_reply(&session->frame, done == len ? OK : E_MEMORY);
}

static void write_memory(struct gdb_session *session, const char *args)
{
	uint8_t bytes[GDB_PACKET_MAX / 2];
	uint64_t addr, len;

	if (!range(&args, &addr, &len) || *args++ != ':' || len > sizeof(bytes) ||
	    !gdb_unhex(&args, bytes, len) || *args)
		gdb_reply(&session->frame, E_ARGUMENT);
	else
		put_memory(session, addr, bytes, len);
}

/* The bytes as they are: they may be zero, so that what came is asked for its length. */
static void write_binary(struct gdb_session *session, const char *args)
{
	const struct gdb_frame *frame = &session->frame;
	uint64_t addr, len;

	if (!range(&args, &addr, &len) || *args++ != ':' ||
	    len != (uint64_t)(frame->data + frame->len - args))
		gdb_reply(&session->frame, E_ARGUMENT);
	else
		put_memory(session, addr, args, len);
}

/* --- breakpoints -------------------------------------------------------------------------------- */

static void change_break(struct gdb_session *session, const char *args,
			 int (*change)(void *, unsigned int, enum gdb_break, uint64_t, uint64_t))
{
	unsigned int kind = (unsigned int)(*args ? *args++ - '0' : GDB_BREAK_KINDS);
	uint64_t addr, len;

	/* Conditions and commands were not offered. */
	if (kind >= GDB_BREAK_KINDS || *args++ != ',' || !range(&args, &addr, &len) || *args)
		gdb_reply(&session->frame, E_ARGUMENT);
	else if (change(session->target, session->cpu, (enum gdb_break)kind, addr, len))
		gdb_reply(&session->frame, E_REFUSED);
	else
		gdb_reply(&session->frame, OK);
}

static void set_break(struct gdb_session *session, const char *args)
{
	change_break(session, args, session->ops->set_break);
}

static void clear_break(struct gdb_session *session, const char *args)
{
	change_break(session, args, session->ops->clear_break);
}

/* --- running ------------------------------------------------------------------------------------ */

static void resume(struct gdb_session *session, const enum gdb_action *actions)
{
	if (session->ops->resume(session->target, actions))
		gdb_reply(&session->frame, E_REFUSED);
	else
		session->running = true;
}

/* "c", "s": all go on; only the current one makes a step. */
static void run(struct gdb_session *session, enum gdb_action action, const char *args)
{
	enum gdb_action actions[GDB_CPUS_MAX] = {GDB_HOLD};
	unsigned int cpus = session->ops->cpus(session->target);

	if (*args) {
		gdb_reply(&session->frame, E_ARGUMENT);
		return;
	}
	for (unsigned int i = 0; i < cpus && action == GDB_CONTINUE; i++)
		actions[i] = action;
	actions[session->cpu] = action;
	resume(session, actions);
}

static void go_on(struct gdb_session *session, const char *args)
{
	run(session, GDB_CONTINUE, args);
}

static void step(struct gdb_session *session, const char *args)
{
	run(session, GDB_STEP, args);
}

/* With a signal, which guests have none of. */
static bool action(const char **text, enum gdb_action *out)
{
	char letter = *(*text)++;
	uint8_t signal;

	if (letter == 'C' || letter == 'S') {
		if (!gdb_unhex(text, &signal, 1))
			return false;
	} else if (letter != 'c' && letter != 's') {
		return false;
	}
	*out = letter == 'c' || letter == 'C' ? GDB_CONTINUE : GDB_STEP;
	return true;
}

/* ";ACTION[:THREAD]" and so on: the first that names a thread counts for it. */
static void resume_each(struct gdb_session *session, const char *args)
{
	enum gdb_action actions[GDB_CPUS_MAX] = {GDB_HOLD};
	unsigned int cpus = session->ops->cpus(session->target);
	bool any = false;

	while (*args == ';') {
		unsigned int cpu = UINT32_MAX;
		enum gdb_action wanted;

		args++;
		if (!action(&args, &wanted))
			break;
		if (*args == ':' && (args++, !gdb_session_thread(session, &args, &cpu)))
			break;
		for (unsigned int i = 0; i < cpus; i++) {
			if (actions[i] == GDB_HOLD && (cpu == UINT32_MAX || cpu == i)) {
				actions[i] = wanted;
				any = true;
			}
		}
	}
	if (*args || !any)
		gdb_reply(&session->frame, E_ARGUMENT);
	else
		resume(session, actions);
}

static void resume_offer(struct gdb_session *session, const char *args)
{
	(void)args;
	gdb_reply(&session->frame, "vCont;c;C;s;S");
}

static void reply_stop(struct gdb_session *session)
{
	const struct gdb_stop *stop = &session->stop;
	struct gdb_frame *frame = &session->frame;
	const uint8_t signal = (uint8_t)stop->signal;

	gdb_reply_begin(frame);
	gdb_reply_text(frame, "T");
	gdb_reply_hex(frame, &signal, 1);
	gdb_reply_text(frame, "thread:");
	gdb_reply_number(frame, stop->cpu + 1);
	gdb_reply_text(frame, ";");
	if (stop->reason && (session->reasons || strstr(stop->reason, "watch"))) {
		gdb_reply_text(frame, stop->reason);
		gdb_reply_text(frame, ":");
		if (strstr(stop->reason, "watch"))
			gdb_reply_number(frame, stop->addr);
		gdb_reply_text(frame, ";");
	}
	gdb_reply_send(frame);
}

static void why_stopped(struct gdb_session *session, const char *args)
{
	(void)args;
	reply_stop(session);
}

static void detach(struct gdb_session *session, const char *args)
{
	(void)args;
	session->closing = true;
	gdb_reply(&session->frame, OK);
}

/* No reply: the client does not wait for one. */
static void kill_guest(struct gdb_session *session, const char *args)
{
	(void)args;
	session->closing = true;
	session->ops->kill(session->target);
}

static void kill_process(struct gdb_session *session, const char *args)
{
	gdb_reply(&session->frame, OK);
	kill_guest(session, args);
}

/* --- the table ---------------------------------------------------------------------------------- */

struct packet {
	const char *name; /* how it begins */
	void (*handle)(struct gdb_session *session, const char *args);
};

/* The longer of two that begin alike first. What is not here is answered as not known. */
static const struct packet packets[] = {
	{"?", why_stopped},
	{"D", detach},
	{"G", write_registers},
	{"H", set_thread},
	{"M", write_memory},
	{"P", write_register},
	{"T", thread_alive},
	{"X", write_binary},
	{"Z", set_break},
	{"c", go_on},
	{"g", read_registers},
	{"k", kill_guest},
	{"m", read_memory},
	{"p", read_register},
	{"qSupported", gdb_query_supported},
	{"qXfer:features:read:target.xml:", gdb_query_features},
	{"qfThreadInfo", gdb_query_threads},
	{"qsThreadInfo", gdb_query_more_threads},
	{"qThreadExtraInfo,", gdb_query_thread},
	{"qAttached", gdb_query_attached},
	{"qC", gdb_query_current},
	{"qRcmd,", gdb_query_monitor},
	{"qqemu.PhyMemMode", gdb_query_physical},
	{"Qqemu.PhyMemMode:", gdb_set_physical},
	{"QStartNoAckMode", gdb_set_no_acks},
	{"s", step},
	{"vCont?", resume_offer},
	{"vCont", resume_each},
	{"vKill", kill_process},
	{"z", clear_break},
	{NULL, NULL},
};

static void handle_packet(struct gdb_session *session)
{
	const char *data = session->frame.data;

	for (const struct packet *packet = packets; packet->name; packet++) {
		size_t len = strlen(packet->name);

		if (strncmp(data, packet->name, len) == 0) {
			packet->handle(session, data + len);
			return;
		}
	}
	gdb_reply(&session->frame, "");
}

static void handle(struct gdb_session *session, enum gdb_event event)
{
	switch (event) {
	case GDB_NOTHING: break;
	case GDB_AGAIN: gdb_reply_again(&session->frame); break;
	case GDB_BREAK:
		if (session->running)
			session->ops->interrupt(session->target);
		break;
	case GDB_LONG:
		if (!session->running)
			gdb_reply(&session->frame, E_LONG);
		break;
	case GDB_PACKET:
		/* While the guest runs, nothing else can be asked. */
		if (!session->running && !session->ended)
			handle_packet(session);
		break;
	}
}

/* --- life --------------------------------------------------------------------------------------- */

void gdb_session_begin(struct gdb_session *session, const struct gdb_target_ops *ops, void *target,
		       const struct gdb_stop *stop)
{
	memset(session, 0, sizeof(*session));
	session->ops = ops;
	session->target = target;
	session->stop = *stop;
	session->cpu = stop->cpu;
}

void gdb_session_end(struct gdb_session *session)
{
	free(session->text);
	session->text = NULL;
}

size_t gdb_session_receive(struct gdb_session *session, const uint8_t *data, size_t len)
{
	size_t taken = 0;

	while (taken < len && !session->text && !session->closing &&
	       gdb_frame_has_room(&session->frame)) {
		size_t used;
		enum gdb_event event =
			gdb_frame_next(&session->frame, data + taken, len - taken, &used);

		taken += used;
		handle(session, event);
	}
	return taken;
}

const char *gdb_session_output(const struct gdb_session *session, size_t *len)
{
	*len = session->frame.out_len;
	return session->frame.out + session->frame.out_from;
}

void gdb_session_sent(struct gdb_session *session, size_t len)
{
	session->frame.out_from += len;
	session->frame.out_len -= len;
	gdb_query_go_on(session);
}

void gdb_session_stopped(struct gdb_session *session, const struct gdb_stop *stop)
{
	session->stop = *stop;
	session->cpu = stop->cpu;
	if (session->running)
		reply_stop(session);
	session->running = false;
}

void gdb_session_exited(struct gdb_session *session, int status)
{
	const uint8_t byte = (uint8_t)status;

	if (session->running && !session->ended) {
		gdb_reply_begin(&session->frame);
		gdb_reply_text(&session->frame, "W");
		gdb_reply_hex(&session->frame, &byte, 1);
		gdb_reply_send(&session->frame);
	}
	session->running = false;
	session->ended = true;
}
