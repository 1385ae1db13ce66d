/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Hosts that are short of something, by real means: a file system that is full under a disk, a
 * console's file and guest memory; a file that may not grow; one that shrinks under a running guest;
 * programs at the other end that close in the middle. Calls that fail by a plan are test_faults.c's.
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "guest/abi.h"
#include "tests/kvm/suites.h"
#include "tests/kvm/vm.h"
#include "vmm/kvm.h"

#define TMPFS_SIZE "256k"
#define DISK_SIZE  (1 << 20)
#define RAM_SIZE   (15 << 20)

static struct vm vm;
static char dir[] = "/tmp/vmm-test-short-XXXXXX";

static const char *in_dir(const char *format, const char *name)
{
	static char texts[4][96];
	static unsigned int next;
	char *text = texts[next++ % 4];

	snprintf(text, sizeof(texts[0]), format, dir, name);
	return text;
}

static void make_file(const char *name, off_t size)
{
	int fd = open(in_dir("%s/%s", name), O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, size), 0);
	close(fd);
}

/* A small file system at @dir, seen by this test alone and gone with it; full but for its files. */
static void mount_full(void)
{
	static const uint8_t zero[4096];
	int fd;

	ck_assert_int_eq(unshare(geteuid() == 0 ? CLONE_NEWNS : CLONE_NEWUSER | CLONE_NEWNS), 0);
	ck_assert_int_eq(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	ck_assert_int_eq(mount("test", dir, "tmpfs", 0, "size=" TMPFS_SIZE), 0);
	make_file("disk", DISK_SIZE);
	make_file("ram", RAM_SIZE);
	make_file("console", 0);
	fd = open(in_dir("%s/%s", "rest"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	while (write(fd, zero, sizeof(zero)) > 0)
		continue;
	close(fd);
}

static void begin(void)
{
	ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void end(void)
{
	static const char *const names[] = {"disk", "ram", "console", "rest", "socket"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unlink(in_dir("%s/%s", names[i]));
	umount2(dir, MNT_DETACH);
	ck_assert_int_eq(rmdir(dir), 0);
}

static void expect_one_line(const char *part)
{
	ck_assert_msg(strncmp(vm.errors, "vmm: ", 5) == 0 && strstr(vm.errors, part) &&
			      strchr(vm.errors, '\n') == vm.errors + strlen(vm.errors) - 1,
		      "said: %s", vm.errors);
}

/* The guest is told, and the user need not be. */
START_TEST(a_disk_on_a_full_file_system)
{
	static const char *const engines[] = {"%s/%s,aio=io_uring", "%s/%s,aio=threads"};

	NEED_KVM();
	begin();
	mount_full();
	vm_run(&vm, "",
	       ARGS(built("guest/kernel.elf"), "--memory=16M", "--fragment=1M", "--disk",
		    in_dir(engines[_i], "disk"), "--cmdline", "tests=blk-records records=1,4"));
	ck_assert_int_eq(vm.status, ABI_EXIT_FAILED);
	ck_assert_ptr_nonnull(strstr(vm.output, "# record 1: status 1\nnot ok"));
	ck_assert_str_eq(vm.errors, "");
	end();
}
END_TEST

START_TEST(a_console_on_a_full_file_system)
{
	NEED_KVM();
	begin();
	mount_full();
	vm_run(&vm, "",
	       ARGS(built("guest/kernel.elf"), "--memory=16M", "--fragment=1M", "--console",
		    in_dir("file=%s/%s", "console"), "--cmdline", "tests=console-tx"));
	ck_assert_msg(vm.status == 0, "%s%s", vm.output, vm.errors);
	expect_one_line("No space left on device; further output is lost");
	end();
}
END_TEST

/* The kernel does not fit into memory that is not there; nor does the guest find it later. */
START_TEST(memory_on_a_full_file_system)
{
	NEED_KVM();
	begin();
	mount_full();
	vm_run(&vm, "",
	       ARGS(built("guest/kernel.elf"), "--region=0:1M", "--region",
		    in_dir("1M:15M,file=%s/%s", "ram")));
	ck_assert_int_eq(vm.status, 1);
	ck_assert_str_eq(vm.output, "");
	expect_one_line("kernel");
	vm_run(&vm, "",
	       ARGS(built("guest/kernel.elf"), "--region=0:16M", "--region",
		    in_dir("16M:15M,file=%s/%s", "ram"), "--timeout=3", "--cmdline",
		    "tests=memory-straddle"));
	/*
	 * A KVM that is software, or has pages fetched while the guest waits, tries for ever; the
	 * monitor is not kept from its work by that.
	 */
	if (vm.status != 124) {
		ck_assert_msg(vm.status == 1, "status %d: %s%s", vm.status, vm.output, vm.errors);
		ck_assert_ptr_nonnull(strstr(vm.errors, "a file behind it may have shrunk"));
	}
	end();
}
END_TEST

START_TEST(a_file_that_may_not_grow)
{
	const struct rlimit limit = {DISK_SIZE / 2, DISK_SIZE / 2};

	NEED_KVM();
	begin();
	make_file("disk", DISK_SIZE);
	/* The signal is the monitor's to ignore, not the test's. */
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	vm_run(&vm, "",
	       ARGS(built("guest/kernel.elf"), "--memory=16M", "--disk", in_dir("%s/%s", "disk"),
		    "--cmdline", "tests=blk-records records=1,4"));
	ck_assert_msg(vm.status == ABI_EXIT_FAILED, "status %d: %s%s", vm.status, vm.output,
		      vm.errors);
	ck_assert_ptr_nonnull(strstr(vm.output, "# record 1: status 1\nnot ok"));
	ck_assert_str_eq(vm.errors, "");
	end();
}
END_TEST

/* Under its code, its rings and its data: whoever gets there first says so, and that is the end. */
START_TEST(memory_whose_file_shrinks)
{
	NEED_KVM();
	begin();
	make_file("disk", DISK_SIZE);
	make_file("ram", RAM_SIZE);
	vm_start(&vm, ARGS(built("guest/kernel.elf"), "--region=0:1M", "--region",
			   in_dir("1M:15M,file=%s/%s", "ram"), "--disk", in_dir("%s/%s", "disk"),
			   "--cmdline", "tests=blk-records records=1,1000000"));
	vm_expect_output(&vm, ABI_RECORD_LINE);
	ck_assert_int_eq(truncate(in_dir("%s/%s", "ram"), 0), 0);
	vm_wait(&vm);
	/* A software KVM finds no instruction where the hardware's finds no memory. */
	if (vm.status != 3 || !kvm_is_software()) {
		ck_assert_msg(vm.status == 1, "status %d: %s", vm.status, vm.errors);
		ck_assert_ptr_nonnull(strstr(vm.errors, "a file behind it may have shrunk"));
	}
	ck_assert(!strstr(vm.output, "ok 1"));
	end();
}
END_TEST

/* One end of a UNIX socket at which the monitor is to connect. */
static int listen_at(const char *name)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(addr.sun_path, in_dir("%s/%s", name));
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	ck_assert_int_eq(listen(fd, 1), 0);
	return fd;
}

/* In the middle of a line, with bytes unread: the guest goes on. */
START_TEST(a_console_whose_other_end_closes)
{
	char bytes[7];
	int listener, peer;

	NEED_KVM();
	begin();
	listener = listen_at("socket");
	vm_start(&vm, ARGS(built("guest/kernel.elf"), "--memory=16M", "--serial",
			   in_dir("connect=%s/%s", "socket"), "--timeout=60", "--cmdline",
			   "tests=memory-map,timer,memory-straddle"));
	peer = accept(listener, NULL, NULL);
	ck_assert_int_ge(peer, 0);
	ck_assert_int_gt(read(peer, bytes, sizeof(bytes)), 0);
	close(peer);
	vm_wait(&vm);
	ck_assert_msg(vm.status == 0, "status %d: %s", vm.status, vm.errors);
	expect_one_line("--serial: ");
	close(listener);
	end();
}
END_TEST

Suite *short_suite(void)
{
	Suite *suite = suite_create("short");
	TCase *tcase = tcase_create("short");

	tcase_set_timeout(tcase, 120);
	tcase_add_loop_test(tcase, a_disk_on_a_full_file_system, 0, 2);
	tcase_add_test(tcase, a_console_on_a_full_file_system);
	tcase_add_test(tcase, memory_on_a_full_file_system);
	tcase_add_test(tcase, a_file_that_may_not_grow);
	tcase_add_test(tcase, memory_whose_file_shrinks);
	tcase_add_test(tcase, a_console_whose_other_end_closes);
	suite_add_tcase(suite, tcase);
	return suite;
}
