/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * A character device for tests: the stdio backend on a socket whose other end is the test's, with
 * its loop on a thread of its own, as in the monitor.
 */
#ifndef TESTS_DEVICES_LINE_H
#define TESTS_DEVICES_LINE_H

#include <pthread.h>

#include "devices/chardev.h"
#include "tests/runner.h"

struct line {
	struct loop *loop;
	struct chardev *chardev;
	int peer; /* the other end; -1 once closed */
	int saved[2];
	pthread_t thread;
	bool running;
};

/* Before line_run() handler and filter are set. */
void line_open(struct line *line);
void line_run(struct line *line);
/* The loop ends; the chardev remains for whoever uses it. */
void line_stop(struct line *line);
void line_close(struct line *line);

void line_send(struct line *line, const char *bytes, size_t len);

/* Read exactly @len bytes from the device. */
void line_expect(struct line *line, const char *bytes, size_t len);

/* Wait until *@value is at least @least: what the loop's thread does takes a moment. */
void line_await(const unsigned int *value, unsigned int least);

#endif
