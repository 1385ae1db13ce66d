/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Sharing a memory with another process: the region table goes over a UNIX stream socket, with the
 * descriptors of the files behind the regions (SCM_RIGHTS). Both sides then see the same bytes at
 * the same guest addresses.
 *
 * The receiver trusts nothing it is sent: a table that is not a valid memory, descriptors that are
 * not files or too small, or a connection that ends, give an error and leave nothing behind. What
 * no check can prevent is that the sender truncates a file later: such regions answer with
 * GM_ERR_FAULT (see fault.h). A memfd region cannot shrink.
 *
 * The format is private to this library and of one host: both sides are the same architecture.
 */
#ifndef GUESTMEM_SHARE_H
#define GUESTMEM_SHARE_H

#include "guestmem/memory.h"
#include "guestmem/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The most regions a memory can have to be sent or received. */
#define GM_SHARE_MAX_REGIONS 65536

/*
 * Send @memory on @socket, which is blocking. Each file is sent once, however many regions are in
 * it. Errors, before anything is sent: GM_ERR_NOT_SHAREABLE (a region is anonymous, the caller's
 * own mapping or a private copy of a file; *@bad, if not NULL, receives its index),
 * GM_ERR_INVALID_ARGUMENT (behind an IOMMU, no regions or too many), GM_ERR_NO_MEMORY; then
 * GM_ERR_IO (errno), after which the connection is of no use. Any thread.
 */
int gm_memory_send(const struct gm_memory *memory, int socket, size_t *bad);

/*
 * Receive a memory from @socket, which is blocking. Its regions are GM_BACKING_FILE, read-only
 * where the sender's are, with dirty pages of @dirty_page (0: no tracking). The caller owns *@out.
 * Errors: GM_ERR_UNEXPECTED_EOF (the connection ended), GM_ERR_PROTOCOL (not what gm_memory_send()
 * sends), GM_ERR_IO (errno), GM_ERR_NO_MEMORY, and those of gm_memory_from_configs(). Any thread.
 */
int gm_memory_receive(int socket, uint64_t dirty_page, struct gm_memory **out);

#ifdef __cplusplus
}
#endif

#endif
