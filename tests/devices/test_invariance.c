/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Layout invariance: the same workload, on memory cut differently, leaves the same bytes
 * everywhere: in guest memory with the rings in it (so also each status and used length), in the
 * image, in the counters. A workload is random, and so is each cutting; both follow from the seed
 * that is printed with a difference.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/devices/harness.h"
#include "tests/devices/suites.h"

#define WORKLOADS   1   /* for each ring format */
#define CUTTINGS    200 /* of each workload */
#define BATCHES     12
#define SECTORS     128
#define MAX_BUFFERS 24
#define OUTPUT_MAX  (1 << 20)

/* What a run leaves behind. */
struct outcome {
	uint8_t ram[RAM_SIZE];
	uint8_t output[OUTPUT_MAX]; /* the host side: image, console output */
	size_t output_len;
	struct virtio_stats stats;
	unsigned int interrupts;
};

static struct outcome reference, outcome;

/* Places buffers one behind the other with gaps, all over the area that is cut finest. */
struct placer {
	struct test_random random;
	gm_addr at;
};

static gm_addr place(struct placer *placer, uint64_t len)
{
	gm_addr at = placer->at + test_random_below(&placer->random, 300);

	placer->at = at + len;
	return at;
}

/* [at, at + len) in up to @pieces descriptors, each somewhere else if @scatter. */
static unsigned int split(struct placer *placer, struct buffer *out, uint32_t len, bool write,
			  unsigned int pieces)
{
	unsigned int n = 0;

	while (len) {
		uint32_t piece = len;

		if (n + 1 < pieces)
			piece = (uint32_t)test_random_below(&placer->random, len + 1);
		out[n++] = (struct buffer){place(placer, piece), piece, write};
		len -= piece;
	}
	return n;
}

static void fill_random(struct harness *h, struct placer *placer, const struct buffer *buffer)
{
	uint8_t *data = malloc(buffer->len + 1);

	ck_assert_ptr_nonnull(data);
	for (uint32_t i = 0; i < buffer->len; i++)
		data[i] = (uint8_t)test_random(&placer->random);
	mem_write(h, buffer->addr, data, buffer->len);
	free(data);
}

static void fill_header(struct harness *h, const struct buffer *pieces, unsigned int count,
			uint32_t type, uint64_t sector)
{
	struct {
		gm_le32_t type, reserved;
		gm_le64_t sector;
	} header = {gm_le32(type), gm_le32(0), gm_le64(sector)};
	const uint8_t *bytes = (const uint8_t *)&header;

	for (unsigned int i = 0; i < count; i++) {
		mem_write(h, pieces[i].addr, bytes, pieces[i].len);
		bytes += pieces[i].len;
	}
}

/* Add the chain, half of them through an indirect table anywhere. */
static void add(struct harness *h, struct placer *placer, struct driver_queue *q,
		const struct buffer *chain, unsigned int count)
{
	gm_addr table = 0;

	if (test_random_below(&placer->random, 2))
		table = place(placer, 16ULL * count);
	driver_add(h, q, chain, count, table);
}

/* One random block request: any type, in and out of range, cut anywhere. */
static void add_blk_request(struct harness *h, struct placer *placer, struct driver_queue *q)
{
	static const uint32_t types[] = {VIRTIO_BLK_T_IN,
					 VIRTIO_BLK_T_OUT,
					 VIRTIO_BLK_T_IN,
					 VIRTIO_BLK_T_OUT,
					 VIRTIO_BLK_T_FLUSH,
					 VIRTIO_BLK_T_GET_ID,
					 99};
	uint32_t type = types[test_random_below(&placer->random, 7)];
	uint32_t len = 512 * (uint32_t)test_random_below(&placer->random, 24);
	uint64_t sector = test_random_below(&placer->random, SECTORS + 4);
	struct buffer chain[MAX_BUFFERS];
	unsigned int n, data;

	n = split(placer, chain, 16, false, 1 + test_random_below(&placer->random, 4));
	fill_header(h, chain, n, type, sector);
	data = n;
	if (type == VIRTIO_BLK_T_OUT) {
		n += split(placer, chain + n, len, false, 1 + test_random_below(&placer->random, 6));
		len = 0;
		for (unsigned int i = data; i < n; i++)
			fill_random(h, placer, &chain[i]);
	}
	/* Data and status are one stream, so that the status is behind data in its descriptor. */
	n += split(placer, chain + n, len + 1, true, 1 + test_random_below(&placer->random, 6));
	add(h, placer, q, chain, n);
}

static void drain(struct harness *h, struct driver_queue *q)
{
	uint32_t head, len;

	driver_kick(h, q);
	while (driver_used(h, q, &head, &len))
		;
	ck_assert(!needs_reset(h));
}

/* Rings at random places: tables and used rings then cross boundaries too. */
static void place_rings(struct harness *h, struct placer *placer)
{
	for (unsigned int i = 0; i < h->dev->queue_count; i++) {
		gm_addr at = RAM_BASE + i * (RING_AREA / 2);

		driver_place(h, i, at + 16 * test_random_below(&placer->random, 64), 64);
		h->queues[i].used += 4 * test_random_below(&placer->random, 512);
	}
}

static void collect(struct harness *h, struct outcome *out)
{
	mem_read(h, RAM_BASE, out->ram, RAM_SIZE);
	virtio_device_stats(h->dev, &out->stats);
	out->stats.transfers_crossed = 0;
	out->interrupts = h->irq.count;
}

static uint64_t random_features(struct placer *placer)
{
	return FEATURE(VIRTIO_RING_F_INDIRECT_DESC) |
	       (test_random(&placer->random) & FEATURE(VIRTIO_RING_F_EVENT_IDX));
}

typedef void run_fn(const struct cutting *cutting, struct placer *placer, struct outcome *out);

static void run_blk(const struct cutting *cutting, struct placer *placer, struct outcome *out)
{
	struct harness h;
	ssize_t len;

	harness_blk(&h, cutting, SECTORS, ",id=invariant");
	place_rings(&h, placer);
	driver_start(&h, random_features(placer));
	for (unsigned int batch = 0; batch < BATCHES; batch++) {
		unsigned int requests = 1 + (unsigned int)test_random_below(&placer->random, 3);

		placer->at = BUFFERS;
		while (requests--)
			add_blk_request(&h, placer, &h.queues[0]);
		drain(&h, &h.queues[0]);
	}
	collect(&h, out);
	len = pread(h.image, out->output, OUTPUT_MAX, 0);
	ck_assert_int_eq(len, SECTORS * 512);
	out->output_len = (size_t)len;
	harness_free(&h);
}

/* Whether no 16 bytes of the buffer are still zero. */
static bool no_blank(struct harness *h, const struct buffer *buffer)
{
	uint8_t *data = malloc(buffer->len + 1);
	uint32_t zeros = 0;

	ck_assert_ptr_nonnull(data);
	mem_read(h, buffer->addr, data, buffer->len);
	for (uint32_t i = 0; i < buffer->len && zeros < 16; i++)
		zeros = data[i] ? 0 : zeros + 1;
	free(data);
	return zeros < 16;
}

/* Entropy differs each time: what was filled is checked to be so, and blanked. */
static void run_rng(const struct cutting *cutting, struct placer *placer, struct outcome *out)
{
	struct harness h;

	harness_new(&h, cutting, type_named("rng"), NULL, NULL);
	place_rings(&h, placer);
	driver_start(&h, random_features(placer));
	for (unsigned int batch = 0; batch < BATCHES; batch++) {
		struct buffer chain[MAX_BUFFERS];
		unsigned int n;

		placer->at = BUFFERS;
		n = split(placer, chain, 16 + (uint32_t)test_random_below(&placer->random, 20000),
			  true, 1 + test_random_below(&placer->random, 8));
		for (unsigned int i = 0; i < n; i++)
			mem_fill(&h, chain[i].addr, 0, chain[i].len);
		add(&h, placer, &h.queues[0], chain, n);
		drain(&h, &h.queues[0]);
		for (unsigned int i = 0; i < n; i++) {
			ck_assert(no_blank(&h, &chain[i]));
			mem_fill(&h, chain[i].addr, 0, chain[i].len);
		}
	}
	collect(&h, out);
	out->output_len = 0;
	harness_free(&h);
}

/* Console output to a file. */
static void run_console(const struct cutting *cutting, struct placer *placer, struct outcome *out)
{
	char path[] = "/tmp/test-console-XXXXXX", args[64];
	int fd = mkstemp(path);
	struct harness h;
	ssize_t len;

	ck_assert_int_ge(fd, 0);
	snprintf(args, sizeof(args), "file=%s", path);
	harness_new(&h, cutting, type_named("console"), args, NULL);
	place_rings(&h, placer);
	driver_start(&h, random_features(placer));
	for (unsigned int batch = 0; batch < BATCHES; batch++) {
		struct buffer chain[MAX_BUFFERS];
		unsigned int n;

		placer->at = BUFFERS;
		n = split(placer, chain, 1 + (uint32_t)test_random_below(&placer->random, 20000),
			  false, 1 + test_random_below(&placer->random, 8));
		for (unsigned int i = 0; i < n; i++)
			fill_random(&h, placer, &chain[i]);
		add(&h, placer, &h.queues[1], chain, n);
		drain(&h, &h.queues[1]);
	}
	collect(&h, out);
	harness_free(&h);
	len = pread(fd, out->output, OUTPUT_MAX, 0);
	ck_assert_int_gt(len, 0);
	out->output_len = (size_t)len;
	close(fd);
	unlink(path);
}

static void compare(unsigned int workload, unsigned int round)
{
	size_t i = 0;

	/* Not an assertion a byte: libcheck writes each one down. */
	while (i < RAM_SIZE && outcome.ram[i] == reference.ram[i])
		i++;
	ck_assert_msg(i == RAM_SIZE, "TEST_SEED=%#llx workload %u cutting %u: byte at %#llx differs",
		      (unsigned long long)test_seed(), workload, round,
		      (unsigned long long)(RAM_BASE + i));
	ck_assert_msg(outcome.output_len == reference.output_len &&
			      memcmp(outcome.output, reference.output, outcome.output_len) == 0,
		      "TEST_SEED=%#llx workload %u cutting %u: the host side differs",
		      (unsigned long long)test_seed(), workload, round);
	ck_assert_mem_eq(&outcome.stats, &reference.stats, sizeof(outcome.stats));
	ck_assert_uint_eq(outcome.interrupts, reference.interrupts);
}

static void invariant(run_fn *run)
{
	/* One half of the workloads on split rings, the other on packed ones. */
	for (unsigned int workload = 0; workload < 2 * WORKLOADS; workload++) {
		struct cutting cutting = cutting_whole();
		struct placer placer = {test_random_new(workload), BUFFERS};

		if (workload >= WORKLOADS)
			driver_use_packed();
		run(&cutting, &placer, &reference);
		cutting_free(&cutting);
		for (unsigned int round = 0; round < CUTTINGS; round++) {
			struct test_random random = test_random_new(1000 + workload * 100 + round);

			cutting = cutting_random(&random, round);
			placer = (struct placer){test_random_new(workload), BUFFERS};
			run(&cutting, &placer, &outcome);
			cutting_free(&cutting);
			compare(workload, round);
		}
		driver_use_split();
	}
}

START_TEST(blk_does_not_see_the_cuts)
{
	invariant(run_blk);
}
END_TEST

START_TEST(rng_does_not_see_the_cuts)
{
	invariant(run_rng);
}
END_TEST

START_TEST(console_does_not_see_the_cuts)
{
	invariant(run_console);
}
END_TEST

/* The test above would also pass if nothing were ever cut. */
START_TEST(random_cuttings_do_cut)
{
	static const uint64_t most[] = {64 * 4096, 20001, 701, 65536};

	for (unsigned int round = 0; round < 40; round++) {
		struct test_random random = test_random_new(round);
		struct cutting cutting = cutting_random(&random, round);
		uint64_t sum = 0;

		for (size_t i = 0; i < cutting.count; i++) {
			ck_assert_uint_ge(cutting.sizes[i], 1);
			sum += cutting.sizes[i];
		}
		ck_assert_uint_eq(sum, RAM_SIZE);
		ck_assert_uint_ge(cutting.count, RAM_SIZE / most[round % 4] / 2);
		cutting_free(&cutting);
	}
}
END_TEST

Suite *invariance_suite(void)
{
	Suite *suite = suite_create("invariance");
	TCase *tc = tcase_create("invariance");

	/* Thousands of mappings for each cutting, and slower still under a sanitizer. */
	tcase_set_timeout(tc, 300);
	tcase_add_test(tc, blk_does_not_see_the_cuts);
	tcase_add_test(tc, rng_does_not_see_the_cuts);
	tcase_add_test(tc, console_does_not_see_the_cuts);
	tcase_add_test(tc, random_cuttings_do_cut);
	suite_add_tcase(suite, tc);
	return suite;
}
