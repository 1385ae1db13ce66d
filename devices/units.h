/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Sizes and times as people write them. */
#ifndef DEVICES_UNITS_H
#define DEVICES_UNITS_H

#include <stdbool.h>
#include <stdint.h>

/* 4096, 0x1000, 64K, 1GiB, 1G+4K. False if it is none or wraps. */
bool parse_size(const char *text, uint64_t *value);

/* Seconds, or a whole number of ms, s, m, h. False if it is none or wraps. */
bool parse_time(const char *text, uint64_t *ms);

#endif
