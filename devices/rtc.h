/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The clock of a PC (MC146818), as far as a kernel reads the time from it: the host's, in UTC. What
 * is written to the time is lost; alarms and periodic interrupts never come; the rest of the 128
 * bytes keeps what is written until the machine ends.
 */
#ifndef DEVICES_RTC_H
#define DEVICES_RTC_H

#include <pthread.h>
#include <time.h>

#include "devices/bus.h"

#define RTC_PORT  0x70 /* index, data */
#define RTC_PORTS 2
#define RTC_BYTES 128

/* now is constant after set-up, the rest is touched with the lock held. */
struct rtc {
	time_t (*now)(void);
	pthread_mutex_t lock;
	uint8_t index;
	uint8_t bytes[RTC_BYTES];
};

/* @now: seconds since 1970; NULL for the host's clock. */
void rtc_init(struct rtc *rtc, time_t (*now)(void));

extern const struct bus_ops rtc_bus_ops; /* device: struct rtc */

#endif
