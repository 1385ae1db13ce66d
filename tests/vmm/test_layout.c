/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* From a layout to a memory: every refusal with its words, and what comes out when it fits. */
#include "tests/vmm/suites.h"
#include "vmm/layout.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX 32764

/* Build a layout of these regions, up to NULL. */
static int build(struct gm_memory **memory, struct report *report, ...)
{
	struct layout layout = {0};
	const char *text;
	va_list args;
	int ret = 0;

	*report = (struct report){0};
	va_start(args, report);
	while ((text = va_arg(args, const char *))) {
		char where[64];

		snprintf(where, sizeof(where), "--region %s", text);
		ck_assert_int_eq(layout_add_region(&layout, text, where, report), 0);
	}
	va_end(args);
	ret = layout_build(&layout, MAX, 0, memory, report);
	layout_clear(&layout);
	return ret;
}

static const struct {
	const char *a, *b; /* b: a second region or NULL */
	const char *error;
} bad[] = {
	{"0x800:64K", NULL, "--region 0x800:64K: base 0x800 is not a multiple of 4K (0x1000)"},
	{"0:100", NULL, "--region 0:100: size 0x64 is not a multiple of 4K (0x1000)"},
	{"0xfffffffffffff000:4K", NULL,
	 "--region 0xfffffffffffff000:4K: base 0xfffffffffffff000 plus size 0x1000 is past the "
	 "last "
	 "physical address 0xfffffffffffff"},
	{"0xffffffffffff0000:128K", NULL,
	 "--region 0xffffffffffff0000:128K: base 0xffffffffffff0000 plus size 0x20000 is past the "
	 "last physical address 0xfffffffffffff"},
	{"0x10000000000000:4K", NULL,
	 "--region 0x10000000000000:4K: base 0x10000000000000 plus size 0x1000 is past the last "
	 "physical address 0xfffffffffffff"},
	{"3G:1G", NULL,
	 "--region 3G:1G: 0xc0000000-0xffffffff covers the platform's own 0xfeb00000-0xffffffff; "
	 "end before it or start at 4G"},
	{"0xfee00000:4K", NULL,
	 "--region 0xfee00000:4K: 0xfee00000-0xfee00fff covers the platform's own "
	 "0xfeb00000-0xffffffff; end before it or start at 4G"},
	{"0:64K", "60K:64K", "--region 60K:64K: 0xf000-0x1efff overlaps 0x0-0xffff of --region 0:64K"},
	{"1M:64K", "0:4G+1M", NULL},
	{"64K:64K", "64K:64K",
	 "--region 64K:64K: 0x10000-0x1ffff overlaps 0x10000-0x1ffff of --region 64K:64K"},
	{"0:64K,file=/nowhere/x",
	 NULL, "--region 0:64K,file=/nowhere/x: file=/nowhere/x: cannot open it: No such file or directory"},
	{"0:64K,ro,file=/tmp", NULL, "--region 0:64K,ro,file=/tmp: file=/tmp: not a regular file"},
	{"0:64K,file=/tmp", NULL,
	 "--region 0:64K,file=/tmp: file=/tmp: cannot open it: Is a directory"},
	{"0:64K,ro,file=/dev/zero", NULL,
	 "--region 0:64K,ro,file=/dev/zero: file=/dev/zero: not a regular file"},
};

START_TEST(bad_layout_says_what_is_right)
{
	struct gm_memory *memory;
	struct report report;

	ck_assert_int_eq(build(&memory, &report, bad[_i].a, bad[_i].b, NULL), -1);
	ck_assert_ptr_null(memory);
	ck_assert_int_eq(report.status, REPORT_USER);
	if (bad[_i].error)
		ck_assert_str_eq(report.text, bad[_i].error);
}
END_TEST

START_TEST(order_in_the_text_does_not_matter)
{
	struct gm_memory *memory;
	struct report report;

	ck_assert_int_eq(build(&memory, &report, "4G:64K", "0:64K", "64K:4K,ro", NULL), 0);
	ck_assert_uint_eq(gm_memory_count(memory), 3);
	ck_assert_uint_eq(gm_region_start(gm_memory_region(memory, 0)), 0);
	ck_assert_uint_eq(gm_region_flags(gm_memory_region(memory, 1)),
			  GM_REGION_READ_ONLY | GM_REGION_DONTDUMP);
	ck_assert_uint_eq(gm_memory_last(memory), (4ULL << 30) + 65535);
	gm_memory_put(memory);
}
END_TEST

START_TEST(no_region_and_too_many)
{
	struct layout layout = {0};
	struct gm_memory *memory;
	struct report report;

	ck_assert_int_eq(layout_build(&layout, MAX, 0, &memory, &report), -1);
	ck_assert_str_eq(report.text, "the layout has no region");
	ck_assert_int_eq(layout_add_region(&layout, "0:4K*100", "here", &report), 0);
	ck_assert_int_eq(layout_build(&layout, 99, 0, &memory, &report), -1);
	ck_assert_str_eq(report.text, "the layout has 100 regions, KVM on this host has slots for "
				      "99; use fewer, larger ones");
	ck_assert_int_eq(layout_build(&layout, 100, 0, &memory, &report), 0);
	gm_memory_put(memory);
	layout_clear(&layout);
}
END_TEST

static void make_file(char *path, size_t size)
{
	int fd;

	strcpy(path, "/tmp/test-backing.XXXXXX");
	fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	for (size_t i = 0; i < size; i += 4096) {
		char page[4096];

		memset(page, (int)('a' + i / 4096), sizeof(page));
		ck_assert_int_eq(write(fd, page, sizeof(page)), (ssize_t)sizeof(page));
	}
	close(fd);
}

static char file_byte(const char *path, off_t at)
{
	int fd = open(path, O_RDONLY);
	char byte = 0;

	ck_assert_int_eq(pread(fd, &byte, 1, at), 1);
	close(fd);
	return byte;
}

/* Shared reaches the file, private does not, read-only refuses; offsets are honoured. */
START_TEST(file_backing)
{
	char path[64], shared[128], private[128], rom[128], byte = 0;
	struct gm_memory *memory;
	struct report report;

	make_file(path, 3 * 4096);
	snprintf(shared, sizeof(shared), "0:4K,file=%s,offset=4K", path);
	snprintf(private, sizeof(private), "4K:4K,file=%s,offset=8K,private", path);
	snprintf(rom, sizeof(rom), "8K:4K,file=%s,ro", path);
	ck_assert_int_eq(build(&memory, &report, shared, private, rom, NULL), 0);
	ck_assert_int_eq(gm_read_obj(memory, 0, &byte), 0);
	ck_assert_int_eq(byte, 'b');
	ck_assert_int_eq(gm_read_obj(memory, 4096, &byte), 0);
	ck_assert_int_eq(byte, 'c');
	ck_assert_int_eq(gm_read_obj(memory, 8192, &byte), 0);
	ck_assert_int_eq(byte, 'a');
	byte = 'X';
	ck_assert_int_eq(gm_write_obj(memory, 1, &byte), 0);
	ck_assert_int_eq(gm_write_obj(memory, 4097, &byte), 0);
	ck_assert_int_eq(gm_write_obj(memory, 8193, &byte), GM_ERR_READ_ONLY);
	ck_assert_int_eq(file_byte(path, 4097), 'X');
	ck_assert_int_eq(file_byte(path, 8193), 'c');
	ck_assert_int_eq(file_byte(path, 1), 'a');
	gm_memory_put(memory);
	unlink(path);
}
END_TEST

START_TEST(file_too_small)
{
	char path[64], text[128], want[512];
	struct gm_memory *memory;
	struct report report;

	make_file(path, 2 * 4096);
	snprintf(text, sizeof(text), "0:8K,file=%s,offset=4K", path);
	ck_assert_int_eq(build(&memory, &report, text, NULL), -1);
	snprintf(want, sizeof(want),
		 "--region %s: file=%s: has 8192 bytes, the region needs 8192 from offset 4096 on",
		 text, path);
	ck_assert_str_eq(report.text, want);
	ck_assert_int_eq(report.status, REPORT_USER);
	unlink(path);
}
END_TEST

START_TEST(default_layout)
{
	struct layout layout = {0};
	struct report report;

	ck_assert_int_eq(layout_add_memory(&layout, "64M", &report), 0);
	ck_assert_uint_eq(layout.count, 1);
	ck_assert_uint_eq(layout.regions[0].config.size, 64 << 20);
	layout_clear(&layout);
	ck_assert_int_eq(layout_add_memory(&layout, "4G", &report), 0);
	ck_assert_uint_eq(layout.count, 2);
	ck_assert_uint_eq(layout.regions[0].config.size, 3ULL << 30);
	ck_assert_uint_eq(layout.regions[1].config.start, 4ULL << 30);
	ck_assert_uint_eq(layout.regions[1].config.size, 1ULL << 30);
	layout_clear(&layout);
	ck_assert_int_eq(layout_add_memory(&layout, "64X", &report), -1);
	ck_assert_str_eq(report.text, "--memory 64X: not a size; write for example 64M or 1G");
	ck_assert_int_eq(layout_add_memory(&layout, "0", &report), -1);
	ck_assert_str_eq(report.text, "--memory 0: must be a multiple of 4K and not zero");
	ck_assert_int_eq(layout_add_memory(&layout, "5000", &report), -1);
	ck_assert_str_eq(report.text, "--memory 5000: must be a multiple of 4K and not zero");
	layout_clear(&layout);
}
END_TEST

Suite *suite_layout(void)
{
	Suite *suite = suite_create("layout");
	TCase *tcase = tcase_create("layout");

	tcase_add_loop_test(tcase, bad_layout_says_what_is_right, 0,
			    (int)(sizeof(bad) / sizeof(bad[0])));
	tcase_add_test(tcase, order_in_the_text_does_not_matter);
	tcase_add_test(tcase, no_region_and_too_many);
	tcase_add_test(tcase, file_backing);
	tcase_add_test(tcase, file_too_small);
	tcase_add_test(tcase, default_layout);
	suite_add_tcase(suite, tcase);
	return suite;
}
