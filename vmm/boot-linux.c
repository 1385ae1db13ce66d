/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The zero page and what it points to. The kernel's header of asm/bootparam.h calls the zero page
 * struct boot_params, which is something else in this monitor.
 */
#define boot_params linux_boot_params
#include <asm/bootparam.h>
#undef boot_params

#include "vmm/boot-linux.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/acpi.h"
#include "vmm/boot-memmap.h"

#define BOOT_FLAG        0xaa55
#define HEADER_MAGIC     0x53726448 /* "HdrS" */
#define LOADER_UNDEFINED 0xff
#define CMDLINE_MAX      2047       /* of a kernel whose file does not say */
#define INITRD_MAX       0x7fffffff /* likewise: the last address it may have */

#define PAGE         4096ULL
#define ENTRIES      512
#define LARGE_PAGE   0x200000ULL
#define PTE_PRESENT  1
#define PTE_WRITABLE 2
#define PTE_LARGE    0x80
#define PAGE_TABLES  6 /* PML4, PDPT, a directory for each of 4 GiB */

struct linux_boot {
	const struct boot_params *params;
	struct pieces *pieces;
	struct linux_boot_params zero; /* the zero page */
	struct gm_range acpi;
};

static int out_of_memory(const struct linux_boot *boot)
{
	return report_fail(boot->pieces->report, REPORT_HOST, "out of memory");
}

/* --- page tables --------------------------------------------------------------------------------- */

static int put_page_tables(struct linux_boot *boot, gm_addr *cr3)
{
	uint64_t *tables, at = 0;

	if (pieces_put(boot->pieces, NULL, PAGE_TABLES * PAGE, PAGE, LINUX_LIMIT, "page tables", cr3))
		return -1;
	tables = pieces_data(boot->pieces, *cr3);
	tables[0] = htole64((*cr3 + PAGE) | PTE_PRESENT | PTE_WRITABLE);
	for (unsigned int i = 0; i < PAGE_TABLES - 2; i++)
		tables[ENTRIES + i] = htole64((*cr3 + (2 + i) * PAGE) | PTE_PRESENT | PTE_WRITABLE);
	for (unsigned int i = 2 * ENTRIES; i < PAGE_TABLES * ENTRIES; i++, at += LARGE_PAGE)
		tables[i] = htole64(at | PTE_PRESENT | PTE_WRITABLE | PTE_LARGE);
	return 0;
}

/* --- memory map ---------------------------------------------------------------------------------- */

/* What has no place in the zero page follows in a list of its own. */
static int put_more_e820(struct linux_boot *boot, const struct boot_e820_entry *entries, size_t count)
{
	uint32_t len = (uint32_t)(count * sizeof(*entries));
	struct setup_data head = {.type = SETUP_E820_EXT, .len = len};
	gm_addr addr;
	uint8_t *data;

	if (pieces_put(boot->pieces, NULL, sizeof(head) + len, 16, LINUX_LIMIT,
		       "the rest of the memory map", &addr))
		return -1;
	data = pieces_data(boot->pieces, addr);
	memcpy(data, &head, sizeof(head));
	memcpy(data + sizeof(head), entries, len);
	boot->zero.hdr.setup_data = addr;
	return 0;
}

static int put_e820(struct linux_boot *boot)
{
	struct boot_e820_entry *e820;
	struct memmap_entry *entries;
	size_t count, head = E820_MAX_ENTRIES_ZEROPAGE;
	int ret = 0;

	if (memmap_build(boot->pieces->placement->memory, boot->acpi,
			 acpi_reserved(boot->params->acpi), &entries, &count))
		return out_of_memory(boot);
	e820 = calloc(count, sizeof(*e820));
	for (size_t i = 0; e820 && i < count; i++)
		e820[i] = (struct boot_e820_entry){
			.addr = entries[i].addr,
			.size = entries[i].size,
			.type = entries[i].type,
		};
	free(entries);
	if (!e820)
		return out_of_memory(boot);
	head = count < head ? count : head;
	boot->zero.e820_entries = (uint8_t)head;
	memcpy(boot->zero.e820_table, e820, head * sizeof(*e820));
	if (count > head)
		ret = put_more_e820(boot, e820 + head, count - head);
	free(e820);
	return ret;
}

/* --- command line, initrd ------------------------------------------------------------------------ */

static int put_cmdline(struct linux_boot *boot)
{
	struct linux_boot_params *zero = &boot->zero;
	gm_addr addr;

	if (pieces_put_cmdline(boot->pieces, boot->params, true, zero->hdr.cmdline_size,
			       LINUX_LIMIT, &addr))
		return -1;
	zero->hdr.cmd_line_ptr = (uint32_t)addr;
	return 0;
}

static int put_initrd(struct linux_boot *boot)
{
	struct linux_boot_params *zero = &boot->zero;
	gm_addr limit = zero->hdr.initrd_addr_max + 1ULL, addr;
	uint64_t len;

	if (!boot->params->initrd)
		return 0;
	if (zero->hdr.xloadflags & XLF_CAN_BE_LOADED_ABOVE_4G)
		limit = UINT64_MAX;
	if (pieces_put_file(boot->pieces, boot->params->initrd, "--initrd", limit, &addr, &len))
		return -1;
	zero->hdr.ramdisk_image = (uint32_t)addr;
	zero->hdr.ramdisk_size = (uint32_t)len;
	zero->ext_ramdisk_image = (uint32_t)(addr >> 32);
	zero->ext_ramdisk_size = (uint32_t)(len >> 32);
	return 0;
}

/* --- the zero page ------------------------------------------------------------------------------- */

static void begin_zero_page(struct linux_boot *boot, const struct setup_header *header)
{
	struct setup_header *hdr = &boot->zero.hdr;

	if (header)
		*hdr = *header;
	else
		*hdr = (struct setup_header){
			.boot_flag = BOOT_FLAG,
			.header = HEADER_MAGIC,
			.cmdline_size = CMDLINE_MAX,
			.initrd_addr_max = INITRD_MAX,
		};
	hdr->type_of_loader = LOADER_UNDEFINED;
	hdr->setup_data = 0;
}

int linux_prepare(const struct boot_params *params, struct pieces *pieces,
		  const struct setup_header *header, gm_addr entry, struct boot_state *state)
{
	struct linux_boot boot = {.params = params, .pieces = pieces};
	gm_addr cr3, zero;

	if (params->module_count)
		return report_fail(pieces->report, REPORT_USER,
				   "--module %s: a Linux kernel takes none; give --initrd",
				   params->modules[0].path);
	begin_zero_page(&boot, header);
	if (placement_take(pieces->placement, 0, LINUX_LOW_END, NULL, pieces->report) ||
	    put_page_tables(&boot, &cr3) || put_cmdline(&boot) ||
	    acpi_put(params->acpi, pieces, LINUX_LIMIT, &boot.acpi) || put_e820(&boot) ||
	    put_initrd(&boot))
		return -1;
	boot.zero.acpi_rsdp_addr = boot.acpi.addr;
	if (pieces_put(pieces, &boot.zero, sizeof(boot.zero), PAGE, LINUX_LIMIT, "the zero page",
		       &zero))
		return -1;
	*state = (struct boot_state){
		.mode = BOOT_LONG,
		.entry = entry,
		.rsi = zero,
		.cr3 = cr3,
		.is_linux = true,
	};
	return 0;
}
