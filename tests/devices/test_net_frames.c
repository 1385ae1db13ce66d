/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Frames of the network device on a backend that can do everything: headers both ways, receive
 * buffers of any shape, alone and merged, several pairs of queues, the link. On both rings.
 */
#include <string.h>

#include "devices/net.h"
#include "tests/devices/net-driver.h"
#include "tests/devices/suites.h"

#define HEADER NET_HEADER_SIZE

static struct net_driver d;
static uint8_t frame[HEADER + NET_FRAME_MAX + 1], got[HEADER + NET_FRAME_MAX + 1];

static void fill(const struct virtio_net_hdr_v1 *hdr, size_t len, uint8_t seed)
{
	memcpy(frame, hdr, HEADER);
	for (size_t i = HEADER; i < len; i++)
		frame[i] = (uint8_t)(i * 7 + i / 251 + seed);
	/* Not a VLAN's. */
	frame[HEADER + 12] = 8;
}

/* --- from the driver ------------------------------------------------------------------------- */

#define CSUM VIRTIO_NET_HDR_F_NEEDS_CSUM
#define TCP4 VIRTIO_NET_HDR_GSO_TCPV4
#define TCP6 VIRTIO_NET_HDR_GSO_TCPV6
#define UDP  VIRTIO_NET_HDR_GSO_UDP
#define ECN  VIRTIO_NET_HDR_GSO_ECN

#define SENT 200 /* bytes of the frames behind these headers */

static const struct {
	struct virtio_net_hdr_v1 hdr;
	bool passes;
} headers[] = {
	{{0}, true},
	{{.flags = CSUM, .csum_start = 34, .csum_offset = 16}, true},
	{{.flags = CSUM, .csum_start = 14, .csum_offset = 0}, true},
	{{.flags = CSUM, .csum_start = SENT - 2}, true},
	{{.flags = CSUM,
	  .gso_type = TCP4,
	  .hdr_len = 54,
	  .gso_size = 100,
	  .csum_start = 34,
	  .csum_offset = 16},
	 true},
	{{.flags = CSUM,
	  .gso_type = TCP6 | ECN,
	  .hdr_len = SENT,
	  .gso_size = 0xffff,
	  .csum_start = 54,
	  .csum_offset = 16},
	 true},
	{{.flags = CSUM, .gso_type = UDP, .gso_size = 8, .csum_start = 34, .csum_offset = 6}, true},
	/* Outside of the frame, or of what may have a checksum. */
	{{.flags = CSUM, .csum_start = 13, .csum_offset = 16}, false},
	{{.flags = CSUM, .csum_start = 0, .csum_offset = 0}, false},
	{{.flags = CSUM, .csum_start = SENT - 1}, false},
	{{.flags = CSUM, .csum_start = 34, .csum_offset = SENT - 34 - 1}, false},
	{{.flags = CSUM, .csum_start = 0xffff, .csum_offset = 0xffff}, false},
	{{.flags = CSUM, .csum_start = 34, .csum_offset = 0xffff - 33}, false},
	{{.flags = CSUM, .gso_type = TCP4, .hdr_len = SENT + 1, .gso_size = 100, .csum_start = 34},
	 false},
	/* Segments of nothing, or without checksums. */
	{{.flags = CSUM, .gso_type = TCP4, .hdr_len = 54, .csum_start = 34}, false},
	{{.gso_type = TCP4, .hdr_len = 54, .gso_size = 100}, false},
	/* What does not exist, and what only a device may say. */
	{{.flags = CSUM, .gso_type = 2, .gso_size = 100, .csum_start = 34}, false},
	{{.flags = CSUM, .gso_type = ECN, .gso_size = 100, .csum_start = 34}, false},
	{{.flags = CSUM, .gso_type = 0x7f, .gso_size = 100, .csum_start = 34}, false},
	{{.flags = CSUM | VIRTIO_NET_HDR_F_DATA_VALID, .csum_start = 34}, false},
	{{.flags = VIRTIO_NET_HDR_F_RSC_INFO}, false},
};

START_TEST(headers_of_the_driver)
{
	const struct virtio_net_hdr_v1 *hdr = &headers[_i].hdr;

	net_driver_new(&d, NET_HOST_FEATURES);
	fill(hdr, HEADER + SENT, 1);
	net_driver_send(&d, 0, frame, HEADER + SENT);
	ck_assert_uint_eq(net_backend_take(0, got, sizeof(got)),
			  headers[_i].passes ? HEADER + SENT : 0);
	ck_assert_uint_eq(net_driver_stats(&d).errors, !headers[_i].passes);
	if (headers[_i].passes)
		ck_assert_mem_eq(got, frame, HEADER + SENT);
	net_driver_free(&d);
}
END_TEST

/* What was not agreed on is lost, feature by feature; words without meaning are not handed on. */
START_TEST(offloads_one_by_one)
{
	static const struct {
		uint64_t feature;
		struct virtio_net_hdr_v1 hdr;
	} needs[] = {
		{FEATURE(VIRTIO_NET_F_CSUM), {.flags = CSUM, .csum_start = 34}},
		{FEATURE(VIRTIO_NET_F_HOST_TSO4),
		 {.flags = CSUM, .gso_type = TCP4, .gso_size = 9, .csum_start = 34}},
		{FEATURE(VIRTIO_NET_F_HOST_TSO6),
		 {.flags = CSUM, .gso_type = TCP6, .gso_size = 9, .csum_start = 34}},
		{FEATURE(VIRTIO_NET_F_HOST_ECN),
		 {.flags = CSUM, .gso_type = TCP4 | ECN, .gso_size = 9, .csum_start = 34}},
		{FEATURE(VIRTIO_NET_F_HOST_UFO),
		 {.flags = CSUM, .gso_type = UDP, .gso_size = 9, .csum_start = 34}},
	};
	const struct virtio_net_hdr_v1 noise = {.hdr_len = 0xffff,
						.gso_size = 0xffff,
						.csum_start = 0xffff,
						.csum_offset = 0xffff,
						.num_buffers = 0xffff},
				       nothing = {0};

	net_driver_new(&d, NET_HOST_FEATURES & ~needs[_i].feature & ~(_i ? 0 : NET_HOST_FEATURES));
	fill(&needs[_i].hdr, HEADER + SENT, 1);
	net_driver_send(&d, 0, frame, HEADER + SENT);
	ck_assert_uint_eq(net_backend_take(0, got, sizeof(got)), 0);
	ck_assert_uint_eq(net_driver_stats(&d).errors, 1);
	fill(&noise, HEADER + SENT, 1);
	net_driver_send(&d, 0, frame, HEADER + SENT);
	ck_assert_uint_eq(net_backend_take(0, got, sizeof(got)), HEADER + SENT);
	ck_assert_mem_eq(got, &nothing, HEADER);
	ck_assert_mem_eq(got + HEADER, frame + HEADER, SENT);
	net_driver_free(&d);
}
END_TEST

START_TEST(longest_frame)
{
	const struct virtio_net_hdr_v1 hdr = {
		.flags = CSUM, .gso_type = TCP4, .gso_size = 1448, .csum_start = 34};

	net_driver_new(&d, NET_HOST_FEATURES);
	fill(&hdr, HEADER + NET_FRAME_MAX, 1);
	net_driver_send(&d, 0, frame, HEADER + NET_FRAME_MAX);
	ck_assert_uint_eq(net_backend_take(0, got, sizeof(got)), HEADER + NET_FRAME_MAX);
	ck_assert_mem_eq(got, frame, HEADER + NET_FRAME_MAX);
	net_driver_send(&d, 0, frame, HEADER + NET_FRAME_MAX + 1);
	ck_assert_uint_eq(net_backend_take(0, got, sizeof(got)), 0);
	ck_assert_uint_eq(net_driver_stats(&d).errors, 1);
	net_driver_free(&d);
}
END_TEST

/* A backend without room: frames stay where they are, and all arrive in order when there is some. */
START_TEST(backend_that_is_full)
{
	const struct virtio_net_hdr_v1 hdr = {0};
	const struct buffer chain = {NET_SEND_AT, HEADER + 60000, false};
	struct driver_queue *q;
	unsigned int taken = 0;
	uint32_t head, used;

	net_driver_new(&d, 0);
	q = &d.h.queues[1];
	fill(&hdr, chain.len, 1);
	mem_write(&d.h, chain.addr, frame, chain.len);
	for (unsigned int i = 0; i < q->size; i++)
		driver_add(&d.h, q, &chain, 1, 0);
	driver_kick(&d.h, q);
	for (unsigned int i = 0; i < q->size; i++) {
		driver_await(&d.h, q, &head, &used);
		/* Sockets hold fewer than all. */
		if (i == 1)
			ck_assert(!driver_used(&d.h, q, &head, &used) || ++i);
		while (net_backend_take(0, got, sizeof(got)) == chain.len)
			taken++;
	}
	harness_settle(&d.h);
	while (net_backend_take(0, got, sizeof(got)) == chain.len)
		taken++;
	ck_assert_uint_eq(taken, q->size);
	ck_assert_uint_eq(net_driver_stats(&d).errors, 0);
	ck_assert_uint_eq(net_driver_stats(&d).transfers, q->size);
	net_driver_free(&d);
}
END_TEST

/* --- to the driver --------------------------------------------------------------------------- */

/* A header comes through as far as the driver agreed to it. */
START_TEST(headers_of_the_backend)
{
	static const struct {
		uint64_t feature;
		struct virtio_net_hdr_v1 hdr;
	} needs[] = {
		{FEATURE(VIRTIO_NET_F_GUEST_CSUM), {.flags = CSUM, .csum_start = 34}},
		{FEATURE(VIRTIO_NET_F_GUEST_TSO4), {.flags = CSUM, .gso_type = TCP4, .gso_size = 9}},
		{FEATURE(VIRTIO_NET_F_GUEST_TSO6), {.flags = CSUM, .gso_type = TCP6, .gso_size = 9}},
		{FEATURE(VIRTIO_NET_F_GUEST_ECN),
		 {.flags = CSUM, .gso_type = TCP4 | ECN, .gso_size = 9}},
		{FEATURE(VIRTIO_NET_F_GUEST_UFO), {.flags = CSUM, .gso_type = UDP, .gso_size = 9}},
	};
	const bool agreed = _i % 2;
	const unsigned int index = (unsigned int)_i / 2;
	uint64_t features = NET_GUEST_FEATURES;
	struct virtio_net_hdr_v1 hdr;

	if (!agreed)
		features &= index ? ~needs[index].feature : 0;
	net_driver_new(&d, features);
	ck_assert_uint_eq(net_fake.offload, features);
	fill(&needs[index].hdr, HEADER + SENT, 1);
	net_driver_post(&d, 0, NET_RECEIVE_AT, 2048);
	net_driver_kick_rx(&d, 0);
	net_backend_put(0, frame, HEADER + SENT);
	if (agreed) {
		ck_assert_uint_eq(net_driver_receive(&d, 0, got, NULL), HEADER + SENT);
		memcpy(&hdr, got, HEADER);
		ck_assert_uint_eq(le16toh(hdr.num_buffers), 1);
		hdr.num_buffers = 0;
		ck_assert_mem_eq(&hdr, &needs[index].hdr, HEADER);
	} else {
		net_driver_no_frame(&d, 0);
		ck_assert_uint_eq(net_driver_stats(&d).dropped, 1);
	}
	net_driver_free(&d);
}
END_TEST

/* Who did not agree to checksums is not told that one was checked, and gets the frame. */
START_TEST(data_valid_is_for_those_who_asked)
{
	const struct virtio_net_hdr_v1 valid = {.flags = VIRTIO_NET_HDR_F_DATA_VALID};

	net_driver_new(&d, _i ? FEATURE(VIRTIO_NET_F_GUEST_CSUM) : 0);
	fill(&valid, HEADER + SENT, 1);
	net_driver_post(&d, 0, NET_RECEIVE_AT, 2048);
	net_driver_kick_rx(&d, 0);
	net_backend_put(0, frame, HEADER + SENT);
	ck_assert_uint_eq(net_driver_receive(&d, 0, got, NULL), HEADER + SENT);
	ck_assert_uint_eq(got[0], _i ? VIRTIO_NET_HDR_F_DATA_VALID : 0);
	net_driver_free(&d);
}
END_TEST

#define MERGED 5000

/* Frames of any length in buffers of any length; each whole, and none longer than it says. */
START_TEST(merged_buffers)
{
	const struct virtio_net_hdr_v1 hdr = {0};
	gm_addr at = NET_RECEIVE_AT;

	net_driver_new(&d, NET_MRG);
	for (unsigned int round = 0; round < 60; round++) {
		size_t len = HEADER + ETH_HLEN + test_random_below(&d.random, MERGED);
		unsigned int buffers, least = 0;

		at = NET_RECEIVE_AT;
		for (size_t room = 0; room < len; least++) {
			uint32_t size = HEADER + (uint32_t)test_random_below(&d.random, 1500);

			net_driver_post(&d, 0, at, size);
			at += size + 1;
			room += size;
		}
		net_driver_kick_rx(&d, 0);
		fill(&hdr, len, (uint8_t)round);
		mem_fill(&d.h, at, 0xcc, 64);
		net_backend_put(0, frame, len);
		ck_assert_uint_eq(net_driver_receive(&d, 0, got, &buffers), len);
		ck_assert_uint_eq(buffers, least);
		ck_assert_mem_eq(got + HEADER, frame + HEADER, len - HEADER);
		ck_assert_uint_eq(mem_byte(&d.h, at), 0xcc);
	}
	ck_assert_uint_eq(net_driver_stats(&d).dropped, 0);
	net_driver_free(&d);
}
END_TEST

/* Long and short frames mixed, the ring never empty: what was taken for too much is not lost. */
START_TEST(merged_buffers_that_are_left_over)
{
	const struct virtio_net_hdr_v1 hdr = {0};
	unsigned int posted = 0;

	net_driver_new(&d, NET_MRG);
	for (unsigned int round = 0; round < 200; round++) {
		size_t len = HEADER + (round % 3 ? 60 : MERGED);

		for (; posted < 24; posted++)
			net_driver_post(&d, 0,
					NET_RECEIVE_AT + 512 * (round * 24ULL + posted) % 0x8000,
					512);
		net_driver_kick_rx(&d, 0);
		fill(&hdr, len, (uint8_t)round);
		net_backend_put(0, frame, len);
		ck_assert_uint_eq(net_driver_receive(&d, 0, got, NULL), len);
		ck_assert_mem_eq(got + HEADER, frame + HEADER, len - HEADER);
		posted -= (unsigned int)(len + 511) / 512;
	}
	/* Every chain was counted once, however often it was taken. */
	ck_assert_uint_eq(net_driver_stats(&d).requests, 200 * 1 + 67 * 9);
	harness_settle(&d.h);
	ck_assert_uint_eq(net_driver_stats(&d).transfers, 2 * (200 * 1 + 67 * 9));
	net_driver_free(&d);
}
END_TEST

/* Too few: none of them comes back, the frame is lost, the next one that fits is whole. */
START_TEST(too_few_buffers_to_merge)
{
	const struct virtio_net_hdr_v1 hdr = {0};
	unsigned int buffers;

	net_driver_new(&d, NET_MRG);
	for (unsigned int i = 0; i < 4; i++)
		net_driver_post(&d, 0, NET_RECEIVE_AT + 1024 * i, 1000);
	net_driver_kick_rx(&d, 0);
	fill(&hdr, 4001, 1);
	net_backend_put(0, frame, 4001);
	net_driver_no_frame(&d, 0);
	ck_assert_uint_eq(net_driver_stats(&d).dropped, 1);
	fill(&hdr, 4000, 2);
	net_backend_put(0, frame, 4000);
	ck_assert_uint_eq(net_driver_receive(&d, 0, got, &buffers), 4000);
	ck_assert_uint_eq(buffers, 4);
	ck_assert_mem_eq(got + HEADER, frame + HEADER, 4000 - HEADER);
	net_driver_free(&d);
}
END_TEST

/* Without the agreement a frame is in one chain or lost. */
START_TEST(nothing_is_merged_without_agreement)
{
	const struct virtio_net_hdr_v1 hdr = {0};

	net_driver_new(&d, 0);
	net_driver_post(&d, 0, NET_RECEIVE_AT, 1000);
	net_driver_post(&d, 0, NET_RECEIVE_AT + 1000, 1000);
	net_driver_kick_rx(&d, 0);
	fill(&hdr, 1001, 1);
	net_backend_put(0, frame, 1001);
	net_driver_no_frame(&d, 0);
	ck_assert_uint_eq(net_driver_stats(&d).dropped, 1);
	net_backend_put(0, frame, 1000);
	ck_assert_uint_eq(net_driver_receive(&d, 0, got, NULL), 1000);
	net_driver_free(&d);
}
END_TEST

/* More frames than buffers wait; the loop goes on; with buffers they come, in order. */
START_TEST(ring_that_is_full)
{
	const struct virtio_net_hdr_v1 hdr = {0};

	net_driver_new(&d, NET_MRG);
	for (uint8_t i = 0; i < 50; i++) {
		fill(&hdr, HEADER + 60, i);
		net_backend_put(0, frame, HEADER + 60);
	}
	net_driver_no_frame(&d, 0);
	for (uint8_t i = 0; i < 50; i++) {
		net_driver_post(&d, 0, NET_RECEIVE_AT, 100);
		net_driver_kick_rx(&d, 0);
		fill(&hdr, HEADER + 60, i);
		ck_assert_uint_eq(net_driver_receive(&d, 0, got, NULL), HEADER + 60);
		ck_assert_mem_eq(got + HEADER, frame + HEADER, 60);
	}
	ck_assert_uint_eq(net_driver_stats(&d).dropped, 0);
	net_driver_free(&d);
}
END_TEST

/* What is too short for addresses never reaches a driver. */
START_TEST(stumps_of_frames)
{
	net_driver_new(&d, NET_MRG);
	net_driver_post(&d, 0, NET_RECEIVE_AT, 2048);
	net_driver_kick_rx(&d, 0);
	memset(frame, 0, sizeof(frame));
	for (size_t len = 1; len < HEADER + ETH_HLEN; len++)
		net_backend_put(0, frame, len);
	net_driver_no_frame(&d, 0);
	ck_assert_uint_eq(net_driver_stats(&d).dropped, HEADER + ETH_HLEN - 1);
	for (size_t len = HEADER + ETH_HLEN; len < HEADER + ETH_HLEN + 8; len++) {
		net_backend_put(0, frame, len);
		ck_assert_uint_eq(net_driver_receive(&d, 0, got, NULL), len);
		net_driver_post(&d, 0, NET_RECEIVE_AT, 2048);
		net_driver_kick_rx(&d, 0);
	}
	net_driver_free(&d);
}
END_TEST

/* --- link ------------------------------------------------------------------------------------ */

static uint16_t link_status(void)
{
	struct virtio_net_config config;

	virtio_lock(d.h.dev);
	virtio_config_read(d.h.dev, 0, &config, sizeof(config));
	virtio_unlock(d.h.dev);
	return le16toh(config.status);
}

START_TEST(link_goes_down_and_up)
{
	uint32_t generation;

	net_driver_new(&d, FEATURE(VIRTIO_NET_F_STATUS));
	generation = reg_read(&d.h, VIRTIO_MMIO_CONFIG_GENERATION);
	ck_assert_uint_eq(link_status(), VIRTIO_NET_S_LINK_UP);
	for (unsigned int i = 0; i < 4; i++) {
		const bool up = i % 2;

		reg_write(&d.h, VIRTIO_MMIO_INTERRUPT_ACK, ~0u);
		net_fake_set_link(up);
		ck_assert_uint_eq(link_status(), up ? VIRTIO_NET_S_LINK_UP : 0);
		ck_assert(reg_read(&d.h, VIRTIO_MMIO_INTERRUPT_STATUS) & VIRTIO_MMIO_INT_CONFIG);
		ck_assert_uint_ne(reg_read(&d.h, VIRTIO_MMIO_CONFIG_GENERATION), generation);
		generation = reg_read(&d.h, VIRTIO_MMIO_CONFIG_GENERATION);
	}
	/* What is said again is no news. */
	reg_write(&d.h, VIRTIO_MMIO_INTERRUPT_ACK, ~0u);
	net_fake_set_link(true);
	ck_assert_uint_eq(reg_read(&d.h, VIRTIO_MMIO_INTERRUPT_STATUS), 0);
	ck_assert_uint_eq(reg_read(&d.h, VIRTIO_MMIO_CONFIG_GENERATION), generation);
	net_driver_free(&d);
}
END_TEST

START_TEST(what_is_offered)
{
	struct virtio_net_config config;
	const uint64_t all = NET_CTRL_FEATURES | NET_HOST_FEATURES | NET_GUEST_FEATURES | NET_MRG |
			     FEATURE(VIRTIO_NET_F_MAC) | FEATURE(VIRTIO_NET_F_MTU) |
			     FEATURE(VIRTIO_NET_F_STATUS) | FEATURE(VIRTIO_NET_F_SPEED_DUPLEX);

	net_driver_new(&d, all);
	ck_assert_uint_eq(d.h.features & all, all);
	ck_assert_uint_eq(d.h.dev->queue_count, 2 * NET_FAKE_PAIRS + 1);
	virtio_config_read(d.h.dev, 0, &config, sizeof(config));
	ck_assert_uint_eq(le16toh(config.max_virtqueue_pairs), NET_FAKE_PAIRS);
	ck_assert_uint_eq(le16toh(config.mtu), 9000);
	ck_assert_uint_eq(le32toh(config.speed), 10000);
	ck_assert_uint_eq(config.duplex, 1);
	net_driver_free(&d);
}
END_TEST

/* Features that are of no use alone are refused. */
START_TEST(features_that_need_others)
{
	static const unsigned int alone[] = {
		VIRTIO_NET_F_GUEST_TSO4,
		VIRTIO_NET_F_GUEST_TSO6,
		VIRTIO_NET_F_GUEST_ECN,
		VIRTIO_NET_F_GUEST_UFO,
		VIRTIO_NET_F_HOST_TSO4,
		VIRTIO_NET_F_HOST_TSO6,
		VIRTIO_NET_F_HOST_ECN,
		VIRTIO_NET_F_HOST_UFO,
		VIRTIO_NET_F_CTRL_RX,
		VIRTIO_NET_F_CTRL_VLAN,
		VIRTIO_NET_F_CTRL_RX_EXTRA,
		VIRTIO_NET_F_CTRL_MAC_ADDR,
		VIRTIO_NET_F_MQ,
		VIRTIO_NET_F_CTRL_GUEST_OFFLOADS,
	};

	net_driver_new(&d, 0);
	for (size_t i = 0; i < sizeof(alone) / sizeof(*alone); i++)
		ck_assert(!driver_negotiate(&d.h, VERSION_1 | FEATURE(alone[i])));
	ck_assert(driver_negotiate(&d.h, VERSION_1 | NET_HOST_FEATURES | NET_GUEST_FEATURES |
						 NET_CTRL_FEATURES));
	net_driver_free(&d);
}
END_TEST

static TCase *on_ring(const char *name, void (*use)(void))
{
	TCase *tcase = tcase_create(name);

	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, use, NULL);
	tcase_add_loop_test(tcase, headers_of_the_driver, 0, sizeof(headers) / sizeof(*headers));
	tcase_add_loop_test(tcase, offloads_one_by_one, 0, 5);
	tcase_add_test(tcase, longest_frame);
	tcase_add_test(tcase, backend_that_is_full);
	tcase_add_loop_test(tcase, headers_of_the_backend, 0, 10);
	tcase_add_loop_test(tcase, data_valid_is_for_those_who_asked, 0, 2);
	tcase_add_test(tcase, merged_buffers);
	tcase_add_test(tcase, merged_buffers_that_are_left_over);
	tcase_add_test(tcase, too_few_buffers_to_merge);
	tcase_add_test(tcase, nothing_is_merged_without_agreement);
	tcase_add_test(tcase, ring_that_is_full);
	tcase_add_test(tcase, stumps_of_frames);
	tcase_add_test(tcase, link_goes_down_and_up);
	tcase_add_test(tcase, what_is_offered);
	tcase_add_test(tcase, features_that_need_others);
	return tcase;
}

Suite *net_frames_suite(void)
{
	Suite *suite = suite_create("net-frames");

	suite_add_tcase(suite, on_ring("net-frames", driver_use_split));
	suite_add_tcase(suite, on_ring("net-frames-packed", driver_use_packed));
	return suite;
}
