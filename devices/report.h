/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * What went wrong, for the person at the terminal: one line and the exit status it deserves.
 *
 * Set-up code that can fail takes a struct report, fills it and returns -1. Who prints it is
 * main()'s business. After set-up there is nobody to fail to: devices then use device_log().
 */
#ifndef DEVICES_REPORT_H
#define DEVICES_REPORT_H

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

/*
 * One line on standard error, "vmm: NAME: ...", for what a guest or the host does to a running
 * device. A limit per @limit drops what comes too fast and says how many were dropped with the
 * next line that passes; a guest cannot fill the log. Any thread.
 */
struct log_limit {
	long long window;    /* CLOCK_MONOTONIC second the count is for; atomic */
	unsigned int count;  /* lines in that window; atomic */
	unsigned int missed; /* lines dropped; atomic */
};

void device_log(struct log_limit *limit, const char *name, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
