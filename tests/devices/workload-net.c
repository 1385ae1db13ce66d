/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The workload of layout invariance for the network device, on the user-mode network: datagrams to
 * a program of the host, and questions whose answers come back. Frames are made by net-guest.c.
 */
#include <linux/virtio_net.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/devices/invariance.h"
#include "tests/devices/net-fake.h"
#include "tests/devices/net-guest.h"
#include "tests/devices/net-host.h"

#define HEADER sizeof(struct virtio_net_hdr_v1)

/* One for all runs of a process, as its port is in the frames. */
static int program = -1;
static uint16_t program_port;

/* The guest's stack, whose frames go into chains that are cut anywhere. */
static struct {
	struct net_link link;
	struct net_guest guest;
	struct run *run;
} machine;

static void send_frame(struct net_link *link, const void *frame, size_t len)
{
	struct run *r = machine.run;
	uint8_t all[HEADER + NET_GUEST_FRAME] = {0};
	struct buffer chain[RUN_BUFFERS];
	unsigned int n = run_split(r, chain, (uint32_t)(HEADER + len), false,
				   1 + (unsigned int)run_below(r, 6));

	(void)link;
	memcpy(all + HEADER, frame, len);
	run_fill(r, chain, n, all);
	run_offer(r, 1, chain, n);
	run_await(r, 1);
}

static void net_begin(struct run *r)
{
	if (program < 0)
		program = net_host_udp(&program_port);
	machine.run = r;
	machine.link = (struct net_link){.send = send_frame};
	machine.guest = (struct net_guest){
		.link = &machine.link,
		.mac = {0x52, 0x54, 0, 0x12, 0x34, 0x56},
		.gateway_mac = {0x52, 0x55, 10, 0, 2, 2},
		.addr = NET_GUEST,
	};
}

static void net_batch(struct run *r)
{
	uint32_t len = 1 + (uint32_t)run_below(r, 1400);
	uint8_t data[1400], got[1400];

	run_post(r);
	net_guest_ask(&machine.guest, run_below(r, 2) ? NET_HOST : NET_DNS);
	run_receive(r, 1, HEADER);
	for (uint32_t i = 0; i < len; i++)
		data[i] = (uint8_t)test_random(&r->random);
	net_guest_udp(&machine.guest, 1000, NET_HOST, program_port, data, len);
	ck_assert_int_eq(recv(program, got, sizeof(got), 0), len);
	run_note(r, got, len);
}

const struct workload workload_net = {
	.subject = &subject_net,
	.begin = net_begin,
	.batch = net_batch,
};

/* --- the device on a backend that can do everything ---------------------------------------------- */

#define LONG_FRAME 9000
#define OFFLOADS                                                        \
	(FEATURE(VIRTIO_NET_F_CSUM) | FEATURE(VIRTIO_NET_F_HOST_TSO4) | \
	 FEATURE(VIRTIO_NET_F_HOST_TSO6))
#define GUEST_OFFLOADS                                                         \
	(FEATURE(VIRTIO_NET_F_GUEST_CSUM) | FEATURE(VIRTIO_NET_F_GUEST_TSO4) | \
	 FEATURE(VIRTIO_NET_F_GUEST_TSO6))

static uint8_t message[HEADER + LONG_FRAME], echo[HEADER + LONG_FRAME];

/* A random frame that says of itself what it may say. Its length, header included. */
static uint32_t make_message(struct run *r)
{
	uint32_t len = (uint32_t)HEADER + 64 + (uint32_t)run_below(r, LONG_FRAME - 64);
	struct virtio_net_hdr_v1 hdr = {0};

	for (uint32_t i = 0; i < len; i++)
		message[i] = (uint8_t)test_random(&r->random);
	if (len > 1514 || run_below(r, 2)) {
		hdr.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
		hdr.csum_start = htole16(34);
		hdr.csum_offset = htole16(16);
	}
	if (len > 1514) {
		hdr.gso_type = run_below(r, 2) ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_TCPV6;
		hdr.gso_size = htole16(1448);
		hdr.hdr_len = htole16(54);
	}
	memcpy(message, &hdr, HEADER);
	return len;
}

static void fake_send(struct run *r)
{
	const unsigned int pair = (unsigned int)run_below(r, net_fake.pairs);
	uint32_t len = make_message(r);
	struct buffer chain[RUN_BUFFERS];
	unsigned int n = run_split(r, chain, len, false, 1 + (unsigned int)run_below(r, 6));

	run_fill(r, chain, n, message);
	run_offer(r, 2 * pair + 1, chain, n);
	run_await(r, 2 * pair + 1);
	ck_assert_int_eq(recv(net_fake.fds[pair], echo, sizeof(echo), 0), len);
	run_note(r, echo, len);
}

/* In as many chains as it takes: they have 1000 bytes each, or more. */
static void fake_receive(struct run *r)
{
	uint32_t len = make_message(r);

	run_post(r);
	ck_assert_int_eq(send(net_fake.fds[0], message, len, 0), len);
	run_receive(r, len, 0);
}

/* What keeps all frames coming; right or wrong, its answer is in memory. */
static void fake_command(struct run *r)
{
	static const uint8_t commands[][2] = {
		{VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_ALLMULTI},
		{VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_NOBCAST},
		{VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET},
		{VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET},
		{VIRTIO_NET_CTRL_VLAN, VIRTIO_NET_CTRL_VLAN_ADD},
		{VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET},
		{VIRTIO_NET_CTRL_ANNOUNCE, VIRTIO_NET_CTRL_ANNOUNCE_ACK},
	};
	const uint8_t *command = commands[run_below(r, sizeof(commands) / sizeof(*commands))];
	uint8_t all[2 + 64] = {command[0], command[1], (uint8_t)run_below(r, 5)};
	uint32_t len = 2 + (uint32_t)run_below(r, 10);
	const unsigned int queue = r->h->dev->queue_count - 1;
	struct buffer chain[RUN_BUFFERS];
	unsigned int n = run_split(r, chain, len, false, 1 + (unsigned int)run_below(r, 5));

	run_fill(r, chain, n, all);
	n += run_split(r, chain + n, 1, true, 1);
	run_offer(r, queue, chain, n);
	run_await(r, queue);
}

static void fake_batch(struct run *r)
{
	fake_receive(r);
	fake_send(r);
	fake_command(r);
}

const struct workload workload_net_fake = {
	.subject = &subject_net_fake,
	.features = OFFLOADS | GUEST_OFFLOADS | FEATURE(VIRTIO_NET_F_MRG_RXBUF) |
		    FEATURE(VIRTIO_NET_F_MQ) | FEATURE(VIRTIO_NET_F_CTRL_VQ) |
		    FEATURE(VIRTIO_NET_F_CTRL_RX) | FEATURE(VIRTIO_NET_F_CTRL_RX_EXTRA) |
		    FEATURE(VIRTIO_NET_F_CTRL_VLAN) | FEATURE(VIRTIO_NET_F_CTRL_MAC_ADDR),
	.batch = fake_batch,
};
