/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The receive filter of a network device; see net-filter.h. */
#include "devices/net-filter.h"

#include <string.h>

void net_filter_reset(struct net_filter *filter)
{
	*filter = (struct net_filter){.promisc = true};
}

void net_filter_set_vlan(struct net_filter *filter, uint16_t id, bool pass)
{
	const uint64_t bit = UINT64_C(1) << id % 64;

	if (pass)
		filter->vlans[id / 64] |= bit;
	else
		filter->vlans[id / 64] &= ~bit;
}

static bool is_listed(const struct net_mac_list *list, const uint8_t *mac)
{
	for (uint32_t i = 0; i < list->count; i++) {
		if (memcmp(list->macs[i], mac, ETH_ALEN) == 0)
			return true;
	}
	return list->overflow;
}

static bool vlan_passes(const struct net_filter *filter, const uint8_t *head)
{
	unsigned int type = head[12] << 8 | head[13], id = (head[14] << 8 | head[15]) % NET_VLANS;

	return !filter->by_vlan || type != ETHERTYPE_VLAN || (filter->vlans[id / 64] >> id % 64 & 1);
}

bool net_filter_passes(const struct net_filter *filter, const uint8_t *mac,
		       const uint8_t head[NET_FILTER_BYTES])
{
	static const uint8_t everybody[ETH_ALEN] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

	if (filter->promisc)
		return true;
	if (!vlan_passes(filter, head))
		return false;
	if (memcmp(head, everybody, ETH_ALEN) == 0)
		return !filter->nobcast;
	if (head[0] & 1)
		return !filter->nomulti && (filter->allmulti || is_listed(&filter->multicast, head));
	return !filter->nouni && (filter->alluni || memcmp(head, mac, ETH_ALEN) == 0 ||
				  is_listed(&filter->unicast, head));
}
