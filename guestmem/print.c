/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The printed map of a memory. Everything it says comes from the public interface. */
#include "guestmem/print.h"

#include <inttypes.h>
#include <unistd.h>

#include "guestmem/internal.h"

static void print_size(FILE *out, uint64_t size)
{
	static const char units[][4] = {"B", "KiB", "MiB", "GiB", "TiB"};
	unsigned int unit = 0;

	while (unit < sizeof(units) / sizeof(units[0]) - 1 && size % 1024 == 0 && size) {
		size /= 1024;
		unit++;
	}
	fprintf(out, " %6" PRIu64 " %-3s", size, units[unit]);
}

static void print_file(FILE *out, const struct gm_region *region)
{
	char link[32], path[256];
	ssize_t len;

	if (gm_region_fd(region) < 0)
		return;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", gm_region_fd(region));
	len = readlink(link, path, sizeof(path));
	fprintf(out, "  %.*s@0x%" PRIx64, len < 0 ? 1 : (int)len, len < 0 ? "?" : path,
		gm_region_file_offset(region));
}

static void print_flags(FILE *out, unsigned int flags)
{
	static const struct {
		unsigned int flag;
		const char *name;
	} names[] = {
		{GM_REGION_PRIVATE, "private"},       {GM_REGION_HUGETLB, "hugetlb"},
		{GM_REGION_POPULATE, "populated"},    {GM_REGION_LOCK, "locked"},
		{GM_REGION_NO_THP, "no-thp"},         {GM_REGION_NO_GUARD, "no-guard"},
		{GM_REGION_NO_RESERVE, "no-reserve"}, {GM_REGION_DONTDUMP, "dontdump"},
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (flags & names[i].flag)
			fprintf(out, "  %s", names[i].name);
	}
}

static void print_region(FILE *out, const struct gm_region *region, bool adjacent)
{
	static const char backings[][8] = {
		[GM_BACKING_ANON] = "anon",
		[GM_BACKING_MEMFD] = "memfd",
		[GM_BACKING_FILE] = "file",
		[GM_BACKING_FOREIGN] = "foreign",
	};
	unsigned int flags = gm_region_flags(region);

	fprintf(out, "0x%016" PRIx64 "-0x%016" PRIx64, gm_region_start(region),
		gm_region_last(region));
	print_size(out, gm_region_size(region));
	fprintf(out, "  %-7s %s  host %p", backings[gm_region_backing(region)],
		flags & GM_REGION_READ_ONLY ? "ro" : "rw", gm_region_host(region));
	print_file(out, region);
	print_flags(out, flags);
	fputs(adjacent ? "  +\n" : "\n", out);
}

int gm_memory_print(const struct gm_memory *memory, FILE *out)
{
	gm_addr next = 0;

	if (memory->iommu) {
		fprintf(out, "behind an IOMMU, translation %s\n",
			gm_memory_iommu_enabled(memory) ? "on" : "off");
		memory = gm_memory_backend(memory);
	}
	for (size_t i = 0; i < gm_memory_count(memory); i++) {
		const struct gm_region *region = gm_memory_region(memory, i);

		print_region(out, region, i && gm_region_start(region) == next);
		next = gm_region_last(region) + 1;
	}
	return ferror(out) ? GM_ERR_IO : 0;
}
