/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Chains that a model keeps and gives back later: in batches, out of order, and in order where the
 * driver was promised it (VIRTIO_F_IN_ORDER). The device is one of this file: it takes all chains
 * and answers none until a test says so. Each test runs on both rings.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/devices/harness.h"
#include "tests/devices/suites.h"

#define IN_ORDER    FEATURE(VIRTIO_F_IN_ORDER)
#define INDIRECT    FEATURE(VIRTIO_RING_F_INDIRECT_DESC)
#define QUEUE_RESET 0x0c0

#define QUEUE_MAX 64

struct lazy {
	struct virtio_device dev;
	uint16_t heads[QUEUE_MAX]; /* that are out, in no particular order */
	unsigned int count;
};

static void lazy_notify(struct virtio_device *dev, unsigned int index)
{
	struct lazy *lazy = (struct lazy *)dev;
	struct gm_memory *memory = gm_cell_snapshot(dev->memory);
	struct virtq *vq = &dev->queues[index];
	struct virtq_chain chain;

	while (virtq_pop(vq, memory, &chain) > 0) {
		ck_assert_uint_lt(lazy->count, QUEUE_MAX);
		lazy->heads[lazy->count++] = chain.head;
	}
	virtio_settle(dev, vq, memory);
	gm_memory_put(memory);
}

static void lazy_queue_reset(struct virtio_device *dev, unsigned int index)
{
	(void)index;
	((struct lazy *)dev)->count = 0;
}

static void lazy_free(struct virtio_device *dev)
{
	virtio_device_destroy(dev);
	free(dev);
}

static const uint16_t lazy_queues[] = {QUEUE_MAX, 0};

static const struct virtio_ops lazy_ops = {
	.device_id = VIRTIO_ID_RNG,
	.name = "lazy",
	.queue_sizes = lazy_queues,
	.notify = lazy_notify,
	.queue_reset = lazy_queue_reset,
	.free = lazy_free,
};

static int lazy_create(const char *option, const char *args, struct loop *loop,
		       struct virtio_device **out, struct report *report)
{
	struct lazy *lazy = calloc(1, sizeof(*lazy));

	(void)option;
	(void)args;
	(void)loop;
	ck_assert_ptr_nonnull(lazy);
	*out = &lazy->dev;
	return virtio_device_init(&lazy->dev, &lazy_ops, 0, NULL, 0, report);
}

static const struct device_type lazy_type = {.name = "lazy", .create = lazy_create};

static struct harness harness;
static struct harness *const h = &harness;
static struct driver_queue *const q = &harness.queues[0];

static void set_up(void)
{
	struct cutting whole = cutting_whole();

	harness_new(h, &whole, &lazy_type, NULL, NULL);
	cutting_free(&whole);
}

static void tear_down(void)
{
	harness_free(h);
}

/* Offer a chain of @count buffers, behind an indirect table if it is asked for. */
static uint16_t offer(unsigned int count, bool indirect)
{
	struct buffer buffers[8];

	for (unsigned int i = 0; i < count; i++)
		buffers[i] = (struct buffer){BUFFERS + 16ULL * i, 16, true};
	return driver_add(h, q, buffers, count, indirect ? BUFFERS + 0x1000 : 0);
}

static void put(uint16_t head, uint32_t len)
{
	virtio_put(h->dev, &h->dev->queues[0], h->memory, head, len);
}

/* Whether it interrupted. */
static bool settle(void)
{
	unsigned int before = h->irq.count;

	virtio_settle(h->dev, &h->dev->queues[0], h->memory);
	return h->irq.count != before;
}

static bool nothing_used(void)
{
	uint32_t head, len;

	return !driver_used(h, q, &head, &len);
}

static void assert_used(uint16_t want_head, uint32_t want_len)
{
	uint32_t head, len;

	ck_assert(driver_used(h, q, &head, &len));
	ck_assert_uint_eq(head, want_head);
	ck_assert_uint_eq(len, want_len);
}

START_TEST(batch_is_seen_together_and_interrupts_once)
{
	uint16_t heads[5];

	driver_start(h, 0);
	for (unsigned int i = 0; i < 5; i++)
		heads[i] = offer(1 + i % 3, false);
	driver_kick(h, q);
	ck_assert_uint_eq(h->irq.count, 0);
	for (unsigned int i = 0; i < 5; i++) {
		put(heads[4 - i], i);
		ck_assert(nothing_used());
	}
	ck_assert(settle());
	ck_assert_uint_eq(h->irq.count, 1);
	/* Without the promise they come as they were done. */
	for (unsigned int i = 0; i < 5; i++)
		assert_used(heads[4 - i], i);
	ck_assert(nothing_used());
	ck_assert(!settle());
	ck_assert_uint_eq(h->dev->stats.requests, 5);
}
END_TEST

START_TEST(done_chains_wait_for_those_before_them)
{
	uint16_t first, second, third;

	driver_start(h, IN_ORDER);
	ck_assert(virtio_has_feature(h->dev, VIRTIO_F_IN_ORDER));
	first = offer(2, false);
	second = offer(1, false);
	third = offer(3, false);
	driver_kick(h, q);
	put(third, 33);
	ck_assert(!settle());
	ck_assert(nothing_used());
	put(first, 11);
	ck_assert(settle());
	assert_used(first, 11);
	ck_assert(nothing_used());
	put(second, 0);
	ck_assert(nothing_used());
	ck_assert(settle());
	assert_used(second, 0);
	assert_used(third, 33);
	ck_assert(nothing_used());
}
END_TEST

/* What the driver waits for, in the order it offered it. */
struct expected {
	uint16_t heads[QUEUE_MAX];
	uint32_t lens[QUEUE_MAX]; /* by head */
	unsigned int slots[QUEUE_MAX];
	unsigned int first, end, free;
};

/* Take what is used; each must be the oldest that is expected. */
static void take_used(struct expected *e)
{
	uint32_t head, len;

	while (driver_used(h, q, &head, &len)) {
		uint16_t want = e->heads[e->first % QUEUE_MAX];

		if (e->first == e->end || head != want || len != e->lens[want])
			ck_abort_msg("head %u, length %u instead of %u, %u", head, len, want,
				     e->lens[want]);
		e->free += e->slots[want];
		e->first++;
	}
}

/* Past the wrap of every index, with chains of all kinds, done in random order. */
static void run_out_of_order(uint16_t size, unsigned int rounds, struct test_random *random)
{
	struct lazy *lazy = (struct lazy *)h->dev;
	struct expected e = {.free = size};
	uint32_t len = 0;

	driver_place(h, 0, driver_ring_area(0), size);
	driver_start(h, IN_ORDER | INDIRECT);
	for (unsigned int i = 0; i < rounds || e.first != e.end; i++) {
		bool indirect = test_random_below(random, 3) == 0;
		unsigned int count = 1 + (unsigned int)test_random_below(random, 4);
		unsigned int slots = indirect ? 1 : count;

		if (i < rounds && slots <= e.free) {
			uint16_t head = offer(count, indirect);

			e.heads[e.end++ % QUEUE_MAX] = head;
			e.slots[head] = slots;
			e.free -= slots;
			driver_kick(h, q);
		}
		while (lazy->count && test_random_below(random, 2)) {
			unsigned int which = (unsigned int)test_random_below(random, lazy->count);
			uint16_t head = lazy->heads[which];

			lazy->heads[which] = lazy->heads[--lazy->count];
			e.lens[head] = len++ % 5 * 16;
			put(head, e.lens[head]);
		}
		settle();
		take_used(&e);
	}
	ck_assert_uint_eq(e.free, size);
	ck_assert(!needs_reset(h));
}

START_TEST(order_holds_over_every_wrap)
{
	static const uint16_t sizes[] = {1, 2, 4, 16, 64};
	struct test_random random = test_random_new(1);

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
		run_out_of_order(sizes[i], 2000, &random);
	/* Split indexes and the queue's own wrap at 65536. */
	run_out_of_order(8, 100000, &random);
	ck_assert_uint_gt(h->dev->stats.requests, 65536 + 5 * 1000);
}
END_TEST

START_TEST(reset_forgets_what_was_held_back)
{
	for (unsigned int i = 0; i < 3; i++) {
		uint16_t first, second;

		driver_start(h, IN_ORDER | FEATURE(VIRTIO_F_RING_RESET));
		offer(1, false);
		second = offer(1, false);
		driver_kick(h, q);
		put(second, 7);
		ck_assert(!settle());
		if (i < 2) {
			reg_write(h, VIRTIO_MMIO_QUEUE_SEL, 0);
			reg_write(h, QUEUE_RESET, 1);
			/* What still comes in for the old queue goes nowhere. */
			put(0, 1);
			ck_assert(!settle());
			driver_clear_rings(h, q);
			driver_set_queue(h, q);
		} else {
			driver_start(h, IN_ORDER);
		}
		first = offer(1, false);
		second = offer(1, false);
		driver_kick(h, q);
		put(first, 1);
		ck_assert(settle());
		assert_used(first, 1);
		ck_assert(nothing_used());
		put(second, 2);
		ck_assert(settle());
		assert_used(second, 2);
	}
}
END_TEST

/* The driver may not offer again what it has not got back, done or not. */
START_TEST(head_that_is_held_back_is_still_in_flight)
{
	uint16_t second;

	driver_start(h, IN_ORDER);
	offer(1, false);
	second = offer(1, false);
	driver_kick(h, q);
	put(second, 0);
	ck_assert(!settle());
	if (q->packed)
		packed_put_desc(h, q->desc, q->next_desc, BUFFERS, 16, second,
				packed_owned_by_device(q));
	else
		put_avail(h, q, second);
	driver_kick(h, q);
	ck_assert(needs_reset(h));
	ck_assert_ptr_nonnull(strstr(h->dev->queues[0].broken, "in flight already"));
	ck_assert(nothing_used());
	/* Chains come back from the host's side still, and go nowhere. */
	put(0, 0);
	settle();
	ck_assert(nothing_used());
	driver_start(h, IN_ORDER);
	ck_assert(!needs_reset(h));
}
END_TEST

static void add_tests(Suite *suite, const char *name, void (*ring)(void))
{
	TCase *tc = tcase_create(name);

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, ring, NULL);
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, batch_is_seen_together_and_interrupts_once);
	tcase_add_test(tc, done_chains_wait_for_those_before_them);
	tcase_add_test(tc, order_holds_over_every_wrap);
	tcase_add_test(tc, reset_forgets_what_was_held_back);
	tcase_add_test(tc, head_that_is_held_back_is_still_in_flight);
	suite_add_tcase(suite, tc);
}

Suite *completion_suite(void)
{
	Suite *suite = suite_create("completion");

	add_tests(suite, "completion", driver_use_split);
	add_tests(suite, "completion_packed", driver_use_packed);
	return suite;
}
