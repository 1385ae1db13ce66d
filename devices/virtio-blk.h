/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * What the files of virtio-blk share: virtio-blk.c is the device (options, configuration, reset),
 * blk-queue.c moves requests between a queue and its engine, blk-request.c knows what requests are.
 */
#ifndef DEVICES_VIRTIO_BLK_H
#define DEVICES_VIRTIO_BLK_H

#include <linux/virtio_blk.h>

#include "devices/blk.h"
#include "devices/image.h"
#include "devices/loop.h"
#include "devices/virtio.h"

/* A request of 1 MiB, a page a descriptor, is one chain. */
#define BLK_QUEUE_SIZE   512
#define BLK_QUEUES_MAX   16
#define BLK_SEGMENTS_MAX 32 /* of a discard or write-zeroes request */
/* Of one such segment, 2 GiB: a request cannot keep the host busy for longer than that takes. */
#define BLK_SEGMENT_SECTORS_MAX (UINT32_C(1) << 22)
/* What a chain may have: a queue full of buffers. */
#define BLK_RANGES BLK_QUEUE_SIZE
/* Pieces of memory of one operation; a transfer of more is several. */
#define BLK_IOV 512
/* Memory that direct I/O cannot use is copied, in pieces of so much, by so many requests at once. */
#define BLK_BOUNCE_SIZE 65536
#define BLK_BOUNCE_MAX  16
/*
 * What is copied at once: so many bytes of one notification; when that took longer than any copy
 * does, and not because the thread lost its processor meanwhile, not for a while.
 */
#define BLK_COPY_BUDGET      (UINT64_C(1) << 20)
#define BLK_COPY_SLOW_NS     UINT64_C(500000)
#define BLK_COPY_NS_PER_BYTE UINT64_C(4)
#define BLK_COPY_SLOW_COUNT  2 /* in a row */
#define BLK_COPY_PAUSE_NS    UINT64_C(1000000000)
/* Of one request, for the vCPU that notifies to do it. */
#define BLK_NOW_BYTES  (UINT64_C(1) << 20)
#define BLK_DEPTH_MAX  64
#define BLK_DEPTH_MORE 8

/* Later than the kernel's header. */
#ifndef VIRTIO_BLK_F_LIFETIME
#define VIRTIO_BLK_F_LIFETIME     15
#define VIRTIO_BLK_T_GET_LIFETIME 10
#endif

struct blk_request;

/* What a step of a request says, if not its status: that its operation is to be done, or waits. */
#define BLK_GO   (-1)
#define BLK_WAIT (-2)

/*
 * Go on with a request, when it begins and after each of its operations: a status, or BLK_GO with
 * the next operation in req->op, or BLK_WAIT if there is no bounce buffer for it.
 */
typedef int blk_step(struct blk_request *req);

/* A part of the disk to discard or to fill with zeros, in bytes. */
struct blk_segment {
	uint64_t start;
	uint64_t len;
	const int *ways; /* see blk-request.c */
};

/* What large requests need besides; allocated with them. */
struct blk_spill {
	struct gm_range ranges[BLK_RANGES];
	struct iovec iov[BLK_IOV];
	struct blk_segment segments[BLK_SEGMENTS_MAX];
};

/* A request. With the device's lock, but for the operation while an engine has it. */
struct blk_request {
	struct blk_op op; /* first: engines give it back */
	struct blk_queue *queue;
	struct blk_request *next; /* in a list of the queue's */
	struct gm_memory *memory; /* held while in flight */
	uint16_t head;
	blk_step *step;
	bool begun; /* op has been done once */

	uint64_t position; /* byte of the disk where the next operation begins */
	struct gm_sg data; /* what is left to be moved, from there on */
	struct gm_sg status_at;
	uint64_t room;    /* bytes before the status byte */
	uint64_t written; /* of these, from the beginning */

	bool discard;
	unsigned int segment, segment_count;
	const int *way;  /* that is tried on the segment, NULL: none yet */
	uint64_t zeroed; /* bytes of the segment that are done */

	void *bounce;
	bool copied; /* the operation is on the bounce buffer */
	struct blk_spill *spill;
	struct gm_range ranges[4]; /* a copy of the chain's while in flight, unless in spill */
	struct iovec iov[4];
};

struct blk_list {
	struct blk_request *first;
	struct blk_request **end;
};

struct blk_queue {
	struct blk *blk;
	unsigned int index;
	struct blk_engine *engine;
	struct loop_watch *watch;
	struct loop_watch *ready_watch; /* NULL if the engine needs none */
	struct blk_request *requests;   /* BLK_QUEUE_SIZE, as many as the ring can have in flight */
	unsigned int touched; /* of these, so many have been used; the rest is not memory yet */
	struct blk_list unused;
	struct blk_list waiting; /* for a bounce buffer */
	unsigned int bounces;    /* in use */
	unsigned int in_flight;  /* the engine has them */
	uint64_t budget;         /* bytes of this notification that may yet be copied at once */
	uint64_t read_limit;     /* bytes of a request that may be read at once */
	unsigned int slow;       /* copies in a row that were */
	uint64_t slow_until;     /* by the clock: copying at once was slow */
	unsigned int taken;      /* requests of this notification */
	unsigned int depth;      /* how many come at a time, up to BLK_DEPTH_MAX: see blk_place() */
	struct blk_spill *spare;
};

struct blk {
	struct virtio_device dev;
	struct virtio_ops ops;
	uint16_t queue_sizes[BLK_QUEUES_MAX + 1];
	struct virtio_blk_config config;
	struct image image;
	uint64_t sectors;
	bool read_only;
	bool writethrough;            /* what the cache is before a driver changes it */
	bool no_nowait;               /* RWF_NOWAIT is not for this image */
	uint64_t (*clock)(void);      /* monotonic, ns; a test has its own */
	char id[VIRTIO_BLK_ID_BYTES]; /* padded with NULs, not terminated */
	struct blk_queue *queues;     /* as many as dev has */
	struct blk_queue *running;    /* whose chains are being taken */
};

/* --- blk-queue.c --- */

/* 0 or -1 and errno; @engine is then the one that was tried last. */
int blk_queue_open(struct blk_queue *queue, struct blk *blk, unsigned int index, struct loop *loop,
		   const struct blk_engine_type *engine);
/* Also of a queue that was not opened. */
void blk_queue_close(struct blk_queue *queue);
void blk_notify(struct virtio_device *dev, unsigned int index);
bool blk_notify_now(struct virtio_device *dev, unsigned int index);
enum virtio_place blk_place(const struct virtio_device *dev, unsigned int index);
/* Wait for what is in flight and forget it. */
void blk_queue_drain(struct blk_queue *queue);

/* The request's spill, allocated at the first call; or NULL. */
struct blk_spill *blk_request_spill(struct blk_request *req);
/* Whether there is a bounce buffer in req->bounce now. */
bool blk_request_bounce(struct blk_request *req);

/* --- blk-request.c --- */

/* Read and check the header: a status, or BLK_GO with req->step set, to be called for the first time. */
int blk_request_begin(struct blk_request *req, struct gm_sg readable, struct gm_sg writable);

/* --- virtio-blk.c --- */

/* Whether what is written must be durable before the driver hears of it. */
bool blk_is_writethrough(const struct blk *blk);

/*
 * The image of a disk may have another size: look, and tell the driver. Requests beyond the new end
 * are refused from then on. Any thread that may take the device's lock; 0, or -1 (@report) if the
 * size cannot be found out or is none a disk can have, and nothing changes.
 */
int virtio_blk_resized(struct virtio_device *dev, struct report *report);

/* Make its image @size bytes long, if that is more than it has, and then the same. */
int virtio_blk_grow(struct virtio_device *dev, uint64_t size, struct report *report);

/* How long it is, as the driver knows it. */
uint64_t virtio_blk_size(struct virtio_device *dev);

#endif
