/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The requests of virtio-blk (virtio 1.2, section 5.2.6): what each is, what it must not be, and
 * the operations it takes. blk-queue.c has them done.
 *
 * A request is one stream of bytes to be read (header, then data to write) and one to be written
 * (data read, then the status byte), wherever the driver cut them. It is validated as a whole
 * before its first side effect: a request that is refused has changed nothing but its status byte.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/uio.h>

#include "devices/virtio-blk.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

/* Of one operation, for as many pieces as there may be. */
#define TRANSFER_MAX (UINT64_C(1) << 30)

#define ZEROS_SIZE 65536
#define ZEROS_IOV  16

/* What zeros are written from, where no file system makes them. */
static uint8_t zeros[ZEROS_SIZE] __attribute__((aligned(4096)));

/* Whether @len bytes from @sector on are whole blocks of the disk. */
static bool in_bounds(const struct blk *blk, uint64_t sector, uint64_t len)
{
	/* A power of two, but the compiler cannot know. */
	uint64_t in_block = blk->image.block - 1;

	return (len & in_block) == 0 && (sector & in_block / IMAGE_SECTOR) == 0 &&
	       sector <= blk->sectors && len / IMAGE_SECTOR <= blk->sectors - sector;
}

static int go(struct blk_request *req, enum blk_op_type type, int flags)
{
	req->op.type = type;
	req->op.flags = flags;
	req->begun = true;
	return BLK_GO;
}

/* --- flush ----------------------------------------------------------------------------------- */

static int step_sync(struct blk_request *req)
{
	if (!req->begun)
		return go(req, BLK_OP_SYNC, 0);
	return req->op.result < 0 ? VIRTIO_BLK_S_IOERR : VIRTIO_BLK_S_OK;
}

static int begin_flush(struct blk_request *req, uint64_t sector)
{
	(void)sector;
	req->step = step_sync;
	return BLK_GO;
}

/* --- read and write -------------------------------------------------------------------------- */

/* Whether direct I/O takes these pieces. */
static bool is_aligned(const struct image *image, const struct iovec *iov, ssize_t count)
{
	for (ssize_t i = 0; i < count; i++) {
		if ((uintptr_t)iov[i].iov_base % image->memory_align || iov[i].iov_len % image->block)
			return false;
	}
	return true;
}

/* The operation on a copy of the next bytes. */
static int transfer_copied(struct blk_request *req, enum blk_op_type type, int flags)
{
	uint64_t left = gm_sg_left(&req->data);
	uint64_t len = left < BLK_BOUNCE_SIZE ? left : BLK_BOUNCE_SIZE;
	struct gm_sg from = req->data;

	if (!blk_request_bounce(req))
		return req->queue->bounces == BLK_BOUNCE_MAX ? BLK_WAIT : VIRTIO_BLK_S_IOERR;
	if (type == BLK_OP_WRITE && gm_sg_read(&from, req->bounce, len))
		return VIRTIO_BLK_S_IOERR;
	req->copied = true;
	req->iov[0] = (struct iovec){req->bounce, len};
	req->op.iov = req->iov;
	req->op.iov_count = 1;
	return go(req, type, flags);
}

/* The operation that moves the next bytes, as many as have room in a list of pieces. */
static int transfer(struct blk_request *req, enum blk_op_type type, int flags)
{
	const struct image *image = &req->queue->blk->image;
	struct gm_sg rest = req->data;
	struct iovec *iov = req->iov;
	uint64_t bytes;
	ssize_t count = gm_sg_iovec(&rest, TRANSFER_MAX, iov, COUNT(req->iov), &bytes);

	if (count > 0 && gm_sg_left(&rest) && blk_request_spill(req)) {
		rest = req->data;
		iov = req->spill->iov;
		count = gm_sg_iovec(&rest, TRANSFER_MAX, iov, BLK_IOV, &bytes);
	}
	if (count <= 0)
		return VIRTIO_BLK_S_IOERR;
	req->op.offset = req->position;
	req->copied = false;
	if (image->memory_align && !is_aligned(image, iov, count))
		return transfer_copied(req, type, flags);
	req->op.iov = iov;
	req->op.iov_count = (unsigned int)count;
	return go(req, type, flags);
}

static int step_read(struct blk_request *req)
{
	int64_t n = req->op.result;

	if (req->begun && n != -EINTR) {
		/* The end of the file before that of the disk: the image was cut short. */
		if (n <= 0)
			return VIRTIO_BLK_S_IOERR;
		if (!req->copied)
			gm_sg_mark_dirty(&req->data, (uint64_t)n);
		else if (gm_sg_write(&req->data, req->bounce, (size_t)n))
			return VIRTIO_BLK_S_IOERR;
		req->written += (uint64_t)n;
		req->position += (uint64_t)n;
		req->queue->blk->dev.stats.bytes_written += (uint64_t)n;
	}
	req->begun = false;
	return gm_sg_left(&req->data) ? transfer(req, BLK_OP_READ, 0) : VIRTIO_BLK_S_OK;
}

static int begin_read(struct blk_request *req, uint64_t sector)
{
	if (!in_bounds(req->queue->blk, sector, gm_sg_left(&req->data)))
		return VIRTIO_BLK_S_IOERR;
	req->position = sector * IMAGE_SECTOR;
	req->step = step_read;
	return BLK_GO;
}

static int step_write(struct blk_request *req)
{
	struct blk *blk = req->queue->blk;
	int64_t n = req->op.result;

	if (req->begun && n != -EINTR) {
		if (n <= 0)
			return VIRTIO_BLK_S_IOERR;
		gm_sg_skip(&req->data, (uint64_t)n);
		req->position += (uint64_t)n;
		blk->dev.stats.bytes_read += (uint64_t)n;
	}
	req->begun = false;
	if (!gm_sg_left(&req->data))
		return VIRTIO_BLK_S_OK;
	return transfer(req, BLK_OP_WRITE, blk_is_writethrough(blk) ? RWF_DSYNC : 0);
}

static int begin_write(struct blk_request *req, uint64_t sector)
{
	struct blk *blk = req->queue->blk;

	if (blk->read_only || !in_bounds(blk, sector, gm_sg_left(&req->data)))
		return VIRTIO_BLK_S_IOERR;
	req->position = sector * IMAGE_SECTOR;
	req->step = step_write;
	return BLK_GO;
}

/* --- discard and write zeroes ----------------------------------------------------------------- */

#define PUNCH (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)
#define ZERO  (FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE)

/* Modes of fallocate(2) in the order they are tried; behind the last zeros are written, if at all. */
static const int ways_to_discard[] = {PUNCH, 0};
static const int ways_to_unmap[] = {PUNCH, ZERO, 0};
static const int ways_to_zero[] = {ZERO, 0};

/* Account for the operation that was done; a status, or BLK_GO to go on. */
static int zero_done(struct blk_request *req)
{
	const struct blk_segment *segment = &req->spill->segments[req->segment];
	int64_t n = req->op.result;

	req->begun = false;
	if (n == -EINTR)
		return BLK_GO;
	if (req->op.type == BLK_OP_ALLOCATE && n == -EOPNOTSUPP) {
		req->way++;
		return *req->way || !req->discard ? BLK_GO : VIRTIO_BLK_S_UNSUPP;
	}
	if (n < 0 || (n == 0 && req->op.type == BLK_OP_WRITE))
		return VIRTIO_BLK_S_IOERR;
	req->zeroed += req->op.type == BLK_OP_WRITE ? (uint64_t)n : segment->len;
	return BLK_GO;
}

/* Write zeros to the rest of @segment, so many of them as a system call should take. */
static int write_zeros(struct blk_request *req, const struct blk_segment *segment)
{
	uint64_t left = segment->len - req->zeroed;
	unsigned int count = 0;

	for (; left && count < ZEROS_IOV; count++) {
		uint64_t len = left < ZEROS_SIZE ? left : ZEROS_SIZE;

		req->spill->iov[count] = (struct iovec){zeros, len};
		left -= len;
	}
	req->op.iov = req->spill->iov;
	req->op.iov_count = count;
	req->op.offset = segment->start + req->zeroed;
	return go(req, BLK_OP_WRITE, 0);
}

static int step_zero(struct blk_request *req)
{
	const struct blk_segment *segment;

	if (req->begun) {
		int status = zero_done(req);

		if (status != BLK_GO)
			return status;
	}
	for (;; req->segment++, req->zeroed = 0, req->way = NULL) {
		if (req->segment == req->segment_count)
			break;
		segment = &req->spill->segments[req->segment];
		if (req->zeroed == segment->len)
			continue;
		if (!req->way)
			req->way = segment->ways;
		if (!*req->way)
			return write_zeros(req, segment);
		req->op.offset = segment->start;
		req->op.len = segment->len;
		return go(req, BLK_OP_ALLOCATE, *req->way);
	}
	if (!blk_is_writethrough(req->queue->blk))
		return VIRTIO_BLK_S_OK;
	req->step = step_sync;
	return step_sync(req);
}

/* Check a segment. VIRTIO_BLK_S_OK, or what is wrong. */
static int check_segment(const struct blk_request *req, struct blk_segment *segment,
			 const struct virtio_blk_discard_write_zeroes *raw)
{
	const struct blk *blk = req->queue->blk;
	uint32_t flags = le32toh(raw->flags), sectors = le32toh(raw->num_sectors);
	bool unmap = flags & VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP;

	/* A discard has no flags at all. */
	if ((flags & ~VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP) || (req->discard && flags))
		return VIRTIO_BLK_S_UNSUPP;
	if (sectors > BLK_SEGMENT_SECTORS_MAX ||
	    !in_bounds(blk, le64toh(raw->sector), (uint64_t)sectors * IMAGE_SECTOR))
		return VIRTIO_BLK_S_IOERR;
	segment->start = le64toh(raw->sector) * IMAGE_SECTOR;
	segment->len = (uint64_t)sectors * IMAGE_SECTOR;
	segment->ways = ways_to_zero;
	if (req->discard)
		segment->ways = ways_to_discard;
	else if (unmap && blk->image.discard)
		segment->ways = ways_to_unmap;
	return VIRTIO_BLK_S_OK;
}

static int begin_segments(struct blk_request *req)
{
	struct virtio_blk_discard_write_zeroes raw[BLK_SEGMENTS_MAX];
	uint64_t len = gm_sg_left(&req->data);
	int status = VIRTIO_BLK_S_OK;

	if (req->queue->blk->read_only || !len || len % sizeof(*raw) || len > sizeof(raw) ||
	    gm_sg_read(&req->data, raw, len) || !blk_request_spill(req))
		return VIRTIO_BLK_S_IOERR;
	req->segment_count = (unsigned int)(len / sizeof(*raw));
	for (unsigned int i = 0; i < req->segment_count && status == VIRTIO_BLK_S_OK; i++)
		status = check_segment(req, &req->spill->segments[i], &raw[i]);
	if (status != VIRTIO_BLK_S_OK)
		return status;
	req->step = step_zero;
	return BLK_GO;
}

static int begin_discard(struct blk_request *req, uint64_t sector)
{
	(void)sector;
	req->discard = true;
	return begin_segments(req);
}

static int begin_write_zeroes(struct blk_request *req, uint64_t sector)
{
	(void)sector;
	return begin_segments(req);
}

/* --- what the disk says of itself -------------------------------------------------------------- */

static int say(struct blk_request *req, const void *what, size_t size)
{
	uint64_t len = gm_sg_left(&req->data) < size ? gm_sg_left(&req->data) : size;

	if (gm_sg_write(&req->data, what, len))
		return VIRTIO_BLK_S_IOERR;
	req->written = len;
	req->queue->blk->dev.stats.bytes_written += len;
	return VIRTIO_BLK_S_OK;
}

static int begin_get_id(struct blk_request *req, uint64_t sector)
{
	(void)sector;
	return say(req, req->queue->blk->id, sizeof(req->queue->blk->id));
}

static int begin_get_lifetime(struct blk_request *req, uint64_t sector)
{
	const struct image_lifetime *known = &req->queue->blk->image.lifetime;
	const uint16_t lifetime[] = {htole16(known->pre_eol), htole16(known->type_a),
				     htole16(known->type_b)};

	(void)sector;
	if (gm_sg_left(&req->data) < sizeof(lifetime))
		return VIRTIO_BLK_S_IOERR;
	return say(req, lifetime, sizeof(lifetime));
}

/* --- all of them ------------------------------------------------------------------------------- */

#define ALWAYS (-1)

static const struct {
	uint32_t type;
	int feature; /* that must have been agreed on */
	bool out;    /* its data are read from guest memory */
	int (*begin)(struct blk_request *req, uint64_t sector);
} types[] = {
	{VIRTIO_BLK_T_IN, ALWAYS, false, begin_read},
	{VIRTIO_BLK_T_OUT, ALWAYS, true, begin_write},
	{VIRTIO_BLK_T_FLUSH, ALWAYS, false, begin_flush},
	{VIRTIO_BLK_T_GET_ID, ALWAYS, false, begin_get_id},
	{VIRTIO_BLK_T_GET_LIFETIME, VIRTIO_BLK_F_LIFETIME, false, begin_get_lifetime},
	{VIRTIO_BLK_T_DISCARD, VIRTIO_BLK_F_DISCARD, true, begin_discard},
	{VIRTIO_BLK_T_WRITE_ZEROES, VIRTIO_BLK_F_WRITE_ZEROES, true, begin_write_zeroes},
};

int blk_request_begin(struct blk_request *req, struct gm_sg readable, struct gm_sg writable)
{
	const struct virtio_device *dev = &req->queue->blk->dev;
	struct virtio_blk_outhdr header;
	struct gm_sg in;

	req->begun = req->discard = false;
	req->written = req->zeroed = 0;
	req->segment = 0;
	req->way = NULL;
	req->room = gm_sg_left(&writable) - 1;
	in = gm_sg_take(&writable, req->room);
	req->status_at = writable;
	req->data = in;
	if (gm_sg_read(&readable, &header, sizeof(header)))
		return VIRTIO_BLK_S_IOERR;
	for (size_t i = 0; i < COUNT(types); i++) {
		if (types[i].type != le32toh(header.type))
			continue;
		if (types[i].feature != ALWAYS &&
		    !virtio_has_feature(dev, (unsigned int)types[i].feature))
			break;
		if (types[i].out)
			req->data = readable;
		return types[i].begin(req, le64toh(header.sector));
	}
	return VIRTIO_BLK_S_UNSUPP;
}
