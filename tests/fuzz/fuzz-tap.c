/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* What a console prints, read as TAP: every point is counted once, and is a piece of its line. */
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "vmm/tap.h"

struct reader {
	const char *line;
	size_t len;
	unsigned long points;
};

static bool inside(const struct reader *reader, const char *at, size_t len)
{
	return at >= reader->line && len <= reader->len &&
	       (size_t)(at - reader->line) <= reader->len - len;
}

static void take_point(void *arg, const struct tap_point *point)
{
	struct reader *reader = arg;

	reader->points++;
	if (!inside(reader, point->name, point->name_len) ||
	    !inside(reader, point->reason, point->reason_len))
		abort();
}

static void take_diagnostic(void *arg, const char *line, size_t len)
{
	if (!inside(arg, line, len))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reader reader = {0};
	struct tap tap = {.point = take_point, .diagnostic = take_diagnostic, .arg = &reader};
	const char *at = (const char *)data;
	bool ok;

	while (size) {
		const char *end = memchr(at, '\n', size);
		size_t len = end ? (size_t)(end - at) : size;

		/* A copy without a byte behind it, so that reading one shows. */
		char *line = malloc(len ? len : 1);

		if (!line)
			return 0;
		memcpy(line, at, len);
		reader.line = line;
		reader.len = len;
		tap_line(&tap, line, len);
		free(line);
		at += len + (end != NULL);
		size -= len + (end != NULL);
	}
	ok = tap_end(&tap);
	if (reader.points != tap.points ||
	    tap.points != tap.passed + tap.failed + tap.skipped + tap.todo ||
	    (ok && (tap.failed || tap.points != tap.planned)))
		abort();
	return 0;
}
