/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Kernel files: whatever the bytes, they are loaded into a memory in pieces, or refused. */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/fuzz/fuzz.h"
#include "vmm/boot.h"
#include "vmm/layout.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct gm_region_config pieces[] = {
		{.start = 0, .size = 0x8000},
		{.start = 0x8000, .size = 0x8000},
		{.start = 0x100000, .size = 0x11000},
		{.start = 0x111000, .size = 0x30000},
		{.start = 0x200000, .size = 0x1000, .flags = GM_REGION_READ_ONLY},
	};
	static int fd = -1;
	struct boot_params params = {.cmdline = "x"};
	struct gm_memory *memory;
	struct boot_state state;
	struct report report;
	char path[64];

	if (fd < 0)
		fd = memfd_create("kernel", MFD_CLOEXEC);
	if (ftruncate(fd, 0) || pwrite(fd, data, size, 0) != (ssize_t)size)
		return 0;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	params.kernel = path;
	if (gm_memory_from_configs(pieces, sizeof(pieces) / sizeof(pieces[0]), &memory, NULL))
		return 0;
	boot_load(&params, memory, &state, &report);
	gm_memory_put(memory);
	return 0;
}
