/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The table of device types: a new device is its file and two lines here. */
#include "devices/devices.h"

extern const struct device_type virtio_blk_type;
extern const struct device_type virtio_rng_type;
extern const struct device_type virtio_console_type;
extern const struct device_type virtio_vsock_type;
extern const struct device_type virtio_net_type;
extern const struct device_type virtio_balloon_type;

const struct device_type *const device_types[] = {
	&virtio_blk_type,     /* --disk */
	&virtio_rng_type,     /* --rng */
	&virtio_console_type, /* --console */
	&virtio_vsock_type,   /* --vsock */
	&virtio_net_type,     /* --net */
	&virtio_balloon_type, /* --balloon */
	NULL,
};

int device_check(const struct device_type *type, const char *option, const char *args,
		 struct loop *loop, struct report *report)
{
	struct virtio_device *device;

	if (type->check)
		return type->check(option, args, report);
	if (type->create(option, args, loop, &device, report))
		return -1;
	virtio_device_free(device);
	return 0;
}
