/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * virtio-blk on what hosts have: real engines under load, a block device, a file system that is
 * full, memory in thousands of regions.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <unistd.h>

#include "devices/virtio-blk.h"
#include "tests/devices/harness.h"
#include "tests/devices/suites.h"

#define ALL_BLK UINT64_C(0xffff)
#define HEADER  (BUFFERS + 0x10)
#define STATUS  (BUFFERS + 0x80)
#define DATA    (BUFFERS + 0x1000)
/* The same tests on either engine. */
#define ENGINE (_i ? ",aio=threads" : "")

static struct harness harness;
static struct harness *const h = &harness;

static void open_disk(const struct cutting *cutting, const char *path, const char *words)
{
	char args[96];

	snprintf(args, sizeof(args), "%s%s", path, words);
	harness_new(h, cutting, type_named("disk"), args, NULL);
	harness_run(h);
	driver_start(h, ALL_BLK);
}

/* --- memory in pieces ---------------------------------------------------------------------------- */

#define BIG UINT32_C(786432) /* bytes */

/* One descriptor across 4,096 regions and more: several operations, and every byte in its place. */
START_TEST(a_buffer_in_thousands_of_pieces)
{
	struct cutting cutting = cutting_every(_i < 2 ? 256 : 191);
	uint8_t *want = malloc(BIG), *got = malloc(BIG);
	uint32_t len;

	ck_assert(want && got);
	harness_blk(h, &cutting, BIG / 512 + 8, _i % 2 ? ",aio=threads" : "");
	ck_assert_uint_ge(cutting.count, 4096);
	cutting_free(&cutting);
	driver_start(h, ALL_BLK);
	for (unsigned int i = 0; i < BIG; i++)
		want[i] = (uint8_t)(i * 13 + i / 253);
	mem_write(h, BUFFERS + 77, want, BIG);
	ck_assert_uint_eq(blk_request(h, VIRTIO_BLK_T_OUT, 3, BUFFERS + 77, BIG, &len),
			  VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(len, 1);
	ck_assert_int_eq(pread(h->image, got, BIG, INT64_C(3) * 512), BIG);
	ck_assert_mem_eq(got, want, BIG);
	mem_fill(h, BUFFERS + 76, 0xee, BIG + 2);
	ck_assert_uint_eq(blk_request(h, VIRTIO_BLK_T_IN, 3, BUFFERS + 77, BIG, &len),
			  VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(len, BIG + 1);
	mem_read(h, BUFFERS + 77, got, BIG);
	ck_assert_mem_eq(got, want, BIG);
	ck_assert_uint_eq(mem_byte(h, BUFFERS + 76), 0xee);
	ck_assert_uint_eq(mem_byte(h, BUFFERS + 77 + BIG), 0xee);
	free(want);
	free(got);
	harness_free(h);
}
END_TEST

/* --- load ---------------------------------------------------------------------------------------- */

#define QUEUES     4
#define PER_QUEUE  16
#define LEN        4096
#define CELL(q, i) (DATA + ((q)*UINT64_C(16) + (i)) * 0x3000)

static void offer(unsigned int queue, unsigned int i, uint32_t type)
{
	const gm_addr at = CELL(queue, i);
	const struct buffer chain[] = {
		{at, 16, false}, {at + 1000, LEN, type == VIRTIO_BLK_T_IN}, {at + 32, 1, true}};

	blk_put_header(h, at, type, (UINT64_C(1) * queue * PER_QUEUE + i) * (LEN / 512));
	mem_fill(h, at + 32, 0xee, 1);
	driver_add(h, &h->queues[queue], chain, 3, 0);
}

static void fill_all(unsigned int round)
{
	for (unsigned int q = 0; q < QUEUES; q++)
		for (unsigned int i = 0; i < PER_QUEUE; i++)
			mem_fill(h, CELL(q, i) + 1000, (uint8_t)(round * 67 + q * 16 + i), LEN);
}

static void run_all(uint32_t type)
{
	uint32_t head, len;

	for (unsigned int q = 0; q < QUEUES; q++) {
		for (unsigned int i = 0; i < PER_QUEUE; i++)
			offer(q, i, type);
		driver_kick(h, &h->queues[q]);
	}
	for (unsigned int q = 0; q < QUEUES; q++) {
		for (unsigned int i = 0; i < PER_QUEUE; i++)
			driver_await(h, &h->queues[q], &head, &len);
		for (unsigned int i = 0; i < PER_QUEUE; i++)
			ck_assert_uint_eq(mem_byte(h, CELL(q, i) + 32), VIRTIO_BLK_S_OK);
	}
}

static void start_load(int threads)
{
	struct cutting pages = cutting_every(4096);

	harness_blk(h, &pages, QUEUES * PER_QUEUE * LEN / 512,
		    threads ? ",queues=4,aio=threads" : ",queues=4");
	cutting_free(&pages);
	driver_start(h, ALL_BLK | FEATURE(VIRTIO_F_RING_RESET));
}

START_TEST(all_queues_full)
{
	start_load(_i);
	for (unsigned int round = 0; round < 20; round++) {
		fill_all(round);
		run_all(VIRTIO_BLK_T_OUT);
		fill_all(round + 1);
		run_all(VIRTIO_BLK_T_IN);
		for (unsigned int q = 0; q < QUEUES; q++) {
			for (unsigned int i = 0; i < PER_QUEUE; i++) {
				uint8_t want = (uint8_t)(round * 67 + q * 16 + i);

				ck_assert_uint_eq(mem_byte(h, CELL(q, i) + 1000), want);
				ck_assert_uint_eq(mem_byte(h, CELL(q, i) + 1000 + LEN - 1), want);
			}
		}
	}
	harness_free(h);
}
END_TEST

/* Reset at any moment: nothing is written to guest memory behind it. */
START_TEST(resets_under_load)
{
	uint8_t byte;

	start_load(_i);
	for (unsigned int round = 0; round < 60; round++) {
		for (unsigned int q = 0; q < QUEUES; q++) {
			for (unsigned int i = 0; i < PER_QUEUE; i++)
				offer(q, i, VIRTIO_BLK_T_IN);
			driver_kick(h, &h->queues[q]);
		}
		if (round % 2)
			usleep(round * 3);
		reg_write(h, VIRTIO_MMIO_STATUS, 0);
		fill_all(1);
		harness_settle(h);
		for (unsigned int q = 0; q < QUEUES; q++) {
			mem_read(h, CELL(q, 15) + 1000 + LEN - 1, &byte, 1);
			ck_assert_uint_eq(byte, (uint8_t)(67 + q * 16 + 15));
			mem_read(h, CELL(q, 0) + 1000, &byte, 1);
			ck_assert_uint_eq(byte, (uint8_t)(67 + q * 16));
		}
		driver_start(h, ALL_BLK);
	}
	run_all(VIRTIO_BLK_T_IN);
	harness_free(h);
}
END_TEST

START_TEST(removed_under_load)
{
	start_load(_i);
	for (unsigned int q = 0; q < QUEUES; q++) {
		for (unsigned int i = 0; i < PER_QUEUE; i++)
			offer(q, i, i % 2 ? VIRTIO_BLK_T_IN : VIRTIO_BLK_T_OUT);
		driver_kick(h, &h->queues[q]);
	}
	harness_free(h);
}
END_TEST

/* --- a file system that is full -------------------------------------------------------------------- */

START_TEST(no_space_left)
{
	struct cutting whole = cutting_whole();
	char dir[] = "/tmp/test-full-XXXXXX", path[40];
	unsigned int failed = 0;
	int fd;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	if (mount("none", dir, "tmpfs", 0, "size=256k")) {
		rmdir(dir);
		TEST_SKIP("cannot mount");
	}
	snprintf(path, sizeof(path), "%s/image", dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, 1 << 20), 0);
	close(fd);
	open_disk(&whole, path, ENGINE);
	/* Nothing of it is there any more when the test ends, whatever comes. */
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(umount2(dir, MNT_DETACH), 0);
	ck_assert_int_eq(rmdir(dir), 0);
	mem_fill(h, DATA, 0x44, 65536);
	for (unsigned int i = 0; i < 8; i++)
		failed += blk_request(h, VIRTIO_BLK_T_OUT, UINT64_C(128) * i, DATA, 65536, NULL) ==
			  VIRTIO_BLK_S_IOERR;
	ck_assert_uint_ge(failed, 4);
	ck_assert_uint_lt(failed, 8);
	ck_assert(!needs_reset(h));
	ck_assert_uint_eq(blk_request(h, VIRTIO_BLK_T_IN, 0, DATA, 512, NULL), VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(mem_byte(h, DATA), 0x44);
	harness_free(h);
	cutting_free(&whole);
}
END_TEST

/* --- a block device ------------------------------------------------------------------------------- */

/* A loop device on @file with blocks of @block bytes; its path. False: not on this host. */
static bool attach_loop(int file, unsigned int block, char *path, size_t size, int *fd)
{
	struct loop_config config = {
		.fd = (uint32_t)file, .block_size = block, .info.lo_flags = LO_FLAGS_AUTOCLEAR};
	int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC), index;

	if (control < 0)
		return false;
	/* Somebody else may take the free one first. */
	for (unsigned int attempt = 0; attempt < 10; attempt++) {
		index = ioctl(control, LOOP_CTL_GET_FREE);
		snprintf(path, size, "/dev/loop%d", index);
		*fd = index < 0 ? -1 : open(path, O_RDWR | O_CLOEXEC);
		if (*fd >= 0 && ioctl(*fd, LOOP_CONFIGURE, &config) == 0) {
			close(control);
			return true;
		}
		if (*fd >= 0)
			close(*fd);
	}
	close(control);
	return false;
}

START_TEST(a_block_device)
{
	static const char *const words[] = {"", ",aio=threads", ",cache=none",
					    ",cache=none,aio=threads"};
	const unsigned int block = _i % 2 ? 4096 : 512;
	struct cutting pages = cutting_every(4096);
	const struct virtio_blk_discard_write_zeroes zeroes = {.num_sectors = htole32(8),
							       .sector = htole64(16)};
	const struct buffer chain[] = {
		{HEADER, 16, false}, {DATA, sizeof(zeroes), false}, {STATUS, 1, true}};
	int file = memfd_create("blocks", MFD_CLOEXEC), fd;
	struct report report = {0};
	uint32_t head, len;
	char path[32];

	ck_assert_int_eq(ftruncate(file, 1 << 20), 0);
	if (!attach_loop(file, block, path, sizeof(path), &fd)) {
		cutting_free(&pages);
		close(file);
		TEST_SKIP("no loop devices");
	}
	open_disk(&pages, path, words[_i / 2]);
	/* It goes when its last user does. */
	close(fd);
	ck_assert_uint_eq(reg_read(h, VIRTIO_MMIO_CONFIG), (1 << 20) / 512);
	ck_assert_uint_eq(reg_read(h, VIRTIO_MMIO_CONFIG + 20), block);
	/* Direct or not, memory is where the driver has it. */
	mem_fill(h, DATA + 5, 0x66, 16384);
	ck_assert_uint_eq(blk_request(h, VIRTIO_BLK_T_OUT, 8, DATA + 5, 16384, NULL),
			  VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(blk_request(h, VIRTIO_BLK_T_FLUSH, 0, 0, 0, NULL), VIRTIO_BLK_S_OK);
	mem_write(h, DATA, &zeroes, sizeof(zeroes));
	blk_put_header(h, HEADER, VIRTIO_BLK_T_WRITE_ZEROES, 0);
	driver_add(h, &h->queues[0], chain, 3, 0);
	driver_kick(h, &h->queues[0]);
	driver_await(h, &h->queues[0], &head, &len);
	ck_assert_uint_eq(mem_byte(h, STATUS), VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(blk_request(h, VIRTIO_BLK_T_IN, 8, DATA + 4096, 16384, NULL),
			  VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(mem_byte(h, DATA + 4096), 0x66);
	ck_assert_uint_eq(mem_byte(h, DATA + 4096 + 4095), 0x66);
	ck_assert_uint_eq(mem_byte(h, DATA + 4096 + 4096), 0);
	ck_assert_uint_eq(mem_byte(h, DATA + 4096 + 8191), 0);
	ck_assert_uint_eq(mem_byte(h, DATA + 4096 + 8192), 0x66);
	ck_assert_int_eq(virtio_blk_resized(h->dev, &report), 0);
	harness_free(h);
	cutting_free(&pages);
	close(file);
}
END_TEST

Suite *blk_host_suite(void)
{
	Suite *suite = suite_create("blk_host");
	TCase *tc = tcase_create("blk_host");

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, a_buffer_in_thousands_of_pieces, 0, 4);
	tcase_add_loop_test(tc, all_queues_full, 0, 2);
	tcase_add_loop_test(tc, resets_under_load, 0, 2);
	tcase_add_loop_test(tc, removed_under_load, 0, 2);
	tcase_add_loop_test(tc, no_space_left, 0, 2);
	tcase_add_loop_test(tc, a_block_device, 0, 8);
	suite_add_tcase(suite, tc);
	return suite;
}
