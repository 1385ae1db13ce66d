/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Disk requests through a queue of virtio-blk, on a file in the page cache, beside a bare program
 *that makes the same calls on plain memory: io_uring with one io_uring_enter for each batch, preadv
 *and pwritev. Guest memory is one region, then 4,096. Everything is on one thread, as in the
 *monitor's loop: the driver's part is to make requests available and to look for used ones.
 *
 *	[BENCH_STATS=1] build/bench-blk [NAME-PREFIX...]
 *
 * Prints "name<TAB>ns a request<TAB>bare<TAB>bare / ours<TAB>one region / 4,096 regions"; each is
 *the minimum over repetitions in turn, so that all of a row had the same machine.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#ifdef HAVE_LIBURING
#include <liburing.h>
#endif
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include "devices/devices.h"
#include "devices/virtio-blk.h"
#include "devices/virtio-meter.h"

#define RAM_BASE  UINT64_C(0x10000000)
#define RAM_SIZE  (UINT64_C(64) << 20)
#define RING      RAM_BASE
#define AVAIL     (RING + UINT64_C(16) * QUEUE)
#define USED      (RING + 0x4000)
#define HEADERS   (RING + 0x8000)
#define STATUSES  (RING + 0xc000)
#define DATA      (RAM_BASE + (UINT64_C(1) << 20))
#define QUEUE     128
#define DEPTH_MAX 32
#define REPS      25
#define FILE_SIZE ((size_t)DEPTH_MAX << 20)

/* One each for the device on one region, on many, and the bare program: a disk has one writer. */
enum { ONE, MANY, BARE, FILES };
static int files[FILES];
static uint8_t *plain; /* what the bare program reads into and writes from */

static void die(const char *what)
{
	fprintf(stderr, "bench-blk: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

struct row {
	const char *name;
	bool uring;
	bool write;
	size_t len;
	unsigned int depth;
};

/* Requests walk through the file. */
static uint64_t next(uint64_t *at, const struct row *row)
{
	uint64_t now_at = *at;

	*at = (*at + row->len) % FILE_SIZE;
	return now_at;
}

/* --- the device -------------------------------------------------------------------------------- */

struct machine {
	struct gm_memory *memory;
	struct gm_cell *cell;
	struct loop *loop;
	struct virtio_device *dev;
	struct virtio_transport transport;
	struct pollfd event;
	bool counts;  /* the event is an eventfd */
	uint16_t idx; /* of avail and of used: a batch is awaited before the next */
	uint64_t at;  /* in the file */
};

static void no_interrupt(struct virtio_transport *transport, uint32_t cause, unsigned int queue)
{
	(void)queue;
	(void)transport, (void)cause;
}

static void no_again(struct virtio_transport *transport, unsigned int index)
{
	(void)transport, (void)index;
}

static void put(struct machine *m, gm_addr at, const void *data, size_t len)
{
	if (gm_write_exact(m->memory, at, data, len, NULL))
		die("guest memory");
}

/* One chain of three descriptors for each request of the batch; where it goes to is said later. */
static void put_chains(struct machine *m, const struct row *row)
{
	for (unsigned int i = 0; i < row->depth; i++) {
		const struct virtio_blk_outhdr header = {
			.type = htole32(row->write ? VIRTIO_BLK_T_OUT : VIRTIO_BLK_T_IN)};
		const struct vring_desc desc[] = {
			{HEADERS + UINT64_C(16) * i, 16, VRING_DESC_F_NEXT, (uint16_t)(3 * i + 1)},
			{DATA + i * row->len, (uint32_t)row->len,
			 VRING_DESC_F_NEXT | (row->write ? 0 : VRING_DESC_F_WRITE),
			 (uint16_t)(3 * i + 2)},
			{STATUSES + i, 1, VRING_DESC_F_WRITE, 0}};

		put(m, HEADERS + UINT64_C(16) * i, &header, sizeof(header));
		put(m, RING + UINT64_C(48) * i, desc, sizeof(desc));
	}
}

static void bring_up(struct machine *m)
{
	static const uint8_t steps[] = {VIRTIO_CONFIG_S_ACKNOWLEDGE, VIRTIO_CONFIG_S_DRIVER,
					VIRTIO_CONFIG_S_FEATURES_OK, VIRTIO_CONFIG_S_DRIVER_OK};
	struct virtq *vq;
	const struct blk_engine *engine;
	uint8_t status = 0;

	virtio_lock(m->dev);
	for (size_t i = 0; i < sizeof(steps); i++) {
		if (steps[i] == VIRTIO_CONFIG_S_FEATURES_OK) {
			virtio_set_driver_features(m->dev, 0, 1U << VIRTIO_BLK_F_FLUSH);
			virtio_set_driver_features(m->dev, 1, 1U << (VIRTIO_F_VERSION_1 - 32));
		}
		if (steps[i] == VIRTIO_CONFIG_S_DRIVER_OK) {
			vq = virtio_queue_setup(m->dev, 0);
			vq->size = QUEUE;
			vq->desc = RING;
			vq->avail = AVAIL;
			vq->used = USED;
			virtio_queue_set_ready(m->dev, 0, true);
		}
		virtio_set_status(m->dev, status |= steps[i]);
	}
	if (!virtio_is_live(m->dev) || !m->dev->queues[0].ready)
		die("the device does not start");
	virtio_unlock(m->dev);
	engine = ((struct blk *)m->dev)->queues[0].engine;
	m->counts = engine->ready < 0;
	m->event = (struct pollfd){.fd = m->counts ? engine->event : engine->ready, .events = POLLIN};
}

static const struct device_type *disk_type(void)
{
	const struct device_type *const *type = device_types;

	while (strcmp((*type)->name, "disk") != 0)
		type++;
	return *type;
}

static void machine_new(struct machine *m, const struct row *row, int file, unsigned int regions)
{
	struct gm_range *ranges = calloc(regions, sizeof(*ranges));
	struct report report;
	char args[80];

	*m = (struct machine){.transport = {no_interrupt, no_again}, .loop = loop_new()};
	if (!ranges || !m->loop)
		die("memory");
	for (unsigned int i = 0; i < regions; i++)
		ranges[i] = (struct gm_range){RAM_BASE + RAM_SIZE / regions * i, RAM_SIZE / regions};
	if (gm_memory_from_ranges(ranges, regions, 0, &m->memory, NULL) ||
	    gm_cell_new(m->memory, &m->cell))
		die("guest memory");
	free(ranges);
	/* Touched before it is measured. */
	for (gm_addr at = RAM_BASE; at < RAM_BASE + RAM_SIZE; at += 4096)
		put(m, at, "", 1);
	snprintf(args, sizeof(args), "/proc/self/fd/%d,aio=%s", file,
		 row->uring ? "io_uring" : "threads");
	if (disk_type()->create("--disk", args, m->loop, &m->dev, &report)) {
		fprintf(stderr, "bench-blk: %s\n", report.text);
		exit(1);
	}
	/* As --stats has it. */
	if (getenv("BENCH_STATS") && virtio_measure(m->dev))
		die("memory");
	virtio_device_attach(m->dev, m->cell, &m->transport);
	bring_up(m);
	put_chains(m, row);
}

static void machine_free(struct machine *m)
{
	virtio_device_free(m->dev);
	loop_free(m->loop);
	gm_cell_free(m->cell);
	gm_memory_put(m->memory);
}

static void notify(struct machine *m)
{
	virtio_lock(m->dev);
	virtio_queue_notify(m->dev, 0);
	virtio_unlock(m->dev);
}

static bool all_used(struct machine *m)
{
	uint16_t used;

	if (gm_load_u16(m->memory, USED + 2, &used, __ATOMIC_ACQUIRE))
		die("used ring");
	return le16toh(used) == m->idx;
}

static void run_ours(struct machine *m, const struct row *row)
{
	for (unsigned int i = 0; i < row->depth; i++, m->idx++) {
		gm_store_u64(m->memory, HEADERS + UINT64_C(16) * i + 8,
			     htole64(next(&m->at, row) / IMAGE_SECTOR), __ATOMIC_RELAXED);
		gm_store_u16(m->memory, AVAIL + 4 + UINT64_C(2) * (m->idx % QUEUE),
			     htole16((uint16_t)(3 * i)), __ATOMIC_RELAXED);
	}
	gm_store_u16(m->memory, AVAIL + 2, htole16(m->idx), __ATOMIC_RELEASE);
	notify(m);
	while (!all_used(m)) {
		uint64_t count;

		/* What the loop does when the engine rings. */
		if (poll(&m->event, 1, -1) < 0 ||
		    (m->counts && read(m->event.fd, &count, sizeof(count)) != (ssize_t)sizeof(count)))
			die("event");
		notify(m);
	}
}

/* --- the bare programs ---------------------------------------------------------------------------- */

static uint64_t bare_at;

static void run_calls(const struct row *row)
{
	for (unsigned int i = 0; i < row->depth; i++) {
		struct iovec iov = {plain + i * row->len, row->len};
		off_t at = (off_t)next(&bare_at, row);
		ssize_t n = row->write ? pwritev(files[BARE], &iov, 1, at)
				       : preadv(files[BARE], &iov, 1, at);

		if (n != (ssize_t)row->len)
			die("bare");
	}
}

#ifdef HAVE_LIBURING
static struct io_uring ring;

static bool open_ring(void)
{
	return io_uring_queue_init(BLK_QUEUE_SIZE, &ring, 0) == 0 &&
	       io_uring_register_files(&ring, &files[BARE], 1) == 0;
}

static void run_ring(const struct row *row)
{
	struct iovec iov[DEPTH_MAX];
	struct io_uring_cqe *cqe;
	unsigned int head, count = 0;

	for (unsigned int i = 0; i < row->depth; i++) {
		struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

		iov[i] = (struct iovec){plain + i * row->len, row->len};
		if (row->write)
			io_uring_prep_writev(sqe, 0, &iov[i], 1, next(&bare_at, row));
		else
			io_uring_prep_readv(sqe, 0, &iov[i], 1, next(&bare_at, row));
		sqe->flags |= IOSQE_FIXED_FILE;
	}
	if (io_uring_submit_and_wait(&ring, row->depth) < 0)
		die("bare io_uring");
	io_uring_for_each_cqe(&ring, head, cqe)
	{
		if (cqe->res != (int)row->len)
			die("bare io_uring");
		count++;
	}
	io_uring_cq_advance(&ring, count);
}
#else
static bool open_ring(void)
{
	return false;
}

static void run_ring(const struct row *row)
{
	(void)row;
}
#endif

static void run_bare(const struct row *row)
{
	if (row->uring)
		run_ring(row);
	else
		run_calls(row);
}

/* --- rows ----------------------------------------------------------------------------------------- */

/* clang-format off */
static const struct row rows[] = {
	{"uring_read_4k_depth1", true, false, 4096, 1},
	{"uring_read_4k_depth32", true, false, 4096, 32},
	{"uring_read_1m_depth1", true, false, 1 << 20, 1},
	{"uring_read_1m_depth32", true, false, 1 << 20, 32},
	{"uring_write_4k_depth1", true, true, 4096, 1},
	{"uring_write_4k_depth32", true, true, 4096, 32},
	{"uring_write_1m_depth1", true, true, 1 << 20, 1},
	{"uring_write_1m_depth32", true, true, 1 << 20, 32},
	{"threads_read_4k_depth1", false, false, 4096, 1},
	{"threads_read_4k_depth32", false, false, 4096, 32},
	{"threads_read_1m_depth1", false, false, 1 << 20, 1},
	{"threads_read_1m_depth32", false, false, 1 << 20, 32},
	{"threads_write_4k_depth1", false, true, 4096, 1},
	{"threads_write_4k_depth32", false, true, 4096, 32},
	{"threads_write_1m_depth1", false, true, 1 << 20, 1},
	{"threads_write_1m_depth32", false, true, 1 << 20, 32},
};
/* clang-format on */

static void shorten(double *best, uint64_t start, uint64_t requests)
{
	double ns = (double)(now() - start) / (double)requests;

	if (*best == 0 || ns < *best)
		*best = ns;
}

static void measure(const struct row *row)
{
	unsigned int rounds = (row->len > 4096 ? 64 : 2048) / row->depth;
	const uint64_t requests = (uint64_t)rounds * row->depth;
	double one = 0, many = 0, bare = 0;
	struct machine machines[2];

	bare_at = 0;
	machine_new(&machines[ONE], row, files[ONE], 1);
	machine_new(&machines[MANY], row, files[MANY], 4096);
	for (unsigned int rep = 0; rep < REPS; rep++) {
		uint64_t start = now();

		for (unsigned int i = 0; i < rounds; i++)
			run_ours(&machines[ONE], row);
		shorten(&one, start, requests);
		start = now();
		for (unsigned int i = 0; i < rounds; i++)
			run_ours(&machines[MANY], row);
		shorten(&many, start, requests);
		start = now();
		for (unsigned int i = 0; i < rounds; i++)
			run_bare(row);
		shorten(&bare, start, requests);
	}
	machine_free(&machines[ONE]);
	machine_free(&machines[MANY]);
	printf("%s\t%.0f\t%.0f\t%.2f\t%.2f\n", row->name, one, bare, bare / one, one / many);
	fflush(stdout);
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
	bool uring;

	/* Regions smaller than a huge page could have none: it is not the host's paging that counts. */
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	plain = mmap(NULL, FILE_SIZE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (plain == MAP_FAILED)
		die("memory");
	for (unsigned int i = 0; i < FILES; i++) {
		char path[] = "bench-blk-XXXXXX";

		files[i] = mkstemp(path);
		if (files[i] < 0 || unlink(path) < 0 ||
		    pwrite(files[i], plain, FILE_SIZE, 0) != (ssize_t)FILE_SIZE)
			die(path);
	}
	uring = open_ring();
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		if (wanted(rows[i].name, argc, argv) && (uring || !rows[i].uring))
			measure(&rows[i]);
	}
	return 0;
}
