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
