/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The driver side of a balloon; see balloon.h. */
#include "tests/devices/balloon.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

void balloon_offer(struct harness *h, unsigned int queue, const struct buffer *chain,
		   unsigned int count)
{
	struct driver_queue *q = &h->queues[queue];
	uint16_t added = driver_add(h, q, chain, count, 0);
	uint32_t head, len;

	driver_kick(h, q);
	ck_assert(driver_used(h, q, &head, &len));
	ck_assert_uint_eq(head, added);
	ck_assert_uint_eq(len, 0);
}

void balloon_send(struct harness *h, unsigned int queue, const uint32_t *pages, size_t count)
{
	const struct buffer array = {REQUESTS, (uint32_t)(4 * count), false};

	for (size_t i = 0; i < count; i++) {
		uint32_t page = htole32(pages[i]);

		mem_write(h, REQUESTS + 4 * i, &page, sizeof(page));
	}
	balloon_offer(h, queue, &array, 1);
}

void balloon_send_run(struct harness *h, unsigned int queue, uint64_t first, uint64_t count)
{
	uint32_t pages[POOL_PAGES];

	ck_assert_uint_le(count, POOL_PAGES);
	for (uint64_t i = 0; i < count; i++)
		pages[i] = pool_page(first + i);
	balloon_send(h, queue, pages, count);
}

struct virtio_balloon_state balloon_state(struct harness *h)
{
	struct virtio_balloon_state state;

	virtio_balloon_state(h->dev, &state);
	return state;
}

uint64_t balloon_errors(struct harness *h)
{
	struct virtio_stats stats;

	virtio_device_stats(h->dev, &stats);
	return stats.errors;
}

uint64_t region_pages_held(const struct gm_region *region)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t pages = (gm_region_size(region) + page - 1) / page;
	unsigned char *held = malloc(pages);
	uint64_t count = 0;

	ck_assert_ptr_nonnull(held);
	ck_assert_int_eq(mincore(gm_region_host(region), pages * page, held), 0);
	for (size_t i = 0; i < pages; i++)
		count += held[i] & 1;
	free(held);
	return count;
}

uint64_t memory_pages_held(const struct gm_memory *memory)
{
	uint64_t count = 0;

	for (size_t i = 0; i < gm_memory_count(memory); i++)
		count += region_pages_held(gm_memory_region(memory, i));
	return count;
}
