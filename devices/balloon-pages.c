/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Pages that go into the balloon and come out of it, by number, and pages that are reported free,
 * by address: what the driver gives leaves the host's memory.
 *
 * A page of the balloon is 4 KiB of guest addresses. It may be cut anywhere, and lie in a page of
 * the host that is larger (hugetlbfs) or that begins elsewhere. The host gets a page back once all
 * of it is in the balloon, whatever the order and the requests it came in.
 */
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "devices/balloon.h"

#define PAGE_SIZE (UINT64_C(1) << VIRTIO_BALLOON_PFN_SHIFT)

/* Page numbers that are read at once, sorted and merged; drivers send 256 (Linux) or 1024. */
#define CHUNK 1024

/* Page numbers after which the loop gets its turn: each may cost a system call. */
#define TURN 4096

/* --- what leaves ----------------------------------------------------------------------------- */

/* Give [addr, addr + len), which is writable memory, back to the host. False if the host refuses. */
static bool give(struct balloon *balloon, const struct gm_memory *memory, gm_addr addr,
		 uint64_t len, uint64_t *sum)
{
	uint64_t given;
	int err = gm_discard(memory, addr, len, &given);

	*sum += given;
	if (err)
		device_log(&balloon->dev.log, balloon->dev.name,
			   "the host does not take memory at 0x%" PRIx64 " back: %s", addr,
			   err == GM_ERR_IO ? strerror(errno) : gm_strerror(err));
	return !err;
}

/* Whether all of [addr, addr + len) is in the balloon. */
static bool in_balloon(const struct balloon *balloon, gm_addr addr, uint64_t len)
{
	uint64_t first = addr / PAGE_SIZE;

	return page_set_holds(&balloon->pages, first,
			      (addr + len + PAGE_SIZE - 1) / PAGE_SIZE - first);
}

/*
 * Widen a range of the balloon to pages of the host, where what they have beside it is in the
 * balloon too. That came with earlier requests, whose pages are the device's only if the driver
 * has to tell before it uses them again (5.5.6.2).
 */
static void widen(const struct balloon *balloon, const struct gm_memory *memory,
		  struct gm_range *range)
{
	gm_addr end = range->addr + range->len;
	struct gm_range page;

	if (!virtio_has_feature(&balloon->dev, VIRTIO_BALLOON_F_MUST_TELL_HOST))
		return;
	if (gm_host_page(memory, end - 1, &page) &&
	    in_balloon(balloon, end, page.addr + page.len - end))
		end = page.addr + page.len;
	if (gm_host_page(memory, range->addr, &page) &&
	    in_balloon(balloon, page.addr, range->addr - page.addr))
		range->addr = page.addr;
	range->len = end - range->addr;
}

/* --- requests: what is done with pages [first, first + count); false if something is wrong ---- */

static bool inflate(struct balloon *balloon, const struct gm_memory *memory, uint64_t first,
		    uint64_t count)
{
	struct gm_range range = {first * PAGE_SIZE, count * PAGE_SIZE};
	bool known = page_set_add(&balloon->pages, first, count);

	widen(balloon, memory, &range);
	return give(balloon, memory, range.addr, range.len, &balloon->inflated) && known;
}

/* There is nothing to do: the host's memory comes back with the first access. */
static bool deflate(struct balloon *balloon, const struct gm_memory *memory, uint64_t first,
		    uint64_t count)
{
	(void)memory;
	return page_set_remove(&balloon->pages, first, count) == count;
}

static bool (*const actions[])(struct balloon *balloon, const struct gm_memory *memory,
			       uint64_t first, uint64_t count) = {
	[BALLOON_INFLATE] = inflate,
	[BALLOON_DEFLATE] = deflate,
};

/* Whether the whole page is memory that the driver can have the use of. */
static bool is_ram(const struct gm_memory *memory, uint64_t page)
{
	return gm_check_range(memory, page * PAGE_SIZE, PAGE_SIZE, GM_ACCESS_WRITE);
}

static int compare_pages(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* Sort the page numbers and do what is asked for with each run of neighbours that is memory. */
static void handle_pages(struct balloon *balloon, const struct gm_memory *memory,
			 unsigned int index, uint32_t *pages, size_t count)
{
	struct balloon_request *request = &balloon->requests[index];
	uint64_t first, end;

	for (size_t i = 0; i < count; i++)
		pages[i] = le32toh(pages[i]);
	qsort(pages, count, sizeof(*pages), compare_pages);
	for (size_t i = 0; i < count;) {
		first = pages[i];
		end = first;
		/* A page that is there twice counts once. */
		for (; i < count && pages[i] <= end && is_ram(memory, pages[i]); i++)
			end = pages[i] + UINT64_C(1);
		if (end == first) {
			/* One line for a request, however much of it is wrong. */
			if (!request->wrong)
				device_log(&balloon->dev.log, balloon->dev.name,
					   "page 0x%" PRIx64 " is not in writable memory, ignored",
					   first * PAGE_SIZE);
			request->wrong = true;
			i++;
		} else if (!actions[index](balloon, memory, first, end - first)) {
			request->wrong = true;
		}
	}
}

/* Go on with the request of queue @index until it is done (true) or the turn is over. */
static bool advance(struct balloon *balloon, const struct gm_memory *memory, unsigned int index)
{
	struct balloon_request *request = &balloon->requests[index];
	uint32_t pages[CHUNK];

	while (balloon->turn) {
		struct gm_sg sg = virtq_readable(&request->chain, memory);
		uint64_t count;

		gm_sg_skip(&sg, request->done);
		count = gm_sg_left(&sg) / sizeof(*pages);
		count = count < CHUNK ? count : CHUNK;
		count = count < balloon->turn ? count : balloon->turn;
		/* Less than a number that is left over is none. */
		if (!count || gm_sg_read(&sg, pages, count * sizeof(*pages))) {
			request->wrong |= gm_sg_left(&sg) > 0;
			return true;
		}
		handle_pages(balloon, memory, index, pages, count);
		request->done += count * sizeof(*pages);
		balloon->dev.stats.bytes_read += count * sizeof(*pages);
		balloon->turn -= (uint32_t)count;
	}
	return false;
}

/* Begin a request, or go on with it. 0 when it is done. */
static int64_t serve(struct balloon *balloon, const struct gm_memory *memory, unsigned int index)
{
	struct balloon_request *request = &balloon->requests[index];

	request->held = !advance(balloon, memory, index);
	if (request->held)
		return VIRTIO_KEEP;
	balloon->dev.stats.errors += request->wrong;
	return 0;
}

static int64_t begin(struct virtio_device *dev, const struct gm_memory *memory, unsigned int index,
		     const struct virtq_chain *chain)
{
	struct balloon *balloon = (struct balloon *)dev;

	balloon->requests[index] = (struct balloon_request){.chain = *chain};
	return serve(balloon, memory, index);
}

static int64_t begin_inflate(struct virtio_device *dev, const struct gm_memory *memory,
			     const struct virtq_chain *chain)
{
	return begin(dev, memory, BALLOON_INFLATE, chain);
}

static int64_t begin_deflate(struct virtio_device *dev, const struct gm_memory *memory,
			     const struct virtq_chain *chain)
{
	return begin(dev, memory, BALLOON_DEFLATE, chain);
}

/* Go on with the request that the last turn left. */
static void resume(struct balloon *balloon, unsigned int index)
{
	struct virtio_device *dev = &balloon->dev;
	struct gm_memory *memory = gm_cell_snapshot(dev->memory);

	if (serve(balloon, memory, index) != VIRTIO_KEEP)
		virtio_complete(dev, &dev->queues[index], memory,
				balloon->requests[index].chain.head, 0);
	gm_memory_put(memory);
}

void balloon_pages_notify(struct balloon *balloon, unsigned int index)
{
	struct balloon_request *request = &balloon->requests[index];

	balloon->turn = TURN;
	if (request->held)
		resume(balloon, index);
	if (!request->held)
		virtio_run_queue(&balloon->dev, index,
				 index == BALLOON_INFLATE ? begin_inflate : begin_deflate);
	if (request->held)
		virtio_again(&balloon->dev, index);
}

/* --- reports --------------------------------------------------------------------------------- */

/*
 * Give back what a chain describes, neighbours at once. A driver that keeps something in its free
 * pages (page poison) wants it there afterwards: zero is what memory comes back with.
 */
static int64_t handle_report(struct virtio_device *dev, const struct gm_memory *memory,
			     const struct virtq_chain *chain)
{
	struct balloon *balloon = (struct balloon *)dev;
	bool right = true;

	if (virtio_has_feature(dev, VIRTIO_BALLOON_F_PAGE_POISON) && balloon->config.poison_val)
		return 0;
	for (unsigned int i = 0; i < chain->writable_count;) {
		struct gm_range range = chain->writable[i++];

		for (; i < chain->writable_count; i++) {
			const struct gm_range *next = &chain->writable[i];

			if (next->addr == range.addr + range.len)
				range.len += next->len;
			else if (next->addr + next->len == range.addr)
				range = (struct gm_range){next->addr, next->len + range.len};
			else
				break;
		}
		right &= give(balloon, memory, range.addr, range.len, &balloon->reported);
	}
	dev->stats.errors += !right;
	return 0;
}

void balloon_reports_notify(struct balloon *balloon)
{
	virtio_run_queue(&balloon->dev, BALLOON_REPORTS, handle_report);
}
