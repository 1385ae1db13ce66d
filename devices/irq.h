/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * An interrupt line, as a device sees it: something to pulse.
 *
 * Lines are edge triggered. Who made the line knows where it ends (an irqfd in the monitor, a
 * counter in a test).
 */
#ifndef DEVICES_IRQ_H
#define DEVICES_IRQ_H

struct irq_line {
	void (*pulse)(struct irq_line *line); /* any thread, never blocks */
};

static inline void irq_pulse(struct irq_line *line)
{
	line->pulse(line);
}

#endif
