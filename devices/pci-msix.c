/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The MSI-X table: which message a vector is, and when it may go. */
#include "devices/pci-msix.h"

#include <endian.h>
#include <linux/pci_regs.h>
#include <string.h>

/* While it is held nothing changes, and a message that is sent is of the table as it is. */
static void lock(struct msix *msix)
{
	pthread_mutex_lock(&msix->lock);
}

static void unlock(struct msix *msix)
{
	pthread_mutex_unlock(&msix->lock);
}

static bool may_go(const struct msix *msix, unsigned int vector)
{
	const uint8_t *entry = msix->table + (size_t)vector * MSIX_ENTRY_SIZE;

	return !msix->masked && !(entry[PCI_MSIX_ENTRY_VECTOR_CTRL] & PCI_MSIX_ENTRY_CTRL_MASKBIT);
}

static void send(struct msix *msix, unsigned int vector)
{
	const uint8_t *entry = msix->table + (size_t)vector * MSIX_ENTRY_SIZE;
	uint64_t address = pci_get32(entry, PCI_MSIX_ENTRY_LOWER_ADDR) |
			   (uint64_t)pci_get32(entry, PCI_MSIX_ENTRY_UPPER_ADDR) << 32;

	msix->sink->send(msix->sink, address, pci_get32(entry, PCI_MSIX_ENTRY_DATA));
}

/* Send what is due and may go now. */
static void flush(struct msix *msix)
{
	for (unsigned int i = 0; msix->enabled && i < msix->count; i++) {
		uint64_t bit = UINT64_C(1) << i % 64;

		if (!(msix->pending[i / 64] & bit) || !may_go(msix, i))
			continue;
		msix->pending[i / 64] &= ~bit;
		send(msix, i);
	}
}

void msix_raise(struct msix *msix, unsigned int vector)
{
	lock(msix);
	if (msix->enabled && may_go(msix, vector))
		send(msix, vector);
	else if (msix->enabled)
		msix->pending[vector / 64] |= UINT64_C(1) << vector % 64;
	unlock(msix);
}

bool msix_is_enabled(struct msix *msix)
{
	bool enabled;

	lock(msix);
	enabled = msix->enabled;
	unlock(msix);
	return enabled;
}

void msix_forget(struct msix *msix)
{
	lock(msix);
	memset(msix->pending, 0, sizeof(msix->pending));
	unlock(msix);
}

void msix_update(struct msix *msix, const struct pci_function *function)
{
	uint16_t flags = pci_get16(function->config, msix->capability + PCI_MSIX_FLAGS);
	uint16_t command = pci_get16(function->config, PCI_COMMAND);

	lock(msix);
	msix->enabled = flags & PCI_MSIX_FLAGS_ENABLE;
	/* A message is a write to memory: only a bus master may. */
	msix->masked = (flags & PCI_MSIX_FLAGS_MASKALL) || !(command & PCI_COMMAND_MASTER);
	if (!msix->enabled)
		memset(msix->pending, 0, sizeof(msix->pending));
	flush(msix);
	unlock(msix);
}

/* --- the BAR ------------------------------------------------------------------------------------ */

static bool is_register(uint32_t offset, unsigned int len, size_t size)
{
	return (len == 4 || len == 8) && offset % len == 0 && offset + len <= size;
}

void msix_table_read(struct msix *msix, uint32_t offset, void *data, unsigned int len)
{
	memset(data, 0, len);
	if (!is_register(offset, len, (size_t)msix->count * MSIX_ENTRY_SIZE))
		return;
	lock(msix);
	memcpy(data, msix->table + offset, len);
	unlock(msix);
}

void msix_table_write(struct msix *msix, uint32_t offset, const void *data, unsigned int len)
{
	uint32_t control = offset / MSIX_ENTRY_SIZE * MSIX_ENTRY_SIZE + PCI_MSIX_ENTRY_VECTOR_CTRL;

	if (!is_register(offset, len, (size_t)msix->count * MSIX_ENTRY_SIZE))
		return;
	lock(msix);
	memcpy(msix->table + offset, data, len);
	/* The rest of the word is reserved. */
	pci_put32(msix->table, control,
		  pci_get32(msix->table, control) & PCI_MSIX_ENTRY_CTRL_MASKBIT);
	flush(msix);
	unlock(msix);
}

void msix_pba_read(struct msix *msix, uint32_t offset, void *data, unsigned int len)
{
	uint64_t words[MSIX_VECTORS_MAX / 64];

	memset(data, 0, len);
	if (!is_register(offset, len, sizeof(words)))
		return;
	lock(msix);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		words[i] = htole64(msix->pending[i]);
	unlock(msix);
	memcpy(data, (const uint8_t *)words + offset, len);
}

/* --- life --------------------------------------------------------------------------------------- */

void msix_reset(struct msix *msix)
{
	lock(msix);
	msix->enabled = false;
	msix->masked = true;
	memset(msix->table, 0, sizeof(msix->table));
	memset(msix->pending, 0, sizeof(msix->pending));
	for (unsigned int i = 0; i < msix->count; i++)
		msix->table[i * MSIX_ENTRY_SIZE + PCI_MSIX_ENTRY_VECTOR_CTRL] =
			PCI_MSIX_ENTRY_CTRL_MASKBIT;
	unlock(msix);
}

void msix_init(struct msix *msix, struct pci_function *function, struct msi_sink *sink,
	       unsigned int count, uint8_t at, uint8_t next, uint32_t table, uint32_t pba)
{
	uint8_t *config = function->initial;

	*msix = (struct msix){
		.sink = sink,
		.count = count,
		.capability = at,
		.lock = PTHREAD_MUTEX_INITIALIZER,
	};
	config[at] = PCI_CAP_ID_MSIX;
	config[at + 1] = next;
	pci_put16(config, at + PCI_MSIX_FLAGS, (uint16_t)(count - 1));
	pci_put32(config, at + PCI_MSIX_TABLE, table);
	pci_put32(config, at + PCI_MSIX_PBA, pba);
	pci_put16(function->writable, at + PCI_MSIX_FLAGS,
		  PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	msix_reset(msix);
}

void msix_destroy(struct msix *msix)
{
	pthread_mutex_destroy(&msix->lock);
}
