/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The register page: what each register reads and takes, and every step of bringing a device up
 * that is out of order.
 */
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "tests/devices/harness.h"
#include "tests/devices/suites.h"

#define ACK         VIRTIO_CONFIG_S_ACKNOWLEDGE
#define DRIVER      VIRTIO_CONFIG_S_DRIVER
#define FEATURES_OK VIRTIO_CONFIG_S_FEATURES_OK
#define DRIVER_OK   VIRTIO_CONFIG_S_DRIVER_OK

/* What a disk of one queue on a memfd offers; the last is LIFETIME, younger than the header. */
#define BLK_FEATURES                                                         \
	(FEATURE(VIRTIO_BLK_F_SIZE_MAX) | FEATURE(VIRTIO_BLK_F_SEG_MAX) |    \
	 FEATURE(VIRTIO_BLK_F_BLK_SIZE) | FEATURE(VIRTIO_BLK_F_FLUSH) |      \
	 FEATURE(VIRTIO_BLK_F_TOPOLOGY) | FEATURE(VIRTIO_BLK_F_CONFIG_WCE) | \
	 FEATURE(VIRTIO_BLK_F_DISCARD) | FEATURE(VIRTIO_BLK_F_WRITE_ZEROES) | FEATURE(15))

static struct harness harness;
static struct harness *const h = &harness;

static void set_up(void)
{
	struct cutting whole = cutting_whole();

	harness_blk(h, &whole, 8, "");
	cutting_free(&whole);
}

static void tear_down(void)
{
	harness_free(h);
}

/* What both transports have in common is looked at on both. */
static void set_up_pci(void)
{
	driver_use_pci(true);
	set_up();
}

static void tear_down_pci(void)
{
	tear_down();
	driver_use_pci(false);
}

static uint32_t status(uint32_t value)
{
	reg_write(h, VIRTIO_MMIO_STATUS, value);
	return reg_read(h, VIRTIO_MMIO_STATUS);
}

START_TEST(identity_registers)
{
	ck_assert_uint_eq(reg_read(h, VIRTIO_MMIO_MAGIC_VALUE), 0x74726976);
	ck_assert_uint_eq(reg_read(h, VIRTIO_MMIO_VERSION), 2);
	ck_assert_uint_eq(reg_read(h, VIRTIO_MMIO_DEVICE_ID), VIRTIO_ID_BLOCK);
	ck_assert_uint_eq(reg_read(h, VIRTIO_MMIO_VENDOR_ID), 0x4d4d5621);
	reg_write(h, VIRTIO_MMIO_MAGIC_VALUE, 0);
	reg_write(h, VIRTIO_MMIO_DEVICE_ID, 0);
	ck_assert_uint_eq(reg_read(h, VIRTIO_MMIO_MAGIC_VALUE), 0x74726976);
	ck_assert_uint_eq(reg_read(h, VIRTIO_MMIO_DEVICE_ID), VIRTIO_ID_BLOCK);
}
END_TEST

START_TEST(absent_shared_memory_is_all_ones)
{
	for (uint32_t i = 0; i < 3; i++) {
		reg_write(h, VIRTIO_MMIO_SHM_SEL, i);
		for (uint64_t reg = VIRTIO_MMIO_SHM_LEN_LOW; reg <= VIRTIO_MMIO_SHM_BASE_HIGH;
		     reg += 4)
			ck_assert_uint_eq(reg_read(h, reg), UINT32_MAX);
	}
}
END_TEST

/* Write-only, unassigned and legacy registers read as zero, and writing them changes nothing. */
START_TEST(other_registers_read_as_zero)
{
	static const uint64_t readable[] = {
		VIRTIO_MMIO_MAGIC_VALUE,   VIRTIO_MMIO_VERSION,       VIRTIO_MMIO_DEVICE_ID,
		VIRTIO_MMIO_VENDOR_ID,     VIRTIO_MMIO_STATUS,        VIRTIO_MMIO_DEVICE_FEATURES,
		VIRTIO_MMIO_QUEUE_NUM_MAX, VIRTIO_MMIO_SHM_LEN_LOW,   VIRTIO_MMIO_SHM_LEN_HIGH,
		VIRTIO_MMIO_SHM_BASE_LOW,  VIRTIO_MMIO_SHM_BASE_HIGH,
	};

	driver_start(h, 0);
	for (uint64_t reg = 0; reg < VIRTIO_MMIO_CONFIG; reg += 4) {
		bool named = reg == VIRTIO_MMIO_QUEUE_READY;

		for (size_t i = 0; i < sizeof(readable) / sizeof(*readable); i++)
			named = named || readable[i] == reg;
		if (named)
			continue;
		ck_assert_msg(reg_read(h, reg) == 0, "register %#llx", (unsigned long long)reg);
		if (reg != VIRTIO_MMIO_QUEUE_SEL && reg != VIRTIO_MMIO_QUEUE_NOTIFY)
			reg_write(h, reg, 0x5a5a5a5a);
	}
	ck_assert_uint_eq(reg_read(h, VIRTIO_MMIO_STATUS), 0xf);
	ck_assert_uint_eq(blk_request(h, VIRTIO_BLK_T_IN, 0, BUFFERS, 512, NULL), VIRTIO_BLK_S_OK);
}
END_TEST

START_TEST(registers_are_32_bits_wide_and_aligned)
{
	uint8_t data[8], zero[8] = {0};

	for (uint64_t reg = 0; reg < VIRTIO_MMIO_CONFIG; reg++) {
		for (unsigned int len = 1; len <= 8; len *= 2) {
			if (len == 4 && reg % 4 == 0)
				continue;
			memset(data, 0xff, sizeof(data));
			/* 0x01: no such access may count as an acknowledgement of anything. */
			virtio_mmio_bus_ops.write(h->mmio, reg, "\1\1\1\1\1\1\1\1", len);
			virtio_mmio_bus_ops.read(h->mmio, reg, data, len);
			ck_assert_mem_eq(data, zero, len);
		}
	}
	ck_assert_uint_eq(reg_read(h, VIRTIO_MMIO_STATUS), 0);
}
END_TEST

START_TEST(feature_words)
{
	uint32_t low, high;

	reg_write(h, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 0);
	low = reg_read(h, VIRTIO_MMIO_DEVICE_FEATURES);
	reg_write(h, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 1);
	high = reg_read(h, VIRTIO_MMIO_DEVICE_FEATURES);
	ck_assert_uint_eq(low, (uint32_t)BLK_FEATURES | 1U << VIRTIO_RING_F_INDIRECT_DESC |
				       1U << VIRTIO_RING_F_EVENT_IDX);
	ck_assert_uint_eq(high, 1U << (VIRTIO_F_VERSION_1 - 32) | 1U << (VIRTIO_F_RING_PACKED - 32) |
					1U << (VIRTIO_F_RING_RESET - 32) |
					1U << (VIRTIO_F_IN_ORDER - 32));
	for (uint32_t sel = 2; sel; sel <<= 1) {
		reg_write(h, VIRTIO_MMIO_DEVICE_FEATURES_SEL, sel);
		ck_assert_uint_eq(reg_read(h, VIRTIO_MMIO_DEVICE_FEATURES), 0);
	}
}
END_TEST

/* Bring it to the point where features are written, write them, and ask for FEATURES_OK. */
static bool features_accepted(uint64_t features)
{
	status(0);
	status(ACK);
	status(ACK | DRIVER);
	for (uint32_t i = 0; i < 2; i++) {
		reg_write(h, VIRTIO_MMIO_DRIVER_FEATURES_SEL, i);
		reg_write(h, VIRTIO_MMIO_DRIVER_FEATURES, (uint32_t)(features >> 32 * i));
	}
	return status(ACK | DRIVER | FEATURES_OK) & FEATURES_OK;
}

START_TEST(features_must_be_offered_and_have_version_1)
{
	ck_assert(!features_accepted(0));
	ck_assert(!features_accepted(FEATURE(VIRTIO_BLK_F_FLUSH)));
	ck_assert(features_accepted(VERSION_1));
	for (unsigned int bit = 0; bit < 64; bit++) {
		bool offered = (BLK_FEATURES >> bit & 1) || bit == VIRTIO_RING_F_INDIRECT_DESC ||
			       bit == VIRTIO_RING_F_EVENT_IDX || bit == VIRTIO_F_VERSION_1 ||
			       bit == VIRTIO_F_RING_PACKED || bit == VIRTIO_F_RING_RESET ||
			       bit == VIRTIO_F_IN_ORDER;

		ck_assert_int_eq(features_accepted(VERSION_1 | FEATURE(bit)), offered);
	}
}
END_TEST

START_TEST(features_can_be_corrected_before_features_ok)
{
	ck_assert(!features_accepted(VERSION_1 | FEATURE(0)));
	reg_write(h, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0);
	reg_write(h, VIRTIO_MMIO_DRIVER_FEATURES, 0);
	ck_assert(status(ACK | DRIVER | FEATURES_OK) & FEATURES_OK);
}
END_TEST

START_TEST(features_are_frozen_after_features_ok)
{
	ck_assert(features_accepted(VERSION_1));
	reg_write(h, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0);
	reg_write(h, VIRTIO_MMIO_DRIVER_FEATURES, 1U << VIRTIO_BLK_F_FLUSH);
	ck_assert(!virtio_has_feature(h->dev, VIRTIO_BLK_F_FLUSH));
}
END_TEST

START_TEST(features_before_driver_do_not_count)
{
	status(0);
	reg_write(h, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
	reg_write(h, VIRTIO_MMIO_DRIVER_FEATURES, 1);
	status(ACK);
	reg_write(h, VIRTIO_MMIO_DRIVER_FEATURES, 1);
	status(ACK | DRIVER);
	ck_assert_uint_eq(status(ACK | DRIVER | FEATURES_OK), ACK | DRIVER);
}
END_TEST

START_TEST(status_steps_out_of_order)
{
	ck_assert_uint_eq(status(DRIVER), 0);
	ck_assert_uint_eq(status(FEATURES_OK), 0);
	ck_assert_uint_eq(status(DRIVER_OK), 0);
	ck_assert_uint_eq(status(ACK), ACK);
	ck_assert_uint_eq(status(ACK | FEATURES_OK), ACK);
	ck_assert_uint_eq(status(ACK | DRIVER_OK), ACK);
	ck_assert_uint_eq(status(ACK | DRIVER), ACK | DRIVER);
	ck_assert_uint_eq(status(ACK | DRIVER | DRIVER_OK), ACK | DRIVER);
	/* Bits can only be added, and unknown ones are not kept. */
	ck_assert_uint_eq(status(ACK), ACK | DRIVER);
	ck_assert_uint_eq(status(ACK | DRIVER | 0x30), ACK | DRIVER);
	/* A write that takes one back does nothing, whatever else it sets. */
	reg_write(h, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
	reg_write(h, VIRTIO_MMIO_DRIVER_FEATURES, 1);
	ck_assert_uint_eq(status(ACK | FEATURES_OK), ACK | DRIVER);
	/* DEVICE_NEEDS_RESET is the device's. */
	ck_assert_uint_eq(status(ACK | DRIVER | 0x40), ACK | DRIVER);
	ck_assert_uint_eq(status(0), 0);
}
END_TEST

START_TEST(failed_stops_the_device)
{
	driver_start(h, 0);
	ck_assert_uint_eq(status(0xf | VIRTIO_CONFIG_S_FAILED), 0xf | VIRTIO_CONFIG_S_FAILED);
	driver_add(h, &h->queues[0], &(struct buffer){BUFFERS, 16, false}, 1, 0);
	driver_kick(h, &h->queues[0]);
	ck_assert_uint_eq(h->irq.count, 0);
	ck_assert(!needs_reset(h));
	assert_works(h);
}
END_TEST

START_TEST(reset_restores_every_register)
{
	driver_start(h, FEATURE(VIRTIO_BLK_F_FLUSH));
	blk_request(h, VIRTIO_BLK_T_IN, 0, BUFFERS, 512, NULL);
	ck_assert_uint_eq(reg_read(h, VIRTIO_MMIO_INTERRUPT_STATUS), VIRTIO_MMIO_INT_VRING);
	reg_write(h, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 7);
	ck_assert_uint_eq(status(0), 0);
	ck_assert_uint_eq(reg_read(h, VIRTIO_MMIO_INTERRUPT_STATUS), 0);
	ck_assert_uint_eq(reg_read(h, VIRTIO_MMIO_QUEUE_READY), 0);
	ck_assert_uint_ne(reg_read(h, VIRTIO_MMIO_DEVICE_FEATURES), 0);
	ck_assert(!virtio_has_feature(h->dev, VIRTIO_BLK_F_FLUSH));
	assert_works(h);
}
END_TEST

START_TEST(interrupt_status_and_ack)
{
	driver_start(h, 0);
	blk_request(h, VIRTIO_BLK_T_IN, 0, BUFFERS, 512, NULL);
	ck_assert_uint_eq(h->irq.count, 1);
	reg_write(h, VIRTIO_MMIO_INTERRUPT_ACK, VIRTIO_MMIO_INT_CONFIG);
	ck_assert_uint_eq(reg_read(h, VIRTIO_MMIO_INTERRUPT_STATUS), VIRTIO_MMIO_INT_VRING);
	reg_write(h, VIRTIO_MMIO_INTERRUPT_ACK, VIRTIO_MMIO_INT_VRING);
	ck_assert_uint_eq(reg_read(h, VIRTIO_MMIO_INTERRUPT_STATUS), 0);
	blk_request(h, VIRTIO_BLK_T_IN, 0, BUFFERS, 512, NULL);
	ck_assert_uint_eq(h->irq.count, 2);
}
END_TEST

START_TEST(queue_setup_only_between_features_ok_and_driver_ok)
{
	struct driver_queue *q = &h->queues[0];

	driver_set_queue(h, q);
	ck_assert_uint_eq(reg_read(h, VIRTIO_MMIO_QUEUE_READY), 0);
	status(ACK);
	status(ACK | DRIVER);
	driver_set_queue(h, q);
	ck_assert_uint_eq(reg_read(h, VIRTIO_MMIO_QUEUE_READY), 0);
	ck_assert(driver_negotiate(h, VERSION_1));
	status(0xf);
	driver_set_queue(h, q);
	ck_assert_uint_eq(reg_read(h, VIRTIO_MMIO_QUEUE_READY), 0);
	assert_works(h);
}
END_TEST

/* Its largest size is 0, which is how a driver sees that it is not there. */
START_TEST(queue_that_is_absent)
{
	static const uint32_t absent[] = {1, 0x10000, UINT32_MAX};

	ck_assert(driver_negotiate(h, VERSION_1 | FEATURE(VIRTIO_F_RING_RESET)));
	driver_set_queue(h, &h->queues[0]);
	for (size_t i = 0; i < sizeof(absent) / sizeof(*absent); i++) {
		reg_write(h, VIRTIO_MMIO_QUEUE_SEL, absent[i]);
		ck_assert_uint_eq(reg_read(h, VIRTIO_MMIO_QUEUE_NUM_MAX), 0);
		for (uint64_t reg = VIRTIO_MMIO_QUEUE_NUM; reg <= VIRTIO_MMIO_QUEUE_USED_HIGH;
		     reg += 4) {
			if (reg < VIRTIO_MMIO_QUEUE_NOTIFY || reg > VIRTIO_MMIO_STATUS)
				reg_write(h, reg, 1);
		}
		ck_assert_uint_eq(reg_read(h, VIRTIO_MMIO_QUEUE_READY), 0);
		reg_write(h, VIRTIO_MMIO_QUEUE_SEL, 0);
		ck_assert_uint_eq(reg_read(h, VIRTIO_MMIO_QUEUE_NUM_MAX), 512);
		ck_assert_uint_eq(reg_read(h, VIRTIO_MMIO_QUEUE_READY), 1);
	}
	ck_assert(!needs_reset(h));
}
END_TEST

START_TEST(queue_registers_are_frozen_while_ready)
{
	driver_start(h, 0);
	reg_write(h, VIRTIO_MMIO_QUEUE_SEL, 0);
	for (uint64_t reg = VIRTIO_MMIO_QUEUE_DESC_LOW; reg <= VIRTIO_MMIO_QUEUE_USED_HIGH; reg += 4)
		reg_write(h, reg, 0x12345678);
	reg_write(h, VIRTIO_MMIO_QUEUE_NUM, 1);
	reg_write(h, VIRTIO_MMIO_QUEUE_READY, 1);
	ck_assert_uint_eq(blk_request(h, VIRTIO_BLK_T_IN, 1, BUFFERS, 512, NULL), VIRTIO_BLK_S_OK);
}
END_TEST

START_TEST(queue_size_must_be_a_power_of_two_up_to_max)
{
	static const uint32_t bad[] = {0, 3, 63, 513, 1024, 65536, 65536 + 64, UINT32_MAX};

	reg_write(h, VIRTIO_MMIO_QUEUE_SEL, 0);
	ck_assert_uint_eq(reg_read(h, VIRTIO_MMIO_QUEUE_NUM_MAX), 512);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		ck_assert(driver_negotiate(h, VERSION_1));
		driver_set_queue(h, &h->queues[0]);
		reg_write(h, VIRTIO_MMIO_QUEUE_READY, 0);
		reg_write(h, VIRTIO_MMIO_QUEUE_NUM, bad[i]);
		reg_write(h, VIRTIO_MMIO_QUEUE_READY, 1);
		ck_assert_uint_eq(reg_read(h, VIRTIO_MMIO_QUEUE_READY), 0);
		ck_assert(needs_reset(h));
		/* Before DRIVER_OK there is nobody to interrupt. */
		ck_assert_uint_eq(h->irq.count, 0);
	}
	assert_works(h);
}
END_TEST

START_TEST(queue_can_be_stopped_at_any_time)
{
	uint32_t head, len;

	driver_start(h, 0);
	reg_write(h, VIRTIO_MMIO_QUEUE_READY, 0);
	ck_assert_uint_eq(reg_read(h, VIRTIO_MMIO_QUEUE_READY), 0);
	driver_add(h, &h->queues[0], &(struct buffer){BUFFERS, 16, false}, 1, 0);
	driver_kick(h, &h->queues[0]);
	ck_assert(!driver_used(h, &h->queues[0], &head, &len));
	ck_assert(!needs_reset(h));
	assert_works(h);
}
END_TEST

#define QUEUE_RESET 0x0c0
#define RING_RESET  FEATURE(VIRTIO_F_RING_RESET)

/* Reset the queue with a chain in it, and go on with it somewhere else, on either ring. */
static void reset_queue_and_go_on(uint64_t features)
{
	struct driver_queue *q = &h->queues[0];

	driver_start(h, features | RING_RESET);
	ck_assert_uint_eq(blk_request(h, VIRTIO_BLK_T_IN, 1, BUFFERS, 512, NULL), VIRTIO_BLK_S_OK);
	driver_add(h, q, &(struct buffer){HOLE, 16, false}, 1, 0);
	reg_write(h, QUEUE_RESET, 1);
	ck_assert_uint_eq(reg_read(h, QUEUE_RESET), 0);
	ck_assert_uint_eq(reg_read(h, VIRTIO_MMIO_QUEUE_READY), 0);
	driver_kick(h, q);
	driver_place(h, 0, RAM_BASE + RING_AREA / 2, 32);
	driver_clear_rings(h, q);
	driver_set_queue(h, q);
	ck_assert_uint_eq(reg_read(h, VIRTIO_MMIO_QUEUE_READY), 1);
	ck_assert_uint_eq(reg_read(h, VIRTIO_MMIO_STATUS), 0xf);
	ck_assert_uint_eq(blk_request(h, VIRTIO_BLK_T_IN, 2, BUFFERS, 512, NULL), VIRTIO_BLK_S_OK);
	/* Once: the queue is as frozen again as any. */
	reg_write(h, VIRTIO_MMIO_QUEUE_READY, 0);
	reg_write(h, VIRTIO_MMIO_QUEUE_READY, 1);
	ck_assert_uint_eq(reg_read(h, VIRTIO_MMIO_QUEUE_READY), 0);
}

START_TEST(queue_reset_and_set_up_again)
{
	reset_queue_and_go_on(0);
	reset_queue_and_go_on(FEATURE(VIRTIO_F_RING_PACKED));
	assert_works(h);
}
END_TEST

START_TEST(queue_reset_out_of_place)
{
	uint64_t without[] = {0, FEATURE(VIRTIO_F_RING_PACKED)};

	/* Without the feature, and of a queue that is not there. */
	for (size_t i = 0; i < 2; i++) {
		driver_start(h, without[i]);
		reg_write(h, QUEUE_RESET, 1);
		ck_assert_uint_eq(reg_read(h, VIRTIO_MMIO_QUEUE_READY), 1);
	}
	driver_start(h, RING_RESET);
	reg_write(h, QUEUE_RESET, 0);
	ck_assert_uint_eq(reg_read(h, VIRTIO_MMIO_QUEUE_READY), 1);
	reg_write(h, VIRTIO_MMIO_QUEUE_SEL, UINT32_MAX);
	reg_write(h, QUEUE_RESET, 1);
	ck_assert_uint_eq(blk_request(h, VIRTIO_BLK_T_IN, 1, BUFFERS, 512, NULL), VIRTIO_BLK_S_OK);
	/* A device that is broken is reset as a whole. */
	reg_write(h, VIRTIO_MMIO_QUEUE_SEL, 0);
	put_avail(h, &h->queues[0], 999);
	driver_kick(h, &h->queues[0]);
	reg_write(h, QUEUE_RESET, 1);
	driver_set_queue(h, &h->queues[0]);
	ck_assert_uint_eq(reg_read(h, VIRTIO_MMIO_QUEUE_READY), 0);
	assert_broken_then_works(h);
}
END_TEST

START_TEST(notify_of_absent_queues_and_too_early)
{
	for (uint32_t value = 0; value < 4; value++)
		reg_write(h, VIRTIO_MMIO_QUEUE_NOTIFY, value);
	driver_start(h, 0);
	reg_write(h, VIRTIO_MMIO_QUEUE_NOTIFY, 1);
	reg_write(h, VIRTIO_MMIO_QUEUE_NOTIFY, 0x10000);
	reg_write(h, VIRTIO_MMIO_QUEUE_NOTIFY, UINT32_MAX);
	ck_assert_uint_eq(reg_read(h, VIRTIO_MMIO_STATUS), 0xf);
	ck_assert_uint_eq(blk_request(h, VIRTIO_BLK_T_IN, 0, BUFFERS, 512, NULL), VIRTIO_BLK_S_OK);
}
END_TEST

START_TEST(notification_after_reset_is_nothing)
{
	uint32_t head, len;

	driver_start(h, 0);
	driver_add(h, &h->queues[0], &(struct buffer){BUFFERS, 16, false}, 1, 0);
	status(0);
	driver_kick(h, &h->queues[0]);
	ck_assert(!driver_used(h, &h->queues[0], &head, &len));
	ck_assert_uint_eq(h->irq.count, 0);
	assert_works(h);
}
END_TEST

START_TEST(config_of_every_width_and_offset)
{
	uint8_t whole[128], part[8];

	/* What is behind the structure reads as zero. */
	for (unsigned int i = 0; i < sizeof(whole); i++)
		virtio_mmio_bus_ops.read(h->mmio, VIRTIO_MMIO_CONFIG + i, &whole[i], 1);
	ck_assert_uint_eq(whole[0], 8);
	ck_assert_uint_eq(whole[12] | whole[13] << 8, 510);
	ck_assert_uint_eq(whole[20] | whole[21] << 8, 512);
	for (size_t i = sizeof(struct virtio_blk_config); i < sizeof(whole); i++)
		ck_assert_uint_eq(whole[i], 0);
	for (unsigned int len = 2; len <= 8; len *= 2) {
		for (unsigned int i = 0; i + len <= sizeof(whole); i++) {
			memset(part, 0xff, sizeof(part));
			virtio_mmio_bus_ops.read(h->mmio, VIRTIO_MMIO_CONFIG + i, part, len);
			ck_assert_mem_eq(part, whole + i, len);
			virtio_mmio_bus_ops.write(h->mmio, VIRTIO_MMIO_CONFIG + i, part, len);
		}
	}
	virtio_mmio_bus_ops.read(h->mmio, VIRTIO_MMIO_SIZE - 8, part, 8);
	ck_assert_mem_eq(part, "\0\0\0\0\0\0\0", 8);
	ck_assert_uint_eq(reg_read(h, VIRTIO_MMIO_CONFIG_GENERATION), 0);
}
END_TEST

/* --- notifications through an eventfd ---------------------------------------------------------- */

struct test_notify {
	struct notify_line line;
	int eventfd; /* what is attached, or -1 */
	int result;
	unsigned int detached;
};

static int test_attach(struct notify_line *line, uint64_t offset, unsigned int len, uint32_t value,
		       int eventfd)
{
	struct test_notify *notify = (struct test_notify *)line;

	ck_assert_uint_eq(offset, VIRTIO_MMIO_QUEUE_NOTIFY);
	ck_assert_uint_eq(len, 4);
	ck_assert_uint_eq(value, 0);
	if (notify->result == 0)
		notify->eventfd = eventfd;
	return notify->result;
}

static void test_detach(struct notify_line *line, uint64_t offset, unsigned int len, uint32_t value,
			int eventfd)
{
	struct test_notify *notify = (struct test_notify *)line;

	ck_assert_uint_eq(offset, VIRTIO_MMIO_QUEUE_NOTIFY);
	ck_assert_uint_eq(len, 4);
	ck_assert_uint_eq(value, 0);
	ck_assert_int_eq(eventfd, notify->eventfd);
	notify->eventfd = -1;
	notify->detached++;
}

static void notified_harness(struct harness *own, struct test_notify *notify)
{
	struct cutting whole = cutting_whole();

	*notify = (struct test_notify){
		.line = {.attach = test_attach, .detach = test_detach},
		.eventfd = -1,
	};
	harness_new(own, &whole, type_named("rng"), NULL, &notify->line);
	cutting_free(&whole);
}

static void pulse_stops_loop(struct irq_line *line)
{
	struct harness *own = (struct harness *)((char *)line - offsetof(struct harness, irq));

	loop_stop(own->loop, 7);
}

START_TEST(notify_line_is_attached_while_the_driver_is_up)
{
	struct test_notify notify;
	struct harness own;

	notified_harness(&own, &notify);
	ck_assert(driver_negotiate(&own, VERSION_1));
	ck_assert_int_eq(notify.eventfd, -1);
	driver_start(&own, 0);
	ck_assert_int_ge(notify.eventfd, 0);
	reg_write(&own, VIRTIO_MMIO_STATUS, 0);
	ck_assert_int_eq(notify.eventfd, -1);
	driver_start(&own, 0);
	ck_assert_int_ge(notify.eventfd, 0);
	harness_free(&own);
	ck_assert_uint_eq(notify.detached, 2);
}
END_TEST

START_TEST(notification_through_the_loop)
{
	struct test_notify notify;
	struct harness own;
	uint64_t one = 1;
	uint32_t head, len;

	notified_harness(&own, &notify);
	own.irq.line.pulse = pulse_stops_loop;
	driver_start(&own, 0);
	driver_add(&own, &own.queues[0], &(struct buffer){BUFFERS, 100, true}, 1, 0);
	ck_assert_int_eq(write(notify.eventfd, &one, sizeof(one)), sizeof(one));
	ck_assert(!driver_used(&own, &own.queues[0], &head, &len));
	ck_assert_int_eq(loop_run(own.loop), 7);
	ck_assert(driver_used(&own, &own.queues[0], &head, &len));
	ck_assert_uint_eq(len, 100);
	harness_free(&own);
}
END_TEST

START_TEST(register_write_serves_where_nothing_can_be_attached)
{
	struct test_notify notify;
	struct harness own;
	uint32_t head, len;

	notified_harness(&own, &notify);
	notify.result = -1;
	own.irq.line.pulse = pulse_stops_loop;
	driver_start(&own, 0);
	driver_add(&own, &own.queues[0], &(struct buffer){BUFFERS, 100, true}, 1, 0);
	driver_kick(&own, &own.queues[0]);
	/* By the loop's thread, whichever thread wrote the register. */
	ck_assert(!driver_used(&own, &own.queues[0], &head, &len));
	ck_assert_int_eq(loop_run(own.loop), 7);
	ck_assert(driver_used(&own, &own.queues[0], &head, &len));
	ck_assert_uint_eq(len, 100);
	harness_free(&own);
	ck_assert_uint_eq(notify.detached, 0);
}
END_TEST

Suite *mmio_suite(void)
{
	Suite *suite = suite_create("mmio");
	TCase *tc = tcase_create("mmio");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, identity_registers);
	tcase_add_test(tc, absent_shared_memory_is_all_ones);
	tcase_add_test(tc, other_registers_read_as_zero);
	tcase_add_test(tc, registers_are_32_bits_wide_and_aligned);
	tcase_add_test(tc, feature_words);
	tcase_add_test(tc, features_must_be_offered_and_have_version_1);
	tcase_add_test(tc, features_can_be_corrected_before_features_ok);
	tcase_add_test(tc, features_are_frozen_after_features_ok);
	tcase_add_test(tc, features_before_driver_do_not_count);
	tcase_add_test(tc, status_steps_out_of_order);
	tcase_add_test(tc, failed_stops_the_device);
	tcase_add_test(tc, reset_restores_every_register);
	tcase_add_test(tc, interrupt_status_and_ack);
	tcase_add_test(tc, queue_setup_only_between_features_ok_and_driver_ok);
	tcase_add_test(tc, queue_that_is_absent);
	tcase_add_test(tc, queue_registers_are_frozen_while_ready);
	tcase_add_test(tc, queue_size_must_be_a_power_of_two_up_to_max);
	tcase_add_test(tc, queue_can_be_stopped_at_any_time);
	tcase_add_test(tc, queue_reset_and_set_up_again);
	tcase_add_test(tc, queue_reset_out_of_place);
	tcase_add_test(tc, notify_of_absent_queues_and_too_early);
	tcase_add_test(tc, notification_after_reset_is_nothing);
	tcase_add_test(tc, config_of_every_width_and_offset);
	tcase_add_test(tc, notify_line_is_attached_while_the_driver_is_up);
	tcase_add_test(tc, notification_through_the_loop);
	tcase_add_test(tc, register_write_serves_where_nothing_can_be_attached);
	suite_add_tcase(suite, tc);
	tc = tcase_create("mmio-on-pci");
	tcase_add_checked_fixture(tc, set_up_pci, tear_down_pci);
	tcase_add_test(tc, feature_words);
	tcase_add_test(tc, features_must_be_offered_and_have_version_1);
	tcase_add_test(tc, features_can_be_corrected_before_features_ok);
	tcase_add_test(tc, features_are_frozen_after_features_ok);
	tcase_add_test(tc, features_before_driver_do_not_count);
	tcase_add_test(tc, status_steps_out_of_order);
	tcase_add_test(tc, failed_stops_the_device);
	tcase_add_test(tc, queue_setup_only_between_features_ok_and_driver_ok);
	tcase_add_test(tc, queue_registers_are_frozen_while_ready);
	tcase_add_test(tc, queue_reset_out_of_place);
	tcase_add_test(tc, notification_after_reset_is_nothing);
	suite_add_tcase(suite, tc);
	return suite;
}
