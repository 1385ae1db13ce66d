/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vmm check: what is wrong is one line, as at a start, nothing is made, and there need be no KVM.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/runner.h"
#include "tests/vmm/cli-run.h"
#include "tests/vmm/suites.h"
#include "vmm/config.h"

#define KERNEL "@KERNEL"

/* Without a KVM: --kvm names none. */
static const struct {
	const char *line; /* behind "check --kvm /nowhere" */
	const char *error;
} checks[] = {
	{KERNEL, NULL},
	{KERNEL " --memory 256M --fragment 64K,seed=3 --rng --console null --cpus 4 -- a b", NULL},
	{KERNEL " --transport pci --on-crash dump=/tmp/vmm-test-none --serial "
		"file=/tmp/vmm-test-none --vsock /tmp/vmm-test-none --console pty",
	 NULL},
	{KERNEL " --control /tmp/vmm-test-none", NULL},
	{KERNEL " --stats=json=/tmp/vmm-test-none --map=/tmp/vmm-test-none.svg", NULL},
	{KERNEL
	 " --tap --junit /tmp/vmm-test-none --gdb=/tmp/vmm-test-none --map=vmm-test-none.svg",
	 NULL},
	{"", "no kernel given; usage: vmm KERNEL [options], --help for more"},
	{"/nowhere", "kernel /nowhere: cannot open it: No such file or directory"},
	{"/etc/passwd", "kernel /etc/passwd: neither an ELF file nor a bzImage nor, without --flat "
			"ADDRESS, a flat binary"},
	{"/etc/passwd --flat 2M,16", "kernel /etc/passwd: " /* and where it ends */},
	{KERNEL " --region 0:8K --region 4K:4K",
	 "--region 4K:4K: 0x1000-0x1fff overlaps 0x0-0x1fff of --region 0:8K"},
	{KERNEL " --region 2K:4K", "--region 2K:4K: base 0x800 is not a multiple of 4K (0x1000)"},
	{KERNEL " --region 0:64M,file=/nowhere",
	 "--region 0:64M,file=/nowhere: file=/nowhere: cannot open it: No such file or directory"},
	{KERNEL " --memory 8K", "kernel " /* is not in RAM */},
	{KERNEL " --module /nowhere",
	 "--module /nowhere: cannot open it: No such file or directory"},
	{KERNEL " --disk /nowhere", "--disk: cannot open '/nowhere': No such file or directory"},
	{KERNEL " --disk /dev/null,rdonly", "--disk: 'rdonly': unknown word; did you mean ro?"},
	{KERNEL " --cpus 300", "--cpus 300: at most 254 are possible here"},
	{KERNEL " --serial stdio --console stdio",
	 "--console stdio: standard input and output are taken by --serial"},
	{KERNEL " --tap --junit /nowhere/x",
	 "--junit /nowhere/x: cannot be written: No such file or directory"},
	{KERNEL " --on-crash dump=/tmp", "--on-crash dump=/tmp: File exists"},
	{KERNEL " --gdb=70000", "--gdb 70000: ports go up to 65535"},
	{KERNEL " --gdb=/nowhere/x",
	 "--gdb: cannot create the socket '/nowhere/x': No such file or directory"},
	{KERNEL " --serial file=/tmp/vmm-test-none --console null,port=a:file=/tmp/vmm-test-none",
	 "--console port a file=/tmp/vmm-test-none: --serial has that file already; give each one "
	 "of its own"},
	{KERNEL " --console pipe=/tmp/vmm-test-none --console pipe=/tmp/vmm-test-none",
	 "--console pipe=/tmp/vmm-test-none: --console has that file already; give each one of its "
	 "own"},
	{KERNEL " --control /nowhere/x",
	 "--control: cannot create the socket '/nowhere/x': No such file or directory"},
	{KERNEL " --control /dev/null",
	 "--control: '/dev/null' exists and is not a socket; it is not replaced"},
	{KERNEL " --control ''", "--control: the path of the socket is missing"},
	{KERNEL " --control fd:x", "--control fd:x: a descriptor is fd:N, for example fd:3"},
	{KERNEL " --control fd:0", "--control fd:0: not a UNIX stream socket that listens"},
	{KERNEL " --stats=json=/nowhere/x",
	 "--stats json=/nowhere/x: cannot be written: No such file or directory"},
	{KERNEL " --stats=every=1,json=/tmp",
	 "--stats json=/tmp: cannot be written: Is a directory"},
	{KERNEL " --map=/nowhere/x.svg", "--map=/nowhere/x.svg: No such file or directory"},
	{KERNEL " --expect '('", "--expect (: not an extended regular expression: "},
};

START_TEST(check_says_what_is_wrong)
{
	const char *line = checks[_i].line, *build = test_env("VMM_BUILD", "build");
	bool kernel = strncmp(line, KERNEL, strlen(KERNEL)) == 0;
	struct cli_result result;
	char command[512], want[512];

	snprintf(command, sizeof(command), "check --kvm /nowhere %s%s%s", kernel ? build : "",
		 kernel ? "/guest/kernel.elf" : "", kernel ? line + strlen(KERNEL) : line);
	cli_run(&result, command);
	ck_assert_str_eq(result.out, "");
	if (!checks[_i].error) {
		ck_assert_str_eq(result.err, "");
		ck_assert_int_eq(result.status, 0);
		ck_assert_int_ne(access("/tmp/vmm-test-none", F_OK), 0);
		return;
	}
	snprintf(want, sizeof(want), "vmm: %s", checks[_i].error);
	ck_assert_msg(strncmp(result.err, want, strlen(want)) == 0, "%s", result.err);
	ck_assert_ptr_eq(strchr(result.err, '\n') + 1, result.err + strlen(result.err));
	ck_assert_int_eq(result.status, 2);
}
END_TEST

/* Opening a socket's file for writing fails at a start. */
START_TEST(check_of_a_socket)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX, .sun_path = "/tmp/vmm-test-socket"};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct cli_result result;
	char line[256];

	unlink(addr.sun_path);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	snprintf(line, sizeof(line), "check %s/guest/kernel.elf --stats=json=%s",
		 test_env("VMM_BUILD", "build"), addr.sun_path);
	cli_run(&result, line);
	unlink(addr.sun_path);
	close(fd);
	ck_assert_str_eq(result.err, "vmm: --stats json=/tmp/vmm-test-socket: cannot be written: "
				     "No such device or address\n");
	ck_assert_int_eq(result.status, 2);
}
END_TEST

/* It makes no difference who says it. */
START_TEST(check_of_a_file)
{
	static const char text[] = "{\"serial\": \"file=/tmp/vmm-test-none\"}";
	char path[] = "/tmp/test-cli-config.XXXXXX", line[256];
	int fd = mkstemp(path);
	struct cli_result result;

	if (!config_read)
		TEST_SKIP("check: built without libjansson-dev");
	ck_assert_int_eq(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
	close(fd);
	snprintf(line, sizeof(line),
		 "check %s/guest/kernel.elf --config %s --console file=/tmp/./vmm-test-none",
		 test_env("VMM_BUILD", "build"), path);
	cli_run(&result, line);
	unlink(path);
	ck_assert_str_eq(
		result.err,
		"vmm: --console file=/tmp/./vmm-test-none: --serial has that file already; "
		"give each one of its own\n");
	ck_assert_int_eq(result.status, 2);
}
END_TEST

Suite *suite_check(void)
{
	Suite *suite = suite_create("check");
	TCase *tcase = tcase_create("check");

	tcase_set_timeout(tcase, 30);
	tcase_add_loop_test(tcase, check_says_what_is_wrong, 0,
			    (int)(sizeof(checks) / sizeof(checks[0])));
	tcase_add_test(tcase, check_of_a_socket);
	tcase_add_test(tcase, check_of_a_file);
	suite_add_tcase(suite, tcase);
	return suite;
}
