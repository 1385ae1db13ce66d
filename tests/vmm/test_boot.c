/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Booting into real memories cut in many ways: the same bytes at the same guest addresses, the
 * tables a PVH kernel reads, flat binaries in their three modes.
 */
#include "tests/vmm/suites.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/runner.h"
#include "tests/vmm/make-elf.h"
#include "vmm/boot-memmap.h"
#include "vmm/boot-pvh.h"
#include "vmm/layout.h"

static struct gm_memory *make_memory(const char *fragment, ...)
{
	struct layout layout = {0};
	struct gm_memory *memory;
	struct report report;
	const char *text;
	va_list args;

	va_start(args, fragment);
	while ((text = va_arg(args, const char *)))
		ck_assert_msg(layout_add_region(&layout, text, text, &report) == 0, "%s",
			      report.text);
	va_end(args);
	if (fragment)
		ck_assert_int_eq(layout_fragment(&layout, fragment, &report), 0);
	ck_assert_msg(layout_build(&layout, 32764, 0, &memory, &report) == 0, "%s", report.text);
	layout_clear(&layout);
	return memory;
}

static void read_guest(const struct gm_memory *memory, gm_addr addr, void *buf, size_t len)
{
	ck_assert_int_eq(gm_read_exact(memory, addr, buf, len, NULL), 0);
}

static struct pvh_start_info start_info(const struct gm_memory *memory, const struct boot_state *state)
{
	struct pvh_start_info info;

	read_guest(memory, state->rbx, &info, sizeof(info));
	ck_assert_uint_eq(gm_le32_get(info.magic), PVH_MAGIC);
	ck_assert_uint_eq(gm_le32_get(info.version), 1);
	return info;
}

/* A kernel of three pages and a bit, each byte its own, then bss. */
static void kernel_bytes(uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)(i * 7 + i / 251);
}

START_TEST(elf_lands_whole_however_memory_is_cut)
{
	static const char *const cuts[] = {NULL,          "4K",         "8K",         "12K",
					   "64K,seed=1",  "64K,seed=2", "16K,seed=3", "4K,seed=4",
					   "128K,seed=5", "20K",        "256K,seed=6"};
	struct gm_memory *memory = make_memory(cuts[_i], "0:640K", "1M:2M", NULL);
	uint8_t want[13000], got[13000], bss[5000];
	struct boot_params params = {.cmdline = "console=ttyS0 x=1"};
	struct boot_state state;
	struct report report;
	struct test_elf elf;

	kernel_bytes(want, sizeof(want));
	elf = test_elf_new();
	test_elf_segment(&elf, 0x100800, want, sizeof(want), sizeof(want) + sizeof(bss));
	test_elf_entry(&elf, 0x100810);
	params.kernel = test_elf_write(&elf);
	ck_assert_msg(boot_load(&params, memory, &state, &report) == 0, "%s", report.text);
	unlink(params.kernel);
	ck_assert_int_eq(state.mode, BOOT_PROTECTED);
	ck_assert_uint_eq(state.entry, 0x100810);
	read_guest(memory, 0x100800, got, sizeof(got));
	ck_assert_mem_eq(got, want, sizeof(want));
	read_guest(memory, 0x100800 + sizeof(want), bss, sizeof(bss));
	for (size_t i = 0; i < sizeof(bss); i++)
		ck_assert_uint_eq(bss[i], 0);
	read_guest(memory, gm_le64_get(start_info(memory, &state).cmdline), got, 18);
	ck_assert_str_eq((char *)got, "console=ttyS0 x=1");
	gm_memory_put(memory);
}
END_TEST

/* What is in a file-backed region before is not what a kernel may find in its bss. */
START_TEST(bss_is_cleared_in_a_file)
{
	char path[] = "/tmp/test-ram.XXXXXX", region[64];
	struct boot_params params = {.cmdline = ""};
	struct gm_memory *memory;
	struct boot_state state;
	struct report report;
	struct test_elf elf;
	uint8_t got[9000];
	int fd = mkstemp(path);

	ck_assert_int_ge(fd, 0);
	for (int i = 0; i < 1024; i++) {
		memset(got, 0xee, 4096);
		ck_assert_int_eq(write(fd, got, 4096), 4096);
	}
	close(fd);
	snprintf(region, sizeof(region), "1M:4M,file=%s", path);
	memory = make_memory("64K", "0:64K", region, NULL);
	elf = test_elf_new();
	test_elf_segment(&elf, 0x100000, "kernel", 6, sizeof(got));
	test_elf_entry(&elf, 0x100000);
	params.kernel = test_elf_write(&elf);
	ck_assert_msg(boot_load(&params, memory, &state, &report) == 0, "%s", report.text);
	read_guest(memory, 0x100000, got, sizeof(got));
	ck_assert_mem_eq(got, "kernel", 6);
	for (size_t i = 6; i < sizeof(got); i++)
		ck_assert_uint_eq(got[i], 0);
	read_guest(memory, 0x100000 + sizeof(got), got, 1);
	ck_assert_uint_eq(got[0], 0xee);
	gm_memory_put(memory);
	unlink(params.kernel);
	unlink(path);
}
END_TEST

/* Adjacent RAM is one entry however it is cut; read-only memory is reserved. */
START_TEST(memory_map)
{
	static const struct {
		uint64_t addr, size;
		uint32_t type;
	} want[] = {
		{0, 640 << 10, MEMMAP_RAM},
		{0xe0000, 128 << 10, MEMMAP_RESERVED},
		{1 << 20, 4 << 20, MEMMAP_RAM},
		{4ULL << 30, 1 << 20, MEMMAP_RAM},
	};
	struct gm_memory *memory =
		make_memory(_i ? "64K,seed=9" : NULL, "0:320K", "320K:320K", "0xe0000:64K,ro",
			    "0xf0000:64K,ro", "1M:4M", "4G:1M", NULL);
	struct boot_params params = {.cmdline = ""};
	struct pvh_start_info info;
	struct pvh_memory map[4];
	struct boot_state state;
	struct report report;
	struct test_elf elf = test_elf_new();

	test_elf_segment(&elf, 0x100000, "kernel", 6, 6);
	test_elf_entry(&elf, 0x100000);
	params.kernel = test_elf_write(&elf);
	ck_assert_int_eq(boot_load(&params, memory, &state, &report), 0);
	unlink(params.kernel);
	info = start_info(memory, &state);
	ck_assert_uint_eq(gm_le32_get(info.memmap_count), 4);
	ck_assert_uint_eq(gm_le64_get(info.cmdline), 0);
	ck_assert_uint_eq(gm_le32_get(info.module_count), 0);
	read_guest(memory, gm_le64_get(info.memmap), map, sizeof(map));
	for (size_t i = 0; i < 4; i++) {
		ck_assert_uint_eq(gm_le64_get(map[i].addr), want[i].addr);
		ck_assert_uint_eq(gm_le64_get(map[i].size), want[i].size);
		ck_assert_uint_eq(gm_le32_get(map[i].type), want[i].type);
	}
	gm_memory_put(memory);
}
END_TEST

/* The note asks for the regions as they are; modules follow, whole, wherever they lie. */
START_TEST(region_table_and_modules)
{
	struct gm_memory *memory =
		make_memory(_i ? "4K" : "16K", "0:64K", "1M:64K", "2M:4K,ro", NULL);
	struct boot_module modules[2] = {{NULL, "first"}, {NULL, NULL}};
	struct boot_params params = {.cmdline = "", .modules = modules, .module_count = 2};
	char paths[2][32] = {"/tmp/test-module.XXXXXX", "/tmp/test-module.XXXXXX"};
	size_t sizes[2] = {10000, 1}, count = gm_memory_count(memory);
	struct pvh_start_info info;
	struct pvh_module list[3];
	struct pvh_region *table;
	struct boot_state state;
	struct report report;
	struct test_elf elf = test_elf_new();
	uint8_t want[10000], got[10000];

	kernel_bytes(want, sizeof(want));
	for (size_t i = 0; i < 2; i++) {
		int fd = mkstemp(paths[i]);

		ck_assert_int_eq(write(fd, want, sizes[i]), (ssize_t)sizes[i]);
		close(fd);
		modules[i].path = paths[i];
	}
	test_elf_segment(&elf, 0x100000, "kernel", 6, 6);
	test_elf_entry(&elf, 0x100000);
	test_elf_note(&elf, "vmm", 1, NULL, 0);
	params.kernel = test_elf_write(&elf);
	ck_assert_msg(boot_load(&params, memory, &state, &report) == 0, "%s", report.text);
	unlink(params.kernel);

	info = start_info(memory, &state);
	ck_assert_uint_eq(gm_le32_get(info.module_count), 3);
	read_guest(memory, gm_le64_get(info.modules), list, sizeof(list));
	ck_assert_uint_eq(gm_le64_get(list[0].size), count * sizeof(*table));
	table = calloc(count, sizeof(*table));
	read_guest(memory, gm_le64_get(list[0].addr), table, count * sizeof(*table));
	for (size_t i = 0; i < count; i++) {
		const struct gm_region *region = gm_memory_region(memory, i);

		ck_assert_uint_eq(gm_le64_get(table[i].base), gm_region_start(region));
		ck_assert_uint_eq(gm_le64_get(table[i].size), gm_region_size(region));
		ck_assert_uint_eq(gm_le64_get(table[i].flags), i == count - 1);
	}
	free(table);
	for (size_t i = 0; i < 2; i++) {
		ck_assert_uint_eq(gm_le64_get(list[i + 1].size), sizes[i]);
		ck_assert_uint_eq(gm_le64_get(list[i + 1].addr) % 4096, 0);
		read_guest(memory, gm_le64_get(list[i + 1].addr), got, sizes[i]);
		ck_assert_mem_eq(got, want, sizes[i]);
		unlink(paths[i]);
	}
	read_guest(memory, gm_le64_get(list[1].cmdline), got, 6);
	ck_assert_str_eq((char *)got, "first");
	ck_assert_uint_eq(gm_le64_get(list[2].cmdline), 0);
	gm_memory_put(memory);
}
END_TEST

/* Linux starts its processors from the first MiB, and takes parts of it for a PC's. */
START_TEST(linux_has_the_first_mib)
{
	struct gm_memory *memory = make_memory(NULL, "0:16M", NULL);
	char initrd[] = "/tmp/test-initrd.XXXXXX";
	int fd = mkstemp(initrd);
	struct boot_params params = {.cmdline = "quiet", .initrd = initrd};
	struct pvh_start_info info;
	struct pvh_module module;
	struct boot_state state;
	struct report report;
	struct test_elf elf = test_elf_new();

	ck_assert_int_eq(ftruncate(fd, 2 << 20), 0);
	close(fd);
	test_elf_segment(&elf, 0x400000, "kernel", 6, 6);
	test_elf_entry(&elf, 0x400000);
	test_elf_note(&elf, "Linux", 0x101, "", 1);
	params.kernel = test_elf_write(&elf);
	ck_assert_msg(boot_load(&params, memory, &state, &report) == 0, "%s", report.text);
	unlink(params.kernel);
	unlink(initrd);
	ck_assert(state.is_linux);
	info = start_info(memory, &state);
	read_guest(memory, gm_le64_get(info.modules), &module, sizeof(module));
	ck_assert_uint_ge(gm_le64_get(module.addr), 1 << 20);
	ck_assert_uint_ge(gm_le64_get(info.modules), 1 << 20);
	ck_assert_uint_ge(gm_le64_get(info.cmdline), 1 << 20);
	ck_assert_uint_ge(state.rbx, 1 << 20);
	gm_memory_put(memory);
}
END_TEST

/* A module that cannot be had is noticed before anything is written: memory may be a user's file. */
START_TEST(refused_module_changes_nothing)
{
	static const struct {
		const char *path;
		const char *error;
	} bad[] = {
		{"/nowhere/m", "--module /nowhere/m: cannot open it: No such file or directory"},
		{"/tmp", "--module /tmp: must be a regular file that is not empty"},
		{"/dev/null", "--module /dev/null: must be a regular file that is not empty"},
	};
	struct gm_memory *memory = make_memory("16K", "1M:512K", NULL);
	struct boot_module modules[2] = {{NULL, "first"}, {bad[_i].path, "second"}};
	struct boot_params params = {.cmdline = "x", .modules = modules, .module_count = 2};
	struct test_elf elf = test_elf_new();
	struct boot_state state;
	struct report report;
	char kernel[64];
	static uint8_t got[512 << 10];

	test_elf_segment(&elf, 0x100000, "kernel", 6, 6);
	test_elf_entry(&elf, 0x100000);
	test_elf_note(&elf, "vmm", 1, NULL, 0);
	snprintf(kernel, sizeof(kernel), "%s", test_elf_write(&elf));
	params.kernel = modules[0].path = kernel;
	ck_assert_int_eq(boot_load(&params, memory, &state, &report), -1);
	unlink(kernel);
	ck_assert_str_eq(report.text, bad[_i].error);
	ck_assert_int_eq(report.status, REPORT_USER);
	read_guest(memory, 0x100000, got, sizeof(got));
	ck_assert(got[0] == 0 && memcmp(got, got + 1, sizeof(got) - 1) == 0);
	gm_memory_put(memory);
}
END_TEST

/* Placement never meets the kernel, a read-only region, a hole or page 0. */
START_TEST(placement_keeps_clear)
{
	struct gm_memory *memory = make_memory(NULL, "0:8K", "64K:4K,ro", "68K:8K", "1M:64K", NULL);
	struct placement placement = {.memory = memory};
	struct report report;
	gm_addr addr;

	ck_assert_int_eq(placement_take(&placement, 0x1000, 0x800, NULL, &report), 0);
	ck_assert_int_eq(placement_find(&placement, 0x800, 16, UINT64_MAX, "a", &addr, &report), 0);
	ck_assert_uint_eq(addr, 0x1800);
	ck_assert_int_eq(placement_find(&placement, 1, 1, UINT64_MAX, "b", &addr, &report), 0);
	ck_assert_uint_eq(addr, 68 << 10);
	ck_assert_int_eq(placement_find(&placement, 0x1000, 0x1000, UINT64_MAX, "c", &addr, &report),
			 0);
	ck_assert_uint_eq(addr, 72 << 10);
	ck_assert_int_eq(placement_find(&placement, 0x10000, 16, UINT64_MAX, "d", &addr, &report), 0);
	ck_assert_uint_eq(addr, 1 << 20);
	ck_assert_int_eq(
		placement_find(&placement, 0x1000, 16, 1ULL << 32, "the tea", &addr, &report), -1);
	ck_assert_str_eq(report.text,
			 "no room for the tea: 4096 bytes of free RAM in one piece below "
			 "0x100000000 are needed; give the guest more memory");
	placement_clear(&placement);
	gm_memory_put(memory);
}
END_TEST

static char *write_file(const void *data, size_t len)
{
	char *path = strdup("/tmp/test-kernel.XXXXXX");
	int fd = mkstemp(path);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, data, len), (ssize_t)len);
	close(fd);
	return path;
}

START_TEST(flat_in_three_modes)
{
	static const struct {
		const char *flat;
		enum boot_mode mode;
		gm_addr addr;
	} modes[] = {
		{"0x7c00", BOOT_REAL, 0x7c00},
		{"0x7ff,16", BOOT_REAL, 0x7ff},
		{"1M+4095,32", BOOT_PROTECTED, 0x100fff},
		{"1M,64", BOOT_LONG, 0x100000},
	};
	struct gm_memory *memory = make_memory("4K", "0:128K", "1M:128K", NULL);
	struct boot_params params = {.cmdline = "", .flat = modes[_i].flat};
	uint8_t want[9000], got[9000];
	struct boot_state state;
	struct report report;
	uint64_t entry;

	kernel_bytes(want, sizeof(want));
	params.kernel = write_file(want, sizeof(want));
	ck_assert_msg(boot_load(&params, memory, &state, &report) == 0, "%s", report.text);
	unlink(params.kernel);
	free((char *)params.kernel);
	ck_assert_int_eq(state.mode, modes[_i].mode);
	ck_assert_uint_eq(state.entry, modes[_i].addr);
	read_guest(memory, modes[_i].addr, got, sizeof(got));
	ck_assert_mem_eq(got, want, sizeof(want));
	if (state.mode == BOOT_LONG) {
		gm_addr table = state.cr3;

		/* 3 GiB + 5 MiB through the three levels. */
		read_guest(memory, table, &entry, 8);
		table = entry & ~0xfffULL;
		read_guest(memory, table + 8 * 3, &entry, 8);
		table = entry & ~0xfffULL;
		read_guest(memory, table + 8 * 2, &entry, 8);
		ck_assert_uint_eq(entry, (3ULL << 30) + (4 << 20) + 0x83);
	}
	gm_memory_put(memory);
}
END_TEST

static const struct {
	const char *flat;
	const char *error; /* with %s for the kernel's path */
} bad_flat[] = {
	{"here", "--flat here: 'here' is not an address; write for example 0x7c00"},
	{"0x7c00,8", "--flat 0x7c00,8: the mode '8' must be 16, 32 or 64"},
	{"0x7c00,", "--flat 0x7c00,: the mode '' must be 16, 32 or 64"},
	{"0xfffff", "kernel %s: 100 bytes at 0xfffff end past 0x100000, the limit of 16-bit mode"},
	{"0xffffffff,32",
	 "kernel %s: 100 bytes at 0xffffffff end past 0x100000000, the limit of 32-bit mode"},
	{"0xffffffffffffffff,64", "kernel %s: 100 bytes at 0xffffffffffffffff end past "
				  "0x100000000, the limit of 64-bit mode"},
	{"65500", "kernel %s: 100 bytes at 0xffdc are not in writable RAM; move it with --flat or "
		  "give the guest memory there"},
	{"128K", "kernel %s: 100 bytes at 0x20000 are not in writable RAM; move it with --flat or "
		 "give the guest memory there"},
};

START_TEST(bad_flat_says_what_is_right)
{
	struct gm_memory *memory = make_memory(NULL, "0:64K", "128K:4K,ro", NULL);
	struct boot_params params = {.cmdline = "", .flat = bad_flat[_i].flat};
	char want[512], data[100] = {1};
	struct boot_state state;
	struct report report;

	params.kernel = write_file(data, sizeof(data));
	ck_assert_int_eq(boot_load(&params, memory, &state, &report), -1);
	snprintf(want, sizeof(want), bad_flat[_i].error, params.kernel);
	ck_assert_str_eq(report.text, want);
	ck_assert_int_eq(report.status, REPORT_USER);
	unlink(params.kernel);
	free((char *)params.kernel);
	gm_memory_put(memory);
}
END_TEST

Suite *suite_boot(void)
{
	Suite *suite = suite_create("boot");
	TCase *tcase = tcase_create("boot");

	tcase_add_loop_test(tcase, elf_lands_whole_however_memory_is_cut, 0, 11);
	tcase_add_test(tcase, bss_is_cleared_in_a_file);
	tcase_add_loop_test(tcase, memory_map, 0, 2);
	tcase_add_test(tcase, linux_has_the_first_mib);
	tcase_add_loop_test(tcase, region_table_and_modules, 0, 2);
	tcase_add_loop_test(tcase, refused_module_changes_nothing, 0, 3);
	tcase_add_test(tcase, placement_keeps_clear);
	tcase_add_loop_test(tcase, flat_in_three_modes, 0, 4);
	tcase_add_loop_test(tcase, bad_flat_says_what_is_right, 0,
			    (int)(sizeof(bad_flat) / sizeof(bad_flat[0])));
	suite_add_tcase(suite, tcase);
	return suite;
}
