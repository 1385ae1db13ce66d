/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * What requests do to devices. A device is called by its type and a number, in the order of the
 * command line: disk0, disk1, net0.
 */
#include "vmm/control-devices.h"

#include <errno.h>
#include <linux/virtio_ids.h>
#include <stdio.h>
#include <string.h>

#include "devices/chardev.h"
#include "devices/virtio-balloon.h"
#include "devices/virtio-blk.h"
#include "devices/virtio-console.h"
#include "devices/virtio-net.h"

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

/* The device of type @id that is called @name; NULL: the only one there is. */
static struct virtio_device *find_device(const struct machine *machine, uint32_t id,
					 const char *type, const char *wanted, struct report *report)
{
	struct virtio_device *found = NULL;
	unsigned int count = 0;

	for (size_t i = 0; i < machine->slot_count; i++) {
		char name[32];

		if (machine->slots[i].device->ops->device_id != id)
			continue;
		name_device(machine, i, name, sizeof(name));
		if (wanted && strcmp(name, wanted) != 0)
			continue;
		found = machine->slots[i].device;
		count++;
	}
	if (count == 1)
		return found;
	if (wanted)
		report_fail(report, REPORT_USER, "there is no %s '%s'; status lists what there is",
			    type, wanted);
	else if (count)
		report_fail(report, REPORT_USER, "there are %s0 to %s%u; say which", type, type,
			    count - 1);
	else
		report_fail(report, REPORT_USER, "the machine has no %s", type);
	return NULL;
}

static void put_size(struct control_call *call, const char *name, uint64_t size)
{
	json_object_set_new(call->reply, name, json_integer((json_int_t)size));
}

/* --- disks, balloon ------------------------------------------------------------------------------- */

int control_disk_resize(struct control_target *target, struct control_call *call,
			struct report *report)
{
	struct virtio_device *disk =
		find_device(target->machine, VIRTIO_ID_BLOCK, "disk", call->text[0], report);

	if (!disk || (call->given[1] ? virtio_blk_grow(disk, call->number[1], report)
				     : virtio_blk_resized(disk, report)))
		return -1;
	put_size(call, "size", virtio_blk_size(disk));
	return 0;
}

int control_balloon(struct control_target *target, struct control_call *call, struct report *report)
{
	struct virtio_device *balloon =
		find_device(target->machine, VIRTIO_ID_BALLOON, "balloon", NULL, report);
	struct virtio_balloon_state state;

	if (!balloon)
		return -1;
	if (call->given[0] &&
	    (call->number[0] % 4096 || !virtio_balloon_set_target(balloon, call->number[0])))
		return report_fail(report, REPORT_USER,
				   "balloon: size is not a multiple of 4K below 16384G");
	virtio_balloon_state(balloon, &state);
	put_size(call, "target", state.target);
	put_size(call, "actual", state.actual);
	put_size(call, "held", state.held);
	return 0;
}

/* --- networks -------------------------------------------------------------------------------------- */

static struct virtio_device *find_net(struct control_target *target, struct control_call *call,
				      struct report *report)
{
	return find_device(target->machine, VIRTIO_ID_NET, "net", call->text[0], report);
}

int control_net_detach(struct control_target *target, struct control_call *call, struct report *report)
{
	struct virtio_device *net = find_net(target, call, report);

	if (!net)
		return -1;
	virtio_net_detach(net);
	return 0;
}

/* Into the socket that came along, or where it was. */
int control_net_attach(struct control_target *target, struct control_call *call, struct report *report)
{
	struct virtio_device *net = find_net(target, call, report);
	struct net_backend *backend = NULL;

	if (!net)
		return -1;
	if (*call->fd >= 0) {
		if (net_frames_new(*call->fd, target->machine->loop, &backend, report))
			return -1;
		*call->fd = -1;
	}
	if (virtio_net_attach(net, backend, report)) {
		if (backend)
			backend->ops->close(backend);
		return -1;
	}
	json_object_set_new(call->reply, "socket", json_boolean(backend));
	return 0;
}

/* --- consoles -------------------------------------------------------------------------------------- */

#define CONSOLE_NAME 128

/* The console @index of all that there are, and its name; NULL behind the last. */
static struct chardev *console_at(const struct machine *machine, unsigned int index,
				  char name[CONSOLE_NAME])
{
	if (index-- == 0) {
		snprintf(name, CONSOLE_NAME, "serial");
		return machine->serial_chardev;
	}
	for (size_t i = 0; i < machine->slot_count; i++) {
		const struct virtio_device *device = machine->slots[i].device;
		struct chardev *chardev;
		const char *port;
		char of[32];

		if (device->ops->device_id != VIRTIO_ID_CONSOLE)
			continue;
		name_device(machine, i, of, sizeof(of));
		for (unsigned int j = 0; (chardev = virtio_console_port(device, j, &port)); j++) {
			snprintf(name, CONSOLE_NAME, "%s%s%s", of, *port ? "/" : "", port);
			if (index-- == 0)
				return chardev;
		}
	}
	return NULL;
}

json_t *control_consoles(const struct machine *machine)
{
	json_t *names = json_array();
	char name[CONSOLE_NAME];

	for (unsigned int i = 0; console_at(machine, i, name); i++)
		json_array_append_new(names, control_text(name));
	return names;
}

/* Without a name the first console, or the serial port if there is no other. */
int control_console_attach(struct control_target *target, struct control_call *call,
			   struct report *report)
{
	const struct machine *machine = target->machine;
	const char *wanted = call->text[0];
	char name[CONSOLE_NAME];
	struct chardev *chardev = console_at(machine, 1, name);
	unsigned int i = wanted || !chardev ? 0 : 1;

	while ((chardev = console_at(machine, i, name)) && wanted && strcmp(name, wanted) != 0)
		i++;
	if (!chardev)
		return report_fail(report, REPORT_USER,
				   "there is no console '%s'; status lists what there is", wanted);
	if (chardev_is_attached(chardev))
		return report_fail(report, REPORT_USER, "somebody is at %s already", name);
	json_object_set_new(call->reply, "console", control_text(name));
	call->stream = chardev;
	return 0;
}

int control_console_become(void *target, void *stream, int fd, const char *out, size_t out_len,
			   const char *in, size_t in_len)
{
	(void)target;
	return chardev_attach(stream, fd, out, out_len, in, in_len);
}
