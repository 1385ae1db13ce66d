/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * What every test program shares: the libcheck runner with skips and a closing line, and the
 * randomness of the random tests.
 *
 *	build/tests/test-NAME [-l] [SUITE...]
 *
 * TEST_SEED=N repeats a random test; CK_FORK=no runs in one process for a debugger.
 */
#ifndef TESTS_RUNNER_H
#define TESTS_RUNNER_H

#include <check.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * libcheck's own writes to its parent at each assertion that holds, so that it can say after which
 * one a test crashed. Once for each does that; the others were a third of the time of the longest suites.
 */
#undef ck_assert_msg
#define ck_assert_msg(expr, ...)                                                              \
	({                                                                                    \
		static bool told_;                                                            \
		if (!(expr))                                                                  \
			_ck_assert_failed(__FILE__, __LINE__, "Assertion '" #expr "' failed", \
					  ##__VA_ARGS__);                                     \
		if (!__atomic_load_n(&told_, __ATOMIC_RELAXED)) {                             \
			__atomic_store_n(&told_, true, __ATOMIC_RELAXED);                     \
			_mark_point(__FILE__, __LINE__);                                      \
		}                                                                             \
	})

typedef Suite *suite_fn(void);

/* Each test program's table, NULL-terminated, in its suites.c. */
extern suite_fn *const test_suites[];

/* Leave a test that cannot run here; it counts as skipped, not as passed. */
#define TEST_SKIP(...)                  \
	do {                            \
		test_skip(__VA_ARGS__); \
		return;                 \
	} while (0)

void test_skip(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The seed of this run: TEST_SEED or a new one; printed when a test of the suite fails. */
uint64_t test_seed(void);

/* A small generator (splitmix64) for tests; each test has its own state. */
struct test_random {
	uint64_t state;
};

struct test_random test_random_new(uint64_t stream);
uint64_t test_random(struct test_random *random);
uint64_t test_random_below(struct test_random *random, uint64_t bound);

/* getenv with a default: VMM_BUILD ("build"), VMM_SRC ("."). */
const char *test_env(const char *name, const char *fallback);

#endif
