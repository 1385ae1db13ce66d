/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The scatter-gather cursor: one stream of bytes whatever it is cut into, and vectored calls on it. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/uio.h>

#include "tests/guestmem/fixture.h"
#include "tests/guestmem/suites.h"

/* Two regions that touch at PAGE, one behind a hole. */
static struct gm_memory *make_cut_memory(void)
{
	return make_memory(0, PAGE, PAGE, PAGE, 4 * PAGE, PAGE);
}

/* Over the boundary, nothing, the far one backwards, one byte. */
static const struct gm_range ranges[] = {
	{PAGE - 100, 200}, {77, 0}, {4 * PAGE + 50, 50}, {4 * PAGE, 50}, {10, 1},
};
#define LIST_LEN 301

static struct gm_sg make_sg(const struct gm_memory *memory, enum gm_access access)
{
	struct gm_sg sg;

	ck_assert_int_eq(gm_sg_init(&sg, memory, ranges, ARRAY_LEN(ranges), access), 0);
	ck_assert_uint_eq(gm_sg_left(&sg), LIST_LEN);
	return sg;
}

static void fill(uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)(i * 7 + 1);
}

/* The bytes of the list, read range by range. */
static void read_list(const struct gm_memory *memory, uint8_t *bytes)
{
	for (size_t i = 0; i < ARRAY_LEN(ranges); i++) {
		ck_assert_int_eq(gm_read_exact(memory, ranges[i].addr, bytes, ranges[i].len, NULL),
				 0);
		bytes += ranges[i].len;
	}
}

START_TEST(is_one_stream)
{
	struct gm_memory *memory = make_cut_memory();
	struct test_random random = test_random_new(6);
	uint8_t data[LIST_LEN], back[LIST_LEN];
	struct gm_sg sg = make_sg(memory, GM_ACCESS_WRITE);

	fill(data, LIST_LEN);
	for (size_t done = 0, n; done < LIST_LEN; done += n) {
		n = test_random_below(&random, 60);
		n = n < LIST_LEN - done ? n : LIST_LEN - done;
		ck_assert_int_eq(gm_sg_write(&sg, data + done, n), 0);
		ck_assert_uint_eq(gm_sg_left(&sg), LIST_LEN - done - n);
	}
	read_list(memory, back);
	ck_assert_mem_eq(back, data, LIST_LEN);
	sg = make_sg(memory, GM_ACCESS_READ);
	memset(back, 0, LIST_LEN);
	for (size_t done = 0, n; done < LIST_LEN; done += n) {
		n = test_random_below(&random, 60);
		n = n < LIST_LEN - done ? n : LIST_LEN - done;
		ck_assert_int_eq(gm_sg_read(&sg, back + done, n), 0);
	}
	ck_assert_mem_eq(back, data, LIST_LEN);
	/* More than there is moves nothing. */
	ck_assert_int_eq(gm_sg_read(&sg, back, 1), GM_ERR_PARTIAL);
	sg = make_sg(memory, GM_ACCESS_READ);
	ck_assert_int_eq(gm_sg_read(&sg, data, LIST_LEN + 1), GM_ERR_PARTIAL);
	ck_assert_uint_eq(gm_sg_left(&sg), LIST_LEN);
	gm_memory_put(memory);
}
END_TEST

START_TEST(skips_and_takes)
{
	struct gm_memory *memory = make_cut_memory();
	uint8_t data[LIST_LEN], back[LIST_LEN];
	struct gm_sg sg = make_sg(memory, GM_ACCESS_RW), head;

	fill(data, LIST_LEN);
	head = sg;
	ck_assert_int_eq(gm_sg_write(&head, data, LIST_LEN), 0);
	ck_assert_uint_eq(gm_sg_skip(&sg, 90), 90);
	head = gm_sg_take(&sg, 120);
	ck_assert_uint_eq(gm_sg_left(&head), 120);
	ck_assert_uint_eq(gm_sg_left(&sg), LIST_LEN - 210);
	ck_assert_int_eq(gm_sg_read(&head, back, 120), 0);
	ck_assert_mem_eq(back, data + 90, 120);
	ck_assert_int_eq(gm_sg_read(&head, back, 1), GM_ERR_PARTIAL);
	ck_assert_int_eq(gm_sg_read(&sg, back, LIST_LEN - 210), 0);
	ck_assert_mem_eq(back, data + 210, LIST_LEN - 210);
	ck_assert_uint_eq(gm_sg_skip(&sg, 5), 0);
	head = gm_sg_take(&sg, 5);
	ck_assert_uint_eq(gm_sg_left(&head), 0);
	gm_memory_put(memory);
}
END_TEST

START_TEST(lengths_that_overflow_are_refused)
{
	struct gm_memory *memory = make_cut_memory();
	struct gm_range big[] = {{0, INT64_MAX}, {0, 1}, {0, UINT64_MAX}};
	struct gm_sg sg;

	ck_assert_int_eq(gm_sg_init(&sg, memory, big, 1, GM_ACCESS_READ), 0);
	ck_assert(!gm_sg_check(&sg));
	ck_assert_int_eq(gm_sg_init(&sg, memory, big, 2, GM_ACCESS_READ), GM_ERR_ADDRESS_OVERFLOW);
	ck_assert_int_eq(gm_sg_init(&sg, memory, big + 1, 2, GM_ACCESS_READ),
			 GM_ERR_ADDRESS_OVERFLOW);
	ck_assert_int_eq(gm_sg_init(&sg, memory, NULL, 0, GM_ACCESS_READ), 0);
	ck_assert_uint_eq(gm_sg_left(&sg), 0);
	ck_assert(gm_sg_check(&sg));
	gm_memory_put(memory);
}
END_TEST

START_TEST(stops_at_what_is_not_there)
{
	struct gm_memory *memory = make_cut_memory();
	struct gm_range list[] = {{0, 10}, {2 * PAGE - 5, 10}, {0, 10}};
	struct gm_range wraps[] = {{UINT64_MAX - 1, 10}};
	struct iovec iov[8];
	struct gm_sg sg;
	uint8_t data[30] = {0};
	uint64_t bytes;

	ck_assert_int_eq(gm_sg_init(&sg, memory, list, 3, GM_ACCESS_READ), 0);
	ck_assert(!gm_sg_check(&sg));
	ck_assert_int_eq(gm_sg_read(&sg, data, 30), GM_ERR_INVALID_ADDRESS);
	ck_assert_uint_eq(gm_sg_left(&sg), 15);
	ck_assert_int_eq(gm_sg_iovec(&sg, 30, iov, 8, &bytes), GM_ERR_INVALID_ADDRESS);
	ck_assert_uint_eq(bytes, 0);
	/* What comes before it can be had. */
	ck_assert_int_eq(gm_sg_init(&sg, memory, list, 3, GM_ACCESS_READ), 0);
	ck_assert_int_eq(gm_sg_iovec(&sg, 30, iov, 8, &bytes), 2);
	ck_assert_uint_eq(bytes, 15);
	ck_assert_int_eq(gm_sg_init(&sg, memory, wraps, 1, GM_ACCESS_READ), 0);
	ck_assert(!gm_sg_check(&sg));
	ck_assert_int_eq(gm_sg_read(&sg, data, 10), GM_ERR_INVALID_ADDRESS);
	gm_memory_put(memory);
}
END_TEST

START_TEST(iovecs_resume_where_they_were_full)
{
	struct gm_memory *memory = make_cut_memory();
	uint8_t data[LIST_LEN], back[LIST_LEN];
	struct gm_sg sg = make_sg(memory, GM_ACCESS_WRITE);

	fill(data, LIST_LEN);
	ck_assert_int_eq(gm_sg_write(&sg, data, LIST_LEN), 0);
	for (size_t cap = 1; cap < 7; cap++) {
		for (uint64_t max = 1; max <= LIST_LEN + 9; max += 10) {
			struct iovec iov[8];
			uint64_t bytes, done = 0;
			ssize_t n;

			sg = make_sg(memory, GM_ACCESS_READ);
			while ((n = gm_sg_iovec(&sg, max, iov, cap, &bytes)) > 0) {
				uint64_t sum = 0;

				ck_assert_uint_le((size_t)n, cap);
				ck_assert_uint_le(bytes, max);
				for (ssize_t i = 0; i < n; i++) {
					memcpy(back + done + sum, iov[i].iov_base, iov[i].iov_len);
					sum += iov[i].iov_len;
				}
				ck_assert_uint_eq(sum, bytes);
				done += bytes;
			}
			ck_assert_int_eq(n, 0);
			ck_assert_uint_eq(done, LIST_LEN);
			ck_assert_mem_eq(back, data, LIST_LEN);
		}
	}
	gm_memory_put(memory);
}
END_TEST

START_TEST(host_neighbours_are_one_iovec)
{
	struct gm_memory *memory = make_cut_memory();
	struct gm_range list[] = {{0, 10}, {10, 20}, {30, 1}, {100, 1}};
	struct iovec iov[4];
	struct gm_sg sg;
	uint64_t bytes;

	ck_assert_int_eq(gm_sg_init(&sg, memory, list, 4, GM_ACCESS_READ), 0);
	ck_assert_int_eq(gm_sg_iovec(&sg, UINT64_MAX, iov, 4, &bytes), 2);
	ck_assert_uint_eq(iov[0].iov_len, 31);
	ck_assert_uint_eq(bytes, 32);
	gm_memory_put(memory);
}
END_TEST

static bool dirty(const struct gm_memory *memory, gm_addr addr)
{
	uint64_t offset;
	struct gm_region *region = gm_to_region_addr(memory, addr, &offset);

	return gm_bitmap_dirty_at(gm_region_dirty(region), offset);
}

START_TEST(files_both_ways)
{
	struct gm_memory *memory = make_cut_memory();
	uint8_t data[LIST_LEN], back[LIST_LEN];
	struct gm_sg sg = make_sg(memory, GM_ACCESS_WRITE);
	int fd = make_file(0);

	fill(data, LIST_LEN);
	ck_assert_int_eq(pwrite(fd, data, LIST_LEN, 1000), LIST_LEN);
	ck_assert_int_eq(gm_sg_read_from_fd(&sg, fd, 1000, LIST_LEN), LIST_LEN);
	ck_assert_uint_eq(gm_sg_left(&sg), 0);
	read_list(memory, back);
	ck_assert_mem_eq(back, data, LIST_LEN);
	ck_assert(dirty(memory, PAGE - 1) && dirty(memory, PAGE) && dirty(memory, 4 * PAGE));

	sg = make_sg(memory, GM_ACCESS_READ);
	ck_assert_int_eq(gm_sg_write_to_fd(&sg, fd, 5000, LIST_LEN), LIST_LEN);
	ck_assert_int_eq(pread(fd, back, LIST_LEN, 5000), LIST_LEN);
	ck_assert_mem_eq(back, data, LIST_LEN);
	/* The descriptor's own position has not moved. */
	ck_assert_int_eq(lseek(fd, 0, SEEK_CUR), 0);
	gm_memory_put(memory);
	close(fd);
}
END_TEST

START_TEST(a_short_file_gives_what_it_has)
{
	struct gm_memory *memory = make_cut_memory();
	struct gm_sg sg = make_sg(memory, GM_ACCESS_WRITE);
	int fd = make_file(50);

	ck_assert_int_eq(gm_sg_read_from_fd(&sg, fd, 0, LIST_LEN), 50);
	ck_assert_uint_eq(gm_sg_left(&sg), LIST_LEN - 50);
	/* Only what was written is dirty. */
	ck_assert(dirty(memory, PAGE - 1));
	ck_assert(!dirty(memory, PAGE));
	ck_assert_int_eq(gm_sg_read_from_fd(&sg, fd, 50, LIST_LEN), 0);
	ck_assert_uint_eq(gm_sg_left(&sg), LIST_LEN - 50);
	ck_assert_int_eq(gm_sg_read_from_fd(&sg, -1, 0, 1), GM_ERR_IO);
	ck_assert_int_eq(errno, EBADF);
	ck_assert_uint_eq(gm_sg_left(&sg), LIST_LEN - 50);
	gm_memory_put(memory);
	close(fd);
}
END_TEST

START_TEST(pipes_get_one_call)
{
	struct gm_memory *memory = make_cut_memory();
	struct gm_sg sg = make_sg(memory, GM_ACCESS_WRITE);
	uint8_t data[LIST_LEN], back[LIST_LEN];
	int ends[2];

	fill(data, LIST_LEN);
	ck_assert_int_eq(pipe(ends), 0);
	/* A second call would wait for ever. */
	ck_assert_int_eq(write(ends[1], data, 120), 120);
	ck_assert_int_eq(gm_sg_read_from_fd(&sg, ends[0], -1, LIST_LEN), 120);
	ck_assert_uint_eq(gm_sg_left(&sg), LIST_LEN - 120);
	ck_assert_int_eq(write(ends[1], data + 120, LIST_LEN - 120), LIST_LEN - 120);
	ck_assert_int_eq(gm_sg_read_from_fd(&sg, ends[0], -1, LIST_LEN), LIST_LEN - 120);
	read_list(memory, back);
	ck_assert_mem_eq(back, data, LIST_LEN);
	/* Full and not blocking: nothing, by name. */
	ck_assert_int_eq(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
	while (write(ends[1], data, sizeof(data)) > 0)
		;
	while (write(ends[1], data, 1) > 0)
		;
	sg = make_sg(memory, GM_ACCESS_READ);
	ck_assert_int_eq(gm_sg_write_to_fd(&sg, ends[1], -1, LIST_LEN), GM_ERR_IO);
	ck_assert_int_eq(errno, EAGAIN);
	ck_assert_uint_eq(gm_sg_left(&sg), LIST_LEN);
	gm_memory_put(memory);
}
END_TEST

static unsigned int alarms; /* written by the signal handler */

static void on_alarm(int signal)
{
	(void)signal;
	__atomic_add_fetch(&alarms, 1, __ATOMIC_RELAXED);
}

static void *write_late(void *arg)
{
	while (__atomic_load_n(&alarms, __ATOMIC_RELAXED) < 3)
		usleep(1000);
	ck_assert_int_eq(write(*(int *)arg, "late", 4), 4);
	return NULL;
}

START_TEST(signals_do_not_end_a_transfer)
{
	struct gm_memory *memory = make_cut_memory();
	struct gm_sg sg = make_sg(memory, GM_ACCESS_WRITE);
	struct sigaction action = {.sa_handler = on_alarm};
	pthread_t thread;
	sigset_t set;
	int ends[2];
	char back[4];

	ck_assert_int_eq(pipe(ends), 0);
	ck_assert_int_eq(sigaction(SIGALRM, &action, NULL), 0);
	/* Only this thread takes the signal, and it has no SA_RESTART. */
	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	pthread_create(&thread, NULL, write_late, &ends[1]);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	ualarm(5000, 5000);
	ck_assert_int_eq(gm_sg_read_from_fd(&sg, ends[0], -1, 100), 4);
	ualarm(0, 0);
	pthread_join(thread, NULL);
	ck_assert_uint_ge(alarms, 3);
	ck_assert_int_eq(gm_read(memory, ranges[0].addr, back, 4), 4);
	ck_assert_mem_eq(back, "late", 4);
	gm_memory_put(memory);
}
END_TEST

START_TEST(long_lists_take_several_calls)
{
	enum { COUNT = 1000 };
	struct gm_memory *memory = make_memory(0, COUNT * PAGE);
	struct gm_range list[COUNT];
	uint8_t data[3 * COUNT], back[3 * COUNT];
	struct gm_sg sg;
	int fd = make_file(0);

	/* Three bytes of each page, last page first: no two are neighbours. */
	for (uint64_t i = 0; i < COUNT; i++)
		list[i] = (struct gm_range){(COUNT - 1 - i) * PAGE + i % 100, 3};
	fill(data, sizeof(data));
	ck_assert_int_eq(pwrite(fd, data, sizeof(data), 0), sizeof(data));
	ck_assert_int_eq(gm_sg_init(&sg, memory, list, COUNT, GM_ACCESS_WRITE), 0);
	ck_assert_int_eq(gm_sg_read_from_fd(&sg, fd, 0, UINT64_MAX), sizeof(data));
	ck_assert_int_eq(gm_sg_init(&sg, memory, list, COUNT, GM_ACCESS_READ), 0);
	ck_assert_int_eq(gm_sg_read(&sg, back, sizeof(back)), 0);
	ck_assert_mem_eq(back, data, sizeof(data));
	gm_memory_put(memory);
	close(fd);
}
END_TEST

Suite *sg_suite(void)
{
	Suite *suite = suite_create("sg");
	TCase *tcase = tcase_create("sg");

	tcase_set_timeout(tcase, 30);
	tcase_add_test(tcase, is_one_stream);
	tcase_add_test(tcase, skips_and_takes);
	tcase_add_test(tcase, lengths_that_overflow_are_refused);
	tcase_add_test(tcase, stops_at_what_is_not_there);
	tcase_add_test(tcase, iovecs_resume_where_they_were_full);
	tcase_add_test(tcase, host_neighbours_are_one_iovec);
	tcase_add_test(tcase, files_both_ways);
	tcase_add_test(tcase, a_short_file_gives_what_it_has);
	tcase_add_test(tcase, pipes_get_one_call);
	tcase_add_test(tcase, signals_do_not_end_a_transfer);
	tcase_add_test(tcase, long_lists_take_several_calls);
	suite_add_tcase(suite, tcase);
	return suite;
}
