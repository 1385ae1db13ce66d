/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The bus: who answers where, what a range may not be, and what nobody answers. */
#include <string.h>

#include "devices/bus.h"
#include "tests/devices/suites.h"

/* A device that remembers how it was last called. */
struct probe {
	uint64_t offset;
	uint64_t value;
	unsigned int len;
	unsigned int calls;
};

static void probe_read(void *device, uint64_t offset, void *data, unsigned int len)
{
	struct probe *probe = device;

	*probe = (struct probe){offset, 0, len, probe->calls + 1};
	memset(data, 0x5a, len);
}

static void probe_write(void *device, uint64_t offset, const void *data, unsigned int len)
{
	struct probe *probe = device;

	*probe = (struct probe){offset, 0, len, probe->calls + 1};
	memcpy(&probe->value, data, len);
}

static const struct bus_ops probe_ops = {probe_read, probe_write};

static int add(struct bus *bus, uint64_t base, uint64_t size, struct probe *probe)
{
	return bus_add(bus, &(struct bus_range){base, size, &probe_ops, probe, "probe"});
}

START_TEST(test_add_refused)
{
	struct bus bus = {0};
	struct probe probe = {0};

	ck_assert_int_eq(add(&bus, 0x1000, 0, &probe), -1);
	ck_assert_int_eq(add(&bus, UINT64_MAX - 0xf, 0x11, &probe), -1);
	ck_assert_int_eq(add(&bus, 0x1000, 0x1000, &probe), 0);
	ck_assert_int_eq(add(&bus, 0x1000, 0x1000, &probe), -1);
	ck_assert_int_eq(add(&bus, 0xfff, 2, &probe), -1);
	ck_assert_int_eq(add(&bus, 0x1fff, 1, &probe), -1);
	ck_assert_int_eq(add(&bus, 0, 0x10000, &probe), -1);
	ck_assert_int_eq(add(&bus, 0x1800, 8, &probe), -1);
	ck_assert_uint_eq(bus.count, 1);
	/* Neighbours touch, and the last byte of all is an address like any other. */
	ck_assert_int_eq(add(&bus, 0xfff, 1, &probe), 0);
	ck_assert_int_eq(add(&bus, 0x2000, 1, &probe), 0);
	ck_assert_int_eq(add(&bus, UINT64_MAX - 0xf, 0x10, &probe), 0);
	ck_assert_uint_eq(bus.count, 4);
	bus_clear(&bus);
	ck_assert_uint_eq(bus.count, 0);
	ck_assert_ptr_null(bus_find(&bus, 0x1000, 1));
}
END_TEST

START_TEST(test_access)
{
	struct bus bus = {0};
	struct probe probe = {0};
	uint32_t value = 0x12345678;

	ck_assert_int_eq(add(&bus, 0x1000, 0x10, &probe), 0);
	ck_assert(bus_write(&bus, 0x100c, &value, 4));
	ck_assert_uint_eq(probe.offset, 0xc);
	ck_assert_uint_eq(probe.len, 4);
	ck_assert_uint_eq(probe.value, 0x12345678);
	ck_assert(bus_read(&bus, 0x1000, &value, 2));
	ck_assert_uint_eq(probe.offset, 0);
	ck_assert_uint_eq(probe.len, 2);
	ck_assert_uint_eq(value, 0x12345a5a);
	ck_assert_uint_eq(probe.calls, 2);
	bus_clear(&bus);
}
END_TEST

/* Reads as ones, and the device hears nothing of it: also when only the tail lies outside. */
START_TEST(test_nobody)
{
	static const struct {
		uint64_t addr;
		unsigned int len;
	} outside[] = {{0, 1},      {0xfff, 1},  {0xfff, 2},      {0x100d, 4},
		       {0x1009, 8}, {0x1010, 1}, {UINT64_MAX, 1}, {UINT64_MAX, 8}};
	struct bus bus = {0};
	struct probe probe = {0};

	for (unsigned int filled = 0; filled < 2; filled++) {
		for (size_t i = 0; i < sizeof(outside) / sizeof(outside[0]); i++) {
			uint64_t value = 0;

			ck_assert(!bus_read(&bus, outside[i].addr, &value, outside[i].len));
			ck_assert_uint_eq(value, outside[i].len == 8
							 ? UINT64_MAX
							 : (1ULL << outside[i].len * 8) - 1);
			ck_assert(!bus_write(&bus, outside[i].addr, &value, outside[i].len));
		}
		ck_assert_int_eq(add(&bus, 0x1000 + filled, 0x10, &probe), filled ? -1 : 0);
	}
	ck_assert_uint_eq(probe.calls, 0);
	bus_clear(&bus);
}
END_TEST

/* Many ranges in random order against a table of who owns what. */
START_TEST(test_many)
{
	enum { SPACE = 4096 };
	static struct probe probes[SPACE];
	static int owner[SPACE + 8];
	struct test_random random = test_random_new(1);
	struct bus bus = {0};

	memset(owner, -1, sizeof(owner));
	for (int i = 0; i < 400; i++) {
		uint64_t base = test_random_below(&random, SPACE - 16);
		uint64_t size = 1 + test_random_below(&random, 16);
		bool taken = false;

		for (uint64_t at = base; at < base + size; at++)
			taken = taken || owner[at] >= 0;
		ck_assert_int_eq(add(&bus, base, size, &probes[i]), taken ? -1 : 0);
		for (uint64_t at = base; !taken && at < base + size; at++)
			owner[at] = i;
	}
	for (uint64_t at = 0; at < SPACE; at++) {
		for (unsigned int len = 1; len <= 8; len *= 2) {
			const struct bus_range *range = bus_find(&bus, at, len);
			bool inside = owner[at] >= 0;

			for (unsigned int i = 1; i < len; i++)
				inside = inside && owner[at + i] == owner[at];
			ck_assert_ptr_eq(range ? range->device : NULL,
					 inside ? (void *)&probes[owner[at]] : NULL);
		}
	}
	bus_clear(&bus);
}
END_TEST

Suite *bus_suite(void)
{
	Suite *suite = suite_create("bus");
	TCase *tcase = tcase_create("bus");

	tcase_add_test(tcase, test_add_refused);
	tcase_add_test(tcase, test_access);
	tcase_add_test(tcase, test_nobody);
	tcase_add_test(tcase, test_many);
	suite_add_tcase(suite, tcase);
	return suite;
}
