/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* ELF files for tests, put together piece by piece, with every field open to be spoiled. */
#ifndef TESTS_VMM_MAKE_ELF_H
#define TESTS_VMM_MAKE_ELF_H

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TEST_ELF_MAX (1 << 17)

struct test_elf {
	Elf64_Ehdr header;
	Elf64_Phdr segments[8];
	size_t count;
	uint8_t notes[512];
	size_t notes_len;
	uint8_t data[TEST_ELF_MAX]; /* what lies behind the headers, from offset 0x1000 on */
	size_t data_len;
	size_t cut; /* length of the file, if not 0 */
};

struct test_elf test_elf_new(void);
void test_elf_segment(struct test_elf *elf, uint64_t addr, const void *data, size_t filesz,
		      uint64_t memsz);
void test_elf_note(struct test_elf *elf, const char *name, uint32_t type, const void *desc,
		   size_t len);

/* The PVH note with this entry point. */
void test_elf_entry(struct test_elf *elf, uint32_t entry);

/* Write it to a temporary file; the name is static storage, the file the caller's to unlink. */
const char *test_elf_write(const struct test_elf *elf);

/* The same kernel as a 32-bit ELF file. */
const char *test_elf_write32(const struct test_elf *elf);

#endif
