/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Which frames a driver wants (virtio 1.2, sections 5.1.6.5.1 to 5.1.6.5.4): receive modes, tables
 * of addresses, VLANs. Knows frames, neither queues nor commands.
 */
#ifndef DEVICES_NET_FILTER_H
#define DEVICES_NET_FILTER_H

#include <net/ethernet.h>
#include <stdbool.h>
#include <stdint.h>

/* Addresses of a table; one that is longer lets all of its kind pass. */
#define NET_MACS_MAX 64
#define NET_VLANS    4096

/* What is looked at of a frame: two addresses, a type, a VLAN tag. */
#define NET_FILTER_BYTES 18

struct net_mac_list {
	uint8_t macs[NET_MACS_MAX][ETH_ALEN];
	uint32_t count;
	bool overflow;
};

struct net_filter {
	bool promisc, allmulti, alluni, nomulti, nouni, nobcast;
	struct net_mac_list unicast, multicast;
	bool by_vlan; /* tagged frames pass as vlans says; otherwise all */
	uint64_t vlans[NET_VLANS / 64];
};

/* Everything passes, until a driver says otherwise. */
void net_filter_reset(struct net_filter *filter);

void net_filter_set_vlan(struct net_filter *filter, uint16_t id, bool pass);

/* Whether a frame that begins with @head is for a driver whose own address is @mac. */
bool net_filter_passes(const struct net_filter *filter, const uint8_t *mac,
		       const uint8_t head[NET_FILTER_BYTES]);

#endif
