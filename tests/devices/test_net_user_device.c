/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The whole way: a guest behind the rings of the network device, the user-mode network, programs of
 * the host. On both rings, and on memory that is cut where frames are; and what the device says to
 * drivers and arguments that are wrong.
 */
#include <dlfcn.h>
#include <linux/virtio_net.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "devices/net.h"
#include "tests/devices/harness.h"
#include "tests/devices/net-guest.h"
#include "tests/devices/net-host.h"
#include "tests/devices/suites.h"

#define HEADER sizeof(struct virtio_net_hdr_v1)

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

/* Receive buffers, each a chain of two: the header and a little, the rest. */
#define BUFFER_COUNT 16
#define BUFFER_SIZE  2048
#define FIRST_PART   20
#define SEND_AT      (RAM_END - BUFFER_SIZE)

static struct {
	struct net_link link;
	struct harness h;
	struct net_guest guest;
	pthread_t thread;
	gm_addr buffers[HARNESS_QUEUE_SIZE]; /* by head: where its chain is */
	gm_addr send_at;
} machine;

static void post(gm_addr addr)
{
	struct harness *h = &machine.h;
	const struct buffer chain[] = {{addr, FIRST_PART, true},
				       {addr + FIRST_PART, BUFFER_SIZE - FIRST_PART, true}};

	machine.buffers[driver_add(h, &h->queues[0], chain, 2, 0)] = addr;
	driver_kick(h, &h->queues[0]);
}

static void send_frame(struct net_link *link, const void *frame, size_t len)
{
	const struct virtio_net_hdr_v1 hdr = {0};
	const struct buffer chain[] = {
		{machine.send_at, HEADER, false},
		{machine.send_at + HEADER, (uint32_t)len, false},
	};
	uint64_t deadline = net_deadline(20000);
	struct harness *h = &machine.h;
	uint32_t head, used;

	(void)link;
	mem_write(h, machine.send_at, &hdr, HEADER);
	mem_write(h, machine.send_at + HEADER, frame, len);
	driver_add(h, &h->queues[1], chain, 2, 0);
	driver_kick(h, &h->queues[1]);
	while (!driver_used(h, &h->queues[1], &head, &used)) {
		ck_assert_uint_lt(net_deadline(0), deadline);
		usleep(200);
	}
	ck_assert_uint_eq(used, 0);
}

static size_t receive_frame(struct net_link *link, uint8_t *frame)
{
	const struct virtio_net_hdr_v1 expected = {.num_buffers = htole16(1)};
	struct harness *h = &machine.h;
	struct virtio_net_hdr_v1 hdr;
	uint32_t head, used;

	(void)link;
	if (!driver_used(h, &h->queues[0], &head, &used))
		return 0;
	ck_assert_uint_gt(used, HEADER);
	mem_read(h, machine.buffers[head], &hdr, HEADER);
	ck_assert_mem_eq(&hdr, &expected, HEADER);
	mem_read(h, machine.buffers[head] + HEADER, frame, used - HEADER);
	post(machine.buffers[head]);
	return used - HEADER;
}

static void *run_loop(void *arg)
{
	loop_run(arg);
	return NULL;
}

/* A machine on memory that is cut so, which is done with, with the argument of "--net". */
static void boot_on(struct cutting *cutting, const char *args)
{
	machine.link = (struct net_link){send_frame, receive_frame};
	machine.send_at = SEND_AT;
	harness_new(&machine.h, cutting, type_named("net"), args, NULL);
	cutting_free(cutting);
	ck_assert_int_eq(pthread_create(&machine.thread, NULL, run_loop, machine.h.loop), 0);
	driver_start(&machine.h, 0);
	for (unsigned int i = 0; i < BUFFER_COUNT; i++)
		post(BUFFERS + i * BUFFER_SIZE);
	net_guest_init(&machine.guest, &machine.link);
}

/* The cutting by number: none, pages, at random. */
static void boot(unsigned int round, const char *args)
{
	struct test_random random = test_random_new(round);
	struct cutting cutting = round == 0   ? cutting_whole()
				 : round == 1 ? cutting_every(4096)
					      : cutting_random(&random, round);

	boot_on(&cutting, args);
}

static void halt(void)
{
	loop_stop(machine.h.loop, 0);
	pthread_join(machine.thread, NULL);
	harness_free(&machine.h);
}

START_TEST(guest_comes_up)
{
	NEED_LIBRARY();
	boot((unsigned int)_i, "user");
	net_guest_dhcp(&machine.guest);
	ck_assert_uint_eq(machine.guest.addr, NET_GUEST);
	ck_assert(net_guest_ping(&machine.guest, NET_HOST, "hello", 5));
	halt();
}
END_TEST

static uint8_t byte_at(size_t i)
{
	return (uint8_t)(i * 11 + i / 253);
}

START_TEST(connections_both_ways)
{
	const uint16_t forward = net_host_free_port(SOCK_STREAM);
	uint8_t sent[20000], got[sizeof(sent)];
	struct net_tcp out, in;
	char args[64];
	uint16_t port;
	int listener, fds[2];

	NEED_LIBRARY();
	snprintf(args, sizeof(args), "user,hostfwd=tcp::%u-:22", forward);
	boot((unsigned int)_i, args);
	listener = net_host_listen(&port);
	for (size_t i = 0; i < sizeof(sent); i++)
		sent[i] = byte_at(i);
	ck_assert(net_tcp_connect(&out, &machine.guest, 40000, NET_HOST, port));
	fds[0] = accept(listener, NULL, NULL);
	fds[1] = net_host_connect(forward);
	net_tcp_accept(&in, &machine.guest, 22);
	net_tcp_send(&out, sent, sizeof(sent));
	net_host_read(fds[0], got, sizeof(got));
	ck_assert_mem_eq(got, sent, sizeof(sent));
	memset(got, 0, sizeof(got));
	ck_assert_int_eq(write(fds[1], sent, sizeof(sent)), sizeof(sent));
	net_tcp_read(&in, got, sizeof(got));
	ck_assert_mem_eq(got, sent, sizeof(sent));
	net_tcp_end(&out);
	close(fds[0]);
	close(fds[1]);
	ck_assert(net_tcp_await_end(&in));
	close(listener);
	halt();
}
END_TEST

/* The device goes while connections are open and frames wait in it. */
START_TEST(machine_ends_in_the_middle)
{
	const uint16_t forward = net_host_free_port(SOCK_STREAM);
	struct net_tcp tcp;
	char args[64], byte;
	int fd;

	NEED_LIBRARY();
	snprintf(args, sizeof(args), "user,hostfwd=tcp::%u-:22", forward);
	boot((unsigned int)_i, args);
	fd = net_host_connect(forward);
	net_tcp_accept(&tcp, &machine.guest, 22);
	ck_assert_int_eq(write(fd, "waiting", 7), 7);
	halt();
	ck_assert_int_le(read(fd, &byte, 1), 0);
	close(fd);
}
END_TEST

/* --- what a driver may do wrong ---------------------------------------------------------------- */

static uint64_t errors(void)
{
	struct virtio_stats stats;

	virtio_device_stats(machine.h.dev, &stats);
	return stats.errors;
}

static uint64_t dropped(void)
{
	struct virtio_stats stats;

	virtio_device_stats(machine.h.dev, &stats);
	return stats.dropped;
}

/* Send @len bytes as they are, header and all; they come back used. */
static void send_raw(const void *data, uint32_t len)
{
	const struct buffer chain = {SEND_AT, len, false};
	uint64_t deadline = net_deadline(20000);
	struct harness *h = &machine.h;
	uint32_t head, used;

	mem_write(h, SEND_AT, data, len);
	driver_add(h, &h->queues[1], &chain, 1, 0);
	driver_kick(h, &h->queues[1]);
	while (!driver_used(h, &h->queues[1], &head, &used))
		ck_assert_uint_lt(net_deadline(0), deadline);
	ck_assert_uint_eq(used, 0);
}

/* Nothing that was not offered may be asked of the backend, and a frame has an Ethernet header. */
START_TEST(frames_that_lie)
{
	static const struct virtio_net_hdr_v1 lies[] = {
		{.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 60000, .csum_offset = 60000},
		{.flags = VIRTIO_NET_HDR_F_DATA_VALID},
		{.gso_type = VIRTIO_NET_HDR_GSO_TCPV4, .gso_size = 1, .hdr_len = 54},
		{.gso_type = VIRTIO_NET_HDR_GSO_UDP},
		{.gso_type = VIRTIO_NET_HDR_GSO_ECN},
		{.gso_type = 0xff},
	};
	const uint64_t count = sizeof(lies) / sizeof(*lies);
	uint8_t data[HEADER + 64] = {0};

	NEED_LIBRARY();
	boot(1, "user");
	for (size_t i = 0; i < count; i++) {
		memcpy(data, &lies[i], HEADER);
		send_raw(data, sizeof(data));
	}
	ck_assert_uint_eq(errors(), count);
	memset(data, 0, HEADER);
	for (uint32_t len = 1; len < HEADER + ETH_HLEN; len++)
		send_raw(data, len);
	ck_assert_uint_eq(errors(), count + HEADER + ETH_HLEN - 1);
	send_raw(data, HEADER + ETH_HLEN);
	ck_assert_uint_eq(errors(), count + HEADER + ETH_HLEN - 1);
	/* What it says beside that means nothing. */
	memcpy(data, &(struct virtio_net_hdr_v1){.hdr_len = 0xffff, .num_buffers = 7}, HEADER);
	send_raw(data, sizeof(data));
	ck_assert_uint_eq(errors(), count + HEADER + ETH_HLEN - 1);
	ck_assert(net_guest_ping(&machine.guest, NET_HOST, "hello", 5));
	halt();
}
END_TEST

#define CRUMBS_END (BUFFERS + 2 * BUFFER_SIZE)

/* Memory whose first two buffers are in pieces of a byte, more than a system call takes. */
static struct cutting crumbs(void)
{
	struct cutting cutting = {.sizes = calloc(CRUMBS_END - BUFFERS + 2, sizeof(uint64_t))};

	ck_assert_ptr_nonnull(cutting.sizes);
	cutting.sizes[cutting.count++] = BUFFERS - RAM_BASE;
	for (gm_addr at = BUFFERS; at < CRUMBS_END; at++)
		cutting.sizes[cutting.count++] = 1;
	cutting.sizes[cutting.count++] = RAM_END - CRUMBS_END;
	return cutting;
}

/* A frame with more behind it than any frame has, in one piece or in many. */
START_TEST(frame_that_is_too_long)
{
	struct cutting cutting = _i ? crumbs() : cutting_whole();
	struct buffer chain[40];
	uint64_t deadline = net_deadline(20000);
	struct harness *h = &machine.h;
	uint32_t head, used;

	NEED_LIBRARY();
	boot_on(&cutting, "user");
	for (unsigned int i = 0; i < 40; i++)
		chain[i] = (struct buffer){BUFFERS, 2 * BUFFER_SIZE, false};
	driver_add(h, &h->queues[1], chain, 40, 0);
	driver_kick(h, &h->queues[1]);
	while (!driver_used(h, &h->queues[1], &head, &used))
		ck_assert_uint_lt(net_deadline(0), deadline);
	ck_assert_uint_eq(errors(), 1);
	ck_assert(net_guest_ping(&machine.guest, NET_HOST, "hello", 5));
	halt();
}
END_TEST

static void await_dropped(uint64_t least)
{
	uint64_t deadline = net_deadline(20000);

	while (dropped() < least) {
		ck_assert_uint_lt(net_deadline(0), deadline);
		usleep(500);
	}
}

/* Frames that do not fit are lost; the driver that learns from it goes on. */
START_TEST(receive_buffers_that_are_too_small)
{
	static const uint32_t sizes[] = {1, HEADER - 1, HEADER, HEADER + 20};
	struct buffer chain = {BUFFERS, sizes[_i], true};
	struct harness *h = &machine.h;
	uint32_t head, used;

	NEED_LIBRARY();
	boot(1, "user");
	driver_start(h, 0);
	driver_add(h, &h->queues[0], &chain, 1, 0);
	driver_kick(h, &h->queues[0]);
	net_guest_ask(&machine.guest, NET_HOST);
	await_dropped(1);
	ck_assert(!driver_used(h, &h->queues[0], &head, &used));
	ck_assert(!needs_reset(h));
	driver_start(h, 0);
	post(BUFFERS);
	ck_assert(net_guest_arp(&machine.guest, NET_HOST));
	halt();
}
END_TEST

static uint64_t cpu_ms(void)
{
	struct timespec used;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
	return (uint64_t)used.tv_sec * 1000 + (uint64_t)used.tv_nsec / 1000000;
}

/* Frames wait in the backend, nobody spins, and all of it goes on with the first buffer. */
START_TEST(driver_without_buffers)
{
	struct harness *h = &machine.h;
	uint64_t before;

	NEED_LIBRARY();
	boot(1, "user");
	driver_start(h, 0);
	net_guest_ask(&machine.guest, NET_HOST);
	usleep(100000);
	before = cpu_ms();
	usleep(500000);
	ck_assert_uint_lt(cpu_ms() - before, 250);
	ck_assert_uint_eq(errors(), 0);
	post(BUFFERS);
	ck_assert(net_guest_take(&machine.guest, net_deadline(20000)));
	halt();
}
END_TEST

START_TEST(memory_in_crumbs)
{
	struct cutting cutting = crumbs();
	struct harness *h = &machine.h;
	uint8_t data[1400];

	NEED_LIBRARY();
	boot_on(&cutting, "user");
	/* One buffer in the crumbs, and what is sent too. */
	driver_start(h, 0);
	post(BUFFERS);
	machine.send_at = BUFFERS + BUFFER_SIZE;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = byte_at(i);
	ck_assert(net_guest_ping(&machine.guest, NET_HOST, data, sizeof(data)));
	ck_assert_uint_eq(errors(), 0);
	halt();
}
END_TEST

static bool dirty(gm_addr addr)
{
	uint64_t offset;
	const struct gm_region *region = gm_to_region_addr(machine.h.memory, addr, &offset);

	return gm_bitmap_dirty_at(gm_region_dirty(region), offset);
}

/* A frame that begins at the end of a page; who migrates the memory must know of the next one. */
START_TEST(what_is_received_is_dirty)
{
	const gm_addr page = BUFFERS + BUFFER_COUNT * BUFFER_SIZE;
	struct harness *h = &machine.h;
	uint8_t data[1000] = {1};

	NEED_LIBRARY();
	boot(1, "user");
	driver_start(h, 0);
	for (size_t i = 0; i + 1 < gm_memory_count(h->memory); i++)
		gm_bitmap_reset(gm_region_dirty(gm_memory_region(h->memory, i)));
	post(page + 4096 - 100);
	ck_assert(net_guest_ping(&machine.guest, NET_HOST, data, sizeof(data)));
	ck_assert(dirty(page));
	ck_assert(dirty(page + 4096));
	ck_assert(!dirty(page + 2 * 4096));
	halt();
}
END_TEST

/* The ring is always full: the backend cannot keep up, and what waits for it is not forgotten. */
START_TEST(driver_that_sends_all_the_time)
{
	const struct buffer frame = {SEND_AT, HEADER + 1000, false};
	uint64_t deadline = net_deadline(60000);
	unsigned int sent = 0, done = 0;
	struct harness *h = &machine.h;
	uint32_t head, used;

	NEED_LIBRARY();
	boot(1, "user");
	mem_fill(h, SEND_AT, 0, frame.len);
	while (done < 20000) {
		ck_assert_uint_lt(net_deadline(0), deadline);
		while (sent - done < h->queues[1].size && sent < 20000) {
			driver_add(h, &h->queues[1], &frame, 1, 0);
			sent++;
		}
		driver_kick(h, &h->queues[1]);
		while (driver_used(h, &h->queues[1], &head, &used))
			done++;
	}
	ck_assert(net_guest_ping(&machine.guest, NET_HOST, "hello", 5));
	halt();
}
END_TEST

/* --- the device -------------------------------------------------------------------------------- */

static struct virtio_device *make(struct loop *loop, const char *args)
{
	struct virtio_device *dev = NULL;
	struct report report;

	ck_assert_msg(!type_named("net")->create("--net", args, loop, &dev, &report), "%s",
		      report.text);
	return dev;
}

/* The network of one guest has neither offloads nor several queues. */
#define USER_FEATURES                                                                             \
	(1u << VIRTIO_NET_F_MAC | 1u << VIRTIO_NET_F_MTU | 1u << VIRTIO_NET_F_STATUS |            \
	 1u << VIRTIO_NET_F_MRG_RXBUF | 1u << VIRTIO_NET_F_CTRL_VQ | 1u << VIRTIO_NET_F_CTRL_RX | \
	 1u << VIRTIO_NET_F_CTRL_RX_EXTRA | 1u << VIRTIO_NET_F_CTRL_VLAN |                        \
	 1u << VIRTIO_NET_F_CTRL_MAC_ADDR)

START_TEST(configuration)
{
	struct loop *loop = loop_new();
	struct virtio_device *devs[3];
	struct virtio_net_config config[3];

	NEED_LIBRARY();
	devs[0] = make(loop, "user");
	devs[1] = make(loop, "user");
	devs[2] = make(loop, "user,restrict=on,mac=02:00:5e:AB:cd:0f,net=10.1.0.0/16");
	for (size_t i = 0; i < 3; i++) {
		virtio_config_read(devs[i], 0, &config[i], sizeof(config[i]));
		ck_assert_uint_eq(le16toh(config[i].status), VIRTIO_NET_S_LINK_UP);
		ck_assert_uint_eq(le16toh(config[i].mtu), 1500);
		ck_assert_uint_eq(virtio_features(devs[i], 0) & 0xffffff, USER_FEATURES);
		/* An address of its own for each, and nobody's. */
		ck_assert_uint_eq(config[i].mac[0] & 3, 2);
		virtio_device_free(devs[i]);
	}
	ck_assert_mem_ne(config[0].mac, config[1].mac, ETH_ALEN);
	ck_assert_mem_eq(config[2].mac, ((uint8_t[]){2, 0, 0x5e, 0xab, 0xcd, 0x0f}), ETH_ALEN);
	loop_free(loop);
}
END_TEST

static const struct {
	const char *args;
	const char *text;
} mistakes[] = {
	{"", "--net : not a backend; known are user, tap and none"},
	{"usre", "--net usre: not a backend; did you mean user?"},
	{"user,mac=", "--net: mac '' is not six bytes such as 52:54:00:12:34:56"},
	{"user,mac=52:54:00:12:34", "--net: mac '52:54:00:12:34' is not six bytes such as "
				    "52:54:00:12:34:56"},
	{"user,mac=52:54:00:12:34:5g", "--net: mac '52:54:00:12:34:5g' is not six bytes such as "
				       "52:54:00:12:34:56"},
	{"user,mac=52:54:00:12:34:5", "--net: mac '52:54:00:12:34:5' is not six bytes such as "
				      "52:54:00:12:34:56"},
	{"user,mac=52-54-00-12-34-56", "--net: mac '52-54-00-12-34-56' is not six bytes such as "
				       "52:54:00:12:34:56"},
	{"user,mac=52:54:00:12:34:56:", "--net: mac '52:54:00:12:34:56:' is not six bytes such as "
					"52:54:00:12:34:56"},
	{"user,mac=525:4:00:12:34:56", "--net: mac '525:4:00:12:34:56' is not six bytes such as "
				       "52:54:00:12:34:56"},
	{"user,mac=01:00:5e:00:00:01",
	 "--net: mac '01:00:5e:00:00:01' is not the address of one device: the first byte is even, "
	 "and not all are zero"},
	{"user,mac=00:00:00:00:00:00",
	 "--net: mac '00:00:00:00:00:00' is not the address of one device: the first byte is even, "
	 "and not all are zero"},
	{"user,restrict=on,mac=02:00:00:00:00:01,restrict=no",
	 "--net: restrict 'no' is neither on nor off"},
	{"user,", "--net: '': unknown word, known are "
		  "hostfwd=tcp|udp:[ADDR]:PORT-[ADDR]:PORT, net=ADDR/BITS and restrict=on|off"},
};

START_TEST(arguments_that_are_wrong)
{
	struct loop *loop = loop_new();
	struct virtio_device *dev = NULL;
	struct report report = {0};

	if (!&net_user_type)
		TEST_SKIP("built without libslirp-dev");
	ck_assert_int_eq(type_named("net")->create("--net", mistakes[_i].args, loop, &dev, &report),
			 -1);
	ck_assert_str_eq(report.text, mistakes[_i].text);
	ck_assert_int_eq(report.status, REPORT_USER);
	ck_assert_ptr_null(dev);
	loop_free(loop);
}
END_TEST

static TCase *on_ring(const char *name, void (*use)(void))
{
	TCase *tcase = tcase_create(name);

	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, use, NULL);
	tcase_add_loop_test(tcase, guest_comes_up, 0, 5);
	tcase_add_loop_test(tcase, connections_both_ways, 0, 5);
	tcase_add_loop_test(tcase, machine_ends_in_the_middle, 0, 2);
	tcase_add_test(tcase, frames_that_lie);
	tcase_add_loop_test(tcase, frame_that_is_too_long, 0, 2);
	tcase_add_loop_test(tcase, receive_buffers_that_are_too_small, 0, 4);
	tcase_add_test(tcase, driver_without_buffers);
	tcase_add_test(tcase, memory_in_crumbs);
	tcase_add_test(tcase, what_is_received_is_dirty);
	tcase_add_test(tcase, driver_that_sends_all_the_time);
	return tcase;
}

Suite *net_user_device_suite(void)
{
	Suite *suite = suite_create("net-user-device");
	TCase *tcase = tcase_create("net-device");

	tcase_add_test(tcase, configuration);
	tcase_add_loop_test(tcase, arguments_that_are_wrong, 0, sizeof(mistakes) / sizeof(*mistakes));
	suite_add_tcase(suite, tcase);
	suite_add_tcase(suite, on_ring("net-user-device", driver_use_split));
	suite_add_tcase(suite, on_ring("net-user-device-packed", driver_use_packed));
	return suite;
}
