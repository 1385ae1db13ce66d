/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The i8042 reset line and the exit ports: stateless, so that one file holds all three. */
#include "devices/platform.h"

#include <string.h>

#define I8042_COMMAND	  4 /* port 0x64 */
#define I8042_RESET	  0xfe
#define I8042_INPUT_EMPTY 0x00 /* status: nothing to read, ready for a command */

static void i8042_read(void *device, uint64_t offset, void *data, unsigned int len)
{
	(void)device;
	(void)offset;
	memset(data, I8042_INPUT_EMPTY, len);
}

static void i8042_write(void *device, uint64_t offset, const void *data, unsigned int len)
{
	struct power_line *line = device;

	if (offset == I8042_COMMAND && len == 1 && *(const uint8_t *)data == I8042_RESET)
		line->reset(line);
}

const struct bus_ops i8042_bus_ops = {
	.read = i8042_read,
	.write = i8042_write,
};

static void exit_read(void *device, uint64_t offset, void *data, unsigned int len)
{
	(void)device;
	(void)offset;
	memset(data, 0, len);
}

static void exit_debug_write(void *device, uint64_t offset, const void *data, unsigned int len)
{
	struct power_line *line = device;
	uint32_t value = 0;

	(void)offset;
	memcpy(&value, data, len < sizeof(value) ? len : sizeof(value));
	line->exit(line, (int)((value << 1 | 1) & 0xff));
}

const struct bus_ops exit_debug_bus_ops = {
	.read = exit_read,
	.write = exit_debug_write,
};

static void exit_status_write(void *device, uint64_t offset, const void *data, unsigned int len)
{
	struct power_line *line = device;
	uint32_t value;

	if (offset != 0 || len != sizeof(value))
		return;
	memcpy(&value, data, sizeof(value));
	line->exit(line, (int)(value & 0xff));
}

const struct bus_ops exit_status_bus_ops = {
	.read = exit_read,
	.write = exit_status_write,
};
