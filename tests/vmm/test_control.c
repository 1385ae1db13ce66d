/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The protocol of the control socket as bytes in and bytes out, with a machine that is none. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "devices/unix-socket.h"

#include "tests/runner.h"
#include "tests/vmm/control-fake.h"
#include "tests/vmm/suites.h"
#include "vmm/control-server.h"

static struct control_fake fake;
static struct control_session session;
static char said[CONTROL_REPLY_MAX + 65536]; /* what came back at the last take() */

static void setup(void)
{
	memset(&fake, 0, sizeof(fake));
	fake.status = -1;
	control_session_begin(&session, &control_fake_ops, &fake);
}

static void teardown(void)
{
	control_session_end(&session);
}

/* All that is to be sent, as a string. */
static const char *take(void)
{
	size_t used = 0, len;
	const char *bytes;

	while ((bytes = control_session_output(&session, &len), len)) {
		ck_assert_uint_lt(used + len, sizeof(said));
		memcpy(said + used, bytes, len);
		used += len;
		control_session_sent(&session, len);
	}
	said[used] = '\0';
	return said;
}

static void send_text(const char *text)
{
	ck_assert_uint_eq(control_session_receive(&session, text, strlen(text)), strlen(text));
}

static void check(const char *request, const char *reply)
{
	char line[CONTROL_REQUEST_MAX + 2];

	snprintf(line, sizeof(line), "%s\n", request);
	send_text(line);
	snprintf(line, sizeof(line), "%s\n", reply);
	ck_assert_str_eq(take(), line);
}

/* --- requests ----------------------------------------------------------------------------------- */

static const struct {
	const char *request, *reply;
} exchanges[] = {
	{"{\"request\":\"status\"}", "{\"ok\":true,\"state\":\"running\"}"},
	{"{\"request\":\"pause\",\"id\":7}", "{\"ok\":true,\"id\":7,\"state\":\"paused\"}"},
	{"{\"id\":\"a\\u0001\",\"request\":\"resume\"}",
	 "{\"ok\":true,\"id\":\"a\\u0001\",\"state\":\"running\"}"},
	{" {\t\"request\" : \"power\" } \r", "{\"ok\":true,\"state\":\"running\"}"},
	{"{\"request\":\"subscribe\"}", "{\"ok\":true}"},
	{"{\"request\":\"console-attach\",\"console\":7}",
	 "{\"ok\":false,\"error\":\"console-attach: console should be a text\"}"},
	{"{\"request\":\"balloon\",\"size\":-1}",
	 "{\"ok\":false,\"error\":\"balloon: size should be a size, in bytes or as \\\"64M\\\"\"}"},
	{"{\"request\":\"balloon\",\"size\":\"64X\"}",
	 "{\"ok\":false,\"error\":\"balloon: size should be a size, in bytes or as \\\"64M\\\"\"}"},
	/* What is no request, */
	{"x", "{\"ok\":false,\"error\":\"not JSON: '[' or '{' expected near 'x', byte 1\"}"},
	{"{",
	 "{\"ok\":false,\"error\":\"not JSON: string or '}' expected near end of file, byte 1\"}"},
	{"[1]", "{\"ok\":false,\"error\":\"not a JSON object\"}"},
	{"{}", "{\"ok\":false,\"error\":\"\\\"request\\\" is missing, or not a text\"}"},
	{"{\"request\":1,\"id\":2}",
	 "{\"ok\":false,\"id\":2,\"error\":\"\\\"request\\\" is missing, or not a text\"}"},
	{"{\"request\":\"paus\"}",
	 "{\"ok\":false,\"error\":\"paus: not a request; did you mean pause?\"}"},
	{"{\"request\":\"launch\",\"id\":3}",
	 "{\"ok\":false,\"id\":3,\"error\":\"launch: not a request\"}"},
	{"{\"request\":\"quit\",\"request\":\"pause\"}",
	 "{\"ok\":false,\"error\":\"not JSON: duplicate object key near '\\\"request\\\"', byte "
	 "27\"}"},
	{"{\"request\":\"pause\",\"id\":1.5}",
	 "{\"ok\":false,\"error\":\"id should be a text or a whole number\"}"},
	{"{\"request\":\"pause\",\"id\":null}",
	 "{\"ok\":false,\"error\":\"id should be a text or a whole number\"}"},
	/* what says too much, and what says it wrongly. */
	{"{\"request\":\"pause\",\"now\":true}",
	 "{\"ok\":false,\"error\":\"pause: 'now' is not known to it\"}"},
	{"{\"request\":\"quit\",\"status\":256}",
	 "{\"ok\":false,\"error\":\"quit: status should be a number from 0 to 255\"}"},
	{"{\"request\":\"quit\",\"status\":-1}",
	 "{\"ok\":false,\"error\":\"quit: status should be a number from 0 to 255\"}"},
	{"{\"request\":\"quit\",\"status\":\"1\"}",
	 "{\"ok\":false,\"error\":\"quit: status should be a number from 0 to 255\"}"},
	{"{\"request\":\"quit\",\"status\":99999999999999999999}",
	 "{\"ok\":false,\"error\":\"not JSON: too big integer near '99999999999999999999', "
	 "byte 47\"}"},
};

START_TEST(test_exchange)
{
	check(exchanges[_i].request, exchanges[_i].reply);
	ck_assert(!session.closing && !session.dropped);
	ck_assert_int_eq(fake.status, -1);
}
END_TEST

START_TEST(test_quit)
{
	check("{\"request\":\"quit\"}", "{\"ok\":true,\"state\":\"running\"}");
	ck_assert_int_eq(fake.status, 0);
	check("{\"request\":\"quit\",\"status\":255}", "{\"ok\":true,\"state\":\"running\"}");
	ck_assert_int_eq(fake.status, 255);
}
END_TEST

START_TEST(test_sizes)
{
	check("{\"request\":\"balloon\",\"size\":\"1G+4K\"}",
	      "{\"ok\":true,\"state\":\"running\"}");
	ck_assert_uint_eq(fake.number, (1 << 30) + 4096);
	check("{\"request\":\"disk-resize\",\"size\":4096,\"disk\":\"disk0\"}",
	      "{\"ok\":true,\"state\":\"running\"}");
	ck_assert_uint_eq(fake.number, 4096);
	ck_assert_str_eq(fake.text, "disk0");
}
END_TEST

/* All that the table has, by its name. */
START_TEST(test_every_request)
{
	for (size_t i = 0; i < CTL_REQUESTS; i++) {
		char line[128];

		snprintf(line, sizeof(line), "{\"request\":\"%s\"}\n", ctl_requests[i].name);
		send_text(line);
		ck_assert_int_eq(strncmp(take(), "{\"ok\":true", 10), 0);
		ck_assert_uint_eq(fake.calls[i], i != CTL_SUBSCRIBE);
		session.stream = NULL;
	}
}
END_TEST

START_TEST(test_refused)
{
	fake.refuse = true;
	check("{\"request\":\"reset\",\"id\":\"x\"}",
	      "{\"ok\":false,\"id\":\"x\",\"error\":\"reset: not now\"}");
}
END_TEST

START_TEST(test_raw)
{
	fake.raw_bytes = 3;
	check("{\"request\":\"status\",\"id\":1}",
	      "{\"ok\":true,\"id\":1,\"state\":\"running\",\"raw\":\"xxx\"}");
	fake.raw_bytes = CONTROL_REPLY_MAX;
	check("{\"request\":\"status\",\"id\":2}",
	      "{\"ok\":false,\"id\":2,\"error\":\"the answer is too long\"}");
}
END_TEST

/* --- pieces ------------------------------------------------------------------------------------- */

/* Cut anywhere, a request is the same request. */
START_TEST(test_fragments)
{
	static const char text[] = "\n\r\n{\"request\":\"pause\",\"id\":1}\n";

	for (size_t cut = 0; cut < sizeof(text) - 1; cut++) {
		ck_assert_uint_eq(control_session_receive(&session, text, cut), cut);
		ck_assert_str_eq(take(), "");
		send_text(text + cut);
		ck_assert_str_eq(take(), "{\"ok\":true,\"id\":1,\"state\":\"paused\"}\n");
	}
	for (size_t i = 0; i < sizeof(text) - 1; i++) {
		ck_assert_str_eq(take(), "");
		ck_assert_uint_eq(control_session_receive(&session, text + i, 1), 1);
	}
	ck_assert_str_eq(take(), "{\"ok\":true,\"id\":1,\"state\":\"paused\"}\n");
	ck_assert_uint_eq(fake.calls[CTL_PAUSE], sizeof(text));
}
END_TEST

/* The next request is not looked at before the answer to the last has gone. */
START_TEST(test_one_at_a_time)
{
	static const char two[] = "{\"request\":\"pause\"}\n{\"request\":\"resume\"}\n";
	size_t first = control_session_receive(&session, two, sizeof(two) - 1), len;

	ck_assert_uint_eq(first, 20);
	ck_assert_uint_eq(control_session_receive(&session, two + first, sizeof(two) - 1 - first), 0);
	control_session_output(&session, &len);
	control_session_sent(&session, len - 1);
	ck_assert_uint_eq(control_session_receive(&session, two + first, sizeof(two) - 1 - first), 0);
	control_session_sent(&session, 1);
	send_text(two + first);
	ck_assert_str_eq(take(), "{\"ok\":true,\"state\":\"running\"}\n");
}
END_TEST

/* --- what only hurts ------------------------------------------------------------------------------ */

static char line[CONTROL_REQUEST_MAX + 64];

/* A line of @len bytes that begins with @text. */
static size_t send_padded(const char *text, size_t len)
{
	memset(line, ' ', sizeof(line));
	memcpy(line, text, strlen(text));
	line[len] = '\n';
	return control_session_receive(&session, line, len + 1);
}

START_TEST(test_too_long)
{
	static const char status[] = "{\"request\":\"status\"}";

	ck_assert_uint_eq(send_padded(status, CONTROL_REQUEST_MAX), CONTROL_REQUEST_MAX + 1);
	ck_assert_str_eq(take(), "{\"ok\":true,\"state\":\"running\"}\n");
	ck_assert(!session.closing);
	send_padded(status, CONTROL_REQUEST_MAX + 1);
	ck_assert_str_eq(take(), "{\"ok\":false,\"error\":\"the request is too long\"}\n");
	ck_assert(session.closing);
	ck_assert_uint_eq(control_session_receive(&session, "x", 1), 0);
	ck_assert_uint_eq(fake.calls[CTL_STATUS], 1);
}
END_TEST

/* Without an end of a line it is not too long before it is. */
START_TEST(test_endless)
{
	memset(line, 'x', sizeof(line));
	ck_assert_uint_eq(control_session_receive(&session, line, CONTROL_REQUEST_MAX),
			  CONTROL_REQUEST_MAX);
	ck_assert_str_eq(take(), "");
	ck_assert_uint_eq(control_session_receive(&session, "x", 1), 0);
	ck_assert_str_eq(take(), "{\"ok\":false,\"error\":\"the request is too long\"}\n");
	ck_assert(session.closing);
}
END_TEST

static void check_is_error(const char *bytes, size_t len)
{
	json_t *reply;

	ck_assert_uint_eq(control_session_receive(&session, bytes, len), len);
	ck_assert_int_eq(strncmp(take(), "{\"ok\":false,\"error\":\"", 21), 0);
	reply = json_loads(said, 0, NULL);
	ck_assert_ptr_nonnull(json_object_get(reply, "error"));
	json_decref(reply);
	ck_assert(!session.closing && !session.dropped);
}

START_TEST(test_garbage)
{
	struct test_random random = test_random_new(1);

	check_is_error("\xff\xfe\n", 3);
	check_is_error("{\"request\":\"\xc3\x28\"}\n", 17);
	check_is_error("{\"request\":\"a\0b\"}\n", 18);
	check_is_error("{\"request\":\"\\u0000\"}\n", 21);
	check_is_error("\0\n", 2);
	for (unsigned int round = 0; round < 2000; round++) {
		size_t len = 1 + test_random_below(&random, 60);

		for (size_t i = 0; i < len; i++)
			line[i] = (char)test_random(&random);
		line[len] = '\n';
		/* However many lines it was. */
		for (size_t at = 0; at <= len; take())
			at += control_session_receive(&session, line + at, len + 1 - at);
	}
	check("{\"request\":\"status\"}", "{\"ok\":true,\"state\":\"running\"}");
}
END_TEST

START_TEST(test_deep)
{
	memset(line, '[', CONTROL_REQUEST_MAX);
	line[CONTROL_REQUEST_MAX] = '\n';
	check_is_error(line, CONTROL_REQUEST_MAX + 1);
	memset(line + CONTROL_REQUEST_MAX / 2, ']', CONTROL_REQUEST_MAX / 2);
	check_is_error(line, CONTROL_REQUEST_MAX + 1);
}
END_TEST

/* What a name that is too long for a report is cut to is text, too. */
START_TEST(test_long_name)
{
	size_t len = (size_t)snprintf(line, sizeof(line), "{\"request\":\"");

	for (unsigned int i = 0; i < 700; i++)
		len += (size_t)snprintf(line + len, sizeof(line) - len, "\xc3\xa4");
	len += (size_t)snprintf(line + len, sizeof(line) - len, "\"}\n");
	check_is_error(line, len);
	line[12] = 'x';
	line[13] = 'y';
	check_is_error(line, len);
}
END_TEST

/* --- events --------------------------------------------------------------------------------------- */

START_TEST(test_events)
{
	control_session_event(&session, "paused", -1);
	ck_assert_str_eq(take(), "");
	check("{\"request\":\"subscribe\"}", "{\"ok\":true}");
	control_session_event(&session, "paused", -1);
	control_session_event(&session, "ended", 3);
	ck_assert_str_eq(take(), "{\"event\":\"paused\"}\n{\"event\":\"ended\",\"status\":3}\n");
}
END_TEST

/* Who does not read them is dropped before they fill the memory. */
START_TEST(test_unread_events)
{
	size_t len;

	check("{\"request\":\"subscribe\"}", "{\"ok\":true}");
	for (unsigned int i = 0; i < 100000 && !session.dropped; i++)
		control_session_event(&session, "paused", -1);
	ck_assert(session.dropped);
	control_session_output(&session, &len);
	ck_assert_uint_lt(len, CONTROL_EVENTS_MAX + 100);
}
END_TEST

/* --- descriptors ----------------------------------------------------------------------------------- */

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

START_TEST(test_descriptors)
{
	int first = open("/dev/null", O_RDONLY | O_CLOEXEC), second = dup(first);

	control_session_take_fd(&session, first);
	control_session_take_fd(&session, second);
	ck_assert(!is_open(first) && is_open(second));
	control_session_end(&session);
	ck_assert(!is_open(second));
}
END_TEST

/* --- the socket: several clients, all of one thread ------------------------------------------------- */

static struct loop *loop;
static struct control_server *server;
static char directory[] = "/tmp/test-control.XXXXXX", path[64];

static void open_server(void)
{
	struct report report;

	setup();
	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/control", directory);
	loop = loop_new();
	ck_assert_msg(control_server_open(path, loop, &control_fake_ops, &fake, &server, &report) == 0,
		      "%s", report.text);
}

static void close_server(void)
{
	control_server_close(server);
	loop_free(loop);
	/* The socket is gone. */
	ck_assert_int_eq(rmdir(directory), 0);
}

/* Until nothing more happens. */
static void settle(void)
{
	for (unsigned int i = 0; i < 200; i++)
		ck_assert_int_eq(loop_turn(loop, 0), 0);
}

static int come(void)
{
	int fd = unix_connect(path);

	ck_assert_int_ge(fd, 0);
	settle();
	return fd;
}

/* What has come, or "(end)". */
static const char *heard(int fd)
{
	ssize_t len = recv(fd, said, sizeof(said) - 1, MSG_DONTWAIT);

	if (len == 0 || (len < 0 && errno == ECONNRESET))
		return "(end)";
	said[len < 0 ? 0 : len] = '\0';
	return said;
}

static void say(int fd, const char *text)
{
	ck_assert_int_eq(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
	settle();
}

START_TEST(test_clients)
{
	struct stat st;
	int one = come(), two = come();

	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_mode & 0777, 0600);
	say(one, "{\"request\":\"subscribe\"}\n{\"request\":\"pa");
	say(two, "{\"request\":\"status\",\"id\":2}\n");
	ck_assert_str_eq(heard(two), "{\"ok\":true,\"id\":2,\"state\":\"running\"}\n");
	say(one, "use\"}\n{\"request\":\"status\"}\n{\"request\":\"status\"}\n");
	ck_assert_str_eq(heard(one), "{\"ok\":true}\n{\"ok\":true,\"state\":\"paused\"}\n"
				     "{\"ok\":true,\"state\":\"paused\"}\n"
				     "{\"ok\":true,\"state\":\"paused\"}\n");
	control_server_tell(server, "paused", -1);
	settle();
	ck_assert_str_eq(heard(one), "{\"event\":\"paused\"}\n");
	ck_assert_str_eq(heard(two), "");
	close(two);
	/* Who says no more still hears. */
	say(one, "{\"request\":\"resume\"}\n");
	shutdown(one, SHUT_WR);
	settle();
	ck_assert_str_eq(heard(one), "{\"ok\":true,\"state\":\"running\"}\n");
	ck_assert_str_eq(heard(one), "(end)");
	close(one);
	close_server();
}
END_TEST

/* A place is for who uses it. */
START_TEST(test_full)
{
	int fds[CONTROL_CLIENTS_MAX], more;

	for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
		fds[i] = come();
	more = come();
	ck_assert_str_eq(heard(more),
			 "{\"ok\":false,\"error\":\"there are as many clients as can be\"}\n");
	ck_assert_str_eq(heard(more), "(end)");
	close(more);
	close(fds[3]);
	settle();
	fds[3] = come();
	say(fds[3], "{\"request\":\"status\"}\n");
	ck_assert_str_eq(heard(fds[3]), "{\"ok\":true,\"state\":\"running\"}\n");
	for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
		close(fds[i]);
	settle();
	close(come());
	close_server();
}
END_TEST

/* Who asks and never reads is not read any more, does not grow, and goes when somebody comes. */
START_TEST(test_never_reads)
{
	static const char request[] = "{\"request\":\"status\"}\n";
	int fds[CONTROL_CLIENTS_MAX], more;
	unsigned int sent = 0, calls;

	for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
		fds[i] = come();
	fake.raw_bytes = 10000;
	while (send(fds[0], request, sizeof(request) - 1, MSG_DONTWAIT | MSG_NOSIGNAL) > 0) {
		settle();
		ck_assert_uint_lt(sent++, 100000);
	}
	ck_assert_int_eq(errno, EAGAIN);
	calls = fake.calls[CTL_STATUS];
	ck_assert_uint_lt(calls, sent);
	settle();
	ck_assert_uint_eq(fake.calls[CTL_STATUS], calls);
	fake.raw_bytes = 0;
	/* The others are served as ever. */
	say(fds[1], request);
	ck_assert_str_eq(heard(fds[1]), "{\"ok\":true,\"state\":\"running\"}\n");
	more = come();
	say(more, request);
	ck_assert_str_eq(heard(more), "{\"ok\":true,\"state\":\"running\"}\n");
	while (strcmp(heard(fds[0]), "(end)") != 0)
		continue;
	close_server();
}
END_TEST

START_TEST(test_unread_at_the_socket)
{
	int fd = come();

	say(fd, "{\"request\":\"subscribe\"}\n");
	for (unsigned int i = 0; i < 200000; i++)
		control_server_tell(server, "paused", -1);
	settle();
	while (strcmp(heard(fd), "(end)") != 0)
		continue;
	close_server();
}
END_TEST

/* A flood is a request a turn: others have theirs between. */
START_TEST(test_flood)
{
	static const char flood[] = "{\"request\":\"status\"}\n{\"request\":\"status\"}\n"
				    "{\"request\":\"status\"}\n{\"request\":\"status\"}\n";
	int fd = come();

	ck_assert_int_eq(send(fd, flood, sizeof(flood) - 1, 0), sizeof(flood) - 1);
	for (unsigned int i = 1; i <= 4; i++) {
		loop_turn(loop, 0);
		ck_assert_uint_eq(fake.calls[CTL_STATUS], i);
	}
	close_server();
}
END_TEST

/* Cut at every byte, and closed there. */
START_TEST(test_closed_in_the_middle)
{
	static const char request[] = "{\"request\":\"pause\",\"id\":\"x\"}\n";

	for (size_t cut = 0; cut < sizeof(request); cut++) {
		int fd = come();

		ck_assert_int_eq(send(fd, request, cut, 0), (ssize_t)cut);
		close(fd);
		settle();
	}
	ck_assert_uint_eq(fake.calls[CTL_PAUSE], 1);
	close_server();
}
END_TEST

static void pass(int fd, const char *text, const int *fds, size_t count)
{
	union {
		char bytes[CMSG_SPACE(8 * sizeof(int))];
		struct cmsghdr header;
	} control = {{0}};
	struct iovec iov = {(void *)(uintptr_t)text, strlen(text)};
	struct msghdr message = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = CMSG_SPACE(count * sizeof(int)),
	};

	control.header = (struct cmsghdr){CMSG_LEN(count * sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
	memcpy(CMSG_DATA(&control.header), fds, count * sizeof(int));
	ck_assert_int_eq(sendmsg(fd, &message, 0), (ssize_t)iov.iov_len);
	settle();
}

static unsigned int count_open(void)
{
	unsigned int count = 0;

	for (int fd = 0; fd < 200; fd++)
		count += is_open(fd);
	return count;
}

/* Descriptors that nobody asked for do not stay open. */
START_TEST(test_passed_descriptors)
{
	const int fds[8] = {0, 1, 2, 0, 1, 2, 0, 1};
	int fd = come();
	unsigned int before = count_open();

	for (unsigned int i = 0; i < 100; i++)
		pass(fd, "{\"request\":\"status\"}\n", fds, 8);
	ck_assert_uint_le(count_open(), before + 1);
	pass(fd, "{\"request\":\"net-attach\"}\n", fds, 1);
	ck_assert_uint_eq(fake.taken_fds, 1);
	ck_assert_uint_eq(count_open(), before);
	close(fd);
	settle();
	close_server();
}
END_TEST

/* The connection becomes something else, with what came behind the request. */
START_TEST(test_becomes)
{
	int fd = come();

	say(fd, "{\"request\":\"console-attach\",\"id\":1}\nlogin");
	ck_assert_str_eq(heard(fd), "{\"ok\":true,\"id\":1,\"state\":\"running\"}\nlogin");
	ck_assert_str_eq(heard(fd), "(end)");
	close(fd);
	close(come());
	close_server();
}
END_TEST

static const struct {
	const char *spec, *error;
} wrong_specs[] = {
	{"fd:x", "--control fd:x: a descriptor is fd:N, for example fd:3"},
	{"fd:", "--control fd:: a descriptor is fd:N, for example fd:3"},
	{"fd:0x1", "--control fd:0x1: a descriptor is fd:N, for example fd:3"},
	{"fd:199", "--control fd:199: not a UNIX stream socket that listens"},
	{"/nowhere/at/all",
	 "--control: cannot create the socket '/nowhere/at/all': No such file or "
	 "directory"},
	{"/dev/null", "--control: '/dev/null' exists and is not a socket; it is not replaced"},
};

START_TEST(test_wrong_spec)
{
	struct control_server *other;
	struct report report;

	ck_assert_int_eq(control_server_open(wrong_specs[_i].spec, loop, &control_fake_ops, &fake,
					     &other, &report),
			 -1);
	ck_assert_str_eq(report.text, wrong_specs[_i].error);
	ck_assert_int_eq(report.status, REPORT_USER);
	control_server_close(other);
	close_server();
}
END_TEST

Suite *suite_control(void)
{
	Suite *suite = suite_create("control");
	TCase *tc = tcase_create("control");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, test_exchange, 0, sizeof(exchanges) / sizeof(exchanges[0]));
	tcase_add_test(tc, test_quit);
	tcase_add_test(tc, test_sizes);
	tcase_add_test(tc, test_every_request);
	tcase_add_test(tc, test_refused);
	tcase_add_test(tc, test_raw);
	tcase_add_test(tc, test_fragments);
	tcase_add_test(tc, test_one_at_a_time);
	tcase_add_test(tc, test_too_long);
	tcase_add_test(tc, test_endless);
	tcase_add_test(tc, test_garbage);
	tcase_add_test(tc, test_deep);
	tcase_add_test(tc, test_long_name);
	tcase_add_test(tc, test_events);
	tcase_add_test(tc, test_unread_events);
	tcase_add_test(tc, test_descriptors);
	suite_add_tcase(suite, tc);
	tc = tcase_create("control-socket");
	tcase_add_checked_fixture(tc, open_server, NULL);
	tcase_add_test(tc, test_clients);
	tcase_add_test(tc, test_full);
	tcase_add_test(tc, test_never_reads);
	tcase_add_test(tc, test_unread_at_the_socket);
	tcase_add_test(tc, test_flood);
	tcase_add_test(tc, test_closed_in_the_middle);
	tcase_add_test(tc, test_passed_descriptors);
	tcase_add_test(tc, test_becomes);
	tcase_add_loop_test(tc, test_wrong_spec, 0, sizeof(wrong_specs) / sizeof(wrong_specs[0]));
	suite_add_tcase(suite, tc);
	return suite;
}
