/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Layouts as text: each line of the input is a region, or a --fragment if it begins with F; what
 * parses is built. Files are left out, since they would be the host's.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "vmm/layout.h"

#define LINES_MAX   20
#define REGIONS_MAX 300
#define BYTES_MAX   (16 << 20) /* of all: they may be asked for at once */

static bool small(const struct layout *layout)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < layout->count; i++) {
		const struct gm_region_config *config = &layout->regions[i].config;

		bytes += config->size < BYTES_MAX ? config->size : BYTES_MAX;
		if (bytes >= BYTES_MAX || config->flags & GM_REGION_LOCK)
			return false;
	}
	return layout->count <= REGIONS_MAX;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = strndup((const char *)data, size), *rest = text, *line;
	struct gm_memory *memory = NULL;
	struct layout layout = {0};
	struct report report;

	for (int i = 0; i < LINES_MAX && (line = strsep(&rest, "\n")); i++) {
		/* Cutting up to the limit takes half a second: not more than is built. */
		if (line[0] == 'F' && small(&layout))
			layout_fragment(&layout, line + 1, &report);
		else if (line[0] != 'F' && !strstr(line, "file=") && !strchr(line, '*'))
			layout_add_region(&layout, line, "here", &report);
	}
	if (small(&layout))
		layout_build(&layout, REGIONS_MAX, 0, &memory, &report);
	gm_memory_put(memory);
	layout_clear(&layout);
	free(text);
	return 0;
}
