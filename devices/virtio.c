/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * What all virtio devices have in common: the status machine, feature negotiation, the set-up of
 * queues and the loop that takes chains from them. Registers are the transport's, requests the
 * model's.
 */
#include "devices/virtio.h"

#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devices/probes.h"
#include "devices/virtio-meter.h"

#define BIT(n) (UINT64_C(1) << (n))

/* What the queue code and the transport can do, whatever the device is. */
#define COMMON_FEATURES                                                                           \
	(BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_F_RING_PACKED) | BIT(VIRTIO_RING_F_INDIRECT_DESC) | \
	 BIT(VIRTIO_RING_F_EVENT_IDX) | BIT(VIRTIO_F_RING_RESET) | BIT(VIRTIO_F_IN_ORDER))

int virtio_device_init(struct virtio_device *dev, const struct virtio_ops *ops, uint64_t offered,
		       const void *config, size_t config_len, struct report *report)
{
	unsigned int count = 1;

	while (ops->queue_sizes[count])
		count++;
	dev->ops = ops;
	snprintf(dev->name, sizeof(dev->name), "%s", ops->name);
	dev->offered = offered | COMMON_FEATURES;
	dev->config = config;
	dev->config_len = config_len;
	pthread_mutex_init(&dev->lock, NULL);
	dev->queues = calloc(count, sizeof(*dev->queues));
	if (!dev->queues)
		goto no_memory;
	for (; dev->queue_count < count; dev->queue_count++) {
		if (virtq_init(&dev->queues[dev->queue_count], ops->queue_sizes[dev->queue_count]))
			goto no_memory;
		dev->queues[dev->queue_count].index = (uint16_t)dev->queue_count;
	}
	return 0;

no_memory:
	virtio_device_destroy(dev);
	return report_fail(report, REPORT_HOST, "%s: out of memory", ops->name);
}

void virtio_device_destroy(struct virtio_device *dev)
{
	virtio_meter_free(dev);
	while (dev->queue_count)
		virtq_destroy(&dev->queues[--dev->queue_count]);
	free(dev->queues);
	dev->queues = NULL;
	pthread_mutex_destroy(&dev->lock);
}

void virtio_device_name(struct virtio_device *dev, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(dev->name, sizeof(dev->name), format, args);
	va_end(args);
}

void virtio_device_free(struct virtio_device *dev)
{
	if (dev)
		dev->ops->free(dev);
}

void virtio_device_attach(struct virtio_device *dev, struct gm_cell *memory,
			  struct virtio_transport *transport)
{
	dev->memory = memory;
	dev->transport = transport;
}

void virtio_lock(struct virtio_device *dev)
{
	pthread_mutex_lock(&dev->lock);
}

bool virtio_try_lock(struct virtio_device *dev)
{
	return pthread_mutex_trylock(&dev->lock) == 0;
}

void virtio_unlock(struct virtio_device *dev)
{
	pthread_mutex_unlock(&dev->lock);
}

void virtio_device_stats(struct virtio_device *dev, struct virtio_stats *stats)
{
	virtio_lock(dev);
	*stats = dev->stats;
	for (unsigned int i = 0; i < dev->queue_count; i++) {
		stats->transfers += dev->queues[i].buffers;
		stats->transfers_crossed += dev->queues[i].buffers_crossing;
	}
	if (dev->ops->count)
		dev->ops->count(dev, stats);
	virtio_unlock(dev);
}

void virtio_device_describe(struct virtio_device *dev, char *text, size_t size)
{
	text[0] = '\0';
	virtio_lock(dev);
	if (dev->ops->describe)
		dev->ops->describe(dev, text, size);
	virtio_unlock(dev);
}

/* --- interrupts ----------------------------------------------------------------------------- */

static void interrupt(struct virtio_device *dev, uint32_t cause, unsigned int queue)
{
	dev->stats.interrupts++;
	PROBE_INTERRUPT(dev->name, cause, queue);
	dev->transport->interrupt(dev->transport, cause, queue);
}

/* --- status and features -------------------------------------------------------------------- */

/* What the driver and the device say of it, whether or not the transport lets it work. */
static bool is_up(const struct virtio_device *dev)
{
	return (dev->status & (VIRTIO_CONFIG_S_DRIVER_OK | VIRTIO_CONFIG_S_NEEDS_RESET |
			       VIRTIO_CONFIG_S_FAILED)) == VIRTIO_CONFIG_S_DRIVER_OK;
}

bool virtio_is_live(const struct virtio_device *dev)
{
	return is_up(dev) && !dev->paused;
}

void virtio_pause(struct virtio_device *dev, bool paused)
{
	bool resumes = dev->paused && !paused;

	dev->paused = paused;
	for (unsigned int i = 0; resumes && is_up(dev) && i < dev->queue_count; i++)
		virtio_again(dev, i);
}

void virtio_break(struct virtio_device *dev, const char *format, ...)
{
	char text[160];
	va_list args;

	if (dev->status & VIRTIO_CONFIG_S_NEEDS_RESET)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	device_log(&dev->log, dev->name, "%s; stopped until the driver resets it", text);
	dev->status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	/* A driver that is not up yet is not interrupted, it reads the status anyway (2.1.2). */
	if (dev->status & VIRTIO_CONFIG_S_DRIVER_OK)
		interrupt(dev, VIRTIO_MMIO_INT_CONFIG, 0);
}

uint32_t virtio_features(const struct virtio_device *dev, uint32_t select)
{
	return select < 2 ? (uint32_t)(dev->offered >> (32 * select)) : 0;
}

void virtio_set_driver_features(struct virtio_device *dev, uint32_t select, uint32_t value)
{
	uint64_t mask = select ? ~UINT64_C(0) << 32 : UINT32_MAX;

	if (select > 1 || !(dev->status & VIRTIO_CONFIG_S_DRIVER) ||
	    (dev->status & VIRTIO_CONFIG_S_FEATURES_OK))
		return;
	dev->driver_features &= ~mask;
	dev->driver_features |= (uint64_t)value << (select ? 32 : 0);
}

static bool features_acceptable(const struct virtio_device *dev)
{
	return (dev->driver_features & BIT(VIRTIO_F_VERSION_1)) &&
	       !(dev->driver_features & ~dev->offered) &&
	       (!dev->ops->features_ok || dev->ops->features_ok(dev, dev->driver_features));
}

static void reset_queue(struct virtio_device *dev, unsigned int index)
{
	if (dev->ops->queue_reset)
		dev->ops->queue_reset(dev, index);
	virtq_reset(&dev->queues[index]);
	if (gm_unlikely(dev->meter))
		virtio_meter_forget(dev, index);
}

static void reset(struct virtio_device *dev)
{
	for (unsigned int i = 0; i < dev->queue_count; i++)
		reset_queue(dev, i);
	if (dev->ops->reset)
		dev->ops->reset(dev);
	dev->driver_features = 0;
	dev->status = 0;
}

/* The bits in the order of section 3.1.1, each with what must be set before it. */
static const struct {
	uint8_t bit;
	uint8_t needs;
} status_steps[] = {
	{VIRTIO_CONFIG_S_ACKNOWLEDGE, 0},
	{VIRTIO_CONFIG_S_DRIVER, VIRTIO_CONFIG_S_ACKNOWLEDGE},
	{VIRTIO_CONFIG_S_FEATURES_OK, VIRTIO_CONFIG_S_DRIVER},
	{VIRTIO_CONFIG_S_DRIVER_OK, VIRTIO_CONFIG_S_FEATURES_OK},
	{VIRTIO_CONFIG_S_FAILED, 0},
};

void virtio_set_status(struct virtio_device *dev, uint8_t value)
{
	bool was_up = dev->status & VIRTIO_CONFIG_S_DRIVER_OK;

	if (value == 0) {
		reset(dev);
		return;
	}
	/* A driver may only add bits, and NEEDS_RESET is not its to set or to clear. */
	if (dev->status & ~value & ~VIRTIO_CONFIG_S_NEEDS_RESET)
		return;
	for (size_t i = 0; i < sizeof(status_steps) / sizeof(*status_steps); i++) {
		uint8_t bit = status_steps[i].bit;

		if (!(value & bit) || (~dev->status & status_steps[i].needs))
			continue;
		if (bit == VIRTIO_CONFIG_S_FEATURES_OK && !features_acceptable(dev))
			continue;
		dev->status |= bit;
	}
	if (was_up || !(dev->status & VIRTIO_CONFIG_S_DRIVER_OK))
		return;
	/* It broke on the way here: drivers do not look at the status again once they are up. */
	if (dev->status & VIRTIO_CONFIG_S_NEEDS_RESET)
		interrupt(dev, VIRTIO_MMIO_INT_CONFIG, 0);
	else if (dev->ops->activate)
		dev->ops->activate(dev);
}

/* --- queues --------------------------------------------------------------------------------- */

struct virtq *virtio_queue_setup(struct virtio_device *dev, uint32_t index)
{
	const uint8_t mask = VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK;

	if (index >= dev->queue_count || dev->queues[index].ready)
		return NULL;
	if ((dev->status & mask) == VIRTIO_CONFIG_S_FEATURES_OK ||
	    (is_up(dev) && dev->queues[index].was_reset))
		return &dev->queues[index];
	return NULL;
}

void virtio_queue_set_ready(struct virtio_device *dev, uint32_t index, bool ready)
{
	struct virtq *vq = virtio_queue_setup(dev, index);
	struct gm_memory *memory;
	const char *error;

	if (!ready) {
		/* Stopping is allowed at any time; what was in flight is not answered any more. */
		if (index < dev->queue_count)
			dev->queues[index].ready = false;
		return;
	}
	if (!vq)
		return;
	memory = gm_cell_snapshot(dev->memory);
	error = virtq_enable(vq, memory, dev->driver_features);
	gm_memory_put(memory);
	if (error)
		virtio_break(dev, "queue %u: %s", index, error);
}

void virtio_queue_reset(struct virtio_device *dev, uint32_t index)
{
	if (index >= dev->queue_count || !is_up(dev) || !virtio_has_feature(dev, VIRTIO_F_RING_RESET))
		return;
	reset_queue(dev, index);
	dev->queues[index].was_reset = true;
}

static bool may_be_served(const struct virtio_device *dev, uint32_t index)
{
	return index < dev->queue_count && virtio_is_live(dev) && dev->queues[index].ready;
}

void virtio_queue_notify(struct virtio_device *dev, uint32_t index)
{
	if (may_be_served(dev, index) && dev->ops->notify)
		dev->ops->notify(dev, index);
}

void virtio_count_notifications(struct virtio_device *dev, uint32_t index, uint64_t count)
{
	dev->stats.notifications += count;
	PROBE_QUEUE_NOTIFY(dev->name, index, count);
}

bool virtio_queue_notify_now(struct virtio_device *dev, uint32_t index)
{
	if (!dev->ops->notify_now)
		return false;
	return !may_be_served(dev, index) || dev->ops->notify_now(dev, index);
}

void virtio_again(struct virtio_device *dev, unsigned int index)
{
	dev->transport->again(dev->transport, index);
}

/* A compiler takes the note of a probe for code, and would call what has one. */
#define INLINE inline __attribute__((always_inline))

static INLINE int take(struct virtio_device *dev, struct virtq *vq, const struct gm_memory *memory,
		       struct virtq_chain *chain)
{
	int got = virtq_pop(vq, memory, chain);

	if (got <= 0)
		return got;
	PROBE_REQUEST_TAKEN(dev->name, vq->index, chain->head, chain->readable_len,
			    chain->writable_len);
	if (gm_unlikely(dev->meter))
		virtio_meter_take(dev, vq, chain->head);
	return got;
}

int virtio_take(struct virtio_device *dev, struct virtq *vq, const struct gm_memory *memory,
		struct virtq_chain *chain)
{
	return take(dev, vq, memory, chain);
}

void virtio_untake(struct virtio_device *dev, struct virtq *vq, const struct virtq_chain *chain)
{
	if (gm_unlikely(dev->meter))
		virtio_meter_untake(dev, vq, chain->head);
	virtq_unpop(vq, chain);
}

/* Before the driver can see it: what it does then may come at once. */
static INLINE void count_given(struct virtio_device *dev, const struct virtq *vq, uint16_t head,
			       uint32_t len)
{
	dev->stats.requests++;
	PROBE_REQUEST_DONE(dev->name, vq->index, head, len);
	if (gm_unlikely(dev->meter))
		virtio_meter_give(dev, vq, head);
}

void virtio_put(struct virtio_device *dev, struct virtq *vq, const struct gm_memory *memory,
		uint16_t head, uint32_t len)
{
	count_given(dev, vq, head, len);
	/* A failure is in vq->broken, and settled. */
	virtq_put_used(vq, memory, head, len);
}

/* What ends every piece of work on a queue: the driver learns of it, and of what broke. */
void virtio_settle(struct virtio_device *dev, struct virtq *vq, const struct gm_memory *memory)
{
	bool news;

	virtq_publish(vq, memory);
	news = virtq_has_news(vq);
	if (virtq_should_interrupt(vq, memory))
		interrupt(dev, VIRTIO_MMIO_INT_VRING, vq->index);
	else
		dev->stats.suppressed += news;
	if (vq->broken)
		virtio_break(dev, "queue %u: %s", vq->index, vq->broken);
}

void virtio_complete(struct virtio_device *dev, struct virtq *vq, const struct gm_memory *memory,
		     uint16_t head, uint32_t len)
{
	virtio_put(dev, vq, memory, head, len);
	virtio_settle(dev, vq, memory);
}

/* Serve up to *@budget chains. False if one was kept that lets no other be popped now. */
static INLINE bool run(struct virtio_device *dev, struct virtq *vq, const struct gm_memory *memory,
		       virtio_handler *handle, uint32_t *budget)
{
	struct virtq_chain chain;

	while (*budget && take(dev, vq, memory, &chain) > 0) {
		int64_t len = handle(dev, memory, &chain);

		if (len == VIRTIO_KEEP)
			return false;
		--*budget;
		if (len == VIRTIO_KEPT)
			continue;
		/* Published one by one: a driver that polls need not wait for the last of them. */
		count_given(dev, vq, chain.head, (uint32_t)len);
		virtq_complete(vq, memory, chain.head, (uint32_t)len);
	}
	return true;
}

void virtio_run_queue(struct virtio_device *dev, unsigned int index, virtio_handler *handle)
{
	struct virtq *vq = &dev->queues[index];
	struct gm_memory *memory = gm_cell_snapshot(dev->memory);
	uint32_t budget = vq->size;
	bool more;

	do {
		virtq_disable_notify(vq, memory);
		more = run(dev, vq, memory, handle, &budget) && virtq_enable_notify(vq, memory);
	} while (more && budget);
	/* A driver that adds chains as fast as they are served must not hold the thread. */
	if (more)
		virtio_again(dev, index);
	virtio_settle(dev, vq, memory);
	gm_memory_put(memory);
}

bool virtio_run_one(struct virtio_device *dev, unsigned int index, virtio_handler *handle)
{
	struct virtq *vq = &dev->queues[index];
	struct gm_memory *memory = gm_cell_snapshot(dev->memory);
	uint32_t budget = 1;
	bool more;

	virtq_disable_notify(vq, memory);
	more = run(dev, vq, memory, handle, &budget) && virtq_enable_notify(vq, memory);
	virtio_settle(dev, vq, memory);
	gm_memory_put(memory);
	return more;
}

/* --- configuration --------------------------------------------------------------------------- */

void virtio_config_read(const struct virtio_device *dev, uint64_t offset, void *data, unsigned int len)
{
	size_t there = 0;

	memset(data, 0, len);
	if (offset < dev->config_len)
		there = dev->config_len - offset;
	if (there)
		memcpy(data, (const uint8_t *)dev->config + offset, there < len ? there : len);
}

void virtio_config_write(struct virtio_device *dev, uint64_t offset, const void *data,
			 unsigned int len)
{
	bool may = dev->ops->config_early || (dev->status & VIRTIO_CONFIG_S_DRIVER);

	if (!dev->ops->config_write || !may || offset >= dev->config_len)
		return;
	if (len > dev->config_len - offset)
		len = (unsigned int)(dev->config_len - offset);
	dev->ops->config_write(dev, offset, data, len);
}

void virtio_config_changed(struct virtio_device *dev)
{
	dev->config_generation++;
	/* A driver that is not up yet reads the whole structure anyway. */
	if (is_up(dev))
		interrupt(dev, VIRTIO_MMIO_INT_CONFIG, 0);
}
