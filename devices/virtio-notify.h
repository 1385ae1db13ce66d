/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The way of a driver's notifications to the device, whatever the transport: an eventfd a queue on
 * the loop, which the monitor may connect to the guest's register write, and which is the device's
 * own way to be called again.
 *
 * A model that can serve a queue on the spot (notify_now()) is asked to by the vCPU that notifies,
 * which saves the wake-up of the loop, the vCPU's sleep and the one that ends it; the eventfd is
 * connected only while the model says that the loop is the better place for the queue.
 *
 * All of it is called with the device's lock held, but making and ending it, and notifying.
 */
#ifndef DEVICES_VIRTIO_NOTIFY_H
#define DEVICES_VIRTIO_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

#include "devices/loop.h"
#include "devices/virtio.h"

/*
 * How a write of @len bytes of @value to the register at @offset can reach an eventfd without the
 * bus (ioeventfd in the monitor). From where offsets count the transport says. attach() returns 0
 * or -1 if there is no such thing; the write then arrives through the bus. Called with the device's
 * lock held, on a vCPU thread, when the driver sets DRIVER_OK and on reset: not before, since
 * registering costs milliseconds at exit.
 */
struct notify_line {
	int (*attach)(struct notify_line *line, uint64_t offset, unsigned int len, uint32_t value,
		      int eventfd);
	void (*detach)(struct notify_line *line, uint64_t offset, unsigned int len, uint32_t value,
		       int eventfd);
};

struct queue_kick;

/* Constant but for what the kicks hold. */
struct virtio_notifier {
	struct virtio_device *dev;
	struct loop *loop;
	struct notify_line *line; /* NULL: none */
	unsigned int len;         /* of a notification */
	struct queue_kick *kicks; /* one a queue */
};

/* Loop and line are borrowed; @line may be NULL. 0, or -1 without memory. */
int virtio_notifier_init(struct virtio_notifier *notifier, struct virtio_device *dev,
			 struct loop *loop, struct notify_line *line, unsigned int len);

/* No vCPU and no loop may be running. The device is still there. */
void virtio_notifier_destroy(struct virtio_notifier *notifier);

/*
 * The driver is about to be ready: make the eventfds. Without them the device is broken, which it
 * tells the driver when that is up.
 */
void virtio_notifier_open(struct virtio_notifier *notifier);

/* Connect the queues that are ready and the loop's: queue n is notified at @offset + n * @stride. */
void virtio_notifier_attach(struct virtio_notifier *notifier, uint64_t offset, uint64_t stride);

/* Afterwards no notification of the old driver is on its way. */
void virtio_notifier_detach(struct virtio_notifier *notifier);

/*
 * A notification that came through the bus, without the lock. Where there is a line, queues are the
 * loop's thread's but for notify_now(), also where attach() failed or the driver writes in a way
 * that is no match: a vCPU's thread may do less (confine.h), and does not wait for the lock.
 * Without one they are run at once.
 */
void virtio_notifier_notify(struct virtio_notifier *notifier, uint32_t index);

/* Have the loop call the model for queue @index. */
void virtio_notifier_again(struct virtio_notifier *notifier, unsigned int index);

#endif
