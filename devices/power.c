/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Power off, reset, panic: three bytes that say so. */
#include "devices/power.h"

#include <string.h>

#define SLEEP_ENABLE     0x20
#define SLEEP_TYPE_SHIFT 2
#define SLEEP_TYPE_MASK  7

#define PANIC_PANICKED    1
#define PANIC_CRASHLOADED 2

static void power_read(void *device, uint64_t offset, void *data, unsigned int len)
{
	(void)device;
	(void)offset;
	memset(data, 0, len);
}

static void power_write(void *device, uint64_t offset, const void *data, unsigned int len)
{
	const struct power *power = device;
	uint8_t value;

	if (len != 1)
		return;
	memcpy(&value, data, 1);
	if (offset == POWER_SLEEP_CONTROL && (value & SLEEP_ENABLE) &&
	    (value >> SLEEP_TYPE_SHIFT & SLEEP_TYPE_MASK) == POWER_SLEEP_OFF)
		power->off(power->arg);
	else if (offset == POWER_RESET && value == POWER_RESET_VALUE)
		power->reset(power->arg);
}

const struct bus_ops power_bus_ops = {
	.read = power_read,
	.write = power_write,
};

static void panic_read(void *device, uint64_t offset, void *data, unsigned int len)
{
	(void)device;
	(void)offset;
	memset(data, 0, len);
	*(uint8_t *)data = PANIC_PANICKED | PANIC_CRASHLOADED;
}

static void panic_write(void *device, uint64_t offset, const void *data, unsigned int len)
{
	const struct power *power = device;
	uint8_t value;

	(void)offset;
	memcpy(&value, data, 1);
	if (len == 1 && (value & PANIC_PANICKED))
		power->panic(power->arg);
}

const struct bus_ops panic_bus_ops = {
	.read = panic_read,
	.write = panic_write,
};
