/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * virtio-blk with requests in flight: an engine that does an operation when the test says so stands
 * in for the real one, so that every order and every moment for a reset can be had on purpose.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <unistd.h>

#include "devices/virtio-blk.h"
#include "tests/devices/harness.h"
#include "tests/devices/suites.h"

#define SECTORS 1024
#define SLOTS   32
#define SLOT(i) (BUFFERS + 0x1000 + (i)*UINT64_C(0x1000)) /* header, status, data */
#define ALL_BLK UINT64_C(0xffff)
#define ON_DISK INT64_MIN /* a result: do it */

static struct harness harness;
static struct harness *const h = &harness;

/* With the device's lock. */
static struct held_engine {
	struct blk_engine engine;
	struct blk_engine *real;
	struct blk_op *ops[SLOTS]; /* in the order they came */
	unsigned int count, submitted, batches, waits;
	struct blk_op *finished[SLOTS];
	unsigned int finished_count;
} held[2];

/* --- the engine -------------------------------------------------------------------------------- */

static void held_start(struct blk_engine *engine, struct blk_op *op)
{
	struct held_engine *e = (struct held_engine *)engine;

	ck_assert_uint_lt(e->count, SLOTS);
	e->ops[e->count++] = op;
}

static void held_submit(struct blk_engine *engine)
{
	struct held_engine *e = (struct held_engine *)engine;

	e->batches += e->submitted < e->count;
	e->submitted = e->count;
}

static struct blk_op *held_done(struct blk_engine *engine)
{
	struct held_engine *e = (struct held_engine *)engine;

	return e->finished_count ? e->finished[--e->finished_count] : NULL;
}

/* With the lock: the operation at @index is through, with @result or as it really comes out. */
static void finish(struct held_engine *e, unsigned int index, int64_t result)
{
	struct blk_op *op = e->ops[index];

	op->result = result == ON_DISK ? blk_op_run(h->image, op) : result;
	e->finished[e->finished_count++] = op;
	memmove(&e->ops[index], &e->ops[index + 1], (--e->count - index) * sizeof(*e->ops));
	e->submitted = e->count;
}

static void held_wait(struct blk_engine *engine)
{
	struct held_engine *e = (struct held_engine *)engine;

	e->waits++;
	finish(e, 0, ON_DISK);
}

static void held_close(struct blk_engine *engine)
{
	struct held_engine *e = (struct held_engine *)engine;

	ck_assert_uint_eq(e->count, 0);
	e->real->type->close(e->real);
}

static const struct blk_engine_type held_type = {
	.name = "held",
	.start = held_start,
	.submit = held_submit,
	.done = held_done,
	.wait = held_wait,
	.close = held_close,
};

/* The operation at @index is through, and the device told. */
static void complete(struct held_engine *e, unsigned int index, int64_t result)
{
	virtio_lock(h->dev);
	ck_assert_uint_lt(index, e->count);
	finish(e, index, result);
	virtio_unlock(h->dev);
	eventfd_write(e->engine.event, 1);
	harness_settle(h);
}

/* What is in flight. */
static struct blk_op op_at(struct held_engine *e, unsigned int index)
{
	struct blk_op op;

	virtio_lock(h->dev);
	ck_assert_uint_lt(index, e->count);
	op = *e->ops[index];
	virtio_unlock(h->dev);
	return op;
}

static unsigned int in_flight(struct held_engine *e)
{
	unsigned int count;

	virtio_lock(h->dev);
	count = e->count;
	virtio_unlock(h->dev);
	return count;
}

/* --- the driver -------------------------------------------------------------------------------- */

/* Goes on by a step with each look at it. With the lock. */
static uint64_t clock_now, clock_step;

static uint64_t test_clock(void)
{
	return clock_now += clock_step;
}

static void start(const struct cutting *cutting, const char *words)
{
	struct blk *blk;

	harness_blk(h, cutting, SECTORS, words);
	blk = (struct blk *)h->dev;
	virtio_lock(h->dev);
	/* Nothing is had at once. */
	blk->no_nowait = true;
	blk->clock = test_clock;
	clock_now = 0, clock_step = 0;
	for (unsigned int i = 0; i < h->dev->queue_count; i++) {
		held[i] = (struct held_engine){
			.engine = {.type = &held_type,
				   .event = blk->queues[i].engine->event,
				   .ready = -1},
			.real = blk->queues[i].engine,
		};
		blk->queues[i].slow_until = UINT64_MAX;
		blk->queues[i].engine = &held[i].engine;
	}
	virtio_unlock(h->dev);
	for (unsigned int i = 0; i < 2; i++)
		driver_place(h, i, driver_ring_area(i), 128);
	driver_start(h, ALL_BLK);
}

static void set_up(void)
{
	struct cutting pages = cutting_every(4096);

	start(&pages, ",queues=2");
	cutting_free(&pages);
}

static void tear_down(void)
{
	harness_free(h);
}

/* Make a request of @len bytes available, all of it in slot @slot. */
static void offer(unsigned int queue, unsigned int slot, uint32_t type, uint64_t sector, uint32_t len)
{
	const gm_addr at = SLOT(slot);
	const struct buffer chain[] = {
		{at, 16, false}, {at + 64, len, type == VIRTIO_BLK_T_IN}, {at + 32, 1, true}};

	blk_put_header(h, at, type, sector);
	mem_fill(h, at + 32, 0xee, 1);
	driver_add(h, &h->queues[queue], chain, 3, 0);
}

static uint8_t status(unsigned int slot)
{
	return mem_byte(h, SLOT(slot) + 32);
}

static bool used(unsigned int queue, uint32_t *len)
{
	uint32_t head;

	return driver_used(h, &h->queues[queue], &head, len);
}

/* --- what is written at once --------------------------------------------------------------------- */

/* As the device is outside of these tests, by a clock that takes @step between two looks. */
static void write_at_once(uint64_t step)
{
	virtio_lock(h->dev);
	((struct blk *)h->dev)->queues[0].slow_until = 0;
	clock_step = step;
	virtio_unlock(h->dev);
}

/* A write of @len bytes and the notification of it: whether it was answered there and then. */
static bool written_at_once(unsigned int slot, uint32_t len)
{
	uint32_t used_len;

	offer(0, slot, VIRTIO_BLK_T_OUT, 0, len);
	driver_kick(h, &h->queues[0]);
	if (!used(0, &used_len))
		return false;
	ck_assert_uint_eq(status(slot), VIRTIO_BLK_S_OK);
	return true;
}

START_TEST(writes_are_done_at_once)
{
	uint8_t byte;

	write_at_once(1);
	mem_fill(h, SLOT(0) + 64, 0x5a, 512);
	ck_assert(written_at_once(0, 512));
	ck_assert_int_eq(pread(h->image, &byte, 1, 511), 1);
	ck_assert_uint_eq(byte, 0x5a);
	/* Synchronous ones are the engine's. */
	driver_start(h, ALL_BLK & ~FEATURE(VIRTIO_BLK_F_FLUSH));
	ck_assert(!written_at_once(1, 512));
	complete(&held[0], 0, ON_DISK);
}
END_TEST

/* Two in a row that were slow are the last for a while; one may be the scheduler's. */
START_TEST(slow_writes_are_the_engines)
{
	write_at_once(BLK_COPY_SLOW_NS + 512 * BLK_COPY_NS_PER_BYTE + 1);
	ck_assert(written_at_once(0, 512));
	write_at_once(1);
	ck_assert(written_at_once(1, 512));
	write_at_once(BLK_COPY_SLOW_NS + 512 * BLK_COPY_NS_PER_BYTE + 1);
	ck_assert(written_at_once(0, 512));
	ck_assert(written_at_once(0, 512));
	ck_assert(!written_at_once(1, 512));
	complete(&held[0], 0, ON_DISK);
	virtio_lock(h->dev);
	clock_now += BLK_COPY_PAUSE_NS, clock_step = 1;
	virtio_unlock(h->dev);
	ck_assert(written_at_once(2, 512));
	ck_assert(written_at_once(3, 512));
}
END_TEST

/* More than so much of one notification waits for the engine, and not for the loop. */
START_TEST(many_writes_are_the_engines)
{
	const uint32_t len = 448 * 1024, piece = 4096 - 64;
	struct buffer chain[2 + 448 * 1024 / 4032 + 1];
	unsigned int count = 0, answered = 0;
	uint32_t used_len;

	driver_start(h, ALL_BLK | FEATURE(VIRTIO_RING_F_INDIRECT_DESC));
	write_at_once(1);
	for (unsigned int i = 0; i < 3; i++) {
		count = 0;
		blk_put_header(h, SLOT(i), VIRTIO_BLK_T_OUT, 0);
		chain[count++] = (struct buffer){SLOT(i), 16, false};
		/* The same bytes again and again. */
		for (uint32_t at = 0; at < len; at += piece)
			chain[count++] = (struct buffer){SLOT(i) + 64,
							 len - at < piece ? len - at : piece, false};
		chain[count++] = (struct buffer){SLOT(i) + 32, 1, true};
		driver_add(h, &h->queues[0], chain, count, SLOT(10 + i));
	}
	driver_kick(h, &h->queues[0]);
	while (used(0, &used_len))
		answered++;
	ck_assert_uint_eq(answered, 2);
	ck_assert_uint_eq(in_flight(&held[0]), 1);
	complete(&held[0], 0, ON_DISK);
	ck_assert(used(0, &used_len));
	/* The next notification has as much again. */
	ck_assert(written_at_once(4, 512));
}
END_TEST

/* --- batches and order -------------------------------------------------------------------------- */

START_TEST(a_notification_is_one_batch)
{
	uint32_t len;

	for (unsigned int i = 0; i < 20; i++)
		offer(0, i, i % 2 ? VIRTIO_BLK_T_IN : VIRTIO_BLK_T_OUT, i, 512);
	driver_kick(h, &h->queues[0]);
	ck_assert_uint_eq(in_flight(&held[0]), 20);
	ck_assert_uint_eq(held[0].batches, 1);
	ck_assert(!used(0, &len));
	/* All done at once: told at once. */
	virtio_lock(h->dev);
	while (held[0].count)
		finish(&held[0], 0, ON_DISK);
	virtio_unlock(h->dev);
	ck_assert_uint_eq(h->irq.count, 0);
	eventfd_write(held[0].engine.event, 1);
	harness_settle(h);
	ck_assert_uint_eq(h->irq.count, 1);
	for (unsigned int i = 0; i < 20; i++) {
		ck_assert(used(0, &len));
		ck_assert_uint_eq(status(i), VIRTIO_BLK_S_OK);
	}
	ck_assert(!used(0, &len));
}
END_TEST

/* Whatever is done first is told first, unless the order was promised. */
START_TEST(any_order)
{
	const bool in_order = _i;
	const uint32_t lens[] = {512 + 1, 1024 + 1, 1536 + 1};
	uint32_t len;

	driver_start(h, ALL_BLK | (in_order ? FEATURE(VIRTIO_F_IN_ORDER) : 0));
	for (unsigned int i = 0; i < 3; i++)
		offer(0, i, VIRTIO_BLK_T_IN, i, 512 * (i + 1));
	driver_kick(h, &h->queues[0]);
	complete(&held[0], 2, ON_DISK);
	complete(&held[0], 1, ON_DISK);
	ck_assert_uint_eq(status(2), VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(status(0), 0xee);
	if (in_order)
		ck_assert(!used(0, &len));
	complete(&held[0], 0, ON_DISK);
	for (unsigned int i = 0; i < 3; i++) {
		ck_assert(used(0, &len));
		ck_assert_uint_eq(len, lens[in_order ? i : 2 - i]);
	}
}
END_TEST

/* --- results ----------------------------------------------------------------------------------- */

START_TEST(short_transfers_go_on)
{
	uint8_t want[512], got[512];
	uint32_t len;

	offer(0, 0, VIRTIO_BLK_T_IN, 7, 512);
	driver_kick(h, &h->queues[0]);
	ck_assert_uint_eq(op_at(&held[0], 0).offset, UINT64_C(7) * 512);
	/* Interrupted: the same again. Then a part, by hand. */
	complete(&held[0], 0, -EINTR);
	ck_assert_uint_eq(op_at(&held[0], 0).offset, UINT64_C(7) * 512);
	sector_pattern(want, 7);
	mem_write(h, SLOT(0) + 64, want, 100);
	complete(&held[0], 0, 100);
	ck_assert_uint_eq(op_at(&held[0], 0).offset, UINT64_C(7) * 512 + 100);
	ck_assert_uint_eq(op_at(&held[0], 0).iov[0].iov_len, 412);
	ck_assert(!used(0, &len));
	complete(&held[0], 0, ON_DISK);
	ck_assert(used(0, &len));
	ck_assert_uint_eq(len, 513);
	mem_read(h, SLOT(0) + 64, got, 512);
	ck_assert_mem_eq(got, want, 512);
}
END_TEST

START_TEST(errors_are_io_errors)
{
	static const struct {
		uint32_t type;
		int64_t result;
		uint32_t len; /* used */
	} cases[] = {
		{VIRTIO_BLK_T_IN, -EIO, 0},        {VIRTIO_BLK_T_IN, 0, 0},
		{VIRTIO_BLK_T_IN, -EFAULT, 0},     {VIRTIO_BLK_T_OUT, -ENOSPC, 1},
		{VIRTIO_BLK_T_OUT, -EFBIG, 1},     {VIRTIO_BLK_T_OUT, 0, 1},
		{VIRTIO_BLK_T_OUT, -ECANCELED, 1},
	};
	struct virtio_stats stats;
	uint32_t len;

	for (unsigned int i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		offer(0, i, cases[i].type, 0, 512);
		driver_kick(h, &h->queues[0]);
		complete(&held[0], 0, cases[i].result);
		ck_assert(used(0, &len));
		ck_assert_uint_eq(status(i), VIRTIO_BLK_S_IOERR);
		ck_assert_uint_eq(len, cases[i].len);
	}
	ck_assert(!needs_reset(h));
	virtio_device_stats(h->dev, &stats);
	ck_assert_uint_eq(stats.errors, sizeof(cases) / sizeof(*cases));
	/* A part of a write, then no more room: not silently lost. */
	offer(0, 10, VIRTIO_BLK_T_OUT, 0, 1024);
	driver_kick(h, &h->queues[0]);
	complete(&held[0], 0, 512);
	complete(&held[0], 0, -ENOSPC);
	ck_assert_uint_eq(status(10), VIRTIO_BLK_S_IOERR);
}
END_TEST

START_TEST(a_flush_that_fails)
{
	const struct buffer chain[] = {{SLOT(0), 16, false}, {SLOT(0) + 32, 1, true}};

	blk_put_header(h, SLOT(0), VIRTIO_BLK_T_FLUSH, 0);
	driver_add(h, &h->queues[0], chain, 2, 0);
	driver_kick(h, &h->queues[0]);
	ck_assert_uint_eq(op_at(&held[0], 0).type, BLK_OP_SYNC);
	complete(&held[0], 0, -EIO);
	ck_assert_uint_eq(status(0), VIRTIO_BLK_S_IOERR);
}
END_TEST

/* --- durability and zeros ----------------------------------------------------------------------- */

static void offer_zeroes(unsigned int slot, uint32_t type, uint32_t sectors, uint32_t flags)
{
	const struct virtio_blk_discard_write_zeroes raw = {
		.flags = htole32(flags), .num_sectors = htole32(sectors), .sector = htole64(3)};

	mem_write(h, SLOT(slot) + 64, &raw, sizeof(raw));
	offer(0, slot, type, 0, sizeof(raw));
	driver_kick(h, &h->queues[0]);
}

START_TEST(writethrough_writes_are_synchronous)
{
	uint32_t len;

	offer(0, 0, VIRTIO_BLK_T_OUT, 0, 512);
	driver_kick(h, &h->queues[0]);
	ck_assert_int_eq(op_at(&held[0], 0).flags, 0);
	complete(&held[0], 0, ON_DISK);
	/* No FLUSH, no cache. */
	driver_start(h, ALL_BLK & ~FEATURE(VIRTIO_BLK_F_FLUSH));
	offer(0, 1, VIRTIO_BLK_T_OUT, 0, 512);
	driver_kick(h, &h->queues[0]);
	ck_assert_int_eq(op_at(&held[0], 0).flags, RWF_DSYNC);
	complete(&held[0], 0, ON_DISK);
	ck_assert(used(0, &len));
	/* Zeros too: the last operation is a flush. */
	offer_zeroes(2, VIRTIO_BLK_T_WRITE_ZEROES, 8, 0);
	ck_assert_uint_eq(op_at(&held[0], 0).type, BLK_OP_ALLOCATE);
	/* What zeros are made of depends on the file system. */
	while (op_at(&held[0], 0).type != BLK_OP_SYNC)
		complete(&held[0], 0, ON_DISK);
	ck_assert(!used(0, &len));
	complete(&held[0], 0, ON_DISK);
	ck_assert(used(0, &len));
	ck_assert_uint_eq(status(2), VIRTIO_BLK_S_OK);
}
END_TEST

/* What a file system cannot do is done in another way, in the end by writing. */
START_TEST(zeros_where_nothing_helps)
{
	uint8_t zeros[512] = {0}, got[512];
	unsigned int writes = 0;

	offer_zeroes(0, VIRTIO_BLK_T_WRITE_ZEROES, 1000, 1);
	ck_assert(op_at(&held[0], 0).flags & FALLOC_FL_PUNCH_HOLE);
	complete(&held[0], 0, -EOPNOTSUPP);
	ck_assert(op_at(&held[0], 0).flags & FALLOC_FL_ZERO_RANGE);
	complete(&held[0], 0, -EOPNOTSUPP);
	ck_assert_uint_eq(op_at(&held[0], 0).type, BLK_OP_WRITE);
	/* Only a part at first. */
	complete(&held[0], 0, -EINTR);
	virtio_lock(h->dev);
	ck_assert_int_eq(pwrite(h->image, zeros, 512, INT64_C(3) * 512), 512);
	virtio_unlock(h->dev);
	complete(&held[0], 0, 512);
	while (in_flight(&held[0])) {
		complete(&held[0], 0, ON_DISK);
		writes++;
	}
	ck_assert_uint_ge(writes, 1);
	ck_assert_uint_eq(status(0), VIRTIO_BLK_S_OK);
	for (unsigned int i = 0; i < 1000; i++) {
		ck_assert_int_eq(pread(h->image, got, 512, (3 + i) * INT64_C(512)), 512);
		ck_assert_mem_eq(got, zeros, 512);
	}
	sector_pattern(zeros, 1003);
	ck_assert_int_eq(pread(h->image, got, 512, 1003 * INT64_C(512)), 512);
	ck_assert_mem_eq(got, zeros, 512);
	/* A discard that cannot be is none. */
	offer_zeroes(1, VIRTIO_BLK_T_DISCARD, 8, 0);
	complete(&held[0], 0, -EOPNOTSUPP);
	ck_assert_uint_eq(status(1), VIRTIO_BLK_S_UNSUPP);
	offer_zeroes(2, VIRTIO_BLK_T_DISCARD, 8, 0);
	complete(&held[0], 0, -EIO);
	ck_assert_uint_eq(status(2), VIRTIO_BLK_S_IOERR);
}
END_TEST

/* --- the end of things -------------------------------------------------------------------------- */

START_TEST(reset_waits_and_forgets)
{
	uint32_t len;

	for (unsigned int i = 0; i < 8; i++)
		offer(i % 2, i, VIRTIO_BLK_T_IN, i, 512);
	driver_kick(h, &h->queues[0]);
	driver_kick(h, &h->queues[1]);
	reg_write(h, VIRTIO_MMIO_STATUS, 0);
	ck_assert_uint_eq(held[0].waits + held[1].waits, 8);
	ck_assert_uint_eq(in_flight(&held[0]) + in_flight(&held[1]), 0);
	mem_fill(h, SLOT(0), 0x55, 0x8000);
	eventfd_write(held[0].engine.event, 1);
	harness_settle(h);
	for (unsigned int i = 0; i < 0x8000; i += 16)
		ck_assert_uint_eq(mem_byte(h, SLOT(0) + i), 0x55);
	ck_assert_uint_eq(h->irq.count, 0);
	/* All is there for the next driver. */
	driver_start(h, ALL_BLK);
	offer(1, 0, VIRTIO_BLK_T_IN, 5, 512);
	driver_kick(h, &h->queues[1]);
	complete(&held[1], 0, ON_DISK);
	ck_assert(used(1, &len));
	ck_assert_uint_eq(status(0), VIRTIO_BLK_S_OK);
}
END_TEST

START_TEST(queue_reset_leaves_the_other_alone)
{
	uint32_t len;

	driver_start(h, ALL_BLK | FEATURE(VIRTIO_F_RING_RESET));
	for (unsigned int i = 0; i < 4; i++)
		offer(i % 2, i, VIRTIO_BLK_T_OUT, i, 512);
	driver_kick(h, &h->queues[0]);
	driver_kick(h, &h->queues[1]);
	reg_write(h, VIRTIO_MMIO_QUEUE_SEL, 0);
	reg_write(h, 0x0c0, 1); /* QueueReset */
	ck_assert_uint_eq(held[0].waits, 2);
	ck_assert_uint_eq(in_flight(&held[0]), 0);
	ck_assert_uint_eq(in_flight(&held[1]), 2);
	ck_assert(!used(0, &len));
	complete(&held[1], 0, ON_DISK);
	complete(&held[1], 0, ON_DISK);
	ck_assert(used(1, &len) && used(1, &len));
	ck_assert_uint_eq(status(0), 0xee);
	ck_assert_uint_eq(status(1), VIRTIO_BLK_S_OK);
}
END_TEST

/* What comes back to a device that broke meanwhile is not told. */
START_TEST(broken_with_requests_in_flight)
{
	uint32_t len;

	offer(0, 0, VIRTIO_BLK_T_IN, 1, 512);
	driver_kick(h, &h->queues[0]);
	driver_add(h, &h->queues[1], &(struct buffer){SLOT(1), 1, true}, 1, 0);
	driver_kick(h, &h->queues[1]);
	ck_assert(needs_reset(h));
	complete(&held[0], 0, ON_DISK);
	ck_assert(!used(0, &len));
	ck_assert_uint_eq(status(0), 0xee);
	driver_start(h, ALL_BLK);
	offer(0, 0, VIRTIO_BLK_T_IN, 1, 512);
	driver_kick(h, &h->queues[0]);
	complete(&held[0], 0, ON_DISK);
	ck_assert_uint_eq(status(0), VIRTIO_BLK_S_OK);
}
END_TEST

/* The machine's memory is changed: the request keeps what it was made for. */
START_TEST(memory_that_goes_while_in_flight)
{
	const gm_addr at = RAM_END - 4096;
	const struct buffer chain[] = {
		{SLOT(0), 16, false}, {at, 4096, true}, {SLOT(0) + 32, 1, true}};
	struct gm_memory *less;
	uint8_t want[512], got[512];

	blk_put_header(h, SLOT(0), VIRTIO_BLK_T_IN, 8);
	driver_add(h, &h->queues[0], chain, 3, 0);
	driver_kick(h, &h->queues[0]);
	ck_assert_int_eq(gm_memory_remove(h->memory, at, 4096, &less, NULL), 0);
	gm_cell_replace(h->cell, less);
	gm_memory_put(less);
	complete(&held[0], 0, ON_DISK);
	ck_assert_uint_eq(status(0), VIRTIO_BLK_S_OK);
	/* h->memory still has it. */
	mem_read(h, at, got, 512);
	sector_pattern(want, 8);
	ck_assert_mem_eq(got, want, 512);
}
END_TEST

static void add_tests(TCase *tc)
{
	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, writes_are_done_at_once);
	tcase_add_test(tc, slow_writes_are_the_engines);
	tcase_add_test(tc, many_writes_are_the_engines);
	tcase_add_test(tc, a_notification_is_one_batch);
	tcase_add_loop_test(tc, any_order, 0, 2);
	tcase_add_test(tc, short_transfers_go_on);
	tcase_add_test(tc, errors_are_io_errors);
	tcase_add_test(tc, a_flush_that_fails);
	tcase_add_test(tc, writethrough_writes_are_synchronous);
	tcase_add_test(tc, zeros_where_nothing_helps);
	tcase_add_test(tc, reset_waits_and_forgets);
	tcase_add_test(tc, queue_reset_leaves_the_other_alone);
	tcase_add_test(tc, broken_with_requests_in_flight);
	tcase_add_test(tc, memory_that_goes_while_in_flight);
}

Suite *blk_flight_suite(void)
{
	Suite *suite = suite_create("blk_flight");
	TCase *tc = tcase_create("blk_flight");

	add_tests(tc);
	suite_add_tcase(suite, tc);
	tc = tcase_create("blk_flight on packed rings");
	tcase_add_checked_fixture(tc, driver_use_packed, driver_use_split);
	add_tests(tc);
	suite_add_tcase(suite, tc);
	return suite;
}
