/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * What the fuzz targets share. Each target is one file with LLVMFuzzerTestOneInput(); its corpus is
 * the directory of the same name below tests/fuzz/corpus/.
 *
 *	make fuzz TARGET=layout TIME=60
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
