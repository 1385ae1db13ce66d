/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The address space: a cell that holds the memory that is current.
 *
 * Readers are wait-free: entering costs no lock and no shared counter, whatever a writer does.
 * What a reader sees between enter and leave is one consistent memory. A writer replaces the
 * memory as a whole and returns when no reader can still be using the old one. Built on liburcu.
 * Seed: GuestMemoryAtomic, GuestAddressSpace.
 */
#ifndef GUESTMEM_CELL_H
#define GUESTMEM_CELL_H

#include "guestmem/memory.h"

#ifdef __cplusplus
extern "C" {
#endif

struct gm_cell;

/* A cell that holds @memory (it takes a reference of its own). GM_ERR_NO_MEMORY. */
int gm_cell_new(struct gm_memory *memory, struct gm_cell **out);

/* No reader may be inside. Drops the cell's reference. NULL is allowed. */
void gm_cell_free(struct gm_cell *cell);

/*
 * The current memory, borrowed until gm_cell_leave(). Sections nest, belong to one thread and
 * should be short: a writer waits for them. Any thread. Seed: memory().
 */
const struct gm_memory *gm_cell_enter(const struct gm_cell *cell);
void gm_cell_leave(const struct gm_cell *cell);

/* The current memory with a reference the caller drops: may be held for long. Seed: into_inner. */
struct gm_memory *gm_cell_snapshot(const struct gm_cell *cell);

/*
 * Replace the memory (the cell takes a reference of its own) and wait until the old one has no
 * reader left, then drop it. Must not be called between enter and leave. Writers that derive the
 * new memory from the old take gm_cell_lock() around both. Seed: lock(), replace().
 */
void gm_cell_replace(struct gm_cell *cell, struct gm_memory *memory);
void gm_cell_lock(struct gm_cell *cell);
void gm_cell_unlock(struct gm_cell *cell);

#ifdef __cplusplus
}
#endif

#endif
