/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The IOTLB, and a memory behind it, against a table with one entry a byte: mappings that are made,
 * replaced, split and removed; what a look-up finds; which accesses go through, and where they land.
 */
#include <string.h>

#include "guestmem/guestmem.h"
#include "guestmem/iommu.h"
#include "tests/fuzz/fuzz.h"

#define SPAN    512                          /* of I/O addresses, from BASE on */
#define BASE    UINT64_C(0xfffffffffffffd00) /* so that ranges reach, and pass, 2^64 */
#define RAM     256                          /* guest physical, from 0 on, in two pieces */
#define OPS_MAX 300

struct world {
	struct gm_iotlb *iotlb;
	struct gm_memory *ram, *memory;
	uint8_t access[SPAN]; /* 0: not mapped */
	uint64_t phys[SPAN];
	uint8_t value[RAM];
};

/* What of a look-up the visitor has seen. */
struct seen {
	const struct world *w;
	uint64_t at;
	enum gm_access access;
};

static bool allowed(const struct world *w, uint64_t at, enum gm_access access)
{
	return w->access[at] && !(access & ~w->access[at]);
}

static void visit(void *arg, enum gm_iotlb_finding finding, gm_addr iova, uint64_t len, gm_addr phys)
{
	struct seen *seen = arg;
	const struct world *w = seen->w;

	FUZZ_CHECK(iova - BASE == seen->at);
	for (uint64_t i = 0; i < len; i++) {
		uint64_t at = seen->at + i;

		FUZZ_CHECK((finding == GM_IOTLB_MISS) == !w->access[at]);
		FUZZ_CHECK((finding == GM_IOTLB_MAPPED) == allowed(w, at, seen->access));
		FUZZ_CHECK(finding == GM_IOTLB_MISS || phys + i == w->phys[at]);
	}
	seen->at += len;
}

static void op_map(struct world *w, uint64_t at, uint64_t len, struct fuzz_input *input)
{
	uint64_t phys = fuzz_take(input, 2) % (RAM + 64);
	enum gm_access access = (enum gm_access)(1 + fuzz_byte(input) % 3);
	int err = gm_iotlb_map(w->iotlb, BASE + at, len, phys, access);

	/* The span ends 256 bytes before 2^64; lengths do not. */
	FUZZ_CHECK(err == (len == 0 ? GM_ERR_INVALID_ARGUMENT : 0));
	for (uint64_t i = at; !err && i < at + len; i++) {
		w->access[i] = (uint8_t)access;
		w->phys[i] = phys + i - at;
	}
}

static void op_invalidate(struct world *w, uint64_t at, uint64_t len, struct fuzz_input *input)
{
	(void)input;
	FUZZ_CHECK(gm_iotlb_invalidate(w->iotlb, BASE + at, len) ==
		   (len == 0 ? GM_ERR_INVALID_ARGUMENT : 0));
	memset(w->access + at, 0, len);
}

/* Far enough to wrap: nothing may change. */
static void op_wrap(struct world *w, uint64_t at, uint64_t len, struct fuzz_input *input)
{
	const uint64_t too_long = UINT64_MAX - (BASE + at) + 1 + len;

	(void)input;
	FUZZ_CHECK(gm_iotlb_map(w->iotlb, BASE + at, too_long, 0, GM_ACCESS_READ) ==
		   GM_ERR_ADDRESS_OVERFLOW);
	FUZZ_CHECK(gm_iotlb_invalidate(w->iotlb, BASE + at, too_long) == GM_ERR_ADDRESS_OVERFLOW);
	FUZZ_CHECK(gm_iotlb_lookup(w->iotlb, BASE + at, too_long, GM_ACCESS_READ, NULL, NULL) ==
		   GM_ERR_ADDRESS_OVERFLOW);
}

static void op_look_up(struct world *w, uint64_t at, uint64_t len, struct fuzz_input *input)
{
	struct seen seen = {w, at, (enum gm_access)(1 + fuzz_byte(input) % 3)};
	int err = gm_iotlb_lookup(w->iotlb, BASE + at, len, seen.access, visit, &seen);
	bool all = true;

	FUZZ_CHECK(seen.at == at + len);
	for (uint64_t i = at; i < at + len; i++)
		all = all && allowed(w, i, seen.access);
	if (len)
		FUZZ_CHECK(err == (all ? 0 : GM_ERR_IOMMU));
}

/* How many bytes from @at on go through, and whether the IOMMU lets all of them. */
static uint64_t reach(const struct world *w, uint64_t at, uint64_t len, enum gm_access access)
{
	uint64_t n = 0;

	for (uint64_t i = at; i < at + len; i++) {
		if (!allowed(w, i, access))
			return 0;
	}
	while (n < len && w->phys[at + n] < RAM)
		n++;
	return n;
}

static void op_read(struct world *w, uint64_t at, uint64_t len, struct fuzz_input *input)
{
	uint64_t expected = reach(w, at, len, GM_ACCESS_READ);
	uint8_t got[SPAN];
	ssize_t n = gm_read(w->memory, BASE + at, got, len);

	(void)input;
	FUZZ_CHECK(expected ? n == (ssize_t)expected : n <= 0);
	for (ssize_t i = 0; i < n; i++)
		FUZZ_CHECK(got[i] == w->value[w->phys[at + (uint64_t)i]]);
}

static void op_write(struct world *w, uint64_t at, uint64_t len, struct fuzz_input *input)
{
	uint64_t expected = reach(w, at, len, GM_ACCESS_WRITE);
	uint8_t data[SPAN];
	ssize_t n;

	memset(data, fuzz_byte(input), sizeof(data));
	n = gm_write(w->memory, BASE + at, data, len);
	FUZZ_CHECK(expected ? n == (ssize_t)expected : n <= 0);
	for (ssize_t i = 0; i < n; i++)
		w->value[w->phys[at + (uint64_t)i]] = data[0];
}

static void op_clear(struct world *w, uint64_t at, uint64_t len, struct fuzz_input *input)
{
	(void)at;
	(void)len;
	(void)input;
	gm_iotlb_invalidate_all(w->iotlb);
	memset(w->access, 0, sizeof(w->access));
}

static void (*const ops[])(struct world *w, uint64_t at, uint64_t len, struct fuzz_input *input) = {
	op_map,  op_map,  op_map,   op_invalidate, op_invalidate, op_look_up, op_look_up,
	op_read, op_read, op_write, op_write,      op_wrap,       op_clear,
};

static bool make_world(struct world *w)
{
	static const struct gm_region_config pieces[] = {
		{.start = 0, .size = 100},
		{.start = 100, .size = RAM - 100},
	};

	memset(w, 0, sizeof(*w));
	return !gm_memory_from_configs(pieces, 2, &w->ram, NULL) && !gm_iotlb_new(&w->iotlb) &&
	       !gm_memory_new_translated(w->ram, gm_iotlb_iommu(w->iotlb), true, 0, 0, &w->memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct world w;
	struct fuzz_input input = {data, size};
	uint8_t got[RAM];

	FUZZ_CHECK(make_world(&w));
	for (int i = 0; i < OPS_MAX && input.size; i++) {
		uint8_t op = fuzz_byte(&input) % (sizeof(ops) / sizeof(ops[0]));
		uint64_t at = fuzz_take(&input, 2) % SPAN, len = fuzz_byte(&input);

		ops[op](&w, at, len < SPAN - at ? len : SPAN - at, &input);
	}
	FUZZ_CHECK(gm_read(w.ram, 0, got, RAM) == RAM && !memcmp(got, w.value, RAM));
	gm_memory_put(w.memory);
	gm_memory_put(w.ram);
	gm_iotlb_put(w.iotlb);
	return 0;
}
