/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The packets of gdb-query.c: each is called with what follows its name. */
#ifndef VMM_GDB_QUERY_H
#define VMM_GDB_QUERY_H

#include "vmm/gdb-session.h"

void gdb_query_supported(struct gdb_session *session, const char *args);
void gdb_query_features(struct gdb_session *session, const char *args);
void gdb_query_threads(struct gdb_session *session, const char *args);
void gdb_query_more_threads(struct gdb_session *session, const char *args);
void gdb_query_thread(struct gdb_session *session, const char *args);
void gdb_query_attached(struct gdb_session *session, const char *args);
void gdb_query_current(struct gdb_session *session, const char *args);
void gdb_query_monitor(struct gdb_session *session, const char *args);
void gdb_query_physical(struct gdb_session *session, const char *args);
void gdb_set_physical(struct gdb_session *session, const char *args);
void gdb_set_no_acks(struct gdb_session *session, const char *args);

/* Something was sent: more of a long text has room. */
void gdb_query_go_on(struct gdb_session *session);

/* A thread's number at *@text: UINT32_MAX for all. False if there is no such thread. */
bool gdb_session_thread(const struct gdb_session *session, const char **text, unsigned int *cpu);

#endif
