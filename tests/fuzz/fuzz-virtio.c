/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Devices behind virtio-mmio under a driver that does anything: register accesses of every width,
 * writes to memory that is cut in pieces, notifications. One operation of the input brings a queue
 * up as a good driver would, so that what follows reaches the device.
 */
#include <linux/virtio_config.h>
#include <string.h>

#include "devices/virtio-mmio.h"
#include "tests/fuzz/device.h"
#include "tests/fuzz/fuzz.h"

#define DESC        0x1000
#define AVAIL       0x2ffe /* across a boundary */
#define USED        0x3ffc
#define QUEUE_SIZE  16
#define OPS_MAX     200
#define PIECE_COUNT 5

/* Bits of the second feature word. */
#define HIGH_PACKED   (1U << (VIRTIO_F_RING_PACKED - 32))
#define HIGH_IN_ORDER (1U << (VIRTIO_F_IN_ORDER - 32))

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

static void one(struct virtio_mmio *mmio, const struct gm_memory *memory, struct fuzz_input *input)
{
	uint8_t buf[64];
	uint32_t queue;
	uint64_t at;
	size_t len;

	switch (fuzz_take(input, 1) % 6) {
	case 0: reg_write(mmio, fuzz_take(input, 2) & 0xfff, (uint32_t)fuzz_take(input, 4)); break;
	case 1:
		at = fuzz_take(input, 2) & 0xfff;
		len = 1U << (fuzz_take(input, 1) % 4);
		virtio_mmio_bus_ops.read(mmio, at, buf, (unsigned int)len);
		break;
	case 2:
		at = fuzz_take(input, 2) & 0xfff;
		len = 1U << (fuzz_take(input, 1) % 4);
		memset(buf, (int)fuzz_take(input, 1), sizeof(buf));
		virtio_mmio_bus_ops.write(mmio, at, buf, (unsigned int)len);
		break;
	case 3:
		at = fuzz_take(input, 2);
		len = fuzz_take(input, 1) % sizeof(buf);
		for (size_t i = 0; i < len; i++)
			buf[i] = (uint8_t)fuzz_take(input, 1);
		gm_write(memory, at, buf, len);
		break;
	case 4:
		queue = (uint32_t)fuzz_take(input, 1);
		bring_up(mmio, queue % 4, (uint32_t)fuzz_take(input, 4),
			 queue / 4 & (HIGH_PACKED | HIGH_IN_ORDER));
		break;
	default: reg_write(mmio, 0x050, (uint32_t)fuzz_take(input, 1) % 4); break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = {data, size};
	struct gm_memory *memory = make_memory();
	struct loop *loop = loop_new();
	struct irq_line irq = {pulse};
	struct virtio_device *device;
	struct virtio_mmio *mmio = NULL;
	struct gm_cell *cell = NULL;
	struct report report;

	if (!memory || !loop || gm_cell_new(memory, &cell))
		goto out;
	device = fuzz_device_new(fuzz_byte(&input), loop);
	if (!device || virtio_mmio_new(device, cell, loop, &irq, NULL, &mmio, &report))
		goto out;
	for (int i = 0; i < OPS_MAX && input.size; i++) {
		one(mmio, memory, &input);
		loop_turn(loop, 0);
	}
out:
	virtio_mmio_free(mmio);
	gm_cell_free(cell);
	gm_memory_put(memory);
	loop_free(loop);
	fuzz_device_end();
	return 0;
}
