/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Hosts on which calls fail, by the preload library of tests/faults/. A small guest uses all kinds
 * of devices; whatever fails, the guest goes on, sees an I/O error, or the user gets one line: no
 * crash, no hang, nothing left allocated or open, and nothing lost that was said to be written.
 *
 * Set-up is gone through call by call, each failed once: in `make test` a sample of them, with
 * FAULTS=all (make faults) every one.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/kvm/records.h"
#include "tests/kvm/suites.h"
#include "tests/kvm/vm.h"

#define DISK_SIZE (1 << 20)
#define SAMPLE    8 /* of so many calls, one */

static struct vm vm;

/* Files of a test, in a directory of their own. */
static struct {
	char path[32], disk[64], console[64], vsock[64], log[64];
	int disk_fd;
} dir;

/* What the log says of a run. */
struct left {
	unsigned long seen, failed; /* by the first rule */
	long allocations;
	int descriptors;
};

static void make_dir(void)
{
	strcpy(dir.path, "/tmp/vmm-test-fault-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir.path));
	snprintf(dir.disk, sizeof(dir.disk), "%s/disk", dir.path);
	snprintf(dir.console, sizeof(dir.console), "file=%s/console", dir.path);
	snprintf(dir.vsock, sizeof(dir.vsock), "%s/vsock", dir.path);
	snprintf(dir.log, sizeof(dir.log), "%s/log", dir.path);
	dir.disk_fd = open(dir.disk, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	ck_assert_int_ge(dir.disk_fd, 0);
	ck_assert_int_eq(ftruncate(dir.disk_fd, DISK_SIZE), 0);
}

static void remove_dir(void)
{
	unlink(dir.disk);
	unlink(strchr(dir.console, '=') + 1);
	unlink(dir.log);
	/* So nothing else is left: no socket, no second file. */
	ck_assert_int_eq(rmdir(dir.path), 0);
	close(dir.disk_fd);
}

/* Only the monitor loads it: tests are processes of their own. */
static void plan(const char *rules)
{
	char seed[32];

	snprintf(seed, sizeof(seed), "%#lx", test_seed());
	unlink(dir.log);
	ck_assert_int_eq(setenv("LD_PRELOAD", built("tests/libfault.so"), 1), 0);
	ck_assert_int_eq(setenv("FAULT", rules, 1), 0);
	ck_assert_int_eq(setenv("FAULT_SEED", seed, 1), 0);
	ck_assert_int_eq(setenv("FAULT_LOG", dir.log, 1), 0);
}

static void read_log(struct left *left, const char *rules)
{
	char text[512] = "", *end = text;
	FILE *log = fopen(dir.log, "re");
	unsigned long numbers[34];
	unsigned int count = 0;

	ck_assert_msg(log && fgets(text, sizeof(text), log), "%s: no log", rules);
	fclose(log);
	while (count < 34 && *end && *end != '\n') {
		numbers[count++] = strtoul(end, &end, 10);
		while (*end == ' ')
			end++;
	}
	ck_assert_uint_ge(count, 4);
	*left = (struct left){numbers[0], numbers[1], (long)numbers[count - 2],
			      (int)numbers[count - 1]};
}

static void run(const char *rules, const char *disk_words, const char *tests)
{
	/*
	 * The library asks /proc for the name of a descriptor, each time, and has the kernel send
	 * it a SIGSYS for calls of io_uring: the jail has neither of them to give.
	 */
	const char *jail =
		strchr(rules, '@') || strstr(rules, "uring") ? "--no-jail" : "--transport=mmio";
	char disk[128], cmdline[160];

	plan(rules);
	/* What came from the caller is not counted; a run that does not get far leaves it open. */
	ck_assert_int_eq(close_range(3, ~0U, CLOSE_RANGE_CLOEXEC), 0);
	snprintf(disk, sizeof(disk), "%s%s", dir.disk, disk_words);
	snprintf(cmdline, sizeof(cmdline), "maxboundaries=2 %s", tests);
	vm_run(&vm, "",
	       ARGS(built("guest/kernel.elf"), jail, "--memory=16M", "--fragment=1M", "--disk",
		    disk, "--rng", "--balloon", "--console", dir.console, "--vsock", dir.vsock,
		    "--cmdline", cmdline));
}

#define ALL_TESTS "tests=blk-data,blk-errors,blk-zeroes,rng,console-tx,vsock-refused,balloon"

/* Lines of the monitor's own, and nothing else. */
static unsigned int count_lines(const char *rules)
{
	unsigned int lines = 0;

	for (const char *line = vm.errors; *line; lines++) {
		const char *end = strchr(line, '\n');

		ck_assert_msg(end && strncmp(line, "vmm: ", 5) == 0, "%s: said: %s", rules, line);
		line = end + 1;
	}
	return lines;
}

/* liburcu's way out of the process, without a log. */
static bool left_at_once(void)
{
	return vm.status == 1 &&
	       strcmp(vm.errors, "vmm: out of memory: a thread cannot reach the guest's\n") == 0;
}

/* It went on, the guest has seen an error, or the user has, in one line. */
static void check_end(const char *rules)
{
	unsigned int lines = count_lines(rules);
	bool guest_saw = strstr(vm.output, "not ok");

	ck_assert_msg(vm.status == 0 || vm.status == 1, "%s: status %d: %s%s", rules, vm.status,
		      vm.output, vm.errors);
	if (vm.status == 0)
		ck_assert_msg(!guest_saw && strstr(vm.output, "ok "), "%s: passed with %s", rules,
			      vm.output);
	else
		ck_assert_msg(guest_saw || lines == 1, "%s: failed and said: %s", rules, vm.errors);
}

/* --- set-up, call by call ------------------------------------------------------------------------- */

static const struct {
	const char *call;
	const char *error;
} calls[] = {
	{"alloc", "ENOMEM"},  {"map", "ENOMEM"},  {"open", "EMFILE"},  {"fd", "EMFILE"},
	{"socket", "EMFILE"}, {"size", "ENOSPC"}, {"epoll", "ENOSPC"}, {"thread", "EAGAIN"},
	{"kvm", "EINVAL"},    {"uring", "EPERM"}, {"uring", "ENOMEM"}, {"kvm", "EINTR"},
};

START_TEST(each_call_fails_once)
{
	bool all = strcmp(test_env("FAULTS", ""), "all") == 0;
	struct test_random random = test_random_new(0xfa + (uint64_t)_i);
	const char *call = calls[_i].call;
	struct left clean, left;
	unsigned long runs = 0;
	bool at_once = false;
	char rules[64];

	NEED_KVM();
	make_dir();
	/* Far behind the last: only counted. A thread more, of the engine it falls back to, has tables. */
	snprintf(rules, sizeof(rules), "%s nth=1000000 EIO", call);
	run(rules, ",aio=threads", ALL_TESTS);
	check_end(rules);
	read_log(&clean, rules);
	run(rules, "", ALL_TESTS);
	ck_assert_int_eq(vm.status, 0);
	read_log(&left, rules);
	clean.seen = left.seen > clean.seen ? left.seen : clean.seen;
	ck_assert_uint_gt(clean.seen, 0);
	for (unsigned long n = 1; n <= clean.seen; n++) {
		/* The first ones always. */
		if (!all && n > 4 && test_random_below(&random, SAMPLE))
			continue;
		snprintf(rules, sizeof(rules), "%s nth=%lu %s", call, n, calls[_i].error);
		run(rules, "", ALL_TESTS);
		check_end(rules);
		runs++;
		if (left_at_once()) {
			ck_assert_msg(!at_once && strcmp(call, "map") == 0, "%s: again", rules);
			at_once = true;
			continue;
		}
		read_log(&left, rules);
		ck_assert_msg(left.allocations <= clean.allocations,
			      "%s: %ld allocations are left, without %ld", rules, left.allocations,
			      clean.allocations);
		ck_assert_msg(left.descriptors <= clean.descriptors,
			      "%s: %d descriptors are left, without %d", rules, left.descriptors,
			      clean.descriptors);
	}
	if (all && strcmp(call, "map") == 0)
		ck_assert(at_once);
	printf("faults: %s: %lu of %lu calls failed with %s, each in a run of its own\n", call,
	       runs, clean.seen, calls[_i].error);
	fflush(stdout);
	remove_dir();
}
END_TEST

/* --- while the guest runs --------------------------------------------------------------------------- */

static const struct {
	const char *rules;
	const char *disk; /* words */
	bool harmless;    /* nobody may notice */
} storms[] = {
	{"read every=2 EINTR;write every=2 EINTR", "", true},
	{"read every=2 EINTR;write every=2 EINTR", ",aio=threads", true},
	{"read percent=30 EINTR;write percent=30 EINTR;wait percent=30 EINTR", "", true},
	{"read@disk percent=50 EINTR;write@disk percent=50 EINTR;sync percent=50 EINTR",
	 ",aio=threads", true},
	{"read@disk every=2 short;write@disk every=2 short", "", true},
	{"read percent=40 short;write percent=40 short", ",aio=threads", true},
	{"read@disk every=2 EAGAIN;write@disk every=2 EAGAIN", "", true},
	{"run every=2 EINTR", "", true},
	{"run every=2 EAGAIN", "", true},
	{"run percent=60 EINTR;run percent=30 EAGAIN", "", true},
	{"uring from=1 ENOSYS", "", true},
	{"uring from=1 EPERM", "", true},
	{"uring from=5 EIO;uring nth=1 EPERM", "", true},
	{"read@disk from=3 EIO", "", false},
	{"read@disk every=3 EIO", ",aio=threads", false},
	{"write@disk every=3 EIO", ",aio=threads", false},
	{"write@disk every=3 ENOSPC", ",aio=threads", false},
	{"size every=2 ENOSPC", ",aio=threads", false},
	{"write@console from=1 ENOSPC", "", false},
	{"write@console from=1 EIO", "", false},
	{"run nth=20 EFAULT", "", false},
	{"run from=50 EAGAIN", "", false},
	{"run nth=30 EIO", "", false},
	{"wait nth=10 EINVAL", "", false},
};

START_TEST(calls_fail_while_it_runs)
{
	const char *rules = storms[_i].rules;
	struct left left;

	NEED_KVM();
	make_dir();
	run(rules, storms[_i].disk, ALL_TESTS);
	if (storms[_i].harmless)
		ck_assert_msg(vm.status == 0 && !vm.errors[0], "%s: status %d: %s%s", rules,
			      vm.status, vm.output, vm.errors);
	read_log(&left, rules);
	ck_assert_msg(left.seen > 0, "%s: there was no such call", rules);
	/* Where the vCPU cannot go on there are its registers, too. */
	if (vm.status == 1 && strstr(vm.errors, "KVM_RUN: "))
		ck_assert_ptr_nonnull(strstr(rules, "run "));
	else
		check_end(rules);
	remove_dir();
}
END_TEST

/* --- nothing is lost --------------------------------------------------------------------------------- */

static const char *const losses[] = {
	"write@disk percent=20 short",
	"write@disk percent=20 EINTR",
	"write@disk percent=20 EAGAIN",
	"write@disk nth=30 EIO",
	"write@disk nth=50 ENOSPC",
	"sync percent=30 EINTR",
	"sync nth=7 EIO",
	"uring percent=40 EAGAIN",
	"uring percent=40 EBUSY",
	"uring percent=40 EINTR",
	"uring nth=40 ENOMEM",
};

static const char *const ways[] = {
	"", ",aio=threads", ",cache=writethrough", ",cache=none", ",cache=none,aio=threads",
};

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

START_TEST(what_was_flushed_is_there)
{
	const char *rules = losses[_i % COUNT(losses)], *way = ways[_i / COUNT(losses)];
	char tests[128];

	NEED_KVM();
	make_dir();
	snprintf(tests, sizeof(tests), "tests=blk-records scratch=0,%d records=1,80",
		 RECORDS_SECTORS);
	run(rules, way, tests);
	check_end(rules);
	records_check(dir.disk_fd, records_flushed(&vm), rules);
	if (vm.status == 0)
		ck_assert_uint_eq(records_flushed(&vm), 80);
	remove_dir();
}
END_TEST

/* The library comes before a sanitizer, which wants to be first: these tests are for plain builds. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HAVE_FAULTS 0
#else
#define HAVE_FAULTS 1
#endif

Suite *faults_suite(void)
{
	Suite *suite = suite_create("faults");
	TCase *tcase = tcase_create("faults");

	tcase_set_timeout(tcase, 900);
	tcase_add_loop_test(tcase, each_call_fails_once, 0, HAVE_FAULTS * COUNT(calls));
	tcase_add_loop_test(tcase, calls_fail_while_it_runs, 0, HAVE_FAULTS * COUNT(storms));
	tcase_add_loop_test(tcase, what_was_flushed_is_there, 0,
			    HAVE_FAULTS * COUNT(losses) * COUNT(ways));
	suite_add_tcase(suite, tcase);
	return suite;
}
