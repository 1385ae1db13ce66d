/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * A bus: which device answers at an address. One instance for port I/O, one for MMIO.
 *
 * Ranges are added during set-up by one thread; afterwards any number of vCPU threads access. An
 * access belongs to the range that holds its first byte and is passed on only if it lies inside as
 * a whole; everything else reads as all ones and is dropped when written. Locking, if a device
 * needs it, is the device's.
 */
#ifndef DEVICES_BUS_H
#define DEVICES_BUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* @offset is relative to the range; @len is 1, 2, 4 or 8; @data is host memory, little endian. */
struct bus_ops {
	void (*read)(void *device, uint64_t offset, void *data, unsigned int len);
	void (*write)(void *device, uint64_t offset, const void *data, unsigned int len);
};

struct bus_range {
	uint64_t base;
	uint64_t size;
	const struct bus_ops *ops;
	void *device;
	const char *name; /* for messages and maps; static storage */
};

struct bus {
	struct bus_range *ranges; /* ascending by base */
	size_t count;
	size_t capacity;
};

/* 0, or -1 if the range is empty, wraps, overlaps another or memory is short. */
int bus_add(struct bus *bus, const struct bus_range *range);

/* Forgets all ranges; the devices are their owners'. */
void bus_clear(struct bus *bus);

/* The range that holds [addr, addr + len), or NULL. O(log n). */
const struct bus_range *bus_find(const struct bus *bus, uint64_t addr, unsigned int len);

/* Whether a device answered. */
bool bus_read(const struct bus *bus, uint64_t addr, void *data, unsigned int len);
bool bus_write(const struct bus *bus, uint64_t addr, const void *data, unsigned int len);

#endif
