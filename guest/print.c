/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Formatted text on COM1, and the exit ports. A line is put together at CPL 3 and sent through one
 * gate; the port is written in bursts of the FIFO's size, so that the line status is asked once for
 * 16 bytes.
 */
#include "guest/print.h"

#include <stdbool.h>

#include "guest/abi.h"
#include "guest/cpu.h"
#include "guest/interrupts.h"

#define COM1_DATA   (ABI_COM1_PORT + 0)
#define COM1_FIFO   (ABI_COM1_PORT + 2)
#define COM1_LSR    (ABI_COM1_PORT + 5)
#define FIFO_ENABLE 0x07 /* and clear both */
#define FIFO_SIZE   16
#define LSR_THRE    0x20
#define LINE_SIZE   160

struct line {
	size_t len;
	char text[LINE_SIZE];
};

static void send_ring0(void *arg)
{
	struct line *line = arg;
	static bool fifo_enabled;

	if (!fifo_enabled)
		outb(COM1_FIFO, FIFO_ENABLE);
	fifo_enabled = true;
	for (size_t i = 0; i < line->len; i++) {
		uint64_t start = rdtsc();

		while (i % FIFO_SIZE == 0 && !(inb(COM1_LSR) & LSR_THRE)) {
			if (rdtsc() - start > TIMEOUT_CYCLES)
				return; /* nobody listens: the exit status still tells */
		}
		outb(COM1_DATA, (uint8_t)line->text[i]);
	}
}

static void put(struct line *line, char c)
{
	if (line->len < sizeof(line->text))
		line->text[line->len++] = c;
}

static void put_number(struct line *line, uint64_t value, unsigned int base)
{
	char digits[20];
	unsigned int count = 0;

	do {
		digits[count++] = "0123456789abcdef"[value % base];
		value /= base;
	} while (value);
	while (count)
		put(line, digits[--count]);
}

/* One conversion; returns its last character. */
static const char *convert(struct line *line, const char *format, va_list *args)
{
	bool wide = *format == 'l';
	uint64_t value;

	if (wide)
		format++;
	if (*format == 's') {
		for (const char *text = va_arg(*args, const char *); *text; text++)
			put(line, *text);
		return format;
	}
	value = wide ? va_arg(*args, uint64_t) : va_arg(*args, unsigned int);
	if (*format == 'c') {
		put(line, (char)value);
	} else if (*format == 'd' && (int)value < 0) {
		put(line, '-');
		put_number(line, -(int64_t)(int)value, 10);
	} else {
		put_number(line, value, *format == 'x' ? 16 : 10);
	}
	return format;
}

void vprint(const char *format, va_list args)
{
	struct line line = {.len = 0};
	va_list copy;

	va_copy(copy, args);
	for (; *format; format++) {
		if (*format == '%')
			format = convert(&line, format + 1, &copy);
		else
			put(&line, *format);
	}
	va_end(copy);
	ring0(send_ring0, &line);
}

void print(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vprint(format, args);
	va_end(args);
}

static void exit_ring0(void *arg)
{
	static const struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) no_idt;
	uint32_t status = *(uint32_t *)arg;

	outl(ABI_EXIT_PORT_STATUS, status);
	outb(ABI_EXIT_PORT_DEBUG, (uint8_t)status);
	__asm__ volatile("lidt %0; ud2" : : "m"(no_idt));
}

void kernel_exit(uint32_t status)
{
	for (;;)
		ring0(exit_ring0, &status);
}
