/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* ELF files for tests; see make-elf.h. */
#include "tests/vmm/make-elf.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DATA_OFFSET 0x1000

struct test_elf test_elf_new(void)
{
	static struct test_elf elf;

	memset(&elf, 0, sizeof(elf));
	memcpy(elf.header.e_ident, ELFMAG, SELFMAG);
	elf.header.e_ident[EI_CLASS] = ELFCLASS64;
	elf.header.e_ident[EI_DATA] = ELFDATA2LSB;
	elf.header.e_ident[EI_VERSION] = EV_CURRENT;
	elf.header.e_type = ET_EXEC;
	elf.header.e_machine = EM_X86_64;
	elf.header.e_version = EV_CURRENT;
	elf.header.e_phoff = sizeof(elf.header);
	elf.header.e_ehsize = sizeof(elf.header);
	elf.header.e_phentsize = sizeof(elf.segments[0]);
	return elf;
}

void test_elf_segment(struct test_elf *elf, uint64_t addr, const void *data, size_t filesz,
		      uint64_t memsz)
{
	Elf64_Phdr *segment = &elf->segments[elf->count++];

	*segment = (Elf64_Phdr){
		.p_type = PT_LOAD,
		.p_offset = DATA_OFFSET + elf->data_len,
		.p_paddr = addr,
		.p_vaddr = addr,
		.p_filesz = filesz,
		.p_memsz = memsz,
	};
	memcpy(elf->data + elf->data_len, data, filesz);
	elf->data_len += filesz;
}

static void append(struct test_elf *elf, const void *data, size_t len)
{
	if (len)
		memcpy(elf->notes + elf->notes_len, data, len);
	elf->notes_len += (len + 3) & ~3UL;
}

void test_elf_note(struct test_elf *elf, const char *name, uint32_t type, const void *desc, size_t len)
{
	Elf64_Nhdr note = {(uint32_t)strlen(name) + 1, (uint32_t)len, type};

	append(elf, &note, sizeof(note));
	append(elf, name, strlen(name) + 1);
	append(elf, desc, len);
}

void test_elf_entry(struct test_elf *elf, uint32_t entry)
{
	test_elf_note(elf, "Xen", 18, &entry, sizeof(entry));
}

static const char *temporary(int *fd)
{
	static char path[64];

	strcpy(path, "/tmp/test-elf.XXXXXX");
	*fd = mkstemp(path);
	ck_assert_int_ge(*fd, 0);
	return path;
}

static void put(int fd, size_t offset, const void *data, size_t len)
{
	ck_assert_int_eq(pwrite(fd, data, len, (off_t)offset), (ssize_t)len);
}

/* The notes go behind the data. */
static Elf64_Phdr note_segment(const struct test_elf *elf)
{
	return (Elf64_Phdr){
		.p_type = PT_NOTE,
		.p_offset = DATA_OFFSET + sizeof(elf->data),
		.p_filesz = elf->notes_len,
		.p_memsz = elf->notes_len,
		.p_align = 4,
	};
}

static void finish(int fd, const struct test_elf *elf)
{
	put(fd, DATA_OFFSET, elf->data, elf->data_len);
	put(fd, DATA_OFFSET + sizeof(elf->data), elf->notes, elf->notes_len);
	if (elf->cut)
		ck_assert_int_eq(ftruncate(fd, (off_t)elf->cut), 0);
	close(fd);
}

const char *test_elf_write(const struct test_elf *elf)
{
	Elf64_Ehdr header = elf->header;
	Elf64_Phdr note = note_segment(elf);
	const char *path;
	int fd;

	path = temporary(&fd);
	if (!header.e_phnum)
		header.e_phnum = (uint16_t)(elf->count + (elf->notes_len > 0));
	put(fd, 0, &header, sizeof(header));
	put(fd, sizeof(header), elf->segments, elf->count * sizeof(elf->segments[0]));
	if (elf->notes_len)
		put(fd, sizeof(header) + elf->count * sizeof(note), &note, sizeof(note));
	finish(fd, elf);
	return path;
}

static Elf32_Phdr narrow(const Elf64_Phdr *wide)
{
	return (Elf32_Phdr){
		.p_type = wide->p_type,
		.p_offset = (uint32_t)wide->p_offset,
		.p_paddr = (uint32_t)wide->p_paddr,
		.p_vaddr = (uint32_t)wide->p_vaddr,
		.p_filesz = (uint32_t)wide->p_filesz,
		.p_memsz = (uint32_t)wide->p_memsz,
		.p_align = (uint32_t)wide->p_align,
	};
}

const char *test_elf_write32(const struct test_elf *elf)
{
	Elf32_Ehdr header = {
		.e_type = ET_EXEC,
		.e_machine = EM_386,
		.e_version = EV_CURRENT,
		.e_phoff = sizeof(header),
		.e_ehsize = sizeof(header),
		.e_phentsize = sizeof(Elf32_Phdr),
		.e_phnum = (uint16_t)(elf->count + (elf->notes_len > 0)),
	};
	Elf64_Phdr note = note_segment(elf);
	Elf32_Phdr phdr;
	const char *path;
	int fd;

	memcpy(header.e_ident, elf->header.e_ident, EI_NIDENT);
	header.e_ident[EI_CLASS] = ELFCLASS32;
	path = temporary(&fd);
	put(fd, 0, &header, sizeof(header));
	for (size_t i = 0; i <= elf->count; i++) {
		phdr = narrow(i < elf->count ? &elf->segments[i] : &note);
		put(fd, sizeof(header) + i * sizeof(phdr), &phdr, sizeof(phdr));
	}
	finish(fd, elf);
	return path;
}
