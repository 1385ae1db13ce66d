/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * A raw disk image: a regular file or a block device, opened, locked against other users and
 * measured. Reading and writing it is the device's.
 */
#ifndef DEVICES_IMAGE_H
#define DEVICES_IMAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "devices/report.h"

#define IMAGE_SECTOR 512

/*
 * Open @path. Any number of readers may have an image open, or one writer; the lock goes with the
 * descriptor (F_OFD_SETLK). Returns the descriptor and *@size in bytes, a multiple of IMAGE_SECTOR
 * and not 0; or -1 (@report, which names @option). Nothing is created or changed.
 */
int image_open(const char *option, const char *path, bool read_only, uint64_t *size,
	       struct report *report);

#endif
