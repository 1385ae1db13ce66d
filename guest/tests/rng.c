/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* virtio-rng fills buffers across one, two and three boundaries, and nothing around them. */
#include <stddef.h>

#include "guest/memory.h"
#include "guest/string.h"
#include "guest/tap.h"
#include "guest/tests/tests.h"
#include "guest/virtio.h"

#define CANARY      0xa5
#define SIZE        64
#define MAX_BUFFER  16384
#define MAX_BUFFERS 3

static bool bytes_are(const uint8_t *bytes, uint64_t len, uint8_t value)
{
	for (uint64_t i = 0; i < len; i++) {
		if (bytes[i] != value)
			return false;
	}
	return true;
}

/* Fill the chain, which is cleared before; *first gets its first eight bytes. */
static bool fill(struct virtq *queue, const struct buffer *chain, unsigned int count, uint64_t *first)
{
	uint64_t total = 0;
	uint32_t written = 0;

	for (unsigned int i = 0; i < count; i++) {
		memset(at(chain[i].address - CANARY_SIZE), CANARY, chain[i].len + 2 * CANARY_SIZE);
		total += chain[i].len;
	}
	virtq_post(queue, chain, count, 0);
	if (!CHECK(virtq_wait(queue, &written), "%lx: no answer", chain[0].address) ||
	    !CHECK(written == total, "%lx: %u of %lu bytes", chain[0].address, written, total))
		return false;
	for (unsigned int i = 0; i < count; i++) {
		const uint8_t *bytes = at(chain[i].address);

		/* A run of 16 bytes left alone is a chance of 2^-128 in good random data. */
		CHECK(!bytes_are(bytes, 16, CANARY) &&
			      !bytes_are(bytes + chain[i].len - 16, 16, CANARY),
		      "%lx: not filled", chain[i].address);
		CHECK(!bytes_are(bytes, 16, bytes[0]), "%lx: all bytes equal", chain[i].address);
		CHECK(bytes_are(bytes - CANARY_SIZE, CANARY_SIZE, CANARY) &&
			      bytes_are(bytes + chain[i].len, CANARY_SIZE, CANARY),
		      "%lx: bytes around it changed", chain[i].address);
	}
	memcpy(first, at(chain[0].address), sizeof(*first));
	return true;
}

/* One buffer across @crossings boundaries; where regions are too large, one at each. */
static unsigned int make_chain(uint32_t i, unsigned int crossings, struct buffer *chain)
{
	uint32_t count = memory_map.boundary_count;
	uint64_t len, address;

	address =
		buffer_span(memory_map.boundaries[i], 17, crossings, SIZE - 17, 1, MAX_BUFFER, &len);
	if (address) {
		chain[0] = (struct buffer){address, (uint32_t)len, true};
		return 1;
	}
	if (count < crossings)
		return 0;
	for (unsigned int j = 0; j < crossings; j++) {
		address = buffer_place(memory_map.boundaries[(i + j) % count], 17, SIZE);
		if (!address)
			return 0;
		chain[j] = (struct buffer){address, SIZE, true};
	}
	return crossings;
}

void test_rng(void)
{
	struct virtio_device *device = virtio_find(VIRTIO_ID_RNG, 0);
	struct buffer chain[MAX_BUFFERS];
	unsigned int chains = 0, count;
	uint64_t first, last = 0;
	struct virtq queue;

	if (!device || !memory_map.boundary_count) {
		tap_skip(device ? "no boundaries" : "no device");
		return;
	}
	if (!CHECK(virtio_start(device, FEATURE_EVENT_IDX) && virtq_setup(&queue, device, 0, NULL),
		   "does not start"))
		return;
	virtio_ready(device);
	for (uint32_t i = 0; i < memory_map.boundary_count; i++) {
		count = make_chain(i, 1 + i % MAX_BUFFERS, chain);
		if (!count)
			continue;
		if (!fill(&queue, chain, count, &first))
			return;
		CHECK(first != last, "the same bytes twice");
		last = first;
		chains++;
	}
	CHECK(chains > 0, "no boundary has room");
	tap_note("%u chains", chains);
}
