/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Windows: the same bytes as by address wherever the memory is cut, never those of a memory they
 * were looked up in before, and dirty pages marked.
 */
#include <string.h>
#include <sys/mman.h>

#include "tests/guestmem/fixture.h"
#include "tests/guestmem/suites.h"

/* Every access to every offset of a window agrees with the access by address. */
static void compare(struct gm_memory *memory, gm_addr addr, unsigned int len)
{
	struct gm_window window;

	ck_assert_int_eq(gm_window_init(&window, addr, len), 0);
	for (unsigned int i = 0; i + 8 <= len; i++) {
		uint64_t value = 0x0102030405060708ULL * (i + 1), by_addr = 0, by_window = 0;
		uint16_t word = 0, word_by_addr = 0;
		const void *peek;
		int err;

		ck_assert_int_eq(gm_window_write(&window, memory, i, &value, 8), 0);
		ck_assert_int_eq(gm_read_obj(memory, addr + i, &by_addr), 0);
		ck_assert_uint_eq(by_addr, value);
		ck_assert_int_eq(gm_window_read(&window, memory, i, &by_window, 8), 0);
		ck_assert_uint_eq(by_window, value);
		err = gm_load_u16(memory, addr + i, &word, __ATOMIC_ACQUIRE);
		ck_assert_int_eq(gm_window_load_u16(&window, memory, i, __ATOMIC_ACQUIRE),
				 err ? err : word);
		ck_assert_int_eq(gm_window_write_u64(&window, memory, i, ~value), 0);
		ck_assert_int_eq(gm_read_obj(memory, addr + i, &by_addr), 0);
		ck_assert_uint_eq(by_addr, ~value);
		peek = gm_window_peek(&window, memory, i, 8);
		if (peek)
			ck_assert_mem_eq(peek, &by_addr, 8);
		word = (uint16_t)(i * 3);
		if (gm_window_store_u16(&window, memory, i, word, __ATOMIC_RELEASE) == 0) {
			ck_assert_int_eq(
				gm_load_u16(memory, addr + i, &word_by_addr, __ATOMIC_RELAXED), 0);
			ck_assert_uint_eq(word, word_by_addr);
		}
	}
}

START_TEST(reads_and_writes_as_by_address)
{
	struct gm_memory *one = make_memory(0, 4 * PAGE);
	struct gm_memory *cut = make_memory(0, PAGE + 17, PAGE + 17, 3, PAGE + 20, 3 * PAGE - 20);

	compare(one, PAGE - 8, 64);
	compare(cut, PAGE - 8, 64);
	compare(cut, PAGE + 1, 40);
	gm_memory_put(one);
	gm_memory_put(cut);
}
END_TEST

START_TEST(bounds)
{
	struct gm_memory *memory = make_memory(0, PAGE);
	struct gm_window window;
	char buf[8];

	ck_assert_int_eq(gm_window_init(&window, UINT64_MAX - 6, 8), GM_ERR_ADDRESS_OVERFLOW);
	ck_assert_int_eq(gm_window_init(&window, 64, 16), 0);
	ck_assert_int_eq(gm_window_read(&window, memory, 8, buf, 8), 0);
	ck_assert_int_eq(gm_window_read(&window, memory, 9, buf, 8), GM_ERR_OUT_OF_BOUNDS);
	ck_assert_int_eq(gm_window_write(&window, memory, 9, buf, 8), GM_ERR_OUT_OF_BOUNDS);
	ck_assert_int_eq(gm_window_write_u64(&window, memory, 9, 0), GM_ERR_OUT_OF_BOUNDS);
	ck_assert_ptr_nonnull(gm_window_peek(&window, memory, 8, 8));
	ck_assert_ptr_null(gm_window_peek(&window, memory, 9, 8));
	ck_assert_int_eq(gm_window_read(&window, memory, UINT64_MAX, buf, 8), GM_ERR_OUT_OF_BOUNDS);
	ck_assert_int_eq(gm_window_load_u16(&window, memory, 15, 0), GM_ERR_OUT_OF_BOUNDS);
	ck_assert_int_eq(gm_window_store_u16(&window, memory, UINT64_MAX, 0, 0),
			 GM_ERR_OUT_OF_BOUNDS);
	/* Half of it behind the end of memory, then all. */
	ck_assert_int_eq(gm_window_init(&window, PAGE - 8, 16), 0);
	ck_assert_int_eq(gm_window_read(&window, memory, 0, buf, 8), 0);
	ck_assert_int_eq(gm_window_read(&window, memory, 4, buf, 8), GM_ERR_PARTIAL);
	ck_assert_int_eq(gm_window_write(&window, memory, 8, buf, 8), GM_ERR_INVALID_ADDRESS);
	ck_assert_int_eq(gm_window_init(&window, PAGE, 16), 0);
	ck_assert_int_eq(gm_window_store_u16(&window, memory, 0, 0, 0), GM_ERR_INVALID_ADDRESS);
	gm_memory_put(memory);
}
END_TEST

START_TEST(follows_the_memory_it_is_used_with)
{
	struct gm_memory *memories[2] = {make_memory(0, PAGE), make_memory(0, PAGE)};
	struct gm_window window;
	uint16_t word;

	ck_assert_int_eq(gm_window_init(&window, 16, 16), 0);
	for (uint16_t i = 0; i < 6; i++)
		ck_assert_int_eq(gm_window_store_u16(&window, memories[i % 2], 2ULL * i, i + 1U, 0),
				 0);
	for (uint16_t i = 0; i < 6; i++) {
		ck_assert_int_eq(gm_load_u16(memories[i % 2], 16 + 2ULL * i, &word, 0), 0);
		ck_assert_uint_eq(word, i + 1U);
		ck_assert_int_eq(gm_load_u16(memories[1 - i % 2], 16 + 2ULL * i, &word, 0), 0);
		ck_assert_uint_eq(word, 0);
	}
	/* One that is made where the last one was is another one. */
	for (int i = 0; i < 20; i++) {
		gm_memory_put(memories[0]);
		memories[0] = i % 2 ? make_memory(0, PAGE) : make_memory(0, 8);
		ck_assert_int_eq(gm_window_store_u16(&window, memories[0], 0, 7, 0),
				 i % 2 ? 0 : GM_ERR_INVALID_ADDRESS);
	}
	gm_memory_put(memories[0]);
	gm_memory_put(memories[1]);
}
END_TEST

START_TEST(writes_mark_pages_dirty)
{
	struct gm_memory *memory = make_memory(PAGE, 2 * PAGE, 3 * PAGE, 2 * PAGE);
	struct gm_bitmap *dirty = gm_region_dirty(gm_memory_region(memory, 0));
	struct gm_window window;
	uint64_t words[1], value = 1;

	ck_assert_int_eq(gm_window_init(&window, 2 * PAGE - 8, 3 * PAGE), 0);
	ck_assert_int_eq(gm_window_read(&window, memory, 0, &value, 8), 0);
	gm_bitmap_get_and_reset(dirty, words);
	ck_assert_uint_eq(words[0], 0);
	ck_assert_int_eq(gm_window_write(&window, memory, 0, &value, 8), 0);
	gm_bitmap_get_and_reset(dirty, words);
	ck_assert_uint_eq(words[0], 1);
	ck_assert_int_eq(gm_window_store_u16(&window, memory, 8, 1, __ATOMIC_RELEASE), 0);
	gm_bitmap_get_and_reset(dirty, words);
	ck_assert_uint_eq(words[0], 2);
	/* Across two pages, then in the other region. */
	ck_assert_int_eq(gm_window_write(&window, memory, 4, &value, 8), 0);
	gm_bitmap_get_and_reset(dirty, words);
	ck_assert_uint_eq(words[0], 3);
	ck_assert_int_eq(gm_window_store_u16(&window, memory, PAGE + 8, 1, 0), 0);
	ck_assert(gm_bitmap_dirty_at(gm_region_dirty(gm_memory_region(memory, 1)), 0));
	gm_memory_put(memory);
}
END_TEST

START_TEST(read_only_memory_is_not_written)
{
	const struct gm_region_config config = {.size = PAGE, .flags = GM_REGION_READ_ONLY};
	struct gm_memory *memory;
	struct gm_window window;
	uint64_t value;

	ck_assert_int_eq(gm_memory_from_configs(&config, 1, &memory, NULL), 0);
	ck_assert_int_eq(gm_window_init(&window, 0, PAGE), 0);
	ck_assert_int_eq(gm_window_read(&window, memory, 8, &value, 8), 0);
	ck_assert_int_eq(gm_window_write(&window, memory, 8, &value, 8), GM_ERR_READ_ONLY);
	ck_assert_int_eq(gm_window_store_u16(&window, memory, 8, 0, 0), GM_ERR_READ_ONLY);
	gm_memory_put(memory);
}
END_TEST

START_TEST(file_that_shrinks_is_an_error)
{
	int fd = memfd_create("window", MFD_CLOEXEC);
	const struct gm_region_config config = {
		.size = 2 * PAGE,
		.backing = GM_BACKING_FILE,
		.fd = fd,
	};
	struct gm_memory *memory;
	struct gm_window window;
	uint64_t value;

	ck_assert_int_eq(gm_fault_install(), 0);
	ck_assert_int_eq(ftruncate(fd, 2 * PAGE), 0);
	ck_assert_int_eq(gm_memory_from_configs(&config, 1, &memory, NULL), 0);
	ck_assert_int_eq(gm_window_init(&window, PAGE, PAGE), 0);
	ck_assert_int_eq(gm_window_read(&window, memory, 8, &value, 8), 0);
	ck_assert_int_eq(ftruncate(fd, PAGE), 0);
	ck_assert_int_eq(gm_window_read(&window, memory, 8, &value, 8), GM_ERR_FAULT);
	ck_assert_int_eq(gm_window_store_u16(&window, memory, 8, 0, 0), GM_ERR_FAULT);
	gm_memory_put(memory);
	close(fd);
}
END_TEST

START_TEST(translation_is_asked_each_time)
{
	struct gm_memory *backend = make_memory(0, 4 * PAGE), *memory;
	struct gm_iotlb *iotlb;
	struct gm_window window;

	ck_assert_int_eq(gm_store_u16(backend, PAGE, 1, 0), 0);
	ck_assert_int_eq(gm_store_u16(backend, 2 * PAGE, 2, 0), 0);
	ck_assert_int_eq(gm_iotlb_new(&iotlb), 0);
	ck_assert_int_eq(
		gm_memory_new_translated(backend, gm_iotlb_iommu(iotlb), true, 0, 0, &memory), 0);
	ck_assert_int_eq(gm_window_init(&window, 0, PAGE), 0);
	for (uint16_t i = 1; i <= 2; i++) {
		ck_assert_int_eq(gm_iotlb_map(iotlb, 0, PAGE, (uint64_t)i * PAGE, GM_ACCESS_READ), 0);
		ck_assert_int_eq(gm_window_load_u16(&window, memory, 0, 0), i);
		ck_assert_ptr_null(gm_window_peek(&window, memory, 0, 2));
		ck_assert_int_eq(gm_window_store_u16(&window, memory, 0, 0, 0), GM_ERR_IOMMU);
		ck_assert_int_eq(gm_iotlb_invalidate(iotlb, 0, PAGE), 0);
		ck_assert_int_eq(gm_window_load_u16(&window, memory, 0, 0), GM_ERR_IOMMU);
	}
	gm_memory_put(memory);
	gm_memory_put(backend);
	gm_iotlb_put(iotlb);
}
END_TEST

Suite *window_suite(void)
{
	Suite *suite = suite_create("window");
	TCase *tc = tcase_create("window");

	tcase_add_test(tc, reads_and_writes_as_by_address);
	tcase_add_test(tc, bounds);
	tcase_add_test(tc, follows_the_memory_it_is_used_with);
	tcase_add_test(tc, writes_mark_pages_dirty);
	tcase_add_test(tc, read_only_memory_is_not_written);
	tcase_add_test(tc, file_that_shrinks_is_an_error);
	tcase_add_test(tc, translation_is_asked_each_time);
	suite_add_tcase(suite, tc);
	return suite;
}
