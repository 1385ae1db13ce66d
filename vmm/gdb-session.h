/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * A session of gdb's remote protocol: bytes from the client in, bytes for it out, and between them
 * calls of what is debugged. It knows neither sockets nor KVM, so that it is tested and fuzzed
 * without; gdb.c connects it, gdb-target.c is the machine behind it.
 *
 * All-stop mode: while the guest runs the client can only interrupt it. vCPU n is thread n + 1.
 */
#ifndef VMM_GDB_SESSION_H
#define VMM_GDB_SESSION_H

#include "vmm/gdb-packet.h"
#include "vmm/gdb-registers.h"

/* The protocol's numbers of signals. */
enum gdb_signal {
	GDB_SIGINT = 2,
	GDB_SIGILL = 4,
	GDB_SIGTRAP = 5,
	GDB_SIGABRT = 6,
	GDB_SIGSEGV = 11,
	GDB_SIGALRM = 14,
};

/* As in Z and z packets. */
enum gdb_break {
	GDB_BREAK_SOFTWARE,
	GDB_BREAK_HARDWARE,
	GDB_WATCH_WRITE,
	GDB_WATCH_READ,
	GDB_WATCH_ACCESS,
	GDB_BREAK_KINDS,
};

/* Why the guest stands still. */
struct gdb_stop {
	unsigned int cpu;
	enum gdb_signal signal;
	const char *reason; /* "swbreak", "hwbreak", "watch", ...; NULL: none */
	uint64_t addr;      /* of a watchpoint */
};

enum gdb_action {
	GDB_HOLD,
	GDB_CONTINUE,
	GDB_STEP,
};

/*
 * What is debugged. Those that return int: 0, or -1 if it cannot be. All but cpus and interrupt
 * are called only while the guest stands still.
 */
struct gdb_target_ops {
	unsigned int (*cpus)(void *target);
	int (*get_registers)(void *target, unsigned int cpu, struct gdb_registers *registers);
	int (*set_registers)(void *target, unsigned int cpu, const struct gdb_registers *registers);
	/* How many of @len bytes could be moved; @physical: not by the vCPU's page tables. */
	size_t (*read)(void *target, unsigned int cpu, bool physical, uint64_t addr, void *buf,
		       size_t len);
	size_t (*write)(void *target, unsigned int cpu, bool physical, uint64_t addr,
			const void *buf, size_t len);
	int (*set_break)(void *target, unsigned int cpu, enum gdb_break kind, uint64_t addr,
			 uint64_t len);
	int (*clear_break)(void *target, unsigned int cpu, enum gdb_break kind, uint64_t addr,
			   uint64_t len);
	/* Let the guest run, as @actions say for each vCPU; it says when it stopped by itself. */
	int (*resume)(void *target, const enum gdb_action *actions);
	void (*interrupt)(void *target); /* gdb_session_stopped() follows */
	void (*kill)(void *target);
	/* What a monitor command prints, to be freed; NULL: not known. */
	char *(*monitor)(void *target, const char *command);
	const char *(*cpu_state)(void *target, unsigned int cpu); /* a word for people */
};

#define GDB_CPUS_MAX 254

/* The loop's thread. */
struct gdb_session {
	const struct gdb_target_ops *ops;
	void *target;
	struct gdb_frame frame;
	bool running;        /* no reply is due before it stops */
	bool ended;          /* the guest is gone; only that can be told */
	bool closing;        /* detached or killed: close it when all is sent */
	bool physical;       /* memory by physical address */
	bool reasons;        /* the client knows swbreak and hwbreak */
	unsigned int cpu;    /* Hg: of registers and memory */
	unsigned int listed; /* qsThreadInfo goes on here */
	struct gdb_stop stop;
	char *text; /* a monitor command's, on its way; or NULL */
	size_t text_at;
};

/* A client came: the guest stands still for @stop. */
void gdb_session_begin(struct gdb_session *session, const struct gdb_target_ops *ops, void *target,
		       const struct gdb_stop *stop);
/* It is gone, or is to go. */
void gdb_session_end(struct gdb_session *session);

/* Bytes came; returns how many were taken, fewer if first something has to be sent. */
size_t gdb_session_receive(struct gdb_session *session, const uint8_t *data, size_t len);

/* What is to be sent, and that so much of it was. */
const char *gdb_session_output(const struct gdb_session *session, size_t *len);
void gdb_session_sent(struct gdb_session *session, size_t len);

/* The guest stopped; it ended with @status. */
void gdb_session_stopped(struct gdb_session *session, const struct gdb_stop *stop);
void gdb_session_exited(struct gdb_session *session, int status);

#endif
