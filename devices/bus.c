/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The bus: a sorted array of ranges and a binary search. Nothing is written on an access, so that
 * vCPUs do not share a cache line for it.
 */
#include "devices/bus.h"

#include <stdlib.h>
#include <string.h>

/* The number of ranges that begin at or below @addr. */
static size_t bus_rank(const struct bus *bus, uint64_t addr)
{
	size_t low = 0, left = bus->count;

	/* The condition becomes a conditional move: the same steps for every address. */
	while (left) {
		size_t half = left / 2;
		bool above = bus->ranges[low + half].base <= addr;

		low = above ? low + half + 1 : low;
		left = above ? left - half - 1 : half;
	}
	return low;
}

int bus_add(struct bus *bus, const struct bus_range *range)
{
	size_t at = bus_rank(bus, range->base);
	uint64_t last = range->base + range->size - 1;

	if (range->size == 0 || last < range->base)
		return -1;
	if (at > 0 && range->base - bus->ranges[at - 1].base < bus->ranges[at - 1].size)
		return -1;
	if (at < bus->count && bus->ranges[at].base <= last)
		return -1;
	if (bus->count == bus->capacity) {
		size_t capacity = bus->capacity ? bus->capacity * 2 : 16;
		struct bus_range *ranges = reallocarray(bus->ranges, capacity, sizeof(*ranges));

		if (!ranges)
			return -1;
		bus->ranges = ranges;
		bus->capacity = capacity;
	}
	memmove(&bus->ranges[at + 1], &bus->ranges[at], (bus->count - at) * sizeof(*range));
	bus->ranges[at] = *range;
	bus->count++;
	return 0;
}

void bus_clear(struct bus *bus)
{
	free(bus->ranges);
	*bus = (struct bus){0};
}

const struct bus_range *bus_find(const struct bus *bus, uint64_t addr, unsigned int len)
{
	size_t rank = bus_rank(bus, addr);
	const struct bus_range *range;
	uint64_t offset;

	if (rank == 0)
		return NULL;
	range = &bus->ranges[rank - 1];
	offset = addr - range->base;
	if (offset >= range->size || len > range->size - offset)
		return NULL;
	return range;
}

bool bus_read(const struct bus *bus, uint64_t addr, void *data, unsigned int len)
{
	const struct bus_range *range = bus_find(bus, addr, len);

	if (!range) {
		memset(data, 0xff, len);
		return false;
	}
	range->ops->read(range->device, addr - range->base, data, len);
	return true;
}

bool bus_write(const struct bus *bus, uint64_t addr, const void *data, unsigned int len)
{
	const struct bus_range *range = bus_find(bus, addr, len);

	if (!range)
		return false;
	range->ops->write(range->device, addr - range->base, data, len);
	return true;
}
