/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The command line. Its words become settings, each a row of the table of options or of the device
 * types and a value; settings of the same row and those that exclude each other are sorted out; then
 * each is taken, in the order of the table, devices in their own. The rows are in options-table.c.
 */
#include "vmm/options-impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/kvm.h"

static int out_of_memory(struct report *report)
{
	return report_fail(report, REPORT_HOST, "out of memory");
}

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
	if (!(count & (count - 1))) {
		settings = realloc(settings, (count ? 2 * count : 1) * sizeof(*settings));
		if (!settings)
			return out_of_memory(report);
		options->settings = settings;
	}
	settings[options->setting_count++] = *setting;
	return 0;
}

/* The first one from @from on that is called @name, or NULL. */
static struct setting *find(const struct options *options, size_t from, const char *name)
{
	for (size_t i = from; i < options->setting_count; i++) {
		if (strcmp(setting_name(&options->settings[i]), name) == 0)
			return &options->settings[i];
	}
	return NULL;
}

static bool may_repeat(const struct setting *setting)
{
	return setting->row ? setting->row->flags & OPTION_MANY : setting->type->several;
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

static int check_repeats(const struct options *options, struct report *report)
{
	for (size_t i = 0; i < options->setting_count; i++) {
		const struct setting *setting = &options->settings[i], *next;

		/* What takes no argument cannot be said differently. */
		if (may_repeat(setting) || (setting->row && !setting->row->args))
			continue;
		next = find(options, i + 1, setting_name(setting));
		if (next)
			return given_twice(setting, next, report);
	}
	return 0;
}

/* --- what excludes what ----------------------------------------------------------------------------- */

static const struct {
	const char *option;
	const char *other;
	bool needs; /* else excludes */
	const char *why;
} relations[] = {
	{"memory", "region", false, "cannot be combined with --region or --layout, which say it all"},
	{"memory", "layout", false, "cannot be combined with --region or --layout, which say it all"},
	{"flat", "module", false, "a flat binary takes no --module, --initrd, --cmdline or --append"},
	{"flat", "initrd", false, "a flat binary takes no --module, --initrd, --cmdline or --append"},
	{"flat", "cmdline", false, "a flat binary takes no --module, --initrd, --cmdline or --append"},
	{"flat", "append", false, "a flat binary takes no --module, --initrd, --cmdline or --append"},
	{"jail", "no-jail", false, "there are both --jail and --no-jail; leave one out"},
	{"junit", "tap", true, "needs --tap, which reads the tests"},
};

static int check_relations(const struct options *options, struct report *report)
{
	for (size_t i = 0; i < sizeof(relations) / sizeof(relations[0]); i++) {
		const struct setting *setting = find(options, 0, relations[i].option);

		if (!setting || !find(options, 0, relations[i].other) == !relations[i].needs)
			continue;
		return report_fail(report, REPORT_USER, "--%s%s%s: %s", relations[i].option,
				   setting->value ? " " : "", setting->value ? setting->value : "",
				   relations[i].why);
	}
	if (options->flat && options->guest_words && *options->guest_words)
		return report_fail(report, REPORT_USER,
				   "--flat %s: a flat binary takes no arguments behind --",
				   options->flat);
	return 0;
}

/* --- words to settings ------------------------------------------------------------------------------- */

/*
 * One option, its name without dashes cut at '='. @next is the word after it, or NULL; *used says
 * whether it was the argument.
 */
static int take_option(struct parse *parse, char *name, const char *next, bool *used)
{
	const struct device_type *const *type = device_types;
	const struct option_row *row = option_rows;
	char *value = strchr(name, '=');
	const char *args;
	struct setting setting;

	if (value)
		*value++ = '\0';
	while (row->name && strcmp(row->name, name) != 0)
		row++;
	while (*type && strcmp((*type)->name, name) != 0)
		type++;
	if (!row->name && !*type)
		return options_unknown(name, parse->report);
	args = row->name ? row->args : (*type)->args;
	if (!args && value)
		return report_fail(parse->report, REPORT_USER, "--%s=%s: takes no argument", name,
				   value);
	if (args && *args != '[' && !value) {
		/* One that begins with dashes is taken only behind a '='. */
		if (!next || strncmp(next, "--", 2) == 0)
			return report_fail(parse->report, REPORT_USER,
					   "--%s: needs an argument, %s", name, args);
		*used = true;
	}
	setting = (struct setting){
		.row = row->name ? row : NULL,
		.type = row->name ? NULL : *type,
		.value = value   ? value
			 : *used ? next
				 : NULL,
	};
	if (row->name && (row->flags & OPTION_NOW))
		return row->take(parse, setting.value);
	return setting_add(parse->options, &setting, parse->report);
}

/*
 * What stands behind "--", as one text. A word with a space in it gets quotation marks, as Linux
 * takes them, so it cannot have any itself.
 */
static int take_guest_words(struct parse *parse, char **words, int count)
{
	struct options *options = parse->options;
	size_t size = 1;

	for (int i = 0; i < count; i++) {
		if (strpbrk(words[i], "\"\n"))
			return report_fail(
				parse->report, REPORT_USER,
				"-- argument %d: a quotation mark or a new line cannot be "
				"told the guest; leave it out",
				i + 1);
		size += strlen(words[i]) + 3;
	}
	options->guest_words = malloc(size);
	if (!options->guest_words)
		return out_of_memory(parse->report);
	*options->guest_words = '\0';
	for (int i = 0, at = 0; i < count; i++) {
		const char *quote = !*words[i] || strpbrk(words[i], " \t") ? "\"" : "";

		at += snprintf(options->guest_words + at, size - (size_t)at, "%s%s%s%s",
			       i ? " " : "", quote, words[i], quote);
	}
	return 0;
}

static int take_words(struct parse *parse, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		const struct setting kernel = {.row = &option_kernel, .value = argv[i]};
		bool used = false;
		int ret;

		if (strcmp(argv[i], "--") == 0)
			return take_guest_words(parse, argv + i + 1, argc - i - 1);
		if (strcmp(argv[i], "-h") == 0)
			return options_help(NULL, parse->report) ? -1 : 1;
		if (strncmp(argv[i], "--", 2) == 0)
			ret = take_option(parse, argv[i] + 2, i + 1 < argc ? argv[i + 1] : NULL,
					  &used);
		else if (argv[i][0] == '-' && argv[i][1])
			ret = report_fail(parse->report, REPORT_USER,
					  "%s: unknown option; options begin with two dashes",
					  argv[i]);
		else
			ret = setting_add(parse->options, &kernel, parse->report);
		if (ret)
			return ret;
		i += used;
	}
	return 0;
}

/* --- settings to options ----------------------------------------------------------------------------- */

static int take_row(struct parse *parse, const struct option_row *row)
{
	const struct options *options = parse->options;
	int err = 0;

	for (size_t i = 0; i < options->setting_count && !err; i++) {
		if (options->settings[i].row == row)
			err = row->take(parse, options->settings[i].value);
	}
	return err;
}

static int take_devices(struct parse *parse)
{
	struct options *options = parse->options;

	options->devices = calloc(options->setting_count + 1, sizeof(*options->devices));
	if (!options->devices)
		return out_of_memory(parse->report);
	for (size_t i = 0; i < options->setting_count; i++) {
		const struct setting *setting = &options->settings[i];

		if (setting->type)
			options->devices[options->device_count++] =
				(struct option_device){setting->type, setting->value};
	}
	return 0;
}

static int take_settings(struct parse *parse)
{
	int err = take_row(parse, &option_kernel);

	for (const struct option_row *row = option_rows; row->name && !err; row++)
		err = take_row(parse, row);
	return err ? err : take_devices(parse);
}

/* --- what can be said only when all options are known ------------------------------------------------ */

/* Whether a console device has standard input and output. */
static bool has_stdio(const struct options *options)
{
	for (size_t i = 0; i < options->device_count; i++) {
		const char *args = options->devices[i].args;

		if (args && strncmp(args, "stdio", 5) == 0 && (!args[5] || args[5] == ','))
			return true;
	}
	return false;
}

static const struct option_device *first_disk(const struct options *options)
{
	for (size_t i = 0; i < options->device_count; i++) {
		if (strcmp(options->devices[i].type->name, "disk") == 0)
			return &options->devices[i];
	}
	return NULL;
}

/*
 * What Linux is told unless --cmdline says it all: where its console and its root are, and to
 * reboot through ACPI. On reduced hardware a kernel that knows EFI would take that, even without an
 * EFI, and then jump to a BIOS.
 */
static int make_linux_words(struct options *options)
{
	const struct option_device *disk = first_disk(options);
	const char *words = disk ? strchr(disk->args, ',') : NULL;
	bool ro = words && (strncmp(words, ",ro", 3) == 0 || strstr(words, ",ro,"));

	return asprintf(&options->linux_words, "console=%s reboot=a%s",
			has_stdio(options) ? "hvc0" : "ttyS0",
			!disk ? ""
			: ro  ? " root=/dev/vda ro"
			      : " root=/dev/vda rw") < 0;
}

/* Whether there are options that say nothing without a kernel. */
static bool for_kernel(const struct options *options)
{
	return options->module_count || options->cmdline || options->append || options->initrd ||
	       options->flat || options->guest_words;
}

static int finish(struct parse *parse)
{
	struct options *options = parse->options;

	if (!options->kernel && (parse->needs_kernel || for_kernel(options)))
		return report_fail(parse->report, REPORT_USER,
				   "no kernel given; usage: vmm KERNEL [options], --help for more");
	/* There is one standard input and output; who asks for it by name has it. */
	if (!options->serial)
		options->serial = has_stdio(options) ? "null" : "stdio";
	if (make_linux_words(options))
		return out_of_memory(parse->report);
	if (!options->layout.count && layout_add_memory(&options->layout, "128M", parse->report))
		return -1;
	if (parse->fragment)
		return layout_fragment(&options->layout, parse->fragment, parse->report);
	return 0;
}

static int parse(int argc, char **argv, bool needs_kernel, struct options *options,
		 struct report *report)
{
	struct parse parse = {.options = options, .report = report, .needs_kernel = needs_kernel};
	int err;

	*options = (struct options){.kvm = KVM_PATH, .cpus = 1};
	err = take_words(&parse, argc, argv);
	if (!err)
		err = check_repeats(options, report);
	if (!err)
		err = take_settings(&parse);
	if (!err)
		err = check_relations(options, report);
	return err ? err : finish(&parse);
}

int options_parse(int argc, char **argv, struct options *options, struct report *report)
{
	return parse(argc, argv, true, options, report);
}

int options_parse_map(int argc, char **argv, struct options *options, struct report *report)
{
	return parse(argc, argv, false, options, report);
}

void options_clear(struct options *options)
{
	layout_clear(&options->layout);
	while (options->module_count)
		free((char *)options->modules[--options->module_count].path);
	free(options->modules);
	free(options->devices);
	free(options->linux_words);
	free(options->guest_words);
	free(options->expect);
	free(options->exit_map);
	free(options->settings);
	*options = (struct options){0};
}
