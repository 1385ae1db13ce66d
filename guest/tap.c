/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Running tests and reporting them in the Test Anything Protocol, briefly: the line is slow. */
#include "guest/tap.h"

#include <stddef.h>
#include <stdint.h>

#include "guest/abi.h"
#include "guest/cmdline.h"
#include "guest/interrupts.h"
#include "guest/print.h"

#define MAX_PRINTED 4

static unsigned int failures;
static const char *skip_reason;

static void comment(const char *format, va_list args)
{
	print("# ");
	vprint(format, args);
	print("\n");
}

void tap_fail(const char *format, ...)
{
	va_list args;

	if (failures++ >= MAX_PRINTED)
		return;
	va_start(args, format);
	comment(format, args);
	va_end(args);
}

void tap_skip(const char *reason)
{
	skip_reason = reason;
}

void tap_note(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	comment(format, args);
	va_end(args);
}

static bool run_one(const struct test *test, unsigned int number)
{
	failures = 0;
	skip_reason = NULL;
	watchdog_restart();
	test->run();
	print("%sok %u - %s%s%s\n", failures ? "not " : "", number, test->name,
	      skip_reason ? " # SKIP " : "", skip_reason ? skip_reason : "");
	return failures == 0;
}

bool tap_run(const struct test *tests, unsigned int count)
{
	const char *selection = cmdline_next(ABI_KEY_TESTS, NULL);
	unsigned int selected = 0, number = 0;
	bool passed = true;

	for (unsigned int i = 0; i < count; i++)
		selected += !selection || cmdline_lists(selection, tests[i].name);
	print("1..%u\n", selected);
	for (unsigned int i = 0; i < count; i++) {
		if (selection && !cmdline_lists(selection, tests[i].name))
			continue;
		passed = run_one(&tests[i], ++number) && passed;
	}
	/* A selection that names no test has shown nothing. */
	return passed && selected;
}
