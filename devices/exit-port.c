/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The exit ports: how a guest leaves with a status. */
#include "devices/exit-port.h"

#include <endian.h>
#include <string.h>

static void exit_port_read(void *device, uint64_t offset, void *data, unsigned int len)
{
	(void)device;
	(void)offset;
	memset(data, 0, len);
}

static void exit_port_write(void *device, uint64_t offset, const void *data, unsigned int len)
{
	struct exit_port *port = device;
	uint32_t value = 0;

	if (len > sizeof(value))
		return;
	memcpy(&value, data, len);
	value = le32toh(value);
	if (offset < EXIT_PORT_STATUS)
		port->end(port->arg, (int)((value << 1 | 1) & 0xff));
	else if (offset == EXIT_PORT_STATUS && len == sizeof(value))
		port->end(port->arg, (int)(value & 0xff));
}

const struct bus_ops exit_port_bus_ops = {
	.read = exit_port_read,
	.write = exit_port_write,
};
