/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * build/conformance FILE...: replay recorded operations against libguestmem and compare results.
 *
 * The first differences of each file are printed with line number, expected and got; the closing
 * line counts all. Exit status 1 if a line failed, 2 if a file cannot be read.
 */
#include "tests/conformance/conformance.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHOWN_PER_FILE 20

static const struct conf_kind *const kinds[] = {
	&conf_layout, &conf_iotlb, &conf_iommu, &conf_slice, &conf_bitmap, &conf_address,
};

struct score {
	const char *file;
	unsigned long line, passed, failed, shown;
};

static void close_case(struct conf *c)
{
	if (c->kind)
		c->kind->close(c);
	c->kind = NULL;
	c->memory = NULL;
	c->backend = NULL;
	c->bitmap = NULL;
	c->host = NULL;
	c->private = NULL;
}

static size_t width_of(const char *suffix)
{
	static const struct {
		const char *text;
		size_t bytes;
	} widths[] = {{"8", 1}, {"16", 2}, {"32", 4}, {"64", 8}, {"96B", 96}};

	for (size_t i = 0; i < sizeof(widths) / sizeof(widths[0]); i++) {
		if (!strcmp(suffix, widths[i].text))
			return widths[i].bytes;
	}
	return 0;
}

static const struct conf_op *find_op(struct conf *c, const char *name)
{
	for (const struct conf_op *const *table = c->kind->tables; *table; table++) {
		for (const struct conf_op *op = *table; op->name; op++) {
			size_t stem = strlen(op->name) - 1;

			if (!strcmp(op->name, name))
				return op;
			if (op->name[stem] != '#' || strncmp(op->name, name, stem))
				continue;
			c->width = width_of(name + stem);
			if (c->width && (c->width <= 8 || strstr(op->name, "_obj#")))
				return op;
		}
	}
	return NULL;
}

/* Take the prefix off that says what the operation works on; with r_, an argument as well. */
static const char *choose_target(struct conf *c, const char *name)
{
	c->target = (struct conf_target){0};
	if (c->kind == &conf_slice) {
		c->target.slice = &c->slice;
	} else if (!strncmp(name, "r_", 2) && c->argc > 0) {
		c->target.region = c->backend ? gm_memory_region(c->backend, conf_u64(c, 0)) : NULL;
		if (!c->target.region)
			return NULL;
		memmove(&c->argv[0], &c->argv[1], (size_t)--c->argc * sizeof(c->argv[0]));
		/* What a region is asked that a memory is too, but with another meaning. */
		return strstr("r_check_address r_address_in_range r_checked_offset "
			      "r_to_region_addr "
			      "r_get_host_address r_get_slice",
			      name)
			       ? name
			       : name + 2;
	} else if (!strncmp(name, "backend_", 8)) {
		c->target.memory = c->backend;
		return name + 8;
	} else {
		c->target.memory = c->memory;
	}
	return name;
}

/* One operation, tokens split; leaves the result in c->out. False: no such operation. */
static bool run(struct conf *c, const char *name)
{
	const struct conf_op *op;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(kinds[i]->name, name))
			continue;
		close_case(c);
		c->kind = kinds[i];
		c->kind->open(c);
		if (c->refused || c->malformed)
			close_case(c);
		return true;
	}
	name = c->kind ? choose_target(c, name) : NULL;
	op = name ? find_op(c, name) : NULL;
	if (!op || c->argc < op->min_args || c->argc > op->max_args)
		return false;
	op->run(c);
	return true;
}

/*
 * Whether the result is the recorded one. Where the original crashes, in every build or in those
 * with overflow checks, the library has to refuse with an error by name (or with "false").
 */
static bool matches(const struct conf *c, const char *expected)
{
	if (!strcmp(expected, "panic") || !strncmp(expected, "panic_debug", 11))
		return c->refused || !strcmp(c->out, "false");
	return !strcmp(c->out, expected);
}

static void compare(struct conf *c, struct score *score, bool known, const char *text,
		    const char *expected)
{
	if (known && !c->malformed && matches(c, expected)) {
		score->passed++;
		return;
	}
	score->failed++;
	if (score->shown++ >= SHOWN_PER_FILE)
		return;
	printf("%s:%lu: %s\n  expected %s\n  got      %s\n", score->file, score->line, text, expected,
	       !known         ? "(unknown operation)"
	       : c->malformed ? "(malformed)"
			      : c->out);
}

static void replay_line(struct conf *c, struct score *score, char *line)
{
	char *arrow = strstr(line, " -> "), *save = NULL, *token;
	char text[120];
	bool known;

	snprintf(text, sizeof(text), "%.*s", arrow ? (int)(arrow - line) : (int)strlen(line), line);
	c->out_len = 0;
	conf_put(c, "%s", "");
	c->malformed = !arrow;
	c->refused = false;
	c->width = 0;
	c->argc = 0;
	if (arrow)
		*arrow = '\0';
	line = strtok_r(line, " ", &save);
	while ((token = strtok_r(NULL, " ", &save)) && c->argc < CONF_MAX_ARGS)
		c->argv[c->argc++] = token;
	known = line && !token && run(c, line);
	/* An operation that writes item after item leaves a separator behind the last. */
	while (c->out_len && c->out[c->out_len - 1] == ' ')
		c->out[--c->out_len] = '\0';
	compare(c, score, known, text, arrow ? arrow + 4 : "(no result on the line)");
}

static int replay_file(const char *path, struct score *score)
{
	FILE *file = fopen(path, "r");
	struct conf c = {0};
	char *line = NULL;
	size_t cap = 0;
	ssize_t len;

	if (!file) {
		fprintf(stderr, "conformance: %s: %s\n", path, strerror(errno));
		return 2;
	}
	*score = (struct score){.file = path};
	while ((len = getline(&line, &cap, file)) >= 0) {
		score->line++;
		if (len && line[len - 1] == '\n')
			line[--len] = '\0';
		if (len && line[0] != '#')
			replay_line(&c, score, line);
	}
	if (score->shown > SHOWN_PER_FILE)
		printf("%s: %lu more differences\n", path, score->shown - SHOWN_PER_FILE);
	close_case(&c);
	free(c.out);
	free(line);
	fclose(file);
	return score->failed ? 1 : 0;
}

int main(int argc, char **argv)
{
	unsigned long passed = 0, failed = 0;
	int status = 0;

	if (argc < 2) {
		fprintf(stderr, "usage: conformance FILE...\n");
		return 2;
	}
	for (int i = 1; i < argc; i++) {
		struct score score = {0};
		int err = replay_file(argv[i], &score);

		status = err > status ? err : status;
		passed += score.passed;
		failed += score.failed;
	}
	printf("%lu passed, %lu failed\n", passed, failed);
	return status;
}
