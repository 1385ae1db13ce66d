/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * --exit-map: what the statuses that a guest leaves by its exit ports become. A kernel written for
 * QEMU's isa-debug-exit can never end with 0 there; 33=0 says that its 0x10 is a success.
 */
#ifndef VMM_EXIT_MAP_H
#define VMM_EXIT_MAP_H

#include <stdint.h>

#include "devices/report.h"

#define EXIT_MAP_SIZE 256

/* EXIT_MAP_SIZE statuses, each itself; to be freed. NULL without memory. */
uint8_t *exit_map_new(void);

/* FROM=TO[,FROM=TO...], decimal numbers below EXIT_MAP_SIZE. */
int exit_map_add(uint8_t *map, const char *text, struct report *report);

#endif
