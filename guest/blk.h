/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* virtio-blk requests whose every part can be placed; virtio 1.2, section 5.2. */
#ifndef GUEST_BLK_H
#define GUEST_BLK_H

#include "guest/abi.h"
#include "guest/virtio.h"

#define BLK_IN           0
#define BLK_OUT          1
#define BLK_FLUSH        4
#define BLK_GET_ID       8
#define BLK_DISCARD      11
#define BLK_WRITE_ZEROES 13

#define BLK_OK     0
#define BLK_IOERR  1
#define BLK_UNSUPP 2
#define BLK_LOST   0x100 /* not the device's: it never answered, or not to this request */
#define BLK_BROKEN 0x101 /* nor this: it asked for a reset instead */

#define BLK_FEATURE_RO           (1ull << 5)
#define BLK_FEATURE_FLUSH        (1ull << 9)
#define BLK_FEATURE_MQ           (1ull << 12)
#define BLK_FEATURE_DISCARD      (1ull << 13)
#define BLK_FEATURE_WRITE_ZEROES (1ull << 14)

#define BLK_UNMAP 1 /* of a segment to write zeroes to */

#define BLK_ID_SIZE     20
#define BLK_MAX_EXTENTS 8

struct blk {
	struct virtio_device *device;
	struct virtq queue;
	struct virtq second;    /* with BLK_FEATURE_MQ and two queues */
	uint16_t queues;        /* that it has */
	uint64_t capacity;      /* in sectors */
	uint64_t scratch;       /* first sector that may be overwritten */
	uint64_t scratch_count; /* 0: none may */
	bool readonly;
	bool ext2;
};

/* What a discard and a write-zeroes request carry. */
struct blk_segment {
	uint64_t sector;
	uint32_t sectors;
	uint32_t flags;
};

struct extent {
	uint64_t address;
	uint64_t len;
};

struct blk_request {
	uint32_t type;
	uint64_t sector;
	struct extent data[BLK_MAX_EXTENTS];
	unsigned int extents;
	/* 0: somewhere in the image */
	uint64_t header;
	uint64_t status;
	uint64_t indirect;
	/* From blk_submit(). */
	uint32_t written;
};

/* The disk that tests use: the first writable one, else the first; started. NULL: none. */
struct blk *blk_disk(void);

/* The first read-only disk, started; or NULL. */
struct blk *blk_readonly_disk(void);

/* Start @device, see what is on it and find its scratch sectors; @blk or NULL. */
struct blk *blk_open(struct blk *blk, struct virtio_device *device, const struct virtq_place *place);

/* (Re)start with the queue at @place, NULL: in the image. */
bool blk_start(struct blk *blk, const struct virtq_place *place);

/* BLK_OK, BLK_IOERR, BLK_UNSUPP, BLK_LOST or BLK_BROKEN. */
uint32_t blk_submit(struct blk *blk, struct blk_request *request);

/* Read sectors to an address, or write them. */
uint32_t blk_transfer(struct blk *blk, uint32_t type, uint64_t sector, uint64_t address,
		      uint64_t len);

/* A run of @count scratch sectors, another one each time so far as there are enough. */
uint64_t blk_scratch(struct blk *blk, uint64_t count);

#endif
