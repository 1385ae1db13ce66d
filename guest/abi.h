/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * What the test kernel and whoever runs it agree on: ports, the region table, command line keys,
 * and the data it leaves on disks and consoles, so that a host-side test can compute what must be
 * there. Needs nothing but <stdint.h>; included by the kernel and by host programs alike. The
 * hardware both sides talk about (virtio, 16550, APICs) is specified elsewhere and not repeated.
 */
#ifndef GUEST_ABI_H
#define GUEST_ABI_H

#ifndef __ASSEMBLER__
#include <stdint.h>
#endif

/*
 * How the kernel ends. It writes 32 bits to the status port first, which ends this project's
 * monitor with exactly that status; if it still runs, 8 bits to the debug port, QEMU's
 * isa-debug-exit, which makes the status (value << 1) | 1; then it triple faults.
 */
#define ABI_EXIT_PORT_STATUS 0xf8
#define ABI_EXIT_PORT_DEBUG  0xf4
#define ABI_EXIT_PASSED      0
#define ABI_EXIT_FAILED      1

/* The console: a 16550A, polled. */
#define ABI_COM1_PORT 0x3f8
#define ABI_COM1_IRQ  4

#define ABI_IOAPIC_BASE 0xfec00000u
#define ABI_LAPIC_BASE  0xfee00000u

/*
 * The ELF note (empty descriptor) by which the kernel asks for the region table: an array of struct
 * abi_region, little-endian, sorted by base, not merged, as the first PVH module.
 */
#define ABI_NOTE_NAME    "vmm"
#define ABI_NOTE_REGIONS 1

#define ABI_REGION_READONLY (1u << 0)

#ifndef __ASSEMBLER__
struct abi_region {
	uint64_t base;
	uint64_t size;
	uint64_t flags; /* ABI_REGION_* */
};
#endif

/* Command line keys; guest/README.md explains them. */
#define ABI_KEY_TESTS          "tests="
#define ABI_KEY_SEED           "seed="
#define ABI_KEY_MAXBOUNDARIES  "maxboundaries="
#define ABI_KEY_CUT            "cut="
#define ABI_KEY_SCRATCH        "scratch="
#define ABI_KEY_EXT2_FILE      "ext2file="
#define ABI_KEY_EXT2_SUM       "ext2sum="
#define ABI_KEY_EXT2_WRITE     "ext2write="
#define ABI_KEY_CONSOLE_ECHO   "consoleecho="
#define ABI_KEY_CONSOLE_PORT   "consoleport="
#define ABI_KEY_IDLE           "idle="
#define ABI_KEY_RESTART        "restart="
#define ABI_KEY_RING           "ring="
#define ABI_KEY_VSOCK_PEER     "vsockpeer="
#define ABI_KEY_UDP_ECHO       "udpecho="
#define ABI_KEY_RECORDS        "records="
#define ABI_KEY_SOAK           "soak="
#define ABI_KEY_SOAK_SECONDS   "soakseconds="
#define ABI_KEY_VIRTIO_MMIO    "virtio_mmio.device="
#define ABI_DEFAULT_BOUNDARIES 64

/* Sectors at the end of a disk that raw writes go to if scratch= does not say otherwise. */
#define ABI_DEFAULT_SCRATCH_SECTORS 64
#define ABI_SECTOR_SIZE             512

/* The last line on COM1 of a kernel that is told to be idle. */
#define ABI_IDLE_MARKER "# idle"

/* The line (a newline follows) the kernel sends to a virtio console. */
#define ABI_CONSOLE_MARKER "# virtio-console: sent from a buffer that crosses regions"

/* The same to the console's second port. */
#define ABI_CONSOLE_PORT_MARKER "# virtio-console: sent through a port"

/*
 * vsock: the guest connects to one port and listens at the other; each side sends so many bytes on
 * either connection, the guest first. More than twice the credit that hosts give.
 */
#define ABI_VSOCK_HOST_PORT  1025
#define ABI_VSOCK_GUEST_PORT 1026
#define ABI_VSOCK_BYTES      150001u

/*
 * Generations of the sector pattern. After the test blk-final every scratch sector holds
 * generation ABI_PATTERN_FINAL by its number on the disk; the file named by ext2write= holds
 * ABI_PATTERN_FILE up to its size, its sectors numbered from the start of the file.
 */
#define ABI_PATTERN_FINAL       0
#define ABI_PATTERN_FILE        1
#define ABI_PATTERN_VSOCK_GUEST 2 /* what the guest sends, numbered from the start of the stream */
#define ABI_PATTERN_VSOCK_HOST  3 /* and the host */
#define ABI_PATTERN_RECORD      4 /* of blk-records, sectors numbered through all records */
#define ABI_PATTERN_TESTS       5 /* this and all above: tests, overwritten again */

/*
 * Records of the test blk-records, numbered from 1: so many sectors each, record n in place n
 * modulo how many have room in the scratch sectors. A line says up to which number they were
 * flushed, or written to a disk that has no cache; so many at most are behind that.
 */
#define ABI_RECORD_SECTORS 8
#define ABI_RECORD_BATCH   4
#define ABI_RECORD_LINE    "# flushed "

#ifndef __ASSEMBLER__
/* The little-endian 64-bit word number @word (0 to 63) of sector @sector. */
static inline uint64_t abi_pattern(uint64_t sector, unsigned int word, uint64_t generation)
{
	uint64_t x = (sector * 64 + word) ^ generation << 48;

	x = (x + 1) * 0x9e3779b97f4a7c15u;
	x = (x ^ x >> 29) * 0xbf58476d1ce4e5b9u;
	return x ^ x >> 32;
}

/*
 * The same of sector @sector (0 to ABI_RECORD_SECTORS - 1) of record @number: first the number,
 * then what only this sector of this record has.
 */
static inline uint64_t abi_record(uint64_t number, unsigned int sector, unsigned int word)
{
	if (word == 0)
		return number;
	return abi_pattern(number * ABI_RECORD_SECTORS + sector, word, ABI_PATTERN_RECORD);
}

/* The byte at @position of a stream of such sectors. */
static inline uint8_t abi_pattern_byte(uint64_t position, uint64_t generation)
{
	uint64_t word = abi_pattern(position / ABI_SECTOR_SIZE,
				    (unsigned int)(position % ABI_SECTOR_SIZE / 8), generation);

	return (uint8_t)(word >> position % 8 * 8);
}

/* 32-bit FNV-1a, the sum ext2sum= carries. Start with ABI_FNV_INIT, continue with the result. */
#define ABI_FNV_INIT 0x811c9dc5u

static inline uint32_t abi_fnv1a(uint32_t sum, const void *data, uint64_t len)
{
	const uint8_t *bytes = (const uint8_t *)data;

	for (uint64_t i = 0; i < len; i++)
		sum = (sum ^ bytes[i]) * 0x01000193u;
	return sum;
}
#endif

#endif
