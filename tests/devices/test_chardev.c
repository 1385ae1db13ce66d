/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Character devices: flow control both ways, the filter, ends that go, the backends. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/devices/line.h"
#include "tests/devices/suites.h"

/* A handler that takes as much as it is told to. Counters are atomic: the loop's thread writes. */
struct taker {
	unsigned int room;
	unsigned int taken;
	unsigned int writable;
	uint8_t bytes[65536];
};

static size_t taker_room(void *arg)
{
	struct taker *taker = arg;

	return __atomic_load_n(&taker->room, __ATOMIC_ACQUIRE) - taker->taken;
}

static void taker_receive(void *arg, const uint8_t *data, size_t len)
{
	struct taker *taker = arg;

	memcpy(taker->bytes + taker->taken, data, len);
	__atomic_add_fetch(&taker->taken, (unsigned int)len, __ATOMIC_RELEASE);
}

static void taker_writable(void *arg)
{
	struct taker *taker = arg;

	__atomic_add_fetch(&taker->writable, 1, __ATOMIC_RELEASE);
}

static struct taker taker;

static const struct chardev_handler handler = {
	.room = taker_room, .receive = taker_receive, .writable = taker_writable, .arg = &taker};

static void give_room(struct line *line, unsigned int room)
{
	__atomic_store_n(&taker.room, room, __ATOMIC_RELEASE);
	chardev_resume(line->chardev);
}

START_TEST(test_input_waits_for_room)
{
	struct line line;

	line_open(&line);
	chardev_set_handler(line.chardev, &handler);
	line_run(&line);
	line_send(&line, "abcdef", 6);
	usleep(20000);
	ck_assert_uint_eq(__atomic_load_n(&taker.taken, __ATOMIC_ACQUIRE), 0);
	give_room(&line, 2);
	line_await(&taker.taken, 2);
	give_room(&line, 6);
	line_await(&taker.taken, 6);
	ck_assert_mem_eq(taker.bytes, "abcdef", 6);
	line_close(&line);
}
END_TEST

/* More than any buffer between, byte for byte, with room in random portions. */
START_TEST(test_input_in_portions)
{
	struct test_random random = test_random_new(2);
	unsigned int sent = 0, room = 0;
	struct line line;

	line_open(&line);
	chardev_set_handler(line.chardev, &handler);
	line_run(&line);
	fcntl(line.peer, F_SETFL, O_NONBLOCK);
	while (taker.taken < sizeof(taker.bytes)) {
		uint8_t chunk[4096];
		unsigned int len = sizeof(taker.bytes) - sent;
		ssize_t n;

		len = len < sizeof(chunk) ? len : (unsigned int)sizeof(chunk);
		for (unsigned int i = 0; i < len; i++)
			chunk[i] = (uint8_t)((sent + i) * 7 >> 3);
		n = write(line.peer, chunk, len);
		sent += n > 0 ? (unsigned int)n : 0;
		room += (unsigned int)test_random_below(&random, 3000);
		room = room < sent ? room : sent;
		give_room(&line, room);
		line_await(&taker.taken, room);
	}
	for (unsigned int i = 0; i < sizeof(taker.bytes); i++)
		ck_assert_uint_eq(taker.bytes[i], (uint8_t)(i * 7 >> 3));
	line_close(&line);
}
END_TEST

/* Drops 'x' and counts what it saw. */
static size_t no_x(void *arg, uint8_t *data, size_t len)
{
	unsigned int *seen = arg;
	size_t kept = 0;

	for (size_t i = 0; i < len; i++) {
		if (data[i] != 'x')
			data[kept++] = data[i];
	}
	__atomic_add_fetch(seen, (unsigned int)len, __ATOMIC_RELEASE);
	return kept;
}

START_TEST(test_filter)
{
	unsigned int seen = 0;
	struct line line;

	line_open(&line);
	chardev_set_handler(line.chardev, &handler);
	chardev_set_filter(line.chardev, no_x, &seen);
	taker.room = 100;
	line_run(&line);
	line_send(&line, "xaxbxx", 6);
	line_await(&taker.taken, 2);
	ck_assert_mem_eq(taker.bytes, "ab", 2);
	line_close(&line);
}
END_TEST

/* The filter sees all, however long the handler has no room. */
START_TEST(test_filter_without_room)
{
	static char flood[100000];
	unsigned int seen = 0;
	struct line line;

	memset(flood, 'y', sizeof(flood));
	line_open(&line);
	chardev_set_handler(line.chardev, &handler);
	chardev_set_filter(line.chardev, no_x, &seen);
	line_run(&line);
	line_send(&line, flood, sizeof(flood));
	line_await(&seen, sizeof(flood));
	ck_assert_uint_eq(taker.taken, 0);
	line_close(&line);
}
END_TEST

START_TEST(test_output_waits)
{
	static uint8_t bytes[4096], back[4096];
	size_t written = 0, got = 0;
	struct line line;
	ssize_t n;

	line_open(&line);
	chardev_set_handler(line.chardev, &handler);
	line_run(&line);
	do {
		n = chardev_write(line.chardev, bytes, sizeof(bytes));
		ck_assert_int_ge(n, 0);
		written += (size_t)n;
	} while (n == sizeof(bytes));
	usleep(10000);
	ck_assert_uint_eq(__atomic_load_n(&taker.writable, __ATOMIC_ACQUIRE), 0);
	while (got < written) {
		n = read(line.peer, back, sizeof(back));
		ck_assert_int_gt(n, 0);
		got += (size_t)n;
	}
	line_await(&taker.writable, 1);
	/* Once, however long it stays writable. */
	usleep(10000);
	ck_assert_uint_eq(__atomic_load_n(&taker.writable, __ATOMIC_ACQUIRE), 1);
	ck_assert_int_eq(chardev_write(line.chardev, bytes, 10), 10);
	line_close(&line);
}
END_TEST

START_TEST(test_peer_goes)
{
	struct line line;

	line_open(&line);
	chardev_set_handler(line.chardev, &handler);
	taker.room = 10;
	line_run(&line);
	line_send(&line, "last", 4);
	line_await(&taker.taken, 4);
	close(line.peer);
	line.peer = -1;
	ck_assert_int_eq(chardev_write(line.chardev, "a", 1), -1);
	ck_assert_int_eq(chardev_write(line.chardev, "a", 1), -1);
	line_close(&line);
}
END_TEST

START_TEST(test_stdio_has_one_user)
{
	struct chardev *second;
	struct report report;
	struct line line;

	line_open(&line);
	ck_assert_ptr_eq(chardev_stdio(), line.chardev);
	ck_assert_int_eq(chardev_open("--second", "stdio", line.loop, &second, &report), -1);
	ck_assert_int_eq(report.status, REPORT_USER);
	ck_assert_str_eq(report.text,
			 "--second stdio: standard input and output are taken by --test");
	line_close(&line);
	ck_assert_ptr_null(chardev_stdio());
}
END_TEST

/* Input from a file: always ready, which epoll does not do. */
START_TEST(test_input_from_file)
{
	char path[] = "/tmp/vmm-test-input-XXXXXX";
	int fd = mkstemp(path), saved = dup(0);
	struct loop *loop = loop_new();
	struct chardev *chardev;
	struct report report;
	struct line line = {.loop = loop, .peer = -1};

	ck_assert_int_ge(fd, 0);
	unlink(path);
	ck_assert_int_eq(write(fd, "from a file", 11), 11);
	ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
	dup2(fd, 0);
	ck_assert_int_eq(chardev_open("--test", "stdio", loop, &chardev, &report), 0);
	taker.room = 4;
	chardev_set_handler(chardev, &handler);
	line_run(&line);
	line_await(&taker.taken, 4);
	__atomic_store_n(&taker.room, 100, __ATOMIC_RELEASE);
	chardev_resume(chardev);
	line_await(&taker.taken, 11);
	ck_assert_mem_eq(taker.bytes, "from a file", 11);
	line_stop(&line);
	chardev_close(chardev);
	loop_free(loop);
	dup2(saved, 0);
	close(saved);
	close(fd);
}
END_TEST

/* One that was not there goes again, if it comes to that before the guest begins. */
START_TEST(test_file_that_was_made)
{
	char dir[] = "/tmp/vmm-test-output-XXXXXX", spec[64];
	struct loop *loop = loop_new();
	struct chardev *chardev;
	struct report report;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(spec, sizeof(spec), "file=%s/made", dir);
	ck_assert_int_eq(chardev_open("--test", spec, loop, &chardev, &report), 0);
	chardev_set_handler(chardev, &handler);
	chardev_close(chardev);
	ck_assert_int_eq(access(strchr(spec, '=') + 1, F_OK), -1);
	ck_assert_int_eq(chardev_open("--test", spec, loop, &chardev, &report), 0);
	chardev_begin();
	chardev_close(chardev);
	ck_assert_int_eq(unlink(strchr(spec, '=') + 1), 0);
	ck_assert_int_eq(rmdir(dir), 0);
	loop_free(loop);
}
END_TEST

START_TEST(test_file_and_null)
{
	char path[] = "/tmp/vmm-test-output-XXXXXX", spec[64] = "file=", back[8];
	int fd = mkstemp(path);
	struct loop *loop = loop_new();
	struct chardev *chardev;
	struct report report;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, "old content", 11), 11);
	strcat(spec, path);
	/* Until all is set up it may all come to nothing. */
	ck_assert_int_eq(chardev_open("--test", spec, loop, &chardev, &report), 0);
	chardev_set_handler(chardev, &handler);
	chardev_close(chardev);
	chardev_begin();
	ck_assert_int_eq(pread(fd, back, sizeof(back), 0), sizeof(back));
	ck_assert_mem_eq(back, "old cont", sizeof(back));
	ck_assert_int_eq(chardev_open("--test", spec, loop, &chardev, &report), 0);
	chardev_set_handler(chardev, &handler);
	chardev_begin();
	ck_assert_int_eq(chardev_write(chardev, "new", 3), 3);
	chardev_begin();
	chardev_close(chardev);
	ck_assert_int_eq(pread(fd, back, sizeof(back), 0), 3);
	ck_assert_mem_eq(back, "new", 3);
	close(fd);
	unlink(path);

	ck_assert_int_eq(chardev_open("--test", "null", loop, &chardev, &report), 0);
	ck_assert_int_eq(chardev_write(chardev, "nowhere", 7), 7);
	chardev_close(chardev);
	chardev_close(NULL);
	loop_free(loop);
}
END_TEST

/* A disk that is full: said once, then the output is gone. */
START_TEST(test_full_disk)
{
	struct loop *loop = loop_new();
	struct chardev *chardev;
	struct report report;

	ck_assert_int_eq(chardev_open("--test", "file=/dev/full", loop, &chardev, &report), 0);
	ck_assert_int_eq(chardev_write(chardev, "a", 1), -1);
	ck_assert_int_eq(chardev_write(chardev, "a", 1), -1);
	chardev_close(chardev);
	loop_free(loop);
}
END_TEST

/* A pty that nobody has open: the line is not connected, bytes are lost and nobody waits. */
START_TEST(test_pty_unheard)
{
	static uint8_t bytes[65536];
	struct loop *loop = loop_new();
	struct chardev *chardev;
	struct report report;

	ck_assert_int_eq(chardev_open("--test", "pty", loop, &chardev, &report), 0);
	for (unsigned int i = 0; i < 8; i++)
		ck_assert_int_eq(chardev_write(chardev, bytes, sizeof(bytes)), sizeof(bytes));
	chardev_close(chardev);
	loop_free(loop);
}
END_TEST

static const struct {
	const char *spec;
	const char *text;
} mistakes[] = {
	{"", "--test : not a backend; there are stdio, null, pty, file=PATH, socket=PATH, "
	     "connect=PATH and pipe=PATH"},
	{"files", "--test files: not a backend; did you mean file=PATH?"},
	{"tcp:1", "--test tcp:1: not a backend; there are stdio, null, pty, file=PATH, "
		  "socket=PATH, connect=PATH and pipe=PATH"},
	{"file=", "--test file=: the path is missing"},
	{"file=/nonexistent/x", "--test file=/nonexistent/x: No such file or directory"},
	{"file=/tmp", "--test file=/tmp: Is a directory"},
};

START_TEST(test_mistakes)
{
	struct chardev *chardev;
	struct report report;

	ck_assert_int_eq(chardev_open("--test", mistakes[_i].spec, NULL, &chardev, &report), -1);
	ck_assert_int_eq(report.status, REPORT_USER);
	ck_assert_str_eq(report.text, mistakes[_i].text);
}
END_TEST

static void clear_taker(void)
{
	memset(&taker, 0, sizeof(taker));
}

/* --- somebody beside ---------------------------------------------------------------------------- */

/* He hears what is printed, and what he says is input, though the other end is nothing at all. */
START_TEST(test_attached)
{
	struct loop *loop = loop_new();
	struct chardev *chardev;
	struct report report;
	char bytes[64];
	int pair[2], other[2];

	taker.room = 100;
	ck_assert_int_eq(chardev_open("--console", "null", loop, &chardev, &report), 0);
	chardev_set_handler(chardev, &handler);
	ck_assert(!chardev_is_observed(chardev));
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, other), 0);
	ck_assert_int_eq(chardev_attach(chardev, pair[0], "first ", 6, "in", 2), 0);
	ck_assert(chardev_is_observed(chardev) && chardev_is_attached(chardev));
	ck_assert_int_eq(chardev_attach(chardev, other[0], "", 0, "", 0), -1);
	ck_assert_int_eq(errno, EBUSY);
	chardev_printed(chardev, "second", 6);
	ck_assert_int_eq(write(pair[1], "put", 3), 3);
	while (taker.taken < 5)
		loop_turn(loop, 1000);
	ck_assert_mem_eq(taker.bytes, "input", 5);
	while (recv(pair[1], bytes, sizeof(bytes), MSG_PEEK | MSG_DONTWAIT) < 12)
		loop_turn(loop, 1000);
	ck_assert_int_eq(read(pair[1], bytes, sizeof(bytes)), 12);
	ck_assert_mem_eq(bytes, "first second", 12);
	close(pair[1]);
	while (chardev_is_attached(chardev))
		loop_turn(loop, 1000);
	chardev_printed(chardev, "nobody", 6);
	ck_assert_int_eq(chardev_attach(chardev, other[0], "", 0, "", 0), 0);
	chardev_close(chardev);
	ck_assert_int_eq(read(other[1], bytes, 1), 0);
	loop_free(loop);
}
END_TEST

/* His input waits where it is while there is no room, and is all there then. */
START_TEST(test_attached_without_room)
{
	struct loop *loop = loop_new();
	struct chardev *chardev;
	struct report report;
	static uint8_t bytes[50000];
	size_t sent = 0;
	int pair[2];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 7 + (i >> 8));
	ck_assert_int_eq(chardev_open("--console", "null", loop, &chardev, &report), 0);
	chardev_set_handler(chardev, &handler);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	ck_assert_int_eq(chardev_attach(chardev, pair[0], "", 0, "", 0), 0);
	while (taker.taken < sizeof(bytes)) {
		ssize_t n = write(pair[1], bytes + sent, sizeof(bytes) - sent);

		sent += n > 0 ? (size_t)n : 0;
		for (unsigned int i = 0; i < 20; i++)
			loop_turn(loop, 0);
		taker.room += 999;
		chardev_resume(chardev);
	}
	ck_assert_mem_eq(taker.bytes, bytes, sizeof(bytes));
	chardev_close(chardev);
	close(pair[1]);
	loop_free(loop);
}
END_TEST

/* Who does not read does not make it wait, or grow: he is let go. */
START_TEST(test_attached_unread)
{
	struct loop *loop = loop_new();
	struct chardev *chardev;
	struct report report;
	char bytes[4096] = "";
	size_t printed = 0;
	int pair[2];

	ck_assert_int_eq(chardev_open("--console", "null", loop, &chardev, &report), 0);
	chardev_set_handler(chardev, &handler);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	ck_assert_int_eq(chardev_attach(chardev, pair[0], "", 0, "", 0), 0);
	while (chardev_is_attached(chardev)) {
		chardev_printed(chardev, bytes, sizeof(bytes));
		printed += sizeof(bytes);
		ck_assert_uint_lt(printed, 64 << 20);
		loop_turn(loop, 0);
	}
	ck_assert_uint_gt(printed, CHARDEV_ROOM);
	chardev_close(chardev);
	close(pair[1]);
	loop_free(loop);
}
END_TEST

Suite *chardev_suite(void)
{
	Suite *suite = suite_create("chardev");
	TCase *tcase = tcase_create("chardev");

	tcase_set_timeout(tcase, 30);
	tcase_add_checked_fixture(tcase, clear_taker, NULL);
	tcase_add_test(tcase, test_input_waits_for_room);
	tcase_add_test(tcase, test_input_in_portions);
	tcase_add_test(tcase, test_attached);
	tcase_add_test(tcase, test_attached_without_room);
	tcase_add_test(tcase, test_attached_unread);
	tcase_add_test(tcase, test_filter);
	tcase_add_test(tcase, test_filter_without_room);
	tcase_add_test(tcase, test_output_waits);
	tcase_add_test(tcase, test_peer_goes);
	tcase_add_test(tcase, test_stdio_has_one_user);
	tcase_add_test(tcase, test_input_from_file);
	tcase_add_test(tcase, test_file_and_null);
	tcase_add_test(tcase, test_file_that_was_made);
	tcase_add_test(tcase, test_full_disk);
	tcase_add_test(tcase, test_pty_unheard);
	tcase_add_loop_test(tcase, test_mistakes, 0, sizeof(mistakes) / sizeof(mistakes[0]));
	suite_add_tcase(suite, tcase);
	return suite;
}
