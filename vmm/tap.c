/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Reading TAP. See tap.h for what is taken and what is passed over. */
#include "vmm/tap.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define NUMBER_MAX 999999999UL

/* What is left of a line. */
struct text {
	const char *at;
	size_t len;
};

static void complain(struct tap *tap, const char *format, ...)
{
	va_list args;

	if (tap->problem[0])
		return;
	va_start(args, format);
	vsnprintf(tap->problem, sizeof(tap->problem), format, args);
	va_end(args);
}

static void skip(struct text *text, size_t len)
{
	text->at += len;
	text->len -= len;
}

static bool take(struct text *text, const char *word)
{
	size_t len = strlen(word);

	if (text->len < len || memcmp(text->at, word, len) != 0)
		return false;
	skip(text, len);
	return true;
}

static void take_blanks(struct text *text)
{
	while (text->len && (*text->at == ' ' || *text->at == '\t'))
		skip(text, 1);
}

static void trim_end(struct text *text)
{
	while (text->len && strchr(" \t\r", text->at[text->len - 1]) && text->at[text->len - 1])
		text->len--;
}

/* False if there is none, or one that nobody counts to. */
static bool take_number(struct text *text, unsigned long *number)
{
	bool any = false;

	for (*number = 0; text->len && *text->at >= '0' && *text->at <= '9'; skip(text, 1)) {
		*number = *number * 10 + (unsigned long)(*text->at - '0');
		any = true;
		if (*number > NUMBER_MAX)
			return false;
	}
	return any;
}

/* The "# SKIP reason" or "# TODO reason" of a test point; the name ends before it. */
static enum tap_result directive(struct text *name, struct text *reason)
{
	static const struct {
		const char *word;
		enum tap_result result;
	} words[] = {{"skip", TAP_SKIP}, {"todo", TAP_TODO}};

	for (size_t i = 0; i < name->len; i++) {
		struct text rest = {name->at + i + 1, name->len - i - 1};

		if (name->at[i] == '\\') {
			i++;
			continue;
		}
		if (name->at[i] != '#')
			continue;
		take_blanks(&rest);
		for (size_t w = 0; w < sizeof(words) / sizeof(words[0]); w++) {
			if (rest.len < 4 || strncasecmp(rest.at, words[w].word, 4) != 0)
				continue;
			/* "skipped" is a usual spelling. */
			while (rest.len && *rest.at != ' ' && *rest.at != '\t')
				skip(&rest, 1);
			take_blanks(&rest);
			name->len = i;
			trim_end(name);
			*reason = rest;
			return words[w].result;
		}
	}
	return TAP_OK;
}

static void count(struct tap *tap, enum tap_result result)
{
	tap->passed += result == TAP_OK;
	tap->failed += result == TAP_NOT_OK;
	tap->skipped += result == TAP_SKIP;
	tap->todo += result == TAP_TODO;
}

static void take_point(struct tap *tap, struct text rest, bool ok)
{
	struct tap_point point = {.number = tap->points + 1};
	struct text reason = {rest.at, 0};

	take_blanks(&rest);
	if (rest.len && *rest.at >= '0' && *rest.at <= '9' && !take_number(&rest, &point.number)) {
		complain(tap, "a test number above %lu", NUMBER_MAX);
		return;
	}
	take_blanks(&rest);
	if (take(&rest, "-"))
		take_blanks(&rest);
	point.result = directive(&rest, &reason);
	/* Only TODO excuses a failure. */
	if (!ok && point.result != TAP_TODO)
		point.result = TAP_NOT_OK;
	tap->points++;
	if (point.number != tap->points)
		complain(tap, "test %lu where %lu was due", point.number, tap->points);
	point.name = rest.at;
	point.name_len = rest.len;
	point.reason = reason.at;
	point.reason_len = reason.len;
	count(tap, point.result);
	if (tap->point)
		tap->point(tap->arg, &point);
}

static void take_plan(struct tap *tap, struct text rest)
{
	unsigned long planned;

	if (!take_number(&rest, &planned) || (rest.len && !strchr(" \t", *rest.at)))
		return;
	if (tap->has_plan)
		complain(tap, "a second plan, 1..%lu", planned);
	else
		tap->planned = planned;
	tap->has_plan = true;
}

static void take_version(struct tap *tap, struct text rest)
{
	unsigned long version;

	if (!take_number(&rest, &version) || version < 12 || version > 14)
		complain(tap, "a TAP version that is none of 12, 13 and 14");
}

static bool ends_word(const struct text *text)
{
	return !text->len || *text->at == ' ' || *text->at == '\t';
}

static void diagnostic(struct tap *tap, const struct text *line)
{
	if (tap->diagnostic)
		tap->diagnostic(tap->arg, line->at, line->len);
}

/* True if the line is of the YAML block behind a test point. */
static bool take_yaml(struct tap *tap, const struct text *line)
{
	struct text rest = *line;
	bool indented = take(&rest, "  ");

	if (!tap->in_yaml) {
		tap->in_yaml = tap->points && indented && rest.len == 3 && take(&rest, "---");
		return tap->in_yaml;
	}
	/* A block that nobody closed ends with its indentation. */
	tap->in_yaml = indented && !(rest.len == 3 && memcmp(rest.at, "...", 3) == 0);
	if (indented && tap->in_yaml)
		diagnostic(tap, line);
	return indented;
}

void tap_line(struct tap *tap, const char *line, size_t len)
{
	struct text text = {line, len}, rest;

	trim_end(&text);
	if (tap->bailed || take_yaml(tap, &text))
		return;
	rest = text;
	if (take(&rest, "ok") && ends_word(&rest))
		return take_point(tap, rest, true);
	rest = text;
	if (take(&rest, "not ok") && ends_word(&rest))
		return take_point(tap, rest, false);
	rest = text;
	if (take(&rest, "1.."))
		return take_plan(tap, rest);
	if (take(&rest, "#"))
		return diagnostic(tap, &text);
	if (take(&rest, "TAP version "))
		return take_version(tap, rest);
	if (take(&rest, "Bail out!")) {
		take_blanks(&rest);
		tap->bailed = true;
		complain(tap, "bailed out: %.*s", (int)(rest.len < 120 ? rest.len : 120), rest.at);
	}
}

bool tap_end(struct tap *tap)
{
	if (!tap->has_plan && !tap->points)
		complain(tap, "no TAP on any console");
	else if (!tap->has_plan)
		complain(tap, "no plan (1..N)");
	else if (tap->points != tap->planned)
		complain(tap, "%lu tests planned, %lu ran", tap->planned, tap->points);
	return !tap->problem[0] && !tap->failed;
}
