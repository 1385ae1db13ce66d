/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Regular expressions that are looked for in what a guest prints: POSIX extended ones. They cost
 * more than a tenth of the static binary, which is therefore without them; hence the weak names.
 */
#ifndef VMM_EXPECT_H
#define VMM_EXPECT_H

#include <stdbool.h>
#include <stddef.h>

#include "devices/report.h"

struct expect;

/* Compile all of @patterns. expect_free() in every case. */
__attribute__((weak)) int expect_new(const char *const *patterns, size_t count, struct expect **out,
				     struct report *report);
__attribute__((weak)) void expect_free(struct expect *expect);

/*
 * Look in @line (@len bytes and a zero behind them; zeros inside are blanks from here on). @begins
 * and @ends say whether ^ and $ match at its ends. True once every pattern was seen.
 */
__attribute__((weak)) bool expect_look(struct expect *expect, char *line, size_t len, bool begins,
				       bool ends);

/* The first that was not seen, or NULL. */
__attribute__((weak)) const char *expect_missing(const struct expect *expect);

#endif
