/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Frames from the driver to the backend.
 *
 * A frame goes straight from the driver's buffers into the backend's system call, however it is
 * cut. The header in front of it is read once, checked and made anew: what it says is what was
 * agreed on and lies within the frame, or the frame is lost. A backend that is full leaves the
 * chain available and its queue is run again when there is room.
 */
#include <errno.h>

#include "devices/net-device.h"

#define FRAME_MIN sizeof(struct ether_header)

/* By gso_type without the ECN bit. */
static const struct {
	uint8_t type;
	uint8_t host; /* feature bits */
	uint8_t guest;
} gso_types[] = {
	{VIRTIO_NET_HDR_GSO_TCPV4, VIRTIO_NET_F_HOST_TSO4, VIRTIO_NET_F_GUEST_TSO4},
	{VIRTIO_NET_HDR_GSO_TCPV6, VIRTIO_NET_F_HOST_TSO6, VIRTIO_NET_F_GUEST_TSO6},
	{VIRTIO_NET_HDR_GSO_UDP, VIRTIO_NET_F_HOST_UFO, VIRTIO_NET_F_GUEST_UFO},
};

static uint64_t gso_needs(uint8_t gso_type, bool guest)
{
	const uint8_t type = gso_type & ~VIRTIO_NET_HDR_GSO_ECN;
	uint64_t needs = 0;

	if (gso_type != type)
		needs |= NET_FEATURE(guest ? VIRTIO_NET_F_GUEST_ECN : VIRTIO_NET_F_HOST_ECN);
	for (size_t i = 0; i < sizeof(gso_types) / sizeof(*gso_types); i++) {
		if (gso_types[i].type == type)
			return needs | NET_FEATURE(guest ? gso_types[i].guest : gso_types[i].host);
	}
	return UINT64_MAX;
}

uint64_t net_header_needs(const struct virtio_net_hdr_v1 *hdr, bool guest)
{
	uint64_t needs = 0;

	if (hdr->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)
		needs |= NET_FEATURE(guest ? VIRTIO_NET_F_GUEST_CSUM : VIRTIO_NET_F_CSUM);
	if (hdr->gso_type != VIRTIO_NET_HDR_GSO_NONE)
		needs |= gso_needs(hdr->gso_type, guest);
	return needs;
}

/*
 * Make of the driver's header what the backend is told about a frame of @len bytes. False if it
 * lies. Words that mean nothing without a flag are the driver's to leave as they are.
 */
static bool check_header(const struct net *net, const struct virtio_net_hdr_v1 *from, uint64_t len,
			 struct virtio_net_hdr_v1 *hdr)
{
	const bool gso = from->gso_type != VIRTIO_NET_HDR_GSO_NONE;

	*hdr = (struct virtio_net_hdr_v1){.flags = from->flags, .gso_type = from->gso_type};
	if ((from->flags & ~VIRTIO_NET_HDR_F_NEEDS_CSUM) ||
	    (net_header_needs(from, false) & ~net->dev.driver_features))
		return false;
	if (from->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) {
		unsigned int start = le16toh(from->csum_start), offset = le16toh(from->csum_offset);

		if (start < FRAME_MIN || start + offset + sizeof(uint16_t) > len)
			return false;
		hdr->csum_start = from->csum_start;
		hdr->csum_offset = from->csum_offset;
	}
	if (gso) {
		/* Every segment has a checksum of its own (5.1.6.2). */
		if (!from->flags || !from->gso_size || le16toh(from->hdr_len) > len)
			return false;
		hdr->gso_size = from->gso_size;
		hdr->hdr_len = from->hdr_len;
	}
	return true;
}

/*
 * The next @len bytes of @sg in net->iov behind the header; the number of elements, 0 if they
 * cannot be accessed. What is in too many pieces goes through the spill.
 */
static unsigned int make_iov(struct net *net, struct gm_sg sg, uint64_t len,
			     struct virtio_net_hdr_v1 *hdr)
{
	uint64_t bytes;
	ssize_t n = gm_sg_iovec(&sg, len, net->iov + 1, NET_IOV_COUNT - 2, &bytes);
	unsigned int count = (unsigned int)n + 1;

	if (n < 0)
		return 0;
	net->iov[0] = (struct iovec){hdr, sizeof(*hdr)};
	if (bytes < len) {
		if (gm_sg_read(&sg, net->spill, len - bytes))
			return 0;
		net->iov[count++] = (struct iovec){net->spill, len - bytes};
	}
	return count;
}

/* Send the frame of a chain. False if the backend has no room for it. */
static bool send_frame(struct net *net, const struct gm_memory *memory,
		       const struct virtq_chain *chain)
{
	struct gm_sg sg = virtq_readable(chain, memory);
	uint64_t len = gm_sg_left(&sg) - NET_HEADER;
	struct virtio_net_hdr_v1 from, hdr;
	unsigned int count = 0;

	if (gm_sg_left(&sg) >= NET_HEADER + FRAME_MIN && len <= NET_FRAME_MAX &&
	    !gm_sg_read(&sg, &from, NET_HEADER) && check_header(net, &from, len, &hdr))
		count = make_iov(net, sg, len, &hdr);
	if (count) {
		if (net->backend->ops->send(net->backend, net->sending, net->iov, count) >= 0) {
			net->dev.stats.bytes_read += len;
			return true;
		}
		if (errno == EAGAIN)
			return false;
	}
	net->dev.stats.errors++;
	return true;
}

static int64_t handle(struct virtio_device *dev, const struct gm_memory *memory,
		      const struct virtq_chain *chain)
{
	struct net *net = (struct net *)dev;

	if (send_frame(net, memory, chain))
		return 0;
	virtio_untake(dev, &dev->queues[2 * net->sending + 1], chain);
	return VIRTIO_KEEP;
}

void net_transmit(struct net *net, unsigned int pair)
{
	const unsigned int index = 2 * pair + 1;

	if (!virtio_is_live(&net->dev) || !net->dev.queues[index].ready || pair >= net->pairs)
		return;
	net->sending = pair;
	virtio_run_queue(&net->dev, index, handle);
}
