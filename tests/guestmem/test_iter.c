/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The slice iterator: what it promises for any memory and any range. */
#include "tests/guestmem/fixture.h"
#include "tests/guestmem/suites.h"

#define SPAN 300

/*
 * Regions of a few bytes within the first SPAN addresses, so that a table of one entry per address
 * can say what must come out: where the byte is, or NULL.
 */
struct model {
	struct gm_memory *memory;
	uint8_t *host[SPAN];
	bool read_only[SPAN];
};

static void make_model(struct model *model, struct test_random *random)
{
	struct gm_region_config configs[40] = {0};
	size_t count = 0;
	gm_addr at = test_random_below(random, 4);

	*model = (struct model){0};
	while (at < SPAN - 20 && count < 40) {
		configs[count].start = at;
		configs[count].size = 1 + test_random_below(random, 20);
		if (!test_random_below(random, 4))
			configs[count].flags = GM_REGION_READ_ONLY;
		at += configs[count].size + (test_random_below(random, 3) ? 0 : 5);
		count++;
	}
	ck_assert_int_eq(gm_memory_from_configs(configs, count, &model->memory, NULL), 0);
	for (size_t i = 0; i < count; i++) {
		uint8_t *host = gm_region_host(gm_memory_region(model->memory, i));

		for (size_t j = 0; j < configs[i].size; j++) {
			model->host[configs[i].start + j] = host + j;
			model->read_only[configs[i].start + j] = configs[i].flags != 0;
		}
	}
}

/* Walk [addr, addr + len) and hold each slice against the model. */
static void check_walk(const struct model *model, gm_addr addr, uint64_t len, enum gm_access access)
{
	struct gm_slice slice;
	struct gm_iter it;
	uint64_t sum = 0;
	unsigned int bad = 0;
	gm_addr at;

	gm_iter_init(&it, model->memory, addr, len, access);
	while (gm_iter_next(&it, &slice)) {
		ck_assert_uint_ne(slice.len, 0);
		ck_assert_uint_le(addr + sum + slice.len, SPAN);
		for (size_t i = 0; i < slice.len; i++, sum++) {
			bad += slice.host + i != model->host[addr + sum];
			bad += (access & GM_ACCESS_WRITE) && model->read_only[addr + sum];
		}
		/* It is a whole piece: the next byte is not its neighbour, or another region's. */
		if (sum < len && addr + sum < SPAN && model->host[addr + sum])
			ck_assert_ptr_ne(slice.host + slice.len, model->host[addr + sum]);
	}
	ck_assert_uint_eq(bad, 0);
	ck_assert_uint_le(sum, len);
	at = addr + sum;
	if (!it.error)
		ck_assert_uint_eq(sum, len);
	else if (it.error == GM_ERR_READ_ONLY)
		ck_assert(at < SPAN && model->host[at] && model->read_only[at] &&
			  (access & GM_ACCESS_WRITE));
	else
		ck_assert(it.error == GM_ERR_INVALID_ADDRESS && (at >= SPAN || !model->host[at]));
	if (it.error) {
		int err = it.error;

		ck_assert_uint_eq(it.addr, at);
		ck_assert(!gm_iter_next(&it, &slice));
		ck_assert(!gm_iter_next(&it, &slice));
		ck_assert_int_eq(it.error, err);
	}
	ck_assert(gm_check_range(model->memory, addr, len, access) == !it.error);
}

START_TEST(covers_any_range_in_order)
{
	struct test_random random = test_random_new(4);

	for (int round = 0; round < 60; round++) {
		struct model model;

		make_model(&model, &random);
		for (int i = 0; i < 1000; i++)
			check_walk(&model, test_random_below(&random, SPAN + 5),
				   test_random_below(&random, SPAN),
				   (enum gm_access)test_random_below(&random, 4));
		gm_memory_put(model.memory);
	}
}
END_TEST

START_TEST(nothing_for_no_bytes)
{
	struct gm_memory *memory = make_memory(0, PAGE);
	gm_addr addrs[] = {0, PAGE, UINT64_MAX};
	struct gm_slice slice;
	struct gm_iter it;

	for (size_t i = 0; i < ARRAY_LEN(addrs); i++) {
		gm_iter_init(&it, memory, addrs[i], 0, GM_ACCESS_WRITE);
		ck_assert(!gm_iter_next(&it, &slice));
		ck_assert_int_eq(it.error, 0);
	}
	gm_memory_put(memory);
}
END_TEST

START_TEST(a_range_that_wraps_ends_at_the_top)
{
	struct gm_memory *memory = make_memory(0, PAGE, UINT64_MAX - PAGE, PAGE);
	struct gm_slice slice;
	struct gm_iter it;

	gm_iter_init(&it, memory, UINT64_MAX - 10, 100, GM_ACCESS_READ);
	ck_assert(gm_iter_next(&it, &slice));
	ck_assert_uint_eq(slice.len, 10);
	ck_assert(!gm_iter_next(&it, &slice));
	ck_assert_int_eq(it.error, GM_ERR_INVALID_ADDRESS);
	ck_assert_uint_eq(it.addr, UINT64_MAX);
	gm_memory_put(memory);
}
END_TEST

START_TEST(slices_carry_their_dirty_bits)
{
	struct gm_memory *memory = make_memory(0, 2 * PAGE, 2 * PAGE, 2 * PAGE);
	struct gm_slice slice;
	struct gm_iter it;

	gm_iter_init(&it, memory, PAGE + 5, 2 * PAGE, GM_ACCESS_WRITE);
	while (gm_iter_next(&it, &slice))
		gm_slice_mark_dirty(&slice, 0, slice.len);
	for (gm_addr addr = 0; addr < 4 * PAGE; addr += PAGE) {
		uint64_t offset;
		struct gm_region *region = gm_to_region_addr(memory, addr, &offset);

		ck_assert(gm_bitmap_dirty_at(gm_region_dirty(region), offset) ==
			  (addr == PAGE || addr == 2 * PAGE || addr == 3 * PAGE));
	}
	gm_memory_put(memory);
}
END_TEST

Suite *iter_suite(void)
{
	Suite *suite = suite_create("iter");
	TCase *tcase = tcase_create("iter");

	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, covers_any_range_in_order);
	tcase_add_test(tcase, nothing_for_no_bytes);
	tcase_add_test(tcase, a_range_that_wraps_ends_at_the_top);
	tcase_add_test(tcase, slices_carry_their_dirty_bits);
	suite_add_tcase(suite, tcase);
	return suite;
}
