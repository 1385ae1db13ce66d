/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * --control: a UNIX socket at which other programs ask what the machine does and tell it what to do
 * (docs/control.md). It needs a library for JSON, which need not be there: hence the weak names.
 */
#ifndef VMM_CONTROL_H
#define VMM_CONTROL_H

#include "vmm/machine.h"

struct control;

/*
 * Listen at @spec: a path, or "fd:N" for a socket that listens already. Before machine_run(), and
 * before what is needed to open it is given away. control_close() in every case, before the machine
 * goes; NULL is allowed.
 */
__attribute__((weak)) int control_open(const char *spec, struct machine *machine,
				       struct control **out, struct report *report);

/* Whether control_open() would find something wrong, without making anything. 0 or -1 (@report). */
__attribute__((weak)) int control_try(const char *spec, struct report *report);

/* machine_run() is over: a guest that crashed may still be looked at, nothing of it runs again. */
__attribute__((weak)) void control_over(struct control *control, int status);

/* The machine ended with @status, which clients are told. */
__attribute__((weak)) void control_close(struct control *control, int status);

#endif
