/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The suites of test-guestmem, one for each module of the library. */
#ifndef TESTS_GUESTMEM_SUITES_H
#define TESTS_GUESTMEM_SUITES_H

#include "tests/runner.h"

suite_fn region_suite;
suite_fn memory_suite;
suite_fn iter_suite;
suite_fn address_suite;
suite_fn bitmap_suite;
suite_fn slice_suite;
suite_fn bytes_suite;
suite_fn stream_suite;
suite_fn fault_suite;
suite_fn property_suite;
suite_fn sg_suite;
suite_fn cell_suite;
suite_fn iommu_suite;
suite_fn endian_suite;
suite_fn share_suite;
suite_fn print_suite;
suite_fn window_suite;
suite_fn discard_suite;

#endif
