/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Maps of machines that have run: where drivers put their queues, what the boot placed, and what
 * --map tells of it beforehand.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/kvm/suites.h"
#include "tests/kvm/vm.h"
#include "vmm/layout.h"
#include "vmm/map.h"

static struct vm vm;

static struct subject {
	struct kvm kvm;
	struct layout layout;
	struct gm_memory *memory;
	struct machine machine;
	struct boot_params params;
	struct report report;
	char *words;
} subject;

static const struct device_type *type_of(const char *name)
{
	const struct device_type *const *type = device_types;

	while (strcmp((*type)->name, name) != 0)
		type++;
	return *type;
}

/* On 32 MiB, or on regions, with blanks between. */
static void make(bool pci, const char *regions, const char *fragment)
{
	struct report *report = &subject.report;
	const struct machine_config config = {
		.serial = "null", .cpus = 1, .pci = pci, .layout = &subject.layout};

	memset(&subject, 0, sizeof(subject));
	ck_assert_int_eq(kvm_open(&subject.kvm, KVM_PATH, report), 0);
	if (!regions)
		ck_assert_int_eq(layout_add_memory(&subject.layout, "32M", report), 0);
	while (regions) {
		char text[64];

		snprintf(text, sizeof(text), "%.*s", (int)strcspn(regions, " "), regions);
		ck_assert_int_eq(layout_add_region(&subject.layout, text, text, report), 0);
		regions = strchr(regions, ' ');
		regions += regions != NULL;
	}
	if (fragment)
		ck_assert_int_eq(layout_fragment(&subject.layout, fragment, report), 0);
	ck_assert_msg(layout_build(&subject.layout, subject.kvm.max_slots, 0, &subject.memory,
				   report) == 0,
		      "%s", report->text);
	ck_assert_msg(machine_create(&subject.machine, &subject.kvm, subject.memory, &config,
				     report) == 0,
		      "%s", report->text);
}

/* Run what subject.params say to its end; returns the status. */
static int run(void)
{
	int status = -1;

	ck_assert_msg(machine_boot(&subject.machine, &subject.params, &subject.report) == 0, "%s",
		      subject.report.text);
	ck_assert_int_eq(machine_run(&subject.machine, &status, &subject.report), 0);
	return status;
}

static void unmake(void)
{
	machine_destroy(&subject.machine);
	kvm_close(&subject.kvm);
	gm_memory_put(subject.memory);
	layout_clear(&subject.layout);
	free(subject.words);
}

static const struct map_queue *queue_of(const struct map *map, const char *device)
{
	for (size_t i = 0; i < map->queue_count; i++) {
		if (strcmp(map->queues[i].device, device) == 0 && map->queues[i].index == 0)
			return &map->queues[i];
	}
	return NULL;
}

/* A queue of a driver that is up is where the driver put it, whole in memory, on either transport. */
START_TEST(test_queues)
{
	static const char *const rings[] = {"ring=split", "ring=packed"};
	const struct map_queue *queue;
	struct report *report = &subject.report;
	char cmdline[64], *text = NULL;
	bool packed = _i & 1;
	struct map map;
	size_t len;
	FILE *out;

	NEED_KVM();
	make(_i & 2, NULL, _i & 1 ? "64K,seed=1" : "1M");
	ck_assert_msg(machine_add_device(&subject.machine, type_of("rng"), NULL, report) == 0, "%s",
		      report->text);
	/* Nobody has set up a queue yet. */
	ck_assert_int_eq(map_collect(&map, &subject.machine, report), 0);
	ck_assert_uint_eq(map.queue_count, 0);
	ck_assert_uint_eq(map.piece_count, 0);
	ck_assert_uint_eq(map.region_count, gm_memory_count(subject.memory));
	ck_assert_ptr_eq(map.regions[0].host, gm_region_host(gm_memory_region(subject.memory, 0)));
	map_clear(&map);
	snprintf(cmdline, sizeof(cmdline), "tests=rng %s", rings[packed]);
	subject.words = machine_device_words(&subject.machine);
	subject.params = (struct boot_params){
		.kernel = built("guest/kernel.elf"),
		.cmdline = cmdline,
		.device_words = subject.words,
		.acpi = machine_acpi(&subject.machine),
	};
	ck_assert_int_eq(run(), 0);
	ck_assert_int_eq(map_collect(&map, &subject.machine, report), 0);
	queue = queue_of(&map, "virtio-rng");
	ck_assert_ptr_nonnull(queue);
	ck_assert_int_eq(queue->packed, packed);
	ck_assert_uint_eq(queue->areas[VIRTQ_DESC].len, 16 * queue->size);
	for (int i = 0; i < VIRTQ_AREAS; i++)
		ck_assert(gm_check_range(subject.memory, queue->areas[i].addr, queue->areas[i].len,
					 GM_ACCESS_READ));
	ck_assert_uint_ge(map.piece_count, 4);
	out = open_memstream(&text, &len);
	ck_assert_int_eq(map_write_text(&map, out), 0);
	fclose(out);
	ck_assert_msg(strstr(text, packed ? "virtio-rng queue 0 descriptor ring\n"
					  : "virtio-rng queue 0 used ring\n"),
		      "%s", text);
	ck_assert_msg(strstr(text, _i & 2 ? "BAR 0 of rng\n" : "virtio-mmio rng, pin 5\n"), "%s",
		      text);
	free(text);
	map_clear(&map);
	unmake();
}
END_TEST

/* What is recorded is the last boot's, once: this guest starts four times. */
START_TEST(test_restart_places_anew)
{
	struct map map;

	NEED_KVM();
	make(false, "0:128K 128K:64K,memfd 1M:1M", NULL);
	subject.params = (struct boot_params){.kernel = tiny("restart"), .flat = "0x1000"};
	ck_assert_int_eq(run(), 0);
	ck_assert_int_eq(map_collect(&map, &subject.machine, &subject.report), 0);
	ck_assert_uint_eq(map.piece_count, 1);
	ck_assert_str_eq(map.pieces[0].name, "kernel");
	ck_assert_uint_eq(map.pieces[0].addr, 0x1000);
	map_clear(&map);
	unmake();
}
END_TEST

/* --map says it on standard error, with places on the host; or in a file, and then nothing else. */
START_TEST(test_option)
{
	char path[] = "/tmp/vmm-test-map-XXXXXX", file[64], option[80], head[5] = "";
	int fd = mkstemp(path);
	FILE *svg;

	ck_assert_int_ge(fd, 0);
	close(fd);
	unlink(path);
	snprintf(file, sizeof(file), "%s.svg", path);
	snprintf(option, sizeof(option), "--map=%s", file);
	NEED_KVM();
	vm_run(&vm, "", ARGS(tiny("bench-ok"), "--flat", "0x1000", "--memory", "2M", "--map"));
	ck_assert_int_eq(vm.status, 0);
	ck_assert_ptr_nonnull(strstr(vm.errors,
				     "bench-ok.bin: 1 region, 2 MiB of memory\n"
				     "0x00000000-0x001fffff       2 MiB  anon rw  slot 0  "
				     "host 0x"));
	ck_assert_ptr_nonnull(strstr(vm.errors, "  kernel\n"));
	vm_run(&vm, "", ARGS(tiny("bench-ok"), "--flat", "0x1000", "--memory", "2M", option));
	ck_assert_int_eq(vm.status, 0);
	ck_assert_str_eq(vm.errors, "");
	svg = fopen(file, "r");
	ck_assert_ptr_nonnull(svg);
	ck_assert_uint_eq(fread(head, 1, 4, svg), 4);
	ck_assert_str_eq(head, "<svg");
	fclose(svg);
	unlink(file);
}
END_TEST

Suite *map_suite(void)
{
	Suite *suite = suite_create("map");
	TCase *tc = tcase_create("map");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, test_queues, 0, 4);
	tcase_add_test(tc, test_restart_places_anew);
	tcase_add_test(tc, test_option);
	suite_add_tcase(suite, tc);
	return suite;
}
