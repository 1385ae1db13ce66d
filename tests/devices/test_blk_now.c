/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Who serves a disk's queue: the vCPU that notifies, as long as requests come alone and are done at
 * once, else the loop; and that between the two no notification is lost.
 */
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "devices/virtio-blk.h"
#include "tests/devices/harness.h"
#include "tests/devices/suites.h"

#define SECTORS 64
#define SLOTS   16
#define SLOT(i) (BUFFERS + 0x1000 + (i)*UINT64_C(0x1000)) /* header, status, data */

static struct harness harness;
static struct harness *const h = &harness;
static struct driver_queue *const q = &harness.queues[0];

/* What the monitor would attach to the guest's writes. With the device's lock. */
static struct test_line {
	struct notify_line line;
	int eventfd; /* -1: nothing */
	unsigned int attached, detached;
} line;

static int attach(struct notify_line *notify, uint64_t offset, unsigned int len, uint32_t value,
		  int eventfd)
{
	(void)notify, (void)offset, (void)len;
	ck_assert_uint_eq(value, 0);
	ck_assert_int_eq(line.eventfd, -1);
	line.eventfd = eventfd;
	line.attached++;
	return 0;
}

static void detach(struct notify_line *notify, uint64_t offset, unsigned int len, uint32_t value,
		   int eventfd)
{
	(void)notify, (void)offset, (void)len, (void)value;
	ck_assert_int_eq(line.eventfd, eventfd);
	line.eventfd = -1;
	line.detached++;
}

static struct blk *blk(void)
{
	return (struct blk *)h->dev;
}

/* A disk in memory, whose driver is up; the loop turns when a test says so. */
static void set_up(void)
{
	struct cutting pages = cutting_every(4096);
	int image = memfd_create("disk", MFD_CLOEXEC);
	uint8_t data[512];
	char args[40];

	ck_assert_int_ge(image, 0);
	for (unsigned int i = 0; i < SECTORS; i++) {
		sector_pattern(data, i);
		ck_assert_int_eq(pwrite(image, data, 512, (off_t)i * 512), 512);
	}
	snprintf(args, sizeof(args), "/proc/self/fd/%d", image);
	line = (struct test_line){.line = {attach, detach}, .eventfd = -1};
	harness_new(h, &pages, type_named("disk"), args, &line.line);
	h->image = image;
	cutting_free(&pages);
	driver_start(h, ~UINT64_C(0));
}

static void tear_down(void)
{
	harness_free(h);
}

/* A read of sector @slot into that slot. */
static void offer(unsigned int slot)
{
	const gm_addr at = SLOT(slot);
	const struct buffer chain[] = {{at, 16, false}, {at + 64, 512, true}, {at + 32, 1, true}};

	blk_put_header(h, at, VIRTIO_BLK_T_IN, slot);
	mem_fill(h, at + 32, 0xee, 1);
	driver_add(h, q, chain, 3, 0);
}

static unsigned int take_used(void)
{
	unsigned int count = 0;
	uint32_t head, len;

	while (driver_used(h, q, &head, &len))
		count++;
	return count;
}

/* As the guest's write would: by the eventfd if it is attached, else by the register. */
static void notify(void)
{
	uint64_t one = 1;

	if (line.eventfd < 0)
		driver_kick(h, q);
	else
		ck_assert_int_eq(write(line.eventfd, &one, sizeof(one)), sizeof(one));
}

static void turn(void)
{
	ck_assert_int_eq(loop_turn(h->loop, 0), 0);
}

START_TEST(one_that_is_alone_is_done_on_the_spot)
{
	uint8_t want[512], got[512];

	for (unsigned int i = 0; i < 100; i++) {
		offer(i % SLOTS);
		driver_kick(h, q);
		ck_assert_uint_eq(take_used(), 1);
		ck_assert_uint_eq(h->irq.count, i + 1);
	}
	mem_read(h, SLOT(3) + 64, got, 512);
	sector_pattern(want, 3);
	ck_assert_mem_eq(got, want, 512);
	ck_assert_uint_eq(line.attached, 0);
	/* Nor had the loop anything to do. */
	turn();
	ck_assert_uint_eq(h->irq.count, 100);
}
END_TEST

START_TEST(others_are_the_loops)
{
	for (unsigned int i = 0; i < 5; i++)
		offer(i);
	driver_kick(h, q);
	ck_assert_uint_eq(take_used(), 1);
	turn();
	ck_assert_uint_eq(take_used(), 4);
}
END_TEST

START_TEST(what_waits_is_the_loops)
{
	unsigned int answered = 0;

	virtio_lock(h->dev);
	blk()->no_nowait = true;
	blk()->image.in_memory = false;
	virtio_unlock(h->dev);
	offer(0);
	driver_kick(h, q);
	/* Not even submitted: whoever submits is told by the kernel. */
	usleep(20000);
	ck_assert_uint_eq(take_used(), 0);
	ck_assert_uint_eq(blk()->queues[0].in_flight, 1);
	/* One that comes meanwhile does not pass it on this thread. */
	offer(1);
	driver_kick(h, q);
	ck_assert_uint_eq(take_used(), 0);
	while (answered < 2) {
		ck_assert_int_eq(loop_turn(h->loop, 10000), 0);
		answered += take_used();
	}
}
END_TEST

/* A read of more than a vCPU should wait for, of the same bytes again and again. */
START_TEST(long_ones_are_the_loops)
{
	struct buffer chain[2 + SECTORS];
	unsigned int count = 0;

	blk()->queues[0].read_limit = 0;
	blk_put_header(h, SLOT(0), VIRTIO_BLK_T_IN, 0);
	chain[count++] = (struct buffer){SLOT(0), 16, false};
	for (unsigned int i = 0; i < 40; i++)
		chain[count++] = (struct buffer){SLOT(1), 512, true};
	chain[count++] = (struct buffer){SLOT(0) + 32, 1, true};
	driver_add(h, q, chain, count, 0);
	driver_kick(h, q);
	/* The limit is set anew for each: 20 KiB are little. */
	ck_assert_uint_eq(take_used(), 1);
	ck_assert_uint_eq(blk()->queues[0].read_limit, BLK_NOW_BYTES);
	/* The loop has none. */
	offer(0);
	offer(1);
	driver_kick(h, q);
	turn();
	ck_assert_uint_eq(take_used(), 2);
	ck_assert_uint_eq(blk()->queues[0].read_limit, UINT64_MAX);
}
END_TEST

static sem_t taken, kicked;

static void *holder(void *arg)
{
	virtio_lock(h->dev);
	sem_post(&taken);
	sem_wait(&kicked);
	virtio_unlock(h->dev);
	return arg;
}

/* Who has the device may have it for long: a vCPU leaves word and goes on. */
START_TEST(a_vcpu_does_not_wait_for_the_lock)
{
	pthread_t thread;

	sem_init(&taken, 0, 0);
	sem_init(&kicked, 0, 0);
	offer(0);
	ck_assert_int_eq(pthread_create(&thread, NULL, holder, NULL), 0);
	sem_wait(&taken);
	driver_kick(h, q);
	sem_post(&kicked);
	pthread_join(thread, NULL);
	ck_assert_uint_eq(take_used(), 0);
	turn();
	ck_assert_uint_eq(take_used(), 1);
}
END_TEST

START_TEST(many_at_a_time_move_the_queue_and_few_move_it_back)
{
	unsigned int alone = 0;

	for (unsigned int i = 0; i < 2 * BLK_DEPTH_MAX && line.eventfd < 0; i++) {
		offer(0);
		offer(1);
		notify();
		turn();
		ck_assert_uint_eq(take_used(), 2);
	}
	ck_assert_uint_eq(line.attached, 1);
	/* Now and then a single one is no reason. */
	for (unsigned int i = 0; i < 20; i++) {
		offer(0);
		offer(1);
		notify();
		turn();
		for (unsigned int j = 0; j < BLK_DEPTH_MORE / 2; j++) {
			offer(2);
			notify();
			turn();
		}
		ck_assert_uint_eq(take_used(), 2 + BLK_DEPTH_MORE / 2);
	}
	ck_assert_uint_eq(line.detached, 0);
	for (; line.eventfd >= 0 && alone <= BLK_DEPTH_MAX; alone++) {
		offer(0);
		notify();
		turn();
		ck_assert_uint_eq(take_used(), 1);
	}
	ck_assert_uint_eq(line.detached, 1);
	offer(0);
	driver_kick(h, q);
	ck_assert_uint_eq(take_used(), 1);
}
END_TEST

/* What a new driver finds does not depend on how the old one went about it. */
START_TEST(a_reset_detaches)
{
	for (unsigned int i = 0; i < 2 * BLK_DEPTH_MAX && line.eventfd < 0; i++) {
		offer(0);
		offer(1);
		notify();
		turn();
		take_used();
	}
	ck_assert_int_ge(line.eventfd, 0);
	reg_write(h, VIRTIO_MMIO_STATUS, 0);
	ck_assert_int_eq(line.eventfd, -1);
	turn();
	ck_assert_int_eq(line.eventfd, -1);
	driver_start(h, ~UINT64_C(0));
	offer(0);
	notify();
	turn();
	ck_assert_uint_eq(take_used(), 1);
}
END_TEST

/*
 * The driver on this thread, the loop on another, at changing depths, so that the queue goes back
 * and forth; driver_await() fails if nobody serves it.
 */
START_TEST(no_notification_is_lost)
{
	struct test_random random = test_random_new(1);
	uint32_t head, len;

	harness_run(h);
	for (unsigned int round = 0; round < 1500; round++) {
		unsigned int most = round / 200 % 2 ? SLOTS : 1;
		unsigned int count = 1 + (unsigned int)test_random_below(&random, most);

		for (unsigned int i = 0; i < count; i++) {
			offer(i);
			if (test_random_below(&random, 2) || i == count - 1) {
				int eventfd;

				virtio_lock(h->dev);
				eventfd = line.eventfd;
				virtio_unlock(h->dev);
				/* It may be another by now, as for a guest's write on its way. */
				if (eventfd < 0)
					driver_kick(h, q);
				else
					eventfd_write(eventfd, 1);
			}
		}
		while (count--)
			driver_await(h, q, &head, &len);
	}
	virtio_lock(h->dev);
	ck_assert_uint_gt(line.attached, 0);
	ck_assert_uint_gt(line.detached, 0);
	virtio_unlock(h->dev);
}
END_TEST

static void on_pci(void)
{
	driver_use_pci(true);
}

static void off_pci(void)
{
	driver_use_pci(false);
}

static void add_tests(Suite *suite, const char *name, void (*begin)(void), void (*end)(void))
{
	TCase *tc = tcase_create(name);

	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, begin, end);
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, one_that_is_alone_is_done_on_the_spot);
	tcase_add_test(tc, others_are_the_loops);
	tcase_add_test(tc, what_waits_is_the_loops);
	tcase_add_test(tc, long_ones_are_the_loops);
	tcase_add_test(tc, a_vcpu_does_not_wait_for_the_lock);
	tcase_add_test(tc, many_at_a_time_move_the_queue_and_few_move_it_back);
	tcase_add_test(tc, a_reset_detaches);
	tcase_add_test(tc, no_notification_is_lost);
	suite_add_tcase(suite, tc);
}

Suite *blk_now_suite(void)
{
	Suite *suite = suite_create("blk_now");

	add_tests(suite, "blk_now", driver_use_split, NULL);
	add_tests(suite, "blk_now on packed rings", driver_use_packed, driver_use_split);
	add_tests(suite, "blk_now on PCI", on_pci, off_pci);
	return suite;
}
