/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Test points as a JUnit XML file, which CI systems show. The file is opened before the guest runs
 * and written at the end in one go. Until then its text is in memory of a fixed size: beyond it
 * tests are counted, but not listed, and the file says so.
 */
#ifndef VMM_JUNIT_H
#define VMM_JUNIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "devices/report.h"
#include "vmm/tap.h"

#define JUNIT_CASES_MAX  (4U << 20)  /* bytes of test cases */
#define JUNIT_OUTPUT_MAX (1U << 20)  /* of what the guest printed */
#define JUNIT_SAID_MAX   (32U << 10) /* of what one test says of itself */

struct junit_text {
	char *bytes;
	size_t len, max;
	bool cut; /* something did not fit */
};

struct junit {
	const char *path;
	int fd;
	bool made; /* the file was not there before */
	struct junit_text cases, output, said;
	struct tap_point last; /* waits for its diagnostics; name and reason in the two below */
	bool has_last;
	char name[256], reason[256];
	uint64_t started, last_time, last_took; /* ns */
};

int junit_open(struct junit *junit, const char *path, struct report *report);
void junit_point(struct junit *junit, const struct tap_point *point);
void junit_diagnostic(struct junit *junit, const char *line, size_t len);
void junit_output(struct junit *junit, const char *line, size_t len);

/* @problem: why the run as a whole failed, or empty. */
int junit_write(struct junit *junit, const struct tap *tap, const char *problem,
		struct report *report);

/* Without junit_write() the file is as it was before. */
void junit_close(struct junit *junit);

#endif
