/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * What is written of a machine's counters, without a KVM: a machine is put together by hand, with a
 * device whose name is no text, and its counters have values a test knows.
 */
#include "vmm/stats.h"

#include <stdlib.h>
#include <string.h>

#include "devices/virtio-meter.h"
#include "tests/runner.h"
#include "tests/vmm/suites.h"
#include "vmm/utf8.h"

static struct machine machine;
static struct vcpu vcpus[2];
static char *text;
static size_t size;

static const struct device_type *type_named(const char *name)
{
	const struct device_type *const *type = device_types;

	while (strcmp((*type)->name, name) != 0)
		type++;
	return *type;
}

static void set_up(void)
{
	const struct gm_region_config regions[] = {
		{.start = 0, .size = 65536, .backing = GM_BACKING_ANON, .dirty_page = 4096},
		{.start = 65536, .size = 65536, .backing = GM_BACKING_ANON},
	};
	struct gm_memory *memory;
	struct report report;

	machine =
		(struct machine){.vcpus = vcpus, .vcpu_count = 2, .config.cpus = 2, .slot_count = 1};
	ck_assert_int_eq(gm_memory_from_configs(regions, 2, &memory, NULL), 0);
	ck_assert_int_eq(gm_cell_new(memory, &machine.memory), 0);
	gm_memory_put(memory);
	machine.loop = loop_new();
	ck_assert_ptr_nonnull(machine.loop);
	ck_assert_int_eq(type_named("rng")->create("--rng", NULL, machine.loop,
						   &machine.slots[0].device, &report),
			 0);
	vcpus[1].index = 1;
}

static void tear_down(void)
{
	virtio_device_free(machine.slots[0].device);
	loop_free(machine.loop);
	gm_cell_free(machine.memory);
	free(text);
}

static void write_json(void)
{
	FILE *out = open_memstream(&text, &size);

	ck_assert_ptr_nonnull(out);
	ck_assert_int_eq(stats_write_json(&machine, out), 0);
	fclose(out);
	ck_assert_ptr_eq(strchr(text, '\n'), text + size - 1);
}

#define HAS(what)     ck_assert_msg(strstr(text, what) != NULL, "no %s in %s", what, text)
#define HAS_NOT(what) ck_assert_msg(strstr(text, what) == NULL, "%s in %s", what, text)

START_TEST(json_of_counters)
{
	struct virtio_device *device = machine.slots[0].device;

	vcpus[0].counts.exits[2] = 7;                              /* IO */
	vcpus[0].counts.exits[63] = vcpus[0].counts.exits[50] = 2; /* nobody knows */
	vcpus[1].counts.exits[26] = UINT64_MAX;                    /* IOAPIC_EOI */
	device->stats = (struct virtio_stats){1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
	write_json();
	HAS("{\"version\":\"");
	HAS(",\"uptime_ns\":0,\"state\":\"stopped\",\"restarts\":0,\"memory\":{\"bytes\":131072,"
	    "\"regions\":2,\"dirty_pages\":0},\"vcpus\":[{\"exits\":{\"io\":{\"count\":7},"
	    "\"other\":{"
	    "\"count\":4}},\"cpu_ns\":0},{\"exits\":{\"ioapic_eoi\":{\"count\":"
	    "18446744073709551615}},"
	    "\"cpu_ns\":0}],\"devices\":[{\"name\":\"virtio-rng\",\"type\":\"virtio-rng\","
	    "\"requests\":1,\"errors\":2,\"bytes_from_guest\":3,\"bytes_to_guest\":4,"
	    "\"transfers\":5,\"crossings\":6,\"dropped\":7,\"notifications\":8,\"interrupts\":9,"
	    "\"interrupts_suppressed\":10}]}\n");
}
END_TEST

START_TEST(json_of_times)
{
	struct virtio_device *device = machine.slots[0].device;
	struct report report;

	ck_assert_int_eq(stats_measure(&machine, &report), 0);
	vcpus[0].counts.exits[2] = 2;
	vcpus[0].counts.handled[2] = 3000;
	vcpus[0].counts.inside = 5000;
	vcpus[0].counts.cpu = 4000;
	vcpus[1].timed = false;
	histogram_add(&device->meter->queues[0].latency, 5);
	histogram_add(&device->meter->queues[0].latency, 5);
	histogram_add(&device->meter->queues[0].latency, 1000);
	device->meter->queues[0].depth = 2;
	device->meter->queues[0].depth_max = 3;
	write_json();
	HAS("\"vcpus\":[{\"exits\":{\"io\":{\"count\":2,\"ns\":3000}},\"cpu_ns\":4000,"
	    "\"run_ns\":5000},{\"exits\":{},\"cpu_ns\":0}]");
	HAS(",\"queues\":[{\"depth\":2,\"depth_max\":3,\"latency\":{\"count\":3,\"sum_ns\":1010,"
	    "\"p50_ns\":5,\"p90_ns\":1000,\"p99_ns\":1000,\"max_ns\":1000}}],\"latency\":{"
	    "\"count\":3,"
	    "\"sum_ns\":1010,\"p50_ns\":5,\"p90_ns\":1000,\"p99_ns\":1000,\"max_ns\":1000,"
	    "\"buckets\":[[5,2],[992,1]]}}]}\n");
}
END_TEST

/* Names are of paths: bytes, cut where there was no room. */
START_TEST(json_of_names)
{
	virtio_device_name(machine.slots[0].device, "a\"\\\n\x01\x7f\xff\xc3(\xc3\xa4\xe2\x82");
	write_json();
	HAS("\"name\":\"a\\u0022\\u005c\\u000a\\u0001\x7f\xef\xbf\xbd\xef\xbf\xbd("
	    "\xc3\xa4\xef\xbf\xbd"
	    "\xef\xbf\xbd\",");
}
END_TEST

/* What is on: only where memory is tracked. */
START_TEST(json_of_dirty_pages)
{
	struct gm_memory *memory = gm_cell_snapshot(machine.memory);

	ck_assert_int_eq(gm_write(memory, 4095, "ab", 2), 2);
	ck_assert_int_eq(gm_write(memory, 70000, "ab", 2), 2);
	gm_memory_put(memory);
	write_json();
	HAS("\"dirty_pages\":2}");
	machine.restarts = 3;
	machine.started = 1;
	vcpus[0].started = true;
	free(text);
	write_json();
	HAS("\"state\":\"running\",\"restarts\":3,");
	HAS_NOT("\"uptime_ns\":0,");
	machine.pauses = 1;
	free(text);
	write_json();
	HAS("\"state\":\"paused\"");
	vcpus[0].started = false;
}
END_TEST

START_TEST(json_that_cannot_be_written)
{
	FILE *full = fopen("/dev/full", "we");

	ck_assert_ptr_nonnull(full);
	ck_assert_int_eq(stats_write_json(&machine, full), -1);
	fclose(full);
}
END_TEST

START_TEST(text_for_people)
{
	struct virtio_device *device = machine.slots[0].device;
	struct report report;
	FILE *out;

	ck_assert_int_eq(stats_measure(&machine, &report), 0);
	vcpus[0].counts.exits[2] = 2;
	vcpus[0].counts.handled[2] = 999;
	vcpus[0].counts.inside = 1500000000;
	vcpus[0].counts.cpu = 12345678;
	vcpus[1].timed = false;
	device->stats = (struct virtio_stats){.requests = 1, .notifications = 2, .interrupts = 3};
	histogram_add(&device->meter->queues[0].latency, 1234);
	device->meter->queues[0].depth_max = 1;
	out = open_memstream(&text, &size);
	stats_print(&machine, out);
	fclose(out);
	ck_assert_str_eq(
		text,
		"vmm: virtio-rng: 1 requests, 0 errors, 0 bytes from and 0 to the guest, 0 "
		"transfers, 0 across regions\n"
		"vmm: virtio-rng: 2 notifications, 3 interrupts, 0 suppressed; half of them within "
		"1.2 us, 90 % 1.2 us, 99 % 1.2 us, all 1.2 us, at most 1 at once\n"
		"vmm: vcpu 0: exits IO 2\n"
		"vmm: vcpu 0: 1.5 s in KVM_RUN, 999 ns with exits; 12.3 ms of processor time\n"
		"vmm: vcpu 1: exits\n");
}
END_TEST

START_TEST(characters)
{
	static const struct {
		const char *bytes;
		size_t len, character;
	} cases[] = {
		{"a", 1, 1},
		{"\x80", 1, 0},
		{"\xc0\x80", 2, 0},
		{"\xc3\xa4", 2, 2},
		{"\xc3\xa4", 1, 0},
		{"\xe0\x9f\xbf", 3, 0},
		{"\xe2\x82\xac", 3, 3},
		{"\xed\xa0\x80", 3, 0},
		{"\xf0\x9f\x98\x80", 4, 4},
		{"\xf0\x8f\xbf\xbf", 4, 0},
		{"\xf4\x90\x80\x80", 4, 0},
		{"\xff", 1, 0},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		ck_assert_uint_eq(utf8_character(cases[i].bytes, cases[i].len), cases[i].character);
}
END_TEST

Suite *suite_stats(void)
{
	Suite *suite = suite_create("stats");
	TCase *tcase = tcase_create("stats");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, json_of_counters);
	tcase_add_test(tcase, json_of_times);
	tcase_add_test(tcase, json_of_names);
	tcase_add_test(tcase, json_of_dirty_pages);
	tcase_add_test(tcase, json_that_cannot_be_written);
	tcase_add_test(tcase, text_for_people);
	tcase_add_test(tcase, characters);
	suite_add_tcase(suite, tcase);
	return suite;
}
