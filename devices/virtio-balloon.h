/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * What the host may ask of a balloon, and learn from it. The device is one whose ops->device_id is
 * VIRTIO_ID_BALLOON. Any thread may call these; none of them waits for the guest.
 */
#ifndef DEVICES_VIRTIO_BALLOON_H
#define DEVICES_VIRTIO_BALLOON_H

#include <linux/virtio_balloon.h>

#include "devices/virtio.h"

/* All sizes are in bytes. */
struct virtio_balloon_state {
	uint64_t target; /* what the balloon should hold */
	uint64_t held;   /* pages the driver put into it and did not take back */
	uint64_t actual; /* what the driver says it holds */
	/* What has left the host's memory since the device was made. */
	uint64_t inflated; /* from pages put into the balloon */
	uint64_t reported; /* from pages reported free */
	uint64_t hinted;   /* pages hinted to be free; nothing was done to them */
	/*
	 * The statistics a driver last sent, one that has gone since included: guest[i] counts if
	 * bit i of known is set.
	 */
	uint32_t known;
	uint64_t guest[VIRTIO_BALLOON_S_NR];
};

void virtio_balloon_state(struct virtio_device *dev, struct virtio_balloon_state *state);

/* Have the driver make the balloon @bytes large, whole pages of 4 KiB. False if that is too large a number. */
bool virtio_balloon_set_target(struct virtio_device *dev, uint64_t bytes);

/* Ask the driver for statistics; they are in the state when it has answered. False if it gives none now. */
bool virtio_balloon_ask_stats(struct virtio_device *dev);

/*
 * Free page hinting, for who copies the guest's memory while it runs: what the driver hints need
 * not be copied, unless it has been written to since virtio_balloon_hint() was called. Only who
 * tracks the guest's writes can tell, which is why the device leaves such pages alone.
 *
 * Both functions are called with the device's lock held and must not call the device.
 */
struct virtio_balloon_hints {
	/* The driver does not need what is in [addr, addr + len), all of it memory. */
	void (*page)(void *arg, gm_addr addr, uint64_t len);
	/* Once: it has no more to hint; or (not complete) was reset, and what it hinted is void. */
	void (*end)(void *arg, bool complete);
};

/* Begin a round. False if one is going on, or if the driver is not up or knows no hints. */
bool virtio_balloon_hint(struct virtio_device *dev, const struct virtio_balloon_hints *hints,
			 void *arg);

/* End a round without end() being called; the driver keeps what it hinted out of use. */
void virtio_balloon_hint_stop(struct virtio_device *dev);

/* The same, and the driver may use it again. Every round is to be followed by this in the end. */
void virtio_balloon_hint_done(struct virtio_device *dev);

#endif
