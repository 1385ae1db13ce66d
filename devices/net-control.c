/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The control queue of a network device (virtio 1.2, section 5.1.6.5): what a driver wants to
 * receive, by which address, on how many pairs of queues, in need of what. A command is read and
 * checked as a whole before anything of it is done.
 */
#include <string.h>

#include "devices/net-device.h"

/* A command's data is what @data has; false: it is not done, and nothing has changed. */
typedef bool command_fn(struct net *net, uint8_t cmd, struct gm_sg *data);

/* Exactly @len bytes, and nothing behind them. */
static bool take_all(struct gm_sg *data, void *to, size_t len)
{
	return gm_sg_left(data) == len && !gm_sg_read(data, to, len);
}

/* --- receive filter -------------------------------------------------------------------------- */

static bool rx_mode(struct net *net, uint8_t cmd, struct gm_sg *data)
{
	bool *const modes[] = {
		[VIRTIO_NET_CTRL_RX_PROMISC] = &net->filter.promisc,
		[VIRTIO_NET_CTRL_RX_ALLMULTI] = &net->filter.allmulti,
		[VIRTIO_NET_CTRL_RX_ALLUNI] = &net->filter.alluni,
		[VIRTIO_NET_CTRL_RX_NOMULTI] = &net->filter.nomulti,
		[VIRTIO_NET_CTRL_RX_NOUNI] = &net->filter.nouni,
		[VIRTIO_NET_CTRL_RX_NOBCAST] = &net->filter.nobcast,
	};
	uint8_t on;

	if (!take_all(data, &on, sizeof(on)) || on > 1)
		return false;
	*modes[cmd] = on;
	return true;
}

/* A table: a count and so many addresses. One that is longer than ours is told from a lie. */
static bool take_macs(struct gm_sg *data, struct net_mac_list *list)
{
	uint32_t count;
	uint64_t len;

	if (gm_sg_read(data, &count, sizeof(count)))
		return false;
	list->count = le32toh(count);
	len = (uint64_t)list->count * ETH_ALEN;
	if (len > gm_sg_left(data))
		return false;
	list->overflow = list->count > NET_MACS_MAX;
	if (!list->overflow)
		return !gm_sg_read(data, list->macs, len);
	list->count = 0;
	return gm_sg_skip(data, len) == len;
}

static bool mac_table_set(struct net *net, uint8_t cmd, struct gm_sg *data)
{
	struct net_mac_list unicast, multicast;

	(void)cmd;
	if (!take_macs(data, &unicast) || !take_macs(data, &multicast) || gm_sg_left(data))
		return false;
	net->filter.unicast = unicast;
	net->filter.multicast = multicast;
	return true;
}

static bool mac_addr_set(struct net *net, uint8_t cmd, struct gm_sg *data)
{
	uint8_t mac[ETH_ALEN];

	(void)cmd;
	if (!take_all(data, mac, sizeof(mac)) || !net_is_device_mac(mac))
		return false;
	net_set_mac(net, mac);
	return true;
}

static bool vlan(struct net *net, uint8_t cmd, struct gm_sg *data)
{
	uint16_t id;

	if (!take_all(data, &id, sizeof(id)) || le16toh(id) >= NET_VLANS)
		return false;
	net_filter_set_vlan(&net->filter, le16toh(id), cmd == VIRTIO_NET_CTRL_VLAN_ADD);
	return true;
}

/* --- queues and offloads --------------------------------------------------------------------- */

static bool vq_pairs_set(struct net *net, uint8_t cmd, struct gm_sg *data)
{
	uint16_t pairs;

	(void)cmd;
	return take_all(data, &pairs, sizeof(pairs)) && !net_set_pairs(net, le16toh(pairs));
}

static bool guest_offloads_set(struct net *net, uint8_t cmd, struct gm_sg *data)
{
	uint64_t offloads;

	(void)cmd;
	return take_all(data, &offloads, sizeof(offloads)) &&
	       !net_set_guest_offloads(net, le64toh(offloads));
}

/* --- commands -------------------------------------------------------------------------------- */

/* Each with the feature the driver must have agreed to. */
static const struct {
	uint8_t class, cmd, feature;
	command_fn *act;
} commands[] = {
	{VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_PROMISC, VIRTIO_NET_F_CTRL_RX, rx_mode},
	{VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_ALLMULTI, VIRTIO_NET_F_CTRL_RX, rx_mode},
	{VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_ALLUNI, VIRTIO_NET_F_CTRL_RX_EXTRA, rx_mode},
	{VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_NOMULTI, VIRTIO_NET_F_CTRL_RX_EXTRA, rx_mode},
	{VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_NOUNI, VIRTIO_NET_F_CTRL_RX_EXTRA, rx_mode},
	{VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_NOBCAST, VIRTIO_NET_F_CTRL_RX_EXTRA, rx_mode},
	{VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, VIRTIO_NET_F_CTRL_RX, mac_table_set},
	{VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, VIRTIO_NET_F_CTRL_MAC_ADDR, mac_addr_set},
	{VIRTIO_NET_CTRL_VLAN, VIRTIO_NET_CTRL_VLAN_ADD, VIRTIO_NET_F_CTRL_VLAN, vlan},
	{VIRTIO_NET_CTRL_VLAN, VIRTIO_NET_CTRL_VLAN_DEL, VIRTIO_NET_F_CTRL_VLAN, vlan},
	{VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, VIRTIO_NET_F_MQ, vq_pairs_set},
	{VIRTIO_NET_CTRL_GUEST_OFFLOADS, VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET,
	 VIRTIO_NET_F_CTRL_GUEST_OFFLOADS, guest_offloads_set},
};

static bool execute(struct net *net, struct gm_sg *data)
{
	struct virtio_net_ctrl_hdr hdr;

	if (gm_sg_read(data, &hdr, sizeof(hdr)))
		return false;
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
		if (commands[i].class == hdr.class && commands[i].cmd == hdr.cmd)
			return virtio_has_feature(&net->dev, commands[i].feature) &&
			       commands[i].act(net, hdr.cmd, data);
	}
	return false;
}

static int64_t handle(struct virtio_device *dev, const struct gm_memory *memory,
		      const struct virtq_chain *chain)
{
	struct net *net = (struct net *)dev;
	struct gm_sg data = virtq_readable(chain, memory), answer = virtq_writable(chain, memory);
	uint8_t ack;

	if (!chain->writable_len) {
		virtio_break(dev, "a command without room for its answer");
		return VIRTIO_KEEP;
	}
	ack = execute(net, &data) ? VIRTIO_NET_OK : VIRTIO_NET_ERR;
	dev->stats.errors += ack != VIRTIO_NET_OK;
	return gm_sg_write(&answer, &ack, sizeof(ack)) ? 0 : sizeof(ack);
}

void net_control(struct net *net, unsigned int index)
{
	virtio_run_queue(&net->dev, index, handle);
}
