/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Drivers that break the rules. What cannot be answered through the ring stops the device until
 * reset; what can is answered with an error. Either way the device works afterwards, and nothing
 * outside the buffers it was given has changed. Rings that are wrong are in test_hostile_rings.c.
 */
#include <string.h>
#include <unistd.h>

#include "tests/devices/harness.h"
#include "tests/devices/suites.h"

#define NEXT     VRING_DESC_F_NEXT
#define WRITE    VRING_DESC_F_WRITE
#define INDIRECT VRING_DESC_F_INDIRECT

#define TABLE   (BUFFERS + 0x10000)
#define HEADER  (BUFFERS + 0x20000)
#define DATA    (BUFFERS + 0x21000)
#define STATUS  (BUFFERS + 0x22000)
#define SECTORS 16

static struct harness harness;
static struct harness *const h = &harness;
static struct driver_queue *const q = &harness.queues[0];

static void set_up(void)
{
	struct cutting pages = cutting_every(4096);

	harness_blk(h, &pages, SECTORS, "");
	cutting_free(&pages);
	driver_start(h, FEATURE(VIRTIO_BLK_F_FLUSH) | FEATURE(VIRTIO_RING_F_INDIRECT_DESC));
	blk_put_header(h, HEADER, VIRTIO_BLK_T_IN, 1);
	mem_fill(h, STATUS, 0xee, 1);
}

static void tear_down(void)
{
	harness_free(h);
}

/* Descriptor @index of the queue's table. */
static void desc(unsigned int index, gm_addr addr, uint32_t len, uint16_t flags, uint16_t next)
{
	put_desc(h, q->desc, index, addr, len, flags, next);
}

/* Descriptor @index of an indirect table at TABLE. */
static void entry(unsigned int index, gm_addr addr, uint32_t len, uint16_t flags, uint16_t next)
{
	put_desc(h, TABLE, index, addr, len, flags, next);
}

static void offer(uint16_t head)
{
	put_avail(h, q, head);
	driver_kick(h, q);
}

/* Offer chain 0, which must break the device for reason @why (NULL: the request's), and recover. */
static void offer_breaks(const char *why)
{
	const char *broken;

	offer(0);
	broken = h->dev->queues[0].broken;
	ck_assert_int_eq(broken != NULL, why != NULL);
	if (why)
		ck_assert_msg(strstr(broken, why) != NULL, "'%s' instead of '%s'", broken, why);
	ck_assert_uint_eq(mem_byte(h, STATUS), 0xee);
	assert_broken_then_works(h);
}

/* --- chains ---------------------------------------------------------------------------------- */

START_TEST(descriptor_that_is_its_own_next)
{
	desc(0, HEADER, 16, NEXT, 0);
	offer_breaks("longer than the queue");
}
END_TEST

START_TEST(loop_of_two)
{
	desc(0, HEADER, 16, NEXT, 1);
	desc(1, DATA, 512, NEXT, 0);
	offer_breaks("longer than the queue");
}
END_TEST

START_TEST(loop_of_empty_descriptors)
{
	desc(0, HEADER, 0, NEXT, 1);
	desc(1, DATA, 0, NEXT, 0);
	offer_breaks("longer than the queue");
}
END_TEST

START_TEST(loop_through_the_whole_table)
{
	for (uint16_t i = 0; i < q->size; i++)
		desc(i, HEADER, 1, NEXT, (uint16_t)((i + 1) % q->size));
	offer_breaks("longer than the queue");
}
END_TEST

START_TEST(next_out_of_range)
{
	desc(0, HEADER, 16, NEXT, q->size);
	offer_breaks("next descriptor");
}
END_TEST

START_TEST(next_far_out_of_range)
{
	desc(0, HEADER, 16, NEXT, 0xffff);
	offer_breaks("next descriptor");
}
END_TEST

START_TEST(head_out_of_range)
{
	offer(q->size);
	assert_broken_then_works(h);
}
END_TEST

START_TEST(head_far_out_of_range)
{
	offer(0xffff);
	assert_broken_then_works(h);
}
END_TEST

START_TEST(readable_behind_writable)
{
	desc(0, HEADER, 16, NEXT, 1);
	desc(1, STATUS, 1, NEXT | WRITE, 2);
	desc(2, DATA, 512, 0, 0);
	offer_breaks("behind a writable");
}
END_TEST

START_TEST(readable_behind_an_empty_writable)
{
	desc(0, HEADER, 16, NEXT, 1);
	desc(1, STATUS, 0, NEXT | WRITE, 2);
	desc(2, DATA, 512, 0, 0);
	offer_breaks("behind a writable");
}
END_TEST

START_TEST(buffer_in_a_hole)
{
	desc(0, HEADER, 16, NEXT, 1);
	desc(1, HOLE, 512, NEXT | WRITE, 2);
	desc(2, STATUS, 1, WRITE, 0);
	offer_breaks("not in writable memory");
}
END_TEST

START_TEST(buffer_that_begins_in_ram_and_ends_in_a_hole)
{
	mem_fill(h, RAM_END - 1, 0x5a, 1);
	desc(0, HEADER, 16, NEXT, 1);
	desc(1, RAM_END - 511, 512, NEXT | WRITE, 2);
	desc(2, STATUS, 1, WRITE, 0);
	offer(0);
	ck_assert_uint_eq(mem_byte(h, RAM_END - 1), 0x5a);
	assert_broken_then_works(h);
}
END_TEST

START_TEST(buffer_that_ends_in_ram_and_begins_in_a_hole)
{
	desc(0, HEADER, 16, NEXT, 1);
	desc(1, RAM_BASE - 1, 512, NEXT | WRITE, 2);
	desc(2, STATUS, 1, WRITE, 0);
	offer_breaks("not in writable memory");
}
END_TEST

START_TEST(writable_buffer_in_rom)
{
	desc(0, HEADER, 16, NEXT, 1);
	desc(1, ROM_BASE, 512, NEXT | WRITE, 2);
	desc(2, STATUS, 1, WRITE, 0);
	offer_breaks("not in writable memory");
}
END_TEST

START_TEST(status_byte_in_rom)
{
	desc(0, HEADER, 16, NEXT, 1);
	desc(1, DATA, 512, NEXT | WRITE, 2);
	desc(2, ROM_BASE, 1, WRITE, 0);
	offer_breaks("not in writable memory");
}
END_TEST

/* Reading from ROM is in order. */
START_TEST(readable_buffer_in_rom)
{
	uint8_t data[512];
	uint32_t head, len;

	blk_put_header(h, HEADER, VIRTIO_BLK_T_OUT, 1);
	desc(0, HEADER, 16, NEXT, 1);
	desc(1, ROM_BASE, 512, NEXT, 2);
	desc(2, STATUS, 1, WRITE, 0);
	offer(0);
	ck_assert(driver_used(h, q, &head, &len));
	ck_assert_uint_eq(mem_byte(h, STATUS), VIRTIO_BLK_S_OK);
	ck_assert_int_eq(pread(h->image, data, 512, 512), 512);
	ck_assert_uint_eq(data[0] | data[511], 0);
}
END_TEST

START_TEST(buffer_that_wraps_around)
{
	desc(0, HEADER, 16, NEXT, 1);
	desc(1, UINT64_MAX - 100, 512, NEXT | WRITE, 2);
	desc(2, STATUS, 1, WRITE, 0);
	offer_breaks("not in writable memory");
}
END_TEST

START_TEST(buffer_that_ends_at_the_top)
{
	desc(0, HEADER, 16, NEXT, 1);
	desc(1, UINT64_MAX - 511, 512, NEXT | WRITE, 2);
	desc(2, STATUS, 1, WRITE, 0);
	offer_breaks("not in writable memory");
}
END_TEST

START_TEST(buffer_of_4_gib)
{
	desc(0, HEADER, 16, NEXT, 1);
	desc(1, DATA, UINT32_MAX, NEXT | WRITE, 2);
	desc(2, STATUS, 1, WRITE, 0);
	offer_breaks("more than 2^32");
}
END_TEST

START_TEST(buffer_of_2_gib)
{
	desc(0, HEADER, 16, NEXT, 1);
	desc(1, DATA, 1U << 31, NEXT | WRITE, 2);
	desc(2, STATUS, 1, WRITE, 0);
	offer_breaks("not in writable memory");
}
END_TEST

/* --- indirect tables -------------------------------------------------------------------------- */

START_TEST(indirect_in_indirect)
{
	entry(0, TABLE + 0x100, 16, INDIRECT, 0);
	desc(0, TABLE, 16, INDIRECT, 0);
	offer_breaks("in an indirect table");
}
END_TEST

START_TEST(indirect_table_that_is_itself)
{
	desc(0, q->desc, 16, INDIRECT, 0);
	offer_breaks("in an indirect table");
}
END_TEST

START_TEST(indirect_with_next)
{
	entry(0, HEADER, 16, 0, 0);
	desc(0, TABLE, 16, INDIRECT | NEXT, 1);
	desc(1, STATUS, 1, WRITE, 0);
	offer_breaks("with a next one");
}
END_TEST

START_TEST(indirect_length_not_a_multiple)
{
	entry(0, HEADER, 16, NEXT, 1);
	entry(1, STATUS, 1, WRITE, 0);
	desc(0, TABLE, 33, INDIRECT, 0);
	offer_breaks("multiple of 16");
}
END_TEST

START_TEST(indirect_length_zero)
{
	desc(0, TABLE, 0, INDIRECT, 0);
	offer_breaks("multiple of 16");
}
END_TEST

START_TEST(indirect_length_less_than_one_entry)
{
	desc(0, TABLE, 15, INDIRECT, 0);
	offer_breaks("multiple of 16");
}
END_TEST

START_TEST(indirect_next_out_of_its_table)
{
	entry(0, HEADER, 16, NEXT, 2);
	entry(2, STATUS, 1, WRITE, 0);
	desc(0, TABLE, 32, INDIRECT, 0);
	offer_breaks("next descriptor");
}
END_TEST

START_TEST(indirect_loop)
{
	entry(0, HEADER, 16, NEXT, 1);
	entry(1, DATA, 1, NEXT, 0);
	desc(0, TABLE, 32, INDIRECT, 0);
	offer_breaks("longer than the queue");
}
END_TEST

START_TEST(indirect_table_in_a_hole)
{
	desc(0, HOLE, 32, INDIRECT, 0);
	offer_breaks("descriptor is not in memory");
}
END_TEST

START_TEST(indirect_table_that_ends_in_a_hole)
{
	put_desc(h, RAM_END - 16, 0, HEADER, 16, NEXT, 1);
	desc(0, RAM_END - 16, 32, INDIRECT, 0);
	offer_breaks("descriptor is not in memory");
}
END_TEST

START_TEST(indirect_table_that_wraps_around)
{
	desc(0, UINT64_MAX - 15, 32, INDIRECT, 0);
	offer_breaks("wraps around");
}
END_TEST

START_TEST(indirect_of_4_gib)
{
	entry(0, HEADER, 16, NEXT, 0xffff);
	desc(0, TABLE, UINT32_MAX & ~15U, INDIRECT, 0);
	offer_breaks("descriptor is not in memory");
}
END_TEST

START_TEST(indirect_that_was_not_negotiated)
{
	driver_start(h, 0);
	entry(0, HEADER, 16, NEXT, 1);
	entry(1, STATUS, 1, WRITE, 0);
	desc(0, TABLE, 32, INDIRECT, 0);
	offer_breaks("without the feature");
}
END_TEST

/* --- requests --------------------------------------------------------------------------------- */

START_TEST(request_without_status_byte)
{
	desc(0, HEADER, 16, NEXT, 1);
	desc(1, DATA, 512, 0, 0);
	offer_breaks(NULL);
}
END_TEST

START_TEST(request_without_header)
{
	desc(0, STATUS, 1, WRITE, 0);
	offer_breaks(NULL);
}
END_TEST

START_TEST(request_with_half_a_header)
{
	desc(0, HEADER, 15, NEXT, 1);
	desc(1, STATUS, 1, WRITE, 0);
	offer_breaks(NULL);
}
END_TEST

START_TEST(request_of_empty_descriptors)
{
	desc(0, HEADER, 0, NEXT, 1);
	desc(1, STATUS, 0, WRITE, 0);
	offer_breaks(NULL);
}
END_TEST

/* Header, data and status in the same bytes: silly, but every byte is the driver's own. */
START_TEST(buffers_that_overlap)
{
	uint32_t head, len;

	desc(0, HEADER, 16, NEXT, 1);
	desc(1, HEADER, 512, NEXT | WRITE, 2);
	desc(2, HEADER, 1, WRITE, 0);
	offer(0);
	ck_assert(driver_used(h, q, &head, &len));
	ck_assert_uint_eq(len, 513);
	ck_assert_uint_eq(mem_byte(h, HEADER), VIRTIO_BLK_S_OK);
}
END_TEST

START_TEST(data_over_the_ring_itself)
{
	uint32_t guard = 0x5a5a5a5a, after;

	/* The device reads what it needs once, so that overwriting it changes nothing. */
	mem_write(h, RAM_BASE + RING_AREA / 2, &guard, sizeof(guard));
	desc(0, HEADER, 16, NEXT, 1);
	desc(1, q->desc, 512, NEXT | WRITE, 2);
	desc(2, STATUS, 1, WRITE, 0);
	offer(0);
	ck_assert_uint_eq(mem_byte(h, STATUS), VIRTIO_BLK_S_OK);
	mem_read(h, RAM_BASE + RING_AREA / 2, &after, sizeof(after));
	ck_assert_uint_eq(after, guard);
	assert_works(h);
}
END_TEST

static void add_chain_tests(TCase *tc)
{
	tcase_add_test(tc, descriptor_that_is_its_own_next);
	tcase_add_test(tc, loop_of_two);
	tcase_add_test(tc, loop_of_empty_descriptors);
	tcase_add_test(tc, loop_through_the_whole_table);
	tcase_add_test(tc, next_out_of_range);
	tcase_add_test(tc, next_far_out_of_range);
	tcase_add_test(tc, head_out_of_range);
	tcase_add_test(tc, head_far_out_of_range);
	tcase_add_test(tc, readable_behind_writable);
	tcase_add_test(tc, readable_behind_an_empty_writable);
	tcase_add_test(tc, buffer_in_a_hole);
	tcase_add_test(tc, buffer_that_begins_in_ram_and_ends_in_a_hole);
	tcase_add_test(tc, buffer_that_ends_in_ram_and_begins_in_a_hole);
	tcase_add_test(tc, writable_buffer_in_rom);
	tcase_add_test(tc, status_byte_in_rom);
	tcase_add_test(tc, readable_buffer_in_rom);
	tcase_add_test(tc, buffer_that_wraps_around);
	tcase_add_test(tc, buffer_that_ends_at_the_top);
	tcase_add_test(tc, buffer_of_4_gib);
	tcase_add_test(tc, buffer_of_2_gib);
}

static void add_indirect_tests(TCase *tc)
{
	tcase_add_test(tc, indirect_in_indirect);
	tcase_add_test(tc, indirect_table_that_is_itself);
	tcase_add_test(tc, indirect_with_next);
	tcase_add_test(tc, indirect_length_not_a_multiple);
	tcase_add_test(tc, indirect_length_zero);
	tcase_add_test(tc, indirect_length_less_than_one_entry);
	tcase_add_test(tc, indirect_next_out_of_its_table);
	tcase_add_test(tc, indirect_loop);
	tcase_add_test(tc, indirect_table_in_a_hole);
	tcase_add_test(tc, indirect_table_that_ends_in_a_hole);
	tcase_add_test(tc, indirect_table_that_wraps_around);
	tcase_add_test(tc, indirect_of_4_gib);
	tcase_add_test(tc, indirect_that_was_not_negotiated);
}

Suite *hostile_suite(void)
{
	Suite *suite = suite_create("hostile");
	TCase *tc = tcase_create("hostile");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	add_chain_tests(tc);
	add_indirect_tests(tc);
	tcase_add_test(tc, request_without_status_byte);
	tcase_add_test(tc, request_without_header);
	tcase_add_test(tc, request_with_half_a_header);
	tcase_add_test(tc, request_of_empty_descriptors);
	tcase_add_test(tc, buffers_that_overlap);
	tcase_add_test(tc, data_over_the_ring_itself);
	suite_add_tcase(suite, tc);
	return suite;
}
