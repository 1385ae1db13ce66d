/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * What the network device is made of: virtio-net.c has its features, configuration and life,
 * net-transmit.c and net-receive.c the frames of a pair of queues, net-control.c the driver's
 * commands. Everything here is called with the device's lock held.
 */
#ifndef DEVICES_NET_DEVICE_H
#define DEVICES_NET_DEVICE_H

#include <linux/virtio_net.h>

#include "devices/net-filter.h"
#include "devices/net.h"
#include "devices/virtio.h"

#define NET_HEADER     sizeof(struct virtio_net_hdr_v1)
#define NET_QUEUE_SIZE 256
#define NET_QUEUES_MAX (2 * NET_PAIRS_MAX + 1)
/* Pieces of memory of one system call, what stands before and behind them included. */
#define NET_IOV_COUNT 1024
/* Buffers that the chains may have which wait for a frame, one chain of any shape included. */
#define NET_RX_RANGES (4 * NET_QUEUE_SIZE)

#define NET_FEATURE(bit) (UINT64_C(1) << (bit))
/* What the driver may be left to do with a frame, and the host. */
#define NET_GUEST_OFFLOADS                                                             \
	(NET_FEATURE(VIRTIO_NET_F_GUEST_CSUM) | NET_FEATURE(VIRTIO_NET_F_GUEST_TSO4) | \
	 NET_FEATURE(VIRTIO_NET_F_GUEST_TSO6) | NET_FEATURE(VIRTIO_NET_F_GUEST_ECN) |  \
	 NET_FEATURE(VIRTIO_NET_F_GUEST_UFO))
#define NET_HOST_OFFLOADS                                                           \
	(NET_FEATURE(VIRTIO_NET_F_CSUM) | NET_FEATURE(VIRTIO_NET_F_HOST_TSO4) |     \
	 NET_FEATURE(VIRTIO_NET_F_HOST_TSO6) | NET_FEATURE(VIRTIO_NET_F_HOST_ECN) | \
	 NET_FEATURE(VIRTIO_NET_F_HOST_UFO))

/* Chains that were taken from a receive queue and wait for frames, while its turn lasts. */
struct net_rx {
	struct virtq_chain chains[NET_QUEUE_SIZE];
	unsigned int chain_count;
	struct gm_range ranges[NET_RX_RANGES]; /* theirs, one behind the other */
	unsigned int range_count;
	uint64_t room; /* bytes in them */
};

/* With the device's lock, but for the backend's own. */
struct net {
	struct virtio_device dev;
	struct virtio_ops ops; /* for queue_sizes */
	uint16_t queue_sizes[NET_QUEUES_MAX + 1];
	struct virtio_net_config config;
	uint8_t permanent_mac[ETH_ALEN]; /* the driver may have another until it resets the device */
	struct net_backend *backend;     /* home, none, or another that came later */
	struct net_backend *home;        /* what it was made with */
	struct net_backend none;         /* while the cable is pulled */
	unsigned int max_pairs;
	unsigned int pairs;      /* that the driver uses */
	uint64_t guest_offloads; /* of NET_GUEST_OFFLOADS, what frames may need now */
	struct net_filter filter;
	uint64_t expected[NET_PAIRS_MAX]; /* by pair: bytes that a frame is likely to need */
	unsigned int sending;             /* the pair whose queue is run */

	/* For one frame at a time. */
	struct net_rx rx;
	struct iovec iov[NET_IOV_COUNT];
	uint8_t spill[NET_FRAME_MAX]; /* what is in more pieces or behind the room there is */
};

/* Send what the driver has for pair @pair, as far as the backend has room. */
void net_transmit(struct net *net, unsigned int pair);

/* Receive what the backend has for pair @pair, as far as the driver has buffers. */
void net_receive(struct net *net, unsigned int pair);

/* Do what the driver's commands in queue @index say. */
void net_control(struct net *net, unsigned int index);

/*
 * The features without which a header may not say what it says, @guest: to the driver; or to the
 * host. Those that do not exist are none's to agree on.
 */
uint64_t net_header_needs(const struct virtio_net_hdr_v1 *hdr, bool guest);

/* What virtio-net.c keeps consistent for the commands: 0, or -1 and nothing has changed. */
int net_set_pairs(struct net *net, unsigned int pairs);
int net_set_guest_offloads(struct net *net, uint64_t offloads);
void net_set_mac(struct net *net, const uint8_t *mac);

#endif
