/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Parsing of the command line. The text stays where the monitor put it. */
#include "guest/cmdline.h"

#include "guest/string.h"

static const char *cmdline = "";

void cmdline_init(const char *text)
{
	cmdline = text;
}

static bool is_end(char c)
{
	return c == '\0' || c == ' ' || c == '\t' || c == '\n';
}

const char *cmdline_next(const char *key, const char *from)
{
	const char *word = from ? from : cmdline;
	size_t len = strlen(key);

	while (from && !is_end(*word))
		word++;
	while (*word) {
		if (strncmp(word, key, len) == 0)
			return word + len;
		while (!is_end(*word))
			word++;
		while (*word && is_end(*word))
			word++;
	}
	return NULL;
}

size_t cmdline_len(const char *value)
{
	size_t len = 0;

	while (!is_end(value[len]))
		len++;
	return len;
}

static int digit(char c, unsigned int base)
{
	int value = c >= '0' && c <= '9' ? c - '0' : 99;

	if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
		value = (c | 0x20) - 'a' + 10;
	return value < (int)base ? value : -1;
}

uint64_t cmdline_number(const char **text)
{
	unsigned int base = 10;
	uint64_t value = 0;

	if ((*text)[0] == '0' && ((*text)[1] | 0x20) == 'x') {
		base = 16;
		*text += 2;
	}
	for (; digit(**text, base) >= 0; ++*text)
		value = value * base + (uint64_t)digit(**text, base);
	switch (**text | 0x20) {
	case 'k': ++*text; return value << 10;
	case 'm': ++*text; return value << 20;
	case 'g': ++*text; return value << 30;
	default: return value;
	}
}

uint64_t cmdline_hex(const char *text)
{
	uint64_t value = 0;

	for (; digit(*text, 16) >= 0; text++)
		value = value << 4 | (uint64_t)digit(*text, 16);
	return value;
}

uint64_t cmdline_get(const char *key, uint64_t otherwise)
{
	const char *value = cmdline_next(key, NULL);

	return value ? cmdline_number(&value) : otherwise;
}

bool cmdline_lists(const char *value, const char *name)
{
	size_t len = strlen(name);

	while (!is_end(*value)) {
		if (strncmp(value, name, len) == 0 && (value[len] == ',' || is_end(value[len])))
			return true;
		while (!is_end(*value) && *value != ',')
			value++;
		if (*value == ',')
			value++;
	}
	return false;
}
