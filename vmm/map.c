/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Collecting a map from the parts of a machine that know each a piece of it. */
#include "vmm/map.h"

#include <stdlib.h>
#include <string.h>

#include "vmm/layout.h"

/* KVM answers a page of registers for the local APICs. */
#define LAPIC_SIZE 0x1000

/* What KVM keeps for itself on Intel hosts: the identity map's page and three of the TSS. */
#define KVM_PAGES_SIZE 0x4000

/* The most windows there are beside those of devices. */
#define WINDOWS_MORE 8

/* --- regions ------------------------------------------------------------------------------------- */

static int by_start(const void *a, const void *b)
{
	const struct layout_region *const *left = a, *const *right = b;
	gm_addr l = (*left)->config.start, r = (*right)->config.start;

	return l < r ? -1 : l > r;
}

/* The layout's regions as the memory has them: in order. NULL without a layout, or without memory. */
static const struct layout_region **sort_layout(const struct layout *layout)
{
	const struct layout_region **sorted =
		calloc(layout->count + 1, sizeof(struct layout_region *));

	for (size_t i = 0; sorted && i < layout->count; i++)
		sorted[i] = &layout->regions[i];
	if (sorted)
		qsort(sorted, layout->count, sizeof(*sorted), by_start);
	return sorted;
}

static struct map_region take_region(const struct gm_region *region, const struct layout_region *from)
{
	struct map_region taken = {
		.start = gm_region_start(region),
		.size = gm_region_size(region),
		.backing = gm_region_backing(region),
		.flags = gm_region_flags(region),
		.file_offset = gm_region_fd(region) < 0 ? 0 : gm_region_file_offset(region),
		.host = gm_region_host(region),
	};

	/* One that is only planned has no memory of its own. */
	if (from && taken.backing == GM_BACKING_FOREIGN)
		taken.host = NULL;
	if (from) {
		taken.backing = from->config.backing;
		taken.flags = from->config.flags;
		taken.file = from->file;
		taken.file_offset = from->config.file_offset;
	}
	return taken;
}

static int collect_regions(struct map *map, const struct machine *machine)
{
	const struct layout *layout = machine->config.layout;
	const struct layout_region **sorted = layout ? sort_layout(layout) : NULL;
	struct gm_memory *memory = gm_cell_snapshot(machine->memory);
	size_t count = gm_memory_count(memory);
	int err = layout && !sorted ? -1 : 0;

	map->regions = err ? NULL : calloc(count + 1, sizeof(*map->regions));
	for (size_t i = 0; map->regions && i < count; i++)
		map->regions[map->region_count++] =
			take_region(gm_memory_region(memory, i),
				    sorted && layout->count == count ? sorted[i] : NULL);
	gm_memory_put(memory);
	free(sorted);
	return map->regions ? 0 : -1;
}

/* --- windows ------------------------------------------------------------------------------------- */

static struct map_window *add_window(struct map *map, gm_addr start, uint64_t size,
				     const char *what, const char *name)
{
	struct map_window *window = &map->windows[map->window_count++];

	*window = (struct map_window){.start = start, .size = size, .pin = -1};
	snprintf(window->name, sizeof(window->name), "%s%s", what, name);
	return window;
}

/* Where its BAR is decoded, or where firmware would have put it; a plan has the place only. */
static gm_addr bar_of(const struct machine_slot *slot, size_t index)
{
	struct pci_function *function = slot->pci ? virtio_pci_function(slot->pci) : NULL;
	uint32_t base = function ? __atomic_load_n(&function->base, __ATOMIC_ACQUIRE) : PCI_NOWHERE;

	/* The host bridge has the first slot. */
	return base == PCI_NOWHERE ? PCI_WINDOW_BASE + (index + 1) * VIRTIO_PCI_BAR_SIZE : base;
}

/* As with its option: some have no name but their type's, which says virtio once more. */
static const char *device_name(const struct machine_slot *slot)
{
	const char *name = slot->device ? slot->device->name : slot->planned ? slot->planned : "?";

	return strncmp(name, "virtio-", 7) == 0 ? name + 7 : name;
}

static void add_device(struct map *map, const struct machine *machine, size_t index)
{
	const struct machine_slot *slot = &machine->slots[index];

	if (machine->config.pci)
		add_window(map, bar_of(slot, index), VIRTIO_PCI_BAR_SIZE, "BAR 0 of ",
			   device_name(slot))
			->inside = true;
	else
		add_window(map, slot->base, VIRTIO_MMIO_SIZE, "virtio-mmio ", device_name(slot))->pin =
			(int)slot->pin;
}

/* What a guest has moved is in another order. */
static int by_place(const void *a, const void *b)
{
	const struct map_window *l = a, *r = b;

	if (l->start != r->start)
		return l->start < r->start ? -1 : 1;
	if (l->inside != r->inside)
		return l->inside ? 1 : -1;
	return strcmp(l->name, r->name);
}

static int collect_windows(struct map *map, const struct machine *machine)
{
	map->windows = calloc(machine->slot_count + WINDOWS_MORE, sizeof(*map->windows));
	if (!map->windows)
		return -1;
	for (size_t i = 0; i < machine->slot_count; i++)
		add_device(map, machine, i);
	add_window(map, IOAPIC_BASE, IOAPIC_SIZE, "IOAPIC", "");
	add_window(map, LAPIC_BASE, LAPIC_SIZE, "local APICs", "");
	add_window(map, KVM_IDENTITY_MAP_BASE, KVM_PAGES_SIZE, "KVM's own on Intel hosts", "");
	if (machine->config.pci) {
		add_window(map, PCI_WINDOW_BASE, PCI_WINDOW_SIZE, "PCI BARs", "");
		add_window(map, PCI_ECAM_BASE, PCI_ECAM_SIZE, "PCI configuration space (ECAM)", "");
	}
	qsort(map->windows, map->window_count, sizeof(*map->windows), by_place);
	return 0;
}

/* --- queues -------------------------------------------------------------------------------------- */

static size_t count_queues(const struct machine *machine)
{
	size_t count = 0;

	for (size_t i = 0; i < machine->slot_count; i++)
		count += machine->slots[i].device ? machine->slots[i].device->queue_count : 0;
	return count;
}

/* Drivers change them at any time, under the device's lock. */
static void add_queues(struct map *map, struct virtio_device *device)
{
	virtio_lock(device);
	for (unsigned int i = 0; i < device->queue_count; i++) {
		const struct virtq *vq = &device->queues[i];
		struct map_queue *queue = &map->queues[map->queue_count];

		if (!vq->ready)
			continue;
		*queue = (struct map_queue){.index = i, .size = vq->size, .packed = vq->packed};
		snprintf(queue->device, sizeof(queue->device), "%s", device->name);
		virtq_areas(vq, queue->areas);
		map->queue_count++;
	}
	virtio_unlock(device);
}

static int collect_queues(struct map *map, const struct machine *machine)
{
	map->queues = calloc(count_queues(machine) + 1, sizeof(*map->queues));
	for (size_t i = 0; map->queues && i < machine->slot_count; i++) {
		if (machine->slots[i].device)
			add_queues(map, machine->slots[i].device);
	}
	return map->queues ? 0 : -1;
}

/* --- all of it ----------------------------------------------------------------------------------- */

int map_collect(struct map *map, const struct machine *machine, struct report *report)
{
	*map = (struct map){
		.kernel = machine->boot ? machine->boot->kernel : NULL,
		.pieces = machine->record.list,
		.piece_count = machine->record.count,
	};
	if (collect_regions(map, machine) || collect_windows(map, machine) ||
	    collect_queues(map, machine))
		return report_fail(report, REPORT_HOST, "map: out of memory");
	return 0;
}

void map_clear(struct map *map)
{
	free(map->regions);
	free(map->windows);
	free(map->queues);
	*map = (struct map){0};
}
