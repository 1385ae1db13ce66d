/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The story: ring 0 set-up, then, at CPL 3, memory, devices, the tests, and the verdict. */
#include "guest/abi.h"
#include "guest/cmdline.h"
#include "guest/cpu.h"
#include "guest/interrupts.h"
#include "guest/memory.h"
#include "guest/print.h"
#include "guest/tap.h"
#include "guest/tests/tests.h"
#include "guest/virtio.h"

#define KEYBOARD_COMMAND 0x64
#define KEYBOARD_RESET   0xfe

#define TABLE_LINE(text, name) {text, test_##name},

static const struct test tests[] = {FOR_EACH_TEST(TABLE_LINE)};

extern uint64_t start_info_address; /* boot.S */

/* Called by boot.S: in ring 0, then at CPL 3. */
void kernel_init(void);
__attribute__((noreturn)) void kernel_main(void);

void kernel_init(void)
{
	interrupts_init();
}

/* Every wait relies on it that the tick comes. */
static bool tick_comes(void)
{
	uint64_t start = rdtsc();

	while (!ticks()) {
		if (rdtsc() - start > TIMEOUT_CYCLES)
			return false;
	}
	return true;
}

/* No tick, and the devices as the tests left them: only they could wake anybody. */
static __attribute__((noreturn)) void idle(void)
{
	timer_one_shot(0);
	print(ABI_IDLE_MARKER "\n");
	for (;;)
		halt();
}

/* The machine begins again, with its devices as the tests left them. */
static void reset_ring0(void *arg)
{
	(void)arg;
	outb(KEYBOARD_COMMAND, KEYBOARD_RESET);
}

void kernel_main(void)
{
	bool passed;

	if (!memory_init(start_info_address)) {
		print("Bail out! no PVH start info of version 1\n");
		kernel_exit(ABI_EXIT_FAILED);
	}
	if (!tick_comes()) {
		print("Bail out! no LAPIC timer interrupt\n");
		kernel_exit(ABI_EXIT_FAILED);
	}
	virtio_init();
	memory_sample_boundaries();
	passed = tap_run(tests, sizeof(tests) / sizeof(tests[0]));
	if (passed && cmdline_get(ABI_KEY_IDLE, 0))
		idle();
	if (passed && cmdline_get(ABI_KEY_RESTART, 0))
		ring0(reset_ring0, NULL);
	kernel_exit(passed ? ABI_EXIT_PASSED : ABI_EXIT_FAILED);
}
