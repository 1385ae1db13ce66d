/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Opening a disk image: everything that can be wrong with it is found and named here, before a
 * guest runs, rather than as I/O errors later.
 */
#include "devices/image.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#define LOCK_TRIES    100
#define LOCK_PAUSE_NS 10000000L

static const char *kind_of(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFDIR: return "a directory";
	case S_IFCHR: return "a character device";
	case S_IFIFO: return "a pipe";
	case S_IFSOCK: return "a socket";
	default: return "something else";
	}
}

static int wrong_kind(const char *option, const char *path, mode_t mode, struct report *report)
{
	return report_fail(report, REPORT_USER,
			   "%s: '%s' is %s; a disk image is a regular file or a block device",
			   option, path, kind_of(mode));
}

static int cannot_open(const char *option, const char *path, bool read_only, int err,
		       struct report *report)
{
	struct stat st;
	const char *hint = "";

	/* Without it "is a directory" would have two wordings, depending on the way of opening. */
	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return wrong_kind(option, path, st.st_mode, report);
	if (!read_only && (err == EACCES || err == EPERM || err == EROFS) && access(path, R_OK) == 0)
		hint = "; ',ro' opens it for reading only";
	return report_fail(report, report_whose(err), "%s: cannot open '%s': %s%s", option, path,
			   strerror(err), hint);
}

/*
 * The lock of a monitor that was killed lasts until the kernel has taken its io_uring down, which is
 * some tens of milliseconds after the process has gone: who starts it again at once waits for that.
 */
static int take_lock(int fd, const struct flock *whole)
{
	const struct timespec pause = {.tv_nsec = LOCK_PAUSE_NS};
	int tries = LOCK_TRIES;

	while (fcntl(fd, F_OFD_SETLK, whole)) {
		if ((errno != EAGAIN && errno != EACCES) || --tries == 0)
			return -1;
		nanosleep(&pause, NULL);
	}
	return 0;
}

static int lock(const char *option, const char *path, int fd, bool read_only, struct report *report)
{
	struct flock whole = {
		.l_type = read_only ? F_RDLCK : F_WRLCK,
		.l_whence = SEEK_SET,
	};

	if (take_lock(fd, &whole) == 0)
		return 0;
	if (errno == EAGAIN || errno == EACCES)
		return report_fail(report, REPORT_HOST,
				   "%s: '%s' is in use by another disk or process%s", option, path,
				   read_only ? " that writes to it" : "");
	return report_fail(report, REPORT_HOST, "%s: cannot lock '%s': %s", option, path,
			   strerror(errno));
}

int image_measure(int fd, uint64_t *size)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -1;
	*size = (uint64_t)st.st_size;
	return S_ISBLK(st.st_mode) ? ioctl(fd, BLKGETSIZE64, size) : 0;
}

static int check_size(const char *option, const char *path, const struct image *image,
		      struct report *report)
{
	if (image->size == 0)
		return report_fail(report, REPORT_USER,
				   "%s: '%s' is empty; a disk has at least one sector of %d bytes",
				   option, path, IMAGE_SECTOR);
	if (image->size % image->block)
		return report_fail(report, REPORT_USER,
				   "%s: '%s' has %llu bytes, which is not a multiple of %u", option,
				   path, (unsigned long long)image->size, image->block);
	return 0;
}

/* --- what an image can do ---------------------------------------------------------------------- */

/* Blocks and preferred sizes of what the image is on. */
static void find_topology(struct image *image, const struct stat *st)
{
	int logical = 0;

	image->block = IMAGE_SECTOR;
	image->physical = st->st_blksize < IMAGE_BLOCK_MAX ? IMAGE_SECTOR : IMAGE_BLOCK_MAX;
	if (!S_ISBLK(st->st_mode))
		return;
	if (ioctl(image->fd, BLKSSZGET, &logical) == 0 && logical > 0)
		image->block = (uint32_t)logical;
	if (ioctl(image->fd, BLKPBSZGET, &image->physical) < 0)
		image->physical = image->block;
	if (ioctl(image->fd, BLKIOMIN, &image->io_min) < 0)
		image->io_min = 0;
	if (ioctl(image->fd, BLKIOOPT, &image->io_opt) < 0)
		image->io_opt = 0;
}

/* What direct I/O must be aligned to; a kernel that does not say is content with a page. */
static void find_alignment(struct image *image)
{
	struct statx stx;

	image->memory_align = IMAGE_BLOCK_MAX;
	if (statx(image->fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &stx) == 0 &&
	    (stx.stx_mask & STATX_DIOALIGN) && stx.stx_dio_mem_align) {
		image->memory_align = stx.stx_dio_mem_align;
		if (stx.stx_dio_offset_align > image->block)
			image->block = stx.stx_dio_offset_align;
	} else {
		image->block = IMAGE_BLOCK_MAX;
	}
}

/* The block size the guest sees: what was asked for, if the image can have it. */
static int choose_block(const char *option, const char *path, const struct image_options *options,
			struct image *image, struct report *report)
{
	uint32_t least = image->block;

	/* The page cache takes any sector. */
	if (options->block && (!options->direct || options->block >= least))
		image->block = options->block;
	else if (options->block)
		return report_fail(report, REPORT_USER,
				   "%s: block=%u: direct I/O on '%s' needs blocks of %u bytes",
				   option, options->block, path, least);
	if (image->block > IMAGE_BLOCK_MAX)
		return report_fail(report, REPORT_HOST,
				   "%s: '%s' has blocks of %u bytes; up to %d are possible", option,
				   path, image->block, IMAGE_BLOCK_MAX);
	if (image->physical % image->block)
		image->physical = image->block;
	return 0;
}

/* The first line of a file of sysfs. */
static bool read_attribute(const char *dir, const char *name, char *text, int size)
{
	char path[256];
	FILE *file;
	bool read;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	file = fopen(path, "re");
	if (!file)
		return false;
	read = fgets(text, size, file) != NULL;
	fclose(file);
	return read;
}

/* Whether a block device discards: its queue says so, or that of the disk it is a part of. */
static bool device_discards(dev_t dev)
{
	static const char *const queues[] = {"queue", "../queue"};

	for (size_t i = 0; i < sizeof(queues) / sizeof(*queues); i++) {
		char dir[96], text[64];

		snprintf(dir, sizeof(dir), "/sys/dev/block/%u:%u/%s", major(dev), minor(dev),
			 queues[i]);
		if (read_attribute(dir, "discard_max_bytes", text, sizeof(text)))
			return strtoull(text, NULL, 10) > 0;
	}
	return false;
}

/* Punching behind the end of a file changes nothing, but says whether it can be done. */
static int find_discard(const char *option, const char *path, const struct image_options *options,
			struct image *image, const struct stat *st, struct report *report)
{
	off_t end = (off_t)((image->size + IMAGE_BLOCK_MAX - 1) / IMAGE_BLOCK_MAX * IMAGE_BLOCK_MAX);

	if (options->read_only || options->discard == IMAGE_DISCARD_OFF)
		return 0;
	if (S_ISBLK(st->st_mode))
		image->discard = device_discards(st->st_rdev);
	else
		image->discard = fallocate(image->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
					   end, IMAGE_BLOCK_MAX) == 0;
	if (image->discard || options->discard != IMAGE_DISCARD_ON)
		return 0;
	return report_fail(
		report, REPORT_HOST,
		"%s: discard=on: what '%s' is on cannot discard; 'discard=off' does without",
		option, path);
}

/* Up to two numbers "0x01 0x02" of a file; how many. */
static int read_numbers(const char *dir, const char *name, unsigned int numbers[2])
{
	char text[64], *at = text, *end;
	int count = 0;

	if (!read_attribute(dir, name, text, sizeof(text)))
		return 0;
	for (; count < 2; at = end) {
		numbers[count] = (unsigned int)strtoul(at, &end, 16);
		if (end == at)
			break;
		count++;
	}
	return count;
}

struct image_lifetime image_read_lifetime(const char *dir)
{
	struct image_lifetime lifetime = {0};
	unsigned int numbers[2];

	if (read_numbers(dir, "life_time", numbers) == 2) {
		lifetime.type_a = (uint16_t)numbers[0];
		lifetime.type_b = (uint16_t)numbers[1];
	}
	if (read_numbers(dir, "pre_eol_info", numbers) == 1)
		lifetime.pre_eol = (uint16_t)numbers[0];
	return lifetime;
}

/* Such file systems do not know RWF_NOWAIT, as they have nothing to wait for. */
static bool is_in_memory(int fd, const struct stat *st)
{
	struct statfs fs;

	return S_ISREG(st->st_mode) && fstatfs(fd, &fs) == 0 &&
	       (fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC);
}

static int examine(const char *option, const char *path, const struct image_options *options,
		   struct image *image, struct report *report)
{
	char dir[64];
	struct stat st;

	if (fstat(image->fd, &st) < 0 || image_measure(image->fd, &image->size) < 0)
		return report_fail(report, REPORT_HOST, "%s: cannot measure '%s': %s", option, path,
				   strerror(errno));
	find_topology(image, &st);
	image->in_memory = is_in_memory(image->fd, &st);
	if (options->direct)
		find_alignment(image);
	if (choose_block(option, path, options, image, report) ||
	    check_size(option, path, image, report))
		return -1;
	if (S_ISBLK(st.st_mode)) {
		snprintf(dir, sizeof(dir), "/sys/dev/block/%u:%u/device", major(st.st_rdev),
			 minor(st.st_rdev));
		image->lifetime = image_read_lifetime(dir);
	}
	return find_discard(option, path, options, image, &st, report);
}

/* --- opening ------------------------------------------------------------------------------------ */

/* Descriptors of files that may wait must not say EAGAIN instead, nor do engines expect it. */
static int set_flags(const char *option, const char *path, int fd, bool direct, struct report *report)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags >= 0 && fcntl(fd, F_SETFL, (flags & ~O_NONBLOCK) | (direct ? O_DIRECT : 0)) == 0)
		return 0;
	if (direct && errno == EINVAL)
		return report_fail(report, REPORT_HOST,
				   "%s: cache=none: what '%s' is on has no direct I/O; "
				   "'cache=writeback' does without",
				   option, path);
	return cannot_open(option, path, false, errno, report);
}

int image_open(const char *option, const char *path, const struct image_options *options,
	       struct image *image, struct report *report)
{
	/* O_NONBLOCK: opening a pipe must not wait for its other end. */
	int flags = (options->read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
	struct stat st;
	int ret;

	*image = (struct image){.fd = open(path, flags)};
	if (image->fd < 0)
		return cannot_open(option, path, options->read_only, errno, report);
	if (fstat(image->fd, &st) < 0)
		ret = cannot_open(option, path, options->read_only, errno, report);
	else if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		ret = wrong_kind(option, path, st.st_mode, report);
	else
		ret = lock(option, path, image->fd, options->read_only, report);
	/* Under the lock, so that no other monitor is about to change what is found. */
	if (ret == 0)
		ret = set_flags(option, path, image->fd, options->direct, report);
	if (ret == 0)
		ret = examine(option, path, options, image, report);
	if (ret < 0)
		close(image->fd);
	return ret;
}

void image_close(struct image *image)
{
	struct flock whole = {.l_type = F_UNLCK, .l_whence = SEEK_SET};

	fcntl(image->fd, F_OFD_SETLK, &whole);
	close(image->fd);
}
