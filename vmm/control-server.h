/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The socket of --control, and the clients at it: several at once, each with a session
 * (control-session.h). What they ask is answered by whoever the server was made for. All of it is
 * the loop's thread's.
 */
#ifndef VMM_CONTROL_SERVER_H
#define VMM_CONTROL_SERVER_H

#include "devices/loop.h"
#include "vmm/control-session.h"

#define CONTROL_CLIENTS_MAX 8

struct control_server;

/*
 * Listen at @spec: a path, or "fd:N". control_server_close() in every case; NULL is allowed. 0 or
 * -1 (@report).
 */
int control_server_open(const char *spec, struct loop *loop, const struct control_ops *ops,
			void *target, struct control_server **out, struct report *report);
void control_server_close(struct control_server *server);

/* Whether it could, as far as can be told without making anything. 0 or -1 (@report). */
int control_server_try(const char *spec, struct report *report);

/* Tell who has subscribed: see control_session_event(). */
void control_server_tell(struct control_server *server, const char *name, int status);

#endif
