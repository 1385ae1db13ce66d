/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Live migration in small: a "device" thread goes on writing while main() copies the memory round
 * by round, each round only the pages that are dirty, and memory is plugged in meanwhile. The
 * device finds its memory in a cell, and never waits for anybody.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <guestmem/guestmem.h>

#define PAGE  4096
#define PAGES 64

static struct gm_cell *cell;
static int stop;

static void *device(void *arg)
{
	for (uint64_t i = 0; !__atomic_load_n(&stop, __ATOMIC_RELAXED); i++) {
		const struct gm_memory *memory = gm_cell_enter(cell);

		/* Over the boundary into the second region, once that is plugged in. */
		gm_write(memory, PAGES * PAGE - 4, &i, sizeof(i));
		gm_write(memory, i % PAGES * PAGE, &i, sizeof(i) / 2);
		gm_cell_leave(cell);
	}
	return arg;
}

/* Copy the dirty pages of one region; returns how many. */
static unsigned int copy_dirty(const struct gm_memory *memory, size_t index, unsigned char *copy)
{
	struct gm_region *region = gm_memory_region(memory, index);
	uint64_t words[PAGES / 64];
	unsigned int pages = 0;

	/* Take the bits first, then read the memory. */
	gm_bitmap_get_and_reset(gm_region_dirty(region), words);
	for (unsigned int page = 0; page < PAGES; page++) {
		gm_addr offset = (gm_addr)page * PAGE;

		if (!(words[page / 64] >> page % 64 & 1))
			continue;
		gm_read_exact(memory, gm_region_start(region) + offset, copy + offset, PAGE, NULL);
		pages++;
	}
	return pages;
}

static unsigned int copy_round(unsigned char copies[2][PAGES * PAGE])
{
	struct gm_memory *memory = gm_cell_snapshot(cell);
	unsigned int pages = 0;

	for (size_t i = 0; i < gm_memory_count(memory); i++)
		pages += copy_dirty(memory, i, copies[i]);
	gm_memory_put(memory);
	return pages;
}

/* Plug a second region in behind the first. */
static int plug(void)
{
	struct gm_region_config config = {0};
	struct gm_memory *old = gm_cell_snapshot(cell), *bigger = NULL;
	struct gm_region *region = NULL;
	int err;

	config.start = PAGES * PAGE;
	config.size = PAGES * PAGE;
	config.dirty_page = PAGE;
	err = gm_region_new(&config, &region);
	if (!err)
		err = gm_memory_insert(old, region, &bigger);
	if (!err)
		gm_cell_replace(cell, bigger);
	gm_memory_put(bigger);
	gm_region_put(region);
	gm_memory_put(old);
	return err;
}

int main(void)
{
	static unsigned char copies[2][PAGES * PAGE], now[PAGES * PAGE];
	const struct gm_range range = {0, PAGES * PAGE};
	struct gm_memory *memory;
	pthread_t thread;
	int differ = 0;

	if (gm_memory_from_ranges(&range, 1, PAGE, &memory, NULL) || gm_cell_new(memory, &cell))
		return 1;
	gm_memory_put(memory);
	pthread_create(&thread, NULL, device, NULL);
	for (int round = 0; round < 5; round++) {
		if (round == 2 && plug())
			return 1;
		usleep(5000);
		printf("round %d: %u pages\n", round, copy_round(copies));
	}
	/* Stop the device, copy what is left: now the copy is the memory. */
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	printf("stopped: %u pages\n", copy_round(copies));
	memory = gm_cell_snapshot(cell);
	for (size_t i = 0; i < 2; i++) {
		gm_read_exact(memory, i * PAGES * PAGE, now, sizeof(now), NULL);
		differ |= memcmp(now, copies[i], sizeof(now));
	}
	printf("the copy %s\n", differ ? "differs" : "is the memory");
	gm_memory_put(memory);
	gm_cell_free(cell);
	return differ != 0;
}
