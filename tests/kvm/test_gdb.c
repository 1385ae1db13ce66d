/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Debian's gdb on guests: scripts in, what it prints out. And --on-crash: cores that readelf and
 * gdb open, a debugger that comes to what is left.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/kvm/suites.h"
#include "tests/kvm/vm.h"
#include "vmm/kvm.h"

static struct vm vm;
static char told[64 * 1024]; /* by gdb */
static char dir[] = "/tmp/vmm-gdb-XXXXXX";
static char path[64]; /* in it */

static void setup(void)
{
	memcpy(dir + strlen(dir) - 6, "XXXXXX", 6);
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/file", dir);
}

static void teardown(void)
{
	unlink(path);
	rmdir(dir);
}

static bool gdb_is_here(void)
{
	return system("command -v gdb >/dev/null") == 0;
}

#define NEED_GDB()                                \
	do {                                      \
		NEED_KVM();                       \
		if (!gdb_is_here())               \
			TEST_SKIP("no gdb here"); \
	} while (0)

/* Run gdb with @file and the commands of @script, "%s" in which is where to connect to. */
static void gdb(const char *file, const char *script, const char *where)
{
	char name[80], command[256];
	FILE *out;
	size_t len;

	snprintf(name, sizeof(name), "%s/script", dir);
	out = fopen(name, "w");
	ck_assert_ptr_nonnull(out);
	fprintf(out, "set pagination off\nset confirm off\nset width 0\nset remotetimeout 60\n");
	fprintf(out, script, where, where);
	fclose(out);
	snprintf(command, sizeof(command), "timeout 120 gdb -nx -q -batch -x %s %s 2>&1", name,
		 file ? file : "");
	out = popen(command, "r");
	ck_assert_ptr_nonnull(out);
	len = fread(told, 1, sizeof(told) - 1, out);
	told[len] = '\0';
	pclose(out);
	unlink(name);
}

static void expect(const char *text)
{
	ck_assert_msg(strstr(told, text), "gdb did not say \"%s\" but:\n%s", text, told);
}

/* Where the monitor listens, from what it says. */
static const char *port(void)
{
	static char where[32];
	const char *at;

	vm_expect_errors(&vm, "target remote :");
	vm_expect_errors(&vm, "\n");
	at = strstr(vm.errors, "target remote :") + strlen("target remote ");
	snprintf(where, sizeof(where), "%.*s", (int)strcspn(at, "\n"), at);
	return where;
}

/* --- gdb ---------------------------------------------------------------------------------------- */

/* What each means is in the order of the script. */
START_TEST(test_kernel)
{
	NEED_GDB();
	vm_start(&vm, ARGS(built("guest/kernel.elf"), "--gdb=0", "--cpus", "2", "--append",
			   "tests=timer"));
	gdb(built("guest/kernel.elf"),
	    "target remote %s\n"
	    "info threads\n"
	    "break long_mode\n"
	    "continue\n"
	    "info registers rip cs cr0 efer\n"
	    "x/i $rip\n"
	    "stepi\nstepi\n"
	    "x/i $rip\n"
	    "set var $r15 = 0x1234567\n"
	    "p/x $r15\n"
	    "set {unsigned int}0x8000 = 0x89abcdef\n"
	    "x/xw 0x8000\n"
	    "maintenance packet Qqemu.PhyMemMode:1\n"
	    "x/xh 0x8002\n"
	    "maintenance packet Qqemu.PhyMemMode:0\n"
	    "hbreak isr_common\n"
	    "continue\n"
	    "info breakpoints\n"
	    "monitor info map\n"
	    "monitor nonsense\n"
	    "delete\n"
	    "continue\n",
	    port());
	expect("1    Thread 1 (vCPU 0, runs)");
	expect("2    Thread 2 (vCPU 1, not started)");
	expect("Thread 1 hit Breakpoint 1, long_mode ()");
	expect("efer           0x500 ");
	expect("<long_mode>:	xor    %eax,%eax");
	expect("<long_mode+4>:	mov    %eax,%es");
	expect("$1 = 0x1234567");
	expect("0x8000:	0x89abcdef");
	expect("0x8002:	0x89ab");
	expect("Thread 1 hit Breakpoint 2, isr_common ()");
	expect("breakpoint already hit 1 time");
	expect("0x0000000000000000-0x0000000007ffffff");
	expect("nonsense: not a command");
	expect("exited normally]");
	ck_assert_int_eq(vm_wait(&vm), 0);
	ck_assert_ptr_nonnull(strstr(vm.output, "ok 1 - timer"));
}
END_TEST

/* Memory shows what the guest has there, with breakpoints of either kind set. */
START_TEST(test_breaks_do_not_show)
{
	NEED_GDB();
	vm_start(&vm, ARGS(built("guest/kernel.elf"), "--gdb=0", "--append", "tests=timer"));
	gdb(built("guest/kernel.elf"),
	    "target remote %s\n"
	    "set breakpoint always-inserted on\n"
	    "x/2xb &pvh_start\n"
	    "break *&pvh_start\n"
	    "hbreak *(((char *)&pvh_start)+1)\n"
	    "x/2xb &pvh_start\n"
	    "kill\n",
	    port());
	ck_assert_ptr_nonnull(strstr(strstr(told, "<pvh_start>:\t0xfc") + 1, "<pvh_start>:\t0xfc"));
	ck_assert_int_eq(vm_wait(&vm), 0);
}
END_TEST

/* Four of them; the fifth is refused, and they are free again. */
START_TEST(test_used_up)
{
	NEED_GDB();
	vm_start(&vm, ARGS(built("guest/kernel.elf"), "--gdb=0", "--append", "tests=timer"));
	gdb(built("guest/kernel.elf"),
	    "target remote %s\n"
	    "hbreak *0x1001\nhbreak *0x1002\nhbreak *0x1003\nhbreak *0x1004\nhbreak long_mode\n"
	    "python\ntry:\n gdb.execute('continue')\nexcept gdb.error as e:\n print('refused', "
	    "e)\nend\n"
	    "delete 1\n"
	    "continue\n"
	    "kill\n",
	    port());
	expect("Could not insert hardware breakpoint");
	expect("Breakpoint 5, long_mode ()");
	ck_assert_int_eq(vm_wait(&vm), 0);
}
END_TEST

/* A KVM that stops at no watched access refuses; others show old and new value. */
START_TEST(test_watch)
{
	NEED_GDB();
	vm_start(&vm, ARGS(tiny("sums"), "--gdb=0", "--flat", "0x1000,32"));
	gdb(NULL,
	    "target remote %s\n"
	    "set {int}0x3008 = 1\n"
	    "set {int}0x300c = 2\n"
	    "watch *(int *)0x3004\n"
	    "python\ntry:\n gdb.execute('continue')\nexcept gdb.error as e:\n print('refused', "
	    "e)\nend\n"
	    "kill\n",
	    port());
	expect(kvm_is_software() ? "Could not insert hardware watchpoint 1." : "New value = 1");
	vm_wait(&vm);
}
END_TEST

/* A guest that never stops is interrupted, looked at, and let go. */
START_TEST(test_interrupt)
{
	NEED_GDB();
	vm_start(&vm, ARGS(tiny("spin"), "--gdb=0,run", "--flat", "0x1000", "--cpus", "3"));
	vm_expect_output(&vm, "s");
	gdb(NULL,
	    "target remote %s\n"
	    "info registers rip\n"
	    "python\nimport threading, time, os, signal\n"
	    "threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT)).start()\nend\n"
	    "continue\n"
	    "info threads\n"
	    "detach\n"
	    "target remote %s\n"
	    "monitor quit\n",
	    port());
	expect("rip            0x6");
	expect("received signal SIGINT");
	expect("3    Thread 3 (vCPU 2, not started)");
	expect("detached]");
	expect("the machine ends");
	ck_assert_int_eq(vm_wait(&vm), 0);
}
END_TEST

/* Breakpoints survive a restart in place; the socket is a path, which is gone at the end. */
START_TEST(test_restart)
{
	char option[80];

	NEED_GDB();
	snprintf(option, sizeof(option), "--gdb=%s", path);
	vm_start(&vm, ARGS(built("guest/kernel.elf"), option, "--append", "tests=timer"));
	vm_expect_errors(&vm, "target remote");
	gdb(built("guest/kernel.elf"),
	    "target remote %s\n"
	    "break long_mode\n"
	    "continue\n"
	    "monitor reset\n"
	    "maintenance flush register-cache\n"
	    "continue\n"
	    "delete\n"
	    "continue\n",
	    path);
	expect("the machine restarts");
	ck_assert_ptr_nonnull(strstr(strstr(told, "Breakpoint 1, ") + 1, "Breakpoint 1, "));
	expect("exited normally]");
	ck_assert_int_eq(vm_wait(&vm), 0);
	ck_assert_int_ne(access(path, F_OK), 0);
}
END_TEST

/* --- clients that are none ---------------------------------------------------------------------- */

static int connect_to(const char *where)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons((uint16_t)atoi(where + 1)),
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

/* It sends and sends and never reads: the machine goes on, and the next is served. */
START_TEST(test_never_reads)
{
	static const char packet[] = "$m0,800#f1";
	char where[32], byte;
	int fd, other;

	NEED_KVM();
	vm_start(&vm, ARGS(tiny("echo"), "--gdb=0,run", "--flat", "0x1000"));
	snprintf(where, sizeof(where), "%s", port());
	fd = connect_to(where);
	for (int i = 0; i < 100000; i++) {
		if (send(fd, packet, sizeof(packet) - 1, MSG_DONTWAIT) <= 0)
			break;
	}
	/* There is one at a time. */
	other = connect_to(where);
	ck_assert_int_le(recv(other, &byte, 1, 0), 0);
	close(other);
	close(fd);
	/* The guest was let go. */
	vm_send(&vm, "a", 1);
	vm_expect_output(&vm, "a");
	fd = connect_to(where);
	ck_assert_int_eq(send(fd, "garbage$$#zz$k#6b", 17, 0), 17);
	ck_assert_int_eq(vm_wait(&vm), 0);
	close(fd);
}
END_TEST

/* --- crashes ------------------------------------------------------------------------------------ */

/* --on-crash dump=PATH, PATH being the test's. */
static const char *dump(void)
{
	static char text[80];

	snprintf(text, sizeof(text), "dump=%s", path);
	return text;
}

/* Each crash, on a memory of three regions; gdb and readelf agree on what is in the file. */
START_TEST(test_core)
{
	static const struct {
		const char *guest, *flat;
		const char *more[2];
		int status;
	} cases[] = {
		{"triple-fault", "0x1000,32", {NULL}, 3},
		{"panic", "0x1000", {NULL}, 5},
		{"spin", "0x1000", {"--timeout", "1"}, 124},
	};
	char command[128], bytes[32];
	FILE *in, *readelf;
	struct stat st;
	uint8_t code[4];

	NEED_GDB();
	vm_run(&vm, "",
	       ARGS(tiny(cases[_i].guest), "--flat", cases[_i].flat, "--on-crash", dump(), "--cpus",
		    "2", "--region", "0:1M", "--region", "0x100000:64M", "--region", "4G:1M",
		    cases[_i].more[0], cases[_i].more[1]));
	ck_assert_int_eq(vm.status, cases[_i].status);
	ck_assert_ptr_nonnull(strstr(vm.errors, "the guest's memory and registers are in "));
	/* Sparse: 66 MiB of which a few pages are there. */
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_gt(st.st_size, 66 << 20);
	ck_assert_int_lt(st.st_blocks * 512, 1 << 20);
	ck_assert_int_eq(st.st_mode & 0777, 0600);
	snprintf(command, sizeof(command), "-c %s", path);
	gdb(command, "info threads\ninfo registers rip\nx/4xb 0x1000\ninfo files\n", "");
	expect("LWP 1");
	expect("LWP 2");
	expect("0x0000000100000000 - 0x0000000100100000 is load3");
	/* The guest's code is where it was loaded. */
	in = fopen(tiny(cases[_i].guest), "r");
	ck_assert_ptr_nonnull(in);
	ck_assert_uint_eq(fread(code, 1, 4, in), 4);
	fclose(in);
	snprintf(bytes, sizeof(bytes), "0x1000:\t0x%02x\t0x%02x\t0x%02x\t0x%02x", code[0], code[1],
		 code[2], code[3]);
	expect(bytes);
	snprintf(command, sizeof(command), "readelf -lnW %s 2>&1", path);
	readelf = popen(command, "r");
	ck_assert_ptr_nonnull(readelf);
	told[fread(told, 1, sizeof(told) - 1, readelf)] = '\0';
	ck_assert_int_eq(pclose(readelf), 0);
	ck_assert_ptr_nonnull(strstr(strstr(told, "NT_PRSTATUS") + 1, "NT_PRSTATUS"));
	ck_assert_ptr_null(strstr(told, "Warning"));
	ck_assert_ptr_null(strstr(told, "Error"));
}
END_TEST

/* A guest that ends as it should leaves no file. */
START_TEST(test_no_core)
{
	NEED_KVM();
	vm_run(&vm, "", ARGS(tiny("power-off"), "--flat", "0x1000", "--on-crash", dump()));
	ck_assert_int_eq(vm.status, 0);
	ck_assert_str_eq(vm.errors, "");
	ck_assert_int_ne(access(path, F_OK), 0);
}
END_TEST

/* What is there stays, and the guest does not start. */
START_TEST(test_core_exists)
{
	struct stat st;
	FILE *out = fopen(path, "w");

	NEED_KVM();
	fputs("mine", out);
	fclose(out);
	vm_run(&vm, "", ARGS(tiny("triple-fault"), "--flat", "0x1000", "--on-crash", dump()));
	ck_assert_int_eq(vm.status, 2);
	ck_assert_ptr_nonnull(strstr(vm.errors, ": File exists\n"));
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_size, 4);
}
END_TEST

/* A disk that is full is one line, status 1, and no file. */
START_TEST(test_core_full)
{
	char command[400];
	FILE *out;
	size_t len;

	NEED_KVM();
	if (system("unshare -m true 2>/dev/null") != 0)
		TEST_SKIP("no mount namespace");
	snprintf(command, sizeof(command),
		 "unshare -m sh -c 'mount -t tmpfs -o size=4k none %s && "
		 "%s %s --flat 0x1000,32 --on-crash %s; echo status $?; ls -A %s' 2>&1",
		 dir, built("vmm"), tiny("triple-fault"), dump(), dir);
	out = popen(command, "r");
	ck_assert_ptr_nonnull(out);
	len = fread(told, 1, sizeof(told) - 1, out);
	told[len] = '\0';
	pclose(out);
	expect(": No space left on device\nstatus 1\n");
	ck_assert_str_eq(strstr(told, "status 1\n"), "status 1\n");
}
END_TEST

/* A debugger comes to what is left, reads it, and lets it end. */
START_TEST(test_crash_waits)
{
	NEED_GDB();
	vm_start(&vm, ARGS(tiny("panic"), "--flat", "0x1000", "--on-crash", "gdb", "--gdb=0,run"));
	vm_expect_errors(&vm, "the guest crashed and waits for a debugger");
	gdb(NULL,
	    "target remote %s\n"
	    "maintenance packet ?\n"
	    "x/2xb 0x1000\n"
	    "monitor reset\n"
	    "continue\n",
	    port());
	expect("received: \"T06thread:1;\"");
	expect("0x1000:	0xba	0x05");
	expect("the guest has crashed");
	expect("exited with code 05");
	ck_assert_int_eq(vm_wait(&vm), 5);
}
END_TEST

/* One that is there sees the crash, whether or not it was asked for. */
START_TEST(test_crash_stops)
{
	NEED_GDB();
	vm_start(&vm, ARGS(tiny("triple-fault"), "--flat", "0x1000,32", "--gdb=0"));
	gdb(NULL, "target remote %s\ncontinue\nx/2xb 0x1000\ncontinue\n", port());
	expect("SIGSEGV");
	expect("0x1000:	0xb8	0xce");
	expect("exited with code 03");
	ck_assert_int_eq(vm_wait(&vm), 3);
}
END_TEST

/* A signal ends the wait. */
START_TEST(test_crash_wait_ends)
{
	NEED_KVM();
	vm_start(&vm, ARGS(tiny("panic"), "--flat", "0x1000", "--on-crash", "gdb", "--gdb=0,run"));
	vm_expect_errors(&vm, "the guest crashed and waits for a debugger");
	kill(vm.pid, SIGINT);
	ck_assert_int_eq(vm_wait(&vm), 5);
}
END_TEST

START_TEST(test_bad_options)
{
	static const struct {
		const char *args[2];
		const char *line;
	} cases[] = {
		{{"--gdb=65536", NULL}, "vmm: --gdb 65536: ports go up to 65535\n"},
		{{"--gdb", "--gdb"}, "vmm: --gdb: given twice\n"},
		{{"--on-crash", "core"}, "vmm: --on-crash core: neither gdb nor dump[=PATH]\n"},
		{{"--on-crash", "dump="}, "vmm: --on-crash dump=: neither gdb nor dump[=PATH]\n"},
		{{"--on-crash", "dump=/nowhere/core"},
		 "vmm: --on-crash dump=/nowhere/core: No such file or directory\n"},
	};

	NEED_KVM();
	vm_run(&vm, "", ARGS(tiny("halt"), "--flat", "0x1000", cases[_i].args[0], cases[_i].args[1]));
	ck_assert_str_eq(vm.errors, cases[_i].line);
	ck_assert_int_eq(vm.status, 2);
}
END_TEST

Suite *gdb_suite(void)
{
	Suite *suite = suite_create("gdb");
	TCase *tc = tcase_create("gdb");

	tcase_set_timeout(tc, 180);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_kernel);
	tcase_add_test(tc, test_breaks_do_not_show);
	tcase_add_test(tc, test_used_up);
	tcase_add_test(tc, test_watch);
	tcase_add_test(tc, test_interrupt);
	tcase_add_test(tc, test_restart);
	tcase_add_test(tc, test_never_reads);
	tcase_add_loop_test(tc, test_core, 0, 3);
	tcase_add_test(tc, test_no_core);
	tcase_add_test(tc, test_core_exists);
	tcase_add_test(tc, test_core_full);
	tcase_add_test(tc, test_crash_waits);
	tcase_add_test(tc, test_crash_stops);
	tcase_add_test(tc, test_crash_wait_ends);
	tcase_add_loop_test(tc, test_bad_options, 0, 5);
	suite_add_tcase(suite, tc);
	return suite;
}
