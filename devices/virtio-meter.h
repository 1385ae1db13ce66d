/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * How long requests of a virtio device take, from the moment a chain is taken to the one it is
 * given back, and how many are out meanwhile. Off unless virtio_measure() was called: virtio.c then
 * finds no meter, and nothing is asked for the time.
 *
 * Chains are known by their heads, which are below the size of their queue. All of it is touched
 * with the device's lock held.
 */
#ifndef DEVICES_VIRTIO_METER_H
#define DEVICES_VIRTIO_METER_H

#include "devices/histogram.h"
#include "devices/virtio.h"

struct virtio_queue_meter {
	struct histogram latency; /* ns */
	uint32_t depth;           /* chains that are out */
	uint32_t depth_max;
	uint64_t *taken; /* by head: when, or 0 if it is not out */
};

struct virtio_meter {
	uint64_t (*clock)(void); /* ns, never 0; CLOCK_MONOTONIC, or a test's */
	struct virtio_queue_meter queues[];
};

/*
 * Measure from now on; before the driver is there. Allocates all it will need. 0, or -1 without
 * memory.
 */
int virtio_measure(struct virtio_device *dev);
void virtio_meter_free(struct virtio_device *dev);

/* What virtio.c tells of, where dev->meter is. */
void virtio_meter_take(struct virtio_device *dev, const struct virtq *vq, uint16_t head);
void virtio_meter_untake(struct virtio_device *dev, const struct virtq *vq, uint16_t head);
void virtio_meter_give(struct virtio_device *dev, const struct virtq *vq, uint16_t head);
void virtio_meter_forget(struct virtio_device *dev, unsigned int queue);

/*
 * A consistent copy of one queue's, without taken. False if nothing is measured or there is no such
 * queue. Any thread.
 */
bool virtio_meter_read(struct virtio_device *dev, unsigned int queue, struct virtio_queue_meter *out);

#endif
