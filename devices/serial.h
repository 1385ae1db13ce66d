/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * A 16550A serial port on a character device.
 *
 * Registers are accessed by vCPU threads, input comes from the loop's thread; a lock of its own
 * orders them.
 */
#ifndef DEVICES_SERIAL_H
#define DEVICES_SERIAL_H

#include "devices/bus.h"
#include "devices/chardev.h"
#include "devices/irq.h"

#define SERIAL_PORTS 8 /* size of the register range */

struct serial;

extern const struct bus_ops serial_bus_ops; /* device: struct serial */

/* The chardev is borrowed and its handler taken; the irq line is borrowed. NULL without memory. */
struct serial *serial_new(struct chardev *chardev, struct irq_line *irq);

/* Registers as after power-on. What is on its way to the other end still arrives. Any thread. */
void serial_reset(struct serial *serial);

/* The loop must not be running. */
void serial_free(struct serial *serial);

#endif
