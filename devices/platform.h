/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The two platform devices a guest ends itself with: the keyboard controller's reset line, and the
 * exit ports.
 */
#ifndef DEVICES_PLATFORM_H
#define DEVICES_PLATFORM_H

#include "devices/bus.h"

/* Who hears that the guest wants to end. Called on a vCPU thread. */
struct power_line {
	void (*exit)(struct power_line *line, int status);
	void (*reset)(struct power_line *line);
};

/*
 * The i8042 as far as a reset needs it: no keyboard, no mouse. Writing 0xfe to the command port
 * pulses the processor's reset line. Port 0x60 at offset 0, port 0x64 at offset 4.
 */
#define I8042_BASE 0x60
#define I8042_SIZE 5
extern const struct bus_ops i8042_bus_ops; /* device: struct power_line */

/*
 * QEMU's isa-debug-exit: a write of value v of any width ends the process with status
 * (v << 1) | 1, of which the host keeps 8 bits. The status is never 0.
 */
#define EXIT_PORT_DEBUG_BASE 0xf4
#define EXIT_PORT_DEBUG_SIZE 4
extern const struct bus_ops exit_debug_bus_ops; /* device: struct power_line */

/* This monitor's own: a 32-bit write ends the process with exactly its low byte as status. */
#define EXIT_PORT_STATUS_BASE 0xf8
#define EXIT_PORT_STATUS_SIZE 4
extern const struct bus_ops exit_status_bus_ops; /* device: struct power_line */

#endif
