/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Layout invariance: the same workload, on memory cut differently, leaves the same bytes
 * everywhere: in guest memory with the rings in it, in what the host side has, in the used ids and
 * lengths, in the configuration, in the counters. A workload is random, and so is each cutting;
 * both follow from the seed that is printed with a difference. The workloads are in workloads.c.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/devices/invariance.h"
#include "tests/devices/suites.h"

/* Of every workload on each ring format; a sanitizer makes each some ten times as slow. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CUTTINGS 24
#else
#define CUTTINGS 200
#endif

#define BATCHES 12

static struct outcome reference, outcome;

/* Rings at random places: tables and used rings then cross boundaries too. */
static void place_rings(struct run *r)
{
	const bool many = r->h->dev->queue_count > 8;
	const uint64_t room = RING_AREA / (many ? HARNESS_QUEUES : 8);

	for (unsigned int i = 0; i < r->h->dev->queue_count; i++) {
		uint16_t most = r->h->dev->queues[i].max_size, size = many ? 16 : 64;

		driver_place(r->h, i, RAM_BASE + i * room + 16 * run_below(r, room / 64),
			     size < most ? size : most);
		r->h->queues[i].used += 4 * run_below(r, room / 16);
	}
}

static void collect(struct run *r)
{
	struct outcome *out = r->out;

	mem_read(r->h, RAM_BASE, out->ram, RAM_SIZE);
	virtio_device_stats(r->h->dev, &out->stats);
	/* The one number that is about the cuts. */
	out->stats.transfers_crossed = 0;
	/* And what depends on who was first. */
	out->stats.notifications = out->stats.interrupts = out->stats.suppressed = 0;
	out->interrupts = __atomic_load_n(&r->h->irq.count, __ATOMIC_SEQ_CST);
	out->generation = reg_read(r->h, VIRTIO_MMIO_CONFIG_GENERATION);
	driver_config(r->h, 0, out->config, sizeof(out->config));
}

static void run(const struct workload *w, uint64_t stream, const struct cutting *cutting,
		struct outcome *out)
{
	const uint64_t drawn = FEATURE(VIRTIO_RING_F_EVENT_IDX) | FEATURE(VIRTIO_F_IN_ORDER);
	struct run r = {.random = test_random_new(stream), .out = out, .peer = -1};

	out->notes_len = 0;
	subject_new(&r.s, w->subject, cutting);
	r.h = &r.s.h;
	place_rings(&r);
	driver_start(r.h, FEATURE(VIRTIO_RING_F_INDIRECT_DESC) | r.s.subject->features |
				  w->features | (test_random(&r.random) & drawn));
	r.at = BUFFERS;
	if (w->begin)
		w->begin(&r);
	for (unsigned int batch = 0; batch < BATCHES; batch++) {
		r.at = BUFFERS;
		w->batch(&r);
		harness_settle(r.h);
		ck_assert(!needs_reset(r.h));
	}
	if (w->end)
		w->end(&r);
	collect(&r);
	subject_free(&r.s);
}

static void differs(const struct workload *w, unsigned int round, const char *what, size_t at)
{
	ck_abort_msg("TEST_SEED=%#llx %s, %s ring, %s, cutting %u: %s differs at %#zx",
		     (unsigned long long)test_seed(), w->subject->name,
		     driver_ring_features() ? "packed" : "split",
		     driver_uses_pci() ? "pci" : "mmio", round, what, at);
}

static size_t first_difference(const void *a, const void *b, size_t len)
{
	const uint8_t *x = a, *y = b;
	size_t i = 0;

	while (i < len && x[i] == y[i])
		i++;
	return i;
}

static void compare(const struct workload *w, unsigned int round)
{
	const struct outcome *a = &outcome, *b = &reference;

	if (memcmp(a->ram, b->ram, RAM_SIZE) != 0)
		differs(w, round, "memory", RAM_BASE + first_difference(a->ram, b->ram, RAM_SIZE));
	if (a->notes_len != b->notes_len)
		differs(w, round, "the length of what was noted", a->notes_len);
	if (memcmp(a->notes, b->notes, a->notes_len) != 0)
		differs(w, round, "what was noted",
			first_difference(a->notes, b->notes, a->notes_len));
	if (memcmp(a->config, b->config, sizeof(a->config)) != 0 || a->generation != b->generation)
		differs(w, round, "the configuration",
			first_difference(a->config, b->config, sizeof(a->config)));
	if (memcmp(&a->stats, &b->stats, sizeof(a->stats)) != 0)
		differs(w, round, "a counter",
			first_difference(&a->stats, &b->stats, sizeof(a->stats)));
	if (a->interrupts != b->interrupts)
		differs(w, round, "the number of interrupts", a->interrupts);
}

/* Those whose device is available, in their order. */
static const struct workload *workload_at(unsigned int index)
{
	for (const struct workload *const *w = workloads; *w; w++) {
		if (subject_available((*w)->subject) && index-- == 0)
			return *w;
	}
	return NULL;
}

static unsigned int workload_count(void)
{
	unsigned int count = 0;

	while (workload_at(count))
		count++;
	return count;
}

/* Even: split rings, odd: packed ones. */
START_TEST(no_device_sees_the_cuts)
{
	const struct workload *w = workload_at((unsigned int)_i / 2);
	struct cutting cutting = cutting_whole();

	if (_i % 2)
		driver_use_packed();
	run(w, (uint64_t)_i, &cutting, &reference);
	cutting_free(&cutting);
	ck_assert_uint_gt(reference.stats.requests, BATCHES / 2);
	for (unsigned int round = 0; round < CUTTINGS; round++) {
		struct test_random random = test_random_new(1000 + (uint64_t)_i * CUTTINGS + round);

		cutting = cutting_random(&random, round);
		/* Nor the transport. */
		driver_use_pci(round % 2);
		run(w, (uint64_t)_i, &cutting, &outcome);
		cutting_free(&cutting);
		compare(w, round);
	}
	driver_use_pci(false);
	driver_use_split();
}
END_TEST

/* The test above would also pass if nothing were ever cut, or not every device were there. */
START_TEST(random_cuttings_do_cut)
{
	static const uint64_t most[] = {RAM_SIZE / 2, 20001, 701, 65536};

	for (unsigned int round = 0; round < 400; round++) {
		struct test_random random = test_random_new(round);
		struct cutting cutting = cutting_random(&random, round);
		uint64_t sum = 0;

		for (size_t i = 0; i < cutting.count; i++) {
			ck_assert_uint_ge(cutting.sizes[i], 1);
			sum += cutting.sizes[i];
		}
		ck_assert_uint_eq(sum, RAM_SIZE);
		ck_assert_uint_ge(cutting.count, 2);
		ck_assert_uint_ge(cutting.count, RAM_SIZE / most[round % 4] / 2);
		cutting_free(&cutting);
	}
}
END_TEST

START_TEST(every_device_is_driven)
{
	for (unsigned int i = 0; subjects[i]; i++) {
		unsigned int k = 0;

		while (workloads[k] && strcmp(workloads[k]->subject->name, subjects[i]->name) != 0)
			k++;
		ck_assert_msg(workloads[k] != NULL, "no workload for %s", subjects[i]->name);
	}
	dprintf(STDOUT_FILENO, "invariance: %u devices x 2 rings x %d cuttings\n", workload_count(),
		CUTTINGS);
}
END_TEST

Suite *invariance_suite(void)
{
	Suite *suite = suite_create("invariance");
	TCase *tc = tcase_create("invariance");

	/* Thousands of regions for each cutting, and slower still under a sanitizer. */
	tcase_set_timeout(tc, 300);
	tcase_add_loop_test(tc, no_device_sees_the_cuts, 0, 2 * (int)workload_count());
	tcase_add_test(tc, random_cuttings_do_cut);
	tcase_add_test(tc, every_device_is_driven);
	suite_add_tcase(suite, tc);
	return suite;
}
