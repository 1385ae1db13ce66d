/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vmm ctl: the other end of a control socket, for people and scripts. The static binary, which has
 * to be small, is without it; hence the weak names.
 */
#ifndef VMM_CTL_H
#define VMM_CTL_H

#include "devices/report.h"

__attribute__((weak)) int ctl_main(int argc, char **argv, struct report *report);

/* The requests there are, on standard output. */
__attribute__((weak)) void ctl_help(void);

/* --- ctl-console.c --- */

/*
 * Be at the other end of a console: what comes from the socket @fd goes to standard output, what
 * comes from standard input to it, until it ends or Ctrl-A x; a terminal is raw meanwhile. 0 or -1
 * (@report).
 */
int ctl_console(int fd, struct report *report);

/* --- ctl-frames.c --- */

/*
 * A socket for a network device, as "unix=PATH" (of datagrams; whoever is there sees an address it
 * can answer to) or "fd=N" says, in *@fd. 1 if @word is neither, 0, or -1 (@report).
 */
int ctl_take_socket(const char *word, int *fd, struct report *report);

#endif
