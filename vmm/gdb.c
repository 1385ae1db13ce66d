/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * --gdb: the socket a debugger comes to. Bytes go between it and the session (gdb-session.h), which
 * has buffers of fixed size: from a client that does not read, nothing more is read.
 */
#include "vmm/gdb.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "devices/unix-socket.h"
#include "vmm/gdb-target.h"

#define DEFAULT_PORT 1234
#define TURN_MS      200 /* how soon a signal's machine_stop() is noticed, at the latest */

struct gdb {
	struct machine *machine;
	struct gdb_target target;
	struct gdb_session session;
	struct unix_listener path; /* fd is -1: a port it is */
	int listener;              /* -1: a path it is */
	unsigned int port;
	int client; /* -1: none */
	struct loop_watch *listen_watch;
	struct loop_watch *client_watch;
	struct loop_watch *event_watch;
	uint8_t in[4096];
	size_t in_len;
	struct gdb_stop stop; /* what a client is told first */
};

/* --- the client --------------------------------------------------------------------------------- */

static void drop_client(struct gdb *gdb)
{
	if (gdb->client < 0)
		return;
	loop_remove(gdb->client_watch);
	close(gdb->client);
	gdb->client = -1;
	gdb->client_watch = NULL;
	gdb_session_end(&gdb->session);
	gdb_target_release(&gdb->target);
}

/* As much as the socket takes; false if the client is gone. */
static bool flush(struct gdb *gdb)
{
	for (;;) {
		size_t len;
		const char *bytes = gdb_session_output(&gdb->session, &len);
		ssize_t sent;

		if (len == 0)
			return true;
		sent = send(gdb->client, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (sent < 0)
			return errno == EAGAIN || errno == EINTR;
		gdb_session_sent(&gdb->session, (size_t)sent);
	}
}

/* Move what can be moved in both directions, and watch for what the rest waits for. */
static void pump(struct gdb *gdb)
{
	uint32_t events = 0;
	size_t taken, waiting;

	do {
		taken = gdb_session_receive(&gdb->session, gdb->in, gdb->in_len);
		gdb->in_len -= taken;
		memmove(gdb->in, gdb->in + taken, gdb->in_len);
		if (!flush(gdb)) {
			drop_client(gdb);
			return;
		}
	} while (taken && gdb->in_len);
	gdb_session_output(&gdb->session, &waiting);
	if (gdb->session.closing && !waiting) {
		drop_client(gdb);
		return;
	}
	if (gdb->in_len == 0)
		events |= EPOLLIN;
	if (waiting)
		events |= EPOLLOUT;
	if (loop_modify(gdb->client_watch, events))
		drop_client(gdb);
}

static void client_ready(void *arg, uint32_t events)
{
	struct gdb *gdb = arg;

	if (events & EPOLLIN && gdb->in_len == 0) {
		ssize_t len = recv(gdb->client, gdb->in, sizeof(gdb->in), MSG_DONTWAIT);

		if (len == 0 || (len < 0 && errno != EAGAIN && errno != EINTR)) {
			drop_client(gdb);
			return;
		}
		gdb->in_len = len < 0 ? 0 : (size_t)len;
	} else if (events & (EPOLLHUP | EPOLLERR)) {
		drop_client(gdb);
		return;
	}
	pump(gdb);
}

static void somebody_came(void *arg, uint32_t events)
{
	struct gdb *gdb = arg;
	int fd = gdb->listener < 0
			 ? unix_accept(&gdb->path)
			 : accept4(gdb->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events;
	if (fd < 0)
		return;
	if (gdb->client >= 0) {
		close(fd);
		return;
	}
	gdb->client_watch = loop_add(gdb->machine->loop, fd, EPOLLIN, client_ready, gdb);
	if (!gdb->client_watch) {
		close(fd);
		return;
	}
	gdb->client = fd;
	gdb->in_len = 0;
	gdb->target.released = false;
	gdb_target_hold(&gdb->target);
	gdb_session_begin(&gdb->session, &gdb_target_ops, &gdb->target, &gdb->stop);
}

static void vcpu_met_something(void *arg, uint32_t events)
{
	struct gdb *gdb = arg;
	struct gdb_stop stop;

	(void)events;
	if (!gdb_target_stopped(&gdb->target, &stop) || gdb->client < 0)
		return;
	gdb_session_stopped(&gdb->session, &stop);
	pump(gdb);
}

/* --- where it listens --------------------------------------------------------------------------- */

static int listen_port(struct gdb *gdb, const char *option, unsigned long port, struct report *report)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons((uint16_t)port),
	};
	socklen_t size = sizeof(addr);
	int one = 1;

	gdb->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (gdb->listener < 0)
		return report_fail(report, REPORT_HOST, "%s: socket: %s", option, strerror(errno));
	setsockopt(gdb->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	/* What it accepts has it, too. */
	setsockopt(gdb->listener, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (bind(gdb->listener, (struct sockaddr *)&addr, size) || listen(gdb->listener, 1) ||
	    getsockname(gdb->listener, (struct sockaddr *)&addr, &size))
		return report_fail(report, report_whose(errno),
				   "%s: 127.0.0.1 port %lu: %s; --gdb=PORT or --gdb=PATH is "
				   "another place",
				   option, port, strerror(errno));
	gdb->port = ntohs(addr.sin_port);
	return 0;
}

/* The rest is cut at ",run". */
static char *split(const char *spec, bool *run)
{
	static const char word[] = ",run";
	size_t len = strlen(spec), tail = sizeof(word) - 1;

	*run = len >= tail && strcmp(spec + len - tail, word) == 0;
	if (strcmp(spec, "run") == 0) {
		*run = true;
		return strdup("");
	}
	return strndup(spec, *run ? len - tail : len);
}

/* Where @where is: 1 a port, 0 a path, or -1 (@report). */
static int parse_port(const char *spec, const char *where, unsigned long *port, struct report *report)
{
	char *end;

	*port = *where ? strtoul(where, &end, 10) : DEFAULT_PORT;
	if (*where && (*where < '0' || *where > '9' || *end))
		return 0;
	if (*port > 65535)
		return report_fail(report, REPORT_USER, "--gdb %s: ports go up to 65535", spec);
	return 1;
}

static int listen_at(struct gdb *gdb, const char *option, const char *spec, const char *where,
		     struct report *report)
{
	unsigned long port;
	int is_port = parse_port(spec, where, &port, report);

	if (is_port < 0)
		return -1;
	if (is_port)
		return listen_port(gdb, option, port, report);
	return unix_listen(option, where, UNIX_PATH_LIMIT, &gdb->path, report);
}

int gdb_check(const char *spec, struct report *report)
{
	bool run;
	char *where = split(spec ? spec : "", &run);
	unsigned long port;
	int is_port;

	if (!where)
		return report_fail(report, REPORT_HOST, "out of memory");
	is_port = parse_port(spec ? spec : "", where, &port, report);
	if (is_port == 0)
		is_port = unix_try_listen("--gdb", where, UNIX_PATH_LIMIT, report);
	free(where);
	return is_port < 0 ? -1 : 0;
}

static void say_where(const struct gdb *gdb, const char *what)
{
	if (gdb->listener >= 0)
		log_line(LOG_LEVEL_INFO, "gdb: %s: target remote :%u", what, gdb->port);
	else
		log_line(LOG_LEVEL_INFO, "gdb: %s: target remote %s", what, gdb->path.path);
}

int gdb_open(const char *option, const char *spec, struct machine *machine, struct gdb **out,
	     struct report *report)
{
	struct gdb *gdb = calloc(1, sizeof(*gdb));
	bool run = false;
	char *where = split(spec ? spec : "", &run);
	int fd;

	*out = gdb;
	if (!gdb || !where) {
		free(where);
		return report_fail(report, REPORT_HOST, "out of memory");
	}
	gdb->machine = machine;
	gdb->path.fd = gdb->listener = gdb->client = gdb->target.event = -1;
	gdb->stop = (struct gdb_stop){.signal = GDB_SIGTRAP};
	if (listen_at(gdb, option, spec ? spec : "", where, report) ||
	    gdb_target_init(&gdb->target, machine, &gdb->session, report))
		goto fail;
	fd = gdb->listener >= 0 ? gdb->listener : gdb->path.fd;
	gdb->listen_watch = loop_add(machine->loop, fd, EPOLLIN, somebody_came, gdb);
	gdb->event_watch =
		loop_add(machine->loop, gdb->target.event, EPOLLIN, vcpu_met_something, gdb);
	if (!gdb->listen_watch || !gdb->event_watch) {
		report_fail(report, REPORT_HOST, "epoll: %s", strerror(errno));
		goto fail;
	}
	if (!run)
		gdb_target_hold(&gdb->target);
	say_where(gdb, run ? "listening" : "the guest waits for a debugger");
	free(where);
	return 0;
fail:
	free(where);
	return -1;
}

/* --- the end ------------------------------------------------------------------------------------ */

static enum gdb_signal crash_signal(int status)
{
	switch (status) {
	case VCPU_END_TRIPLE_FAULT: return GDB_SIGSEGV;
	case VCPU_END_BROKEN: return GDB_SIGILL;
	case MACHINE_END_PANIC: return GDB_SIGABRT;
	default: return GDB_SIGALRM;
	}
}

/* The vCPU that made it so; the first, if none did. */
static unsigned int crash_cpu(const struct machine *machine)
{
	for (unsigned int i = 0; i < machine->vcpu_count; i++) {
		unsigned int reason = machine->vcpus[i].run->exit_reason;

		if (reason == KVM_EXIT_SHUTDOWN || reason == KVM_EXIT_INTERNAL_ERROR ||
		    reason == KVM_EXIT_FAIL_ENTRY)
			return i;
	}
	return 0;
}

void gdb_post_mortem(struct gdb *gdb, int status, bool wait)
{
	unsigned int stops = __atomic_load_n(&gdb->machine->stops, __ATOMIC_ACQUIRE);

	gdb->stop = (struct gdb_stop){
		.cpu = crash_cpu(gdb->machine),
		.signal = crash_signal(status),
	};
	gdb->target.over = true;
	gdb->target.released = false;
	if (gdb->client >= 0) {
		gdb_session_stopped(&gdb->session, &gdb->stop);
		pump(gdb);
	} else if (wait) {
		say_where(gdb, "the guest crashed and waits for a debugger");
	} else {
		return;
	}
	while (!gdb->target.released &&
	       stops == __atomic_load_n(&gdb->machine->stops, __ATOMIC_ACQUIRE)) {
		if (loop_turn(gdb->machine->loop, TURN_MS))
			return;
	}
}

void gdb_withdraw(struct gdb *gdb)
{
	gdb_break_clear_all(&gdb->target);
}

void gdb_close(struct gdb *gdb, int status)
{
	if (!gdb)
		return;
	if (gdb->client >= 0) {
		gdb_session_exited(&gdb->session, status);
		/* What the socket takes at once: nobody waits for a client here. */
		flush(gdb);
		gdb->target.over = true;
		drop_client(gdb);
	}
	loop_remove(gdb->listen_watch);
	loop_remove(gdb->event_watch);
	gdb_target_clear(&gdb->target);
	if (gdb->listener >= 0)
		close(gdb->listener);
	if (gdb->path.fd >= 0)
		unix_unlisten(&gdb->path);
	free(gdb);
}
