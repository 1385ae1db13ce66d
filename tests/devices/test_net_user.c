/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The user-mode network as a backend: a guest made of frames on it, and programs of the host beside
 * it. Its words and whom it calls when are test_net_user_backend.c's.
 */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_net.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include "devices/net.h"
#include "tests/devices/net-guest.h"
#include "tests/devices/net-host.h"
#include "tests/devices/suites.h"

#define HEADER sizeof(struct virtio_net_hdr_v1)

/* A backend and the guest on it. */
struct wire {
	struct net_link link;
	struct loop *loop; /* which does not run: the test asks again and again */
	struct net_backend *backend;
	struct net_guest guest;
};

static struct wire wire;

/* Leave the test where user-mode networking is not. */
#define NEED_LIBRARY()                                                           \
	do {                                                                     \
		void *handle = dlopen("libslirp.so.0", RTLD_NOW);                \
                                                                                 \
		if (!&net_user_type)                                             \
			TEST_SKIP("built without libslirp-dev");                 \
		if (!handle)                                                     \
			TEST_SKIP("libslirp.so.0 cannot be loaded (libslirp0)"); \
		dlclose(handle);                                                 \
	} while (0)

static void send_frame(struct net_link *link, const void *frame, size_t len)
{
	struct net_backend *backend = ((struct wire *)link)->backend;
	struct virtio_net_hdr_v1 hdr = {0};
	const struct iovec iov[] = {{&hdr, HEADER}, {(void *)frame, len}};
	uint64_t deadline = net_deadline(20000);

	while (backend->ops->send(backend, 0, iov, 2) < 0) {
		ck_assert_int_eq(errno, EAGAIN);
		ck_assert_uint_lt(net_deadline(0), deadline);
		usleep(500);
	}
}

static size_t receive_frame(struct net_link *link, uint8_t *frame)
{
	struct net_backend *backend = ((struct wire *)link)->backend;
	const struct virtio_net_hdr_v1 zeros = {0};
	struct virtio_net_hdr_v1 hdr;
	const struct iovec iov[] = {{&hdr, HEADER}, {frame, NET_GUEST_FRAME}};
	ssize_t len = backend->ops->receive(backend, 0, iov, 2);

	if (len < 0) {
		ck_assert_int_eq(errno, EAGAIN);
		return 0;
	}
	ck_assert_int_gt(len, HEADER);
	ck_assert_mem_eq(&hdr, &zeros, HEADER);
	return (size_t)len - HEADER;
}

static void plug(const char *words)
{
	struct report report = {0};
	char *copy = words ? strdup(words) : NULL;

	wire.link = (struct net_link){send_frame, receive_frame};
	wire.loop = loop_new();
	ck_assert_msg(!net_user_type.open("--net", copy, wire.loop, &wire.backend, &report), "%s",
		      report.text);
	free(copy);
}

/* A guest with an address on 10.0.2.0/24, with the words of "--net user," (NULL: none). */
static void start(const char *words)
{
	plug(words);
	net_guest_init(&wire.guest, &wire.link);
}

static void stop(void)
{
	wire.backend->ops->close(wire.backend);
	loop_free(wire.loop);
}

/* Words with port numbers in them. */
static const char *words(const char *format, ...) __attribute__((format(printf, 1, 2)));

static const char *words(const char *format, ...)
{
	static char text[200];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return text;
}

static uint64_t dropped(void)
{
	return wire.backend->ops->dropped(wire.backend);
}

static uint8_t byte_at(size_t i)
{
	return (uint8_t)(i * 7 + i / 251);
}

/* --- addresses --------------------------------------------------------------------------------- */

START_TEST(dhcp_gives_the_first_address)
{
	NEED_LIBRARY();
	start(NULL);
	net_guest_dhcp(&wire.guest);
	ck_assert_uint_eq(wire.guest.addr, NET_GUEST);
	stop();
}
END_TEST

START_TEST(dhcp_on_another_network)
{
	NEED_LIBRARY();
	plug("net=192.168.7.0/24");
	wire.guest = (struct net_guest){.link = &wire.link, .mac = {2, 0, 0, 0, 0, 1}};
	net_guest_dhcp(&wire.guest);
	ck_assert_uint_eq(wire.guest.addr, 0xc0a8070f);
	stop();
}
END_TEST

START_TEST(arp_is_answered_for_who_is_there)
{
	NEED_LIBRARY();
	start(NULL);
	ck_assert(net_guest_arp(&wire.guest, NET_DNS));
	ck_assert(!net_guest_arp(&wire.guest, 0x0a00024d));
	stop();
}
END_TEST

START_TEST(gateway_answers_a_ping)
{
	NEED_LIBRARY();
	start(NULL);
	ck_assert(net_guest_ping(&wire.guest, NET_HOST, "hello", 5));
	stop();
}
END_TEST

/* --- from the guest ---------------------------------------------------------------------------- */

/* More than all windows and buffers between, each way, and both ends. */
START_TEST(tcp_to_the_host)
{
	uint8_t sent[40000], got[sizeof(sent)];
	struct net_tcp tcp;
	uint16_t port;
	int listener, fd;
	char byte;

	NEED_LIBRARY();
	start(NULL);
	listener = net_host_listen(&port);
	for (size_t i = 0; i < sizeof(sent); i++)
		sent[i] = byte_at(i);
	ck_assert(net_tcp_connect(&tcp, &wire.guest, 40000, NET_HOST, port));
	fd = accept(listener, NULL, NULL);
	ck_assert_int_ge(fd, 0);
	net_tcp_send(&tcp, sent, sizeof(sent));
	net_host_read(fd, got, sizeof(got));
	ck_assert_mem_eq(got, sent, sizeof(sent));
	memset(got, 0, sizeof(got));
	ck_assert_int_eq(write(fd, sent, sizeof(sent)), sizeof(sent));
	net_tcp_read(&tcp, got, sizeof(got));
	ck_assert_mem_eq(got, sent, sizeof(sent));
	net_tcp_end(&tcp);
	ck_assert_int_eq(read(fd, &byte, 1), 0);
	close(fd);
	ck_assert(net_tcp_await_end(&tcp));
	close(listener);
	stop();
}
END_TEST

START_TEST(tcp_the_host_ends_first)
{
	struct net_tcp tcp;
	uint16_t port;
	int listener, fd;
	char got[2];

	NEED_LIBRARY();
	start(NULL);
	listener = net_host_listen(&port);
	ck_assert(net_tcp_connect(&tcp, &wire.guest, 40001, NET_HOST, port));
	fd = accept(listener, NULL, NULL);
	ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
	ck_assert(net_tcp_await_end(&tcp));
	/* The other half is still open. */
	net_tcp_send(&tcp, "ok", 2);
	net_host_read(fd, got, 2);
	ck_assert_mem_eq(got, "ok", 2);
	net_tcp_end(&tcp);
	close(fd);
	close(listener);
	stop();
}
END_TEST

START_TEST(tcp_to_where_nobody_listens)
{
	struct net_tcp tcp;

	NEED_LIBRARY();
	start(NULL);
	ck_assert(!net_tcp_connect(&tcp, &wire.guest, 40002, NET_HOST,
				   net_host_free_port(SOCK_STREAM)));
	ck_assert(tcp.reset);
	stop();
}
END_TEST

START_TEST(udp_to_the_host_and_back)
{
	struct sockaddr_in addr;
	socklen_t addr_len = sizeof(addr);
	uint32_t from;
	uint16_t port, from_port;
	char got[64];
	int fd;

	NEED_LIBRARY();
	start(NULL);
	fd = net_host_udp(&port);
	net_guest_udp(&wire.guest, 5000, NET_HOST, port, "question", 8);
	ck_assert_int_eq(recvfrom(fd, got, sizeof(got), 0, (struct sockaddr *)&addr, &addr_len), 8);
	ck_assert_mem_eq(got, "question", 8);
	ck_assert_int_eq(sendto(fd, "answer", 6, 0, (struct sockaddr *)&addr, addr_len), 6);
	ck_assert_uint_eq(net_guest_udp_take(&wire.guest, 5000, &from, &from_port, got, sizeof(got)),
			  6);
	ck_assert_mem_eq(got, "answer", 6);
	ck_assert_uint_eq(from, NET_HOST);
	ck_assert_uint_eq(from_port, port);
	close(fd);
	stop();
}
END_TEST

/* In a namespace of this test's process, /etc/resolv.conf names a resolver that is the test. */
START_TEST(dns_reaches_the_resolver_of_the_host)
{
	char path[] = "/tmp/test-net-XXXXXX", got[64], name[INET_ADDRSTRLEN];
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(53)};
	const struct timeval patience = {.tv_sec = 20};
	socklen_t addr_len = sizeof(addr);
	uint16_t from_port;
	uint32_t from;
	int file, fd;

	NEED_LIBRARY();
	if (strcmp(test_env("CK_FORK", "yes"), "no") == 0)
		TEST_SKIP("needs a process of its own");
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		TEST_SKIP("no mount namespace: %s", strerror(errno));
	/* Another for each test that runs at the same time. */
	addr.sin_addr.s_addr = htonl(0x7f400000 | ((uint32_t)getpid() & 0x3fffff));
	inet_ntop(AF_INET, &addr.sin_addr, name, sizeof(name));
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr))) {
		close(fd);
		TEST_SKIP("port 53 of %s: %s", name, strerror(errno));
	}
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	file = mkstemp(path);
	ck_assert_int_gt(dprintf(file, "nameserver %s\n", name), 0);
	close(file);
	if (mount(path, "/etc/resolv.conf", NULL, MS_BIND, NULL)) {
		unlink(path);
		close(fd);
		TEST_SKIP("/etc/resolv.conf: %s", strerror(errno));
	}
	start(NULL);
	net_guest_udp(&wire.guest, 5353, NET_DNS, 53, "who is it", 9);
	ck_assert_int_eq(recvfrom(fd, got, sizeof(got), 0, (struct sockaddr *)&addr, &addr_len), 9);
	ck_assert_mem_eq(got, "who is it", 9);
	ck_assert_int_eq(sendto(fd, "it is me", 8, 0, (struct sockaddr *)&addr, addr_len), 8);
	ck_assert_uint_eq(net_guest_udp_take(&wire.guest, 5353, &from, &from_port, got, sizeof(got)),
			  8);
	ck_assert_mem_eq(got, "it is me", 8);
	ck_assert_uint_eq(from, NET_DNS);
	stop();
	umount("/etc/resolv.conf");
	unlink(path);
	close(fd);
}
END_TEST

/* --- forwards ---------------------------------------------------------------------------------- */

START_TEST(tcp_to_the_guest)
{
	const uint16_t ports[] = {net_host_free_port(SOCK_STREAM), net_host_free_port(SOCK_STREAM)};
	struct net_tcp ssh, http;
	int fds[2];
	char got[4], byte;

	NEED_LIBRARY();
	start(words("hostfwd=tcp::%u-:22,hostfwd=tcp:127.0.0.1:%u-10.0.2.15:80", ports[0], ports[1]));
	fds[0] = net_host_connect(ports[0]);
	net_tcp_accept(&ssh, &wire.guest, 22);
	fds[1] = net_host_connect(ports[1]);
	net_tcp_accept(&http, &wire.guest, 80);
	net_tcp_send(&ssh, "SSH-", 4);
	net_host_read(fds[0], got, 4);
	ck_assert_mem_eq(got, "SSH-", 4);
	ck_assert_int_eq(write(fds[1], "GET ", 4), 4);
	net_tcp_read(&http, got, 4);
	ck_assert_mem_eq(got, "GET ", 4);
	close(fds[1]);
	ck_assert(net_tcp_await_end(&http));
	net_tcp_end(&ssh);
	ck_assert_int_eq(read(fds[0], &byte, 1), 0);
	close(fds[0]);
	stop();
}
END_TEST

START_TEST(udp_to_the_guest)
{
	const uint16_t forward = net_host_free_port(SOCK_DGRAM);
	uint16_t port, from_port;
	uint32_t from;
	char got[16];
	int fd;

	NEED_LIBRARY();
	start(words("hostfwd=udp::%u-:7", forward));
	fd = net_host_udp(&port);
	net_host_connect_udp(fd, forward);
	ck_assert_int_eq(send(fd, "ping", 4, 0), 4);
	ck_assert_uint_eq(net_guest_udp_take(&wire.guest, 7, &from, &from_port, got, sizeof(got)), 4);
	ck_assert_mem_eq(got, "ping", 4);
	net_guest_udp(&wire.guest, 7, from, from_port, "pong!", 5);
	ck_assert_int_eq(recv(fd, got, sizeof(got), 0), 5);
	ck_assert_mem_eq(got, "pong!", 5);
	close(fd);
	stop();
}
END_TEST

/* A guest address other than the first of DHCP's. */
START_TEST(forward_to_an_address)
{
	const uint16_t port = net_host_free_port(SOCK_STREAM);
	struct net_tcp tcp;
	int fd;

	NEED_LIBRARY();
	start(words("hostfwd=tcp::%u-10.0.2.50:22", port));
	wire.guest.addr = 0x0a000232;
	fd = net_host_connect(port);
	net_tcp_accept(&tcp, &wire.guest, 22);
	close(fd);
	stop();
}
END_TEST

START_TEST(restricted_guest_is_reached_but_reaches_nobody)
{
	const uint16_t forward = net_host_free_port(SOCK_STREAM);
	const struct timeval moment = {.tv_usec = 200000};
	struct net_tcp tcp;
	uint16_t port;
	char got[5];
	int udp, fd;

	NEED_LIBRARY();
	start(words("restrict=on,hostfwd=tcp::%u-:22", forward));
	udp = net_host_udp(&port);
	setsockopt(udp, SOL_SOCKET, SO_RCVTIMEO, &moment, sizeof(moment));
	net_guest_udp(&wire.guest, 5000, NET_HOST, port, "let me out", 10);
	/* What comes behind it is served, so it was looked at. */
	fd = net_host_connect(forward);
	net_tcp_accept(&tcp, &wire.guest, 22);
	net_tcp_send(&tcp, "hello", 5);
	net_host_read(fd, got, 5);
	ck_assert_int_eq(recv(udp, got, sizeof(got), 0), -1);
	ck_assert_int_eq(errno, EAGAIN);
	close(udp);
	close(fd);
	stop();
}
END_TEST

/* --- limits ------------------------------------------------------------------------------------ */

START_TEST(guest_that_does_not_read_loses_frames)
{
	const uint16_t forward = net_host_free_port(SOCK_DGRAM);
	uint64_t deadline = net_deadline(20000), lost, taken = 0;
	uint8_t data[1400] = {0};
	uint16_t port;
	int fd;

	NEED_LIBRARY();
	start(words("hostfwd=udp::%u-:7", forward));
	ck_assert_uint_eq(dropped(), 0);
	fd = net_host_udp(&port);
	net_host_connect_udp(fd, forward);
	while (dropped() < 10) {
		ck_assert_uint_lt(net_deadline(0), deadline);
		ck_assert_int_eq(send(fd, data, sizeof(data), 0), sizeof(data));
		usleep(100);
	}
	/* What is held is what fits into a socket, and the network works on. */
	do {
		lost = dropped();
		while (net_guest_take(&wire.guest, net_deadline(300)))
			taken++;
	} while (dropped() != lost);
	ck_assert_uint_gt(taken, 20);
	ck_assert_uint_lt(taken, 4096);
	ck_assert(net_guest_ping(&wire.guest, NET_HOST, "still here", 10));
	close(fd);
	stop();
}
END_TEST

START_TEST(buffer_that_is_too_short_loses_the_frame)
{
	uint8_t frame[HEADER + 20];
	const struct iovec iov = {frame, sizeof(frame)};
	uint64_t deadline = net_deadline(20000);
	ssize_t len;

	NEED_LIBRARY();
	start(NULL);
	net_guest_ask(&wire.guest, NET_HOST);
	do {
		ck_assert_uint_lt(net_deadline(0), deadline);
		len = wire.backend->ops->receive(wire.backend, 0, &iov, 1);
		ck_assert_int_eq(len, -1);
	} while (errno == EAGAIN);
	ck_assert_int_eq(errno, EMSGSIZE);
	ck_assert_uint_eq(dropped(), 1);
	ck_assert_int_eq(wire.backend->ops->receive(wire.backend, 0, &iov, 1), -1);
	ck_assert_int_eq(errno, EAGAIN);
	stop();
}
END_TEST

START_TEST(frames_of_any_length_and_content)
{
	struct test_random random = test_random_new(1);
	static uint8_t frame[70000];

	NEED_LIBRARY();
	start(NULL);
	wire.link.send(&wire.link, frame, NET_GUEST_FRAME + 1);
	wire.link.send(&wire.link, frame, sizeof(frame));
	ck_assert(net_guest_ping(&wire.guest, NET_HOST, "hello", 5));
	ck_assert_uint_eq(dropped(), 2);
	for (size_t len = 1; len < 200; len++)
		wire.link.send(&wire.link, frame, len);
	for (unsigned int i = 0; i < 5000; i++) {
		size_t len = 1 + test_random_below(&random, NET_GUEST_FRAME);

		for (size_t j = 0; j < len; j++)
			frame[j] = (uint8_t)test_random(&random);
		/* Half of them pass the first look at an IPv4 packet. */
		if (i % 2) {
			frame[12] = 8;
			frame[13] = 0;
			frame[14] = 0x45;
		}
		wire.link.send(&wire.link, frame, len);
	}
	ck_assert(net_guest_ping(&wire.guest, NET_HOST, "still here", 10));
	stop();
}
END_TEST

/* Of each kind of flow it opens as many as it likes; what it had before works on. */
START_TEST(guest_that_wants_all_sockets)
{
	uint16_t port, udp_port;
	unsigned int sockets, least = _i == 2 ? 0 : 400;
	struct net_tcp tcp;
	int listener, fd, udp;
	char got[5];

	NEED_LIBRARY();
	listener = net_host_listen(&port);
	udp = net_host_udp(&udp_port);
	start(NULL);
	ck_assert(net_tcp_connect(&tcp, &wire.guest, 40000, NET_HOST, port));
	fd = accept(listener, NULL, NULL);
	for (uint16_t i = 0; i < 700; i++) {
		if (_i == 0)
			net_guest_udp(&wire.guest, 5000 + i, NET_HOST, udp_port, "x", 1);
		else if (_i == 1)
			net_tcp_knock(&wire.guest, 50000 + i, NET_HOST, port);
		else
			net_guest_echo(&wire.guest, 0x7f000002, i, "x", 1);
	}
	net_tcp_send(&tcp, "hello", 5);
	net_host_read(fd, got, 5);
	ck_assert_mem_eq(got, "hello", 5);
	sockets = net_host_sockets();
	/* Who may not send pings has none for them. */
	ck_assert_uint_ge(sockets, least);
	ck_assert_uint_le(sockets, 530);
	ck_assert(dropped() > 0 || sockets < 400);
	close(fd);
	close(udp);
	close(listener);
	stop();
}
END_TEST

/* What the library closes, once or twice, is never the monitor's. */
START_TEST(descriptors_of_its_own)
{
	int fd = open("/dev/null", O_RDWR);

	NEED_LIBRARY();
	ck_assert_int_ge(fd, 0);
	start(NULL);
	ck_assert(net_guest_ping(&wire.guest, NET_HOST, "hello", 5));
	ck_assert(net_host_all_have(STDERR_FILENO));
#ifndef __SANITIZE_THREAD__
	ck_assert(!net_host_all_have(fd));
#endif
	ck_assert_int_eq(fcntl(fd, F_GETFD), 0);
	stop();
	close(fd);
}
END_TEST

START_TEST(sockets_that_are_closed_do_not_count)
{
	const uint16_t port = net_host_free_port(SOCK_STREAM);
	struct net_tcp tcp;

	NEED_LIBRARY();
	start(NULL);
	for (uint16_t i = 0; i < 600; i++)
		ck_assert(!net_tcp_connect(&tcp, &wire.guest, 40000 + i, NET_HOST, port));
	ck_assert_uint_eq(dropped(), 0);
	stop();
}
END_TEST

/* All that is open goes with the stack; the sanitizer looks for what is left. */
START_TEST(end_with_open_connections)
{
	const uint16_t tcp = net_host_free_port(SOCK_STREAM), udp_in = net_host_free_port(SOCK_DGRAM);
	struct net_tcp out, in;
	uint16_t port, udp_port;
	int listener, udp, fds[3];
	char byte;

	NEED_LIBRARY();
	listener = net_host_listen(&port);
	udp = net_host_udp(&udp_port);
	start(words("hostfwd=tcp::%u-:22,hostfwd=udp::%u-:7", tcp, udp_in));
	ck_assert(net_tcp_connect(&out, &wire.guest, 40000, NET_HOST, port));
	fds[0] = accept(listener, NULL, NULL);
	fds[1] = net_host_connect(tcp);
	net_tcp_accept(&in, &wire.guest, 22);
	net_guest_udp(&wire.guest, 5000, NET_HOST, udp_port, "x", 1);
	ck_assert_int_eq(recv(udp, &byte, 1, 0), 1);
	/* One the guest has not answered, with data waiting. */
	fds[2] = net_host_connect(tcp);
	ck_assert_int_eq(write(fds[1], "data", 4), 4);
	stop();
	ck_assert_int_le(read(fds[0], &byte, 1), 0);
	for (size_t i = 0; i < 3; i++)
		close(fds[i]);
	close(listener);
	close(udp);
	fds[0] = net_host_bind(SOCK_STREAM, tcp);
	fds[1] = net_host_bind(SOCK_DGRAM, udp_in);
	ck_assert_int_ge(fds[0], 0);
	ck_assert_int_ge(fds[1], 0);
	close(fds[0]);
	close(fds[1]);
}
END_TEST

/* The library has globals: two stacks at work at once. */
START_TEST(two_networks)
{
	struct wire first;

	NEED_LIBRARY();
	start(NULL);
	first = wire;
	first.guest.link = &first.link;
	start(NULL);
	for (unsigned int i = 0; i < 50; i++) {
		ck_assert(net_guest_ping(&first.guest, NET_HOST, "one", 3));
		net_guest_dhcp(&wire.guest);
	}
	stop();
	wire = first;
	stop();
}
END_TEST

/* Without traffic the thread sleeps: once it has come to rest, however busy the machine is. */
START_TEST(idle_stack_does_not_wake)
{
	long before, after = -1;

	NEED_LIBRARY();
	start(NULL);
	ck_assert(net_guest_ping(&wire.guest, NET_HOST, "x", 1));
	for (unsigned int i = 0; i < 5; i++) {
		before = net_host_switches("net-user");
		ck_assert_int_ge(before, 0);
		sleep(3);
		after = net_host_switches("net-user");
		if (after == before)
			break;
	}
	ck_assert_int_eq(after, before);
	stop();
}
END_TEST

Suite *net_user_suite(void)
{
	Suite *suite = suite_create("net-user");
	TCase *tcase = tcase_create("net-user");

	tcase_set_timeout(tcase, 120);
	tcase_add_test(tcase, dhcp_gives_the_first_address);
	tcase_add_test(tcase, dhcp_on_another_network);
	tcase_add_test(tcase, arp_is_answered_for_who_is_there);
	tcase_add_test(tcase, gateway_answers_a_ping);
	tcase_add_test(tcase, tcp_to_the_host);
	tcase_add_test(tcase, tcp_the_host_ends_first);
	tcase_add_test(tcase, tcp_to_where_nobody_listens);
	tcase_add_test(tcase, udp_to_the_host_and_back);
	tcase_add_test(tcase, dns_reaches_the_resolver_of_the_host);
	tcase_add_test(tcase, tcp_to_the_guest);
	tcase_add_test(tcase, udp_to_the_guest);
	tcase_add_test(tcase, forward_to_an_address);
	tcase_add_test(tcase, restricted_guest_is_reached_but_reaches_nobody);
	tcase_add_test(tcase, guest_that_does_not_read_loses_frames);
	tcase_add_test(tcase, buffer_that_is_too_short_loses_the_frame);
	tcase_add_test(tcase, frames_of_any_length_and_content);
	tcase_add_loop_test(tcase, guest_that_wants_all_sockets, 0, 3);
	tcase_add_test(tcase, descriptors_of_its_own);
	tcase_add_test(tcase, sockets_that_are_closed_do_not_count);
	tcase_add_test(tcase, end_with_open_connections);
	tcase_add_test(tcase, two_networks);
	tcase_add_test(tcase, idle_stack_does_not_wake);
	suite_add_tcase(suite, tcase);
	return suite;
}
