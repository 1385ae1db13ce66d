/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * A histogram of durations, of a fixed size for any number of them: buckets are as wide as a 32nd
 * of the power of two they are in, so that what is read from it is at most 3.2 % too much. Units
 * are the caller's. Who adds and who reads agree on a lock.
 */
#ifndef DEVICES_HISTOGRAM_H
#define DEVICES_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_BITS    5  /* 2^5 buckets in a power of two; values below 2^5 have one each */
#define HISTOGRAM_TOP     38 /* values from 2^38 on (in ns: 4.6 minutes) are in the last bucket */
#define HISTOGRAM_BUCKETS ((HISTOGRAM_TOP - HISTOGRAM_BITS + 1) << HISTOGRAM_BITS)

/* All zero: empty. */
struct histogram {
	uint64_t count;
	uint64_t sum; /* of the values as they were; stops at its largest */
	uint64_t max; /* the largest value as it was */
	uint64_t buckets[HISTOGRAM_BUCKETS];
};

static inline unsigned int histogram_bucket(uint64_t value)
{
	unsigned int shift;

	if (value >> HISTOGRAM_BITS == 0)
		return (unsigned int)value;
	if (value >> HISTOGRAM_TOP)
		return HISTOGRAM_BUCKETS - 1;
	shift = 63 - (unsigned int)__builtin_clzll(value) - HISTOGRAM_BITS;
	return (shift << HISTOGRAM_BITS) + (unsigned int)(value >> shift);
}

/* The smallest value that is in the bucket, and the largest (of the last: of what it is for). */
uint64_t histogram_low(unsigned int bucket);
uint64_t histogram_high(unsigned int bucket);

void histogram_add(struct histogram *histogram, uint64_t value);

/* Add all that is in @other. */
void histogram_merge(struct histogram *histogram, const struct histogram *other);

/*
 * The least value that so many per mille of all values do not exceed, as exactly as buckets are:
 * never less, and never more than the largest value. 0 if there are none.
 */
uint64_t histogram_percentile(const struct histogram *histogram, unsigned int permille);

#endif
