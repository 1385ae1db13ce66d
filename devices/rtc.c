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

#define DAY_SECONDS 86400
#define THURSDAY    4 /* 1970-01-01 */

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

struct date {
	int year;
	int month; /* from 1, and so is the day */
	int day;
};

static bool is_leap(int year)
{
	return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

/*
 * Not by gmtime(): that reads the time zones' files, which take a lock and are out of reach in a
 * jail, and is 100 KiB of the static binary.
 */
static struct date date_of(int64_t days)
{
	static const uint8_t lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	struct date date = {.year = 1970, .month = 1};

	for (int length; days >= (length = 365 + is_leap(date.year)); date.year++)
		days -= length;
	for (int length;
	     days >= (length = lengths[date.month - 1] + (date.month == 2 && is_leap(date.year)));
	     date.month++)
		days -= length;
	date.day = (int)days + 1;
	return date;
}

static uint8_t read_byte(const struct rtc *rtc)
{
	const int64_t now = rtc->now(), days = now / DAY_SECONDS;
	const int second = (int)(now % DAY_SECONDS);
	const struct date date = date_of(days);

	switch (rtc->index) {
	case SECONDS: return encode(rtc, second % 60);
	case MINUTES: return encode(rtc, second / 60 % 60);
	case HOURS: return encode_hour(rtc, second / 3600);
	case WEEKDAY: return encode(rtc, (int)((days + THURSDAY) % 7) + 1);
	case DAY: return encode(rtc, date.day);
	case MONTH: return encode(rtc, date.month);
	case YEAR: return encode(rtc, date.year % 100);
	case CENTURY: return encode(rtc, date.year / 100);
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
