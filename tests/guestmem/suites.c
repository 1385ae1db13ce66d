/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The table of suites of test-guestmem. */
#include "tests/guestmem/suites.h"

/* clang-format off: one a line */
suite_fn *const test_suites[] = {
	region_suite,
	memory_suite,
	iter_suite,
	iommu_suite,
	property_suite,
	NULL,
};
