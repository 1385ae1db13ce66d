/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * What requests do to devices. A device is called by its type and a number, in the order of the
 * command line: disk0, disk1, net0.
 */
#include "vmm/control-devices.h"

#include <linux/virtio_ids.h>
#include <stdio.h>
#include <string.h>

static const struct {
	uint32_t id;
	const char *name;
} types[] = {
	{VIRTIO_ID_BLOCK, "disk"},      {VIRTIO_ID_NET, "net"}, {VIRTIO_ID_CONSOLE, "console"},
	{VIRTIO_ID_BALLOON, "balloon"}, {VIRTIO_ID_RNG, "rng"}, {VIRTIO_ID_VSOCK, "vsock"},
};

/* "disk1" for the slot @index. */
static void name_device(const struct machine *machine, size_t index, char *name, size_t size)
{
	uint32_t id = machine->slots[index].device->ops->device_id;
	const char *type = "device";
	unsigned int before = 0;

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (types[i].id == id)
			type = types[i].name;
	}
	for (size_t i = 0; i < index; i++)
		before += machine->slots[i].device->ops->device_id == id;
	snprintf(name, size, "%s%u", type, before);
}

json_t *control_devices(const struct machine *machine)
{
	json_t *devices = json_array();

	for (size_t i = 0; i < machine->slot_count; i++) {
		json_t *device = json_object();
		char name[32];

		name_device(machine, i, name, sizeof(name));
		json_object_set_new(device, "name", json_string(name));
		json_object_set_new(device, "what", control_text(machine->slots[i].device->name));
		json_array_append_new(devices, device);
	}
	return devices;
}
