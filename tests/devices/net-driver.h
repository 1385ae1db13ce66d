/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The driver of a network device on the fake backend, for tests of the device's own: frames in and
 * out of chains of any shape, commands, and the backend's side of all of it.
 */
#ifndef TESTS_DEVICES_NET_DRIVER_H
#define TESTS_DEVICES_NET_DRIVER_H

#include <linux/virtio_net.h>
#include <net/ethernet.h>

#include "tests/devices/harness.h"
#include "tests/devices/net-fake.h"

#define NET_HEADER_SIZE sizeof(struct virtio_net_hdr_v1)
#define NET_CTRL_QUEUE  (2 * NET_FAKE_PAIRS) /* with MQ */

#define NET_CTRL_FEATURES                                                        \
	(FEATURE(VIRTIO_NET_F_CTRL_VQ) | FEATURE(VIRTIO_NET_F_CTRL_RX) |         \
	 FEATURE(VIRTIO_NET_F_CTRL_RX_EXTRA) | FEATURE(VIRTIO_NET_F_CTRL_VLAN) | \
	 FEATURE(VIRTIO_NET_F_CTRL_MAC_ADDR) | FEATURE(VIRTIO_NET_F_MQ) |        \
	 FEATURE(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS))
#define NET_HOST_FEATURES                                                   \
	(FEATURE(VIRTIO_NET_F_CSUM) | FEATURE(VIRTIO_NET_F_HOST_TSO4) |     \
	 FEATURE(VIRTIO_NET_F_HOST_TSO6) | FEATURE(VIRTIO_NET_F_HOST_ECN) | \
	 FEATURE(VIRTIO_NET_F_HOST_UFO))
#define NET_GUEST_FEATURES                                                     \
	(FEATURE(VIRTIO_NET_F_GUEST_CSUM) | FEATURE(VIRTIO_NET_F_GUEST_TSO4) | \
	 FEATURE(VIRTIO_NET_F_GUEST_TSO6) | FEATURE(VIRTIO_NET_F_GUEST_ECN) |  \
	 FEATURE(VIRTIO_NET_F_GUEST_UFO))
#define NET_MRG FEATURE(VIRTIO_NET_F_MRG_RXBUF)

/* Where tests put what they send, and buffers to receive into. */
#define NET_SEND_AT    (RAM_END - 0x20000)
#define NET_RECEIVE_AT BUFFERS

struct net_driver {
	struct harness h;
	struct test_random random;
	gm_addr buffers[HARNESS_QUEUES][HARNESS_QUEUE_SIZE]; /* by queue and head */
};

/* A device on memory cut in odd pieces, its loop running, and its driver with @features. */
void net_driver_new(struct net_driver *d, uint64_t features);
/* The same on any backend: @type, with the option's argument. */
void net_driver_open(struct net_driver *d, const struct device_type *type, const char *args,
		     uint64_t features);
void net_driver_free(struct net_driver *d);

struct virtio_stats net_driver_stats(struct net_driver *d);

/* Offer @len bytes at @addr to receive into, on pair @pair; and tell the device. */
void net_driver_post(struct net_driver *d, unsigned int pair, gm_addr addr, uint32_t len);
void net_driver_kick_rx(struct net_driver *d, unsigned int pair);

/*
 * Wait for a frame, header first, in as many buffers as it says, which are offered no more. Its
 * length; *@buffers (NULL allowed) is how many.
 */
size_t net_driver_receive(struct net_driver *d, unsigned int pair, uint8_t *frame,
			  unsigned int *buffers);
/* The same without waiting: 0 if there is none. */
size_t net_driver_poll(struct net_driver *d, unsigned int pair, uint8_t *frame,
		       unsigned int *buffers);
/* No frame is there once the loop is through. */
void net_driver_no_frame(struct net_driver *d, unsigned int pair);

/* Send @len bytes, header first, cut at random, and wait until they come back. */
void net_driver_send(struct net_driver *d, unsigned int pair, const void *frame, uint32_t len);

/* A command cut at random: its answer. */
uint8_t net_driver_command(struct net_driver *d, uint8_t class, uint8_t cmd, const void *data,
			   uint32_t len);

/* The backend's side: a frame with its header for the guest, and the next from it (0: none). */
void net_backend_put(unsigned int pair, const void *frame, size_t len);
size_t net_backend_take(unsigned int pair, uint8_t *frame, size_t size);

#endif
