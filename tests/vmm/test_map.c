/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Maps: what vmm map prints of machines that are not started, and maps made here of what no layout
 * has. Pictures are looked at by check-map.py, which has the JSON of the same map beside them.
 */
#include "tests/vmm/suites.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tests/runner.h"
#include "tests/vmm/map-shell.h"
#include "vmm/boot.h"
#include "vmm/map.h"

#define WINDOWS 4
#define PIECES  5

/* --- maps made here -------------------------------------------------------------------------------- */

static struct map_region regions[20000];
static struct map_window windows[WINDOWS];
static struct boot_placed pieces[PIECES];
static struct map_queue queues[300];

static struct map map_of(size_t count)
{
	return (struct map){
		.regions = regions,
		.region_count = count,
		.windows = windows,
		.pieces = pieces,
		.queues = queues,
	};
}

static void put_region(size_t i, gm_addr start, uint64_t size, enum gm_backing backing)
{
	regions[i] = (struct map_region){.start = start, .size = size, .backing = backing};
}

static char *written(const struct map *map, int (*write)(const struct map *map, FILE *out))
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	ck_assert_int_eq(write(map, out), 0);
	ck_assert_int_eq(fclose(out), 0);
	ck_assert_uint_eq(strlen(text), len);
	return text;
}

static size_t lines_of(const char *text)
{
	size_t lines = 0;

	for (; *text; text++)
		lines += *text == '\n';
	return lines;
}

/* Both forms that check-map.py wants, as NAME. */
static void keep(const struct map *map, const char *name)
{
	char file[64], *svg = written(map, map_write_svg), *json = written(map, map_write_json);

	snprintf(file, sizeof(file), "%s.svg", name);
	map_put_file(file, svg);
	snprintf(file, sizeof(file), "%s.json", name);
	map_put_file(file, json);
	free(svg);
	free(json);
}

/* All pictures in the test's directory. */
static void look_at_pictures(void)
{
	const char *said;
	int status;

	said = map_shell(&status,
			 "python3 $src/tests/vmm/check-map.py $(ls *.svg | sed 's/.svg$//')");
	ck_assert_msg(status == 0, "%s", said);
	ck_assert_str_eq(said, "");
}

/* Longer than libcheck has room for. */
static void same_text(const char *is, const char *want)
{
	size_t at = 0;

	while (is[at] && is[at] == want[at])
		at++;
	ck_assert_msg(is[at] == want[at], "differs from here on: %.300s", is + at);
}

/* --- text ------------------------------------------------------------------------------------------ */

START_TEST(all_of_a_machine_as_text)
{
	const char *said;
	int status;

	map_put_kernel("k.elf");
	map_put_file("m", "module");
	map_put_file("initrd", "0123456789");
	map_put_file("pc.layout", "0:640K\n0xe0000:128K,ro\n1M:3M\n4M:64K*100\n4G:2M,memfd\n");
	said = map_shell(&status,
			 "vmm map k.elf --layout pc.layout --disk x.img,ro --rng --cmdline 'a b' "
			 "--module m,text --initrd initrd 2>&1");
	same_text(said, "k.elf: 104 regions, 12 MiB of memory\n"
			"0x000000000-0x00009ffff     640 KiB  anon rw  slot 0\n"
			"0x000001000-0x000001051      82 B      command line\n"
			"0x000001060-0x0000010ef     144 B      memory map\n"
			"0x0000010f0-0x0000010f4       5 B      text of a module\n"
			"0x000001100-0x00000113f      64 B      list of modules\n"
			"0x000001140-0x000001177      56 B      start info\n"
			"0x000002000-0x000002fff       4 KiB    ACPI tables\n"
			"0x000003000-0x000003009      10 B      initrd initrd\n"
			"0x000004000-0x000004005       6 B      module m\n"
			"0x0000a0000-0x0000dffff     256 KiB  hole\n"
			"0x0000e0000-0x0000fffff     128 KiB  anon ro  slot 1\n"
			"0x000100000-0x0003fffff       3 MiB  anon rw  slot 2\n"
			"0x000100000-0x000102fff      12 KiB    kernel, segment 0\n"
			"0x000110000-0x000111233     4.5 KiB    kernel, segment 1\n"
			"0x000400000-0x000a3ffff     6.2 MiB  100 x 64 KiB anon rw  slots 3-102\n"
			"0x000a40000-0x0feafffff     3.9 GiB  hole\n"
			"0x0feb00000-0x0feb00fff       4 KiB  virtio-mmio disk x.img, pin 5\n"
			"0x0feb01000-0x0feb01fff       4 KiB  virtio-mmio rng, pin 6\n"
			"0x0feb02000-0x0febfffff    1016 KiB  hole\n"
			"0x0fec00000-0x0fec000ff     256 B    IOAPIC\n"
			"0x0fec00100-0x0fedfffff     1.9 MiB  hole\n"
			"0x0fee00000-0x0fee00fff       4 KiB  local APICs\n"
			"0x0fee01000-0x0feffbfff     1.9 MiB  hole\n"
			"0x0feffc000-0x0feffffff      16 KiB  KVM's own on Intel hosts\n"
			"0x0ff000000-0x0ffffffff      16 MiB  hole\n"
			"0x100000000-0x1001fffff       2 MiB  memfd rw  slot 103\n");
	ck_assert_int_eq(status, 0);
}
END_TEST

/* Layouts and the rows of regions they are drawn as. */
static const struct {
	const char *options;
	const char *row;  /* is there */
	const char *none; /* is not, or NULL */
} sums[] = {
	{"", "0x00000000-0x07ffffff     128 MiB  anon rw  slot 0\n", " x "},
	{"--region 0:4K", "0x00000000-0x00000fff       4 KiB  anon rw  slot 0\n", NULL},
	{"--region 0:64K*1000", "62.5 MiB  1000 x 64 KiB anon rw  slots 0-999\n", "slot 0"},
	{"--memory 1G --fragment 64K", "1 GiB  16384 x 64 KiB anon rw  slots 0-16383\n", NULL},
	{"--memory 128M --fragment 64K,seed=1", "3821 x 4 KiB to 64 KiB anon rw  slots 0-3820\n",
	 NULL},
	/* Fewer than four are not worth it; nor are neighbours with something between them. */
	{"--region 0:64K*3", "slot 2\n", " x "},
	{"--region 0:64K*4", " 256 KiB  4 x 64 KiB anon rw  slots 0-3\n", NULL},
	{"--region 0:64K*4 --region 1M:64K*4",
	 "0x00100000-0x0013ffff     256 KiB  4 x 64 KiB anon rw  "
	 "slots 4-7\n",
	 "8 x"},
	{"--region 0:64K*4 --region 256K:64K*4,ro", "4 x 64 KiB anon ro  slots 4-7\n", "8 x"},
	{"--region 0:64K*4 --region 256K:64K*4,memfd", "4 x 64 KiB memfd rw  slots 4-7\n", "8 x"},
	{"--region 0:64K*4 --region 256K:64K*4,populate",
	 "4 x 64 KiB anon rw populate  slots 4-7\n", "8 x"},
	{"--region 0xfeaf0000:4K*16 --region 4G:4K*16", "16 x 4 KiB anon rw  slots 0-15\n", "32 x"},
	{"--region 0:4K*8,file=a", "8 x 4 KiB file rw a@0x0  slots 0-7\n", NULL},
	{"--region 0:4K*4,file=a --region 16K:4K*4,file=a", "slots 4-7\n", "8 x"},
	{"--region 0:4K*4,file=a,private,offset=8K",
	 "4 x 4 KiB file rw private a@0x2000  slots 0-3\n", NULL},
};

START_TEST(neighbours_are_summed_up)
{
	const char *said;
	int status;

	map_put_file("a", "");
	said = map_shell(&status, "truncate -s 64K a && vmm map %s 2>&1", sums[_i].options);
	ck_assert_int_eq(status, 0);
	ck_assert_msg(strstr(said, sums[_i].row), "%s", said);
	ck_assert_msg(!sums[_i].none || !strstr(said, sums[_i].none), "%s", said);
}
END_TEST

/* Without a kernel there is the layout; but who gives what is for a kernel has forgotten it. */
START_TEST(a_layout_alone)
{
	static const char *const words[] = {"--initrd x", "--append x", "--flat 0", "-- x"};
	const char *said;
	int status;

	said = map_shell(&status, "vmm map --region 1M:1M 2>&1");
	ck_assert_ptr_nonnull(strstr(said, "1 region, 1 MiB of memory\n"
					   "0x00000000-0x000fffff       1 MiB  hole\n"
					   "0x00100000-0x001fffff       1 MiB  anon rw  slot 0\n"));
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		said = map_shell(&status, "vmm map %s 2>&1", words[i]);
		ck_assert_int_eq(strncmp(said, "vmm: no kernel given", 20), 0);
		ck_assert_int_eq(status, 2);
	}
}
END_TEST

START_TEST(bars_are_inside_the_window)
{
	const char *said;
	int status;

	said = map_shell(&status, "vmm map --transport pci --disk x --net user 2>&1");
	ck_assert_int_eq(status, 0);
	ck_assert_ptr_nonnull(strstr(said,
				     "0xfeb00000-0xfebfffff       1 MiB  PCI BARs\n"
				     "0xfeb04000-0xfeb07fff      16 KiB    BAR 0 of disk x\n"
				     "0xfeb08000-0xfeb0bfff      16 KiB    BAR 0 of net user\n"
				     "0xfec00000-"));
	ck_assert_ptr_nonnull(strstr(said, "0xff000000-0xff0fffff       1 MiB  PCI configuration"));
	ck_assert_ptr_null(strstr(said, "virtio-mmio"));
}
END_TEST

/* Everything is checked and placed as if it were started, and nothing is touched. */
START_TEST(a_plan_changes_nothing)
{
	const char *said;
	int status;

	map_put_kernel("k.elf");
	said = map_shell(
		&status,
		"head -c 4M /dev/zero | tr '\\0' U >ram; touch -d @0 ram; vmm map k.elf --region "
		"0:4M,file=ram --disk none.img --console file=out --vsock sock --serial file=com1; "
		"ls; tr -d U <ram | wc -c; stat -c %%Y ram");
	ck_assert_ptr_nonnull(strstr(said, "  file rw ram@0x0  slot 0\n"));
	ck_assert_ptr_nonnull(strstr(said, "  kernel, segment 1\n"));
	ck_assert_str_eq(strstr(said, "KVM's own"), "KVM's own on Intel hosts\nk.elf\nram\n0\n0\n");
}
END_TEST

START_TEST(what_cannot_be_placed)
{
	const char *said;
	int status;

	map_put_kernel("k.elf");
	said = map_shell(&status, "vmm map k.elf --region 0:640K 2>&1");
	ck_assert_str_eq(said,
			 "vmm: kernel k.elf: segment 0, 0x3000 bytes at 0x100000, is not in RAM as "
			 "a whole\n");
	ck_assert_int_eq(status, 2);
	said = map_shell(&status, "vmm map k.elf --initrd nowhere 2>&1");
	ck_assert_str_eq(said,
			 "vmm: --initrd nowhere: cannot open it: No such file or directory\n");
	ck_assert_int_eq(status, 2);
	said = map_shell(&status, "vmm map --region 0:8K --region 4K:4K 2>&1");
	ck_assert_ptr_nonnull(strstr(said, "overlaps"));
	ck_assert_int_eq(status, 2);
	said = map_shell(&status,
			 "vmm map $(printf -- '--rng=rate=1 %%.0s' $(seq 1)) $(printf -- '--disk x "
			 "%%.0s' $(seq 20)) 2>&1");
	ck_assert_str_eq(said, "vmm: 21 virtio devices: there is room for 19 devices\n");
	ck_assert_int_eq(status, 2);
}
END_TEST

/* --- pictures and JSON ----------------------------------------------------------------------------- */

/* What a person would look at: the whole gallery, with a kernel and without, and what goes beyond. */
START_TEST(pictures_of_all_layouts)
{
	static const char *const more[] = {
		"--fragment 64K,seed=1",
		"--fragment 64K",
		"--memory 1G --fragment 64K",
		"--memory 5G",
		"--memory 1T",
		"--region 0:2M --region 0xffffffffff000:4K",
		"--transport pci $(printf -- '--disk x %.0s' $(seq 31))",
		"$(printf -- '--disk x %.0s' $(seq 19))",
		("--cmdline \"$(head -c 3000 /dev/zero | tr '\\0' x)\" --module m --module m,text "
		 "--initrd m"),
	};
	const char *said;
	int status;

	map_put_kernel("k.elf");
	map_put_file("m", "module");
	said = map_shell(
		&status,
		"truncate -s 1M backing-shared.bin backing-private.bin backing-rom.bin\n"
		"for l in $src/scripts/layouts/*.layout; do n=$(basename $l .layout)\n"
		"vmm map --layout $l --map=$n.svg && vmm map --layout $l --map=$n.json || exit\n"
		"vmm map k.elf --layout $l --disk x --rng --map=$n-k.svg && \n"
		"vmm map k.elf --layout $l --disk x --rng --map=$n-k.json || exit\ndone 2>&1");
	ck_assert_str_eq(said, "");
	ck_assert_int_eq(status, 0);
	for (size_t i = 0; i < sizeof(more) / sizeof(more[0]); i++) {
		said = map_shell(&status,
				 "vmm map k.elf %s --map=%zu.svg 2>&1 && vmm map k.elf %s "
				 "--map=%zu.json 2>&1",
				 more[i], i, more[i], i);
		ck_assert_str_eq(said, "");
		ck_assert_int_eq(status, 0);
	}
	look_at_pictures();
}
END_TEST

/* A file may be called anything: it ends no attribute, moves no cursor, and is in the JSON as it is. */
START_TEST(names_are_harmless)
{
	static const char name[] = "a<b>&\"'\\\x1b[2J\n\xc3\xa4\xff\xe2\x80\xae]]>.bin";
	struct map map = map_of(1);
	char *text;
	const char *said;
	int status;

	put_region(0, 0, 1 << 20, GM_BACKING_FILE);
	regions[0].file = name;
	map.kernel = name;
	map.pieces = &(struct boot_placed){0x1000, 0x1000, BOOT_FILE, (char *)name};
	map.piece_count = 1;
	snprintf(windows[0].name, sizeof(windows[0].name), "%s", name);
	windows[0].start = 0xfeb00000;
	windows[0].size = 4096;
	map.window_count = 1;
	text = written(&map, map_write_text);
	ck_assert_uint_eq(lines_of(text), 5);
	for (const char *at = text; *at; at++)
		ck_assert(*at == '\n' || (unsigned char)*at >= 0x20);
	ck_assert_ptr_null(strstr(text, "\xe2\x80\xae"));
	ck_assert_ptr_nonnull(strstr(text, "a<b>&\"'\\?[2J?\xc3\xa4\xef\xbf\xbd?]]>.bin"));
	free(text);
	keep(&map, "names");
	look_at_pictures();
	said = map_shell(&status, "python3 -c 'import json; m = json.load(open(\"names.json\")); "
				  "print(len({m[\"kernel\"], m[\"regions\"][0][\"file\"], "
				  "m[\"pieces\"][0][\"name\"], m[\"windows\"][0][\"name\"]}), "
				  "ascii(m[\"kernel\"]))'");
	ck_assert_str_eq(said, "1 'a<b>&\"\\'\\\\\\x1b[2J\\n\\xe4\\ufffd\\u202e]]>.bin'\n");
}
END_TEST

static void put_queue(size_t i, const char *device, gm_addr desc, gm_addr driver, gm_addr area)
{
	struct virtq vq = {.size = 256,
			   .packed = i & 1,
			   .desc = desc,
			   .avail = driver,
			   .used = area,
			   .ready = true};

	queues[i] = (struct map_queue){.index = (unsigned int)i, .size = 256, .packed = i & 1};
	snprintf(queues[i].device, sizeof(queues[i].device), "%s", device);
	virtq_areas(&vq, queues[i].areas);
}

/* Rings apart, next to each other, on top of each other, and in a kernel. */
START_TEST(queues_are_drawn)
{
	struct map map = map_of(2);
	char *text;

	put_region(0, 0, 1 << 20, GM_BACKING_ANON);
	put_region(1, 1 << 20, 63 << 20, GM_BACKING_ANON);
	pieces[0] = (struct boot_placed){0x200000, 0x300000, BOOT_KERNEL, (char *)"kernel"};
	map.piece_count = 1;
	put_queue(0, "disk a", 0x1000, 0x2000, 0xff800);
	put_queue(1, "net user", 0x300000, 0x301000, 0x301004);
	put_queue(2, "net user", 0x1000, 0x1800, 0x1000);
	map.queue_count = 3;
	text = written(&map, map_write_text);
	ck_assert_str_eq(text,
			 "2 regions, 64 MiB of memory\n"
			 "0x00000000-0x000fffff       1 MiB  anon rw  slot 0\n"
			 "0x00001000-0x00001fff       4 KiB    disk a queue 0 descriptors\n"
			 "0x00001000-0x00001fff       4 KiB    net user queue 2 descriptors\n"
			 "0x00001000-0x00001805     2.0 KiB    net user queue 2 used ring\n"
			 "0x00001800-0x00001a05     518 B      net user queue 2 available ring\n"
			 "0x00002000-0x00002205     518 B      disk a queue 0 available ring\n"
			 "0x000ff800-0x00100005     2.0 KiB    disk a queue 0 used ring\n"
			 "0x00100000-0x03ffffff      63 MiB  anon rw  slot 1\n"
			 "0x00200000-0x004fffff       3 MiB    kernel\n"
			 "0x00300000-0x00300fff       4 KiB    net user queue 1 descriptor ring\n"
			 "0x00301000-0x00301003       4 B      net user queue 1 driver events\n"
			 "0x00301004-0x00301007       4 B      net user queue 1 device events\n");
	free(text);
	keep(&map, "queues");
	/* As many as there can be: summed up. */
	for (size_t i = 0; i < 300; i++)
		put_queue(i,
			  i < 100   ? "console stdio"
			  : i < 200 ? "net user"
				    : "disk b",
			  0x1000000 + i * 0x4000, 0x1001000 + i * 0x4000, 0x1002000 + i * 0x4000);
	map.queue_count = 300;
	text = written(&map, map_write_text);
	ck_assert_ptr_nonnull(strstr(text, "console stdio, 300 areas of queues\n"));
	ck_assert_uint_le(lines_of(text), 12);
	free(text);
	keep(&map, "many");
	map.queue_count = 30;
	text = written(&map, map_write_text);
	ck_assert_ptr_nonnull(strstr(text, "console stdio queue 7, packed, 256 entries\n"));
	free(text);
	keep(&map, "some");
	look_at_pictures();
}
END_TEST

/* One of many shapes of @count regions in ascending order; up to the last address there is. */
static struct map shape(unsigned int number, size_t count, struct test_random *random)
{
	uint64_t page = 4096;
	gm_addr at = number % 5 == 4 ? 0 - 4 * (uint64_t)count * page : number % 3 * page;

	for (size_t i = 0; i < count; i++) {
		uint64_t size = number % 2 ? page : (test_random_below(random, 4) + 1) * page / 2;
		enum gm_backing backing = number % 7 == 6
						  ? (enum gm_backing)test_random_below(random, 4)
						  : GM_BACKING_ANON;

		if (number % 5 == 4 && i == count - 1)
			size = 0 - at - 1;
		put_region(i, at, size, backing);
		at += size;
		if (number % 11 == 10)
			at += test_random_below(random, 2 * page);
		else if (number % 3 == 2)
			at += 2 * page;
	}
	return map_of(count);
}

/* Whatever the shape, text and picture can be read, and nobody waits for them. */
START_TEST(any_number_of_regions)
{
	static const size_t counts[] = {0, 1, 2, 3, 1000, 20000};
	struct test_random random = test_random_new(1);
	clock_t begin = clock();
	unsigned int shapes = 0;

	for (unsigned int number = 0; number < 40; number++) {
		for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++, shapes++) {
			struct map map = shape(number, counts[i], &random);
			char *text = written(&map, map_write_text), name[32];

			ck_assert_msg(lines_of(text) <= 2 * 48 + 10, "%s", text);
			ck_assert_msg(counts[i] > 2 || lines_of(text) >= counts[i] + 1, "%s", text);
			free(text);
			text = written(&map, map_write_svg);
			free(text);
			snprintf(name, sizeof(name), "%u-%zu", number, counts[i]);
			if (number < 12)
				keep(&map, name);
		}
	}
	/* Processor time of each, on the slowest machine with the slowest sanitizer. */
	ck_assert_int_lt((clock() - begin) / shapes, CLOCKS_PER_SEC);
	look_at_pictures();
}
END_TEST

/* Regions of a guest memory no layout makes, under registers and pieces anywhere. */
START_TEST(maps_at_random)
{
	struct test_random random = test_random_new(2);

	for (unsigned int round = 0; round < 40; round++) {
		struct map map = shape((unsigned int)test_random_below(&random, 1000),
				       test_random_below(&random, round % 4 ? 12 : 300), &random);
		gm_addr end = map.region_count ? regions[map.region_count - 1].start : 1 << 20;
		char name[16], *once, *twice;

		for (size_t i = 0; i < WINDOWS; i++)
			windows[i] = (struct map_window){.start = i * (end / WINDOWS + 0x10000),
							 .size = 0x1000,
							 .name = "w",
							 .pin = -1};
		map.window_count = test_random_below(&random, WINDOWS + 1);
		for (size_t i = 0; i < PIECES; i++)
			pieces[i] = (struct boot_placed){
				i * (end / PIECES), test_random_below(&random, end / PIECES + 1) + 1,
				(enum boot_kind)(i % 3),
				(char *)"a piece of whatever name, as long as it is"};
		map.piece_count = end < 0x10000 ? 0 : test_random_below(&random, PIECES + 1);
		for (size_t i = 0; i < 20; i++)
			put_queue(i, "d", test_random_below(&random, end + 1),
				  test_random_below(&random, end + 1),
				  test_random_below(&random, end + 1));
		map.queue_count = end > 1ULL << 63 ? 0 : test_random_below(&random, 21);
		snprintf(name, sizeof(name), "r%u", round);
		keep(&map, name);
		once = written(&map, map_write_svg);
		twice = written(&map, map_write_svg);
		ck_assert_str_eq(once, twice);
		free(once);
		free(twice);
	}
	look_at_pictures();
}
END_TEST

/* --- files ------------------------------------------------------------------------------------------ */

static const struct {
	const char *line;
	const char *error;
	int status;
} mistakes[] = {
	{"map --map=/nowhere/x.svg", "--map=/nowhere/x.svg: No such file or directory", 2},
	{"map --map=x", "--map=x: must end in .svg, for a picture, or in .json", 2},
	{"map --map=.svg", "--map=.svg: must end in .svg, for a picture, or in .json", 2},
	{"map --map=x.png", "--map=x.png: must end in .svg, for a picture, or in .json", 2},
	{"map --map=d.svg", "--map=d.svg: Is a directory", 2},
	{"map --map=full.svg", "--map=full.svg: is there and not a regular file", 2},
	{"map --map=a.svg --map=b.svg", "--map b.svg: given twice, it was a.svg before", 2},
	{"map --map=", "--map=: must end in .svg, for a picture, or in .json", 2},
	{"map --nonsense", "--nonsense: unknown option; --help lists them", 2},
	{"map a b", "b: a second kernel; the first is a", 2},
	{"map a", "kernel a: cannot open it: No such file or directory", 2},
	{"k --map=x.png", "--map=x.png: must end in .svg, for a picture, or in .json", 2},
	{"map >/dev/full", "map: standard output: No space left on device", 1},
};

START_TEST(a_mistake_is_one_line)
{
	const char *said;
	char want[200];
	int status;

	snprintf(want, sizeof(want), "vmm: %s\nd.svg\nfull.svg\n", mistakes[_i].error);
	said = map_shell(&status,
			 "mkdir d.svg; ln -s /dev/full full.svg; vmm 2>&1 %s; s=$?; ls; exit $s",
			 mistakes[_i].line);
	ck_assert_str_eq(said, want);
	ck_assert_int_eq(status, mistakes[_i].status);
}
END_TEST

/* TSan writes a file before main(), when nobody has yet ignored the signal. */
#ifdef __SANITIZE_THREAD__
#define LIMIT_FILES "trap '' XFSZ; ulimit -f 0"
#else
#define LIMIT_FILES "ulimit -f 0"
#endif

/* Where it does not fit, what was there before stays, and nothing else is left. */
START_TEST(a_file_is_whole_or_not_there)
{
	const char *said;
	int status;

	map_put_file("old.svg", "old");
	said = map_shell(&status, "for f in new.svg old.svg new.json; do (" LIMIT_FILES
				  "; vmm map --map=$f) 2>&1; "
				  "echo $?; done; cat old.svg; ls");
	ck_assert_str_eq(said, "vmm: --map=new.svg: File too large\n1\n"
			       "vmm: --map=old.svg: File too large\n1\n"
			       "vmm: --map=new.json: File too large\n1\noldold.svg\n");
	said = map_shell(
		&status,
		"umask 027; vmm map --map=old.svg --map=old.svg 2>&1; vmm map --map=old.svg && "
		"head -c 4 old.svg; stat -c ' %%a' old.svg; ls");
	ck_assert_ptr_nonnull(strstr(said, "<svg 640\nold.svg\n"));
	if (geteuid() || access("/bin/mount", X_OK))
		return;
	said = map_shell(
		&status,
		"mkdir m; unshare -m sh -c 'mount -t tmpfs -o size=4k none m 2>/dev/null || "
		"exit 9; "
		"cd m; %s/vmm map --map=x.svg 2>&1; echo $?; ls' || echo none",
		realpath(test_env("VMM_BUILD", "build"), (char[4096]){0}));
	if (strcmp(said, "none\n") != 0)
		ck_assert_str_eq(said, "vmm: --map=x.svg: No space left on device\n1\n");
}
END_TEST

START_TEST(an_output_that_fails_is_an_error)
{
	static int (*const forms[])(const struct map *map,
				    FILE *out) = {map_write_text, map_write_svg, map_write_json};
	struct map map = map_of(1);
	FILE *full = fopen("/dev/full", "w");

	setvbuf(full, NULL, _IONBF, 0);
	put_region(0, 0, 4096, GM_BACKING_ANON);
	ck_assert_int_eq(forms[_i](&map, full), -1);
	fclose(full);
}
END_TEST

Suite *suite_map(void)
{
	Suite *suite = suite_create("map");
	TCase *tcase = tcase_create("map");

	tcase_add_checked_fixture(tcase, map_set_up, map_tear_down);
	tcase_set_timeout(tcase, 300);
	tcase_add_test(tcase, all_of_a_machine_as_text);
	tcase_add_loop_test(tcase, neighbours_are_summed_up, 0, sizeof(sums) / sizeof(sums[0]));
	tcase_add_test(tcase, a_layout_alone);
	tcase_add_test(tcase, bars_are_inside_the_window);
	tcase_add_test(tcase, a_plan_changes_nothing);
	tcase_add_test(tcase, what_cannot_be_placed);
	tcase_add_test(tcase, pictures_of_all_layouts);
	tcase_add_test(tcase, names_are_harmless);
	tcase_add_test(tcase, queues_are_drawn);
	tcase_add_test(tcase, any_number_of_regions);
	tcase_add_test(tcase, maps_at_random);
	tcase_add_loop_test(tcase, a_mistake_is_one_line, 0, sizeof(mistakes) / sizeof(mistakes[0]));
	tcase_add_test(tcase, a_file_is_whole_or_not_there);
	tcase_add_loop_test(tcase, an_output_that_fails_is_an_error, 0, 3);
	suite_add_tcase(suite, tcase);
	return suite;
}
