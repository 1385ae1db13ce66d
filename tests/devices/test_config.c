/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * A configuration structure that changes: the generation counter, the interrupt, and what a driver
 * writes into it. The device is one of this file, since it has nothing else to do.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/devices/harness.h"
#include "tests/devices/suites.h"

struct moving {
	struct virtio_device dev;
	uint8_t config[12];
	unsigned int writes;
};

static void moving_write(struct virtio_device *dev, size_t offset, const void *data, size_t len)
{
	struct moving *moving = (struct moving *)dev;

	memcpy(moving->config + offset, data, len);
	moving->writes++;
}

static void moving_free(struct virtio_device *dev)
{
	virtio_device_destroy(dev);
	free(dev);
}

static const uint16_t moving_queues[] = {64, 0};

static const struct virtio_ops moving_ops = {
	.device_id = VIRTIO_ID_RNG,
	.name = "moving",
	.queue_sizes = moving_queues,
	.config_write = moving_write,
	.free = moving_free,
};

static int moving_create(const char *option, const char *args, struct loop *loop,
			 struct virtio_device **out, struct report *report)
{
	struct moving *moving = calloc(1, sizeof(*moving));

	(void)option;
	(void)args;
	(void)loop;
	ck_assert_ptr_nonnull(moving);
	*out = &moving->dev;
	return virtio_device_init(&moving->dev, &moving_ops, 0, moving->config,
				  sizeof(moving->config), report);
}

static const struct device_type moving_type = {.name = "moving", .create = moving_create};

static struct harness harness;
static struct harness *const h = &harness;

static void set_up(void)
{
	struct cutting whole = cutting_whole();

	harness_new(h, &whole, &moving_type, NULL, NULL);
	cutting_free(&whole);
}

static void tear_down(void)
{
	harness_free(h);
}

static void change(uint8_t value)
{
	virtio_lock(h->dev);
	((struct moving *)h->dev)->config[0] = value;
	virtio_config_changed(h->dev);
	virtio_unlock(h->dev);
}

static uint32_t generation(void)
{
	return reg_read(h, VIRTIO_MMIO_CONFIG_GENERATION);
}

START_TEST(change_moves_the_generation_and_interrupts)
{
	uint32_t before;

	driver_start(h, 0);
	before = generation();
	ck_assert_uint_eq(generation(), before);
	change(7);
	ck_assert_uint_ne(generation(), before);
	ck_assert_uint_eq(h->irq.count, 1);
	ck_assert_uint_eq(reg_read(h, VIRTIO_MMIO_INTERRUPT_STATUS), VIRTIO_MMIO_INT_CONFIG);
	ck_assert_uint_eq(reg_read(h, VIRTIO_MMIO_CONFIG), 7);
	/* A reset does not take it back: a driver might have read half of it before. */
	before = generation();
	reg_write(h, VIRTIO_MMIO_STATUS, 0);
	ck_assert_uint_eq(generation(), before);
}
END_TEST

/* One interrupt line, two reasons: each is acknowledged by itself. */
START_TEST(both_interrupts_at_once)
{
	driver_start(h, 0);
	change(1);
	virtio_lock(h->dev);
	h->dev->transport->interrupt(h->dev->transport, VIRTIO_MMIO_INT_VRING, 0);
	virtio_unlock(h->dev);
	ck_assert_uint_eq(h->irq.count, 2);
	ck_assert_uint_eq(reg_read(h, VIRTIO_MMIO_INTERRUPT_STATUS),
			  VIRTIO_MMIO_INT_CONFIG | VIRTIO_MMIO_INT_VRING);
	reg_write(h, VIRTIO_MMIO_INTERRUPT_ACK, VIRTIO_MMIO_INT_VRING);
	ck_assert_uint_eq(reg_read(h, VIRTIO_MMIO_INTERRUPT_STATUS), VIRTIO_MMIO_INT_CONFIG);
	change(2);
	ck_assert_uint_eq(h->irq.count, 3);
	reg_write(h, VIRTIO_MMIO_INTERRUPT_ACK, VIRTIO_MMIO_INT_CONFIG);
	ck_assert_uint_eq(reg_read(h, VIRTIO_MMIO_INTERRUPT_STATUS), 0);
}
END_TEST

START_TEST(change_before_driver_ok_is_silent)
{
	uint32_t before = generation();

	change(1);
	ck_assert(driver_negotiate(h, VERSION_1));
	change(2);
	ck_assert_uint_eq(generation(), before + 2);
	ck_assert_uint_eq(h->irq.count, 0);
	ck_assert_uint_eq(reg_read(h, VIRTIO_MMIO_INTERRUPT_STATUS), 0);
}
END_TEST

START_TEST(writes_of_every_width_and_offset)
{
	struct moving *moving = (struct moving *)h->dev;
	const unsigned int size = sizeof(moving->config);

	driver_start(h, 0);
	for (unsigned int len = 1; len <= 8; len *= 2) {
		for (unsigned int i = 0; i < size + 8; i++) {
			uint8_t want[sizeof(moving->config)] = {0};

			memset(moving->config, 0, size);
			for (unsigned int k = i; k < i + len && k < size; k++)
				want[k] = 0xa5;
			virtio_mmio_bus_ops.write(h->mmio, VIRTIO_MMIO_CONFIG + i,
						  "\xa5\xa5\xa5\xa5\xa5\xa5\xa5\xa5", len);
			ck_assert_mem_eq(moving->config, want, size);
		}
	}
	ck_assert_uint_eq(moving->writes, 4UL * size);
}
END_TEST

START_TEST(writes_without_a_driver_are_lost)
{
	struct moving *moving = (struct moving *)h->dev;

	reg_write(h, VIRTIO_MMIO_CONFIG, 0x01010101);
	reg_write(h, VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	reg_write(h, VIRTIO_MMIO_CONFIG, 0x01010101);
	ck_assert_uint_eq(moving->writes, 0);
}
END_TEST

Suite *config_suite(void)
{
	Suite *suite = suite_create("config");
	TCase *tc = tcase_create("config");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, change_moves_the_generation_and_interrupts);
	tcase_add_test(tc, both_interrupts_at_once);
	tcase_add_test(tc, change_before_driver_ok_is_silent);
	tcase_add_test(tc, writes_of_every_width_and_offset);
	tcase_add_test(tc, writes_without_a_driver_are_lost);
	suite_add_tcase(suite, tc);
	return suite;
}
