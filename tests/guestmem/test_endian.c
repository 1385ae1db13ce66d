/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Integers of a stated byte order: what is in memory, and that it comes back. */
#include "tests/guestmem/fixture.h"
#include "tests/guestmem/suites.h"

#define CHECK_ORDER(order, bits, value, ...)                                                 \
	do {                                                                                 \
		gm_##order##bits##_t wrapped = gm_##order##bits(value);                      \
		const uint8_t bytes[] = {__VA_ARGS__};                                       \
                                                                                             \
		ck_assert_uint_eq(sizeof(wrapped), sizeof(bytes));                           \
		ck_assert_uint_eq(_Alignof(gm_##order##bits##_t), _Alignof(uint##bits##_t)); \
		ck_assert_mem_eq(&wrapped, bytes, sizeof(bytes));                            \
		ck_assert_uint_eq(gm_##order##bits##_get(wrapped), value);                   \
	} while (0)

START_TEST(bytes_are_in_order)
{
	CHECK_ORDER(le, 16, 0x0102, 2, 1);
	CHECK_ORDER(le, 32, 0x01020304, 4, 3, 2, 1);
	CHECK_ORDER(le, 64, 0x0102030405060708, 8, 7, 6, 5, 4, 3, 2, 1);
	CHECK_ORDER(be, 16, 0x0102, 1, 2);
	CHECK_ORDER(be, 32, 0x01020304, 1, 2, 3, 4);
	CHECK_ORDER(be, 64, 0x0102030405060708, 1, 2, 3, 4, 5, 6, 7, 8);
	CHECK_ORDER(be, 16, 0xff00, 0xff, 0);
}
END_TEST

Suite *endian_suite(void)
{
	Suite *suite = suite_create("endian");
	TCase *tcase = tcase_create("endian");

	tcase_add_test(tcase, bytes_are_in_order);
	suite_add_tcase(suite, tcase);
	return suite;
}
