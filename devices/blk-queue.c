/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * A queue of a disk: chains become requests, requests operations of the queue's engine, and what is
 * done goes back in batches. What a request is and when it is through is blk-request.c's.
 *
 * A read is tried at once with RWF_NOWAIT: what is in the page cache comes without a second system
 * call, thread or wake-up. A write into the page cache is a copy, and so is a read of a file that
 * is nowhere else; they are done at once, too, so many bytes of a notification and as long as they
 * are as quick as that: io_uring would hand them to a thread of the kernel's. All else goes to the
 * engine, everything that one notification brought in one batch. While it is there the request
 * holds the guest memory it was made for, with a copy of the chain's ranges; whatever happens to
 * the machine's memory meanwhile, the host pointers stay good.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "devices/virtio-blk.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

/* --- lists and buffers ------------------------------------------------------------------------ */

static void list_init(struct blk_list *list)
{
	list->first = NULL;
	list->end = &list->first;
}

static void list_add(struct blk_list *list, struct blk_request *req)
{
	req->next = NULL;
	*list->end = req;
	list->end = &req->next;
}

static struct blk_request *list_take(struct blk_list *list)
{
	struct blk_request *req = list->first;

	if (req) {
		list->first = req->next;
		if (!list->first)
			list->end = &list->first;
	}
	return req;
}

struct blk_spill *blk_request_spill(struct blk_request *req)
{
	if (!req->spill) {
		req->spill = req->queue->spare ? req->queue->spare : malloc(sizeof(*req->spill));
		req->queue->spare = NULL;
	}
	return req->spill;
}

bool blk_request_bounce(struct blk_request *req)
{
	if (req->bounce)
		return true;
	if (req->queue->bounces == BLK_BOUNCE_MAX)
		return false;
	req->bounce = aligned_alloc(4096, BLK_BOUNCE_SIZE);
	req->queue->bounces += req->bounce != NULL;
	return req->bounce;
}

/* Give back what a request has; its memory is the caller's. */
static void release(struct blk_request *req)
{
	struct blk_queue *queue = req->queue;

	if (queue->spare)
		free(req->spill);
	else
		queue->spare = req->spill;
	if (req->bounce)
		queue->bounces--;
	free(req->bounce);
	req->spill = NULL;
	req->bounce = NULL;
}

static void drop(struct blk_request *req)
{
	release(req);
	gm_memory_put(req->memory);
	list_add(&req->queue->unused, req);
}

/* --- the life of a request -------------------------------------------------------------------- */

/*
 * A transfer that can be expected to be a copy. When those take long, since the host has too much
 * to write back, reads a page to change a part of it or has swapped it out, there are no more for a
 * while: the thread has others to serve. Whether its result is there.
 */
static bool copied_at_once(struct blk_request *req)
{
	struct blk_queue *queue = req->queue;
	struct blk_op *op = &req->op;
	uint64_t len = gm_sg_left(&req->data), begin;

	if (queue->blk->image.memory_align || op->flags || !len || len > queue->budget)
		return false;
	begin = queue->blk->clock();
	if (begin < queue->slow_until)
		return false;
	queue->budget -= len;
	op->result = blk_op_run(queue->blk->image.fd, op);
	if (queue->blk->clock() - begin <= BLK_COPY_SLOW_NS + len * BLK_COPY_NS_PER_BYTE)
		queue->slow = 0;
	else if (++queue->slow >= BLK_COPY_SLOW_COUNT)
		queue->slow_until = begin + BLK_COPY_PAUSE_NS;
	return op->result != -EAGAIN;
}

/* Try a transfer without waiting. Whether its result is there. */
static bool done_at_once(struct blk_request *req)
{
	struct blk *blk = req->queue->blk;
	struct blk_op *op = &req->op;

	if (op->type == BLK_OP_WRITE)
		return copied_at_once(req);
	if (op->type != BLK_OP_READ || gm_sg_left(&req->data) > req->queue->read_limit)
		return false;
	if (!blk->no_nowait) {
		op->flags = RWF_NOWAIT;
		op->result = blk_op_run(blk->image.fd, op);
		op->flags = 0;
		if (op->result != -EOPNOTSUPP)
			return op->result != -EAGAIN;
		/* Not a file that can say what is in the cache. */
		blk->no_nowait = true;
	}
	return blk->image.in_memory && copied_at_once(req);
}

/* Go on until there is something to wait for. A status, BLK_GO or BLK_WAIT. */
static int advance(struct blk_request *req)
{
	int status = req->step(req);

	while (status == BLK_GO && done_at_once(req))
		status = req->step(req);
	return status;
}

static void start(struct blk_request *req)
{
	req->queue->in_flight++;
	req->queue->engine->type->start(req->queue->engine, &req->op);
}

/* Write the status. The used length, or -1 if there is no place for it and the device broke. */
static int64_t answer(struct blk_request *req, uint8_t status)
{
	struct virtio_device *dev = &req->queue->blk->dev;

	if (status != VIRTIO_BLK_S_OK)
		dev->stats.errors++;
	if (gm_sg_write(&req->status_at, &status, 1)) {
		virtio_break(dev, "a status byte that cannot be written");
		return -1;
	}
	/* Only what is written from the beginning on counts (2.7.8.2). */
	return (int64_t)(req->written == req->room ? req->room + 1 : req->written);
}

/* Have @req keep its chain while others are popped. False: there is no memory for it. */
static bool copy_ranges(struct blk_request *req, const struct virtq_chain *chain)
{
	/* Both lists of a chain are one array. */
	size_t count = (size_t)chain->readable_count + chain->writable_count;
	struct gm_range *to = req->ranges;

	if (count > COUNT(req->ranges))
		to = blk_request_spill(req) ? req->spill->ranges : NULL;
	if (!to)
		return false;
	memcpy(to, chain->readable, count * sizeof(*to));
	req->data.ranges = to + (req->data.ranges - chain->readable);
	req->status_at.ranges = to + (req->status_at.ranges - chain->readable);
	return true;
}

/* The next request to use. There is one for each that the ring can have. */
static struct blk_request *unused(struct blk_queue *queue)
{
	if (!queue->unused.first) {
		struct blk_request *req = &queue->requests[queue->touched++];

		req->queue = queue;
		list_add(&queue->unused, req);
	}
	return queue->unused.first;
}

static int64_t handle_request(struct virtio_device *dev, const struct gm_memory *memory,
			      const struct virtq_chain *chain)
{
	struct blk_queue *queue = ((struct blk *)dev)->running;
	struct blk_request *req = unused(queue);
	int status;

	queue->taken++;
	/* Without either there is no place for an answer, or nothing to answer. */
	if (chain->readable_len < sizeof(struct virtio_blk_outhdr) || chain->writable_len == 0) {
		virtio_break(dev, "a request without %s",
			     chain->writable_len ? "a whole header" : "a status byte");
		return VIRTIO_KEEP;
	}
	req->head = chain->head;
	status = blk_request_begin(req, virtq_readable(chain, memory), virtq_writable(chain, memory));
	if (status == BLK_GO)
		status = advance(req);
	if (status < 0 && !copy_ranges(req, chain))
		status = VIRTIO_BLK_S_IOERR;
	if (status >= 0) {
		release(req);
		return answer(req, (uint8_t)status);
	}
	list_take(&queue->unused);
	req->memory = gm_memory_get((struct gm_memory *)memory);
	if (status == BLK_GO)
		start(req);
	else
		list_add(&queue->waiting, req);
	return VIRTIO_KEPT;
}

/* --- what is done ------------------------------------------------------------------------------ */

/* Go on with a request in flight. Whether it was put. */
static bool go_on(struct blk_request *req)
{
	struct blk_queue *queue = req->queue;
	struct virtio_device *dev = &queue->blk->dev;
	struct virtq *vq = &dev->queues[queue->index];
	int status = advance(req);
	int64_t len;

	if (status == BLK_GO) {
		start(req);
		return false;
	}
	if (status == BLK_WAIT) {
		list_add(&queue->waiting, req);
		return false;
	}
	/* A broken device says nothing more, and a queue that was stopped neither. */
	len = virtio_is_live(dev) && vq->ready ? answer(req, (uint8_t)status) : -1;
	if (len >= 0)
		virtio_put(dev, vq, req->memory, req->head, (uint32_t)len);
	drop(req);
	return len >= 0;
}

/* Everything that came back. Whether something was put. */
static bool take_done(struct blk_queue *queue)
{
	struct blk_op *op;
	bool put = false;

	while ((op = queue->engine->type->done(queue->engine))) {
		queue->in_flight--;
		put |= go_on((struct blk_request *)op);
		/* It may have left its bounce buffer. */
		if (queue->waiting.first && queue->bounces < BLK_BOUNCE_MAX)
			put |= go_on(list_take(&queue->waiting));
	}
	return put;
}

/* Settle what came back. */
static void settle_done(struct blk_queue *queue)
{
	struct virtio_device *dev = &queue->blk->dev;
	struct gm_memory *memory;

	if (take_done(queue)) {
		memory = gm_cell_snapshot(dev->memory);
		virtio_settle(dev, &dev->queues[queue->index], memory);
		gm_memory_put(memory);
	}
	queue->engine->type->submit(queue->engine);
}

static struct blk_queue *run_begins(struct virtio_device *dev, unsigned int index)
{
	struct blk *blk = (struct blk *)dev;
	struct blk_queue *queue = &blk->queues[index];

	blk->running = queue;
	queue->budget = BLK_COPY_BUDGET;
	queue->read_limit = UINT64_MAX;
	queue->taken = 0;
	return queue;
}

/* A notification brought one request, which is done; or more, or something to wait for. */
static void note_depth(struct blk_queue *queue, bool alone)
{
	if (!alone)
		queue->depth = queue->depth + BLK_DEPTH_MORE < BLK_DEPTH_MAX
				       ? queue->depth + BLK_DEPTH_MORE
				       : BLK_DEPTH_MAX;
	else if (queue->depth)
		queue->depth--;
}

void blk_notify(struct virtio_device *dev, unsigned int index)
{
	struct blk_queue *queue = run_begins(dev, index);

	virtio_run_queue(dev, index, handle_request);
	queue->engine->type->submit(queue->engine);
	/* Some is done by the time it is submitted. */
	settle_done(queue);
	if (queue->taken)
		note_depth(queue, queue->taken == 1 && !queue->in_flight);
}

/*
 * A request that is alone and in the page cache is done sooner than the loop is awake. The engine
 * is left to the loop: io_uring tells the thread that submitted what is done, and would have it
 * leave KVM_RUN.
 */
bool blk_notify_now(struct virtio_device *dev, unsigned int index)
{
	struct blk_queue *queue = run_begins(dev, index);
	bool more;

	if (queue->in_flight)
		return false;
	queue->budget = queue->read_limit = BLK_NOW_BYTES;
	more = virtio_run_one(dev, index, handle_request);
	if (queue->taken)
		note_depth(queue, !more && !queue->in_flight);
	return !more && !queue->in_flight;
}

/* Many requests at a time keep the loop awake anyway, while the guest makes more of them. */
enum virtio_place blk_place(const struct virtio_device *dev, unsigned int index)
{
	unsigned int depth = ((const struct blk *)dev)->queues[index].depth;

	return depth == 0 ? VIRTIO_ON_VCPU : depth == BLK_DEPTH_MAX ? VIRTIO_ON_LOOP : VIRTIO_STAY;
}

static void engine_ready(void *arg, uint32_t events)
{
	struct blk_queue *queue = arg;
	struct virtio_device *dev = &queue->blk->dev;

	(void)events;
	virtio_lock(dev);
	settle_done(queue);
	virtio_unlock(dev);
}

static void engine_event(void *arg, uint32_t events)
{
	struct blk_queue *queue = arg;
	uint64_t count;

	/* Before looking, so that what comes later rings again. */
	if (read(queue->engine->event, &count, sizeof(count)) == (ssize_t)sizeof(count))
		engine_ready(queue, events);
}

void blk_queue_drain(struct blk_queue *queue)
{
	struct blk_request *req;
	struct blk_op *op;

	while (queue->in_flight) {
		queue->engine->type->wait(queue->engine);
		while ((op = queue->engine->type->done(queue->engine))) {
			queue->in_flight--;
			drop((struct blk_request *)op);
		}
	}
	while ((req = list_take(&queue->waiting)))
		drop(req);
}

/* --- opening and closing ------------------------------------------------------------------------ */

int blk_queue_open(struct blk_queue *queue, struct blk *blk, unsigned int index, struct loop *loop,
		   const struct blk_engine_type *engine)
{
	queue->blk = blk;
	queue->index = index;
	list_init(&queue->unused);
	list_init(&queue->waiting);
	queue->requests = calloc(BLK_QUEUE_SIZE, sizeof(*queue->requests));
	if (!queue->requests)
		return -1;
	queue->engine = engine->open(blk->image.fd, BLK_QUEUE_SIZE);
	if (!queue->engine)
		goto fail;
	queue->watch = loop_add(loop, queue->engine->event, EPOLLIN, engine_event, queue);
	if (!queue->watch)
		goto fail;
	if (queue->engine->ready < 0)
		return 0;
	queue->ready_watch = loop_add(loop, queue->engine->ready, EPOLLIN, engine_ready, queue);
	if (queue->ready_watch)
		return 0;
fail:
	blk_queue_close(queue);
	return -1;
}

void blk_queue_close(struct blk_queue *queue)
{
	int err = errno;

	if (queue->engine) {
		blk_queue_drain(queue);
		loop_remove(queue->watch);
		loop_remove(queue->ready_watch);
		queue->engine->type->close(queue->engine);
	}
	free(queue->spare);
	free(queue->requests);
	*queue = (struct blk_queue){.index = queue->index};
	errno = err;
}
