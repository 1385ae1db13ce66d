/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * virtio-blk beyond reading and writing: what the options and features change, one by one, on
 * images in files that have a path (test_blk.c has the requests every disk knows).
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "devices/virtio-blk.h"
#include "tests/devices/harness.h"
#include "tests/devices/suites.h"

#define SECTORS INT64_C(2048)
#define HEADER  (BUFFERS + 0x10)
#define STATUS  (BUFFERS + 0x80)
#define DATA    (BUFFERS + 0x1000)
#define ALL_BLK UINT64_C(0xffff) /* every feature bit a disk has */
#define UNMAP   1

static struct harness h;
static char path[] = "/tmp/test-blk-XXXXXX";
static int file;

static void set_up(void)
{
	file = mkstemp(path);
	ck_assert_int_ge(file, 0);
	ck_assert_int_eq(ftruncate(file, SECTORS * 512), 0);
}

static void tear_down(void)
{
	if (h.mmio)
		harness_free(&h);
	close(file);
	unlink(path);
}

/* A disk on the file, with memory in pages and every feature taken but @without. */
static void start(const char *words, uint64_t without)
{
	struct cutting pages = cutting_every(4096);
	char args[80];

	snprintf(args, sizeof(args), "%s%s", path, words);
	harness_new(&h, &pages, type_named("disk"), args, NULL);
	cutting_free(&pages);
	harness_run(&h);
	driver_start(&h, ALL_BLK & ~without);
}

/* A request on queue @queue with @len bytes at @data, to be read or written by the device. */
static uint8_t request_on(unsigned int queue, uint32_t type, uint64_t sector, gm_addr data,
			  uint32_t len)
{
	bool in = type == VIRTIO_BLK_T_IN || type == VIRTIO_BLK_T_GET_ID ||
		  type == VIRTIO_BLK_T_GET_LIFETIME;
	struct buffer chain[3] = {{HEADER, 16, false}};
	struct driver_queue *q = &h.queues[queue];
	unsigned int count = 1;
	uint32_t head, used;

	blk_put_header(&h, HEADER, type, sector);
	mem_fill(&h, STATUS, 0xee, 1);
	if (len)
		chain[count++] = (struct buffer){data, len, in};
	chain[count++] = (struct buffer){STATUS, 1, true};
	driver_add(&h, q, chain, count, 0);
	driver_kick(&h, q);
	driver_await(&h, q, &head, &used);
	return mem_byte(&h, STATUS);
}

static uint8_t request(uint32_t type, uint64_t sector, gm_addr data, uint32_t len)
{
	return request_on(0, type, sector, data, len);
}

static struct virtio_blk_config config(void)
{
	struct virtio_blk_config now;

	for (size_t i = 0; i < sizeof(now); i++)
		virtio_mmio_bus_ops.read(h.mmio, VIRTIO_MMIO_CONFIG + i, (uint8_t *)&now + i, 1);
	return now;
}

static bool offered(unsigned int bit)
{
	return h.dev->offered >> bit & 1;
}

/* --- discard and write zeroes ------------------------------------------------------------------ */

/* One segment. */
static uint8_t segment(uint32_t type, uint64_t sector, uint32_t sectors, uint32_t flags)
{
	const struct virtio_blk_discard_write_zeroes raw = {
		.flags = htole32(flags), .num_sectors = htole32(sectors), .sector = htole64(sector)};

	mem_write(&h, DATA + 4090, &raw, sizeof(raw));
	return request(type, 0, DATA + 4090, sizeof(raw));
}

/* The file is full of 0xab. */
static void fill_file(void)
{
	uint8_t data[4096];

	memset(data, 0xab, sizeof(data));
	for (unsigned int i = 0; i < SECTORS / 8; i++)
		ck_assert_int_eq(pwrite(file, data, sizeof(data), i * INT64_C(4096)), 4096);
	ck_assert_int_eq(fsync(file), 0);
}

/* Bytes [first, end) of sectors are @byte, those on either side are 0xab. */
static void assert_sectors(unsigned int first, unsigned int end, uint8_t byte)
{
	uint8_t data[512];

	for (unsigned int i = first ? first - 1 : 0; i < SECTORS && i <= end; i++) {
		ck_assert_int_eq(pread(file, data, 512, i * INT64_C(512)), 512);
		for (unsigned int k = 0; k < 512; k++)
			ck_assert_uint_eq(data[k], i >= first && i < end ? byte : 0xab);
	}
}

static uint64_t allocated(void)
{
	struct stat st;

	ck_assert_int_eq(fstat(file, &st), 0);
	return (uint64_t)st.st_blocks * 512;
}

START_TEST(discard_gives_the_space_back)
{
	uint64_t before;

	fill_file();
	start("", 0);
	if (!offered(VIRTIO_BLK_F_DISCARD))
		TEST_SKIP("the file system of /tmp has no holes");
	before = allocated();
	ck_assert_uint_eq(segment(VIRTIO_BLK_T_DISCARD, 64, 512, 0), VIRTIO_BLK_S_OK);
	ck_assert_uint_le(allocated(), before - UINT64_C(512) * 512);
	assert_sectors(64, 64 + 512, 0);
	ck_assert_int_eq(lseek(file, 0, SEEK_END), SECTORS * 512);
}
END_TEST

START_TEST(write_zeroes_with_and_without_unmap)
{
	uint64_t before;

	fill_file();
	start("", 0);
	before = allocated();
	/* Odd sectors, so that neither end is a block of the file system. */
	ck_assert_uint_eq(segment(VIRTIO_BLK_T_WRITE_ZEROES, 3, 1001, 0), VIRTIO_BLK_S_OK);
	assert_sectors(3, 1004, 0);
	ck_assert_uint_ge(allocated(), before);
	fill_file();
	ck_assert_uint_eq(segment(VIRTIO_BLK_T_WRITE_ZEROES, 3, 1001, UNMAP), VIRTIO_BLK_S_OK);
	assert_sectors(3, 1004, 0);
	if (offered(VIRTIO_BLK_F_DISCARD))
		ck_assert_uint_lt(allocated(), before);
	/* Nothing is nothing. */
	ck_assert_uint_eq(segment(VIRTIO_BLK_T_WRITE_ZEROES, 2000, 0, 0), VIRTIO_BLK_S_OK);
}
END_TEST

START_TEST(several_segments)
{
	struct virtio_blk_discard_write_zeroes raw[BLK_SEGMENTS_MAX + 1];

	fill_file();
	start("", 0);
	for (unsigned int i = 0; i <= BLK_SEGMENTS_MAX; i++)
		raw[i] = (struct virtio_blk_discard_write_zeroes){
			.num_sectors = htole32(i % 3), .sector = htole64(i * UINT64_C(8))};
	mem_write(&h, DATA, raw, sizeof(raw));
	/* One more than the configuration says: nothing happens. */
	ck_assert_uint_eq(request(VIRTIO_BLK_T_WRITE_ZEROES, 0, DATA, sizeof(raw)),
			  VIRTIO_BLK_S_IOERR);
	assert_sectors(0, 0, 0);
	ck_assert_uint_eq(request(VIRTIO_BLK_T_WRITE_ZEROES, 0, DATA, sizeof(raw) - sizeof(*raw)),
			  VIRTIO_BLK_S_OK);
	for (unsigned int i = 0; i < BLK_SEGMENTS_MAX; i++)
		assert_sectors(i * 8, i * 8 + i % 3, 0);
	/* If the last of them is wrong, the first has no effect either. */
	fill_file();
	raw[BLK_SEGMENTS_MAX - 1].sector = htole64(SECTORS);
	raw[BLK_SEGMENTS_MAX - 1].num_sectors = htole32(1);
	mem_write(&h, DATA, raw, sizeof(raw));
	ck_assert_uint_eq(request(VIRTIO_BLK_T_WRITE_ZEROES, 0, DATA, sizeof(raw) - sizeof(*raw)),
			  VIRTIO_BLK_S_IOERR);
	assert_sectors(0, SECTORS, 0xab);
}
END_TEST

START_TEST(segments_that_are_refused)
{
	static const struct {
		uint64_t sector;
		uint32_t sectors, flags;
		uint8_t discard, zero;
	} cases[] = {
		{SECTORS, 1, 0, VIRTIO_BLK_S_IOERR, VIRTIO_BLK_S_IOERR},
		{SECTORS - 8, 9, 0, VIRTIO_BLK_S_IOERR, VIRTIO_BLK_S_IOERR},
		{UINT64_MAX, 2, 0, VIRTIO_BLK_S_IOERR, VIRTIO_BLK_S_IOERR},
		{0, BLK_SEGMENT_SECTORS_MAX + 1, 0, VIRTIO_BLK_S_IOERR, VIRTIO_BLK_S_IOERR},
		{0, 8, 2, VIRTIO_BLK_S_UNSUPP, VIRTIO_BLK_S_UNSUPP},
		{0, 8, 0x80000001, VIRTIO_BLK_S_UNSUPP, VIRTIO_BLK_S_UNSUPP},
	};

	fill_file();
	start("", 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		if (offered(VIRTIO_BLK_F_DISCARD))
			ck_assert_uint_eq(segment(VIRTIO_BLK_T_DISCARD, cases[i].sector,
						  cases[i].sectors, cases[i].flags),
					  cases[i].discard);
		ck_assert_uint_eq(segment(VIRTIO_BLK_T_WRITE_ZEROES, cases[i].sector,
					  cases[i].sectors, cases[i].flags),
				  cases[i].zero);
	}
	/* A discard has no unmap flag. */
	if (offered(VIRTIO_BLK_F_DISCARD))
		ck_assert_uint_eq(segment(VIRTIO_BLK_T_DISCARD, 0, 8, UNMAP), VIRTIO_BLK_S_UNSUPP);
	ck_assert_uint_eq(request(VIRTIO_BLK_T_WRITE_ZEROES, 0, DATA, 0), VIRTIO_BLK_S_IOERR);
	ck_assert_uint_eq(request(VIRTIO_BLK_T_WRITE_ZEROES, 0, DATA, 17), VIRTIO_BLK_S_IOERR);
	assert_sectors(0, SECTORS, 0xab);
}
END_TEST

START_TEST(without_the_features)
{
	fill_file();
	start("", FEATURE(VIRTIO_BLK_F_DISCARD) | FEATURE(VIRTIO_BLK_F_WRITE_ZEROES) |
			  FEATURE(VIRTIO_BLK_F_LIFETIME));
	ck_assert_uint_eq(segment(VIRTIO_BLK_T_DISCARD, 0, 8, 0), VIRTIO_BLK_S_UNSUPP);
	ck_assert_uint_eq(segment(VIRTIO_BLK_T_WRITE_ZEROES, 0, 8, 0), VIRTIO_BLK_S_UNSUPP);
	ck_assert_uint_eq(request(VIRTIO_BLK_T_GET_LIFETIME, 0, DATA, 6), VIRTIO_BLK_S_UNSUPP);
	assert_sectors(0, SECTORS, 0xab);
	harness_free(&h);
	start(",discard=off", 0);
	ck_assert(!offered(VIRTIO_BLK_F_DISCARD));
	ck_assert_uint_eq(config().write_zeroes_may_unmap, 0);
	/* The unmap flag is a wish. */
	ck_assert_uint_eq(segment(VIRTIO_BLK_T_WRITE_ZEROES, 8, 1024, UNMAP), VIRTIO_BLK_S_OK);
	assert_sectors(8, 1032, 0);
	ck_assert_uint_ge(allocated(), SECTORS * 512);
	harness_free(&h);
	start(",ro", 0);
	ck_assert(!offered(VIRTIO_BLK_F_DISCARD) && !offered(VIRTIO_BLK_F_WRITE_ZEROES) &&
		  !offered(VIRTIO_BLK_F_CONFIG_WCE));
	ck_assert_uint_eq(segment(VIRTIO_BLK_T_WRITE_ZEROES, 0, 8, 0), VIRTIO_BLK_S_UNSUPP);
}
END_TEST

START_TEST(a_sparse_file_stays_sparse)
{
	start("", 0);
	mem_fill(&h, DATA, 0x11, 4096);
	ck_assert_uint_eq(request(VIRTIO_BLK_T_OUT, 1024, DATA, 4096), VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(request(VIRTIO_BLK_T_IN, 0, DATA, 65536), VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(request(VIRTIO_BLK_T_FLUSH, 0, 0, 0), VIRTIO_BLK_S_OK);
	ck_assert_uint_le(allocated(), 65536);
}
END_TEST

/* --- cache modes ------------------------------------------------------------------------------- */

static bool writethrough(void)
{
	bool result;

	virtio_lock(h.dev);
	result = blk_is_writethrough((struct blk *)h.dev);
	virtio_unlock(h.dev);
	return result;
}

static void write_wce(uint8_t value)
{
	virtio_mmio_bus_ops.write(
		h.mmio, VIRTIO_MMIO_CONFIG + offsetof(struct virtio_blk_config, wce), &value, 1);
}

START_TEST(cache_follows_option_features_and_driver)
{
	start("", 0);
	ck_assert_uint_eq(config().wce, 1);
	ck_assert(!writethrough());
	write_wce(0);
	ck_assert(writethrough());
	ck_assert_uint_eq(config().wce, 0);
	write_wce(7);
	ck_assert_uint_eq(config().wce, 0);
	write_wce(1);
	ck_assert(!writethrough());
	write_wce(0);
	/* A reset makes it as it was. */
	driver_start(&h, ALL_BLK);
	ck_assert(!writethrough());
	/* A driver that cannot flush has no cache (5.2.6.2), until it says it wants one. */
	driver_start(&h, ALL_BLK & ~(FEATURE(VIRTIO_BLK_F_FLUSH) | FEATURE(VIRTIO_BLK_F_CONFIG_WCE)));
	ck_assert(writethrough());
	write_wce(1);
	ck_assert(writethrough());
	driver_start(&h, ALL_BLK & ~FEATURE(VIRTIO_BLK_F_FLUSH));
	ck_assert_uint_eq(config().wce, 0);
	ck_assert(writethrough());
	driver_start(&h, ALL_BLK & ~FEATURE(VIRTIO_BLK_F_CONFIG_WCE));
	ck_assert(!writethrough());
	harness_free(&h);
	start(",cache=writethrough", 0);
	ck_assert_uint_eq(config().wce, 0);
	ck_assert(writethrough());
	mem_fill(&h, DATA, 0x22, 4096);
	ck_assert_uint_eq(request(VIRTIO_BLK_T_OUT, 8, DATA, 4096), VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(segment(VIRTIO_BLK_T_WRITE_ZEROES, 9, 2, 0), VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(request(VIRTIO_BLK_T_IN, 8, DATA, 4096), VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(mem_byte(&h, DATA + 511), 0x22);
	ck_assert_uint_eq(mem_byte(&h, DATA + 512), 0);
	ck_assert_uint_eq(mem_byte(&h, DATA + 1536), 0x22);
}
END_TEST

/* Whether files in /tmp can be read past the page cache. */
static bool direct_io(void)
{
	int fd = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* Direct I/O into and out of memory that it cannot use, more of it than is copied at once. */
START_TEST(direct_with_any_memory)
{
	const gm_addr addrs[] = {DATA, DATA + 1, DATA + 511, DATA + 512, DATA + 4095};
	static uint8_t want[0x28000], got[0x28000];
	const uint32_t len = sizeof(want);

	if (!direct_io())
		TEST_SKIP("no direct I/O in /tmp");
	start(_i ? ",cache=none,aio=threads" : ",cache=none", 0);
	ck_assert(!writethrough());
	for (size_t i = 0; i < sizeof(addrs) / sizeof(*addrs); i++) {
		for (uint32_t k = 0; k < len; k++)
			want[k] = (uint8_t)(k * 7 + k / 511 + i);
		mem_write(&h, addrs[i], want, len);
		ck_assert_uint_eq(request(VIRTIO_BLK_T_OUT, 8 * i, addrs[i], len), VIRTIO_BLK_S_OK);
		ck_assert_int_eq(pread(file, got, len, (off_t)(4096 * i)), len);
		ck_assert_mem_eq(got, want, len);
		mem_fill(&h, addrs[i], 0, len);
		ck_assert_uint_eq(request(VIRTIO_BLK_T_IN, 8 * i, addrs[i], len), VIRTIO_BLK_S_OK);
		mem_read(&h, addrs[i], got, len);
		ck_assert_mem_eq(got, want, len);
	}
}
END_TEST

/* More requests that need a copy than there are copies: the rest of them wait for one. */
START_TEST(direct_with_few_copies)
{
	struct driver_queue *q = &h.queues[0];
	uint32_t head, len;

	if (!direct_io())
		TEST_SKIP("no direct I/O in /tmp");
	fill_file();
	start(_i ? ",cache=none,aio=threads" : ",cache=none", 0);
	driver_place(&h, 0, RAM_BASE, 256);
	driver_start(&h, ALL_BLK);
	for (unsigned int i = 0; i < 3 * BLK_BOUNCE_MAX; i++) {
		const gm_addr at = DATA + i * UINT64_C(0x2000) + 3;
		const struct buffer chain[] = {
			{at, 16, false}, {at + 16, 4096, true}, {at + 4112, 1, true}};

		blk_put_header(&h, at, VIRTIO_BLK_T_IN, UINT64_C(8) * i);
		mem_fill(&h, at + 4112, 0xee, 1);
		driver_add(&h, q, chain, 3, 0);
	}
	driver_kick(&h, q);
	for (unsigned int i = 0; i < 3 * BLK_BOUNCE_MAX; i++) {
		driver_await(&h, q, &head, &len);
		ck_assert_uint_eq(len, 4097);
	}
	for (unsigned int i = 0; i < 3 * BLK_BOUNCE_MAX; i++) {
		const gm_addr at = DATA + i * UINT64_C(0x2000) + 3;

		ck_assert_uint_eq(mem_byte(&h, at + 16), 0xab);
		ck_assert_uint_eq(mem_byte(&h, at + 4111), 0xab);
		ck_assert_uint_eq(mem_byte(&h, at + 4112), VIRTIO_BLK_S_OK);
	}
}
END_TEST

/* --- sizes ------------------------------------------------------------------------------------- */

START_TEST(the_configuration)
{
	struct virtio_blk_config c;

	start(",queues=3", 0);
	c = config();
	ck_assert_uint_eq(le64toh(c.capacity), SECTORS);
	ck_assert_uint_eq(le32toh(c.size_max), 4 << 20);
	ck_assert_uint_eq(le32toh(c.seg_max), 510);
	ck_assert_uint_eq(le32toh(c.blk_size), 512);
	ck_assert_uint_eq(le16toh(c.num_queues), 3);
	ck_assert_uint_eq(le32toh(c.max_write_zeroes_seg), BLK_SEGMENTS_MAX);
	ck_assert_uint_eq(le32toh(c.max_write_zeroes_sectors), BLK_SEGMENT_SECTORS_MAX);
	ck_assert(offered(VIRTIO_BLK_F_MQ) && offered(VIRTIO_BLK_F_SIZE_MAX) &&
		  offered(VIRTIO_BLK_F_SEG_MAX) && offered(VIRTIO_BLK_F_TOPOLOGY));
	if (offered(VIRTIO_BLK_F_DISCARD)) {
		ck_assert_uint_eq(le32toh(c.max_discard_seg), BLK_SEGMENTS_MAX);
		ck_assert_uint_eq(le32toh(c.max_discard_sectors), BLK_SEGMENT_SECTORS_MAX);
		ck_assert_uint_eq(le32toh(c.discard_sector_alignment), 1U << c.physical_block_exp);
	}
	ck_assert_uint_ge(le16toh(c.min_io_size), 1U << c.physical_block_exp);
	harness_free(&h);
	start("", 0);
	ck_assert(!offered(VIRTIO_BLK_F_MQ));
	ck_assert_uint_eq(config().physical_block_exp, 3);
}
END_TEST

START_TEST(blocks_of_4096)
{
	start(",block=4096", 0);
	ck_assert_uint_eq(le32toh(config().blk_size), 4096);
	ck_assert_uint_eq(config().physical_block_exp, 0);
	ck_assert_uint_eq(le64toh(config().capacity), SECTORS);
	mem_fill(&h, DATA, 0x33, 8192);
	ck_assert_uint_eq(request(VIRTIO_BLK_T_OUT, 8, DATA, 8192), VIRTIO_BLK_S_OK);
	/* A position or length that is not one of blocks. */
	ck_assert_uint_eq(request(VIRTIO_BLK_T_OUT, 9, DATA, 4096), VIRTIO_BLK_S_IOERR);
	ck_assert_uint_eq(request(VIRTIO_BLK_T_IN, 8, DATA, 512), VIRTIO_BLK_S_IOERR);
	ck_assert_uint_eq(segment(VIRTIO_BLK_T_WRITE_ZEROES, 8, 1, 0), VIRTIO_BLK_S_IOERR);
	ck_assert_uint_eq(segment(VIRTIO_BLK_T_WRITE_ZEROES, 8, 8, 0), VIRTIO_BLK_S_OK);
}
END_TEST

START_TEST(every_queue_works)
{
	start(",queues=16", 0);
	for (unsigned int i = 0; i < HARNESS_QUEUES; i++) {
		driver_place(&h, i, driver_ring_area(i), 16);
		ck_assert_uint_eq(h.dev->queues[i].max_size, BLK_QUEUE_SIZE);
	}
	driver_start(&h, ALL_BLK);
	for (unsigned int i = 0; i < HARNESS_QUEUES; i++) {
		mem_fill(&h, DATA, (uint8_t)(i + 1), 512);
		ck_assert_uint_eq(request_on(i, VIRTIO_BLK_T_OUT, i, DATA, 512), VIRTIO_BLK_S_OK);
		ck_assert_uint_eq(request_on(HARNESS_QUEUES - 1 - i, VIRTIO_BLK_T_IN, i, DATA + 512,
					     512),
				  VIRTIO_BLK_S_OK);
		ck_assert_uint_eq(mem_byte(&h, DATA + 1023), i + 1);
	}
}
END_TEST

START_TEST(resize)
{
	struct report report = {0};
	uint32_t generation;

	fill_file();
	start("", 0);
	generation = reg_read(&h, VIRTIO_MMIO_CONFIG_GENERATION);
	/* The same size is no change. */
	ck_assert_int_eq(virtio_blk_resized(h.dev, &report), 0);
	ck_assert_uint_eq(reg_read(&h, VIRTIO_MMIO_CONFIG_GENERATION), generation);
	ck_assert_int_eq(ftruncate(file, 2 * SECTORS * 512), 0);
	ck_assert_uint_eq(request(VIRTIO_BLK_T_IN, SECTORS, DATA, 512), VIRTIO_BLK_S_IOERR);
	ck_assert_int_eq(virtio_blk_resized(h.dev, &report), 0);
	ck_assert_uint_ne(reg_read(&h, VIRTIO_MMIO_CONFIG_GENERATION), generation);
	ck_assert(reg_read(&h, VIRTIO_MMIO_INTERRUPT_STATUS) & VIRTIO_MMIO_INT_CONFIG);
	ck_assert_uint_eq(le64toh(config().capacity), 2 * SECTORS);
	ck_assert_uint_eq(request(VIRTIO_BLK_T_IN, 2 * SECTORS - 1, DATA, 512), VIRTIO_BLK_S_OK);
	ck_assert_int_eq(ftruncate(file, INT64_C(100) * 512), 0);
	ck_assert_int_eq(virtio_blk_resized(h.dev, &report), 0);
	ck_assert_uint_eq(le64toh(config().capacity), 100);
	ck_assert_uint_eq(request(VIRTIO_BLK_T_OUT, 100, DATA, 512), VIRTIO_BLK_S_IOERR);
	ck_assert_int_eq(lseek(file, 0, SEEK_END), INT64_C(100) * 512);
	/* What no disk can have changes nothing. */
	ck_assert_int_eq(ftruncate(file, 1000), 0);
	ck_assert_int_eq(virtio_blk_resized(h.dev, &report), -1);
	ck_assert_ptr_nonnull(strstr(report.text, "1000 bytes"));
	ck_assert_int_eq(ftruncate(file, 0), 0);
	ck_assert_int_eq(virtio_blk_resized(h.dev, &report), -1);
	ck_assert_uint_eq(le64toh(config().capacity), 100);
}
END_TEST

/* --- lifetime ---------------------------------------------------------------------------------- */

START_TEST(lifetime)
{
	uint16_t said[4] = {0xffff, 0xffff, 0xffff, 0xffff};

	start("", 0);
	mem_write(&h, DATA, said, sizeof(said));
	ck_assert_uint_eq(request(VIRTIO_BLK_T_GET_LIFETIME, 0, DATA, 6), VIRTIO_BLK_S_OK);
	mem_read(&h, DATA, said, sizeof(said));
	/* A file does not wear out in a way anybody knows. */
	ck_assert_uint_eq(said[0] | said[1] | said[2], 0);
	ck_assert_uint_eq(said[3], 0xffff);
	ck_assert_uint_eq(request(VIRTIO_BLK_T_GET_LIFETIME, 0, DATA, 5), VIRTIO_BLK_S_IOERR);
}
END_TEST

static void write_text(const char *dir, const char *name, const char *text)
{
	char at[64];
	FILE *out;

	snprintf(at, sizeof(at), "%s/%s", dir, name);
	out = fopen(at, "we");
	ck_assert_ptr_nonnull(out);
	fputs(text, out);
	fclose(out);
}

START_TEST(lifetime_of_an_emmc)
{
	char dir[] = "/tmp/test-emmc-XXXXXX", command[64];
	struct image_lifetime found;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	found = image_read_lifetime(dir);
	ck_assert_uint_eq(found.pre_eol | found.type_a | found.type_b, 0);
	write_text(dir, "life_time", "0x02 0x0b\n");
	write_text(dir, "pre_eol_info", "0x01\n");
	found = image_read_lifetime(dir);
	snprintf(command, sizeof(command), "%s/life_time", dir);
	unlink(command);
	snprintf(command, sizeof(command), "%s/pre_eol_info", dir);
	unlink(command);
	ck_assert_int_eq(rmdir(dir), 0);
	ck_assert_uint_eq(found.pre_eol, 1);
	ck_assert_uint_eq(found.type_a, 2);
	ck_assert_uint_eq(found.type_b, 11);
}
END_TEST

static void add_tests(TCase *tc)
{
	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, discard_gives_the_space_back);
	tcase_add_test(tc, write_zeroes_with_and_without_unmap);
	tcase_add_test(tc, several_segments);
	tcase_add_test(tc, segments_that_are_refused);
	tcase_add_test(tc, without_the_features);
	tcase_add_test(tc, a_sparse_file_stays_sparse);
	tcase_add_test(tc, cache_follows_option_features_and_driver);
	tcase_add_loop_test(tc, direct_with_any_memory, 0, 2);
	tcase_add_loop_test(tc, direct_with_few_copies, 0, 2);
	tcase_add_test(tc, the_configuration);
	tcase_add_test(tc, blocks_of_4096);
	tcase_add_test(tc, every_queue_works);
	tcase_add_test(tc, resize);
	tcase_add_test(tc, lifetime);
	tcase_add_test(tc, lifetime_of_an_emmc);
}

Suite *blk_features_suite(void)
{
	Suite *suite = suite_create("blk_features");
	TCase *tc = tcase_create("blk_features");

	add_tests(tc);
	suite_add_tcase(suite, tc);
	tc = tcase_create("blk_features on packed rings");
	tcase_add_checked_fixture(tc, driver_use_packed, driver_use_split);
	add_tests(tc);
	suite_add_tcase(suite, tc);
	return suite;
}
