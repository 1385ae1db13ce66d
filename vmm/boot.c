/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Boot: open the kernel file and hand it to the format it is in. Reading into guest memory and
 * finding room there are here too, for all formats.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/boot-image.h"

static const struct boot_format *const formats[] = {
	&boot_elf,
	&boot_bzimage,
};

#define PAGE 4096ULL

static int open_image(struct boot_image *image, struct boot_files *files, struct report *report)
{
	struct stat st;

	image->fd = boot_files_open(files, image->path);
	if (image->fd < 0)
		return report_fail(report, report_whose(errno), "kernel %s: cannot open it: %s",
				   image->path, strerror(errno));
	if (fstat(image->fd, &st))
		return report_fail(report, REPORT_HOST, "kernel %s: %s", image->path,
				   strerror(errno));
	if (S_ISDIR(st.st_mode))
		return report_fail(report, REPORT_USER,
				   "kernel %s: is a directory; give a kernel file", image->path);
	if (!S_ISREG(st.st_mode))
		return report_fail(report, REPORT_USER,
				   "kernel %s: not a regular file; give a kernel file", image->path);
	if (st.st_size == 0)
		return report_fail(report, REPORT_USER,
				   "kernel %s: the file is empty; give a kernel file", image->path);
	image->size = (uint64_t)st.st_size;
	boot_image_read(image, 0, image->head,
			image->size < sizeof(image->head) ? image->size : sizeof(image->head));
	return 0;
}

bool boot_image_read(const struct boot_image *image, uint64_t offset, void *buf, size_t len)
{
	char *to = buf;

	while (len) {
		ssize_t n = pread(image->fd, to, len, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		to += n;
		offset += (uint64_t)n;
		len -= (size_t)n;
	}
	return true;
}

/* Zero [addr, addr + len), but only where something else can be: anonymous memory is zero. */
static int clear_range(const struct gm_memory *memory, gm_addr addr, uint64_t len)
{
	static const char zeroes[4096];

	while (len) {
		uint64_t n = len < sizeof(zeroes) ? len : sizeof(zeroes), offset;
		struct gm_region *region = gm_to_region_addr(memory, addr, &offset);
		int err = 0;

		if (!region)
			return GM_ERR_INVALID_ADDRESS;
		if (gm_region_backing(region) == GM_BACKING_ANON) {
			n = gm_region_size(region) - offset;
			n = n < len ? n : len;
		} else {
			err = gm_write_exact(memory, addr, zeroes, n, NULL);
		}
		if (err)
			return err;
		addr += n;
		len -= n;
	}
	return 0;
}

int boot_load_range(const struct boot_image *image, uint64_t offset, uint64_t filesz,
		    const struct gm_memory *memory, gm_addr addr, uint64_t memsz, const char *what,
		    struct report *report)
{
	struct gm_range range = {addr, filesz};
	struct gm_sg sg;
	ssize_t n = 0;
	int err;

	log_line(LOG_LEVEL_DEBUG, "%s: %s is at 0x%llx-0x%llx", image->path, what,
		 (unsigned long long)addr, (unsigned long long)(addr + memsz - 1));
	err = gm_sg_init(&sg, memory, &range, 1, GM_ACCESS_WRITE);
	if (!err && filesz)
		n = gm_sg_read_from_fd(&sg, image->fd, (off_t)offset, filesz);
	if (err || n < 0 || (uint64_t)n != filesz)
		return report_fail(report, REPORT_HOST, "%s: cannot read %s into memory: %s",
				   image->path, what,
				   n == GM_ERR_IO ? strerror(errno) : "the file got shorter");
	err = clear_range(memory, addr + filesz, memsz - filesz);
	if (err)
		return report_fail(report, REPORT_HOST, "%s: cannot clear the end of %s: %s",
				   image->path, what, gm_strerror(err));
	return 0;
}

int placement_take(struct placement *placement, gm_addr addr, uint64_t len, const char *what,
		   struct report *report)
{
	if (placement->record && what && boot_record_add(placement->record, addr, len, what))
		return report_fail(report, REPORT_HOST, "out of memory");
	if (placement->count == placement->capacity) {
		size_t capacity = placement->capacity ? 2 * placement->capacity : 16;
		struct gm_range *taken = realloc(placement->taken, capacity * sizeof(*taken));

		if (!taken)
			return report_fail(report, REPORT_HOST, "out of memory");
		placement->taken = taken;
		placement->capacity = capacity;
	}
	placement->taken[placement->count++] = (struct gm_range){addr, len};
	return 0;
}

/* The first taken range that [addr, addr + len) meets, or NULL. */
static const struct gm_range *collision(const struct placement *placement, gm_addr addr, uint64_t len)
{
	for (size_t i = 0; i < placement->count; i++) {
		const struct gm_range *taken = &placement->taken[i];

		if (addr < taken->addr + taken->len && taken->addr < addr + len)
			return taken;
	}
	return NULL;
}

/* First fit in [start, end), which is RAM as a whole. */
static bool fit(const struct placement *placement, gm_addr start, gm_addr end, uint64_t len,
		uint64_t align, gm_addr *addr)
{
	const struct gm_range *taken;

	*addr = start;
	for (;;) {
		*addr = (*addr + align - 1) & ~(align - 1);
		if (*addr > end || end - *addr < len)
			return false;
		taken = collision(placement, *addr, len);
		if (!taken)
			return true;
		*addr = taken->addr + taken->len;
	}
}

int placement_find(struct placement *placement, uint64_t len, uint64_t align, gm_addr limit,
		   const char *what, gm_addr *addr, struct report *report)
{
	const struct gm_memory *memory = placement->memory;
	size_t i = 0, n = gm_memory_count(memory);

	while (i < n) {
		gm_addr start = gm_region_start(gm_memory_region(memory, i)), end = start;

		/* A run of adjacent writable regions. */
		while (i < n && gm_region_start(gm_memory_region(memory, i)) == end &&
		       !(gm_region_flags(gm_memory_region(memory, i)) & GM_REGION_READ_ONLY))
			end = gm_region_last(gm_memory_region(memory, i++)) + 1;
		if (end == start) {
			i++;
			continue;
		}
		start = start < PAGE ? PAGE : start;
		end = end < limit ? end : limit;
		if (start < end && fit(placement, start, end, len, align, addr)) {
			log_line(LOG_LEVEL_DEBUG, "%s: place at 0x%llx-0x%llx", what,
				 (unsigned long long)*addr, (unsigned long long)(*addr + len - 1));
			return placement_take(placement, *addr, len, what, report);
		}
	}
	return report_fail(report, REPORT_USER,
			   "no room for %s: %llu bytes of free RAM in one piece below %#llx are "
			   "needed; give the guest more memory",
			   what, (unsigned long long)len, (unsigned long long)limit);
}

void placement_clear(struct placement *placement)
{
	free(placement->taken);
	*placement = (struct placement){0};
}

char *boot_cmdline(const struct boot_params *params, bool is_linux)
{
	bool guest_words = params->guest_words && *params->guest_words;
	const char *words[] = {
		params->cmdline ? params->cmdline
		: is_linux      ? params->linux_words
				: NULL,
		params->append,
		is_linux ? NULL : params->device_words,
		is_linux && guest_words ? "--" : NULL,
		params->guest_words,
	};
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	bool any = false;

	if (!out)
		return NULL;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (!words[i] || !*words[i])
			continue;
		fprintf(out, "%s%s", any ? " " : "", words[i]);
		any = true;
	}
	if (fclose(out)) {
		free(text);
		return NULL;
	}
	return text;
}

int boot_load(const struct boot_params *params, const struct gm_memory *memory,
	      struct boot_state *state, struct report *report)
{
	struct boot_image image = {.path = params->kernel, .fd = -1};
	int ret = open_image(&image, params->files, report);

	*state = (struct boot_state){0};
	if (ret == 0 && params->flat) {
		ret = boot_flat_load(&image, params, memory, state, report);
	} else if (ret == 0) {
		size_t i = 0;

		while (i < sizeof(formats) / sizeof(formats[0]) && !formats[i]->probe(&image))
			i++;
		if (i < sizeof(formats) / sizeof(formats[0]))
			ret = formats[i]->load(&image, params, memory, state, report);
		else
			ret = report_fail(report, REPORT_USER,
					  "kernel %s: neither an ELF file nor a bzImage nor, "
					  "without --flat ADDRESS, a flat binary",
					  params->kernel);
	}
	if (ret == 0)
		log_line(LOG_LEVEL_DEBUG, "%s: entered at 0x%llx", params->kernel,
			 (unsigned long long)state->entry);
	if (image.fd >= 0)
		close(image.fd);
	return ret;
}
