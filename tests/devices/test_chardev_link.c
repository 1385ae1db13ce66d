/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Character devices whose other end comes and goes: clients one after the other, servers that
 * close, FIFOs without readers; what paths may be wrong; and that nothing made is left behind.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/devices/line.h"
#include "tests/devices/suites.h"

#define TIMEOUT_MS 20000

/* What the handler saw. The loop's thread writes, the counters are atomic. */
static struct {
	unsigned int room, taken, writable, came, left;
	uint8_t bytes[262144];
} seen;

static struct line line;
static struct chardev *chardev;
static char dir[64];

static size_t room(void *arg)
{
	(void)arg;
	return __atomic_load_n(&seen.room, __ATOMIC_ACQUIRE) - seen.taken;
}

static void receive(void *arg, const uint8_t *data, size_t len)
{
	(void)arg;
	memcpy(seen.bytes + seen.taken, data, len);
	__atomic_add_fetch(&seen.taken, (unsigned int)len, __ATOMIC_RELEASE);
}

static void writable(void *arg)
{
	(void)arg;
	__atomic_add_fetch(&seen.writable, 1, __ATOMIC_RELEASE);
}

static void connected(void *arg, bool somebody)
{
	(void)arg;
	__atomic_add_fetch(somebody ? &seen.came : &seen.left, 1, __ATOMIC_RELEASE);
}

static const struct chardev_handler handler = {
	.room = room, .receive = receive, .writable = writable, .connected = connected};

static void set_up(void)
{
	signal(SIGPIPE, SIG_IGN);
	memset(&seen, 0, sizeof(seen));
	seen.room = sizeof(seen.bytes);
	snprintf(dir, sizeof(dir), "/tmp/test-link-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_eq(chdir(dir), 0);
	line = (struct line){.loop = loop_new(), .peer = -1};
	chardev = NULL;
}

/* Nothing but what the test itself made and unlinked may be left. */
static void tear_down(void)
{
	line_stop(&line);
	chardev_close(chardev);
	loop_free(line.loop);
	ck_assert_int_eq(chdir("/"), 0);
	ck_assert_int_eq(rmdir(dir), 0);
}

static void begin(const char *spec)
{
	struct report report;

	ck_assert_int_eq(chardev_open("--test", spec, line.loop, &chardev, &report), 0);
	chardev_set_handler(chardev, &handler);
	line_run(&line);
}

static int listen_at(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	ck_assert_int_eq(listen(fd, 4), 0);
	return fd;
}

static int client(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

static void expect(int fd, const char *text)
{
	for (; *text; text++) {
		struct pollfd ready = {.fd = fd, .events = POLLIN};
		char byte;

		ck_assert_int_eq(poll(&ready, 1, TIMEOUT_MS), 1);
		ck_assert_int_eq(read(fd, &byte, 1), 1);
		ck_assert_int_eq(byte, *text);
	}
}

START_TEST(clients_one_after_the_other)
{
	begin("socket=s");
	/* Nobody there: lost. */
	ck_assert_int_eq(chardev_write(chardev, "lost", 4), 4);
	for (unsigned int i = 1; i <= 5; i++) {
		struct iovec iov[] = {{"hel", 3}, {"", 0}, {"lo", 2}};
		int fd = client("s");

		line_await(&seen.came, i);
		ck_assert_int_eq(chardev_writev(chardev, iov, 3), 5);
		expect(fd, "hello");
		ck_assert_int_eq(write(fd, "in", 2), 2);
		line_await(&seen.taken, 2 * i);
		close(fd);
		line_await(&seen.left, i);
		ck_assert_int_eq(chardev_write(chardev, "lost", 4), 4);
	}
	ck_assert_mem_eq(seen.bytes, "inininin", 8);
}
END_TEST

/* The second waits for the first to go; what it sent meanwhile is not lost. */
START_TEST(one_client_at_a_time)
{
	int one, two;

	begin("socket=s");
	one = client("s");
	line_await(&seen.came, 1);
	two = client("s");
	ck_assert_int_eq(write(two, "two", 3), 3);
	ck_assert_int_eq(write(one, "one", 3), 3);
	line_await(&seen.taken, 3);
	ck_assert_int_eq(chardev_write(chardev, "1", 1), 1);
	expect(one, "1");
	close(one);
	line_await(&seen.taken, 6);
	ck_assert_mem_eq(seen.bytes, "onetwo", 6);
	ck_assert_uint_eq(__atomic_load_n(&seen.came, __ATOMIC_ACQUIRE), 2);
	close(two);
}
END_TEST

/* More than any buffer from a client that leaves at once, for a handler that has no room yet. */
START_TEST(what_a_client_left_is_delivered)
{
	static uint8_t bytes[100000];
	int one, two;

	memset(bytes, 'a', sizeof(bytes));
	__atomic_store_n(&seen.room, 0, __ATOMIC_RELEASE);
	begin("socket=s");
	one = client("s");
	ck_assert_int_eq(write(one, bytes, sizeof(bytes)), sizeof(bytes));
	close(one);
	two = client("s");
	ck_assert_int_eq(write(two, "b", 1), 1);
	__atomic_store_n(&seen.room, sizeof(seen.bytes), __ATOMIC_RELEASE);
	chardev_resume(chardev);
	line_await(&seen.taken, sizeof(bytes) + 1);
	ck_assert_mem_eq(seen.bytes, bytes, sizeof(bytes));
	ck_assert_uint_eq(seen.bytes[sizeof(bytes)], 'b');
	close(two);
}
END_TEST

/* Write until the other end is full. */
static void jam(void)
{
	static uint8_t bytes[65536];

	for (unsigned int i = 0; i < 1000; i++) {
		if (chardev_write(chardev, bytes, sizeof(bytes)) < (ssize_t)sizeof(bytes))
			return;
	}
	ck_abort_msg("it never fills");
}

START_TEST(client_that_does_not_read_and_leaves)
{
	int fd;

	begin("socket=s");
	fd = client("s");
	line_await(&seen.came, 1);
	jam();
	ck_assert_int_eq(chardev_write(chardev, "x", 1), 0);
	close(fd);
	line_await(&seen.writable, 1);
	line_await(&seen.left, 1);
	ck_assert_int_eq(chardev_write(chardev, "lost", 4), 4);
	fd = client("s");
	line_await(&seen.came, 2);
	ck_assert_int_eq(chardev_write(chardev, "new", 3), 3);
	expect(fd, "new");
	close(fd);
}
END_TEST

START_TEST(slow_client_catches_up)
{
	static uint8_t bytes[65536];
	int fd;

	begin("socket=s");
	fd = client("s");
	line_await(&seen.came, 1);
	jam();
	ck_assert_int_eq(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	for (unsigned int i = 0; !__atomic_load_n(&seen.writable, __ATOMIC_ACQUIRE); i++) {
		ck_assert_uint_lt(i, 20000);
		if (read(fd, bytes, sizeof(bytes)) < 0)
			usleep(1000);
	}
	ck_assert_int_gt(chardev_write(chardev, bytes, 100), 0);
	ck_assert_uint_eq(__atomic_load_n(&seen.left, __ATOMIC_ACQUIRE), 0);
	close(fd);
}
END_TEST

START_TEST(server_that_closes)
{
	int server = listen_at("s"), fd;

	begin("connect=s");
	ck_assert_uint_eq(__atomic_load_n(&seen.came, __ATOMIC_ACQUIRE), 1);
	fd = accept(server, NULL, NULL);
	ck_assert_int_eq(chardev_write(chardev, "out", 3), 3);
	expect(fd, "out");
	ck_assert_int_eq(write(fd, "in", 2), 2);
	line_await(&seen.taken, 2);
	close(fd);
	line_await(&seen.left, 1);
	ck_assert_int_eq(chardev_write(chardev, "x", 1), -1);
	close(server);
	unlink("s");
}
END_TEST

START_TEST(fifos)
{
	int in, out;

	begin("pipe=p");
	/* Nobody reads: lost. */
	ck_assert_int_eq(chardev_write(chardev, "lost", 4), 4);
	for (unsigned int i = 1; i <= 3; i++) {
		out = open("p.out", O_RDONLY | O_CLOEXEC);
		in = open("p.in", O_WRONLY | O_CLOEXEC);
		ck_assert_int_eq(chardev_write(chardev, "out", 3), 3);
		expect(out, "out");
		ck_assert_int_eq(write(in, "in", 2), 2);
		line_await(&seen.taken, 2 * i);
		close(in);
		close(out);
		ck_assert_int_eq(chardev_write(chardev, "lost", 4), 4);
	}
	ck_assert_uint_eq(__atomic_load_n(&seen.left, __ATOMIC_ACQUIRE), 0);
}
END_TEST

START_TEST(fifo_reader_that_leaves_it_full)
{
	int out;

	begin("pipe=p");
	out = open("p.out", O_RDONLY | O_CLOEXEC);
	jam();
	close(out);
	line_await(&seen.writable, 1);
	ck_assert_int_eq(chardev_write(chardev, "lost", 4), 4);
}
END_TEST

START_TEST(fifos_that_are_there_stay)
{
	struct stat st;

	ck_assert_int_eq(mkfifo("p.in", 0600), 0);
	begin("pipe=p");
	ck_assert_int_eq(stat("p.out", &st), 0);
	line_stop(&line);
	chardev_close(chardev);
	chardev = NULL;
	ck_assert_int_eq(stat("p.in", &st), 0);
	ck_assert_int_eq(stat("p.out", &st), -1);
	unlink("p.in");
}
END_TEST

static void refused(const char *spec, const char *text)
{
	struct chardev *none = NULL;
	struct report report = {0};

	ck_assert_int_eq(chardev_open("--test", spec, line.loop, &none, &report), -1);
	ck_assert_str_eq(report.text, text);
	ck_assert_int_eq(report.status, REPORT_USER);
}

START_TEST(paths_that_are_wrong)
{
	char longest[128], spec[160], text[300];
	struct stat st;
	int fd;

	refused("socket=", "--test socket=: the path is missing");
	refused("connect=", "--test connect=: the path is missing");
	refused("pipe=", "--test pipe=: the path is missing");
	refused("socket=no/s",
		"--test: cannot create the socket 'no/s': No such file or directory");
	refused("connect=s", "--test: cannot connect to 's': No such file or directory");
	refused("pipe=no/p", "--test: cannot create the FIFO 'no/p.in': No such file or directory");
	memset(longest, 'l', sizeof(longest));
	longest[108] = '\0';
	for (unsigned int i = 0; i < 2; i++) {
		static const char *const words[] = {"socket", "connect"};

		snprintf(spec, sizeof(spec), "%s=%s", words[i], longest);
		snprintf(text, sizeof(text),
			 "--test: '%s' has 108 bytes; the path of a socket has at most 107", longest);
		refused(spec, text);
	}
	longest[107] = '\0';
	snprintf(spec, sizeof(spec), "socket=%s", longest);
	begin(spec);
	close(client(longest));
	fd = open("p.out", O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	close(fd);
	refused("pipe=p", "--test: 'p.out' exists and is not a FIFO");
	ck_assert_int_eq(stat("p.in", &st), -1);
	refused("socket=p.out", "--test: 'p.out' exists and is not a socket; it is not replaced");
	unlink("p.out");
}
END_TEST

START_TEST(socket_that_is_in_use)
{
	int server = listen_at("s");

	refused("socket=s", "--test: 's' is in use: another process listens there");
	/* Its owner died and left it. */
	close(server);
	refused("connect=s", "--test: cannot connect to 's': Connection refused");
	begin("socket=s");
	close(client("s"));
	line_await(&seen.came, 1);
}
END_TEST

Suite *chardev_link_suite(void)
{
	Suite *suite = suite_create("chardev_link");
	TCase *tcase = tcase_create("chardev_link");

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, clients_one_after_the_other);
	tcase_add_test(tcase, one_client_at_a_time);
	tcase_add_test(tcase, what_a_client_left_is_delivered);
	tcase_add_test(tcase, client_that_does_not_read_and_leaves);
	tcase_add_test(tcase, slow_client_catches_up);
	tcase_add_test(tcase, server_that_closes);
	tcase_add_test(tcase, fifos);
	tcase_add_test(tcase, fifo_reader_that_leaves_it_full);
	tcase_add_test(tcase, fifos_that_are_there_stay);
	tcase_add_test(tcase, paths_that_are_wrong);
	tcase_add_test(tcase, socket_that_is_in_use);
	suite_add_tcase(suite, tcase);
	return suite;
}
