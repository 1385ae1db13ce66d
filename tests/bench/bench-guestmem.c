/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * What an access through libguestmem costs, and a chain of a virtqueue. Prints
 *"name<TAB>ns_per_op", the minimum over repetitions, beside a memcpy floor measured in the same
 *run: compare ratios to memcpy_512, not nanoseconds of different machines.
 *
 *	build/bench-guestmem [NAME-PREFIX...]
 *
 * Access rows use 8 regions of 2 GiB; _in is inside a region, _cross2 crosses one boundary, bitmap_
 * tracks dirty pages. vq_ rows take all chains of a split queue of 256 entries without doing I/O,
 * and their unit is one chain. A row is one function with its own loop; the table at the end lists
 *them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <linux/virtio_ring.h>

#include "devices/virtqueue.h"
#include "guestmem/guestmem.h"

#define GIB   (1ULL << 30)
#define ADDRS 1024 /* prepared addresses, a power of two */
#define REPS  60

/* Keep the optimiser from knowing, moving or dropping @value. */
#define HIDE(value) __asm__ volatile("" : "+r"(value) : : "memory")
#define USE(value)  __asm__ volatile("" : : "r"(value) : "memory")

/* What a row works on; made once for each shape of memory. */
struct fixture {
	const struct gm_memory *memory;
	struct gm_cell *cell;
	gm_addr addrs[ADDRS];
	uint64_t base; /* an address inside a region, all of its page touched */
	size_t len;    /* row parameter: bytes, or the length of a range */
	void *buf;
	struct virtq queue;
	unsigned int chains; /* available in it */
};

typedef void row_fn(struct fixture *f, uint64_t n);

/* --- the rows ------------------------------------------------------------------------------- */

static void run_memcpy(struct fixture *f, uint64_t n)
{
	static char target[1 << 17] __attribute__((aligned(4096)));

	for (uint64_t i = 0; i < n; i++) {
		size_t len = f->len;
		char *to = target;

		HIDE(len);
		HIDE(to);
		memcpy(to, f->buf, len);
		USE(to);
	}
}

/* What a copy across a boundary cannot be faster than. */
static void run_memcpy_twice(struct fixture *f, uint64_t n)
{
	static char target[1 << 14] __attribute__((aligned(4096)));

	for (uint64_t i = 0; i < n; i++) {
		size_t len = f->len;
		char *to = target;

		HIDE(len);
		HIDE(to);
		memcpy(to + 4096 - len, f->buf, len);
		memcpy(to + 8192, (char *)f->buf + len, len);
		USE(to);
	}
}

static void run_find_region(struct fixture *f, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++) {
		struct gm_region *region = gm_find_region(f->memory, f->addrs[i % ADDRS]);

		USE(region);
	}
}

static void run_get_host_address(struct fixture *f, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++) {
		void *host = NULL;
		int err = gm_get_host_address(f->memory, f->addrs[i % ADDRS], GM_ACCESS_READ, &host);

		USE(err);
		USE(host);
	}
}

static void run_get_slice(struct fixture *f, uint64_t n)
{
	struct gm_slice slice;

	for (uint64_t i = 0; i < n; i++) {
		int err = gm_get_slice(f->memory, f->addrs[i % ADDRS], f->len, GM_ACCESS_RW, &slice);

		USE(err);
		USE(slice.host);
	}
}

static void run_get_slices_sum(struct fixture *f, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++) {
		struct gm_slice slice;
		struct gm_iter it;
		uint64_t addr = f->base, sum = 0;

		HIDE(addr);
		gm_iter_init(&it, f->memory, addr, f->len, GM_ACCESS_READ);
		while (gm_iter_next(&it, &slice))
			sum += slice.len;
		USE(sum);
	}
}

static void run_check_range(struct fixture *f, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++) {
		uint64_t addr = f->base;
		bool ok;

		HIDE(addr);
		ok = gm_check_range(f->memory, addr, f->len, GM_ACCESS_READ);
		USE(ok);
	}
}

static void run_write_slice(struct fixture *f, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++) {
		size_t len = f->len;
		int err;

		HIDE(len);
		err = gm_write_exact(f->memory, f->base, f->buf, len, NULL);
		USE(err);
	}
}

static void run_read_slice(struct fixture *f, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++) {
		size_t len = f->len;
		int err;

		HIDE(len);
		err = gm_read_exact(f->memory, f->base, f->buf, len, NULL);
		USE(err);
	}
}

/* A type of 96 bytes, as virtio-blk's largest configuration. */
struct obj96 {
	uint64_t words[12];
};

#define DEFINE_OBJ_ROWS(name, type)                                                     \
	static void run_write_obj_##name(struct fixture *f, uint64_t n)                 \
	{                                                                               \
		type value;                                                             \
                                                                                        \
		memset(&value, 1, sizeof(value));                                       \
		for (uint64_t i = 0; i < n; i++) {                                      \
			int err = gm_write_obj(f->memory, f->addrs[i % ADDRS], &value); \
                                                                                        \
			USE(err);                                                       \
		}                                                                       \
	}                                                                               \
                                                                                        \
	static void run_read_obj_##name(struct fixture *f, uint64_t n)                  \
	{                                                                               \
		type value;                                                             \
                                                                                        \
		for (uint64_t i = 0; i < n; i++) {                                      \
			int err = gm_read_obj(f->memory, f->addrs[i % ADDRS], &value);  \
                                                                                        \
			USE(err);                                                       \
			USE(&value);                                                    \
		}                                                                       \
	}

DEFINE_OBJ_ROWS(u64, uint64_t)
DEFINE_OBJ_ROWS(96, struct obj96)

static void run_store_release(struct fixture *f, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++) {
		int err = gm_store_u64(f->memory, f->addrs[i % ADDRS], i, __ATOMIC_RELEASE);

		USE(err);
	}
}

static void run_store_seqcst(struct fixture *f, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++) {
		int err = gm_store_u64(f->memory, f->addrs[i % ADDRS], i, __ATOMIC_SEQ_CST);

		USE(err);
	}
}

static void run_load_acquire(struct fixture *f, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++) {
		uint64_t value;
		int err = gm_load_u64(f->memory, f->addrs[i % ADDRS], &value, __ATOMIC_ACQUIRE);

		USE(err);
		USE(value);
	}
}

static void run_snapshot(struct fixture *f, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++) {
		const struct gm_memory *memory = gm_cell_enter(f->cell);

		USE(memory);
		gm_cell_leave(f->cell);
	}
}

static void run_into_inner(struct fixture *f, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++) {
		struct gm_memory *memory = gm_cell_snapshot(f->cell);

		USE(memory);
		gm_memory_put(memory);
	}
}

static void run_cell_read_obj(struct fixture *f, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++) {
		uint64_t value;
		int err = gm_read_obj(gm_cell_enter(f->cell), f->addrs[i % ADDRS], &value);

		gm_cell_leave(f->cell);
		USE(err);
		USE(value);
	}
}

/* A source and a sink in private memory, as the original's benchmark has them: no system call. */
static void run_read_volatile_from(struct fixture *f, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++) {
		struct gm_buf_reader source = gm_buf_reader(f->buf, f->len);
		ssize_t moved = gm_read_from(f->memory, f->base, f->len, &source.reader);

		USE(moved);
	}
}

static void run_write_volatile_to(struct fixture *f, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++) {
		struct gm_buf_writer sink = gm_buf_writer(f->buf, f->len);
		ssize_t moved = gm_write_to(f->memory, f->base, f->len, &sink.writer);

		USE(moved);
	}
}

/* --- virtqueues ----------------------------------------------------------------------------- */

#define QUEUE_SIZE 256

static void guest_put(const struct gm_memory *memory, gm_addr addr, uint64_t value, size_t len)
{
	if (gm_write_exact(memory, addr, &value, len, NULL))
		abort();
}

/* Fill the queue with chains of f->len descriptors; its parts and buffers in different regions. */
static void make_queue(struct fixture *f, unsigned int regions, uint64_t region_size)
{
	const struct gm_memory *memory = f->memory;
	struct virtq *vq = &f->queue;

	if (virtq_init(vq, QUEUE_SIZE))
		abort();
	vq->size = QUEUE_SIZE;
	vq->desc = 1 % regions * region_size + 0x1000;
	vq->avail = 3 % regions * region_size + 0x3000;
	vq->used = 5 % regions * region_size + 0x5000;
	if (virtq_enable(vq, memory, 0))
		abort();
	f->chains = QUEUE_SIZE / (unsigned int)f->len;
	for (unsigned int i = 0; i < QUEUE_SIZE; i++) {
		bool last = i % f->len == f->len - 1;
		gm_addr buffer = i * 7 % regions * region_size + 0x10000 + i * 512ULL;

		guest_put(memory, vq->desc + 16ULL * i, buffer, 8);
		guest_put(memory, vq->desc + 16ULL * i + 8, 512, 4);
		guest_put(memory, vq->desc + 16ULL * i + 12, last ? 0 : VRING_DESC_F_NEXT, 2);
		guest_put(memory, vq->desc + 16ULL * i + 14, last ? 0 : i + 1, 2);
	}
	for (unsigned int i = 0; i < f->chains; i++)
		guest_put(memory, vq->avail + 4 + 2ULL * i, i * f->len, 2);
	guest_put(memory, vq->avail + 2, f->chains, 2);
}

/* All chains are available once more, and none is in flight. */
static void rewind_queue(struct fixture *f)
{
	struct virtq *vq = &f->queue;

	vq->next_avail = 0;
	vq->seen_avail = 0;
	vq->next_used = 0;
	memset(vq->out, 0, QUEUE_SIZE * sizeof(*vq->out));
}

static void pop_and_iterate(struct fixture *f, struct virtq_chain *chain)
{
	if (virtq_pop(&f->queue, f->memory, chain) <= 0)
		abort();
	for (unsigned int i = 0; i < chain->readable_count; i++) {
		USE(chain->readable[i].addr);
		USE(chain->readable[i].len);
	}
}

static void put_and_publish(struct fixture *f, uint16_t head)
{
	if (virtq_complete(&f->queue, f->memory, head, 512))
		abort();
}

static void run_vq_drain(struct fixture *f, uint64_t n)
{
	for (uint64_t i = 0, left = 0; i < n; i++, left--) {
		struct virtq_chain chain;

		if (left == 0) {
			rewind_queue(f);
			left = f->chains;
		}
		pop_and_iterate(f, &chain);
		put_and_publish(f, chain.head);
	}
}

static void run_vq_pop_iter(struct fixture *f, uint64_t n)
{
	for (uint64_t i = 0, left = 0; i < n; i++, left--) {
		struct virtq_chain chain;

		if (left == 0) {
			rewind_queue(f);
			left = f->chains;
		}
		pop_and_iterate(f, &chain);
	}
}

static void run_vq_add_used(struct fixture *f, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++)
		put_and_publish(f, (uint16_t)(i % QUEUE_SIZE));
}

/* --- the table ------------------------------------------------------------------------------ */

/* Which addresses a row uses. */
enum pattern { SAME, SEQUENTIAL, RANDOM, QUEUED };

struct row {
	const char *name;
	row_fn *run;
	unsigned int regions; /* of how many the memory is made */
	uint64_t region_size;
	bool dirty;           /* tracks dirty pages */
	uint64_t base;        /* for rows with one address */
	size_t len;           /* with a queue: descriptors of a chain */
	enum pattern pattern; /* for rows with prepared addresses */
};

#define BIG 2 * GIB
#define MID \
	(3 * BIG + 0x3540) /* inside region 3; 4 KiB aliasing with the tables is not the subject */
#define CROSS (4 * BIG - 256) /* 512 bytes here are half in region 3, half in 4 */

#define ACCESS(name_, run_, base_, len_)                               \
	{name_, run_, 8, BIG, false, base_, len_, SAME},               \
	{                                                              \
		"bitmap_" name_, run_, 8, BIG, true, base_, len_, SAME \
	}
#define FLOOR(name_, len_)                                           \
	{                                                            \
		name_, run_memcpy, 1, 0x100000, false, 0, len_, SAME \
	}
#define LOOKUP(name_, run_, n_, pattern_)                       \
	{                                                       \
		name_, run_, n_, 0x10000, false, 0, 8, pattern_ \
	}
#define QUEUE(name_, run_, n_, len_)                             \
	{                                                        \
		name_, run_, n_, 1 << 20, false, 0, len_, QUEUED \
	}
#define BITMAP_QUEUE(name_, run_, len_)                        \
	{                                                      \
		name_, run_, 1, 1 << 20, true, 0, len_, QUEUED \
	}
#define RANGE(name_, run_, n_)                                              \
	{                                                                   \
		name_, run_, n_, 0x10000, false, 8, (n_)*0x10000 - 16, SAME \
	}

static const struct row rows[] = {
	FLOOR("memcpy_8", 8),
	FLOOR("memcpy_64", 64),
	FLOOR("memcpy_512", 512),
	{"memcpy_256_twice", run_memcpy_twice, 1, 0x100000, false, 0, 256, SAME},
	FLOOR("memcpy_4096", 4096),
	FLOOR("memcpy_65536", 65536),
	LOOKUP("find_region_4_rand", run_find_region, 4, RANDOM),
	LOOKUP("find_region_4_same", run_find_region, 4, SAME),
	LOOKUP("find_region_256_seq", run_find_region, 256, SEQUENTIAL),
	LOOKUP("find_region_256_rand", run_find_region, 256, RANDOM),
	LOOKUP("find_region_256_same", run_find_region, 256, SAME),
	LOOKUP("find_region_4096_rand", run_find_region, 4096, RANDOM),
	LOOKUP("get_host_address_256_rand", run_get_host_address, 256, RANDOM),
	LOOKUP("read_obj_u64_256_rand", run_read_obj_u64, 256, RANDOM),
	RANGE("get_slices_sum_1reg", run_get_slices_sum, 1),
	RANGE("get_slices_sum_2reg", run_get_slices_sum, 2),
	RANGE("get_slices_sum_16reg", run_get_slices_sum, 16),
	RANGE("check_range_1reg", run_check_range, 1),
	RANGE("check_range_16reg", run_check_range, 16),
	LOOKUP("atomic_memory_snapshot", run_snapshot, 8, SAME),
	LOOKUP("atomic_memory_into_inner", run_into_inner, 8, SAME),
	LOOKUP("atomic_memory_read_obj_u64", run_cell_read_obj, 8, SAME),
	ACCESS("write_slice_8_in", run_write_slice, MID, 8),
	ACCESS("write_slice_64_in", run_write_slice, MID, 64),
	ACCESS("write_slice_512_in", run_write_slice, MID, 512),
	ACCESS("write_slice_4096_in", run_write_slice, MID, 4096),
	ACCESS("write_slice_65536_in", run_write_slice, MID, 65536),
	ACCESS("read_slice_8_in", run_read_slice, MID, 8),
	ACCESS("read_slice_64_in", run_read_slice, MID, 64),
	ACCESS("read_slice_512_in", run_read_slice, MID, 512),
	ACCESS("read_slice_4096_in", run_read_slice, MID, 4096),
	ACCESS("read_slice_65536_in", run_read_slice, MID, 65536),
	ACCESS("write_slice_512_cross2", run_write_slice, CROSS, 512),
	ACCESS("read_slice_512_cross2", run_read_slice, CROSS, 512),
	ACCESS("write_obj_u64", run_write_obj_u64, MID, 8),
	ACCESS("read_obj_u64", run_read_obj_u64, MID, 8),
	ACCESS("write_obj_96", run_write_obj_96, MID, 96),
	ACCESS("read_obj_96", run_read_obj_96, MID, 96),
	ACCESS("store_u64_release", run_store_release, MID, 8),
	ACCESS("store_u64_seqcst", run_store_seqcst, MID, 8),
	ACCESS("load_u64_acquire", run_load_acquire, MID, 8),
	ACCESS("read_volatile_from_512_in", run_read_volatile_from, MID, 512),
	ACCESS("write_volatile_to_512_in", run_write_volatile_to, MID, 512),
	{"get_host_address_8regions", run_get_host_address, 8, BIG, false, 0, 1, RANDOM},
	{"bitmap_get_host_address_8regions", run_get_host_address, 8, BIG, true, 0, 1, RANDOM},
	{"get_slice_512_8regions", run_get_slice, 8, BIG, false, 0, 512, RANDOM},
	{"bitmap_get_slice_512_8regions", run_get_slice, 8, BIG, true, 0, 512, RANDOM},
	QUEUE("vq_drain_chain1_1reg", run_vq_drain, 1, 1),
	QUEUE("vq_pop_iter_chain1_1reg", run_vq_pop_iter, 1, 1),
	QUEUE("vq_drain_chain3_1reg", run_vq_drain, 1, 3),
	QUEUE("vq_pop_iter_chain3_1reg", run_vq_pop_iter, 1, 3),
	QUEUE("vq_add_used_1reg", run_vq_add_used, 1, 1),
	QUEUE("vq_drain_chain1_8reg", run_vq_drain, 8, 1),
	QUEUE("vq_pop_iter_chain1_8reg", run_vq_pop_iter, 8, 1),
	QUEUE("vq_drain_chain3_8reg", run_vq_drain, 8, 3),
	QUEUE("vq_pop_iter_chain3_8reg", run_vq_pop_iter, 8, 3),
	QUEUE("vq_add_used_8reg", run_vq_add_used, 8, 1),
	BITMAP_QUEUE("bitmap_vq_drain_chain1_1reg", run_vq_drain, 1),
	BITMAP_QUEUE("bitmap_vq_pop_iter_chain1_1reg", run_vq_pop_iter, 1),
	BITMAP_QUEUE("bitmap_vq_drain_chain3_1reg", run_vq_drain, 3),
	BITMAP_QUEUE("bitmap_vq_pop_iter_chain3_1reg", run_vq_pop_iter, 3),
	BITMAP_QUEUE("bitmap_vq_add_used_1reg", run_vq_add_used, 1),
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void die(const char *what, int err)
{
	fprintf(stderr, "bench-guestmem: %s: %s\n", what, gm_strerror(err));
	exit(EXIT_FAILURE);
}

static struct gm_memory *make_memory(const struct row *row)
{
	struct gm_region_config *configs = calloc(row->regions, sizeof(*configs));
	struct gm_memory *memory;
	int err;

	if (!configs)
		die("memory", GM_ERR_NO_MEMORY);
	for (unsigned int i = 0; i < row->regions; i++) {
		configs[i].start = i * row->region_size;
		configs[i].size = row->region_size;
		configs[i].flags = GM_REGION_NO_RESERVE | GM_REGION_NO_THP;
		configs[i].dirty_page = row->dirty ? 4096 : 0;
	}
	err = gm_memory_from_configs(configs, row->regions, &memory, NULL);
	if (err)
		die("memory", err);
	free(configs);
	return memory;
}

static void make_addrs(const struct row *row, struct fixture *f)
{
	uint64_t span = row->regions * row->region_size, seed = 12345;

	for (unsigned int i = 0; i < ADDRS; i++) {
		uint64_t at = row->base;

		seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
		if (row->pattern == SEQUENTIAL)
			at = i * (span / ADDRS);
		else if (row->pattern == RANDOM)
			at = (seed >> 11) % (span - 4096) & ~7ULL;
		/* A slice row must not cross: keep it off the last page of a region. */
		if (row->pattern != SAME && at % row->region_size > row->region_size - 4096)
			at -= 4096;
		f->addrs[i] = at;
	}
}

/* The minimum over repetitions of about 300 us each. */
static double measure(const struct row *row, struct fixture *f)
{
	uint64_t n = 16, best = UINT64_MAX, t;

	do {
		n *= 2;
		t = now_ns();
		row->run(f, n);
		t = now_ns() - t;
	} while (t < 300000);
	for (int rep = 0; rep < REPS; rep++) {
		t = now_ns();
		row->run(f, n);
		t = now_ns() - t;
		best = t < best ? t : best;
	}
	return (double)best / (double)n;
}

static bool wanted(const char *name, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (strncmp(name, argv[i], strlen(argv[i])) == 0)
			return true;
	}
	return argc == 1;
}

int main(int argc, char **argv)
{
	static struct fixture fixture;
	char *storage;

	storage = aligned_alloc(4096, 1 << 17);
	if (!storage)
		die("buffer", GM_ERR_NO_MEMORY);
	memset(storage, 0x5a, 1 << 17);
	/* Not at the page offset of any guest buffer: 4 KiB aliasing is not what is measured. */
	fixture.buf = storage + 0x840;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct gm_memory *memory;

		if (!wanted(rows[i].name, argc, argv))
			continue;
		memory = make_memory(&rows[i]);
		fixture.memory = memory;
		fixture.base = rows[i].base;
		fixture.len = rows[i].len;
		make_addrs(&rows[i], &fixture);
		if (gm_cell_new(memory, &fixture.cell))
			die("cell", GM_ERR_NO_MEMORY);
		if (rows[i].pattern == QUEUED)
			make_queue(&fixture, rows[i].regions, rows[i].region_size);
		printf("%s\t%.2f\n", rows[i].name, measure(&rows[i], &fixture));
		fflush(stdout);
		if (rows[i].pattern == QUEUED)
			virtq_destroy(&fixture.queue);
		gm_cell_free(fixture.cell);
		gm_memory_put(memory);
	}
	free(storage);
	return 0;
}
