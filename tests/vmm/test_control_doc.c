/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * docs/control.md is what one gets: the machine it describes is put together as a start would, but
 * for the KVM, and every "> request" and "< reply" in it is repeated at its control socket, word
 * for word. "..." in a reply is anything. Each piece of the text is a client of its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "devices/unix-socket.h"
#include "tests/runner.h"
#include "tests/vmm/suites.h"
#include "vmm/control.h"
#include "vmm/ctl-table.h"
#include "vmm/kvm.h"
#include "vmm/options.h"

#define WORDS_MAX 32

static char directory[] = "/tmp/test-control-doc.XXXXXX";
static char doc[65536];
static struct kvm kvm = {.fd = -1, .vm = -1, .good_vcpus = 1, .max_vcpus = 1, .max_slots = 1};
static struct options options;
static struct machine machine;
static struct control *control;

/* --- the machine ---------------------------------------------------------------------------------- */

static void read_doc(void)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/docs/control.md", test_env("VMM_SRC", "."));
	file = fopen(path, "r");
	ck_assert_msg(file != NULL, "%s: %s", path, strerror(errno));
	doc[fread(doc, 1, sizeof(doc) - 1, file)] = '\0';
	ck_assert(feof(file));
	fclose(file);
}

/* The command that the text begins with, up to what is said of it, to options. */
static void take_command(void)
{
	static char command[256];
	const char *at = strstr(doc, "\n    build/vmm "), *end = at ? strstr(at + 5, "  ") : NULL;
	char *words[WORDS_MAX], *rest = command;
	struct report report = {0};
	int count = 0;

	ck_assert_ptr_nonnull(end);
	snprintf(command, sizeof(command), "%.*s", (int)(end - at) - 5, at + 5);
	while (rest && count < WORDS_MAX)
		words[count++] = strsep(&rest, " ");
	ck_assert_msg(options_parse(count, words, &options, &report) == 0, "%s", report.text);
	ck_assert_str_eq(options.control, "PATH");
}

/* Of 1 MiB. */
static void make_disk(void)
{
	int fd = open("disk.img", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, 1 << 20), 0);
	close(fd);
}

/* All of it is there when the VM, which comes last, cannot be made. */
static void make_machine(void)
{
	const struct machine_config config = {
		.serial = "null", .cpus = options.cpus, .layout = &options.layout};
	struct gm_memory *memory;
	struct report report = {0};

	ck_assert_msg(layout_build(&options.layout, 1000, 0, &memory, &report) == 0, "%s",
		      report.text);
	ck_assert_int_eq(machine_create(&machine, &kvm, memory, &config, &report), -1);
	ck_assert_msg(strncmp(report.text, "KVM_CREATE_VM:", 14) == 0, "%s", report.text);
	gm_memory_put(memory);
	for (size_t i = 0; i < options.device_count; i++)
		ck_assert_msg(machine_add_device(&machine, options.devices[i].type,
						 options.devices[i].args, &report) == 0,
			      "%s", report.text);
	/* A reset is told and asked for; the guest that would start again is not there. */
	loop_remove(machine.restart_watch);
	machine.restart_watch = NULL;
	ck_assert_msg(control_open(options.control, &machine, &control, &report) == 0, "%s",
		      report.text);
}

static void set_up(void)
{
	read_doc();
	ck_assert_ptr_nonnull(mkdtemp(directory));
	ck_assert_int_eq(chdir(directory), 0);
	take_command();
	make_disk();
	make_machine();
}

static void tear_down(void)
{
	machine_destroy(&machine);
	options_clear(&options);
	unlink("disk.img");
	ck_assert_int_eq(chdir("/"), 0);
	/* The socket is gone. */
	ck_assert_int_eq(rmdir(directory), 0);
}

/* --- what is said --------------------------------------------------------------------------------- */

/* Until nothing more happens. */
static void settle(void)
{
	for (unsigned int i = 0; i < 20; i++)
		ck_assert_int_eq(loop_turn(machine.loop, 0), 0);
}

/* Whether @text is @pattern, in which "..." is anything. */
static bool is_like(const char *text, const char *pattern)
{
	const char *gap = strstr(pattern, "...");
	size_t len = gap ? (size_t)(gap - pattern) : strlen(pattern);

	if (strncmp(text, pattern, len) != 0)
		return false;
	if (!gap)
		return !text[len];
	for (text += len; !is_like(text, gap + 3); text++) {
		if (!*text)
			return false;
	}
	return true;
}

/* The next line that has come, without its end; "" if there is none. */
static const char *hear(int fd)
{
	static char line[1 << 20];
	size_t len = 0;

	while (len < sizeof(line) - 1 && recv(fd, line + len, 1, MSG_DONTWAIT) == 1 &&
	       line[len] != '\n')
		len++;
	line[len] = '\0';
	return line;
}

static int come(void)
{
	int fd = unix_connect(options.control);

	ck_assert_int_ge(fd, 0);
	settle();
	return fd;
}

static void say(int fd, const char *request)
{
	ck_assert_int_eq(send(fd, request, strlen(request), MSG_NOSIGNAL), (ssize_t)strlen(request));
	ck_assert_int_eq(send(fd, "\n", 1, MSG_NOSIGNAL), 1);
	settle();
}

/* The end of the machine is told when it has ended. */
static void end_machine(void)
{
	if (control && machine.stops) {
		control_close(control, loop_run(machine.loop));
		control = NULL;
	}
}

/* --- the text ------------------------------------------------------------------------------------- */

static bool is_request(const char *line)
{
	return strncmp(line, "    > ", 6) == 0;
}

static bool is_reply(const char *line)
{
	return strncmp(line, "    < ", 6) == 0;
}

/* Which requests the text shows. */
static void note_request(const char *request, bool *shown)
{
	char name[64];

	for (size_t i = 0; i < CTL_REQUESTS; i++) {
		snprintf(name, sizeof(name), "\"request\":\"%s\"", ctl_requests[i].name);
		shown[i] |= strstr(request, name) != NULL;
	}
}

/* One line; *@fd is the client of the piece it is in, or -1. */
static void repeat(const char *line, int *fd, bool *shown)
{
	const char *heard;

	if (!is_request(line) && !is_reply(line)) {
		if (*fd >= 0) {
			ck_assert_str_eq(hear(*fd), "");
			close(*fd);
			settle();
		}
		*fd = -1;
		return;
	}
	if (*fd < 0)
		*fd = come();
	if (is_request(line)) {
		ck_assert_str_eq(hear(*fd), "");
		say(*fd, line + 6);
		note_request(line, shown);
		return;
	}
	if (strstr(line, "\"event\":\"ended\""))
		end_machine();
	heard = hear(*fd);
	ck_assert_msg(is_like(heard, line + 6), "docs/control.md has %s, there is %s", line + 6,
		      heard);
}

START_TEST(the_text_is_what_one_gets)
{
	bool shown[CTL_REQUESTS] = {false};
	char *rest = doc;
	int fd = -1;

	while (rest)
		repeat(strsep(&rest, "\n"), &fd, shown);
	ck_assert_ptr_null(control);
	for (size_t i = 0; i < CTL_REQUESTS; i++)
		ck_assert_msg(shown[i], "docs/control.md does not show %s", ctl_requests[i].name);
}
END_TEST

START_TEST(without_the_library)
{
	TEST_SKIP("control-doc: built without libjansson-dev");
}
END_TEST

Suite *suite_control_doc(void)
{
	Suite *suite = suite_create("control-doc");
	TCase *tcase = tcase_create("control-doc");

	suite_add_tcase(suite, tcase);
	if (!control_open) {
		tcase_add_test(tcase, without_the_library);
		return suite;
	}
	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, the_text_is_what_one_gets);
	return suite;
}
