/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Files that shrink under their mapping: an error from the one call, and nobody else notices. */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

#include "tests/guestmem/fixture.h"
#include "tests/guestmem/suites.h"

static struct gm_memory *memory;
static int fd;

/* Anonymous [0, 0x1000), then a file of two pages at [0x1000, 0x3000). */
static void setup(void)
{
	struct gm_region_config configs[] = {
		{.start = 0, .size = PAGE, .dirty_page = PAGE},
		{.start = PAGE, .size = 2 * PAGE, .dirty_page = PAGE, .backing = GM_BACKING_FILE},
	};

	fd = make_file(2 * PAGE);
	configs[1].fd = fd;
	ck_assert_int_eq(gm_memory_from_configs(configs, 2, &memory, NULL), 0);
	ck_assert_int_eq(gm_fault_install(), 0);
}

static void teardown(void)
{
	gm_memory_put(memory);
	close(fd);
}

/* The file now ends behind its first page: 0x2000 and up fault. */
static void shrink(void)
{
	ck_assert_int_eq(ftruncate(fd, PAGE), 0);
}

START_TEST(each_kind_of_access_says_so)
{
	uint8_t buf[100] = {0};
	struct gm_slice slice, good;
	struct gm_array array;
	uint64_t v8;
	uint32_t v4;

	shrink();
	ck_assert_int_eq(gm_read(memory, 0x2000, buf, 100), GM_ERR_FAULT);
	ck_assert_int_eq(gm_write(memory, 0x2000, buf, 100), GM_ERR_FAULT);
	ck_assert_int_eq(gm_read_exact(memory, 0x2ff0, buf, 8, NULL), GM_ERR_FAULT);
	ck_assert_int_eq(gm_load_u32(memory, 0x2010, &v4, __ATOMIC_ACQUIRE), GM_ERR_FAULT);
	ck_assert_int_eq(gm_store_u64(memory, 0x2010, 1, __ATOMIC_RELEASE), GM_ERR_FAULT);
	ck_assert_int_eq(gm_get_slice(memory, 0x2000, 100, GM_ACCESS_RW, &slice), 0);
	ck_assert_int_eq(gm_get_slice(memory, 0, 100, GM_ACCESS_RW, &good), 0);
	ck_assert_int_eq(gm_slice_load(&slice, 0, &v8, 8, __ATOMIC_RELAXED), GM_ERR_FAULT);
	ck_assert_int_eq(gm_slice_store(&slice, 0, &v8, 8, __ATOMIC_RELAXED), GM_ERR_FAULT);
	ck_assert_int_eq(gm_slice_copy(&slice, &good), GM_ERR_FAULT);
	ck_assert_int_eq(gm_slice_copy(&good, &slice), GM_ERR_FAULT);
	ck_assert_int_eq(gm_slice_copy_to(&slice, 4, buf, 5), GM_ERR_FAULT);
	ck_assert_int_eq(gm_slice_copy_from(&slice, 8, buf, 5), GM_ERR_FAULT);
	ck_assert_int_eq(gm_slice_array(&slice, 0, 10, 8, &array), 0);
	ck_assert_int_eq(gm_array_load(&array, 3, &v8), GM_ERR_FAULT);
	ck_assert_int_eq(gm_region_read(gm_memory_region(memory, 1), PAGE, buf, 1), GM_ERR_FAULT);
}
END_TEST

START_TEST(what_is_left_of_the_file_works_on)
{
	uint64_t value = 0x1122334455667788, got = 0;
	uint8_t buf[64];

	shrink();
	ck_assert_int_eq(gm_read(memory, 0x2000, buf, 1), GM_ERR_FAULT);
	ck_assert_int_eq(gm_write_obj(memory, 0x1ff8, &value), 0);
	ck_assert_int_eq(gm_read_obj(memory, 0x1ff8, &got), 0);
	ck_assert_uint_eq(got, value);
	/* What another region gave before the fault counts as moved. */
	ck_assert_int_eq(gm_read(memory, 0xff0, buf, 32), 32);
	/* And when the file grows again, so does the memory. */
	ck_assert_int_eq(ftruncate(fd, 2 * PAGE), 0);
	ck_assert_int_eq(gm_read(memory, 0x2000, buf, 64), 64);
}
END_TEST

START_TEST(transfers_with_descriptors_fault_too)
{
	int other = make_file(3 * PAGE);
	struct gm_buf_reader reader = gm_buf_reader("abc", 3);
	struct gm_fd_stream stream = gm_fd_stream(other);
	size_t done;

	shrink();
	ck_assert_int_eq(gm_read_from_fd(memory, 0x2000, 100, other, 0), GM_ERR_FAULT);
	ck_assert_int_eq(gm_write_to_fd(memory, 0x2000, 100, other, 0), GM_ERR_FAULT);
	ck_assert_int_eq(gm_read_exact_from_fd(memory, 0x1f00, 0x200, other, 0, &done), GM_ERR_FAULT);
	ck_assert_uint_eq(done, 0x100);
	ck_assert_int_eq(gm_read_from(memory, 0x2000, 3, &reader.reader), GM_ERR_FAULT);
	ck_assert_int_eq(gm_read_from(memory, 0x2000, 3, &stream.reader), GM_ERR_FAULT);
	close(other);
}
END_TEST

/* Threads that fault and threads that do not, all at once. */
static void *fault_often(void *arg)
{
	uint8_t buf[16];
	long wrong = 0;

	for (int i = 0; i < 2000; i++)
		wrong += gm_read(memory, 0x2000, buf, 16) != GM_ERR_FAULT;
	(void)arg;
	return (void *)wrong;
}

static void *fault_never(void *arg)
{
	gm_addr addr = (gm_addr)(uintptr_t)arg;
	uint64_t got;
	long wrong = 0;

	for (uint64_t i = 0; i < 20000; i++) {
		gm_write_obj(memory, addr, &i);
		wrong += gm_read_obj(memory, addr, &got) != 0 || got != i;
	}
	return (void *)wrong;
}

START_TEST(other_threads_do_not_notice)
{
	pthread_t threads[4];
	void *wrong;

	shrink();
	pthread_create(&threads[0], NULL, fault_often, NULL);
	pthread_create(&threads[1], NULL, fault_often, NULL);
	pthread_create(&threads[2], NULL, fault_never, (void *)0x100);
	pthread_create(&threads[3], NULL, fault_never, (void *)0x1100);
	for (size_t i = 0; i < 4; i++) {
		ck_assert_int_eq(pthread_join(threads[i], &wrong), 0);
		ck_assert_ptr_null(wrong);
	}
}
END_TEST

/* A fault outside of the library's accesses goes to the handler that was there before. */
static sigjmp_buf away;
static void *volatile fault_at;

static void programs_own(int signal, siginfo_t *info, void *context)
{
	(void)context;
	fault_at = signal == SIGBUS ? info->si_addr : NULL;
	siglongjmp(away, 1);
}

START_TEST(other_faults_go_where_they_went)
{
	struct sigaction action = {.sa_sigaction = programs_own, .sa_flags = SA_SIGINFO};
	uint8_t byte;
	char *map;

	ck_assert_int_eq(sigaction(SIGBUS, &action, NULL), 0);
	setup();
	shrink();
	map = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, make_file(0), 0);
	ck_assert_ptr_ne(map, MAP_FAILED);
	if (sigsetjmp(away, 1) == 0)
		byte = *(volatile uint8_t *)(map + 5);
	ck_assert_ptr_eq(fault_at, map + 5);
	/* And the library's own are still its own. */
	fault_at = NULL;
	ck_assert_int_eq(gm_read(memory, 0x2000, &byte, 1), GM_ERR_FAULT);
	ck_assert_ptr_null(fault_at);
	munmap(map, PAGE);
	teardown();
}
END_TEST

Suite *fault_suite(void)
{
	Suite *suite = suite_create("fault");
	TCase *tcase = tcase_create("fault");

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, each_kind_of_access_says_so);
	tcase_add_test(tcase, what_is_left_of_the_file_works_on);
	tcase_add_test(tcase, transfers_with_descriptors_fault_too);
	tcase_add_test(tcase, other_threads_do_not_notice);
	suite_add_tcase(suite, tcase);
	tcase = tcase_create("fault_chain");
	tcase_add_test(tcase, other_faults_go_where_they_went);
	suite_add_tcase(suite, tcase);
	return suite;
}
