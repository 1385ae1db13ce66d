/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * What there is to say to the person at the terminal.
 *
 * Set-up code that can fail takes a struct report, one line and the exit status it deserves, fills
 * it and returns -1. Who prints it is main()'s business. After set-up there is nobody to fail to:
 * devices then use device_log(). All that is printed has a level and goes the same way, log_line().
 */
#ifndef DEVICES_REPORT_H
#define DEVICES_REPORT_H

#include <stdbool.h>
#include <stddef.h>

enum report_status {
	REPORT_HOST = 1, /* the host's state: no /dev/kvm, full disk, out of memory */
	REPORT_USER = 2, /* the user's input: an option, a file that is not what it should be */
};

struct report {
	enum report_status status;
	char text[512]; /* one line, no newline, no full stop */
};

/* Fill @report and return -1. A text that does not fit is cut, never split in lines. */
int report_fail(struct report *report, enum report_status status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * Whose an error number is, of a call on something the user named: the host's if it is short of
 * something or fails, otherwise the name is wrong.
 */
enum report_status report_whose(int err);

/* Compilers and analysers then see what it returns, and what cannot happen behind it. */
#define report_fail(...)                  \
	({                                \
		report_fail(__VA_ARGS__); \
		-1;                       \
	})

/* --- what is said on standard error, from any thread ------------------------------------------------ */

enum log_level {
	LOG_LEVEL_ERROR, /* why it ended, if the guest did not want it to */
	LOG_LEVEL_WARN,  /* what a guest or the host did to a device */
	LOG_LEVEL_INFO,  /* what was asked for, and where things are */
	LOG_LEVEL_DEBUG, /* the steps, with the time since the start */
};

/* Set-up: what is said from now on. False: @word is not the name of a level. */
bool log_choose(const char *word);

/* Set-up: whether standard error is a terminal that has colours, and the start of time. */
void log_begin(void);

/* Whether there is somebody to prepare something for. */
bool log_has(enum log_level level);

/* One line, "vmm: ...", in one write: lines of several threads do not mix. */
void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same of a text that may have several lines, all of them ended. */
void log_text(enum log_level level, const char *text, size_t len);

/*
 * A warning "vmm: NAME: ..." for what a guest or the host does to a running device. A limit per
 * @limit drops what comes too fast and says how many were dropped with the next line that passes;
 * a guest cannot fill the log.
 */
struct log_limit {
	long long window;    /* CLOCK_MONOTONIC second the count is for; atomic */
	unsigned int count;  /* lines in that window; atomic */
	unsigned int missed; /* lines dropped; atomic */
};

void device_log(struct log_limit *limit, const char *name, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
