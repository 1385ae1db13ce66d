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
	struct gm_memory *memory; /* readers: rcu_dereference; writer: under the lock */
	pthread_mutex_t lock;	  /* writers only */
};

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
	return rcu_dereference(cell->memory);
}

void gm_cell_leave(const struct gm_cell *cell)
{
	(void)cell;
	urcu_bp_read_unlock();
}

struct gm_memory *gm_cell_snapshot(const struct gm_cell *cell)
{
	struct gm_memory *memory;

	/* Inside the section the cell's own reference cannot go: the count is at least one. */
	urcu_bp_read_lock();
	memory = gm_memory_get(rcu_dereference(cell->memory));
	urcu_bp_read_unlock();
	return memory;
}

void gm_cell_replace(struct gm_cell *cell, struct gm_memory *memory)
{
	struct gm_memory *old = rcu_xchg_pointer(&cell->memory, gm_memory_get(memory));

	urcu_bp_synchronize_rcu();
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
