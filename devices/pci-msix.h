/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * MSI-X (PCI local bus specification 3.0, 6.8.2): a table of messages in a function's BAR, masks,
 * and the pending bits of what was masked when it came.
 *
 * The table is written by vCPUs and read by whatever thread raises an interrupt; a lock of its own,
 * the innermost of all, orders them.
 */
#ifndef DEVICES_PCI_MSIX_H
#define DEVICES_PCI_MSIX_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "devices/msi.h"
#include "devices/pci.h"

#define MSIX_VECTORS_MAX 128
#define MSIX_ENTRY_SIZE  16
#define MSIX_TABLE_SIZE  (MSIX_VECTORS_MAX * MSIX_ENTRY_SIZE)
#define MSIX_PBA_SIZE    (MSIX_VECTORS_MAX / 8)
#define MSIX_CAP_SIZE    12

/* All but the first three is touched with the lock held. */
struct msix {
	struct msi_sink *sink;
	unsigned int count;      /* vectors */
	unsigned int capability; /* where in configuration space */
	pthread_mutex_t lock;
	bool enabled;
	bool masked; /* all of them, by the capability or because the function must not write */
	uint8_t table[MSIX_TABLE_SIZE];
	uint64_t pending[MSIX_VECTORS_MAX / 64];
};

/*
 * @count vectors; the capability goes to @at of the function's configuration space, with @next
 * behind it, and says that table and pending bits are at these offsets of BAR 0.
 */
void msix_init(struct msix *msix, struct pci_function *function, struct msi_sink *sink,
	       unsigned int count, uint8_t at, uint8_t next, uint32_t table, uint32_t pba);
void msix_destroy(struct msix *msix);

/* As after power-on. */
void msix_reset(struct msix *msix);

/* The command register or the capability of @function may have changed. */
void msix_update(struct msix *msix, const struct pci_function *function);

/* Whether it is switched on: interrupts are messages then. Any thread. */
bool msix_is_enabled(struct msix *msix);

/* Send the message of @vector, which is below count, or keep in mind that it is due. Any thread. */
void msix_raise(struct msix *msix, unsigned int vector);

/* Nothing is due any more. */
void msix_forget(struct msix *msix);

/* Table and pending bits. Accesses are 4 or 8 bytes, aligned; others read as zero and are dropped. */
void msix_table_read(struct msix *msix, uint32_t offset, void *data, unsigned int len);
void msix_table_write(struct msix *msix, uint32_t offset, const void *data, unsigned int len);
void msix_pba_read(struct msix *msix, uint32_t offset, void *data, unsigned int len);

#endif
