/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The virtio-vsock driver; see vsock.h. */
#include "guest/vsock.h"

#include <stddef.h>

#include "guest/memory.h"
#include "guest/string.h"

#define RX 0
#define TX 1

static bool overlaps(const struct buffer *buffer, uint64_t address, uint64_t len)
{
	return address < buffer->address + buffer->len && buffer->address < address + len;
}

/* @len bytes across some boundary, apart from those in @others; @otherwise if there is no room. */
static uint64_t place(struct vsock *vsock, uint64_t len, const struct buffer *others,
		      unsigned int count, void *otherwise)
{
	for (uint32_t i = 0; i < memory_map.boundary_count; i++) {
		uint64_t boundary =
			memory_map.boundaries[vsock->next_boundary++ % memory_map.boundary_count];
		uint64_t address = buffer_place(boundary, 1 + memory_random() % (len - 1), len);
		bool taken = !address;

		for (unsigned int j = 0; j < count && !taken; j++)
			taken = overlaps(&others[j], address, len);
		if (taken)
			continue;
		vsock->crossings++;
		return address;
	}
	return (uint64_t)otherwise;
}

/* Give the device a buffer for one packet. */
static void offer(struct vsock *vsock)
{
	static uint8_t own_header[sizeof(struct vsock_header)], own_data[VSOCK_DATA_MAX];
	struct buffer *chain = vsock->rx_data;

	chain[0] = (struct buffer){place(vsock, sizeof(own_header), NULL, 0, own_header),
				   sizeof(own_header), true};
	chain[1] = (struct buffer){place(vsock, VSOCK_DATA_MAX, chain, 1, own_data), VSOCK_DATA_MAX,
				   true};
	virtq_post(&vsock->rx, chain, 2, 0);
}

bool vsock_start(struct vsock *vsock, struct virtio_device *device)
{
	*vsock = (struct vsock){.device = device};
	if (!virtio_start(device, FEATURE_EVENT_IDX) ||
	    !virtq_setup(&vsock->rx, device, RX, NULL) || !virtq_setup(&vsock->tx, device, TX, NULL))
		return false;
	virtio_ready(device);
	vsock->cid = virtio_config64(device, 0);
	offer(vsock);
	return true;
}

bool vsock_send(struct vsock *vsock, const struct vsock_header *header, const void *data)
{
	static uint8_t own_header[sizeof(*header)], own_data[VSOCK_DATA_MAX];
	struct buffer chain[4]; /* what is sent, and what it must not overlap */
	uint32_t written;

	memcpy(&chain[2], vsock->rx_data, sizeof(vsock->rx_data));
	chain[1] = (struct buffer){
		.address = place(vsock, sizeof(*header), &chain[2], 2, own_header),
		.len = sizeof(*header),
	};
	chain[0] = chain[1];
	memcpy(at(chain[0].address), header, sizeof(*header));
	if (header->len) {
		chain[1] = (struct buffer){
			.address = place(vsock, VSOCK_DATA_MAX, &chain[1], 3, own_data),
			.len = header->len,
		};
		memcpy(at(chain[1].address), data, header->len);
	}
	virtq_post(&vsock->tx, chain, header->len ? 2 : 1, 0);
	return virtq_wait(&vsock->tx, &written) && written == 0;
}

bool vsock_receive(struct vsock *vsock, struct vsock_header *header, void *data)
{
	uint32_t written;

	if (!virtq_wait(&vsock->rx, &written) || written < sizeof(*header))
		return false;
	memcpy(header, at(vsock->rx_data[0].address), sizeof(*header));
	if (header->len != written - sizeof(*header) || header->len > VSOCK_DATA_MAX)
		return false;
	memcpy(data, at(vsock->rx_data[1].address), header->len);
	offer(vsock);
	return true;
}
