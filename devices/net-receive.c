/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Frames from the backend to the driver.
 *
 * A frame goes from the backend's system call straight into as many of the driver's chains as it is
 * likely to need. Nobody knows how long it is before it is there: behind the chains stands a spill
 * of our own, and what came to lie in it is copied into further chains. A frame that finds too few,
 * or a single one too small where the driver did not agree to merge them, is lost and counted: its
 * chains were not given back, so that the driver never sees a part of it. Chains are kept for a
 * turn only; at its end those without a frame are available again.
 *
 * The header and what the filter looks at never lie in the driver's memory before they were decided
 * on.
 */
#include <errno.h>
#include <string.h>

#include "devices/net-device.h"

/*
 * Frames and bytes in a turn, at the end of which the driver learns of them; then the loop's other
 * descriptors have theirs. Long frames are still in the cache when the driver looks at them.
 */
#define BATCH       64
#define BATCH_BYTES (256 << 10)

#define HEAD      (NET_HEADER + NET_FILTER_BYTES)
#define FRAME_MIN sizeof(struct ether_header)

/* The part of a frame that is looked at, header first. */
struct head {
	struct virtio_net_hdr_v1 hdr;
	uint8_t frame[NET_FILTER_BYTES];
};

_Static_assert(sizeof(struct head) == HEAD, "a frame begins behind its header");

enum outcome {
	DELIVERED,
	LOST,
	FILTERED,
	NO_FRAME,
	NO_BUFFER,
};

/* --- chains ---------------------------------------------------------------------------------- */

/* Take one more chain. False if there is none, or no place to remember its buffers. */
static bool take_chain(struct net *net, struct virtq *vq, const struct gm_memory *memory)
{
	struct net_rx *rx = &net->rx;
	struct virtq_chain *chain = &rx->chains[rx->chain_count];

	if (rx->chain_count == NET_QUEUE_SIZE || rx->range_count > NET_RX_RANGES - NET_QUEUE_SIZE ||
	    virtio_take(&net->dev, vq, memory, chain) <= 0)
		return false;
	memcpy(rx->ranges + rx->range_count, chain->writable,
	       chain->writable_count * sizeof(*rx->ranges));
	rx->range_count += chain->writable_count;
	rx->room += chain->writable_len;
	rx->chain_count++;
	return true;
}

/* All of their buffers as one list, from the beginning of the frame's header on. */
static struct gm_sg chains_sg(const struct net_rx *rx, const struct gm_memory *memory)
{
	return (struct gm_sg){
		.memory = memory,
		.ranges = rx->ranges,
		.left = rx->room,
		.access = GM_ACCESS_WRITE,
	};
}

/* Give back the first @count chains, with @len bytes in them. Those behind move to the front. */
static void give_back(struct net *net, struct virtq *vq, const struct gm_memory *memory,
		      unsigned int count, uint64_t len)
{
	struct net_rx *rx = &net->rx;
	unsigned int ranges = 0;

	for (unsigned int i = 0; i < count; i++) {
		const struct virtq_chain *chain = &rx->chains[i];
		uint64_t part = len < chain->writable_len ? len : chain->writable_len;

		virtio_put(&net->dev, vq, memory, chain->head, (uint32_t)part);
		len -= part;
		ranges += chain->writable_count;
		rx->room -= chain->writable_len;
	}
	/* The driver is to see all of them or none. */
	virtq_publish(vq, memory);
	rx->chain_count -= count;
	rx->range_count -= ranges;
	memmove(rx->chains, rx->chains + count, rx->chain_count * sizeof(*rx->chains));
	memmove(rx->ranges, rx->ranges + ranges, rx->range_count * sizeof(*rx->ranges));
}

/* --- one frame ------------------------------------------------------------------------------- */

/*
 * Where the next frame goes: the head, as much of the chains as a system call takes, and the spill.
 * Returns the elements; *@direct is how many bytes lie before the spill.
 */
static unsigned int make_iov(struct net *net, const struct gm_memory *memory, struct head *head,
			     uint64_t *direct)
{
	struct gm_sg sg = chains_sg(&net->rx, memory);
	unsigned int count = 1;
	uint64_t bytes = 0;
	ssize_t n = 0;

	if (gm_sg_skip(&sg, HEAD) == HEAD)
		n = gm_sg_iovec(&sg, NET_FRAME_MAX - NET_FILTER_BYTES, net->iov + 1,
				NET_IOV_COUNT - 2, &bytes);
	if (n > 0)
		count += (unsigned int)n;
	*direct = HEAD + (n > 0 ? bytes : 0);
	net->iov[0] = (struct iovec){head, sizeof(*head)};
	net->iov[count++] = (struct iovec){net->spill, sizeof(net->spill)};
	return count;
}

/* Make of the backend's header what the driver is told. False if it did not agree to such a frame. */
static bool check_header(const struct net *net, struct virtio_net_hdr_v1 *hdr)
{
	const bool checked = net->guest_offloads & NET_FEATURE(VIRTIO_NET_F_GUEST_CSUM);

	hdr->flags &= VIRTIO_NET_HDR_F_NEEDS_CSUM | (checked ? VIRTIO_NET_HDR_F_DATA_VALID : 0);
	return !(net_header_needs(hdr, true) & ~net->guest_offloads);
}

/* How many chains a frame of @len bytes takes, more being taken as needed; 0 if it does not fit. */
static unsigned int chains_for(struct net *net, struct virtq *vq, const struct gm_memory *memory,
			       uint64_t len)
{
	const bool merge = virtio_has_feature(&net->dev, VIRTIO_NET_F_MRG_RXBUF);
	const struct net_rx *rx = &net->rx;
	unsigned int count = 0;

	if (rx->chains[0].writable_len < NET_HEADER)
		return 0;
	for (uint64_t room = 0; room < len; count++) {
		if ((count && !merge) || (count == rx->chain_count && !take_chain(net, vq, memory)))
			return 0;
		room += rx->chains[count].writable_len;
	}
	return count;
}

/* Bring a frame of @len bytes, the header included, into the first @count chains. */
static int deliver(struct net *net, const struct gm_memory *memory, struct head *head,
		   unsigned int count, uint64_t len, uint64_t direct)
{
	struct gm_sg sg = chains_sg(&net->rx, memory);

	head->hdr.num_buffers = htole16((uint16_t)count);
	if (gm_sg_write(&sg, head, len < HEAD ? len : HEAD))
		return -1;
	if (len <= HEAD)
		return 0;
	gm_sg_mark_dirty(&sg, (len < direct ? len : direct) - HEAD);
	return len > direct ? gm_sg_write(&sg, net->spill, len - direct) : 0;
}

/* Expect frames that are as long as the last ones were. */
static void expect(uint64_t *expected, uint64_t len)
{
	*expected -= *expected / 8;
	if (*expected < len)
		*expected = len;
}

static enum outcome receive(struct net *net, unsigned int pair, struct virtq *vq,
			    const struct gm_memory *memory)
{
	const bool merge = virtio_has_feature(&net->dev, VIRTIO_NET_F_MRG_RXBUF);
	struct net_rx *rx = &net->rx;
	unsigned int chains;
	struct head head = {0}; /* a short frame has zeros behind it */
	uint64_t direct;
	ssize_t len;

	while (rx->chain_count == 0 || (merge && rx->room < net->expected[pair])) {
		if (!take_chain(net, vq, memory))
			break;
	}
	if (rx->chain_count == 0)
		return NO_BUFFER;
	len = net->backend->ops->receive(net->backend, pair, net->iov,
					 make_iov(net, memory, &head, &direct));
	if (len < 0)
		return errno == EAGAIN ? NO_FRAME : LOST;
	if ((size_t)len < NET_HEADER + FRAME_MIN || !check_header(net, &head.hdr))
		return LOST;
	if (!net_filter_passes(&net->filter, net->config.mac, head.frame))
		return FILTERED;
	expect(&net->expected[pair], (uint64_t)len);
	chains = chains_for(net, vq, memory, (uint64_t)len);
	if (!chains || deliver(net, memory, &head, chains, (uint64_t)len, direct))
		return LOST;
	net->dev.stats.bytes_written += (uint64_t)len - NET_HEADER;
	give_back(net, vq, memory, chains, (uint64_t)len);
	return DELIVERED;
}

/* --- a turn ---------------------------------------------------------------------------------- */

/* Receive until there is nothing to receive, nothing to receive into, or enough. */
static enum outcome run(struct net *net, unsigned int pair, struct virtq *vq,
			const struct gm_memory *memory)
{
	const uint64_t enough = net->dev.stats.bytes_written + BATCH_BYTES;
	enum outcome outcome = DELIVERED;

	for (unsigned int frames = 0; frames < BATCH && outcome != NO_FRAME && !vq->broken &&
				      net->dev.stats.bytes_written < enough;
	     frames++) {
		outcome = receive(net, pair, vq, memory);
		if (outcome == LOST)
			net->dev.stats.dropped++;
		if (outcome != NO_BUFFER)
			continue;
		/* What the driver makes available from here on it says. */
		if (!virtq_enable_notify(vq, memory))
			break;
		virtq_disable_notify(vq, memory);
		outcome = DELIVERED;
	}
	return outcome;
}

void net_receive(struct net *net, unsigned int pair)
{
	struct virtio_device *dev = &net->dev;
	struct virtq *vq = &dev->queues[2UL * pair];
	struct net_rx *rx = &net->rx;
	enum outcome outcome = NO_BUFFER;

	if (virtio_is_live(dev) && vq->ready && pair < net->pairs) {
		struct gm_memory *memory = gm_cell_snapshot(dev->memory);

		rx->chain_count = 0;
		rx->range_count = 0;
		rx->room = 0;
		virtq_disable_notify(vq, memory);
		outcome = run(net, pair, vq, memory);
		while (rx->chain_count)
			virtio_untake(dev, vq, &rx->chains[--rx->chain_count]);
		virtio_settle(dev, vq, memory);
		gm_memory_put(memory);
	}
	net->backend->ops->want(net->backend, pair, outcome != NO_BUFFER && !vq->broken);
}
