/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Random memories under random operations, against a model that is one array of bytes (property.h).
 * A failure names the operation's number and the seed: TEST_SEED=... repeats it.
 */
#include <stdarg.h>
#include <stdio.h>

#include "tests/guestmem/fixture.h"
#include "tests/guestmem/property.h"
#include "tests/guestmem/suites.h"

#define ROUND_OPS 3000

static struct test_random chance;

uint64_t below(struct world *w, uint64_t bound)
{
	(void)w;
	return test_random_below(&chance, bound);
}

void give_up(const struct world *w, const char *format, ...)
{
	char text[200];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	ck_abort_msg("TEST_SEED=%#lx, operation %u of round %u, %s: %s", test_seed(), w->op,
		     w->round, w->what, text);
}

START_TEST(agrees_with_an_array_of_bytes)
{
	const unsigned int rounds = (unsigned int)atoi(test_env("PROPERTY_ROUNDS", "1000"));
	static struct world w;

	w.fd = make_file(FILE_SIZE);
	chance = test_random_new(7);
	fill(&w, w.file, FILE_SIZE);
	ck_assert_int_eq(pwrite(w.fd, w.file, FILE_SIZE, 0), FILE_SIZE);
	for (w.round = 0; w.round < rounds; w.round++) {
		property_begin(&w);
		for (w.op = 0; w.op < ROUND_OPS; w.op++)
			property_operation(&w);
		property_end(&w);
	}
	close(w.fd);
}
END_TEST

Suite *property_suite(void)
{
	Suite *suite = suite_create("property");
	TCase *tcase = tcase_create("property");

	tcase_set_timeout(tcase, 300);
	tcase_add_test(tcase, agrees_with_an_array_of_bytes);
	suite_add_tcase(suite, tcase);
	return suite;
}
