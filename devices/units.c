/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Numbers with a unit behind them. */
#include "devices/units.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* One number with its unit; *end is behind it. */
static bool parse_term(const char *text, const char **end, uint64_t *value)
{
	static const char units[] = "KMGT";
	unsigned long long number;
	const char *unit;
	char *stop;

	if (!isdigit((unsigned char)*text))
		return false;
	errno = 0;
	number = strtoull(text, &stop, text[0] == '0' && (text[1] | 32) == 'x' ? 16 : 10);
	if (errno || stop == text)
		return false;
	*value = number;
	unit = *stop ? strchr(units, toupper((unsigned char)*stop)) : NULL;
	if (unit && *unit) {
		unsigned int shift = 10 * (unsigned int)(unit - units + 1);

		if (number > UINT64_MAX >> shift)
			return false;
		*value = number << shift;
		stop++;
		/* KiB, MiB...: the same. */
		if (strncasecmp(stop, "iB", 2) == 0)
			stop += 2;
	}
	*end = stop;
	return true;
}

bool parse_size(const char *text, uint64_t *value)
{
	uint64_t term;

	*value = 0;
	for (;;) {
		if (!parse_term(text, &text, &term) || __builtin_add_overflow(*value, term, value))
			return false;
		if (*text == '\0')
			return true;
		if (*text++ != '+')
			return false;
	}
}

bool parse_time(const char *text, uint64_t *ms)
{
	static const struct {
		const char *name;
		unsigned int ms;
	} units[] = {{"", 1000}, {"ms", 1}, {"s", 1000}, {"m", 60 * 1000}, {"h", 60 * 60 * 1000}};
	unsigned long long number;
	char *unit;

	errno = 0;
	number = strtoull(text, &unit, 10);
	if (!isdigit((unsigned char)*text) || errno)
		return false;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(unit, units[i].name) == 0)
			return !__builtin_mul_overflow(number, units[i].ms, ms);
	}
	return false;
}
