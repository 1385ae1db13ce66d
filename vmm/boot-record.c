/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The list of what was placed, and the names it goes by. */
#include "vmm/boot-record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The first whose @what begins it: what stands there instead, and what it is. */
static const struct {
	const char *what;
	const char *name;
	enum boot_kind kind;
} words[] = {
	{"the kernel", "kernel", BOOT_KERNEL},
	{"--initrd ", "initrd ", BOOT_FILE},
	{"--module ", "module ", BOOT_FILE},
	{"--cmdline", "command line", BOOT_TABLE},
	{"the text of --module", "text of a module", BOOT_TABLE},
	{"the ", "", BOOT_TABLE},
	{"", "", BOOT_TABLE},
};

int boot_record_add(struct boot_record *record, gm_addr addr, uint64_t len, const char *what)
{
	struct boot_placed *placed;
	size_t i = 0;

	if (record->count == record->capacity) {
		size_t capacity = record->capacity ? 2 * record->capacity : 16;

		placed = realloc(record->list, capacity * sizeof(*placed));
		if (!placed)
			return -1;
		record->list = placed;
		record->capacity = capacity;
	}
	while (strncmp(what, words[i].what, strlen(words[i].what)) != 0)
		i++;
	placed = &record->list[record->count];
	*placed = (struct boot_placed){.addr = addr, .len = len, .kind = words[i].kind};
	if (asprintf(&placed->name, "%s%s", words[i].name, what + strlen(words[i].what)) < 0)
		return -1;
	record->count++;
	return 0;
}

void boot_record_clear(struct boot_record *record)
{
	while (record->count)
		free(record->list[--record->count].name);
	free(record->list);
	*record = (struct boot_record){0};
}
