/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * virtio-console (virtio 1.2, section 5.3): the device around its ports. Port 0 is the console;
 * with further ports, each of which has a name, it is a multiport device. What goes through a port
 * is console-port.c's, what is said about ports console-control.c's.
 */
#include <ctype.h>
#include <endian.h>
#include <linux/virtio_ids.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devices/console.h"
#include "devices/devices.h"
#include "devices/virtio-console.h"

#define BIT(n) (UINT64_C(1) << (n))

#define QUEUE_SIZE 64

#define PORT_WORD ",port="

static struct console_port *port_of(struct console *console, unsigned int index)
{
	return &console->ports[index < CONSOLE_CONTROL_RX ? 0 : index / 2 - 1];
}

static bool is_control(unsigned int index)
{
	return index == CONSOLE_CONTROL_RX || index == CONSOLE_CONTROL_TX;
}

static void console_notify(struct virtio_device *dev, unsigned int index)
{
	struct console *console = (struct console *)dev;
	struct console_port *port = port_of(console, index);

	if (index >= CONSOLE_CONTROL_RX && !console_is_multiport(console))
		return;
	if (index == CONSOLE_CONTROL_RX)
		console_control_send(console);
	else if (index == CONSOLE_CONTROL_TX)
		console_control_read(console);
	else if (index == port->rx_queue)
		chardev_resume(port->chardev);
	else
		console_port_transmit(port);
}

static void console_activate(struct virtio_device *dev)
{
	struct console *console = (struct console *)dev;

	for (unsigned int i = 0; i < console->port_count; i++)
		chardev_resume(console->ports[i].chardev);
}

static void console_queue_reset(struct virtio_device *dev, unsigned int index)
{
	struct console_port *port = port_of((struct console *)dev, index);

	/* Messages wait as bits, not in chains. */
	if (is_control(index))
		return;
	if (index == port->rx_queue)
		port->rx_held = false;
	else
		port->tx_held = false;
}

static void console_reset(struct virtio_device *dev)
{
	struct console *console = (struct console *)dev;

	for (unsigned int i = 0; i < console->port_count; i++) {
		console->ports[i].guest_open = false;
		console->ports[i].ready = false;
		console->ports[i].pending = 0;
	}
}

/*
 * The emergency write: a character for the console, whatever the queues are doing, and before there
 * is a driver: early in its boot, a kernel has nothing else (5.3.4).
 */
static void console_config_write(struct virtio_device *dev, size_t offset, const void *data,
				 size_t len)
{
	struct console *console = (struct console *)dev;

	if (offset != offsetof(struct virtio_console_config, emerg_wr) || !len)
		return;
	if (chardev_write(console->ports[0].chardev, data, 1) < 0)
		dev->stats.errors++;
	else
		dev->stats.bytes_read++;
}

static void console_free(struct virtio_device *dev)
{
	struct console *console = (struct console *)dev;

	for (unsigned int i = 0; i < console->port_count; i++)
		chardev_close(console->ports[i].chardev);
	virtio_device_destroy(dev);
	free(console);
}

struct chardev *virtio_console_port(const struct virtio_device *dev, unsigned int index,
				    const char **name)
{
	const struct console *console = (const struct console *)dev;

	if (index >= console->port_count)
		return NULL;
	*name = console->ports[index].name;
	return console->ports[index].chardev;
}

/* --- options --------------------------------------------------------------------------------- */

static int check_name(const struct console *console, const char *option, const char *name,
		      struct report *report)
{
	size_t len = strlen(name);

	if (!len || len > CONSOLE_NAME_MAX)
		return report_fail(report, REPORT_USER,
				   "%s: port name '%s' has %zu bytes, 1 to %d are possible", option,
				   name, len, CONSOLE_NAME_MAX);
	for (const char *at = name; *at; at++) {
		if (!isgraph((unsigned char)*at) || *at == '/')
			return report_fail(
				report, REPORT_USER,
				"%s: port name '%s': only visible characters without '/' "
				"are possible",
				option, name);
	}
	for (unsigned int i = 0; i < console->port_count; i++) {
		if (!strcmp(console->ports[i].name, name))
			return report_fail(report, REPORT_USER, "%s: two ports have the name '%s'",
					   option, name);
	}
	return 0;
}

/* Add a port @name; its chardev is opened later. */
static void add_port(struct console *console, const char *name)
{
	unsigned int id = console->port_count++;
	struct console_port *port = &console->ports[id];

	port->console = console;
	port->id = id;
	port->rx_queue = id ? 2 * id + 2 : 0;
	port->tx_queue = port->rx_queue + 1;
	memcpy(port->name, name, strnlen(name, CONSOLE_NAME_MAX));
}

/* "SPEC[,port=NAME:SPEC]...", which is cut into pieces; @specs gets what each port is opened with. */
static int parse_ports(struct console *console, const char *option, char *args,
		       const char *specs[CONSOLE_PORTS_MAX], struct report *report)
{
	char *next = strstr(args, PORT_WORD);

	specs[0] = args;
	add_port(console, "");
	while (next) {
		char *name = next + strlen(PORT_WORD), *spec;

		*next = '\0';
		next = strstr(name, PORT_WORD);
		spec = strchr(name, ':');
		if (!spec || (next && spec > next))
			return report_fail(report, REPORT_USER,
					   "%s: port '%.*s': a port is NAME:SPEC, for example "
					   "log:file=log.txt",
					   option, next ? (int)(next - name) : (int)strlen(name),
					   name);
		*spec++ = '\0';
		if (check_name(console, option, name, report))
			return -1;
		if (console->port_count == CONSOLE_PORTS_MAX)
			return report_fail(
				report, REPORT_USER,
				"%s: port '%s' is one too many, a console has at most %d", option,
				name, CONSOLE_PORTS_MAX);
		specs[console->port_count] = spec;
		add_port(console, name);
	}
	return 0;
}

/* --- the device ------------------------------------------------------------------------------ */

static const struct virtio_ops console_ops = {
	.device_id = VIRTIO_ID_CONSOLE,
	.name = "virtio-console",
	.activate = console_activate,
	.reset = console_reset,
	.queue_reset = console_queue_reset,
	.notify = console_notify,
	.config_write = console_config_write,
	.config_early = true,
	.free = console_free,
};

static int init_device(struct console *console, struct report *report)
{
	unsigned int queues = console->port_count > 1 ? 2 * console->port_count + 2 : 2;
	uint64_t features = BIT(VIRTIO_CONSOLE_F_EMERG_WRITE);

	if (console->port_count > 1)
		features |= BIT(VIRTIO_CONSOLE_F_MULTIPORT);
	for (unsigned int i = 0; i < queues; i++)
		console->queue_sizes[i] = QUEUE_SIZE;
	console->ops = console_ops;
	console->ops.queue_sizes = console->queue_sizes;
	console->config.max_nr_ports = htole32(console->port_count);
	return virtio_device_init(&console->dev, &console->ops, features, &console->config,
				  sizeof(console->config), report);
}

/* Without a @loop it is only looked whether it could be. */
static int open_port(struct console_port *port, const char *option, const char *spec,
		     struct loop *loop, struct report *report)
{
	char name[CONSOLE_NAME_MAX + 64];

	snprintf(name, sizeof(name), "%s%s%s", option, port->id ? " port " : "", port->name);
	return loop ? chardev_open(name, spec, loop, &port->chardev, report)
		    : chardev_check(name, spec, report);
}

/* Ends @console if it fails. */
static int start(struct console *console, const char *option, const char *args, struct loop *loop,
		 struct report *report)
{
	const char *specs[CONSOLE_PORTS_MAX] = {0};
	char *copy = strdup(args);
	int err = -1;

	if (!copy) {
		report_fail(report, REPORT_HOST, "%s: out of memory", option);
		free(console);
		return -1;
	}
	if (parse_ports(console, option, copy, specs, report) || init_device(console, report)) {
		free(console);
		goto out;
	}
	/* Last, as they may create files; only with console_port_start() is something lost in one. */
	for (unsigned int i = 0; i < console->port_count; i++) {
		if (open_port(&console->ports[i], option, specs[i], loop, report)) {
			console_free(&console->dev);
			goto out;
		}
	}
	err = 0;
	for (unsigned int i = 0; i < console->port_count; i++)
		console_port_start(&console->ports[i]);
	/* A size that was found is one that can change. */
	if (console->config.cols)
		console->dev.offered |= BIT(VIRTIO_CONSOLE_F_SIZE);
out:
	free(copy);
	return err;
}

static int console_create(const char *option, const char *args, struct loop *loop,
			  struct virtio_device **out, struct report *report)
{
	struct console *console = calloc(1, sizeof(*console));

	if (!console)
		return report_fail(report, REPORT_HOST, "%s: out of memory", option);
	if (start(console, option, args ? args : "", loop, report))
		return -1;
	virtio_device_name(&console->dev, "console %s", args);
	*out = &console->dev;
	return 0;
}

static const struct device_word words[] = {
	{"SPEC", "what it is connected to; see --help=spec"},
	{"port=NAME:SPEC", "a further port, which the guest finds by its name; may be repeated"},
	{.word = NULL},
};

static int console_check(const char *option, const char *args, struct report *report)
{
	struct console *console = calloc(1, sizeof(*console));
	const char *specs[CONSOLE_PORTS_MAX] = {0};
	char *copy = strdup(args ? args : "");
	int err = console && copy ? 0 : report_fail(report, REPORT_HOST, "%s: out of memory", option);

	if (!err)
		err = parse_ports(console, option, copy, specs, report);
	for (unsigned int i = 0; !err && i < console->port_count; i++)
		err = open_port(&console->ports[i], option, specs[i], NULL, report);
	free(copy);
	free(console);
	return err;
}

const struct device_type virtio_console_type = {
	.name = "console",
	.args = "SPEC[,port=NAME:SPEC]...",
	.help = "a virtio console, and further ports of it",
	.several = true,
	.words = words,
	.create = console_create,
	.check = console_check,
};
