/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The operations by address, those on the memory itself, and the table of all. */
#include "tests/guestmem/property.h"

#define ARRAY_LEN(array) (sizeof(array) / sizeof((array)[0]))

/* --- bytes --- */

static void op_read(struct world *w)
{
	uint64_t at = some_place(w);
	size_t len = some_length(w);
	ssize_t n = gm_read(w->memory, w->base + at, property_buffer, len);

	len = check_count(w, at, len, GM_ACCESS_READ, n);
	CHECK(w, !memcmp(property_buffer, w->value + at, len));
}

static void op_write(struct world *w)
{
	uint64_t at = some_place(w);
	size_t len = some_length(w);

	fill(w, property_buffer, len);
	len = check_count(w, at, len, GM_ACCESS_WRITE,
			  gm_write(w->memory, w->base + at, property_buffer, len));
	put_bytes(w, at, property_buffer, len);
}

static void op_exact(struct world *w)
{
	uint64_t at = some_place(w);
	size_t len = some_length(w), done;
	int err;

	if (below(w, 2)) {
		err = gm_read_exact(w->memory, w->base + at, property_buffer, len, &done);
		check_exact(w, at, len, GM_ACCESS_READ, err, done);
		CHECK(w, !memcmp(property_buffer, w->value + at, done));
	} else {
		fill(w, property_buffer, len);
		err = gm_write_exact(w->memory, w->base + at, property_buffer, len, &done);
		check_exact(w, at, len, GM_ACCESS_WRITE, err, done);
		put_bytes(w, at, property_buffer, done);
	}
}

/* What an access that must stay in one region says, and whether it is aligned there. */
static int one_region_error(const struct world *w, uint64_t at, size_t len, enum gm_access access)
{
	const struct slot *slot;

	if (!can(w, at, GM_ACCESS_READ))
		return GM_ERR_INVALID_ADDRESS;
	slot = &w->slots[w->slot_at[at]];
	if (len > slot->start + slot->size - at)
		return GM_ERR_INVALID_BACKEND;
	return can(w, at, access) ? 0 : GM_ERR_READ_ONLY;
}

static void op_atomic(struct world *w)
{
	uint64_t at = some_place(w), value = below(w, UINT64_MAX);
	bool store = below(w, 2);
	size_t size = (size_t)1 << below(w, 4);
	int err, expected = one_region_error(w, at, size, store ? GM_ACCESS_WRITE : GM_ACCESS_READ);
	gm_addr addr = w->base + at;
	uint8_t v1 = (uint8_t)value;
	uint16_t v2 = (uint16_t)value;
	uint32_t v4 = (uint32_t)value;

	if (!expected && (at - w->slots[w->slot_at[at]].start) % size)
		expected = GM_ERR_INVALID_BACKEND;
	if (size == 1)
		err = store ? gm_store_u8(w->memory, addr, v1, __ATOMIC_RELEASE)
			    : gm_load_u8(w->memory, addr, &v1, __ATOMIC_ACQUIRE);
	else if (size == 2)
		err = store ? gm_store_u16(w->memory, addr, v2, __ATOMIC_RELAXED)
			    : gm_load_u16(w->memory, addr, &v2, __ATOMIC_RELAXED);
	else if (size == 4)
		err = store ? gm_store_u32(w->memory, addr, v4, __ATOMIC_SEQ_CST)
			    : gm_load_u32(w->memory, addr, &v4, __ATOMIC_SEQ_CST);
	else
		err = store ? gm_store_u64(w->memory, addr, value, __ATOMIC_RELEASE)
			    : gm_load_u64(w->memory, addr, &value, __ATOMIC_ACQUIRE);
	CHECK(w, err == expected);
	if (err)
		return;
	value = size == 1 ? v1 : size == 2 ? v2 : size == 4 ? v4 : value;
	if (store)
		put_bytes(w, at, (uint8_t *)&value, size);
	else
		CHECK(w, !memcmp(&value, w->value + at, size));
}

/* --- look-ups and slices --- */

static void op_look_up(struct world *w)
{
	uint64_t at = some_place(w), offset;
	size_t len = some_length(w);
	enum gm_access access = (enum gm_access)below(w, 4);
	struct gm_region *region = gm_to_region_addr(w->memory, w->base + at, &offset);
	const struct slot *slot = w->slot_at[at] < 0 ? NULL : &w->slots[w->slot_at[at]];

	CHECK(w, region == (slot ? slot->region : NULL));
	CHECK(w, gm_find_region(w->memory, w->base + at) == region);
	CHECK(w, !slot || offset == at - slot->start);
	CHECK(w, gm_check_range(w->memory, w->base + at, len, access) ==
			 (run_length(w, at, len, access) == len));
}

static bool some_slice(struct world *w, enum gm_access access, uint64_t *at, struct gm_slice *slice)
{
	size_t len = some_length(w);
	int err;

	*at = some_place(w);
	err = gm_get_slice(w->memory, w->base + *at, len, access, slice);
	CHECK(w, err == one_region_error(w, *at, len, access));
	if (!err) {
		const struct slot *owner = &w->slots[w->slot_at[*at]];

		CHECK(w, slice->len == len);
		CHECK(w,
		      slice->host == (uint8_t *)gm_region_host(owner->region) + *at - owner->start);
	}
	return !err;
}

static void op_slice_copy(struct world *w)
{
	struct gm_slice from, to;
	uint64_t at_from, at_to;
	size_t len;

	if (!some_slice(w, GM_ACCESS_READ, &at_from, &from) ||
	    !some_slice(w, GM_ACCESS_WRITE, &at_to, &to))
		return;
	len = from.len < to.len ? from.len : to.len;
	CHECK(w, gm_slice_copy(&to, &from) == (ssize_t)len);
	memmove(w->value + at_to, w->value + at_from, len);
	mark(w, at_to, len);
}

static void op_slice_elements(struct world *w)
{
	size_t size = (size_t)1 << below(w, 4), count = below(w, 50), expected;
	struct gm_slice slice;
	uint64_t at;

	if (!some_slice(w, GM_ACCESS_WRITE, &at, &slice))
		return;
	expected = slice.len / size < count ? slice.len / size : count;
	if (below(w, 2)) {
		CHECK(w, gm_slice_copy_to(&slice, size, property_buffer, count) == (ssize_t)expected);
		CHECK(w, !memcmp(property_buffer, w->value + at, expected * size));
	} else {
		fill(w, property_buffer, count * size);
		CHECK(w, gm_slice_copy_from(&slice, size, property_buffer, count) ==
				 (ssize_t)expected);
		put_bytes(w, at, property_buffer, expected * size);
	}
}

/* By region offset, and a part of a part. */
static void op_region(struct world *w)
{
	struct slot *slot = &w->slots[below(w, SLOTS)];
	struct gm_slice slice, part;
	uint64_t offset, in_part;
	size_t len = some_length(w), n;
	ssize_t got;

	if (!slot->region || slot->read_only)
		return;
	offset = below(w, slot->size);
	n = len < slot->size - offset ? len : slot->size - offset;
	fill(w, property_buffer, len);
	CHECK(w, gm_region_write(slot->region, offset, property_buffer, len) == (ssize_t)n);
	put_bytes(w, slot->start + offset, property_buffer, n);

	slice = gm_region_slice(slot->region);
	CHECK(w, !gm_slice_offset(&slice, offset, &part));
	in_part = below(w, part.len);
	n = len < part.len - in_part ? len : part.len - in_part;
	got = gm_slice_read(&part, in_part, property_buffer, len);
	CHECK(w, got == (ssize_t)n);
	CHECK(w, !memcmp(property_buffer, w->value + slot->start + offset + in_part, n));
}

/* --- the memory itself --- */

static struct slot *add_slot(struct world *w, struct gm_region *region, uint64_t start,
			     uint64_t size, bool read_only)
{
	for (size_t i = 0; i < SLOTS; i++) {
		if (w->slots[i].region)
			continue;
		w->slots[i] = (struct slot){region, start, size, read_only, {0}};
		memset(w->slot_at + start, (int)i, size);
		memset(w->value + start, 0, size);
		return &w->slots[i];
	}
	give_up(w, "more regions than the model has room for");
}

static void op_insert(struct world *w)
{
	struct gm_region_config config = {
		.start = some_place(w),
		.flags = below(w, 5) ? 0 : GM_REGION_READ_ONLY,
		.dirty_page = DIRTY_PAGE,
	};
	uint64_t start = config.start, free_bytes = 0;
	struct gm_memory *grown;
	struct gm_region *region;
	int err;

	config.size = 1 + below(w, below(w, 2) ? 30 : 900);
	config.size = config.size < SPAN - start ? config.size : SPAN - start;
	if (gm_memory_count(w->memory) == SLOTS)
		return;
	while (free_bytes < config.size && w->slot_at[start + free_bytes] < 0)
		free_bytes++;
	config.start += w->base;
	CHECK(w, !gm_region_new(&config, &region));
	err = gm_memory_insert(w->memory, region, &grown);
	CHECK(w, err == (free_bytes == config.size ? 0 : GM_ERR_OVERLAP));
	if (!err) {
		add_slot(w, region, start, config.size, config.flags != 0);
		/* The old memory is as it was. */
		CHECK(w, !gm_address_in_range(w->memory, config.start));
		gm_memory_put(w->memory);
		w->memory = grown;
	}
	gm_region_put(region);
}

static void op_remove(struct world *w)
{
	struct slot *slot = &w->slots[below(w, SLOTS)];
	struct gm_region *removed;
	struct gm_memory *shrunk;
	uint64_t wrong = below(w, 8) ? 0 : 1;
	int err;

	if (!slot->region)
		return;
	err = gm_memory_remove(w->memory, w->base + slot->start, slot->size + wrong, &shrunk,
			       &removed);
	CHECK(w, err == (wrong ? GM_ERR_INVALID_REGION : 0));
	if (err)
		return;
	gm_memory_put(w->memory);
	w->memory = shrunk;
	CHECK(w, removed == slot->region);
	CHECK(w, !memcmp(gm_region_host(removed), w->value + slot->start, slot->size));
	gm_region_put(removed);
	memset(w->slot_at + slot->start, -1, slot->size);
	slot->region = NULL;
}

static void check_dirty(struct world *w, struct slot *slot)
{
	uint64_t words[SPAN / DIRTY_PAGE / 64 + 1];
	struct gm_bitmap *bitmap = gm_region_dirty(slot->region);

	gm_bitmap_get_and_reset(bitmap, words);
	for (uint64_t page = 0; page < gm_bitmap_pages(bitmap); page++) {
		CHECK(w, (words[page / 64] >> (page % 64) & 1) == slot->dirty[page]);
		slot->dirty[page] = false;
	}
}

static void op_dirty(struct world *w)
{
	struct slot *slot = &w->slots[below(w, SLOTS)];
	struct gm_bitmap *bitmap;
	uint64_t page, count;

	if (!slot->region)
		return;
	bitmap = gm_region_dirty(slot->region);
	page = below(w, gm_bitmap_pages(bitmap));
	count = 1 + below(w, 70);
	CHECK(w, gm_bitmap_is_set(bitmap, page) == slot->dirty[page]);
	if (below(w, 2)) {
		check_dirty(w, slot);
		return;
	}
	gm_bitmap_clear_range(bitmap, page * DIRTY_PAGE, count * DIRTY_PAGE);
	for (uint64_t i = page; i < page + count && i < gm_bitmap_pages(bitmap); i++)
		slot->dirty[i] = false;
}

static const struct operation {
	const char *name;
	unsigned int weight;
	void (*run)(struct world *w);
} operations[] = {
	{"read", 20, op_read},
	{"write", 20, op_write},
	{"exact", 10, op_exact},
	{"atomic", 15, op_atomic},
	{"look up", 10, op_look_up},
	{"slice copy", 5, op_slice_copy},
	{"slice elements", 5, op_slice_elements},
	{"region", 5, op_region},
	{"list read", 4, op_list_read},
	{"list write", 4, op_list_write},
	{"list file", 1, op_list_file},
	{"stream", 6, op_stream},
	{"file", 1, op_file},
	{"insert", 1, op_insert},
	{"remove", 1, op_remove},
	{"dirty", 3, op_dirty},
};

void property_operation(struct world *w)
{
	unsigned int total = 0, pick;

	for (size_t i = 0; i < ARRAY_LEN(operations); i++)
		total += operations[i].weight;
	pick = (unsigned int)below(w, total);
	for (size_t i = 0; i < ARRAY_LEN(operations); i++) {
		if (pick < operations[i].weight) {
			w->what = operations[i].name;
			operations[i].run(w);
			return;
		}
		pick -= operations[i].weight;
	}
}

/* Up to half the slots, about every other one right behind the one before. */
void property_begin(struct world *w)
{
	static const gm_addr bases[] = {0, 0x1000, 0xfffff800, ~0ULL - SPAN};
	struct gm_region_config configs[SLOTS / 2] = {0};
	size_t count = 0, wanted = 1 + below(w, SLOTS / 2);
	uint64_t at = below(w, 100);

	w->what = "set-up";
	w->base = bases[below(w, ARRAY_LEN(bases))];
	memset(w->slots, 0, sizeof(w->slots));
	memset(w->slot_at, -1, sizeof(w->slot_at));
	while (count < wanted) {
		uint64_t size = 1 + below(w, below(w, 3) ? 2 * SPAN / wanted : 20);

		if (at + size > SPAN)
			break;
		configs[count].start = w->base + at;
		configs[count].size = size;
		configs[count].flags = below(w, 8) ? 0 : GM_REGION_READ_ONLY;
		configs[count].dirty_page = DIRTY_PAGE;
		count++;
		at += size + (below(w, 2) ? 0 : below(w, 200));
	}
	if (count == 0)
		configs[count++] = (struct gm_region_config){
			.start = w->base, .size = 100, .dirty_page = DIRTY_PAGE};
	CHECK(w, !gm_memory_from_configs(configs, count, &w->memory, NULL));
	for (size_t i = 0; i < count; i++)
		add_slot(w, gm_memory_region(w->memory, i), configs[i].start - w->base,
			 configs[i].size, configs[i].flags != 0);
}

void property_end(struct world *w)
{
	w->what = "final comparison";
	for (size_t i = 0; i < SLOTS; i++) {
		struct slot *slot = &w->slots[i];

		if (!slot->region)
			continue;
		check_dirty(w, slot);
		CHECK(w, !memcmp(gm_region_host(slot->region), w->value + slot->start, slot->size));
	}
	gm_memory_put(w->memory);
}
