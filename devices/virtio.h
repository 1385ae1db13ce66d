/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * A virtio device between its transport and its model.
 *
 * The transport turns register accesses into the calls under "for transports"; the model (one file
 * each, virtio-blk.c and so on) provides struct virtio_ops and uses the calls under "for models".
 * The state machine of section 3.1 of the specification is kept here, so that a model is never
 * called with queues that are not there or features that were not agreed on.
 *
 * One lock per device. All of virtio_ops is called with it held, on whatever thread the driver's
 * action arrived on; models take it themselves in callbacks of their own (virtio_lock()).
 */
#ifndef DEVICES_VIRTIO_H
#define DEVICES_VIRTIO_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "devices/report.h"
#include "devices/virtqueue.h"
#include "guestmem/guestmem.h"

struct virtio_device;
struct virtio_stats;

/* Who serves a queue: where it is now, the vCPU that notifies first, or the loop. */
enum virtio_place { VIRTIO_STAY, VIRTIO_ON_VCPU, VIRTIO_ON_LOOP };

/* What a type of device is. Functions that are NULL have nothing to do. */
struct virtio_ops {
	uint32_t device_id;
	const char *name;            /* "virtio-blk" */
	const uint16_t *queue_sizes; /* maximum sizes, one at least; 0-terminated */
	/* The driver is ready: features and queues stand until reset. */
	void (*activate)(struct virtio_device *dev);
	/* Everything but chains is as new. Also called if never activated. */
	void (*reset)(struct virtio_device *dev);
	/*
	 * Forget the chains of queue @index, which goes when this returns: of each queue before
	 * reset(), of one alone while the device runs (2.6.1). Nothing touches guest memory for
	 * them afterwards. Models that keep none have nothing to do.
	 */
	void (*queue_reset)(struct virtio_device *dev, unsigned int index);
	/* There may be chains in queue @index, which is ready. */
	void (*notify)(struct virtio_device *dev, unsigned int index);
	/*
	 * The same on the thread of the vCPU that says so, which goes on when this returns: what is
	 * done at once, if it is little and a vCPU may do it (confine.h). False: notify() is to see
	 * to the rest, on the loop. NULL: to all of it.
	 */
	bool (*notify_now)(struct virtio_device *dev, unsigned int index);
	/* Where notifications of queue @index should go, as things are. Only beside notify_now(). */
	enum virtio_place (*place)(const struct virtio_device *dev, unsigned int index);
	/* The driver writes to the configuration; [offset, offset + len) is in the structure. */
	void (*config_write)(struct virtio_device *dev, size_t offset, const void *data, size_t len);
	/* That counts at any time, not only once the driver has said DRIVER. */
	bool config_early;
	/* What there is to say beside struct virtio_stats: one line, without its end, into @text. */
	void (*describe)(struct virtio_device *dev, char *text, size_t size);
	/* Whether a driver may take these features together; NULL: any that are offered. */
	bool (*features_ok)(const struct virtio_device *dev, uint64_t features);
	/* Add to the counters what is not in dev->stats. */
	void (*count)(struct virtio_device *dev, struct virtio_stats *stats);
	/* Release what the model owns, then virtio_device_destroy(). No thread is in the device. */
	void (*free)(struct virtio_device *dev);
};

/* What a device did since it was made. */
struct virtio_stats {
	uint64_t requests;          /* chains given back */
	uint64_t errors;            /* of these: not done as asked */
	uint64_t bytes_read;        /* data from guest memory to the host side */
	uint64_t bytes_written;     /* data from the host side to guest memory */
	uint64_t transfers;         /* guest buffers (descriptors) taken */
	uint64_t transfers_crossed; /* of these: in more than one region */
	uint64_t dropped;           /* what came from or went to the host side and was lost there */
	uint64_t notifications;     /* the driver's */
	uint64_t interrupts;        /* raised, whatever for */
	uint64_t suppressed;        /* chains went back and the driver wanted no interrupt */
};

struct virtio_meter;

/*
 * The transport's: raising an interrupt (@cause: VIRTIO_MMIO_INT_VRING, for queue @queue, or
 * VIRTIO_MMIO_INT_CONFIG), and calling notify() later. Both with the device's lock held.
 */
struct virtio_transport {
	void (*interrupt)(struct virtio_transport *transport, uint32_t cause, unsigned int queue);
	void (*again)(struct virtio_transport *transport, unsigned int index);
};

/*
 * All fields are touched with the lock held, but those set by virtio_device_init() and
 * virtio_device_attach(), which do not change. Embed it as the first member of a model's structure.
 */
struct virtio_device {
	const struct virtio_ops *ops;
	char name[48]; /* for people: "disk image.raw" */
	pthread_mutex_t lock;
	uint64_t offered;   /* feature bits */
	const void *config; /* the device's configuration structure, little endian */
	size_t config_len;
	uint32_t config_generation; /* of the structure; never goes back */

	struct gm_cell *memory;
	struct virtio_transport *transport;

	uint64_t driver_features; /* as written; agreed on once FEATURES_OK is set */
	uint8_t status;
	bool paused; /* the transport has the device leave guest memory alone */
	unsigned int queue_count;
	struct virtq *queues;

	struct virtio_stats stats; /* without the queues' part */
	struct virtio_meter *meter; /* or NULL: requests are not measured (virtio-meter.h); constant */
	struct log_limit log;
};

/* --- for those who own a device ----------------------------------------------------------- */

/* A consistent copy of the counters. Any thread. */
void virtio_device_stats(struct virtio_device *dev, struct virtio_stats *stats);

/* What the model has to say about itself beside them, for people; "" if it has nothing. Any thread. */
void virtio_device_describe(struct virtio_device *dev, char *text, size_t size);

/* End a device that no transport owns. NULL is allowed. */
void virtio_device_free(struct virtio_device *dev);

/* --- for transports ------------------------------------------------------------------------ */

/* Connect; once, before any other call. Both are borrowed and outlive the device. */
void virtio_device_attach(struct virtio_device *dev, struct gm_cell *memory,
			  struct virtio_transport *transport);

void virtio_lock(struct virtio_device *dev);
void virtio_unlock(struct virtio_device *dev);
/* Whether the lock was free, and is now taken. */
bool virtio_try_lock(struct virtio_device *dev);

/* The rest of this part is called with the lock held. */

/* Feature words of 32 bits: @select 0 and 1 exist. Writes count before FEATURES_OK only. */
uint32_t virtio_features(const struct virtio_device *dev, uint32_t select);
void virtio_set_driver_features(struct virtio_device *dev, uint32_t select, uint32_t value);

/* A write to the status register; 0 resets. Steps that are out of order do not happen. */
void virtio_set_status(struct virtio_device *dev, uint8_t value);

/*
 * While paused, a device that is up takes no chains; what is in flight ends as it would. When that
 * is over it looks into all its queues, by way of the loop.
 */
void virtio_pause(struct virtio_device *dev, bool paused);

/* Queue @index for set-up, or NULL if there is none or this is not the time for it. */
struct virtq *virtio_queue_setup(struct virtio_device *dev, uint32_t index);

/* A write to QueueReady. */
void virtio_queue_set_ready(struct virtio_device *dev, uint32_t index, bool ready);

/* Reset one queue, which can then be set up anew while the device runs (2.6.1). */
void virtio_queue_reset(struct virtio_device *dev, uint32_t index);

/*
 * A notification for any @index a driver may say, its own or after virtio_again(); and so many that
 * were the driver's, for the counters.
 */
void virtio_queue_notify(struct virtio_device *dev, uint32_t index);
void virtio_count_notifications(struct virtio_device *dev, uint32_t index, uint64_t count);

/* Likewise on a vCPU's thread. False: virtio_queue_notify() is to be called on the loop's. */
bool virtio_queue_notify_now(struct virtio_device *dev, uint32_t index);

/* Read the configuration structure; zeros behind its end. */
void virtio_config_read(const struct virtio_device *dev, uint64_t offset, void *data,
			unsigned int len);

/* Write to it: what is behind its end is lost, and so is, unless config_early, all before DRIVER. */
void virtio_config_write(struct virtio_device *dev, uint64_t offset, const void *data,
			 unsigned int len);

/* --- for models ---------------------------------------------------------------------------- */

/*
 * Initialise the common part; the features every device offers are added to @offered. The
 * configuration structure is borrowed. 0 or -1 (@report).
 */
int virtio_device_init(struct virtio_device *dev, const struct virtio_ops *ops, uint64_t offered,
		       const void *config, size_t config_len, struct report *report);
void virtio_device_destroy(struct virtio_device *dev);

/* How people tell this device from others of its type. Without it: ops->name. */
void virtio_device_name(struct virtio_device *dev, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Whether the driver is up and nothing is broken: whether chains may be taken at all. */
bool virtio_is_live(const struct virtio_device *dev);

/* Whether a feature was agreed on. */
static inline bool virtio_has_feature(const struct virtio_device *dev, unsigned int bit)
{
	return dev->driver_features >> bit & 1;
}

/*
 * Take chains from queue @index until there are none, or have been a queue full, or @handle keeps
 * one; give them back with the length it says and interrupt the driver as it wishes. The memory is
 * held meanwhile, but not as a reader of the cell: @handle may block on a file.
 *
 * @handle returns VIRTIO_KEEP to end the run with the chain in flight, or VIRTIO_KEPT to go on
 * nevertheless, which needs a copy of the chain's ranges; who keeps it must call virtio_complete()
 * later.
 */
#define VIRTIO_KEEP (-1)
#define VIRTIO_KEPT (-2)
typedef int64_t virtio_handler(struct virtio_device *dev, const struct gm_memory *memory,
			       const struct virtq_chain *chain);
void virtio_run_queue(struct virtio_device *dev, unsigned int index, virtio_handler *handle);

/* The same for a single chain. Whether there are more. */
bool virtio_run_one(struct virtio_device *dev, unsigned int index, virtio_handler *handle);

/*
 * Take a chain by hand, as virtq_pop() does; and take that back, as virtq_unpop(): through these
 * the time that requests take is known.
 */
int virtio_take(struct virtio_device *dev, struct virtq *vq, const struct gm_memory *memory,
		struct virtq_chain *chain);
void virtio_untake(struct virtio_device *dev, struct virtq *vq, const struct virtq_chain *chain);

/*
 * Give back chains that were kept or taken by hand: virtio_put() for each, with the bytes written
 * to it, in whatever order they come to be done; then, before the lock is released, virtio_settle()
 * once, which shows them to the driver together and interrupts it as it wishes. A queue that turns
 * out broken breaks the device.
 */
void virtio_put(struct virtio_device *dev, struct virtq *vq, const struct gm_memory *memory,
		uint16_t head, uint32_t len);
void virtio_settle(struct virtio_device *dev, struct virtq *vq, const struct gm_memory *memory);

/* Both for a single chain. */
void virtio_complete(struct virtio_device *dev, struct virtq *vq, const struct gm_memory *memory,
		     uint16_t head, uint32_t len);

/* Have notify() called again for queue @index, from the loop. */
void virtio_again(struct virtio_device *dev, unsigned int index);

/*
 * The device changed its configuration structure, in the same hold of the lock: the driver is told
 * by the generation and, once it is up, by an interrupt.
 */
void virtio_config_changed(struct virtio_device *dev);

/*
 * The driver broke the rules in a way no request can be answered with: say so once on standard
 * error, stop until reset, and tell the driver (DEVICE_NEEDS_RESET).
 */
void virtio_break(struct virtio_device *dev, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
