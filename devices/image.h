/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * A raw disk image: a regular file or a block device, opened, locked against other users and
 * measured, with what it can do. Reading and writing it is the engines' (blk.h).
 */
#ifndef DEVICES_IMAGE_H
#define DEVICES_IMAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "devices/report.h"

#define IMAGE_SECTOR    512
#define IMAGE_BLOCK_MAX 4096

/* What is asked for. */
struct image_options {
	bool read_only;
	bool direct;    /* O_DIRECT */
	uint32_t block; /* 512 or 4096; 0: what suits the image */
	enum { IMAGE_DISCARD_IF_POSSIBLE, IMAGE_DISCARD_OFF, IMAGE_DISCARD_ON } discard;
};

/* Of the flash memory behind a block device, as eMMC says it; 0: undefined. */
struct image_lifetime {
	uint16_t pre_eol;
	uint16_t type_a, type_b;
};

/* What there is. Sizes are in bytes. */
struct image {
	int fd;
	uint64_t size;
	uint32_t block;        /* what positions and lengths are multiples of */
	uint32_t memory_align; /* of buffers of direct I/O; 0: I/O is not direct */
	uint32_t physical;     /* size of a block below, a multiple of block */
	uint32_t io_min, io_opt;
	bool discard;   /* holes can be punched */
	bool in_memory; /* it is a file that has no other place: reading it waits for nothing */
	struct image_lifetime lifetime;
};

/*
 * Open @path. Any number of readers may have an image open, or one writer; the lock goes with the
 * descriptor (F_OFD_SETLK). 0, or -1 (@report, which names @option) and nothing was created or
 * changed.
 */
int image_open(const char *option, const char *path, const struct image_options *options,
	       struct image *image, struct report *report);

/*
 * Unlock and close. The lock goes first, since an engine's ring may hold the file for a while after
 * it was closed.
 */
void image_close(struct image *image);

/* How long the image is now. 0, or -1 and errno. */
int image_measure(int fd, uint64_t *size);

/* What the files life_time and pre_eol_info of directory @dir say; zeros if they are not there. */
struct image_lifetime image_read_lifetime(const char *dir);

#endif
