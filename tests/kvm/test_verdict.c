/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* --expect, --tap, --junit and --exit-map, from outside. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/kvm/suites.h"
#include "tests/kvm/vm.h"

static struct vm vm;

/* The status of a machine that runs some tests of the test kernel. */
static void run_kernel(const char *const *more)
{
	const char *args[16] = {built("guest/kernel.elf")};
	int count = 1;

	while (*more)
		args[count++] = *more++;
	vm_run(&vm, "", args);
}

/* On whichever console it comes, and whether that is shown or not. */
static const char *const consoles[][2] = {
	{"--serial", "stdio"},
	{"--serial", "null"},
};

START_TEST(test_expect)
{
	NEED_KVM();
	run_kernel(ARGS(consoles[_i][0], consoles[_i][1], "--timeout", "60", "--expect", "^1\\.\\.",
			"--expect", "memory-map$"));
	ck_assert_str_eq(vm.errors, "");
	ck_assert_int_eq(!vm.output_len, _i == 1);
	ck_assert_int_eq(vm.status, 0);
}
END_TEST

/* A virtio console: what the kernel writes there is seen although it goes nowhere. */
START_TEST(test_expect_on_virtio)
{
	NEED_KVM();
	run_kernel(ARGS("--serial", "null", "--console", "null", "--cmdline", "tests=console",
			"--timeout", "60", "--expect", "not there", "--expect", "."));
	ck_assert_ptr_nonnull(strstr(vm.errors, "vmm: --expect not there: not seen"));
	ck_assert_int_eq(vm.status, 6);
}
END_TEST

START_TEST(test_expect_without_end)
{
	NEED_KVM();
	/* It prints one character without a newline and powers off. */
	vm_run(&vm, "", ARGS(tiny("power-off"), "--flat", "0x1000", "--expect", "^p"));
	ck_assert_str_eq(vm.errors, "");
	ck_assert_int_eq(vm.status, 0);
	vm_run(&vm, "", ARGS(tiny("power-off"), "--flat", "0x1000", "--expect", "^p$"));
	ck_assert_int_eq(vm.status, 0);
	vm_run(&vm, "", ARGS(tiny("spin"), "--flat", "0x1000", "--expect", "p", "--timeout", "1"));
	ck_assert_ptr_nonnull(strstr(vm.errors, "vmm: --expect p: not seen"));
	ck_assert_int_eq(vm.status, 6);
}
END_TEST

/* In the jail, too, where the build can have one. */
START_TEST(test_tap)
{
	char path[] = "/tmp/vmm-test-verdict-XXXXXX", text[4096] = "";
	int fd = mkstemp(path);
	const char *jail = _i ? WHOLE_JAIL : "--no-jail";
	ssize_t n;

	if (kvm_is_here()) {
		run_kernel(ARGS("--tap", "--junit", path, jail, "--cmdline",
				"tests=memory-map,memory-holes"));
		ck_assert_ptr_nonnull(
			strstr(vm.errors, "vmm: --tap: 2 passed, 0 failed, 0 skipped, 0 to do\n"));
		ck_assert_int_eq(vm.status, 0);
		n = read(fd, text, sizeof(text) - 1);
		ck_assert_int_gt(n, 0);
		ck_assert_ptr_nonnull(strstr(text, "tests=\"2\" failures=\"0\" errors=\"0\""));
		ck_assert_ptr_nonnull(strstr(text, "name=\"memory-holes\""));
		ck_assert_ptr_nonnull(strstr(text, "</testsuites>\n"));
	} else {
		test_skip("no usable /dev/kvm");
	}
	close(fd);
	unlink(path);
}
END_TEST

/* What ends otherwise than the guest wants keeps its status; what says no TAP is no success. */
START_TEST(test_tap_fails)
{
	NEED_KVM();
	vm_run(&vm, "", ARGS(tiny("panic"), "--flat", "0x1000", "--tap"));
	ck_assert_ptr_nonnull(strstr(vm.errors, "; no TAP on any console\n"));
	ck_assert_int_eq(vm.status, 5);
	vm_run(&vm, "", ARGS(tiny("power-off"), "--flat", "0x1000", "--tap"));
	ck_assert_int_eq(vm.status, 7);
	/* --expect may end a guest that does not end itself: the rest of the plan is missing. */
	run_kernel(ARGS("--tap", "--expect", "^ok 1 - memory-map$"));
	ck_assert_ptr_nonnull(strstr(vm.errors, " tests planned, "));
	ck_assert_int_eq(vm.status, 7);
}
END_TEST

START_TEST(test_exit_map)
{
	NEED_KVM();
	vm_run(&vm, "", ARGS(tiny("debug-exit-1"), "--flat", "0x1000", "--exit-map", "67=0"));
	ck_assert_int_eq(vm.status, 0);
	vm_run(&vm, "", ARGS(tiny("status"), "--flat", "0x1000", "--exit-map", "67=0,42=17"));
	ck_assert_int_eq(vm.status, 17);
	/* A crash is no choice of the guest's. */
	vm_run(&vm, "", ARGS(tiny("panic"), "--flat", "0x1000", "--exit-map", "5=0"));
	ck_assert_int_eq(vm.status, 5);
}
END_TEST

static const struct {
	const char *option, *value, *error;
} mistakes[] = {
	{"--expect", "a(", "vmm: --expect a(: not an extended regular expression"},
	{"--exit-map", "1", "vmm: --exit-map 1: not FROM=TO"},
	{"--junit", "/tmp/x.xml", "vmm: --junit /tmp/x.xml: needs --tap"},
};

START_TEST(test_mistake)
{
	vm_run(&vm, "", ARGS(tiny("halt"), mistakes[_i].option, mistakes[_i].value));
	ck_assert_ptr_nonnull(strstr(vm.errors, mistakes[_i].error));
	ck_assert_int_eq(vm.status, 2);
}
END_TEST

Suite *verdict_suite(void)
{
	Suite *suite = suite_create("verdict");
	TCase *tc = tcase_create("verdict");

	tcase_set_timeout(tc, 90);
	tcase_add_loop_test(tc, test_expect, 0, 2);
	tcase_add_test(tc, test_expect_on_virtio);
	tcase_add_test(tc, test_expect_without_end);
	tcase_add_loop_test(tc, test_tap, 0, 2);
	tcase_add_test(tc, test_tap_fails);
	tcase_add_test(tc, test_exit_map);
	tcase_add_loop_test(tc, test_mistake, 0, 3);
	suite_add_tcase(suite, tc);
	return suite;
}
