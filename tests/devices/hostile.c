/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* What the cases of hostile drivers use; see hostile.h. */
#include "tests/devices/hostile.h"

#include <unistd.h>

#define PATIENCE_S 30

static void put_split(struct hostile *t, const struct hostile_desc *descs, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		put_desc(t->h, t->q->desc, i, descs[i].addr, descs[i].len, descs[i].flags,
			 (uint16_t)(i + 1));
	put_avail(t->h, t->q, 0);
}

/* The first one last, with which the chain becomes the device's. */
static void put_packed(struct hostile *t, const struct hostile_desc *descs, unsigned int count)
{
	struct driver_queue *q = t->q;
	uint16_t owned = packed_owned_by_device(q), id = q->next_desc;

	ck_assert_uint_le(id + count, q->size);
	for (unsigned int i = count; i-- > 0;)
		packed_put_desc(t->h, q->desc, id + i, descs[i].addr, descs[i].len, id,
				descs[i].flags | owned);
	q->spans[id] = (uint16_t)count;
	q->next_desc = (uint16_t)(id + count);
}

void hostile_put(struct hostile *t, const struct hostile_desc *descs, unsigned int count)
{
	if (t->packed)
		put_packed(t, descs, count);
	else
		put_split(t, descs, count);
}

void hostile_offer(struct hostile *t, const struct hostile_desc *descs, unsigned int count)
{
	hostile_put(t, descs, count);
	driver_kick(t->h, t->q);
}

uint32_t hostile_await(struct hostile *t)
{
	uint32_t head, len;

	driver_await(t->h, t->q, &head, &len);
	return len;
}

void hostile_spread_rings(struct hostile *t)
{
	t->q->desc = DESC_PAGE;
	t->q->avail = AVAIL_PAGE;
	t->q->used = USED_PAGE;
	driver_start(t->h, t->s.subject->features);
}

void hostile_put_request(struct hostile *t)
{
	struct buffer chain[SUBJECT_BUFFERS];

	driver_add(t->h, t->q, chain, t->s.subject->request(&t->s, chain), 0);
}

void hostile_await_broken(struct hostile *t)
{
	for (unsigned int i = 0; !needs_reset(t->h); i++) {
		ck_assert_msg(i < PATIENCE_S * 20000, "the device is not broken");
		usleep(50);
	}
}
