/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The full memory barrier, for the one pattern that neither acquire nor release covers: each of two
 * sides stores, then looks at what the other stored, and at least one must see it.
 */
#ifndef DEVICES_BARRIER_H
#define DEVICES_BARRIER_H

static inline void full_barrier(void)
{
	/*
	 * gcc warns that TSan does not model fences. It need not: the words on both sides are
	 * accessed atomically, so there is no race to report, and the fence itself is there.
	 */
#if defined(__SANITIZE_THREAD__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wtsan"
#endif
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
#if defined(__SANITIZE_THREAD__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
}

#endif
