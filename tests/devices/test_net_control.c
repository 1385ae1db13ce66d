/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The control queue of the network device: every command with what it changes, wrong ones that
 * change nothing, in chains cut anywhere. On both rings.
 */
#include <string.h>

#include "devices/net-filter.h"
#include "tests/devices/net-driver.h"
#include "tests/devices/suites.h"

#define HEADER NET_HEADER_SIZE
#define OK     VIRTIO_NET_OK
#define ERR    VIRTIO_NET_ERR

static struct net_driver d;

static const uint8_t own[ETH_ALEN] = {0x52, 0x54, 0, 0x12, 0x34, 0x56};
static const uint8_t other[ETH_ALEN] = {0x52, 0x54, 0, 0x12, 0x34, 0x57};
static const uint8_t listed[ETH_ALEN] = {0x52, 0x54, 0, 0, 0, 1};
static const uint8_t group[ETH_ALEN] = {1, 0, 0x5e, 0, 0, 1};
static const uint8_t listed_group[ETH_ALEN] = {1, 0, 0x5e, 0, 0, 2};
static const uint8_t everybody[ETH_ALEN] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

static uint8_t command(uint8_t class, uint8_t cmd, const void *data, uint32_t len)
{
	return net_driver_command(&d, class, cmd, data, len);
}

static uint8_t mode(uint8_t cmd, uint8_t on)
{
	return command(VIRTIO_NET_CTRL_RX, cmd, &on, 1);
}

static void send_to(const uint8_t *mac, int vlan)
{
	uint8_t frame[HEADER + 64] = {0};

	memcpy(frame + HEADER, mac, ETH_ALEN);
	if (vlan >= 0) {
		frame[HEADER + 12] = ETHERTYPE_VLAN >> 8;
		/* A priority is not part of the number. */
		frame[HEADER + 14] = (uint8_t)(0xe0 | vlan >> 8);
		frame[HEADER + 15] = (uint8_t)vlan;
	}
	net_backend_put(0, frame, sizeof(frame));
}

/* Whether a frame to @mac comes through; by one to the own address behind it, which does. */
static bool passes(const uint8_t *mac, int vlan)
{
	struct driver_queue *q = &d.h.queues[0];
	uint32_t head, used;
	bool first;

	net_driver_post(&d, 0, NET_RECEIVE_AT, 1000);
	net_driver_kick_rx(&d, 0);
	send_to(mac, vlan);
	harness_settle(&d.h);
	first = driver_used(&d.h, q, &head, &used);
	if (!first) {
		mode(VIRTIO_NET_CTRL_RX_PROMISC, 1);
		send_to(own, -1);
		driver_await(&d.h, q, &head, &used);
		mode(VIRTIO_NET_CTRL_RX_PROMISC, 0);
	}
	return first;
}

START_TEST(receive_modes)
{
	net_driver_new(&d, NET_CTRL_FEATURES);
	/* Everything, until something else is said. */
	ck_assert(passes(other, -1) && passes(group, -1) && passes(everybody, -1));
	ck_assert_uint_eq(mode(VIRTIO_NET_CTRL_RX_PROMISC, 0), OK);
	ck_assert(passes(own, -1) && passes(everybody, -1));
	ck_assert(!passes(other, -1) && !passes(group, -1));
	ck_assert_uint_eq(mode(VIRTIO_NET_CTRL_RX_ALLMULTI, 1), OK);
	ck_assert(passes(group, -1) && !passes(other, -1));
	ck_assert_uint_eq(mode(VIRTIO_NET_CTRL_RX_NOMULTI, 1), OK);
	ck_assert(!passes(group, -1) && passes(everybody, -1));
	ck_assert_uint_eq(mode(VIRTIO_NET_CTRL_RX_ALLUNI, 1), OK);
	ck_assert(passes(other, -1));
	ck_assert_uint_eq(mode(VIRTIO_NET_CTRL_RX_NOUNI, 1), OK);
	ck_assert(!passes(other, -1) && !passes(own, -1));
	ck_assert_uint_eq(mode(VIRTIO_NET_CTRL_RX_NOBCAST, 1), OK);
	ck_assert(!passes(everybody, -1));
	/* Wrong: three ways. */
	ck_assert_uint_eq(mode(VIRTIO_NET_CTRL_RX_NOBCAST, 2), ERR);
	ck_assert_uint_eq(command(VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_NOBCAST, "", 0), ERR);
	ck_assert_uint_eq(command(VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_NOBCAST, "\0", 2), ERR);
	ck_assert(!passes(everybody, -1));
	/* What was filtered was not lost. */
	ck_assert_uint_eq(net_driver_stats(&d).dropped, 0);
	net_driver_free(&d);
}
END_TEST

/* --- tables ---------------------------------------------------------------------------------- */

/* Two tables of @unicast and @multicast addresses; the last of each are those of the tests. */
static uint32_t put_tables(uint8_t *data, uint32_t unicast, uint32_t multicast)
{
	const uint32_t counts[2] = {unicast, multicast};
	uint8_t *at = data;

	for (unsigned int i = 0; i < 2; i++) {
		uint32_t count = htole32(counts[i]);

		memcpy(at, &count, sizeof(count));
		at += sizeof(count);
		for (uint32_t k = 0; k < counts[i]; k++, at += ETH_ALEN) {
			memcpy(at, i ? listed_group : listed, ETH_ALEN);
			if (k + 1 < counts[i])
				at[1] = (uint8_t)(k + 100);
		}
	}
	return (uint32_t)(at - data);
}

static uint8_t set_tables(uint32_t unicast, uint32_t multicast)
{
	static uint8_t data[16384];
	uint32_t len = put_tables(data, unicast, multicast);

	return command(VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, data, len);
}

START_TEST(address_tables)
{
	net_driver_new(&d, NET_CTRL_FEATURES);
	mode(VIRTIO_NET_CTRL_RX_PROMISC, 0);
	ck_assert(!passes(listed, -1) && !passes(listed_group, -1));
	ck_assert_uint_eq(set_tables(NET_MACS_MAX, NET_MACS_MAX), OK);
	ck_assert(passes(listed, -1) && passes(listed_group, -1));
	ck_assert(!passes(other, -1) && !passes(group, -1));
	ck_assert(passes(own, -1) && passes(everybody, -1));
	/* A new table is all there is. */
	ck_assert_uint_eq(set_tables(0, 1), OK);
	ck_assert(!passes(listed, -1) && passes(listed_group, -1));
	/* One that is too long lets all of its kind pass, and nothing else. */
	ck_assert_uint_eq(set_tables(NET_MACS_MAX + 1, 1), OK);
	ck_assert(passes(other, -1) && !passes(group, -1));
	ck_assert_uint_eq(set_tables(1, 1000), OK);
	ck_assert(!passes(other, -1) && passes(group, -1));
	ck_assert_uint_eq(set_tables(0, 0), OK);
	ck_assert(!passes(listed, -1) && !passes(group, -1) && passes(own, -1));
	net_driver_free(&d);
}
END_TEST

/* Tables that lie about their lengths change nothing. */
START_TEST(address_tables_that_lie)
{
	static uint8_t data[4096];
	const uint32_t len = put_tables(data, 2, 2);
	static const uint32_t counts[] = {3, 5, 1000, 0x2aaaaaab, 0x80000000, 0xffffffff};

	net_driver_new(&d, NET_CTRL_FEATURES);
	mode(VIRTIO_NET_CTRL_RX_PROMISC, 0);
	set_tables(1, 1);
	for (uint32_t cut = 0; cut < len; cut++)
		ck_assert_uint_eq(
			command(VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, data, cut), ERR);
	ck_assert_uint_eq(command(VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, data, len + 1),
			  ERR);
	for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
		const uint32_t count = htole32(counts[i]);

		put_tables(data, 2, 2);
		memcpy(data + (i % 2 ? 4 + 2 * ETH_ALEN : 0), &count, sizeof(count));
		ck_assert_uint_eq(
			command(VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, data, len), ERR);
	}
	ck_assert(passes(listed, -1) && passes(listed_group, -1));
	ck_assert(!passes(other, -1) && !passes(group, -1));
	net_driver_free(&d);
}
END_TEST

static uint8_t vlan(uint8_t cmd, uint16_t id)
{
	id = htole16(id);
	return command(VIRTIO_NET_CTRL_VLAN, cmd, &id, sizeof(id));
}

START_TEST(vlans)
{
	net_driver_new(&d, NET_CTRL_FEATURES);
	ck_assert(passes(own, 7));
	mode(VIRTIO_NET_CTRL_RX_PROMISC, 0);
	ck_assert(passes(own, -1) && !passes(own, 7) && !passes(own, 4095));
	ck_assert_uint_eq(vlan(VIRTIO_NET_CTRL_VLAN_ADD, 7), OK);
	ck_assert_uint_eq(vlan(VIRTIO_NET_CTRL_VLAN_ADD, 4095), OK);
	ck_assert(passes(own, 7) && passes(own, 4095) && !passes(own, 8) && !passes(other, 7));
	ck_assert_uint_eq(vlan(VIRTIO_NET_CTRL_VLAN_DEL, 7), OK);
	ck_assert(!passes(own, 7) && passes(own, 4095));
	ck_assert_uint_eq(vlan(VIRTIO_NET_CTRL_VLAN_ADD, 4096), ERR);
	ck_assert_uint_eq(vlan(VIRTIO_NET_CTRL_VLAN_DEL, 0xffff), ERR);
	ck_assert_uint_eq(command(VIRTIO_NET_CTRL_VLAN, 2, "\0", 2), ERR);
	/* Who did not agree to choose gets all. */
	driver_start(&d.h, NET_CTRL_FEATURES & ~FEATURE(VIRTIO_NET_F_CTRL_VLAN));
	mode(VIRTIO_NET_CTRL_RX_PROMISC, 0);
	ck_assert(passes(own, 7));
	ck_assert_uint_eq(vlan(VIRTIO_NET_CTRL_VLAN_ADD, 7), ERR);
	net_driver_free(&d);
}
END_TEST

/* --- address --------------------------------------------------------------------------------- */

static void check_mac(const uint8_t *mac)
{
	uint8_t got[ETH_ALEN];

	virtio_lock(d.h.dev);
	virtio_config_read(d.h.dev, 0, got, sizeof(got));
	virtio_unlock(d.h.dev);
	ck_assert_mem_eq(got, mac, ETH_ALEN);
}

START_TEST(own_address)
{
	static const uint8_t zeros[ETH_ALEN];
	uint32_t generation;

	net_driver_new(&d, NET_CTRL_FEATURES);
	mode(VIRTIO_NET_CTRL_RX_PROMISC, 0);
	generation = reg_read(&d.h, VIRTIO_MMIO_CONFIG_GENERATION);
	ck_assert_uint_eq(command(VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, other, 6), OK);
	check_mac(other);
	ck_assert_uint_ne(reg_read(&d.h, VIRTIO_MMIO_CONFIG_GENERATION), generation);
	ck_assert(passes(other, -1) && !passes(own, -1));
	ck_assert_uint_eq(command(VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, group, 6), ERR);
	ck_assert_uint_eq(command(VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, zeros, 6), ERR);
	ck_assert_uint_eq(command(VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, own, 5), ERR);
	check_mac(other);
	/* A reset brings everything back. */
	driver_start(&d.h, NET_CTRL_FEATURES);
	check_mac(own);
	ck_assert(passes(other, -1) && passes(group, -1));
	net_driver_free(&d);
}
END_TEST

/* --- pairs of queues ------------------------------------------------------------------------- */

static uint8_t set_pairs(uint16_t pairs)
{
	pairs = htole16(pairs);
	return command(VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, &pairs, sizeof(pairs));
}

START_TEST(pairs_of_queues)
{
	static const uint16_t wrong[] = {0, NET_FAKE_PAIRS + 1, 0x8000, 0xffff};
	uint8_t frame[HEADER + 60] = {0}, got[2048];
	struct driver_queue *q;

	net_driver_new(&d, NET_CTRL_FEATURES);
	/* Sent and offered early, on a pair that is not used yet. */
	q = &d.h.queues[2 * (NET_FAKE_PAIRS - 1) + 1];
	mem_write(&d.h, NET_SEND_AT + 0x1000, frame, sizeof(frame));
	driver_add(&d.h, q, &(struct buffer){NET_SEND_AT + 0x1000, sizeof(frame), false}, 1, 0);
	driver_kick(&d.h, q);
	net_driver_post(&d, 1, NET_RECEIVE_AT, 1000);
	net_driver_kick_rx(&d, 1);
	net_backend_put(1, frame, sizeof(frame));
	net_driver_no_frame(&d, 1);
	ck_assert_uint_eq(net_backend_take(NET_FAKE_PAIRS - 1, got, sizeof(got)), 0);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		ck_assert_uint_eq(set_pairs(wrong[i]), ERR);
	ck_assert_uint_eq(net_fake.pairs, 1);
	/* Now it is: both come without another word. */
	ck_assert_uint_eq(set_pairs(NET_FAKE_PAIRS), OK);
	ck_assert_uint_eq(net_fake.pairs, NET_FAKE_PAIRS);
	ck_assert_uint_eq(net_driver_receive(&d, 1, got, NULL), sizeof(frame));
	ck_assert_uint_eq(net_backend_take(NET_FAKE_PAIRS - 1, got, sizeof(got)), sizeof(frame));
	for (unsigned int pair = 0; pair < NET_FAKE_PAIRS; pair++) {
		frame[HEADER + 20] = (uint8_t)pair;
		net_driver_post(&d, pair, NET_RECEIVE_AT + 1024 * pair, 1000);
		net_driver_kick_rx(&d, pair);
		net_backend_put(pair, frame, sizeof(frame));
		ck_assert_uint_eq(net_driver_receive(&d, pair, got, NULL), sizeof(frame));
		ck_assert_uint_eq(got[HEADER + 20], pair);
		net_driver_send(&d, pair, frame, sizeof(frame));
		ck_assert_uint_eq(net_backend_take(pair, got, sizeof(got)), sizeof(frame));
		ck_assert_uint_eq(got[HEADER + 20], pair);
	}
	/* One again: the others are silent. */
	ck_assert_uint_eq(set_pairs(1), OK);
	net_driver_post(&d, 1, NET_RECEIVE_AT, 1000);
	net_driver_kick_rx(&d, 1);
	net_backend_put(1, frame, sizeof(frame));
	net_driver_no_frame(&d, 1);
	/* And a backend that cannot is believed. */
	net_fake.refuse = true;
	ck_assert_uint_eq(set_pairs(2), ERR);
	net_driver_no_frame(&d, 1);
	net_driver_free(&d);
}
END_TEST

/* Who knows of one pair finds the commands behind it. */
START_TEST(commands_without_several_queues)
{
	net_driver_new(&d, NET_CTRL_FEATURES & ~FEATURE(VIRTIO_NET_F_MQ));
	ck_assert_uint_eq(mode(VIRTIO_NET_CTRL_RX_PROMISC, 0), OK);
	ck_assert_uint_eq(set_pairs(1), ERR);
	ck_assert(passes(own, -1) && !passes(other, -1));
	net_driver_free(&d);
}
END_TEST

/* --- offloads -------------------------------------------------------------------------------- */

static uint8_t set_offloads(uint64_t offloads)
{
	offloads = htole64(offloads);
	return command(VIRTIO_NET_CTRL_GUEST_OFFLOADS, VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET,
		       &offloads, sizeof(offloads));
}

START_TEST(guest_offloads)
{
	const uint64_t agreed = NET_GUEST_FEATURES & ~FEATURE(VIRTIO_NET_F_GUEST_UFO);
	uint8_t frame[HEADER + 60] = {VIRTIO_NET_HDR_F_NEEDS_CSUM}, got[2048];

	net_driver_new(&d, NET_CTRL_FEATURES | agreed);
	ck_assert_uint_eq(net_fake.offload, agreed);
	ck_assert_uint_eq(set_offloads(NET_GUEST_FEATURES), ERR);
	ck_assert_uint_eq(set_offloads(FEATURE(VIRTIO_NET_F_CSUM)), ERR);
	ck_assert_uint_eq(set_offloads(1ULL << 63), ERR);
	ck_assert_uint_eq(net_fake.offload, agreed);
	ck_assert_uint_eq(set_offloads(0), OK);
	ck_assert_uint_eq(net_fake.offload, 0);
	/* A frame that was on its way is not for this driver any more. */
	net_driver_post(&d, 0, NET_RECEIVE_AT, 1000);
	net_driver_kick_rx(&d, 0);
	net_backend_put(0, frame, sizeof(frame));
	net_driver_no_frame(&d, 0);
	ck_assert_uint_eq(net_driver_stats(&d).dropped, 1);
	ck_assert_uint_eq(set_offloads(FEATURE(VIRTIO_NET_F_GUEST_CSUM)), OK);
	net_backend_put(0, frame, sizeof(frame));
	ck_assert_uint_eq(net_driver_receive(&d, 0, got, NULL), sizeof(frame));
	net_fake.refuse = true;
	ck_assert_uint_eq(set_offloads(0), ERR);
	net_fake.refuse = false;
	/* Nothing of it outlives a reset. */
	driver_start(&d.h, 0);
	ck_assert_uint_eq(net_fake.offload, 0);
	net_driver_free(&d);
}
END_TEST

/* --- no commands ----------------------------------------------------------------------------- */

START_TEST(unknown_commands)
{
	static const uint8_t classes[] = {0, 1, 2, 3, 4, 5, 6, 0x80, 0xff};
	const uint8_t data[64] = {0};

	net_driver_new(&d, NET_CTRL_FEATURES | NET_GUEST_FEATURES);
	for (size_t i = 0; i < sizeof(classes); i++)
		ck_assert_uint_eq(command(classes[i], 0xff, data, (uint32_t)i * 7), ERR);
	ck_assert_uint_eq(command(VIRTIO_NET_CTRL_ANNOUNCE, 0, NULL, 0), ERR);
	/* Not even a whole command; none has done anything. */
	for (uint32_t len = 0; len < 2; len++) {
		struct buffer chain[] = {{NET_SEND_AT, len, false}, {NET_SEND_AT + 8, 1, true}};
		uint32_t head, used;

		driver_add(&d.h, &d.h.queues[NET_CTRL_QUEUE], chain, 2, 0);
		driver_kick(&d.h, &d.h.queues[NET_CTRL_QUEUE]);
		driver_await(&d.h, &d.h.queues[NET_CTRL_QUEUE], &head, &used);
		ck_assert_uint_eq(mem_byte(&d.h, NET_SEND_AT + 8), ERR);
	}
	ck_assert(passes(other, -1));
	/* Commands need the feature that goes with them. */
	driver_start(&d.h, FEATURE(VIRTIO_NET_F_CTRL_VQ) | FEATURE(VIRTIO_NET_F_MQ));
	for (uint8_t cmd = 0; cmd < 6; cmd++)
		ck_assert_uint_eq(mode(cmd, 0), ERR);
	ck_assert_uint_eq(set_tables(1, 1), ERR);
	ck_assert_uint_eq(command(VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, other, 6), ERR);
	ck_assert_uint_eq(set_offloads(0), ERR);
	net_driver_free(&d);
}
END_TEST

static TCase *on_ring(const char *name, void (*use)(void))
{
	TCase *tcase = tcase_create(name);

	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, use, NULL);
	tcase_add_test(tcase, receive_modes);
	tcase_add_test(tcase, address_tables);
	tcase_add_test(tcase, address_tables_that_lie);
	tcase_add_test(tcase, vlans);
	tcase_add_test(tcase, own_address);
	tcase_add_test(tcase, pairs_of_queues);
	tcase_add_test(tcase, commands_without_several_queues);
	tcase_add_test(tcase, guest_offloads);
	tcase_add_test(tcase, unknown_commands);
	return tcase;
}

Suite *net_control_suite(void)
{
	Suite *suite = suite_create("net-control");

	suite_add_tcase(suite, on_ring("net-control", driver_use_split));
	suite_add_tcase(suite, on_ring("net-control-packed", driver_use_packed));
	return suite;
}
