/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Translated memories: making them, and the step of the slice iterator that goes through an IOMMU.
 *
 * A translated memory has an empty table, so that every inline look-up misses and comes here; plain
 * memories pay nothing for its existence.
 */
#include <stdlib.h>

#include "guestmem/internal.h"

/* A bitmap that translated memories with different backends share. */
struct iova_log {
	uint32_t refs; /* atomic */
	struct gm_bitmap *bitmap;
};

/* All fields but enabled are constant. */
struct gm_iommu_view {
	struct gm_memory *backend; /* a plain memory */
	struct gm_iommu *iommu;
	struct iova_log *log; /* or NULL */
	bool enabled;         /* atomic, any thread */
};

struct gm_iommu *gm_iommu_get(struct gm_iommu *iommu)
{
	__atomic_add_fetch(&iommu->refs, 1, __ATOMIC_RELAXED);
	return iommu;
}

void gm_iommu_put(struct gm_iommu *iommu)
{
	if (iommu && __atomic_sub_fetch(&iommu->refs, 1, __ATOMIC_ACQ_REL) == 0 && iommu->ops->release)
		iommu->ops->release(iommu);
}

static void log_put(struct iova_log *log)
{
	if (!log || __atomic_sub_fetch(&log->refs, 1, __ATOMIC_ACQ_REL))
		return;
	gm_bitmap_free(log->bitmap);
	free(log);
}

static int log_new(uint64_t bytes, uint64_t page_size, struct iova_log **out)
{
	struct iova_log *log = calloc(1, sizeof(*log));
	int err;

	*out = NULL;
	if (!log)
		return GM_ERR_NO_MEMORY;
	err = gm_bitmap_new(bytes, page_size, &log->bitmap);
	if (err) {
		free(log);
		return err;
	}
	log->refs = 1;
	*out = log;
	return 0;
}

/* Takes over the reference to @log, also on failure. */
static int view_new(struct gm_memory *backend, struct gm_iommu *iommu, bool enabled,
		    struct iova_log *log, struct gm_memory **out)
{
	struct gm_iommu_view *view = calloc(1, sizeof(*view));
	struct gm_memory *memory = gm_memory_new_empty();

	*out = NULL;
	if (!view || !memory) {
		free(view);
		gm_memory_put(memory);
		log_put(log);
		return GM_ERR_NO_MEMORY;
	}
	*view = (struct gm_iommu_view){
		.backend = gm_memory_get(backend),
		.iommu = gm_iommu_get(iommu),
		.log = log,
		.enabled = enabled,
	};
	memory->iommu = view;
	*out = memory;
	return 0;
}

void gm_iommu_view_free(struct gm_iommu_view *view)
{
	gm_memory_put(view->backend);
	gm_iommu_put(view->iommu);
	log_put(view->log);
	free(view);
}

int gm_memory_new_translated(struct gm_memory *backend, struct gm_iommu *iommu, bool enabled,
			     uint64_t dirty_bytes, uint64_t dirty_page, struct gm_memory **out)
{
	struct iova_log *log = NULL;
	int err;

	*out = NULL;
	if (backend->iommu || (dirty_page & (dirty_page - 1)))
		return GM_ERR_INVALID_ARGUMENT;
	if (dirty_page) {
		err = log_new(dirty_bytes, dirty_page, &log);
		if (err)
			return err;
	}
	return view_new(backend, iommu, enabled, log, out);
}

int gm_memory_replace_backend(const struct gm_memory *translated, struct gm_memory *backend,
			      struct gm_memory **out)
{
	const struct gm_iommu_view *view = translated->iommu;

	*out = NULL;
	if (!view || backend->iommu)
		return GM_ERR_INVALID_ARGUMENT;
	if (view->log)
		__atomic_add_fetch(&view->log->refs, 1, __ATOMIC_RELAXED);
	return view_new(backend, view->iommu, gm_memory_iommu_enabled(translated), view->log, out);
}

void gm_memory_set_iommu_enabled(struct gm_memory *memory, bool enabled)
{
	if (memory->iommu)
		__atomic_store_n(&memory->iommu->enabled, enabled, __ATOMIC_RELEASE);
}

bool gm_memory_iommu_enabled(const struct gm_memory *memory)
{
	return memory->iommu && __atomic_load_n(&memory->iommu->enabled, __ATOMIC_ACQUIRE);
}

const struct gm_memory *gm_physical_memory(const struct gm_memory *memory)
{
	if (!memory->iommu)
		return memory;
	return gm_memory_iommu_enabled(memory) ? NULL : memory->iommu->backend;
}

struct gm_memory *gm_memory_backend(const struct gm_memory *memory)
{
	return memory->iommu ? memory->iommu->backend : NULL;
}

struct gm_iommu *gm_memory_iommu(const struct gm_memory *memory)
{
	return memory->iommu ? memory->iommu->iommu : NULL;
}

struct gm_bitmap *gm_memory_iova_dirty(const struct gm_memory *memory)
{
	return memory->iommu && memory->iommu->log ? memory->iommu->log->bitmap : NULL;
}

/* An implementation that claims nothing, or more than was asked for, is not believed. */
static int translate(struct gm_iommu *iommu, gm_addr iova, uint64_t len, enum gm_access access,
		     struct gm_range *run)
{
	if (iommu->ops->translate(iommu, iova, len, access, run) || run->len == 0 || run->len > len)
		return GM_ERR_IOMMU;
	return 0;
}

/* Whether all of [iova, iova + len) translates; *@run receives the first stretch of it. */
static int translate_all(struct gm_iommu *iommu, gm_addr iova, uint64_t len, enum gm_access access,
			 struct gm_range *run)
{
	struct gm_range rest = {0};
	gm_addr end;
	int err;

	if (__builtin_add_overflow(iova, len, &end))
		return GM_ERR_ADDRESS_OVERFLOW;
	err = translate(iommu, iova, len, access, run);
	for (iova += run->len; !err && iova < end; iova += rest.len)
		err = translate(iommu, iova, end - iova, access, &rest);
	return err;
}

/* Enter the next translation: the whole range is looked at the first time. */
static int next_translation(struct gm_iter *it)
{
	struct gm_iommu_view *view = it->memory->iommu;
	struct gm_range run = {.addr = it->iova, .len = it->more};
	int err = 0;

	if (it->stage == GM_ITER_NEW && !gm_memory_iommu_enabled(it->memory)) {
		it->stage = GM_ITER_PHYSICAL;
	} else if (it->stage == GM_ITER_NEW) {
		it->stage = GM_ITER_TRANSLATED;
		err = translate_all(view->iommu, it->iova, it->more, it->access, &run);
	} else {
		err = translate(view->iommu, it->iova, it->more, it->access, &run);
	}
	if (err) {
		it->addr = it->iova;
		return err;
	}
	it->addr = run.addr;
	it->left = run.len;
	it->more -= run.len;
	it->iova += run.len;
	return 0;
}

int gm_iommu_empty(const struct gm_memory *memory, gm_addr iova, enum gm_access access)
{
	struct gm_iommu *iommu = memory->iommu->iommu;
	struct gm_range run;

	if (!gm_memory_iommu_enabled(memory) || !iommu->ops->translate(iommu, iova, 0, access, &run))
		return 0;
	return GM_ERR_IOMMU;
}

int gm_iommu_step(struct gm_iter *it, struct gm_slice *slice)
{
	const struct gm_iommu_view *view = it->memory->iommu;
	const struct gm_entry *entry;
	uint64_t offset, len;
	int err;

	if (it->left == 0) {
		err = next_translation(it);
		if (err)
			return err;
	}
	entry = gm_find_entry(view->backend, it->addr);
	offset = it->addr - entry->start;
	if (offset >= entry->size)
		return GM_ERR_INVALID_ADDRESS;
	if ((it->access & GM_ACCESS_WRITE) && (entry->flags & GM_SLICE_READ_ONLY))
		return GM_ERR_READ_ONLY;
	len = entry->size - offset;
	len = len < it->left ? len : it->left;
	*slice = (struct gm_slice){
		.host = entry->host + offset,
		.len = len,
		.dirty = entry->dirty,
		.dirty_offset = offset,
		.flags = entry->flags,
	};
	if (view->log && it->stage == GM_ITER_TRANSLATED) {
		slice->dirty = view->log->bitmap;
		slice->dirty_offset = it->iova - it->left;
	}
	it->addr += len;
	it->left -= len;
	return 0;
}
