/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Requests to every device, from a driver that knows how rings work and may do anything else: whole
 * chains whose bytes and shape are the input's, on both ring formats, with registers, descriptors
 * and memory changed before the device looks and while requests are in flight, and things happening
 * at the host side. fuzz-virtio has the registers, fuzz-queue the rings by themselves.
 */
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>
#include <string.h>

#include "devices/virtio-mmio.h"
#include "tests/fuzz/device.h"

#define RAM        0x40000
#define QUEUES     10
#define QUEUE_SIZE 16
#define RING(q)    (0x1000 * (gm_addr)(q))
#define DRIVER     0x400 /* of a ring's page: available ring or event suppression */
#define CUT        0x800 /* where one piece of RAM ends and the next begins */
#define DEVICE     0x7fc /* used ring or event suppression, across that */
#define TABLE      0x800 /* an indirect table */
#define BUFFERS    0x10000
#define BYTES_MAX  256 /* of a readable buffer that come from the input */
#define OPS_MAX    100

struct driver {
	struct gm_memory *memory;
	struct virtio_mmio *mmio;
	struct virtio_device *device;
	struct loop *loop;
	bool packed;
	uint64_t features;
	gm_addr buffers;        /* where the next one goes */
	uint16_t next[QUEUES];  /* descriptor to use */
	uint16_t avail[QUEUES]; /* index of the available ring */
	bool wrap[QUEUES];      /* packed: the wrap counter */
};

static void pulse(struct irq_line *line)
{
	(void)line;
}

static void reg_write(struct driver *d, uint64_t offset, uint32_t value)
{
	virtio_mmio_bus_ops.write(d->mmio, offset, &value, sizeof(value));
}

static uint32_t reg_read(struct driver *d, uint64_t offset)
{
	uint32_t value = 0;

	virtio_mmio_bus_ops.read(d->mmio, offset, &value, sizeof(value));
	return value;
}

static void set_queue(struct driver *d, uint32_t queue)
{
	static const uint8_t zero[0x1000];

	gm_write(d->memory, RING(queue), zero, sizeof(zero));
	d->next[queue] = 0;
	d->avail[queue] = 0;
	d->wrap[queue] = true;
	reg_write(d, VIRTIO_MMIO_QUEUE_SEL, queue);
	reg_write(d, VIRTIO_MMIO_QUEUE_NUM, QUEUE_SIZE);
	reg_write(d, VIRTIO_MMIO_QUEUE_DESC_LOW, (uint32_t)RING(queue));
	reg_write(d, VIRTIO_MMIO_QUEUE_AVAIL_LOW, (uint32_t)RING(queue) + DRIVER);
	reg_write(d, VIRTIO_MMIO_QUEUE_USED_LOW, (uint32_t)RING(queue) + DEVICE);
	reg_write(d, VIRTIO_MMIO_QUEUE_READY, 1);
}

/* Reset and go, with what is offered of the features wanted. */
static void start(struct driver *d)
{
	reg_write(d, VIRTIO_MMIO_STATUS, 0);
	reg_write(d, VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER);
	for (uint32_t word = 0; word < 2; word++) {
		reg_write(d, VIRTIO_MMIO_DEVICE_FEATURES_SEL, word);
		reg_write(d, VIRTIO_MMIO_DRIVER_FEATURES_SEL, word);
		reg_write(d, VIRTIO_MMIO_DRIVER_FEATURES,
			  reg_read(d, VIRTIO_MMIO_DEVICE_FEATURES) &
				  (uint32_t)(d->features >> (32 * word)));
	}
	reg_write(d, VIRTIO_MMIO_STATUS,
		  VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK);
	for (uint32_t queue = 0; queue < QUEUES; queue++)
		set_queue(d, queue);
	reg_write(d, VIRTIO_MMIO_STATUS,
		  VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER |
			  VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK);
}

static void put_desc(struct driver *d, gm_addr at, gm_addr addr, uint32_t len, uint16_t third,
		     uint16_t fourth)
{
	const uint64_t words[] = {addr, len | (uint64_t)third << 32 | (uint64_t)fourth << 48};

	gm_write(d->memory, at, words, sizeof(words));
}

/* Flags that make an entry of a packed ring the device's. */
static uint16_t owned(const struct driver *d, uint32_t queue)
{
	return d->wrap[queue] ? 1 << VRING_PACKED_DESC_F_AVAIL : 1 << VRING_PACKED_DESC_F_USED;
}

/* The next entry of the ring, for both formats. The flags are as in a split ring. */
static void put_next(struct driver *d, uint32_t queue, gm_addr addr, uint32_t len, uint16_t flags)
{
	uint16_t index = d->next[queue], next = (uint16_t)((index + 1) % QUEUE_SIZE);
	gm_addr at = RING(queue) + 16 * (gm_addr)index;

	if (d->packed)
		put_desc(d, at, addr, len, index, flags | owned(d, queue));
	else
		put_desc(d, at, addr, len, flags, next);
	d->next[queue] = next;
	if (next == 0)
		d->wrap[queue] = !d->wrap[queue];
}

static void make_available(struct driver *d, uint32_t queue, uint16_t head)
{
	gm_addr ring = RING(queue) + DRIVER;

	if (d->packed)
		return;
	gm_write(d->memory, ring + 4 + 2 * (d->avail[queue] % QUEUE_SIZE), &head, sizeof(head));
	d->avail[queue]++;
	gm_write(d->memory, ring + 2, &d->avail[queue], sizeof(d->avail[queue]));
}

/* Fill the next buffer with what the input says, or with nothing; returns where it is. */
static gm_addr make_buffer(struct driver *d, struct fuzz_input *input, bool write, uint32_t len)
{
	uint8_t bytes[BYTES_MAX];
	gm_addr at = d->buffers;

	if (!write) {
		uint32_t n = len < BYTES_MAX ? len : BYTES_MAX;

		fuzz_bytes(input, bytes, n);
		gm_write(d->memory, at, bytes, n);
	}
	d->buffers += len;
	if (d->buffers >= RAM)
		d->buffers = BUFFERS;
	return at;
}

/* Few bytes, to the byte, or many: what disks and frames take. */
static uint32_t some_length(struct fuzz_input *input)
{
	uint32_t len = fuzz_byte(input);

	return len < 0xa0 ? len : (len - 0x9f) * 256;
}

/* A chain: how many buffers, an indirect table or not, and for each its length and direction. */
static void request(struct driver *d, struct fuzz_input *input)
{
	uint8_t how = fuzz_byte(input), shape = fuzz_byte(input);
	uint32_t queue = how % QUEUES, count = 1 + shape % 4;
	uint16_t head = d->next[queue];
	bool indirect = shape & 4;

	for (uint32_t i = 0; i < count; i++) {
		bool write = shape >> (4 + i) & 1;
		uint32_t len = some_length(input);
		uint16_t flags = write ? VRING_DESC_F_WRITE : 0;
		gm_addr addr;

		addr = shape & 8 ? fuzz_take(input, 3) : make_buffer(d, input, write, len);
		flags |= i + 1 < count ? VRING_DESC_F_NEXT : 0;
		if (!indirect)
			put_next(d, queue, addr, len, flags);
		else if (d->packed)
			put_desc(d, RING(queue) + TABLE + 256 + 16 * i, addr, len, 0, flags);
		else
			put_desc(d, RING(queue) + TABLE + 256 + 16 * i, addr, len, flags,
				 (uint16_t)(i + 1));
	}
	if (indirect)
		put_next(d, queue, RING(queue) + TABLE + 256, 16 * count, VRING_DESC_F_INDIRECT);
	make_available(d, queue, head);
	if (how < 0xc0)
		reg_write(d, VIRTIO_MMIO_QUEUE_NOTIFY, queue);
}

/* Some bytes anywhere, likely where they matter. */
static void mutate(struct driver *d, struct fuzz_input *input)
{
	uint8_t how = fuzz_byte(input);
	gm_addr at = fuzz_take(input, 2);
	uint64_t value = fuzz_take(input, 1 + (how & 7));

	if (how & 0x80)
		at = RING(how / 8 % QUEUES) + at % 0x1000;
	gm_write(d->memory, at, &value, 1 + (how & 7));
}

static void one_register(struct driver *d, struct fuzz_input *input)
{
	uint64_t offset = fuzz_byte(input) * UINT64_C(4);
	uint32_t value = (uint32_t)fuzz_take(input, 2);

	if (value & 0x8000)
		reg_read(d, offset);
	else
		reg_write(d, offset, value);
}

static void queue_again(struct driver *d, struct fuzz_input *input)
{
	uint32_t queue = fuzz_byte(input) % QUEUES;

	reg_write(d, VIRTIO_MMIO_QUEUE_SEL, queue);
	reg_write(d, 0x0c0, 1); /* QueueReset */
	set_queue(d, queue);
}

static void one(struct driver *d, struct fuzz_input *input)
{
	uint8_t op = fuzz_byte(input) % 16;

	if (op < 8)
		request(d, input);
	else if (op < 10)
		fuzz_device_event(d->device, input);
	else if (op < 12)
		mutate(d, input);
	else if (op == 12)
		one_register(d, input);
	else if (op == 13)
		queue_again(d, input);
	else if (op == 14)
		reg_write(d, VIRTIO_MMIO_QUEUE_NOTIFY, fuzz_byte(input) % QUEUES);
	else
		start(d);
	/* More often than not the loop has its turn. */
	if (op != 7)
		loop_turn(d->loop, 0);
}

/*
 * RAM cut in the middle of every ring and of buffers, and something that may not be written to. The
 * cuts of rings keep indexes aligned for the host, or no queue behind an odd one would ever work.
 */
static struct gm_memory *make_memory(void)
{
	static const gm_addr cuts[] = {BUFFERS, 0x11003, 0x11103, RAM, RAM + 0x4000};
	struct gm_region_config pieces[QUEUES + sizeof(cuts) / sizeof(cuts[0])] = {{0}};
	struct gm_memory *memory;
	size_t count = 0;
	gm_addr at = 0;

	for (gm_addr queue = 0; queue < QUEUES; queue++) {
		pieces[count++] =
			(struct gm_region_config){.start = at, .size = RING(queue) + CUT - at};
		at = RING(queue) + CUT;
	}
	for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
		pieces[count++] = (struct gm_region_config){.start = at, .size = cuts[i] - at};
		at = cuts[i];
	}
	pieces[count - 1].flags = GM_REGION_READ_ONLY;
	FUZZ_CHECK(!gm_memory_from_configs(pieces, count, &memory, NULL));
	return memory;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = {data, size};
	struct irq_line irq = {pulse};
	struct driver d = {.memory = make_memory(), .loop = loop_new(), .buffers = BUFFERS};
	struct gm_cell *cell;
	struct report report;

	FUZZ_CHECK(d.loop && !gm_cell_new(d.memory, &cell));
	d.device = fuzz_device_new(fuzz_byte(&input), d.loop);
	FUZZ_CHECK(!virtio_mmio_new(d.device, cell, d.loop, &irq, NULL, &d.mmio, &report));
	/* All that is offered, but for what the input leaves out. */
	d.features = ~fuzz_take(&input, 5);
	d.packed = d.features >> VIRTIO_F_RING_PACKED & 1;
	d.features |= UINT64_C(1) << VIRTIO_F_VERSION_1;
	start(&d);
	for (int i = 0; i < OPS_MAX && input.size; i++)
		one(&d, &input);
	virtio_mmio_free(d.mmio);
	gm_cell_free(cell);
	gm_memory_put(d.memory);
	loop_free(d.loop);
	fuzz_device_end();
	return 0;
}
