/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Terminal modes and signals. Everything a handler touches is written before the handler is
 * installed, and every call it makes is async-signal-safe.
 */
#include "vmm/terminal.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define ESCAPE 0x01 /* Ctrl-A */

static const char help[] = "\nvmm: Ctrl-A x   end the machine\n"
			   "vmm: Ctrl-A a   send Ctrl-A to the guest (also Ctrl-A Ctrl-A)\n"
			   "vmm: Ctrl-A ?   this help (also Ctrl-A h)\n";

/* Constant while handlers are installed. */
static struct machine *stopped_by_signals;
static struct termios original, raw;
static bool is_raw; /* the terminal is to be raw while this process has it */

static volatile sig_atomic_t signalled;      /* signal handlers */
static volatile sig_atomic_t button_pressed; /* likewise */
static bool escaped;                         /* loop thread: the last byte was Ctrl-A */

/* --- modes -------------------------------------------------------------------------------------- */

void terminal_restore(void)
{
	if (is_raw)
		tcsetattr(STDIN_FILENO, TCSANOW, &original);
}

/*
 * Not from the background: it would be the shell's terminal that changes. A terminal that is not
 * the controlling one has no foreground.
 */
static void make_raw(void)
{
	pid_t foreground;

	if (!is_raw)
		return;
	foreground = tcgetpgrp(STDIN_FILENO);
	if (foreground < 0 || foreground == getpgrp())
		tcsetattr(STDIN_FILENO, TCSANOW, &raw);
}

/* --- signals ------------------------------------------------------------------------------------ */

static int handle(int number, void (*handler)(int number), int flags)
{
	struct sigaction action = {.sa_handler = handler, .sa_flags = flags};

	return sigaction(number, &action, NULL);
}

static void on_stop_signal(int number)
{
	if (signalled) {
		terminal_restore();
		_exit(128 + number);
	}
	if (number == SIGTERM && !button_pressed) {
		button_pressed = 1;
		machine_press_button(stopped_by_signals, 128 + number);
		return;
	}
	signalled = number;
	machine_stop(stopped_by_signals, 128 + number);
}

/*
 * The process dies of this: leave a usable terminal behind. Also called by the handler for faults
 * in guest memory, for those that are not.
 */
static void on_fatal_signal(int number)
{
	terminal_restore();
	signal(number, SIG_DFL);
	raise(number);
}

static void on_suspend(int number)
{
	int err = errno;
	sigset_t set;

	terminal_restore();
	signal(number, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, number);
	raise(number);
	/*
	 * The stop happens here and what follows is after SIGCONT; unless there is no shell that
	 * could continue the process, in which case it does not stop.
	 */
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	handle(number, on_suspend, SA_RESTART);
	make_raw();
	errno = err;
}

static void on_continue(int number)
{
	int err = errno;

	(void)number;
	make_raw();
	errno = err;
}

static void on_resize(int number)
{
	struct chardev *chardev = chardev_stdio();
	int err = errno;

	(void)number;
	if (chardev)
		chardev_winch(chardev);
	errno = err;
}

int terminal_guard(struct report *report)
{
	static const int fatal[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGQUIT};

	for (size_t i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++) {
		if (handle(fatal[i], on_fatal_signal, 0))
			return report_fail(report, REPORT_HOST, "sigaction: %s", strerror(errno));
	}
	return 0;
}

/*
 * ThreadSanitizer calls handlers itself, and notes a signal that it holds back in a structure which
 * it makes in a thread's first call that can wait. One that comes in the middle of that it forgets
 * (GCC 12): it would be the loop's first wait, and the signal the one that ends a guest as soon as
 * it says something. So that call is made before there is a handler.
 */
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define __SANITIZE_THREAD__ 1
#endif
#endif
static void prepare_signals(void)
{
#ifdef __SANITIZE_THREAD__
	poll(NULL, 0, 0);
#endif
}

static int install_handlers(void)
{
	static const int stop[] = {SIGINT, SIGTERM, SIGHUP};

	prepare_signals();
	for (size_t i = 0; i < sizeof(stop) / sizeof(stop[0]); i++) {
		if (handle(stop[i], on_stop_signal, 0))
			return -1;
	}
	if (!is_raw)
		return 0;
	if (handle(SIGTSTP, on_suspend, SA_RESTART))
		return -1;
	if (handle(SIGWINCH, on_resize, SA_RESTART))
		return -1;
	return handle(SIGCONT, on_continue, SA_RESTART);
}

/* --- keys --------------------------------------------------------------------------------------- */

/* The byte after Ctrl-A. True if it is the guest's after all. */
static bool command(struct machine *machine, uint8_t key)
{
	if (key == 'x')
		machine_stop(machine, 0);
	else if ((key == '?' || key == 'h') && write(STDERR_FILENO, help, sizeof(help) - 1) < 0)
		return false;
	return key == ESCAPE;
}

static size_t filter(void *arg, uint8_t *data, size_t len)
{
	size_t kept = 0;

	for (size_t i = 0; i < len; i++) {
		uint8_t key = data[i];

		if (!escaped) {
			escaped = key == ESCAPE;
			if (escaped)
				continue;
		} else {
			escaped = false;
			key = key == 'a' ? ESCAPE : key;
			if (!command(arg, key))
				continue;
		}
		data[kept++] = key;
	}
	return kept;
}

/* --- begin and end ------------------------------------------------------------------------------ */

int terminal_begin(struct machine *machine, struct report *report)
{
	struct chardev *chardev = chardev_stdio();

	stopped_by_signals = machine;
	if (chardev && tcgetattr(STDIN_FILENO, &original) == 0) {
		raw = original;
		cfmakeraw(&raw);
		/* Guests and the monitor alike end lines with a newline only. */
		raw.c_oflag = original.c_oflag;
		is_raw = true;
		chardev_set_filter(chardev, filter, machine);
	}
	if (install_handlers())
		return report_fail(report, REPORT_HOST, "sigaction: %s", strerror(errno));
	make_raw();
	return 0;
}

void terminal_end(void)
{
	/* The device it is told to goes. */
	signal(SIGWINCH, SIG_DFL);
	terminal_restore();
}
