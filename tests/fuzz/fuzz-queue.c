/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Queues of both formats under a driver that changes rings and tables between the device's calls
 * and during them: the device reaches its rings through an IOMMU that, each time it is asked, may
 * write what the input says first. So every word may be another when it is read a second time.
 *
 * Whatever happens, a call ends, what comes out is a chain as virtqueue.h promises it, and no chain
 * is out twice.
 */
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include "devices/virtqueue.h"
#include "guestmem/guestmem.h"
#include "guestmem/iommu.h"
#include "tests/fuzz/fuzz.h"

#define RAM     0x4000
#define MAX     64 /* entries of the queue, at most */
#define DESC    0x0
#define AVAIL   0x7fe /* across a boundary; packed rings take it rounded up */
#define USED    0xbfc
#define TABLE   0x1000 /* where indirect tables are likely */
#define OPS_MAX 200

struct fuzz_iommu {
	struct gm_iommu iommu;
	struct gm_memory *ram;
	struct fuzz_input *input;
	bool hostile; /* writes while the device looks */
};

struct world {
	struct fuzz_iommu iommu;
	struct gm_memory *ram;
	struct gm_memory *memory; /* as the device sees it */
	struct virtq vq;
	uint16_t out[MAX]; /* heads that are out, in order */
	unsigned int out_count;
};

/* A word or a descriptor somewhere the device looks. */
static void mutate(struct gm_memory *ram, struct fuzz_input *input)
{
	static const uint16_t bases[] = {DESC, AVAIL, USED, TABLE};
	uint8_t how = fuzz_byte(input);
	gm_addr at = bases[how & 3] + fuzz_take(input, how & 4 ? 2 : 1) % 0x600;
	size_t len = how & 8 ? 16 : 2;
	uint8_t bytes[16];

	fuzz_bytes(input, bytes, len);
	gm_write(ram, at, bytes, len);
}

static int translate(struct gm_iommu *iommu, gm_addr iova, uint64_t len, enum gm_access access,
		     struct gm_range *run)
{
	struct fuzz_iommu *fuzz = (struct fuzz_iommu *)iommu;

	(void)access;
	if (fuzz->hostile && fuzz_byte(fuzz->input) % 4 == 1)
		mutate(fuzz->ram, fuzz->input);
	*run = (struct gm_range){iova, len};
	return 0;
}

static const struct gm_iommu_ops iommu_ops = {.translate = translate};

static void check_chain(struct world *w, const struct virtq_chain *chain)
{
	uint64_t readable = 0, writable = 0;

	FUZZ_CHECK(chain->head < w->vq.max_size);
	for (unsigned int i = 0; i < w->out_count; i++)
		FUZZ_CHECK(w->out[i] != chain->head);
	FUZZ_CHECK(w->out_count < MAX);
	FUZZ_CHECK(chain->readable_count + chain->writable_count <= w->vq.max_size);
	for (unsigned int i = 0; i < chain->readable_count; i++) {
		FUZZ_CHECK(chain->readable[i].len);
		readable += chain->readable[i].len;
	}
	for (unsigned int i = 0; i < chain->writable_count; i++) {
		FUZZ_CHECK(chain->writable[i].len);
		writable += chain->writable[i].len;
	}
	FUZZ_CHECK(readable == chain->readable_len && writable == chain->writable_len);
	FUZZ_CHECK(readable + writable <= UINT64_C(1) << 32);
	w->out[w->out_count++] = chain->head;
}

/* What a device does with a chain: reads some of it, writes some. */
static void use_chain(struct world *w, const struct virtq_chain *chain)
{
	struct gm_sg readable = virtq_readable(chain, w->memory);
	struct gm_sg writable = virtq_writable(chain, w->memory);
	uint8_t bytes[64];

	gm_sg_read(&readable, bytes, chain->readable_len < 64 ? chain->readable_len : 64);
	gm_sg_write(&writable, bytes, chain->writable_len < 64 ? chain->writable_len : 64);
}

static void pop(struct world *w, struct fuzz_input *input)
{
	struct virtq_chain chain;
	int got = virtq_pop(&w->vq, w->memory, &chain);

	FUZZ_CHECK(got >= -1 && got <= 1);
	FUZZ_CHECK((got < 0) == (w->vq.broken != NULL));
	if (got != 1)
		return;
	check_chain(w, &chain);
	if (fuzz_byte(input) % 8 == 7) {
		virtq_unpop(&w->vq, &chain);
		w->out_count--;
		return;
	}
	use_chain(w, &chain);
}

static void put(struct world *w, struct fuzz_input *input)
{
	unsigned int which;

	if (!w->out_count)
		return;
	which = fuzz_byte(input) % w->out_count;
	virtq_put_used(&w->vq, w->memory, w->out[which], fuzz_byte(input));
	for (w->out_count--; which < w->out_count; which++)
		w->out[which] = w->out[which + 1];
}

static void enable(struct world *w, struct fuzz_input *input)
{
	uint8_t how = fuzz_byte(input);
	uint64_t features = UINT64_C(1) << VIRTIO_F_VERSION_1;

	features |= how & 1 ? UINT64_C(1) << VIRTIO_F_RING_PACKED : 0;
	features |= how & 2 ? UINT64_C(1) << VIRTIO_RING_F_EVENT_IDX : 0;
	features |= how & 4 ? UINT64_C(1) << VIRTIO_F_IN_ORDER : 0;
	features |= how & 8 ? 0 : UINT64_C(1) << VIRTIO_RING_F_INDIRECT_DESC;
	virtq_reset(&w->vq);
	w->out_count = 0;
	w->vq.size = how & 16 ? 1 + fuzz_byte(input) : 16;
	w->vq.desc = DESC;
	w->vq.avail = how & 1 ? AVAIL + 2 : AVAIL;
	w->vq.used = USED;
	if (how & 32)
		w->vq.desc = fuzz_take(input, 8);
	if (how & 64)
		w->vq.used = fuzz_take(input, 8);
	if (virtq_enable(&w->vq, w->memory, features))
		FUZZ_CHECK(!w->vq.ready);
}

static void one(struct world *w, struct fuzz_input *input)
{
	uint8_t op = fuzz_byte(input) % 16;

	if (op < 6) {
		mutate(w->ram, input);
	} else if (op == 6) {
		enable(w, input);
	} else if (!w->vq.ready || w->vq.broken) {
		return;
	} else if (op < 11) {
		pop(w, input);
	} else if (op < 13) {
		put(w, input);
	} else if (op == 13) {
		virtq_publish(&w->vq, w->memory);
	} else if (op == 14) {
		virtq_should_interrupt(&w->vq, w->memory);
	} else if (fuzz_byte(input) & 1) {
		virtq_enable_notify(&w->vq, w->memory);
	} else {
		virtq_disable_notify(&w->vq, w->memory);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct gm_region_config pieces[] = {
		{.start = 0, .size = 0x800},
		/* Rings are cut where their words stay aligned for the host, tables anywhere. */
		{.start = 0x800, .size = 0x400},
		{.start = 0xc00, .size = 0x801},
		{.start = 0x1401, .size = 0xbff},
		{.start = 0x2000, .size = 0x1000, .flags = GM_REGION_READ_ONLY},
		{.start = 0x3000, .size = 0x1000},
	};
	struct fuzz_input input = {data, size};
	struct world w = {.iommu = {.iommu = {&iommu_ops, 1}, .input = &input}};
	uint8_t how = fuzz_byte(&input);

	FUZZ_CHECK(!gm_memory_from_configs(pieces, sizeof(pieces) / sizeof(*pieces), &w.ram, NULL));
	w.memory = w.ram;
	w.iommu.ram = w.ram;
	if (how & 1)
		FUZZ_CHECK(!gm_memory_new_translated(w.ram, &w.iommu.iommu, true, 0, 0, &w.memory));
	FUZZ_CHECK(!virtq_init(&w.vq, MAX));
	enable(&w, &input);
	w.iommu.hostile = how & 2;
	for (int i = 0; i < OPS_MAX && input.size; i++)
		one(&w, &input);
	virtq_destroy(&w.vq);
	if (how & 1)
		gm_memory_put(w.memory);
	gm_memory_put(w.ram);
	return 0;
}
