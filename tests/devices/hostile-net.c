/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Hostile drivers: frames that are none, and headers that lie. A frame that cannot be sent as it
 * says is lost and counted; the chain comes back as any other.
 */
#include <linux/virtio_net.h>
#include <string.h>

#include "tests/devices/hostile.h"

/* The chain comes back, and the frame in it was lost. */
static void loses(struct hostile *t, const struct hostile_desc *chain, unsigned int count)
{
	struct virtio_stats before, after;

	virtio_device_stats(t->h->dev, &before);
	hostile_offer(t, chain, count);
	ck_assert_uint_eq(hostile_await(t), 0);
	virtio_device_stats(t->h->dev, &after);
	ck_assert_uint_eq(after.errors, before.errors + 1);
	ck_assert_uint_eq(after.bytes_read, before.bytes_read);
	subject_start(&t->s, 0);
}

/* A frame of @len bytes behind @hdr. */
static void loses_frame(struct hostile *t, const struct virtio_net_hdr_v1 *hdr, uint32_t len)
{
	const struct hostile_desc chain[] = {{HEADER, sizeof(*hdr), NEXT}, {DATA, len, 0}};

	mem_write(t->h, HEADER, hdr, sizeof(*hdr));
	loses(t, chain, 2);
}

static void no_whole_header(struct hostile *t)
{
	static const uint32_t lens[] = {0, 1, 11};

	for (size_t i = 0; i < sizeof(lens) / sizeof(*lens); i++)
		loses(t, &(struct hostile_desc){HEADER, lens[i], 0}, 1);
}

static void no_whole_frame(struct hostile *t)
{
	static const uint32_t lens[] = {0, 1, 13};
	const struct virtio_net_hdr_v1 hdr = {0};

	for (size_t i = 0; i < sizeof(lens) / sizeof(*lens); i++)
		loses_frame(t, &hdr, lens[i]);
}

static void larger_than_any_packet(struct hostile *t)
{
	static const uint32_t lens[] = {65535 + 4 + 14 + 1, 0x40000};
	const struct virtio_net_hdr_v1 hdr = {0};

	for (size_t i = 0; i < sizeof(lens) / sizeof(*lens); i++) {
		const struct hostile_desc chain[] = {{HEADER, sizeof(hdr), NEXT},
						     {BUFFERS, lens[i], 0}};

		mem_write(t->h, HEADER, &hdr, sizeof(hdr));
		loses(t, chain, 2);
	}
}

/* Segmentation and checksums by the host, which were not agreed on. */
static void offloads_not_agreed_on(struct hostile *t)
{
	static const struct virtio_net_hdr_v1 lies[] = {
		{.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM},
		{.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 0xffff, .csum_offset = 0xffff},
		{.flags = 0xff},
		{.gso_type = VIRTIO_NET_HDR_GSO_TCPV4},
		{.gso_type = VIRTIO_NET_HDR_GSO_TCPV4, .hdr_len = 0xffff, .gso_size = 1},
		{.gso_type = VIRTIO_NET_HDR_GSO_UDP, .gso_size = 0xffff},
		{.gso_type = 0x7f},
	};

	for (size_t i = 0; i < sizeof(lies) / sizeof(*lies); i++)
		loses_frame(t, &lies[i], 100);
}

/* Words of the header that nothing gives a meaning: the frame goes out, and they do not. */
static void header_words_without_meaning(struct hostile *t)
{
	const struct virtio_net_hdr_v1 hdr = {.hdr_len = 0xffff,
					      .gso_size = 0xffff,
					      .csum_start = 0xffff,
					      .csum_offset = 0xffff,
					      .num_buffers = 0xffff};
	struct buffer chain[SUBJECT_BUFFERS];
	unsigned int count = t->s.subject->request(&t->s, chain);

	mem_write(t->h, chain[0].addr, &hdr, sizeof(hdr));
	driver_add(t->h, t->q, chain, count, 0);
	driver_kick(t->h, t->q);
	ck_assert_uint_eq(hostile_await(t), 0);
	t->s.subject->check(&t->s);
}

static void frame_to_be_written(struct hostile *t)
{
	mem_fill(t->h, DATA, 0xcc, 512);
	loses(t, &(struct hostile_desc){DATA, 512, WRITE}, 1);
	ck_assert_uint_eq(mem_byte(t->h, DATA), 0xcc);
}

/* Chains to receive into that have room for nothing, or a header and no frame. */
static void receive_without_room(struct hostile *t)
{
	static const struct buffer chains[] = {
		{DATA, 0, true}, {DATA, 1, true}, {DATA, 12, true}, {DATA, 512, false}};

	for (size_t i = 0; i < sizeof(chains) / sizeof(*chains); i++) {
		struct buffer chain[SUBJECT_BUFFERS];
		unsigned int count;

		mem_fill(t->h, DATA, 0xcc, 512);
		driver_add(t->h, &t->h->queues[0], &chains[i], 1, 0);
		count = t->s.subject->request(&t->s, chain);
		driver_add(t->h, t->q, chain, count, 0);
		driver_kick(t->h, t->q);
		hostile_await(t);
		harness_settle(t->h);
		ck_assert_uint_eq(mem_byte(t->h, DATA + 12), 0xcc);
		subject_start(&t->s, 0);
	}
}

const struct hostile_case hostile_net[] = {
	{"net_frame_without_a_whole_header", GOES_ON, .device = "net", .act = no_whole_header},
	{"net_frame_without_addresses", GOES_ON, .device = "net", .act = no_whole_frame},
	{"net_frame_larger_than_any_packet", GOES_ON, .device = "net", .act = larger_than_any_packet},
	{"net_header_with_offloads_not_agreed_on", GOES_ON, .device = "net",
	 .act = offloads_not_agreed_on},
	{"net_header_words_without_meaning", GOES_ON, .device = "net",
	 .act = header_words_without_meaning},
	{"net_frame_to_be_written", GOES_ON, .device = "net", .act = frame_to_be_written},
	{"net_receive_buffers_without_room", CHECKED, .device = "net", .act = receive_without_room},
	{.name = NULL},
};
