/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* What a test says: it fails, it cannot be run here, or something worth a line. */
#ifndef GUEST_TAP_H
#define GUEST_TAP_H

#include <stdbool.h>

/* Count a failure; the first few of a test are printed. */
void tap_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The test does not apply, for this reason. */
void tap_skip(const char *reason);

/* A comment under the test's line. */
void tap_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* True if @condition holds; otherwise the test has failed, with the message. */
#define CHECK(condition, ...) ((condition) ? true : (tap_fail(__VA_ARGS__), false))

struct test {
	const char *name;
	void (*run)(void);
};

/* Run the tests that tests= selects. True: none failed. */
bool tap_run(const struct test *tests, unsigned int count);

#endif
