/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Step 2: three interrupts of the local APIC's timer. */
#include <stdint.h>

#define VECTOR 0x40

/* Registers of the local APIC. */
#define APIC         0xfee00000UL
#define APIC_EOI     0x0b0
#define APIC_ENABLE  0x0f0 /* bit 8, and the vector of spurious interrupts */
#define APIC_TIMER   0x320
#define APIC_COUNT   0x380
#define APIC_DIVIDE  0x3e0
#define TIMER_AGAIN  (1u << 17)
#define DIVIDE_BY_16 3

/* An entry of the interrupt descriptor table. */
struct gate {
	uint16_t offset_low;
	uint16_t selector;
	uint8_t stack;
	uint8_t type;
	uint16_t offset_middle;
	uint32_t offset_high;
	uint32_t reserved;
};

struct table_pointer {
	uint16_t limit;
	uint64_t base;
} __attribute__((packed));

struct frame; /* what the processor pushed: the compiler knows */

static struct gate idt[256];
static volatile unsigned int ticks;

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

static void apic_write(uint32_t reg, uint32_t value)
{
	*(volatile uint32_t *)(APIC + reg) = value;
}

__attribute__((interrupt)) static void timer(struct frame *frame)
{
	(void)frame;
	ticks++;
	apic_write(APIC_EOI, 0);
}

static void set_up_interrupts(void)
{
	const struct table_pointer pointer = {sizeof(idt) - 1, (uint64_t)idt};
	uint64_t handler = (uint64_t)timer;

	idt[VECTOR] = (struct gate){
		.offset_low = (uint16_t)handler,
		.selector = 8,
		.type = 0x8e, /* present, interrupt gate */
		.offset_middle = (uint16_t)(handler >> 16),
		.offset_high = (uint32_t)(handler >> 32),
	};
	asm volatile("lidt %0" : : "m"(pointer));
	apic_write(APIC_ENABLE, 1u << 8 | 0xff);
	apic_write(APIC_DIVIDE, DIVIDE_BY_16);
	apic_write(APIC_TIMER, TIMER_AGAIN | VECTOR);
	apic_write(APIC_COUNT, 10000000 / 16); /* 10 ms where it counts nanoseconds */
}

void kernel_main(void)
{
	set_up_interrupts();
	for (unsigned int seen = 0; seen < 3; seen++) {
		/* No interrupt comes between sti and hlt: none is slept through. */
		while (ticks <= seen)
			asm volatile("sti; hlt; cli" : : : "memory");
		print("tick\n");
	}
	leave(0);
}
