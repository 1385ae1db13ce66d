/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * What boot formats share: the kernel file, and a small allocator for the tables that go beside the
 * kernel in guest memory.
 */
#ifndef VMM_BOOT_IMAGE_H
#define VMM_BOOT_IMAGE_H

#include "vmm/boot.h"

/* A kernel file, open. */
struct boot_image {
	const char *path;
	int fd;
	uint64_t size;
	uint8_t head[64]; /* its first bytes, zero behind the end */
};

struct boot_format {
	const char *name;
	bool (*probe)(const struct boot_image *image);
	int (*load)(const struct boot_image *image, const struct boot_params *params,
		    const struct gm_memory *memory, struct boot_state *state, struct report *report);
};

extern const struct boot_format boot_elf;
extern const struct boot_format boot_bzimage;

/* Load a binary to an address; it is chosen by --flat, not by its contents. */
int boot_flat_load(const struct boot_image *image, const struct boot_params *params,
		   const struct gm_memory *memory, struct boot_state *state, struct report *report);

/* Read exactly @len bytes at @offset of the file into @buf. False at its end or on an error. */
bool boot_image_read(const struct boot_image *image, uint64_t offset, void *buf, size_t len);

/*
 * Move @filesz bytes from @offset of the file straight into guest memory at @addr and clear what is
 * left up to @memsz. The range was checked to be RAM. @what names it in messages.
 */
int boot_load_range(const struct boot_image *image, uint64_t offset, uint64_t filesz,
		    const struct gm_memory *memory, gm_addr addr, uint64_t memsz, const char *what,
		    struct report *report);

/* Which guest memory is spoken for. */
struct placement {
	const struct gm_memory *memory;
	struct boot_record *record; /* written along; may be NULL */
	struct gm_range *taken;     /* in no order */
	size_t count;
	size_t capacity;
};

/*
 * Speak for a range: for @what, or, if that is NULL, for nothing that is in it. -1 without host
 * memory.
 */
int placement_take(struct placement *placement, gm_addr addr, uint64_t len, const char *what,
		   struct report *report);

/*
 * Find room for @len bytes, aligned, in writable RAM below @limit, and speak for it. It may lie
 * across adjacent regions. Page 0 is left alone. @what names it in the message if there is none.
 */
int placement_find(struct placement *placement, uint64_t len, uint64_t align, gm_addr limit,
		   const char *what, gm_addr *addr, struct report *report);

void placement_clear(struct placement *placement);

#endif
