/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Surviving files that shrink. When a file behind a region is truncated, touching the pages that
 * went is a SIGBUS. After gm_fault_install() it is GM_ERR_FAULT from the one call that touched
 * them; other threads and later calls notice nothing, and any other SIGBUS goes to the handler
 * that was there before.
 */
#ifndef GUESTMEM_FAULT_H
#define GUESTMEM_FAULT_H

#include "guestmem/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Install the process-wide SIGBUS handler; a second call changes nothing. 0, or GM_ERR_IO (errno).
 * A library does not take a signal unasked: without this call SIGBUS keeps its usual meaning.
 */
int gm_fault_install(void);

#ifdef __cplusplus
}
#endif

#endif
