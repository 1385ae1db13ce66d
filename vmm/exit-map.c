/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The text of --exit-map. Who applies the map: machine-power.c. */
#include "vmm/exit-map.h"

#include <stdlib.h>

uint8_t *exit_map_new(void)
{
	uint8_t *map = malloc(EXIT_MAP_SIZE);

	for (unsigned int i = 0; map && i < EXIT_MAP_SIZE; i++)
		map[i] = (uint8_t)i;
	return map;
}

/* A number and @end behind it; where it goes on, or NULL. */
static const char *take_status(const char *text, char end, uint8_t *status)
{
	char *rest;
	unsigned long value = strtoul(text, &rest, 10);

	if (*text < '0' || *text > '9' || value >= EXIT_MAP_SIZE)
		return NULL;
	*status = (uint8_t)value;
	return *rest == end ? rest + 1 : !*rest && end == ',' ? rest : NULL;
}

int exit_map_add(uint8_t *map, const char *text, struct report *report)
{
	const char *at = text;

	do {
		uint8_t from, to;

		at = take_status(at, '=', &from);
		if (at)
			at = take_status(at, ',', &to);
		if (!at || (!*at && at[-1] == ','))
			return report_fail(report, REPORT_USER,
					   "--exit-map %s: not FROM=TO[,FROM=TO...] with numbers "
					   "from 0 to %d",
					   text, EXIT_MAP_SIZE - 1);
		map[from] = to;
	} while (*at);
	return 0;
}
