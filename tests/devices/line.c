/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The socket in the place of standard input and output. */
#include "tests/devices/line.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

void line_open(struct line *line)
{
	struct timeval patience = {.tv_sec = 5};
	struct report report;
	int ends[2];

	signal(SIGPIPE, SIG_IGN);
	fflush(stdout);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	/* A terminal may block; here slowness is to be seen. */
	ck_assert_int_eq(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
	ck_assert_int_eq(setsockopt(ends[1], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)),
			 0);
	for (int fd = 0; fd < 2; fd++) {
		line->saved[fd] = fcntl(fd, F_DUPFD_CLOEXEC, 3);
		ck_assert_int_eq(dup2(ends[0], fd), fd);
	}
	close(ends[0]);
	line->peer = ends[1];
	line->running = false;
	line->loop = loop_new();
	ck_assert_ptr_nonnull(line->loop);
	ck_assert_int_eq(chardev_open("--test", "stdio", line->loop, &line->chardev, &report), 0);
}

static void *loop_thread(void *arg)
{
	loop_run(arg);
	return NULL;
}

void line_run(struct line *line)
{
	ck_assert_int_eq(pthread_create(&line->thread, NULL, loop_thread, line->loop), 0);
	line->running = true;
}

void line_stop(struct line *line)
{
	if (!line->running)
		return;
	loop_stop(line->loop, 0);
	pthread_join(line->thread, NULL);
	line->running = false;
}

void line_close(struct line *line)
{
	line_stop(line);
	chardev_close(line->chardev);
	loop_free(line->loop);
	if (line->peer >= 0)
		close(line->peer);
	for (int fd = 0; fd < 2; fd++) {
		dup2(line->saved[fd], fd);
		close(line->saved[fd]);
	}
}

void line_send(struct line *line, const char *bytes, size_t len)
{
	ck_assert_int_eq(write(line->peer, bytes, len), (ssize_t)len);
}

void line_expect(struct line *line, const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		char byte;

		ck_assert_int_eq(read(line->peer, &byte, 1), 1);
		ck_assert_int_eq(byte, bytes[i]);
	}
}

void line_await(const unsigned int *value, unsigned int least)
{
	for (unsigned int i = 0; i < 5000; i++) {
		if (__atomic_load_n(value, __ATOMIC_ACQUIRE) >= least)
			return;
		usleep(1000);
	}
	ck_abort_msg("%u never became %u", *value, least);
}
