/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Bytes by guest address: two adjacent regions, a hole, a read-only region. What any range on any
 * layout does is the property test's part; here are the cases that have a name.
 */
#include <limits.h>
#include <pthread.h>
#include <string.h>

#include "tests/guestmem/fixture.h"
#include "tests/guestmem/suites.h"

static struct gm_memory *memory;

/* [0x1000, 0x3000) in two regions, [0x8000, 0x9000), and [0x9000, 0xa000) read-only. */
static void setup(void)
{
	struct gm_region_config configs[] = {
		{.start = 0x1000, .size = PAGE, .dirty_page = PAGE},
		{.start = 0x2000, .size = PAGE, .dirty_page = PAGE},
		{.start = 0x8000, .size = PAGE, .dirty_page = PAGE},
		{.start = 0x9000, .size = PAGE, .dirty_page = PAGE, .flags = GM_REGION_READ_ONLY},
	};

	ck_assert_int_eq(gm_memory_from_configs(configs, ARRAY_LEN(configs), &memory, NULL), 0);
}

static void teardown(void)
{
	gm_memory_put(memory);
}

static bool is_dirty(size_t region)
{
	return gm_bitmap_is_set(gm_region_dirty(gm_memory_region(memory, region)), 0);
}

START_TEST(moves_what_there_is)
{
	uint8_t out[64], in[64];
	size_t done;

	memset(out, 0x5a, sizeof(out));
	ck_assert_int_eq(gm_write(memory, 0x1fe0, out, 64), 64);
	ck_assert_int_eq(gm_read(memory, 0x1fe0, in, 64), 64);
	ck_assert_mem_eq(in, out, 64);
	ck_assert(is_dirty(0) && is_dirty(1) && !is_dirty(2));
	ck_assert_int_eq(gm_write(memory, 0x2ff0, out, 64), 16);
	ck_assert_int_eq(gm_read(memory, 0x2ff0, in, 64), 16);
	ck_assert_int_eq(gm_write_exact(memory, 0x2ff0, out, 64, &done), GM_ERR_PARTIAL);
	ck_assert_uint_eq(done, 16);
	ck_assert_int_eq(gm_read_exact(memory, 0x2ff0, in, 64, &done), GM_ERR_PARTIAL);
	ck_assert_uint_eq(done, 16);
	ck_assert_int_eq(gm_read(memory, 0x3000, in, 1), GM_ERR_INVALID_ADDRESS);
	ck_assert_int_eq(gm_read_exact(memory, UINT64_MAX, in, 64, &done), GM_ERR_INVALID_ADDRESS);
	ck_assert_uint_eq(done, 0);
	ck_assert_int_eq(gm_read(memory, 0x3000, in, 0), 0);
	ck_assert_int_eq(gm_write_exact(memory, 0x3000, out, 0, NULL), 0);
}
END_TEST

START_TEST(stops_before_what_is_read_only)
{
	uint8_t out[64] = {1}, in[64];

	ck_assert_int_eq(gm_write(memory, 0x9000, out, 64), GM_ERR_READ_ONLY);
	ck_assert_int_eq(gm_write(memory, 0x8ff0, out, 64), 16);
	ck_assert_int_eq(gm_write_exact(memory, 0x8ff0, out, 64, NULL), GM_ERR_PARTIAL);
	ck_assert_int_eq(gm_read(memory, 0x8ff0, in, 64), 64);
	ck_assert_int_eq(gm_store_u32(memory, 0x9000, 1, __ATOMIC_RELAXED), GM_ERR_READ_ONLY);
	ck_assert(is_dirty(2) && !is_dirty(3));
}
END_TEST

START_TEST(objects_may_lie_across_regions)
{
	struct {
		uint32_t a, b, c;
	} out = {1, 2, 3}, in = {0};

	ck_assert_int_eq(gm_write_obj(memory, 0x1ffa, &out), 0);
	ck_assert_int_eq(gm_read_obj(memory, 0x1ffa, &in), 0);
	ck_assert_mem_eq(&in, &out, sizeof(in));
	ck_assert_int_eq(gm_read_obj(memory, 0x2ffa, &in), GM_ERR_PARTIAL);
}
END_TEST

START_TEST(atomics_stay_in_one_region)
{
	uint64_t value;
	uint16_t half;
	uint8_t byte;

	ck_assert_int_eq(gm_store_u64(memory, 0x1ff8, 0x0807060504030201, __ATOMIC_RELEASE), 0);
	ck_assert(is_dirty(0) && !is_dirty(1));
	ck_assert_int_eq(gm_load_u64(memory, 0x1ff8, &value, __ATOMIC_ACQUIRE), 0);
	ck_assert_uint_eq(value, 0x0807060504030201);
	ck_assert_int_eq(gm_load_u8(memory, 0x1fff, &byte, __ATOMIC_RELAXED), 0);
	ck_assert_uint_eq(byte, 8);
	ck_assert_int_eq(gm_load_u16(memory, 0x1ffe, &half, __ATOMIC_SEQ_CST), 0);
	ck_assert_uint_eq(half, 0x0807);
	ck_assert_int_eq(gm_load_u16(memory, 0x1ffd, &half, 0), GM_ERR_INVALID_BACKEND);
	ck_assert_int_eq(gm_load_u64(memory, 0x1ffc, &value, 0), GM_ERR_INVALID_BACKEND);
	ck_assert_int_eq(gm_load_u64(memory, 0x3000, &value, 0), GM_ERR_INVALID_ADDRESS);
	ck_assert_int_eq(gm_store_u8(memory, 0xfff, 0, 0), GM_ERR_INVALID_ADDRESS);
}
END_TEST

/* try_access: a callback that does as it is told, and says what it saw. */
struct script {
	size_t most;  /* bytes it deals with per call */
	size_t extra; /* bytes it claims beyond that */
	int error_at; /* the call that fails; -1: none */
	int calls;
	uint64_t done[8];
	size_t len[8];
};

static ssize_t play(void *arg, uint64_t done, const struct gm_slice *part)
{
	struct script *script = arg;
	int call = script->calls++;

	ck_assert_int_lt(call, 8);
	script->done[call] = done;
	script->len[call] = part->len;
	if (call == script->error_at)
		return GM_ERR_HOST_UNAVAILABLE;
	return (ssize_t)((part->len < script->most ? part->len : script->most) + script->extra);
}

static ssize_t try(gm_addr addr, uint64_t len, enum gm_access access, struct script *script)
{
	script->calls = 0;
	return gm_try_access(memory, addr, len, access, play, script);
}

START_TEST(callback_gets_slice_after_slice)
{
	struct script all = {.most = SIZE_MAX, .error_at = -1};
	struct script less = {.most = 0x30, .error_at = -1};
	struct script nothing = {.error_at = -1};

	ck_assert_int_eq(try(0x1ff0, 0x20, GM_ACCESS_READ, &all), 0x20);
	ck_assert_int_eq(all.calls, 2);
	ck_assert(all.done[0] == 0 && all.len[0] == 0x10);
	ck_assert(all.done[1] == 0x10 && all.len[1] == 0x10);
	ck_assert_int_eq(try(0x2ff0, 0x20, GM_ACCESS_READ, &all), 0x10);
	ck_assert_int_eq(try(0x1fc0, 0x80, GM_ACCESS_READ, &less), 0x80);
	ck_assert_int_eq(less.calls, 4);
	ck_assert(less.len[0] == 0x40 && less.len[1] == 0x10 && less.done[2] == 0x40);
	ck_assert_int_eq(try(0x1000, 0x20, GM_ACCESS_READ, &nothing), 0);
	ck_assert_int_eq(nothing.calls, 1);
	ck_assert_int_eq(try(0x1000, 0, GM_ACCESS_READ, &nothing), 0);
	ck_assert(nothing.calls == 1 && nothing.len[0] == 0);
	ck_assert_int_eq(try(0x3000, 0, GM_ACCESS_READ, &nothing), GM_ERR_INVALID_ADDRESS);
	ck_assert_int_eq(try(0x9000, 1, GM_ACCESS_WRITE, &all), GM_ERR_READ_ONLY);
	ck_assert_int_eq(try(0x8fff, 2, GM_ACCESS_WRITE, &all), 1);
}
END_TEST

START_TEST(callback_errors_and_lies_are_told)
{
	struct script failing = {.most = SIZE_MAX, .error_at = 1};
	struct script liar = {.most = SIZE_MAX, .extra = 1, .error_at = -1};

	ck_assert_int_eq(try(0x1ff0, 0x20, GM_ACCESS_READ, &failing), GM_ERR_HOST_UNAVAILABLE);
	ck_assert_int_eq(failing.calls, 2);
	ck_assert_int_eq(try(0x1000, 0x10, GM_ACCESS_READ, &liar), GM_ERR_CALLBACK_RANGE);
	ck_assert_int_eq(try(0x1000, 0, GM_ACCESS_READ, &liar), GM_ERR_CALLBACK_RANGE);
	/* A claim within the length is believed, and leads to where it says. */
	ck_assert_int_eq(try(0x2ff0, 0x100, GM_ACCESS_READ, &liar), 0x11);
	liar.extra = SSIZE_MAX - 0x20;
	ck_assert_int_eq(try(0x2ff0, UINT64_MAX, GM_ACCESS_READ, &liar), SSIZE_MAX - 0x10);
}
END_TEST

START_TEST(claims_past_the_top_are_an_overflow)
{
	struct gm_memory *top = make_memory(UINT64_MAX - PAGE, PAGE);
	struct script liar = {.most = SIZE_MAX, .extra = 2, .error_at = -1};

	ck_assert_int_eq(gm_try_access(top, UINT64_MAX - 8, 100, GM_ACCESS_READ, play, &liar),
			 GM_ERR_ADDRESS_OVERFLOW);
	gm_memory_put(top);
}
END_TEST

static bool stop;

static void *alternate(void *arg)
{
	for (uint64_t i = 0; !__atomic_load_n(&stop, __ATOMIC_RELAXED); i++) {
		uint64_t pattern = i % 2 ? UINT64_MAX : 0;

		gm_write(memory, 0x1000, &pattern, 8);
		gm_write(memory, 0x1010, &pattern, 4);
		gm_write(memory, 0x1022, &pattern, 2);
	}
	return arg;
}

START_TEST(aligned_accesses_do_not_tear)
{
	pthread_t thread;

	stop = false;
	ck_assert_int_eq(pthread_create(&thread, NULL, alternate, NULL), 0);
	for (int i = 0; i < 300000; i++) {
		uint64_t v8;
		uint32_t v4;
		uint16_t v2;

		gm_read(memory, 0x1000, &v8, 8);
		gm_read(memory, 0x1010, &v4, 4);
		gm_read(memory, 0x1022, &v2, 2);
		if (v8 + 1 > 1 || v4 + 1 > 1 || (uint16_t)(v2 + 1) > 1)
			ck_abort_msg("torn: %#lx %#x %#x", v8, v4, v2);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
}
END_TEST

Suite *bytes_suite(void)
{
	Suite *suite = suite_create("bytes");
	TCase *tcase = tcase_create("bytes");

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, moves_what_there_is);
	tcase_add_test(tcase, stops_before_what_is_read_only);
	tcase_add_test(tcase, objects_may_lie_across_regions);
	tcase_add_test(tcase, atomics_stay_in_one_region);
	tcase_add_test(tcase, callback_gets_slice_after_slice);
	tcase_add_test(tcase, callback_errors_and_lies_are_told);
	tcase_add_test(tcase, claims_past_the_top_are_an_overflow);
	tcase_add_test(tcase, aligned_accesses_do_not_tear);
	suite_add_tcase(suite, tcase);
	return suite;
}
