/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * virtio-blk (virtio 1.2, section 5.2) on a raw image: the device, its options and its
 * configuration. Each queue has an I/O engine of its own (blk-queue.c); requests are in
 * blk-request.c.
 */
#include "devices/virtio-blk.h"

#include <endian.h>
#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "devices/devices.h"
#include "devices/units.h"

#define BIT(n)       (UINT64_C(1) << (n))
#define COUNT(array) (sizeof(array) / sizeof(*(array)))

/*
 * A buffer may be as long as it likes and cross as many regions as it likes; this is where a
 * request of one buffer stops gaining from being larger.
 */
#define SIZE_MAX_BYTES (UINT32_C(4) << 20)

/* What an argument of --disk says. */
struct blk_options {
	struct image_options image;
	bool writethrough;
	unsigned int queues;
	const struct blk_engine_type *engine; /* NULL: io_uring, else threads */
	char id[VIRTIO_BLK_ID_BYTES];
};

/* --- the cache ------------------------------------------------------------------------------- */

bool blk_is_writethrough(const struct blk *blk)
{
	/* A driver that cannot flush relies on every write being durable (5.2.6.2). */
	return !blk->config.wce || !(virtio_has_feature(&blk->dev, VIRTIO_BLK_F_FLUSH) ||
				     virtio_has_feature(&blk->dev, VIRTIO_BLK_F_CONFIG_WCE));
}

static void blk_config_write(struct virtio_device *dev, size_t offset, const void *data, size_t len)
{
	struct blk *blk = (struct blk *)dev;
	const size_t at = offsetof(struct virtio_blk_config, wce);
	uint8_t value;

	if (!virtio_has_feature(dev, VIRTIO_BLK_F_CONFIG_WCE) || offset > at || at - offset >= len)
		return;
	value = ((const uint8_t *)data)[at - offset];
	if (value > 1)
		return;
	/* What was written before must not be less durable than what comes. */
	if (!value && blk->config.wce && fdatasync(blk->image.fd) < 0)
		device_log(&dev->log, dev->name, "cannot flush: %s", strerror(errno));
	blk->config.wce = value;
}

/* --- the device ------------------------------------------------------------------------------ */

static void blk_activate(struct virtio_device *dev)
{
	struct blk *blk = (struct blk *)dev;

	/* The page says how it is: without FLUSH there is no cache to speak of (5.2.5.1). */
	if (!virtio_has_feature(dev, VIRTIO_BLK_F_FLUSH) &&
	    virtio_has_feature(dev, VIRTIO_BLK_F_CONFIG_WCE))
		blk->config.wce = 0;
}

static void blk_reset(struct virtio_device *dev)
{
	struct blk *blk = (struct blk *)dev;

	blk->config.wce = !blk->writethrough;
}

static void blk_queue_reset(struct virtio_device *dev, unsigned int index)
{
	blk_queue_drain(&((struct blk *)dev)->queues[index]);
}

static void blk_close_queues(struct blk *blk)
{
	for (unsigned int i = 0; blk->queues && i < blk->dev.queue_count; i++)
		blk_queue_close(&blk->queues[i]);
	free(blk->queues);
}

static void blk_free(struct virtio_device *dev)
{
	struct blk *blk = (struct blk *)dev;

	blk_close_queues(blk);
	image_close(&blk->image);
	virtio_device_destroy(dev);
	free(blk);
}

static const struct virtio_ops blk_ops = {
	.device_id = VIRTIO_ID_BLOCK,
	.name = "virtio-blk",
	.activate = blk_activate,
	.reset = blk_reset,
	.queue_reset = blk_queue_reset,
	.notify = blk_notify,
	.notify_now = blk_notify_now,
	.place = blk_place,
	.config_write = blk_config_write,
	.free = blk_free,
};

int virtio_blk_resized(struct virtio_device *dev, struct report *report)
{
	struct blk *blk = (struct blk *)dev;
	uint64_t size;

	if (image_measure(blk->image.fd, &size) < 0)
		return report_fail(report, REPORT_HOST, "%s: cannot be measured: %s", dev->name,
				   strerror(errno));
	if (size == 0 || size % blk->image.block)
		return report_fail(report, REPORT_USER,
				   "%s: has %llu bytes now, which is not a multiple of %u",
				   dev->name, (unsigned long long)size, blk->image.block);
	virtio_lock(dev);
	if (blk->sectors != size / IMAGE_SECTOR) {
		blk->sectors = size / IMAGE_SECTOR;
		blk->config.capacity = htole64(blk->sectors);
		virtio_config_changed(dev);
	}
	virtio_unlock(dev);
	return 0;
}

int virtio_blk_grow(struct virtio_device *dev, uint64_t size, struct report *report)
{
	struct blk *blk = (struct blk *)dev;
	uint64_t now;

	if (blk->read_only)
		return report_fail(report, REPORT_USER, "%s: is read-only", dev->name);
	if (size % blk->image.block || size > INT64_MAX)
		return report_fail(report, REPORT_USER, "%s: %llu bytes are not a multiple of %u",
				   dev->name, (unsigned long long)size, blk->image.block);
	if (image_measure(blk->image.fd, &now) < 0)
		return report_fail(report, REPORT_HOST, "%s: cannot be measured: %s", dev->name,
				   strerror(errno));
	/* What a guest has in it is not cut off. */
	if (size < now)
		return report_fail(report, REPORT_USER, "%s: has %llu bytes, and does not shrink",
				   dev->name, (unsigned long long)now);
	if (size > now && ftruncate(blk->image.fd, (off_t)size) < 0)
		return report_fail(report, REPORT_HOST, "%s: cannot be made longer: %s", dev->name,
				   strerror(errno));
	return virtio_blk_resized(dev, report);
}

uint64_t virtio_blk_size(struct virtio_device *dev)
{
	uint64_t sectors;

	virtio_lock(dev);
	sectors = ((struct blk *)dev)->sectors;
	virtio_unlock(dev);
	return sectors * IMAGE_SECTOR;
}

/* --- the option ------------------------------------------------------------------------------ */

static int word_id(struct blk_options *options, const char *option, const char *value,
		   struct report *report)
{
	size_t len = strlen(value);

	if (len == 0 || len > sizeof(options->id))
		return report_fail(report, REPORT_USER,
				   "%s: id '%s' has %zu bytes, 1 to %zu are possible", option,
				   value, len, sizeof(options->id));
	memset(options->id, 0, sizeof(options->id));
	memcpy(options->id, value, len);
	return 0;
}

static int word_queues(struct blk_options *options, const char *option, const char *value,
		       struct report *report)
{
	char *end = NULL;
	unsigned long count = strtoul(value, &end, 10);

	if (*value < '0' || *value > '9' || *end || count < 1 || count > BLK_QUEUES_MAX)
		return report_fail(report, REPORT_USER, "%s: queues=%s: a disk has 1 to %d queues",
				   option, value, BLK_QUEUES_MAX);
	options->queues = (unsigned int)count;
	return 0;
}

/* Words whose values are a few: where the name stands in @names. */
static int one_of(const char *option, const char *word, const char *value, const char *const *names,
		  struct report *report)
{
	char known[64] = "";

	for (int i = 0; names[i]; i++) {
		if (strcmp(value, names[i]) == 0)
			return i;
		snprintf(known + strlen(known), sizeof(known) - strlen(known), "%s%s",
			 i == 0         ? ""
			 : names[i + 1] ? ", "
					: " or ",
			 names[i]);
	}
	return report_fail(report, REPORT_USER, "%s: %s=%s: should be %s", option, word, value,
			   known);
}

static int word_cache(struct blk_options *options, const char *option, const char *value,
		      struct report *report)
{
	static const char *const names[] = {"writeback", "writethrough", "none", NULL};
	int which = one_of(option, "cache", value, names, report);

	options->writethrough = which == 1;
	options->image.direct = which == 2;
	return which < 0 ? -1 : 0;
}

static int word_block(struct blk_options *options, const char *option, const char *value,
		      struct report *report)
{
	static const char *const names[] = {"512", "4096", NULL};
	uint64_t size;
	int which = parse_size(value, &size) && size == IMAGE_BLOCK_MAX
			    ? 1
			    : one_of(option, "block", value, names, report);

	options->image.block = which ? IMAGE_BLOCK_MAX : IMAGE_SECTOR;
	return which < 0 ? -1 : 0;
}

static int word_aio(struct blk_options *options, const char *option, const char *value,
		    struct report *report)
{
	static const char *const names[] = {"io_uring", "threads", NULL};
	int which = one_of(option, "aio", value, names, report);

	options->engine = which ? &blk_thread_type : &blk_uring_type;
	return which < 0 ? -1 : 0;
}

static int word_discard(struct blk_options *options, const char *option, const char *value,
			struct report *report)
{
	static const char *const names[] = {"off", "on", NULL};
	int which = one_of(option, "discard", value, names, report);

	options->image.discard = which ? IMAGE_DISCARD_ON : IMAGE_DISCARD_OFF;
	return which < 0 ? -1 : 0;
}

static int word_ro(struct blk_options *options, const char *option, const char *value,
		   struct report *report)
{
	(void)option, (void)value, (void)report;
	options->image.read_only = true;
	return 0;
}

static const struct {
	const char *name; /* with '=' if a value follows */
	int (*set)(struct blk_options *options, const char *option, const char *value,
		   struct report *report);
} words[] = {
	{"ro", word_ro},
	{"id=", word_id},
	{"cache=", word_cache},
	{"queues=", word_queues},
	{"block=", word_block},
	{"aio=", word_aio},
	{"discard=", word_discard},
};

static const struct device_word word_helps[] = {
	{"ro", "the guest may only read (it may write)"},
	{"id=TEXT", "what the guest can ask for, up to 20 bytes (none)"},
	{"cache=writeback|writethrough|none",
	 "a write is on the disk after a flush, at once, or past the page cache (writeback)"},
	{"queues=N", "request queues, 1 to 16 (1)"},
	{"block=512|4096", "bytes of a logical block (what the image needs, 512)"},
	{"aio=io_uring|threads", "who does the requests (io_uring where it may be used)"},
	{"discard=on|off", "give back what the guest discards (where the image can)"},
	{.word = NULL},
};

static int parse_word(struct blk_options *options, const char *option, const char *word,
		      struct report *report)
{
	for (size_t i = 0; i < COUNT(words); i++) {
		size_t len = strlen(words[i].name);
		bool has_value = words[i].name[len - 1] == '=';

		if (strncmp(word, words[i].name, len) == 0 && (has_value || word[len] == '\0'))
			return words[i].set(options, option, word + len, report);
	}
	if (near_word(word, word_helps))
		return report_fail(report, REPORT_USER, "%s: '%s': unknown word; did you mean %s?",
				   option, word, near_word(word, word_helps));
	return report_fail(
		report, REPORT_USER,
		"%s: '%s': unknown word, known are ro, id=TEXT, cache=, queues=, block=, "
		"aio= and discard=",
		option, word);
}

/* Split "PATH[,WORD...]", which is modified; *@path then points into it. */
static int parse_args(const char *option, char *args, struct blk_options *options,
		      const char **path, struct report *report)
{
	char *word;

	*options = (struct blk_options){.queues = 1};
	*path = strsep(&args, ",");
	if (**path == '\0')
		return report_fail(report, REPORT_USER, "%s: the path of the image is missing",
				   option);
	while ((word = strsep(&args, ","))) {
		if (parse_word(options, option, word, report))
			return -1;
	}
	if (options->image.read_only && options->image.discard == IMAGE_DISCARD_ON)
		return report_fail(report, REPORT_USER, "%s: discard=on and ro exclude each other",
				   option);
	return 0;
}

/* --- setting up -------------------------------------------------------------------------------- */

static uint64_t offered(const struct blk *blk)
{
	uint64_t features = BIT(VIRTIO_BLK_F_SIZE_MAX) | BIT(VIRTIO_BLK_F_SEG_MAX) |
			    BIT(VIRTIO_BLK_F_BLK_SIZE) | BIT(VIRTIO_BLK_F_FLUSH) |
			    BIT(VIRTIO_BLK_F_TOPOLOGY) | BIT(VIRTIO_BLK_F_LIFETIME);

	if (blk->config.num_queues != htole16(1))
		features |= BIT(VIRTIO_BLK_F_MQ);
	if (blk->read_only)
		return features | BIT(VIRTIO_BLK_F_RO);
	if (blk->image.discard)
		features |= BIT(VIRTIO_BLK_F_DISCARD);
	return features | BIT(VIRTIO_BLK_F_CONFIG_WCE) | BIT(VIRTIO_BLK_F_WRITE_ZEROES);
}

static uint64_t monotonic(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

static void configure(struct blk *blk, const struct blk_options *options)
{
	const struct image *image = &blk->image;
	uint32_t least =
		(image->io_min > image->physical ? image->io_min : image->physical) / image->block;

	blk->sectors = image->size / IMAGE_SECTOR;
	blk->read_only = options->image.read_only;
	blk->writethrough = options->writethrough;
	/* Direct reads are never at hand. */
	blk->no_nowait = options->image.direct;
	blk->clock = monotonic;
	memcpy(blk->id, options->id, sizeof(blk->id));
	blk->config = (struct virtio_blk_config){
		.capacity = htole64(blk->sectors),
		.size_max = htole32(SIZE_MAX_BYTES),
		/* A chain has as many descriptors as the queue, two of them for header and status. */
		.seg_max = htole32(BLK_QUEUE_SIZE - 2),
		.blk_size = htole32(image->block),
		.physical_block_exp = (uint8_t)__builtin_ctz(image->physical / image->block),
		.min_io_size = htole16(least > UINT16_MAX ? UINT16_MAX : (uint16_t)least),
		.opt_io_size = htole32(image->io_opt / image->block),
		.wce = !blk->writethrough,
		.num_queues = htole16((uint16_t)options->queues),
		.max_write_zeroes_sectors = htole32(BLK_SEGMENT_SECTORS_MAX),
		.max_write_zeroes_seg = htole32(BLK_SEGMENTS_MAX),
		.write_zeroes_may_unmap = image->discard,
	};
	if (image->discard) {
		blk->config.max_discard_sectors = htole32(BLK_SEGMENT_SECTORS_MAX);
		blk->config.max_discard_seg = htole32(BLK_SEGMENTS_MAX);
		blk->config.discard_sector_alignment = htole32(image->physical / IMAGE_SECTOR);
	}
	blk->ops = blk_ops;
	for (unsigned int i = 0; i < options->queues; i++)
		blk->queue_sizes[i] = BLK_QUEUE_SIZE;
	blk->ops.queue_sizes = blk->queue_sizes;
}

/* An engine for each queue; if none was asked for, io_uring unless it is denied. */
static int open_queues(struct blk *blk, const struct blk_options *options, const char *option,
		       struct loop *loop, struct report *report)
{
	const struct blk_engine_type *type = options->engine ? options->engine : &blk_uring_type;

	blk->queues = calloc(options->queues, sizeof(*blk->queues));
	for (unsigned int i = 0; blk->queues && i < options->queues; i++) {
		if (blk_queue_open(&blk->queues[i], blk, i, loop, type) == 0)
			continue;
		if (!options->engine && type == &blk_uring_type) {
			type = &blk_thread_type;
			i--;
			continue;
		}
		return report_fail(
			report, REPORT_HOST, "%s: aio=%s: %s%s", option, type->name, strerror(errno),
			options->engine == &blk_uring_type ? "; 'aio=threads' does without" : "");
	}
	return blk->queues ? 0 : report_fail(report, REPORT_HOST, "%s: out of memory", option);
}

/* Ends @blk if it fails. */
static int start(struct blk *blk, const char *option, const char *path,
		 const struct blk_options *options, struct loop *loop, struct report *report)
{
	const char *base = strrchr(path, '/');

	if (image_open(option, path, &options->image, &blk->image, report)) {
		free(blk);
		return -1;
	}
	configure(blk, options);
	if (virtio_device_init(&blk->dev, &blk->ops, offered(blk), &blk->config,
			       sizeof(blk->config), report)) {
		image_close(&blk->image);
		free(blk);
		return -1;
	}
	if (open_queues(blk, options, option, loop, report)) {
		blk_free(&blk->dev);
		return -1;
	}
	virtio_device_name(&blk->dev, "disk %s", base ? base + 1 : path);
	return 0;
}

static int blk_create(const char *option, const char *args, struct loop *loop,
		      struct virtio_device **out, struct report *report)
{
	struct blk *blk = calloc(1, sizeof(*blk));
	char *copy = strdup(args ? args : "");
	struct blk_options options;
	const char *path;
	int err = -1;

	if (!blk || !copy) {
		report_fail(report, REPORT_HOST, "%s: out of memory", option);
		free(blk);
	} else if (parse_args(option, copy, &options, &path, report)) {
		free(blk);
	} else {
		err = start(blk, option, path, &options, loop, report);
	}
	free(copy);
	if (!err)
		*out = &blk->dev;
	return err;
}

const struct device_type virtio_blk_type = {
	.name = "disk",
	.args = "PATH[,ro][,id=TEXT][,WORD...]",
	.help = "a disk; WORDs: cache=, queues=, block=, aio=, discard=",
	.several = true,
	.words = word_helps,
	.create = blk_create,
};
