/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * soak=ROUNDS, or as many as there is time for in soakseconds=: all disks at work, each with a
 * queue of its own, while another device gets nonsense written to every register it has. What the
 * disks hold must be what was written; the device may break as often as it likes. For scripts/soak,
 * which looks at the images afterwards.
 */
#include <stddef.h>

#include "guest/blk.h"
#include "guest/cmdline.h"
#include "guest/cpu.h"
#include "guest/interrupts.h"
#include "guest/memory.h"
#include "guest/string.h"
#include "guest/tap.h"
#include "guest/tests/tests.h"
#include "guest/virtio-pci.h"

#define DISKS_MAX   31
#define RING_SIZE   4 /* a request has three descriptors */
#define FLUSH_EVERY 16
#define BREAK_EVERY 8
#define WRITES      32 /* of nonsense between two rounds */

/* What has the registers, and a little more. */
#define COMMON_BYTES 0x48
#define MMIO_BYTES   0x180

#define TICKS_PER_SECOND 100

struct disk {
	struct blk blk;
	/* Of either format. */
	_Alignas(16) uint8_t desc[16 * RING_SIZE];
	_Alignas(4) uint8_t avail[6 + 2 * RING_SIZE];
	_Alignas(4) uint8_t used[6 + 8 * RING_SIZE];
};

static struct disk disks[DISKS_MAX];
static uint64_t sent[ABI_SECTOR_SIZE / 8], back[ABI_SECTOR_SIZE / 8];

static unsigned int start_disks(void)
{
	struct virtio_device *device;
	unsigned int count = 0;

	while (count < DISKS_MAX && (device = virtio_find(VIRTIO_ID_BLOCK, count))) {
		struct disk *disk = &disks[count];
		const struct virtq_place place = {
			.size = RING_SIZE,
			.desc = (uint64_t)disk->desc,
			.avail = (uint64_t)disk->avail,
			.used = (uint64_t)disk->used,
		};

		if (!CHECK(blk_open(&disk->blk, device, &place), "disk %u does not start", count) ||
		    !CHECK(disk->blk.scratch_count, "disk %u has no room", count))
			return 0;
		count++;
	}
	return count;
}

/* A sector written, flushed now and then, and read back. */
static bool use_disk(unsigned int index, uint64_t round)
{
	struct blk *blk = &disks[index].blk;
	uint64_t sector = blk->scratch + round % blk->scratch_count;
	struct blk_request flush = {.type = BLK_FLUSH};
	uint32_t status;

	for (unsigned int word = 0; word < ABI_SECTOR_SIZE / 8; word++)
		sent[word] = abi_record(round, index, word);
	memset(back, 0, sizeof(back));
	status = blk_transfer(blk, BLK_OUT, sector, (uint64_t)sent, sizeof(sent));
	if (status == BLK_OK && round % FLUSH_EVERY == 0 && blk->device->features & BLK_FEATURE_FLUSH)
		status = blk_submit(blk, &flush);
	if (status == BLK_OK)
		status = blk_transfer(blk, BLK_IN, sector, (uint64_t)back, sizeof(back));
	return CHECK(status == BLK_OK, "disk %u, round %lu: status %u", index, round, status) &&
	       CHECK(memcmp(back, sent, sizeof(sent)) == 0, "disk %u, round %lu: reads otherwise",
		     index, round);
}

/* Rings where there is no memory, so that the device cannot do what it is told. */
static void place_rings_nowhere(const struct virtio_device *victim)
{
	static const uint32_t areas[] = {VIRTIO_QUEUE_DESC, VIRTIO_QUEUE_AVAIL, VIRTIO_QUEUE_USED};

	virtio_write(victim, VIRTIO_QUEUE_SELECT, 0);
	for (size_t i = 0; i < sizeof(areas) / sizeof(areas[0]); i++)
		virtio_write64(victim, areas[i], memory_random() | 1ull << 45);
}

/* A driver that does all as it should, up to where its rings are. */
static void break_device(struct virtio_device *victim)
{
	if (!virtio_start(victim, 0))
		return;
	place_rings_nowhere(victim);
	virtio_write(victim, VIRTIO_QUEUE_NUM, RING_SIZE);
	virtio_write(victim, VIRTIO_QUEUE_READY, 1);
	virtio_ready(victim);
	virtio_write(victim, VIRTIO_QUEUE_NOTIFY, 0);
}

static void write_nonsense(const struct virtio_device *victim)
{
	static const uint32_t registers[] = {
		VIRTIO_DEVICE_SELECT, VIRTIO_DRIVER_FEATURES, VIRTIO_DRIVER_SELECT,
		VIRTIO_QUEUE_SELECT,  VIRTIO_QUEUE_NUM,       VIRTIO_QUEUE_READY,
		VIRTIO_QUEUE_NOTIFY,  VIRTIO_STATUS,          VIRTIO_QUEUE_RESET,
	};
	static const uint32_t values[] = {0,  1,  2,   4,   7,      8,         15,
					  16, 64, 128, 256, 0xffff, 0xffffffff};
	uint64_t random = memory_random();
	uint32_t reg = registers[random % (sizeof(registers) / sizeof(registers[0]))];
	uint32_t value = random >> 32 & 1
				 ? (uint32_t)(random >> 33)
				 : values[(random >> 33) % (sizeof(values) / sizeof(values[0]))];

	virtio_write(victim, reg, value);
	/* A reset puts the rings at 0, where there is memory. */
	if (reg == VIRTIO_STATUS)
		place_rings_nowhere(victim);
	virtio_read(victim, reg);
	virtio_offered(victim);
}

/* Where no register begins, across two, behind the last one; with each width there is. */
static void write_anywhere(const struct virtio_device *victim)
{
	uint64_t random = memory_random(), value = memory_random();
	uint64_t address = victim->pci ? victim->pci->common + random % COMMON_BYTES
				       : victim->base + random % MMIO_BYTES;

	switch (random >> 32 & 3) {
	case 0: mmio_write8(address, (uint8_t)value); break;
	case 1: mmio_write16(address, (uint16_t)value); break;
	case 2: mmio_write(address, (uint32_t)value); break;
	default: mmio_read8(address); break;
	}
	place_rings_nowhere(victim);
}

/* Ports that a PC has, or nobody; none that ends the machine or moves a device. */
static void use_ports(void *arg)
{
	static const uint16_t ports[] = {0x70, 0x71, 0x80, 0x2f8, 0x3fc, 0x3ff, 0x510, 0x60, 0xcf9};
	uint64_t random = *(uint64_t *)arg;

	for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++) {
		/* The clock's and the scratch register's; the others are read. */
		if (ports[i] == 0x70 || ports[i] == 0x80 || ports[i] == 0x3ff)
			outb(ports[i], (uint8_t)(random >> 8 * (i & 7)));
		inb(ports[i]);
	}
}

void test_soak(void)
{
	struct virtio_device *victim = virtio_find(VIRTIO_ID_RNG, 0);
	uint64_t rounds = cmdline_get(ABI_KEY_SOAK, 0), round, random;
	uint64_t last = cmdline_get(ABI_KEY_SOAK_SECONDS, 0) * TICKS_PER_SECOND;
	unsigned int count;

	if (!rounds && !last) {
		tap_skip("no soak=");
		return;
	}
	count = start_disks();
	if (!CHECK(count, "no disks"))
		return;
	last += ticks();
	for (round = 0; round < rounds || ticks() < last; round++) {
		if (victim && round % BREAK_EVERY == 0)
			break_device(victim);
		for (unsigned int i = 0; victim && i < WRITES; i++) {
			write_nonsense(victim);
			write_anywhere(victim);
		}
		random = memory_random();
		ring0(use_ports, &random);
		for (unsigned int i = 0; i < count; i++) {
			if (!use_disk(i, round))
				return;
		}
		/* As long as it goes on it does not hang. */
		watchdog_restart();
	}
	tap_note("%u disks, %lu rounds%s", count, round, victim ? ", beside nonsense" : "");
}
