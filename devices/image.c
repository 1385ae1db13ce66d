/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Opening a disk image: everything that can be wrong with it is found and named here, before a
 * guest runs, rather than as I/O errors later.
 */
#include "devices/image.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

/* Whether errno is about the path the user gave rather than about the state of the host. */
static enum report_status whose_fault(int err)
{
	switch (err) {
	case ENOENT:
	case ENOTDIR:
	case EISDIR:
	case EACCES:
	case EPERM:
	case EROFS:
	case ELOOP:
	case ENAMETOOLONG:
	case ENXIO:
	case ENODEV:
	case ETXTBSY: return REPORT_USER;
	default: return REPORT_HOST;
	}
}

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
	return report_fail(report, whose_fault(err), "%s: cannot open '%s': %s%s", option, path,
			   strerror(err), hint);
}

static int lock(const char *option, const char *path, int fd, bool read_only, struct report *report)
{
	struct flock whole = {
		.l_type = read_only ? F_RDLCK : F_WRLCK,
		.l_whence = SEEK_SET,
	};

	if (fcntl(fd, F_OFD_SETLK, &whole) == 0)
		return 0;
	if (errno == EAGAIN || errno == EACCES)
		return report_fail(report, REPORT_HOST,
				   "%s: '%s' is in use by another disk or process%s", option, path,
				   read_only ? " that writes to it" : "");
	return report_fail(report, REPORT_HOST, "%s: cannot lock '%s': %s", option, path,
			   strerror(errno));
}

static int measure(const char *option, const char *path, int fd, const struct stat *st,
		   uint64_t *size, struct report *report)
{
	*size = (uint64_t)st->st_size;
	if (S_ISBLK(st->st_mode) && ioctl(fd, BLKGETSIZE64, size) < 0)
		return report_fail(report, REPORT_HOST, "%s: cannot measure '%s': %s", option, path,
				   strerror(errno));
	if (*size == 0)
		return report_fail(report, REPORT_USER,
				   "%s: '%s' is empty; a disk has at least one sector of %d bytes",
				   option, path, IMAGE_SECTOR);
	if (*size % IMAGE_SECTOR)
		return report_fail(report, REPORT_USER,
				   "%s: '%s' has %llu bytes, which is not a multiple of %d", option,
				   path, (unsigned long long)*size, IMAGE_SECTOR);
	return 0;
}

int image_open(const char *option, const char *path, bool read_only, uint64_t *size,
	       struct report *report)
{
	/* O_NONBLOCK: opening a pipe must not wait for its other end. */
	int flags = (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
	int fd = open(path, flags);
	struct stat st;
	int ret;

	if (fd < 0)
		return cannot_open(option, path, read_only, errno, report);
	if (fstat(fd, &st) < 0)
		ret = cannot_open(option, path, read_only, errno, report);
	else if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		ret = wrong_kind(option, path, st.st_mode, report);
	else
		ret = lock(option, path, fd, read_only, report);
	/* Measured under the lock, so that no other monitor is about to change it. */
	if (ret == 0 && fstat(fd, &st) < 0)
		ret = cannot_open(option, path, read_only, errno, report);
	if (ret == 0)
		ret = measure(option, path, fd, &st, size, report);
	if (ret < 0) {
		close(fd);
		return -1;
	}
	return fd;
}
