/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * What a boot put where in guest memory, by name, for maps: it is written down as it is placed and
 * kept as long as the machine lives.
 */
#ifndef VMM_BOOT_RECORD_H
#define VMM_BOOT_RECORD_H

#include <stddef.h>

#include "guestmem/types.h"

enum boot_kind {
	BOOT_KERNEL, /* the kernel, or a segment of it */
	BOOT_FILE,   /* a file the user gave beside it: initrd, module */
	BOOT_TABLE,  /* what the boot protocol or the mode it is entered in wants */
};

struct boot_placed {
	gm_addr addr;
	uint64_t len;
	enum boot_kind kind;
	char *name;
};

/* The thread that boots, which is the loop's. */
struct boot_record {
	struct boot_placed *list; /* as it was placed: in no order, none overlap */
	size_t count;
	size_t capacity;
};

/*
 * Note that @what has a place; it is the words messages have for it ("the zero page", "--initrd
 * PATH"), of which the kind and a name for maps are made. 0, or -1 without memory.
 */
int boot_record_add(struct boot_record *record, gm_addr addr, uint64_t len, const char *what);

/* Forget all of it: another boot begins, or the machine goes. */
void boot_record_clear(struct boot_record *record);

#endif
