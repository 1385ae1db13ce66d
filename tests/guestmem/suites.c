/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The table of suites of test-guestmem. */
#include "tests/guestmem/suites.h"

/* One a line: */
/* clang-format off */
suite_fn *const test_suites[] = {
	region_suite,
	memory_suite,
	iter_suite,
	sg_suite,
	cell_suite,
	share_suite,
	print_suite,
	iommu_suite,
	endian_suite,
	address_suite,
	bitmap_suite,
	slice_suite,
	bytes_suite,
	stream_suite,
	fault_suite,
	window_suite,
	discard_suite,
	property_suite,
	NULL,
};
