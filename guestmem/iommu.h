/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * An IOMMU in front of a memory: what a device may reach, and where it is.
 *
 * A *translated* memory is a struct gm_memory like any other, and every function that takes a guest
 * address works on it; the addresses are I/O virtual addresses then (IOVAs). Each access is
 * translated with the permission it needs. The whole range is checked first: if any byte of it does
 * not translate, the access fails with GM_ERR_IOMMU and nothing is moved; an access of no bytes can
 * fail so too, inside a mapping that does not allow it, as in the original. It has no regions of
 * its own (gm_memory_count() is 0, inserting and removing is GM_ERR_INVALID_ARGUMENT).
 *
 * Where translations come from is an interface, struct gm_iommu. A device model can bring its own,
 * which asks a table in guest memory or a process at the other end of a socket; struct gm_iotlb is
 * the one provided: a cache that somebody else fills.
 *
 * Threads: translations may change while other threads transfer. Each piece of a transfer is
 * translated again just before it is used, so a range that is unmapped meanwhile ends the transfer
 * short, as a hole would. A piece that was translated before may still be moved after the call
 * that unmapped it returned: who gives the memory away to somebody else waits for the devices
 * first, as with real hardware.
 */
#ifndef GUESTMEM_IOMMU_H
#define GUESTMEM_IOMMU_H

#include "guestmem/bitmap.h"
#include "guestmem/memory.h"
#include "guestmem/types.h"

#ifdef __cplusplus
extern "C" {
#endif

struct gm_iommu;

/* What an IOMMU can do. Called from any thread, by several at once. */
struct gm_iommu_ops {
	/*
	 * Translate the start of [iova, iova + len), which does not wrap, for @access: *@run
	 * receives the guest physical address of @iova and how many bytes from there on belong to
	 * the same translation (1 to len). 0, or GM_ERR_IOMMU if there is none or it does not allow
	 * the access. Length 0 asks whether an access of no bytes is refused; @run is then not
	 * looked at. Seed: Iommu::translate.
	 */
	int (*translate)(struct gm_iommu *iommu, gm_addr iova, uint64_t len, enum gm_access access,
			 struct gm_range *run);

	/* The last reference is gone. May be NULL. */
	void (*release)(struct gm_iommu *iommu);
};

/* Embed it in the structure of the implementation, set ops and refs = 1. Seed: trait Iommu. */
struct gm_iommu {
	const struct gm_iommu_ops *ops;
	uint32_t refs; /* atomic */
};

/* Take and drop a reference; get returns its argument, put takes NULL. Any thread. */
struct gm_iommu *gm_iommu_get(struct gm_iommu *iommu);
void gm_iommu_put(struct gm_iommu *iommu);

/*
 * A memory that reaches @backend through @iommu (both are held by a reference of their own), with
 * the translation switched on or not. Writes are marked in a bitmap indexed by I/O address: it
 * tracks the first @dirty_bytes bytes of the I/O address space in pages of @dirty_page; beyond them
 * nothing is marked. @dirty_page 0 means no such bitmap: writes are then marked in the backend's.
 * Errors: GM_ERR_INVALID_ARGUMENT (@backend is itself translated, @dirty_page is not a power of
 * two), GM_ERR_NO_MEMORY. Seed: IommuMemory::new.
 */
int gm_memory_new_translated(struct gm_memory *backend, struct gm_iommu *iommu, bool enabled,
			     uint64_t dirty_bytes, uint64_t dirty_page, struct gm_memory **out);

/*
 * A new translated memory with the same IOMMU, bitmap and switch position as @translated, in front
 * of another backend; @translated stays as it is. Errors as above, and GM_ERR_INVALID_ARGUMENT if
 * @translated is a plain memory. Seed: IommuMemory::with_replaced_backend.
 */
int gm_memory_replace_backend(const struct gm_memory *translated, struct gm_memory *backend,
			      struct gm_memory **out);

/*
 * Switch the translation on or off: off, I/O addresses are guest physical addresses, as before a
 * driver sets an IOMMU up, and writes are marked in the backend's bitmap. Accesses that are under
 * way finish as they began. No effect on a plain memory, which is never translated. Any thread.
 * Seed: set_iommu_enabled, get_iommu_enabled.
 */
void gm_memory_set_iommu_enabled(struct gm_memory *memory, bool enabled);
bool gm_memory_iommu_enabled(const struct gm_memory *memory);

/*
 * The memory whose addresses these are, if they are guest physical: @memory itself if it is plain,
 * its backend while the translation is off, else NULL. Borrowed. Seed: physical_memory.
 */
const struct gm_memory *gm_physical_memory(const struct gm_memory *memory);

/* What a translated memory is made of, borrowed; NULL for a plain one. Seed: get_backend, iommu. */
struct gm_memory *gm_memory_backend(const struct gm_memory *memory);
struct gm_iommu *gm_memory_iommu(const struct gm_memory *memory);

/* The bitmap indexed by I/O address, borrowed; NULL without one. Seed: IommuMemory::bitmap. */
struct gm_bitmap *gm_memory_iova_dirty(const struct gm_memory *memory);

/*
 * The IOTLB: a table of mappings somebody else fills. A lock guards the table: look-ups share it,
 * so that they wait only for a mapping that is just being entered; nothing else is done under it,
 * but for the visitor of gm_iotlb_lookup(). A look-up takes time logarithmic in the number of
 * mappings, a change takes linear time.
 */
struct gm_iotlb;

/* An empty IOTLB with one reference, dropped by gm_iotlb_put(). GM_ERR_NO_MEMORY. Seed: new. */
int gm_iotlb_new(struct gm_iotlb **out);
void gm_iotlb_put(struct gm_iotlb *iotlb);

/* The IOTLB as an IOMMU, for gm_memory_new_translated(). Borrowed. */
struct gm_iommu *gm_iotlb_iommu(struct gm_iotlb *iotlb);

/*
 * Map [iova, iova + len) to @phys and what follows, for the accesses in @access. What older
 * mappings say about the range is replaced, what they say outside of it stays. @phys + @len may
 * wrap. Errors: GM_ERR_INVALID_ARGUMENT (length 0), GM_ERR_ADDRESS_OVERFLOW (iova + len reaches
 * 2^64), GM_ERR_NO_MEMORY; nothing has changed then. Any thread. Seed: Iotlb::set_mapping.
 */
int gm_iotlb_map(struct gm_iotlb *iotlb, gm_addr iova, uint64_t len, gm_addr phys,
		 enum gm_access access);

/* Remove all mappings of [iova, iova + len). Errors as gm_iotlb_map(). Seed: invalidate_mapping. */
int gm_iotlb_invalidate(struct gm_iotlb *iotlb, gm_addr iova, uint64_t len);

/* Remove all mappings. Any thread. Seed: invalidate_all. */
void gm_iotlb_invalidate_all(struct gm_iotlb *iotlb);

/* What a look-up finds for a stretch of addresses. */
enum gm_iotlb_finding {
	GM_IOTLB_MAPPED, /* translated, and the access is allowed */
	GM_IOTLB_MISS,   /* no mapping. Seed: misses */
	GM_IOTLB_DENIED, /* mapped, but not for this access. Seed: access_fails */
};

/* @phys is the translation of @iova unless it is a miss. @arg is the caller's. */
typedef void gm_iotlb_visit(void *arg, enum gm_iotlb_finding finding, gm_addr iova, uint64_t len,
			    gm_addr phys);

/*
 * Look up [iova, iova + len) for @access. @visit, unless NULL, is told what is found, stretch by
 * stretch in ascending order; stretches that touch and have the same translation and permission are
 * one. It must not change this IOTLB. 0 if all is mapped and allowed (length 0 too); GM_ERR_IOMMU
 * if not; GM_ERR_ADDRESS_OVERFLOW if iova + len reaches 2^64, before the first visit. Any thread.
 * Seed: Iotlb::lookup.
 */
int gm_iotlb_lookup(struct gm_iotlb *iotlb, gm_addr iova, uint64_t len, enum gm_access access,
		    gm_iotlb_visit *visit, void *arg);

#ifdef __cplusplus
}
#endif

#endif
