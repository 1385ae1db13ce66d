/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Hostile drivers: registers written at the wrong time, with the wrong width, or with anything;
 * resets in the middle of requests; and, of the bugs other monitors had, those that every device
 * could have.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/devices/hostile.h"

#define QUEUE_RESET 0x0c0

/* --- features and status ----------------------------------------------------------------------- */

static void write_features(struct hostile *t, uint32_t value)
{
	for (uint32_t i = 0; i < 4; i++) {
		reg_write(t->h, VIRTIO_MMIO_DRIVER_FEATURES_SEL, i);
		reg_write(t->h, VIRTIO_MMIO_DRIVER_FEATURES, value);
	}
}

static void features_changed_late(struct hostile *t)
{
	uint64_t before = t->h->dev->driver_features;

	write_features(t, UINT32_MAX);
	write_features(t, 0);
	ck_assert_uint_eq(t->h->dev->driver_features, before);
	ck_assert(driver_negotiate(t->h, driver_ring_features() | VERSION_1));
	before = t->h->dev->driver_features;
	write_features(t, 0);
	ck_assert_uint_eq(t->h->dev->driver_features, before);
	subject_start(&t->s, 0);
}

static void features_never_offered(struct hostile *t)
{
	reg_write(t->h, VIRTIO_MMIO_STATUS, 0);
	reg_write(t->h, VIRTIO_MMIO_STATUS, 1);
	reg_write(t->h, VIRTIO_MMIO_STATUS, 3);
	write_features(t, UINT32_MAX);
	reg_write(t->h, VIRTIO_MMIO_STATUS, 11);
	ck_assert_uint_eq(reg_read(t->h, VIRTIO_MMIO_STATUS), 3);
	/* And goes on as if they had been taken. */
	driver_set_queue(t->h, t->q);
	ck_assert_uint_eq(reg_read(t->h, VIRTIO_MMIO_QUEUE_READY), 0);
	reg_write(t->h, VIRTIO_MMIO_STATUS, 15);
	driver_kick(t->h, t->q);
	ck_assert_uint_eq(reg_read(t->h, VIRTIO_MMIO_STATUS), 3);
}

static void version_1_not_taken(struct hostile *t)
{
	ck_assert(!driver_negotiate(t->h, driver_ring_features()));
	ck_assert(!(reg_read(t->h, VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_FEATURES_OK));
}

static void status_bits_taken_back(struct hostile *t)
{
	for (uint32_t status = 1; status < 15; status++) {
		reg_write(t->h, VIRTIO_MMIO_STATUS, status);
		ck_assert_uint_eq(reg_read(t->h, VIRTIO_MMIO_STATUS), 15);
	}
}

/* NEEDS_RESET is the device's to set. */
static void needs_reset_set_by_the_driver(struct hostile *t)
{
	reg_write(t->h, VIRTIO_MMIO_STATUS, 15 | VIRTIO_CONFIG_S_NEEDS_RESET);
	ck_assert_uint_eq(reg_read(t->h, VIRTIO_MMIO_STATUS), 15);
}

static void status_all_at_once(struct hostile *t)
{
	reg_write(t->h, VIRTIO_MMIO_STATUS, 0);
	reg_write(t->h, VIRTIO_MMIO_STATUS, UINT32_MAX);
	driver_kick(t->h, t->q);
	ck_assert(!(reg_read(t->h, VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_DRIVER_OK));
}

static void failed_driver(struct hostile *t)
{
	hostile_put_request(t);
	reg_write(t->h, VIRTIO_MMIO_STATUS, 15 | VIRTIO_CONFIG_S_FAILED);
	driver_kick(t->h, t->q);
}

static void ready_without_queues(struct hostile *t)
{
	ck_assert(driver_negotiate(t->h, driver_ring_features() | VERSION_1));
	reg_write(t->h, VIRTIO_MMIO_STATUS, 15);
	for (uint32_t i = 0; i < HARNESS_QUEUES; i++)
		reg_write(t->h, VIRTIO_MMIO_QUEUE_NOTIFY, i);
}

/* --- queues that are not there ------------------------------------------------------------------ */

/* Cloud Hypervisor 082fdc4, kvmtool 31e0eac: QueueSel indexed a table unchecked. */
static void absent_queues(struct hostile *t)
{
	const uint32_t absent[] = {
		t->h->dev->queue_count, 63, 64, 65535, 65536, INT32_MAX, UINT32_MAX};

	ck_assert(driver_negotiate(t->h, driver_ring_features() | VERSION_1));
	for (size_t i = 0; i < sizeof(absent) / sizeof(*absent); i++) {
		reg_write(t->h, VIRTIO_MMIO_QUEUE_SEL, absent[i]);
		ck_assert_uint_eq(reg_read(t->h, VIRTIO_MMIO_QUEUE_NUM_MAX), 0);
		reg_write(t->h, VIRTIO_MMIO_QUEUE_NUM, 16);
		for (uint64_t reg = VIRTIO_MMIO_QUEUE_DESC_LOW; reg <= VIRTIO_MMIO_QUEUE_USED_HIGH;
		     reg += 4)
			reg_write(t->h, reg, absent[i]);
		reg_write(t->h, VIRTIO_MMIO_QUEUE_READY, 1);
		ck_assert_uint_eq(reg_read(t->h, VIRTIO_MMIO_QUEUE_READY), 0);
		reg_write(t->h, QUEUE_RESET, 1);
	}
	subject_start(&t->s, 0);
}

static void notify_absent_queues(struct hostile *t)
{
	for (uint32_t i = t->h->dev->queue_count; i < 100; i++)
		reg_write(t->h, VIRTIO_MMIO_QUEUE_NOTIFY, i);
	reg_write(t->h, VIRTIO_MMIO_QUEUE_NOTIFY, 65536);
	reg_write(t->h, VIRTIO_MMIO_QUEUE_NOTIFY, INT32_MAX);
	reg_write(t->h, VIRTIO_MMIO_QUEUE_NOTIFY, UINT32_MAX);
}

static void notify_for_nothing(struct hostile *t)
{
	for (unsigned int i = 0; i < 1000; i++)
		reg_write(t->h, VIRTIO_MMIO_QUEUE_NOTIFY, i % t->h->dev->queue_count);
}

/* --- widths and values -------------------------------------------------------------------------- */

static void registers_of_wrong_width(struct hostile *t)
{
	const uint8_t ones[8] = {255, 255, 255, 255, 255, 255, 255, 255};
	uint8_t data[8];

	for (uint64_t at = 0; at < VIRTIO_MMIO_CONFIG; at++) {
		for (unsigned int len = 1; len <= 8; len *= 2) {
			if (len == 4 && at % 4 == 0)
				continue;
			virtio_mmio_bus_ops.write(t->h->mmio, at, ones, len);
			memset(data, 0xee, sizeof(data));
			virtio_mmio_bus_ops.read(t->h->mmio, at, data, len);
			for (unsigned int i = 0; i < len; i++)
				ck_assert_uint_eq(data[i], 0);
		}
	}
}

/* All but those that begin anew what a driver does: status, and a queue's own reset. */
static void registers_of_all_ones(struct hostile *t)
{
	for (uint64_t at = 0; at < VIRTIO_MMIO_CONFIG; at += 4) {
		if (at != VIRTIO_MMIO_STATUS && at != QUEUE_RESET)
			reg_write(t->h, at, UINT32_MAX);
	}
}

static void registers_of_anything(struct hostile *t)
{
	struct test_random random = test_random_new(t->h->dev->ops->device_id);

	for (unsigned int i = 0; i < 2000; i++)
		reg_write(t->h, 4 * test_random_below(&random, VIRTIO_MMIO_CONFIG / 4),
			  (uint32_t)test_random(&random) >> test_random_below(&random, 32));
}

static void interrupts_acknowledged_for_nothing(struct hostile *t)
{
	reg_write(t->h, VIRTIO_MMIO_INTERRUPT_ACK, UINT32_MAX);
	ck_assert_uint_eq(reg_read(t->h, VIRTIO_MMIO_INTERRUPT_STATUS), 0);
	reg_write(t->h, VIRTIO_MMIO_INTERRUPT_STATUS, UINT32_MAX);
	ck_assert_uint_eq(reg_read(t->h, VIRTIO_MMIO_INTERRUPT_STATUS), 0);
}

/* --- configuration ------------------------------------------------------------------------------ */

/* Of every width, over the structure and behind it; what is there may be written, or is not. */
static void config_writes(struct hostile *t)
{
	uint8_t data[8];

	for (uint64_t at = 0; at < 0x100; at++) {
		for (unsigned int len = 1; len <= 8; len *= 2) {
			memset(data, (int)at, sizeof(data));
			virtio_mmio_bus_ops.write(t->h->mmio, VIRTIO_MMIO_CONFIG + at, data, len);
		}
	}
}

/* kvmtool 52d4ee7: offset plus length was a sum that overflowed. */
static void config_reads_behind_its_end(struct hostile *t)
{
	uint8_t data[8];

	for (uint64_t back = 0; back < 20; back++) {
		memset(data, 0xff, sizeof(data));
		virtio_config_read(t->h->dev, UINT64_MAX - back, data, sizeof(data));
		ck_assert_mem_eq(data, "\0\0\0\0\0\0\0", sizeof(data));
		virtio_config_write(t->h->dev, UINT64_MAX - back, data, sizeof(data));
		virtio_config_read(t->h->dev, t->h->dev->config_len + back, data, sizeof(data));
		ck_assert_mem_eq(data, "\0\0\0\0\0\0\0", sizeof(data));
	}
}

static void config_writes_of_a_driver_that_is_not_up(struct hostile *t)
{
	uint8_t before[256], after[256];

	reg_write(t->h, VIRTIO_MMIO_STATUS, 0);
	virtio_config_read(t->h->dev, 0, before, sizeof(before));
	config_writes(t);
	virtio_config_read(t->h->dev, 0, after, sizeof(after));
	ck_assert_mem_eq(before, after, sizeof(before));
}

/* --- resets in the middle ----------------------------------------------------------------------- */

static void reset_with_requests_waiting(struct hostile *t)
{
	for (unsigned int i = 0; i < 3; i++)
		hostile_put_request(t);
	reg_write(t->h, VIRTIO_MMIO_STATUS, 0);
	driver_kick(t->h, t->q);
}

/* What the old driver asked for must not land in memory once the reset is done. */
static void reset_with_requests_on_the_way(struct hostile *t)
{
	const gm_addr parts[] = {t->q->desc, SUBJECT_AREA};
	uint8_t want[1024], got[1024];

	memset(want, 0xcc, sizeof(want));
	for (unsigned int i = 0; i < 20; i++) {
		hostile_put_request(t);
		driver_kick(t->h, t->q);
		reg_write(t->h, VIRTIO_MMIO_STATUS, 0);
		for (unsigned int k = 0; k < 2; k++)
			mem_fill(t->h, parts[k], 0xcc, sizeof(want));
		usleep(100);
		for (unsigned int k = 0; k < 2; k++) {
			mem_read(t->h, parts[k], got, sizeof(got));
			ck_assert_mem_eq(got, want, sizeof(want));
		}
		subject_start(&t->s, 0);
		subject_serves(&t->s);
	}
}

static void reset_again_and_again(struct hostile *t)
{
	for (unsigned int i = 0; i < 100; i++) {
		subject_start(&t->s, 0);
		reg_write(t->h, VIRTIO_MMIO_STATUS, 0);
	}
}

/* --- bugs of other monitors --------------------------------------------------------------------- */

/* Cloud Hypervisor 7461143: used.len had the readable bytes in it; strict drivers refuse that. */
static void used_length_is_of_written_bytes(struct hostile *t)
{
	hostile_put_request(t);
	driver_kick(t->h, t->q);
	ck_assert_uint_eq(hostile_await(t), t->s.subject->used);
	t->s.subject->check(&t->s);
}

static bool dirty(struct hostile *t, gm_addr addr)
{
	uint64_t offset;
	struct gm_region *region = gm_to_region_addr(t->h->memory, addr, &offset);

	return gm_bitmap_dirty_at(gm_region_dirty(region), offset);
}

/* Firecracker 6d8c306, 046d744: what devices wrote was missing from incremental snapshots. */
static void writes_are_marked_dirty(struct hostile *t)
{
	uint8_t *before = malloc(2 * RAM_SIZE), *after = before + RAM_SIZE;

	ck_assert_ptr_nonnull(before);
	hostile_spread_rings(t);
	hostile_put_request(t);
	mem_read(t->h, RAM_BASE, before, RAM_SIZE);
	for (size_t i = 0; i + 1 < gm_memory_count(t->h->memory); i++)
		gm_bitmap_reset(gm_region_dirty(gm_memory_region(t->h->memory, i)));
	driver_kick(t->h, t->q);
	hostile_await(t);
	t->s.subject->check(&t->s);
	mem_read(t->h, RAM_BASE, after, RAM_SIZE);
	for (gm_addr page = 0; page < RAM_SIZE; page += 4096) {
		if (memcmp(before + page, after + page, 4096) != 0)
			ck_assert_msg(dirty(t, RAM_BASE + page), "page %#llx",
				      (unsigned long long)(RAM_BASE + page));
	}
	free(before);
}

const struct hostile_case hostile_registers[] = {
	{"features_changed_late", GOES_ON, .act = features_changed_late},
	{"features_that_were_never_offered", CHECKED, .act = features_never_offered},
	{"version_1_not_taken", CHECKED, .act = version_1_not_taken},
	{"status_bits_taken_back", GOES_ON, .act = status_bits_taken_back},
	{"needs_reset_set_by_the_driver", GOES_ON, .act = needs_reset_set_by_the_driver},
	{"status_all_at_once", CHECKED, .act = status_all_at_once},
	{"driver_that_failed", CHECKED, .act = failed_driver},
	{"driver_ready_without_queues", CHECKED, .act = ready_without_queues},

	{"bug06_queue_select_out_of_range", GOES_ON, .act = absent_queues},
	{"notify_of_absent_queues", GOES_ON, .act = notify_absent_queues},
	{"notify_for_nothing", GOES_ON, .act = notify_for_nothing},

	{"registers_of_wrong_width", GOES_ON, .act = registers_of_wrong_width},
	{"registers_of_all_ones", GOES_ON, .act = registers_of_all_ones},
	{"registers_of_anything", CHECKED, .act = registers_of_anything},
	{"interrupts_acknowledged_for_nothing", GOES_ON, .act = interrupts_acknowledged_for_nothing},

	{"config_writes_of_every_width_and_offset", GOES_ON, .act = config_writes},
	{"bug15_config_ranges_that_overflow", GOES_ON, .act = config_reads_behind_its_end},
	{"config_writes_of_a_driver_that_is_not_up", CHECKED,
	 .act = config_writes_of_a_driver_that_is_not_up},

	{"reset_with_requests_waiting", CHECKED, .act = reset_with_requests_waiting},
	{"reset_with_requests_on_the_way", GOES_ON, .act = reset_with_requests_on_the_way},
	{"reset_again_and_again", CHECKED, .act = reset_again_and_again},

	{"bug07_used_length_is_of_written_bytes", GOES_ON, .act = used_length_is_of_written_bytes},
	{"bug11_writes_are_marked_dirty", GOES_ON, .act = writes_are_marked_dirty},
	{.name = NULL},
};
