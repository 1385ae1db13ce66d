/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * A client of the control socket: bytes from it in, bytes for it out, and between them requests of
 * what is controlled. It knows neither sockets nor the machine, so that it is tested and fuzzed
 * without; control.c connects it, control-target.c is the machine behind it. The protocol is in
 * docs/control.md, its requests in ctl-table.h.
 *
 * Nothing a client does makes it grow: a request has CONTROL_REQUEST_MAX bytes, the next is not
 * looked at before the answer to the last is on its way, and who does not read events is dropped.
 */
#ifndef VMM_CONTROL_SESSION_H
#define VMM_CONTROL_SESSION_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "devices/report.h"
#include "vmm/ctl-table.h"

#define CONTROL_REQUEST_MAX 4096 /* bytes of a line, without its end */
#define CONTROL_REPLY_MAX   (size_t)(16 << 20)
#define CONTROL_EVENTS_MAX  (size_t)(64 << 10) /* what may wait for a client when an event comes */

/* A request, checked by the table, and its answer. */
struct control_call {
	enum ctl_id id;
	bool given[CTL_PARAMS_MAX];
	const char *text[CTL_PARAMS_MAX]; /* of CTL_TEXT, or NULL */
	uint64_t number[CTL_PARAMS_MAX];  /* of the others */
	int *fd; /* the descriptor that came along, or -1; who takes it sets -1 */

	json_t *reply; /* an object, to be added to */
	/* One more member, whose value is JSON already and to be freed; NULL: none. */
	const char *raw_name;
	char *raw;
	void *stream; /* what the connection becomes when it has the reply; NULL: it stays */
};

/* What is controlled. */
struct control_ops {
	/* 0, or -1 and why not in @report. */
	int (*call)(void *target, struct control_call *call, struct report *report);
	/*
	 * The connection @fd becomes @stream, which call() said it would: @out is yet to be sent,
	 * @in came already. 0, and it is the stream's to close, or -1.
	 */
	int (*become)(void *target, void *stream, int fd, const char *out, size_t out_len,
		      const char *in, size_t in_len);
};

/* The loop's thread. */
struct control_session {
	const struct control_ops *ops;
	void *target;
	char in[CONTROL_REQUEST_MAX + 1]; /* with a zero behind it when it is a line */
	size_t in_len;
	char *out; /* what is to be sent is from out_at to out_len */
	size_t out_at, out_len;
	bool subscribed;
	bool closing; /* close it when all is sent */
	bool dropped; /* close it now */
	int fd;       /* a descriptor it passed that no request has taken, or -1 */
	void *stream; /* see control_call */
};

void control_session_begin(struct control_session *session, const struct control_ops *ops,
			   void *target);
void control_session_end(struct control_session *session);

/*
 * Bytes came; returns how many were taken, fewer if first something has to be sent, or if what
 * follows is not the session's any more (closing, stream). At most one request is done.
 */
size_t control_session_receive(struct control_session *session, const char *data, size_t len);

/* A descriptor came with them; the session's from here on. */
void control_session_take_fd(struct control_session *session, int fd);

/* What is to be sent, and that so much of it was. */
const char *control_session_output(const struct control_session *session, size_t *len);
void control_session_sent(struct control_session *session, size_t len);

/* Something happened: {"event": @name}, and "status" if it is not negative. */
void control_session_event(struct control_session *session, const char *name, int status);

/* For replies: @text as JSON; bytes that are not UTF-8 become question marks. */
json_t *control_text(const char *text);

#endif
