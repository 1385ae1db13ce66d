/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The table of options (options-table.c), between who parses by it (options.c) and who prints it
 * (options-help.c).
 */
#ifndef VMM_OPTIONS_IMPL_H
#define VMM_OPTIONS_IMPL_H

#include <limits.h>

#include "vmm/options.h"

/* Where the help has a row. */
enum option_group {
	OPTION_MEMORY,
	OPTION_KERNEL,
	OPTION_MACHINE,
	OPTION_END,
	OPTION_DEBUG,
	OPTION_ABOUT,
};

enum option_flag {
	OPTION_COMMON = 1, /* --help has it, too, not only --help=all */
	OPTION_MANY = 2,   /* may be repeated; else the second is refused */
	OPTION_NUMBER = 4, /* a number is natural for it where there are types */
	OPTION_NOW = 8,    /* taken where it stands, before all others */
};

/* The last layer, which nothing comes over. */
#define COMMAND_LINE INT_MAX

/* While parsing. */
struct parse {
	struct options *options;
	struct report *report;
	const char *fragment; /* --fragment as given */
	bool needs_kernel;
	unsigned int files; /* of --config, read so far */
	bool print;         /* --print-config */
};

struct option_row {
	const char *name;
	/*
	 * NULL: takes none. One that may be left out begins with "[=" and is taken behind a '='
	 * only, never from the next word.
	 */
	const char *args;
	const char *help;
	/*
	 * 0, or -1 and parse->report; 1 ends the program, the option having been answered. Rows are
	 * taken in the order of the table. @value lives as long as the options.
	 */
	int (*take)(struct parse *parse, const char *value);
	enum option_group group;
	unsigned int flags; /* enum option_flag */
};

/* Ends with a row without a name. */
extern const struct option_row option_rows[];

/* What stands without a name: the kernel, and each word behind "--". */
extern const struct option_row option_kernel, option_arguments;

/*
 * On standard output: NULL the help, "all" of it, "list" a line an option with tabs between name,
 * argument, help; else what there is to say about an option, a device, a verb or a topic. 0 or -1.
 */
int options_help(const char *about, struct report *report);
void print_version(void);
int topic_print(const char *name, struct report *report);
void topic_print_words(const struct device_word *words);

/* The first setting that is called @name, or NULL. */
const struct setting *setting_find(const struct options *options, const char *name);

/* Leave the settings that count. */
int settings_resolve(struct options *options, struct report *report);

/* Whether what there is goes together. */
int settings_check(const struct options *options, struct report *report);

/* What a time on the command line may look like, and up to what: some 31 years. */
#define OPTIONS_TIME_MAX  1000000000000ULL
#define OPTIONS_TIME_HELP "write for example 10, 500ms, 2m or 1h"

/* A time of @min to OPTIONS_TIME_MAX ms. 0, or -1 if @text is none. */
int options_time(const char *text, uint64_t min, uint64_t *ms);

/* Fails: there is no --@name; says which one is near. */
int options_unknown(const char *name, struct report *report);

#endif
