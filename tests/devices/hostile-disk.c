/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Hostile drivers: requests to the disk that lie. What has no place for an answer breaks the
 * device; all else is answered, and what is refused has changed nothing in the image.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/devices/hostile.h"

#define LAST (SUBJECT_SECTORS - 1)

/* The image is as it was made. */
static void assert_image_untouched(struct hostile *t)
{
	uint8_t want[512], got[512];

	ck_assert_int_eq(lseek(t->s.file, 0, SEEK_END), SUBJECT_SECTORS * INT64_C(512));
	for (unsigned int i = 0; i < SUBJECT_SECTORS; i++) {
		sector_pattern(want, i);
		ck_assert_int_eq(pread(t->s.file, got, 512, (off_t)i * 512), 512);
		ck_assert_mem_eq(got, want, 512);
	}
}

/* A request with @out bytes to write and room for @in bytes, both at DATA; its status. */
static uint8_t request(struct hostile *t, uint32_t type, uint64_t sector, uint32_t out, uint32_t in)
{
	struct buffer chain[4] = {{HEADER, 16, false}};
	unsigned int count = 1;

	blk_put_header(t->h, HEADER, type, sector);
	mem_fill(t->h, STATUS, 0xee, 1);
	if (out)
		chain[count++] = (struct buffer){DATA, out, false};
	if (in)
		chain[count++] = (struct buffer){DATA, in, true};
	chain[count++] = (struct buffer){STATUS, 1, true};
	driver_add(t->h, t->q, chain, count, 0);
	driver_kick(t->h, t->q);
	hostile_await(t);
	return mem_byte(t->h, STATUS);
}

static void unknown_types(struct hostile *t)
{
	static const uint32_t types[] = {2, 3, 5, 6, 7, 12, 16, 99, 0x100, 0x80000000, UINT32_MAX};

	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
		ck_assert_uint_eq(request(t, types[i], 0, 0, 512), VIRTIO_BLK_S_UNSUPP);
	assert_image_untouched(t);
}

/* Sums of sector and length that pass the end, or the end of 64 bits, or wrap to sector 0. */
static void capacity_overflow(struct hostile *t)
{
	static const uint64_t sectors[] = {SUBJECT_SECTORS,  SUBJECT_SECTORS + 1,
					   1ULL << 32,       1ULL << 55,
					   UINT64_MAX / 512, INT64_MAX / 512 + 1,
					   UINT64_MAX - 1,   UINT64_MAX};

	for (size_t i = 0; i < sizeof(sectors) / sizeof(*sectors); i++) {
		ck_assert_uint_eq(request(t, VIRTIO_BLK_T_IN, sectors[i], 0, 1024),
				  VIRTIO_BLK_S_IOERR);
		ck_assert_uint_eq(request(t, VIRTIO_BLK_T_OUT, sectors[i], 1024, 0),
				  VIRTIO_BLK_S_IOERR);
	}
	assert_image_untouched(t);
}

static void over_the_last_sector(struct hostile *t)
{
	ck_assert_uint_eq(request(t, VIRTIO_BLK_T_IN, LAST, 0, 1024), VIRTIO_BLK_S_IOERR);
	ck_assert_uint_eq(request(t, VIRTIO_BLK_T_OUT, LAST, 1024, 0), VIRTIO_BLK_S_IOERR);
	assert_image_untouched(t);
}

static void half_sectors(struct hostile *t)
{
	static const uint32_t lens[] = {1, 511, 513, 1023};

	for (size_t i = 0; i < sizeof(lens) / sizeof(*lens); i++) {
		ck_assert_uint_eq(request(t, VIRTIO_BLK_T_IN, 0, 0, lens[i]), VIRTIO_BLK_S_IOERR);
		ck_assert_uint_eq(request(t, VIRTIO_BLK_T_OUT, 0, lens[i], 0), VIRTIO_BLK_S_IOERR);
	}
	assert_image_untouched(t);
}

static void id_without_room(struct hostile *t)
{
	ck_assert_uint_eq(request(t, VIRTIO_BLK_T_GET_ID, 0, 0, 1), VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(mem_byte(t->h, DATA), 's');
	ck_assert_uint_eq(request(t, VIRTIO_BLK_T_GET_ID, 0, 0, 0), VIRTIO_BLK_S_OK);
}

static void directions_that_are_wrong(struct hostile *t)
{
	/* A read with data to write and no room; a write with room and nothing to write. */
	request(t, VIRTIO_BLK_T_IN, 0, 512, 0);
	request(t, VIRTIO_BLK_T_OUT, 0, 0, 512);
	assert_image_untouched(t);
}

/* Cloud Hypervisor 376434a: each descriptor was checked against the end of the disk by itself. */
static void many_at_the_last_sector(struct hostile *t)
{
	struct buffer chain[10] = {{HEADER, 16, false}};

	blk_put_header(t->h, HEADER, VIRTIO_BLK_T_OUT, LAST);
	for (unsigned int i = 0; i < 8; i++)
		chain[1 + i] = (struct buffer){DATA + i * UINT64_C(512), 512, false};
	chain[9] = (struct buffer){STATUS, 1, true};
	driver_add(t->h, t->q, chain, 10, 0);
	driver_kick(t->h, t->q);
	hostile_await(t);
	ck_assert_uint_eq(mem_byte(t->h, STATUS), VIRTIO_BLK_S_IOERR);
	assert_image_untouched(t);
}

/* Firecracker 4392a8d: overlapping descriptors made one request an allocation of gigabytes. */
static void overlapping_descriptors(struct hostile *t)
{
	struct buffer chain[16] = {{HEADER, 16, false}};
	struct rusage before, after;

	blk_put_header(t->h, HEADER, VIRTIO_BLK_T_OUT, 0);
	for (unsigned int i = 1; i < 15; i++)
		chain[i] = (struct buffer){RAM_BASE, RAM_SIZE, false};
	chain[15] = (struct buffer){STATUS, 1, true};
	ck_assert_int_eq(getrusage(RUSAGE_SELF, &before), 0);
	driver_add(t->h, t->q, chain, 16, 0);
	driver_kick(t->h, t->q);
	hostile_await(t);
	ck_assert_int_eq(getrusage(RUSAGE_SELF, &after), 0);
	ck_assert_uint_eq(mem_byte(t->h, STATUS), VIRTIO_BLK_S_IOERR);
	ck_assert_int_lt(after.ru_maxrss - before.ru_maxrss, INT64_C(8) * 1024);
	assert_image_untouched(t);
}

/* Header, data and status in the same bytes: silly, but every byte is the driver's own. */
static void buffers_that_overlap(struct hostile *t)
{
	const struct hostile_desc chain[] = {
		{HEADER, 16, NEXT}, {HEADER, 512, NEXT | WRITE}, {HEADER, 1, WRITE}};

	blk_put_header(t->h, HEADER, VIRTIO_BLK_T_IN, 1);
	hostile_offer(t, chain, 3);
	ck_assert_uint_eq(hostile_await(t), 513);
	ck_assert_uint_eq(mem_byte(t->h, HEADER), VIRTIO_BLK_S_OK);
	subject_start(&t->s, 0);
}

/*
 * Discard and write-zeroes: segments beyond the end, that overflow, with flags nobody defined, cut
 * short, or none. A disk that offers neither says UNSUPP.
 */
static void segments_that_lie(struct hostile *t)
{
	static const struct {
		uint64_t sector;
		uint32_t sectors, flags;
		uint32_t len; /* of the data */
	} lies[] = {
		{SUBJECT_SECTORS, 8, 0, 16},
		{LAST, 8, 0, 16},
		{UINT64_MAX, 8, 0, 16},
		{UINT64_MAX - 7, 8, 0, 16},
		{1ULL << 55, 8, 0, 16},
		{0, UINT32_MAX, 0, 16},
		{0, 8, 0xfffffffe, 16},
		{0, 8, 0, 15},
		{0, 8, 0, 1},
		{0, 8, 0, 17},
		{0, 8, 0, 0},
		{LAST, UINT32_MAX, 1, 16},
	};
	static const uint32_t types[] = {VIRTIO_BLK_T_DISCARD, VIRTIO_BLK_T_WRITE_ZEROES};

	subject_start(&t->s, FEATURE(VIRTIO_BLK_F_DISCARD) | FEATURE(VIRTIO_BLK_F_WRITE_ZEROES));
	for (size_t i = 0; i < sizeof(lies) / sizeof(*lies); i++) {
		struct {
			gm_le64_t sector;
			gm_le32_t sectors, flags;
			uint8_t behind[16];
		} segment = {gm_le64(lies[i].sector),
			     gm_le32(lies[i].sectors),
			     gm_le32(lies[i].flags),
			     {0}};

		mem_write(t->h, DATA, &segment, sizeof(segment));
		for (unsigned int k = 0; k < 2; k++)
			ck_assert_uint_ne(request(t, types[k], 0, lies[i].len, 0), VIRTIO_BLK_S_OK);
	}
	assert_image_untouched(t);
}

const struct hostile_case hostile_disk[] = {
	{"disk_request_without_status_byte", BREAKS, "without a status byte", .device = "disk",
	 .chain = {{HEADER, 16, NEXT}, {DATA, 512, 0}}},
	{"disk_request_without_header", BREAKS, "header", .device = "disk",
	 .chain = {{STATUS, 1, WRITE}}},
	{"disk_request_with_half_a_header", BREAKS, "header", .device = "disk",
	 .chain = {{HEADER, 15, NEXT}, {STATUS, 1, WRITE}}},
	{"disk_request_of_empty_descriptors", BREAKS, "status byte", .device = "disk",
	 .chain = {{HEADER, 0, NEXT}, {STATUS, 0, WRITE}}},
	{"disk_types_that_are_none", GOES_ON, .device = "disk", .act = unknown_types},
	{"disk_capacity_overflow", GOES_ON, .device = "disk", .act = capacity_overflow},
	{"disk_over_the_last_sector", GOES_ON, .device = "disk", .act = over_the_last_sector},
	{"disk_lengths_that_are_no_sectors", GOES_ON, .device = "disk", .act = half_sectors},
	{"disk_id_without_room", GOES_ON, .device = "disk", .act = id_without_room},
	{"disk_directions_that_are_wrong", GOES_ON, .device = "disk",
	 .act = directions_that_are_wrong},
	{"bug04_many_descriptors_at_the_last_sector", GOES_ON, .device = "disk",
	 .act = many_at_the_last_sector},
	{"bug10_overlapping_descriptors_cost_no_memory", GOES_ON, .device = "disk",
	 .act = overlapping_descriptors},
	{"disk_buffers_that_overlap", GOES_ON, .device = "disk", .act = buffers_that_overlap},
	{"disk_segments_that_lie", GOES_ON, .device = "disk", .act = segments_that_lie},
	{.name = NULL},
};
