/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* What test kernels say: TAP, the JUnit file made of it, expressions, statuses that become others. */
#include "tests/vmm/suites.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/runner.h"
#include "vmm/exit-map.h"
#include "vmm/expect.h"
#include "vmm/junit.h"
#include "vmm/tap.h"

static void feed(struct tap *tap, const char *text)
{
	while (*text) {
		size_t len = strcspn(text, "\n");

		tap_line(tap, text, len);
		text += len + (text[len] == '\n');
	}
}

static const struct {
	const char *text;
	bool ok;
	unsigned int passed, failed, skipped, todo;
	const char *problem; /* the beginning */
} streams[] = {
	{"1..2\nok 1 - a\nok 2 - b\n", true, 2, 0, 0, 0, ""},
	{"TAP version 12\r\n1..1\r\nok\r\n", true, 1, 0, 0, 0, ""},
	{"TAP version 14\nok - no number\nok 2\n1..2\n", true, 2, 0, 0, 0, ""},
	{"boot\n1..1\nokay\nok 1 # SKIP no disk\n", true, 0, 0, 1, 0, ""},
	{"1..2\nok 1 # skipped\nnot ok 2 x # todo later\n", true, 0, 0, 1, 1, ""},
	{"1..1\nok 1 a \\# SKIP is its name\n", true, 1, 0, 0, 0, ""},
	{"1..1\nnot ok 1 # SKIP fails all the same\n", false, 0, 1, 0, 0, ""},
	{"1..0 # SKIP nothing here\n", true, 0, 0, 0, 0, ""},
	{"1..2\nok 1\nnot ok 2 - b\n", false, 1, 1, 0, 0, ""},
	{"1..1\n    1..2\n    not ok 1 - inner\n    ok 2\nok 1 - outer\n", true, 1, 0, 0, 0, ""},
	{"1..2\nok 1\n  ---\n  not: a point\n  ...\nok 2\n", true, 2, 0, 0, 0, ""},
	{"1..2\nok 1\n  ---\n  open: block\nok 2\n", true, 2, 0, 0, 0, ""},
	{"", false, 0, 0, 0, 0, "no TAP on any console"},
	{"hello\n", false, 0, 0, 0, 0, "no TAP on any console"},
	{"ok 1\n", false, 1, 0, 0, 0, "no plan (1..N)"},
	{"1..3\nok 1\n", false, 1, 0, 0, 0, "3 tests planned, 1 ran"},
	{"1..1\nok 1\nok 2\n", false, 2, 0, 0, 0, "1 tests planned, 2 ran"},
	{"1..2\nok 2\nok 1\n", false, 2, 0, 0, 0, "test 2 where 1 was due"},
	{"1..2\nok 1\nok 1\n", false, 2, 0, 0, 0, "test 1 where 2 was due"},
	{"1..1\n1..1\nok 1\n", false, 1, 0, 0, 0, "a second plan, 1..1"},
	{"TAP version 15\n1..1\nok 1\n", false, 1, 0, 0, 0, "a TAP version that is none"},
	{"1..2\nok 1\nBail out! no memory\nok 2\n", false, 1, 0, 0, 0, "bailed out: no memory"},
	{"1..1\nok 99999999999999999999999\n", false, 0, 0, 0, 0, "a test number above"},
	{"1..99999999999999999999999\nok 1\n", false, 1, 0, 0, 0, "no plan (1..N)"},
	{"1..1x\nok 1\n", false, 1, 0, 0, 0, "no plan (1..N)"},
};

START_TEST(verdicts)
{
	struct tap tap = {0};

	feed(&tap, streams[_i].text);
	ck_assert_int_eq(tap_end(&tap), streams[_i].ok);
	ck_assert_uint_eq(tap.passed, streams[_i].passed);
	ck_assert_uint_eq(tap.failed, streams[_i].failed);
	ck_assert_uint_eq(tap.skipped, streams[_i].skipped);
	ck_assert_uint_eq(tap.todo, streams[_i].todo);
	ck_assert_int_eq(strncmp(tap.problem, streams[_i].problem, strlen(streams[_i].problem)), 0);
	ck_assert_int_eq(!*tap.problem, !*streams[_i].problem);
}
END_TEST

static unsigned int points;

static void count_point(void *arg, const struct tap_point *point)
{
	const char *line = arg;

	/* Name and reason are pieces of the line. */
	ck_assert(point->name >= line && point->name + point->name_len <= line + 128);
	ck_assert(point->reason >= line && point->reason + point->reason_len <= line + 128);
	points++;
}

/* Whatever a guest prints is counted once or passed over. */
START_TEST(any_bytes)
{
	static const char *const words[] = {"ok",   "not ", " ",  "1..", "-",   "#",
					    "SKIP", "todo", "  ", "---", "...", "\\",
					    "99",   "Bail", "\t", "\r"};
	uint32_t seed = (uint32_t)(getenv("TEST_SEED") ? atoi(getenv("TEST_SEED")) : 1);
	char line[128];
	struct tap tap = {.point = count_point, .arg = line};

	printf("seed %u\n", seed);
	points = 0;
	for (int round = 0; round < 20000; round++) {
		size_t len = 0;

		for (int i = 0; i < 8; i++) {
			const char *word;

			seed = seed * 1664525 + 1013904223;
			word = words[seed >> 24 & 15];
			if (seed & 0x10000)
				line[len++] = (char)(seed >> 16);
			memcpy(line + len, word, strlen(word));
			len += strlen(word);
		}
		tap_line(&tap, line, len);
	}
	ck_assert_uint_gt(points, 0);
	ck_assert_uint_eq(tap.points, points);
	ck_assert_uint_eq(tap.passed + tap.failed + tap.skipped + tap.todo, points);
}
END_TEST

static struct junit junit;

static void to_junit(void *arg, const struct tap_point *point)
{
	junit_point(arg, point);
}

static void say_to_junit(void *arg, const char *line, size_t len)
{
	junit_diagnostic(arg, line, len);
}

/* What is in the file @path; static. */
static const char *contents(const char *path)
{
	static char text[8 << 20];
	int fd = open(path, O_RDONLY);
	ssize_t n = read(fd, text, sizeof(text) - 1);

	ck_assert_int_ge(n, 0);
	close(fd);
	text[n] = '\0';
	return text;
}

static void junit_start(struct tap *tap, const char *path)
{
	struct report report;

	junit = (struct junit){.fd = -1};
	*tap = (struct tap){.point = to_junit, .diagnostic = say_to_junit, .arg = &junit};
	ck_assert_int_eq(junit_open(&junit, path, &report), 0);
}

START_TEST(junit_file)
{
	char dir[] = "/tmp/vmm-test-junit-XXXXXX", path[64];
	struct report report;
	const char *text;
	struct tap tap;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/out.xml", dir);
	junit_start(&tap, path);
	feed(&tap, "1..5\n# first\nok 1 - a<b>&\"c\"\n# before\nnot ok 2 - b\nnot ok 3 - c\n"
		   "  ---\n  why: behind \x01\xff\xc3\xa4\n  ...\nok 4 # SKIP no <disk>\nok 5\n");
	junit_output(&junit, "said\xed\xa0\x80", 7);
	tap_end(&tap);
	ck_assert_int_eq(junit_write(&junit, &tap, "bad & worse", &report), 0);
	junit_close(&junit);
	text = contents(path);
	ck_assert_ptr_nonnull(
		strstr(text, "tests=\"6\" failures=\"2\" errors=\"1\" skipped=\"1\""));
	ck_assert_ptr_nonnull(strstr(text, "<error message=\"bad &amp; worse\"/>"));
	ck_assert_ptr_nonnull(strstr(text, "name=\"a&lt;b&gt;&amp;&quot;c&quot;\""));
	ck_assert_ptr_nonnull(strstr(text, "<failure message=\"test 2\"># before\n</failure>"));
	ck_assert_ptr_nonnull(strstr(
		text,
		"<failure message=\"test 3\">  why: behind \xef\xbf\xbd\xef\xbf\xbd\xc3\xa4\n<"));
	ck_assert_ptr_nonnull(strstr(text, "<skipped message=\"no &lt;disk&gt;\"/>"));
	ck_assert_ptr_nonnull(
		strstr(text, "said\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\n</system-out>"));
	unlink(path);
	rmdir(dir);
}
END_TEST

/* Without a verdict there is no file, and one that was there keeps what it says. */
START_TEST(junit_not_written)
{
	char path[] = "/tmp/vmm-test-junit-XXXXXX";
	int fd = mkstemp(path);
	struct tap tap;

	ck_assert_int_eq(write(fd, "old", 3), 3);
	close(fd);
	junit_start(&tap, path);
	junit_close(&junit);
	ck_assert_str_eq(contents(path), "old");
	unlink(path);
	junit_start(&tap, path);
	ck_assert_int_eq(access(path, F_OK), 0);
	junit_close(&junit);
	ck_assert_int_ne(access(path, F_OK), 0);
}
END_TEST

/* More than there is room for: all are counted, whole ones are listed. */
START_TEST(junit_full)
{
	char path[] = "/tmp/vmm-test-junit-XXXXXX", line[4096];
	struct report report;
	struct tap tap;
	const char *text;

	close(mkstemp(path));
	memset(line, '"', sizeof(line));
	junit_start(&tap, path);
	for (int i = 0; i < 300; i++) {
		feed(&tap, "not ok - x\n");
		junit_diagnostic(&junit, line, sizeof(line));
		junit_output(&junit, line, sizeof(line));
	}
	tap_end(&tap);
	ck_assert_int_eq(junit_write(&junit, &tap, "", &report), 0);
	junit_close(&junit);
	text = contents(path);
	ck_assert_ptr_nonnull(strstr(text, "tests=\"300\" failures=\"300\""));
	ck_assert_ptr_nonnull(strstr(text, "</testcase>\n    <!-- more tests ran than are listed"));
	ck_assert_ptr_nonnull(strstr(text, "(cut here)\n</system-out>"));
	ck_assert_uint_lt(strlen(text), JUNIT_CASES_MAX + JUNIT_OUTPUT_MAX + 4096);
	unlink(path);
}
END_TEST

START_TEST(junit_bad_path)
{
	struct report report;

	junit = (struct junit){.fd = -1};
	ck_assert_int_eq(junit_open(&junit, "/nowhere/out.xml", &report), -1);
	ck_assert_int_eq(report.status, REPORT_USER);
	ck_assert_ptr_nonnull(strstr(report.text, "--junit /nowhere/out.xml: cannot be written"));
	junit_close(&junit);
}
END_TEST

static bool look(struct expect *expect, const char *text, bool begins, bool ends)
{
	char line[64];

	snprintf(line, sizeof(line), "%s", text);
	return expect_look(expect, line, strlen(line), begins, ends);
}

START_TEST(expressions)
{
	const char *const patterns[] = {"^b(o)+t$", "log.n: "};
	struct expect *expect;
	struct report report;
	char zero[] = "log\0n: ";

	ck_assert_int_eq(expect_new(patterns, 2, &expect, &report), 0);
	ck_assert(!look(expect, "boot", true, false));
	ck_assert(!look(expect, "boot", false, true));
	ck_assert_str_eq(expect_missing(expect), patterns[0]);
	ck_assert(!look(expect, "boot", true, true));
	ck_assert_str_eq(expect_missing(expect), patterns[1]);
	ck_assert(expect_look(expect, zero, 7, false, false));
	ck_assert_ptr_null(expect_missing(expect));
	expect_free(expect);
	ck_assert_int_eq(expect_new((const char *const[]){"a("}, 1, &expect, &report), -1);
	ck_assert_ptr_nonnull(
		strstr(report.text, "--expect a(: not an extended regular expression"));
	expect_free(expect);
}
END_TEST

START_TEST(exit_maps)
{
	static const char *const bad[] = {"",     "33",   "33=",  "=1",       "256=0", "1=256",
					  "1=2,", "1=2 ", "-1=0", "1=2,,3=4", "a=b",   "1=2;3=4"};
	uint8_t *map = exit_map_new();
	struct report report;

	ck_assert_int_eq(exit_map_add(map, "33=0,35=1", &report), 0);
	ck_assert_int_eq(exit_map_add(map, "255=9", &report), 0);
	for (unsigned int i = 0; i < EXIT_MAP_SIZE; i++)
		ck_assert_uint_eq(map[i], i == 33 ? 0 : i == 35 ? 1 : i == 255 ? 9 : i);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ck_assert_int_eq(exit_map_add(map, bad[i], &report), -1);
		ck_assert_ptr_nonnull(strstr(report.text, "not FROM=TO"));
	}
	free(map);
}
END_TEST

Suite *suite_tap(void)
{
	Suite *suite = suite_create("tap");
	TCase *tcase = tcase_create("tap");

	tcase_add_loop_test(tcase, verdicts, 0, (int)(sizeof(streams) / sizeof(streams[0])));
	tcase_add_test(tcase, any_bytes);
	tcase_add_test(tcase, junit_file);
	tcase_add_test(tcase, junit_not_written);
	tcase_add_test(tcase, junit_full);
	tcase_add_test(tcase, junit_bad_path);
	tcase_add_test(tcase, expressions);
	tcase_add_test(tcase, exit_maps);
	suite_add_tcase(suite, tcase);
	return suite;
}
