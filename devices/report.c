/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Messages: one line into a struct report during set-up, one rate-limited line on standard error
 * afterwards. Who prints a report and with what status the process ends is main()'s.
 */
#include "devices/report.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

/* Lines a second that a device may print before the rest is only counted. */
#define LOG_LINES_PER_SECOND 5

/* What a path or a guest put into a line must not become a second one, or move the cursor. */
static void one_line(char *text)
{
	for (; *text; text++) {
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			*text = '?';
	}
}

enum report_status report_whose(int err)
{
	switch (err) {
	case EMFILE:
	case ENFILE:
	case ENOMEM:
	case ENOBUFS:
	case ENOSPC:
	case EDQUOT:
	case EIO:
	case EINTR:
	case EAGAIN:
	case EBUSY: return REPORT_HOST;
	default: return REPORT_USER;
	}
}

int(report_fail)(struct report *report, enum report_status status, const char *format, ...)
{
	va_list args;

	report->status = status;
	va_start(args, format);
	vsnprintf(report->text, sizeof(report->text), format, args);
	va_end(args);
	one_line(report->text);
	return -1;
}

/* Whether a line may go out now; *@missed: how many before it did not. */
static bool may_log(struct log_limit *limit, unsigned int *missed)
{
	struct timespec now;
	long long window;

	clock_gettime(CLOCK_MONOTONIC, &now);
	/* 0 is a limit that was never used, so seconds count from 1. */
	window = (long long)now.tv_sec + 1;
	if (__atomic_exchange_n(&limit->window, window, __ATOMIC_RELAXED) != window)
		__atomic_store_n(&limit->count, 0, __ATOMIC_RELAXED);
	if (__atomic_fetch_add(&limit->count, 1, __ATOMIC_RELAXED) >= LOG_LINES_PER_SECOND) {
		__atomic_fetch_add(&limit->missed, 1, __ATOMIC_RELAXED);
		return false;
	}
	*missed = __atomic_exchange_n(&limit->missed, 0, __ATOMIC_RELAXED);
	return true;
}

void device_log(struct log_limit *limit, const char *name, const char *format, ...)
{
	char text[256], line[384], note[48] = "";
	unsigned int missed;
	va_list args;
	int len;

	if (!may_log(limit, &missed))
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (missed)
		snprintf(note, sizeof(note), " (%u lines dropped)", missed);
	len = snprintf(line, sizeof(line) - 1, "vmm: %s: %s%s", name, text, note);
	if (len > (int)sizeof(line) - 2)
		len = sizeof(line) - 2;
	one_line(line);
	line[len++] = '\n';
	/* One write, so that lines of several threads do not mix. Nobody to tell if it fails. */
	if (write(STDERR_FILENO, line, (size_t)len) < 0)
		return;
}
