/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The control messages of virtio-console (virtio 1.2, section 5.3.6.2): which ports there are, and
 * who has them open on either side.
 *
 * What the driver is to be told is kept as bits and made a message of when it has a buffer for it,
 * so that a driver that asks again and again without taking answers makes nothing grow.
 */
#include <endian.h>
#include <string.h>

#include "devices/console.h"

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

struct message {
	struct virtio_console_control control;
	uint8_t data[CONSOLE_NAME_MAX];
};

/* --- to the driver --------------------------------------------------------------------------- */

static uint16_t one(const struct console_port *port)
{
	(void)port;
	return 1;
}

static uint16_t is_open(const struct console_port *port)
{
	return port->host_open;
}

static size_t add_name(const struct console_port *port, uint8_t *data)
{
	size_t len = strlen(port->name);

	memcpy(data, port->name, len);
	return len;
}

/* Columns first, as the specification has it; the configuration already is little endian. */
static size_t add_size(const struct console_port *port, uint8_t *data)
{
	const struct virtio_console_config *config = &port->console->config;

	memcpy(data, &config->cols, 2);
	memcpy(data + 2, &config->rows, 2);
	return 4;
}

/* In the order in which a driver wants to know. */
static const struct {
	unsigned int pending;
	uint16_t event;
	uint16_t (*value)(const struct console_port *port);
	size_t (*add)(const struct console_port *port, uint8_t *data); /* NULL: no more than that */
} messages[] = {
	{CONSOLE_PENDING_ADD, VIRTIO_CONSOLE_PORT_ADD, one, NULL},
	{CONSOLE_PENDING_CONSOLE, VIRTIO_CONSOLE_CONSOLE_PORT, one, NULL},
	{CONSOLE_PENDING_NAME, VIRTIO_CONSOLE_PORT_NAME, one, add_name},
	{CONSOLE_PENDING_RESIZE, VIRTIO_CONSOLE_RESIZE, one, add_size},
	{CONSOLE_PENDING_OPEN, VIRTIO_CONSOLE_PORT_OPEN, is_open, NULL},
};

static struct console_port *pending_port(struct console *console)
{
	for (unsigned int i = 0; i < console->port_count; i++) {
		if (console->ports[i].pending)
			return &console->ports[i];
	}
	return NULL;
}

/* Make the port's first pending message; returns its length. */
static size_t next_message(struct console_port *port, struct message *message)
{
	size_t i = 0, len = sizeof(message->control);

	while (!(port->pending & messages[i].pending))
		i++;
	port->pending &= ~messages[i].pending;
	message->control.id = htole32(port->id);
	message->control.event = htole16(messages[i].event);
	message->control.value = htole16(messages[i].value(port));
	if (messages[i].add)
		len += messages[i].add(port, message->data);
	return len;
}

static void send(struct console *console, const struct gm_memory *memory)
{
	struct virtio_device *dev = &console->dev;
	struct virtq *vq = &dev->queues[CONSOLE_CONTROL_RX];
	struct console_port *port = pending_port(console);
	struct virtq_chain chain;

	while (port && virtio_take(dev, vq, memory, &chain) > 0) {
		struct gm_sg sg = virtq_writable(&chain, memory);
		struct message message;
		size_t len = next_message(port, &message);

		/* One that does not fit into the driver's buffer is lost, not cut. */
		if (len > gm_sg_left(&sg) || gm_sg_write(&sg, &message, len)) {
			dev->stats.errors++;
			len = 0;
		}
		virtio_put(dev, vq, memory, chain.head, (uint32_t)len);
		port = pending_port(console);
	}
}

void console_control_send(struct console *console)
{
	struct virtio_device *dev = &console->dev;
	struct virtq *vq;
	struct gm_memory *memory;

	if (!virtio_is_live(dev) || !console_is_multiport(console))
		return;
	vq = &dev->queues[CONSOLE_CONTROL_RX];
	if (!vq->ready || !pending_port(console))
		return;
	memory = gm_cell_snapshot(dev->memory);
	do
		send(console, memory);
	while (pending_port(console) && virtq_enable_notify(vq, memory));
	virtio_settle(dev, vq, memory);
	gm_memory_put(memory);
}

void console_control_pend(struct console_port *port, unsigned int what)
{
	if (port->ready)
		port->pending |= what;
}

/* --- from the driver ------------------------------------------------------------------------- */

static void device_ready(struct console *console, struct console_port *port, bool value)
{
	(void)port;
	for (unsigned int i = 0; value && i < console->port_count; i++)
		console->ports[i].pending |= CONSOLE_PENDING_ADD;
}

static void port_ready(struct console *console, struct console_port *port, bool value)
{
	port->ready = value;
	console_control_pend(port, port->id ? CONSOLE_PENDING_NAME : CONSOLE_PENDING_CONSOLE);
	if (!port->id && console->config.cols)
		console_control_pend(port, CONSOLE_PENDING_RESIZE);
	if (port->host_open)
		console_control_pend(port, CONSOLE_PENDING_OPEN);
}

static void port_open(struct console *console, struct console_port *port, bool value)
{
	(void)console;
	port->guest_open = value;
	if (value)
		chardev_resume(port->chardev);
}

static const struct {
	uint16_t event;
	bool of_port; /* the id must be that of a port */
	void (*handle)(struct console *console, struct console_port *port, bool value);
} events[] = {
	{VIRTIO_CONSOLE_DEVICE_READY, false, device_ready},
	{VIRTIO_CONSOLE_PORT_READY, true, port_ready},
	{VIRTIO_CONSOLE_PORT_OPEN, true, port_open},
};

/* What makes no sense is counted and has no effect. */
static int64_t handle_control(struct virtio_device *dev, const struct gm_memory *memory,
			      const struct virtq_chain *chain)
{
	struct console *console = (struct console *)dev;
	struct gm_sg sg = virtq_readable(chain, memory);
	struct virtio_console_control control;
	uint32_t id;
	size_t i = 0;

	if (gm_sg_left(&sg) < sizeof(control) || gm_sg_read(&sg, &control, sizeof(control)))
		goto wrong;
	id = le32toh(control.id);
	while (i < ARRAY_SIZE(events) && events[i].event != le16toh(control.event))
		i++;
	if (i == ARRAY_SIZE(events) || (events[i].of_port && id >= console->port_count))
		goto wrong;
	events[i].handle(console, events[i].of_port ? &console->ports[id] : NULL, control.value != 0);
	dev->stats.bytes_read += sizeof(control);
	return 0;

wrong:
	dev->stats.errors++;
	return 0;
}

void console_control_read(struct console *console)
{
	virtio_run_queue(&console->dev, CONSOLE_CONTROL_TX, handle_control);
	console_control_send(console);
}
