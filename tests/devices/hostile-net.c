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

/* --- drivers that agreed to everything ---------------------------------------------------------- */

#define EVERYTHING                                                               \
	(FEATURE(VIRTIO_NET_F_CSUM) | FEATURE(VIRTIO_NET_F_HOST_TSO4) |          \
	 FEATURE(VIRTIO_NET_F_HOST_TSO6) | FEATURE(VIRTIO_NET_F_HOST_ECN) |      \
	 FEATURE(VIRTIO_NET_F_HOST_UFO) | FEATURE(VIRTIO_NET_F_MRG_RXBUF) |      \
	 FEATURE(VIRTIO_NET_F_CTRL_VQ) | FEATURE(VIRTIO_NET_F_CTRL_RX) |         \
	 FEATURE(VIRTIO_NET_F_CTRL_RX_EXTRA) | FEATURE(VIRTIO_NET_F_CTRL_VLAN) | \
	 FEATURE(VIRTIO_NET_F_CTRL_MAC_ADDR) | FEATURE(VIRTIO_NET_F_MQ))

/* Every word of the header wrong by itself. Where the backend can do less, it is not agreed on. */
static void offloads_that_lie(struct hostile *t)
{
	static const struct virtio_net_hdr_v1 lies[] = {
		{.flags = 1, .csum_start = 0xffff},
		{.flags = 1, .csum_start = 14, .csum_offset = 0xffff},
		{.flags = 1, .csum_start = 0xffff, .csum_offset = 0xffff},
		{.flags = 1, .csum_start = 99},
		{.flags = 1, .csum_start = 13},
		{.flags = 0xfe, .csum_start = 34},
		{.flags = 1, .csum_start = 34, .gso_type = VIRTIO_NET_HDR_GSO_TCPV4},
		{.flags = 1, .csum_start = 34, .gso_type = 2, .gso_size = 1},
		{.flags = 1, .csum_start = 34, .gso_type = 0x85, .gso_size = 1},
		{.flags = 1, .csum_start = 34, .gso_type = VIRTIO_NET_HDR_GSO_ECN, .gso_size = 1},
		{.flags = 1,
		 .csum_start = 34,
		 .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
		 .gso_size = 1,
		 .hdr_len = 101},
		{.gso_type = VIRTIO_NET_HDR_GSO_UDP, .gso_size = 1},
	};

	for (size_t i = 0; i < sizeof(lies) / sizeof(*lies); i++) {
		subject_start(&t->s, EVERYTHING);
		loses_frame(t, &lies[i], 100);
	}
}

/* Where commands go: behind the pairs there are, or the one pair. */
static struct driver_queue *control_of(struct hostile *t)
{
	const bool several = t->h->features & FEATURE(VIRTIO_NET_F_MQ);

	return &t->h->queues[several ? t->h->dev->queue_count - 1 : 2];
}

/* A command of @len bytes at DATA; its answer. */
static uint8_t answer(struct hostile *t, uint32_t len)
{
	const struct buffer chain[] = {{DATA, len, false}, {STATUS, 1, true}};
	struct driver_queue *q = control_of(t);
	uint32_t head, used;

	mem_fill(t->h, STATUS, 0xee, 1);
	driver_add(t->h, q, chain, 2, 0);
	driver_kick(t->h, q);
	driver_await(t->h, q, &head, &used);
	ck_assert_uint_eq(used, 1);
	return mem_byte(t->h, STATUS);
}

/* Every command there may be, too short and too long. */
static void commands_that_lie(struct hostile *t)
{
	static const uint32_t lens[] = {0, 1, 3, 9, 11, 100, 4000};

	subject_start(&t->s, EVERYTHING);
	for (uint8_t class = 0; class < 8; class ++) {
		for (uint8_t cmd = 0; cmd < 7; cmd++) {
			for (size_t i = 0; i < sizeof(lens) / sizeof(*lens); i++) {
				const uint8_t hdr[2] = {class, cmd};

				mem_fill(t->h, DATA, 0xff, lens[i] + 2);
				mem_write(t->h, DATA, hdr, 2);
				ck_assert_uint_eq(answer(t, lens[i]), VIRTIO_NET_ERR);
			}
		}
	}
}

/* Tables of addresses whose counts are more than there is, or more than anyone keeps. */
static void address_tables_without_end(struct hostile *t)
{
	static const uint32_t counts[] = {1, 600, 0x2aaaaaab, 0x7fffffff, 0xffffffff};
	const uint8_t hdr[2] = {VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET};

	subject_start(&t->s, EVERYTHING);
	mem_fill(t->h, DATA, 0, 4096);
	mem_write(t->h, DATA, hdr, 2);
	for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
		mem_write(t->h, DATA + 2, &counts[i], sizeof(counts[i]));
		/* 600 addresses and a count of none are 3608 bytes: too long to keep, and no lie. */
		ck_assert_uint_eq(answer(t, 2 + 3608),
				  counts[i] == 600 ? VIRTIO_NET_OK : VIRTIO_NET_ERR);
	}
}

static void pairs_out_of_range(struct hostile *t)
{
	static const uint16_t pairs[] = {0, 4, 9, 0x7fff, 0x8000, 0xffff};
	const uint8_t hdr[2] = {VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET};

	subject_start(&t->s, EVERYTHING);
	mem_write(t->h, DATA, hdr, 2);
	for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++) {
		mem_write(t->h, DATA + 2, &pairs[i], sizeof(pairs[i]));
		ck_assert_uint_eq(answer(t, 4), VIRTIO_NET_ERR);
	}
}

static void command_without_answer(struct hostile *t)
{
	subject_start(&t->s, EVERYTHING);
	driver_add(t->h, control_of(t), &(struct buffer){DATA, 4, false}, 1, 0);
	driver_kick(t->h, control_of(t));
}

/* Chains to merge that have no room at all, in front of ones that have: nothing is torn. */
static void merged_buffers_without_room(struct hostile *t)
{
	static const struct buffer chains[] = {{DATA, 0, true}, {DATA, 5, true}, {DATA, 64, false}};
	struct buffer chain[SUBJECT_BUFFERS];

	for (size_t i = 0; i < sizeof(chains) / sizeof(*chains); i++) {
		subject_start(&t->s, EVERYTHING);
		mem_fill(t->h, DATA, 0xcc, 512);
		driver_add(t->h, &t->h->queues[0], &chains[i], 1, 0);
		driver_add(t->h, t->q, chain, t->s.subject->request(&t->s, chain), 0);
		driver_kick(t->h, t->q);
		hostile_await(t);
		harness_settle(t->h);
		ck_assert_uint_eq(mem_byte(t->h, DATA + 12), 0xcc);
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
	{"net_header_with_offloads_that_lie", GOES_ON, .device = "net", .act = offloads_that_lie},
	{"net_commands_that_lie", GOES_ON, .device = "net", .act = commands_that_lie},
	{"net_address_tables_without_end", GOES_ON, .device = "net",
	 .act = address_tables_without_end},
	{"net_pairs_of_queues_out_of_range", GOES_ON, .device = "net", .act = pairs_out_of_range},
	{"net_command_without_answer", BREAKS, "a command without room for its answer",
	 .device = "net", .act = command_without_answer},
	{"net_merged_buffers_without_room", CHECKED, .device = "net",
	 .act = merged_buffers_without_room},
	{.name = NULL},
};
