/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * bzImages: a setup header, 16-bit code that is not used here, and the kernel proper, which unpacks
 * itself. It goes where it would like to be, or where there is room for what it unpacks to.
 */
#define boot_params linux_boot_params
#include <asm/bootparam.h>
#undef boot_params

#include <stddef.h>
#include <string.h>

#include "vmm/boot-linux.h"

#define SECTOR            512ULL
#define HEADER_OFFSET     0x1f1
#define HEADER_END_OFFSET 0x202 /* plus the byte before it */
#define MAGIC_OFFSET      0x202
#define MAGIC             "HdrS"
#define VERSION_MIN       0x20c /* the first with 64-bit entry and its flag */
#define ENTRY_OFFSET      0x200
#define SETUP_SECTS_OLD   4

/* An arm64 or riscv64 Image has a word of its own here. */
#define IMAGE_MAGIC_OFFSET 0x38

#define FAIL(report, ...) report_fail(report, REPORT_USER, "kernel " __VA_ARGS__)

static bool probe(const struct boot_image *image)
{
	char magic[4];

	if (memcmp(image->head + IMAGE_MAGIC_OFFSET, "ARM\x64", 4) == 0 ||
	    memcmp(image->head + IMAGE_MAGIC_OFFSET, "RSC\x05", 4) == 0)
		return true;
	return image->size > MAGIC_OFFSET + sizeof(magic) &&
	       boot_image_read(image, MAGIC_OFFSET, magic, sizeof(magic)) &&
	       memcmp(magic, MAGIC, sizeof(magic)) == 0;
}

/* The setup header, as long as this kernel's is, and where the kernel proper begins. */
static int read_header(const struct boot_image *image, struct setup_header *header, uint64_t *start,
		       struct report *report)
{
	uint8_t raw[HEADER_END_OFFSET + 256 - HEADER_OFFSET] = {0};
	uint64_t len;

	if (memcmp(image->head + IMAGE_MAGIC_OFFSET, "ARM\x64", 4) == 0)
		return FAIL(report, "%s: an arm64 kernel; only x86 runs here", image->path);
	if (memcmp(image->head + IMAGE_MAGIC_OFFSET, "RSC\x05", 4) == 0)
		return FAIL(report, "%s: a RISC-V kernel; only x86 runs here", image->path);
	len = image->size - HEADER_OFFSET;
	if (!boot_image_read(image, HEADER_OFFSET, raw, len < sizeof(raw) ? len : sizeof(raw)))
		return FAIL(report, "%s: cannot read its setup header", image->path);
	len = HEADER_END_OFFSET - HEADER_OFFSET + raw[HEADER_END_OFFSET - 1 - HEADER_OFFSET];
	memset(header, 0, sizeof(*header));
	memcpy(header, raw, len < sizeof(*header) ? len : sizeof(*header));
	*start = (header->setup_sects ? header->setup_sects + 1ULL : SETUP_SECTS_OLD + 1) * SECTOR;
	return 0;
}

static int check_header(const struct boot_image *image, const struct setup_header *header,
			uint64_t start, struct report *report)
{
	const char *path = image->path;

	if (header->version < VERSION_MIN)
		return FAIL(report, "%s: boot protocol %u.%02u is too old; 2.12 or later is needed",
			    path, header->version >> 8, header->version & 0xff);
	if (!(header->xloadflags & XLF_KERNEL_64))
		return FAIL(report, "%s: a 32-bit kernel; only 64-bit bzImages boot here", path);
	if (image->size <= start || image->size - start < 16ULL * header->syssize)
		return FAIL(report, "%s: truncated bzImage: %llu bytes of %llu", path,
			    (unsigned long long)image->size,
			    (unsigned long long)(start + 16ULL * header->syssize));
	if (image->size - start > header->init_size)
		return FAIL(report, "%s: damaged bzImage: larger than the memory it asks for", path);
	if (header->relocatable_kernel && (header->kernel_alignment == 0 ||
					   header->kernel_alignment & (header->kernel_alignment - 1)))
		return FAIL(report, "%s: damaged bzImage: alignment %#x is not a power of two",
			    path, header->kernel_alignment);
	return 0;
}

/* Where it likes to be, else anywhere it may be. */
static int place_kernel(const struct boot_image *image, const struct setup_header *header,
			struct placement *placement, gm_addr *addr, struct report *report)
{
	const struct gm_memory *memory = placement->memory;
	uint64_t pref = header->pref_address, end;

	if (pref >= LINUX_LOW_END && !__builtin_add_overflow(pref, header->init_size, &end) &&
	    end <= LINUX_LIMIT && gm_check_range(memory, pref, header->init_size, GM_ACCESS_WRITE)) {
		*addr = pref;
		return placement_take(placement, pref, header->init_size, "the kernel", report);
	}
	if (!header->relocatable_kernel)
		return FAIL(report,
			    "%s: needs %u bytes of RAM at %#llx, where this layout has none or too "
			    "little",
			    image->path, header->init_size, (unsigned long long)pref);
	return placement_find(placement, header->init_size, header->kernel_alignment, LINUX_LIMIT,
			      "the kernel", addr, report);
}

static int load(const struct boot_image *image, const struct boot_params *params,
		const struct gm_memory *memory, struct boot_state *state, struct report *report)
{
	struct placement placement = {.memory = memory, .record = params->record};
	struct pieces pieces = {.placement = &placement, .report = report, .files = params->files};
	struct setup_header header;
	uint64_t start;
	gm_addr addr;
	int ret = -1;

	if (read_header(image, &header, &start, report) ||
	    check_header(image, &header, start, report) ||
	    place_kernel(image, &header, &placement, &addr, report) ||
	    linux_prepare(params, &pieces, &header, addr + ENTRY_OFFSET, state))
		goto out;
	ret = 0;
	if (!params->plan && (boot_load_range(image, start, image->size - start, memory, addr,
					      image->size - start, "the kernel", report) ||
			      pieces_write(&pieces)))
		ret = -1;
out:
	pieces_clear(&pieces);
	placement_clear(&placement);
	return ret;
}

const struct boot_format boot_bzimage = {
	.name = "bzImage",
	.probe = probe,
	.load = load,
};
