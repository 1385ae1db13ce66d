/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Asynchronous I/O on a disk image: what an engine is, and which there are. An engine knows neither
 * queues nor guest memory, only a file descriptor and operations on it; what they are for and what
 * their results mean is virtio-blk's.
 *
 * An engine belongs to one queue of a device. All calls are made with the device's lock held, or
 * while nobody else has the device.
 */
#ifndef DEVICES_BLK_H
#define DEVICES_BLK_H

#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

enum blk_op_type {
	BLK_OP_READ,     /* preadv2(2) */
	BLK_OP_WRITE,    /* pwritev2(2) */
	BLK_OP_SYNC,     /* fdatasync(2) */
	BLK_OP_ALLOCATE, /* fallocate(2) */
};

/* An operation. The engine's between start() and done(), with all that it points to. */
struct blk_op {
	enum blk_op_type type;
	int flags; /* RWF_ of a transfer, the mode of an allocation */
	const struct iovec *iov;
	unsigned int iov_count;
	uint64_t offset;
	uint64_t len;        /* of an allocation */
	int64_t result;      /* as the system call's, or -errno */
	struct blk_op *next; /* the engine's own */
};

struct blk_engine;

/* A type of engine, "threads" of "aio=threads". */
struct blk_engine_type {
	const char *name;
	/* For up to @depth operations at a time on @fd, which stays the caller's. NULL and errno. */
	struct blk_engine *(*open)(int fd, unsigned int depth);
	/* Take an operation; nothing need happen before submit(). */
	void (*start)(struct blk_engine *engine, struct blk_op *op);
	/* All that were started since the last time, together. */
	void (*submit)(struct blk_engine *engine);
	/* One that is done, in whatever order; NULL: none is. Does not wait. */
	struct blk_op *(*done)(struct blk_engine *engine);
	/* Until done() has one. Some operation must be on its way. */
	void (*wait)(struct blk_engine *engine);
	/* No operation is on its way any more. */
	void (*close)(struct blk_engine *engine);
};

/* Embed it as the first member. Set by open(), constant. */
struct blk_engine {
	const struct blk_engine_type *type;
	int event; /* an eventfd: submit() is to be repeated, or done() may have something */
	int ready; /* readable as long as done() has something; -1: event says it */
};

extern const struct blk_engine_type blk_uring_type;
extern const struct blk_engine_type blk_thread_type;

/* One operation, here and now: the system call that the engines make or ask for. */
int64_t blk_op_run(int fd, const struct blk_op *op);

#endif
