/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * virtio-console (virtio 1.2, section 5.3) with its one port on a character device.
 *
 * Both directions wait without blocking anyone: input is taken from the other end only as fast as
 * the driver offers buffers, and a transmitted chain stays in flight until the other end has taken
 * all of it. The queue lock is the device's: the chardev calls in from the loop's thread, the
 * driver's notifications come from there or from a vCPU.
 */
#include <linux/virtio_ids.h>
#include <stdlib.h>

#include "devices/chardev.h"
#include "devices/devices.h"
#include "devices/virtio.h"

enum { RX, TX };

static const uint16_t queue_sizes[] = {64, 64, 0};

/* Bytes to transmit before the loop gets a turn; the rest follows in the next one. */
#define TX_TURN_MAX 0x100000U

struct console {
	struct virtio_device dev;
	struct chardev *chardev;

	struct virtq_chain rx; /* buffers for the next input, valid if rx_held */
	bool rx_held;

	struct virtq_chain tx; /* what is being transmitted, valid if tx_held */
	bool tx_held;
	uint64_t tx_done; /* bytes of it that the other end has */
};

/* --- to the other end ------------------------------------------------------------------------ */

enum tx_state { TX_DONE, TX_TURN_OVER, TX_SLOW };

/* Move on with the chain in flight. */
static enum tx_state transmit(struct console *console, const struct gm_memory *memory)
{
	struct gm_sg sg = virtq_readable(&console->tx, memory);
	uint64_t turn = 0;

	gm_sg_skip(&sg, console->tx_done);
	while (gm_sg_left(&sg)) {
		struct gm_sg before = sg;
		struct iovec iov;
		uint64_t bytes;
		ssize_t n = gm_sg_iovec(&sg, TX_TURN_MAX, &iov, 1, &bytes);

		if (turn >= TX_TURN_MAX)
			return TX_TURN_OVER;
		if (n > 0)
			n = chardev_write(console->chardev, iov.iov_base, iov.iov_len);
		if (n < 0) {
			/* Nobody will ever take it, or the memory went: the driver goes on. */
			console->dev.stats.errors++;
			return TX_DONE;
		}
		sg = before;
		gm_sg_skip(&sg, (uint64_t)n);
		console->tx_done += (uint64_t)n;
		console->dev.stats.bytes_read += (uint64_t)n;
		turn += (uint64_t)n;
		if ((uint64_t)n < bytes)
			return TX_SLOW;
	}
	return TX_DONE;
}

static int64_t handle_tx(struct virtio_device *dev, const struct gm_memory *memory,
			 const struct virtq_chain *chain)
{
	struct console *console = (struct console *)dev;
	enum tx_state state;

	console->tx = *chain;
	console->tx_done = 0;
	state = transmit(console, memory);
	console->tx_held = state != TX_DONE;
	if (state == TX_TURN_OVER)
		virtio_again(dev, TX);
	/* Nothing was written to the chain. */
	return console->tx_held ? VIRTIO_KEEP : 0;
}

/* Go on with the chain in flight, then with those behind it. */
static void run_tx(struct console *console)
{
	struct virtio_device *dev = &console->dev;

	if (console->tx_held) {
		struct gm_memory *memory = gm_cell_snapshot(dev->memory);
		enum tx_state state = transmit(console, memory);

		console->tx_held = state != TX_DONE;
		if (state == TX_TURN_OVER)
			virtio_again(dev, TX);
		if (!console->tx_held)
			virtio_complete(dev, &dev->queues[TX], memory, console->tx.head, 0);
		gm_memory_put(memory);
	}
	if (!console->tx_held)
		virtio_run_queue(dev, TX, handle_tx);
}

static void console_writable(void *arg)
{
	struct console *console = arg;

	virtio_lock(&console->dev);
	if (virtio_is_live(&console->dev) && console->dev.queues[TX].ready)
		run_tx(console);
	virtio_unlock(&console->dev);
}

/* --- from the other end ---------------------------------------------------------------------- */

/* Hold the first chain; one without room is of no use and goes back. */
static int64_t handle_rx(struct virtio_device *dev, const struct gm_memory *memory,
			 const struct virtq_chain *chain)
{
	struct console *console = (struct console *)dev;

	(void)memory;
	if (chain->writable_len == 0)
		return 0;
	console->rx = *chain;
	console->rx_held = true;
	return VIRTIO_KEEP;
}

static size_t console_room(void *arg)
{
	struct console *console = arg;
	struct virtio_device *dev = &console->dev;
	size_t room = 0;

	virtio_lock(dev);
	if (virtio_is_live(dev) && dev->queues[RX].ready) {
		if (!console->rx_held)
			virtio_run_queue(dev, RX, handle_rx);
		room = console->rx_held ? console->rx.writable_len : 0;
	}
	virtio_unlock(dev);
	return room;
}

static void console_receive(void *arg, const uint8_t *data, size_t len)
{
	struct console *console = arg;
	struct virtio_device *dev = &console->dev;

	virtio_lock(dev);
	/* A reset since room() was asked has nowhere to put it: lost, as on a closed port. */
	if (console->rx_held) {
		struct gm_memory *memory = gm_cell_snapshot(dev->memory);
		struct gm_sg sg = virtq_writable(&console->rx, memory);
		uint64_t before = gm_sg_left(&sg);

		console->rx_held = false;
		if (gm_sg_write(&sg, data, len))
			dev->stats.errors++;
		before -= gm_sg_left(&sg);
		dev->stats.bytes_written += before;
		virtio_complete(dev, &dev->queues[RX], memory, console->rx.head, (uint32_t)before);
		gm_memory_put(memory);
	}
	virtio_unlock(dev);
}

/* --- the device ------------------------------------------------------------------------------ */

static void console_notify(struct virtio_device *dev, unsigned int index)
{
	struct console *console = (struct console *)dev;

	if (index == RX)
		chardev_resume(console->chardev);
	else
		run_tx(console);
}

static void console_activate(struct virtio_device *dev)
{
	chardev_resume(((struct console *)dev)->chardev);
}

static void console_queue_reset(struct virtio_device *dev, unsigned int index)
{
	struct console *console = (struct console *)dev;

	if (index == RX)
		console->rx_held = false;
	else
		console->tx_held = false;
}

static void console_free(struct virtio_device *dev)
{
	struct console *console = (struct console *)dev;

	chardev_close(console->chardev);
	virtio_device_destroy(dev);
	free(console);
}

static const struct virtio_ops console_ops = {
	.device_id = VIRTIO_ID_CONSOLE,
	.name = "virtio-console",
	.queue_sizes = queue_sizes,
	.activate = console_activate,
	.queue_reset = console_queue_reset,
	.notify = console_notify,
	.free = console_free,
};

static int console_create(const char *option, const char *args, struct loop *loop,
			  struct virtio_device **out, struct report *report)
{
	struct console *console = calloc(1, sizeof(*console));
	struct chardev_handler handler = {
		.room = console_room,
		.receive = console_receive,
		.writable = console_writable,
		.arg = console,
	};

	if (!console)
		return report_fail(report, REPORT_HOST, "%s: out of memory", option);
	if (virtio_device_init(&console->dev, &console_ops, 0, NULL, 0, report)) {
		free(console);
		return -1;
	}
	/* Last, as it may create a file. */
	if (chardev_open(option, args ? args : "", loop, &console->chardev, report)) {
		virtio_device_destroy(&console->dev);
		free(console);
		return -1;
	}
	virtio_device_name(&console->dev, "console %s", args);
	chardev_set_handler(console->chardev, &handler);
	*out = &console->dev;
	return 0;
}

const struct device_type virtio_console_type = {
	.name = "console",
	.args = "stdio|null|file=PATH|pty",
	.help = "a virtio console port",
	.several = true,
	.create = console_create,
};
