/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Nothing is lost: the guest writes numbered records over older ones, flushes, and says so; the
 * monitor is killed at a random moment. Then every record that was flushed is on the disk, what was
 * being written is in whole sectors of the one record or the other, and the next round goes on from
 * there. LOST_ROUNDS says how many rounds each way of caching gets (make lost).
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "tests/kvm/records.h"
#include "tests/kvm/suites.h"
#include "tests/kvm/vm.h"

#define ROUNDS       7
#define LIFE_MAX_US  60000 /* of the monitor, from the first line on */
#define RECORDS_MANY 1000000

static struct vm vm;

static const char *const caches[] = {"writeback", "writethrough", "none"};
static const char *const engines[] = {"io_uring", "threads"};
static const char *const rings[] = {"packed", "split"};

#define PICK(array, random) ((array)[test_random_below(random, sizeof(array) / sizeof((array)[0]))])

/* Start from record @first, kill at some moment; the number of the last that was flushed. */
static uint64_t run_and_kill(struct test_random *random, const char *path, const char *cache,
			     uint64_t first)
{
	struct timespec life = {.tv_nsec = (long)test_random_below(random, LIFE_MAX_US) * 1000};
	char disk[128], cmdline[160];
	uint64_t flushed;

	snprintf(disk, sizeof(disk), "%s,cache=%s,aio=%s", path, cache, PICK(engines, random));
	snprintf(cmdline, sizeof(cmdline), "tests=blk-records scratch=0,%d records=%llu,%d ring=%s",
		 RECORDS_SECTORS, (unsigned long long)first, RECORDS_MANY, PICK(rings, random));
	vm_start(&vm, ARGS(built("guest/kernel.elf"), "--memory", "16M", "--disk", disk,
			   "--cmdline", cmdline));
	vm_expect_output(&vm, ABI_RECORD_LINE);
	nanosleep(&life, NULL);
	kill(vm.pid, SIGKILL);
	vm_wait(&vm);
	ck_assert_msg(vm.status == 1000 + SIGKILL, "status %d: %s%s", vm.status, vm.output,
		      vm.errors);
	flushed = records_flushed(&vm);
	return flushed ? flushed : first - 1;
}

START_TEST(what_was_flushed_is_there)
{
	const char *cache = caches[_i];
	unsigned int rounds = (unsigned int)atoi(test_env("LOST_ROUNDS", "0"));
	struct test_random random = test_random_new(0x105 + (uint64_t)_i);
	char path[] = "/tmp/vmm-test-lost-XXXXXX", round[64];
	uint64_t flushed = 0;
	unsigned int under_way = 0;
	int fd;

	NEED_KVM();
	fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, RECORDS_SECTORS * ABI_SECTOR_SIZE), 0);
	rounds = rounds ? rounds : ROUNDS;
	for (unsigned int i = 0; i < rounds; i++) {
		uint64_t before = flushed;

		flushed = run_and_kill(&random, path, cache, flushed + 1);
		ck_assert_uint_ge(flushed, before);
		snprintf(round, sizeof(round), "TEST_SEED=%#lx cache=%s round %u", test_seed(),
			 cache, i);
		under_way += records_check(fd, flushed, round) > 0;
	}
	printf("lost: cache=%s: killed %u times, %u of them in the middle of a batch; %llu records "
	       "flushed, none lost\n",
	       cache, rounds, under_way, (unsigned long long)flushed);
	fflush(stdout);
	unlink(path);
	close(fd);
}
END_TEST

Suite *lost_suite(void)
{
	Suite *suite = suite_create("lost");
	TCase *tcase = tcase_create("lost");

	tcase_set_timeout(tcase, 900);
	tcase_add_loop_test(tcase, what_was_flushed_is_there, 0,
			    (int)(sizeof(caches) / sizeof(caches[0])));
	suite_add_tcase(suite, tcase);
	return suite;
}
