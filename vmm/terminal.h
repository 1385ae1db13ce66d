/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The person's terminal: raw while the machine runs, as it was on every way out; the Ctrl-A keys;
 * and the signals that end the machine.
 *
 * The state is the process's, as the terminal is. One machine at a time.
 */
#ifndef VMM_TERMINAL_H
#define VMM_TERMINAL_H

#include "vmm/machine.h"

/*
 * Restore the terminal, should it be raw, when a signal kills the process. Before the handler for
 * faults in guest memory is installed, which passes on what is not its own.
 */
int terminal_guard(struct report *report);

/*
 * From here on SIGINT, SIGTERM and SIGHUP stop @machine with status 128 + signal; a second one ends
 * the process at once. The first SIGTERM presses the power button instead, if the guest has one. If
 * a guest device has standard input and that is a terminal it becomes raw, and Ctrl-A is the
 * monitor's. After the devices are there, before the machine runs.
 */
int terminal_begin(struct machine *machine, struct report *report);

/* The same for who is about to end the process. Any thread, async-signal-safe. */
void terminal_restore(void);

/* The terminal as it was. Nothing to do if terminal_begin() was not called. */
void terminal_end(void);

#endif
