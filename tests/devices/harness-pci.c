/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The harness's driver on virtio-pci: the same registers by virtio-mmio's names, each queue with a
 * vector of its own, so that what is written for one transport runs on the other.
 */
#include <linux/pci_regs.h>
#include <linux/virtio_pci.h>
#include <string.h>

#include "tests/devices/harness.h"

#define QUEUE_RESET  0x0c0
#define Q_RESET      58
#define CONFIG_INDEX 0 /* the vector of the configuration; those of queues follow */

/* What virtio-mmio has in a register, and where it is in the common configuration. */
static const struct {
	uint16_t reg;
	uint8_t offset, width;
} places[] = {
	{VIRTIO_MMIO_DEVICE_FEATURES_SEL, VIRTIO_PCI_COMMON_DFSELECT, 4},
	{VIRTIO_MMIO_DEVICE_FEATURES, VIRTIO_PCI_COMMON_DF, 4},
	{VIRTIO_MMIO_DRIVER_FEATURES_SEL, VIRTIO_PCI_COMMON_GFSELECT, 4},
	{VIRTIO_MMIO_DRIVER_FEATURES, VIRTIO_PCI_COMMON_GF, 4},
	{VIRTIO_MMIO_STATUS, VIRTIO_PCI_COMMON_STATUS, 1},
	{VIRTIO_MMIO_CONFIG_GENERATION, VIRTIO_PCI_COMMON_CFGGENERATION, 1},
	{VIRTIO_MMIO_QUEUE_SEL, VIRTIO_PCI_COMMON_Q_SELECT, 2},
	{VIRTIO_MMIO_QUEUE_NUM_MAX, VIRTIO_PCI_COMMON_Q_SIZE, 2},
	{VIRTIO_MMIO_QUEUE_NUM, VIRTIO_PCI_COMMON_Q_SIZE, 2},
	{VIRTIO_MMIO_QUEUE_READY, VIRTIO_PCI_COMMON_Q_ENABLE, 2},
	{VIRTIO_MMIO_QUEUE_DESC_LOW, VIRTIO_PCI_COMMON_Q_DESCLO, 4},
	{VIRTIO_MMIO_QUEUE_DESC_HIGH, VIRTIO_PCI_COMMON_Q_DESCHI, 4},
	{VIRTIO_MMIO_QUEUE_AVAIL_LOW, VIRTIO_PCI_COMMON_Q_AVAILLO, 4},
	{VIRTIO_MMIO_QUEUE_AVAIL_HIGH, VIRTIO_PCI_COMMON_Q_AVAILHI, 4},
	{VIRTIO_MMIO_QUEUE_USED_LOW, VIRTIO_PCI_COMMON_Q_USEDLO, 4},
	{VIRTIO_MMIO_QUEUE_USED_HIGH, VIRTIO_PCI_COMMON_Q_USEDHI, 4},
	{QUEUE_RESET, Q_RESET, 2},
};

#define PLACES (sizeof(places) / sizeof(places[0]))

static bool use_pci;

void driver_use_pci(bool pci)
{
	use_pci = pci;
}

bool driver_uses_pci(void)
{
	return use_pci;
}

/* --- the bus ------------------------------------------------------------------------------------ */

uint32_t pci_config(struct harness *h, unsigned int offset, unsigned int len)
{
	uint8_t data[4] = {0};

	pci_ecam_bus_ops.read(&h->pci.bus, HARNESS_SLOT << 15 | offset, data, len);
	return pci_get32(data, 0);
}

void pci_set_config(struct harness *h, unsigned int offset, unsigned int len, uint32_t value)
{
	uint8_t data[4];

	pci_put32(data, 0, value);
	pci_ecam_bus_ops.write(&h->pci.bus, HARNESS_SLOT << 15 | offset, data, len);
}

uint64_t pci_bar(struct harness *h, uint32_t offset, unsigned int len)
{
	uint32_t at = pci_config(h, PCI_BASE_ADDRESS_0, 4) - HARNESS_WINDOW + offset;
	uint8_t data[8] = {0};

	pci_window_bus_ops.read(&h->pci.bus, at, data, len);
	return pci_get32(data, 0) | (uint64_t)pci_get32(data, 4) << 32;
}

void pci_set_bar(struct harness *h, uint32_t offset, unsigned int len, uint64_t value)
{
	uint32_t at = pci_config(h, PCI_BASE_ADDRESS_0, 4) - HARNESS_WINDOW + offset;
	uint8_t data[8];

	pci_put32(data, 0, (uint32_t)value);
	pci_put32(data, 4, (uint32_t)(value >> 32));
	pci_window_bus_ops.write(&h->pci.bus, at, data, len);
}

static void count_message(struct msi_sink *sink, uint64_t address, uint32_t data)
{
	struct harness_pci *pci = (struct harness_pci *)sink;
	unsigned int i = __atomic_fetch_add(pci->count, 1, __ATOMIC_SEQ_CST);

	pci->last_address = address;
	pci->messages[i % HARNESS_MESSAGES] = data;
}

void harness_plug_pci(struct harness *h, struct notify_line *notify)
{
	struct report report = {0};

	h->pci.sink.send = count_message;
	h->pci.count = &h->irq.count;
	pci_init(&h->pci.bus, HARNESS_WINDOW, HARNESS_WINDOW_SIZE);
	ck_assert_int_eq(virtio_pci_new(h->dev, h->cell, h->loop, &h->pci.sink, notify,
					&h->pci.function, &report),
			 0);
	pci_add(&h->pci.bus, HARNESS_SLOT, virtio_pci_function(h->pci.function));
	harness_switch_on(h);
}

/* Memory, bus master, MSI-X with a message for each vector that names it. */
void harness_switch_on(struct harness *h)
{
	uint32_t count;

	pci_set_config(h, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	count = (pci_config(h, HARNESS_MSIX + PCI_MSIX_FLAGS, 2) & PCI_MSIX_FLAGS_QSIZE) + 1;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t entry = HARNESS_TABLE + i * PCI_MSIX_ENTRY_SIZE;

		pci_set_bar(h, entry + PCI_MSIX_ENTRY_LOWER_ADDR, 8, 0xfee00000);
		pci_set_bar(h, entry + PCI_MSIX_ENTRY_DATA, 4, HARNESS_VECTOR + i);
		pci_set_bar(h, entry + PCI_MSIX_ENTRY_VECTOR_CTRL, 4, 0);
	}
	pci_set_config(h, HARNESS_MSIX + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_ENABLE);
}

void harness_unplug_pci(struct harness *h)
{
	virtio_pci_free(h->pci.function);
	pci_destroy(&h->pci.bus);
}

/* --- registers ---------------------------------------------------------------------------------- */

uint32_t pci_reg_read(struct harness *h, uint64_t offset)
{
	/* Reading it clears it; the driver remembers. */
	if (offset == VIRTIO_MMIO_INTERRUPT_STATUS) {
		h->pci.isr |= (uint32_t)pci_bar(h, HARNESS_ISR, 1);
		return h->pci.isr;
	}
	if (offset >= VIRTIO_MMIO_CONFIG)
		return (uint32_t)pci_bar(h, HARNESS_CONFIG + (uint32_t)offset - VIRTIO_MMIO_CONFIG,
					 4);
	for (size_t i = 0; i < PLACES; i++) {
		if (places[i].reg == offset)
			return (uint32_t)pci_bar(h, places[i].offset, places[i].width);
	}
	return 0;
}

/* A vector is set again after each reset, before what raises it. */
static void route(struct harness *h, uint64_t offset, uint32_t value)
{
	uint32_t queue = (uint32_t)pci_bar(h, VIRTIO_PCI_COMMON_Q_SELECT, 2);

	if (offset == VIRTIO_MMIO_STATUS && value)
		pci_set_bar(h, VIRTIO_PCI_COMMON_MSIX, 2, CONFIG_INDEX);
	if (offset == VIRTIO_MMIO_STATUS && !value)
		h->pci.isr = 0;
	if (offset == VIRTIO_MMIO_QUEUE_READY && value)
		pci_set_bar(h, VIRTIO_PCI_COMMON_Q_MSIX, 2, queue + 1);
}

void pci_reg_write(struct harness *h, uint64_t offset, uint32_t value)
{
	if (offset == VIRTIO_MMIO_INTERRUPT_ACK) {
		h->pci.isr &= ~value;
		return;
	}
	if (offset == VIRTIO_MMIO_QUEUE_NOTIFY) {
		pci_set_bar(h, HARNESS_NOTIFY + 4 * value, 2, value);
		return;
	}
	if (offset >= VIRTIO_MMIO_CONFIG) {
		pci_set_bar(h, HARNESS_CONFIG + (uint32_t)offset - VIRTIO_MMIO_CONFIG, 4, value);
		return;
	}
	route(h, offset, value);
	for (size_t i = 0; i < PLACES; i++) {
		if (places[i].reg == offset) {
			pci_set_bar(h, places[i].offset, places[i].width, value);
			return;
		}
	}
}
