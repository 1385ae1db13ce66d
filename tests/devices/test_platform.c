/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The exit ports, the keyboard controller, power and the clock. */
#include "devices/exit-port.h"
#include "devices/i8042.h"
#include "devices/power.h"
#include "devices/rtc.h"
#include "tests/devices/suites.h"

static int ended; /* the last status, -1: none */

static void end(void *arg, int status)
{
	ck_assert_ptr_eq(arg, &ended);
	ended = status;
}

static void reset(void *arg)
{
	end(arg, 1000);
}

static int exit_with(uint64_t offset, uint64_t value, unsigned int len)
{
	struct exit_port port = {end, &ended};

	ended = -1;
	exit_port_bus_ops.write(&port, offset, &value, len);
	return ended;
}

START_TEST(test_debug_exit)
{
	ck_assert_int_eq(exit_with(EXIT_PORT_DEBUG, 0, 1), 1);
	ck_assert_int_eq(exit_with(EXIT_PORT_DEBUG, 33, 1), 67);
	ck_assert_int_eq(exit_with(EXIT_PORT_DEBUG, 33, 2), 67);
	ck_assert_int_eq(exit_with(EXIT_PORT_DEBUG, 33, 4), 67);
	ck_assert_int_eq(exit_with(EXIT_PORT_DEBUG, 0x80, 1), 1);
	ck_assert_int_eq(exit_with(EXIT_PORT_DEBUG, 0xffffffff, 4), 255);
	/* Any port of the four, as with QEMU; no width that a port does not have. */
	ck_assert_int_eq(exit_with(EXIT_PORT_DEBUG + 3, 1, 1), 3);
	ck_assert_int_eq(exit_with(EXIT_PORT_DEBUG, 1, 8), -1);
}
END_TEST

START_TEST(test_status)
{
	ck_assert_int_eq(exit_with(EXIT_PORT_STATUS, 0, 4), 0);
	ck_assert_int_eq(exit_with(EXIT_PORT_STATUS, 42, 4), 42);
	ck_assert_int_eq(exit_with(EXIT_PORT_STATUS, 0x12345678, 4), 0x78);
	ck_assert_int_eq(exit_with(EXIT_PORT_STATUS, 42, 1), -1);
	ck_assert_int_eq(exit_with(EXIT_PORT_STATUS, 42, 2), -1);
	ck_assert_int_eq(exit_with(EXIT_PORT_STATUS + 1, 42, 1), -1);
}
END_TEST

START_TEST(test_exit_port_reads)
{
	struct exit_port port = {end, &ended};
	uint32_t value = 0x55555555;

	ended = -1;
	exit_port_bus_ops.read(&port, EXIT_PORT_DEBUG, &value, 2);
	ck_assert_uint_eq(value, 0x55550000);
	ck_assert_int_eq(ended, -1);
}
END_TEST

static uint8_t get(struct i8042 *i8042, const struct bus_ops *port)
{
	uint8_t value = 0xaa;

	port->read(i8042, 0, &value, 1);
	return value;
}

static void put(struct i8042 *i8042, const struct bus_ops *port, uint8_t value)
{
	port->write(i8042, 0, &value, 1);
}

START_TEST(test_i8042_reset)
{
	struct i8042 i8042;

	ended = -1;
	i8042_init(&i8042, reset, &ended);
	put(&i8042, &i8042_data_bus_ops, 0xfe);
	ck_assert_int_eq(ended, -1);
	put(&i8042, &i8042_command_bus_ops, 0xfe);
	ck_assert_int_eq(ended, 1000);
	/* The other way: the output port, where bit 0 is the reset line, active low. */
	ended = -1;
	put(&i8042, &i8042_command_bus_ops, 0xd1);
	put(&i8042, &i8042_data_bus_ops, 0x03);
	ck_assert_int_eq(ended, -1);
	put(&i8042, &i8042_data_bus_ops, 0x02);
	ck_assert_int_eq(ended, -1);
	put(&i8042, &i8042_command_bus_ops, 0xd1);
	put(&i8042, &i8042_data_bus_ops, 0x02);
	ck_assert_int_eq(ended, 1000);
}
END_TEST

/* What a kernel does to find out that there is a controller and no keyboard. */
START_TEST(test_i8042_probe)
{
	struct i8042 i8042;

	ended = -1;
	i8042_init(&i8042, reset, &ended);
	ck_assert_uint_eq(get(&i8042, &i8042_command_bus_ops), 0x14);
	put(&i8042, &i8042_command_bus_ops, 0xaa);
	ck_assert_uint_eq(get(&i8042, &i8042_command_bus_ops), 0x15);
	ck_assert_uint_eq(get(&i8042, &i8042_data_bus_ops), 0x55);
	ck_assert_uint_eq(get(&i8042, &i8042_command_bus_ops), 0x14);
	put(&i8042, &i8042_command_bus_ops, 0x60);
	put(&i8042, &i8042_data_bus_ops, 0x47);
	put(&i8042, &i8042_command_bus_ops, 0x20);
	ck_assert_uint_eq(get(&i8042, &i8042_data_bus_ops), 0x47);
	/* A command to a keyboard: no answer. */
	put(&i8042, &i8042_data_bus_ops, 0xff);
	ck_assert_uint_eq(get(&i8042, &i8042_command_bus_ops), 0x14);
	ck_assert_int_eq(ended, -1);
}
END_TEST

START_TEST(test_i8042_is_as_new_after_a_reset)
{
	struct i8042 i8042;

	i8042_init(&i8042, reset, &ended);
	put(&i8042, &i8042_command_bus_ops, 0x60);
	put(&i8042, &i8042_data_bus_ops, 0x47);
	put(&i8042, &i8042_command_bus_ops, 0xaa);
	put(&i8042, &i8042_command_bus_ops, 0xd1);
	i8042_reset(&i8042);
	ck_assert_uint_eq(get(&i8042, &i8042_command_bus_ops), 0x14);
	ended = -1;
	put(&i8042, &i8042_data_bus_ops, 0x02);
	ck_assert_int_eq(ended, -1);
	put(&i8042, &i8042_command_bus_ops, 0x20);
	ck_assert_uint_eq(get(&i8042, &i8042_data_bus_ops), 0x34);
}
END_TEST

static void power_off(void *arg)
{
	end(arg, 2000);
}

static void panicked(void *arg)
{
	end(arg, 3000);
}

static struct power power = {power_off, reset, panicked, &ended};

static int power_write(const struct bus_ops *ops, uint64_t offset, uint64_t value, unsigned int len)
{
	ended = -1;
	ops->write(&power, offset, &value, len);
	return ended;
}

START_TEST(test_power)
{
	for (unsigned int value = 0; value < 256; value++) {
		/* SLP_EN with SLP_TYP 5; bits that are not of either do not matter. */
		bool off = (value & 0x3c) == 0x34;

		ck_assert_int_eq(power_write(&power_bus_ops, 0, value, 1), off ? 2000 : -1);
		ck_assert_int_eq(power_write(&power_bus_ops, 1, value, 1), -1);
		ck_assert_int_eq(power_write(&power_bus_ops, 2, value, 1), value == 1 ? 1000 : -1);
		ck_assert_int_eq(power_write(&panic_bus_ops, 0, value, 1), value & 1 ? 3000 : -1);
	}
	/* Registers are a byte wide. */
	ck_assert_int_eq(power_write(&power_bus_ops, 0, 0x34, 2), -1);
	ck_assert_int_eq(power_write(&power_bus_ops, 2, 1, 4), -1);
	ck_assert_int_eq(power_write(&panic_bus_ops, 0, 1, 2), -1);
}
END_TEST

START_TEST(test_power_reads)
{
	for (uint64_t offset = 0; offset < POWER_PORTS; offset++) {
		uint32_t value = 0x55555555;

		power_bus_ops.read(&power, offset, &value, 1);
		ck_assert_uint_eq(value, 0x55555500);
	}
	for (unsigned int len = 1; len <= 4; len *= 2) {
		uint32_t value = 0;

		panic_bus_ops.read(&power, 0, &value, len);
		ck_assert_uint_eq(value, 3);
	}
}
END_TEST

/* Sunday, 29 February 2032, 13:04:59. */
static time_t leap_day(void)
{
	return 1961672699;
}

/* Noon and midnight: the hours twelve o'clock is in. */
static time_t noon(void)
{
	return 43200;
}

static time_t midnight(void)
{
	return 86400;
}

static uint8_t rtc_get(struct rtc *rtc, uint8_t index)
{
	uint8_t value = 0xee;

	rtc_bus_ops.write(rtc, 0, &index, 1);
	rtc_bus_ops.read(rtc, 1, &value, 1);
	return value;
}

static void rtc_put(struct rtc *rtc, uint8_t index, uint8_t value)
{
	rtc_bus_ops.write(rtc, 0, &index, 1);
	rtc_bus_ops.write(rtc, 1, &value, 1);
}

START_TEST(test_clock)
{
	static const struct {
		uint8_t index, bcd, binary;
	} fields[] = {
		{0, 0x59, 59}, {2, 0x04, 4}, {4, 0x13, 13}, {6, 0x01, 1},
		{7, 0x29, 29}, {8, 0x02, 2}, {9, 0x32, 32}, {0x32, 0x20, 20},
	};
	struct rtc rtc;

	rtc_init(&rtc, leap_day);
	/* Bit 7 of the index is not the clock's. */
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		ck_assert_uint_eq(rtc_get(&rtc, fields[i].index | 0x80), fields[i].bcd);
	ck_assert_uint_eq(rtc_get(&rtc, 0x0b), 0x02);
	rtc_put(&rtc, 0x0b, 0x06);
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		ck_assert_uint_eq(rtc_get(&rtc, fields[i].index), fields[i].binary);
	/* Twelve hours, and what belongs to the afternoon. */
	rtc_put(&rtc, 0x0b, 0x00);
	ck_assert_uint_eq(rtc_get(&rtc, 4), 0x81);
	rtc.now = noon;
	ck_assert_uint_eq(rtc_get(&rtc, 4), 0x92);
	rtc.now = midnight;
	ck_assert_uint_eq(rtc_get(&rtc, 4), 0x12);
}
END_TEST

static time_t any_time;

static time_t that_time(void)
{
	return any_time;
}

/* As the C library does: the first or last second of each day up to 2106, any up to the year 9999. */
START_TEST(test_calendar)
{
	static const time_t last = 253402300799;
	struct test_random random = test_random_new(0);
	struct rtc rtc;

	rtc_init(&rtc, that_time);
	rtc_put(&rtc, 0x0b, 0x06);
	for (unsigned int i = 0; i < 60000; i++) {
		struct tm tm;

		any_time = i < 50000 ? (time_t)i * 86400 - (i & 1)
				     : (time_t)test_random_below(&random, (uint64_t)last);
		gmtime_r(&any_time, &tm);
		ck_assert_int_eq(rtc_get(&rtc, 0x00), tm.tm_sec);
		ck_assert_int_eq(rtc_get(&rtc, 0x02), tm.tm_min);
		ck_assert_int_eq(rtc_get(&rtc, 0x04), tm.tm_hour);
		ck_assert_int_eq(rtc_get(&rtc, 0x06), tm.tm_wday + 1);
		ck_assert_int_eq(rtc_get(&rtc, 0x07), tm.tm_mday);
		ck_assert_int_eq(rtc_get(&rtc, 0x08), tm.tm_mon + 1);
		ck_assert_int_eq(rtc_get(&rtc, 0x09), tm.tm_year % 100);
		ck_assert_int_eq(rtc_get(&rtc, 0x32), 19 + tm.tm_year / 100);
	}
}
END_TEST

START_TEST(test_clock_registers)
{
	struct rtc rtc;
	uint32_t wide = 0x55555555;

	rtc_init(&rtc, leap_day);
	ck_assert_uint_eq(rtc_get(&rtc, 0x0d), 0x80);
	rtc_put(&rtc, 0x0d, 0);
	ck_assert_uint_eq(rtc_get(&rtc, 0x0d), 0x80);
	rtc_put(&rtc, 0x0c, 0xff);
	ck_assert_uint_eq(rtc_get(&rtc, 0x0c), 0);
	/* Never in the middle of an update, nor set by the guest. */
	ck_assert_uint_eq(rtc_get(&rtc, 0x0a) & 0x80, 0);
	rtc_put(&rtc, 0, 0x11);
	ck_assert_uint_eq(rtc_get(&rtc, 0), 0x59);
	rtc_put(&rtc, 0x7f, 0x42);
	ck_assert_uint_eq(rtc_get(&rtc, 0x7f), 0x42);
	rtc_bus_ops.read(&rtc, 0, &wide, 4);
	ck_assert_uint_eq(wide, 0x7f);
	/* The host's clock, if nobody says otherwise. */
	rtc_init(&rtc, NULL);
	ck_assert_uint_eq(rtc_get(&rtc, 0x32), 0x20);
}
END_TEST

Suite *platform_suite(void)
{
	Suite *suite = suite_create("platform");
	TCase *tcase = tcase_create("platform");

	tcase_add_test(tcase, test_debug_exit);
	tcase_add_test(tcase, test_status);
	tcase_add_test(tcase, test_exit_port_reads);
	tcase_add_test(tcase, test_i8042_reset);
	tcase_add_test(tcase, test_i8042_probe);
	tcase_add_test(tcase, test_i8042_is_as_new_after_a_reset);
	tcase_add_test(tcase, test_power);
	tcase_add_test(tcase, test_power_reads);
	tcase_add_test(tcase, test_clock);
	tcase_add_test(tcase, test_calendar);
	tcase_add_test(tcase, test_clock_registers);
	suite_add_tcase(suite, tcase);
	return suite;
}
