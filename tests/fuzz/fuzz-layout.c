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
#define BYTES_MAX   (16 << 20)

static bool small(const struct layout *layout)
{
	for (size_t i = 0; i < layout->count; i++) {
		const struct gm_region_config *config = &layout->regions[i].config;

		if (config->size > BYTES_MAX || config->flags & GM_REGION_LOCK)
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
		if (line[0] == 'F')
			layout_fragment(&layout, line + 1, &report);
		else if (!strstr(line, "file=") && !strchr(line, '*'))
			layout_add_region(&layout, line, "here", &report);
	}
	if (small(&layout))
		layout_build(&layout, REGIONS_MAX, 0, &memory, &report);
	gm_memory_put(memory);
	layout_clear(&layout);
	free(text);
	return 0;
}
