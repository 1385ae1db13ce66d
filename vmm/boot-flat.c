/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Flat binaries: the whole file at one address, entered there in the mode that was asked for.
 * 64-bit mode needs page tables, which identity-map the low 4 GiB in pages of 2 MiB.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/boot-image.h"
#include "vmm/layout.h"

#define PAGE         4096ULL
#define PTE_PRESENT  0x1ULL
#define PTE_WRITABLE 0x2ULL
#define PTE_LARGE    0x80ULL
#define LOW_GIB      4

static const struct {
	const char *name;
	enum boot_mode mode;
	gm_addr end; /* the binary must lie below */
} modes[] = {
	{"16", BOOT_REAL, 1ULL << 20},
	{"32", BOOT_PROTECTED, 1ULL << 32},
	{"64", BOOT_LONG, 1ULL << 32},
};

/* "ADDRESS[,16|32|64]" */
static int parse_flat(const char *text, gm_addr *addr, size_t *mode, struct report *report)
{
	const char *comma = strchr(text, ',');
	char head[64];
	size_t len = comma ? (size_t)(comma - text) : strlen(text);

	snprintf(head, sizeof(head), "%.*s", (int)(len < 63 ? len : 63), text);
	if (!parse_size(head, addr))
		return report_fail(report, REPORT_USER,
				   "--flat %s: '%s' is not an address; write for example 0x7c00",
				   text, head);
	*mode = 0;
	while (comma && strcmp(comma + 1, modes[*mode].name) != 0) {
		if (++*mode == sizeof(modes) / sizeof(modes[0]))
			return report_fail(report, REPORT_USER,
					   "--flat %s: the mode '%s' must be 16, 32 or 64", text,
					   comma + 1);
	}
	return 0;
}

/* PML4, PDPT and a page directory for each of 4 GiB, in one run of pages. */
static int make_page_tables(const struct gm_memory *memory, struct placement *placement, bool plan,
			    gm_addr *root, struct report *report)
{
	const size_t pages = 2 + LOW_GIB;
	uint64_t *tables = calloc(pages, PAGE);
	int ret = -1;

	if (!tables)
		return report_fail(report, REPORT_HOST, "out of memory");
	if (placement_find(placement, pages * PAGE, PAGE, 1ULL << 32, "page tables", root, report))
		goto out;
	tables[0] = (*root + PAGE) | PTE_PRESENT | PTE_WRITABLE;
	for (uint64_t gib = 0; gib < LOW_GIB; gib++) {
		tables[512 + gib] = (*root + (2 + gib) * PAGE) | PTE_PRESENT | PTE_WRITABLE;
		for (uint64_t i = 0; i < 512; i++)
			tables[(2 + gib) * 512 + i] =
				((gib << 30) + (i << 21)) | PTE_PRESENT | PTE_WRITABLE | PTE_LARGE;
	}
	if (!plan && gm_write_exact(memory, *root, tables, pages * PAGE, NULL))
		report_fail(report, REPORT_HOST, "cannot write the page tables");
	else
		ret = 0;
out:
	free(tables);
	return ret;
}

int boot_flat_load(const struct boot_image *image, const struct boot_params *params,
		   const struct gm_memory *memory, struct boot_state *state, struct report *report)
{
	struct placement placement = {.memory = memory, .record = params->record};
	gm_addr addr = 0, end;
	size_t mode = 0;
	int ret;

	if (parse_flat(params->flat, &addr, &mode, report))
		return -1;
	if (__builtin_add_overflow(addr, image->size, &end) || end > modes[mode].end)
		return report_fail(report, REPORT_USER,
				   "kernel %s: %llu bytes at %#llx end past %#llx, the limit of "
				   "%s-bit mode",
				   image->path, (unsigned long long)image->size,
				   (unsigned long long)addr, (unsigned long long)modes[mode].end,
				   modes[mode].name);
	if (!gm_check_range(memory, addr, image->size, GM_ACCESS_WRITE))
		return report_fail(
			report, REPORT_USER,
			"kernel %s: %llu bytes at %#llx are not in writable RAM; move it "
			"with --flat or give the guest memory there",
			image->path, (unsigned long long)image->size, (unsigned long long)addr);
	*state = (struct boot_state){.mode = modes[mode].mode, .entry = addr, .stack = addr};
	ret = placement_take(&placement, addr, image->size, "the kernel", report);
	if (ret == 0 && state->mode == BOOT_LONG)
		ret = make_page_tables(memory, &placement, params->plan, &state->cr3, report);
	if (ret == 0 && !params->plan)
		ret = boot_load_range(image, 0, image->size, memory, addr, image->size, "it", report);
	placement_clear(&placement);
	return ret;
}
