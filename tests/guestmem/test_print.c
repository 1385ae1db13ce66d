/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The printed map, as the person who reads it sees it. */
#include <stdio.h>
#include <string.h>

#include "tests/guestmem/fixture.h"
#include "tests/guestmem/suites.h"

/* What is printed, host addresses replaced by H and file names by F; the caller frees it. */
static char *printed(const struct gm_memory *memory)
{
	char *text = NULL, *at;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	ck_assert_int_eq(gm_memory_print(memory, out), 0);
	fclose(out);
	while ((at = strstr(text, "host 0x"))) {
		size_t digits = strspn(at + 7, "0123456789abcdef");

		memmove(at + 6, at + 7 + digits, strlen(at + 7 + digits) + 1);
		at[5] = 'H';
	}
	while ((at = strchr(text, '/'))) {
		size_t name = strcspn(at, "@");

		*at = 'F';
		memmove(at + 1, at + name, strlen(at + name) + 1);
	}
	return text;
}

START_TEST(one_line_a_region)
{
	static uint8_t host[100];
	struct gm_region_config configs[] = {
		{.start = 0, .size = 0xa0000, .flags = GM_REGION_NO_THP},
		{.start = 0xa0000, .size = PAGE, .backing = GM_BACKING_MEMFD},
		{.start = 0x100000,
		 .size = 2 * PAGE,
		 .backing = GM_BACKING_FILE,
		 .flags = GM_REGION_READ_ONLY | GM_REGION_PRIVATE,
		 .fd = make_file(3 * PAGE),
		 .file_offset = PAGE},
		{.start = 0x102000, .size = 100, .backing = GM_BACKING_FOREIGN, .host = host},
		{.start = 0x100000000, .size = 3 << 20},
	};
	struct gm_memory *memory;
	char *text;

	ck_assert_int_eq(gm_memory_from_configs(configs, 5, &memory, NULL), 0);
	text = printed(memory);
	ck_assert_str_eq(
		text,
		"0x0000000000000000-0x000000000009ffff    640 KiB  anon    rw  host H  no-thp\n"
		"0x00000000000a0000-0x00000000000a0fff      4 KiB  memfd   rw  host H  F@0x0  +\n"
		"0x0000000000100000-0x0000000000101fff      8 KiB  file    ro  host H  F@0x1000"
		"  private\n"
		"0x0000000000102000-0x0000000000102063    100 B    foreign rw  host H  +\n"
		"0x0000000100000000-0x00000001002fffff      3 MiB  anon    rw  host H\n");
	free(text);
	gm_memory_put(memory);
}
END_TEST

START_TEST(an_iommu_says_so)
{
	struct gm_memory *backend = make_memory(PAGE, PAGE), *memory;
	struct gm_iotlb *iotlb;
	char *text;

	ck_assert_int_eq(gm_iotlb_new(&iotlb), 0);
	ck_assert_int_eq(
		gm_memory_new_translated(backend, gm_iotlb_iommu(iotlb), false, 0, 0, &memory), 0);
	text = printed(memory);
	ck_assert_str_eq(text, "behind an IOMMU, translation off\n"
			       "0x0000000000001000-0x0000000000001fff      4 KiB  anon    rw"
			       "  host H\n");
	free(text);
	gm_memory_put(memory);
	gm_memory_put(backend);
	gm_iotlb_put(iotlb);
}
END_TEST

START_TEST(an_output_that_fails_is_an_error)
{
	struct gm_memory *memory = make_memory(0, PAGE);
	FILE *full = fopen("/dev/full", "w");

	setvbuf(full, NULL, _IONBF, 0);
	ck_assert_int_eq(gm_memory_print(memory, full), GM_ERR_IO);
	fclose(full);
	gm_memory_put(memory);
}
END_TEST

Suite *print_suite(void)
{
	Suite *suite = suite_create("print");
	TCase *tcase = tcase_create("print");

	tcase_add_test(tcase, one_line_a_region);
	tcase_add_test(tcase, an_iommu_says_so);
	tcase_add_test(tcase, an_output_that_fails_is_an_error);
	suite_add_tcase(suite, tcase);
	return suite;
}
