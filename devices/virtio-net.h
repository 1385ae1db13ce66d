/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The cable of a network device, for whoever pulls it and plugs it in while the guest runs. The
 * device is one whose ops->device_id is VIRTIO_ID_NET. The loop's thread.
 */
#ifndef DEVICES_VIRTIO_NET_H
#define DEVICES_VIRTIO_NET_H

#include "devices/net.h"
#include "devices/virtio.h"

/*
 * The link is down, and nothing is sent or received. The backend the device was made with is kept
 * for later, any other is closed.
 */
void virtio_net_detach(struct virtio_device *dev);

/*
 * Plug in @backend, which is the device's from here on, in place of what it has; NULL: the one it
 * was made with. 0, or -1 (@report) and nothing has changed: what the device offers to drivers the
 * backend has to be able to do.
 */
int virtio_net_attach(struct virtio_device *dev, struct net_backend *backend, struct report *report);

/*
 * A backend on the UNIX socket @fd, of datagrams or packets, each of which is a frame without
 * anything in front. It closes @fd when it goes; if this fails that stays the caller's. 0 or -1
 * (@report).
 */
int net_frames_new(int fd, struct loop *loop, struct net_backend **out, struct report *report);

#endif
