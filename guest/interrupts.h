/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Ring 0 and interrupts: the gate, exceptions, the LAPIC and its timer, the IOAPIC, waiting. */
#ifndef GUEST_INTERRUPTS_H
#define GUEST_INTERRUPTS_H

#include <stdbool.h>
#include <stdint.h>

#include "guest/segments.h"

/* What isr.S leaves on the stack. */
struct isr_frame {
	uint64_t r15, r14, r13, r12, r11, r10, r9, r8;
	uint64_t rbp, rdi, rsi, rdx, rcx, rbx, rax;
	uint64_t vector, error;
	uint64_t rip, cs, rflags, rsp, ss;
};

/*
 * Run fn(arg) in ring 0 with interrupts off; isr.S. Kept short: ring 0 may be interpreted. Called
 * in ring 0, which is where a fault is reported, it is a call.
 */
void ring0(void (*fn)(void *), void *arg);

/* Ring 0, once, before anything else: TSS, IDT, LAPIC with its tick. */
void interrupts_init(void);

/* Pass the edge-triggered, active-high interrupts of an IOAPIC pin (below PIN_COUNT) on. */
void irq_enable(unsigned int pin);

/* Interrupts seen from a pin since the start. */
uint32_t irq_count(unsigned int pin);

/* Start the one-shot timer: @count periods of the LAPIC timer's clock by 16. The tick pauses. */
void timer_one_shot(uint32_t count);

/* One-shot interrupts seen since the start. */
uint32_t timer_one_shots(void);

/* Back to the tick. */
void timer_tick(void);

/* Ticks, about 10 ms each, since the start. */
uint32_t ticks(void);

/* Halt until an interrupt has been taken. */
void halt(void);

/* Halt until *value is no longer @old. False if *give_up, or if that takes TIMEOUT_CYCLES. */
bool wait_changed(const volatile uint16_t *value, uint16_t old, const volatile bool *give_up);

/* The tick ends the kernel as failed if the time of a test, begun with this, is over. */
void watchdog_restart(void);

/*
 * The next exception with @vector is expected: execution goes on at @resume. True is returned by
 * exception_seen() if it came.
 */
void exception_expect(unsigned int vector, uint64_t resume);
bool exception_seen(void);

#endif
