/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Disk I/O on a thread, one for each queue, with the plain system calls: for hosts that deny
 * io_uring. Operations are done one after the other, in their order.
 */
#include "devices/blk.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "devices/confine.h"

struct op_list {
	struct blk_op *first;
	struct blk_op **end; /* where the next goes */
};

struct worker {
	struct blk_engine engine;
	int fd;
	pthread_t thread;
	struct op_list started; /* not submitted; the device's side alone */

	pthread_mutex_t lock; /* for all that follows */
	pthread_cond_t work;  /* submitted is not empty, or stop */
	pthread_cond_t came;  /* finished is not empty */
	struct op_list submitted;
	struct op_list finished;
	bool stop;
};

static void list_init(struct op_list *list)
{
	list->first = NULL;
	list->end = &list->first;
}

static void list_add(struct op_list *list, struct blk_op *op)
{
	op->next = NULL;
	*list->end = op;
	list->end = &op->next;
}

static struct blk_op *list_take(struct op_list *list)
{
	struct blk_op *op = list->first;

	if (op) {
		list->first = op->next;
		if (!list->first)
			list->end = &list->first;
	}
	return op;
}

/* All of @from behind @to. */
static void list_move(struct op_list *to, struct op_list *from)
{
	if (!from->first)
		return;
	*to->end = from->first;
	to->end = from->end;
	list_init(from);
}

int64_t blk_op_run(int fd, const struct blk_op *op)
{
	ssize_t n = -1;

	do {
		switch (op->type) {
		case BLK_OP_READ:
			n = preadv2(fd, op->iov, (int)op->iov_count, (off_t)op->offset, op->flags);
			break;
		case BLK_OP_WRITE:
			n = pwritev2(fd, op->iov, (int)op->iov_count, (off_t)op->offset, op->flags);
			break;
		case BLK_OP_SYNC: n = fdatasync(fd); break;
		case BLK_OP_ALLOCATE:
			n = fallocate(fd, op->flags, (off_t)op->offset, (off_t)op->len);
			break;
		}
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static void *run(void *arg)
{
	struct worker *worker = arg;

	confine_enter(CONFINE_IO);
	pthread_mutex_lock(&worker->lock);
	for (;;) {
		struct blk_op *op = list_take(&worker->submitted);

		if (!op && worker->stop)
			break;
		if (!op) {
			pthread_cond_wait(&worker->work, &worker->lock);
			continue;
		}
		pthread_mutex_unlock(&worker->lock);
		op->result = blk_op_run(worker->fd, op);
		pthread_mutex_lock(&worker->lock);
		/* Who takes from the list takes all of it: one event for the first is enough. */
		if (!worker->finished.first) {
			eventfd_write(worker->engine.event, 1);
			pthread_cond_signal(&worker->came);
		}
		list_add(&worker->finished, op);
	}
	pthread_mutex_unlock(&worker->lock);
	return NULL;
}

/* Signals are for threads that wait for them. */
static int start_thread(struct worker *worker)
{
	sigset_t all, before;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(&worker->thread, NULL, run, worker);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return err;
}

static struct blk_engine *thread_open(int fd, unsigned int depth)
{
	struct worker *worker = calloc(1, sizeof(*worker));
	int err = ENOMEM;

	(void)depth;
	if (!worker)
		goto fail;
	worker->engine.type = &blk_thread_type;
	worker->engine.ready = -1;
	worker->fd = fd;
	list_init(&worker->started);
	list_init(&worker->submitted);
	list_init(&worker->finished);
	pthread_mutex_init(&worker->lock, NULL);
	pthread_cond_init(&worker->work, NULL);
	pthread_cond_init(&worker->came, NULL);
	worker->engine.event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (worker->engine.event < 0) {
		err = errno;
		goto fail_free;
	}
	err = start_thread(worker);
	if (!err)
		return &worker->engine;
	close(worker->engine.event);
fail_free:
	free(worker);
fail:
	errno = err;
	return NULL;
}

static void thread_start(struct blk_engine *engine, struct blk_op *op)
{
	list_add(&((struct worker *)engine)->started, op);
}

static void thread_submit(struct blk_engine *engine)
{
	struct worker *worker = (struct worker *)engine;

	if (!worker->started.first)
		return;
	pthread_mutex_lock(&worker->lock);
	list_move(&worker->submitted, &worker->started);
	pthread_mutex_unlock(&worker->lock);
	pthread_cond_signal(&worker->work);
}

static struct blk_op *thread_done(struct blk_engine *engine)
{
	struct worker *worker = (struct worker *)engine;
	struct blk_op *op;

	pthread_mutex_lock(&worker->lock);
	op = list_take(&worker->finished);
	pthread_mutex_unlock(&worker->lock);
	return op;
}

static void thread_wait(struct blk_engine *engine)
{
	struct worker *worker = (struct worker *)engine;

	thread_submit(engine);
	pthread_mutex_lock(&worker->lock);
	while (!worker->finished.first)
		pthread_cond_wait(&worker->came, &worker->lock);
	pthread_mutex_unlock(&worker->lock);
}

static void thread_close(struct blk_engine *engine)
{
	struct worker *worker = (struct worker *)engine;

	pthread_mutex_lock(&worker->lock);
	worker->stop = true;
	pthread_cond_signal(&worker->work);
	pthread_mutex_unlock(&worker->lock);
	pthread_join(worker->thread, NULL);
	pthread_cond_destroy(&worker->work);
	pthread_cond_destroy(&worker->came);
	pthread_mutex_destroy(&worker->lock);
	close(worker->engine.event);
	free(worker);
}

const struct blk_engine_type blk_thread_type = {
	.name = "threads",
	.open = thread_open,
	.start = thread_start,
	.submit = thread_submit,
	.done = thread_done,
	.wait = thread_wait,
	.close = thread_close,
};
