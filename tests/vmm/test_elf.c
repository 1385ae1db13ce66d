/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Files that are no kernels: each refused with its reason, and guest memory as it was before. */
#include "tests/vmm/suites.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/runner.h"
#include "tests/vmm/make-elf.h"
#include "vmm/boot.h"

/* RAM at 0 and from 1 MiB to 2 MiB in two regions, read-only behind. */
static struct gm_memory *make_memory(void)
{
	struct gm_region_config configs[] = {
		{.start = 0, .size = 0x10000},
		{.start = 0x100000, .size = 0x80000},
		{.start = 0x180000, .size = 0x80000},
		{.start = 0x200000, .size = 0x10000, .flags = GM_REGION_READ_ONLY},
	};
	struct gm_memory *memory;

	ck_assert_int_eq(gm_memory_from_configs(configs, 4, &memory, NULL), 0);
	return memory;
}

/* Load @path: it must fail with exactly this, and leave memory zero. */
static void refuse(const char *path, const char *error)
{
	struct gm_memory *memory = make_memory();
	struct boot_params params = {.kernel = path, .cmdline = "x"};
	static uint8_t bytes[0x100000];
	struct boot_state state;
	struct report report;
	char want[512];

	ck_assert_int_eq(boot_load(&params, memory, &state, &report), -1);
	snprintf(want, sizeof(want), "kernel %s: %s", path, error);
	ck_assert_str_eq(report.text, want);
	ck_assert_int_eq(report.status, REPORT_USER);
	ck_assert_int_eq(gm_read_exact(memory, 0x100000, bytes, sizeof(bytes), NULL), 0);
	/* All zero: the first byte is, and each is like the one before it. */
	ck_assert(bytes[0] == 0 && memcmp(bytes, bytes + 1, sizeof(bytes) - 1) == 0);
	gm_memory_put(memory);
}

static void good(struct test_elf *elf)
{
	*elf = test_elf_new();
	test_elf_segment(elf, 0x100000, "kernel text", 11, 0x1000);
	test_elf_segment(elf, 0x102000, "kernel data", 11, 0x2000);
	test_elf_entry(elf, 0x100004);
}

#define SPOIL(name) static void name(struct test_elf *elf)

SPOIL(machine)
{
	elf->header.e_machine = EM_AARCH64;
}

SPOIL(class)
{
	elf->header.e_ident[EI_CLASS] = 3;
}

SPOIL(big_endian)
{
	elf->header.e_ident[EI_DATA] = ELFDATA2MSB;
}

SPOIL(cut_in_header)
{
	elf->cut = 40;
}

SPOIL(cut_in_program_headers)
{
	elf->cut = sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr) + 10;
}

SPOIL(cut_in_segment)
{
	elf->segments[1].p_offset = 0x7fffffff;
}

SPOIL(offset_wraps)
{
	elf->segments[1].p_offset = UINT64_MAX;
}

SPOIL(phoff_far)
{
	elf->header.e_phoff = UINT64_MAX - 8;
}

SPOIL(phentsize)
{
	elf->header.e_phentsize = 55;
}

SPOIL(too_many_segments)
{
	elf->header.e_phnum = 257;
}

SPOIL(file_larger_than_memory)
{
	elf->segments[0].p_memsz = 10;
}

SPOIL(nothing_in_memory)
{
	elf->segments[1].p_memsz = 0;
}

SPOIL(outside)
{
	elf->segments[1].p_paddr = 0x10000000;
}

SPOIL(end_outside)
{
	elf->segments[1].p_paddr = 0x20f000;
	elf->segments[1].p_memsz = 0x1001;
}

SPOIL(address_wraps)
{
	elf->segments[1].p_paddr = UINT64_MAX - 4;
}

SPOIL(in_rom)
{
	elf->segments[1].p_paddr = 0x1ff000;
}

SPOIL(overlap)
{
	elf->segments[1].p_paddr = 0x100fff;
}

SPOIL(no_note)
{
	elf->notes_len = 0;
}

SPOIL(other_note)
{
	elf->notes_len = 0;
	test_elf_note(elf, "GNU", 18, "abcd", 4);
}

SPOIL(note_size_lies)
{
	uint32_t huge = 0xffffffff;

	memcpy(elf->notes + 4, &huge, 4);
}

SPOIL(entry_outside)
{
	elf->notes_len = 0;
	test_elf_entry(elf, 0x101000);
}

SPOIL(entry_in_bss)
{
	elf->notes_len = 0;
	test_elf_entry(elf, 0x100010);
}

SPOIL(nothing_to_load)
{
	elf->segments[0].p_type = elf->segments[1].p_type = PT_NULL;
}

static const struct {
	void (*spoil)(struct test_elf *elf);
	const char *error;
} bad[] = {
	{machine, "ELF file for machine 183; only x86 (3, 62) runs here"},
	{class, "ELF class 3 is neither 32 nor 64 bit"},
	{big_endian, "not a little-endian ELF file; x86 kernels are"},
	{cut_in_header, "truncated ELF file: it ends in the file header"},
	{cut_in_program_headers, "truncated ELF file: it ends in program header 1"},
	{cut_in_segment, "truncated ELF file: segment 1 ends past its end"},
	{offset_wraps, "truncated ELF file: segment 1 ends past its end"},
	{phoff_far, "truncated ELF file: it ends in program header 0"},
	{phentsize, "program headers of 55 bytes; they must have 56"},
	{too_many_segments, "257 program headers; a kernel has 1 to 256"},
	{file_larger_than_memory, "segment 0 has more bytes in the file than in memory"},
	{nothing_in_memory, "segment 1 has more bytes in the file than in memory"},
	{outside, "segment 1, 0x2000 bytes at 0x10000000, is not in RAM as a whole"},
	{end_outside, "segment 1, 0x1001 bytes at 0x20f000, is not in RAM as a whole"},
	{address_wraps, "segment 1, 0x2000 bytes at 0xfffffffffffffffb, is not in RAM as a whole"},
	{in_rom, "segment 1, 0x2000 bytes at 0x1ff000, meets a read-only region"},
	{overlap, "segments 0 and 1 overlap at 0x100fff"},
	{no_note, "the 64-bit entry point 0 is in no segment"},
	{other_note, "the 64-bit entry point 0 is in no segment"},
	{note_size_lies, "the 64-bit entry point 0 is in no segment"},
	{entry_outside, "the PVH entry point 0x101000 is in no segment"},
	{entry_in_bss, "the PVH entry point 0x100010 is in no segment"},
	{nothing_to_load, "no segment to load; is it linked?"},
};

START_TEST(bad_elf_is_refused)
{
	struct test_elf elf;
	const char *path;

	good(&elf);
	bad[_i].spoil(&elf);
	path = test_elf_write(&elf);
	refuse(path, bad[_i].error);
	unlink(path);
}
END_TEST

START_TEST(good_elf_is_not)
{
	struct gm_memory *memory = make_memory();
	struct boot_params params = {.cmdline = "x"};
	struct boot_state state;
	struct report report;
	struct test_elf elf;
	char text[11];

	good(&elf);
	/* Empty segments are nothing, wherever they claim to be. */
	test_elf_segment(&elf, 0x100800, "", 0, 0);
	test_elf_segment(&elf, UINT64_MAX, "", 0, 0);
	params.kernel = _i ? test_elf_write32(&elf) : test_elf_write(&elf);
	ck_assert_msg(boot_load(&params, memory, &state, &report) == 0, "%s", report.text);
	ck_assert_uint_eq(state.entry, 0x100004);
	ck_assert_int_eq(gm_read_exact(memory, 0x102000, text, sizeof(text), NULL), 0);
	ck_assert_mem_eq(text, "kernel data", sizeof(text));
	unlink(params.kernel);
	gm_memory_put(memory);
}
END_TEST

START_TEST(not_even_elf)
{
	static const struct {
		const char *text; /* NULL: a path instead */
		const char *path;
		const char *error;
	} files[] = {
		{NULL, "/nowhere/kernel", "cannot open it: No such file or directory"},
		{NULL, "/tmp", "is a directory; give a kernel file"},
		{NULL, "/dev/null", "not a regular file; give a kernel file"},
		{"", NULL, "the file is empty; give a kernel file"},
		{"Dear kernel,\n", NULL,
		 "neither an ELF file nor a bzImage nor, without --flat ADDRESS, a flat binary"},
		{"\177EL", NULL,
		 "neither an ELF file nor a bzImage nor, without --flat ADDRESS, a flat binary"},
		{"\177ELF", NULL, "ELF class 0 is neither 32 nor 64 bit"},
	};
	char path[] = "/tmp/test-none.XXXXXX";
	int fd;

	if (files[_i].path) {
		refuse(files[_i].path, files[_i].error);
		return;
	}
	fd = mkstemp(path);
	ck_assert_int_eq(write(fd, files[_i].text, strlen(files[_i].text)),
			 (ssize_t)strlen(files[_i].text));
	close(fd);
	refuse(path, files[_i].error);
	unlink(path);
}
END_TEST

Suite *suite_elf(void)
{
	Suite *suite = suite_create("elf");
	TCase *tcase = tcase_create("elf");

	tcase_add_loop_test(tcase, bad_elf_is_refused, 0, (int)(sizeof(bad) / sizeof(bad[0])));
	tcase_add_loop_test(tcase, good_elf_is_not, 0, 2);
	tcase_add_loop_test(tcase, not_even_elf, 0, 7);
	suite_add_tcase(suite, tcase);
	return suite;
}
