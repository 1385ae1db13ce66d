/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* One line, whatever goes into it, and not too many of them. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "devices/report.h"
#include "tests/devices/suites.h"

START_TEST(report_is_one_line)
{
	struct report report;

	ck_assert_int_eq(report_fail(&report, REPORT_USER, "--disk: '%s': %s", "a\nb\033[2J", "no"),
			 -1);
	ck_assert_int_eq(report.status, REPORT_USER);
	ck_assert_str_eq(report.text, "--disk: 'a?b?[2J': no");
}
END_TEST

START_TEST(report_is_cut_where_it_does_not_fit)
{
	struct report report;
	char longer[2000];

	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	report_fail(&report, REPORT_HOST, "%s", longer);
	ck_assert_int_eq(report.status, REPORT_HOST);
	ck_assert_uint_eq(strlen(report.text), sizeof(report.text) - 1);
}
END_TEST

/* What @lines calls of device_log() leave on standard error. */
static ssize_t logged(struct log_limit *limit, unsigned int lines, char *buf, size_t size)
{
	int saved = dup(STDERR_FILENO), pipes[2];
	ssize_t len;

	ck_assert_int_eq(pipe2(pipes, O_NONBLOCK), 0);
	ck_assert_int_ge(dup2(pipes[1], STDERR_FILENO), 0);
	for (unsigned int i = 0; i < lines; i++)
		device_log(limit, "disk a\tb", "line %u\nof many", i);
	dup2(saved, STDERR_FILENO);
	len = read(pipes[0], buf, size - 1);
	close(saved);
	close(pipes[0]);
	close(pipes[1]);
	buf[len > 0 ? len : 0] = '\0';
	return len;
}

START_TEST(log_has_a_form)
{
	struct log_limit limit = {0};
	char buf[512];

	logged(&limit, 1, buf, sizeof(buf));
	ck_assert_str_eq(buf, "vmm: disk a?b: line 0?of many\n");
}
END_TEST

START_TEST(log_has_a_limit_and_says_what_it_dropped)
{
	struct log_limit limit = {0};
	char buf[4096];
	unsigned int lines = 0;

	logged(&limit, 1000, buf, sizeof(buf));
	for (char *p = buf; (p = strchr(p, '\n')); p++)
		lines++;
	/* Five a second; the test may run over the end of one. */
	ck_assert_uint_ge(lines, 5);
	ck_assert_uint_le(lines, 10);
	limit.window--;
	logged(&limit, 1, buf, sizeof(buf));
	ck_assert_ptr_nonnull(strstr(buf, "line 0"));
	ck_assert_ptr_nonnull(strstr(buf, " lines dropped)\n"));
}
END_TEST

/* --- levels and colours ----------------------------------------------------------------------------- */

/* What one line of each level leaves in @fd, which becomes standard error. */
static void say_all(int fd, int from, char *buf, size_t size)
{
	int saved = dup(STDERR_FILENO);
	ssize_t len;

	ck_assert_int_ge(dup2(fd, STDERR_FILENO), 0);
	log_begin();
	log_line(LOG_LEVEL_ERROR, "an %s", "error");
	log_line(LOG_LEVEL_WARN, "a warning");
	log_line(LOG_LEVEL_INFO, "a fact\nin one line");
	log_line(LOG_LEVEL_DEBUG, "a step");
	dup2(saved, STDERR_FILENO);
	close(saved);
	len = read(from, buf, size - 1);
	buf[len > 0 ? len : 0] = '\0';
}

static const struct {
	const char *level; /* NULL: what it is unless somebody says */
	const char *lines;
} levels[] = {
	{NULL, "vmm: an error\nvmm: a warning\nvmm: a fact?in one line\n"},
	{"error", "vmm: an error\n"},
	{"warn", "vmm: an error\nvmm: a warning\n"},
	{"info", "vmm: an error\nvmm: a warning\nvmm: a fact?in one line\n"},
};

START_TEST(levels_let_through_what_is_as_grave)
{
	struct log_limit limit = {0};
	char buf[512];
	int pipes[2];

	ck_assert_int_eq(pipe2(pipes, O_NONBLOCK), 0);
	ck_assert(!levels[_i].level || log_choose(levels[_i].level));
	say_all(pipes[1], pipes[0], buf, sizeof(buf));
	ck_assert_str_eq(buf, levels[_i].lines);
	/* What a device says is a warning. */
	ck_assert_int_eq(logged(&limit, 1, buf, sizeof(buf)) > 0, log_has(LOG_LEVEL_WARN));
	close(pipes[0]);
	close(pipes[1]);
}
END_TEST

START_TEST(debug_has_the_time)
{
	unsigned int ms, us;
	char buf[512], *step;
	int pipes[2], end = 0;

	ck_assert_int_eq(pipe2(pipes, O_NONBLOCK), 0);
	ck_assert(log_choose("debug"));
	say_all(pipes[1], pipes[0], buf, sizeof(buf));
	step = strstr(buf, "in one line\n");
	ck_assert_ptr_nonnull(step);
	ck_assert_int_eq(sscanf(step, "in one line\nvmm: %u.%3u ms: a step\n%n", &ms, &us, &end), 2);
	ck_assert_int_eq(step[end], '\0');
	ck_assert(!log_choose("verbose") && !log_choose("") && !log_choose("debugging"));
	ck_assert(log_has(LOG_LEVEL_DEBUG));
	close(pipes[0]);
	close(pipes[1]);
}
END_TEST

START_TEST(colours_are_for_terminals)
{
	static const struct {
		const char *name, *value;
		bool coloured;
	} environments[] = {
		{"TERM", "xterm", true},  {"TERM", "dumb", false}, {"TERM", NULL, false},
		{"NO_COLOR", "1", false}, {"NO_COLOR", "", true},
	};
	int fd = posix_openpt(O_RDWR | O_NOCTTY), terminal;
	struct termios raw;
	char buf[512];

	ck_assert(fd >= 0 && grantpt(fd) == 0 && unlockpt(fd) == 0);
	terminal = open(ptsname(fd), O_RDWR | O_NOCTTY);
	ck_assert_int_eq(tcgetattr(terminal, &raw), 0);
	cfmakeraw(&raw);
	ck_assert_int_eq(tcsetattr(terminal, TCSANOW, &raw), 0);
	ck_assert(log_choose("error"));
	for (size_t i = 0; i < sizeof(environments) / sizeof(environments[0]); i++) {
		setenv("TERM", "xterm", 1);
		unsetenv("NO_COLOR");
		if (environments[i].value)
			setenv(environments[i].name, environments[i].value, 1);
		else
			unsetenv(environments[i].name);
		say_all(terminal, fd, buf, sizeof(buf));
		ck_assert_str_eq(buf, environments[i].coloured ? "\033[1;31mvmm:\033[0m an error\n"
							       : "vmm: an error\n");
	}
	close(terminal);
	close(fd);
}
END_TEST

START_TEST(whose_it_is)
{
	static const int host[] = {EMFILE, ENFILE, ENOMEM, ENOBUFS, ENOSPC, EIO};
	static const int user[] = {ENOENT, ENOTDIR, EISDIR, EACCES, EPERM, ELOOP, ECONNREFUSED};

	for (size_t i = 0; i < sizeof(host) / sizeof(host[0]); i++)
		ck_assert_int_eq(report_whose(host[i]), REPORT_HOST);
	for (size_t i = 0; i < sizeof(user) / sizeof(user[0]); i++)
		ck_assert_int_eq(report_whose(user[i]), REPORT_USER);
}
END_TEST

Suite *report_suite(void)
{
	Suite *suite = suite_create("report");
	TCase *tc = tcase_create("report");

	tcase_add_test(tc, report_is_one_line);
	tcase_add_test(tc, report_is_cut_where_it_does_not_fit);
	tcase_add_test(tc, log_has_a_form);
	tcase_add_test(tc, log_has_a_limit_and_says_what_it_dropped);
	tcase_add_loop_test(tc, levels_let_through_what_is_as_grave, 0,
			    (int)(sizeof(levels) / sizeof(levels[0])));
	tcase_add_test(tc, debug_has_the_time);
	tcase_add_test(tc, colours_are_for_terminals);
	tcase_add_test(tc, whose_it_is);
	suite_add_tcase(suite, tc);
	return suite;
}
