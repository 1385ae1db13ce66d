/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Counting durations by logarithmic buckets, and reading percentiles. */
#include "devices/histogram.h"

#define SUB (1U << HISTOGRAM_BITS)

uint64_t histogram_low(unsigned int bucket)
{
	unsigned int shift;

	if (bucket < SUB)
		return bucket;
	shift = (bucket >> HISTOGRAM_BITS) - 1;
	return (uint64_t)(SUB + bucket % SUB) << shift;
}

uint64_t histogram_high(unsigned int bucket)
{
	return histogram_low(bucket + 1) - 1;
}

static uint64_t add(uint64_t a, uint64_t b)
{
	uint64_t sum;

	return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

void histogram_add(struct histogram *histogram, uint64_t value)
{
	histogram->buckets[histogram_bucket(value)]++;
	histogram->count++;
	histogram->sum = add(histogram->sum, value);
	if (value > histogram->max)
		histogram->max = value;
}

void histogram_merge(struct histogram *histogram, const struct histogram *other)
{
	if (!other->count)
		return;
	for (unsigned int i = 0; i < HISTOGRAM_BUCKETS; i++)
		histogram->buckets[i] += other->buckets[i];
	histogram->count += other->count;
	histogram->sum = add(histogram->sum, other->sum);
	if (other->max > histogram->max)
		histogram->max = other->max;
}

uint64_t histogram_percentile(const struct histogram *histogram, unsigned int permille)
{
	/* In two parts, so that no count is too large for the product. */
	uint64_t rank = histogram->count / 1000 * permille +
			(histogram->count % 1000 * permille + 999) / 1000;
	uint64_t seen = 0;

	for (unsigned int i = 0; i < HISTOGRAM_BUCKETS - 1; i++) {
		seen += histogram->buckets[i];
		if (seen && seen >= rank)
			return histogram_high(i) < histogram->max ? histogram_high(i)
								  : histogram->max;
	}
	return histogram->max;
}
