/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Devices behind virtio-mmio under a driver that does anything: register accesses of every width,
 * writes to memory that is cut in pieces, notifications. One operation of the input brings a queue
 * up as a good driver would, so that what follows reaches the device.
 */
#include <fcntl.h>
#include <linux/virtio_config.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "devices/devices.h"
#include "devices/virtio-mmio.h"
#include "tests/devices/net-fake.h"
#include "tests/fuzz/fuzz.h"

#define RAM         0x10000
#define DISK        0x8000
#define DESC        0x1000
#define AVAIL       0x2ffe /* across a boundary */
#define USED        0x3ffc
#define QUEUE_SIZE  16
#define OPS_MAX     200
#define PIECE_COUNT 5

/* Bits of the second feature word. */
#define HIGH_PACKED   (1U << (VIRTIO_F_RING_PACKED - 32))
#define HIGH_IN_ORDER (1U << (VIRTIO_F_IN_ORDER - 32))

/* The input, taken from the front; zero behind its end. */
struct input {
	const uint8_t *data;
	size_t size;
};

static uint64_t take(struct input *input, size_t bytes)
{
	uint64_t value = 0;

	for (size_t i = 0; i < bytes && input->size; i++, input->size--)
		value |= (uint64_t)*input->data++ << (8 * i);
	return value;
}

static void pulse(struct irq_line *line)
{
	(void)line;
}

/* Neighbours of odd sizes, a hole, a read-only region. */
static struct gm_memory *make_memory(void)
{
	static const struct gm_region_config pieces[PIECE_COUNT] = {
		{.start = 0, .size = 0x3000},
		{.start = 0x3000, .size = 0x1001},
		{.start = 0x4001, .size = 0x4fff},
		{.start = 0xa000, .size = 0x2000},
		{.start = 0xc000, .size = 0x1000, .flags = GM_REGION_READ_ONLY},
	};
	struct gm_memory *memory;

	return gm_memory_from_configs(pieces, PIECE_COUNT, &memory, NULL) ? NULL : memory;
}

static struct virtio_device *make_device(unsigned int which, struct loop *loop)
{
	static int disk = -1;
	size_t types = 0;
	char path[64];
	struct virtio_device *device = NULL;
	struct report report;
	const struct device_type *type;
	const char *args;

	if (disk < 0)
		disk = memfd_create("disk", MFD_CLOEXEC);
	if (ftruncate(disk, DISK))
		return NULL;
	while (device_types[types])
		types++;
	type = device_types[which % types];
	/* Its real networks reach out to the host; this one has all of their features. */
	if (strcmp(type->name, "net") == 0)
		type = &net_fake_type;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", disk);
	args = strcmp(type->name, "disk") == 0      ? path
	       : strcmp(type->name, "console") == 0 ? "null"
						    : NULL;
	/* Devices that reach out to the host have targets of their own; "[" is what may be left out. */
	if (!args && type->args && *type->args != '[')
		return NULL;
	return type->create("--fuzz", args, loop, &device, &report) ? NULL : device;
}

static void reg_write(struct virtio_mmio *mmio, uint64_t offset, uint32_t value)
{
	virtio_mmio_bus_ops.write(mmio, offset, &value, sizeof(value));
}

/* @high: what of the second feature word is taken besides VERSION_1. */
static void bring_up(struct virtio_mmio *mmio, uint32_t queue, uint32_t features, uint32_t high)
{
	/* A packed ring's event suppression is aligned to four bytes. */
	const uint32_t avail = high & HIGH_PACKED ? AVAIL & ~3U : AVAIL;

	reg_write(mmio, 0x070, 0);
	reg_write(mmio, 0x070, 3);
	reg_write(mmio, 0x024, 0);
	reg_write(mmio, 0x020, features);
	reg_write(mmio, 0x024, 1);
	reg_write(mmio, 0x020, 1 | high);
	reg_write(mmio, 0x070, 11);
	reg_write(mmio, 0x030, queue);
	reg_write(mmio, 0x038, QUEUE_SIZE);
	reg_write(mmio, 0x080, DESC);
	reg_write(mmio, 0x090, avail);
	reg_write(mmio, 0x0a0, USED);
	reg_write(mmio, 0x044, 1);
	reg_write(mmio, 0x070, 15);
}

static void one(struct virtio_mmio *mmio, const struct gm_memory *memory, struct input *input)
{
	uint8_t buf[64];
	uint32_t queue;
	uint64_t at;
	size_t len;

	switch (take(input, 1) % 6) {
	case 0: reg_write(mmio, take(input, 2) & 0xfff, (uint32_t)take(input, 4)); break;
	case 1:
		at = take(input, 2) & 0xfff;
		len = 1U << (take(input, 1) % 4);
		virtio_mmio_bus_ops.read(mmio, at, buf, (unsigned int)len);
		break;
	case 2:
		at = take(input, 2) & 0xfff;
		len = 1U << (take(input, 1) % 4);
		memset(buf, (int)take(input, 1), sizeof(buf));
		virtio_mmio_bus_ops.write(mmio, at, buf, (unsigned int)len);
		break;
	case 3:
		at = take(input, 2);
		len = take(input, 1) % sizeof(buf);
		for (size_t i = 0; i < len; i++)
			buf[i] = (uint8_t)take(input, 1);
		gm_write(memory, at, buf, len);
		break;
	case 4:
		queue = (uint32_t)take(input, 1);
		bring_up(mmio, queue % 4, (uint32_t)take(input, 4),
			 queue / 4 & (HIGH_PACKED | HIGH_IN_ORDER));
		break;
	default: reg_write(mmio, 0x050, (uint32_t)take(input, 1) % 4); break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = {data, size};
	struct gm_memory *memory = make_memory();
	struct loop *loop = loop_new();
	struct irq_line irq = {pulse};
	struct virtio_device *device;
	struct virtio_mmio *mmio = NULL;
	struct gm_cell *cell = NULL;
	struct report report;

	if (!memory || !loop || gm_cell_new(memory, &cell))
		goto out;
	device = make_device((unsigned int)take(&input, 1), loop);
	if (!device || virtio_mmio_new(device, cell, loop, &irq, NULL, &mmio, &report))
		goto out;
	for (int i = 0; i < OPS_MAX && input.size; i++)
		one(mmio, memory, &input);
out:
	virtio_mmio_free(mmio);
	gm_cell_free(cell);
	gm_memory_put(memory);
	loop_free(loop);
	return 0;
}
