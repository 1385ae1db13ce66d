/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Interrupts and exceptions: descriptor tables, the LAPIC with its timer as the kernel's tick, the
 * IOAPIC, and what happens on each vector. Devices are acknowledged by virtio.c, missing pages are
 * mapped by paging.c. Runs in ring 0 where marked; ring 0 may be interpreted at half a microsecond
 * an instruction, hence handlers do as little as they can.
 */
#include "guest/interrupts.h"

#include "guest/abi.h"
#include "guest/cpu.h"
#include "guest/paging.h"
#include "guest/print.h"
#include "guest/virtio.h"

#define STUB_SIZE 16 /* isr.S */

#define LAPIC_EOI            (ABI_LAPIC_BASE + 0x0b0)
#define LAPIC_SPURIOUS       (ABI_LAPIC_BASE + 0x0f0)
#define LAPIC_LVT_TIMER      (ABI_LAPIC_BASE + 0x320)
#define LAPIC_TIMER_COUNT    (ABI_LAPIC_BASE + 0x380)
#define LAPIC_TIMER_DIVIDE   (ABI_LAPIC_BASE + 0x3e0)
#define LAPIC_ENABLE         (1u << 8)
#define LAPIC_TIMER_PERIODIC (1u << 17)
#define LAPIC_DIVIDE_16      3

/* The timer of KVM and QEMU counts nanoseconds: 10 ms by 16. Elsewhere a tick is something else. */
#define TICK_COUNT (10000000 / 16)

#define IOAPIC_SELECT           (ABI_IOAPIC_BASE + 0x00)
#define IOAPIC_WINDOW           (ABI_IOAPIC_BASE + 0x10)
#define IOAPIC_REDIRECTION(pin) (0x10 + 2 * (pin))

#define WATCHDOG_TICKS 3000 /* 30 s */

#define VECTOR_INVALID_OPCODE 6
#define VECTOR_PAGE_FAULT     14

struct idt_gate {
	uint16_t offset_low;
	uint16_t selector;
	uint8_t ist;
	uint8_t type;
	uint16_t offset_middle;
	uint32_t offset_high;
	uint32_t reserved;
};

struct tss {
	uint32_t reserved0;
	uint64_t rsp[3];
	uint8_t rest[76]; /* no stacks of the interrupt stack table */
	uint16_t reserved1;
	uint16_t io_bitmap;
} __attribute__((packed));

struct table_pointer {
	uint16_t limit;
	uint64_t base;
} __attribute__((packed));

#define GATE_INTERRUPT 0x8e
#define TSS_AVAILABLE  0x89

extern const uint8_t isr_stubs[], isr_invalid_opcode[], isr_spurious[];
extern uint8_t kernel_stack_top[];
extern uint64_t gdt[];

static struct idt_gate idt[256];
static struct tss tss;

static volatile uint32_t tick_count, one_shot_count, pin_count[PIN_COUNT];
static volatile uint32_t watchdog;
static volatile uint32_t expected_vector; /* plus one; 0: none */
static volatile uint64_t expected_resume;

/* --- exceptions ---------------------------------------------------------------------------- */

void exception_expect(unsigned int vector, uint64_t resume)
{
	expected_resume = resume;
	expected_vector = vector + 1;
}

bool exception_seen(void)
{
	bool seen = expected_vector == 0;

	expected_vector = 0;
	return seen;
}

static void exception(struct isr_frame *frame)
{
	uint64_t cr2;

	__asm__ volatile("movq %%cr2, %0" : "=r"(cr2));
	if (frame->vector == VECTOR_PAGE_FAULT && paging_map(cr2))
		return;
	if (expected_vector == frame->vector + 1) {
		expected_vector = 0;
		frame->rip = expected_resume;
		return;
	}
	print("# exception %lu error %lx rip %lx cr2 %lx\n", frame->vector, frame->error,
	      frame->rip, cr2);
	kernel_exit(ABI_EXIT_FAILED);
}

/* --- interrupts ---------------------------------------------------------------------------- */

/* Ring 0. */
static void tick(void)
{
	tick_count++;
	if (++watchdog < WATCHDOG_TICKS)
		return;
	print("# the test takes too long\n");
	kernel_exit(ABI_EXIT_FAILED);
}

/* Ring 0, from isr.S. */
void isr_dispatch(struct isr_frame *frame);

void isr_dispatch(struct isr_frame *frame)
{
	unsigned int vector = (unsigned int)frame->vector;

	if (vector < VECTOR_PIN) {
		exception(frame);
		return;
	}
	if (vector == VECTOR_TICK) {
		tick();
	} else if (vector == VECTOR_ONE_SHOT) {
		one_shot_count++;
	} else {
		pin_count[vector - VECTOR_PIN]++;
		virtio_acknowledge(vector - VECTOR_PIN);
	}
	mmio_write(LAPIC_EOI, 0);
}

static void irq_enable_ring0(void *arg)
{
	unsigned int pin = *(unsigned int *)arg;

	/* Destination: LAPIC 0, physical. Fixed delivery, active high, edge, not masked. */
	mmio_write(IOAPIC_SELECT, IOAPIC_REDIRECTION(pin) + 1);
	mmio_write(IOAPIC_WINDOW, 0);
	mmio_write(IOAPIC_SELECT, IOAPIC_REDIRECTION(pin));
	mmio_write(IOAPIC_WINDOW, VECTOR_PIN + pin);
}

void irq_enable(unsigned int pin)
{
	ring0(irq_enable_ring0, &pin);
}

uint32_t irq_count(unsigned int pin)
{
	return pin_count[pin];
}

/* --- time and waiting ------------------------------------------------------------------------ */

void timer_one_shot(uint32_t count)
{
	mmio_write(LAPIC_LVT_TIMER, VECTOR_ONE_SHOT);
	mmio_write(LAPIC_TIMER_COUNT, count);
}

uint32_t timer_one_shots(void)
{
	return one_shot_count;
}

void timer_tick(void)
{
	mmio_write(LAPIC_LVT_TIMER, VECTOR_TICK | LAPIC_TIMER_PERIODIC);
	mmio_write(LAPIC_TIMER_COUNT, TICK_COUNT);
}

uint32_t ticks(void)
{
	return tick_count;
}

void watchdog_restart(void)
{
	watchdog = 0;
}

struct wait {
	const volatile uint16_t *value;
	uint16_t old;
};

/* The gate has interrupts off, so none can come between the look and the halt. */
static void halt_ring0(void *arg)
{
	struct wait *wait = arg;

	if (!wait || *wait->value == wait->old)
		__asm__ volatile("sti; hlt; cli" : : : "memory");
}

void halt(void)
{
	ring0(halt_ring0, 0);
}

bool wait_changed(const volatile uint16_t *value, uint16_t old, const volatile bool *give_up)
{
	struct wait wait = {.value = value, .old = old};
	uint64_t start = rdtsc();

	while (*value == old) {
		if (*give_up || rdtsc() - start > TIMEOUT_CYCLES)
			return false;
		ring0(halt_ring0, &wait);
	}
	/* What the device wrote before it moved the index is read after it. */
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return true;
}

/* --- set-up ---------------------------------------------------------------------------------- */

static void idt_set(unsigned int vector, const uint8_t *handler)
{
	uint64_t offset = (uint64_t)handler;

	idt[vector] = (struct idt_gate){
		.offset_low = (uint16_t)offset,
		.selector = SEG_KERNEL_CODE,
		.type = GATE_INTERRUPT,
		.offset_middle = (uint16_t)(offset >> 16),
	};
}

static void tss_init(void)
{
	uint64_t base = (uint64_t)&tss;

	tss.rsp[0] = (uint64_t)kernel_stack_top;
	tss.io_bitmap = sizeof(tss);
	gdt[SEG_TSS / 8] = (sizeof(tss) - 1) | (base & 0xffffff) << 16 |
			   (uint64_t)TSS_AVAILABLE << 40 | (base >> 24 & 0xff) << 56;
	gdt[SEG_TSS / 8 + 1] = base >> 32;
	__asm__ volatile("ltr %w0" : : "r"(SEG_TSS) : "memory");
}

void interrupts_init(void)
{
	struct table_pointer idtr = {.limit = sizeof(idt) - 1, .base = (uint64_t)idt};

	tss_init();
	for (unsigned int i = 0; i < VECTOR_COUNT; i++)
		idt_set(i, isr_stubs + i * STUB_SIZE);
	idt_set(VECTOR_INVALID_OPCODE, isr_invalid_opcode);
	idt_set(VECTOR_SPURIOUS, isr_spurious);
	__asm__ volatile("lidt %0" : : "m"(idtr));
	mmio_write(LAPIC_SPURIOUS, LAPIC_ENABLE | VECTOR_SPURIOUS);
	mmio_write(LAPIC_TIMER_DIVIDE, LAPIC_DIVIDE_16);
	timer_tick();
}
