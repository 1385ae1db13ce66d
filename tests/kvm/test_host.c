/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* What the host may lack, and what the command line may ask too much of: one exact line each. */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/kvm/suites.h"
#include "tests/kvm/vm.h"
#include "vmm/kvm.h"
#include "vmm/machine.h"

static struct vm vm;

static void expect_no_kvm(const char *path, const char *text)
{
	struct report report;
	struct kvm kvm;

	ck_assert_int_eq(kvm_open(&kvm, path, &report), -1);
	kvm_close(&kvm);
	ck_assert_int_eq(report.status, REPORT_HOST);
	ck_assert_str_eq(report.text, text);
}

START_TEST(test_no_device)
{
	expect_no_kvm("/nonexistent/kvm",
		      "/nonexistent/kvm: not there: this needs a Linux host with KVM and its "
		      "module (kvm_intel or kvm_amd) loaded");
}
END_TEST

START_TEST(test_not_a_kvm)
{
	expect_no_kvm("/dev/null", "/dev/null: not a KVM: Inappropriate ioctl for device");
}
END_TEST

START_TEST(test_no_permission)
{
	char path[] = "/tmp/vmm-test-kvm-XXXXXX", text[256];
	int fd = mkstemp(path);

	ck_assert_int_ge(fd, 0);
	close(fd);
	ck_assert_int_eq(chmod(path, 0), 0);
	/* Root may open it all the same; the test has a process of its own to become another. */
	if (geteuid() == 0)
		ck_assert_int_eq(seteuid(65534), 0);
	snprintf(text, sizeof(text), "%s: permission denied: be root or a member of the group kvm",
		 path);
	expect_no_kvm(path, text);
	if (getuid() == 0)
		ck_assert_int_eq(seteuid(0), 0);
	unlink(path);
}
END_TEST

static void expect_refused(const char *text)
{
	ck_assert_int_eq(vm.status, 2);
	ck_assert_str_eq(vm.output, "");
	ck_assert_str_eq(vm.errors, text);
}

START_TEST(test_too_many_slots)
{
	struct report report;
	struct kvm kvm;
	char region[64];

	NEED_KVM();
	ck_assert_int_eq(kvm_open(&kvm, KVM_PATH, &report), 0);
	snprintf(region, sizeof(region), "0:4K*%zu", kvm.max_slots + 1);
	kvm_close(&kvm);
	vm_run(&vm, "", ARGS(tiny("bench-ok"), "--flat", "0x1000", "--region", region));
	ck_assert_int_eq(vm.status, 2);
	ck_assert_ptr_nonnull(strstr(vm.errors, "regions"));
	ck_assert_ptr_eq(strchr(vm.errors, '\n'), vm.errors + strlen(vm.errors) - 1);
}
END_TEST

/* As many as the transport has room for, and one more. */
START_TEST(test_too_many_devices)
{
	const unsigned int max = _i ? MACHINE_PCI_MAX : MACHINE_MMIO_MAX;
	const char *args[MACHINE_DEVICES_MAX + 8] = {tiny("bench-ok"), "--flat", "0x1000",
						     "--transport", _i ? "pci" : "mmio"};
	char text[128];

	NEED_KVM();
	for (unsigned int i = 0; i < max + 1; i++)
		args[5 + i] = "--console=null";
	vm_run(&vm, "", args);
	snprintf(text, sizeof(text), "vmm: --console null: there is room for %u devices\n", max);
	expect_refused(text);
	args[5 + max] = NULL;
	vm_run(&vm, "", args);
	ck_assert_int_eq(vm.status, 0);
	ck_assert_str_eq(vm.output, "OK\n");
}
END_TEST

START_TEST(test_serial_backends)
{
	NEED_KVM();
	vm_run(&vm, "", ARGS(tiny("bench-ok"), "--flat", "0x1000", "--serial", "tcp"));
	expect_refused("vmm: --serial tcp: not a backend; there are stdio, null, pty, "
		       "file=PATH, socket=PATH, connect=PATH and pipe=PATH\n");
	vm_run(&vm, "",
	       ARGS(tiny("bench-ok"), "--flat", "0x1000", "--serial", "file=/nonexistent/file"));
	expect_refused("vmm: --serial file=/nonexistent/file: No such file or directory\n");
	vm_run(&vm, "",
	       ARGS(tiny("bench-ok"), "--flat", "0x1000", "--serial", "stdio", "--console", "stdio"));
	expect_refused("vmm: --console stdio: standard input and output are taken by --serial\n");
}
END_TEST

/* --- a command line that is wrong has changed nothing --------------------------------------------- */

/* The last of the line, when all before it is there already; where the kernel goes is found last. */
static const struct {
	const char *flat, *wrong;
	const char *line;
} wrongs[] = {
	{"0x1000", "--disk=/nonexistent/disk", "--disk: cannot open '/nonexistent/disk'"},
	{"0x1000", "--console=nonsense", "--console nonsense: not a backend"},
	{"0x1000", "--console=pipe=/nonexistent/p", "--console: cannot create the FIFO"},
	{"0x1000", "--gdb=/nonexistent/gdb", "--gdb: cannot create the socket"},
	{"0x7fffffff000", "--memory=16M", "0x7fffffff000"},
};

#define WRONGS ((int)(sizeof(wrongs) / sizeof(wrongs[0])))

static void make_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static void check_text(const char *path, const char *text, const char *wrong)
{
	char now[64] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	ck_assert_msg(fd >= 0 && read(fd, now, sizeof(now) - 1) >= 0, "%s: %s", wrong, path);
	ck_assert_msg(strcmp(now, text) == 0, "%s: %s is '%s'", wrong, path, now);
	close(fd);
}

/* Files, FIFOs and sockets of all options that make some, in an empty directory. */
START_TEST(test_mistake_changes_nothing)
{
	char dir[] = "/tmp/vmm-test-host-XXXXXX", kernel[PATH_MAX], build[PATH_MAX];
	const char *wrong = wrongs[_i].wrong;

	NEED_KVM();
	ck_assert_ptr_nonnull(realpath(tiny("bench-ok"), kernel));
	ck_assert_ptr_nonnull(realpath(test_env("VMM_BUILD", "build"), build));
	ck_assert_int_eq(setenv("VMM_BUILD", build, 1), 0);
	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_eq(chdir(dir), 0);
	make_text("console", "dear");
	make_text("serial", "dearer");
	make_text("junit", "dearest");
	vm_run(&vm, "",
	       ARGS(kernel, "--flat", wrongs[_i].flat, "--serial=file=serial", "--console",
		    "file=console,port=a:file=new,port=b:socket=socket,port=c:pipe=pipe",
		    "--vsock=vsock", "--tap", "--junit=junit", "--on-crash=dump=core", "--rng",
		    wrong));
	ck_assert_msg(vm.status == 2 && strncmp(vm.errors, "vmm: ", 5) == 0 &&
			      strstr(vm.errors, wrongs[_i].line) &&
			      strchr(vm.errors, '\n') == vm.errors + vm.errors_len - 1,
		      "%s: status %d: %s", wrong, vm.status, vm.errors);
	check_text("console", "dear", wrong);
	check_text("serial", "dearer", wrong);
	check_text("junit", "dearest", wrong);
	ck_assert_int_eq(unlink("console") | unlink("serial") | unlink("junit"), 0);
	/* So nothing else is there. */
	ck_assert_msg(rmdir(dir) == 0, "%s: something was made", wrong);
}
END_TEST

Suite *host_suite(void)
{
	Suite *suite = suite_create("host");
	TCase *tcase = tcase_create("host");

	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, test_no_device);
	tcase_add_test(tcase, test_not_a_kvm);
	tcase_add_test(tcase, test_no_permission);
	tcase_add_test(tcase, test_too_many_slots);
	tcase_add_loop_test(tcase, test_too_many_devices, 0, 2);
	tcase_add_test(tcase, test_serial_backends);
	tcase_add_loop_test(tcase, test_mistake_changes_nothing, 0, WRONGS);
	suite_add_tcase(suite, tcase);
	return suite;
}
