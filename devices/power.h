/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * What is left of ACPI's fixed hardware in a hardware-reduced machine (ACPI 6.4, section 4.8.3),
 *and the port through which a kernel says that it has panicked.
 *
 *	POWER_PORT	+0 sleep control: SLP_TYP << 2 with SLP_EN enters that state; 5 is off
 *			+1 sleep status: WAK_STS never set, nothing ever wakes up
 *			+2 reset: writing POWER_RESET_VALUE
 *	PANIC_PORT	QEMU's pvpanic: reads which events are known, bit 0 a panic, bit 1 a crash
 *			kernel took over, which is none yet; writing bit 0 reports one
 */
#ifndef DEVICES_POWER_H
#define DEVICES_POWER_H

#include "devices/bus.h"

#define POWER_PORT          0x600
#define POWER_PORTS         3
#define POWER_SLEEP_CONTROL 0 /* offsets */
#define POWER_SLEEP_STATUS  1
#define POWER_RESET         2
#define POWER_RESET_VALUE   1
#define POWER_SLEEP_OFF     5

#define PANIC_PORT 0x505

/* Constant after set-up; the functions are called on any vCPU thread. */
struct power {
	void (*off)(void *arg);
	void (*reset)(void *arg);
	void (*panic)(void *arg);
	void *arg;
};

extern const struct bus_ops power_bus_ops; /* device: struct power */
extern const struct bus_ops panic_bus_ops; /* device: struct power */

#endif
