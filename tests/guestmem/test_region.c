/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Regions: every backing, every refusal, and what is around a mapping. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "tests/guestmem/fixture.h"
#include "tests/guestmem/suites.h"

/* Two sanitizers make it do nothing. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MLOCK_WORKS 0
#else
#define MLOCK_WORKS 1
#endif

static int try_region(struct gm_region_config config)
{
	struct gm_region *region = (void *)1;
	int err = gm_region_new(&config, &region);

	if (err)
		ck_assert_ptr_null(region);
	gm_region_put(region);
	return err;
}

START_TEST(refuses_by_name)
{
	int small = make_file(PAGE);
	struct {
		int err;
		struct gm_region_config config;
	} cases[] = {
		{GM_ERR_ZERO_SIZE, {.start = 0x1000}},
		/* Size comes before everything else that is wrong. */
		{GM_ERR_ZERO_SIZE, {.start = UINT64_MAX, .dirty_page = 3}},
		{GM_ERR_INVALID_ARGUMENT, {.size = PAGE, .backing = 4}},
		{GM_ERR_INVALID_ARGUMENT, {.size = PAGE, .flags = GM_REGION_FLAGS + 1}},
		{GM_ERR_INVALID_ARGUMENT, {.size = PAGE, .dirty_page = 3000}},
		{GM_ERR_INVALID_ARGUMENT, {.size = PAGE, .numa_node = -1}},
		{GM_ERR_INVALID_ARGUMENT, {.size = PAGE, .numa_node = 65}},
		{GM_ERR_INVALID_ARGUMENT, {.size = PAGE, .backing = GM_BACKING_FOREIGN}},
		{GM_ERR_INVALID_ARGUMENT, {.size = PAGE, .flags = GM_REGION_PRIVATE}},
		{GM_ERR_INVALID_ARGUMENT, {.size = PAGE, .flags = GM_REGION_HUGETLB}},
		{GM_ERR_INVALID_ARGUMENT,
		 {.size = PAGE, .backing = GM_BACKING_FILE, .fd = small, .file_offset = 512}},
		/* A contradiction comes before an address that does not fit. */
		{GM_ERR_INVALID_ARGUMENT, {.start = UINT64_MAX, .size = PAGE, .dirty_page = 3}},
		{GM_ERR_INVALID_REGION, {.start = UINT64_MAX - PAGE + 1, .size = PAGE}},
		{GM_ERR_INVALID_REGION, {.start = UINT64_MAX, .size = 1}},
		{GM_ERR_INVALID_REGION, {.start = 1, .size = UINT64_MAX}},
		{GM_ERR_FILE_TOO_SMALL, {.size = PAGE + 1, .backing = GM_BACKING_FILE, .fd = small}},
		{GM_ERR_FILE_TOO_SMALL,
		 {.size = PAGE, .backing = GM_BACKING_FILE, .fd = small, .file_offset = PAGE}},
		{GM_ERR_FILE_TOO_SMALL,
		 {.size = 2 * PAGE,
		  .backing = GM_BACKING_FILE,
		  .fd = small,
		  .file_offset = UINT64_MAX - PAGE + 1}},
		{GM_ERR_IO, {.size = PAGE, .backing = GM_BACKING_FILE, .fd = -1}},
		{GM_ERR_MAP, {.size = UINT64_MAX / 2}},
		{GM_ERR_MAP, {.size = 1ULL << 62}},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		ck_assert_msg(try_region(cases[i].config) == cases[i].err, "case %zu", i);
	close(small);
}
END_TEST

START_TEST(ends_one_byte_below_the_top)
{
	struct gm_region *region = make_region(UINT64_MAX - 1, 1);

	ck_assert_uint_eq(gm_region_start(region), UINT64_MAX - 1);
	ck_assert_uint_eq(gm_region_last(region), UINT64_MAX - 1);
	ck_assert_uint_eq(gm_region_size(region), 1);
	ck_assert_int_eq(gm_region_fd(region), -1);
	gm_region_put(region);
}
END_TEST

#define FAULTED 3

static void faulted(int number)
{
	(void)number;
	_exit(FAULTED);
}

/*
 * A child that touches @at gets SIGSEGV. It is expected, so it is reported by nobody: the handler
 * is the child's, and tests/guestmem/valgrind.supp names this function.
 */
static bool faults(volatile uint8_t *at)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		signal(SIGSEGV, faulted);
		*at = 1;
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	ck_assert(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == FAULTED);
	return WEXITSTATUS(status) == FAULTED;
}

START_TEST(is_between_guards)
{
	enum gm_backing backings[] = {GM_BACKING_ANON, GM_BACKING_MEMFD};

	for (size_t i = 0; i < ARRAY_LEN(backings); i++) {
		struct gm_region_config config = {.size = 3 * PAGE, .backing = backings[i]};
		struct gm_region *region;
		uint8_t *host;

		ck_assert_int_eq(gm_region_new(&config, &region), 0);
		host = gm_region_host(region);
		ck_assert(!faults(host));
		ck_assert(!faults(host + 3 * PAGE - 1));
		ck_assert(faults(host - 1));
		ck_assert(faults(host + 3 * PAGE));
		gm_region_put(region);
	}
}
END_TEST

START_TEST(read_only_is_so_for_the_host_too)
{
	struct gm_region_config config = {.size = PAGE, .flags = GM_REGION_READ_ONLY};
	struct gm_region *region;

	ck_assert_int_eq(gm_region_new(&config, &region), 0);
	ck_assert(faults(gm_region_host(region)));
	ck_assert(gm_region_flags(region) & GM_REGION_READ_ONLY);
	gm_region_put(region);
}
END_TEST

static bool is_mapped(void *host)
{
	unsigned char resident;

	return mincore((void *)((uintptr_t)host & ~(PAGE - 1)), PAGE, &resident) == 0;
}

START_TEST(last_reference_unmaps)
{
	struct gm_region *region = make_region(0, 5 * PAGE);
	void *host = gm_region_host(region);

	ck_assert_ptr_eq(gm_region_get(region), region);
	gm_region_put(region);
	ck_assert(is_mapped(host));
	gm_region_put(region);
	ck_assert(!is_mapped(host));
	ck_assert_int_eq(errno, ENOMEM);
	gm_region_put(NULL);
}
END_TEST

START_TEST(memfd_can_be_mapped_again_but_not_shrunk)
{
	struct gm_region_config config = {.size = 2 * PAGE, .backing = GM_BACKING_MEMFD};
	struct gm_region *region;
	uint8_t *other;
	int fd;

	ck_assert_int_eq(gm_region_new(&config, &region), 0);
	fd = gm_region_fd(region);
	other = mmap(NULL, 2 * PAGE, PROT_READ, MAP_SHARED, fd, 0);
	ck_assert_ptr_ne(other, MAP_FAILED);
	((uint8_t *)gm_region_host(region))[PAGE] = 77;
	ck_assert_int_eq(other[PAGE], 77);
	ck_assert_int_eq(ftruncate(fd, 0), -1);
	ck_assert_int_eq(errno, EPERM);
	ck_assert_int_ne(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
	munmap(other, 2 * PAGE);
	gm_region_put(region);
	ck_assert_int_eq(fcntl(fd, F_GETFD), -1);
}
END_TEST

START_TEST(file_is_shared_or_private)
{
	struct gm_region_config config = {
		.size = PAGE,
		.backing = GM_BACKING_FILE,
		.fd = make_file(3 * PAGE),
		.file_offset = PAGE,
	};
	struct gm_region *region;
	uint8_t byte = 5;

	ck_assert_int_eq(pwrite(config.fd, &byte, 1, PAGE), 1);
	ck_assert_int_eq(gm_region_new(&config, &region), 0);
	ck_assert_uint_eq(gm_region_file_offset(region), PAGE);
	ck_assert_int_ne(gm_region_fd(region), config.fd);
	ck_assert_int_eq(*(uint8_t *)gm_region_host(region), 5);
	*(uint8_t *)gm_region_host(region) = 6;
	gm_region_put(region);
	ck_assert_int_eq(pread(config.fd, &byte, 1, PAGE), 1);
	ck_assert_int_eq(byte, 6);

	config.flags = GM_REGION_PRIVATE;
	ck_assert_int_eq(gm_region_new(&config, &region), 0);
	*(uint8_t *)gm_region_host(region) = 7;
	gm_region_put(region);
	ck_assert_int_eq(pread(config.fd, &byte, 1, PAGE), 1);
	ck_assert_int_eq(byte, 6);
	/* The caller's descriptor stays the caller's. */
	ck_assert_int_eq(close(config.fd), 0);
}
END_TEST

START_TEST(files_overlap_by_bytes)
{
	struct gm_region_config config = {.size = 2 * PAGE, .backing = GM_BACKING_FILE};
	struct gm_region *regions[5];
	int fd = make_file(8 * PAGE), other = make_file(8 * PAGE);
	struct {
		int fd;
		uint64_t offset;
		bool overlaps_first;
	} files[] = {
		{fd, 2 * PAGE, true}, {dup(fd), 3 * PAGE, true}, {fd, 4 * PAGE, false},
		{fd, 0, false},       {other, 2 * PAGE, false},
	};
	struct gm_region *anon = make_region(0, PAGE);

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		config.fd = files[i].fd;
		config.file_offset = files[i].offset;
		ck_assert_int_eq(gm_region_new(&config, &regions[i]), 0);
		ck_assert(gm_region_files_overlap(regions[i], regions[0]) == files[i].overlaps_first);
		ck_assert(gm_region_files_overlap(regions[0], regions[i]) == files[i].overlaps_first);
	}
	ck_assert(!gm_region_files_overlap(anon, regions[0]));
	ck_assert(!gm_region_files_overlap(anon, anon));
	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		gm_region_put(regions[i]);
	gm_region_put(anon);
}
END_TEST

START_TEST(file_opened_for_reading_cannot_be_written)
{
	int fd = open("/proc/self/exe", O_RDONLY);
	struct gm_region_config config = {.size = PAGE, .backing = GM_BACKING_FILE, .fd = fd};

	ck_assert_int_eq(try_region(config), GM_ERR_MAP);
	ck_assert_int_eq(errno, EACCES);
	config.flags = GM_REGION_READ_ONLY;
	ck_assert_int_eq(try_region(config), 0);
	config.flags = GM_REGION_PRIVATE;
	ck_assert_int_eq(try_region(config), 0);
	close(fd);
}
END_TEST

START_TEST(only_files_that_can_shrink_may_fault)
{
	struct gm_region_config config = {.size = PAGE, .backing = GM_BACKING_FILE};
	struct gm_region *regions[2];
	struct gm_slice slice;
	struct gm_memory *memory;

	config.fd = memfd_create("sealed", MFD_ALLOW_SEALING);
	ck_assert_int_eq(ftruncate(config.fd, PAGE), 0);
	ck_assert_int_eq(fcntl(config.fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	ck_assert_int_eq(gm_region_new(&config, &regions[0]), 0);
	close(config.fd);
	config.fd = make_file(PAGE);
	config.start = PAGE;
	ck_assert_int_eq(gm_region_new(&config, &regions[1]), 0);
	close(config.fd);
	ck_assert_int_eq(gm_memory_new(regions, 2, &memory, NULL), 0);
	ck_assert_int_eq(gm_get_slice(memory, 0, 1, GM_ACCESS_READ, &slice), 0);
	ck_assert(!(slice.flags & GM_SLICE_MAY_FAULT));
	ck_assert_int_eq(gm_get_slice(memory, PAGE, 1, GM_ACCESS_READ, &slice), 0);
	ck_assert(slice.flags & GM_SLICE_MAY_FAULT);
	gm_memory_put(memory);
	gm_region_put(regions[0]);
	gm_region_put(regions[1]);
}
END_TEST

START_TEST(foreign_memory_stays_the_callers)
{
	static uint8_t host[100];
	struct gm_region_config config = {
		.start = 3,
		.size = sizeof(host),
		.backing = GM_BACKING_FOREIGN,
		.host = host,
	};
	struct gm_region *region;

	ck_assert_int_eq(gm_region_new(&config, &region), 0);
	ck_assert_ptr_eq(gm_region_host(region), host);
	ck_assert_ptr_null(gm_region_dirty(region));
	gm_region_put(region);
	host[99] = 1;
}
END_TEST

/* Pages of [host, host + len) that are in memory. */
static size_t resident(void *host, size_t len)
{
	unsigned char pages[64];
	size_t n = 0;

	ck_assert_int_eq(mincore(host, len, pages), 0);
	for (size_t i = 0; i < len / PAGE; i++)
		n += pages[i] & 1;
	return n;
}

START_TEST(populate_and_lock_bring_pages_in)
{
	unsigned int flags[] = {
		GM_REGION_POPULATE,
		GM_REGION_POPULATE | GM_REGION_READ_ONLY,
#if MLOCK_WORKS
		GM_REGION_LOCK,
#endif
	};
	struct gm_region_config config = {.size = 16 * PAGE};
	struct gm_region *region;

	ck_assert_int_eq(gm_region_new(&config, &region), 0);
	ck_assert_uint_eq(resident(gm_region_host(region), 16 * PAGE), 0);
	gm_region_put(region);
	for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
		config.flags = flags[i];
		ck_assert_int_eq(gm_region_new(&config, &region), 0);
		ck_assert_msg(resident(gm_region_host(region), 16 * PAGE) == 16, "case %zu", i);
		gm_region_put(region);
	}
}
END_TEST

START_TEST(lock_limit_is_an_error)
{
	struct gm_region_config config = {.size = 64 * PAGE, .flags = GM_REGION_LOCK};
	struct rlimit limit = {.rlim_cur = PAGE, .rlim_max = PAGE};

	if (!MLOCK_WORKS)
		TEST_SKIP("the sanitizer makes mlock do nothing");
	/* Privilege overrides the limit. */
	ck_assert_int_eq(setrlimit(RLIMIT_MEMLOCK, &limit), 0);
	if (geteuid() == 0 && seteuid(65534))
		TEST_SKIP("cannot drop privileges");
	ck_assert_int_eq(try_region(config), GM_ERR_MAP);
	ck_assert_int_eq(errno, ENOMEM);
}
END_TEST

START_TEST(large_ones_are_aligned_for_huge_pages)
{
	struct gm_region *region = make_region(0x1000, 5ULL << 20);

	ck_assert_uint_eq((uintptr_t)gm_region_host(region) % (2 << 20), 0);
	ck_assert(!gm_region_is_hugetlbfs(region));
	ck_assert(faults((uint8_t *)gm_region_host(region) - 1));
	ck_assert(faults((uint8_t *)gm_region_host(region) + (5 << 20)));
	gm_region_put(region);
}
END_TEST

START_TEST(hugetlbfs_is_known)
{
	struct gm_region_config config = {
		.size = 2 << 20,
		.backing = GM_BACKING_MEMFD,
		.flags = GM_REGION_HUGETLB | GM_REGION_NO_RESERVE,
	};
	struct gm_region *region, *part;
	int err = gm_region_new(&config, &region);

	if (err == GM_ERR_MAP || err == GM_ERR_IO)
		TEST_SKIP("the host has no huge pages of 2 MiB: %s", strerror(errno));
	ck_assert_int_eq(err, 0);
	ck_assert(gm_region_is_hugetlbfs(region));

	/* A file region on the same file finds out, and its mapping keeps to the page size. */
	config.backing = GM_BACKING_FILE;
	config.flags = GM_REGION_NO_RESERVE;
	config.fd = gm_region_fd(region);
	config.size = PAGE;
	ck_assert_int_eq(gm_region_new(&config, &part), 0);
	ck_assert(gm_region_is_hugetlbfs(part));
	ck_assert_uint_eq((uintptr_t)gm_region_host(part) % (2 << 20), 0);
	gm_region_put(part);
	gm_region_put(region);
}
END_TEST

Suite *region_suite(void)
{
	Suite *suite = suite_create("region");
	TCase *tcase = tcase_create("region");

	tcase_add_test(tcase, refuses_by_name);
	tcase_add_test(tcase, ends_one_byte_below_the_top);
	tcase_add_test(tcase, is_between_guards);
	tcase_add_test(tcase, read_only_is_so_for_the_host_too);
	tcase_add_test(tcase, last_reference_unmaps);
	tcase_add_test(tcase, memfd_can_be_mapped_again_but_not_shrunk);
	tcase_add_test(tcase, file_is_shared_or_private);
	tcase_add_test(tcase, files_overlap_by_bytes);
	tcase_add_test(tcase, file_opened_for_reading_cannot_be_written);
	tcase_add_test(tcase, only_files_that_can_shrink_may_fault);
	tcase_add_test(tcase, foreign_memory_stays_the_callers);
	tcase_add_test(tcase, populate_and_lock_bring_pages_in);
	tcase_add_test(tcase, lock_limit_is_an_error);
	tcase_add_test(tcase, large_ones_are_aligned_for_huge_pages);
	tcase_add_test(tcase, hugetlbfs_is_known);
	suite_add_tcase(suite, tcase);
	return suite;
}
