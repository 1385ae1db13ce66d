/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Accesses to memory that may fault: a guarded region per thread, and the SIGBUS handler that leaves
 * it. Only file-backed regions come this way, so the few nanoseconds of sigsetjmp do not matter.
 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <ucontext.h>

#include "guestmem/internal.h"

/* Where to go when this thread faults inside [low, high). Thread-local, no locking. */
struct guard {
	sigjmp_buf env;
	uintptr_t low;
	uintptr_t high;
};

static _Thread_local struct guard *volatile current;
static struct sigaction previous;
static bool installed; /* written once, before any guarded access of interest */

static void on_sigbus(int signal, siginfo_t *info, void *context)
{
	struct guard *guard = current;
	uintptr_t at = (uintptr_t)info->si_addr;

	if (guard && at >= guard->low && at < guard->high) {
		const ucontext_t *interrupted = context;

		current = NULL;
		/* Not left to the jump: sigsetjmp() would need a system call for each access. */
		pthread_sigmask(SIG_SETMASK, &interrupted->uc_sigmask, NULL);
		siglongjmp(guard->env, 1);
	}
	if (previous.sa_flags & SA_SIGINFO) {
		previous.sa_sigaction(signal, info, context);
	} else if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN) {
		previous.sa_handler(signal);
	} else {
		/* Let it happen again without us: the default action with the right address. */
		sigaction(SIGBUS, &previous, NULL);
	}
}

static int install_error;

static void install(void)
{
	struct sigaction action = {.sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO};

	sigemptyset(&action.sa_mask);
	if (sigaction(SIGBUS, &action, &previous))
		install_error = GM_ERR_IO;
	else
		__atomic_store_n(&installed, true, __ATOMIC_RELEASE);
}

int gm_fault_install(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, install);
	return install_error;
}

/*
 * Run @access with the guard up. The page that faults can be anywhere in the pages that hold
 * [host, host + len).
 */
#define GUARDED(host, len, access)                                                  \
	({                                                                          \
		struct guard guard_ = {.low = (uintptr_t)(host) & ~(uintptr_t)4095, \
				       .high = (uintptr_t)(host) + (len)};          \
		int err_ = 0;                                                       \
                                                                                    \
		if (!__atomic_load_n(&installed, __ATOMIC_RELAXED)) {               \
			access;                                                     \
		} else if (sigsetjmp(guard_.env, 0) == 0) {                         \
			current = &guard_;                                          \
			__atomic_signal_fence(__ATOMIC_SEQ_CST);                    \
			access;                                                     \
			__atomic_signal_fence(__ATOMIC_SEQ_CST);                    \
			current = NULL;                                             \
		} else {                                                            \
			err_ = GM_ERR_FAULT;                                        \
		}                                                                   \
		err_;                                                               \
	})

int gm_fault_copy_in(const struct gm_slice *slice, size_t offset, const void *buf, size_t len)
{
	return GUARDED(slice->host + offset, len, gm_copy_in(slice->host + offset, buf, len));
}

int gm_fault_copy_out(const struct gm_slice *slice, size_t offset, void *buf, size_t len)
{
	return GUARDED(slice->host + offset, len, gm_copy_out(buf, slice->host + offset, len));
}

int gm_fault_copy(gm_copy_fn *copy, void *to, const void *from, size_t count, size_t size,
		  const void *low, size_t len)
{
	return GUARDED(low, len, copy(to, from, count, size));
}

static void load(const void *host, void *value, size_t size, int order)
{
	switch (size) {
	case 1: *(uint8_t *)value = __atomic_load_n((const uint8_t *)host, order); break;
	case 2: *(uint16_t *)value = __atomic_load_n((const uint16_t *)host, order); break;
	case 4: *(uint32_t *)value = __atomic_load_n((const uint32_t *)host, order); break;
	default: *(uint64_t *)value = __atomic_load_n((const uint64_t *)host, order); break;
	}
}

static void store(void *host, const void *value, size_t size, int order)
{
	switch (size) {
	case 1: __atomic_store_n((uint8_t *)host, *(const uint8_t *)value, order); break;
	case 2: __atomic_store_n((uint16_t *)host, *(const uint16_t *)value, order); break;
	case 4: __atomic_store_n((uint32_t *)host, *(const uint32_t *)value, order); break;
	default: __atomic_store_n((uint64_t *)host, *(const uint64_t *)value, order); break;
	}
}

int gm_fault_load(const void *host, void *value, size_t size, int order, bool may_fault)
{
	if (may_fault)
		return GUARDED(host, size, load(host, value, size, order));
	load(host, value, size, order);
	return 0;
}

int gm_fault_store(void *host, const void *value, size_t size, int order, bool may_fault)
{
	if (may_fault)
		return GUARDED(host, size, store(host, value, size, order));
	store(host, value, size, order);
	return 0;
}
