/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The host program that the test kernel's vsock tests talk to: it serves PATH_PORT for the guest's
 * connection and, when that has ended, connects to PATH itself. On either it reads the guest's
 * pattern of guest/abi.h up to the end, then sends its own.
 *
 *	vsock-peer PATH		prints "listening", then a line for each connection
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "guest/abi.h"

#define TIMEOUT_S 60 /* for all of it; SIGALRM ends the program then */
#define RETRY_US  20000

static int fail(const char *what)
{
	printf("not ok - vsock: %s\n", what);
	return -1;
}

static struct sockaddr_un address_of(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	return address;
}

/* Read up to the end of the guest's stream, then send ours. */
static int exchange(int fd)
{
	unsigned char buf[8192];
	uint64_t got = 0, sent = 0;
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		for (ssize_t i = 0; i < n; i++, got++) {
			if (buf[i] != abi_pattern_byte(got, ABI_PATTERN_VSOCK_GUEST))
				return fail("wrong data from the guest");
		}
	}
	if (n < 0 || got != ABI_VSOCK_BYTES)
		return fail("the guest's stream is cut short");
	while (sent < ABI_VSOCK_BYTES) {
		size_t len = sizeof(buf);

		if (len > ABI_VSOCK_BYTES - sent)
			len = (size_t)(ABI_VSOCK_BYTES - sent);
		for (size_t i = 0; i < len; i++)
			buf[i] = abi_pattern_byte(sent + i, ABI_PATTERN_VSOCK_HOST);
		n = send(fd, buf, len, MSG_NOSIGNAL);
		if (n < 0)
			return fail("the guest does not take what is sent");
		sent += (uint64_t)n;
	}
	return shutdown(fd, SHUT_WR) ? fail("the guest ended it too early") : 0;
}

/*
 * The monitor answers "OK <port>\n" when the guest has accepted, and a byte of the stream may
 * follow at once. It ends the connection where the guest does not accept, or resets its device.
 */
static bool is_accepted(int fd)
{
	char line[32] = "";
	size_t len = 0;

	if (dprintf(fd, "CONNECT %u\n", ABI_VSOCK_GUEST_PORT) < 0)
		return false;
	do {
		if (len == sizeof(line) - 1 || read(fd, line + len, 1) != 1)
			return false;
	} while (line[len++] != '\n');
	return strncmp(line, "OK ", 3) == 0;
}

/* Ask until the guest listens; SIGALRM if it never does. */
static int connect_to_guest(const struct sockaddr_un *address)
{
	for (;;) {
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

		if (fd < 0 || connect(fd, (const struct sockaddr *)address, sizeof(*address)))
			return fail("no connection to the monitor");
		if (is_accepted(fd))
			return fd;
		close(fd);
		usleep(RETRY_US);
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_un own, monitor;
	char path[sizeof(own.sun_path) + sizeof("_4294967295")];
	int listener, fd;

	if (argc != 2 || strlen(argv[1]) >= sizeof(own.sun_path) - sizeof("_4294967295")) {
		fputs("usage: vsock-peer PATH, of up to 95 characters\n", stderr);
		return 2;
	}
	alarm(TIMEOUT_S);
	setvbuf(stdout, NULL, _IOLBF, 0);
	snprintf(path, sizeof(path), "%s_%u", argv[1], ABI_VSOCK_HOST_PORT);
	own = address_of(path);
	monitor = address_of(argv[1]);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener < 0 || bind(listener, (struct sockaddr *)&own, sizeof(own)) ||
	    listen(listener, 1)) {
		fprintf(stderr, "vsock-peer: %s: %s\n", path, strerror(errno));
		return 1;
	}
	puts("listening");
	fd = accept(listener, NULL, NULL);
	unlink(path);
	if (fd < 0 || exchange(fd))
		return 1;
	close(fd);
	puts("ok - vsock: the guest's connection to a host program");
	fd = connect_to_guest(&monitor);
	if (fd < 0 || exchange(fd))
		return 1;
	puts("ok - vsock: a host program's connection to the guest");
	return 0;
}
