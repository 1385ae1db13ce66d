/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The virtio-blk driver: one request at a time, and the choice of disks and of the sectors that
 * tests may overwrite.
 */
#include "guest/blk.h"

#include <stddef.h>

#include "guest/cmdline.h"
#include "guest/memory.h"
#include "guest/string.h"

struct blk_header {
	uint32_t type;
	uint32_t reserved;
	uint64_t sector;
};

#define CONFIG_NUM_QUEUES 34

#define EXT2_SUPERBLOCK_SECTOR 2
#define EXT2_MAGIC_OFFSET      56
#define EXT2_MAGIC             0xef53

/* Two, since a disk may be read-only, and one may be both "the" disk and the read-only one. */
static struct blk disks[2];

bool blk_start(struct blk *blk, const struct virtq_place *place)
{
	uint64_t wanted = FEATURE_INDIRECT_DESC | FEATURE_EVENT_IDX | BLK_FEATURE_RO |
			  BLK_FEATURE_FLUSH | BLK_FEATURE_MQ | BLK_FEATURE_DISCARD |
			  BLK_FEATURE_WRITE_ZEROES;

	if (!virtio_start(blk->device, wanted) || !virtq_setup(&blk->queue, blk->device, 0, place))
		return false;
	blk->queues = 1;
	if (blk->device->features & BLK_FEATURE_MQ)
		blk->queues = (uint16_t)(virtio_config64(blk->device, CONFIG_NUM_QUEUES & ~3u) >>
					 CONFIG_NUM_QUEUES % 4 * 8);
	if (blk->queues > 1 && !virtq_setup(&blk->second, blk->device, 1, NULL))
		return false;
	virtio_ready(blk->device);
	blk->capacity = virtio_config64(blk->device, 0);
	blk->readonly = blk->device->features & BLK_FEATURE_RO;
	return true;
}

uint32_t blk_submit(struct blk *blk, struct blk_request *request)
{
	static struct blk_header own_header;
	static uint8_t own_status;
	struct blk_header header = {.type = request->type, .sector = request->sector};
	uint64_t header_at = request->header ? request->header : (uint64_t)&own_header;
	volatile uint8_t *status = request->status ? at(request->status) : &own_status;
	struct buffer buffers[BLK_MAX_EXTENTS + 2];
	unsigned int count = 0;

	memcpy(at(header_at), &header, sizeof(header));
	*status = 0xff;
	buffers[count++] = (struct buffer){header_at, sizeof(header), false};
	for (unsigned int i = 0; i < request->extents; i++)
		buffers[count++] = (struct buffer){
			.address = request->data[i].address,
			.len = (uint32_t)request->data[i].len,
			.device_writes = request->type == BLK_IN || request->type == BLK_GET_ID,
		};
	buffers[count++] = (struct buffer){(uint64_t)status, 1, true};
	virtq_post(&blk->queue, buffers, count, request->indirect);
	if (virtq_wait(&blk->queue, &request->written))
		return *status;
	return blk->device->broken ? BLK_BROKEN : BLK_LOST;
}

uint32_t blk_transfer(struct blk *blk, uint32_t type, uint64_t sector, uint64_t address, uint64_t len)
{
	struct blk_request request = {
		.type = type,
		.sector = sector,
		.data = {{address, len}},
		.extents = 1,
	};

	return blk_submit(blk, &request);
}

uint64_t blk_scratch(struct blk *blk, uint64_t count)
{
	static uint64_t next;

	if (next + count > blk->scratch_count)
		next = 0;
	next += count;
	return blk->scratch + next - count;
}

/* scratch=FIRST,COUNT; or the last sectors; or none at all if that may be somebody's data. */
static void find_scratch(struct blk *blk)
{
	const char *value = cmdline_next(ABI_KEY_SCRATCH, NULL);

	if (blk->readonly)
		return;
	if (value) {
		blk->scratch = cmdline_number(&value);
		if (*value == ',') {
			value++;
			blk->scratch_count = cmdline_number(&value);
		}
		if (blk->scratch >= blk->capacity)
			blk->scratch_count = 0;
		else if (blk->scratch_count > blk->capacity - blk->scratch)
			blk->scratch_count = blk->capacity - blk->scratch;
	} else if (!blk->ext2 && blk->capacity >= ABI_DEFAULT_SCRATCH_SECTORS) {
		blk->scratch = blk->capacity - ABI_DEFAULT_SCRATCH_SECTORS;
		blk->scratch_count = ABI_DEFAULT_SCRATCH_SECTORS;
	}
}

struct blk *blk_open(struct blk *blk, struct virtio_device *device, const struct virtq_place *place)
{
	static uint8_t sector[ABI_SECTOR_SIZE];
	uint16_t magic;

	blk->device = device;
	if (!blk_start(blk, place))
		return NULL;
	if (blk->capacity > EXT2_SUPERBLOCK_SECTOR &&
	    blk_transfer(blk, BLK_IN, EXT2_SUPERBLOCK_SECTOR, (uint64_t)sector, sizeof(sector)) ==
		    BLK_OK) {
		memcpy(&magic, sector + EXT2_MAGIC_OFFSET, sizeof(magic));
		blk->ext2 = magic == EXT2_MAGIC;
	}
	find_scratch(blk);
	return blk;
}

static struct virtio_device *find_disk(bool readonly)
{
	struct virtio_device *device;

	for (unsigned int i = 0; (device = virtio_find(VIRTIO_ID_BLOCK, i)); i++) {
		if (!(virtio_offered(device) & BLK_FEATURE_RO) == !readonly)
			return device;
	}
	return NULL;
}

struct blk *blk_disk(void)
{
	struct virtio_device *device = find_disk(false);

	if (disks[0].device)
		return blk_start(&disks[0], NULL) ? &disks[0] : NULL;
	if (!device)
		device = virtio_find(VIRTIO_ID_BLOCK, 0);
	return device ? blk_open(&disks[0], device, NULL) : NULL;
}

struct blk *blk_readonly_disk(void)
{
	struct virtio_device *device = find_disk(true);

	return device ? blk_open(&disks[1], device, NULL) : NULL;
}
