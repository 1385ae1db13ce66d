/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* iotlb cases, and iommu cases: a memory reached through an IOMMU that asks an IOTLB. */
#include "tests/conformance/conformance.h"

#include <stdlib.h>

#define DIRTY_PAGE 4096

/* The case's IOTLB is its private part. */
static struct gm_iotlb *iotlb_of(struct conf *c)
{
	return c->private;
}

static void iotlb_make(struct conf *c)
{
	struct gm_iotlb *iotlb;

	if (gm_iotlb_new(&iotlb))
		c->malformed = true;
	c->private = iotlb;
}

static void iotlb_open(struct conf *c)
{
	iotlb_make(c);
	conf_put(c, "ok");
}

static void iotlb_close(struct conf *c)
{
	gm_iotlb_put(iotlb_of(c));
}

static void put_result(struct conf *c, int err)
{
	if (err)
		conf_error_name(c, err);
	else
		conf_put(c, "ok");
}

static void map(struct conf *c)
{
	put_result(c, gm_iotlb_map(iotlb_of(c), conf_u64(c, 0), conf_u64(c, 1), conf_u64(c, 2),
				   conf_access(c, 3)));
}

static void invalidate(struct conf *c)
{
	put_result(c, gm_iotlb_invalidate(iotlb_of(c), conf_u64(c, 0), conf_u64(c, 1)));
}

static void invalidate_all(struct conf *c)
{
	gm_iotlb_invalidate_all(iotlb_of(c));
	conf_put(c, "ok");
}

static void put_mapped(void *arg, enum gm_iotlb_finding finding, gm_addr iova, uint64_t len,
		       gm_addr phys)
{
	(void)finding;
	(void)iova;
	conf_put(arg, "0x%lx:0x%lx ", phys, len);
}

/* One list of what failed: the findings of one kind, comma-separated. */
struct failures {
	struct conf *c;
	enum gm_iotlb_finding kind;
	bool any;
};

static void put_failure(void *arg, enum gm_iotlb_finding finding, gm_addr iova, uint64_t len,
			gm_addr phys)
{
	struct failures *failures = arg;

	(void)phys;
	if (finding != failures->kind)
		return;
	conf_put(failures->c, "%s0x%lx:0x%lx", failures->any ? "," : "", iova, len);
	failures->any = true;
}

static void put_failures(struct conf *c, const char *name, enum gm_iotlb_finding kind)
{
	struct failures failures = {.c = c, .kind = kind};

	conf_put(c, "%s", name);
	gm_iotlb_lookup(iotlb_of(c), conf_u64(c, 0), conf_u64(c, 1), conf_access(c, 2), put_failure,
			&failures);
	if (!failures.any)
		conf_put(c, "-");
}

static void lookup(struct conf *c)
{
	gm_addr iova = conf_u64(c, 0);
	uint64_t len = conf_u64(c, 1);
	enum gm_access access = conf_access(c, 2);
	int err = gm_iotlb_lookup(iotlb_of(c), iova, len, access, NULL, NULL);

	if (err == GM_ERR_IOMMU) {
		put_failures(c, "fails misses=", GM_IOTLB_MISS);
		put_failures(c, " access_fails=", GM_IOTLB_DENIED);
	} else if (err) {
		conf_error_name(c, err);
	} else {
		conf_put(c, "mapped ");
		gm_iotlb_lookup(iotlb_of(c), iova, len, access, put_mapped, c);
		conf_put(c, "end");
	}
}

static const struct conf_op iotlb_ops[] = {
	{"map", 4, 4, map},
	{"invalidate", 2, 2, invalidate},
	{"invalidate_all", 0, 0, invalidate_all},
	{"lookup", 3, 3, lookup},
	{NULL, 0, 0, NULL},
};

static const struct conf_op *const iotlb_tables[] = {iotlb_ops, NULL};

const struct conf_kind conf_iotlb = {"iotlb", iotlb_open, iotlb_close, iotlb_tables};

/* iommu ENABLED BITMAP_BYTES gpa:size ... */
static void iommu_open(struct conf *c)
{
	struct gm_range *ranges;
	size_t count = c->argc > 2 ? (size_t)c->argc - 2 : 0;
	int err = 0;

	iotlb_make(c);
	if (!count || c->malformed) {
		c->malformed = true;
		return;
	}
	ranges = conf_zalloc(count * sizeof(*ranges));
	for (size_t i = 0; i < count; i++)
		conf_pair(c, (int)i + 2, &ranges[i].addr, &ranges[i].len);
	if (!c->malformed)
		err = gm_memory_from_ranges(ranges, count, DIRTY_PAGE, &c->backend, NULL);
	free(ranges);
	if (!c->malformed && !err)
		err = gm_memory_new_translated(c->backend, gm_iotlb_iommu(iotlb_of(c)),
					       conf_u64(c, 0) != 0, conf_u64(c, 1), DIRTY_PAGE,
					       &c->memory);
	if (err)
		conf_error_name(c, err);
	else
		conf_put(c, "ok 0x%zx", count);
}

static void iommu_close(struct conf *c)
{
	gm_memory_put(c->memory);
	gm_memory_put(c->backend);
	gm_iotlb_put(iotlb_of(c));
}

static void set_iommu_enabled(struct conf *c)
{
	gm_memory_set_iommu_enabled(c->memory, conf_u64(c, 0) != 0);
	conf_put(c, "ok");
}

static void get_iommu_enabled(struct conf *c)
{
	conf_put(c, gm_memory_iommu_enabled(c->memory) ? "true" : "false");
}

static void physical_memory(struct conf *c)
{
	conf_put(c, gm_physical_memory(c->memory) ? "some" : "none");
}

static void check_range(struct conf *c)
{
	bool ok = gm_check_range(c->memory, conf_u64(c, 0), conf_u64(c, 1), conf_access(c, 2));

	conf_put(c, ok ? "true" : "false");
}

static void iommu_dirty(struct conf *c)
{
	if (!conf_put_dirty_pages(c, gm_memory_iova_dirty(c->memory)))
		conf_put(c, "none");
}

static void iommu_reset_dirty(struct conf *c)
{
	gm_bitmap_reset(gm_memory_iova_dirty(c->memory));
	conf_put(c, "ok");
}

static const struct conf_op iommu_ops[] = {
	{"set_iommu_enabled", 1, 1, set_iommu_enabled},
	{"get_iommu_enabled", 0, 0, get_iommu_enabled},
	{"physical_memory", 0, 0, physical_memory},
	{"check_range", 3, 3, check_range},
	{"iommu_dirty", 0, 0, iommu_dirty},
	{"iommu_reset_dirty", 0, 0, iommu_reset_dirty},
	{NULL, 0, 0, NULL},
};

static const struct conf_op *const iommu_tables[] = {
	iotlb_ops,       iommu_ops,        conf_walk_ops, conf_bytes_ops,
	conf_stream_ops, conf_backend_ops, NULL,
};

const struct conf_kind conf_iommu = {"iommu", iommu_open, iommu_close, iommu_tables};
