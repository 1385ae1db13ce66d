/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * PCI bus 0 with its host bridge: configuration space, by ECAM (PCI Express base specification,
 * 7.2.2) and by the ports 0xcf8 and 0xcfc (PCI local bus specification 3.0, 3.2.2.3), and the
 * window of memory in which BARs are decoded.
 *
 * Functions are added during set-up. Afterwards vCPU threads access configuration space, one at a
 * time, and the window, all at once. The order of locks is the bus's, then a function's own: what a
 * function does on an access to its BAR must not need the bus's.
 */
#ifndef DEVICES_PCI_H
#define DEVICES_PCI_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "devices/bus.h"

#define PCI_SLOTS       32 /* the first is the host bridge's */
#define PCI_CONFIG_SIZE 256
#define PCI_ECAM_SIZE   0x100000 /* of one bus */
#define PCI_PORTS_BASE  0xcf8
#define PCI_PORTS       8
#define PCI_NOWHERE     UINT32_MAX /* the BAR is not decoded */

struct pci_function;

/* What a function adds to its configuration space. The bus's lock is held but in read and write. */
struct pci_ops {
	/* Bytes of configuration space are about to be read: bring them up to date. */
	void (*config_read)(struct pci_function *function, unsigned int offset, unsigned int len);
	/* They were written, as far as they may be; @base may have changed with them. */
	void (*config_written)(struct pci_function *function, unsigned int offset, unsigned int len);
	/* Configuration space is as after power-on; so is the rest to be. */
	void (*reset)(struct pci_function *function);
	/* An access to BAR 0, inside it as a whole. Any thread, no lock held. */
	void (*read)(struct pci_function *function, uint32_t offset, void *data, unsigned int len);
	void (*write)(struct pci_function *function, uint32_t offset, const void *data,
		      unsigned int len);
};

/*
 * A function with at most one BAR, the first, of 32-bit memory. @initial, @writable and @bar_size
 * are filled in before pci_add(); the bus knows the rest.
 */
struct pci_function {
	const struct pci_ops *ops;         /* NULL: registers that are just read and written */
	uint8_t initial[PCI_CONFIG_SIZE];  /* after power-on */
	uint8_t writable[PCI_CONFIG_SIZE]; /* bits that are; pci_add() adds the header's */
	uint32_t bar_size;                 /* a power of two, 16 at least; 0: no BAR */

	uint8_t config[PCI_CONFIG_SIZE]; /* with the bus's lock */
	uint32_t base;                   /* where the BAR is decoded, or PCI_NOWHERE; atomic */
};

struct pci_bus {
	pthread_mutex_t lock;
	uint32_t address; /* as written to port 0xcf8 */
	uint32_t window;  /* BARs are decoded from here */
	uint32_t window_size;
	struct pci_function bridge;
	struct pci_function *functions[PCI_SLOTS]; /* constant once the guest runs */
};

/* Little endian fields of a configuration space, for who fills one in. */
void pci_put16(uint8_t *config, unsigned int offset, uint16_t value);
void pci_put32(uint8_t *config, unsigned int offset, uint32_t value);
uint16_t pci_get16(const uint8_t *config, unsigned int offset);
uint32_t pci_get32(const uint8_t *config, unsigned int offset);

/* A bus with nothing but the host bridge. The window is aligned to its size. */
void pci_init(struct pci_bus *bus, uint32_t window, uint32_t window_size);
void pci_destroy(struct pci_bus *bus);

/*
 * Plug a function in at @slot, 1 to 31, which is free. Its BAR gets a place in the window, as
 * firmware would give it one: the @slot-th of those of its size; memory decoding is off.
 */
void pci_add(struct pci_bus *bus, unsigned int slot, struct pci_function *function);

/* As after power-on. No vCPU may be running. */
void pci_reset(struct pci_bus *bus);

extern const struct bus_ops pci_ecam_bus_ops;   /* device: struct pci_bus, PCI_ECAM_SIZE */
extern const struct bus_ops pci_ports_bus_ops;  /* PCI_PORTS at PCI_PORTS_BASE */
extern const struct bus_ops pci_window_bus_ops; /* window_size at window */

#endif
