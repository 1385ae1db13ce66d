/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Sizes and regions as text: what is understood, and the exact words for what is not. */
#include "tests/vmm/suites.h"
#include "vmm/layout.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
	const char *text;
	bool ok;
	uint64_t value;
} sizes[] = {
	{"0", true, 0},
	{"4096", true, 4096},
	{"0x1000", true, 0x1000},
	{"0X1f", true, 0x1f},
	{"64K", true, 64 << 10},
	{"64k", true, 64 << 10},
	{"3M", true, 3 << 20},
	{"1G", true, 1 << 30},
	{"2T", true, 2ULL << 40},
	{"4G+12K", true, (4ULL << 30) + (12 << 10)},
	{"0x10+1+1", true, 0x12},
	{"18446744073709551615", true, UINT64_MAX},
	{"0xffffffffffffffff", true, UINT64_MAX},
	{"18446744073709551616", false, 0},
	{"0xffffffffffffffff+1", false, 0},
	{"16777216T", false, 0},
	{"16777215T", true, 0xffffff0000000000},
	{"", false, 0},
	{"K", false, 0},
	{"-1", false, 0},
	{"+1", false, 0},
	{" 1", false, 0},
	{"1 ", false, 0},
	{"1KK", false, 0},
	{"1KB", false, 0},
	{"1GiB", true, 1 << 30},
	{"64kib", true, 64 << 10},
	{"1MiB+4K", true, (1 << 20) + 4096},
	{"1iB", false, 0},
	{"1Ki", false, 0},
	{"1KiBs", false, 0},
	{"16777216TiB", false, 0},
	{"1+", false, 0},
	{"1++1", false, 0},
	{"0x", false, 0},
	{"1.5G", false, 0},
	{"12a", false, 0},
};

START_TEST(sizes_as_people_write_them)
{
	uint64_t value = 1;

	ck_assert_msg(parse_size(sizes[_i].text, &value) == sizes[_i].ok, "'%s'", sizes[_i].text);
	if (sizes[_i].ok)
		ck_assert_uint_eq(value, sizes[_i].value);
}
END_TEST

static const struct {
	const char *text;
	const char *error; /* what follows "here: " */
} bad_regions[] = {
	{"", "a region is BASE:SIZE, for example 0x100000:64M"},
	{"64M", "a region is BASE:SIZE, for example 0x100000:64M"},
	{":64M", "'' is not an address; write for example 0x100000 or 4G"},
	{"zero:64M", "'zero' is not an address; write for example 0x100000 or 4G"},
	{"0:", "'' is not a size; write for example 64K or 0x10000"},
	{"0:many", "'many' is not a size; write for example 64K or 0x10000"},
	{"0:0", "the size is zero; a region needs at least 4K"},
	{"0:4K*0", "'0' is not a count from 1 to 1000000"},
	{"0:4K*1000001", "'1000001' is not a count from 1 to 1000000"},
	{"0:64K,rom", "'rom' is not a word for a region; did you mean ro?"},
	{"0:64K,fiel=x", "'fiel=x' is not a word for a region; did you mean file=PATH?"},
	{"0:64K,mem", "'mem' is not a word for a region; did you mean memfd?"},
	{"0:64K,exec",
	 "'exec' is not a word for a region; these are: ro, file=PATH, offset=N, private, "
	 "memfd, huge, populate, lock"},
	{"0:64K,",
	 "'' is not a word for a region; these are: ro, file=PATH, offset=N, private, memfd, "
	 "huge, populate, lock"},
	{"0:64K,file=", "'file=' is not a word for a region; these are: ro, file=PATH, offset=N, "
			"private, memfd, huge, populate, lock"},
	{"0:64K,file=x,offset=100", "offset=100: the offset must be a multiple of 4K"},
	{"0:64K,file=x,offset=x", "offset=x: the offset must be a multiple of 4K"},
	{"0:64K,file=x,memfd", "file= and memfd exclude each other"},
	{"0:64K,private", "private needs file="},
	{"0:64K,offset=4K", "offset= needs file="},
	{"0:2M,file=x,huge", "file= and huge exclude each other"},
	{"0:64K,huge", "huge needs a size that is a multiple of 2M"},
	{"0xfffffffffffff000:4K*3", "the last of these would end past 2^64"},
};

START_TEST(bad_region_says_what_is_right)
{
	struct layout layout = {0};
	struct report report = {0};

	ck_assert_int_eq(layout_add_region(&layout, bad_regions[_i].text, "here", &report), -1);
	ck_assert_int_eq(report.status, REPORT_USER);
	ck_assert_int_eq(strncmp(report.text, "here: ", 6), 0);
	ck_assert_str_eq(report.text + 6, bad_regions[_i].error);
	layout_clear(&layout);
}
END_TEST

START_TEST(region_words_and_counts)
{
	struct layout layout = {0};
	struct report report = {0};
	const struct gm_region_config *config;

	ck_assert_int_eq(layout_add_region(&layout, " 1M : 8K * 3 , file=a b , offset=4K, private",
					   "here", &report),
			 0);
	ck_assert_uint_eq(layout.count, 3);
	for (size_t i = 0; i < 3; i++) {
		config = &layout.regions[i].config;
		ck_assert_uint_eq(config->start, (1 << 20) + i * 8192);
		ck_assert_uint_eq(config->size, 8192);
		ck_assert_uint_eq(config->file_offset, 4096 + i * 8192);
		ck_assert_int_eq(config->backing, GM_BACKING_FILE);
		ck_assert_uint_eq(config->flags, GM_REGION_PRIVATE);
		ck_assert_str_eq(layout.regions[i].file, "a b");
	}
	ck_assert_int_eq(layout_add_region(&layout, "4G:2M,ro,memfd,populate,lock", "here", &report),
			 0);
	config = &layout.regions[3].config;
	ck_assert_int_eq(config->backing, GM_BACKING_MEMFD);
	ck_assert_uint_eq(config->flags, GM_REGION_READ_ONLY | GM_REGION_POPULATE | GM_REGION_LOCK);
	layout_clear(&layout);
	ck_assert_uint_eq(layout.count, 0);
}
END_TEST

/* A layout file with @text, and what layout_add_file() says of it. */
static int add_text(struct layout *layout, const char *text, char *path, struct report *report)
{
	int fd, ret;

	strcpy(path, "/tmp/test-layout.XXXXXX");
	fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	ret = layout_add_file(layout, path, report);
	unlink(path);
	return ret;
}

START_TEST(layout_file)
{
	struct layout layout = {0};
	struct report report = {0};
	char path[64];

	ck_assert_int_eq(add_text(&layout,
				  "# a comment\n"
				  "\n"
				  "0 : 640K   # conventional\r\n"
				  "\t1M:1M,ro\n"
				  "   \t\n"
				  "4G:4K*2",
				  path, &report),
			 0);
	ck_assert_uint_eq(layout.count, 4);
	ck_assert_uint_eq(layout.regions[0].config.size, 640 << 10);
	ck_assert_uint_eq(layout.regions[1].config.flags, GM_REGION_READ_ONLY);
	ck_assert_uint_eq(layout.regions[3].config.start, (4ULL << 30) + 4096);
	layout_clear(&layout);
}
END_TEST

START_TEST(layout_file_error_names_the_line)
{
	struct layout layout = {0};
	struct report report = {0};
	char path[64], want[256];

	ck_assert_int_eq(add_text(&layout, "# 1\n0:64K\n\n\n# 5\n1M:64K\n2M:64Q\n3M:64K\n", path,
				  &report),
			 -1);
	snprintf(want, sizeof(want),
		 "%s line 7: '64Q' is not a size; write for example 64K or 0x10000", path);
	ck_assert_str_eq(report.text, want);
	ck_assert_int_eq(report.status, REPORT_USER);
	layout_clear(&layout);
}
END_TEST

START_TEST(layout_file_that_is_none)
{
	struct layout layout = {0};
	struct report report = {0};
	char path[64], want[256];

	ck_assert_int_eq(add_text(&layout, "# nothing here\n", path, &report), -1);
	snprintf(want, sizeof(want), "--layout %s: no region in it; a line is BASE:SIZE[,WORD...]",
		 path);
	ck_assert_str_eq(report.text, want);
	ck_assert_int_eq(layout_add_file(&layout, "/nowhere/x", &report), -1);
	ck_assert_str_eq(report.text,
			 "--layout /nowhere/x: cannot open it: No such file or directory");
	ck_assert_int_eq(layout_add_file(&layout, "/tmp", &report), -1);
	ck_assert_str_eq(report.text, "--layout /tmp: cannot read it: Is a directory");
	layout_clear(&layout);
}
END_TEST

Suite *suite_parse(void)
{
	Suite *suite = suite_create("parse");
	TCase *tcase = tcase_create("parse");

	tcase_add_loop_test(tcase, sizes_as_people_write_them, 0,
			    (int)(sizeof(sizes) / sizeof(sizes[0])));
	tcase_add_loop_test(tcase, bad_region_says_what_is_right, 0,
			    (int)(sizeof(bad_regions) / sizeof(bad_regions[0])));
	tcase_add_test(tcase, region_words_and_counts);
	tcase_add_test(tcase, layout_file);
	tcase_add_test(tcase, layout_file_error_names_the_line);
	tcase_add_test(tcase, layout_file_that_is_none);
	suite_add_tcase(suite, tcase);
	return suite;
}
