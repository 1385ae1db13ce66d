/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Latencies of requests by queue. */
#include "devices/virtio-meter.h"

#include <stdlib.h>
#include <string.h>

#include "devices/clock.h"

static uint64_t now(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

int virtio_measure(struct virtio_device *dev)
{
	size_t size = sizeof(struct virtio_meter) + dev->queue_count * sizeof(*dev->meter->queues);

	if (dev->meter)
		return 0;
	dev->meter = calloc(1, size);
	if (!dev->meter)
		return -1;
	dev->meter->clock = now;
	for (unsigned int i = 0; i < dev->queue_count; i++) {
		uint64_t **taken = &dev->meter->queues[i].taken;

		*taken = calloc(dev->queues[i].max_size, sizeof(**taken));
		if (!*taken) {
			virtio_meter_free(dev);
			return -1;
		}
	}
	return 0;
}

void virtio_meter_free(struct virtio_device *dev)
{
	for (unsigned int i = 0; dev->meter && i < dev->queue_count; i++)
		free(dev->meter->queues[i].taken);
	free(dev->meter);
	dev->meter = NULL;
}

static struct virtio_queue_meter *meter_of(struct virtio_device *dev, const struct virtq *vq)
{
	return &dev->meter->queues[vq->index];
}

void virtio_meter_take(struct virtio_device *dev, const struct virtq *vq, uint16_t head)
{
	struct virtio_queue_meter *meter = meter_of(dev, vq);

	meter->taken[head] = dev->meter->clock();
	meter->depth++;
	if (meter->depth > meter->depth_max)
		meter->depth_max = meter->depth;
}

void virtio_meter_untake(struct virtio_device *dev, const struct virtq *vq, uint16_t head)
{
	struct virtio_queue_meter *meter = meter_of(dev, vq);

	if (!meter->taken[head])
		return;
	meter->taken[head] = 0;
	meter->depth--;
}

void virtio_meter_give(struct virtio_device *dev, const struct virtq *vq, uint16_t head)
{
	struct virtio_queue_meter *meter = meter_of(dev, vq);
	uint64_t taken = meter->taken[head];

	/* Given back to a queue that was reset meanwhile. */
	if (!taken)
		return;
	histogram_add(&meter->latency, dev->meter->clock() - taken);
	meter->taken[head] = 0;
	meter->depth--;
}

void virtio_meter_forget(struct virtio_device *dev, unsigned int queue)
{
	struct virtio_queue_meter *meter = &dev->meter->queues[queue];

	memset(meter->taken, 0, dev->queues[queue].max_size * sizeof(*meter->taken));
	meter->depth = 0;
}

bool virtio_meter_read(struct virtio_device *dev, unsigned int queue, struct virtio_queue_meter *out)
{
	/* Constant since before the driver was there. */
	if (!dev->meter || queue >= dev->queue_count)
		return false;
	virtio_lock(dev);
	*out = dev->meter->queues[queue];
	virtio_unlock(dev);
	out->taken = NULL;
	return true;
}
