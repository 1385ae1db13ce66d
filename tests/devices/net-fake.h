/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * A network backend for tests that can do everything: offloads, several pairs of queues, a link
 * that goes down. Its other end is a socket for each pair, on which a message is a header and a
 * frame, as the device sent it or is to receive it.
 */
#ifndef TESTS_DEVICES_NET_FAKE_H
#define TESTS_DEVICES_NET_FAKE_H

#include "devices/devices.h"
#include "devices/net.h"

#define NET_FAKE_PAIRS 3

/* The other side of the device that was made last. */
struct net_fake {
	int fds[NET_FAKE_PAIRS];
	/* What the device asked for; with its lock. */
	uint64_t offload;
	unsigned int pairs;
	bool refuse; /* set_pairs() and set_offload() fail */
};

extern struct net_fake net_fake;

/* "net" on the fake backend; its arguments are the words of the device. */
extern const struct device_type net_fake_type;

/* What the backend says when its link goes up or down. */
void net_fake_set_link(bool up);

#endif
