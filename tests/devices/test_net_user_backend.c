/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The user-mode network's words, what it says to wrong ones and to ports that are taken, and when
 * it calls its handler.
 */
#include <dlfcn.h>
#include <errno.h>
#include <linux/virtio_net.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "devices/net.h"
#include "tests/devices/net-guest.h"
#include "tests/devices/net-host.h"
#include "tests/devices/suites.h"

#define HEADER sizeof(struct virtio_net_hdr_v1)

#define NEED_BACKEND()                                           \
	do {                                                     \
		if (!&net_user_type)                             \
			TEST_SKIP("built without libslirp-dev"); \
	} while (0)

static struct loop *loop;

static void set_up(void)
{
	loop = loop_new();
	ck_assert_ptr_nonnull(loop);
}

static void tear_down(void)
{
	loop_free(loop);
}

static int open_words(const char *words, struct net_backend **backend, struct report *report)
{
	char *copy = strdup(words);
	int err = net_user_type.open("--net", copy, loop, backend, report);

	free(copy);
	return err;
}

/* The words must fail with @status and exactly the text that follows. */
static void refused(const char *words, enum report_status status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void refused(const char *words, enum report_status status, const char *format, ...)
{
	struct net_backend *backend = NULL;
	struct report report = {0};
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	ck_assert_int_eq(open_words(words, &backend, &report), -1);
	ck_assert_str_eq(report.text, text);
	ck_assert_int_eq(report.status, status);
	ck_assert_ptr_null(backend);
}

/* --- words ------------------------------------------------------------------------------------- */

static const char *const bad_shapes[] = {"",          "tcp",          "tcp:2222-:22",
					 "tcp::2222", "tcp::2222-22", "-"};

START_TEST(forwards_of_a_wrong_shape)
{
	char word[64];

	NEED_BACKEND();
	snprintf(word, sizeof(word), "hostfwd=%s", bad_shapes[_i]);
	refused(word, REPORT_USER,
		"--net: hostfwd '%s': right is tcp|udp:[HOSTADDR]:HOSTPORT-[GUESTADDR]:GUESTPORT, "
		"as in tcp::2222-:22",
		bad_shapes[_i]);
}
END_TEST

START_TEST(forwards_of_no_protocol)
{
	NEED_BACKEND();
	refused("hostfwd=sctp::2222-:22", REPORT_USER,
		"--net: hostfwd 'sctp::2222-:22': 'sctp' is neither tcp nor udp");
	refused("hostfwd=::2222-:22", REPORT_USER,
		"--net: hostfwd '::2222-:22': '' is neither tcp nor udp");
}
END_TEST

static const char *const bad_ports[] = {"0",    "65536", "",    "22x", "-1",
					"0x16", "+5",    " 22", "ssh", "18446744073709551638"};

START_TEST(forwards_of_no_port)
{
	char word[64];

	NEED_BACKEND();
	/* A dash ends the host's half, so what is behind it is the guest's, and it is wrong too. */
	if (bad_ports[_i][0] != '-') {
		snprintf(word, sizeof(word), "hostfwd=tcp::%s-:22", bad_ports[_i]);
		refused(word, REPORT_USER,
			"--net: hostfwd '%s': port '%s' is not a number from 1 to 65535", word + 8,
			bad_ports[_i]);
	}
	snprintf(word, sizeof(word), "hostfwd=udp::22-:%s", bad_ports[_i]);
	refused(word, REPORT_USER, "--net: hostfwd '%s': port '%s' is not a number from 1 to 65535",
		word + 8, bad_ports[_i]);
}
END_TEST

START_TEST(forwards_of_no_address)
{
	NEED_BACKEND();
	refused("hostfwd=tcp:localhost:2222-:22", REPORT_USER,
		"--net: hostfwd 'tcp:localhost:2222-:22': 'localhost' is not an IPv4 address");
	refused("hostfwd=tcp:127.0.0.256:2222-:22", REPORT_USER,
		"--net: hostfwd 'tcp:127.0.0.256:2222-:22': '127.0.0.256' is not an IPv4 address");
	refused("hostfwd=tcp::2222-10.0.2:22", REPORT_USER,
		"--net: hostfwd 'tcp::2222-10.0.2:22': '10.0.2' is not an IPv4 address");
}
END_TEST

/* Of the guest's network are the addresses that a guest can have, wherever the word for it stands. */
START_TEST(forwards_to_another_network)
{
	NEED_BACKEND();
	refused("hostfwd=tcp::2222-10.0.3.15:22", REPORT_USER,
		"--net: hostfwd 'tcp::2222-10.0.3.15:22': the guest's address is not one from .4 "
		"on "
		"of its network 10.0.2.0/24");
	refused("hostfwd=tcp::2222-10.0.2.2:22", REPORT_USER,
		"--net: hostfwd 'tcp::2222-10.0.2.2:22': the guest's address is not one from .4 on "
		"of "
		"its network 10.0.2.0/24");
	refused("hostfwd=tcp::2222-10.0.2.255:22", REPORT_USER,
		"--net: hostfwd 'tcp::2222-10.0.2.255:22': the guest's address is not one from .4 "
		"on "
		"of its network 10.0.2.0/24");
	refused("hostfwd=udp::2222-10.0.2.15:22,net=192.168.4.0/27", REPORT_USER,
		"--net: hostfwd 'udp::2222-10.0.2.15:22': the guest's address is not one from .4 "
		"on "
		"of its network 192.168.4.0/27");
}
END_TEST

static const char *const bad_networks[] = {
	"",           "10.0.2.0",    "10.0.2/24",    "/24",    "10.0.2.0/",
	"10.0.2.0/7", "10.0.2.0/28", "10.0.2.0/24x", "net/24", "100.100.100.1000/24"};

START_TEST(networks_of_a_wrong_shape)
{
	char word[64];

	NEED_BACKEND();
	snprintf(word, sizeof(word), "net=%s", bad_networks[_i]);
	refused(word, REPORT_USER,
		"--net: net '%s': right is ADDRESS/BITS with 8 to 27 bits, as in 10.0.2.0/24",
		bad_networks[_i]);
}
END_TEST

START_TEST(networks_that_are_none)
{
	NEED_BACKEND();
	refused("net=10.0.2.1/24", REPORT_USER,
		"--net: net '10.0.2.1/24': not the address of a network, bits behind the first 24 "
		"are "
		"set");
	refused("net=127.0.0.0/8", REPORT_USER,
		"--net: net '127.0.0.0/8': no guest can have an address there");
	refused("net=224.0.0.0/24", REPORT_USER,
		"--net: net '224.0.0.0/24': no guest can have an address there");
	refused("net=0.0.0.0/24", REPORT_USER,
		"--net: net '0.0.0.0/24': no guest can have an address there");
}
END_TEST

START_TEST(words_that_are_none)
{
	NEED_BACKEND();
	refused("restrict=yes", REPORT_USER, "--net: restrict 'yes' is neither on nor off");
	refused("hostfw=tcp::1-:1", REPORT_USER,
		"--net: 'hostfw=tcp::1-:1': unknown word; did you mean hostfwd=?");
	refused("", REPORT_USER,
		"--net: '': unknown word, known are "
		"hostfwd=tcp|udp:[ADDR]:PORT-[ADDR]:PORT, net=ADDR/BITS and restrict=on|off");
}
END_TEST

/* --- the host ---------------------------------------------------------------------------------- */

#define NEED_LIBRARY()                                                           \
	do {                                                                     \
		void *handle = dlopen("libslirp.so.0", RTLD_NOW);                \
                                                                                 \
		NEED_BACKEND();                                                  \
		if (!handle)                                                     \
			TEST_SKIP("libslirp.so.0 cannot be loaded (libslirp0)"); \
		dlclose(handle);                                                 \
	} while (0)

START_TEST(tcp_port_that_is_taken)
{
	const uint16_t free_port = net_host_free_port(SOCK_STREAM);
	char words[128];
	uint16_t port;
	int listener = net_host_listen(&port), fd;

	NEED_LIBRARY();
	snprintf(words, sizeof(words), "hostfwd=tcp::%u-:80,hostfwd=tcp::%u-:22", free_port, port);
	refused(words, REPORT_HOST,
		"--net: hostfwd 'tcp::%u-:22': cannot take TCP port %u of 127.0.0.1: Address "
		"already in "
		"use",
		port, port);
	/* What was taken before it is free again. */
	fd = net_host_bind(SOCK_STREAM, free_port);
	ck_assert_int_ge(fd, 0);
	close(fd);
	close(listener);
}
END_TEST

START_TEST(udp_port_that_is_taken)
{
	char words[128];
	uint16_t port;
	int fd = net_host_udp(&port);

	NEED_LIBRARY();
	snprintf(words, sizeof(words), "hostfwd=udp::%u-:7", port);
	refused(words, REPORT_HOST,
		"--net: hostfwd 'udp::%u-:7': cannot take UDP port %u of 127.0.0.1: Address "
		"already in "
		"use",
		port, port);
	close(fd);
	/* Nor is it for two forwards of one monitor. */
	snprintf(words, sizeof(words), "hostfwd=udp::%u-:7,hostfwd=udp::%u-:8", port, port);
	refused(words, REPORT_HOST,
		"--net: hostfwd 'udp::%u-:8': cannot take UDP port %u of 127.0.0.1: Address "
		"already in "
		"use",
		port, port);
}
END_TEST

START_TEST(address_that_is_not_the_hosts)
{
	NEED_LIBRARY();
	refused("hostfwd=tcp:192.0.2.1:2222-:22", REPORT_USER,
		"--net: hostfwd 'tcp:192.0.2.1:2222-:22': cannot take TCP port 2222 of 192.0.2.1: "
		"Cannot assign requested address");
	refused("hostfwd=udp:192.0.2.1:2222-:22", REPORT_USER,
		"--net: hostfwd 'udp:192.0.2.1:2222-:22': cannot take UDP port 2222 of 192.0.2.1: "
		"Cannot assign requested address");
}
END_TEST

/* --- the handler ------------------------------------------------------------------------------- */

static struct {
	struct net_backend *backend;
	pthread_t thread;
	unsigned int readable, writable; /* atomic: how often they were called */
	bool take;                       /* atomic: whether readable() takes a frame */
} user;

static void on_readable(void *arg, unsigned int pair)
{
	static uint8_t frame[HEADER + NET_GUEST_FRAME];
	const struct iovec iov = {frame, sizeof(frame)};

	ck_assert_ptr_eq(arg, &user);
	ck_assert_uint_eq(pair, 0);
	__atomic_fetch_add(&user.readable, 1, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&user.take, __ATOMIC_SEQ_CST))
		user.backend->ops->receive(user.backend, 0, &iov, 1);
	else
		user.backend->ops->want(user.backend, 0, false);
}

static void on_writable(void *arg, unsigned int pair)
{
	ck_assert_ptr_eq(arg, &user);
	ck_assert_uint_eq(pair, 0);
	__atomic_fetch_add(&user.writable, 1, __ATOMIC_SEQ_CST);
}

static void on_link(void *arg, bool up)
{
	ck_abort_msg("link %d of %p", up, arg);
}

static void *run_loop(void *arg)
{
	loop_run(arg);
	return NULL;
}

static void start(void)
{
	const struct net_handler handler = {on_readable, on_writable, on_link, &user};
	struct report report = {0};

	ck_assert_msg(!net_user_type.open("--net", NULL, loop, &user.backend, &report), "%s",
		      report.text);
	user.backend->ops->set_handler(user.backend, &handler);
	ck_assert_int_eq(pthread_create(&user.thread, NULL, run_loop, loop), 0);
}

static void stop(void)
{
	loop_stop(loop, 0);
	pthread_join(user.thread, NULL);
	user.backend->ops->close(user.backend);
}

static void await(const unsigned int *count, unsigned int least)
{
	uint64_t deadline = net_deadline(20000);

	while (__atomic_load_n(count, __ATOMIC_SEQ_CST) < least) {
		ck_assert_uint_lt(net_deadline(0), deadline);
		usleep(500);
	}
}

/* An ARP request for the host, which is answered with a frame. */
static ssize_t send_request(size_t len)
{
	static const uint8_t request[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x52, 0x54, 0, 1,  2,
					  3,    8,    6,    0,    1,    8,    0,    6,    4, 0,  1,
					  0x52, 0x54, 0,    1,    2,    3,    10,   0,    2, 15, 0,
					  0,    0,    0,    0,    0,    10,   0,    2,    2};
	uint8_t frame[HEADER + NET_GUEST_FRAME] = {0};
	const struct iovec iov = {frame, HEADER + len};

	memcpy(frame + HEADER, request, sizeof(request));
	return user.backend->ops->send(user.backend, 0, &iov, 1);
}

START_TEST(reading_is_asked_for_and_stopped)
{
	unsigned int count;

	NEED_LIBRARY();
	start();
	ck_assert_int_eq(send_request(42), HEADER + 42);
	ck_assert_int_eq(send_request(42), HEADER + 42);
	usleep(50000);
	ck_assert_uint_eq(__atomic_load_n(&user.readable, __ATOMIC_SEQ_CST), 0);
	user.backend->ops->want(user.backend, 0, true);
	await(&user.readable, 1);
	/* It did not take the frames but said that it wants none. */
	usleep(50000);
	count = __atomic_load_n(&user.readable, __ATOMIC_SEQ_CST);
	ck_assert_uint_le(count, 1);
	__atomic_store_n(&user.take, true, __ATOMIC_SEQ_CST);
	user.backend->ops->want(user.backend, 0, true);
	await(&user.readable, count + 2);
	/* And without frames there is nothing to say. */
	usleep(50000);
	ck_assert_uint_eq(__atomic_load_n(&user.readable, __ATOMIC_SEQ_CST), count + 2);
	stop();
}
END_TEST

START_TEST(writing_goes_on_when_there_is_room)
{
	uint64_t deadline = net_deadline(60000);

	NEED_LIBRARY();
	__atomic_store_n(&user.take, true, __ATOMIC_SEQ_CST);
	start();
	user.backend->ops->want(user.backend, 0, true);
	while (send_request(NET_GUEST_FRAME) > 0)
		ck_assert_uint_lt(net_deadline(0), deadline);
	ck_assert_int_eq(errno, EAGAIN);
	await(&user.writable, 1);
	usleep(50000);
	ck_assert_uint_eq(__atomic_load_n(&user.writable, __ATOMIC_SEQ_CST), 1);
	ck_assert_int_gt(send_request(42), 0);
	stop();
}
END_TEST

START_TEST(what_it_can_do)
{
	NEED_LIBRARY();
	start();
	ck_assert_uint_eq(user.backend->features, 0);
	ck_assert_uint_eq(user.backend->max_pairs, 1);
	ck_assert_uint_eq(user.backend->mtu, 1500);
	ck_assert(user.backend->link_up);
	stop();
}
END_TEST

Suite *net_user_backend_suite(void)
{
	Suite *suite = suite_create("net-user-backend");
	TCase *tcase = tcase_create("net-user-backend");

	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_loop_test(tcase, forwards_of_a_wrong_shape, 0,
			    sizeof(bad_shapes) / sizeof(*bad_shapes));
	tcase_add_test(tcase, forwards_of_no_protocol);
	tcase_add_loop_test(tcase, forwards_of_no_port, 0, sizeof(bad_ports) / sizeof(*bad_ports));
	tcase_add_test(tcase, forwards_of_no_address);
	tcase_add_test(tcase, forwards_to_another_network);
	tcase_add_loop_test(tcase, networks_of_a_wrong_shape, 0,
			    sizeof(bad_networks) / sizeof(*bad_networks));
	tcase_add_test(tcase, networks_that_are_none);
	tcase_add_test(tcase, words_that_are_none);
	tcase_add_test(tcase, tcp_port_that_is_taken);
	tcase_add_test(tcase, udp_port_that_is_taken);
	tcase_add_test(tcase, address_that_is_not_the_hosts);
	tcase_add_test(tcase, reading_is_asked_for_and_stopped);
	tcase_add_test(tcase, writing_goes_on_when_there_is_room);
	tcase_add_test(tcase, what_it_can_do);
	suite_add_tcase(suite, tcase);
	return suite;
}
