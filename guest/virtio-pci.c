/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The virtio-pci transport; see virtio-pci.h. */
#include "guest/virtio-pci.h"

#include <stddef.h>

#include "guest/abi.h"
#include "guest/cpu.h"
#include "guest/interrupts.h"
#include "guest/memory.h"
#include "guest/virtio.h"

/* Configuration space, by its ports. */
#define CONFIG_ADDRESS 0xcf8
#define CONFIG_DATA    0xcfc
#define CONFIG_ENABLE  0x80000000u

#define PCI_ID           0x00
#define PCI_COMMAND      0x04
#define PCI_BAR(n)       (0x10 + 4 * (n))
#define PCI_CAPABILITIES 0x34
#define COMMAND_MEMORY   0x02
#define COMMAND_MASTER   0x04
#define BAR_WIDE         0x04 /* its other half is the next */
#define BAR_FLAGS        0x0f
#define BARS             6

#define VIRTIO_VENDOR      0x1af4
#define VIRTIO_DEVICE_BASE 0x1040
#define VIRTIO_DEVICE_END  0x1080

#define CAP_MSIX           0x11
#define CAP_VENDOR         0x09
#define CAP_COMMON         1
#define CAP_NOTIFY         2
#define CAP_ISR            3
#define CAP_DEVICE         4
#define MSIX_ENABLE        0x80000000u
#define MSIX_TABLE_BAR     0x07u
#define BAR_BYTES_RESERVED 0x4000
#define MAX_CAPABILITIES   48

/* The common configuration structure. */
#define COMMON_CONFIG_VECTOR 0x10
#define COMMON_QUEUE_VECTOR  0x1a
#define COMMON_NOTIFY_OFFSET 0x1e
#define ONLY_VECTOR          0

/* What virtio-mmio has in a register, and where it is here. */
static const struct {
	uint16_t reg;
	uint8_t offset, width;
} common[] = {
	{VIRTIO_DEVICE_SELECT, 0x00, 4}, {VIRTIO_DEVICE_FEATURES, 0x04, 4},
	{VIRTIO_DRIVER_SELECT, 0x08, 4}, {VIRTIO_DRIVER_FEATURES, 0x0c, 4},
	{VIRTIO_STATUS, 0x14, 1},        {VIRTIO_GENERATION, 0x15, 1},
	{VIRTIO_QUEUE_SELECT, 0x16, 2},  {VIRTIO_QUEUE_NUM_MAX, 0x18, 2},
	{VIRTIO_QUEUE_NUM, 0x18, 2},     {VIRTIO_QUEUE_READY, 0x1c, 2},
	{VIRTIO_QUEUE_DESC, 0x20, 4},    {VIRTIO_QUEUE_DESC + 4, 0x24, 4},
	{VIRTIO_QUEUE_AVAIL, 0x28, 4},   {VIRTIO_QUEUE_AVAIL + 4, 0x2c, 4},
	{VIRTIO_QUEUE_USED, 0x30, 4},    {VIRTIO_QUEUE_USED + 4, 0x34, 4},
	{VIRTIO_QUEUE_RESET, 0x3a, 2},
};

#define COMMON (sizeof(common) / sizeof(common[0]))

/* --- configuration space ----------------------------------------------------------------------- */

struct config_access {
	uint32_t address;
	uint32_t value;
	bool write;
};

static void config_ring0(void *arg)
{
	struct config_access *access = arg;

	outl(CONFIG_ADDRESS, access->address);
	if (access->write)
		outl(CONFIG_DATA, access->value);
	else
		access->value = inl(CONFIG_DATA);
}

static uint32_t config_read(unsigned int slot, uint32_t reg)
{
	struct config_access access = {.address = CONFIG_ENABLE | slot << 11 | (reg & 0xfc)};

	ring0(config_ring0, &access);
	return access.value;
}

static void config_write(unsigned int slot, uint32_t reg, uint32_t value)
{
	struct config_access access = {CONFIG_ENABLE | slot << 11 | reg, value, true};

	ring0(config_ring0, &access);
}

/* 0 where there is none. */
static uint64_t bar_address(unsigned int slot, unsigned int bar)
{
	uint32_t low = bar < BARS ? config_read(slot, PCI_BAR(bar)) : 0;
	uint64_t high = low & BAR_WIDE && bar + 1 < BARS ? config_read(slot, PCI_BAR(bar + 1)) : 0;

	return high << 32 | (low & ~BAR_FLAGS);
}

/* --- probing ------------------------------------------------------------------------------------- */

static void take_virtio(unsigned int slot, uint32_t cap, struct pci_places *places)
{
	uint64_t address =
		bar_address(slot, config_read(slot, cap + 4) & 0xff) + config_read(slot, cap + 8);

	switch (config_read(slot, cap) >> 24) {
	case CAP_COMMON: places->common = address; break;
	case CAP_NOTIFY:
		places->notify = address;
		places->notify_multiplier = config_read(slot, cap + 16);
		break;
	case CAP_ISR: places->isr = address; break;
	case CAP_DEVICE: places->config = address; break;
	default: break;
	}
}

/* One message for all there is. */
static void take_msix(unsigned int slot, uint32_t cap, unsigned int pin, struct pci_places *places)
{
	uint32_t table = config_read(slot, cap + 4);

	places->table = bar_address(slot, table & MSIX_TABLE_BAR) + (table & ~MSIX_TABLE_BAR);
	mmio_write(places->table, ABI_LAPIC_BASE);
	mmio_write(places->table + 4, 0);
	mmio_write(places->table + 8, VECTOR_PIN + pin);
	mmio_write(places->table + 12, 0);
	config_write(slot, cap, config_read(slot, cap) | MSIX_ENABLE);
}

bool virtio_pci_probe(unsigned int slot, unsigned int pin, struct pci_places *places, uint32_t *id)
{
	uint32_t identity = config_read(slot, PCI_ID), cap, first;

	if ((identity & 0xffff) != VIRTIO_VENDOR || identity >> 16 < VIRTIO_DEVICE_BASE ||
	    identity >> 16 >= VIRTIO_DEVICE_END)
		return false;
	*places = (struct pci_places){0};
	*id = (identity >> 16) - VIRTIO_DEVICE_BASE;
	config_write(slot, PCI_COMMAND, COMMAND_MEMORY | COMMAND_MASTER);
	cap = config_read(slot, PCI_CAPABILITIES) & 0xff;
	for (unsigned int i = 0; cap && i < MAX_CAPABILITIES; i++, cap = first >> 8 & 0xff) {
		first = config_read(slot, cap);
		if ((first & 0xff) == CAP_VENDOR)
			take_virtio(slot, cap, places);
		else if ((first & 0xff) == CAP_MSIX)
			take_msix(slot, cap, pin, places);
	}
	if (!places->common || !places->notify || !places->isr || !places->table)
		return false;
	memory_reserve(places->common & ~(uint64_t)(BAR_BYTES_RESERVED - 1), BAR_BYTES_RESERVED);
	return true;
}

/* --- registers ----------------------------------------------------------------------------------- */

static uint32_t common_read(const struct pci_places *places, uint8_t offset, uint8_t width)
{
	switch (width) {
	case 1: return mmio_read8(places->common + offset);
	case 2: return mmio_read16(places->common + offset);
	default: return mmio_read(places->common + offset);
	}
}

static void common_write(const struct pci_places *places, uint8_t offset, uint8_t width,
			 uint32_t value)
{
	switch (width) {
	case 1: mmio_write8(places->common + offset, (uint8_t)value); break;
	case 2: mmio_write16(places->common + offset, (uint16_t)value); break;
	default: mmio_write(places->common + offset, value); break;
	}
}

uint32_t virtio_pci_read(const struct pci_places *places, uint32_t reg)
{
	if (reg >= VIRTIO_CONFIG)
		return mmio_read(places->config + reg - VIRTIO_CONFIG);
	/* Reading acknowledges. */
	if (reg == VIRTIO_INT_STATUS)
		return mmio_read8(places->isr);
	for (unsigned int i = 0; i < COMMON; i++) {
		if (common[i].reg == reg)
			return common_read(places, common[i].offset, common[i].width);
	}
	return 0;
}

void virtio_pci_write(const struct pci_places *places, uint32_t reg, uint32_t value)
{
	if (reg >= VIRTIO_CONFIG) {
		mmio_write(places->config + reg - VIRTIO_CONFIG, value);
		return;
	}
	if (reg == VIRTIO_QUEUE_NOTIFY) {
		uint16_t offset = places->notify_offset[value % PCI_QUEUES];

		mmio_write16(places->notify + (uint64_t)offset * places->notify_multiplier,
			     (uint16_t)value);
		return;
	}
	for (unsigned int i = 0; i < COMMON; i++) {
		if (common[i].reg == reg)
			common_write(places, common[i].offset, common[i].width, value);
	}
}

void virtio_pci_route_config(const struct pci_places *places)
{
	mmio_write16(places->common + COMMON_CONFIG_VECTOR, ONLY_VECTOR);
}

void virtio_pci_route_queue(struct pci_places *places, uint16_t index)
{
	mmio_write16(places->common + COMMON_QUEUE_VECTOR, ONLY_VECTOR);
	places->notify_offset[index % PCI_QUEUES] =
		mmio_read16(places->common + COMMON_NOTIFY_OFFSET);
}
