/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The IOTLB: disjoint mappings in a sorted array behind a reader-writer lock. The array is kept
 * canonical: mappings that touch and say the same are one, whichever way they came in.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "guestmem/internal.h"

/* [start, end) translates to address + delta, modulo 2^64. */
struct mapping {
	gm_addr start;
	gm_addr end; /* never 0: no mapping reaches 2^64 */
	uint64_t delta;
	enum gm_access access;
};

struct gm_iotlb {
	struct gm_iommu iommu; /* first, so that one pointer serves as both */
	pthread_rwlock_t lock; /* guards all below */
	struct mapping *mappings;
	size_t count;
	size_t capacity;
};

static struct gm_iotlb *to_iotlb(struct gm_iommu *iommu)
{
	return (struct gm_iotlb *)iommu;
}

/* The first mapping that ends behind @iova; count if there is none. */
static size_t find(const struct gm_iotlb *iotlb, gm_addr iova)
{
	size_t low = 0, high = iotlb->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (iotlb->mappings[mid].end > iova)
			high = mid;
		else
			low = mid + 1;
	}
	return low;
}

/* What holds at @iova and up to where, but not beyond @end. */
static enum gm_iotlb_finding stretch(const struct gm_iotlb *iotlb, size_t at, gm_addr iova,
				     gm_addr end, enum gm_access access, struct gm_range *run)
{
	/* An IOTLB that never had a mapping has no array either. */
	const struct mapping *mapping = at < iotlb->count ? &iotlb->mappings[at] : NULL;
	bool miss = !mapping || mapping->start > iova;

	if (mapping) {
		gm_addr limit = miss ? mapping->start : mapping->end;

		end = limit < end ? limit : end;
	}
	run->addr = miss ? 0 : iova + mapping->delta;
	run->len = end - iova;
	if (miss)
		return GM_IOTLB_MISS;
	return (access & ~mapping->access) == 0 ? GM_IOTLB_MAPPED : GM_IOTLB_DENIED;
}

/*
 * A range of no bytes overlaps a mapping it is strictly inside of, and no other. It is refused if
 * that mapping refuses the access; it is never a miss.
 */
static bool refuses_empty(const struct gm_iotlb *iotlb, size_t at, gm_addr iova, enum gm_access access)
{
	return at < iotlb->count && iotlb->mappings[at].start < iova &&
	       (access & ~iotlb->mappings[at].access);
}

static int translate(struct gm_iommu *iommu, gm_addr iova, uint64_t len, enum gm_access access,
		     struct gm_range *run)
{
	struct gm_iotlb *iotlb = to_iotlb(iommu);
	enum gm_iotlb_finding finding = GM_IOTLB_MAPPED;
	size_t at;

	pthread_rwlock_rdlock(&iotlb->lock);
	at = find(iotlb, iova);
	if (len || refuses_empty(iotlb, at, iova, access))
		finding = stretch(iotlb, at, iova, iova + len, access, run);
	pthread_rwlock_unlock(&iotlb->lock);
	return finding == GM_IOTLB_MAPPED ? 0 : GM_ERR_IOMMU;
}

static void release(struct gm_iommu *iommu)
{
	struct gm_iotlb *iotlb = to_iotlb(iommu);

	pthread_rwlock_destroy(&iotlb->lock);
	free(iotlb->mappings);
	free(iotlb);
}

static const struct gm_iommu_ops iotlb_ops = {
	.translate = translate,
	.release = release,
};

int gm_iotlb_new(struct gm_iotlb **out)
{
	struct gm_iotlb *iotlb = calloc(1, sizeof(*iotlb));

	*out = iotlb;
	if (!iotlb)
		return GM_ERR_NO_MEMORY;
	iotlb->iommu.ops = &iotlb_ops;
	iotlb->iommu.refs = 1;
	pthread_rwlock_init(&iotlb->lock, NULL);
	return 0;
}

void gm_iotlb_put(struct gm_iotlb *iotlb)
{
	if (iotlb)
		gm_iommu_put(&iotlb->iommu);
}

struct gm_iommu *gm_iotlb_iommu(struct gm_iotlb *iotlb)
{
	return &iotlb->iommu;
}

/* Room for what one change can add: the mapping itself and the second half of one it splits. */
static int reserve(struct gm_iotlb *iotlb)
{
	size_t capacity = iotlb->capacity ? 2 * iotlb->capacity : 64;
	struct mapping *mappings;

	if (iotlb->capacity - iotlb->count >= 2)
		return 0;
	mappings = realloc(iotlb->mappings, capacity * sizeof(*mappings));
	if (!mappings)
		return GM_ERR_NO_MEMORY;
	iotlb->mappings = mappings;
	iotlb->capacity = capacity;
	return 0;
}

/* Move the tail of the array so that what was at @from is at @to. */
static void shift(struct gm_iotlb *iotlb, size_t from, size_t to)
{
	memmove(&iotlb->mappings[to], &iotlb->mappings[from],
		(iotlb->count - from) * sizeof(*iotlb->mappings));
	iotlb->count += to - from;
}

/* Leave [start, end) unmapped; returns where a mapping of it would stand. */
static size_t cut(struct gm_iotlb *iotlb, gm_addr start, gm_addr end)
{
	size_t first = find(iotlb, start), last;
	struct mapping *mappings = iotlb->mappings;

	if (first < iotlb->count && mappings[first].start < start) {
		if (mappings[first].end > end) {
			shift(iotlb, first, first + 1);
			mappings[first + 1].start = end;
		}
		mappings[first].end = start;
		first++;
	}
	last = first;
	while (last < iotlb->count && mappings[last].end <= end)
		last++;
	if (last < iotlb->count && mappings[last].start < end)
		mappings[last].start = end;
	if (last > first)
		shift(iotlb, last, first);
	return first;
}

/* One of mappings @at and @at + 1, if they touch and say the same. */
static void merge(struct gm_iotlb *iotlb, size_t at)
{
	struct mapping *a = &iotlb->mappings[at], *b = a + 1;

	if (at + 1 >= iotlb->count || a->end != b->start || a->delta != b->delta ||
	    a->access != b->access)
		return;
	b->start = a->start;
	shift(iotlb, at + 1, at);
}

static int check_change(gm_addr iova, uint64_t len, gm_addr *end)
{
	if (len == 0)
		return GM_ERR_INVALID_ARGUMENT;
	return __builtin_add_overflow(iova, len, end) ? GM_ERR_ADDRESS_OVERFLOW : 0;
}

int gm_iotlb_map(struct gm_iotlb *iotlb, gm_addr iova, uint64_t len, gm_addr phys,
		 enum gm_access access)
{
	gm_addr end;
	size_t at;
	int err = check_change(iova, len, &end);

	if (err)
		return err;
	pthread_rwlock_wrlock(&iotlb->lock);
	err = reserve(iotlb);
	if (err)
		goto unlock;
	at = cut(iotlb, iova, end);
	shift(iotlb, at, at + 1);
	iotlb->mappings[at] = (struct mapping){
		.start = iova,
		.end = end,
		.delta = phys - iova,
		.access = access,
	};
	merge(iotlb, at);
	if (at > 0)
		merge(iotlb, at - 1);
unlock:
	pthread_rwlock_unlock(&iotlb->lock);
	return err;
}

int gm_iotlb_invalidate(struct gm_iotlb *iotlb, gm_addr iova, uint64_t len)
{
	gm_addr end;
	int err = check_change(iova, len, &end);

	if (err)
		return err;
	pthread_rwlock_wrlock(&iotlb->lock);
	err = reserve(iotlb);
	if (!err)
		cut(iotlb, iova, end);
	pthread_rwlock_unlock(&iotlb->lock);
	return err;
}

void gm_iotlb_invalidate_all(struct gm_iotlb *iotlb)
{
	pthread_rwlock_wrlock(&iotlb->lock);
	iotlb->count = 0;
	pthread_rwlock_unlock(&iotlb->lock);
}

int gm_iotlb_lookup(struct gm_iotlb *iotlb, gm_addr iova, uint64_t len, enum gm_access access,
		    gm_iotlb_visit *visit, void *arg)
{
	struct gm_range run;
	gm_addr end;
	size_t at;
	int err = 0;

	if (__builtin_add_overflow(iova, len, &end))
		return GM_ERR_ADDRESS_OVERFLOW;
	pthread_rwlock_rdlock(&iotlb->lock);
	at = find(iotlb, iova);
	if (!len && refuses_empty(iotlb, at, iova, access)) {
		if (visit)
			visit(arg, GM_IOTLB_DENIED, iova, 0, iova + iotlb->mappings[at].delta);
		err = GM_ERR_IOMMU;
	}
	for (; iova < end; iova += run.len) {
		enum gm_iotlb_finding finding = stretch(iotlb, at, iova, end, access, &run);

		if (visit)
			visit(arg, finding, iova, run.len, run.addr);
		if (finding != GM_IOTLB_MAPPED)
			err = GM_ERR_IOMMU;
		if (finding != GM_IOTLB_MISS)
			at++;
	}
	pthread_rwlock_unlock(&iotlb->lock);
	return err;
}
