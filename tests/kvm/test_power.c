/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* How machines end and begin again, and processors that start others. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/kvm/suites.h"
#include "tests/kvm/vm.h"

static struct vm vm;

static const struct {
	const char *name;
	const char *option;
	const char *output;
	int status;
} ends[] = {
	{"power-off", "--stats", "p", 0},
	{"panic", "--stats", "p", 5},
	{"reset", "--no-reboot", "", 0},
	{"power-off", "--no-reboot", "p", 0},
};

START_TEST(test_end)
{
	NEED_KVM();
	vm_run(&vm, "", ARGS(tiny(ends[_i].name), "--flat", "0x1000", ends[_i].option));
	ck_assert_str_eq(vm.output, ends[_i].output);
	ck_assert_int_eq(vm.status, ends[_i].status);
}
END_TEST

/* Four starts: what is in a file stays, RAM and registers are new, the kernel is loaded again. */
START_TEST(test_restart)
{
	char file[] = "/tmp/vmm-test-ram-XXXXXX", region[128];
	int fd = mkstemp(file);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, 64 << 10), 0);
	snprintf(region, sizeof(region), "128K:64K,file=%s", file);
	if (kvm_is_here()) {
		vm_run(&vm, "",
		       ARGS(tiny("restart"), "--flat", "0x1000", "--transport", _i ? "pci" : "mmio",
			    "--region", "0:128K", "--region", region, "--region", "1M:1M", "--rng",
			    "--console", "null"));
		ck_assert_str_eq(vm.errors, "");
		ck_assert_str_eq(vm.output, "1234\n");
		ck_assert_int_eq(vm.status, 0);
	} else {
		test_skip("no usable /dev/kvm");
	}
	close(fd);
	unlink(file);
}
END_TEST

START_TEST(test_other_processors)
{
	NEED_KVM();
	vm_run(&vm, "", ARGS(tiny("smp"), "--flat", "0x1000,32", "--cpus", "4", "--stats"));
	ck_assert_int_eq(vm.status, 3);
	ck_assert_ptr_nonnull(strstr(vm.errors, "vmm: vcpu 3: exits"));
}
END_TEST

START_TEST(test_timeout)
{
	NEED_KVM();
	vm_run(&vm, "", ARGS(tiny("spin"), "--flat", "0x1000", "--timeout", "1"));
	ck_assert_str_eq(vm.errors, "vmm: --timeout: the time is up\n");
	ck_assert_int_eq(vm.status, 124);
}
END_TEST

/* A guest that listens to the button powers off by itself. */
START_TEST(test_button)
{
	NEED_KVM();
	vm_start(&vm, ARGS(tiny("button"), "--flat", "0x1000,32"));
	vm_expect_output(&vm, ">");
	kill(vm.pid, SIGTERM);
	ck_assert_int_eq(vm_wait(&vm), 0);
	ck_assert_str_eq(vm.output, ">b");
}
END_TEST

/* One that listens and does not: the second signal ends it. */
START_TEST(test_button_ignored)
{
	NEED_KVM();
	vm_start(&vm, ARGS(tiny("button"), "--flat", "0x1000,32"));
	vm_expect_output(&vm, ">");
	vm_send(&vm, "x", 1);
	/* It is in the receiver before the button is pressed. */
	usleep(100000);
	kill(vm.pid, SIGTERM);
	vm_expect_output(&vm, ">b");
	kill(vm.pid, SIGTERM);
	ck_assert_int_eq(vm_wait(&vm), 128 + SIGTERM);
}
END_TEST

START_TEST(test_too_many_processors)
{
	NEED_KVM();
	vm_run(&vm, "", ARGS(tiny("halt"), "--flat", "0x1000", "--cpus", "4096"));
	ck_assert_ptr_nonnull(strstr(vm.errors, "vmm: --cpus 4096: at most "));
	ck_assert_int_eq(vm.status, 2);
}
END_TEST

Suite *power_suite(void)
{
	Suite *suite = suite_create("power");
	TCase *tc = tcase_create("power");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, test_end, 0, sizeof(ends) / sizeof(ends[0]));
	tcase_add_loop_test(tc, test_restart, 0, 2);
	tcase_add_test(tc, test_other_processors);
	tcase_add_test(tc, test_timeout);
	tcase_add_test(tc, test_button);
	tcase_add_test(tc, test_button_ignored);
	tcase_add_test(tc, test_too_many_processors);
	suite_add_tcase(suite, tc);
	return suite;
}
