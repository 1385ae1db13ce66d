/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * PCI bus 0: who is asked for a register of configuration space, which bits of it a write changes,
 * and where that puts the function's BAR. What a function is, is its own file's.
 *
 * The window is one range of the machine's bus that never changes; which function an access in it
 * is for is looked up here, since a BAR can be moved at any time. One that is moved out of the
 * window is decoded by nobody, as behind a host bridge that does not pass the address on.
 */
#include "devices/pci.h"

#include <linux/pci_regs.h>
#include <string.h>

/* A host bridge without registers of its own: the id by which QEMU's generic one is known. */
#define BRIDGE_VENDOR 0x1b36
#define BRIDGE_DEVICE 0x0008
#define BRIDGE_CLASS  0x060000

#define ADDRESS_ENABLE 0x80000000U /* of port 0xcf8 */
#define ADDRESS_BUS    0x00ff0000U
#define ADDRESS_KEPT   0x80fffffcU
#define DATA_PORT      4 /* from PCI_PORTS_BASE */

void pci_put16(uint8_t *config, unsigned int offset, uint16_t value)
{
	config[offset] = (uint8_t)value;
	config[offset + 1] = (uint8_t)(value >> 8);
}

void pci_put32(uint8_t *config, unsigned int offset, uint32_t value)
{
	pci_put16(config, offset, (uint16_t)value);
	pci_put16(config, offset + 2, (uint16_t)(value >> 16));
}

uint16_t pci_get16(const uint8_t *config, unsigned int offset)
{
	return (uint16_t)(config[offset] | config[offset + 1] << 8);
}

uint32_t pci_get32(const uint8_t *config, unsigned int offset)
{
	return pci_get16(config, offset) | (uint32_t)pci_get16(config, offset + 2) << 16;
}

/* --- configuration space ---------------------------------------------------------------------- */

/* Where the BAR is decoded now. A size that is probed for is an address like any other. */
static void decode(const struct pci_bus *bus, struct pci_function *function)
{
	uint32_t bar = pci_get32(function->config, PCI_BASE_ADDRESS_0) &
		       (uint32_t)PCI_BASE_ADDRESS_MEM_MASK;
	bool on = pci_get16(function->config, PCI_COMMAND) & PCI_COMMAND_MEMORY;

	if (!on || !function->bar_size || bar < bus->window || bar - bus->window >= bus->window_size)
		bar = PCI_NOWHERE;
	__atomic_store_n(&function->base, bar, __ATOMIC_RELEASE);
}

/* The function that has a register, if it is one and accessed as such. */
static struct pci_function *find(const struct pci_bus *bus, unsigned int slot, unsigned int number,
				 unsigned int offset, unsigned int len)
{
	if (number || len > 4 || offset % len || offset + len > PCI_CONFIG_SIZE)
		return NULL;
	return bus->functions[slot];
}

static void config_read(struct pci_bus *bus, struct pci_function *function, unsigned int offset,
			void *data, unsigned int len)
{
	memset(data, 0xff, len);
	if (!function)
		return;
	pthread_mutex_lock(&bus->lock);
	if (function->ops)
		function->ops->config_read(function, offset, len);
	memcpy(data, function->config + offset, len);
	pthread_mutex_unlock(&bus->lock);
}

static void config_write(struct pci_bus *bus, struct pci_function *function, unsigned int offset,
			 const void *data, unsigned int len)
{
	const uint8_t *bytes = data;

	if (!function)
		return;
	pthread_mutex_lock(&bus->lock);
	for (unsigned int i = 0; i < len; i++) {
		uint8_t mask = function->writable[offset + i];
		uint8_t *byte = &function->config[offset + i];

		*byte = (uint8_t)((*byte & ~mask) | (bytes[i] & mask));
	}
	decode(bus, function);
	if (function->ops)
		function->ops->config_written(function, offset, len);
	pthread_mutex_unlock(&bus->lock);
}

/* --- ECAM: bus 0 is all there is ---------------------------------------------------------------- */

static struct pci_function *ecam_find(const struct pci_bus *bus, uint64_t offset, unsigned int len)
{
	return find(bus, offset >> 15 & 31, offset >> 12 & 7, offset & 0xfff, len);
}

static void ecam_read(void *device, uint64_t offset, void *data, unsigned int len)
{
	config_read(device, ecam_find(device, offset, len), offset & 0xff, data, len);
}

static void ecam_write(void *device, uint64_t offset, const void *data, unsigned int len)
{
	config_write(device, ecam_find(device, offset, len), offset & 0xff, data, len);
}

const struct bus_ops pci_ecam_bus_ops = {.read = ecam_read, .write = ecam_write};

/* --- ports 0xcf8 to 0xcff ----------------------------------------------------------------------- */

/* The register the data port stands for, or no function; *offset is the register's. */
static struct pci_function *port_find(struct pci_bus *bus, uint64_t port, unsigned int len,
				      unsigned int *offset)
{
	uint32_t address;

	pthread_mutex_lock(&bus->lock);
	address = bus->address;
	pthread_mutex_unlock(&bus->lock);
	*offset = (address & 0xfc) + (port & 3);
	if (port < DATA_PORT || !(address & ADDRESS_ENABLE) || (address & ADDRESS_BUS))
		return NULL;
	return find(bus, address >> 11 & 31, address >> 8 & 7, *offset, len);
}

static void ports_read(void *device, uint64_t port, void *data, unsigned int len)
{
	struct pci_bus *bus = device;
	struct pci_function *function;
	unsigned int offset;

	if (port == 0 && len == sizeof(bus->address)) {
		pthread_mutex_lock(&bus->lock);
		pci_put32(data, 0, bus->address);
		pthread_mutex_unlock(&bus->lock);
		return;
	}
	function = port_find(bus, port, len, &offset);
	config_read(bus, function, offset, data, len);
}

static void ports_write(void *device, uint64_t port, const void *data, unsigned int len)
{
	struct pci_bus *bus = device;
	struct pci_function *function;
	unsigned int offset;

	if (port == 0 && len == sizeof(bus->address)) {
		pthread_mutex_lock(&bus->lock);
		bus->address = pci_get32(data, 0) & ADDRESS_KEPT;
		pthread_mutex_unlock(&bus->lock);
		return;
	}
	function = port_find(bus, port, len, &offset);
	config_write(bus, function, offset, data, len);
}

const struct bus_ops pci_ports_bus_ops = {.read = ports_read, .write = ports_write};

/* --- the window --------------------------------------------------------------------------------- */

/* Who decodes an address: the lowest slot, where a guest has put BARs on top of each other. */
static struct pci_function *window_find(const struct pci_bus *bus, uint64_t offset,
					unsigned int len, uint32_t *at)
{
	uint32_t address = bus->window + (uint32_t)offset;

	for (unsigned int i = 1; i < PCI_SLOTS; i++) {
		struct pci_function *function = bus->functions[i];
		uint32_t base;

		if (!function)
			continue;
		base = __atomic_load_n(&function->base, __ATOMIC_ACQUIRE);
		*at = address - base;
		if (base != PCI_NOWHERE && address >= base && *at < function->bar_size &&
		    len <= function->bar_size - *at)
			return function;
	}
	return NULL;
}

static void window_read(void *device, uint64_t offset, void *data, unsigned int len)
{
	uint32_t at;
	struct pci_function *function = window_find(device, offset, len, &at);

	if (function)
		function->ops->read(function, at, data, len);
	else
		memset(data, 0xff, len);
}

static void window_write(void *device, uint64_t offset, const void *data, unsigned int len)
{
	uint32_t at;
	struct pci_function *function = window_find(device, offset, len, &at);

	if (function)
		function->ops->write(function, at, data, len);
}

const struct bus_ops pci_window_bus_ops = {.read = window_read, .write = window_write};

/* --- life --------------------------------------------------------------------------------------- */

static void reset(const struct pci_bus *bus, struct pci_function *function)
{
	memcpy(function->config, function->initial, sizeof(function->config));
	decode(bus, function);
}

void pci_init(struct pci_bus *bus, uint32_t window, uint32_t window_size)
{
	uint8_t *config = bus->bridge.initial;

	*bus = (struct pci_bus){
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.window = window,
		.window_size = window_size,
	};
	pci_put16(config, PCI_VENDOR_ID, BRIDGE_VENDOR);
	pci_put16(config, PCI_DEVICE_ID, BRIDGE_DEVICE);
	pci_put32(config, PCI_CLASS_REVISION, BRIDGE_CLASS << 8);
	bus->functions[0] = &bus->bridge;
	reset(bus, &bus->bridge);
}

void pci_destroy(struct pci_bus *bus)
{
	pthread_mutex_destroy(&bus->lock);
}

void pci_add(struct pci_bus *bus, unsigned int slot, struct pci_function *function)
{
	uint16_t command = PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE |
			   (function->bar_size ? PCI_COMMAND_MEMORY : 0);

	pci_put16(function->writable, PCI_COMMAND, command);
	function->writable[PCI_CACHE_LINE_SIZE] = 0xff;
	function->writable[PCI_INTERRUPT_LINE] = 0xff;
	if (function->bar_size) {
		pci_put32(function->writable, PCI_BASE_ADDRESS_0, ~(function->bar_size - 1));
		pci_put32(function->initial, PCI_BASE_ADDRESS_0,
			  bus->window + slot * function->bar_size);
	}
	bus->functions[slot] = function;
	reset(bus, function);
}

void pci_reset(struct pci_bus *bus)
{
	pthread_mutex_lock(&bus->lock);
	bus->address = 0;
	for (unsigned int i = 0; i < PCI_SLOTS; i++) {
		struct pci_function *function = bus->functions[i];

		if (!function)
			continue;
		reset(bus, function);
		if (function->ops)
			function->ops->reset(function);
	}
	pthread_mutex_unlock(&bus->lock);
}
