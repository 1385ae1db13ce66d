/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The person at the terminal: keys, signals, and a terminal that is as it was on every way out. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "tests/kvm/suites.h"
#include "tests/kvm/vm.h"

static struct vm vm;
static struct termios before;

static bool is_raw(void)
{
	struct termios now;

	ck_assert_int_eq(tcgetattr(vm.terminal, &now), 0);
	return !(now.c_lflag & (ICANON | ECHO | ISIG));
}

/* Up to the first output of a guest. */
static void start(const char *guest, const char *flat, const char *first)
{
	vm_start_on_terminal(&vm, ARGS(tiny(guest), "--flat", flat));
	ck_assert_int_eq(tcgetattr(vm.terminal, &before), 0);
	ck_assert(before.c_lflag & ICANON);
	vm_expect_output(&vm, first);
	ck_assert(is_raw());
}

static void finish(int status)
{
	struct termios after;

	ck_assert_int_eq(vm_wait(&vm), status);
	ck_assert_int_eq(tcgetattr(vm.terminal, &after), 0);
	ck_assert_uint_eq(after.c_lflag, before.c_lflag);
	ck_assert_uint_eq(after.c_iflag, before.c_iflag);
	ck_assert_uint_eq(after.c_oflag, before.c_oflag);
	ck_assert_mem_eq(after.c_cc, before.c_cc, sizeof(after.c_cc));
	close(vm.terminal);
	close(vm.out);
}

/* Also while the guest takes no input: it never looks at its serial port. */
START_TEST(test_quit_key)
{
	NEED_KVM();
	start("halt", "0x1000", "h");
	for (unsigned int i = 0; i < 100; i++)
		vm_send(&vm, "typed and never read", 20);
	vm_send(&vm, "\x01x", 2);
	finish(0);
}
END_TEST

START_TEST(test_quit_key_while_spinning)
{
	NEED_KVM();
	start("spin", "0x1000", "s");
	vm_send(&vm, "\x01", 1);
	usleep(10000);
	vm_send(&vm, "x", 1);
	finish(0);
}
END_TEST

START_TEST(test_help_and_literal)
{
	NEED_KVM();
	start("echo-irq", "0x1000,32", ">");
	vm_send(&vm, "\x01?", 2);
	vm_expect_errors(&vm, "Ctrl-A x   end the machine\n");
	/* Two ways to say Ctrl-A, Ctrl-C, and an unknown key, which is nothing. */
	vm_send(&vm,
		"\x01"
		"a\x01\x01\x01q\x03\n",
		8);
	finish(0);
	ck_assert_ptr_nonnull(strstr(vm.output, ">\x01\x01\x03"));
}
END_TEST

START_TEST(test_guest_ends)
{
	NEED_KVM();
	start("echo-irq", "0x1000,32", ">");
	vm_send(&vm, "\n", 1);
	finish(0);
}
END_TEST

static const struct {
	int signal;
	int status;
} ways[] = {
	{SIGINT, 128 + SIGINT},    {SIGTERM, 128 + SIGTERM},  {SIGHUP, 128 + SIGHUP},
	{SIGSEGV, 1000 + SIGSEGV}, {SIGABRT, 1000 + SIGABRT}, {SIGBUS, 1000 + SIGBUS},
};

START_TEST(test_signals_on_terminal)
{
	NEED_KVM();
	start("halt", "0x1000", "h");
	kill(vm.pid, ways[_i].signal);
	finish(ways[_i].status);
}
END_TEST

START_TEST(test_signals_without_terminal)
{
	NEED_KVM();
	vm_start(&vm, ARGS(tiny("spin"), "--flat", "0x1000"));
	vm_expect_output(&vm, "s");
	kill(vm.pid, ways[_i].signal);
	ck_assert_int_eq(vm_wait(&vm), ways[_i].status);
}
END_TEST

/*
 * However soon after the first output it comes: before the loop waits, while it begins to, and
 * later. How much later is one of many moments each time.
 */
START_TEST(test_signals_at_once)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
	struct timespec pause = {.tv_sec = 0};

	NEED_KVM();
	for (unsigned int i = 0; i < 15; i++) {
		int signal = signals[i % 3];

		pause.tv_nsec = (long)i * 30000;
		vm_start(&vm, ARGS(tiny("spin"), "--flat", "0x1000"));
		vm_expect_output(&vm, "s");
		if (i)
			nanosleep(&pause, NULL);
		kill(vm.pid, signal);
		ck_assert_int_eq(vm_wait(&vm), 128 + signal);
	}
}
END_TEST

static bool stops_within_a_second(void)
{
	int status;

	for (unsigned int i = 0; i < 100; i++) {
		if (waitpid(vm.pid, &status, WUNTRACED | WNOHANG) == vm.pid)
			return WIFSTOPPED(status);
		usleep(10000);
	}
	return false;
}

/*
 * Where there is no shell (an orphaned process group) it does not stop. Either way the terminal is
 * raw while it runs.
 */
START_TEST(test_suspend)
{
	NEED_KVM();
	start("echo-irq", "0x1000,32", ">");
	for (unsigned int i = 0; i < 2; i++) {
		kill(vm.pid, SIGTSTP);
		if (stops_within_a_second()) {
			ck_assert(!is_raw());
			kill(vm.pid, SIGCONT);
		}
		/* Before that, the terminal would echo. */
		for (unsigned int wait = 0; !is_raw() && wait < 100; wait++)
			usleep(10000);
		ck_assert(is_raw());
		vm_send(&vm, "a", 1);
		vm_expect_output(&vm, i ? ">aa" : ">a");
	}
	vm_send(&vm, "\n", 1);
	finish(0);
}
END_TEST

/* The other end of the output goes: the guest's output is lost, and nothing else. */
START_TEST(test_reader_goes)
{
	NEED_KVM();
	vm_start(&vm, ARGS(tiny("flood"), "--flat", "0x1000"));
	vm_expect_output(&vm, "xxx");
	close(vm.out);
	vm.out = open("/dev/null", O_RDONLY);
	vm_expect_errors(&vm, "vmm: --serial: Broken pipe; further output is lost\n");
	kill(vm.pid, SIGTERM);
	ck_assert_int_eq(vm_wait(&vm), 128 + SIGTERM);
}
END_TEST

/* A reader that does not read must not keep the machine from ending. */
START_TEST(test_reader_sleeps)
{
	int size;

	NEED_KVM();
	vm_start(&vm, ARGS(tiny("flood"), "--flat", "0x1000"));
	size = fcntl(vm.out, F_SETPIPE_SZ, 4096);
	ck_assert_int_eq(size, 4096);
	usleep(300000);
	kill(vm.pid, SIGTERM);
	ck_assert_int_eq(vm_wait(&vm), 128 + SIGTERM);
}
END_TEST

/* A serial port on a pty: its name is said, both directions work, whoever opens it. */
START_TEST(test_pty_backend)
{
	char name[64], byte;
	struct termios raw;
	int fd;

	NEED_KVM();
	vm_start(&vm, ARGS(tiny("echo"), "--flat", "0x1000", "--serial", "pty"));
	vm_expect_errors(&vm, "\n");
	ck_assert_int_eq(sscanf(vm.errors, "vmm: --serial: %63s\n", name), 1);
	for (const char *c = "abc"; *c; c++) {
		/* Opened anew each time: hanging up is not the end. */
		fd = open(name, O_RDWR | O_NOCTTY);
		ck_assert_int_ge(fd, 0);
		ck_assert_int_eq(tcgetattr(fd, &raw), 0);
		cfmakeraw(&raw);
		ck_assert_int_eq(tcsetattr(fd, TCSANOW, &raw), 0);
		ck_assert_int_eq(write(fd, c, 1), 1);
		ck_assert_int_eq(read(fd, &byte, 1), 1);
		ck_assert_int_eq(byte, *c);
		close(fd);
	}
	fd = open(name, O_RDWR | O_NOCTTY);
	ck_assert_int_eq(write(fd, "\n", 1), 1);
	ck_assert_int_eq(vm_wait(&vm), 0);
	close(fd);
}
END_TEST

Suite *terminal_suite(void)
{
	Suite *suite = suite_create("terminal");
	TCase *tcase = tcase_create("terminal");
	int count = sizeof(ways) / sizeof(ways[0]);

	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, test_quit_key);
	tcase_add_test(tcase, test_quit_key_while_spinning);
	tcase_add_test(tcase, test_help_and_literal);
	tcase_add_test(tcase, test_guest_ends);
	tcase_add_loop_test(tcase, test_signals_on_terminal, 0, count);
	tcase_add_loop_test(tcase, test_signals_without_terminal, 0, count);
	tcase_add_test(tcase, test_signals_at_once);
	tcase_add_test(tcase, test_suspend);
	tcase_add_test(tcase, test_reader_goes);
	tcase_add_test(tcase, test_reader_sleeps);
	tcase_add_test(tcase, test_pty_backend);
	suite_add_tcase(suite, tcase);
	return suite;
}
