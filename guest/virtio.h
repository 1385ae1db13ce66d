/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * A driver's side of virtio: the virtio-mmio transport (version 2), what virtio-pci.h has in its
 * place, and virtqueues, packed or split, whose three parts can be placed anywhere. One chain is in
 * flight at a time, and descriptors are taken in the order of the ring. virtio 1.2, sections 2 and 4.
 */
#ifndef GUEST_VIRTIO_H
#define GUEST_VIRTIO_H

#include <stdbool.h>
#include <stdint.h>

/* Registers of virtio-mmio; the names serve for virtio-pci too. */
#define VIRTIO_MAGIC           0x000
#define VIRTIO_VERSION         0x004
#define VIRTIO_DEVICE_ID       0x008
#define VIRTIO_DEVICE_FEATURES 0x010
#define VIRTIO_DEVICE_SELECT   0x014
#define VIRTIO_DRIVER_FEATURES 0x020
#define VIRTIO_DRIVER_SELECT   0x024
#define VIRTIO_QUEUE_SELECT    0x030
#define VIRTIO_QUEUE_NUM_MAX   0x034
#define VIRTIO_QUEUE_NUM       0x038
#define VIRTIO_QUEUE_READY     0x044
#define VIRTIO_QUEUE_NOTIFY    0x050
#define VIRTIO_INT_STATUS      0x060
#define VIRTIO_INT_ACK         0x064
#define VIRTIO_STATUS          0x070
#define VIRTIO_QUEUE_DESC      0x080
#define VIRTIO_QUEUE_AVAIL     0x090
#define VIRTIO_QUEUE_USED      0x0a0
#define VIRTIO_QUEUE_RESET     0x0c0
#define VIRTIO_GENERATION      0x0fc
#define VIRTIO_CONFIG          0x100

#define VIRTIO_MAGIC_VALUE 0x74726976

#define VIRTIO_ID_NET     1
#define VIRTIO_ID_BLOCK   2
#define VIRTIO_ID_CONSOLE 3
#define VIRTIO_ID_RNG     4
#define VIRTIO_ID_BALLOON 5
#define VIRTIO_ID_VSOCK   19

#define STATUS_ACKNOWLEDGE 0x01
#define STATUS_DRIVER      0x02
#define STATUS_DRIVER_OK   0x04
#define STATUS_FEATURES_OK 0x08
#define STATUS_NEEDS_RESET 0x40
#define STATUS_FAILED      0x80

#define INT_CONFIG 0x02

#define FEATURE_INDIRECT_DESC (1ull << 28)
#define FEATURE_EVENT_IDX     (1ull << 29)
#define FEATURE_VERSION_1     (1ull << 32)
#define FEATURE_RING_PACKED   (1ull << 34)
#define FEATURE_IN_ORDER      (1ull << 35)
#define FEATURE_RING_RESET    (1ull << 40)

/* The descriptor table, rings and queue size of a queue that no test places elsewhere. */
#define QUEUE_SIZE 16

struct pci_places;

struct virtio_device {
	uint64_t base;          /* of the register page */
	struct pci_places *pci; /* or where the function has them; NULL: none */
	uint32_t pin; /* of the IOAPIC, or whose vector MSI-X has; PIN_COUNT or above: none */
	uint32_t id;
	uint64_t features;    /* negotiated */
	volatile bool broken; /* the device asked for a reset; by its interrupt */
};

/* Where a queue is; 0 stands for a place in the kernel's image. */
struct virtq_place {
	uint16_t size;  /* 0: QUEUE_SIZE */
	uint64_t desc;  /* aligned to 16 */
	uint64_t avail; /* to 2; packed: the driver's event suppression, to 4 */
	uint64_t used;  /* to 4; packed: the device's event suppression */
};

struct virtq {
	struct virtio_device *device;
	uint16_t index;
	uint16_t size;
	bool packed;
	bool event_idx;
	uint16_t posted;     /* chains so far; split: what the avail index is */
	uint16_t head;       /* first descriptor of the chain in flight */
	uint16_t next;       /* behind its last */
	bool wrap;           /* packed: the wrap counter at @next */
	bool head_wrap;      /* and at @head */
	uint16_t head_flags; /* packed: that made the chain available */
	uint8_t *desc;
	uint8_t *avail;
	uint8_t *used;
};

/* One element of a chain. */
struct buffer {
	uint64_t address;
	uint32_t len;
	bool device_writes;
};

/* Look for devices on the command line and, where it has none, on PCI; let their interrupts in. */
void virtio_init(void);

/* The @nth device with this id, or NULL. VIRTIO_ID_ANY: with any. */
#define VIRTIO_ID_ANY 0
struct virtio_device *virtio_find(uint32_t id, unsigned int nth);

/* Ring 0, from the interrupt of @pin. */
void virtio_acknowledge(unsigned int pin);

uint32_t virtio_read(const struct virtio_device *device, uint32_t reg);
void virtio_write(const struct virtio_device *device, uint32_t reg, uint32_t value);
void virtio_write64(const struct virtio_device *device, uint32_t reg, uint64_t value);

/* Before the selected queue of @index is started: its interrupts and notifications. */
void virtio_route_queue(struct virtio_device *device, uint16_t index);

/* Eight bytes of the configuration, as they were at one time. */
uint64_t virtio_config64(const struct virtio_device *device, uint32_t offset);

uint64_t virtio_offered(const struct virtio_device *device);

/*
 * Reset and negotiate @wanted, so far as it is offered, VERSION_1, IN_ORDER and, unless the command
 * line says ring=split, RING_PACKED. Then set up queues.
 */
bool virtio_start(struct virtio_device *device, uint64_t wanted);
bool virtq_setup(struct virtq *queue, struct virtio_device *device, uint16_t index,
		 const struct virtq_place *place);
void virtio_ready(struct virtio_device *device);

/* Stop a queue without the device (RING_RESET). False: it is not stopped. */
bool virtq_reset(struct virtq *queue);

/*
 * Publish a chain of @count buffers, and notify if the device wants that; through an indirect table
 * at @indirect unless that is 0. virtq_wait() halts until the chain comes back: false if it never
 * does, or if it is not this one that does. *written is what the device says it wrote.
 */
void virtq_post(struct virtq *queue, const struct buffer *buffers, unsigned int count,
		uint64_t indirect);
bool virtq_wait(struct virtq *queue, uint32_t *written);

#endif
