/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The address space cell on liburcu's "bulletproof" flavour, which registers threads by itself: a
 * library cannot ask its users to do that.
 */
#define URCU_INLINE_SMALL_FUNCTIONS
#include "guestmem/internal.h"

#include <pthread.h>
#include <stdlib.h>
#include <urcu/urcu-bp.h>

struct gm_cell {
	struct gm_memory *memory; /* readers: atomic, in a section; writers: atomic exchange */
	pthread_mutex_t lock;     /* gm_cell_lock() */
};

/*
 * ThreadSanitizer cannot see that a grace period orders what readers did before what the writer
 * does next; it is told.
 */
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define __SANITIZE_THREAD__ 1
#endif
#endif
#ifdef __SANITIZE_THREAD__
void __tsan_acquire(void *addr);
void __tsan_release(void *addr);
#define tsan_reader_done(cell)  __tsan_release((void *)(cell))
#define tsan_readers_gone(cell) __tsan_acquire(cell)
#else
#define tsan_reader_done(cell)  ((void)(cell))
#define tsan_readers_gone(cell) ((void)(cell))
#endif

int gm_cell_new(struct gm_memory *memory, struct gm_cell **out)
{
	struct gm_cell *cell = calloc(1, sizeof(*cell));

	*out = cell;
	if (!cell)
		return GM_ERR_NO_MEMORY;
	pthread_mutex_init(&cell->lock, NULL);
	cell->memory = gm_memory_get(memory);
	return 0;
}

void gm_cell_free(struct gm_cell *cell)
{
	if (!cell)
		return;
	gm_memory_put(cell->memory);
	pthread_mutex_destroy(&cell->lock);
	free(cell);
}

const struct gm_memory *gm_cell_enter(const struct gm_cell *cell)
{
	urcu_bp_read_lock();
	return __atomic_load_n(&cell->memory, __ATOMIC_ACQUIRE);
}

void gm_cell_leave(const struct gm_cell *cell)
{
	tsan_reader_done(cell);
	urcu_bp_read_unlock();
}

struct gm_memory *gm_cell_snapshot(const struct gm_cell *cell)
{
	struct gm_memory *memory;

	/* Inside the section the cell's own reference cannot go: the count is at least one. */
	urcu_bp_read_lock();
	memory = gm_memory_get(__atomic_load_n(&cell->memory, __ATOMIC_ACQUIRE));
	tsan_reader_done(cell);
	urcu_bp_read_unlock();
	return memory;
}

void gm_cell_replace(struct gm_cell *cell, struct gm_memory *memory)
{
	struct gm_memory *old =
		__atomic_exchange_n(&cell->memory, gm_memory_get(memory), __ATOMIC_ACQ_REL);

	urcu_bp_synchronize_rcu();
	tsan_readers_gone(cell);
	gm_memory_put(old);
}

void gm_cell_lock(struct gm_cell *cell)
{
	pthread_mutex_lock(&cell->lock);
}

void gm_cell_unlock(struct gm_cell *cell)
{
	pthread_mutex_unlock(&cell->lock);
}
