/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * --gdb: a machine that gdb attaches to ("target remote :1234"). One client at a time; the next
 * when it has gone.
 */
#ifndef VMM_GDB_H
#define VMM_GDB_H

#include "vmm/machine.h"

struct gdb;

/*
 * Listen at @spec, "[PORT|PATH][,run]" (NULL or "": port 1234 of 127.0.0.1), and say so on standard
 * error. Without ",run" the guest waits for a client to let it go. @option is the option's name,
 * for messages. Before machine_run(); gdb_close() before the machine goes, NULL is allowed.
 */
int gdb_open(const char *option, const char *spec, struct machine *machine, struct gdb **out,
	     struct report *report);
void gdb_close(struct gdb *gdb, int status);

/* Whether @spec says where, as far as can be told without listening there. 0 or -1 (@report). */
int gdb_check(const char *spec, struct report *report);

/* Take all breakpoints out of guest memory: it is to be seen as the guest left it. */
void gdb_withdraw(struct gdb *gdb);

/*
 * machine_run() is over, the guest crashed with @status: let a client look at what is left until it
 * goes, or machine_stop(). If none is there, wait for one, if @wait.
 */
void gdb_post_mortem(struct gdb *gdb, int status, bool wait);

#endif
