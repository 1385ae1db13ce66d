/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Two ports by which a guest ends the machine with a status of its choice.
 *
 *	0xf4	as QEMU's isa-debug-exit with iobase=0xf4: writing V, 1, 2 or 4 bytes wide, ends
 *		with status (V << 1) | 1, of which the host keeps eight bits. Never 0.
 *	0xf8	a 32-bit write ends with exactly its low byte; other widths do nothing
 *
 * Both read as zero.
 */
#ifndef DEVICES_EXIT_PORT_H
#define DEVICES_EXIT_PORT_H

#include "devices/bus.h"

#define EXIT_PORT_BASE   0xf4
#define EXIT_PORT_SIZE   8
#define EXIT_PORT_DEBUG  0 /* offsets */
#define EXIT_PORT_STATUS 4

/* Constant after set-up. */
struct exit_port {
	void (*end)(void *arg, int status); /* any vCPU thread */
	void *arg;
};

extern const struct bus_ops exit_port_bus_ops; /* device: struct exit_port */

#endif
