/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * virtio-net (virtio 1.2, section 5.1): frames between a driver's two queues and a backend (net.h).
 *
 * A frame goes straight between the driver's buffers and the backend's system call, however it is
 * cut. In front of it stands a header, which is never left to the driver's memory: what the driver
 * says is read once, checked and handed on from here. Nothing waits for anyone: a backend that is
 * full holds the chain to be sent, a driver without buffers leaves frames to the backend's queue,
 * which loses and counts what it has no room for.
 */
#include <errno.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_net.h>
#include <stdlib.h>
#include <string.h>

#include "devices/devices.h"
#include "devices/net.h"
#include "devices/virtio.h"

enum { RX, TX };

static const uint16_t queue_sizes[] = {256, 256, 0};

#define HEADER    sizeof(struct virtio_net_hdr_v1)
#define FRAME_MIN sizeof(struct ether_header)
/* What a frame may have without segmentation by the host: one IPv4 packet of any length. */
#define FRAME_MAX (FRAME_MIN + 65535)
/* Pieces of memory of one system call, the header's included. */
#define IOV_COUNT 1024
/* Frames that may be lost in a row before the loop gets a turn. */
#define LOST_MAX 64

/* With the device's lock, but for the backend's own. */
struct net {
	struct virtio_device dev;
	struct virtio_net_config config;
	struct net_backend *backend;

	struct virtq_chain rx; /* buffers for the next frame, valid if rx_held */
	bool rx_held;
	struct virtq_chain tx; /* a frame the backend has no room for, valid if tx_held */
	bool tx_held;

	struct iovec iov[IOV_COUNT];
	uint8_t bounce[FRAME_MAX]; /* for a frame in more pieces than a system call takes */
};

/*
 * The next @len bytes of @sg as iovecs behind the header's; -1 if they cannot be accessed.
 * *@bounced says that they are in too many pieces and the bounce buffer stands in for them.
 */
static int make_iov(struct net *net, struct gm_sg sg, uint64_t len, struct virtio_net_hdr_v1 *hdr,
		    bool *bounced)
{
	uint64_t bytes;
	ssize_t n = gm_sg_iovec(&sg, len, net->iov + 1, IOV_COUNT - 1, &bytes);

	if (n < 0)
		return -1;
	net->iov[0] = (struct iovec){hdr, sizeof(*hdr)};
	*bounced = bytes < len;
	if (*bounced) {
		net->iov[1] = (struct iovec){net->bounce, len};
		n = 1;
	}
	return (int)n + 1;
}

/* --- to the backend -------------------------------------------------------------------------- */

/*
 * Send the frame of a chain. False if the backend has no room for it. What is not a frame, or needs
 * what was not offered, is lost.
 */
static bool transmit(struct net *net, const struct gm_memory *memory, const struct virtq_chain *chain)
{
	struct gm_sg sg = virtq_readable(chain, memory);
	uint64_t len = gm_sg_left(&sg) - HEADER;
	struct virtio_net_hdr_v1 hdr;
	bool bounced = false;
	int count = -1;

	if (gm_sg_left(&sg) >= HEADER + FRAME_MIN && len <= FRAME_MAX &&
	    !gm_sg_read(&sg, &hdr, HEADER) && !hdr.flags && hdr.gso_type == VIRTIO_NET_HDR_GSO_NONE)
		count = make_iov(net, sg, len, &hdr, &bounced);
	if (count >= 0 && bounced && gm_sg_read(&sg, net->bounce, len))
		count = -1;
	if (count >= 0) {
		/* What it says of things that were not agreed on is nothing. */
		memset(&hdr, 0, sizeof(hdr));
		if (net->backend->ops->send(net->backend, 0, net->iov, (unsigned int)count) >= 0) {
			net->dev.stats.bytes_read += len;
			return true;
		}
		if (errno == EAGAIN)
			return false;
	}
	net->dev.stats.errors++;
	return true;
}

static int64_t handle_tx(struct virtio_device *dev, const struct gm_memory *memory,
			 const struct virtq_chain *chain)
{
	struct net *net = (struct net *)dev;

	net->tx_held = !transmit(net, memory, chain);
	if (net->tx_held)
		net->tx = *chain;
	return net->tx_held ? VIRTIO_KEEP : 0;
}

/* Go on with the frame that waits, then with those behind it. */
static void run_tx(struct net *net)
{
	struct virtio_device *dev = &net->dev;

	if (!virtio_is_live(dev) || !dev->queues[TX].ready)
		return;
	if (net->tx_held) {
		struct gm_memory *memory = gm_cell_snapshot(dev->memory);

		net->tx_held = !transmit(net, memory, &net->tx);
		if (!net->tx_held)
			virtio_complete(dev, &dev->queues[TX], memory, net->tx.head, 0);
		gm_memory_put(memory);
	}
	if (!net->tx_held && virtio_is_live(dev))
		virtio_run_queue(dev, TX, handle_tx);
}

/* --- from the backend ------------------------------------------------------------------------ */

/* Bring a frame that was received through the bounce buffer, and its header, to the driver. */
static int deliver(struct net *net, struct gm_sg head, struct gm_sg sg, uint64_t len, bool bounced)
{
	const struct virtio_net_hdr_v1 hdr = {.num_buffers = htole16(1)};

	if (bounced)
		return gm_sg_write(&head, &hdr, HEADER) || gm_sg_write(&sg, net->bounce, len);
	gm_sg_mark_dirty(&sg, len);
	return gm_sg_write(&head, &hdr, HEADER);
}

/* Receive a frame into a chain. The bytes written; 0 if there is no frame, or none fits. */
static uint32_t receive(struct net *net, const struct gm_memory *memory,
			const struct virtq_chain *chain)
{
	struct gm_sg sg = virtq_writable(chain, memory);
	struct gm_sg head = gm_sg_take(&sg, HEADER);
	uint64_t room = gm_sg_left(&sg) < FRAME_MAX ? gm_sg_left(&sg) : FRAME_MAX;
	struct virtio_net_hdr_v1 hdr;
	bool bounced = false;
	int count = make_iov(net, sg, room, &hdr, &bounced);

	for (unsigned int lost = 0; count >= 0 && lost < LOST_MAX; lost++) {
		ssize_t len =
			net->backend->ops->receive(net->backend, 0, net->iov, (unsigned int)count);

		if (len < 0 && errno == EAGAIN)
			return 0;
		if (len > (ssize_t)HEADER &&
		    !deliver(net, head, sg, (uint64_t)len - HEADER, bounced)) {
			net->dev.stats.bytes_written += (uint64_t)len - HEADER;
			return (uint32_t)len;
		}
		net->dev.stats.errors++;
	}
	return 0;
}

static int64_t handle_rx(struct virtio_device *dev, const struct gm_memory *memory,
			 const struct virtq_chain *chain)
{
	struct net *net = (struct net *)dev;
	uint32_t len = receive(net, memory, chain);

	if (len)
		return len;
	net->rx = *chain;
	net->rx_held = true;
	return VIRTIO_KEEP;
}

/* Receive what there is, as far as there are buffers; with one left, wait for more. */
static void run_rx(struct net *net)
{
	struct virtio_device *dev = &net->dev;
	bool up = virtio_is_live(dev) && dev->queues[RX].ready;

	if (up && net->rx_held) {
		struct gm_memory *memory = gm_cell_snapshot(dev->memory);
		uint32_t len = receive(net, memory, &net->rx);

		net->rx_held = !len;
		if (len)
			virtio_complete(dev, &dev->queues[RX], memory, net->rx.head, len);
		gm_memory_put(memory);
	}
	if (up && !net->rx_held && virtio_is_live(dev))
		virtio_run_queue(dev, RX, handle_rx);
	net->backend->ops->want(net->backend, 0, up && net->rx_held);
}

/* --- what the backend calls ------------------------------------------------------------------ */

static void backend_readable(void *arg, unsigned int pair)
{
	struct net *net = arg;

	(void)pair;
	virtio_lock(&net->dev);
	run_rx(net);
	virtio_unlock(&net->dev);
}

static void backend_writable(void *arg, unsigned int pair)
{
	struct net *net = arg;

	(void)pair;
	virtio_lock(&net->dev);
	run_tx(net);
	virtio_unlock(&net->dev);
}

static void backend_link(void *arg, bool up)
{
	struct net *net = arg;
	uint16_t status = htole16(up ? VIRTIO_NET_S_LINK_UP : 0);

	virtio_lock(&net->dev);
	if (net->config.status != status) {
		net->config.status = status;
		virtio_config_changed(&net->dev);
	}
	virtio_unlock(&net->dev);
}

/* --- the device ------------------------------------------------------------------------------ */

static void net_notify(struct virtio_device *dev, unsigned int index)
{
	struct net *net = (struct net *)dev;

	if (index == RX)
		run_rx(net);
	else if (!net->tx_held)
		run_tx(net);
}

static void net_activate(struct virtio_device *dev)
{
	run_rx((struct net *)dev);
}

static void net_queue_reset(struct virtio_device *dev, unsigned int index)
{
	struct net *net = (struct net *)dev;

	if (index == TX) {
		net->tx_held = false;
		return;
	}
	net->rx_held = false;
	net->backend->ops->want(net->backend, 0, false);
}

static void net_free(struct virtio_device *dev)
{
	struct net *net = (struct net *)dev;

	net->backend->ops->close(net->backend);
	virtio_device_destroy(dev);
	free(net);
}

static const struct virtio_ops net_ops = {
	.device_id = VIRTIO_ID_NET,
	.name = "virtio-net",
	.queue_sizes = queue_sizes,
	.activate = net_activate,
	.queue_reset = net_queue_reset,
	.notify = net_notify,
	.free = net_free,
};

/* Addresses that are nobody's (locally administered), by the order of the devices. */
static void default_mac(uint8_t *mac)
{
	static uint8_t count;

	memcpy(mac, (const uint8_t[]){0x52, 0x54, 0x00, 0x12, 0x34, 0x56}, ETH_ALEN);
	mac[5] = (uint8_t)(mac[5] + count++);
}

static int net_create(const char *option, const char *args, struct loop *loop,
		      struct virtio_device **out, struct report *report)
{
	struct net *net = calloc(1, sizeof(*net));
	const struct net_handler handler = {backend_readable, backend_writable, backend_link, net};
	uint64_t features = UINT64_C(1) << VIRTIO_NET_F_MAC | UINT64_C(1) << VIRTIO_NET_F_STATUS;
	struct net_options options;

	if (!net)
		return report_fail(report, REPORT_HOST, "%s: out of memory", option);
	if (net_open(option, args ? args : "", loop, &options, &net->backend, report))
		goto fail;
	if (options.has_mac)
		memcpy(net->config.mac, options.mac, ETH_ALEN);
	else
		default_mac(net->config.mac);
	net->config.status = htole16(net->backend->link_up ? VIRTIO_NET_S_LINK_UP : 0);
	net->config.mtu = htole16(net->backend->mtu);
	if (net->backend->mtu)
		features |= UINT64_C(1) << VIRTIO_NET_F_MTU;
	if (virtio_device_init(&net->dev, &net_ops, features, &net->config,
			       offsetof(struct virtio_net_config, speed), report)) {
		net->backend->ops->close(net->backend);
		goto fail;
	}
	virtio_device_name(&net->dev, "net %s", options.backend);
	net->backend->ops->set_handler(net->backend, &handler);
	*out = &net->dev;
	return 0;

fail:
	free(net);
	return -1;
}

const struct device_type virtio_net_type = {
	.name = "net",
	.args = "user[,mac=MAC][,WORD...]",
	.help = "a network; WORDs: hostfwd=tcp::2222-:22, net=, restrict=on",
	.several = true,
	.create = net_create,
};
