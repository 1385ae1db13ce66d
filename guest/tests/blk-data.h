/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Patterns that the tests of virtio-blk share. */
#ifndef GUEST_TESTS_BLK_DATA_H
#define GUEST_TESTS_BLK_DATA_H

#include "guest/blk.h"

/* A sector of a pattern that no sector was filled with before. */
void blk_fill_sector(void *data, uint64_t sector);

#endif
