/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The layout of guest physical memory: what --memory, --region, --layout and --fragment describe,
 * checked, and turned into a struct gm_memory.
 */
#ifndef VMM_LAYOUT_H
#define VMM_LAYOUT_H

#include "devices/near.h"
#include "devices/report.h"
#include "devices/units.h"
#include "guestmem/guestmem.h"

/* What the platform itself occupies: no RAM may be here. */
#define PLATFORM_BASE    0xfeb00000ULL /* devices, IOAPIC, LAPIC, ECAM, up to 4 GiB */
#define PLATFORM_END     0x100000000ULL
#define MMIO_DEVICE_BASE 0xfeb00000ULL
#define MMIO_DEVICE_MAX  ((0xfec00000ULL - MMIO_DEVICE_BASE) / 0x1000)
/* With --transport pci: where the devices' BARs are, in place of their pages; configuration space. */
#define PCI_WINDOW_BASE 0xfeb00000U
#define PCI_WINDOW_SIZE 0x00100000U
#define PCI_ECAM_BASE   0xff000000U
#define IOAPIC_BASE     0xfec00000ULL
#define LAPIC_BASE      0xfee00000ULL
/* What KVM needs on Intel hosts for itself (TSS and identity map); inside the platform range. */
#define KVM_IDENTITY_MAP_BASE 0xfeffc000ULL
#define KVM_TSS_BASE          0xfeffd000ULL

struct layout_region {
	struct gm_region_config config; /* .fd is opened by layout_build() */
	char *file;                     /* file= argument, or NULL */
	char *where;                    /* "--region 0:64M" or "pc.layout line 7": for messages */
};

struct layout {
	struct layout_region *regions;
	size_t count;
	size_t capacity;
	uint64_t scatter; /* map in an order shuffled with this seed; 0: in order */
};

/* The default layout of @bytes of RAM: from 0 up to 3 GiB, what is left from 4 GiB. */
int layout_add_memory(struct layout *layout, const char *text, struct report *report);

/*
 * "BASE:SIZE[*COUNT][,WORD...]" with the words ro, file=PATH, offset=N, private, memfd, huge,
 * populate, lock; white space matters only inside a PATH. COUNT makes so many adjacent regions. A
 * file is shared with the guest unless private (copy on write). @where is for messages.
 */
int layout_add_region(struct layout *layout, const char *text, const char *where,
		      struct report *report);

/* A file with one region a line, '#' comments, the same words; messages name the line. */
int layout_add_file(struct layout *layout, const char *path, struct report *report);

/*
 * --fragment "SIZE[,seed=N]": cut every region but the read-only ones into regions of SIZE with
 * mappings of their own (multiples of 2M where it is huge); with a seed, of random sizes from 4K to
 * SIZE, mapped in a random order, so that what is adjacent for the guest is scattered on the host.
 */
int layout_fragment(struct layout *layout, const char *text, struct report *report);

/*
 * Check the layout (order in the text does not matter; overlap, alignment to 4 KiB, zero size,
 * wrap, platform range, number of slots @max_regions, backing files) and make the memory. All
 * checks are done before anything is mapped. @dirty_page as in struct gm_region_config.
 */
int layout_build(const struct layout *layout, size_t max_regions, uint64_t dirty_page,
		 struct gm_memory **out, struct report *report);

/*
 * The same checks and the same regions, but no memory behind them: for who only asks what is where.
 * Nothing of it may be accessed.
 */
int layout_plan(const struct layout *layout, struct gm_memory **out, struct report *report);

void layout_clear(struct layout *layout);

/* The words behind BASE:SIZE, for help; up to one without a name. */
extern const struct device_word region_words[];

#endif
