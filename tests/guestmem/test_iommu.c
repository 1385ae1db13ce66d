/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The IOTLB against a table with one entry per address, and memories behind an IOMMU. */
#include <pthread.h>
#include <string.h>

#include "tests/guestmem/fixture.h"
#include "tests/guestmem/suites.h"

static struct gm_iotlb *make_iotlb(void)
{
	struct gm_iotlb *iotlb;

	ck_assert_int_eq(gm_iotlb_new(&iotlb), 0);
	return iotlb;
}

/* What a look-up said, as text: "M iova+len=phys", "- iova+len", "X iova+len". */
struct said {
	char text[512];
	size_t len;
};

static void say(void *arg, enum gm_iotlb_finding finding, gm_addr iova, uint64_t len, gm_addr phys)
{
	struct said *said = arg;
	size_t room = sizeof(said->text) - said->len;
	const char *gap = said->len ? " " : "";

	if (finding == GM_IOTLB_MAPPED)
		said->len += (size_t)snprintf(said->text + said->len, room, "%sM%lx+%lx=%lx", gap,
					      iova, len, phys);
	else
		said->len += (size_t)snprintf(said->text + said->len, room, "%s%c%lx+%lx", gap,
					      finding == GM_IOTLB_MISS ? '-' : 'X', iova, len);
}

static const char *look(struct gm_iotlb *iotlb, gm_addr iova, uint64_t len, enum gm_access access)
{
	static struct said said;
	int err;

	said = (struct said){0};
	err = gm_iotlb_lookup(iotlb, iova, len, access, say, &said);
	ck_assert_int_eq(err, gm_iotlb_lookup(iotlb, iova, len, access, NULL, NULL));
	ck_assert_int_eq(err, strpbrk(said.text, "-X") ? GM_ERR_IOMMU : 0);
	return said.text;
}

START_TEST(maps_replaces_and_merges)
{
	struct gm_iotlb *iotlb = make_iotlb();

	ck_assert_str_eq(look(iotlb, 0, 0x10, GM_ACCESS_READ), "-0+10");
	ck_assert_int_eq(gm_iotlb_map(iotlb, 0x10, 0x30, 0x110, GM_ACCESS_RW), 0);
	ck_assert_str_eq(look(iotlb, 0x0, 0x50, GM_ACCESS_RW), "-0+10 M10+30=110 -40+10");
	/* The middle is replaced, both ends stay. */
	ck_assert_int_eq(gm_iotlb_map(iotlb, 0x20, 0x10, 0x900, GM_ACCESS_READ), 0);
	ck_assert_str_eq(look(iotlb, 0x10, 0x30, GM_ACCESS_READ),
			 "M10+10=110 M20+10=900 M30+10=130");
	ck_assert_str_eq(look(iotlb, 0x18, 0x20, GM_ACCESS_WRITE), "M18+8=118 X20+10 M30+8=130");
	/* Put back as it was, the three are one again. */
	ck_assert_int_eq(gm_iotlb_map(iotlb, 0x20, 0x10, 0x120, GM_ACCESS_RW), 0);
	ck_assert_str_eq(look(iotlb, 0x10, 0x30, GM_ACCESS_READ), "M10+30=110");
	ck_assert_int_eq(gm_iotlb_invalidate(iotlb, 0x18, 0x8), 0);
	ck_assert_str_eq(look(iotlb, 0x10, 0x30, GM_ACCESS_READ), "M10+8=110 -18+8 M20+20=120");
	ck_assert_int_eq(gm_iotlb_invalidate(iotlb, 0, 0x100), 0);
	ck_assert_str_eq(look(iotlb, 0x10, 0x30, GM_ACCESS_READ), "-10+30");
	gm_iotlb_put(iotlb);
}
END_TEST

START_TEST(permissions_are_all_or_nothing)
{
	struct gm_iotlb *iotlb = make_iotlb();

	for (unsigned int allowed = 0; allowed < 4; allowed++) {
		gm_iotlb_map(iotlb, allowed * 16, 16, 0, (enum gm_access)allowed);
		for (unsigned int wanted = 0; wanted < 4; wanted++) {
			int err = gm_iotlb_lookup(iotlb, allowed * 16, 16, (enum gm_access)wanted,
						  NULL, NULL);

			ck_assert_int_eq(err, (wanted & ~allowed) ? GM_ERR_IOMMU : 0);
		}
	}
	gm_iotlb_put(iotlb);
}
END_TEST

START_TEST(limits_have_names)
{
	struct gm_iotlb *iotlb = make_iotlb();

	ck_assert_int_eq(gm_iotlb_map(iotlb, 0, 0, 0, GM_ACCESS_RW), GM_ERR_INVALID_ARGUMENT);
	ck_assert_int_eq(gm_iotlb_invalidate(iotlb, 0, 0), GM_ERR_INVALID_ARGUMENT);
	ck_assert_int_eq(gm_iotlb_map(iotlb, UINT64_MAX, 1, 0, GM_ACCESS_RW),
			 GM_ERR_ADDRESS_OVERFLOW);
	ck_assert_int_eq(gm_iotlb_invalidate(iotlb, 2, UINT64_MAX), GM_ERR_ADDRESS_OVERFLOW);
	ck_assert_int_eq(gm_iotlb_lookup(iotlb, 1, UINT64_MAX, GM_ACCESS_READ, NULL, NULL),
			 GM_ERR_ADDRESS_OVERFLOW);
	ck_assert_str_eq(look(iotlb, 0, UINT64_MAX, GM_ACCESS_READ), "-0+ffffffffffffffff");
	ck_assert_int_eq(gm_iotlb_map(iotlb, UINT64_MAX - 1, 1, 7, GM_ACCESS_READ), 0);
	ck_assert_str_eq(look(iotlb, UINT64_MAX - 2, 2, GM_ACCESS_READ),
			 "-fffffffffffffffd+1 Mfffffffffffffffe+1=7");
	/* A physical address may wrap; no region is there. */
	ck_assert_int_eq(gm_iotlb_map(iotlb, 0x1000, 0x1000, UINT64_MAX - 0xff, GM_ACCESS_READ), 0);
	ck_assert_str_eq(look(iotlb, 0x1100, 1, GM_ACCESS_READ), "M1100+1=0");
	gm_iotlb_put(iotlb);
}
END_TEST

START_TEST(no_bytes_are_refused_only_inside)
{
	struct gm_iotlb *iotlb = make_iotlb();

	gm_iotlb_map(iotlb, 0x10, 0x10, 0, GM_ACCESS_READ);
	ck_assert_str_eq(look(iotlb, 0x0, 0, GM_ACCESS_WRITE), "");
	ck_assert_str_eq(look(iotlb, 0x10, 0, GM_ACCESS_WRITE), "");
	ck_assert_str_eq(look(iotlb, 0x11, 0, GM_ACCESS_READ), "");
	ck_assert_str_eq(look(iotlb, 0x11, 0, GM_ACCESS_WRITE), "X11+0");
	ck_assert_str_eq(look(iotlb, 0x20, 0, GM_ACCESS_WRITE), "");
	gm_iotlb_put(iotlb);
}
END_TEST

#define SPACE 96

struct naive {
	bool mapped[SPACE];
	gm_addr phys[SPACE];
	enum gm_access access[SPACE];
};

/* Expands a look-up again to one entry per address. */
struct expanded {
	enum gm_iotlb_finding finding[SPACE];
	gm_addr phys[SPACE];
	gm_addr next;
};

static void expand(void *arg, enum gm_iotlb_finding finding, gm_addr iova, uint64_t len, gm_addr phys)
{
	struct expanded *expanded = arg;

	ck_assert_uint_eq(iova, expanded->next);
	for (uint64_t i = 0; i < len; i++) {
		expanded->finding[iova + i] = finding;
		expanded->phys[iova + i] = phys + i;
	}
	expanded->next += len;
}

static void compare_naive(struct gm_iotlb *iotlb, const struct naive *naive, gm_addr iova,
			  uint64_t len, enum gm_access access)
{
	struct expanded expanded = {.next = iova};
	int err = gm_iotlb_lookup(iotlb, iova, len, access, expand, &expanded);
	bool failed = false;

	ck_assert_uint_eq(expanded.next, iova + len);
	for (gm_addr i = iova; i < iova + len; i++) {
		enum gm_iotlb_finding expected = !naive->mapped[i]              ? GM_IOTLB_MISS
						 : (access & ~naive->access[i]) ? GM_IOTLB_DENIED
										: GM_IOTLB_MAPPED;

		ck_assert_int_eq(expanded.finding[i], expected);
		if (expected != GM_IOTLB_MISS)
			ck_assert_uint_eq(expanded.phys[i], naive->phys[i]);
		failed |= expected != GM_IOTLB_MAPPED;
	}
	ck_assert_int_eq(err, failed ? GM_ERR_IOMMU : 0);
}

START_TEST(agrees_with_a_naive_table)
{
	struct test_random random = test_random_new(5);
	struct gm_iotlb *iotlb = make_iotlb();
	struct naive naive = {0};

	for (int step = 0; step < 50000; step++) {
		gm_addr iova = test_random_below(&random, SPACE);
		uint64_t len = 1 + test_random_below(&random, SPACE - iova);
		gm_addr phys = iova + 0x100 * test_random_below(&random, 2);
		enum gm_access access = (enum gm_access)test_random_below(&random, 4);
		uint64_t what = test_random_below(&random, 100);

		if (what < 40) {
			len = 1 + (len - 1) % 12;
			ck_assert_int_eq(gm_iotlb_map(iotlb, iova, len, phys, access), 0);
		} else if (what < 60) {
			ck_assert_int_eq(gm_iotlb_invalidate(iotlb, iova, len), 0);
		} else if (what == 60) {
			gm_iotlb_invalidate_all(iotlb);
			iova = 0;
			len = SPACE;
		} else {
			compare_naive(iotlb, &naive, iova, len, access);
			continue;
		}
		for (uint64_t i = 0; i < len; i++) {
			naive.mapped[iova + i] = what < 40;
			naive.phys[iova + i] = phys + i;
			naive.access[iova + i] = access;
		}
	}
	gm_iotlb_put(iotlb);
}
END_TEST

/* Two regions with a boundary at PAGE, a hole behind 2 * PAGE; IOVA 1 MiB + x is x, both ways. */
#define IOVA 0x100000ULL

struct setup {
	struct gm_memory *backend;
	struct gm_iotlb *iotlb;
	struct gm_memory *memory;
};

static struct setup make_setup(uint64_t dirty_page)
{
	struct setup setup = {
		.backend = make_memory(0, PAGE, PAGE, PAGE),
		.iotlb = make_iotlb(),
	};

	ck_assert_int_eq(gm_memory_new_translated(setup.backend, gm_iotlb_iommu(setup.iotlb), true,
						  2 * IOVA, dirty_page, &setup.memory),
			 0);
	ck_assert_int_eq(gm_iotlb_map(setup.iotlb, IOVA, 3 * PAGE, 0, GM_ACCESS_RW), 0);
	return setup;
}

static void drop_setup(struct setup *setup)
{
	gm_memory_put(setup->memory);
	gm_memory_put(setup->backend);
	gm_iotlb_put(setup->iotlb);
}

START_TEST(everything_goes_through)
{
	struct setup setup = make_setup(PAGE);
	struct gm_memory *memory = setup.memory;
	struct gm_range range = {IOVA + PAGE - 2, 4};
	uint8_t out[8] = {1, 2, 3, 4, 5, 6, 7, 8}, in[8] = {0};
	struct gm_slice slice;
	struct gm_sg sg;
	uint32_t word;

	ck_assert_int_eq(gm_write_exact(memory, IOVA + PAGE - 4, out, 8, NULL), 0);
	ck_assert_int_eq(gm_read_exact(setup.backend, PAGE - 4, in, 8, NULL), 0);
	ck_assert_mem_eq(in, out, 8);
	memset(in, 0, 8);
	ck_assert_int_eq(gm_read(memory, IOVA + PAGE - 4, in, 8), 8);
	ck_assert_mem_eq(in, out, 8);
	ck_assert_int_eq(gm_load_u32(memory, IOVA + PAGE, &word, __ATOMIC_ACQUIRE), 0);
	ck_assert_uint_eq(word, 0x08070605);
	ck_assert_int_eq(gm_store_u32(memory, IOVA + 8, 9, __ATOMIC_RELEASE), 0);
	ck_assert_int_eq(gm_load_u32(setup.backend, 8, &word, __ATOMIC_RELAXED), 0);
	ck_assert_uint_eq(word, 9);
	/* Not aligned, or in two regions. */
	ck_assert_int_eq(gm_load_u32(memory, IOVA + 2, &word, __ATOMIC_RELAXED),
			 GM_ERR_INVALID_BACKEND);
	ck_assert_int_eq(gm_load_u32(memory, IOVA + PAGE - 2, &word, __ATOMIC_RELAXED),
			 GM_ERR_INVALID_BACKEND);
	ck_assert_int_eq(gm_get_slice(memory, IOVA + 1, PAGE - 1, GM_ACCESS_RW, &slice), 0);
	ck_assert_uint_eq(slice.len, PAGE - 1);
	ck_assert_int_eq(gm_get_slice(memory, IOVA + 1, PAGE, GM_ACCESS_RW, &slice),
			 GM_ERR_INVALID_BACKEND);
	ck_assert_int_eq(gm_get_slice(memory, IOVA, 0, GM_ACCESS_RW, &slice), 0);
	ck_assert_uint_eq(slice.len, 0);
	ck_assert_int_eq(gm_get_slice(memory, 0, 0, GM_ACCESS_RW, &slice), GM_ERR_IOMMU);
	ck_assert_int_eq(gm_sg_init(&sg, memory, &range, 1, GM_ACCESS_READ), 0);
	ck_assert(gm_sg_check(&sg));
	ck_assert_int_eq(gm_sg_read(&sg, in, 4), 0);
	ck_assert_mem_eq(in, out + 2, 4);
	drop_setup(&setup);
}
END_TEST

START_TEST(a_failed_translation_moves_nothing)
{
	struct setup setup = make_setup(PAGE);
	uint8_t ones[2 * PAGE], back[2 * PAGE], zeroes[2 * PAGE] = {0};

	memset(ones, 1, sizeof(ones));
	gm_iotlb_invalidate(setup.iotlb, IOVA + PAGE + 100, 1);
	ck_assert_int_eq(gm_write(setup.memory, IOVA, ones, 2 * PAGE), GM_ERR_IOMMU);
	ck_assert_int_eq(gm_read_exact(setup.backend, 0, back, sizeof(back), NULL), 0);
	ck_assert_mem_eq(back, zeroes, sizeof(back));
	ck_assert(!gm_bitmap_dirty_at(gm_memory_iova_dirty(setup.memory), IOVA));
	/* The same with a byte that may not be written; it can still be read. */
	gm_iotlb_map(setup.iotlb, IOVA + PAGE + 100, 1, PAGE + 100, GM_ACCESS_READ);
	ck_assert_int_eq(gm_write(setup.memory, IOVA, ones, 2 * PAGE), GM_ERR_IOMMU);
	ck_assert_int_eq(gm_read(setup.memory, IOVA, back, 2 * PAGE), 2 * PAGE);
	ck_assert_mem_eq(back, zeroes, sizeof(back));
	/* Not even nothing, inside what may not be accessed. */
	gm_iotlb_map(setup.iotlb, IOVA, PAGE, 0, GM_ACCESS_READ);
	ck_assert_int_eq(gm_write(setup.memory, IOVA + 1, ones, 0), GM_ERR_IOMMU);
	ck_assert_int_eq(gm_read(setup.memory, IOVA + 1, back, 0), 0);
	ck_assert_int_eq(gm_write(setup.memory, IOVA, ones, 0), 0);
	drop_setup(&setup);
}
END_TEST

START_TEST(behind_the_translation_holes_are_holes)
{
	struct setup setup = make_setup(PAGE);
	uint8_t buf[2 * PAGE];
	struct gm_slice slice;
	struct gm_iter it;

	/* IOVA + 2 * PAGE translates, but to no region. */
	ck_assert_int_eq(gm_read(setup.memory, IOVA + 2 * PAGE - 10, buf, 20), 10);
	ck_assert_int_eq(gm_read(setup.memory, IOVA + 2 * PAGE, buf, 1), GM_ERR_INVALID_ADDRESS);
	ck_assert(!gm_check_range(setup.memory, IOVA + 2 * PAGE - 10, 20, GM_ACCESS_READ));
	gm_iter_init(&it, setup.memory, IOVA + 2 * PAGE - 10, 20, GM_ACCESS_READ);
	ck_assert(gm_iter_next(&it, &slice));
	ck_assert_uint_eq(slice.len, 10);
	ck_assert(!gm_iter_next(&it, &slice));
	ck_assert_int_eq(it.error, GM_ERR_INVALID_ADDRESS);
	ck_assert_uint_eq(it.addr, 2 * PAGE);
	ck_assert(!gm_iter_next(&it, &slice));
	/* Wrapping ranges have a name of their own here. */
	gm_iter_init(&it, setup.memory, UINT64_MAX, 2, GM_ACCESS_READ);
	ck_assert(!gm_iter_next(&it, &slice));
	ck_assert_int_eq(it.error, GM_ERR_ADDRESS_OVERFLOW);
	drop_setup(&setup);
}
END_TEST

START_TEST(read_only_regions_stay_so)
{
	struct gm_region_config config = {.size = PAGE, .flags = GM_REGION_READ_ONLY};
	struct gm_iotlb *iotlb = make_iotlb();
	struct gm_memory *backend, *memory;
	uint8_t byte = 1;

	ck_assert_int_eq(gm_memory_from_configs(&config, 1, &backend, NULL), 0);
	ck_assert_int_eq(
		gm_memory_new_translated(backend, gm_iotlb_iommu(iotlb), true, 0, 0, &memory), 0);
	gm_iotlb_map(iotlb, 0, PAGE, 0, GM_ACCESS_RW);
	ck_assert_int_eq(gm_write(memory, 0, &byte, 1), GM_ERR_READ_ONLY);
	ck_assert_int_eq(gm_store_u8(memory, 0, 1, __ATOMIC_RELAXED), GM_ERR_READ_ONLY);
	ck_assert_int_eq(gm_read(memory, 0, &byte, 1), 1);
	gm_memory_put(backend);
	gm_iotlb_put(iotlb);
	gm_memory_put(memory);
}
END_TEST

static bool backend_dirty(const struct gm_memory *memory, gm_addr addr)
{
	uint64_t offset;
	struct gm_region *region = gm_to_region_addr(memory, addr, &offset);

	return gm_bitmap_dirty_at(gm_region_dirty(region), offset);
}

START_TEST(dirty_bits_are_by_io_address)
{
	struct setup setup = make_setup(PAGE);
	struct gm_bitmap *bitmap = gm_memory_iova_dirty(setup.memory);
	uint8_t byte = 1;

	gm_iotlb_map(setup.iotlb, 4 * IOVA, PAGE, PAGE, GM_ACCESS_RW);
	ck_assert_int_eq(gm_read(setup.memory, IOVA, &byte, 1), 1);
	ck_assert(!gm_bitmap_dirty_at(bitmap, IOVA));
	ck_assert_int_eq(gm_write(setup.memory, IOVA + PAGE, &byte, 1), 1);
	ck_assert(gm_bitmap_dirty_at(bitmap, IOVA + PAGE));
	ck_assert(!gm_bitmap_dirty_at(bitmap, IOVA));
	ck_assert(!backend_dirty(setup.backend, PAGE));
	/* Beyond the bitmap nothing is marked. */
	ck_assert_int_eq(gm_write(setup.memory, 4 * IOVA, &byte, 1), 1);
	ck_assert(!backend_dirty(setup.backend, PAGE));
	drop_setup(&setup);

	/* Without a bitmap of its own, and switched off, the backend's counts. */
	setup = make_setup(0);
	ck_assert_ptr_null(gm_memory_iova_dirty(setup.memory));
	ck_assert_int_eq(gm_write(setup.memory, IOVA + PAGE, &byte, 1), 1);
	ck_assert(backend_dirty(setup.backend, PAGE));
	drop_setup(&setup);
}
END_TEST

START_TEST(a_transfer_is_marked_though_its_mapping_is_gone)
{
	struct setup setup = make_setup(PAGE);
	struct gm_range range = {IOVA + PAGE - 10, 20};
	struct gm_sg sg, start;
	struct iovec iov[4];
	uint64_t bytes;

	ck_assert_int_eq(gm_sg_init(&sg, setup.memory, &range, 1, GM_ACCESS_WRITE), 0);
	start = sg;
	ck_assert_int_eq(gm_sg_iovec(&sg, 20, iov, 4, &bytes), 2);
	gm_iotlb_invalidate_all(setup.iotlb);
	gm_sg_mark_dirty(&start, 15);
	ck_assert_uint_eq(gm_sg_left(&start), 5);
	ck_assert(gm_bitmap_dirty_at(gm_memory_iova_dirty(setup.memory), IOVA));
	ck_assert(gm_bitmap_dirty_at(gm_memory_iova_dirty(setup.memory), IOVA + PAGE));
	drop_setup(&setup);
}
END_TEST

START_TEST(the_switch_passes_addresses_through)
{
	struct setup setup = make_setup(PAGE);
	uint8_t byte = 1;

	ck_assert(gm_memory_iommu_enabled(setup.memory));
	ck_assert_ptr_null(gm_physical_memory(setup.memory));
	ck_assert_int_eq(gm_read(setup.memory, 0, &byte, 1), GM_ERR_IOMMU);
	gm_memory_set_iommu_enabled(setup.memory, false);
	ck_assert(!gm_memory_iommu_enabled(setup.memory));
	ck_assert_ptr_eq(gm_physical_memory(setup.memory), setup.backend);
	ck_assert_int_eq(gm_write(setup.memory, 0, &byte, 1), 1);
	ck_assert(backend_dirty(setup.backend, 0));
	ck_assert_int_eq(gm_read(setup.memory, IOVA, &byte, 1), GM_ERR_INVALID_ADDRESS);
	/* A plain memory has no switch. */
	gm_memory_set_iommu_enabled(setup.backend, true);
	ck_assert(!gm_memory_iommu_enabled(setup.backend));
	ck_assert_ptr_eq(gm_physical_memory(setup.backend), setup.backend);
	ck_assert_ptr_null(gm_memory_backend(setup.backend));
	ck_assert_ptr_null(gm_memory_iommu(setup.backend));
	drop_setup(&setup);
}
END_TEST

START_TEST(the_backend_can_be_replaced)
{
	struct setup setup = make_setup(PAGE);
	struct gm_memory *other = make_memory(0, PAGE), *moved;
	uint8_t byte = 7;

	ck_assert_int_eq(gm_memory_replace_backend(setup.memory, other, &moved), 0);
	ck_assert_ptr_eq(gm_memory_backend(moved), other);
	ck_assert_ptr_eq(gm_memory_backend(setup.memory), setup.backend);
	ck_assert_ptr_eq(gm_memory_iommu(moved), gm_iotlb_iommu(setup.iotlb));
	ck_assert_ptr_eq(gm_memory_iova_dirty(moved), gm_memory_iova_dirty(setup.memory));
	ck_assert_int_eq(gm_write(moved, IOVA, &byte, 1), 1);
	ck_assert_int_eq(gm_read(setup.memory, IOVA, &byte, 1), 1);
	ck_assert_int_eq(byte, 0);
	drop_setup(&setup);
	/* What it shares with the one it came from outlives that. */
	ck_assert_int_eq(gm_read(moved, IOVA, &byte, 1), 1);
	ck_assert_int_eq(byte, 7);
	ck_assert(gm_bitmap_dirty_at(gm_memory_iova_dirty(moved), IOVA));
	gm_memory_put(moved);
	gm_memory_put(other);
}
END_TEST

START_TEST(what_makes_no_sense_is_refused)
{
	struct setup setup = make_setup(PAGE);
	struct gm_region *region = make_region(8 * PAGE, PAGE);
	struct gm_iommu *iommu = gm_iotlb_iommu(setup.iotlb);
	struct gm_memory *out;

	ck_assert_int_eq(gm_memory_insert(setup.memory, region, &out), GM_ERR_INVALID_ARGUMENT);
	ck_assert_int_eq(gm_memory_remove(setup.memory, 0, PAGE, &out, NULL),
			 GM_ERR_INVALID_ARGUMENT);
	ck_assert_int_eq(gm_memory_new_translated(setup.memory, iommu, true, 0, 0, &out),
			 GM_ERR_INVALID_ARGUMENT);
	ck_assert_int_eq(gm_memory_new_translated(setup.backend, iommu, true, PAGE, 3, &out),
			 GM_ERR_INVALID_ARGUMENT);
	ck_assert_int_eq(gm_memory_replace_backend(setup.memory, setup.memory, &out),
			 GM_ERR_INVALID_ARGUMENT);
	ck_assert_int_eq(gm_memory_replace_backend(setup.backend, setup.backend, &out),
			 GM_ERR_INVALID_ARGUMENT);
	ck_assert_uint_eq(gm_memory_count(setup.memory), 0);
	gm_region_put(region);
	drop_setup(&setup);
}
END_TEST

/* An IOMMU of a device model's own: everything moved by an offset, in runs of at most 3 bytes. */
struct own_iommu {
	struct gm_iommu iommu;
	uint64_t offset;
	uint64_t run; /* how much it claims to translate */
	int released;
};

static int own_translate(struct gm_iommu *iommu, gm_addr iova, uint64_t len, enum gm_access access,
			 struct gm_range *run)
{
	struct own_iommu *own = (struct own_iommu *)iommu;

	(void)access;
	run->addr = iova - own->offset;
	run->len = own->run < len || own->run > 3 ? own->run : len;
	return 0;
}

static void own_release(struct gm_iommu *iommu)
{
	((struct own_iommu *)iommu)->released++;
}

START_TEST(a_device_can_bring_its_own)
{
	static const struct gm_iommu_ops ops = {.translate = own_translate, .release = own_release};
	struct own_iommu own = {.iommu = {.ops = &ops, .refs = 1}, .offset = 0x5000, .run = 3};
	struct gm_memory *backend = make_memory(0, PAGE, PAGE, PAGE), *memory;
	uint8_t out[10] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, in[10];

	ck_assert_int_eq(gm_memory_new_translated(backend, &own.iommu, true, 0, 0, &memory), 0);
	gm_iommu_put(&own.iommu);
	ck_assert_int_eq(gm_write(memory, 0x5000 + PAGE - 5, out, 10), 10);
	ck_assert_int_eq(gm_read(backend, PAGE - 5, in, 10), 10);
	ck_assert_mem_eq(in, out, 10);
	/* Answers that cannot be are failures. */
	own.run = 0;
	ck_assert_int_eq(gm_read(memory, 0x5000, in, 10), GM_ERR_IOMMU);
	own.run = 11;
	ck_assert_int_eq(gm_read(memory, 0x5000, in, 10), GM_ERR_IOMMU);
	ck_assert_int_eq(own.released, 0);
	gm_memory_put(memory);
	ck_assert_int_eq(own.released, 1);
	gm_memory_put(backend);
}
END_TEST

/* Threads: two pages of 'A' and 'B'; the IOVA is mapped to one, the other or neither. */
#define TRANSFERS 20000

static void *transfer_loop(void *arg)
{
	const struct setup *setup = arg;
	uintptr_t bad = 0;

	for (int i = 0; i < TRANSFERS; i++) {
		uint8_t buf[64];
		ssize_t n = gm_read(setup->memory, IOVA + 100, buf, sizeof(buf));

		if (n < 0) {
			bad += n != GM_ERR_IOMMU;
			continue;
		}
		/* The mapping is one stretch, so a transfer is all from one page. */
		for (ssize_t j = 0; j < n; j++)
			bad += buf[j] != buf[0] || (buf[j] != 'A' && buf[j] != 'B');
		bad += n != sizeof(buf);
	}
	return (void *)bad;
}

START_TEST(mappings_change_under_transfers)
{
	struct setup setup = make_setup(PAGE);
	uint8_t page[PAGE];
	pthread_t threads[2];
	void *bad;

	memset(page, 'A', PAGE);
	gm_write(setup.backend, 0, page, PAGE);
	memset(page, 'B', PAGE);
	gm_write(setup.backend, PAGE, page, PAGE);
	gm_iotlb_map(setup.iotlb, IOVA, PAGE, 0, GM_ACCESS_READ);
	for (int i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, transfer_loop, &setup);
	for (int i = 0; i < TRANSFERS; i++) {
		gm_iotlb_map(setup.iotlb, IOVA, PAGE, (i & 1) * PAGE, GM_ACCESS_READ);
		if (i % 3 == 0)
			gm_iotlb_invalidate(setup.iotlb, IOVA + 100, 10);
		/* Makes the array move. */
		gm_iotlb_map(setup.iotlb, 8 * IOVA + (gm_addr)i % 500 * 2, 1, 0, GM_ACCESS_RW);
	}
	for (int i = 0; i < 2; i++) {
		pthread_join(threads[i], &bad);
		ck_assert_ptr_null(bad);
	}
	drop_setup(&setup);
}
END_TEST

Suite *iommu_suite(void)
{
	Suite *suite = suite_create("iommu");
	TCase *tcase = tcase_create("iommu");

	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, maps_replaces_and_merges);
	tcase_add_test(tcase, permissions_are_all_or_nothing);
	tcase_add_test(tcase, limits_have_names);
	tcase_add_test(tcase, no_bytes_are_refused_only_inside);
	tcase_add_test(tcase, agrees_with_a_naive_table);
	tcase_add_test(tcase, everything_goes_through);
	tcase_add_test(tcase, a_failed_translation_moves_nothing);
	tcase_add_test(tcase, behind_the_translation_holes_are_holes);
	tcase_add_test(tcase, read_only_regions_stay_so);
	tcase_add_test(tcase, dirty_bits_are_by_io_address);
	tcase_add_test(tcase, a_transfer_is_marked_though_its_mapping_is_gone);
	tcase_add_test(tcase, the_switch_passes_addresses_through);
	tcase_add_test(tcase, the_backend_can_be_replaced);
	tcase_add_test(tcase, what_makes_no_sense_is_refused);
	tcase_add_test(tcase, a_device_can_bring_its_own);
	tcase_add_test(tcase, mappings_change_under_transfers);
	suite_add_tcase(suite, tcase);
	return suite;
}
