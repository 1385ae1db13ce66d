/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * virtio-blk (virtio 1.2, section 5.2) on a raw image.
 *
 * A request is one stream of bytes to be read (header, then data to write) and one to be written
 * (data read, then the status byte), wherever the driver cut them. It is validated as a whole
 * before its first side effect: a request that is refused has changed nothing but its status byte.
 *
 * The used length is the number of bytes written *from the beginning* of the writable part, which
 * is what a driver may rely on (2.7.8.2): a failed read counts what was read, and the status byte
 * behind the gap is not counted.
 */
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "devices/devices.h"
#include "devices/image.h"
#include "devices/virtio.h"

#define QUEUE_SIZE 256

static const uint16_t queue_sizes[] = {QUEUE_SIZE, 0};

/* The part of struct virtio_blk_config that the features offered here give a meaning. */
struct blk_config {
	gm_le64_t capacity;
	gm_le32_t size_max;
	gm_le32_t seg_max;
	uint8_t geometry[4];
	gm_le32_t blk_size;
};

_Static_assert(offsetof(struct blk_config, blk_size) == offsetof(struct virtio_blk_config, blk_size),
	       "the layout of the specification");

struct blk_header {
	gm_le32_t type;
	gm_le32_t reserved;
	gm_le64_t sector;
};

struct blk {
	struct virtio_device dev;
	int fd;
	bool read_only;
	uint64_t sectors;
	char id[VIRTIO_BLK_ID_BYTES]; /* padded with NULs, not terminated */
	struct blk_config config;
};

/* A request: what is left of its two streams, and how it came out. */
struct blk_request {
	struct blk *blk;
	uint64_t sector;
	struct gm_sg out; /* data to write, behind the header */
	struct gm_sg in;  /* room for data, before the status byte */
	uint64_t written; /* bytes of it that were filled, from its beginning */
};

/* --- requests; each returns the status ------------------------------------------------------- */

/* Whether @len bytes from the request's sector on are whole sectors of the disk. */
static bool in_bounds(const struct blk_request *req, uint64_t len)
{
	uint64_t sectors = req->blk->sectors;

	return len % IMAGE_SECTOR == 0 && req->sector <= sectors &&
	       len / IMAGE_SECTOR <= sectors - req->sector;
}

static uint8_t blk_in(struct blk_request *req)
{
	uint64_t len = gm_sg_left(&req->in);
	ssize_t n;

	if (!in_bounds(req, len))
		return VIRTIO_BLK_S_IOERR;
	n = gm_sg_read_from_fd(&req->in, req->blk->fd, (off_t)(req->sector * IMAGE_SECTOR), len);
	req->written = n < 0 ? 0 : (uint64_t)n;
	req->blk->dev.stats.bytes_written += req->written;
	return req->written == len ? VIRTIO_BLK_S_OK : VIRTIO_BLK_S_IOERR;
}

static uint8_t blk_flush(struct blk_request *req)
{
	return fdatasync(req->blk->fd) == 0 ? VIRTIO_BLK_S_OK : VIRTIO_BLK_S_IOERR;
}

static uint8_t blk_out(struct blk_request *req)
{
	uint64_t len = gm_sg_left(&req->out);
	ssize_t n;

	if (req->blk->read_only || !in_bounds(req, len))
		return VIRTIO_BLK_S_IOERR;
	n = gm_sg_write_to_fd(&req->out, req->blk->fd, (off_t)(req->sector * IMAGE_SECTOR), len);
	if (n > 0)
		req->blk->dev.stats.bytes_read += (uint64_t)n;
	if (n < 0 || (uint64_t)n != len)
		return VIRTIO_BLK_S_IOERR;
	/* A driver that cannot flush relies on every write being durable (5.2.6.2). */
	if (!virtio_has_feature(&req->blk->dev, VIRTIO_BLK_F_FLUSH))
		return blk_flush(req);
	return VIRTIO_BLK_S_OK;
}

static uint8_t blk_get_id(struct blk_request *req)
{
	uint64_t len = gm_sg_left(&req->in);

	if (len > sizeof(req->blk->id))
		len = sizeof(req->blk->id);
	if (gm_sg_write(&req->in, req->blk->id, len))
		return VIRTIO_BLK_S_IOERR;
	req->written = len;
	req->blk->dev.stats.bytes_written += len;
	return VIRTIO_BLK_S_OK;
}

static uint8_t execute(struct blk_request *req, uint32_t type)
{
	switch (type) {
	case VIRTIO_BLK_T_IN: return blk_in(req);
	case VIRTIO_BLK_T_OUT: return blk_out(req);
	case VIRTIO_BLK_T_FLUSH: return blk_flush(req);
	case VIRTIO_BLK_T_GET_ID: return blk_get_id(req);
	default: return VIRTIO_BLK_S_UNSUPP;
	}
}

/* --- the device ------------------------------------------------------------------------------ */

static int64_t handle_request(struct virtio_device *dev, const struct gm_memory *memory,
			      const struct virtq_chain *chain)
{
	struct blk_request req = {.blk = (struct blk *)dev};
	struct gm_sg status_at = virtq_writable(chain, memory);
	uint64_t room;
	struct blk_header header;
	uint8_t status;

	/* Without either there is no place for an answer, or nothing to answer. */
	if (chain->readable_len < sizeof(header) || chain->writable_len == 0) {
		virtio_break(dev, "a request without %s",
			     chain->writable_len ? "a whole header" : "a status byte");
		return VIRTIO_KEEP;
	}
	room = chain->writable_len - 1;
	req.out = virtq_readable(chain, memory);
	req.in = gm_sg_take(&status_at, room);
	if (gm_sg_read(&req.out, &header, sizeof(header))) {
		status = VIRTIO_BLK_S_IOERR;
	} else {
		req.sector = gm_le64_get(header.sector);
		status = execute(&req, gm_le32_get(header.type));
	}
	if (status != VIRTIO_BLK_S_OK)
		dev->stats.errors++;
	if (gm_sg_write(&status_at, &status, 1)) {
		virtio_break(dev, "a status byte that cannot be written");
		return VIRTIO_KEEP;
	}
	return (int64_t)(req.written == room ? room + 1 : req.written);
}

static void blk_notify(struct virtio_device *dev, unsigned int index)
{
	virtio_run_queue(dev, index, handle_request);
}

static void blk_free(struct virtio_device *dev)
{
	struct blk *blk = (struct blk *)dev;

	close(blk->fd);
	virtio_device_destroy(dev);
	free(blk);
}

static const struct virtio_ops blk_ops = {
	.device_id = VIRTIO_ID_BLOCK,
	.name = "virtio-blk",
	.queue_sizes = queue_sizes,
	.notify = blk_notify,
	.free = blk_free,
};

/* --- the option ------------------------------------------------------------------------------ */

/* Split "PATH[,ro][,id=TEXT]", which is modified; *@path then points into it. */
static int parse_args(const char *option, char *args, struct blk *blk, const char **path,
		      struct report *report)
{
	char *word;

	*path = strsep(&args, ",");
	if (**path == '\0')
		return report_fail(report, REPORT_USER, "%s: the path of the image is missing",
				   option);
	while ((word = strsep(&args, ","))) {
		size_t len;

		if (strcmp(word, "ro") == 0) {
			blk->read_only = true;
			continue;
		}
		if (strncmp(word, "id=", 3) != 0)
			return report_fail(report, REPORT_USER,
					   "%s: '%s': unknown word, known are ro and id=TEXT",
					   option, word);
		word += 3;
		len = strlen(word);
		if (len == 0 || len > sizeof(blk->id))
			return report_fail(report, REPORT_USER,
					   "%s: id '%s' has %zu bytes, 1 to %zu are possible",
					   option, word, len, sizeof(blk->id));
		memcpy(blk->id, word, len);
	}
	return 0;
}

static uint64_t configure(struct blk *blk, uint64_t size)
{
	uint64_t features =
		1U << VIRTIO_BLK_F_SEG_MAX | 1U << VIRTIO_BLK_F_BLK_SIZE | 1U << VIRTIO_BLK_F_FLUSH;

	if (blk->read_only)
		features |= 1U << VIRTIO_BLK_F_RO;
	blk->sectors = size / IMAGE_SECTOR;
	blk->config.capacity = gm_le64(blk->sectors);
	/* A chain has as many descriptors as the queue, two of them for header and status. */
	blk->config.seg_max = gm_le32(QUEUE_SIZE - 2);
	blk->config.blk_size = gm_le32(IMAGE_SECTOR);
	return features;
}

static int blk_create(const char *option, const char *args, struct loop *loop,
		      struct virtio_device **out, struct report *report)
{
	struct blk *blk = calloc(1, sizeof(*blk));
	char *copy = strdup(args ? args : "");
	const char *path, *base;
	uint64_t size;

	(void)loop;
	if (!blk || !copy) {
		report_fail(report, REPORT_HOST, "%s: out of memory", option);
		goto fail;
	}
	if (parse_args(option, copy, blk, &path, report))
		goto fail;
	blk->fd = image_open(option, path, blk->read_only, &size, report);
	if (blk->fd < 0)
		goto fail;
	if (virtio_device_init(&blk->dev, &blk_ops, configure(blk, size), &blk->config,
			       sizeof(blk->config), report)) {
		close(blk->fd);
		goto fail;
	}
	base = strrchr(path, '/');
	virtio_device_name(&blk->dev, "disk %s", base ? base + 1 : path);
	free(copy);
	*out = &blk->dev;
	return 0;

fail:
	free(copy);
	free(blk);
	return -1;
}

const struct device_type virtio_blk_type = {
	.name = "disk",
	.args = "PATH[,ro][,id=TEXT]",
	.help = "a disk on a raw image or block device",
	.several = true,
	.create = blk_create,
};
