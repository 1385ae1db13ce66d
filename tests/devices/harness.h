/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * A virtio driver for tests: guest memory cut as the test likes, one device behind its register
 * page or on a PCI bus, and the driver side of split and packed queues, polite or not.
 *
 * The driver places rings and buffers by guest address and never sees where the memory is cut, so
 * that one test runs on any cutting. Notifications are plain register writes and are served before
 * they return, unless a test attaches a notify line and runs the loop.
 */
#ifndef TESTS_DEVICES_HARNESS_H
#define TESTS_DEVICES_HARNESS_H

#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>
#include <pthread.h>
#include <semaphore.h>

#include "devices/devices.h"
#include "devices/virtio-mmio.h"
#include "devices/virtio-pci.h"
#include "guestmem/guestmem.h"
#include "tests/runner.h"

#define FEATURE(bit) (UINT64_C(1) << (bit))
#define VERSION_1    FEATURE(VIRTIO_F_VERSION_1)

/* RAM of every harness: rings in the first part, buffers behind them. */
#define RAM_BASE  UINT64_C(0x100000)
#define RAM_SIZE  UINT64_C(0x100000)
#define RAM_END   (RAM_BASE + RAM_SIZE)
#define RING_AREA UINT64_C(0x8000)
#define BUFFERS   (RAM_BASE + RING_AREA)
/* Buffers that the finest of random cuttings cuts as it does the rings, besides 4 KiB at BUFFERS. */
#define FINE_BUFFERS (RAM_BASE + UINT64_C(0x98000))
#define FINE_SIZE    UINT64_C(0x2000)
/* A read-only region far from RAM, and an address where nothing is. */
#define ROM_BASE UINT64_C(0x80000000)
#define ROM_SIZE UINT64_C(0x4000)
#define HOLE     UINT64_C(0x40000000)

/* How RAM is cut: the sizes of adjacent regions from RAM_BASE on; their sum is RAM_SIZE. */
struct cutting {
	uint64_t *sizes;
	size_t count;
};

struct cutting cutting_whole(void);
struct cutting cutting_every(uint64_t size);
/* Two regions, with the boundary at @addr. */
struct cutting cutting_at(gm_addr addr);
/* Style by @round: page multiples, odd sizes, bytes. Ring indexes stay in one piece. */
struct cutting cutting_random(struct test_random *random, unsigned int round);
void cutting_free(struct cutting *cutting);

#define HARNESS_QUEUES 16

#define HARNESS_QUEUE_SIZE 256 /* the largest packed queue */

/* The driver's view of one queue. */
struct driver_queue {
	unsigned int index;
	uint16_t size;
	gm_addr desc, avail, used;
	uint16_t next_desc; /* descriptors are taken in a ring */
	uint16_t avail_idx;
	uint16_t used_idx; /* next used entry to take */
	/* Packed rings, where next_desc and used_idx are indexes of the ring. */
	bool packed, avail_wrap, used_wrap;
	uint16_t spans[HARNESS_QUEUE_SIZE]; /* by buffer id: entries of its chain */
};

struct test_irq {
	struct irq_line line;
	unsigned int count; /* atomic */
};

#define HARNESS_MESSAGES 16

/* On virtio-pci: the bus, the function at HARNESS_SLOT, what it sent. */
struct harness_pci {
	struct msi_sink sink;
	unsigned int *count; /* atomic: the harness's interrupts */
	uint64_t last_address;
	uint32_t messages[HARNESS_MESSAGES]; /* number n of them at n modulo that */
	struct pci_bus bus;
	struct virtio_pci *function;
	uint32_t isr; /* read and not acknowledged */
};

struct harness {
	struct gm_memory *memory;
	uint8_t *arena; /* where RAM of very many regions is, or NULL */
	size_t arena_size;
	struct gm_cell *cell;
	struct loop *loop;
	struct test_irq irq;
	struct virtio_device *dev;
	struct virtio_mmio *mmio; /* NULL: it is on the bus */
	struct harness_pci pci;
	int image; /* of harness_blk() */
	pthread_t thread;
	bool running; /* the loop, on that thread */
	int settle;   /* an eventfd of the loop, while it runs */
	struct loop_watch *settle_watch;
	sem_t settled;
	uint64_t features;
	struct driver_queue queues[HARNESS_QUEUES];
};

/* A buffer of a chain. */
struct buffer {
	gm_addr addr;
	uint32_t len;
	bool write; /* for the device to write */
};

/* Make a device type's device with @args and put it behind a register page. */
void harness_new(struct harness *h, const struct cutting *cutting, const struct device_type *type,
		 const char *args, struct notify_line *notify);
/* The same on a memory of the test's own, which becomes the harness's. */
void harness_new_on(struct harness *h, struct gm_memory *memory, const struct device_type *type,
		    const char *args);
void harness_free(struct harness *h);

/* Run the loop on a thread of its own, as the monitor does, until harness_free(). */
void harness_run(struct harness *h);
/* Return when the loop has handled all that was ready when this was called. */
void harness_settle(struct harness *h);

/* A disk of @sectors (each filled with a pattern of its number) with @words like ",ro". */
void harness_blk(struct harness *h, const struct cutting *cutting, unsigned int sectors,
		 const char *words);
const struct device_type *type_named(const char *name);

/* Registers by virtio-mmio's names, whatever the transport; the configuration structure. */
uint32_t reg_read(struct harness *h, uint64_t offset);
void reg_write(struct harness *h, uint64_t offset, uint32_t value);
void driver_config(struct harness *h, uint32_t offset, void *data, unsigned int len);

/* Reset, negotiate what of @features is offered, set all queues up, go. */
void driver_start(struct harness *h, uint64_t features);
/* The steps of it. */
bool driver_negotiate(struct harness *h, uint64_t features);
void driver_set_queue(struct harness *h, struct driver_queue *q);
void driver_clear_rings(struct harness *h, struct driver_queue *q);
/*
 * Where driver_start() puts the rings of queue @index; tests change it before. @size is less if the
 * device offers less.
 */
void driver_place(struct harness *h, unsigned int index, gm_addr at, uint16_t size);
/* Where queue @index is by default: RING_AREA / 16 bytes, up to 64 entries; behind the first two is more. */
gm_addr driver_ring_area(unsigned int index);

/*
 * What ring driver_start() asks for if its caller does not: fixtures, so that tests that know only
 * driver_add(), driver_kick() and driver_used() run on both.
 */
void driver_use_packed(void);
void driver_use_split(void);
uint64_t driver_ring_features(void);

/* What transport harness_new() puts a device behind; virtio-mmio unless told otherwise. */
void driver_use_pci(bool pci);
bool driver_uses_pci(void);

/* Of harnesses on virtio-pci: where things are, and accesses to them. */
#define HARNESS_SLOT        3
#define HARNESS_WINDOW      0xe0000000U
#define HARNESS_WINDOW_SIZE 0x100000U
#define HARNESS_MSIX        0x40 /* the capability */
#define HARNESS_ISR         0x0800
#define HARNESS_CONFIG      0x1000
#define HARNESS_NOTIFY      0x2000
#define HARNESS_TABLE       0x3000
#define HARNESS_PBA         0x3800
#define HARNESS_VECTOR      0x30 /* data of the first message; those behind follow */

void harness_plug_pci(struct harness *h, struct notify_line *notify);
void harness_unplug_pci(struct harness *h);
void harness_switch_on(struct harness *h);
uint32_t pci_config(struct harness *h, unsigned int offset, unsigned int len);
void pci_set_config(struct harness *h, unsigned int offset, unsigned int len, uint32_t value);
uint64_t pci_bar(struct harness *h, uint32_t offset, unsigned int len);
void pci_set_bar(struct harness *h, uint32_t offset, unsigned int len, uint64_t value);
uint32_t pci_reg_read(struct harness *h, uint64_t offset);
void pci_reg_write(struct harness *h, uint64_t offset, uint32_t value);

/* Raw words of the ring. */
void put_desc(struct harness *h, gm_addr table, unsigned int index, gm_addr addr, uint32_t len,
	      uint16_t flags, uint16_t next);
void put_avail(struct harness *h, struct driver_queue *q, uint16_t head);
void put_avail_idx(struct harness *h, struct driver_queue *q, uint16_t idx);

/* A polite chain, direct or through an indirect table at @table (0: direct). Returns its head. */
uint16_t driver_add(struct harness *h, struct driver_queue *q, const struct buffer *buffers,
		    unsigned int count, gm_addr table);
void driver_kick(struct harness *h, struct driver_queue *q);
/* Take a used entry; false if there is none. */
bool driver_used(struct harness *h, struct driver_queue *q, uint32_t *head, uint32_t *len);
/*
 * The same, waiting for a device that works on the loop's thread. Once it returns the device is
 * through with what it did in that hold of its lock: event words, counters and interrupts stand.
 */
void driver_await(struct harness *h, struct driver_queue *q, uint32_t *head, uint32_t *len);

/* The parts of these for packed queues, and one descriptor with its flags written last. */
uint16_t packed_add(struct harness *h, struct driver_queue *q, const struct buffer *buffers,
		    unsigned int count, gm_addr table);
bool packed_used(struct harness *h, struct driver_queue *q, uint32_t *head, uint32_t *len);
void packed_put_desc(struct harness *h, gm_addr table, unsigned int index, gm_addr addr,
		     uint32_t len, uint16_t id, uint16_t flags);
/* The flags that make the entry at next_desc the device's. */
uint16_t packed_owned_by_device(const struct driver_queue *q);

/* Guest memory, and no way to fail. */
void mem_write(struct harness *h, gm_addr addr, const void *data, size_t len);
void mem_read(struct harness *h, gm_addr addr, void *data, size_t len);
void mem_fill(struct harness *h, gm_addr addr, uint8_t byte, size_t len);
uint8_t mem_byte(struct harness *h, gm_addr addr);

/* One block request in the plain shape (header, data, status at fixed places); its status. */
uint8_t blk_request(struct harness *h, uint32_t type, uint64_t sector, gm_addr data, uint32_t len,
		    uint32_t *used_len);
/* A request's header at @addr. */
void blk_put_header(struct harness *h, gm_addr addr, uint32_t type, uint64_t sector);
/* What harness_blk() put into sector @sector. */
void sector_pattern(uint8_t *data, uint64_t sector);

/*
 * The end of every hostile case: the device says NEEDS_RESET, has interrupted for it, serves
 * nothing more, and works as on the first day after a reset.
 */
void assert_broken_then_works(struct harness *h);
/* Reset and read a sector. */
void assert_works(struct harness *h);
bool needs_reset(struct harness *h);

#endif
