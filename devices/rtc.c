/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Time of day for kernels that have no better clock. */
#include "devices/rtc.h"

#include <string.h>

enum {
	SECONDS = 0x00,
	MINUTES = 0x02,
	HOURS = 0x04,
	WEEKDAY = 0x06,
	DAY = 0x07,
	MONTH = 0x08,
	YEAR = 0x09,
	STATUS_A = 0x0a,
	STATUS_B = 0x0b,
	STATUS_C = 0x0c,
	STATUS_D = 0x0d,
	CENTURY = 0x32,
};

#define A_DIVIDER  0x26 /* 32768 Hz, 1024 Hz; never "update in progress" */
#define B_24_HOURS 0x02
#define B_BINARY   0x04
#define D_POWER    0x80 /* the battery is fine */
#define HOUR_PM    0x80
#define INDEX_MASK 0x7f /* bit 7 is the NMI's */

static time_t host_time(void)
{
	return time(NULL);
}

void rtc_init(struct rtc *rtc, time_t (*now)(void))
{
	*rtc = (struct rtc){
		.now = now ? now : host_time,
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.bytes = {[STATUS_A] = A_DIVIDER, [STATUS_B] = B_24_HOURS, [STATUS_D] = D_POWER},
	};
}

static uint8_t encode(const struct rtc *rtc, int value)
{
	if (rtc->bytes[STATUS_B] & B_BINARY)
		return (uint8_t)value;
	return (uint8_t)(value / 10 << 4 | value % 10);
}

static uint8_t encode_hour(const struct rtc *rtc, int hour)
{
	if (rtc->bytes[STATUS_B] & B_24_HOURS)
		return encode(rtc, hour);
	return encode(rtc, hour % 12 ? hour % 12 : 12) | (hour >= 12 ? HOUR_PM : 0);
}

static uint8_t read_byte(const struct rtc *rtc)
{
	time_t now = rtc->now();
	struct tm tm;

	gmtime_r(&now, &tm);
	switch (rtc->index) {
	case SECONDS: return encode(rtc, tm.tm_sec < 60 ? tm.tm_sec : 59);
	case MINUTES: return encode(rtc, tm.tm_min);
	case HOURS: return encode_hour(rtc, tm.tm_hour);
	case WEEKDAY: return encode(rtc, tm.tm_wday + 1);
	case DAY: return encode(rtc, tm.tm_mday);
	case MONTH: return encode(rtc, tm.tm_mon + 1);
	case YEAR: return encode(rtc, tm.tm_year % 100);
	case CENTURY: return encode(rtc, 19 + tm.tm_year / 100);
	default: return rtc->bytes[rtc->index];
	}
}

static void rtc_read(void *device, uint64_t offset, void *data, unsigned int len)
{
	struct rtc *rtc = device;
	uint8_t value;

	memset(data, 0, len);
	pthread_mutex_lock(&rtc->lock);
	value = offset ? read_byte(rtc) : rtc->index;
	pthread_mutex_unlock(&rtc->lock);
	memcpy(data, &value, 1);
}

static void rtc_write(void *device, uint64_t offset, const void *data, unsigned int len)
{
	struct rtc *rtc = device;
	uint8_t value;

	if (len != 1)
		return;
	memcpy(&value, data, 1);
	pthread_mutex_lock(&rtc->lock);
	if (offset == 0)
		rtc->index = value & INDEX_MASK;
	/* C and D only report. */
	else if (rtc->index != STATUS_C && rtc->index != STATUS_D)
		rtc->bytes[rtc->index] = value;
	pthread_mutex_unlock(&rtc->lock);
}

const struct bus_ops rtc_bus_ops = {
	.read = rtc_read,
	.write = rtc_write,
};
