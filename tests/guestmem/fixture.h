/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* What many of the library's tests begin with: a memory made of ranges, and a way to see a fault. */
#ifndef TESTS_GUESTMEM_FIXTURE_H
#define TESTS_GUESTMEM_FIXTURE_H

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guestmem/guestmem.h"
#include "tests/runner.h"

#define PAGE 4096ULL

#define ARRAY_LEN(array) (sizeof(array) / sizeof((array)[0]))

/* Anonymous memory with dirty tracking: make_memory(start, size, start, size, ...). */
#define make_memory(...)                                    \
	make_memory_ranges((const uint64_t[]){__VA_ARGS__}, \
			   sizeof((const uint64_t[]){__VA_ARGS__}) / 16)

static inline struct gm_memory *make_memory_ranges(const uint64_t *pairs, size_t count)
{
	struct gm_range *ranges = calloc(count, sizeof(*ranges));
	struct gm_memory *memory;

	for (size_t i = 0; i < count; i++)
		ranges[i] = (struct gm_range){pairs[2 * i], pairs[2 * i + 1]};
	ck_assert_int_eq(gm_memory_from_ranges(ranges, count, PAGE, &memory, NULL), 0);
	free(ranges);
	return memory;
}

/* A region of its own; the caller puts it. */
static inline struct gm_region *make_region(gm_addr start, uint64_t size)
{
	struct gm_region_config config = {.start = start, .size = size, .dirty_page = PAGE};
	struct gm_region *region;

	ck_assert_int_eq(gm_region_new(&config, &region), 0);
	return region;
}

/* A temporary file of @size bytes without a name. */
static inline int make_file(off_t size)
{
	char path[] = "/tmp/guestmem-test-XXXXXX";
	int fd = mkstemp(path);

	ck_assert_int_ge(fd, 0);
	unlink(path);
	ck_assert_int_eq(ftruncate(fd, size), 0);
	return fd;
}

#endif
