/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Random operations on a memory, each compared with a model: one array of bytes, and for a small
 * span of addresses which region each belongs to, if any, its value, and for each region which
 * pages are dirty. property-bytes.c has the operations by address, property-lists.c the lists and
 * streams, property-model.c the model. Chance comes from who runs them: a generator in
 * test_property.c, the input in tests/fuzz/fuzz-memory.c.
 */
#ifndef TESTS_GUESTMEM_PROPERTY_H
#define TESTS_GUESTMEM_PROPERTY_H

#include <string.h>

#include "guestmem/guestmem.h"

#define SPAN       8192
#define SLOTS      64
#define DIRTY_PAGE 64
#define FILE_SIZE  5000

struct slot {
	struct gm_region *region; /* NULL: free */
	uint64_t start, size;     /* start in the span */
	bool read_only;
	bool dirty[SPAN / DIRTY_PAGE + 1];
};

struct world {
	unsigned int round, op;
	const char *what;
	struct gm_memory *memory;
	gm_addr base; /* guest address of the span */
	struct slot slots[SLOTS];
	int8_t slot_at[SPAN]; /* -1: a hole */
	uint8_t value[SPAN];
	int fd;
	uint8_t file[FILE_SIZE];
};

extern uint8_t property_buffer[2 * SPAN];

/* Supplied by who runs it: a number from 0 to @bound - 1, and the end, naming the operation. */
uint64_t below(struct world *w, uint64_t bound);
void give_up(const struct world *w, const char *format, ...)
	__attribute__((format(printf, 2, 3), noreturn));

/* libcheck's own assertions cost more than the operations they would follow. */
#define CHECK(w, condition)                                              \
	do {                                                             \
		if (!(condition))                                        \
			give_up(w, "line %d: %s", __LINE__, #condition); \
	} while (0)

size_t some_length(struct world *w);
/* An offset in the span; often next to the edge of a region, where it matters. */
uint64_t some_place(struct world *w);
void fill(struct world *w, uint8_t *data, size_t len);

/* Whether the byte at @at is there and may be accessed so. */
bool can(const struct world *w, uint64_t at, enum gm_access access);
/* How many of @len bytes from @at on can be accessed without a gap. */
size_t run_length(const struct world *w, uint64_t at, size_t len, enum gm_access access);
/* The error of an access that cannot even begin. */
int first_error(const struct world *w, uint64_t at);
void mark(struct world *w, uint64_t at, size_t len);
void put_bytes(struct world *w, uint64_t at, const uint8_t *data, size_t len);
/* A transfer of up to @len bytes moved @n: is that what the model says? Returns the count. */
size_t check_count(const struct world *w, uint64_t at, size_t len, enum gm_access access, ssize_t n);
void check_exact(const struct world *w, uint64_t at, size_t len, enum gm_access access, int err,
		 size_t done);

/* A new random memory; one operation on it, of any kind; the last comparison, and its end. */
void property_begin(struct world *w);
void property_operation(struct world *w);
void property_end(struct world *w);

/* The operations of property-lists.c. */
void op_list_read(struct world *w);
void op_list_write(struct world *w);
void op_list_file(struct world *w);
void op_stream(struct world *w);
void op_file(struct world *w);

#endif
