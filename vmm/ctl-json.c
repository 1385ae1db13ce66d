/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* A reply of a control socket, read and shown. */
#include "vmm/ctl-json.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 16

static const char *skip_blanks(const char *at)
{
	return at + strspn(at, " \t\r\n");
}

static const char *skip_text(const char *at)
{
	for (at++; *at && *at != '"'; at++) {
		if (*at == '\\' && at[1])
			at++;
	}
	return *at ? at + 1 : at;
}

static const char *skip_value(const char *at)
{
	unsigned int depth = 0;

	do {
		if (*at == '"') {
			at = skip_text(at);
			continue;
		}
		if (*at == '{' || *at == '[')
			depth++;
		else if ((*at == '}' || *at == ']') && depth)
			depth--;
		else if (!depth) {
			at += strcspn(at, ",]} \t\r\n");
			break;
		}
		if (*at)
			at++;
	} while (depth && *at);
	return at;
}

/* The first or next member or element; NULL behind the last. *@at is moved to behind it. */
static const char *next_item(const char **at, const char **key)
{
	const char *value = skip_blanks(*at);

	*key = NULL;
	if (*value == ',' || *value == '{' || *value == '[')
		value = skip_blanks(value + 1);
	if (!*value || *value == '}' || *value == ']')
		return NULL;
	if (*value == '"') {
		const char *behind = skip_blanks(skip_text(value));

		if (*behind == ':') {
			*key = value;
			value = skip_blanks(behind + 1);
		}
	}
	*at = skip_value(value);
	return *at > value ? value : NULL;
}

static bool is_key(const char *key, const char *name)
{
	size_t len = strlen(name);

	return key && strncmp(key + 1, name, len) == 0 && key[1 + len] == '"';
}

const char *ctl_json_member(const char *object, const char *name)
{
	const char *key, *value;

	object = skip_blanks(object);
	if (*object != '{')
		return NULL;
	while ((value = next_item(&object, &key))) {
		if (is_key(key, name))
			return value;
	}
	return NULL;
}

/* --- texts ---------------------------------------------------------------------------------------- */

/* What follows the backslash at @at, in UTF-8 behind @to; surrogates are two question marks. */
static const char *unescape(const char *at, char **to)
{
	static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
	const char *name = at[1] ? strchr(names, at[1]) : NULL;
	char digits[5] = "";
	unsigned long code;

	if (name) {
		*(*to)++ = values[name - names];
		return at + 2;
	}
	if (at[1] != 'u')
		return at + 1;
	for (unsigned int i = 0; i < 4 && isxdigit((unsigned char)at[2 + i]); i++)
		digits[i] = at[2 + i];
	code = strtoul(digits, NULL, 16);
	if (code < 0x80) {
		*(*to)++ = (char)code;
	} else if (code >= 0xd800 && code < 0xe000) {
		*(*to)++ = '?';
	} else if (code < 0x800) {
		*(*to)++ = (char)(0xc0 | code >> 6);
		*(*to)++ = (char)(0x80 | (code & 0x3f));
	} else {
		*(*to)++ = (char)(0xe0 | code >> 12);
		*(*to)++ = (char)(0x80 | (code >> 6 & 0x3f));
		*(*to)++ = (char)(0x80 | (code & 0x3f));
	}
	return at + 2 + strlen(digits);
}

char *ctl_json_text(const char *value)
{
	const char *end = *value == '"' ? skip_text(value) : value;
	char *text, *to;

	if (end == value)
		return NULL;
	/* Nothing becomes longer. */
	text = malloc((size_t)(end - value) + 1);
	if (!text)
		return NULL;
	to = text;
	for (value++; value < end && *value != '"';) {
		if (*value == '\\')
			value = unescape(value, &to);
		else
			*to++ = *value++;
	}
	*to = '\0';
	return text;
}

void ctl_json_quote(const char *text, FILE *out)
{
	fputc('"', out);
	for (; *text; text++) {
		if ((unsigned char)*text < 0x20)
			fprintf(out, "\\u%04x", (unsigned char)*text);
		else
			fprintf(out, "%s%c", *text == '"' || *text == '\\' ? "\\" : "", *text);
	}
	fputc('"', out);
}

/* --- for people ------------------------------------------------------------------------------------ */

/* What a terminal would take for a command is shown as a question mark. */
static void print_text(const char *value, FILE *out)
{
	char *text = ctl_json_text(value);

	for (const char *at = text; at && *at; at++)
		fputc(iscntrl((unsigned char)*at) && *at != '\n' && *at != '\t' ? '?' : *at, out);
	free(text);
}

static bool has_lines(const char *value)
{
	const char *end = skip_value(value);

	for (; value + 1 < end; value++) {
		if (value[0] == '\\' && value[1] == 'n')
			return true;
		value += value[0] == '\\';
	}
	return false;
}

/* Members of an object or elements of an array; @mark stands before the first. */
static void print_items(const char *at, unsigned int depth, const char *mark, FILE *out)
{
	const char *key, *value;

	while ((value = next_item(&at, &key))) {
		bool deeper = *value == '{' || *value == '[';

		if (depth == 0 && (is_key(key, "ok") || is_key(key, "id")))
			continue;
		if (*value == '"' && has_lines(value)) {
			print_text(value, out);
			continue;
		}
		/* What has no name begins with its own first line. */
		if (key || !deeper)
			fprintf(out, "%*s%s", (int)(2 * depth - (mark ? 2 : 0)), "",
				mark ? mark : "");
		mark = NULL;
		if (key) {
			print_text(key, out);
			fputs(deeper ? ":\n" : ": ", out);
		} else if (!deeper) {
			fputs("- ", out);
		}
		if (deeper && depth < DEPTH_MAX)
			print_items(value, depth + 1, key ? NULL : "- ", out);
		else if (*value == '"')
			print_text(value, out);
		else
			fprintf(out, "%.*s", (int)(skip_value(value) - value), value);
		if (!deeper)
			fputc('\n', out);
	}
}

void ctl_json_print(const char *object, FILE *out)
{
	print_items(object, 0, NULL, out);
}
