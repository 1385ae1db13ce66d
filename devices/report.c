/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Messages: one line into a struct report during set-up, lines with a level on standard error. Who
 * prints a report and with what status the process ends is main()'s.
 */
#include "devices/report.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

/* --- lines ---------------------------------------------------------------------------------------- */

/* Set-up; constant afterwards. */
static enum log_level chosen = LOG_LEVEL_INFO;
static bool coloured;
static struct timespec began;

static const struct {
	const char *word;
	const char *colour; /* of what is before the text */
} levels[] = {
	[LOG_LEVEL_ERROR] = {"error", "\033[1;31m"},
	[LOG_LEVEL_WARN] = {"warn", "\033[1;33m"},
	[LOG_LEVEL_INFO] = {"info", "\033[1m"},
	[LOG_LEVEL_DEBUG] = {"debug", "\033[2m"},
};

bool log_choose(const char *word)
{
	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
		if (strcmp(word, levels[i].word) == 0) {
			chosen = (enum log_level)i;
			return true;
		}
	}
	return false;
}

void log_begin(void)
{
	const char *terminal = getenv("TERM"), *without = getenv("NO_COLOR");

	coloured = isatty(STDERR_FILENO) && !(without && *without) && terminal &&
		   strcmp(terminal, "dumb") != 0;
	clock_gettime(CLOCK_MONOTONIC, &began);
}

bool log_has(enum log_level level)
{
	return level <= chosen;
}

void log_text(enum log_level level, const char *text, size_t len)
{
	/* Nobody to tell if it fails. */
	if (log_has(level) && write(STDERR_FILENO, text, len) < 0)
		return;
}

/* "vmm: ", or with the time, in milliseconds; its length. */
static int put_head(char *line, size_t size, enum log_level level)
{
	const char *colour = coloured ? levels[level].colour : "", *end = coloured ? "\033[0m" : "";
	struct timespec now;
	long long us;

	if (level != LOG_LEVEL_DEBUG)
		return snprintf(line, size, "%svmm:%s ", colour, end);
	clock_gettime(CLOCK_MONOTONIC, &now);
	us = (now.tv_sec - began.tv_sec) * 1000000LL + (now.tv_nsec - began.tv_nsec) / 1000;
	return snprintf(line, size, "%svmm: %lld.%03lld ms:%s ", colour, us / 1000, us % 1000, end);
}

static void put_line(enum log_level level, const char *format, va_list args)
{
	char line[1024];
	size_t head, len;

	head = (size_t)put_head(line, sizeof(line), level);
	/* One is kept for the newline. */
	vsnprintf(line + head, sizeof(line) - 1 - head, format, args);
	one_line(line + head);
	len = strlen(line);
	line[len++] = '\n';
	log_text(level, line, len);
}

void log_line(enum log_level level, const char *format, ...)
{
	va_list args;

	if (!log_has(level))
		return;
	va_start(args, format);
	put_line(level, format, args);
	va_end(args);
}

/* --- lines that guests can cause --------------------------------------------------------------------- */

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
	char text[256], note[48] = "";
	unsigned int missed;
	va_list args;

	if (!log_has(LOG_LEVEL_WARN) || !may_log(limit, &missed))
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (missed)
		snprintf(note, sizeof(note), " (%u lines dropped)", missed);
	log_line(LOG_LEVEL_WARN, "%.100s: %s%s", name, text, note);
}
