/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Address arithmetic at the ends of the address space. */
#include "tests/guestmem/fixture.h"
#include "tests/guestmem/suites.h"

#define TOP UINT64_MAX

START_TEST(sums_say_when_they_wrap)
{
	gm_addr out = 1234;

	ck_assert(gm_addr_checked_add(TOP - 5, 5, &out));
	ck_assert_uint_eq(out, TOP);
	ck_assert(!gm_addr_checked_add(TOP - 5, 6, &out));
	ck_assert_uint_eq(out, TOP);
	ck_assert(!gm_addr_overflowing_add(TOP - 5, 5, &out));
	ck_assert(gm_addr_overflowing_add(TOP - 5, 7, &out));
	ck_assert_uint_eq(out, 1);
}
END_TEST

START_TEST(differences_say_when_they_wrap)
{
	gm_addr out = 1234;

	ck_assert(gm_addr_checked_sub(5, 5, &out));
	ck_assert_uint_eq(out, 0);
	ck_assert(!gm_addr_checked_sub(5, 6, &out));
	ck_assert_uint_eq(out, 0);
	ck_assert(gm_addr_overflowing_sub(5, 6, &out));
	ck_assert_uint_eq(out, TOP);
	ck_assert(!gm_addr_overflowing_sub(TOP, TOP - 1, &out));
	ck_assert_uint_eq(out, 1);
	ck_assert(gm_addr_checked_offset_from(0x3000, 0x1000, &out));
	ck_assert_uint_eq(out, 0x2000);
	ck_assert(!gm_addr_checked_offset_from(0x1000, 0x3000, &out));
}
END_TEST

START_TEST(alignment_is_upwards_and_by_powers_of_two)
{
	gm_addr out = 1234;

	ck_assert_int_eq(gm_addr_align_up(0x1001, 0x1000, &out), 0);
	ck_assert_uint_eq(out, 0x2000);
	ck_assert_int_eq(gm_addr_align_up(0x2000, 0x1000, &out), 0);
	ck_assert_uint_eq(out, 0x2000);
	ck_assert_int_eq(gm_addr_align_up(7, 1, &out), 0);
	ck_assert_uint_eq(out, 7);
	ck_assert_int_eq(gm_addr_align_up(TOP - 0xfff, 0x1000, &out), 0);
	ck_assert_uint_eq(out, TOP - 0xfff);
	ck_assert_int_eq(gm_addr_align_up(TOP - 0xffe, 0x1000, &out), GM_ERR_ADDRESS_OVERFLOW);
	ck_assert_int_eq(gm_addr_align_up(7, 0, &out), GM_ERR_INVALID_ARGUMENT);
	ck_assert_int_eq(gm_addr_align_up(7, 24, &out), GM_ERR_INVALID_ARGUMENT);
	ck_assert_uint_eq(out, TOP - 0xfff);
	ck_assert_uint_eq(gm_addr_mask(0x12345, 0xfff), 0x345);
}
END_TEST

Suite *address_suite(void)
{
	Suite *suite = suite_create("address");
	TCase *tcase = tcase_create("address");

	tcase_add_test(tcase, sums_say_when_they_wrap);
	tcase_add_test(tcase, differences_say_when_they_wrap);
	tcase_add_test(tcase, alignment_is_upwards_and_by_powers_of_two);
	suite_add_tcase(suite, tcase);
	return suite;
}
