/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * A kernel's tests in the way of many kernels: results as TAP on the serial port, and the end
 * through QEMU's isa-debug-exit at 0xf4, with 0x10 for success and 0x11 for failure. The word
 * "break" on the command line makes one of them fail.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EXIT_SUCCESS_CODE 0x10
#define EXIT_FAILURE_CODE 0x11

/* The beginning of the PVH start info. */
struct start_info {
	uint32_t magic, version, flags, module_count;
	uint64_t modules, cmdline;
};

static unsigned int done;
static bool failed;

static inline void outb(uint16_t port, uint8_t value)
{
	asm volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static void print(const char *text)
{
	while (*text)
		outb(0x3f8, (uint8_t)*text++);
}

static void result(bool ok, const char *name)
{
	const char number[] = {(char)('0' + ++done), '\0'};

	print(ok ? "ok " : "not ok ");
	print(number);
	print(" - ");
	print(name);
	print("\n");
	failed = failed || !ok;
}

static bool has_word(const char *text, const char *word)
{
	for (; *text; text++) {
		size_t i = 0;

		while (word[i] && text[i] == word[i])
			i++;
		if (!word[i])
			return true;
	}
	return false;
}

/* The kernel's own code would stand here. */
static uint32_t checksum(const uint8_t *bytes, size_t len)
{
	uint32_t sum = 1;

	while (len--)
		sum = sum * 31 + *bytes++;
	return sum;
}

void kernel_main(const struct start_info *info)
{
	const char *cmdline = (const char *)info->cmdline;
	bool sound = !has_word(cmdline, "break");

	print("TAP version 14\n1..3\n");
	result(info->magic == 0x336ec578, "start info");
	if (!sound)
		print("# the sum is wrong, as was asked for\n");
	result(checksum((const uint8_t *)"abc", 3) == (sound ? 126145u : 0), "checksum");
	result(true, "floppy # SKIP no drive");
	outb(0xf4, failed ? EXIT_FAILURE_CODE : EXIT_SUCCESS_CODE);
}
