/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The command line. Its words become settings, each a row of the table of options or of the device
 * types and a value; which of them count is found out (options-settings.c); then each is taken, in
 * the order of the table, devices in their own. The rows are in options-table.c.
 */
#include "vmm/options-impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/config.h"
#include "vmm/kvm.h"

static int out_of_memory(struct report *report)
{
	return report_fail(report, REPORT_HOST, "out of memory");
}

const char *options_keep(struct options *options, const char *text)
{
	char **texts = realloc(options->texts, (options->text_count + 1) * sizeof(*texts));

	if (!texts)
		return NULL;
	options->texts = texts;
	texts[options->text_count] = strdup(text);
	return texts[options->text_count] ? texts[options->text_count++] : NULL;
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
		.layer = COMMAND_LINE,
		.value = value   ? value
			 : *used ? next
				 : NULL,
	};
	if (row->name && (row->flags & OPTION_NOW))
		return row->take(parse, setting.value);
	return setting_add(parse->options, &setting, parse->report);
}

static int take_arguments(struct options *options, char **words, int count, struct report *report)
{
	int err = 0;

	for (int i = 0; i < count && !err; i++) {
		const struct setting word = {
			.row = &option_arguments, .value = words[i], .layer = COMMAND_LINE};

		err = setting_add(options, &word, report);
	}
	return err;
}

static int take_words(struct parse *parse, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		const struct setting kernel = {
			.row = &option_kernel, .value = argv[i], .layer = COMMAND_LINE};
		bool used = false;
		int ret;

		if (strcmp(argv[i], "--") == 0)
			return take_arguments(parse->options, argv + i + 1, argc - i - 1,
					      parse->report);
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

/* A mistake in a file is said to be one there. */
static int mistake(const struct setting *setting, struct report *report)
{
	struct report why = *report;

	if (setting->file)
		report_fail(report, why.status, "%s: %s", setting->file, why.text);
	return -1;
}

static int take_row(struct parse *parse, const struct option_row *row)
{
	const struct options *options = parse->options;

	for (size_t i = 0; i < options->setting_count; i++) {
		const struct setting *setting = &options->settings[i];

		if (setting->row == row && row->take(parse, setting->value))
			return mistake(setting, parse->report);
	}
	return 0;
}

/*
 * What stands behind "--", as one text. A word with a space in it gets quotation marks, as Linux
 * takes them, so it cannot have any itself.
 */
static int put_guest_words(const struct parse *parse, FILE *out)
{
	const struct options *options = parse->options;
	int count = 0;

	for (size_t i = 0; i < options->setting_count; i++) {
		const struct setting *setting = &options->settings[i];
		const char *word = setting->value, *quote;

		if (setting->row != &option_arguments)
			continue;
		count++;
		if (strpbrk(word, "\"\n")) {
			report_fail(parse->report, REPORT_USER,
				    "-- argument %d: a quotation mark or a new line cannot be told "
				    "the guest; leave it out",
				    count);
			return mistake(setting, parse->report);
		}
		quote = !*word || strpbrk(word, " \t") ? "\"" : "";
		fprintf(out, "%s%s%s%s", count > 1 ? " " : "", quote, word, quote);
	}
	return 0;
}

static int take_guest_words(struct parse *parse)
{
	size_t size = 0;
	FILE *out;
	int err;

	if (!setting_find(parse->options, option_arguments.name))
		return 0;
	out = open_memstream(&parse->options->guest_words, &size);
	if (!out)
		return out_of_memory(parse->report);
	err = put_guest_words(parse, out);
	return fclose(out) ? out_of_memory(parse->report) : err;
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
	if (!err)
		err = take_guest_words(parse);
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

	if (!options->kernel && !parse->print && (parse->needs_kernel || for_kernel(options)))
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
		err = settings_resolve(options, report);
	if (!err)
		err = take_settings(&parse);
	if (!err)
		err = settings_check(options, report);
	if (!err)
		err = finish(&parse);
	if (!err && parse.print)
		err = config_print(options, stdout, report) ? -1 : 1;
	return err;
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
	free(options->stats_to);
	free(options->settings);
	while (options->text_count)
		free(options->texts[--options->text_count]);
	free(options->texts);
	*options = (struct options){0};
}
