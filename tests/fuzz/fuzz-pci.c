/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * A device behind virtio-pci under a system and a driver that do anything: configuration space by
 * ECAM and ports, accesses of every width to the window in which its BAR is or is not, writes to
 * memory. One operation of the input brings a queue up as a good driver would. No message may leave
 * a function that is not allowed to send it, and no notification may be taken where the BAR is not.
 */
#include <linux/pci_regs.h>
#include <linux/virtio_pci.h>
#include <string.h>

#include "devices/virtio-pci.h"
#include "tests/fuzz/device.h"
#include "tests/fuzz/fuzz.h"

#define SLOT        1
#define WINDOW      0xe0000000U
#define WINDOW_SIZE 0x10000U
#define NOTIFY      0x2000
#define NOTIFY_SIZE 0x1000
#define TABLE       0x3000
#define MSIX        0x40
#define DESC        0x1000
#define AVAIL       0x2ffc /* across a boundary */
#define USED        0x3ffc
#define QUEUE_SIZE  16
#define OPS_MAX     200

struct world {
	struct msi_sink sink;
	struct notify_line line;
	struct pci_bus bus;
	struct virtio_pci *pci;
	struct gm_memory *memory;
	unsigned int attached; /* eventfds */
};

static struct world world;

static void message(struct msi_sink *sink, uint64_t address, uint32_t data)
{
	const uint8_t *config = virtio_pci_function(world.pci)->config;

	(void)sink;
	(void)address;
	(void)data;
	FUZZ_CHECK(pci_get16(config, PCI_COMMAND) & PCI_COMMAND_MASTER);
	FUZZ_CHECK((pci_get16(config, MSIX + PCI_MSIX_FLAGS) &
		    (PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL)) == PCI_MSIX_FLAGS_ENABLE);
}

static int attach(struct notify_line *line, uint64_t offset, unsigned int len, uint32_t value,
		  int eventfd)
{
	uint64_t base = virtio_pci_function(world.pci)->base;

	(void)line;
	FUZZ_CHECK(eventfd >= 0 && len == 2);
	FUZZ_CHECK(base != PCI_NOWHERE && offset == base + NOTIFY + 4ULL * value);
	FUZZ_CHECK(offset + len <= base + NOTIFY + NOTIFY_SIZE);
	world.attached++;
	return 0;
}

static void detach(struct notify_line *line, uint64_t offset, unsigned int len, uint32_t value,
		   int eventfd)
{
	(void)line;
	(void)offset;
	(void)len;
	(void)value;
	(void)eventfd;
	FUZZ_CHECK(world.attached > 0);
	world.attached--;
}

/* Neighbours of odd sizes and a hole. */
static struct gm_memory *make_memory(void)
{
	static const struct gm_region_config pieces[] = {
		{.start = 0, .size = 0x3000},
		{.start = 0x3000, .size = 0x1001},
		{.start = 0x4001, .size = 0x4fff},
		{.start = 0xa000, .size = 0x2000},
	};
	struct gm_memory *memory;

	return gm_memory_from_configs(pieces, sizeof(pieces) / sizeof(pieces[0]), &memory, NULL)
		       ? NULL
		       : memory;
}

static void config_write(unsigned int offset, unsigned int len, uint32_t value)
{
	uint8_t data[4];

	pci_put32(data, 0, value);
	pci_ecam_bus_ops.write(&world.bus, SLOT << 15 | offset, data, len);
}

static void bar_write(uint32_t offset, unsigned int len, uint32_t value)
{
	uint32_t base = virtio_pci_function(world.pci)->base;
	uint8_t data[4];

	pci_put32(data, 0, value);
	if (base != PCI_NOWHERE)
		pci_window_bus_ops.write(&world.bus, base - WINDOW + offset, data, len);
}

static void bring_up(uint32_t queue, uint32_t features, uint32_t high)
{
	config_write(PCI_BASE_ADDRESS_0, 4, WINDOW + SLOT * VIRTIO_PCI_BAR_SIZE);
	config_write(PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	config_write(MSIX + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_ENABLE);
	bar_write(TABLE, 4, 0xfee00000);
	bar_write(TABLE + PCI_MSIX_ENTRY_VECTOR_CTRL, 4, 0);
	bar_write(VIRTIO_PCI_COMMON_STATUS, 1, 0);
	bar_write(VIRTIO_PCI_COMMON_STATUS, 1, 3);
	bar_write(VIRTIO_PCI_COMMON_MSIX, 2, 0);
	bar_write(VIRTIO_PCI_COMMON_GFSELECT, 4, 0);
	bar_write(VIRTIO_PCI_COMMON_GF, 4, features);
	bar_write(VIRTIO_PCI_COMMON_GFSELECT, 4, 1);
	bar_write(VIRTIO_PCI_COMMON_GF, 4, 1 | high);
	bar_write(VIRTIO_PCI_COMMON_STATUS, 1, 11);
	bar_write(VIRTIO_PCI_COMMON_Q_SELECT, 2, queue);
	bar_write(VIRTIO_PCI_COMMON_Q_SIZE, 2, QUEUE_SIZE);
	bar_write(VIRTIO_PCI_COMMON_Q_MSIX, 2, 0);
	bar_write(VIRTIO_PCI_COMMON_Q_DESCLO, 4, DESC);
	bar_write(VIRTIO_PCI_COMMON_Q_AVAILLO, 4, AVAIL);
	bar_write(VIRTIO_PCI_COMMON_Q_USEDLO, 4, USED);
	bar_write(VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
	bar_write(VIRTIO_PCI_COMMON_STATUS, 1, 15);
}

/* An access as a vCPU makes it: a range of the machine's bus has it as a whole. */
static void access_range(const struct bus_ops *ops, uint64_t size, uint64_t at,
			 struct fuzz_input *input)
{
	unsigned int how = fuzz_byte(input), len = 1U << (how / 2 % 4);
	uint8_t data[8];

	at %= size;
	if (len > size - at)
		return;
	fuzz_bytes(input, data, how % 2 ? len : 0);
	if (how % 2)
		ops->write(&world.bus, at, data, len);
	else
		ops->read(&world.bus, at, data, len);
}

static void one(struct fuzz_input *input)
{
	uint8_t buf[64];
	uint64_t at;
	size_t len;

	switch (fuzz_byte(input) % 8) {
	case 0: access_range(&pci_ecam_bus_ops, PCI_ECAM_SIZE, fuzz_take(input, 3), input); break;
	case 1:
		at = SLOT << 15 | fuzz_byte(input);
		access_range(&pci_ecam_bus_ops, PCI_ECAM_SIZE, at, input);
		break;
	case 2: access_range(&pci_ports_bus_ops, PCI_PORTS, fuzz_byte(input), input); break;
	case 3: access_range(&pci_window_bus_ops, WINDOW_SIZE, fuzz_take(input, 2), input); break;
	case 4:
		at = SLOT * VIRTIO_PCI_BAR_SIZE + fuzz_byte(input) % 64;
		access_range(&pci_window_bus_ops, WINDOW_SIZE, at, input);
		break;
	case 5:
		at = fuzz_take(input, 2);
		len = fuzz_byte(input) % sizeof(buf);
		fuzz_bytes(input, buf, len);
		gm_write(world.memory, at, buf, len);
		break;
	case 6:
		at = fuzz_byte(input);
		bring_up(at % 4, (uint32_t)fuzz_take(input, 4), (uint32_t)fuzz_take(input, 2));
		break;
	default: bar_write(NOTIFY + fuzz_byte(input) % 4 * 4U, 2, 0); break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = {data, size};
	struct loop *loop = loop_new();
	struct virtio_device *device;
	struct gm_cell *cell = NULL;
	struct report report;

	world = (struct world){
		.sink.send = message,
		.line = {attach, detach},
		.memory = make_memory(),
	};
	pci_init(&world.bus, WINDOW, WINDOW_SIZE);
	if (!world.memory || !loop || gm_cell_new(world.memory, &cell))
		goto out;
	device = fuzz_device_new(fuzz_byte(&input), loop);
	if (!device ||
	    virtio_pci_new(device, cell, loop, &world.sink, &world.line, &world.pci, &report))
		goto out;
	pci_add(&world.bus, SLOT, virtio_pci_function(world.pci));
	for (int i = 0; i < OPS_MAX && input.size; i++) {
		one(&input);
		loop_turn(loop, 0);
	}
	pci_reset(&world.bus);
	FUZZ_CHECK(world.attached == 0);
	FUZZ_CHECK(virtio_pci_function(world.pci)->base == PCI_NOWHERE);
out:
	virtio_pci_free(world.pci);
	pci_destroy(&world.bus);
	gm_cell_free(cell);
	gm_memory_put(world.memory);
	loop_free(loop);
	fuzz_device_end();
	return 0;
}
