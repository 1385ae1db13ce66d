/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* What --expect looks for: each expression once, in any order. Whose lines they are: verdict.c. */
#include "vmm/expect.h"

#include <regex.h>
#include <stdlib.h>
#include <string.h>

struct pattern {
	const char *text;
	regex_t regex;
	bool compiled;
	bool seen;
};

struct expect {
	size_t count;
	size_t left; /* not seen yet */
	struct pattern patterns[];
};

int expect_new(const char *const *patterns, size_t count, struct expect **out, struct report *report)
{
	struct expect *expect = calloc(1, sizeof(*expect) + count * sizeof(expect->patterns[0]));

	*out = expect;
	if (!expect)
		return report_fail(report, REPORT_HOST, "out of memory");
	expect->count = count;
	expect->left = count;
	for (size_t i = 0; i < count; i++) {
		struct pattern *pattern = &expect->patterns[i];
		int err = regcomp(&pattern->regex, patterns[i], REG_EXTENDED | REG_NOSUB);

		pattern->text = patterns[i];
		pattern->compiled = err == 0;
		if (err) {
			char why[128];

			regerror(err, &pattern->regex, why, sizeof(why));
			return report_fail(report, REPORT_USER,
					   "--expect %s: not an extended regular expression: %s",
					   patterns[i], why);
		}
	}
	return 0;
}

void expect_free(struct expect *expect)
{
	for (size_t i = 0; expect && i < expect->count; i++) {
		if (expect->patterns[i].compiled)
			regfree(&expect->patterns[i].regex);
	}
	free(expect);
}

bool expect_look(struct expect *expect, char *line, size_t len, bool begins, bool ends)
{
	int flags = (begins ? 0 : REG_NOTBOL) | (ends ? 0 : REG_NOTEOL);

	for (char *zero; (zero = memchr(line, 0, len)); *zero = ' ')
		;
	for (size_t i = 0; i < expect->count; i++) {
		struct pattern *pattern = &expect->patterns[i];

		if (pattern->seen || regexec(&pattern->regex, line, 0, NULL, flags) != 0)
			continue;
		pattern->seen = true;
		expect->left--;
	}
	return !expect->left;
}

const char *expect_missing(const struct expect *expect)
{
	for (size_t i = 0; i < expect->count; i++) {
		if (!expect->patterns[i].seen)
			return expect->patterns[i].text;
	}
	return NULL;
}
