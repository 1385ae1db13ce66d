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
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The input, taken from the front; zero behind its end. */
struct fuzz_input {
	const uint8_t *data;
	size_t size;
};

/* A little-endian number of @bytes, 8 at most. */
static inline uint64_t fuzz_take(struct fuzz_input *input, size_t bytes)
{
	uint64_t value = 0;

	for (size_t i = 0; i < bytes && input->size; i++, input->size--)
		value |= (uint64_t)*input->data++ << (8 * i);
	return value;
}

static inline uint8_t fuzz_byte(struct fuzz_input *input)
{
	return (uint8_t)fuzz_take(input, 1);
}

static inline void fuzz_bytes(struct fuzz_input *input, void *into, size_t len)
{
	uint8_t *bytes = into;

	for (size_t i = 0; i < len; i++)
		bytes[i] = fuzz_byte(input);
}

/* What must hold whatever the input. */
#define FUZZ_CHECK(condition)                                                                   \
	do {                                                                                    \
		if (!(condition)) {                                                             \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
			abort();                                                                \
		}                                                                               \
	} while (0)

#endif
