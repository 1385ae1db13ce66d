/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Step 3: the first sector of a virtio disk, read and printed. */
#include <stddef.h>
#include <stdint.h>

/* The beginning of the PVH start info. */
struct start_info {
	uint32_t magic, version, flags, module_count;
	uint64_t modules, cmdline;
};

/* Registers of virtio-mmio. */
enum {
	MAGIC = 0x00,
	VERSION = 0x04,
	DEVICE_ID = 0x08,
	DRIVER_FEATURES = 0x20,
	DRIVER_FEATURES_SELECT = 0x24,
	QUEUE_SELECT = 0x30,
	QUEUE_SIZE = 0x38,
	QUEUE_READY = 0x44,
	QUEUE_NOTIFY = 0x50,
	STATUS = 0x70,
	QUEUE_DESC = 0x80,
	QUEUE_DRIVER = 0x90,
	QUEUE_DEVICE = 0xa0,
};

enum { ACKNOWLEDGE = 1, DRIVER = 2, DRIVER_OK = 4, FEATURES_OK = 8 };

#define ID_BLOCK     2
#define FEATURE_VER1 32 /* bit 0 of the second word */
#define DESC_NEXT    1
#define DESC_WRITE   2 /* the device writes there */
#define SECTOR       512
#define SIZE         4
#define REQUEST_IN   0 /* a read */

struct descriptor {
	uint64_t address;
	uint32_t length;
	uint16_t flags, next;
};

struct available {
	uint16_t flags, index, ring[SIZE];
};

struct used {
	uint16_t flags, index;
	struct {
		uint32_t head, length;
	} ring[SIZE];
};

struct request {
	uint32_t type, reserved;
	uint64_t sector;
};

static _Alignas(16) struct descriptor descriptors[SIZE];
static _Alignas(2) struct available available;
static _Alignas(4) volatile struct used used;
static char data[SECTOR + 1];
static volatile uint8_t status;
static volatile uint8_t *device;

static inline void outb(uint16_t port, uint8_t value)
{
	asm volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static void print(const char *text)
{
	while (*text)
		outb(0x3f8, (uint8_t)*text++);
}

/* 0xf8 takes the exit status; the processor does not come back. */
static void leave(uint32_t status)
{
	asm volatile("outl %0, %1" : : "a"(status), "Nd"((uint16_t)0xf8));
}

static uint32_t get(uint32_t reg)
{
	return *(volatile uint32_t *)(device + reg);
}

static void set(uint32_t reg, uint32_t value)
{
	*(volatile uint32_t *)(device + reg) = value;
}

static void set_address(uint32_t reg, const volatile void *address)
{
	set(reg, (uint32_t)(uint64_t)address);
	set(reg + 4, (uint32_t)((uint64_t)address >> 32));
}

/* The number behind the first '@' of "virtio_mmio.device=0x1000@0xfeb00000:5", or 0. */
static uint64_t find_device(const char *words)
{
	uint64_t address = 0;

	while (*words && *words != '@')
		words++;
	if (*words != '@' || words[1] != '0' || words[2] != 'x')
		return 0;
	for (words += 3; *words && *words != ':'; words++)
		address = address << 4 | (uint64_t)(*words <= '9' ? *words - '0' : *words - 'a' + 10);
	return address;
}

static int set_up_device(void)
{
	if (get(MAGIC) != 0x74726976 || get(VERSION) != 2 || get(DEVICE_ID) != ID_BLOCK)
		return -1;
	set(STATUS, 0); /* reset */
	set(STATUS, ACKNOWLEDGE | DRIVER);
	set(DRIVER_FEATURES_SELECT, FEATURE_VER1 / 32);
	set(DRIVER_FEATURES, 1u << FEATURE_VER1 % 32);
	set(DRIVER_FEATURES_SELECT, 0);
	set(DRIVER_FEATURES, 0);
	set(STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK);
	if (!(get(STATUS) & FEATURES_OK))
		return -1;
	set(QUEUE_SELECT, 0);
	set(QUEUE_SIZE, SIZE);
	set_address(QUEUE_DESC, descriptors);
	set_address(QUEUE_DRIVER, &available);
	set_address(QUEUE_DEVICE, &used);
	set(QUEUE_READY, 1);
	set(STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
	return 0;
}

/* One request: what it is, where the data goes, where the answer goes. */
static int read_sector(uint64_t sector)
{
	struct request request = {.type = REQUEST_IN, .sector = sector};

	descriptors[0] = (struct descriptor){(uint64_t)&request, sizeof(request), DESC_NEXT, 1};
	descriptors[1] = (struct descriptor){(uint64_t)data, SECTOR, DESC_NEXT | DESC_WRITE, 2};
	descriptors[2] = (struct descriptor){(uint64_t)&status, 1, DESC_WRITE, 0};
	available.ring[0] = 0;
	/* The device must not see the index before what it stands for. */
	__atomic_store_n(&available.index, 1, __ATOMIC_RELEASE);
	set(QUEUE_NOTIFY, 0);
	while (__atomic_load_n(&used.index, __ATOMIC_ACQUIRE) != 1)
		asm volatile("pause");
	return status;
}

void kernel_main(const struct start_info *info)
{
	device = (volatile uint8_t *)find_device((const char *)info->cmdline);
	if (!device || set_up_device()) {
		print("no disk\n");
		leave(1);
	}
	if (read_sector(0)) {
		print("the disk cannot read\n");
		leave(1);
	}
	print(data);
	leave(0);
}
