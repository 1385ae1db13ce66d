/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Linux's boot protocol without a Linux: bzImages made here, loaded into memories cut in many ways,
 * and what the kernel would find; files that cannot be booted, each refused with its reason.
 */
#define boot_params linux_boot_params
#include <asm/bootparam.h>
#undef boot_params

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/runner.h"
#include "tests/vmm/suites.h"
#include "vmm/acpi.h"
#include "vmm/layout.h"

#define SETUP_SECTS 3
#define START       ((SETUP_SECTS + 1) * 512)
#define BODY        30000
#define INIT_SIZE   0x100000
#define PREF        0x1000000

/* A bzImage: a setup header and a body in which each byte is its own. */
struct test_image {
	uint8_t bytes[START + BODY];
	size_t len;
	char path[32];
};

static struct setup_header *header_of(struct test_image *image)
{
	return (struct setup_header *)(image->bytes + 0x1f1);
}

static void body_bytes(uint8_t *bytes)
{
	for (size_t i = 0; i < BODY; i++)
		bytes[i] = (uint8_t)(i * 13 + i / 256);
}

static void new_image(struct test_image *image)
{
	memset(image, 0, sizeof(*image));
	image->len = sizeof(image->bytes);
	*header_of(image) = (struct setup_header){
		.setup_sects = SETUP_SECTS,
		.syssize = BODY / 16,
		.boot_flag = 0xaa55,
		.jump = 0x6aeb, /* the header ends 0x6a bytes behind it, after kernel_info_offset */
		.header = 0x53726448,
		.version = 0x20f,
		.loadflags = 1,
		.initrd_addr_max = 0x7fffffff,
		.kernel_alignment = 0x200000,
		.relocatable_kernel = 1,
		.xloadflags = XLF_KERNEL_64 | XLF_CAN_BE_LOADED_ABOVE_4G,
		.cmdline_size = 100,
		.pref_address = PREF,
		.init_size = INIT_SIZE,
	};
	body_bytes(image->bytes + START);
}

static const char *write_image(struct test_image *image)
{
	int fd;

	strcpy(image->path, "/tmp/test-bz.XXXXXX");
	fd = mkstemp(image->path);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, image->bytes, image->len), (ssize_t)image->len);
	close(fd);
	return image->path;
}

static struct gm_memory *make_memory(const char *fragment, const char *const *regions)
{
	struct layout layout = {0};
	struct gm_memory *memory;
	struct report report;

	for (; *regions; regions++)
		ck_assert_int_eq(layout_add_region(&layout, *regions, *regions, &report), 0);
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

static void write_file(char *path, const void *data, size_t len)
{
	int fd = mkstemp(path);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, data, len), (ssize_t)len);
	close(fd);
}

#define REGIONS(...) ((const char *const[]){__VA_ARGS__, NULL})

static const struct acpi_machine machine = {.cpus = 2, .lapic_base = 0xfee00000};
static const struct acpi_machine with_pci = {
	.cpus = 2,
	.lapic_base = 0xfee00000,
	.pci.ecam = {0xff000000, 0x100000},
};

START_TEST(bzimage_lands_whole_however_memory_is_cut)
{
	static const char *const cuts[] = {NULL,         "4K",         "12K",
					   "64K,seed=1", "64K,seed=2", "1M,seed=3"};
	struct gm_memory *memory =
		make_memory(cuts[_i], REGIONS("0:640K", "1M:40M", "1G:1M,ro", "4G:8M"));
	struct boot_params params = {.cmdline = "console=ttyS0", .append = "quiet"};
	unsigned int last = 5;
	char initrd[] = "/tmp/test-ird.XXXXXX", text[32];
	uint8_t want[BODY], got[BODY];
	struct test_image image;
	struct linux_boot_params zero;
	struct boot_state state;
	struct report report;
	uint64_t entry;

	body_bytes(want);
	write_file(initrd, want, 9999);
	params.acpi = _i % 2 ? &with_pci : &machine;
	params.initrd = initrd;
	new_image(&image);
	params.kernel = write_image(&image);
	ck_assert_msg(boot_load(&params, memory, &state, &report) == 0, "%s", report.text);
	unlink(params.kernel);
	unlink(initrd);
	ck_assert_int_eq(state.mode, BOOT_LONG);
	ck_assert(state.is_linux);
	ck_assert_uint_eq(state.entry, PREF + 0x200);
	read_guest(memory, PREF, got, BODY);
	ck_assert_mem_eq(got, want, BODY);
	read_guest(memory, state.rsi, &zero, sizeof(zero));
	/* The header is the file's as far as it goes, and the loader's fields. */
	ck_assert_uint_eq(zero.hdr.header, 0x53726448);
	ck_assert_uint_eq(zero.hdr.version, 0x20f);
	ck_assert_uint_eq(zero.hdr.init_size, INIT_SIZE);
	ck_assert_uint_eq(zero.hdr.type_of_loader, 0xff);
	read_guest(memory, zero.hdr.cmd_line_ptr, text, 20);
	ck_assert_str_eq(text, "console=ttyS0 quiet");
	ck_assert_uint_eq(zero.hdr.ramdisk_size, 9999);
	read_guest(memory, zero.hdr.ramdisk_image, got, 9999);
	ck_assert_mem_eq(got, want, 9999);
	read_guest(memory, zero.acpi_rsdp_addr, text, 8);
	ck_assert_mem_eq(text, "RSD PTR ", 8);
	/* The memory map does not show the cuts: RAM, tables, RAM; ROM; where PCI is configured; RAM. */
	if (_i % 2) {
		ck_assert_uint_eq(zero.e820_table[last].addr, 0xff000000);
		ck_assert_uint_eq(zero.e820_table[last].size, 0x100000);
		ck_assert_uint_eq(zero.e820_table[last++].type, 2);
	}
	ck_assert_uint_eq(zero.e820_entries, last + 1);
	ck_assert_uint_eq(zero.e820_table[0].addr, 0);
	ck_assert_uint_eq(zero.e820_table[0].size, 640 << 10);
	ck_assert_uint_eq(zero.e820_table[1].addr, 1 << 20);
	ck_assert_uint_eq(zero.e820_table[2].type, 3);
	ck_assert_uint_eq(zero.e820_table[2].addr, zero.acpi_rsdp_addr);
	ck_assert_uint_eq(zero.e820_table[3].addr + zero.e820_table[3].size, 41 << 20);
	ck_assert_uint_eq(zero.e820_table[4].type, 2);
	ck_assert_uint_eq(zero.e820_table[last].addr, 4ULL << 30);
	/* What must stay is not where a PC has other things. */
	ck_assert_uint_ge(zero.hdr.ramdisk_image, 1 << 20);
	/* The page tables map the entry and the last of the first 4 GiB, one to one. */
	for (uint64_t at = state.entry; at < 1ULL << 32; at += (1ULL << 32) - state.entry - 4096) {
		read_guest(memory, state.cr3, &entry, 8);
		ck_assert_uint_eq(entry & 0xfff, 3);
		read_guest(memory, (entry & ~0xfffULL) + 8 * (at >> 30), &entry, 8);
		read_guest(memory, (entry & ~0xfffULL) + 8 * (at >> 21 & 511), &entry, 8);
		ck_assert_uint_eq(entry, (at & ~0x1fffffULL) | 0x83);
	}
	gm_memory_put(memory);
}
END_TEST

/* How often this process has asked the kernel to read. */
static unsigned long reads(void)
{
	FILE *io = fopen("/proc/self/io", "r");
	unsigned long count = 0;
	char line[80];

	ck_assert_ptr_nonnull(io);
	while (fgets(line, sizeof(line), io))
		sscanf(line, "syscr: %lu", &count);
	fclose(io);
	return count;
}

/*
 * A kernel and an initrd of 32 MiB each, in pieces of 64 KiB: one read that scatters for each,
 * whatever their size, and the few that look at headers. (Reads of /proc/self/io count, too.)
 */
START_TEST(large_files_are_read_in_one_go)
{
	struct gm_memory *memory = make_memory("1M,seed=5", REGIONS("0:128M"));
	struct boot_params params = {.cmdline = ""};
	char initrd[] = "/tmp/test-ird.XXXXXX";
	struct test_image image;
	struct boot_state state;
	struct report report;
	unsigned long before, least, small, large;

	before = reads();
	least = reads() - before;
	write_file(initrd, "x", 1);
	params.initrd = initrd;
	new_image(&image);
	header_of(&image)->init_size = 33 << 20;
	params.kernel = write_image(&image);
	before = reads();
	ck_assert_msg(boot_load(&params, memory, &state, &report) == 0, "%s", report.text);
	small = reads() - before - least;
	ck_assert_int_eq(truncate(initrd, 32 << 20), 0);
	ck_assert_int_eq(truncate(params.kernel, 32 << 20), 0);
	before = reads();
	ck_assert_msg(boot_load(&params, memory, &state, &report) == 0, "%s", report.text);
	large = reads() - before - least;
	ck_assert_uint_eq(large, small);
	ck_assert_uint_le(large, 6);
	unlink(params.kernel);
	unlink(initrd);
	gm_memory_put(memory);
}
END_TEST

/* Where it would like to be there is no RAM: elsewhere, aligned, with all it needs. */
START_TEST(bzimage_moves)
{
	struct gm_memory *memory = make_memory(NULL, REGIONS("0:15M", "0x1300000:0x500000"));
	struct boot_params params = {.cmdline = ""};
	struct test_image image;
	struct boot_state state;
	struct report report;

	new_image(&image);
	header_of(&image)->init_size = 0x400000;
	header_of(&image)->kernel_alignment = 0x800000;
	params.kernel = write_image(&image);
	ck_assert_msg(boot_load(&params, memory, &state, &report) == 0, "%s", report.text);
	ck_assert_uint_eq(state.entry, 0x800200);
	unlink(params.kernel);
	gm_memory_put(memory);
}
END_TEST

/* More pieces than the zero page has room for: the rest is in a list that it points to. */
START_TEST(memory_map_of_many_entries)
{
	const char *regions[202] = {"0:640K", "1M:64M"};
	struct boot_params params = {.cmdline = ""};
	static char text[200][40];
	struct boot_e820_entry entry;
	struct gm_memory *memory;
	struct setup_data data;
	struct test_image image;
	struct linux_boot_params zero;
	struct boot_state state;
	struct report report;

	for (unsigned int i = 2; i < 200; i++) {
		snprintf(text[i], sizeof(text[i]), "%uM:1M", 100 + 2 * i);
		regions[i] = text[i];
	}
	memory = make_memory(NULL, regions);
	new_image(&image);
	params.kernel = write_image(&image);
	ck_assert_msg(boot_load(&params, memory, &state, &report) == 0, "%s", report.text);
	unlink(params.kernel);
	read_guest(memory, state.rsi, &zero, sizeof(zero));
	ck_assert_uint_eq(zero.e820_entries, 128);
	read_guest(memory, zero.hdr.setup_data, &data, sizeof(data));
	ck_assert_uint_eq(data.type, SETUP_E820_EXT);
	ck_assert_uint_eq(data.len, 72 * sizeof(entry));
	ck_assert_uint_eq(data.next, 0);
	read_guest(memory, zero.hdr.setup_data + sizeof(data) + 71 * sizeof(entry), &entry,
		   sizeof(entry));
	ck_assert_uint_eq(entry.addr, (100 + 2 * 199ULL) << 20);
	ck_assert_uint_eq(entry.size, 1 << 20);
	ck_assert_uint_eq(entry.type, 1);
	gm_memory_put(memory);
}
END_TEST

#define SPOIL(name) static void name(struct test_image *image)

SPOIL(old_protocol)
{
	header_of(image)->version = 0x20b;
}

SPOIL(no_64_bit)
{
	header_of(image)->xloadflags = 0;
}

SPOIL(arm64)
{
	memcpy(image->bytes + 0x38, "ARM\x64", 4);
}

SPOIL(riscv)
{
	memcpy(image->bytes + 0x38, "RSC\x05", 4);
}

SPOIL(cut_off)
{
	image->len = START + 1000;
}

SPOIL(only_setup)
{
	image->len = START;
}

SPOIL(small_init_size)
{
	header_of(image)->init_size = BODY - 1;
}

SPOIL(odd_alignment)
{
	header_of(image)->kernel_alignment = 3000;
}

SPOIL(large_kernel)
{
	header_of(image)->init_size = 0x10000000;
}

SPOIL(fixed_kernel)
{
	header_of(image)->relocatable_kernel = 0;
	header_of(image)->pref_address = 0x80000000;
}

static const struct {
	void (*spoil)(struct test_image *image);
	const char *error;
} bad[] = {
	{old_protocol, "boot protocol 2.11 is too old; 2.12 or later is needed"},
	{no_64_bit, "a 32-bit kernel; only 64-bit bzImages boot here"},
	{arm64, "an arm64 kernel; only x86 runs here"},
	{riscv, "a RISC-V kernel; only x86 runs here"},
	{cut_off, "truncated bzImage: 3048 bytes of 32048"},
	{only_setup, "truncated bzImage: 2048 bytes of 32048"},
	{small_init_size, "damaged bzImage: larger than the memory it asks for"},
	{odd_alignment, "damaged bzImage: alignment 0xbb8 is not a power of two"},
	{large_kernel, NULL},
	{fixed_kernel,
	 "needs 1048576 bytes of RAM at 0x80000000, where this layout has none or too "
	 "little"},
};

/* Boot must fail with exactly this, and leave memory zero. */
static void refuse(struct boot_params *params, const char *error)
{
	struct gm_memory *memory = make_memory(NULL, REGIONS("0:640K", "1M:31M"));
	static uint8_t bytes[31 << 20];
	struct boot_state state;
	struct report report;

	ck_assert_int_eq(boot_load(params, memory, &state, &report), -1);
	ck_assert_str_eq(report.text, error);
	ck_assert_int_eq(report.status, REPORT_USER);
	read_guest(memory, 1 << 20, bytes, sizeof(bytes));
	ck_assert(bytes[0] == 0 && memcmp(bytes, bytes + 1, sizeof(bytes) - 1) == 0);
	gm_memory_put(memory);
}

START_TEST(bad_bzimage_is_refused)
{
	struct boot_params params = {.cmdline = ""};
	struct test_image image;
	char error[256];

	new_image(&image);
	bad[_i].spoil(&image);
	params.kernel = write_image(&image);
	if (bad[_i].error)
		snprintf(error, sizeof(error), "kernel %s: %s", params.kernel, bad[_i].error);
	else
		snprintf(error, sizeof(error),
			 "no room for the kernel: 268435456 bytes of free RAM in one piece below "
			 "0x100000000 are needed; give the guest more memory");
	refuse(&params, error);
	unlink(params.kernel);
}
END_TEST

START_TEST(bad_company_is_refused)
{
	const struct boot_module module = {"/tmp/x", NULL};
	struct boot_params params = {.cmdline = ""};
	char initrd[] = "/tmp/test-ird.XXXXXX", error[256], text[200];
	struct test_image image;

	new_image(&image);
	params.kernel = write_image(&image);
	params.initrd = "/nowhere/initrd";
	refuse(&params, "--initrd /nowhere/initrd: cannot open it: No such file or directory");
	params.initrd = "/dev/null";
	refuse(&params, "--initrd /dev/null: must be a regular file that is not empty");
	write_file(initrd, "x", 1);
	ck_assert_int_eq(truncate(initrd, 64 << 20), 0);
	params.initrd = initrd;
	snprintf(error, sizeof(error),
		 "no room for --initrd %s: 67108864 bytes of free RAM in one piece below %#llx are "
		 "needed; give the guest more memory",
		 initrd, (unsigned long long)UINT64_MAX);
	refuse(&params, error);
	unlink(initrd);
	params.initrd = NULL;
	params.modules = &module;
	params.module_count = 1;
	refuse(&params, "--module /tmp/x: a Linux kernel takes none; give --initrd");
	params.module_count = 0;
	memset(text, 'x', 101);
	text[101] = '\0';
	params.cmdline = text;
	refuse(&params, "--cmdline: 101 bytes; at most 100 are possible");
	unlink(params.kernel);
}
END_TEST

START_TEST(command_lines)
{
	static const struct {
		const char *cmdline, *append, *guest;
		const char *linux_line, *other_line;
	} lines[] = {
		{NULL, NULL, NULL, "L", "D"},
		{NULL, "a b", NULL, "L a b", "a b D"},
		{"c", NULL, NULL, "c", "c D"},
		{"c", "a", NULL, "c a", "c a D"},
		{"", "a", NULL, "a", "a D"},
		{"", NULL, NULL, "", "D"},
		{NULL, NULL, "g h", "L -- g h", "D g h"},
		{"c", "a", "g", "c a -- g", "c a D g"},
		{"", NULL, "g", "-- g", "D g"},
		{NULL, NULL, "", "L", "D"},
	};
	struct boot_params params = {
		.cmdline = lines[_i].cmdline,
		.append = lines[_i].append,
		.guest_words = lines[_i].guest,
		.linux_words = "L",
		.device_words = "D",
	};
	char *text = boot_cmdline(&params, true);

	ck_assert_str_eq(text, lines[_i].linux_line);
	free(text);
	text = boot_cmdline(&params, false);
	ck_assert_str_eq(text, lines[_i].other_line);
	free(text);
}
END_TEST

Suite *suite_linux(void)
{
	Suite *suite = suite_create("linux");
	TCase *tcase = tcase_create("linux");

	tcase_set_timeout(tcase, 60);
	tcase_add_loop_test(tcase, bzimage_lands_whole_however_memory_is_cut, 0, 6);
	tcase_add_test(tcase, large_files_are_read_in_one_go);
	tcase_add_test(tcase, bzimage_moves);
	tcase_add_test(tcase, memory_map_of_many_entries);
	tcase_add_loop_test(tcase, bad_bzimage_is_refused, 0, (int)(sizeof(bad) / sizeof(bad[0])));
	tcase_add_test(tcase, bad_company_is_refused);
	tcase_add_loop_test(tcase, command_lines, 0, 10);
	suite_add_tcase(suite, tcase);
	return suite;
}
