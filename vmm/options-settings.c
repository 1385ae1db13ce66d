/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Settings: what was said by files and by the command line, and what of it counts. Of what there
 * can be once the last one to say it has it; what may be repeated adds up; what excludes or needs
 * what is a table here.
 */
#include "vmm/options-impl.h"

#include <stdlib.h>
#include <string.h>

/* --- settings -------------------------------------------------------------------------------------- */

const char *setting_name(const struct setting *setting)
{
	return setting->row ? setting->row->name : setting->type->name;
}

int setting_add(struct options *options, const struct setting *setting, struct report *report)
{
	size_t count = options->setting_count;
	struct setting *settings = options->settings;

	/* Powers of two, each when it is reached. */
	if (!(count & (count - 1)) || !settings) {
		settings = realloc(settings, (count ? 2 * count : 1) * sizeof(*settings));
		if (!settings)
			return report_fail(report, REPORT_HOST, "out of memory");
		options->settings = settings;
	}
	settings[options->setting_count++] = *setting;
	return 0;
}

/* The first one from @from on that is called @name, or NULL. */
static struct setting *find(const struct options *options, size_t from, const char *name)
{
	for (size_t i = from; i < options->setting_count; i++) {
		if (!options->settings[i].dropped &&
		    strcmp(setting_name(&options->settings[i]), name) == 0)
			return &options->settings[i];
	}
	return NULL;
}

const struct setting *setting_find(const struct options *options, const char *name)
{
	return find(options, 0, name);
}

bool setting_is_word(const struct setting *setting)
{
	return setting->row == &option_kernel || setting->row == &option_arguments;
}

bool setting_may_repeat(const struct setting *setting)
{
	return setting->row ? setting->row->flags & OPTION_MANY : setting->type->several;
}

/* --- which of them count ----------------------------------------------------------------------------- */

/* What is said by more than one: the files' settings first, so that the last one is who has it. */
static int sort_layers(struct options *options, struct report *report)
{
	struct setting *sorted = malloc((options->setting_count + 1) * sizeof(*sorted));
	size_t count = 0;

	if (!sorted)
		return report_fail(report, REPORT_HOST, "out of memory");
	/* Files were read one after the other. */
	for (int file = 1; file >= 0; file--) {
		for (size_t i = 0; i < options->setting_count; i++) {
			if (!options->settings[i].file == !file)
				sorted[count++] = options->settings[i];
		}
	}
	free(options->settings);
	options->settings = sorted;
	return 0;
}

static int given_twice(const struct setting *before, const struct setting *now, struct report *report)
{
	const char *name = setting_name(now);

	if (now->row == &option_kernel)
		return report_fail(report, REPORT_USER, "%s: a second kernel; the first is %s",
				   now->value, before->value);
	if (!now->row)
		return report_fail(report, REPORT_USER, "--%s: given twice, a machine can have one",
				   name);
	if (!now->value || !before->value)
		return report_fail(report, REPORT_USER, "--%s: given twice", name);
	return report_fail(report, REPORT_USER, "--%s %s: given twice, it was %s before", name,
			   now->value, before->value);
}

/* Of what can be there once, the last one to say it has it, in the place of the first. */
static int drop_earlier(struct options *options, struct report *report)
{
	for (size_t i = 0; i < options->setting_count; i++) {
		struct setting *setting = &options->settings[i], *next;

		if (setting->dropped || setting_may_repeat(setting))
			continue;
		while ((next = find(options, i + 1, setting_name(setting)))) {
			/* What takes no argument cannot be said differently. */
			if (next->layer == setting->layer && !setting->off && !next->off &&
			    (!setting->row || setting->row->args))
				return given_twice(setting, next, report);
			*setting = *next;
			next->dropped = true;
		}
	}
	return 0;
}

/* Drop all that are called @name and whose layer is before @layer. */
static void drop_before(struct options *options, const char *name, unsigned int layer)
{
	struct setting *setting;

	for (size_t i = 0; (setting = find(options, i, name)); i++) {
		i = (size_t)(setting - options->settings);
		setting->dropped = setting->layer < layer;
	}
}

/* The layer of the last one that is called @name, or -1. */
static int last_layer(const struct options *options, const char *name)
{
	const struct setting *setting = NULL;

	for (size_t i = 0; i < options->setting_count; i++) {
		if (!options->settings[i].dropped &&
		    strcmp(setting_name(&options->settings[i]), name) == 0)
			setting = &options->settings[i];
	}
	return setting ? (int)setting->layer : -1;
}

static void forget_dropped(struct options *options)
{
	size_t kept = 0;

	for (size_t i = 0; i < options->setting_count; i++) {
		const struct setting *setting = &options->settings[i];

		if (!setting->dropped && !setting->off)
			options->settings[kept++] = *setting;
	}
	options->setting_count = kept;
}

/* --- what excludes what ------------------------------------------------------------------------------- */

enum relation {
	EXCLUDES,
	REPLACES, /* excludes, but the command line has one where a file has the other */
	NEEDS,
};

static const struct {
	const char *option;
	enum relation relation;
	const char *other;
	const char *why;
} relations[] = {
	{"memory", REPLACES, "region",
	 "cannot be combined with --region or --layout, which say it all"},
	{"memory", REPLACES, "layout",
	 "cannot be combined with --region or --layout, which say it all"},
	{"jail", REPLACES, "no-jail", "there are both --jail and --no-jail; leave one out"},
	{"flat", EXCLUDES, "module",
	 "a flat binary takes no --module, --initrd, --cmdline or --append"},
	{"flat", EXCLUDES, "initrd",
	 "a flat binary takes no --module, --initrd, --cmdline or --append"},
	{"flat", EXCLUDES, "cmdline",
	 "a flat binary takes no --module, --initrd, --cmdline or --append"},
	{"flat", EXCLUDES, "append",
	 "a flat binary takes no --module, --initrd, --cmdline or --append"},
	{"flat", EXCLUDES, "arguments", "a flat binary takes no arguments behind --"},
	{"junit", NEEDS, "tap", "needs --tap, which reads the tests"},
};

#define RELATIONS (sizeof(relations) / sizeof(relations[0]))

static void drop_replaced(struct options *options)
{
	for (size_t i = 0; i < RELATIONS; i++) {
		int a = last_layer(options, relations[i].option);
		int b = last_layer(options, relations[i].other);

		if (relations[i].relation != REPLACES || a < 0 || b < 0)
			continue;
		drop_before(options, a < b ? relations[i].option : relations[i].other,
			    (unsigned int)(a < b ? b : a));
	}
}

int settings_check(const struct options *options, struct report *report)
{
	for (size_t i = 0; i < RELATIONS; i++) {
		const struct setting *setting = find(options, 0, relations[i].option);

		if (!setting ||
		    !find(options, 0, relations[i].other) == (relations[i].relation != NEEDS))
			continue;
		return report_fail(report, REPORT_USER, "--%s%s%s: %s", relations[i].option,
				   setting->value ? " " : "", setting->value ? setting->value : "",
				   relations[i].why);
	}
	return 0;
}

int settings_resolve(struct options *options, struct report *report)
{
	int arguments = last_layer(options, option_arguments.name);

	if (sort_layers(options, report) || drop_earlier(options, report))
		return -1;
	forget_dropped(options);
	if (arguments > 0)
		drop_before(options, option_arguments.name, (unsigned int)arguments);
	drop_replaced(options);
	forget_dropped(options);
	return 0;
}
