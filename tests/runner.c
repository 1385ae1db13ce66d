/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * main() of every test program. libcheck runs each test in a process of its own and knows only
 * passed and failed; skips are counted beside it in memory shared with those processes.
 */
#include "tests/runner.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

static unsigned int *skipped;

/* Read by the sanitizers: that an allocation is too large is an answer, not the end of the test. */
const char *__asan_default_options(void);
const char *__tsan_default_options(void);

const char *__asan_default_options(void)
{
	return "allocator_may_return_null=1";
}

const char *__tsan_default_options(void)
{
	return "allocator_may_return_null=1";
}

void test_skip(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("SKIP ", stdout);
	vprintf(format, args);
	putchar('\n');
	fflush(stdout);
	va_end(args);
	__atomic_add_fetch(skipped, 1, __ATOMIC_RELAXED);
}

uint64_t test_seed(void)
{
	static uint64_t seed;
	const char *text = getenv("TEST_SEED");

	if (seed)
		return seed;
	if (text)
		seed = strtoull(text, NULL, 0);
	else if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		seed = 1;
	return seed;
}

struct test_random test_random_new(uint64_t stream)
{
	return (struct test_random){test_seed() ^ (stream * 0xd1342543de82ef95ULL)};
}

uint64_t test_random(struct test_random *random)
{
	uint64_t z = (random->state += 0x9e3779b97f4a7c15ULL);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

uint64_t test_random_below(struct test_random *random, uint64_t bound)
{
	return test_random(random) % bound;
}

const char *test_env(const char *name, const char *fallback)
{
	const char *value = getenv(name);

	return value && *value ? value : fallback;
}

/* Suites with a test case named, all if none is; without those named behind a "-". */
static bool wanted(Suite *suite, int argc, char **argv)
{
	bool any = false, named = false;

	for (int i = 1; i < argc; i++) {
		if (argv[i][0] != '-') {
			any = true;
			named |= suite_tcase(suite, argv[i]) != 0;
		} else if (suite_tcase(suite, argv[i] + 1)) {
			return false;
		}
	}
	return named || !any;
}

int main(int argc, char **argv)
{
	SRunner *runner = srunner_create(NULL);
	int run, failed;

	skipped = mmap(NULL, sizeof(*skipped), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);
	if (skipped == MAP_FAILED) {
		perror("mmap");
		return EXIT_FAILURE;
	}
	/* libcheck's four seconds are few on a busy host. */
	setenv("CK_DEFAULT_TIMEOUT", "60", 0);
	/* Fixed before the first fork, so that all tests of a run share it. */
	printf("seed %#llx\n", (unsigned long long)test_seed());
	fflush(stdout);
	for (suite_fn *const *suite = test_suites; *suite; suite++) {
		Suite *made = (*suite)();

		if (wanted(made, argc, argv))
			srunner_add_suite(runner, made);
		else
			srunner_free(srunner_create(made)); /* libcheck's way to free a suite */
	}
	srunner_run_all(runner, CK_ENV);
	run = srunner_ntests_run(runner);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	printf("%u passed, %d failed, %u skipped\n", (unsigned int)(run - failed) - *skipped,
	       failed, *skipped);
	if (run == 0)
		fprintf(stderr, "%s: no such test case\n", argv[0]);
	return failed || run == 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
