/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The map of a machine: which guest physical addresses are memory and what backs them, what the
 * boot put there, where devices have registers, and, once drivers are ready, where their queues
 * lie. It is collected first, from a machine that runs or from one that is only planned, and then
 * written: as text for a terminal, as a picture, or as JSON.
 */
#ifndef VMM_MAP_H
#define VMM_MAP_H

#include <stdio.h>

#include "devices/virtqueue.h"
#include "vmm/boot-record.h"
#include "vmm/machine.h"
#include "vmm/options.h"

#define MAP_NAME_MAX 80

/* Memory slot n of KVM is the region with index n. */
struct map_region {
	gm_addr start;
	uint64_t size;
	enum gm_backing backing;
	unsigned int flags; /* enum gm_region_flags */
	const char *file;   /* as the user wrote it, or NULL */
	uint64_t file_offset;
	const void *host; /* NULL: not mapped */
};

/* Registers of devices. */
struct map_window {
	gm_addr start;
	uint64_t size;
	char name[MAP_NAME_MAX];
	int pin;     /* of the IOAPIC, or -1 */
	bool inside; /* a BAR, in the window of the PCI bus */
};

/* A queue whose driver is ready. */
struct map_queue {
	char device[MAP_NAME_MAX];
	unsigned int index;
	uint32_t size; /* entries */
	bool packed;
	struct gm_range areas[VIRTQ_AREAS];
};

/* Of one thread. Strings belong to the machine and its options; a restart makes new ones. */
struct map {
	const char *kernel; /* path, or NULL */
	struct map_region *regions;
	size_t region_count;
	const struct boot_placed *pieces; /* the machine's, in no order */
	size_t piece_count;
	struct map_window *windows; /* ascending; those inside behind the one they are in */
	size_t window_count;
	struct map_queue *queues;
	size_t queue_count;
};

/*
 * What there is now. The loop's thread; the guest may run. map_clear() in every case. 0 or -1
 * (@report).
 */
int map_collect(struct map *map, const struct machine *machine, struct report *report);
void map_clear(struct map *map);

/*
 * Each 0, or -1 if memory is short or @out reports an error. The same map gives the same bytes.
 *
 * Text and picture sum up neighbours that are alike, so that any number of regions can be read;
 * JSON has all of them: {"kernel", "regions", "pieces", "windows", "queues"}, addresses as numbers.
 */
int map_write_text(const struct map *map, FILE *out);
int map_write_svg(const struct map *map, FILE *out);
int map_write_json(const struct map *map, FILE *out);

/* Whether a map can be written to a file of that name: 0 or -1 (@report). */
int map_check_path(const char *path, struct report *report);

/*
 * Write it to @path, as a picture if that ends in .svg, as JSON if it ends in .json: whole, or not
 * at all. Before the jail is locked. 0 or -1 (@report).
 */
int map_write_file(const struct map *map, const char *path, struct report *report);

/* What --map asks for: standard error, or a file. */
int map_show(const struct options *options, const struct machine *machine, struct report *report);

/* Whether it could, as far as can be told without writing anything. 0 or -1 (@report). */
int map_try(const struct options *options, struct report *report);

#endif
