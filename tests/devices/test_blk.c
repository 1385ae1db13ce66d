/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* virtio-blk: each request type, each limit, each shape a request may have. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/devices/harness.h"
#include "tests/devices/suites.h"

#define SECTORS 64

static struct harness harness;
static struct harness *const h = &harness;

static const char *engine = ""; /* io_uring, where the host lets it */

static void use_threads(void)
{
	engine = ",aio=threads";
}

static void use_default(void)
{
	engine = "";
}

static void set_up(void)
{
	char words[48];
	struct cutting pages = cutting_every(4096);

	snprintf(words, sizeof(words), ",id=serial-0123456789ab%s", engine);
	harness_blk(h, &pages, SECTORS, words);
	cutting_free(&pages);
	driver_start(h, FEATURE(VIRTIO_BLK_F_FLUSH) | FEATURE(VIRTIO_RING_F_INDIRECT_DESC));
}

static void tear_down(void)
{
	harness_free(h);
}

static void assert_sector(gm_addr at, uint64_t sector)
{
	uint8_t want[512], got[512];

	sector_pattern(want, sector);
	mem_read(h, at, got, 512);
	ck_assert_mem_eq(got, want, 512);
}

/* The disk is as harness_blk() made it, but for @except. */
static void assert_disk_untouched(uint64_t except)
{
	uint8_t want[512], got[512];

	for (uint64_t i = 0; i < SECTORS; i++) {
		if (i == except)
			continue;
		sector_pattern(want, i);
		ck_assert_int_eq(pread(h->image, got, 512, (off_t)i * 512), 512);
		ck_assert_mem_eq(got, want, 512);
	}
	ck_assert_int_eq(lseek(h->image, 0, SEEK_END), SECTORS * 512);
}

START_TEST(read_sectors)
{
	uint32_t len;

	ck_assert_uint_eq(blk_request(h, VIRTIO_BLK_T_IN, 5, BUFFERS + 100, 3 * 512, &len),
			  VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(len, 3 * 512 + 1);
	for (unsigned int i = 0; i < 3; i++)
		assert_sector(BUFFERS + 100 + i * 512, 5 + i);
	ck_assert_uint_eq(mem_byte(h, BUFFERS + 99), 0);
	ck_assert_uint_eq(mem_byte(h, BUFFERS + 100 + 3 * 512), 0);
}
END_TEST

START_TEST(read_the_whole_disk_and_no_more)
{
	uint32_t len;

	ck_assert_uint_eq(blk_request(h, VIRTIO_BLK_T_IN, 0, BUFFERS, SECTORS * 512, &len),
			  VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(len, SECTORS * 512 + 1);
	assert_sector(BUFFERS + (SECTORS - 1) * 512, SECTORS - 1);
	ck_assert_uint_eq(blk_request(h, VIRTIO_BLK_T_IN, 0, BUFFERS, (SECTORS + 1) * 512, &len),
			  VIRTIO_BLK_S_IOERR);
	ck_assert_uint_eq(len, 0);
}
END_TEST

START_TEST(write_sectors)
{
	uint8_t data[512];
	uint32_t len;

	mem_fill(h, BUFFERS + 4000, 0xa5, 512);
	ck_assert_uint_eq(blk_request(h, VIRTIO_BLK_T_OUT, 7, BUFFERS + 4000, 512, &len),
			  VIRTIO_BLK_S_OK);
	/* Only the status byte was written to guest memory. */
	ck_assert_uint_eq(len, 1);
	ck_assert_int_eq(pread(h->image, data, 512, 7 * 512), 512);
	for (unsigned int i = 0; i < 512; i++)
		ck_assert_uint_eq(data[i], 0xa5);
	assert_disk_untouched(7);
}
END_TEST

START_TEST(sector_ranges)
{
	static const struct {
		uint64_t sector;
		uint32_t len;
	} bad[] = {
		{SECTORS, 512},
		{SECTORS - 1, 1024},
		{UINT64_MAX, 512},
		{UINT64_MAX / 512, 512},
		{(UINT64_MAX / 512) + 1, 512},
		{UINT64_C(1) << 55, 512},
		{0, 511},
		{0, 513},
		{0, 1},
		{1, 1023},
	};
	static const uint32_t types[] = {VIRTIO_BLK_T_IN, VIRTIO_BLK_T_OUT};

	mem_fill(h, BUFFERS, 0x77, 1024);
	for (size_t t = 0; t < 2; t++) {
		for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
			uint32_t len;

			ck_assert_uint_eq(blk_request(h, types[t], bad[i].sector, BUFFERS,
						      bad[i].len, &len),
					  VIRTIO_BLK_S_IOERR);
			ck_assert_uint_eq(len, types[t] == VIRTIO_BLK_T_OUT);
			ck_assert_uint_eq(mem_byte(h, BUFFERS), 0x77);
		}
	}
	assert_disk_untouched(SECTORS);
	/* Nothing at the end of the disk is nothing, not an error. */
	ck_assert_uint_eq(blk_request(h, VIRTIO_BLK_T_OUT, SECTORS, BUFFERS, 0, NULL),
			  VIRTIO_BLK_S_OK);
	ck_assert(!needs_reset(h));
}
END_TEST

START_TEST(flush_and_unsupported_types)
{
	static const uint32_t unknown[] = {
		2,          3,         5, 7, 9, 10, VIRTIO_BLK_T_DISCARD, VIRTIO_BLK_T_WRITE_ZEROES,
		0x80000000, UINT32_MAX};
	uint32_t len;

	ck_assert_uint_eq(blk_request(h, VIRTIO_BLK_T_FLUSH, 0, 0, 0, &len), VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(len, 1);
	for (size_t i = 0; i < sizeof(unknown) / sizeof(*unknown); i++)
		ck_assert_uint_eq(blk_request(h, unknown[i], 0, BUFFERS, 512, &len),
				  VIRTIO_BLK_S_UNSUPP);
	assert_disk_untouched(SECTORS);
}
END_TEST

START_TEST(get_id)
{
	uint8_t id[24];
	uint32_t len;

	mem_fill(h, BUFFERS, 0xcc, 24);
	ck_assert_uint_eq(blk_request(h, VIRTIO_BLK_T_GET_ID, 0, BUFFERS, 20, &len), VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(len, 21);
	mem_read(h, BUFFERS, id, 24);
	/* 19 characters and one NUL of padding; nothing behind. */
	ck_assert_mem_eq(id, "serial-0123456789ab\0\xcc\xcc\xcc\xcc", 24);
	ck_assert_uint_eq(blk_request(h, VIRTIO_BLK_T_GET_ID, 0, BUFFERS, 6, &len), VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(len, 7);
	/* A larger buffer: the status byte is behind a gap, so it is not counted. */
	ck_assert_uint_eq(blk_request(h, VIRTIO_BLK_T_GET_ID, 0, BUFFERS, 24, &len), VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(len, 20);
}
END_TEST

/* A chain that is cut in every place: header in bytes, data in odd pieces, status with data. */
START_TEST(any_layout)
{
	struct buffer chain[40];
	unsigned int n = 0;
	uint32_t head, len;

	blk_put_header(h, BUFFERS + 4090, VIRTIO_BLK_T_IN, 9);
	for (unsigned int i = 0; i < 16; i++)
		chain[n++] = (struct buffer){BUFFERS + 4090 + i, 1, false};
	chain[n++] = (struct buffer){BUFFERS + 8192, 1, true};
	chain[n++] = (struct buffer){BUFFERS + 8193, 510, true};
	chain[n++] = (struct buffer){BUFFERS + 8192 + 511, 2, true};
	mem_fill(h, BUFFERS + 8192 + 512, 0xee, 1);
	driver_add(h, &h->queues[0], chain, n, 0);
	driver_kick(h, &h->queues[0]);
	driver_await(h, &h->queues[0], &head, &len);
	ck_assert_uint_eq(len, 513);
	assert_sector(BUFFERS + 8192, 9);
	ck_assert_uint_eq(mem_byte(h, BUFFERS + 8192 + 512), VIRTIO_BLK_S_OK);
}
END_TEST

START_TEST(header_and_data_in_one_descriptor)
{
	struct buffer chain[] = {{BUFFERS + 4000, 16 + 512, false}, {BUFFERS, 1, true}};
	uint8_t data[512];
	uint32_t head, len;

	mem_fill(h, BUFFERS + 4016, 0x3c, 512);
	mem_fill(h, BUFFERS, 0xee, 1);
	blk_put_header(h, BUFFERS + 4000, VIRTIO_BLK_T_OUT, 2);
	driver_add(h, &h->queues[0], chain, 2, BUFFERS + 0x3000);
	driver_kick(h, &h->queues[0]);
	driver_await(h, &h->queues[0], &head, &len);
	ck_assert_uint_eq(len, 1);
	ck_assert_uint_eq(mem_byte(h, BUFFERS), VIRTIO_BLK_S_OK);
	ck_assert_int_eq(pread(h->image, data, 512, 2 * 512), 512);
	ck_assert_uint_eq(data[0], 0x3c);
	ck_assert_uint_eq(data[511], 0x3c);
}
END_TEST

START_TEST(a_queue_full_in_one_batch)
{
	struct driver_queue *q = &h->queues[0];
	uint32_t head, len;

	driver_place(h, 0, RAM_BASE, 256);
	driver_start(h, 0);
	for (unsigned int i = 0; i < 64; i++) {
		gm_addr at = BUFFERS + i * 1024;
		struct buffer chain[] = {{at, 16, false}, {at + 64, 512, true}, {at + 600, 1, true}};

		blk_put_header(h, at, VIRTIO_BLK_T_IN, i);
		mem_fill(h, at + 600, 0xee, 1);
		driver_add(h, q, chain, 3, 0);
	}
	driver_kick(h, q);
	for (unsigned int i = 0; i < 64; i++) {
		driver_await(h, q, &head, &len);
		ck_assert_uint_eq(head, i * 3);
		ck_assert_uint_eq(len, 513);
		assert_sector(BUFFERS + i * 1024 + 64, i);
		ck_assert_uint_eq(mem_byte(h, BUFFERS + i * 1024 + 600), 0);
	}
	ck_assert(!driver_used(h, q, &head, &len));
}
END_TEST

START_TEST(read_only_disk)
{
	struct cutting whole = cutting_whole();
	struct harness ro;
	uint32_t len;

	harness_blk(&ro, &whole, 8, ",ro");
	driver_start(&ro, FEATURE(VIRTIO_BLK_F_RO));
	ck_assert(virtio_has_feature(ro.dev, VIRTIO_BLK_F_RO));
	ck_assert_uint_eq(blk_request(&ro, VIRTIO_BLK_T_OUT, 0, BUFFERS, 512, &len),
			  VIRTIO_BLK_S_IOERR);
	ck_assert_uint_eq(blk_request(&ro, VIRTIO_BLK_T_IN, 3, BUFFERS, 512, &len), VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(blk_request(&ro, VIRTIO_BLK_T_FLUSH, 0, 0, 0, &len), VIRTIO_BLK_S_OK);
	harness_free(&ro);
	cutting_free(&whole);
}
END_TEST

/* The file lost its tail: what is left is read, the rest is an error, and both are counted so. */
START_TEST(short_read)
{
	uint32_t len;

	ck_assert_int_eq(ftruncate(h->image, 10 * 512 + 100), 0);
	mem_fill(h, BUFFERS, 0xcc, 2048);
	ck_assert_uint_eq(blk_request(h, VIRTIO_BLK_T_IN, 9, BUFFERS, 1024, &len),
			  VIRTIO_BLK_S_IOERR);
	ck_assert_uint_eq(len, 612);
	assert_sector(BUFFERS, 9);
	ck_assert_uint_eq(mem_byte(h, BUFFERS + 612), 0xcc);
	ck_assert_uint_eq(blk_request(h, VIRTIO_BLK_T_IN, 20, BUFFERS, 512, &len),
			  VIRTIO_BLK_S_IOERR);
	ck_assert_uint_eq(len, 0);
}
END_TEST

START_TEST(write_error)
{
	struct rlimit limit = {8 * 512, RLIM_INFINITY};
	uint32_t len;

	/* The host's refusal to write on: EFBIG after a first part. */
	ck_assert(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
	ck_assert_int_eq(ftruncate(h->image, 4 * 512), 0);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	ck_assert_uint_eq(blk_request(h, VIRTIO_BLK_T_OUT, 6, BUFFERS, 4 * 512, &len),
			  VIRTIO_BLK_S_IOERR);
	ck_assert_uint_eq(len, 1);
	ck_assert(!needs_reset(h));
}
END_TEST

START_TEST(statistics)
{
	struct virtio_stats stats;

	blk_request(h, VIRTIO_BLK_T_IN, 0, BUFFERS + 4096 - 1, 1024, NULL);
	blk_request(h, VIRTIO_BLK_T_OUT, 0, BUFFERS, 512, NULL);
	blk_request(h, VIRTIO_BLK_T_IN, SECTORS, BUFFERS, 512, NULL);
	virtio_device_stats(h->dev, &stats);
	ck_assert_uint_eq(stats.requests, 3);
	ck_assert_uint_eq(stats.errors, 1);
	ck_assert_uint_eq(stats.bytes_written, 1024);
	ck_assert_uint_eq(stats.bytes_read, 512);
	ck_assert_uint_eq(stats.transfers, 9);
	ck_assert_uint_eq(stats.transfers_crossed, 1);
	ck_assert_ptr_nonnull(strstr(h->dev->name, "disk "));
}
END_TEST

START_TEST(configuration)
{
	ck_assert_uint_eq(reg_read(h, VIRTIO_MMIO_CONFIG), SECTORS);
	ck_assert_uint_eq(reg_read(h, VIRTIO_MMIO_CONFIG + 4), 0);
	ck_assert_uint_eq(reg_read(h, VIRTIO_MMIO_CONFIG + 12), 510);
	ck_assert_uint_eq(reg_read(h, VIRTIO_MMIO_CONFIG + 20), 512);
}
END_TEST

/* What knows nothing of rings, for both of them. */
static void add_tests(TCase *tc)
{
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, read_sectors);
	tcase_add_test(tc, read_the_whole_disk_and_no_more);
	tcase_add_test(tc, write_sectors);
	tcase_add_test(tc, sector_ranges);
	tcase_add_test(tc, flush_and_unsupported_types);
	tcase_add_test(tc, get_id);
	tcase_add_test(tc, any_layout);
	tcase_add_test(tc, header_and_data_in_one_descriptor);
	tcase_add_test(tc, a_queue_full_in_one_batch);
	tcase_add_test(tc, read_only_disk);
	tcase_add_test(tc, short_read);
	tcase_add_test(tc, write_error);
	tcase_add_test(tc, statistics);
	tcase_add_test(tc, configuration);
}

Suite *blk_suite(void)
{
	Suite *suite = suite_create("blk");

	/* Either ring, either engine. */
	for (unsigned int i = 0; i < 4; i++) {
		TCase *tc = tcase_create("blk");

		if (i & 1)
			tcase_add_checked_fixture(tc, driver_use_packed, driver_use_split);
		if (i & 2)
			tcase_add_checked_fixture(tc, use_threads, use_default);
		add_tests(tc);
		suite_add_tcase(suite, tc);
	}
	return suite;
}
