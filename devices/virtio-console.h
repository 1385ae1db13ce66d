/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The ports of a console device, for who looks for one by its name. The device is one whose
 * ops->device_id is VIRTIO_ID_CONSOLE; all of this is constant once it is made.
 */
#ifndef DEVICES_VIRTIO_CONSOLE_H
#define DEVICES_VIRTIO_CONSOLE_H

#include "devices/chardev.h"
#include "devices/virtio.h"

/* Port @index, of which 0 is the console itself with the name ""; NULL behind the last. */
struct chardev *virtio_console_port(const struct virtio_device *dev, unsigned int index,
				    const char **name);

#endif
