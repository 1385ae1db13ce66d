/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Boot: from a kernel file to bytes in guest memory and the registers to start with.
 *
 * A boot format is one file with one struct boot_format; boot.c lists them and asks each in turn
 * whether the file is one of its own. Nothing here knows KVM: machine.c turns struct boot_state
 * into KVM's register structures.
 */
#ifndef VMM_BOOT_H
#define VMM_BOOT_H

#include "devices/report.h"
#include "guestmem/guestmem.h"
#include "vmm/boot-files.h"
#include "vmm/boot-record.h"

enum boot_mode {
	BOOT_REAL,      /* 16 bit, CS:IP from entry >> 4, flat segments of 64 KiB */
	BOOT_PROTECTED, /* 32 bit, flat 4 GiB segments, paging off */
	BOOT_LONG,      /* 64 bit, paging on with the page tables at cr3 */
};

/* Registers of the first vCPU; the rest is zero or architectural reset state for the mode. */
struct boot_state {
	enum boot_mode mode;
	uint64_t entry; /* guest physical address of the first instruction */
	uint64_t stack; /* rsp */
	uint64_t rbx;   /* PVH: start info */
	uint64_t rsi;   /* Linux: zero page */
	uint64_t rdi;
	uint64_t cr3; /* BOOT_LONG: page tables */
	bool is_linux;
};

struct boot_module {
	const char *path;
	const char *cmdline; /* may be NULL */
};

struct acpi_machine;

struct boot_params {
	const char *kernel;              /* path */
	const char *cmdline;             /* the whole of it, or NULL for the default */
	const char *append;              /* behind it, or NULL */
	const char *linux_words;         /* the default of a Linux kernel, or NULL */
	const char *guest_words;         /* at the very end, for Linux behind "--"; or NULL */
	const char *device_words;        /* for kernels that do not read ACPI, or NULL */
	const char *initrd;              /* path, or NULL */
	const struct acpi_machine *acpi; /* what the ACPI tables describe; NULL: none */
	const struct boot_module *modules;
	size_t module_count;
	struct boot_files *files;   /* kept for a restart; NULL: there is none */
	const char *flat;           /* "ADDRESS[,16|32|64]" for a flat binary, or NULL */
	struct boot_record *record; /* gets what was placed where; may be NULL */
	bool plan;                  /* everything is checked and placed, and nothing written */
};

/*
 * The command line: the given one or the default, what is to be appended, the device words if the
 * kernel is not Linux, which finds devices in the ACPI tables, and the guest's words, which Linux
 * hands to init since they are behind a "--". To be freed; NULL without memory.
 */
char *boot_cmdline(const struct boot_params *params, bool is_linux);

/*
 * Load everything into @memory and say how to start. All checks come before the first byte is
 * written to a file-backed region.
 */
int boot_load(const struct boot_params *params, const struct gm_memory *memory,
	      struct boot_state *state, struct report *report);

#endif
