/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * A reader of the Test Anything Protocol, versions 12 to 14: lines in, test points and a verdict
 * out. It keeps nothing of what it reads but counters and the line of its first complaint. What the
 * test points are good for is its user's business (junit.h).
 *
 * Numbers have to come in order and without gaps, so that a test that is missing cannot hide. Lines
 * that are no TAP are passed over, and so are indented ones: subtests, whose result the point
 * behind them has.
 */
#ifndef VMM_TAP_H
#define VMM_TAP_H

#include <stdbool.h>
#include <stddef.h>

enum tap_result { TAP_OK, TAP_NOT_OK, TAP_SKIP, TAP_TODO };

/* Pieces of a line: valid during the call. */
struct tap_point {
	enum tap_result result;
	unsigned long number;
	const char *name;
	size_t name_len;
	const char *reason; /* of SKIP or TODO */
	size_t reason_len;
};

struct tap {
	void (*point)(void *arg, const struct tap_point *point);
	void (*diagnostic)(void *arg, const char *line, size_t len); /* # lines and YAML */
	void *arg;

	unsigned long planned;
	bool has_plan;
	bool bailed;
	bool in_yaml;
	unsigned long points, passed, failed, skipped, todo;
	char problem[160]; /* the first violation of the protocol, or empty */
};

/* One line, without its end. Bytes may be anything. */
void tap_line(struct tap *tap, const char *line, size_t len);

/* No more lines. True if all that was planned ran and nothing failed; else problem may say why. */
bool tap_end(struct tap *tap);

#endif
