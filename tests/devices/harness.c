/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The driver side for device tests; what it offers is in harness.h. */
#include "tests/devices/harness.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

/* Where blk_request() puts its header and status. */
#define REQUEST_HEADER (RAM_END - 64)
#define REQUEST_STATUS (RAM_END - 32)

/* How long a device may take for anything on a loaded machine. */
#define PATIENCE_S 30

/* --- cuttings -------------------------------------------------------------------------------- */

static void cut(struct cutting *c, uint64_t size)
{
	c->sizes = realloc(c->sizes, (c->count + 1) * sizeof(*c->sizes));
	ck_assert_ptr_nonnull(c->sizes);
	c->sizes[c->count++] = size;
}

struct cutting cutting_whole(void)
{
	return cutting_every(RAM_SIZE);
}

struct cutting cutting_every(uint64_t size)
{
	struct cutting c = {0};

	for (uint64_t at = 0; at < RAM_SIZE; at += size)
		cut(&c, size < RAM_SIZE - at ? size : RAM_SIZE - at);
	return c;
}

struct cutting cutting_at(gm_addr addr)
{
	struct cutting c = {0};

	cut(&c, addr - RAM_BASE);
	cut(&c, RAM_END - addr);
	return c;
}

static uint64_t random_piece(struct test_random *random, unsigned int round, uint64_t at)
{
	const uint64_t fine = FINE_BUFFERS - RAM_BASE;

	switch (round % 4) {
	case 0: return 4096 * (1 + test_random_below(random, 1U << test_random_below(random, 9)));
	case 1: return 1 + test_random_below(random, 20000);
	case 2: return 1 + test_random_below(random, 700);
	/* Pieces of a few bytes where the buffers begin, since each costs a mapping. */
	default:
		if (at < RING_AREA + 4096 || (at >= fine && at < fine + FINE_SIZE))
			return 1 + test_random_below(random, 16);
		return at < fine && fine - at < 65536 ? fine - at : 65536;
	}
}

struct cutting cutting_random(struct test_random *random, unsigned int round)
{
	struct cutting c = {0};

	for (uint64_t at = 0, size; at < RAM_SIZE; at += size) {
		size = random_piece(random, round, at);
		/* An index word cannot be in two pieces: no hardware cuts memory inside a word. */
		if (at < RING_AREA)
			size = (size + 1) & ~UINT64_C(1);
		if (at < RING_AREA && at + size > RING_AREA)
			size = RING_AREA - at;
		if (size > RAM_SIZE - at)
			size = RAM_SIZE - at;
		/* One region is no cutting. */
		cut(&c, size < RAM_SIZE ? size : RAM_SIZE / 2);
		size = c.sizes[c.count - 1];
	}
	return c;
}

void cutting_free(struct cutting *cutting)
{
	free(cutting->sizes);
	*cutting = (struct cutting){0};
}

/*
 * More regions than this are not mapped one by one, which takes milliseconds for each hundred, but
 * laid out in one mapping: in descending order, so that no two neighbours of the guest are
 * neighbours of the host, with a margin around each that must stay as it is.
 */
#define MAPPED_MAX  256
#define MARGIN      64
#define MARGIN_BYTE 0xa7

static void make_arena(struct harness *h, struct gm_region_config *configs, size_t count)
{
	uint8_t *at;

	h->arena_size = RAM_SIZE + count * 2 * MARGIN;
	h->arena = mmap(NULL, h->arena_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			-1, 0);
	ck_assert_ptr_ne(h->arena, MAP_FAILED);
	memset(h->arena, MARGIN_BYTE, h->arena_size);
	at = h->arena + h->arena_size;
	for (size_t i = 0; i < count; i++) {
		/* Words of the guest are aligned for the host too. */
		at -= MARGIN + configs[i].size;
		at -= ((uintptr_t)at - configs[i].start) % 16;
		configs[i].backing = GM_BACKING_FOREIGN;
		configs[i].host = at;
		memset(at, 0, configs[i].size);
	}
	ck_assert(at >= h->arena);
}

/* Every byte of the arena that is in no region. */
static void check_arena(struct harness *h)
{
	const uint8_t *end = h->arena + h->arena_size;
	bool clean = true;

	for (size_t i = 0; i <= gm_memory_count(h->memory); i++) {
		const struct gm_region *region = gm_memory_region(h->memory, i);
		const uint8_t *host = h->arena, *behind = h->arena;

		if (region && gm_region_backing(region) != GM_BACKING_FOREIGN)
			continue;
		if (region) {
			host = gm_region_host(region);
			behind = host + gm_region_size(region);
		}
		for (const uint8_t *p = behind; p < end; p++)
			clean = clean && *p == MARGIN_BYTE;
		end = host;
	}
	ck_assert_msg(clean, "a byte outside guest memory was written");
}

static void make_memory(struct harness *h, const struct cutting *cutting)
{
	struct gm_region_config *configs = calloc(cutting->count + 1, sizeof(*configs));
	gm_addr at = RAM_BASE;

	ck_assert_ptr_nonnull(configs);
	for (size_t i = 0; i < cutting->count; i++) {
		configs[i] = (struct gm_region_config){
			.start = at,
			.size = cutting->sizes[i],
			.dirty_page = 4096,
		};
		at += cutting->sizes[i];
	}
	ck_assert_uint_eq(at, RAM_END);
	if (cutting->count > MAPPED_MAX)
		make_arena(h, configs, cutting->count);
	configs[cutting->count] = (struct gm_region_config){
		.start = ROM_BASE,
		.size = ROM_SIZE,
		.flags = GM_REGION_READ_ONLY,
	};
	ck_assert_int_eq(gm_memory_from_configs(configs, cutting->count + 1, &h->memory, NULL), 0);
	free(configs);
}

/* --- the device ------------------------------------------------------------------------------ */

static void irq_count(struct irq_line *line)
{
	__atomic_add_fetch(&((struct test_irq *)line)->count, 1, __ATOMIC_SEQ_CST);
}

const struct device_type *type_named(const char *name)
{
	for (const struct device_type *const *type = device_types; *type; type++) {
		if (strcmp((*type)->name, name) == 0)
			return *type;
	}
	ck_abort_msg("no device type %s", name);
}

static void make_device(struct harness *h, const struct device_type *type, const char *args,
			struct notify_line *notify)
{
	struct report report = {0};

	ck_assert_int_eq(gm_cell_new(h->memory, &h->cell), 0);
	h->loop = loop_new();
	ck_assert_ptr_nonnull(h->loop);
	ck_assert_msg(type->create("--test", args, h->loop, &h->dev, &report) == 0, "%s",
		      report.text);
	if (driver_uses_pci())
		harness_plug_pci(h, notify);
	else
		ck_assert_int_eq(virtio_mmio_new(h->dev, h->cell, h->loop, &h->irq.line, notify,
						 &h->mmio, &report),
				 0);
	for (unsigned int i = 0; i < HARNESS_QUEUES; i++)
		driver_place(h, i, driver_ring_area(i), 64);
}

void harness_new(struct harness *h, const struct cutting *cutting, const struct device_type *type,
		 const char *args, struct notify_line *notify)
{
	*h = (struct harness){.image = -1, .irq.line.pulse = irq_count};
	make_memory(h, cutting);
	make_device(h, type, args, notify);
}

void harness_new_on(struct harness *h, struct gm_memory *memory, const struct device_type *type,
		    const char *args)
{
	*h = (struct harness){.image = -1, .irq.line.pulse = irq_count, .memory = memory};
	make_device(h, type, args, NULL);
}

static void *run_loop(void *loop)
{
	loop_run(loop);
	return NULL;
}

static void settle_ready(void *arg, uint32_t events)
{
	struct harness *h = arg;
	uint64_t count;

	(void)events;
	ck_assert_int_eq(read(h->settle, &count, sizeof(count)), sizeof(count));
	sem_post(&h->settled);
}

void harness_run(struct harness *h)
{
	ck_assert(!h->running);
	ck_assert_int_eq(sem_init(&h->settled, 0, 0), 0);
	h->settle = eventfd(0, EFD_CLOEXEC);
	ck_assert_int_ge(h->settle, 0);
	h->settle_watch = loop_add(h->loop, h->settle, EPOLLIN, settle_ready, h);
	ck_assert_ptr_nonnull(h->settle_watch);
	ck_assert_int_eq(pthread_create(&h->thread, NULL, run_loop, h->loop), 0);
	h->running = true;
}

void harness_settle(struct harness *h)
{
	const uint64_t one = 1;
	struct timespec deadline;

	/* Twice: what was ready may have left the rest of its work for the loop's next turn. */
	for (unsigned int i = 0; i < 2; i++) {
		clock_gettime(CLOCK_REALTIME, &deadline);
		deadline.tv_sec += PATIENCE_S;
		ck_assert_int_eq(write(h->settle, &one, sizeof(one)), sizeof(one));
		ck_assert_msg(sem_timedwait(&h->settled, &deadline) == 0, "the loop hangs");
	}
}

void harness_free(struct harness *h)
{
	if (h->running) {
		loop_stop(h->loop, 0);
		pthread_join(h->thread, NULL);
		loop_remove(h->settle_watch);
		close(h->settle);
		sem_destroy(&h->settled);
	}
	if (h->mmio)
		virtio_mmio_free(h->mmio);
	else
		harness_unplug_pci(h);
	loop_free(h->loop);
	if (h->arena)
		check_arena(h);
	gm_cell_free(h->cell);
	gm_memory_put(h->memory);
	if (h->arena)
		munmap(h->arena, h->arena_size);
	if (h->image >= 0)
		close(h->image);
}

void sector_pattern(uint8_t *data, uint64_t sector)
{
	for (unsigned int i = 0; i < 512; i++)
		data[i] = (uint8_t)(sector * 37 + i * UINT64_C(11) + (i >> 8) + 1);
}

void harness_blk(struct harness *h, const struct cutting *cutting, unsigned int sectors,
		 const char *words)
{
	int image = memfd_create("disk", MFD_CLOEXEC);
	uint8_t data[512];
	char args[80];

	ck_assert_int_ge(image, 0);
	for (unsigned int i = 0; i < sectors; i++) {
		sector_pattern(data, i);
		ck_assert_int_eq(pwrite(image, data, 512, (off_t)i * 512), 512);
	}
	snprintf(args, sizeof(args), "/proc/self/fd/%d%s", image, words);
	harness_new(h, cutting, type_named("disk"), args, NULL);
	h->image = image;
	/* What is not done at once is done on the loop's thread. */
	harness_run(h);
}

uint32_t reg_read(struct harness *h, uint64_t offset)
{
	uint32_t value = 0xdeadbeef;

	if (!h->mmio)
		return pci_reg_read(h, offset);
	virtio_mmio_bus_ops.read(h->mmio, offset, &value, sizeof(value));
	return le32toh(value);
}

void reg_write(struct harness *h, uint64_t offset, uint32_t value)
{
	if (!h->mmio) {
		pci_reg_write(h, offset, value);
		return;
	}
	value = htole32(value);
	virtio_mmio_bus_ops.write(h->mmio, offset, &value, sizeof(value));
}

void driver_config(struct harness *h, uint32_t offset, void *data, unsigned int len)
{
	uint8_t *bytes = data;

	for (unsigned int i = 0; i < len; i++) {
		if (h->mmio)
			virtio_mmio_bus_ops.read(h->mmio, VIRTIO_MMIO_CONFIG + offset + i,
						 bytes + i, 1);
		else
			bytes[i] = (uint8_t)pci_bar(h, HARNESS_CONFIG + offset + i, 1);
	}
}

/* --- bringing it up -------------------------------------------------------------------------- */

gm_addr driver_ring_area(unsigned int index)
{
	/* The first two far apart, for tests that let one queue run over its part. */
	return RAM_BASE + index % 2 * (RING_AREA / 2) + index / 2 * (RING_AREA / 16);
}

void driver_place(struct harness *h, unsigned int index, gm_addr at, uint16_t size)
{
	/* A device may offer fewer entries than tests like. */
	if (index < h->dev->queue_count && size > h->dev->queues[index].max_size)
		size = h->dev->queues[index].max_size;
	h->queues[index] = (struct driver_queue){
		.index = index,
		.size = size,
		.desc = at,
		.avail = at + 16ULL * size,
		.used = (at + 16ULL * size + 6 + 2ULL * size + 3) & ~UINT64_C(3),
	};
}

bool driver_negotiate(struct harness *h, uint64_t features)
{
	uint64_t offered;

	reg_write(h, VIRTIO_MMIO_STATUS, 0);
	reg_write(h, VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	reg_write(h, VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER);
	reg_write(h, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 1);
	offered = (uint64_t)reg_read(h, VIRTIO_MMIO_DEVICE_FEATURES) << 32;
	reg_write(h, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 0);
	offered |= reg_read(h, VIRTIO_MMIO_DEVICE_FEATURES);
	h->features = features & offered;
	for (uint32_t i = 0; i < 2; i++) {
		reg_write(h, VIRTIO_MMIO_DRIVER_FEATURES_SEL, i);
		reg_write(h, VIRTIO_MMIO_DRIVER_FEATURES, (uint32_t)(h->features >> 32 * i));
	}
	reg_write(h, VIRTIO_MMIO_STATUS,
		  reg_read(h, VIRTIO_MMIO_STATUS) | VIRTIO_CONFIG_S_FEATURES_OK);
	return reg_read(h, VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_FEATURES_OK;
}

void driver_clear_rings(struct harness *h, struct driver_queue *q)
{
	q->packed = h->features & FEATURE(VIRTIO_F_RING_PACKED);
	q->avail_wrap = true;
	q->used_wrap = true;
	q->next_desc = 0;
	q->avail_idx = 0;
	q->used_idx = 0;
	mem_fill(h, q->desc, 0, 16ULL * q->size);
	mem_fill(h, q->avail, 0, 6 + 2ULL * q->size);
	mem_fill(h, q->used, 0, 6 + 8ULL * q->size);
}

void driver_set_queue(struct harness *h, struct driver_queue *q)
{
	reg_write(h, VIRTIO_MMIO_QUEUE_SEL, q->index);
	reg_write(h, VIRTIO_MMIO_QUEUE_NUM, q->size);
	reg_write(h, VIRTIO_MMIO_QUEUE_DESC_LOW, (uint32_t)q->desc);
	reg_write(h, VIRTIO_MMIO_QUEUE_DESC_HIGH, (uint32_t)(q->desc >> 32));
	reg_write(h, VIRTIO_MMIO_QUEUE_AVAIL_LOW, (uint32_t)q->avail);
	reg_write(h, VIRTIO_MMIO_QUEUE_AVAIL_HIGH, (uint32_t)(q->avail >> 32));
	reg_write(h, VIRTIO_MMIO_QUEUE_USED_LOW, (uint32_t)q->used);
	reg_write(h, VIRTIO_MMIO_QUEUE_USED_HIGH, (uint32_t)(q->used >> 32));
	reg_write(h, VIRTIO_MMIO_QUEUE_READY, 1);
}

void driver_start(struct harness *h, uint64_t features)
{
	ck_assert(driver_negotiate(h, features | driver_ring_features() | VERSION_1));
	for (unsigned int i = 0; i < h->dev->queue_count; i++) {
		driver_clear_rings(h, &h->queues[i]);
		driver_set_queue(h, &h->queues[i]);
		ck_assert_uint_eq(reg_read(h, VIRTIO_MMIO_QUEUE_READY), 1);
	}
	reg_write(h, VIRTIO_MMIO_STATUS, reg_read(h, VIRTIO_MMIO_STATUS) | VIRTIO_CONFIG_S_DRIVER_OK);
	ck_assert_uint_eq(reg_read(h, VIRTIO_MMIO_STATUS), 0xf);
}

/* --- queues ---------------------------------------------------------------------------------- */

void put_desc(struct harness *h, gm_addr table, unsigned int index, gm_addr addr, uint32_t len,
	      uint16_t flags, uint16_t next)
{
	struct {
		gm_le64_t addr;
		gm_le32_t len;
		gm_le16_t flags;
		gm_le16_t next;
	} desc = {gm_le64(addr), gm_le32(len), gm_le16(flags), gm_le16(next)};

	mem_write(h, table + 16ULL * index, &desc, sizeof(desc));
}

void put_avail_idx(struct harness *h, struct driver_queue *q, uint16_t idx)
{
	q->avail_idx = idx;
	ck_assert_int_eq(gm_store_u16(h->memory, q->avail + 2, htole16(idx), __ATOMIC_RELEASE), 0);
}

void put_avail(struct harness *h, struct driver_queue *q, uint16_t head)
{
	uint16_t entry = htole16(head);

	mem_write(h, q->avail + 4 + 2ULL * (q->avail_idx % q->size), &entry, sizeof(entry));
	put_avail_idx(h, q, (uint16_t)(q->avail_idx + 1));
}

static uint16_t take_desc(struct driver_queue *q)
{
	uint16_t index = q->next_desc;

	q->next_desc = (uint16_t)((index + 1) % q->size);
	return index;
}

uint16_t driver_add(struct harness *h, struct driver_queue *q, const struct buffer *buffers,
		    unsigned int count, gm_addr table)
{
	uint16_t head, index;

	if (q->packed)
		return packed_add(h, q, buffers, count, table);
	head = take_desc(q);
	index = head;
	for (unsigned int i = 0; i < count; i++) {
		bool more = i + 1 < count;
		uint16_t flags = (buffers[i].write ? VRING_DESC_F_WRITE : 0) |
				 (more ? VRING_DESC_F_NEXT : 0);
		uint16_t next = (uint16_t)(i + 1);

		if (table) {
			put_desc(h, table, i, buffers[i].addr, buffers[i].len, flags, next);
			continue;
		}
		next = more ? take_desc(q) : 0;
		put_desc(h, q->desc, index, buffers[i].addr, buffers[i].len, flags, next);
		index = next;
	}
	if (table)
		put_desc(h, q->desc, head, table, 16 * count, VRING_DESC_F_INDIRECT, 0);
	put_avail(h, q, head);
	return head;
}

void driver_kick(struct harness *h, struct driver_queue *q)
{
	reg_write(h, VIRTIO_MMIO_QUEUE_NOTIFY, q->index);
}

bool driver_used(struct harness *h, struct driver_queue *q, uint32_t *head, uint32_t *len)
{
	uint16_t idx;
	uint32_t elem[2];

	if (q->packed)
		return packed_used(h, q, head, len);
	ck_assert_int_eq(gm_load_u16(h->memory, q->used + 2, &idx, __ATOMIC_ACQUIRE), 0);
	if (le16toh(idx) == q->used_idx)
		return false;
	mem_read(h, q->used + 4 + 8ULL * (q->used_idx % q->size), elem, sizeof(elem));
	*head = le32toh(elem[0]);
	*len = le32toh(elem[1]);
	q->used_idx++;
	return true;
}

void driver_await(struct harness *h, struct driver_queue *q, uint32_t *head, uint32_t *len)
{
	for (unsigned int i = 0; !driver_used(h, q, head, len); i++) {
		ck_assert_msg(i < PATIENCE_S * 20000, "queue %u: nothing came back", q->index);
		usleep(50);
	}
	virtio_lock(h->dev);
	virtio_unlock(h->dev);
}

/* --- memory ---------------------------------------------------------------------------------- */

void mem_write(struct harness *h, gm_addr addr, const void *data, size_t len)
{
	ck_assert_int_eq(gm_write_exact(h->memory, addr, data, len, NULL), 0);
}

void mem_read(struct harness *h, gm_addr addr, void *data, size_t len)
{
	ck_assert_int_eq(gm_read_exact(h->memory, addr, data, len, NULL), 0);
}

void mem_fill(struct harness *h, gm_addr addr, uint8_t byte, size_t len)
{
	uint8_t *data = malloc(len);

	ck_assert_ptr_nonnull(data);
	memset(data, byte, len);
	mem_write(h, addr, data, len);
	free(data);
}

uint8_t mem_byte(struct harness *h, gm_addr addr)
{
	uint8_t byte;

	mem_read(h, addr, &byte, 1);
	return byte;
}

/* --- block requests -------------------------------------------------------------------------- */

void blk_put_header(struct harness *h, gm_addr addr, uint32_t type, uint64_t sector)
{
	struct {
		gm_le32_t type, reserved;
		gm_le64_t sector;
	} header = {gm_le32(type), gm_le32(0), gm_le64(sector)};

	mem_write(h, addr, &header, sizeof(header));
}

uint8_t blk_request(struct harness *h, uint32_t type, uint64_t sector, gm_addr data, uint32_t len,
		    uint32_t *used_len)
{
	struct driver_queue *q = &h->queues[0];
	struct buffer chain[3] = {{REQUEST_HEADER, 16, false}};
	unsigned int count = 1;
	uint32_t head, written;
	uint16_t added;

	blk_put_header(h, REQUEST_HEADER, type, sector);
	mem_fill(h, REQUEST_STATUS, 0xee, 1);
	if (len)
		chain[count++] = (struct buffer){data, len, type != VIRTIO_BLK_T_OUT};
	chain[count++] = (struct buffer){REQUEST_STATUS, 1, true};
	added = driver_add(h, q, chain, count, 0);
	driver_kick(h, q);
	driver_await(h, q, &head, &written);
	ck_assert_uint_eq(head, added);
	if (used_len)
		*used_len = written;
	return mem_byte(h, REQUEST_STATUS);
}

bool needs_reset(struct harness *h)
{
	return reg_read(h, VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET;
}

void assert_works(struct harness *h)
{
	uint8_t want[512], got[512];

	driver_start(h, 0);
	ck_assert_uint_eq(blk_request(h, VIRTIO_BLK_T_IN, 3, BUFFERS, 512, NULL), VIRTIO_BLK_S_OK);
	sector_pattern(want, 3);
	mem_read(h, BUFFERS, got, 512);
	ck_assert_mem_eq(got, want, 512);
}

void assert_broken_then_works(struct harness *h)
{
	struct driver_queue *q = &h->queues[0];
	uint16_t before, after;

	ck_assert(needs_reset(h));
	ck_assert(reg_read(h, VIRTIO_MMIO_INTERRUPT_STATUS) & VIRTIO_MMIO_INT_CONFIG);
	/* Broken means silent: a proper request gets no answer. */
	if (gm_load_u16(h->memory, q->used + 2, &before, __ATOMIC_RELAXED) == 0) {
		driver_kick(h, q);
		ck_assert_int_eq(gm_load_u16(h->memory, q->used + 2, &after, __ATOMIC_RELAXED), 0);
		ck_assert_uint_eq(before, after);
	}
	for (unsigned int i = 0; i < HARNESS_QUEUES; i++)
		driver_place(h, i, driver_ring_area(i), 64);
	assert_works(h);
}
