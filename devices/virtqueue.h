/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * A virtqueue, device side (virtio 1.2, sections 2.6 to 2.8): descriptor chains come out as two
 * lists of guest ranges, used buffers go back in. What the ring looks like in memory stays in
 * virtqueue-split.c and virtqueue-packed.c: devices do not know which they are served from.
 *
 * Everything in the ring belongs to a driver that may be broken or hostile while it is read. Each
 * word is read once; each index is bounded by a host-side copy; a chain that is handed out lies in
 * memory that may be accessed as it says. What the specification forbids and cannot be answered
 * through the ring makes the queue *broken*: nothing comes out of it until it is reset.
 *
 * The memory is passed in with each call, and may be another one the next time: the rings are
 * reached through windows, which see that. A queue is used by one thread at a time; the device's
 * lock sees to that.
 */
#ifndef DEVICES_VIRTQUEUE_H
#define DEVICES_VIRTQUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "guestmem/guestmem.h"

/* The largest queue the specification knows. */
#define VIRTQ_SIZE_LIMIT 32768

/* A chain that was popped and is not in the used ring yet. */
struct virtq_out {
	uint16_t slots; /* entries of the ring it takes; 0: there is no such chain */
	bool done;      /* it was put, but one before it was not (in_order) */
	uint32_t len;   /* if done: what was written to it */
};

struct virtq {
	/* What the driver set, through the transport; constant while ready. */
	uint16_t index;    /* its number in the device; who made it sets it */
	uint16_t max_size; /* what the device offers; constant */
	uint32_t size;     /* number of entries; checked by virtq_enable() */
	gm_addr desc;      /* descriptor table or packed ring, 16 bytes an entry */
	gm_addr avail;     /* driver area: available ring or event suppression */
	gm_addr used;      /* device area: used ring or event suppression */
	bool ready;        /* enabled, and not broken since */
	bool was_reset;    /* by itself: may be set up while the device runs */

	/* The same areas as windows; they begin to be looked up when the queue is enabled. */
	struct gm_window desc_area;
	struct gm_window avail_area;
	struct gm_window used_area;
	struct gm_window table; /* the indirect one that was walked last */

	/* Negotiated; constant while ready. */
	bool packed;
	bool event_idx;
	bool indirect;
	bool in_order;

	/*
	 * Where we are: ring indexes of 16 bits, in a packed ring positions (virtqueue-packed.c).
	 * None of these is ever read back from the guest.
	 */
	uint16_t next_avail;     /* next to take */
	uint16_t seen_avail;     /* split: avail.idx when it was last looked at */
	uint16_t next_used;      /* next to fill, not yet published */
	uint16_t published_used; /* the same as the driver sees it */
	uint16_t signalled_used; /* the same when the driver was last asked about */
	struct virtq_out *out;   /* max_size, by head or id: the chains that are out */
	uint16_t *order;         /* max_size: their heads as they were taken, if in_order */
	uint16_t order_first;    /* the oldest of them, and behind the newest; both modulo 2^16 */
	uint16_t order_end;
	uint32_t slots_out;      /* packed: sum of their slots */
	uint32_t unsignalled;    /* packed: entries published since the driver was asked */
	uint16_t held_flags;     /* packed: flags that will publish what was put */
	uint64_t bounce[2];      /* a descriptor that is in two pieces */
	struct gm_range *ranges; /* max_size: the chain that was popped last */
	const char *broken;      /* why, or NULL */

	/* Counted for the life of the device: buffers, and those cut by a region boundary. */
	uint64_t buffers;
	uint64_t buffers_crossing;
};

/*
 * A chain: what the driver wants read, then what it wants written. No range is empty (descriptors
 * of length 0 are legal and carry nothing). The ranges belong to the queue and are overwritten by
 * the next pop: who keeps a chain longer copies them.
 */
struct virtq_chain {
	uint16_t head; /* what to give it back by; in a packed ring the buffer id */
	uint16_t readable_count;
	uint16_t writable_count;
	uint16_t crossing;     /* ranges that a region boundary cuts */
	uint64_t readable_len; /* sums; together at most 2^32 */
	uint64_t writable_len;
	const struct gm_range *readable;
	const struct gm_range *writable;
};

/* Allocate for up to @max_size entries (a power of two up to VIRTQ_SIZE_LIMIT). 0, or -1 without memory. */
int virtq_init(struct virtq *vq, uint16_t max_size);
void virtq_destroy(struct virtq *vq);

/* Back to the state after virtq_init(); the counters stay. */
void virtq_reset(struct virtq *vq);

/*
 * Start with what size, desc, avail and used say, and with the negotiated @features. Returns NULL,
 * or what is wrong with them; the queue then stays as it was.
 */
const char *virtq_enable(struct virtq *vq, const struct gm_memory *memory, uint64_t features);

/*
 * Where the driver put a ready queue: descriptor table or packed ring, driver area, device area.
 */
enum virtq_area {
	VIRTQ_DESC,
	VIRTQ_DRIVER,
	VIRTQ_DEVICE,
	VIRTQ_AREAS,
};

void virtq_areas(const struct virtq *vq, struct gm_range areas[VIRTQ_AREAS]);

/* 1 and a chain, 0 if none is available, -1 if the queue is broken (vq->broken says how). */
int virtq_pop(struct virtq *vq, const struct gm_memory *memory, struct virtq_chain *chain);

/*
 * Take back the last pop, and in the opposite order those before it: the chain is available again
 * and comes out with the next pop, read and checked anew. None of them was put.
 */
void virtq_unpop(struct virtq *vq, const struct virtq_chain *chain);

/*
 * Give a chain back with @len bytes written to the beginning of its writable part. The driver sees
 * it after virtq_publish(), with all others put before; where it was promised the order in which it
 * made them available (VIRTIO_F_IN_ORDER), after all that were taken before it, too. 0, or -1 if
 * the queue is broken.
 */
int virtq_put_used(struct virtq *vq, const struct gm_memory *memory, uint16_t head, uint32_t len);
int virtq_publish(struct virtq *vq, const struct gm_memory *memory);

/* Both at once, for who publishes chain by chain. */
int virtq_complete(struct virtq *vq, const struct gm_memory *memory, uint16_t head, uint32_t len);

/* Whether something was published since the driver was asked last. */
static inline bool virtq_has_news(const struct virtq *vq)
{
	return vq->packed ? vq->unsignalled != 0 : vq->published_used != vq->signalled_used;
}

/* Whether the driver wants to be interrupted for what was published since the last call. */
bool virtq_should_interrupt(struct virtq *vq, const struct gm_memory *memory);

/*
 * Ask the driver for notifications about new chains, or say that none are needed (a hint it may
 * overlook). Enabling returns true if chains came in meanwhile, for which there will be none.
 */
bool virtq_enable_notify(struct virtq *vq, const struct gm_memory *memory);
void virtq_disable_notify(struct virtq *vq, const struct gm_memory *memory);

/* Cursors over the two lists of a chain. */
static inline struct gm_sg virtq_readable(const struct virtq_chain *chain,
					  const struct gm_memory *memory)
{
	return (struct gm_sg){
		.memory = memory,
		.ranges = chain->readable,
		.left = chain->readable_len,
		.access = GM_ACCESS_READ,
	};
}

static inline struct gm_sg virtq_writable(const struct virtq_chain *chain,
					  const struct gm_memory *memory)
{
	return (struct gm_sg){
		.memory = memory,
		.ranges = chain->writable,
		.left = chain->writable_len,
		.access = GM_ACCESS_WRITE,
	};
}

#endif
