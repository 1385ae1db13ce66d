/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Exceptions resume, the LAPIC timer fires once when told to, and each device's interrupt arrives
 * on the pin it was announced with.
 */
#include <stddef.h>

#include "guest/blk.h"
#include "guest/cpu.h"
#include "guest/interrupts.h"
#include "guest/tap.h"
#include "guest/tests/tests.h"

#define VECTOR_DIVIDE_ERROR   0
#define VECTOR_INVALID_OPCODE 6

/* Instructions that fault, as functions: the faulting one is the first, the label the return. */
extern const uint8_t fault_divide[], fault_divide_end[], fault_opcode[], fault_opcode_end[];

__asm__(".text\n"
	"fault_divide: divl fault_zero\n"
	"fault_divide_end: ret\n"
	"fault_opcode: ud2\n"
	"fault_opcode_end: ret\n"
	".section .rodata\n"
	"fault_zero: .long 0\n"
	".text\n");

static void expect_fault(const char *name, unsigned int vector, const uint8_t *code,
			 const uint8_t *end)
{
	exception_expect(vector, (uint64_t)end);
	__asm__ volatile("call *%0" : : "r"(code) : "rax", "rdx", "memory", "cc");
	CHECK(exception_seen(), "no %s", name);
}

void test_exceptions(void)
{
	expect_fault("#DE", VECTOR_DIVIDE_ERROR, fault_divide, fault_divide_end);
	expect_fault("#UD", VECTOR_INVALID_OPCODE, fault_opcode, fault_opcode_end);
}

/*
 * Cycles until the one-shot timer fires; 0: it does not. No halting: the tick pauses, and nothing
 * would end a halt that began just after the interrupt.
 */
static uint64_t one_shot(uint32_t count)
{
	uint32_t before = timer_one_shots();
	uint64_t start = rdtsc();

	timer_one_shot(count);
	while (timer_one_shots() == before && rdtsc() - start < TIMEOUT_CYCLES)
		__builtin_ia32_pause();
	return timer_one_shots() == before ? 0 : rdtsc() - start;
}

static uint64_t min_cycles(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/*
 * A longer count takes longer. The host may take the processor away during any of these, so the
 * least of several tries counts, and the first that tells them apart is enough.
 */
void test_timer(void)
{
	uint32_t before = ticks(), shots, tries = 0;
	uint64_t fast = UINT64_MAX, slow = UINT64_MAX, start = rdtsc();

	while (ticks() == before && rdtsc() - start < TIMEOUT_CYCLES)
		halt();
	CHECK(ticks() > before, "halting does not let the tick arrive");
	shots = timer_one_shots();
	do {
		fast = min_cycles(fast, one_shot(10000));
		slow = min_cycles(slow, one_shot(300000)); /* about 5 ms */
		tries++;
	} while (fast && slow && slow <= fast && tries < 50);
	CHECK(fast && slow, "one-shot timer did not fire");
	CHECK(slow > fast, "300,000 periods in %lu cycles, 10,000 in %lu", slow, fast);
	timer_tick();
	before = ticks();
	while (ticks() == before)
		halt();
	CHECK(timer_one_shots() == shots + 2 * tries, "one-shot timer fired %u times instead of %u",
	      timer_one_shots() - shots, 2 * tries);
}

/* A chain that each kind of device answers by itself. False: none is known. */
static unsigned int simple_chain(uint32_t id, struct buffer *chain, uint16_t *queue)
{
	static uint32_t header[4] = {BLK_GET_ID};
	static uint8_t data[64], status;

	*queue = 0;
	switch (id) {
	case VIRTIO_ID_BLOCK:
		chain[0] = (struct buffer){(uint64_t)header, sizeof(header), false};
		chain[1] = (struct buffer){(uint64_t)data, BLK_ID_SIZE, true};
		chain[2] = (struct buffer){(uint64_t)&status, 1, true};
		return 3;
	case VIRTIO_ID_RNG:
		chain[0] = (struct buffer){(uint64_t)data, sizeof(data), true};
		return 1;
	case VIRTIO_ID_CONSOLE:
		*queue = 1;
		data[0] = '\n';
		chain[0] = (struct buffer){(uint64_t)data, 1, false};
		return 1;
	case VIRTIO_ID_BALLOON:
		/* No page numbers at all. */
		chain[0] = (struct buffer){(uint64_t)data, 0, false};
		return 1;
	default: return 0;
	}
}

static bool interrupt_arrives(struct virtio_device *device)
{
	struct buffer chain[3];
	struct virtq queue;
	uint16_t index;
	unsigned int count = simple_chain(device->id, chain, &index);
	uint32_t before, written;
	uint64_t start = rdtsc();

	if (!count || device->pin >= PIN_COUNT)
		return false;
	if (!CHECK(virtio_start(device, 0) && virtq_setup(&queue, device, index, NULL),
		   "device %u does not start", device->id))
		return true;
	virtio_ready(device);
	before = irq_count(device->pin);
	virtq_post(&queue, chain, count, 0);
	CHECK(virtq_wait(&queue, &written), "device %u does not answer", device->id);
	/* The answer can be seen before its interrupt is delivered. */
	while (irq_count(device->pin) == before && rdtsc() - start < TIMEOUT_CYCLES)
		halt();
	CHECK(irq_count(device->pin) > before, "device %u: no interrupt on pin %u", device->id,
	      device->pin);
	return true;
}

void test_irq_devices(void)
{
	struct virtio_device *device;
	unsigned int tried = 0;

	for (unsigned int i = 0; (device = virtio_find(VIRTIO_ID_ANY, i)); i++)
		tried += interrupt_arrives(device);
	if (!tried)
		tap_skip("no device");
	else
		tap_note("%u devices", tried);
}
