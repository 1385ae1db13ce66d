/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Who wakes whom, on both rings, by flags and by event indexes: neither side is disturbed when it
 * said it need not be, and neither sleeps on while there is something for it.
 */
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <time.h>

#include "devices/barrier.h"
#include "tests/devices/harness.h"
#include "tests/devices/suites.h"

#define EVENT_IDX FEATURE(VIRTIO_RING_F_EVENT_IDX)
#define WRAP_BIT  (1U << VRING_PACKED_EVENT_F_WRAP_CTR)

static struct harness harness;
static struct harness *const h = &harness;
static struct driver_queue *const q = &harness.queues[0];
static bool event_idx;

/* --- the driver's side: what it says, and what it is told ------------------------------------- */

static uint16_t load16(gm_addr addr)
{
	uint16_t value;

	ck_assert_int_eq(gm_load_u16(h->memory, addr, &value, __ATOMIC_ACQUIRE), 0);
	return le16toh(value);
}

static void store16(gm_addr addr, uint16_t value)
{
	ck_assert_int_eq(gm_store_u16(h->memory, addr, htole16(value), __ATOMIC_RELEASE), 0);
}

/* Places in the ring count up to here, then begin at 0: indexes of a split, positions of a packed. */
static uint32_t modulus(void)
{
	return q->packed ? 2U * q->size : 65536;
}

static uint32_t position(uint32_t index, bool wrap)
{
	return wrap ? index : index + q->size;
}

/* What will be made available next, and what will be used next. */
static uint32_t avail_position(void)
{
	return q->packed ? position(q->next_desc, q->avail_wrap) : q->avail_idx;
}

static uint32_t used_position(void)
{
	return q->packed ? position(q->used_idx, q->used_wrap) : q->used_idx;
}

/* Whether @event is among the @count places from @from on. */
static bool passed(uint32_t from, uint32_t count, uint32_t event)
{
	return (event + modulus() - from) % modulus() < count;
}

static uint32_t event_position(gm_addr at)
{
	uint16_t off_wrap = load16(at);

	return position(off_wrap & ~WRAP_BIT, off_wrap & WRAP_BIT);
}

/* Whether the device wants to know of the chains made available from @old on. */
static bool device_wants(uint32_t old)
{
	uint32_t count = (avail_position() + modulus() - old) % modulus();
	uint16_t flags;

	if (!q->packed) {
		if (event_idx)
			return passed(old, count, load16(q->used + 4 + 8ULL * q->size));
		return !(load16(q->used) & VRING_USED_F_NO_NOTIFY);
	}
	flags = load16(q->used + 2);
	if (flags == VRING_PACKED_EVENT_FLAG_DESC)
		return passed(old, count, event_position(q->used));
	return flags == VRING_PACKED_EVENT_FLAG_ENABLE;
}

/* Have an interrupt for the used entry at @event. */
static void ask_for(uint32_t event)
{
	if (!q->packed) {
		if (event_idx)
			store16(q->avail + 4 + 2ULL * q->size, (uint16_t)event);
		else
			store16(q->avail, 0);
		return;
	}
	if (event_idx)
		store16(q->avail, (uint16_t)(event < q->size ? event | WRAP_BIT : event - q->size));
	store16(q->avail + 2,
		event_idx ? VRING_PACKED_EVENT_FLAG_DESC : VRING_PACKED_EVENT_FLAG_ENABLE);
}

/* Have none, as far as flags can say so. */
static void ask_for_none(void)
{
	if (event_idx)
		return;
	if (q->packed)
		store16(q->avail + 2, VRING_PACKED_EVENT_FLAG_DISABLE);
	else
		store16(q->avail, VRING_AVAIL_F_NO_INTERRUPT);
}

static void offer(uint32_t len)
{
	driver_add(h, q, &(struct buffer){BUFFERS, len, false}, 1, 0);
}

/* --- a device that calls back for each chain --------------------------------------------------- */

struct calling {
	struct virtio_device dev;
	void (*hook)(unsigned int served);
	unsigned int served;
};

static int64_t calling_handle(struct virtio_device *dev, const struct gm_memory *memory,
			      const struct virtq_chain *chain)
{
	struct calling *calling = (struct calling *)dev;

	(void)memory;
	(void)chain;
	calling->hook(++calling->served);
	return 0;
}

static void calling_notify(struct virtio_device *dev, unsigned int index)
{
	virtio_run_queue(dev, index, calling_handle);
}

static void calling_free(struct virtio_device *dev)
{
	virtio_device_destroy(dev);
	free(dev);
}

static const uint16_t calling_queues[] = {64, 0};

static const struct virtio_ops calling_ops = {
	.device_id = VIRTIO_ID_RNG,
	.name = "calling",
	.queue_sizes = calling_queues,
	.notify = calling_notify,
	.free = calling_free,
};

static int calling_create(const char *option, const char *args, struct loop *loop,
			  struct virtio_device **out, struct report *report)
{
	struct calling *calling = calloc(1, sizeof(*calling));

	(void)option;
	(void)args;
	(void)loop;
	ck_assert_ptr_nonnull(calling);
	*out = &calling->dev;
	return virtio_device_init(&calling->dev, &calling_ops, 0, NULL, 0, report);
}

static const struct device_type calling_type = {.name = "calling", .create = calling_create};

static void set_up(void)
{
	struct cutting whole = cutting_whole();

	harness_new(h, &whole, &calling_type, NULL, NULL);
	cutting_free(&whole);
}

static void tear_down(void)
{
	harness_free(h);
}

/* Each test runs without and with event indexes. */
static void start(int with_event_idx, void (*hook)(unsigned int served))
{
	((struct calling *)h->dev)->hook = hook;
	event_idx = with_event_idx;
	driver_start(h, event_idx ? EVENT_IDX : 0);
}

static unsigned int take_used(void)
{
	unsigned int count = 0;
	uint32_t head, len;

	while (driver_used(h, q, &head, &len))
		count++;
	return count;
}

/* While it serves, the device need not be told; what comes in then is served all the same. */
static void add_three_more(unsigned int served)
{
	uint32_t old = avail_position();

	/* The first is for a device that has not said yet what it wants. */
	if (served < 2 || served > 4)
		return;
	offer(served);
	ck_assert_msg(!device_wants(old), "notification wanted while chain %u is served", served);
}

START_TEST(chains_added_while_others_are_served)
{
	uint32_t old;

	start(_i, add_three_more);
	for (unsigned int round = 0; round < 2; round++) {
		ask_for(used_position());
		old = avail_position();
		offer(1);
		ck_assert(device_wants(old));
		driver_kick(h, q);
		ck_assert_uint_eq(take_used(), round ? 4 : 1);
		/* One for the run, not one for each. */
		ck_assert_uint_eq(h->irq.count, 1 + round);
	}
	old = avail_position();
	offer(1);
	ck_assert(device_wants(old));
}
END_TEST

static void do_nothing(unsigned int served)
{
	(void)served;
}

START_TEST(no_interrupt_where_none_is_wanted)
{
	start(_i, do_nothing);
	ask_for_none();
	if (event_idx)
		ask_for(2);
	offer(1);
	driver_kick(h, q);
	offer(1);
	driver_kick(h, q);
	ck_assert_uint_eq(take_used(), 2);
	ck_assert_uint_eq(h->irq.count, 0);
	ask_for(used_position());
	offer(1);
	driver_kick(h, q);
	ck_assert_uint_eq(h->irq.count, 1);
}
END_TEST

/* A driver that always adds one more may keep the device busy, but not its thread. */
static void add_one_more(unsigned int served)
{
	if (served < 3U * q->size)
		offer(1);
	else
		loop_stop(h->loop, 5);
	take_used();
}

START_TEST(endless_work_is_done_in_turns)
{
	const struct calling *calling = (const struct calling *)h->dev;

	start(_i, add_one_more);
	offer(1);
	driver_kick(h, q);
	ck_assert_uint_eq(calling->served, q->size);
	ck_assert_int_eq(loop_run(h->loop), 5);
	ck_assert_uint_eq(calling->served, 3UL * q->size);
}
END_TEST

/* --- every batch against every event, by a model ----------------------------------------------- */

/* Serve @count chains; whether the driver is interrupted for them. */
static bool serve_batch(struct virtq *vq, unsigned int count)
{
	struct virtq_chain chain;

	for (unsigned int i = 0; i < count; i++)
		offer(1);
	for (unsigned int i = 0; i < count; i++) {
		ck_assert_int_eq(virtq_pop(vq, h->memory, &chain), 1);
		virtq_put_used(vq, h->memory, chain.head, 0);
		/* A batch may be published in any number of steps. */
		if (i % 5 == 0)
			virtq_publish(vq, h->memory);
	}
	virtq_publish(vq, h->memory);
	return virtq_should_interrupt(vq, h->memory);
}

static void run_batches(uint16_t size, unsigned int rounds, struct test_random *random)
{
	struct virtq *vq = &h->dev->queues[0];

	driver_place(h, 0, driver_ring_area(0), size);
	start(1, do_nothing);
	for (unsigned int i = 0; i < rounds; i++) {
		unsigned int count = (unsigned int)test_random_below(random, size + 1ULL);
		uint32_t from = used_position();
		uint32_t event =
			(from + modulus() + (uint32_t)test_random_below(random, size + 4ULL) - 2) %
			modulus();

		ask_for(event);
		ck_assert_int_eq(serve_batch(vq, count), passed(from, count, event));
		ck_assert_uint_eq(take_used(), count);
		from = avail_position();
		ck_assert(!virtq_enable_notify(vq, h->memory));
		offer(1);
		ck_assert(device_wants(from));
		ck_assert(virtq_enable_notify(vq, h->memory));
		ask_for(used_position());
		ck_assert(serve_batch(vq, 0) == false);
		driver_kick(h, q);
		ck_assert_uint_eq(take_used(), 1);
	}
}

START_TEST(event_indexes_over_every_wrap)
{
	struct test_random random = test_random_new(1);

	run_batches(4, 300, &random);
	run_batches(16, 300, &random);
	/* More than 65536 chains. */
	run_batches(64, 2200, &random);
	ck_assert_uint_gt(h->dev->stats.requests, 2200);
}
END_TEST

/* --- two threads, each asleep whenever the other lets it ---------------------------------------- */

#define ROUNDS 15000

struct duel {
	struct virtq *vq;
	sem_t kick, interrupt;
	bool failed; /* the device's verdict, for after it ended */
};

static void *device_side(void *arg)
{
	struct duel *duel = arg;
	struct virtq_chain chain;
	unsigned int served = 0;

	while (served < ROUNDS && !duel->failed) {
		sem_wait(&duel->kick);
		do {
			int ret;

			virtq_disable_notify(duel->vq, h->memory);
			while ((ret = virtq_pop(duel->vq, h->memory, &chain)) > 0) {
				duel->failed |= chain.readable_len != 1 + served % 1000;
				served++;
				virtq_complete(duel->vq, h->memory, chain.head, 0);
			}
			duel->failed |= ret < 0;
			if (virtq_should_interrupt(duel->vq, h->memory))
				sem_post(&duel->interrupt);
		} while (virtq_enable_notify(duel->vq, h->memory));
	}
	return NULL;
}

/* Sleep until @count chains came back. Not being woken in time is the bug. */
static void await_used(struct duel *duel, unsigned int count)
{
	struct timespec deadline;

	clock_gettime(CLOCK_REALTIME, &deadline);
	deadline.tv_sec += 30;
	while (count) {
		unsigned int taken;

		ask_for(used_position());
		full_barrier();
		taken = take_used();
		count -= taken;
		/* What was asked for is the entry that was taken: ask anew. */
		if (taken)
			continue;
		ck_assert_msg(sem_timedwait(&duel->interrupt, &deadline) == 0,
			      "an interrupt was lost, %u chains are out", count);
	}
	ask_for_none();
}

START_TEST(no_wakeup_is_lost)
{
	struct duel duel = {.vq = &h->dev->queues[0]};
	unsigned int out = 0;
	pthread_t thread;

	start(_i, do_nothing);
	ask_for_none();
	sem_init(&duel.kick, 0, 0);
	sem_init(&duel.interrupt, 0, 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, device_side, &duel), 0);
	for (unsigned int i = 0; i < ROUNDS; i++) {
		uint32_t old = avail_position();

		offer(1 + i % 1000);
		full_barrier();
		if (device_wants(old))
			sem_post(&duel.kick);
		/* At changing depths, so that both sides sleep and race in every order. */
		if (++out > i / 100 % q->size || i == ROUNDS - 1) {
			await_used(&duel, out);
			out = 0;
		}
	}
	pthread_join(thread, NULL);
	ck_assert(!duel.failed);
}
END_TEST

static void add_tests(Suite *suite, const char *name, void (*ring)(void))
{
	TCase *tc = tcase_create(name);

	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, ring, NULL);
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_loop_test(tc, chains_added_while_others_are_served, 0, 2);
	tcase_add_loop_test(tc, no_interrupt_where_none_is_wanted, 0, 2);
	tcase_add_loop_test(tc, endless_work_is_done_in_turns, 0, 2);
	tcase_add_test(tc, event_indexes_over_every_wrap);
	tcase_add_loop_test(tc, no_wakeup_is_lost, 0, 2);
	suite_add_tcase(suite, tc);
}

Suite *wakeup_suite(void)
{
	Suite *suite = suite_create("wakeup");

	add_tests(suite, "wakeup", driver_use_split);
	add_tests(suite, "wakeup_packed", driver_use_packed);
	return suite;
}
