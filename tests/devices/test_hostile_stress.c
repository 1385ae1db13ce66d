/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * A hostile driver on two vCPUs: one writes anything over the rings at any time, the other brings
 * queues up, notifies, writes registers and resets, while the loop serves the host side. No case of
 * its own is looked for: only that nothing breaks but the device, and that a reset brings it back.
 */
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "tests/devices/subject.h"
#include "tests/devices/suites.h"

#define QUEUE_RESET 0x0c0
#define ENTRIES     16

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define STEPS 5000
#else
#define STEPS 40000
#endif

/* Both threads read it; stop is atomic. */
struct stress {
	struct subject_state s;
	uint64_t stream;
	int stop;
};

/*
 * Guest memory is raced for by design, and devices read it as any memory. A race detector cannot
 * know that: for it the two take turns.
 */
static void scribble_begin(struct stress *stress)
{
#ifdef __SANITIZE_THREAD__
	virtio_lock(stress->s.h.dev);
#else
	(void)stress;
#endif
}

static void scribble_end(struct stress *stress)
{
#ifdef __SANITIZE_THREAD__
	virtio_unlock(stress->s.h.dev);
#else
	(void)stress;
#endif
}

/* An address that is in memory more often than not. */
static uint64_t any_address(struct test_random *random)
{
	switch (test_random_below(random, 8)) {
	case 0: return test_random(random);
	case 1: return RAM_END - test_random_below(random, 64);
	case 2: return ROM_BASE + test_random_below(random, ROM_SIZE);
	case 3: return RAM_BASE + test_random_below(random, RING_AREA);
	default: return BUFFERS + test_random_below(random, RAM_SIZE / 2);
	}
}

static uint32_t any_length(struct test_random *random)
{
	return test_random_below(random, 16) ? (uint32_t)test_random_below(random, 600)
					     : (uint32_t)test_random(random);
}

/* One descriptor, or one word of the rest of a ring. */
static void scribble(struct stress *stress, struct test_random *random)
{
	struct harness *h = &stress->s.h;
	const struct driver_queue *q = &h->queues[test_random_below(random, h->dev->queue_count)];
	const struct {
		gm_le64_t addr;
		gm_le32_t len;
		gm_le16_t third, fourth;
	} desc = {gm_le64(any_address(random)), gm_le32(any_length(random)),
		  gm_le16((uint16_t)test_random_below(random, 20)),
		  gm_le16((uint16_t)(test_random_below(random, 8) |
				     (test_random_below(random, 4) << 14 & 0xffff) |
				     test_random_below(random, 2) << 7))};
	const gm_addr area = test_random_below(random, 2) ? q->avail : q->used;
	const uint16_t word = (uint16_t)test_random_below(
		random, test_random_below(random, 4) ? 2 * ENTRIES : 0x10000);

	scribble_begin(stress);
	if (test_random_below(random, 2))
		gm_write_exact(h->memory, q->desc + 16 * test_random_below(random, ENTRIES), &desc,
			       sizeof(desc), NULL);
	else
		gm_store_u16(h->memory, area + 2 * test_random_below(random, ENTRIES), word,
			     __ATOMIC_RELEASE);
	scribble_end(stress);
}

static void *scribbler(void *arg)
{
	struct stress *stress = arg;
	struct test_random random = test_random_new(stress->stream + 1);

	/* With pauses of all lengths: now and then a chain passes whole. */
	while (!__atomic_load_n(&stress->stop, __ATOMIC_ACQUIRE)) {
		for (uint64_t n = test_random_below(&random, 20); n; n--)
			scribble(stress, &random);
		usleep((useconds_t)test_random_below(&random, 100));
	}
	return NULL;
}

/* As a good driver does it. */
static void bring_up(struct stress *stress, struct test_random *random)
{
	struct harness *h = &stress->s.h;

	driver_negotiate(h, test_random(random) | driver_ring_features() | VERSION_1);
	scribble_begin(stress);
	for (unsigned int i = 0; i < h->dev->queue_count; i++)
		driver_clear_rings(h, &h->queues[i]);
	scribble_end(stress);
	for (unsigned int i = 0; i < h->dev->queue_count; i++)
		driver_set_queue(h, &h->queues[i]);
	reg_write(h, VIRTIO_MMIO_STATUS, 15);
}

/* A chain that every device takes: to one it is a request, to another a frame, of zeros or not. */
static void offer(struct stress *stress, unsigned int queue)
{
	static const struct buffer chain[] = {{SUBJECT_AREA, 64, false},
					      {SUBJECT_AREA + 64, 512, true},
					      {SUBJECT_AREA + 600, 1, true}};

	scribble_begin(stress);
	driver_add(&stress->s.h, &stress->s.h.queues[queue], chain, 3, 0);
	scribble_end(stress);
}

static void step(struct stress *stress, struct test_random *random)
{
	struct harness *h = &stress->s.h;
	uint32_t queue = (uint32_t)test_random_below(random, h->dev->queue_count + 1);

	switch (test_random_below(random, 40)) {
	case 0: reg_write(h, VIRTIO_MMIO_STATUS, 0); break;
	case 1:
		reg_write(h, 4 * test_random_below(random, VIRTIO_MMIO_CONFIG / 4),
			  (uint32_t)test_random(random));
		break;
	case 2:
		reg_write(h, VIRTIO_MMIO_CONFIG + 4 * test_random_below(random, 16),
			  (uint32_t)test_random(random));
		break;
	case 3:
		reg_write(h, VIRTIO_MMIO_QUEUE_SEL, queue);
		reg_write(h, QUEUE_RESET, 1);
		break;
	default:
		if (reg_read(h, VIRTIO_MMIO_STATUS) != 15)
			bring_up(stress, random);
		if (queue < h->dev->queue_count)
			offer(stress, queue);
		reg_write(h, VIRTIO_MMIO_QUEUE_NOTIFY, queue);
		break;
	}
}

START_TEST(driver_on_two_vcpus)
{
	static struct stress stress;
	const struct subject *subject = subjects[_i / 2];
	struct test_random random = test_random_new((uint64_t)_i * 2);
	struct cutting cutting = cutting_random(&random, (unsigned int)_i);
	struct virtio_stats stats;
	pthread_t thread;

	if (!subject_available(subject)) {
		cutting_free(&cutting);
		return;
	}
	if (_i % 2)
		driver_use_packed();
	stress.stream = (uint64_t)_i * 2;
	subject_new(&stress.s, subject, &cutting);
	cutting_free(&cutting);
	subject_start(&stress.s, 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, scribbler, &stress), 0);
	for (unsigned int i = 0; i < STEPS; i++)
		step(&stress, &random);
	__atomic_store_n(&stress.stop, 1, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	virtio_device_stats(stress.s.h.dev, &stats);
	/* It would prove little if no chain had ever passed. */
	ck_assert_uint_gt(stats.requests, 10);
	if (subject->mend)
		subject->mend(&stress.s);
	subject_start(&stress.s, 0);
	subject_serves(&stress.s);
	subject_free(&stress.s);
	driver_use_split();
}
END_TEST

Suite *hostile_stress_suite(void)
{
	Suite *suite = suite_create("hostile-stress");
	TCase *tc = tcase_create("hostile-stress");
	int count = 0;

	while (subjects[count])
		count++;
	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, driver_on_two_vcpus, 0, 2 * count);
	suite_add_tcase(suite, tc);
	return suite;
}
