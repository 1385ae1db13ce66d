/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* A clock of clock_gettime(2) as one number. */
#ifndef DEVICES_CLOCK_H
#define DEVICES_CLOCK_H

#include <stdint.h>
#include <time.h>

/* In ns; 0 if there is no such clock. */
static inline uint64_t clock_ns(clockid_t clock)
{
	struct timespec time;

	if (clock_gettime(clock, &time))
		return 0;
	return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

#endif
