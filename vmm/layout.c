/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * From a layout to a memory: the checks that need all regions at once, the backing files, and the
 * regions themselves. Nothing is mapped before everything is checked.
 */
#include "vmm/layout.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE 4096ULL

/* x86 has at most 52 physical address bits; KVM may allow fewer and then says so. */
#define ADDRESS_END (1ULL << 52)

void layout_clear(struct layout *layout)
{
	for (size_t i = 0; i < layout->count; i++) {
		free(layout->regions[i].file);
		free(layout->regions[i].where);
	}
	free(layout->regions);
	*layout = (struct layout){0};
}

static int by_start(const void *a, const void *b)
{
	const struct layout_region *const *left = a, *const *right = b;
	gm_addr l = (*left)->config.start, r = (*right)->config.start;

	return l < r ? -1 : l > r;
}

static int check_range(const struct layout_region *region, struct report *report)
{
	const struct gm_region_config *config = &region->config;
	unsigned long long start = config->start, size = config->size;
	gm_addr end;

	if (config->start % PAGE)
		return report_fail(report, REPORT_USER,
				   "%s: base 0x%llx is not a multiple of 4K (0x1000)",
				   region->where, start);
	if (config->size % PAGE)
		return report_fail(report, REPORT_USER,
				   "%s: size 0x%llx is not a multiple of 4K (0x1000)",
				   region->where, size);
	if (__builtin_add_overflow(config->start, config->size, &end) || end > ADDRESS_END)
		return report_fail(report, REPORT_USER,
				   "%s: base 0x%llx plus size 0x%llx is past the last physical "
				   "address 0xfffffffffffff",
				   region->where, start, size);
	if (config->start < PLATFORM_END && end > PLATFORM_BASE)
		return report_fail(report, REPORT_USER,
				   "%s: 0x%llx-0x%llx covers the platform's own 0x%llx-0x%llx; end "
				   "before it or start at 4G",
				   region->where, start, (unsigned long long)end - 1, PLATFORM_BASE,
				   PLATFORM_END - 1);
	return 0;
}

static int check_overlap(struct layout_region *const *sorted, size_t count, struct report *report)
{
	for (size_t i = 1; i < count; i++) {
		const struct layout_region *a = sorted[i - 1], *b = sorted[i];

		if (a->config.start + a->config.size > b->config.start)
			return report_fail(report, REPORT_USER,
					   "%s: 0x%llx-0x%llx overlaps 0x%llx-0x%llx of %s",
					   b->where, (unsigned long long)b->config.start,
					   (unsigned long long)(b->config.start + b->config.size - 1),
					   (unsigned long long)a->config.start,
					   (unsigned long long)(a->config.start + a->config.size - 1),
					   a->where);
	}
	return 0;
}

/* The backing file, open, in config.fd. */
static int open_file(struct layout_region *region, struct report *report)
{
	struct gm_region_config *config = &region->config;
	bool reads = config->flags & (GM_REGION_READ_ONLY | GM_REGION_PRIVATE);
	uint64_t end;
	struct stat st;

	config->fd = open(region->file, (reads ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK);
	if (config->fd < 0 && (errno == EMFILE || errno == ENFILE))
		return report_fail(report, REPORT_HOST,
				   "%s: file=%s: cannot open it: %s (each region with a file needs "
				   "two descriptors; ulimit -n)",
				   region->where, region->file, strerror(errno));
	if (config->fd < 0)
		return report_fail(report, report_whose(errno), "%s: file=%s: cannot open it: %s",
				   region->where, region->file, strerror(errno));
	if (fstat(config->fd, &st))
		return report_fail(report, REPORT_HOST, "%s: file=%s: %s", region->where,
				   region->file, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return report_fail(report, REPORT_USER, "%s: file=%s: not a regular file",
				   region->where, region->file);
	if (__builtin_add_overflow(config->file_offset, config->size, &end) ||
	    end > (uint64_t)st.st_size)
		return report_fail(report, REPORT_USER,
				   "%s: file=%s: has %lld bytes, the region needs %llu from offset "
				   "%llu on",
				   region->where, region->file, (long long)st.st_size,
				   (unsigned long long)config->size,
				   (unsigned long long)config->file_offset);
	return 0;
}

static int fail_region(const struct layout_region *region, int error, struct report *report)
{
	const char *why =
		error == GM_ERR_MAP || error == GM_ERR_IO ? strerror(errno) : gm_strerror(error);

	if (error == GM_ERR_MAP && errno == ENOMEM && (region->config.flags & GM_REGION_HUGETLB))
		return report_fail(report, REPORT_HOST,
				   "%s: cannot map %llu bytes: %s (vm.nr_hugepages says how many "
				   "huge pages there are)",
				   region->where, (unsigned long long)region->config.size, why);
	if (error == GM_ERR_MAP && errno == ENOMEM)
		return report_fail(report, REPORT_HOST,
				   "%s: cannot map %llu bytes: %s (host memory, or more mappings "
				   "than vm.max_map_count allows)",
				   region->where, (unsigned long long)region->config.size, why);
	return report_fail(report, REPORT_HOST, "%s: cannot map %llu bytes: %s", region->where,
			   (unsigned long long)region->config.size, why);
}

/*
 * The order in which to map: the host places mappings one below the other, so a shuffled order puts
 * neighbours of the guest far apart.
 */
static void shuffle(size_t *order, size_t count, uint64_t seed)
{
	for (size_t i = count; i > 1; i--) {
		size_t j, swap = order[i - 1];

		seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
		j = (size_t)((seed >> 33) % i);
		order[i - 1] = order[j];
		order[j] = swap;
	}
}

/* Each file region has a descriptor of its own; memfds too. */
static void raise_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

/* Everything that is made on the way, so that one place takes it down again. */
struct build {
	struct layout_region **sorted;
	struct gm_region **regions;
	size_t *order;
	size_t count;
};

static int make_memory(const struct build *build, struct gm_memory **out, struct report *report)
{
	int err = gm_memory_new(build->regions, build->count, out, NULL);

	if (err)
		return report_fail(report, REPORT_HOST, "cannot make the memory: %s",
				   gm_strerror(err));
	return 0;
}

static int map_regions(struct build *build, uint64_t scatter, uint64_t dirty_page,
		       struct gm_memory **out, struct report *report)
{
	int err;

	for (size_t i = 0; i < build->count; i++)
		build->order[i] = i;
	if (scatter)
		shuffle(build->order, build->count, scatter);
	for (size_t i = 0; i < build->count; i++) {
		struct layout_region *region = build->sorted[build->order[i]];

		region->config.dirty_page = dirty_page;
		err = gm_region_new(&region->config, &build->regions[build->order[i]]);
		if (err)
			return fail_region(region, err, report);
	}
	return make_memory(build, out, report);
}

/* Addresses without bytes: any size, and nothing of the host's. */
static int plan_regions(struct build *build, struct gm_memory **out, struct report *report)
{
	static char nothing;

	for (size_t i = 0; i < build->count; i++) {
		const struct gm_region_config *config = &build->sorted[i]->config;
		const struct gm_region_config plan = {
			.start = config->start,
			.size = config->size,
			.backing = GM_BACKING_FOREIGN,
			.flags = config->flags & GM_REGION_READ_ONLY,
			.host = &nothing,
		};
		int err = gm_region_new(&plan, &build->regions[i]);

		if (err)
			return fail_region(build->sorted[i], err, report);
	}
	return make_memory(build, out, report);
}

static int check_all(struct build *build, size_t max_regions, struct report *report)
{
	if (build->count == 0)
		return report_fail(report, REPORT_USER, "the layout has no region");
	if (build->count > max_regions)
		return report_fail(
			report, REPORT_USER,
			"the layout has %zu regions, KVM on this host has slots for %zu; "
			"use fewer, larger ones",
			build->count, max_regions);
	for (size_t i = 0; i < build->count; i++) {
		if (check_range(build->sorted[i], report))
			return -1;
	}
	qsort(build->sorted, build->count, sizeof(build->sorted[0]), by_start);
	if (check_overlap(build->sorted, build->count, report))
		return -1;
	raise_file_limit();
	for (size_t i = 0; i < build->count; i++) {
		if (build->sorted[i]->file && open_file(build->sorted[i], report))
			return -1;
	}
	return 0;
}

static int make(const struct layout *layout, size_t max_regions, uint64_t dirty_page, bool plan,
		struct gm_memory **out, struct report *report)
{
	struct build build = {
		.sorted = calloc(layout->count + 1, sizeof(struct layout_region *)),
		.regions = calloc(layout->count + 1, sizeof(struct gm_region *)),
		.order = calloc(layout->count + 1, sizeof(size_t)),
		.count = layout->count,
	};
	int ret = -1;

	*out = NULL;
	if (!build.sorted || !build.regions || !build.order) {
		report_fail(report, REPORT_HOST, "out of memory for the layout");
		goto out;
	}
	for (size_t i = 0; i < layout->count; i++) {
		build.sorted[i] = &layout->regions[i];
		build.sorted[i]->config.fd = -1;
		build.sorted[i]->config.flags |= GM_REGION_DONTDUMP;
	}
	ret = check_all(&build, max_regions, report);
	if (ret == 0 && plan)
		ret = plan_regions(&build, out, report);
	else if (ret == 0)
		ret = map_regions(&build, layout->scatter, dirty_page, out, report);
	for (size_t i = 0; i < layout->count; i++) {
		gm_region_put(build.regions[i]);
		if (build.sorted[i]->config.fd >= 0)
			close(build.sorted[i]->config.fd);
		build.sorted[i]->config.fd = -1;
	}
out:
	free(build.sorted);
	free(build.regions);
	free(build.order);
	return ret;
}

int layout_build(const struct layout *layout, size_t max_regions, uint64_t dirty_page,
		 struct gm_memory **out, struct report *report)
{
	return make(layout, max_regions, dirty_page, false, out, report);
}

int layout_plan(const struct layout *layout, struct gm_memory **out, struct report *report)
{
	return make(layout, SIZE_MAX, 0, true, out, report);
}
