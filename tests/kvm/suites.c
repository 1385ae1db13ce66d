/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The table of suites of test-kvm. */
#include "tests/kvm/suites.h"

/* clang-format off */
suite_fn *const test_suites[] = {
	host_suite,
	guests_suite,
	terminal_suite,
	pause_suite,
	control_suite,
	gdb_suite,
	power_suite,
	map_suite,
	verdict_suite,
	stats_suite,
	kernel_suite,
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	/* Builds with sanitizers have no jail. */
	jail_suite,
#endif
	lost_suite,
	network_suite,
	faults_suite,
	short_suite,
	NULL,
};
