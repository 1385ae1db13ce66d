/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The identity map above the 4 GiB that boot.S maps. */
#ifndef GUEST_PAGING_H
#define GUEST_PAGING_H

#include <stdbool.h>
#include <stdint.h>

/* Addresses the kernel uses end here, so that they are canonical and any host can map them. */
#define PAGING_LIMIT (1ull << 46)

/* Ring 0: map the 2 MiB page of @address after a fault there. False: it is not ours to map. */
bool paging_map(uint64_t address);

#endif
