/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * A port of virtio-console: bytes between two queues and a character device.
 *
 * Both directions wait without blocking anyone: input is taken from the other end only as fast as
 * the driver offers buffers, and a transmitted chain stays in flight until the other end has taken
 * all of it. The queue lock is the device's: the chardev calls in from the loop's thread, the
 * driver's notifications come from there or from a vCPU.
 */
#include <endian.h>

#include "devices/console.h"

/* Bytes to transmit before the loop gets a turn; the rest follows in the next one. */
#define TX_TURN_MAX 0x100000U

/* Pieces of guest memory in one call. */
#define TX_PIECES 64

/* --- to the other end ------------------------------------------------------------------------ */

enum tx_state { TX_DONE, TX_TURN_OVER, TX_SLOW };

/* Tell the observer of the next @len bytes of @sg. */
static void tell_observer(struct console_port *port, struct gm_sg sg, uint64_t len)
{
	char bytes[1024];

	while (len) {
		size_t n = len < sizeof(bytes) ? (size_t)len : sizeof(bytes);

		if (gm_sg_read(&sg, bytes, n))
			return;
		chardev_printed(port->chardev, bytes, n);
		len -= n;
	}
}

/* Move on with the chain in flight. */
static enum tx_state transmit(struct console_port *port, const struct gm_memory *memory)
{
	struct virtio_stats *stats = &port->console->dev.stats;
	struct gm_sg sg = virtq_readable(&port->tx, memory);
	uint64_t turn = 0;

	gm_sg_skip(&sg, port->tx_done);
	while (gm_sg_left(&sg)) {
		struct gm_sg before = sg;
		struct iovec iov[TX_PIECES];
		uint64_t bytes;
		ssize_t n = gm_sg_iovec(&sg, TX_TURN_MAX, iov, TX_PIECES, &bytes);

		if (turn >= TX_TURN_MAX)
			return TX_TURN_OVER;
		if (n > 0)
			n = chardev_writev(port->chardev, iov, (int)n);
		if (chardev_is_observed(port->chardev))
			tell_observer(port, before, n < 0 ? bytes : (uint64_t)n);
		if (n < 0) {
			/* Nobody will ever take it, or the memory went: the driver goes on. */
			stats->errors++;
			return TX_DONE;
		}
		sg = before;
		gm_sg_skip(&sg, (uint64_t)n);
		port->tx_done += (uint64_t)n;
		stats->bytes_read += (uint64_t)n;
		turn += (uint64_t)n;
		if ((uint64_t)n < bytes)
			return TX_SLOW;
	}
	return TX_DONE;
}

static int64_t handle_tx(struct virtio_device *dev, const struct gm_memory *memory,
			 const struct virtq_chain *chain)
{
	struct console_port *port = ((struct console *)dev)->served;
	enum tx_state state;

	port->tx = *chain;
	port->tx_done = 0;
	state = transmit(port, memory);
	port->tx_held = state != TX_DONE;
	if (state == TX_TURN_OVER)
		virtio_again(dev, port->tx_queue);
	/* Nothing was written to the chain. */
	return port->tx_held ? VIRTIO_KEEP : 0;
}

static void run_queue(struct console_port *port, unsigned int index, virtio_handler *handle)
{
	port->console->served = port;
	virtio_run_queue(&port->console->dev, index, handle);
}

/* Go on with the chain in flight, then with those behind it. */
void console_port_transmit(struct console_port *port)
{
	struct virtio_device *dev = &port->console->dev;

	if (port->tx_held) {
		struct gm_memory *memory = gm_cell_snapshot(dev->memory);
		enum tx_state state = transmit(port, memory);

		port->tx_held = state != TX_DONE;
		if (state == TX_TURN_OVER)
			virtio_again(dev, port->tx_queue);
		if (!port->tx_held)
			virtio_complete(dev, &dev->queues[port->tx_queue], memory, port->tx.head, 0);
		gm_memory_put(memory);
	}
	if (!port->tx_held)
		run_queue(port, port->tx_queue, handle_tx);
}

/* Whether chains of this port's queue @index may be served. */
static bool is_served(const struct console_port *port, unsigned int index)
{
	const struct console *console = port->console;

	return virtio_is_live(&console->dev) && console->dev.queues[index].ready &&
	       (!port->id || console_is_multiport(console));
}

static void port_writable(void *arg)
{
	struct console_port *port = arg;

	virtio_lock(&port->console->dev);
	if (is_served(port, port->tx_queue))
		console_port_transmit(port);
	virtio_unlock(&port->console->dev);
}

/* --- from the other end ---------------------------------------------------------------------- */

/* Hold the first chain; one without room is of no use and goes back. */
static int64_t handle_rx(struct virtio_device *dev, const struct gm_memory *memory,
			 const struct virtq_chain *chain)
{
	struct console_port *port = ((struct console *)dev)->served;

	(void)memory;
	if (chain->writable_len == 0)
		return 0;
	port->rx = *chain;
	port->rx_held = true;
	return VIRTIO_KEEP;
}

/* A port that no program of the guest has open takes nothing: the driver would throw it away. */
static size_t port_room(void *arg)
{
	struct console_port *port = arg;
	struct console *console = port->console;
	size_t room = 0;

	virtio_lock(&console->dev);
	if (is_served(port, port->rx_queue) && (port->guest_open || !console_is_multiport(console))) {
		if (!port->rx_held)
			run_queue(port, port->rx_queue, handle_rx);
		room = port->rx_held ? port->rx.writable_len : 0;
	}
	virtio_unlock(&console->dev);
	return room;
}

static void port_receive(void *arg, const uint8_t *data, size_t len)
{
	struct console_port *port = arg;
	struct virtio_device *dev = &port->console->dev;

	virtio_lock(dev);
	/* A reset since room() was asked has nowhere to put it: lost, as on a closed port. */
	if (port->rx_held) {
		struct gm_memory *memory = gm_cell_snapshot(dev->memory);
		struct gm_sg sg = virtq_writable(&port->rx, memory);
		uint64_t before = gm_sg_left(&sg);

		port->rx_held = false;
		if (gm_sg_write(&sg, data, len))
			dev->stats.errors++;
		before -= gm_sg_left(&sg);
		dev->stats.bytes_written += before;
		virtio_complete(dev, &dev->queues[port->rx_queue], memory, port->rx.head,
				(uint32_t)before);
		gm_memory_put(memory);
	}
	virtio_unlock(dev);
}

/* --- what the driver is told ----------------------------------------------------------------- */

static void port_connected(void *arg, bool somebody)
{
	struct console_port *port = arg;

	virtio_lock(&port->console->dev);
	port->host_open = somebody;
	console_control_pend(port, CONSOLE_PENDING_OPEN);
	console_control_send(port->console);
	virtio_unlock(&port->console->dev);
}

/* Only of the console itself: the size of others is nobody's business. */
static void port_resized(void *arg, uint16_t cols, uint16_t rows)
{
	struct console_port *port = arg;
	struct console *console = port->console;

	virtio_lock(&console->dev);
	console->config.cols = htole16(cols);
	console->config.rows = htole16(rows);
	virtio_config_changed(&console->dev);
	console_control_pend(port, CONSOLE_PENDING_RESIZE);
	console_control_send(console);
	virtio_unlock(&console->dev);
}

void console_port_start(struct console_port *port)
{
	const struct chardev_handler handler = {
		.room = port_room,
		.receive = port_receive,
		.writable = port_writable,
		.connected = port_connected,
		.resized = port->id ? NULL : port_resized,
		.arg = port,
	};

	chardev_set_handler(port->chardev, &handler);
}
