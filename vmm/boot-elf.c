/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * ELF kernels: with a PVH note, 32 and 64 bit; without one an x86-64 file is a vmlinux and entered
 * by Linux's 64-bit protocol. The file is not trusted: every header is read into a local structure
 * and checked against the file and against guest memory before the first byte of the guest's memory
 * changes.
 */
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/boot-linux.h"
#include "vmm/boot-pvh.h"

#define SEGMENTS_MAX 256
#define NOTES_MAX    (1U << 20)

#define NOTE_PHYS32_ENTRY 18 /* Xen's XEN_ELFNOTE_PHYS32_ENTRY */
#define NOTE_REGIONS      1  /* "vmm": wants the region table */

/* A program header of either class. */
struct segment {
	uint32_t type;
	uint64_t offset;
	uint64_t filesz;
	gm_addr addr;
	uint64_t memsz;
	uint64_t align;
};

struct elf {
	const struct boot_image *image;
	struct report *report;
	struct segment segments[SEGMENTS_MAX];
	size_t count;
	bool pvh;   /* the PVH note was found */
	bool is_64; /* x86-64 */
	/* What the notes say; the entry of a vmlinux without PVH is the file header's. */
	struct pvh_kernel kernel;
};

/* What both classes' file headers say, in one form. */
struct file_header {
	uint16_t machine;
	uint64_t entry;
	uint64_t phoff;
	uint16_t phentsize;
	uint16_t phnum;
	size_t phsize; /* what phentsize must be */
};

#define FAIL(elf, ...) report_fail((elf)->report, REPORT_USER, "kernel " __VA_ARGS__)

static bool probe(const struct boot_image *image)
{
	return memcmp(image->head, ELFMAG, SELFMAG) == 0;
}

static int read_file_header(struct elf *elf, struct file_header *header)
{
	const uint8_t *ident = elf->image->head;
	const char *path = elf->image->path;
	Elf64_Ehdr e64;
	Elf32_Ehdr e32;

	if (ident[EI_CLASS] != ELFCLASS32 && ident[EI_CLASS] != ELFCLASS64)
		return FAIL(elf, "%s: ELF class %u is neither 32 nor 64 bit", path, ident[EI_CLASS]);
	if (ident[EI_DATA] != ELFDATA2LSB)
		return FAIL(elf, "%s: not a little-endian ELF file; x86 kernels are", path);
	if (ident[EI_CLASS] == ELFCLASS64) {
		if (!boot_image_read(elf->image, 0, &e64, sizeof(e64)))
			return FAIL(elf, "%s: truncated ELF file: it ends in the file header", path);
		*header = (struct file_header){e64.e_machine,   e64.e_entry, e64.e_phoff,
					       e64.e_phentsize, e64.e_phnum, sizeof(Elf64_Phdr)};
	} else {
		if (!boot_image_read(elf->image, 0, &e32, sizeof(e32)))
			return FAIL(elf, "%s: truncated ELF file: it ends in the file header", path);
		*header = (struct file_header){e32.e_machine,   e32.e_entry, e32.e_phoff,
					       e32.e_phentsize, e32.e_phnum, sizeof(Elf32_Phdr)};
	}
	if (header->machine != EM_X86_64 && header->machine != EM_386)
		return FAIL(elf, "%s: ELF file for machine %u; only x86 (%u, %u) runs here", path,
			    header->machine, EM_386, EM_X86_64);
	if (header->phnum == 0 || header->phnum > SEGMENTS_MAX)
		return FAIL(elf, "%s: %u program headers; a kernel has 1 to %d", path,
			    header->phnum, SEGMENTS_MAX);
	if (header->phentsize != header->phsize)
		return FAIL(elf, "%s: program headers of %u bytes; they must have %zu", path,
			    header->phentsize, header->phsize);
	return 0;
}

static int read_segments(struct elf *elf, const struct file_header *header)
{
	bool wide = header->phsize == sizeof(Elf64_Phdr);
	uint64_t offset = header->phoff;

	for (; elf->count < header->phnum; elf->count++) {
		struct segment *segment = &elf->segments[elf->count];
		Elf64_Phdr p64;
		Elf32_Phdr p32;

		if (offset > elf->image->size ||
		    !boot_image_read(elf->image, offset, wide ? (void *)&p64 : (void *)&p32,
				     header->phsize))
			return FAIL(elf, "%s: truncated ELF file: it ends in program header %zu",
				    elf->image->path, elf->count);
		if (wide)
			*segment = (struct segment){p64.p_type,  p64.p_offset, p64.p_filesz,
						    p64.p_paddr, p64.p_memsz,  p64.p_align};
		else
			*segment = (struct segment){p32.p_type,  p32.p_offset, p32.p_filesz,
						    p32.p_paddr, p32.p_memsz,  p32.p_align};
		offset += header->phsize;
	}
	return 0;
}

/* One segment against the file and the guest's memory. */
static int check_segment(struct elf *elf, size_t index, const struct gm_memory *memory)
{
	const struct segment *segment = &elf->segments[index];
	unsigned long long addr = segment->addr, memsz = segment->memsz;
	const char *path = elf->image->path;
	uint64_t end;

	if (__builtin_add_overflow(segment->offset, segment->filesz, &end) || end > elf->image->size)
		return FAIL(elf, "%s: truncated ELF file: segment %zu ends past its end", path,
			    index);
	if (segment->filesz > segment->memsz)
		return FAIL(elf, "%s: segment %zu has more bytes in the file than in memory", path,
			    index);
	if (!gm_check_range(memory, addr, memsz, GM_ACCESS_READ))
		return FAIL(elf, "%s: segment %zu, %#llx bytes at %#llx, is not in RAM as a whole",
			    path, index, memsz, addr);
	if (!gm_check_range(memory, addr, memsz, GM_ACCESS_WRITE))
		return FAIL(elf, "%s: segment %zu, %#llx bytes at %#llx, meets a read-only region",
			    path, index, memsz, addr);
	for (size_t i = 0; i < index; i++) {
		const struct segment *other = &elf->segments[i];

		if (other->type == PT_LOAD && addr < other->addr + other->memsz &&
		    other->addr < addr + memsz)
			return FAIL(elf, "%s: segments %zu and %zu overlap at %#llx", path, i, index,
				    addr > other->addr ? addr : (unsigned long long)other->addr);
	}
	return 0;
}

static uint64_t align_up(uint64_t value, uint64_t align)
{
	return (value + align - 1) & ~(align - 1);
}

/* One note: its name and descriptor are inside the buffer. */
static void take_note(struct elf *elf, const Elf64_Nhdr *note, const char *name, const uint8_t *desc)
{
	if (note->n_namesz == 4 && memcmp(name, "Xen", 4) == 0 &&
	    note->n_type == NOTE_PHYS32_ENTRY && (note->n_descsz == 4 || note->n_descsz == 8)) {
		uint64_t entry = 0;

		memcpy(&entry, desc, note->n_descsz);
		elf->kernel.entry = le64toh(entry);
		elf->pvh = true;
	} else if (note->n_namesz == 4 && memcmp(name, "vmm", 4) == 0 &&
		   note->n_type == NOTE_REGIONS) {
		elf->kernel.wants_regions = true;
	} else if (note->n_namesz == 6 && memcmp(name, "Linux", 6) == 0) {
		elf->kernel.is_linux = true;
	}
}

/* The notes of one PT_NOTE segment, padded to 4 or, if its alignment says so, 8 bytes. */
static int read_notes(struct elf *elf, const struct segment *segment)
{
	uint64_t align = segment->align == 8 ? 8 : 4, at = 0;
	uint8_t *notes;

	if (segment->filesz > NOTES_MAX)
		return FAIL(elf, "%s: %llu bytes of notes; a kernel has fewer than 1 MiB",
			    elf->image->path, (unsigned long long)segment->filesz);
	notes = malloc(segment->filesz + 1);
	if (!notes)
		return report_fail(elf->report, REPORT_HOST, "out of memory");
	if (!boot_image_read(elf->image, segment->offset, notes, segment->filesz)) {
		free(notes);
		return FAIL(elf, "%s: truncated ELF file: it ends in its notes", elf->image->path);
	}
	while (segment->filesz - at >= sizeof(Elf64_Nhdr)) {
		Elf64_Nhdr note;
		uint64_t name, desc, end;

		memcpy(&note, notes + at, sizeof(note));
		/* 32-bit sizes in 64-bit sums: no wrap. */
		name = at + sizeof(note);
		desc = align_up(name + note.n_namesz, align);
		end = desc + note.n_descsz;
		if (end > segment->filesz)
			break;
		take_note(elf, &note, (const char *)notes + name, notes + desc);
		at = align_up(end, align);
		if (at > segment->filesz)
			break;
	}
	free(notes);
	return 0;
}

static bool entry_loaded(const struct elf *elf)
{
	for (size_t i = 0; i < elf->count; i++) {
		const struct segment *segment = &elf->segments[i];

		if (segment->type == PT_LOAD && elf->kernel.entry >= segment->addr &&
		    elf->kernel.entry - segment->addr < segment->filesz)
			return true;
	}
	return false;
}

static int check(struct elf *elf, const struct gm_memory *memory)
{
	const char *path = elf->image->path;
	bool any = false;

	for (size_t i = 0; i < elf->count; i++) {
		struct segment *segment = &elf->segments[i];

		if (segment->type == PT_NOTE && read_notes(elf, segment))
			return -1;
		/* Linkers leave empty segments, whose address means nothing. */
		if (segment->type == PT_LOAD && segment->memsz == 0 && segment->filesz == 0)
			segment->type = PT_NULL;
		if (segment->type != PT_LOAD)
			continue;
		any = true;
		if (check_segment(elf, i, memory))
			return -1;
	}
	if (!any)
		return FAIL(elf, "%s: no segment to load; is it linked?", path);
	if (!elf->pvh && !elf->is_64)
		return FAIL(elf, "%s: no PVH entry point; the ELF note \"Xen\" of type %d is missing",
			    path, NOTE_PHYS32_ENTRY);
	if (elf->kernel.entry >= PVH_LIMIT || !entry_loaded(elf))
		return FAIL(elf, "%s: the %s entry point %#llx is in no segment", path,
			    elf->pvh ? "PVH" : "64-bit", (unsigned long long)elf->kernel.entry);
	return 0;
}

static int take_segments(struct elf *elf, struct placement *placement)
{
	for (size_t i = 0; i < elf->count; i++) {
		const struct segment *segment = &elf->segments[i];
		char what[48];

		snprintf(what, sizeof(what), "the kernel, segment %zu", i);
		if (segment->type == PT_LOAD &&
		    placement_take(placement, segment->addr, segment->memsz, what, elf->report))
			return -1;
	}
	return 0;
}

static int load_segments(struct elf *elf, const struct gm_memory *memory)
{
	for (size_t i = 0; i < elf->count; i++) {
		const struct segment *segment = &elf->segments[i];

		if (segment->type == PT_LOAD &&
		    boot_load_range(elf->image, segment->offset, segment->filesz, memory,
				    segment->addr, segment->memsz, "a segment", elf->report))
			return -1;
	}
	return 0;
}

static int load(const struct boot_image *image, const struct boot_params *params,
		const struct gm_memory *memory, struct boot_state *state, struct report *report)
{
	struct elf elf = {.image = image, .report = report};
	struct placement placement = {.memory = memory, .record = params->record};
	struct pieces pieces = {.placement = &placement, .report = report, .files = params->files};
	struct file_header header;
	int ret = -1;

	if (read_file_header(&elf, &header))
		return -1;
	elf.is_64 = header.phsize == sizeof(Elf64_Phdr) && header.machine == EM_X86_64;
	elf.kernel.entry = header.entry;
	if (read_segments(&elf, &header) || check(&elf, memory))
		return -1;
	if (take_segments(&elf, &placement))
		goto out;
	if (elf.pvh)
		ret = pvh_prepare(params, &pieces, &elf.kernel, state);
	else
		ret = linux_prepare(params, &pieces, NULL, elf.kernel.entry, state);
	if (ret == 0 && !params->plan && (load_segments(&elf, memory) || pieces_write(&pieces)))
		ret = -1;
out:
	pieces_clear(&pieces);
	placement_clear(&placement);
	return ret;
}

const struct boot_format boot_elf = {
	.name = "elf",
	.probe = probe,
	.load = load,
};
