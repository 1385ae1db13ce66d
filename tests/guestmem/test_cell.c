/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The cell: what readers may rely on while a writer replaces the memory under them. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "tests/guestmem/fixture.h"
#include "tests/guestmem/suites.h"

static bool is_mapped(const void *host)
{
	unsigned char resident;

	return mincore((void *)((uintptr_t)host & ~(PAGE - 1)), PAGE, &resident) == 0;
}

/* A cell that owns its memory. */
static struct gm_cell *make_cell(struct gm_memory *memory)
{
	struct gm_cell *cell;

	ck_assert_int_eq(gm_cell_new(memory, &cell), 0);
	gm_memory_put(memory);
	return cell;
}

static void replace(struct gm_cell *cell, struct gm_memory *memory)
{
	gm_cell_replace(cell, memory);
	gm_memory_put(memory);
}

START_TEST(sections_nest)
{
	struct gm_cell *cell = make_cell(make_memory(0, PAGE));
	const struct gm_memory *outer = gm_cell_enter(cell), *inner = gm_cell_enter(cell);

	ck_assert_ptr_eq(outer, inner);
	gm_cell_leave(cell);
	ck_assert(gm_address_in_range(outer, 0));
	gm_cell_leave(cell);
	replace(cell, make_memory(PAGE, PAGE));
	ck_assert(!gm_address_in_range(gm_cell_enter(cell), 0));
	gm_cell_leave(cell);
	gm_cell_free(cell);
	gm_cell_free(NULL);
}
END_TEST

START_TEST(a_snapshot_outlives_cell_and_memory)
{
	struct gm_cell *cell = make_cell(make_memory(0, PAGE));
	struct gm_memory *snapshot = gm_cell_snapshot(cell);
	const void *host = gm_region_host(gm_memory_region(snapshot, 0));
	uint8_t byte = 3;

	replace(cell, make_memory(PAGE, PAGE));
	gm_cell_free(cell);
	ck_assert_int_eq(gm_write(snapshot, 0, &byte, 1), 1);
	ck_assert_int_eq(gm_read(snapshot, 0, &byte, 1), 1);
	ck_assert_int_eq(byte, 3);
	ck_assert(is_mapped(host));
	gm_memory_put(snapshot);
	ck_assert(!is_mapped(host));
	ck_assert_int_eq(errno, ENOMEM);
}
END_TEST

START_TEST(a_region_lives_as_long_as_one_memory_has_it)
{
	struct gm_memory *two = make_memory(0, PAGE, PAGE, PAGE), *one;
	const void *host[2] = {gm_region_host(gm_memory_region(two, 0)),
			       gm_region_host(gm_memory_region(two, 1))};
	struct gm_cell *cell;

	ck_assert_int_eq(gm_memory_remove(two, PAGE, PAGE, &one, NULL), 0);
	cell = make_cell(two);
	ck_assert(is_mapped(host[1]));
	replace(cell, one);
	ck_assert(is_mapped(host[0]));
	ck_assert(!is_mapped(host[1]));
	gm_cell_free(cell);
	ck_assert(!is_mapped(host[0]));
}
END_TEST

struct waiting {
	struct gm_cell *cell;
	struct gm_memory *memory;
	bool done; /* atomic */
};

static void *replace_thread(void *arg)
{
	struct waiting *waiting = arg;

	replace(waiting->cell, waiting->memory);
	__atomic_store_n(&waiting->done, true, __ATOMIC_SEQ_CST);
	return NULL;
}

START_TEST(replace_waits_for_readers_but_not_they_for_it)
{
	struct waiting waiting = {.cell = make_cell(make_memory(0, PAGE)),
				  .memory = make_memory(PAGE, PAGE)};
	const struct gm_memory *memory = gm_cell_enter(waiting.cell), *now;
	struct gm_memory *snapshot;
	const void *host = gm_region_host(gm_memory_region(memory, 0));
	pthread_t thread;

	pthread_create(&thread, NULL, replace_thread, &waiting);
	/* The new memory appears at once, to this very section's thread too. */
	do {
		snapshot = gm_cell_snapshot(waiting.cell);
		gm_memory_put(snapshot);
	} while (snapshot == memory);
	now = gm_cell_enter(waiting.cell);
	ck_assert_ptr_eq(now, snapshot);
	gm_cell_leave(waiting.cell);
	usleep(20000);
	ck_assert(!__atomic_load_n(&waiting.done, __ATOMIC_SEQ_CST));
	ck_assert(is_mapped(host));
	gm_cell_leave(waiting.cell);
	pthread_join(thread, NULL);
	ck_assert(!is_mapped(host));
	gm_cell_free(waiting.cell);
}
END_TEST

/*
 * The storm. Every memory has the same region at 0; a second one right behind it comes and goes.
 * Each region at PAGE is filled with one number before it goes in, so that a transfer over the
 * boundary sees a whole region or none; counters in the first region count what writers did.
 */
#define CHANGES   100000
#define ENOUGH    20 /* seconds: on a busy host each change waits for readers that are not running */
#define READERS   3
#define POOL_SIZE 8

struct storm {
	struct gm_cell *cell;
	bool stop; /* atomic */
};

struct reader {
	struct storm *storm;
	unsigned int slot;         /* of its counter in the first region */
	uint64_t written;          /* what it must hold */
	uint64_t bad;              /* broken promises */
	uint64_t saw_two, saw_one; /* that both states were seen; atomic */
};

/* One transfer over the boundary, all of it or up to the hole. */
static void read_across(struct reader *reader, const struct gm_memory *memory)
{
	uint64_t words[64];
	ssize_t n = gm_read(memory, PAGE - 256, words, 512);

	if (n == 256) {
		__atomic_fetch_add(&reader->saw_one, 1, __ATOMIC_RELAXED);
		return;
	}
	if (n != 512) {
		reader->bad++;
		return;
	}
	__atomic_fetch_add(&reader->saw_two, 1, __ATOMIC_RELAXED);
	for (int i = 33; i < 64; i++)
		reader->bad += words[i] != words[32] || words[i] == 0;
}

static void *reader_loop(void *arg)
{
	struct reader *reader = arg;
	struct gm_cell *cell = reader->storm->cell;

	while (!__atomic_load_n(&reader->storm->stop, __ATOMIC_RELAXED)) {
		const struct gm_memory *memory = gm_cell_enter(cell);
		struct gm_memory *snapshot;

		read_across(reader, memory);
		reader->written++;
		if (gm_store_u64(memory, 8ULL * reader->slot, reader->written, __ATOMIC_RELEASE))
			reader->bad++;
		gm_cell_leave(cell);
		/* Where there are more threads than CPUs, be preempted here and not inside. */
		sched_yield();
		if (reader->written % 8)
			continue;
		/* A snapshot does not change, however long it is kept. */
		snapshot = gm_cell_snapshot(cell);
		for (int i = 0; i < 3; i++) {
			read_across(reader, snapshot);
			reader->bad += gm_memory_count(snapshot) !=
				       1U + gm_address_in_range(snapshot, PAGE);
		}
		gm_memory_put(snapshot);
	}
	return NULL;
}

/* A region of a page of its own mapping, filled with @value. */
static struct gm_region *filled_region(uint64_t value)
{
	struct gm_region *region = make_region(PAGE, PAGE);
	uint64_t *words = gm_region_host(region);

	for (size_t i = 0; i < PAGE / 8; i++)
		words[i] = value;
	return region;
}

static time_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec;
}

/* Every hundredth region is new, so that mappings come and go; the others go round in a pool. */
static void change_loop(struct gm_cell *cell, int changes)
{
	struct gm_region *pool[POOL_SIZE];
	time_t end = now() + ENOUGH;

	for (unsigned int i = 0; i < POOL_SIZE; i++)
		pool[i] = filled_region(i + 1);
	/* By twos: at the end it is as it was. */
	for (int i = 0; i < changes && (i % 2 || now() < end); i++) {
		struct gm_region **slot = &pool[i / 2 % POOL_SIZE];
		struct gm_memory *old, *new;

		if (i % 200 == 0) {
			gm_region_put(*slot);
			*slot = filled_region((uint64_t)i + 100);
		}
		gm_cell_lock(cell);
		old = gm_cell_snapshot(cell);
		if (i % 2)
			ck_assert_int_eq(gm_memory_remove(old, PAGE, PAGE, &new, NULL), 0);
		else
			ck_assert_int_eq(gm_memory_insert(old, *slot, &new), 0);
		gm_memory_put(old);
		replace(cell, new);
		gm_cell_unlock(cell);
	}
	for (unsigned int i = 0; i < POOL_SIZE; i++)
		gm_region_put(pool[i]);
}

static bool all_saw_both(const struct reader *readers)
{
	for (unsigned int i = 0; i < READERS; i++) {
		if (!__atomic_load_n(&readers[i].saw_one, __ATOMIC_RELAXED) ||
		    !__atomic_load_n(&readers[i].saw_two, __ATOMIC_RELAXED))
			return false;
	}
	return true;
}

static unsigned int count_mappings(void)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	unsigned int lines = 0;
	int c;

	while ((c = fgetc(maps)) != EOF)
		lines += c == '\n';
	fclose(maps);
	return lines;
}

START_TEST(transfers_through_a_storm_of_changes)
{
	struct storm storm = {.cell = make_cell(make_memory(0, PAGE))};
	struct reader readers[READERS] = {0};
	pthread_t threads[READERS];
	struct gm_memory *memory = gm_cell_snapshot(storm.cell);
	unsigned int before;

	for (unsigned int i = 0; i < READERS; i++) {
		readers[i].storm = &storm;
		readers[i].slot = i;
		pthread_create(&threads[i], NULL, reader_loop, &readers[i]);
	}
	/* What threads and the allocator map, they map in the first changes. */
	change_loop(storm.cell, 1000);
	before = count_mappings();
	change_loop(storm.cell, CHANGES - 1000);
	/* On a busy host a reader may not have come to it yet; the test has a time limit. */
	while (!all_saw_both(readers))
		change_loop(storm.cell, 1000);
	__atomic_store_n(&storm.stop, true, __ATOMIC_RELAXED);
	for (unsigned int i = 0; i < READERS; i++) {
		uint64_t written;

		pthread_join(threads[i], NULL);
		ck_assert_uint_eq(readers[i].bad, 0);
		ck_assert_int_eq(gm_load_u64(memory, 8ULL * i, &written, __ATOMIC_ACQUIRE), 0);
		ck_assert_uint_eq(written, readers[i].written);
	}
	ck_assert_uint_eq(gm_memory_count(memory), 1);
	/* A leak of one region in a hundred would be a thousand mappings. */
	ck_assert_uint_lt(count_mappings(), before + 20);
	gm_memory_put(memory);
	gm_cell_free(storm.cell);
}
END_TEST

Suite *cell_suite(void)
{
	Suite *suite = suite_create("cell");
	TCase *tcase = tcase_create("cell");

	tcase_set_timeout(tcase, 120);
	tcase_add_test(tcase, sections_nest);
	tcase_add_test(tcase, a_snapshot_outlives_cell_and_memory);
	tcase_add_test(tcase, a_region_lives_as_long_as_one_memory_has_it);
	tcase_add_test(tcase, replace_waits_for_readers_but_not_they_for_it);
	tcase_add_test(tcase, transfers_through_a_storm_of_changes);
	suite_add_tcase(suite, tcase);
	return suite;
}
