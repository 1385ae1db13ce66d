/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* What must come out of an access, by the model; and random arguments for it. */
#include "tests/guestmem/property.h"

uint8_t property_buffer[2 * SPAN];

size_t some_length(struct world *w)
{
	switch (below(w, 20)) {
	case 0: return below(w, SPAN);
	case 1 ... 5: return below(w, 400);
	case 6: return 0;
	default: return 1 + below(w, 40);
	}
}

uint64_t some_place(struct world *w)
{
	const struct slot *slot = &w->slots[below(w, SLOTS)];
	uint64_t at = slot->start;

	if (!slot->region || below(w, 3))
		return below(w, SPAN);
	if (below(w, 2))
		at += slot->size;
	at -= below(w, 12);
	return at < SPAN ? at : 0;
}

void fill(struct world *w, uint8_t *data, size_t len)
{
	uint64_t word = below(w, UINT64_MAX);

	for (size_t i = 0; i < len; i++) {
		data[i] = (uint8_t)(word >> (i % 8 * 8));
		if (i % 8 == 7)
			word = word * 6364136223846793005ULL + 1442695040888963407ULL;
	}
}

bool can(const struct world *w, uint64_t at, enum gm_access access)
{
	return at < SPAN && w->slot_at[at] >= 0 &&
	       !((access & GM_ACCESS_WRITE) && w->slots[w->slot_at[at]].read_only);
}

size_t run_length(const struct world *w, uint64_t at, size_t len, enum gm_access access)
{
	size_t n = 0;

	while (n < len && can(w, at + n, access))
		n++;
	return n;
}

int first_error(const struct world *w, uint64_t at)
{
	return can(w, at, GM_ACCESS_READ) ? GM_ERR_READ_ONLY : GM_ERR_INVALID_ADDRESS;
}

void mark(struct world *w, uint64_t at, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		struct slot *slot = &w->slots[w->slot_at[at + i]];

		slot->dirty[(at + i - slot->start) / DIRTY_PAGE] = true;
	}
}

void put_bytes(struct world *w, uint64_t at, const uint8_t *data, size_t len)
{
	memcpy(w->value + at, data, len);
	mark(w, at, len);
}

size_t check_count(const struct world *w, uint64_t at, size_t len, enum gm_access access, ssize_t n)
{
	size_t run = run_length(w, at, len, access);

	if (run == 0 && len)
		CHECK(w, n == first_error(w, at));
	else
		CHECK(w, n == (ssize_t)run);
	return run;
}

void check_exact(const struct world *w, uint64_t at, size_t len, enum gm_access access, int err,
		 size_t done)
{
	size_t run = run_length(w, at, len, access);

	CHECK(w, done == run);
	if (run == len)
		CHECK(w, err == 0);
	else
		CHECK(w, err == (run ? GM_ERR_PARTIAL : first_error(w, at)));
}
