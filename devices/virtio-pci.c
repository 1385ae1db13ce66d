/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * A virtio device as a PCI function (virtio 1.2, section 4.1): its identity and capabilities, what
 * is in its BAR, its interrupts, and what memory and bus master enable mean for it. The common
 * registers are virtio-pci-common.c's.
 */
#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_pci.h>
#include <stdlib.h>
#include <string.h>

#include "devices/virtio-pci-impl.h"

#define VENDOR         0x1af4
#define DEVICE_BASE    0x1040
#define SUBSYSTEM_BASE 0x0040 /* 0x40 or higher where there is no older driver to please */
#define REVISION       1

/* Places in configuration space. The last lets firmware reach the BAR without decoding it. */
#define CAP_MSIX    0x40
#define CAP_COMMON  0x50
#define CAP_NOTIFY  0x60
#define CAP_ISR     0x78
#define CAP_DEVICE  0x88
#define CAP_PCI_CFG 0x98

#define PCI_CFG_DATA (CAP_PCI_CFG + (unsigned int)sizeof(struct virtio_pci_cap))

/* What a person or a boot loader takes them for; the driver does not care. */
static const struct {
	uint32_t id;
	uint32_t class;
} classes[] = {
	{VIRTIO_ID_NET, 0x020000},     /* Ethernet controller */
	{VIRTIO_ID_BLOCK, 0x018000},   /* mass storage controller, other */
	{VIRTIO_ID_CONSOLE, 0x078000}, /* communication controller, other */
	{VIRTIO_ID_VSOCK, 0x028000},   /* network controller, other */
};

#define OTHER_CLASS 0xff0000

static struct virtio_pci *of(struct pci_function *function)
{
	return (struct virtio_pci *)((char *)function - offsetof(struct virtio_pci, function));
}

/* --- the driver's and the device's signals ------------------------------------------------------ */

static void pci_interrupt(struct virtio_transport *transport, uint32_t cause, unsigned int queue)
{
	struct virtio_pci *pci = (struct virtio_pci *)transport;
	bool config = cause == VIRTIO_MMIO_INT_CONFIG;
	uint16_t vector = config ? pci->config_vector : pci->queue_vectors[queue];

	/* Messages say themselves which queue they are for (4.1.4.5.1). */
	if (config || !msix_is_enabled(&pci->msix))
		__atomic_fetch_or(&pci->isr, cause, __ATOMIC_SEQ_CST);
	if (vector != VIRTIO_MSI_NO_VECTOR)
		msix_raise(&pci->msix, vector);
}

static void pci_again(struct virtio_transport *transport, unsigned int index)
{
	virtio_notifier_again(&((struct virtio_pci *)transport)->notifier, index);
}

void virtio_pci_attach(struct virtio_pci *pci)
{
	if (pci->base != PCI_NOWHERE && virtio_is_live(pci->dev))
		virtio_notifier_attach(&pci->notifier, (uint64_t)pci->base + BAR_NOTIFY,
				       NOTIFY_STRIDE);
}

void virtio_pci_forget(struct virtio_pci *pci)
{
	pci->device_feature_select = 0;
	pci->driver_feature_select = 0;
	pci->queue_select = 0;
	pci->config_vector = VIRTIO_MSI_NO_VECTOR;
	for (unsigned int i = 0; i < pci->dev->queue_count; i++)
		pci->queue_vectors[i] = VIRTIO_MSI_NO_VECTOR;
	__atomic_store_n(&pci->isr, 0, __ATOMIC_SEQ_CST);
	msix_forget(&pci->msix);
}

/* --- the BAR ------------------------------------------------------------------------------------ */

static void isr_read(struct virtio_pci *pci, uint32_t offset, void *data, unsigned int len)
{
	memset(data, 0, len);
	if (offset == 0)
		*(uint8_t *)data = (uint8_t)__atomic_exchange_n(&pci->isr, 0, __ATOMIC_SEQ_CST);
}

static void device_read(struct virtio_pci *pci, uint32_t offset, void *data, unsigned int len)
{
	virtio_config_read(pci->dev, offset, data, len);
}

static void device_write(struct virtio_pci *pci, uint32_t offset, const void *data, unsigned int len)
{
	virtio_config_write(pci->dev, offset, data, len);
}

/* The address says which queue; what is written says so once more. */
static void notify_write(struct virtio_pci *pci, uint32_t offset, const void *data, unsigned int len)
{
	(void)data;
	if (offset % NOTIFY_STRIDE == 0 && len >= sizeof(uint16_t))
		virtio_notifier_notify(&pci->notifier, offset / NOTIFY_STRIDE);
}

static void table_read(struct virtio_pci *pci, uint32_t offset, void *data, unsigned int len)
{
	msix_table_read(&pci->msix, offset, data, len);
}

static void table_write(struct virtio_pci *pci, uint32_t offset, const void *data, unsigned int len)
{
	msix_table_write(&pci->msix, offset, data, len);
}

static void pba_read(struct virtio_pci *pci, uint32_t offset, void *data, unsigned int len)
{
	msix_pba_read(&pci->msix, offset, data, len);
}

/*
 * Ascending; each goes up to the next. Without read: zeros; without write: lost. What an interrupt
 * handler uses does not take the device's lock, so that it never waits for a disk; a notification
 * does itself.
 */
static const struct bar_region {
	uint32_t offset;
	bool lock; /* is taken */
	void (*read)(struct virtio_pci *pci, uint32_t offset, void *data, unsigned int len);
	void (*write)(struct virtio_pci *pci, uint32_t offset, const void *data, unsigned int len);
} regions[] = {
	{BAR_COMMON, true, virtio_pci_common_read, virtio_pci_common_write},
	{BAR_ISR, false, isr_read, NULL},
	{BAR_DEVICE, true, device_read, device_write},
	{BAR_NOTIFY, false, NULL, notify_write},
	{BAR_TABLE, false, table_read, table_write},
	{BAR_PBA, false, pba_read, NULL},
};

static const struct bar_region *region_at(uint32_t offset)
{
	size_t i = sizeof(regions) / sizeof(regions[0]) - 1;

	while (regions[i].offset > offset)
		i--;
	return &regions[i];
}

static void bar_read(struct pci_function *function, uint32_t offset, void *data, unsigned int len)
{
	const struct bar_region *region = region_at(offset);
	struct virtio_pci *pci = of(function);

	memset(data, 0, len);
	if (!region->read)
		return;
	if (region->lock)
		virtio_lock(pci->dev);
	region->read(pci, offset - region->offset, data, len);
	if (region->lock)
		virtio_unlock(pci->dev);
}

static void bar_write(struct pci_function *function, uint32_t offset, const void *data,
		      unsigned int len)
{
	const struct bar_region *region = region_at(offset);
	struct virtio_pci *pci = of(function);

	if (!region->write)
		return;
	if (region->lock)
		virtio_lock(pci->dev);
	region->write(pci, offset - region->offset, data, len);
	if (region->lock)
		virtio_unlock(pci->dev);
}

/* --- configuration space ------------------------------------------------------------------------ */

/* The access that the PCI_CFG capability describes (4.1.4.9), if it is one. */
static bool indirect(const struct virtio_pci *pci, uint32_t *offset, uint32_t *len)
{
	const uint8_t *config = pci->function.config;

	*offset = pci_get32(config, CAP_PCI_CFG + VIRTIO_PCI_CAP_OFFSET);
	*len = pci_get32(config, CAP_PCI_CFG + VIRTIO_PCI_CAP_LENGTH);
	return config[CAP_PCI_CFG + VIRTIO_PCI_CAP_BAR] == 0 &&
	       (*len == 1 || *len == 2 || *len == 4) && *offset % *len == 0 &&
	       *offset < VIRTIO_PCI_BAR_SIZE;
}

static bool touches(unsigned int offset, unsigned int len, unsigned int at, unsigned int size)
{
	return offset < at + size && at < offset + len;
}

static void config_read(struct pci_function *function, unsigned int offset, unsigned int len)
{
	struct virtio_pci *pci = of(function);
	uint8_t *config = function->config;
	uint32_t at, size;

	if (touches(offset, len, PCI_STATUS, 1)) {
		bool due = __atomic_load_n(&pci->isr, __ATOMIC_SEQ_CST) &&
			   !msix_is_enabled(&pci->msix);

		config[PCI_STATUS] =
			(uint8_t)(PCI_STATUS_CAP_LIST | (due ? PCI_STATUS_INTERRUPT : 0));
	}
	if (touches(offset, len, PCI_CFG_DATA, 4)) {
		memset(config + PCI_CFG_DATA, 0xff, 4);
		if (indirect(pci, &at, &size))
			bar_read(function, at, config + PCI_CFG_DATA, size);
	}
}

/* Follow what the command register and the BAR say now. */
static void update(struct virtio_pci *pci)
{
	uint16_t command = pci_get16(pci->function.config, PCI_COMMAND);
	uint32_t base = __atomic_load_n(&pci->function.base, __ATOMIC_ACQUIRE);

	virtio_lock(pci->dev);
	virtio_pause(pci->dev, !(command & PCI_COMMAND_MASTER));
	if (pci->base != base) {
		virtio_notifier_detach(&pci->notifier);
		pci->base = base;
	}
	virtio_pci_attach(pci);
	virtio_unlock(pci->dev);
	msix_update(&pci->msix, &pci->function);
}

static void config_written(struct pci_function *function, unsigned int offset, unsigned int len)
{
	struct virtio_pci *pci = of(function);
	uint32_t at, size;

	update(pci);
	if (touches(offset, len, PCI_CFG_DATA, 4) && indirect(pci, &at, &size))
		bar_write(function, at, function->config + PCI_CFG_DATA, size);
}

static void function_reset(struct pci_function *function)
{
	struct virtio_pci *pci = of(function);

	virtio_lock(pci->dev);
	virtio_notifier_detach(&pci->notifier);
	virtio_set_status(pci->dev, 0);
	virtio_pci_forget(pci);
	virtio_unlock(pci->dev);
	msix_reset(&pci->msix);
	update(pci);
}

static const struct pci_ops function_ops = {
	.config_read = config_read,
	.config_written = config_written,
	.reset = function_reset,
	.read = bar_read,
	.write = bar_write,
};

/* --- life --------------------------------------------------------------------------------------- */

static uint32_t class_of(uint32_t id)
{
	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
		if (classes[i].id == id)
			return classes[i].class;
	}
	return OTHER_CLASS;
}

static void put_identity(struct virtio_pci *pci)
{
	uint16_t id = (uint16_t)pci->dev->ops->device_id;
	uint8_t *config = pci->function.initial;

	pci_put16(config, PCI_VENDOR_ID, VENDOR);
	pci_put16(config, PCI_DEVICE_ID, DEVICE_BASE + id);
	pci_put16(config, PCI_STATUS, PCI_STATUS_CAP_LIST);
	pci_put32(config, PCI_CLASS_REVISION, class_of(id) << 8 | REVISION);
	pci_put16(config, PCI_SUBSYSTEM_VENDOR_ID, VENDOR);
	pci_put16(config, PCI_SUBSYSTEM_ID, SUBSYSTEM_BASE + id);
	config[PCI_CAPABILITY_LIST] = CAP_MSIX;
}

/* The virtio capabilities, a chain that begins behind MSI-X. */
static void put_capabilities(struct virtio_pci *pci)
{
	uint32_t config_len = (uint32_t)pci->dev->config_len;
	const struct {
		uint8_t at, type, len;
		uint32_t offset, size;
	} caps[] = {
		{CAP_COMMON, VIRTIO_PCI_CAP_COMMON_CFG, 16, BAR_COMMON, COMMON_SIZE},
		{CAP_NOTIFY, VIRTIO_PCI_CAP_NOTIFY_CFG, 20, BAR_NOTIFY, REGION_SIZE},
		{CAP_ISR, VIRTIO_PCI_CAP_ISR_CFG, 16, BAR_ISR, 1},
		{CAP_DEVICE, VIRTIO_PCI_CAP_DEVICE_CFG, 16, BAR_DEVICE, config_len},
		{CAP_PCI_CFG, VIRTIO_PCI_CAP_PCI_CFG, 20, 0, 0},
	};
	uint8_t *config = pci->function.initial;
	uint8_t *next = &config[CAP_MSIX + PCI_CAP_LIST_NEXT];

	for (size_t i = 0; i < sizeof(caps) / sizeof(caps[0]); i++) {
		uint8_t *cap = config + caps[i].at;

		/* Some devices have nothing to say. */
		if (caps[i].type == VIRTIO_PCI_CAP_DEVICE_CFG && !config_len)
			continue;
		*next = caps[i].at;
		next = cap + VIRTIO_PCI_CAP_NEXT;
		cap[VIRTIO_PCI_CAP_VNDR] = PCI_CAP_ID_VNDR;
		cap[VIRTIO_PCI_CAP_LEN] = caps[i].len;
		cap[VIRTIO_PCI_CAP_CFG_TYPE] = caps[i].type;
		pci_put32(cap, VIRTIO_PCI_CAP_OFFSET, caps[i].offset);
		pci_put32(cap, VIRTIO_PCI_CAP_LENGTH, caps[i].size);
	}
	pci_put32(config, CAP_NOTIFY + sizeof(struct virtio_pci_cap), NOTIFY_STRIDE);
	memset(pci->function.writable + CAP_PCI_CFG + VIRTIO_PCI_CAP_BAR, 0xff, 1);
	memset(pci->function.writable + CAP_PCI_CFG + VIRTIO_PCI_CAP_OFFSET, 0xff, 12);
}

int virtio_pci_new(struct virtio_device *device, struct gm_cell *memory, struct loop *loop,
		   struct msi_sink *sink, struct notify_line *notify, struct virtio_pci **out,
		   struct report *report)
{
	/* One for each queue and one for the configuration, which all drivers ask for first. */
	unsigned int vectors = device->queue_count + 1;
	struct virtio_pci *pci = calloc(1, sizeof(*pci));

	if (pci)
		pci->queue_vectors = calloc(device->queue_count, sizeof(*pci->queue_vectors));
	if (!pci || !pci->queue_vectors ||
	    virtio_notifier_init(&pci->notifier, device, loop, notify, sizeof(uint16_t))) {
		if (pci)
			free(pci->queue_vectors);
		free(pci);
		virtio_device_free(device);
		return report_fail(report, REPORT_HOST, "virtio-pci: out of memory");
	}
	pci->transport.interrupt = pci_interrupt;
	pci->transport.again = pci_again;
	pci->dev = device;
	pci->base = PCI_NOWHERE;
	pci->function.ops = &function_ops;
	pci->function.bar_size = VIRTIO_PCI_BAR_SIZE;
	put_identity(pci);
	msix_init(&pci->msix, &pci->function, sink,
		  vectors < MSIX_VECTORS_MAX ? vectors : MSIX_VECTORS_MAX, CAP_MSIX, 0, BAR_TABLE,
		  BAR_PBA);
	put_capabilities(pci);
	virtio_pci_forget(pci);
	virtio_device_attach(device, memory, &pci->transport);
	virtio_lock(device);
	virtio_pause(device, true);
	virtio_unlock(device);
	*out = pci;
	return 0;
}

struct pci_function *virtio_pci_function(struct virtio_pci *pci)
{
	return &pci->function;
}

void virtio_pci_free(struct virtio_pci *pci)
{
	if (!pci)
		return;
	virtio_notifier_destroy(&pci->notifier);
	virtio_device_free(pci->dev);
	msix_destroy(&pci->msix);
	free(pci->queue_vectors);
	free(pci);
}
