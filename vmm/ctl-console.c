/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vmm ctl PATH console: a terminal as the monitor's own is (terminal.c), at the other end of a
 * socket. Input that is none of a terminal ends without the console's end.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include "vmm/ctl.h"

#define ESCAPE 0x01 /* Ctrl-A */

static const char help[] = "\nvmm: Ctrl-A x   leave the console; the machine goes on\n"
			   "vmm: Ctrl-A a   send Ctrl-A to the guest (also Ctrl-A Ctrl-A)\n"
			   "vmm: Ctrl-A ?   this help (also Ctrl-A h)\n";

static volatile sig_atomic_t ended; /* a signal's number */

static void on_signal(int number)
{
	ended = number;
}

static bool make_raw(struct termios *original)
{
	struct termios raw;

	if (tcgetattr(STDIN_FILENO, original))
		return false;
	raw = *original;
	cfmakeraw(&raw);
	/* Guests end lines with a newline only. */
	raw.c_oflag = original->c_oflag;
	return tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
}

static bool write_all(int fd, const uint8_t *data, size_t len)
{
	while (len) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno != EINTR)
			return false;
		data += n < 0 ? 0 : n;
		len -= n < 0 ? 0 : (size_t)n;
	}
	return true;
}

/* Take the keys out of @data that are not the guest's. False: leave. */
static bool filter(uint8_t *data, size_t *len, bool *escaped)
{
	size_t kept = 0;

	for (size_t i = 0; i < *len; i++) {
		uint8_t key = data[i];

		if (!*escaped) {
			*escaped = key == ESCAPE;
			if (*escaped)
				continue;
		} else {
			*escaped = false;
			if (key == 'x')
				return false;
			if ((key == '?' || key == 'h') &&
			    !write_all(STDERR_FILENO, (const uint8_t *)help, sizeof(help) - 1))
				return false;
			if (key != 'a' && key != ESCAPE)
				continue;
			key = ESCAPE;
		}
		data[kept++] = key;
	}
	*len = kept;
	return true;
}

/* One way or the other, once; false at the end. */
static bool move(int fd, bool *input, bool terminal, bool *escaped)
{
	struct pollfd fds[] = {
		{.fd = fd, .events = POLLIN},
		{.fd = *input ? STDIN_FILENO : -1, .events = POLLIN},
	};
	uint8_t data[4096];
	ssize_t n;
	size_t len;

	if (poll(fds, 2, -1) < 0)
		return errno == EINTR;
	if (fds[0].revents) {
		n = recv(fd, data, sizeof(data), 0);
		if (n <= 0 || !write_all(STDOUT_FILENO, data, (size_t)n))
			return n < 0 && errno == EINTR;
	}
	if (!fds[1].revents)
		return true;
	n = read(STDIN_FILENO, data, sizeof(data));
	if (n <= 0) {
		*input = n < 0 && errno == EINTR;
		return true;
	}
	len = (size_t)n;
	if (terminal && !filter(data, &len, escaped))
		return false;
	return write_all(fd, data, len);
}

int ctl_console(int fd, struct report *report)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
	const struct sigaction action = {.sa_handler = on_signal};
	struct termios original;
	bool terminal, input = true, escaped = false;

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaction(signals[i], &action, NULL);
	terminal = make_raw(&original);
	if (terminal)
		write_all(STDERR_FILENO, (const uint8_t *)"vmm: Ctrl-A x leaves the console\n", 33);
	while (!ended && move(fd, &input, terminal, &escaped))
		continue;
	if (terminal)
		tcsetattr(STDIN_FILENO, TCSANOW, &original);
	if (ended)
		return report_fail(report, REPORT_HOST, "ctl: ended by signal %d", (int)ended);
	return 0;
}
