/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The driver side of packed queues; harness.c calls it where the driver took that feature. */
#include "tests/devices/harness.h"

#define FLAGS 14 /* offset in a descriptor */

#define F_AVAIL (1U << VRING_PACKED_DESC_F_AVAIL)
#define F_USED  (1U << VRING_PACKED_DESC_F_USED)

static uint64_t always;

void driver_use_packed(void)
{
	always = FEATURE(VIRTIO_F_RING_PACKED);
}

void driver_use_split(void)
{
	always = 0;
}

uint64_t driver_ring_features(void)
{
	return always;
}

void packed_put_desc(struct harness *h, gm_addr table, unsigned int index, gm_addr addr,
		     uint32_t len, uint16_t id, uint16_t flags)
{
	struct {
		gm_le64_t addr;
		gm_le32_t len;
		gm_le16_t id;
	} desc = {gm_le64(addr), gm_le32(len), gm_le16(id)};
	gm_addr at = table + 16ULL * index;

	mem_write(h, at, &desc, FLAGS);
	/* In a table anywhere the flags may be in two pieces, in a ring they are one word. */
	if (gm_store_u16(h->memory, at + FLAGS, htole16(flags), __ATOMIC_RELEASE)) {
		flags = htole16(flags);
		mem_write(h, at + FLAGS, &flags, sizeof(flags));
	}
}

uint16_t packed_owned_by_device(const struct driver_queue *q)
{
	return q->avail_wrap ? F_AVAIL : F_USED;
}

/* Put one descriptor of the ring, with all its flags, and go on to the next entry. */
static void put_next(struct harness *h, struct driver_queue *q, gm_addr addr, uint32_t len,
		     uint16_t id, uint16_t flags)
{
	packed_put_desc(h, q->desc, q->next_desc, addr, len, id, flags);
	if (++q->next_desc == q->size) {
		q->next_desc = 0;
		q->avail_wrap = !q->avail_wrap;
	}
}

uint16_t packed_add(struct harness *h, struct driver_queue *q, const struct buffer *buffers,
		    unsigned int count, gm_addr table)
{
	/* The first entry of a chain is its alone until it is used: a good id. */
	const uint16_t id = q->next_desc, owned = packed_owned_by_device(q);
	uint16_t head = owned;

	ck_assert_uint_le(q->size, HARNESS_QUEUE_SIZE);
	q->spans[id] = (uint16_t)(table ? 1 : count);
	for (unsigned int i = 0; i < count; i++) {
		uint16_t flags = buffers[i].write ? VRING_DESC_F_WRITE : 0;

		if (table) {
			packed_put_desc(h, table, i, buffers[i].addr, buffers[i].len, 0, flags);
			continue;
		}
		flags |= i + 1 < count ? VRING_DESC_F_NEXT : 0;
		head |= i ? 0 : flags;
		put_next(h, q, buffers[i].addr, buffers[i].len, id,
			 i ? flags | packed_owned_by_device(q) : 0);
	}
	if (table) {
		head |= VRING_DESC_F_INDIRECT;
		put_next(h, q, table, 16 * count, id, 0);
	}
	/* The device may be looking: the first one's flags, which make it the device's, are the last. */
	ck_assert_int_eq(gm_store_u16(h->memory, q->desc + 16ULL * id + FLAGS, htole16(head),
				      __ATOMIC_RELEASE),
			 0);
	return id;
}

bool packed_used(struct harness *h, struct driver_queue *q, uint32_t *head, uint32_t *len)
{
	gm_addr at = q->desc + 16ULL * q->used_idx;
	uint16_t flags, id;

	ck_assert_int_eq(gm_load_u16(h->memory, at + FLAGS, &flags, __ATOMIC_ACQUIRE), 0);
	flags = le16toh(flags);
	if (!!(flags & F_AVAIL) != q->used_wrap || !!(flags & F_USED) != q->used_wrap)
		return false;
	mem_read(h, at + 8, len, sizeof(*len));
	mem_read(h, at + 12, &id, sizeof(id));
	*len = le32toh(*len);
	*head = le16toh(id);
	ck_assert_uint_lt(*head, q->size);
	q->used_idx = (uint16_t)(q->used_idx + q->spans[*head]);
	if (q->used_idx >= q->size) {
		q->used_idx = (uint16_t)(q->used_idx - q->size);
		q->used_wrap = !q->used_wrap;
	}
	return true;
}
