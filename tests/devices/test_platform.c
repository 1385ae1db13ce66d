/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The exit ports and the keyboard controller. */
#include "devices/exit-port.h"
#include "devices/i8042.h"
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

Suite *platform_suite(void)
{
	Suite *suite = suite_create("platform");
	TCase *tcase = tcase_create("platform");

	tcase_add_test(tcase, test_debug_exit);
	tcase_add_test(tcase, test_status);
	tcase_add_test(tcase, test_exit_port_reads);
	tcase_add_test(tcase, test_i8042_reset);
	tcase_add_test(tcase, test_i8042_probe);
	suite_add_tcase(suite, tcase);
	return suite;
}
