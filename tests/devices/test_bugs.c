/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Mistakes that other monitors made, found and mended, as tests: none of them may be made here.
 * Each names the project and the change or advisory that describes it. The numbers are those of the
 * list the tests were made from; 13 is in test_packed.c, and those that every device could have are
 * cases of hostile-*.c too, which runs them on all.
 */
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "devices/barrier.h"
#include "tests/devices/harness.h"
#include "tests/devices/suites.h"

#define SECTORS 16
#define HEADER  (BUFFERS + 0x20000)
#define DATA    (BUFFERS + 0x30000)
#define STATUS  (BUFFERS + 0x50000)

static struct harness harness;
static struct harness *const h = &harness;
static struct driver_queue *const q = &harness.queues[0];

static void set_up(void)
{
	struct cutting pages = cutting_every(4096);

	harness_blk(h, &pages, SECTORS, "");
	cutting_free(&pages);
	driver_start(h, FEATURE(VIRTIO_BLK_F_FLUSH) | FEATURE(VIRTIO_RING_F_INDIRECT_DESC));
}

static void set_up_packed(void)
{
	driver_use_packed();
	set_up();
}

static void tear_down(void)
{
	harness_free(h);
	driver_use_split();
}

static void assert_sector(gm_addr at, uint64_t sector)
{
	uint8_t want[512], got[512];

	sector_pattern(want, sector);
	mem_read(h, at, got, 512);
	ck_assert_mem_eq(got, want, 512);
}

/* Cloud Hypervisor 8767: a data descriptor over two adjacent regions was an I/O error. */
START_TEST(bug01_block_descriptor_over_two_regions)
{
	for (gm_addr before = 1; before <= 512; before += 511) {
		gm_addr at = DATA + 4096 - before;
		uint8_t data[1024];

		ck_assert_uint_eq(blk_request(h, VIRTIO_BLK_T_IN, 2, at, 1024, NULL),
				  VIRTIO_BLK_S_OK);
		assert_sector(at, 2);
		assert_sector(at + 512, 3);
		mem_fill(h, at, 0x42, 1024);
		ck_assert_uint_eq(blk_request(h, VIRTIO_BLK_T_OUT, 8, at, 1024, NULL),
				  VIRTIO_BLK_S_OK);
		ck_assert_int_eq(pread(h->image, data, 1024, 8 * 512), 1024);
		ck_assert_uint_eq(data[0] & data[511] & data[512] & data[1023], 0x42);
	}
}
END_TEST

/* vm-memory 5ae6510: a read that came short at a boundary left a hole and reported success. */
START_TEST(bug02_short_read_at_a_boundary)
{
	const gm_addr at = DATA + 4096 - 512;
	uint32_t len;

	/* The file ends exactly where the first region of the buffer does, then in its second. */
	for (unsigned int more = 0; more <= 100; more += 100) {
		ck_assert_int_eq(ftruncate(h->image, 3 * 512 + more), 0);
		mem_fill(h, at, 0xcc, 1536);
		ck_assert_uint_eq(blk_request(h, VIRTIO_BLK_T_IN, 2, at, 1536, &len),
				  VIRTIO_BLK_S_IOERR);
		ck_assert_uint_eq(len, 512 + more);
		assert_sector(at, 2);
		for (unsigned int i = 512 + more; i < 1536; i++)
			ck_assert_uint_eq(mem_byte(h, at + i), 0xcc);
	}
}
END_TEST

/* Cloud Hypervisor e2b9fa2: the check accepted a span that made the user of it panic. */
START_TEST(bug03_check_and_consumer_agree)
{
	struct gm_memory *less;
	struct buffer chain[] = {{HEADER, 16, false}, {DATA, 3 * 4096, true}, {STATUS, 1, true}};
	uint32_t head, len;

	/* First and last page are there, the one between is not. */
	ck_assert_int_eq(gm_memory_remove(h->memory, DATA + 4096, 4096, &less, NULL), 0);
	gm_cell_replace(h->cell, less);
	blk_put_header(h, HEADER, VIRTIO_BLK_T_IN, 0);
	mem_fill(h, DATA, 0xcc, 1);
	driver_add(h, q, chain, 3, 0);
	driver_kick(h, q);
	ck_assert_uint_eq(mem_byte(h, DATA), 0xcc);
	assert_broken_then_works(h);
	/* A size of zero checks nothing, and uses nothing. */
	blk_put_header(h, HEADER, VIRTIO_BLK_T_FLUSH, 0);
	chain[1] = (struct buffer){DATA + 4096, 0, true};
	driver_add(h, q, chain, 3, 0);
	driver_kick(h, q);
	driver_await(h, q, &head, &len);
	ck_assert_uint_eq(len, 1);
	gm_memory_put(less);
}
END_TEST

/* Cloud Hypervisor 376434a: each descriptor was checked against the end of the disk by itself. */
START_TEST(bug04_many_descriptors_at_the_last_sector)
{
	struct buffer chain[10] = {{HEADER, 16, false}};
	uint32_t head, len;
	uint8_t last[512], want[512];

	blk_put_header(h, HEADER, VIRTIO_BLK_T_OUT, SECTORS - 1);
	mem_fill(h, DATA, 0x99, 8 * 512);
	for (unsigned int i = 0; i < 8; i++)
		chain[1 + i] = (struct buffer){DATA + i * 512, 512, false};
	chain[9] = (struct buffer){STATUS, 1, true};
	driver_add(h, q, chain, 10, 0);
	driver_kick(h, q);
	driver_await(h, q, &head, &len);
	ck_assert_uint_eq(mem_byte(h, STATUS), VIRTIO_BLK_S_IOERR);
	ck_assert_int_eq(lseek(h->image, 0, SEEK_END), SECTORS * 512);
	sector_pattern(want, SECTORS - 1);
	ck_assert_int_eq(pread(h->image, last, 512, (SECTORS - 1) * 512), 512);
	ck_assert_mem_eq(last, want, 512);
}
END_TEST

/* CVE-2026-45782: a head that was in flight could be offered again: use after free. */
START_TEST(bug05_same_head_twice_in_flight)
{
	struct virtq *vq = &h->dev->queues[0];
	struct virtq_chain chain;

	put_desc(h, q->desc, 5, HEADER, 16, 0, 0);
	put_avail(h, q, 5);
	put_avail(h, q, 5);
	ck_assert_int_eq(virtq_pop(vq, h->memory, &chain), 1);
	ck_assert_int_eq(virtq_pop(vq, h->memory, &chain), -1);
	ck_assert_ptr_nonnull(strstr(vq->broken, "in flight"));
	driver_kick(h, q);
	assert_works(h);
	/* Once it is back it may be offered again. */
	put_desc(h, q->desc, 5, HEADER, 16, 0, 0);
	for (unsigned int i = 0; i < 2; i++) {
		put_avail(h, q, 5);
		ck_assert_int_eq(virtq_pop(vq, h->memory, &chain), 1);
		ck_assert_int_eq(virtq_put_used(vq, h->memory, 5, 0), 0);
	}
}
END_TEST

/* Cloud Hypervisor 082fdc4, kvmtool 31e0eac: QueueSel indexed a table unchecked. */
START_TEST(bug06_queue_select_out_of_range)
{
	static const uint32_t absent[] = {1, 2, 63, 64, 65535, 65536, INT32_MAX, UINT32_MAX};

	ck_assert(driver_negotiate(h, VERSION_1));
	for (size_t i = 0; i < sizeof(absent) / sizeof(*absent); i++) {
		reg_write(h, VIRTIO_MMIO_QUEUE_SEL, absent[i]);
		ck_assert_uint_eq(reg_read(h, VIRTIO_MMIO_QUEUE_NUM_MAX), 0);
		for (uint64_t reg = VIRTIO_MMIO_QUEUE_NUM; reg <= VIRTIO_MMIO_QUEUE_USED_HIGH;
		     reg += 4) {
			if (reg != VIRTIO_MMIO_STATUS)
				reg_write(h, reg, absent[i]);
		}
		reg_write(h, VIRTIO_MMIO_QUEUE_READY, 1);
		ck_assert_uint_eq(reg_read(h, VIRTIO_MMIO_QUEUE_READY), 0);
	}
	assert_works(h);
}
END_TEST

/* Cloud Hypervisor 7461143: used.len had the readable bytes in it; strict drivers refuse that. */
START_TEST(bug07_used_length_counts_written_bytes_only)
{
	uint32_t len;

	blk_request(h, VIRTIO_BLK_T_OUT, 0, DATA, 4096, &len);
	ck_assert_uint_eq(len, 1);
	blk_request(h, VIRTIO_BLK_T_IN, 0, DATA, 4096, &len);
	ck_assert_uint_eq(len, 4097);
	blk_request(h, VIRTIO_BLK_T_IN, SECTORS, DATA, 512, &len);
	ck_assert_uint_eq(len, 0);
	blk_request(h, VIRTIO_BLK_T_OUT, SECTORS, DATA, 512, &len);
	ck_assert_uint_eq(len, 1);
}
END_TEST

/*
 * Firecracker 5b99f41 and 1560, crosvm 28ea102, Cloud Hypervisor 2450: the last byte of a region
 * was off by one, in one direction or the other.
 */
START_TEST(bug08_buffer_up_to_the_last_byte)
{
	struct buffer chain[] = {{HEADER, 16, false}, {RAM_END - 512, 512, true}, {STATUS, 1, true}};
	uint32_t head, len;

	blk_put_header(h, HEADER, VIRTIO_BLK_T_IN, 4);
	driver_add(h, q, chain, 3, 0);
	driver_kick(h, q);
	driver_await(h, q, &head, &len);
	ck_assert_uint_eq(mem_byte(h, STATUS), VIRTIO_BLK_S_OK);
	assert_sector(RAM_END - 512, 4);
	/* The same up to a boundary inside RAM, and one byte over it. */
	for (gm_addr over = 0; over < 2; over++) {
		ck_assert_uint_eq(blk_request(h, VIRTIO_BLK_T_IN, 5, DATA + 4096 - 512 + over, 512,
					      NULL),
				  VIRTIO_BLK_S_OK);
		assert_sector(DATA + 4096 - 512 + over, 5);
	}
	/* One byte past the end of RAM. */
	chain[1].addr++;
	driver_add(h, q, chain, 3, 0);
	driver_kick(h, q);
	assert_broken_then_works(h);
}
END_TEST

/* Firecracker 7909c5e, crosvm cc8e94d: only the last byte of a ring was looked up. */
START_TEST(bug09_ring_that_starts_in_a_hole)
{
	static const struct {
		size_t part;
		gm_addr before; /* how far below RAM it starts; its end is inside */
	} starts[] = {
		{offsetof(struct driver_queue, desc), 16},
		{offsetof(struct driver_queue, avail), 2},
		{offsetof(struct driver_queue, used), 4},
	};

	for (size_t i = 0; i < 3; i++) {
		struct driver_queue bad = *q;

		*(gm_addr *)((char *)&bad + starts[i].part) = RAM_BASE - starts[i].before;
		ck_assert(driver_negotiate(h, VERSION_1));
		driver_set_queue(h, &bad);
		ck_assert_uint_eq(reg_read(h, VIRTIO_MMIO_QUEUE_READY), 0);
		ck_assert(needs_reset(h));
		assert_works(h);
	}
}
END_TEST

/* Firecracker 4392a8d: overlapping descriptors made one request an allocation of 4 GiB. */
START_TEST(bug10_overlapping_descriptors_cost_no_memory)
{
	struct buffer chain[64] = {{HEADER, 16, false}};
	struct rusage before, after;
	uint32_t head, len;

	for (unsigned int i = 1; i < 63; i++)
		chain[i] = (struct buffer){RAM_BASE + RING_AREA, RAM_SIZE - RING_AREA, false};
	chain[63] = (struct buffer){STATUS, 1, true};
	mem_fill(h, BUFFERS, 0, RAM_SIZE - RING_AREA);
	blk_put_header(h, HEADER, VIRTIO_BLK_T_OUT, 0);
	ck_assert_int_eq(getrusage(RUSAGE_SELF, &before), 0);
	driver_add(h, q, chain, 64, 0);
	driver_kick(h, q);
	driver_await(h, q, &head, &len);
	ck_assert_int_eq(getrusage(RUSAGE_SELF, &after), 0);
	ck_assert_uint_eq(mem_byte(h, STATUS), VIRTIO_BLK_S_IOERR);
	ck_assert_int_lt(after.ru_maxrss - before.ru_maxrss, 8 * 1024);
	ck_assert_int_eq(lseek(h->image, 0, SEEK_END), SECTORS * 512);
}
END_TEST

/* Whether the page at @addr is dirty. */
static bool dirty(gm_addr addr)
{
	uint64_t offset;
	struct gm_region *region = gm_to_region_addr(h->memory, addr, &offset);

	return gm_bitmap_dirty_at(gm_region_dirty(region), offset);
}

static void clean_all(void)
{
	for (size_t i = 0; i + 1 < gm_memory_count(h->memory); i++)
		gm_bitmap_reset(gm_region_dirty(gm_memory_region(h->memory, i)));
}

/* Firecracker 6d8c306, 046d744: what devices wrote was missing from incremental snapshots. */
START_TEST(bug11_device_writes_are_marked_dirty)
{
	const struct buffer chain[] = {
		{HEADER, 16, false}, {DATA + 8192 - 4608, 4608, true}, {STATUS, 1, true}};

	uint32_t head, len;

	q->used = RAM_BASE + 0x2000;
	driver_start(h, 0);
	driver_add(
		h, q,
		(struct buffer[]){{HEADER, 16, false}, {DATA + 4000, 1024, true}, {STATUS, 1, true}},
		3, 0);
	blk_put_header(h, HEADER, VIRTIO_BLK_T_IN, 0);
	clean_all();
	driver_kick(h, q);
	driver_await(h, q, &head, &len);
	ck_assert_uint_eq(mem_byte(h, STATUS), VIRTIO_BLK_S_OK);
	for (gm_addr page = RAM_BASE; page < RAM_END; page += 4096) {
		bool written =
			page == DATA || page == DATA + 4096 || page == STATUS || page == q->used;

		ck_assert_msg(dirty(page) == written, "page %#llx", (unsigned long long)page);
	}
	/* A buffer that ends with its page leaves the next one clean. */
	driver_add(h, q, chain, 3, 0);
	blk_put_header(h, HEADER, VIRTIO_BLK_T_IN, 0);
	clean_all();
	driver_kick(h, q);
	driver_await(h, q, &head, &len);
	ck_assert(dirty(DATA + 4096));
	ck_assert(!dirty(DATA + 2 * 4096));
}
END_TEST

/* Firecracker 8a7152a: an index ahead by more than the queue is long was a long loop. */
START_TEST(bug12_avail_index_further_ahead_than_the_queue)
{
	put_avail_idx(h, q, (uint16_t)(q->size + 1));
	driver_kick(h, q);
	ck_assert_ptr_nonnull(strstr(h->dev->queues[0].broken, "ahead"));
	assert_broken_then_works(h);
	put_avail_idx(h, q, 0x8000);
	driver_kick(h, q);
	assert_broken_then_works(h);
}
END_TEST

/* --- 14: two threads at one queue, each asleep whenever the other lets it ---------------------- */

#define ROUNDS 70000 /* the indexes wrap, and pass every byte boundary */

struct duel {
	struct harness *h;
	struct virtq vq;
	sem_t kick, interrupt;
	bool failed; /* the device's verdict, for after it ended */
};

static void *device_side(void *arg)
{
	struct duel *duel = arg;
	struct virtq *vq = &duel->vq;
	const struct gm_memory *memory = duel->h->memory;
	struct virtq_chain chain;
	unsigned int served = 0;

	while (served < ROUNDS && !duel->failed) {
		sem_wait(&duel->kick);
		do {
			int ret;

			while ((ret = virtq_pop(vq, memory, &chain)) > 0) {
				/* The descriptor says which round it is for: nothing is stale. */
				duel->failed |= chain.readable_len != 1 + served % 1000;
				served++;
				virtq_put_used(vq, memory, chain.head, 0);
				virtq_publish(vq, memory);
			}
			duel->failed |= ret < 0;
			if (virtq_should_interrupt(vq, memory))
				sem_post(&duel->interrupt);
		} while (virtq_enable_notify(vq, memory));
	}
	return NULL;
}

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

/* Sleep until used.idx is @want. Not being woken in time is the bug. */
static void await_used(struct duel *duel, uint16_t want)
{
	struct timespec deadline;

	clock_gettime(CLOCK_REALTIME, &deadline);
	deadline.tv_sec += 30;
	for (;;) {
		store16(q->avail + 4 + 2ULL * q->size, (uint16_t)(want - 1));
		full_barrier();
		if (load16(q->used + 2) == want)
			return;
		ck_assert_msg(sem_timedwait(&duel->interrupt, &deadline) == 0,
			      "the interrupt for %u was lost", want);
	}
}

/* crosvm 1f47978: avail.idx read in two pieces; kvmtool d7d79bd: a barrier that was missing. */
START_TEST(bug14_no_torn_index_and_no_lost_wakeup)
{
	struct duel duel = {.h = h};
	unsigned int returned = 0;
	pthread_t thread;

	ck_assert_int_eq(virtq_init(&duel.vq, q->size), 0);
	duel.vq.size = q->size;
	duel.vq.desc = q->desc;
	duel.vq.avail = q->avail;
	duel.vq.used = q->used;
	sem_init(&duel.kick, 0, 0);
	sem_init(&duel.interrupt, 0, 0);
	ck_assert_ptr_null(virtq_enable(&duel.vq, h->memory, FEATURE(VIRTIO_RING_F_EVENT_IDX)));
	ck_assert_int_eq(pthread_create(&thread, NULL, device_side, &duel), 0);
	for (unsigned int i = 0; i < ROUNDS; i++) {
		uint16_t slot = i % q->size;

		put_desc(h, q->desc, slot, DATA, 1 + i % 1000, 0, 0);
		store16(q->avail + 4 + 2ULL * slot, slot);
		store16(q->avail + 2, (uint16_t)(i + 1));
		full_barrier();
		if (vring_need_event(load16(q->used + 4 + 8ULL * q->size), (uint16_t)(i + 1),
				     (uint16_t)i))
			sem_post(&duel.kick);
		/* At changing depths, so that both sides sleep and race in every order. */
		if (i + 1 - returned > i / 1000 % q->size || i == ROUNDS - 1) {
			returned = i + 1;
			await_used(&duel, (uint16_t)returned);
		}
	}
	pthread_join(thread, NULL);
	ck_assert(!duel.failed);
	virtq_destroy(&duel.vq);
}
END_TEST

/* kvmtool 52d4ee7, e7e2950: sums of offset and length, and addresses shifted in 32 bits. */
START_TEST(bug15_ranges_and_addresses_beyond_32_bits)
{
	const gm_addr high = UINT64_C(0x540000000);
	const struct gm_region_config config = {.start = high, .size = 0x10000, .dirty_page = 4096};
	struct gm_memory *more, *old = h->memory;
	struct gm_region *region;
	uint8_t data[8];

	for (uint64_t back = 1; back < 20; back++) {
		memset(data, 0xff, sizeof(data));
		virtio_config_read(h->dev, UINT64_MAX - back + 1, data, 8);
		ck_assert_mem_eq(data, "\0\0\0\0\0\0\0", 8);
	}
	ck_assert_int_eq(gm_region_new(&config, &region), 0);
	ck_assert_int_eq(gm_memory_insert(old, region, &more), 0);
	gm_region_put(region);
	gm_cell_replace(h->cell, more);
	gm_memory_put(old);
	h->memory = more;
	driver_place(h, 0, high, 64);
	driver_start(h, 0);
	ck_assert_uint_eq(blk_request(h, VIRTIO_BLK_T_IN, 6, high + 0x8000, 512, NULL),
			  VIRTIO_BLK_S_OK);
	assert_sector(high + 0x8000, 6);
	/* The same addresses without their high half are a hole. */
	q->desc = (uint32_t)high;
	ck_assert(driver_negotiate(h, VERSION_1));
	driver_set_queue(h, q);
	ck_assert(needs_reset(h));
}
END_TEST

/* Firecracker 72e188d: an error after bytes had moved; 34570dc: one byte more than asked for. */
START_TEST(bug16_what_moved_is_what_is_said)
{
	struct rlimit limit = {8 * 512, RLIM_INFINITY};
	struct virtio_stats stats;
	uint32_t len;

	ck_assert(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	ck_assert_uint_eq(blk_request(h, VIRTIO_BLK_T_OUT, 7, DATA, 1024, &len), VIRTIO_BLK_S_IOERR);
	ck_assert_uint_eq(len, 1);
	virtio_device_stats(h->dev, &stats);
	ck_assert_uint_eq(stats.bytes_read, 512);
	mem_fill(h, DATA - 1, 0xcc, 514);
	ck_assert_uint_eq(blk_request(h, VIRTIO_BLK_T_IN, 9, DATA, 512, &len), VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(len, 513);
	ck_assert_uint_eq(mem_byte(h, DATA - 1), 0xcc);
	ck_assert_uint_eq(mem_byte(h, DATA + 512), 0xcc);
	assert_sector(DATA, 9);
}
END_TEST

/* Those that are not about words of the split ring. */
static void add_bugs_of_both_rings(TCase *tc)
{
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, bug01_block_descriptor_over_two_regions);
	tcase_add_test(tc, bug02_short_read_at_a_boundary);
	tcase_add_test(tc, bug03_check_and_consumer_agree);
	tcase_add_test(tc, bug04_many_descriptors_at_the_last_sector);
	tcase_add_test(tc, bug06_queue_select_out_of_range);
	tcase_add_test(tc, bug07_used_length_counts_written_bytes_only);
	tcase_add_test(tc, bug08_buffer_up_to_the_last_byte);
	tcase_add_test(tc, bug10_overlapping_descriptors_cost_no_memory);
	tcase_add_test(tc, bug15_ranges_and_addresses_beyond_32_bits);
	tcase_add_test(tc, bug16_what_moved_is_what_is_said);
}

Suite *bugs_suite(void)
{
	Suite *suite = suite_create("bugs");
	TCase *tc = tcase_create("bugs"), *packed = tcase_create("bugs-packed");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	add_bugs_of_both_rings(tc);
	tcase_add_test(tc, bug05_same_head_twice_in_flight);
	tcase_add_test(tc, bug09_ring_that_starts_in_a_hole);
	tcase_add_test(tc, bug11_device_writes_are_marked_dirty);
	tcase_add_test(tc, bug12_avail_index_further_ahead_than_the_queue);
	tcase_add_test(tc, bug14_no_torn_index_and_no_lost_wakeup);
	suite_add_tcase(suite, tc);
	tcase_add_checked_fixture(packed, set_up_packed, tear_down);
	add_bugs_of_both_rings(packed);
	suite_add_tcase(suite, packed);
	return suite;
}
