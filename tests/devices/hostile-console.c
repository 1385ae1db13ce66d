/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Hostile drivers: control messages of the console. What makes no sense is counted and has no
 * effect, and however often a driver asks, no more answers wait for it than there are to give.
 */
#include <linux/virtio_console.h>

#include "tests/devices/hostile.h"

#define CONTROL_RX 2
#define CONTROL_TX 3
#define PORTS      2U /* of the subject */

static void start_multiport(struct hostile *t)
{
	subject_start(&t->s, FEATURE(VIRTIO_CONSOLE_F_MULTIPORT));
	ck_assert(t->h->features & FEATURE(VIRTIO_CONSOLE_F_MULTIPORT));
}

/* A message of @len bytes; the chain comes back. Returns whether it counted as wrong. */
static bool message(struct hostile *t, uint32_t id, uint16_t event, uint16_t value, uint32_t len)
{
	const struct virtio_console_control control = {htole32(id), htole16(event), htole16(value)};
	struct driver_queue *q = &t->h->queues[CONTROL_TX];
	struct virtio_stats before, after;
	uint32_t head, used;

	virtio_device_stats(t->h->dev, &before);
	mem_write(t->h, HEADER, &control, sizeof(control));
	driver_add(t->h, q, &(struct buffer){HEADER, len, false}, 1, 0);
	driver_kick(t->h, q);
	driver_await(t->h, q, &head, &used);
	ck_assert_uint_eq(used, 0);
	virtio_device_stats(t->h->dev, &after);
	ck_assert_uint_le(after.errors, before.errors + 1);
	return after.errors > before.errors;
}

static void messages_cut_short(struct hostile *t)
{
	start_multiport(t);
	for (uint32_t len = 0; len < sizeof(struct virtio_console_control); len++)
		ck_assert(message(t, 0, VIRTIO_CONSOLE_PORT_OPEN, 1, len));
	subject_start(&t->s, 0);
}

/* Those that nobody defined, and those that are the device's to send. */
static void events_that_are_none(struct hostile *t)
{
	static const uint16_t events[] = {VIRTIO_CONSOLE_PORT_ADD,
					  VIRTIO_CONSOLE_PORT_REMOVE,
					  VIRTIO_CONSOLE_CONSOLE_PORT,
					  VIRTIO_CONSOLE_RESIZE,
					  VIRTIO_CONSOLE_PORT_NAME,
					  8,
					  0x100,
					  0xffff};

	start_multiport(t);
	for (size_t i = 0; i < sizeof(events) / sizeof(*events); i++)
		ck_assert(message(t, 0, events[i], 1, sizeof(struct virtio_console_control)));
	subject_start(&t->s, 0);
}

static void ports_out_of_range(struct hostile *t)
{
	static const uint32_t ids[] = {PORTS, 31, 32, 0x10000, INT32_MAX, UINT32_MAX};

	start_multiport(t);
	for (size_t i = 0; i < sizeof(ids) / sizeof(*ids); i++) {
		ck_assert(message(t, ids[i], VIRTIO_CONSOLE_PORT_READY, 1, 8));
		ck_assert(message(t, ids[i], VIRTIO_CONSOLE_PORT_OPEN, 1, 8));
	}
	subject_start(&t->s, 0);
}

/* Thousands of questions and no buffer for an answer; then a few, which are enough for all. */
static void flood(struct hostile *t)
{
	struct driver_queue *rx = &t->h->queues[CONTROL_RX];
	uint32_t head, used;
	unsigned int answers = 0;

	start_multiport(t);
	for (unsigned int i = 0; i < 300; i++) {
		message(t, 0, VIRTIO_CONSOLE_DEVICE_READY, 1, 8);
		message(t, i % PORTS, VIRTIO_CONSOLE_PORT_READY, 1, 8);
		message(t, i % PORTS, VIRTIO_CONSOLE_PORT_OPEN, i % 2, 8);
	}
	for (unsigned int i = 0; i < rx->size; i++)
		driver_add(t->h, rx, &(struct buffer){DATA + i * UINT64_C(128), 128, true}, 1, 0);
	driver_kick(t->h, rx);
	harness_settle(t->h);
	while (driver_used(t->h, rx, &head, &used))
		answers++;
	ck_assert_uint_gt(answers, 0);
	ck_assert_uint_le(answers, UINT64_C(5) * PORTS);
	subject_start(&t->s, 0);
}

static void answers_without_room(struct hostile *t)
{
	struct driver_queue *rx = &t->h->queues[CONTROL_RX];
	uint32_t head, used;

	start_multiport(t);
	mem_fill(t->h, DATA, 0xcc, 64);
	driver_add(t->h, rx, &(struct buffer){DATA, 4, true}, 1, 0);
	driver_kick(t->h, rx);
	ck_assert(message(t, 0, VIRTIO_CONSOLE_DEVICE_READY, 1, 8));
	driver_await(t->h, rx, &head, &used);
	ck_assert_uint_eq(used, 0);
	ck_assert_uint_eq(mem_byte(t->h, DATA), 0xcc);
	subject_start(&t->s, 0);
}

/* The queues are there, the feature was not taken: nothing answers. */
static void control_without_the_feature(struct hostile *t)
{
	struct driver_queue *rx = &t->h->queues[CONTROL_RX], *tx = &t->h->queues[CONTROL_TX];
	const struct virtio_console_control control = {0, htole16(VIRTIO_CONSOLE_DEVICE_READY),
						       htole16(1)};
	uint32_t head, used;

	mem_write(t->h, HEADER, &control, sizeof(control));
	driver_add(t->h, rx, &(struct buffer){DATA, 128, true}, 1, 0);
	driver_kick(t->h, rx);
	driver_add(t->h, tx, &(struct buffer){HEADER, sizeof(control), false}, 1, 0);
	driver_kick(t->h, tx);
	harness_settle(t->h);
	ck_assert(!driver_used(t->h, rx, &head, &used));
}

const struct hostile_case hostile_console[] = {
	{"console_messages_cut_short", GOES_ON, .device = "console", .act = messages_cut_short},
	{"console_events_that_are_none", GOES_ON, .device = "console", .act = events_that_are_none},
	{"console_ports_out_of_range", GOES_ON, .device = "console", .act = ports_out_of_range},
	{"console_flood_of_messages", GOES_ON, .device = "console", .act = flood},
	{"console_answers_without_room", GOES_ON, .device = "console", .act = answers_without_room},
	{"console_messages_without_the_feature", GOES_ON, .device = "console",
	 .act = control_without_the_feature},
	{.name = NULL},
};
