/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * --stats from outside: what is recorded is what the guest did, records come as often as asked for and
 * only grow, the last comes however the machine ends, and a file that cannot be written is one line.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/kvm/suites.h"
#include "tests/kvm/vm.h"

#ifdef HAVE_JANSSON
#include <jansson.h>

#define RECORDS_MAX 4096

static struct vm vm;
static char file[] = "/tmp/vmm-stats-XXXXXX", disk[] = "/tmp/vmm-stats-disk-XXXXXX";
static char words[128];
static json_t *records[RECORDS_MAX];
static size_t record_count;

/* "--stats=json=FILE" and @more. */
static const char *stats_to_file(const char *more)
{
	snprintf(words, sizeof(words), "--stats=json=%s%s", file, more);
	return words;
}

static void set_up(void)
{
	int fd = mkstemp(file);

	ck_assert_int_ge(fd, 0);
	close(fd);
	fd = mkstemp(disk);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, 2 << 20), 0);
	close(fd);
}

static void tear_down(void)
{
	for (size_t i = 0; i < record_count; i++)
		json_decref(records[i]);
	unlink(file);
	unlink(disk);
}

/* All of the file: each line is one object, and the last has its end. */
static void read_records(void)
{
	static char line[1 << 20];
	FILE *in = fopen(file, "re");

	ck_assert_ptr_nonnull(in);
	for (record_count = 0; fgets(line, sizeof(line), in); record_count++) {
		json_error_t error;

		ck_assert_uint_lt(record_count, RECORDS_MAX);
		ck_assert_msg(line[strlen(line) - 1] == '\n', "half a line: %s", line);
		records[record_count] = json_loads(line, JSON_REJECT_DUPLICATES, &error);
		ck_assert_msg(records[record_count] != NULL, "%s: %s", error.text, line);
	}
	fclose(in);
	ck_assert_uint_gt(record_count, 0);
}

static json_t *last(void)
{
	return records[record_count - 1];
}

/* The number @name of @in, which is there and no less than 0. */
static json_int_t number(const json_t *in, const char *name)
{
	const json_t *value = json_object_get(in, name);

	ck_assert_msg(json_is_integer(value), "no %s", name);
	ck_assert_int_ge(json_integer_value(value), 0);
	return json_integer_value(value);
}

static json_t *device(const json_t *record, const char *type)
{
	json_t *devices = json_object_get(record, "devices"), *found;
	size_t i;

	json_array_foreach(devices, i, found)
	{
		if (strcmp(json_string_value(json_object_get(found, "type")), type) == 0)
			return found;
	}
	ck_abort_msg("no %s", type);
}

static json_t *vcpu(const json_t *record, size_t index)
{
	return json_array_get(json_object_get(record, "vcpus"), index);
}

static const char *state(const json_t *record)
{
	return json_string_value(json_object_get(record, "state"));
}

/* The number in front of @what in what the guest printed. */
static unsigned long printed(const char *what)
{
	const char *at = strstr(vm.output, what);

	ck_assert_ptr_nonnull(at);
	while (at > vm.output && at[-1] != ' ')
		at--;
	return strtoul(at, NULL, 10);
}

/* --- what the guest did ------------------------------------------------------------------------- */

static void check_latency(const json_t *dev)
{
	const json_t *latency = json_object_get(dev, "latency"), *bucket;
	json_int_t sum = 0;
	size_t i;

	json_array_foreach(json_object_get(latency, "buckets"), i, bucket) sum +=
		json_integer_value(json_array_get(bucket, 1));
	ck_assert_int_eq(sum, number(dev, "requests"));
	ck_assert_int_eq(number(latency, "count"), number(dev, "requests"));
	ck_assert_int_gt(number(latency, "p50_ns"), 0);
	ck_assert_int_le(number(latency, "p50_ns"), number(latency, "p90_ns"));
	ck_assert_int_le(number(latency, "p90_ns"), number(latency, "p99_ns"));
	ck_assert_int_le(number(latency, "p99_ns"), number(latency, "max_ns"));
	ck_assert_int_le(number(latency, "max_ns"), number(latency, "sum_ns"));
}

static const char *const transports[] = {"mmio", "pci"};

/* The kernel says how many buffers and chains it used; each buffer is written and read once. */
START_TEST(test_known_requests)
{
	const json_t *blk, *rng;

	NEED_KVM();
	vm_run(&vm, "",
	       ARGS(built("guest/kernel.elf"), "--memory", "16M", "--fragment", "1M", "--transport",
		    transports[_i], "--disk", disk, "--rng", "--append", "tests=blk-data,rng",
		    stats_to_file("")));
	ck_assert_int_eq(vm.status, 0);
	ck_assert_str_eq(vm.errors, "");
	read_records();
	ck_assert_uint_eq(record_count, 1);
	ck_assert_str_eq(state(last()), "stopped");
	blk = device(last(), "virtio-blk");
	ck_assert_int_eq(number(blk, "requests"), 2 * (json_int_t)printed(" buffers at") + 1);
	/* One sector more is read, to know the disk. */
	ck_assert_int_eq(number(blk, "bytes_to_guest"), number(blk, "bytes_from_guest") + 512);
	ck_assert_int_eq(number(blk, "bytes_from_guest") % 512, 0);
	ck_assert_int_ge(number(blk, "bytes_from_guest"), 512 * (json_int_t)printed(" buffers at"));
	ck_assert_int_eq(number(blk, "errors"), 0);
	ck_assert_int_ge(number(blk, "crossings"), 2 * (json_int_t)printed(" buffers at"));
	check_latency(blk);
	rng = device(last(), "virtio-rng");
	ck_assert_int_eq(number(rng, "requests"), (json_int_t)printed(" chains"));
	/* The driver waits for each before it makes another. */
	ck_assert_int_eq(number(rng, "notifications"), number(rng, "requests"));
	ck_assert_int_eq(number(rng, "interrupts") + number(rng, "interrupts_suppressed"),
			 number(rng, "requests"));
	check_latency(rng);
}
END_TEST

START_TEST(test_known_exits)
{
	const json_t *io;
	json_int_t up;

	NEED_KVM();
	vm_run(&vm, "", ARGS(tiny("bench-ok"), "--flat", "0x1000", stats_to_file("")));
	ck_assert_int_eq(vm.status, 0);
	read_records();
	io = json_object_get(json_object_get(vcpu(last(), 0), "exits"), "io");
	ck_assert_int_eq(number(io, "count"), 4);
	ck_assert_int_gt(number(io, "ns"), 0);
	/* Inside and outside are parts of the time that passed. */
	up = number(last(), "uptime_ns");
	ck_assert_int_gt(number(vcpu(last(), 0), "run_ns"), 0);
	ck_assert_int_le(number(vcpu(last(), 0), "run_ns") + number(io, "ns"), up);
	ck_assert_int_gt(number(vcpu(last(), 0), "cpu_ns"), 0);
	ck_assert_int_le(number(vcpu(last(), 0), "cpu_ns"), up);
}
END_TEST

/* A restart goes on counting. The guest resets the machine three times, as a file tells it. */
START_TEST(test_restart)
{
	char region[128];

	NEED_KVM();
	snprintf(region, sizeof(region), "--region=128K:4K,file=%s", disk);
	vm_run(&vm, "",
	       ARGS(tiny("restart"), "--flat", "0x1000", "--region=0:128K", region,
		    stats_to_file("")));
	ck_assert_int_eq(vm.status, 0);
	read_records();
	ck_assert_int_eq(number(last(), "restarts"), 3);
	ck_assert_int_ge(
		number(json_object_get(json_object_get(vcpu(last(), 0), "exits"), "io"), "count"), 4);
}
END_TEST

/* --- when --------------------------------------------------------------------------------------- */

/* Numbers of the same name, at any depth, never become less. */
static void check_grows(const json_t *before, const json_t *now, const char *name)
{
	const json_t *value;
	const char *key;
	size_t i;

	if (strcmp(name, "depth") == 0 || (name[0] == 'p' && strstr(name, "_ns")))
		return;
	if (json_is_object(before)) {
		json_object_foreach((json_t *)before, key, value)
		{
			ck_assert_msg(json_object_get(now, key) != NULL, "%s has gone", key);
			/* Buckets are named by their first number. */
			if (strcmp(key, "buckets") != 0)
				check_grows(value, json_object_get(now, key), key);
		}
	}
	json_array_foreach((json_t *)before, i, value)
		check_grows(value, json_array_get(now, i), name);
	if (json_is_integer(before))
		ck_assert_msg(json_integer_value(before) <= json_integer_value(now),
			      "%s: %lld, then %lld", name, (long long)json_integer_value(before),
			      (long long)json_integer_value(now));
}

START_TEST(test_records_grow)
{
	NEED_KVM();
	vm_run(&vm, "",
	       ARGS(built("guest/kernel.elf"), "--memory", "64M", "--fragment", "64K", "--cpus",
		    "2", "--disk", disk, "--rng", "--append", "tests=blk-data,rng",
		    stats_to_file(",every=10ms")));
	ck_assert_int_eq(vm.status, 0);
	read_records();
	ck_assert_uint_ge(record_count, 3);
	for (size_t i = 1; i < record_count; i++) {
		ck_assert_str_eq(state(records[i - 1]), "running");
		ck_assert_int_gt(number(records[i], "uptime_ns"),
				 number(records[i - 1], "uptime_ns"));
		check_grows(records[i - 1], records[i], "");
	}
	ck_assert_str_eq(state(last()), "stopped");
	ck_assert_int_gt(number(device(last(), "virtio-blk"), "requests"),
			 number(device(records[0], "virtio-blk"), "requests"));
}
END_TEST

/* However it ends. */
static const struct {
	const char *guest;
	const char *flat;
	const char *timeout;
	int status;
} ends[] = {
	{"triple-fault", "0x1000,32", "60", 3},
	{"spin", "0x1000", "1", 124},
	{"bench-ok", "0x1000", "60", 0},
};

START_TEST(test_last_record)
{
	NEED_KVM();
	vm_run(&vm, "",
	       ARGS(tiny(ends[_i].guest), "--flat", ends[_i].flat, "--timeout", ends[_i].timeout,
		    stats_to_file(",every=1h")));
	ck_assert_int_eq(vm.status, ends[_i].status);
	read_records();
	ck_assert_uint_eq(record_count, 1);
	ck_assert_str_eq(state(last()), "stopped");
}
END_TEST

START_TEST(test_killed)
{
	struct stat st = {0};

	NEED_KVM();
	vm_start(&vm, ARGS(tiny("spin"), "--flat", "0x1000", "--rng", "--timeout", "60",
			   stats_to_file(",every=10ms")));
	for (int i = 0; i < 2000 && st.st_size < 4000; i++) {
		usleep(10000);
		ck_assert_int_eq(stat(file, &st), 0);
	}
	kill(vm.pid, SIGKILL);
	vm_wait(&vm);
	ck_assert_int_eq(vm.status, 1000 + SIGKILL);
	read_records();
	ck_assert_uint_ge(record_count, 4);
	ck_assert_str_eq(state(last()), "running");
}
END_TEST

START_TEST(test_text_every)
{
	const char *first;

	NEED_KVM();
	vm_run(&vm, "",
	       ARGS(tiny("spin"), "--flat", "0x1000", "--timeout", "1s", "--stats=every=100ms"));
	ck_assert_int_eq(vm.status, 124);
	first = strstr(vm.errors, "vmm: vcpu 0: exits");
	ck_assert_ptr_nonnull(first);
	ck_assert_ptr_nonnull(strstr(first + 1, "vmm: vcpu 0: exits"));
	ck_assert_ptr_nonnull(strstr(first + 1, " in KVM_RUN, "));
}
END_TEST

/* --- the file ----------------------------------------------------------------------------------- */

static void put_in_file(const char *text)
{
	int fd = open(file, O_WRONLY | O_TRUNC | O_CLOEXEC);

	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

/* What was in the file goes when there is a record, and stays when there is none. */
START_TEST(test_file_before)
{
	char text[16] = "";
	int fd;

	NEED_KVM();
	put_in_file("before\n");
	vm_run(&vm, "",
	       ARGS(tiny("bench-ok"), "--flat", "0x1000", "--rng=rate=0", stats_to_file("")));
	ck_assert_int_eq(vm.status, 2);
	vm_run(&vm, "", ARGS("/nonexistent", "--flat", "0x1000", stats_to_file("")));
	ck_assert_int_eq(vm.status, 2);
	fd = open(file, O_RDONLY | O_CLOEXEC);
	ck_assert_int_eq(read(fd, text, sizeof(text)), 7);
	close(fd);
	ck_assert_str_eq(text, "before\n");
	vm_run(&vm, "", ARGS(tiny("bench-ok"), "--flat", "0x1000", stats_to_file("")));
	read_records();
	ck_assert_uint_eq(record_count, 1);
}
END_TEST

/* A file that did not become one of records is not left behind. */
START_TEST(test_file_made)
{
	NEED_KVM();
	unlink(file);
	vm_run(&vm, "",
	       ARGS(tiny("bench-ok"), "--flat", "0x1000", "--gdb=/nonexistent/gdb",
		    stats_to_file("")));
	ck_assert_int_ne(access(file, F_OK), 0);
	vm_run(&vm, "", ARGS(tiny("bench-ok"), "--flat", "0x1000", stats_to_file("")));
	read_records();
}
END_TEST

START_TEST(test_file_errors)
{
	NEED_KVM();
	vm_run(&vm, "",
	       ARGS(tiny("bench-ok"), "--flat", "0x1000", "--stats=json=/nonexistent/stats"));
	ck_assert_int_eq(vm.status, 2);
	ck_assert_str_eq(vm.errors,
			 "vmm: --stats json=/nonexistent/stats: cannot be written: No such "
			 "file or directory\n");
	ck_assert_str_eq(vm.output, "");
	/* Many records are lost, and that is said once; the guest notices nothing. */
	vm_run(&vm, "",
	       ARGS(tiny("spin"), "--flat", "0x1000", "--timeout", "1",
		    "--stats=json=/dev/full,every=10ms"));
	ck_assert_int_eq(vm.status, 124);
	ck_assert_str_eq(vm.errors, "vmm: --stats: /dev/full: No space left on device; records are "
				    "lost\nvmm: --timeout: the time is up\n");
}
END_TEST

Suite *stats_suite(void)
{
	Suite *suite = suite_create("stats");
	TCase *tcase = tcase_create("stats");

	tcase_set_timeout(tcase, 90);
	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_loop_test(tcase, test_known_requests, 0, 2);
	tcase_add_test(tcase, test_known_exits);
	tcase_add_test(tcase, test_restart);
	tcase_add_test(tcase, test_records_grow);
	tcase_add_loop_test(tcase, test_last_record, 0, sizeof(ends) / sizeof(ends[0]));
	tcase_add_test(tcase, test_killed);
	tcase_add_test(tcase, test_text_every);
	tcase_add_test(tcase, test_file_before);
	tcase_add_test(tcase, test_file_made);
	tcase_add_test(tcase, test_file_errors);
	suite_add_tcase(suite, tcase);
	return suite;
}
#else
START_TEST(test_nothing)
{
	TEST_SKIP("built without jansson");
}
END_TEST

Suite *stats_suite(void)
{
	Suite *suite = suite_create("stats");
	TCase *tcase = tcase_create("stats");

	tcase_add_test(tcase, test_nothing);
	suite_add_tcase(suite, tcase);
	return suite;
}
#endif
