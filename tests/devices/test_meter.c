/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * What is counted and measured of a device's requests: notifications and interrupts on every ring
 * and way, and the time from a chain's being taken to its being given back, by a clock of the test.
 */
#include "devices/virtio-meter.h"
#include "tests/devices/harness.h"
#include "tests/devices/suites.h"

static struct harness harness;
static struct harness *const h = &harness;
static uint64_t time_now = 1000000, time_step;

static uint64_t test_clock(void)
{
	return time_now += time_step;
}

/* A device of that type with a clock that goes on by 100 whenever it is asked. */
static void begin(const char *type, const char *args, struct notify_line *notify)
{
	struct cutting whole = cutting_whole();

	harness_new(h, &whole, type_named(type), args, notify);
	cutting_free(&whole);
	ck_assert_int_eq(virtio_measure(h->dev), 0);
	h->dev->meter->clock = test_clock;
	time_step = 100;
}

static struct virtio_queue_meter meter_of(unsigned int queue)
{
	struct virtio_queue_meter meter;

	ck_assert(virtio_meter_read(h->dev, queue, &meter));
	return meter;
}

static struct virtio_stats stats(void)
{
	struct virtio_stats out;

	virtio_device_stats(h->dev, &out);
	return out;
}

static void tear_down(void)
{
	harness_free(h);
}

static void ask(unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		driver_add(h, &h->queues[0], &(struct buffer){BUFFERS + 64 * i, 64, true}, 1, 0);
	driver_kick(h, &h->queues[0]);
}

START_TEST(off_by_default)
{
	struct virtio_queue_meter meter;
	struct cutting whole = cutting_whole();

	harness_new(h, &whole, type_named("rng"), NULL, NULL);
	cutting_free(&whole);
	driver_start(h, 0);
	ask(2);
	ck_assert(!virtio_meter_read(h->dev, 0, &meter));
	ck_assert_uint_eq(stats().requests, 2);
}
END_TEST

START_TEST(latency_is_taken_to_given_back)
{
	begin("rng", NULL, NULL);
	driver_start(h, 0);
	ask(3);
	ck_assert_uint_eq(meter_of(0).latency.count, 3);
	ck_assert_uint_eq(meter_of(0).latency.sum, 300);
	ck_assert_uint_eq(meter_of(0).latency.max, 100);
	ck_assert_uint_eq(meter_of(0).depth, 0);
	ck_assert_uint_eq(meter_of(0).depth_max, 1);
	/* The other queues of a device are others. */
	ck_assert(!virtio_meter_read(h->dev, 1, &(struct virtio_queue_meter){0}));
}
END_TEST

/* One eventfd at most is written to per notification. */
START_TEST(notifications_and_interrupts)
{
	begin("rng", NULL, NULL);
	driver_start(h, 0);
	ask(1);
	ask(4);
	ask(0);
	ck_assert_uint_eq(stats().notifications, 3);
	ck_assert_uint_eq(stats().interrupts, 2);
	ck_assert_uint_eq(stats().interrupts, __atomic_load_n(&h->irq.count, __ATOMIC_SEQ_CST));
	ck_assert_uint_eq(stats().suppressed, 0);
}
END_TEST

/* The driver says that it wants none: flags of the available ring, or of the event structure. */
START_TEST(suppressed_interrupts)
{
	const uint16_t none = 1; /* VRING_AVAIL_F_NO_INTERRUPT, RING_EVENT_FLAGS_DISABLE */
	uint64_t flags;

	begin("rng", NULL, NULL);
	driver_start(h, 0);
	flags = h->queues[0].packed ? h->queues[0].avail + 2 : h->queues[0].avail;
	mem_write(h, flags, &none, sizeof(none));
	ask(2);
	ask(0);
	ask(1);
	ck_assert_uint_eq(stats().requests, 3);
	ck_assert_uint_eq(stats().interrupts, 0);
	ck_assert_uint_eq(stats().suppressed, 2);
}
END_TEST

/* What a device writes into its own eventfd, to go on later, is no notification. */
static int attach(struct notify_line *line, uint64_t offset, unsigned int len, uint32_t value,
		  int eventfd)
{
	(void)line;
	(void)offset;
	(void)len;
	(void)value;
	(void)eventfd;
	return -1;
}

static void detach(struct notify_line *line, uint64_t offset, unsigned int len, uint32_t value,
		   int eventfd)
{
	attach(line, offset, len, value, eventfd);
}

START_TEST(again_is_no_notification)
{
	struct notify_line line = {attach, detach};

	begin("rng", NULL, &line);
	driver_start(h, 0);
	ask(2);
	virtio_lock(h->dev);
	virtio_again(h->dev, 0);
	virtio_again(h->dev, 0);
	virtio_unlock(h->dev);
	ck_assert_int_eq(loop_turn(h->loop, 0), 0);
	ck_assert_uint_eq(stats().requests, 2);
	ck_assert_uint_eq(stats().notifications, 1);
	ask(0);
	ask(1);
	ck_assert_int_eq(loop_turn(h->loop, 0), 0);
	ck_assert_uint_eq(stats().requests, 3);
	ck_assert_uint_eq(stats().notifications, 3);
}
END_TEST

/* rng with a rate keeps a chain until its time comes; a reset forgets it, and it counts nowhere. */
START_TEST(reset_forgets)
{
	begin("rng", "rate=1", NULL);
	driver_start(h, 0);
	ask(1);
	ask(1);
	ask(1);
	ck_assert_uint_ge(meter_of(0).depth, 1);
	reg_write(h, VIRTIO_MMIO_STATUS, 0);
	ck_assert_uint_eq(meter_of(0).depth, 0);
	ck_assert_uint_eq(meter_of(0).depth_max, 1);
	ck_assert_uint_eq(meter_of(0).latency.count, stats().requests);
}
END_TEST

/* Chains in flight together, given back in another order than they were taken. */
START_TEST(depth_of_a_disk)
{
	struct cutting whole = cutting_whole();
	uint32_t head, len;

	harness_blk(h, &whole, 64, ",aio=threads,cache=writethrough");
	cutting_free(&whole);
	/* Its loop runs, with nothing to do before the driver is there. */
	ck_assert_int_eq(virtio_measure(h->dev), 0);
	driver_start(h, 0);
	for (unsigned int i = 0; i < 8; i++) {
		const gm_addr at = BUFFERS + 1024 * i;
		const struct buffer chain[] = {
			{at, 16, false}, {at + 16, 512, false}, {at + 1000, 1, true}};

		blk_put_header(h, at, VIRTIO_BLK_T_OUT, i);
		driver_add(h, &h->queues[0], chain, 3, 0);
	}
	driver_kick(h, &h->queues[0]);
	for (unsigned int i = 0; i < 8; i++)
		driver_await(h, &h->queues[0], &head, &len);
	ck_assert_uint_eq(meter_of(0).latency.count, 8);
	ck_assert_uint_eq(meter_of(0).depth, 0);
	ck_assert_uint_ge(meter_of(0).depth_max, 2);
	ck_assert_uint_gt(meter_of(0).latency.max, 0);
	ck_assert_uint_le(meter_of(0).latency.max, meter_of(0).latency.sum);
}
END_TEST

static void add(Suite *suite, const char *name, SFun set_up)
{
	TCase *tcase = tcase_create(name);

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, off_by_default);
	tcase_add_test(tcase, latency_is_taken_to_given_back);
	tcase_add_test(tcase, notifications_and_interrupts);
	tcase_add_test(tcase, suppressed_interrupts);
	tcase_add_test(tcase, again_is_no_notification);
	tcase_add_test(tcase, reset_forgets);
	tcase_add_test(tcase, depth_of_a_disk);
	suite_add_tcase(suite, tcase);
}

Suite *meter_suite(void)
{
	Suite *suite = suite_create("meter");

	add(suite, "meter", driver_use_split);
	add(suite, "meter on packed rings", driver_use_packed);
	return suite;
}
