/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Disk I/O through io_uring: a ring of its own for each queue, the image as a registered file, one
 * system call for each batch of requests. The loop watches the ring itself: what is done by the time it
 * is submitted, and taken there and then, wakes nobody. Where
 * the kernel denies a ring (too old, seccomp, sysctl, a limit) open() fails and blk-thread.c is
 * there; so it is where this was built without liburing.
 */
#include "devices/blk.h"

#include <errno.h>
#include <stddef.h>

#ifdef HAVE_LIBURING

#include <liburing.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct uring {
	struct blk_engine engine;
	struct io_uring ring;
};

/* Whether the kernel has all operations; the youngest of them is of Linux 5.6. */
static bool has_operations(struct io_uring *ring)
{
	struct io_uring_probe *probe = io_uring_get_probe_ring(ring);
	bool has = probe && io_uring_opcode_supported(probe, IORING_OP_FALLOCATE);

	io_uring_free_probe(probe);
	return has;
}

static struct blk_engine *uring_open(int fd, unsigned int depth)
{
	struct uring *uring = calloc(1, sizeof(*uring));
	int err = ENOMEM;

	if (!uring)
		goto fail;
	uring->engine.type = &blk_uring_type;
	/* Rings when submit() is to be repeated. */
	uring->engine.event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (uring->engine.event < 0) {
		err = errno;
		goto fail_free;
	}
	/* The completion queue is twice as long as what can be on its way: it never overflows. */
	err = -io_uring_queue_init(depth, &uring->ring, 0);
	if (err)
		goto fail_event;
	if (!has_operations(&uring->ring))
		err = ENOSYS;
	if (!err)
		err = -io_uring_register_files(&uring->ring, &fd, 1);
	uring->engine.ready = uring->ring.ring_fd;
	if (!err)
		return &uring->engine;
	io_uring_queue_exit(&uring->ring);
fail_event:
	close(uring->engine.event);
fail_free:
	free(uring);
fail:
	errno = err;
	return NULL;
}

static void uring_start(struct blk_engine *engine, struct blk_op *op)
{
	struct uring *uring = (struct uring *)engine;
	/* There is always one: the ring is as long as its user said it has operations. */
	struct io_uring_sqe *sqe = io_uring_get_sqe(&uring->ring);

	/* 0 is the index of the registered file. */
	switch (op->type) {
	case BLK_OP_READ:
		io_uring_prep_readv2(sqe, 0, op->iov, op->iov_count, op->offset, op->flags);
		break;
	case BLK_OP_WRITE:
		io_uring_prep_writev2(sqe, 0, op->iov, op->iov_count, op->offset, op->flags);
		break;
	case BLK_OP_SYNC: io_uring_prep_fsync(sqe, 0, IORING_FSYNC_DATASYNC); break;
	case BLK_OP_ALLOCATE:
		io_uring_prep_fallocate(sqe, 0, op->flags, (off_t)op->offset, (off_t)op->len);
		break;
	}
	sqe->flags |= IOSQE_FIXED_FILE;
	io_uring_sqe_set_data(sqe, op);
}

static void uring_submit(struct blk_engine *engine)
{
	struct uring *uring = (struct uring *)engine;
	int ret = 0;

	while (io_uring_sq_ready(&uring->ring)) {
		ret = io_uring_submit(&uring->ring);
		if (ret < 0 && ret != -EINTR)
			break;
	}
	/* The kernel is short of something: again when the loop has had a turn. */
	if (ret < 0)
		eventfd_write(uring->engine.event, 1);
}

static struct blk_op *uring_done(struct blk_engine *engine)
{
	struct uring *uring = (struct uring *)engine;
	struct io_uring_cqe *cqe;
	struct blk_op *op;

	if (io_uring_peek_cqe(&uring->ring, &cqe) || !cqe)
		return NULL;
	op = io_uring_cqe_get_data(cqe);
	op->result = cqe->res;
	io_uring_cqe_seen(&uring->ring, cqe);
	return op;
}

static void uring_wait(struct blk_engine *engine)
{
	struct uring *uring = (struct uring *)engine;
	struct io_uring_cqe *cqe;

	/* What was not taken for want of memory is offered again with each turn. */
	while (io_uring_submit_and_wait(&uring->ring, 1) < 0 && io_uring_peek_cqe(&uring->ring, &cqe))
		usleep(100);
}

static void uring_close(struct blk_engine *engine)
{
	struct uring *uring = (struct uring *)engine;

	io_uring_queue_exit(&uring->ring);
	close(uring->engine.event);
	free(uring);
}

const struct blk_engine_type blk_uring_type = {
	.name = "io_uring",
	.open = uring_open,
	.start = uring_start,
	.submit = uring_submit,
	.done = uring_done,
	.wait = uring_wait,
	.close = uring_close,
};

#else

static struct blk_engine *uring_open(int fd, unsigned int depth)
{
	(void)fd, (void)depth;
	errno = ENOSYS;
	return NULL;
}

const struct blk_engine_type blk_uring_type = {.name = "io_uring", .open = uring_open};

#endif
