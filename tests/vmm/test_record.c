/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* What a boot records of the pieces it places, for maps: their names, and the same of a plan. */
#include "tests/vmm/suites.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/vmm/map-shell.h"
#include "vmm/boot.h"

static const struct {
	const char *what, *name;
	enum boot_kind kind;
} words[] = {
	{"the kernel", "kernel", BOOT_KERNEL},
	{"the kernel, segment 3", "kernel, segment 3", BOOT_KERNEL},
	{"--initrd a b", "initrd a b", BOOT_FILE},
	{"--module m", "module m", BOOT_FILE},
	{"--cmdline", "command line", BOOT_TABLE},
	{"the zero page", "zero page", BOOT_TABLE},
	{"page tables", "page tables", BOOT_TABLE},
	{"", "", BOOT_TABLE},
};

START_TEST(a_record_has_names)
{
	struct boot_record record = {0};
	size_t count = sizeof(words) / sizeof(words[0]);

	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < 40; i++)
			ck_assert_int_eq(boot_record_add(&record, i << 12, i, words[i % count].what),
					 0);
		ck_assert_uint_eq(record.count, 40);
		for (size_t i = 0; i < 40; i++) {
			ck_assert_str_eq(record.list[i].name, words[i % count].name);
			ck_assert_int_eq(record.list[i].kind, words[i % count].kind);
			ck_assert_uint_eq(record.list[i].addr, i << 12);
			ck_assert_uint_eq(record.list[i].len, i);
		}
		boot_record_clear(&record);
		ck_assert_uint_eq(record.count, 0);
	}
}
END_TEST

/* Flat binaries have page tables in one mode alone; a plan places what a boot does. */
START_TEST(flat_binaries_are_recorded)
{
	const char *said;
	int status;

	map_put_file("flat.bin", "0123456789abcdef");
	said = map_shell(&status, "vmm map flat.bin --flat 0x7c00,64 --memory 1M | grep '    '");
	ck_assert_ptr_nonnull(strstr(said, "0x00007c00-0x00007c0f      16 B      kernel\n"));
	ck_assert_ptr_nonnull(strstr(said, "0x00001000-0x00006fff      24 KiB    page tables\n"));
	said = map_shell(&status, "vmm map flat.bin --flat 0x7c00 --memory 1M");
	ck_assert_ptr_nonnull(strstr(said, "0x00007c00-0x00007c0f      16 B      kernel\n"));
	ck_assert_ptr_null(strstr(said, "page tables"));
}
END_TEST

static int by_address(const void *a, const void *b)
{
	const struct boot_placed *l = a, *r = b;

	return l->addr < r->addr ? -1 : l->addr > r->addr;
}

START_TEST(a_plan_places_what_a_boot_does)
{
	struct gm_region_config config = {.size = 8 << 20};
	struct boot_record records[2] = {{0}};
	struct boot_state states[2];
	struct report report;
	char path[128];

	map_put_kernel("k.elf");
	snprintf(path, sizeof(path), "%s/k.elf", map_dir);
	for (int plan = 0; plan < 2; plan++) {
		const struct boot_params params = {
			.kernel = path, .record = &records[plan], .plan = plan, .cmdline = "x"};
		struct gm_memory *memory;
		char byte = 0;

		ck_assert_int_eq(gm_memory_from_configs(&config, 1, &memory, NULL), 0);
		ck_assert_int_eq(boot_load(&params, memory, &states[plan], &report), 0);
		ck_assert_int_eq(gm_read_obj(memory, 0x100000, &byte), 0);
		ck_assert_int_eq(byte, plan ? 0 : 't');
		gm_memory_put(memory);
		qsort(records[plan].list, records[plan].count, sizeof(struct boot_placed),
		      by_address);
	}
	ck_assert_mem_eq(&states[0], &states[1], sizeof(states[0]));
	ck_assert_uint_eq(records[0].count, records[1].count);
	ck_assert_uint_eq(records[0].count, 5);
	for (size_t i = 0; i < records[0].count; i++) {
		const struct boot_placed *a = &records[0].list[i], *b = &records[1].list[i];

		ck_assert_str_eq(a->name, b->name);
		ck_assert_uint_eq(a->addr, b->addr);
		ck_assert_uint_eq(a->len, b->len);
		/* Pieces are apart. */
		ck_assert(i == 0 || a[-1].addr + a[-1].len <= a->addr);
	}
	boot_record_clear(&records[0]);
	boot_record_clear(&records[1]);
}
END_TEST

Suite *suite_record(void)
{
	Suite *suite = suite_create("record");
	TCase *tcase = tcase_create("record");

	tcase_add_checked_fixture(tcase, map_set_up, map_tear_down);
	tcase_add_test(tcase, a_record_has_names);
	tcase_add_test(tcase, flat_binaries_are_recorded);
	tcase_add_test(tcase, a_plan_places_what_a_boot_does);
	suite_add_tcase(suite, tcase);
	return suite;
}
