/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The table of options, between who parses by it (options.c) and who prints it (options-help.c). */
#ifndef VMM_OPTIONS_IMPL_H
#define VMM_OPTIONS_IMPL_H

#include "vmm/options.h"

struct parse;

struct option_row {
	const char *name;
	/*
	 * NULL: takes none. One that may be left out begins with "[=" and is taken behind a '='
	 * only, never from the next word.
	 */
	const char *args;
	const char *help;
	int (*take)(struct parse *parse, const char *value);
};

/* Ends with a row without a name. */
extern const struct option_row option_rows[];

/* On standard output: for people, and a line an option with tabs between name, argument, help. */
void options_help(void);
void options_list(void);

/* How many edits turn @a into @b, at most: for "did you mean". */
unsigned int edit_distance(const char *a, const char *b);

/* Fails: there is no --@name; says which one is near. */
int options_unknown(const char *name, struct report *report);

#endif
