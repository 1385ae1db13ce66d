/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* What the host may lack, and what the command line may ask too much of: one exact line each. */
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
	suite_add_tcase(suite, tcase);
	return suite;
}
