/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The command line. Each option is one row: its name, its argument in the help, its help, and the
 * function that takes it. Devices add their own rows from device_types[]. What is printed of the
 * rows is in options-help.c.
 */
#include "vmm/options-impl.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/on-crash.h"

#include "vmm/exit-map.h"
#include "vmm/kvm.h"

/* What --timeout takes: some 31 years. */
#define TIMEOUT_MAX_MS 1000000000000ULL

/* While parsing: what only matters for conflicts between options. */
struct parse {
	struct options *options;
	struct report *report;
	const char *memory;   /* --memory as given */
	const char *fragment; /* --fragment as given */
	bool regions;         /* --region or --layout was given */
	bool serial;
	bool kvm;
	const char *transport; /* --transport as given */
};

static int out_of_memory(struct report *report)
{
	return report_fail(report, REPORT_HOST, "out of memory");
}

static int once(struct parse *parse, const char *option, const char *before, const char *value)
{
	if (before)
		return report_fail(parse->report, REPORT_USER,
				   "%s %s: given twice, it was %s before", option, value, before);
	return 0;
}

static int take_memory(struct parse *parse, const char *value)
{
	if (once(parse, "--memory", parse->memory, value))
		return -1;
	parse->memory = value;
	return 0;
}

static int take_region(struct parse *parse, const char *value)
{
	char where[64];

	parse->regions = true;
	snprintf(where, sizeof(where), "--region %.50s", value);
	return layout_add_region(&parse->options->layout, value, where, parse->report);
}

static int take_layout(struct parse *parse, const char *value)
{
	parse->regions = true;
	return layout_add_file(&parse->options->layout, value, parse->report);
}

static int take_fragment(struct parse *parse, const char *value)
{
	if (once(parse, "--fragment", parse->fragment, value))
		return -1;
	parse->fragment = value;
	return 0;
}

static int take_text(struct parse *parse, const char *option, const char **text, const char *value)
{
	if (once(parse, option, *text, value))
		return -1;
	*text = value;
	return 0;
}

static int take_cmdline(struct parse *parse, const char *value)
{
	return take_text(parse, "--cmdline", &parse->options->cmdline, value);
}

static int take_append(struct parse *parse, const char *value)
{
	return take_text(parse, "--append", &parse->options->append, value);
}

static int take_initrd(struct parse *parse, const char *value)
{
	return take_text(parse, "--initrd", &parse->options->initrd, value);
}

/* A number from 1 to @max. */
static int take_number(struct parse *parse, const char *option, unsigned int max, const char *value,
		       unsigned int *number)
{
	char *end;
	unsigned long n = strtoul(value, &end, 10);

	if (*value < '0' || *value > '9' || *end || n < 1 || n > max)
		return report_fail(parse->report, REPORT_USER, "%s %s: not a number from 1 to %u",
				   option, value, max);
	*number = (unsigned int)n;
	return 0;
}

static int take_cpus(struct parse *parse, const char *value)
{
	return take_number(parse, "--cpus", 4096, value, &parse->options->cpus);
}

static int take_timeout(struct parse *parse, const char *value)
{
	static const struct {
		const char *name;
		unsigned int ms;
	} units[] = {{"", 1000}, {"ms", 1}, {"s", 1000}, {"m", 60 * 1000}, {"h", 60 * 60 * 1000}};
	char *unit;
	unsigned long long n = strtoull(value, &unit, 10);

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (!isdigit((unsigned char)*value) || strcmp(unit, units[i].name) != 0)
			continue;
		if (n < 1 || n > TIMEOUT_MAX_MS / units[i].ms)
			break;
		parse->options->timeout_ms = n * units[i].ms;
		return 0;
	}
	return report_fail(
		parse->report, REPORT_USER,
		"--timeout %s: not a time from 1ms to 1000000000s; write for example 10, "
		"500ms, 2m or 1h",
		value);
}

static int take_transport(struct parse *parse, const char *value)
{
	if (take_text(parse, "--transport", &parse->transport, value))
		return -1;
	parse->options->pci = strcmp(value, "pci") == 0;
	if (!parse->options->pci && strcmp(value, "mmio") != 0)
		return report_fail(parse->report, REPORT_USER,
				   "--transport %s: neither pci nor mmio", value);
	return 0;
}

static int take_no_reboot(struct parse *parse, const char *value)
{
	(void)value;
	parse->options->no_reboot = true;
	return 0;
}

/* Regular expressions are looked at when all options are known. */
static int take_expect(struct parse *parse, const char *value)
{
	struct options *options = parse->options;
	size_t count = options->expect_count;
	const char **expect = realloc(options->expect, (count + 1) * sizeof(*expect));

	if (!expect)
		return out_of_memory(parse->report);
	options->expect = expect;
	options->expect[options->expect_count++] = value;
	return 0;
}

static int take_tap(struct parse *parse, const char *value)
{
	(void)value;
	parse->options->tap = true;
	return 0;
}

static int take_junit(struct parse *parse, const char *value)
{
	return take_text(parse, "--junit", &parse->options->junit, value);
}

static int take_exit_map(struct parse *parse, const char *value)
{
	if (!parse->options->exit_map)
		parse->options->exit_map = exit_map_new();
	if (!parse->options->exit_map)
		return out_of_memory(parse->report);
	return exit_map_add(parse->options->exit_map, value, parse->report);
}

static int take_gdb(struct parse *parse, const char *value)
{
	if (parse->options->gdb)
		return report_fail(parse->report, REPORT_USER, "--gdb: given twice");
	parse->options->gdb = true;
	parse->options->gdb_spec = value;
	return 0;
}

static int take_on_crash(struct parse *parse, const char *value)
{
	if (take_text(parse, "--on-crash", &parse->options->on_crash, value))
		return -1;
	return on_crash_check(value, parse->report);
}

static int take_kvm(struct parse *parse, const char *value)
{
	if (once(parse, "--kvm", parse->kvm ? parse->options->kvm : NULL, value))
		return -1;
	parse->kvm = true;
	parse->options->kvm = value;
	return 0;
}

static int take_jail_mode(struct parse *parse, const char *option, enum jail_mode mode)
{
	enum jail_mode *jail = &parse->options->jail;

	if (*jail != JAIL_DEFAULT && *jail != mode)
		return report_fail(parse->report, REPORT_USER,
				   "%s: there are both --jail and --no-jail; leave one out", option);
	*jail = mode;
	return 0;
}

static int take_jail(struct parse *parse, const char *value)
{
	(void)value;
	return take_jail_mode(parse, "--jail", JAIL_STRICT);
}

static int take_no_jail(struct parse *parse, const char *value)
{
	(void)value;
	return take_jail_mode(parse, "--no-jail", JAIL_OFF);
}

/* PATH[,TEXT]; the text is cut off in argv, which is ours. */
static int take_module(struct parse *parse, const char *value)
{
	struct options *options = parse->options;
	struct boot_module *modules;
	char *comma = strchr(value, ',');

	modules = realloc(options->modules, (options->module_count + 1) * sizeof(*modules));
	if (!modules)
		return out_of_memory(parse->report);
	options->modules = modules;
	if (comma)
		*comma = '\0';
	modules[options->module_count++] = (struct boot_module){value, comma ? comma + 1 : NULL};
	return 0;
}

static int take_flat(struct parse *parse, const char *value)
{
	return take_text(parse, "--flat", &parse->options->flat, value);
}

static int take_serial(struct parse *parse, const char *value)
{
	if (once(parse, "--serial", parse->serial ? parse->options->serial : NULL, value))
		return -1;
	parse->serial = true;
	parse->options->serial = value;
	return 0;
}

static int take_print_map(struct parse *parse, const char *value)
{
	(void)value;
	parse->options->print_map = true;
	return 0;
}

static int take_stats(struct parse *parse, const char *value)
{
	(void)value;
	parse->options->stats = true;
	return 0;
}

static int take_help(struct parse *parse, const char *value)
{
	if (value && strcmp(value, "list") != 0)
		return report_fail(parse->report, REPORT_USER,
				   "--help=%s: write --help, or --help=list for a table", value);
	if (value)
		options_list();
	else
		options_help();
	return 1;
}

static int take_version(struct parse *parse, const char *value)
{
	(void)parse;
	(void)value;
	printf("vmm %s\n", VMM_VERSION);
	return 1;
}

const struct option_row option_rows[] = {
	{"memory", "SIZE", "RAM of the default layout (128M)", take_memory},
	{"region", "BASE:SIZE[,WORD...]", "one region of memory; may be repeated", take_region},
	{"layout", "FILE", "a file with one region a line", take_layout},
	{"fragment", "SIZE[,seed=N]", "cut all RAM into mappings of SIZE, or up to it", take_fragment},
	{"cpus", "N", "vCPUs (1)", take_cpus},
	{"cmdline", "TEXT", "the kernel's command line", take_cmdline},
	{"append", "TEXT", "more of it, behind the default or --cmdline", take_append},
	{"initrd", "PATH", "an initial RAM disk for Linux", take_initrd},
	{"module", "PATH[,TEXT]", "a module for a PVH kernel; may be repeated", take_module},
	{"flat", "ADDRESS[,16|32|64]", "KERNEL is a flat binary for ADDRESS (16)", take_flat},
	{"serial", "SPEC", "COM1 (stdio, if no device has it)", take_serial},
	{"transport", "pci|mmio", "how the guest finds virtio devices (mmio)", take_transport},
	{"no-reboot", NULL, "end where the guest asks for a reset", take_no_reboot},
	{"kvm", "PATH|fd:N", "KVM's device, or a descriptor of it (/dev/kvm)", take_kvm},
	{"jail", NULL, "lock the process down as far as can be, or fail", take_jail},
	{"no-jail", NULL, "do not lock the process down at all", take_no_jail},
	{"timeout", "TIME", "end after so long (10, 500ms, 2m), status 124", take_timeout},
	{"expect", "REGEX", "end with 0 when a console prints it; else 6", take_expect},
	{"tap", NULL, "a console prints TAP: end with 0 or 7", take_tap},
	{"junit", "FILE", "write what --tap read as JUnit XML", take_junit},
	{"exit-map", "FROM=TO[,...]", "other statuses for the exit ports'", take_exit_map},
	{"gdb", "[=PORT|PATH][,run]", "wait for gdb there (1234); run: do not", take_gdb},
	{"on-crash", "gdb|dump[=PATH]", "a crash: wait for gdb, or write vmm.core", take_on_crash},
	{"print-map", NULL, "print the memory map first", take_print_map},
	{"stats", NULL, "print counters at the end", take_stats},
	{"help", "[=list]", "this text; list: the options as a table", take_help},
	{"version", NULL, "the version", take_version},
	{.name = NULL},
};

static int add_device(struct parse *parse, const struct device_type *type, const char *value)
{
	struct options *options = parse->options;
	struct option_device *devices;

	for (size_t i = 0; i < options->device_count && !type->several; i++) {
		if (options->devices[i].type == type)
			return report_fail(parse->report, REPORT_USER,
					   "--%s: given twice, a machine can have one", type->name);
	}
	devices = realloc(options->devices, (options->device_count + 1) * sizeof(*devices));
	if (!devices)
		return out_of_memory(parse->report);
	options->devices = devices;
	devices[options->device_count++] = (struct option_device){type, value};
	return 0;
}

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
	next = !args ? NULL : value ? value : *used ? next : NULL;
	return row->name ? row->take(parse, next) : add_device(parse, *type, next);
}

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

/* What can be said only when all options are known. */
static int finish(struct parse *parse)
{
	struct options *options = parse->options;

	if (!options->kernel)
		return report_fail(parse->report, REPORT_USER,
				   "no kernel given; usage: vmm KERNEL [options], --help for more");
	if (parse->memory && parse->regions)
		return report_fail(
			parse->report, REPORT_USER,
			"--memory %s: cannot be combined with --region or --layout, which "
			"say it all",
			parse->memory);
	if (options->flat &&
	    (options->module_count || options->cmdline || options->append || options->initrd))
		return report_fail(
			parse->report, REPORT_USER,
			"--flat %s: a flat binary takes no --module, --initrd, --cmdline "
			"or --append",
			options->flat);
	if (options->flat && options->guest_words && *options->guest_words)
		return report_fail(parse->report, REPORT_USER,
				   "--flat %s: a flat binary takes no arguments behind --",
				   options->flat);
	if (options->junit && !options->tap)
		return report_fail(parse->report, REPORT_USER,
				   "--junit %s: needs --tap, which reads the tests", options->junit);
	/* There is one standard input and output; who asks for it by name has it. */
	if (has_stdio(options) && !parse->serial)
		options->serial = "null";
	if (make_linux_words(options))
		return out_of_memory(parse->report);
	if (!parse->regions &&
	    layout_add_memory(&options->layout, parse->memory ? parse->memory : "128M", parse->report))
		return -1;
	if (parse->fragment)
		return layout_fragment(&options->layout, parse->fragment, parse->report);
	return 0;
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

int options_parse(int argc, char **argv, struct options *options, struct report *report)
{
	struct parse parse = {.options = options, .report = report};

	*options = (struct options){.kvm = KVM_PATH, .serial = "stdio", .cpus = 1};
	for (int i = 1; i < argc; i++) {
		bool used = false;
		int ret;

		if (strcmp(argv[i], "--") == 0) {
			if (take_guest_words(&parse, argv + i + 1, argc - i - 1))
				return -1;
			break;
		} else if (strcmp(argv[i], "-h") == 0) {
			return take_help(&parse, NULL);
		} else if (strncmp(argv[i], "--", 2) == 0) {
			ret = take_option(&parse, argv[i] + 2, i + 1 < argc ? argv[i + 1] : NULL,
					  &used);
			if (ret)
				return ret;
			i += used;
		} else if (argv[i][0] == '-' && argv[i][1]) {
			return report_fail(report, REPORT_USER,
					   "%s: unknown option; options begin with two dashes",
					   argv[i]);
		} else if (options->kernel) {
			return report_fail(report, REPORT_USER,
					   "%s: a second kernel; the first is %s", argv[i],
					   options->kernel);
		} else {
			options->kernel = argv[i];
		}
	}
	return finish(&parse);
}

void options_clear(struct options *options)
{
	layout_clear(&options->layout);
	free(options->modules);
	free(options->devices);
	free(options->linux_words);
	free(options->guest_words);
	free(options->expect);
	free(options->exit_map);
	*options = (struct options){0};
}
