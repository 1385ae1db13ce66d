/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* What the workloads of layout invariance have in common; see invariance.h. */
#include "tests/devices/invariance.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * Where run_post() puts its chains: a slot each, one more than wait at a time, the second of them
 * cut finest: there a chain has more pieces than one system call takes.
 */
#define SLOT_SIZE 0x2000
#define SLOTS     (FINE_BUFFERS - SLOT_SIZE)
#define SLOT_MAX  (WAITING + 1)
#define WAITING   12

uint64_t run_below(struct run *r, uint64_t bound)
{
	return test_random_below(&r->random, bound);
}

void run_note(struct run *r, const void *data, size_t len)
{
	ck_assert_uint_le(len, RUN_NOTES - r->out->notes_len);
	memcpy(r->out->notes + r->out->notes_len, data, len);
	r->out->notes_len += len;
}

void run_note_file(struct run *r, int fd)
{
	size_t room = RUN_NOTES - r->out->notes_len;
	ssize_t len = pread(fd, r->out->notes + r->out->notes_len, room, 0);

	ck_assert_int_ge(len, 0);
	ck_assert_uint_lt((size_t)len, room);
	r->out->notes_len += (size_t)len;
}

gm_addr run_place(struct run *r, uint64_t len)
{
	gm_addr at = r->at + run_below(r, 300);

	r->at = at + len;
	ck_assert_uint_le(r->at, SLOTS);
	return at;
}

unsigned int run_split(struct run *r, struct buffer *out, uint32_t len, bool write,
		       unsigned int pieces)
{
	unsigned int n = 0;

	while (len) {
		uint32_t piece = len;

		if (n + 1 < pieces)
			piece = (uint32_t)run_below(r, len + 1);
		out[n++] = (struct buffer){run_place(r, piece), piece, write};
		len -= piece;
	}
	return n;
}

void run_fill(struct run *r, const struct buffer *pieces, unsigned int count, const void *data)
{
	const uint8_t *from = data;

	for (unsigned int i = 0; i < count; i++) {
		uint8_t *bytes = malloc(pieces[i].len + 1);

		ck_assert_ptr_nonnull(bytes);
		for (uint32_t k = 0; k < pieces[i].len; k++)
			bytes[k] = from ? *from++ : (uint8_t)test_random(&r->random);
		mem_write(r->h, pieces[i].addr, bytes, pieces[i].len);
		free(bytes);
	}
}

void run_offer(struct run *r, unsigned int queue, const struct buffer *chain, unsigned int count)
{
	gm_addr table = run_below(r, 2) ? run_place(r, 16ULL * count) : 0;

	driver_add(r->h, &r->h->queues[queue], chain, count, table);
	driver_kick(r->h, &r->h->queues[queue]);
}

uint32_t run_await(struct run *r, unsigned int queue)
{
	uint32_t used[3] = {queue};

	driver_await(r->h, &r->h->queues[queue], &used[1], &used[2]);
	run_note(r, used, sizeof(used));
	return used[2];
}

void run_post(struct run *r)
{
	while (r->waiting < WAITING) {
		gm_addr at = SLOTS + (gm_addr)(r->slot++ % SLOT_MAX) * SLOT_SIZE;
		uint32_t left = 1000 + (uint32_t)run_below(r, 6001);
		struct buffer chain[4];
		unsigned int n = 0;

		/* The first pieces are small, so that headers lie in several. */
		for (; n < 3; n++) {
			uint32_t len = (uint32_t)run_below(r, 40);

			at += run_below(r, 40);
			chain[n] = (struct buffer){at, len, true};
			at += len;
			left -= len;
		}
		chain[n++] = (struct buffer){at, left, true};
		driver_add(r->h, &r->h->queues[0], chain, n, 0);
		r->waiting++;
	}
	driver_kick(r->h, &r->h->queues[0]);
}

void run_receive(struct run *r, uint32_t len, uint32_t header)
{
	for (uint32_t got = 0; got < len; r->waiting--) {
		uint32_t used = run_await(r, 0);

		ck_assert_uint_ge(used, header);
		got += used - header;
	}
}
