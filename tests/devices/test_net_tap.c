/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The network device on TAP interfaces of a network namespace, with the host's own TCP/IP stack at
 * the other end: frames both ways, checksums and segmentation left to either side, several queues,
 * an interface that goes up, down and away, and what is said to those who ask for the wrong one.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/devices/net-driver.h"
#include "tests/devices/net-guest.h"
#include "tests/devices/net-host.h"
#include "tests/devices/net-ns.h"
#include "tests/devices/suites.h"

#define HEADER NET_HEADER_SIZE

/* Receive buffers of each pair, merged where that was agreed on. */
#define BUFFER_COUNT 24
#define BUFFER_SIZE  2048
#define PAIRS_MAX    3
#define STREAM       60000 /* bytes of long transfers */
#define CTRL_QUEUE   (2 * PAIRS_MAX)

static struct net_driver d;
static struct net_link net_link;
static struct net_guest guest;
static uint8_t frame[HEADER + NET_FRAME_MAX], segment[HEADER + NET_FRAME_MAX];
static unsigned int long_frames; /* received, that are still to be segmented */

static const uint8_t guest_mac[ETH_ALEN] = {0x52, 0x54, 0, 0x12, 0x34, 0x56};

static void post_all(unsigned int pair)
{
	gm_addr at = BUFFERS + pair * (BUFFER_COUNT * BUFFER_SIZE + 333ULL);

	for (unsigned int i = 0; i < BUFFER_COUNT; i++)
		net_driver_post(&d, pair, at + i * BUFFER_SIZE, BUFFER_SIZE - 7);
	net_driver_kick_rx(&d, pair);
}

/* One frame without its header into @to; its buffers are offered again. */
static size_t take(unsigned int pair, uint8_t *to)
{
	static unsigned int next[PAIRS_MAX];
	struct virtio_net_hdr_v1 hdr;
	unsigned int buffers;
	size_t len = net_driver_poll(&d, pair, frame, &buffers);

	if (!len)
		return 0;
	memcpy(&hdr, frame, HEADER);
	long_frames += hdr.gso_type != VIRTIO_NET_HDR_GSO_NONE;
	if (hdr.gso_type == VIRTIO_NET_HDR_GSO_NONE)
		ck_assert_uint_le(len, HEADER + 9014);
	else
		ck_assert_uint_gt(le16toh(hdr.gso_size), 0);
	memcpy(to, frame + HEADER, len - HEADER);
	/* Chains come back in the order they were offered in: so do their places. */
	for (; buffers; buffers--) {
		gm_addr at = BUFFERS + pair * (BUFFER_COUNT * BUFFER_SIZE + 333ULL) +
			     (gm_addr)(next[pair]++ % BUFFER_COUNT) * BUFFER_SIZE;

		net_driver_post(&d, pair, at, BUFFER_SIZE - 7);
	}
	net_driver_kick_rx(&d, pair);
	return len - HEADER;
}

static void link_send(struct net_link *link, const void *data, size_t len)
{
	(void)link;
	memset(segment, 0, HEADER);
	memcpy(segment + HEADER, data, len);
	net_driver_send(&d, 0, segment, (uint32_t)(HEADER + len));
}

static size_t link_receive(struct net_link *link, uint8_t *to)
{
	(void)link;
	return take(0, to);
}

/* A guest on the interface @ifname, which the words in @args open. */
static void boot(const char *args, const char *ifname, uint64_t features)
{
	char all[128];

	snprintf(all, sizeof(all), "tap,mac=52:54:00:12:34:56%s", args);
	net_driver_open(&d, type_named("net"), all, features | FEATURE(VIRTIO_NET_F_STATUS));
	net_ns_configure(ifname);
	for (unsigned int i = 0; 2 * i + 1 < d.h.dev->queue_count; i++)
		post_all(i);
	net_link = (struct net_link){link_send, link_receive};
	net_guest_init(&guest, &net_link);
}

static uint16_t status(void)
{
	struct virtio_net_config config;

	virtio_lock(d.h.dev);
	virtio_config_read(d.h.dev, 0, &config, sizeof(config));
	virtio_unlock(d.h.dev);
	return le16toh(config.status);
}

static void await_status(uint16_t wanted)
{
	uint64_t deadline = net_deadline(20000);

	while (status() != wanted) {
		ck_assert_msg(net_deadline(0) < deadline, "the link is %u", status());
		usleep(1000);
	}
}

/* --- frames ---------------------------------------------------------------------------------- */

START_TEST(guest_and_host)
{
	uint8_t data[1400], got[1400];
	uint16_t port, from_port;
	uint32_t from;
	int fd;

	NEED_TAP();
	boot("", "tap0", _i ? NET_MRG : 0);
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7);
	ck_assert(net_guest_ping(&guest, NET_HOST, data, sizeof(data)));
	fd = net_ns_socket(SOCK_DGRAM, &port);
	net_guest_udp(&guest, 1000, NET_HOST, port, data, sizeof(data));
	ck_assert_int_eq(recv(fd, got, sizeof(got), 0), sizeof(data));
	ck_assert_mem_eq(got, data, sizeof(data));
	{
		const struct sockaddr_in to = {.sin_family = AF_INET,
					       .sin_addr.s_addr = htonl(NET_GUEST),
					       .sin_port = htons(1000)};

		ck_assert_int_eq(sendto(fd, data, 999, 0, (const struct sockaddr *)&to, sizeof(to)),
				 999);
	}
	ck_assert_uint_eq(net_guest_udp_take(&guest, 1000, &from, &from_port, got, sizeof(got)), 999);
	ck_assert_mem_eq(got, data, 999);
	ck_assert_uint_eq(from_port, port);
	ck_assert_uint_eq(net_driver_stats(&d).errors, 0);
	close(fd);
	net_driver_free(&d);
	/* It was made for us. */
	ck_assert_uint_eq(if_nametoindex("tap0"), 0);
}
END_TEST

static uint8_t byte_at(size_t i)
{
	return (uint8_t)(i * 11 + i / 253);
}

/* A connection to the host; its end there in *@fd. */
static void connect_guest(struct net_tcp *tcp, int *fd)
{
	const int size = 4 * STREAM; /* nobody takes what is written while it is written */
	uint16_t port;
	int listener = net_ns_socket(SOCK_STREAM, &port);

	setsockopt(listener, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	ck_assert(net_tcp_connect(tcp, &guest, 40000, NET_HOST, port));
	*fd = accept(listener, NULL, NULL);
	ck_assert_int_ge(*fd, 0);
	close(listener);
}

/* The host's stack leaves segmentation to the guest where it agreed, and only there. */
START_TEST(host_sends_long_segments)
{
	static uint8_t data[STREAM], got[STREAM];
	struct net_tcp tcp;
	int fd;

	NEED_TAP();
	boot("", "tap0", NET_MRG | (_i ? NET_GUEST_FEATURES : 0));
	connect_guest(&tcp, &fd);
	for (size_t i = 0; i < STREAM; i++)
		data[i] = byte_at(i);
	ck_assert_int_eq(write(fd, data, STREAM), STREAM);
	net_tcp_read(&tcp, got, STREAM);
	ck_assert_mem_eq(got, data, STREAM);
	if (_i)
		ck_assert_uint_gt(long_frames, 0);
	else
		ck_assert_uint_eq(long_frames, 0);
	close(fd);
	net_driver_free(&d);
}
END_TEST

#define SEGMENT 20000

static uint32_t sum16(uint32_t sum, const void *data, size_t len)
{
	const uint8_t *bytes = data;

	for (size_t i = 0; i < len; i++)
		sum += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
	return sum;
}

static uint16_t fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* One segment of SEGMENT bytes that the host is to cut and to compute the checksums of. */
static void put_long_segment(const struct net_tcp *tcp)
{
	const struct virtio_net_hdr_v1 hdr = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
		.hdr_len = htole16(ETH_HLEN + 40),
		.gso_size = htole16(1448),
		.csum_start = htole16(ETH_HLEN + 20),
		.csum_offset = htole16(16),
	};
	struct iphdr ip = {.version = 4,
			   .ihl = 5,
			   .tot_len = htons(40 + SEGMENT),
			   .ttl = 64,
			   .protocol = IPPROTO_TCP,
			   .saddr = htonl(NET_GUEST),
			   .daddr = htonl(NET_HOST)};
	struct tcphdr th = {.th_sport = htons(tcp->port),
			    .th_dport = htons(tcp->peer_port),
			    .th_seq = htonl(tcp->snd_nxt),
			    .th_ack = htonl(tcp->rcv_nxt),
			    .th_off = 5,
			    .th_flags = TH_ACK | TH_PUSH,
			    .th_win = htons(8192)};
	uint8_t *at = segment + HEADER;

	ip.check = htons((uint16_t)~fold(sum16(0, &ip, sizeof(ip))));
	/* Of the pseudo header alone: the rest is the host's. */
	th.th_sum = htons(fold(sum16(IPPROTO_TCP + 20 + SEGMENT, &ip.saddr, 8)));
	memcpy(segment, &hdr, HEADER);
	memcpy(at, guest.gateway_mac, ETH_ALEN);
	memcpy(at + ETH_ALEN, guest_mac, ETH_ALEN);
	at[12] = ETHERTYPE_IP >> 8;
	at[13] = 0;
	memcpy(at + ETH_HLEN, &ip, sizeof(ip));
	memcpy(at + ETH_HLEN + 20, &th, sizeof(th));
	for (size_t i = 0; i < SEGMENT; i++)
		at[ETH_HLEN + 40 + i] = byte_at(i);
	net_driver_send(&d, 0, segment, HEADER + ETH_HLEN + 40 + SEGMENT);
}

START_TEST(guest_sends_a_long_segment)
{
	static uint8_t got[SEGMENT];
	struct net_tcp tcp;
	int fd;

	NEED_TAP();
	boot("", "tap0", NET_MRG | NET_HOST_FEATURES);
	connect_guest(&tcp, &fd);
	put_long_segment(&tcp);
	net_host_read(fd, got, SEGMENT);
	for (size_t i = 0; i < SEGMENT; i++)
		ck_assert_uint_eq(got[i], byte_at(i));
	ck_assert_uint_eq(net_driver_stats(&d).errors, 0);
	close(fd);
	net_driver_free(&d);
}
END_TEST

/* A guest without buffers: the interface loses frames, the device counts them and goes on. */
START_TEST(guest_that_does_not_receive)
{
	const struct sockaddr_in to = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(NET_GUEST), .sin_port = htons(9)};
	uint64_t deadline = net_deadline(60000);
	uint16_t port;
	int fd;

	NEED_TAP();
	net_ns_add_tap("here0", false);
	boot(",ifname=here0", "here0", 0);
	net_ns_know_guest("here0", guest_mac);
	fd = net_ns_socket(SOCK_DGRAM, &port);
	driver_start(&d.h, 0);
	while (net_driver_stats(&d).dropped < 10) {
		ck_assert_uint_lt(net_deadline(0), deadline);
		for (unsigned int i = 0; i < 100; i++)
			sendto(fd, "lost", 4, 0, (const struct sockaddr *)&to, sizeof(to));
	}
	net_driver_no_frame(&d, 0);
	post_all(0);
	ck_assert_uint_gt(net_driver_receive(&d, 0, frame, NULL), HEADER);
	close(fd);
	net_driver_free(&d);
}
END_TEST

/* --- several queues -------------------------------------------------------------------------- */

#define FLOWS 200

static void set_pairs(uint16_t pairs)
{
	pairs = htole16(pairs);
	ck_assert_uint_eq(net_driver_command(&d, VIRTIO_NET_CTRL_MQ,
					     VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, &pairs, sizeof(pairs)),
			  VIRTIO_NET_OK);
}

/* Datagrams to many ports; how many came on each pair. */
static void send_flows(int fd, unsigned int count[PAIRS_MAX])
{
	uint64_t deadline = net_deadline(20000);
	unsigned int all = 0;
	uint8_t got[BUFFER_SIZE];

	memset(count, 0, PAIRS_MAX * sizeof(*count));
	for (uint16_t i = 0; i < FLOWS; i++) {
		const struct sockaddr_in to = {.sin_family = AF_INET,
					       .sin_addr.s_addr = htonl(NET_GUEST),
					       .sin_port = htons((uint16_t)(2000 + i))};

		ck_assert_int_eq(sendto(fd, "flow", 4, 0, (const struct sockaddr *)&to, sizeof(to)),
				 4);
		/* As many as find room. */
		for (unsigned int pair = 0; pair < PAIRS_MAX; pair++) {
			size_t len = take(pair, got);
			bool mine =
				len >= ETH_HLEN + 32 && memcmp(got + ETH_HLEN + 28, "flow", 4) == 0;

			count[pair] += mine;
			all += mine;
		}
	}
	while (all < FLOWS) {
		ck_assert_msg(net_deadline(0) < deadline, "%u of %u frames", all, FLOWS);
		for (unsigned int pair = 0; pair < PAIRS_MAX; pair++) {
			size_t len = take(pair, got);
			bool mine =
				len >= ETH_HLEN + 32 && memcmp(got + ETH_HLEN + 28, "flow", 4) == 0;

			count[pair] += mine;
			all += mine;
		}
	}
}

/* A datagram to the host from pair @pair. */
static void send_on(unsigned int pair, uint16_t port)
{
	struct iphdr ip = {.version = 4,
			   .ihl = 5,
			   .tot_len = htons(32),
			   .ttl = 64,
			   .protocol = IPPROTO_UDP,
			   .saddr = htonl(NET_GUEST),
			   .daddr = htonl(NET_HOST)};
	const uint16_t udp[4] = {htons(7), htons(port), htons(12), 0};
	uint8_t *at = segment + HEADER;
	const uint32_t number = pair;

	ip.check = htons((uint16_t)~fold(sum16(0, &ip, sizeof(ip))));
	memset(segment, 0, HEADER);
	memcpy(at, guest.gateway_mac, ETH_ALEN);
	memcpy(at + ETH_ALEN, guest_mac, ETH_ALEN);
	at[12] = ETHERTYPE_IP >> 8;
	at[13] = 0;
	memcpy(at + ETH_HLEN, &ip, sizeof(ip));
	memcpy(at + ETH_HLEN + 20, udp, sizeof(udp));
	memcpy(at + ETH_HLEN + 28, &number, sizeof(number));
	net_driver_send(&d, pair, segment, HEADER + ETH_HLEN + 32);
}

START_TEST(several_queues)
{
	unsigned int count[PAIRS_MAX];
	struct virtio_net_config config;
	uint16_t port;
	uint32_t got;
	int fd;

	NEED_TAP();
	net_ns_add_tap("multi0", true);
	boot(",ifname=multi0,queues=3", "multi0",
	     FEATURE(VIRTIO_NET_F_MQ) | FEATURE(VIRTIO_NET_F_CTRL_VQ));
	virtio_config_read(d.h.dev, 0, &config, sizeof(config));
	ck_assert_uint_eq(le16toh(config.max_virtqueue_pairs), PAIRS_MAX);
	net_ns_know_guest("multi0", guest_mac);
	fd = net_ns_socket(SOCK_DGRAM, &port);
	/* All on the first, until the driver wants more. */
	send_flows(fd, count);
	ck_assert_uint_eq(count[0], FLOWS);
	set_pairs(PAIRS_MAX);
	for (unsigned int i = 0; i < 4; i++) {
		send_flows(fd, count);
		ck_assert_uint_lt(count[0], FLOWS);
		ck_assert_uint_gt(count[1], 0);
		ck_assert_uint_gt(count[2], 0);
		for (unsigned int pair = 0; pair < PAIRS_MAX; pair++) {
			send_on(pair, port);
			ck_assert_int_eq(recv(fd, &got, sizeof(got), 0), sizeof(got));
			ck_assert_uint_eq(got, pair);
		}
		set_pairs(1);
		send_flows(fd, count);
		ck_assert_uint_eq(count[0], FLOWS);
		set_pairs(PAIRS_MAX);
	}
	close(fd);
	net_driver_free(&d);
	/* It was there before us. */
	ck_assert_uint_ne(if_nametoindex("multi0"), 0);
}
END_TEST

/* --- the interface --------------------------------------------------------------------------- */

START_TEST(mtu_of_the_interface)
{
	struct virtio_net_config config;

	NEED_TAP();
	net_ns_add_tap("big0", false);
	net_ns_set_mtu("big0", 9000);
	boot(_i ? ",ifname=big0,mtu=1400" : ",ifname=big0", "big0", FEATURE(VIRTIO_NET_F_MTU));
	ck_assert(d.h.features & FEATURE(VIRTIO_NET_F_MTU));
	virtio_config_read(d.h.dev, 0, &config, sizeof(config));
	ck_assert_uint_eq(le16toh(config.mtu), _i ? 1400 : 9000);
	net_driver_free(&d);
}
END_TEST

START_TEST(link_follows_the_interface)
{
	NEED_TAP();
	boot("", "tap0", 0);
	await_status(VIRTIO_NET_S_LINK_UP);
	for (unsigned int i = 0; i < 3; i++) {
		uint32_t generation = reg_read(&d.h, VIRTIO_MMIO_CONFIG_GENERATION);

		net_ns_set_up("tap0", false);
		await_status(0);
		ck_assert_uint_ne(reg_read(&d.h, VIRTIO_MMIO_CONFIG_GENERATION), generation);
		net_ns_set_up("tap0", true);
		await_status(VIRTIO_NET_S_LINK_UP);
	}
	ck_assert(net_guest_ping(&guest, NET_HOST, "up again", 8));
	net_driver_free(&d);
}
END_TEST

static uint64_t cpu_ms(void)
{
	struct timespec used;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
	return (uint64_t)used.tv_sec * 1000 + (uint64_t)used.tv_nsec / 1000000;
}

/* One line, the link down, nobody spins, and a driver goes on as with a cable that was pulled. */
START_TEST(interface_that_goes_away)
{
	int captured = memfd_create("stderr", MFD_CLOEXEC), saved = dup(STDERR_FILENO);
	char text[512] = "";
	uint64_t before;

	NEED_TAP();
	net_ns_add_tap("multi0", true);
	boot(",ifname=multi0,queues=3", "multi0",
	     FEATURE(VIRTIO_NET_F_MQ) | FEATURE(VIRTIO_NET_F_CTRL_VQ));
	await_status(VIRTIO_NET_S_LINK_UP);
	if (_i)
		set_pairs(PAIRS_MAX);
	dup2(captured, STDERR_FILENO);
	net_ns_remove("multi0");
	await_status(0);
	before = cpu_ms();
	usleep(400000);
	ck_assert_uint_lt(cpu_ms() - before, 200);
	for (unsigned int i = 0; i < 20; i++)
		send_on(0, 1);
	ck_assert_uint_eq(net_driver_stats(&d).errors, 20);
	driver_start(&d.h, 0);
	post_all(0);
	net_driver_no_frame(&d, 0);
	ck_assert_uint_eq(status(), 0);
	net_driver_free(&d);
	dup2(saved, STDERR_FILENO);
	ck_assert_int_ge(pread(captured, text, sizeof(text) - 1, 0), 0);
	ck_assert_str_eq(text, "vmm: net tap: interface 'multi0' is gone; the link is down\n");
	close(captured);
	close(saved);
}
END_TEST

/* Frames that were queued for a driver that took offloads are not for one that did not. */
START_TEST(offloads_end_with_the_driver)
{
	struct net_tcp tcp;
	static uint8_t data[STREAM];
	int fd;

	NEED_TAP();
	boot("", "tap0", NET_MRG | NET_GUEST_FEATURES);
	connect_guest(&tcp, &fd);
	ck_assert_int_eq(write(fd, data, STREAM), STREAM);
	driver_start(&d.h, 0);
	long_frames = 0;
	post_all(0);
	ck_assert(net_guest_ping(&guest, NET_HOST, "plain", 5));
	ck_assert_uint_eq(long_frames, 0);
	close(fd);
	net_driver_free(&d);
}
END_TEST

/* --- descriptors that were given ------------------------------------------------------------- */

#define GIVEN (IFF_VNET_HDR | IFF_MULTI_QUEUE)

START_TEST(descriptors_that_were_given)
{
	char args[64];
	int fds[3];

	NEED_TAP();
	for (unsigned int i = 0; i < 3; i++)
		fds[i] = net_ns_open_tap("given0", GIVEN);
	snprintf(args, sizeof(args), ",fd=%d:%d:%d", fds[0], fds[1], fds[2]);
	boot(args, "given0", FEATURE(VIRTIO_NET_F_MQ) | FEATURE(VIRTIO_NET_F_CTRL_VQ));
	ck_assert_uint_eq(d.h.dev->queue_count, 2 * PAIRS_MAX + 1);
	ck_assert(net_guest_ping(&guest, NET_HOST, "given", 5));
	net_driver_free(&d);
	for (unsigned int i = 0; i < 3; i++)
		close(fds[i]);
}
END_TEST

static TCase *on_ring(const char *name, void (*use)(void))
{
	TCase *tcase = tcase_create(name);

	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, use, NULL);
	tcase_add_loop_test(tcase, guest_and_host, 0, 2);
	tcase_add_loop_test(tcase, host_sends_long_segments, 0, 2);
	tcase_add_test(tcase, guest_sends_a_long_segment);
	tcase_add_test(tcase, guest_that_does_not_receive);
	tcase_add_test(tcase, several_queues);
	tcase_add_test(tcase, link_follows_the_interface);
	tcase_add_loop_test(tcase, interface_that_goes_away, 0, 2);
	tcase_add_test(tcase, offloads_end_with_the_driver);
	return tcase;
}

Suite *net_tap_suite(void)
{
	Suite *suite = suite_create("net-tap");
	TCase *tcase = tcase_create("net-tap-interface");

	tcase_set_timeout(tcase, 60);
	tcase_add_loop_test(tcase, mtu_of_the_interface, 0, 2);
	tcase_add_test(tcase, descriptors_that_were_given);
	suite_add_tcase(suite, tcase);
	suite_add_tcase(suite, on_ring("net-tap", driver_use_split));
	suite_add_tcase(suite, on_ring("net-tap-packed", driver_use_packed));
	return suite;
}
