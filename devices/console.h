/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * A virtio-console device from the inside: what virtio-console.c (options, queues, configuration),
 * console-port.c (bytes both ways) and console-control.c (messages about ports) share.
 *
 * Everything here is called with the device's lock held.
 */
#ifndef DEVICES_CONSOLE_H
#define DEVICES_CONSOLE_H

#include <linux/virtio_console.h>

#include "devices/chardev.h"
#include "devices/virtio.h"

#define CONSOLE_PORTS_MAX 31
#define CONSOLE_NAME_MAX  64

/* Queues: those of port 0, of control messages, of port 1, of port 2 and so on. */
#define CONSOLE_CONTROL_RX 2
#define CONSOLE_CONTROL_TX 3
#define CONSOLE_QUEUES     (2 * CONSOLE_PORTS_MAX + 2)

/* Messages that wait for a buffer, a bit each: however often there is a reason, it is one. */
enum {
	CONSOLE_PENDING_ADD = 1,
	CONSOLE_PENDING_CONSOLE = 2,
	CONSOLE_PENDING_NAME = 4,
	CONSOLE_PENDING_RESIZE = 8,
	CONSOLE_PENDING_OPEN = 16,
};

struct console_port {
	struct console *console;
	unsigned int id;
	unsigned int rx_queue, tx_queue;
	char name[CONSOLE_NAME_MAX + 1]; /* "" for port 0, which is the console */
	struct chardev *chardev;

	struct virtq_chain rx; /* buffers for the next input, valid if rx_held */
	bool rx_held;

	struct virtq_chain tx; /* what is being transmitted, valid if tx_held */
	bool tx_held;
	uint64_t tx_done; /* bytes of it that the other end has */

	bool host_open;  /* there is somebody at the other end */
	bool guest_open; /* a program of the guest has the port open, as the driver says */
	bool ready;      /* the driver has it set up */
	unsigned int pending;
};

struct console {
	struct virtio_device dev;
	struct virtio_console_config config;
	struct virtio_ops ops; /* with the queues of as many ports as there are */
	uint16_t queue_sizes[CONSOLE_QUEUES + 1];
	unsigned int port_count;
	struct console_port ports[CONSOLE_PORTS_MAX];
	struct console_port *served; /* by the handler virtio_run_queue() calls */
};

/* Whether the driver knows of more ports than the first, and of messages about them. */
static inline bool console_is_multiport(const struct console *console)
{
	return virtio_has_feature(&console->dev, VIRTIO_CONSOLE_F_MULTIPORT);
}

/* --- console-port.c ------------------------------------------------------------------------- */

/* Connect the port to its chardev. */
void console_port_start(struct console_port *port);

/* Transmit what is in its queue. */
void console_port_transmit(struct console_port *port);

/* --- console-control.c ---------------------------------------------------------------------- */

/* There may be messages of the driver. */
void console_control_read(struct console *console);

/* Send what is pending as far as there are buffers. */
void console_control_send(struct console *console);

/* Have the driver told about @port; if it is not set up yet it is told then. */
void console_control_pend(struct console_port *port, unsigned int what);

#endif
