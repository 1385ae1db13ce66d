/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * virtio-net (virtio 1.2, section 5.1): frames between a driver's queues and a backend (net.h).
 * Here are the features, the configuration and the life of the device; frames are net-transmit.c's
 * and net-receive.c's, the driver's commands net-control.c's.
 *
 * Nothing waits for anyone: a backend that is full leaves frames in the driver's queue, a driver
 * without buffers leaves them in the backend's, which loses and counts what it has no room for.
 */
#include <linux/virtio_ids.h>
#include <stdlib.h>
#include <string.h>

#include "devices/devices.h"
#include "devices/net-device.h"
#include "devices/virtio-net.h"

/* What is offered whatever the backend can do. */
#define OWN_FEATURES                                                                     \
	(NET_FEATURE(VIRTIO_NET_F_MAC) | NET_FEATURE(VIRTIO_NET_F_STATUS) |              \
	 NET_FEATURE(VIRTIO_NET_F_MRG_RXBUF) | NET_FEATURE(VIRTIO_NET_F_CTRL_VQ) |       \
	 NET_FEATURE(VIRTIO_NET_F_CTRL_RX) | NET_FEATURE(VIRTIO_NET_F_CTRL_RX_EXTRA) |   \
	 NET_FEATURE(VIRTIO_NET_F_CTRL_VLAN) | NET_FEATURE(VIRTIO_NET_F_CTRL_MAC_ADDR) | \
	 NET_FEATURE(VIRTIO_NET_F_SPEED_DUPLEX))

#define CONTROL_QUEUE_SIZE 64

/* --- features -------------------------------------------------------------------------------- */

/* Features that are of no use without one of others (5.1.3.1). */
static const struct {
	uint64_t features;
	uint64_t need;
} dependencies[] = {
	{NET_FEATURE(VIRTIO_NET_F_GUEST_TSO4) | NET_FEATURE(VIRTIO_NET_F_GUEST_TSO6) |
		 NET_FEATURE(VIRTIO_NET_F_GUEST_UFO),
	 NET_FEATURE(VIRTIO_NET_F_GUEST_CSUM)},
	{NET_FEATURE(VIRTIO_NET_F_GUEST_ECN),
	 NET_FEATURE(VIRTIO_NET_F_GUEST_TSO4) | NET_FEATURE(VIRTIO_NET_F_GUEST_TSO6)},
	{NET_FEATURE(VIRTIO_NET_F_HOST_TSO4) | NET_FEATURE(VIRTIO_NET_F_HOST_TSO6) |
		 NET_FEATURE(VIRTIO_NET_F_HOST_UFO),
	 NET_FEATURE(VIRTIO_NET_F_CSUM)},
	{NET_FEATURE(VIRTIO_NET_F_HOST_ECN),
	 NET_FEATURE(VIRTIO_NET_F_HOST_TSO4) | NET_FEATURE(VIRTIO_NET_F_HOST_TSO6)},
	{NET_FEATURE(VIRTIO_NET_F_CTRL_RX) | NET_FEATURE(VIRTIO_NET_F_CTRL_RX_EXTRA) |
		 NET_FEATURE(VIRTIO_NET_F_CTRL_VLAN) | NET_FEATURE(VIRTIO_NET_F_CTRL_MAC_ADDR) |
		 NET_FEATURE(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS) | NET_FEATURE(VIRTIO_NET_F_MQ),
	 NET_FEATURE(VIRTIO_NET_F_CTRL_VQ)},
};

static bool net_features_ok(const struct virtio_device *dev, uint64_t features)
{
	(void)dev;
	for (size_t i = 0; i < sizeof(dependencies) / sizeof(*dependencies); i++) {
		if ((features & dependencies[i].features) && !(features & dependencies[i].need))
			return false;
	}
	return true;
}

static uint64_t features_of(const struct net *net)
{
	const struct net_backend *backend = net->backend;
	uint64_t features = OWN_FEATURES | (backend->features & NET_HOST_OFFLOADS);

	if (backend->features & NET_GUEST_OFFLOADS)
		features |= (backend->features & NET_GUEST_OFFLOADS) |
			    NET_FEATURE(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS);
	if (net->config.mtu)
		features |= NET_FEATURE(VIRTIO_NET_F_MTU);
	if (backend->max_pairs > 1)
		features |= NET_FEATURE(VIRTIO_NET_F_MQ);
	return features;
}

/* The control queue is behind the pairs, of which a driver that knows nothing of pairs has one. */
static unsigned int control_index(const struct net *net)
{
	return virtio_has_feature(&net->dev, VIRTIO_NET_F_MQ) ? 2 * net->max_pairs : 2;
}

/* --- what commands change -------------------------------------------------------------------- */

int net_set_pairs(struct net *net, unsigned int pairs)
{
	const struct net_backend_ops *ops = net->backend->ops;

	if (pairs < 1 || pairs > net->max_pairs ||
	    (ops->set_pairs && ops->set_pairs(net->backend, pairs)))
		return -1;
	net->pairs = pairs;
	/* What was made available in those that are new, and an end to those that are no more. */
	for (unsigned int i = 0; i < net->max_pairs; i++) {
		net_receive(net, i);
		net_transmit(net, i);
	}
	return 0;
}

int net_set_guest_offloads(struct net *net, uint64_t offloads)
{
	const struct net_backend_ops *ops = net->backend->ops;

	if (offloads & ~(net->dev.driver_features & NET_GUEST_OFFLOADS))
		return -1;
	if (ops->set_offload && ops->set_offload(net->backend, offloads))
		return -1;
	net->guest_offloads = offloads;
	return 0;
}

void net_set_mac(struct net *net, const uint8_t *mac)
{
	if (memcmp(net->config.mac, mac, ETH_ALEN) == 0)
		return;
	memcpy(net->config.mac, mac, ETH_ALEN);
	/* It is the driver that wants it so: it need not be interrupted. */
	net->dev.config_generation++;
}

/* --- what the backend calls ------------------------------------------------------------------ */

static void backend_readable(void *arg, unsigned int pair)
{
	struct net *net = arg;

	virtio_lock(&net->dev);
	net_receive(net, pair);
	virtio_unlock(&net->dev);
}

static void backend_writable(void *arg, unsigned int pair)
{
	struct net *net = arg;

	virtio_lock(&net->dev);
	net_transmit(net, pair);
	virtio_unlock(&net->dev);
}

/* As the backend has it that the device has now. */
static void update_link(struct net *net)
{
	uint16_t status = htole16(net->backend->link_up ? VIRTIO_NET_S_LINK_UP : 0);

	if (net->config.status != status) {
		net->config.status = status;
		virtio_config_changed(&net->dev);
	}
}

/* It may be one that is kept for later. */
static void backend_link(void *arg, bool up)
{
	struct net *net = arg;

	(void)up;
	virtio_lock(&net->dev);
	update_link(net);
	virtio_unlock(&net->dev);
}

static struct net_handler handler_of(struct net *net)
{
	return (struct net_handler){backend_readable, backend_writable, backend_link, net};
}

/* --- the cable ------------------------------------------------------------------------------- */

/* Whether the backend can do what drivers are offered, or what the one that is up relies on. */
static int check_backend(const struct net *net, const struct net_backend *backend,
			 struct report *report)
{
	if (backend->max_pairs < net->max_pairs)
		return report_fail(report, REPORT_USER,
				   "%s has %u pairs of queues, and the network %u", net->dev.name,
				   net->max_pairs, backend->max_pairs);
	if (net->dev.offered & NET_HOST_OFFLOADS & ~backend->features)
		return report_fail(report, REPORT_USER,
				   "%s leaves checksums and segmentation to the host, which this "
				   "network cannot do",
				   net->dev.name);
	return 0;
}

/* Returns the backend that is needed no more, or NULL. */
static struct net_backend *change(struct net *net, struct net_backend *backend)
{
	struct net_backend *old = net->backend;
	const struct net_backend_ops *ops = backend->ops;

	for (unsigned int i = 0; i < net->max_pairs; i++)
		old->ops->want(old, i, false);
	net->backend = backend;
	if (ops->set_pairs && ops->set_pairs(backend, net->pairs))
		device_log(&net->dev.log, net->dev.name, "the network has too few queues");
	/* Frames that need what the backend could not be told are not delivered. */
	if (ops->set_offload && ops->set_offload(backend, net->guest_offloads))
		device_log(&net->dev.log, net->dev.name, "the network sends what is not understood");
	update_link(net);
	for (unsigned int i = 0; i < net->max_pairs; i++) {
		net_receive(net, i);
		net_transmit(net, i);
	}
	return old == net->home || old == &net->none || old == backend ? NULL : old;
}

static void plug_in(struct net *net, struct net_backend *backend)
{
	struct net_backend *old;

	virtio_lock(&net->dev);
	old = change(net, backend);
	virtio_unlock(&net->dev);
	if (old)
		old->ops->close(old);
}

void virtio_net_detach(struct virtio_device *dev)
{
	struct net *net = (struct net *)dev;

	plug_in(net, &net->none);
}

int virtio_net_attach(struct virtio_device *dev, struct net_backend *backend, struct report *report)
{
	struct net *net = (struct net *)dev;
	const struct net_handler handler = handler_of(net);

	if (backend && check_backend(net, backend, report))
		return -1;
	if (backend)
		backend->ops->set_handler(backend, &handler);
	plug_in(net, backend ? backend : net->home);
	return 0;
}

/* --- the device ------------------------------------------------------------------------------ */

static void net_notify(struct virtio_device *dev, unsigned int index)
{
	struct net *net = (struct net *)dev;

	if (virtio_has_feature(dev, VIRTIO_NET_F_CTRL_VQ) && index == control_index(net))
		net_control(net, index);
	else if (index >= 2 * net->max_pairs)
		return;
	else if (index % 2)
		net_transmit(net, index / 2);
	else
		net_receive(net, index / 2);
}

static void net_activate(struct virtio_device *dev)
{
	struct net *net = (struct net *)dev;

	memset(net->expected, 0, sizeof(net->expected));
	net->filter.by_vlan = virtio_has_feature(dev, VIRTIO_NET_F_CTRL_VLAN);
	/* Frames that need what the backend could not be told are not delivered. */
	net_set_guest_offloads(net, dev->driver_features & NET_GUEST_OFFLOADS);
	net_receive(net, 0);
}

static void net_reset(struct virtio_device *dev)
{
	struct net *net = (struct net *)dev;

	net_set_pairs(net, 1);
	net_set_guest_offloads(net, 0);
	net_filter_reset(&net->filter);
	net_set_mac(net, net->permanent_mac);
}

static void net_queue_reset(struct virtio_device *dev, unsigned int index)
{
	struct net *net = (struct net *)dev;

	/* Chains are kept in the queues only; but nobody is to be woken for one that is not there. */
	if (index < 2 * net->max_pairs && index % 2 == 0)
		net->backend->ops->want(net->backend, index / 2, false);
}

static void net_count(struct virtio_device *dev, struct virtio_stats *stats)
{
	const struct net *net = (struct net *)dev;

	if (net->home->ops->dropped)
		stats->dropped += net->home->ops->dropped(net->home);
}

static void net_free(struct virtio_device *dev)
{
	struct net *net = (struct net *)dev;

	if (net->backend != net->home && net->backend != &net->none)
		net->backend->ops->close(net->backend);
	net->home->ops->close(net->home);
	virtio_device_destroy(dev);
	free(net);
}

static const struct virtio_ops net_ops = {
	.device_id = VIRTIO_ID_NET,
	.name = "virtio-net",
	.activate = net_activate,
	.reset = net_reset,
	.queue_reset = net_queue_reset,
	.notify = net_notify,
	.features_ok = net_features_ok,
	.count = net_count,
	.free = net_free,
};

/* Addresses that are nobody's (locally administered), by the order of the devices. */
static void default_mac(uint8_t *mac)
{
	static uint8_t count;

	memcpy(mac, (const uint8_t[]){0x52, 0x54, 0x00, 0x12, 0x34, 0x56}, ETH_ALEN);
	mac[5] = (uint8_t)(mac[5] + count++);
}

static void fill_config(struct net *net, const struct net_options *options)
{
	const struct net_backend *backend = net->backend;

	if (options->has_mac)
		memcpy(net->permanent_mac, options->mac, ETH_ALEN);
	else
		default_mac(net->permanent_mac);
	memcpy(net->config.mac, net->permanent_mac, ETH_ALEN);
	net->config.status = htole16(backend->link_up ? VIRTIO_NET_S_LINK_UP : 0);
	net->config.max_virtqueue_pairs = htole16((uint16_t)net->max_pairs);
	net->config.mtu = htole16(options->mtu ? options->mtu : backend->mtu);
	net->config.speed = htole32(backend->speed ? backend->speed : UINT32_MAX);
	net->config.duplex = backend->speed ? 1 : UINT8_MAX;
}

static void fill_queue_sizes(struct net *net)
{
	for (unsigned int i = 0; i < 2 * net->max_pairs; i++)
		net->queue_sizes[i] = NET_QUEUE_SIZE;
	net->queue_sizes[2UL * net->max_pairs] = CONTROL_QUEUE_SIZE;
	net->ops.queue_sizes = net->queue_sizes;
}

int net_device_new(const char *option, const struct net_options *options,
		   struct net_backend *backend, struct virtio_device **out, struct report *report)
{
	struct net *net = calloc(1, sizeof(*net));
	const struct net_handler handler = handler_of(net);

	if (!net) {
		report_fail(report, REPORT_HOST, "%s: out of memory", option);
		goto fail;
	}
	if (backend->mtu && options->mtu > backend->mtu) {
		report_fail(report, REPORT_USER, "%s: mtu '%u' is more than the network's %u",
			    option, options->mtu, backend->mtu);
		goto fail;
	}
	net->backend = net->home = backend;
	net->none = (struct net_backend){.ops = &net_none_ops, .max_pairs = backend->max_pairs};
	net->max_pairs = backend->max_pairs;
	net->pairs = 1;
	net->ops = net_ops;
	net_filter_reset(&net->filter);
	fill_config(net, options);
	fill_queue_sizes(net);
	if (virtio_device_init(&net->dev, &net->ops, features_of(net), &net->config,
			       offsetof(struct virtio_net_config, rss_max_key_size), report))
		goto fail;
	virtio_device_name(&net->dev, "net %s", options->backend);
	backend->ops->set_handler(backend, &handler);
	*out = &net->dev;
	return 0;

fail:
	backend->ops->close(backend);
	free(net);
	return -1;
}

static int net_create(const char *option, const char *args, struct loop *loop,
		      struct virtio_device **out, struct report *report)
{
	struct net_options options;
	struct net_backend *backend;

	if (net_open(option, args ? args : "", loop, &options, &backend, report))
		return -1;
	return net_device_new(option, &options, backend, out, report);
}

static int check(const char *option, const char *args, struct report *report)
{
	return net_try(option, args ? args : "", report);
}

const struct device_type virtio_net_type = {
	.name = "net",
	.args = "user|tap|none[,mac=MAC][,WORD...]",
	.help = "a network; WORDs: hostfwd=tcp::2222-:22, net=; ifname=, queues=",
	.several = true,
	.words = net_words,
	.create = net_create,
	.check = check,
};
