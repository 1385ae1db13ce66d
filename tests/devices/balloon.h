/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The driver side of a balloon for tests: requests, reports, and what the host still holds. */
#ifndef TESTS_DEVICES_BALLOON_H
#define TESTS_DEVICES_BALLOON_H

#include "devices/virtio-balloon.h"
#include "tests/devices/harness.h"

#define BALLOON_PAGE UINT64_C(4096)

/* The queues. */
enum { INFLATE, DEFLATE, STATS, HINTS, REPORTS };

/* The balloon's own features. */
#define MUST_TELL FEATURE(VIRTIO_BALLOON_F_MUST_TELL_HOST)
#define STATS_VQ  FEATURE(VIRTIO_BALLOON_F_STATS_VQ)
#define HINT      FEATURE(VIRTIO_BALLOON_F_FREE_PAGE_HINT)
#define POISON    FEATURE(VIRTIO_BALLOON_F_PAGE_POISON)
#define REPORTING FEATURE(VIRTIO_BALLOON_F_REPORTING)

/* Where requests are put, and pages that may be in the balloon. */
#define REQUESTS   BUFFERS
#define POOL       (RAM_BASE + 0x20000)
#define POOL_PAGES ((RAM_END - POOL) / BALLOON_PAGE)

/* The number of page @index of the pool. */
static inline uint32_t pool_page(uint64_t index)
{
	return (uint32_t)(POOL / BALLOON_PAGE + index);
}

/* One chain in queue @queue, which comes back at once and with nothing written. */
void balloon_offer(struct harness *h, unsigned int queue, const struct buffer *chain,
		   unsigned int count);

/* An array of page numbers for the inflate or the deflate queue. */
void balloon_send(struct harness *h, unsigned int queue, const uint32_t *pages, size_t count);
/* The same for @count pages of the pool from @first on. */
void balloon_send_run(struct harness *h, unsigned int queue, uint64_t first, uint64_t count);

struct virtio_balloon_state balloon_state(struct harness *h);
uint64_t balloon_errors(struct harness *h);

/* Pages of the host that hold something of a region; of all regions of a memory. */
uint64_t region_pages_held(const struct gm_region *region);
uint64_t memory_pages_held(const struct gm_memory *memory);

#endif
