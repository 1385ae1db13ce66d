/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The table of options: what each is called, its argument and its help, and the function that takes
 * it. Which of them were given, in what order they are taken and what excludes what is in
 * options.c; devices bring rows of their own in device_types[].
 */
#include "vmm/options-impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/config.h"
#include "vmm/control.h"
#include "vmm/exit-map.h"
#include "vmm/map.h"
#include "vmm/on-crash.h"
#include "vmm/stats.h"

static int out_of_memory(struct report *report)
{
	return report_fail(report, REPORT_HOST, "out of memory");
}

/* --- memory --------------------------------------------------------------------------------------- */

static int take_memory(struct parse *parse, const char *value)
{
	return layout_add_memory(&parse->options->layout, value, parse->report);
}

static int take_region(struct parse *parse, const char *value)
{
	char where[64];

	snprintf(where, sizeof(where), "--region %.50s", value);
	return layout_add_region(&parse->options->layout, value, where, parse->report);
}

static int take_layout(struct parse *parse, const char *value)
{
	return layout_add_file(&parse->options->layout, value, parse->report);
}

/* Cut when all of it is there. */
static int take_fragment(struct parse *parse, const char *value)
{
	parse->fragment = value;
	return 0;
}

/* --- the kernel ------------------------------------------------------------------------------------ */

static int take_kernel(struct parse *parse, const char *value)
{
	parse->options->kernel = value;
	return 0;
}

static int take_cmdline(struct parse *parse, const char *value)
{
	parse->options->cmdline = value;
	return 0;
}

static int take_append(struct parse *parse, const char *value)
{
	parse->options->append = value;
	return 0;
}

static int take_initrd(struct parse *parse, const char *value)
{
	parse->options->initrd = value;
	return 0;
}

/* PATH[,TEXT], cut in a copy. */
static int take_module(struct parse *parse, const char *value)
{
	struct options *options = parse->options;
	struct boot_module *modules;
	char *path = strdup(value), *comma;

	modules = realloc(options->modules, (options->module_count + 1) * sizeof(*modules));
	if (modules)
		options->modules = modules;
	if (!modules || !path) {
		free(path);
		return out_of_memory(parse->report);
	}
	comma = strchr(path, ',');
	if (comma)
		*comma = '\0';
	modules[options->module_count++] = (struct boot_module){path, comma ? comma + 1 : NULL};
	return 0;
}

static int take_flat(struct parse *parse, const char *value)
{
	parse->options->flat = value;
	return 0;
}

/* --- the machine ----------------------------------------------------------------------------------- */

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

static int take_serial(struct parse *parse, const char *value)
{
	parse->options->serial = value;
	return 0;
}

static int take_transport(struct parse *parse, const char *value)
{
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

static int take_kvm(struct parse *parse, const char *value)
{
	parse->options->kvm = value;
	return 0;
}

static int take_jail(struct parse *parse, const char *value)
{
	(void)value;
	parse->options->jail = JAIL_STRICT;
	return 0;
}

static int take_no_jail(struct parse *parse, const char *value)
{
	(void)value;
	parse->options->jail = JAIL_OFF;
	return 0;
}

/* --- how it ends ------------------------------------------------------------------------------------ */

int options_time(const char *text, uint64_t min, uint64_t *ms)
{
	return parse_time(text, ms) && *ms >= min && *ms <= OPTIONS_TIME_MAX ? 0 : -1;
}

static int take_timeout(struct parse *parse, const char *value)
{
	if (options_time(value, 1, &parse->options->timeout_ms))
		return report_fail(
			parse->report, REPORT_USER,
			"--timeout %s: not a time from 1ms to 1000000000s; " OPTIONS_TIME_HELP,
			value);
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
	parse->options->junit = value;
	return 0;
}

static int take_exit_map(struct parse *parse, const char *value)
{
	if (!parse->options->exit_map)
		parse->options->exit_map = exit_map_new();
	if (!parse->options->exit_map)
		return out_of_memory(parse->report);
	return exit_map_add(parse->options->exit_map, value, parse->report);
}

/* --- to look into it --------------------------------------------------------------------------------- */

static int take_control(struct parse *parse, const char *value)
{
	if (!control_open)
		return report_fail(
			parse->report, REPORT_USER,
			"--control %s: this program has no control socket: it is static, "
			"or was built without libjansson-dev",
			value);
	parse->options->control = value;
	return 0;
}

static int take_gdb(struct parse *parse, const char *value)
{
	parse->options->gdb = true;
	parse->options->gdb_spec = value;
	return 0;
}

static int take_on_crash(struct parse *parse, const char *value)
{
	parse->options->on_crash = value;
	return on_crash_check(value, parse->report);
}

static int take_map(struct parse *parse, const char *value)
{
	parse->options->map = true;
	parse->options->map_file = value;
	return value ? map_check_path(value, parse->report) : 0;
}

static int take_stats(struct parse *parse, const char *value)
{
	parse->options->stats = true;
	return value ? stats_words(parse->options, value, parse->report) : 0;
}

static int take_log(struct parse *parse, const char *value)
{
	if (log_choose(value))
		return 0;
	return report_fail(parse->report, REPORT_USER,
			   "--log %s: not a level; these are error, warn, info, debug", value);
}

/* --- vmm itself --------------------------------------------------------------------------------------- */

static int take_config(struct parse *parse, const char *value)
{
	if (!config_read)
		return report_fail(parse->report, REPORT_USER,
				   "--config %s: this program has no configuration files: it is "
				   "static, or was built without libjansson-dev",
				   value);
	return config_read(value, parse->files++, parse->options, parse->report);
}

static int take_print_config(struct parse *parse, const char *value)
{
	(void)value;
	if (!config_print)
		return report_fail(parse->report, REPORT_USER,
				   "--print-config: this program has no configuration files: it is "
				   "static, or was built without libjansson-dev");
	parse->print = true;
	return 0;
}

static int take_help(struct parse *parse, const char *value)
{
	return options_help(value, parse->report) ? -1 : 1;
}

static int take_version(struct parse *parse, const char *value)
{
	(void)parse;
	(void)value;
	print_version();
	return 1;
}

const struct option_row option_rows[] = {
	{"memory", "SIZE", "RAM of the default layout (128M)", take_memory, OPTION_MEMORY,
	 OPTION_COMMON | OPTION_NUMBER},
	{"region", "BASE:SIZE[,WORD...]", "one region of memory; may be repeated", take_region,
	 OPTION_MEMORY, OPTION_COMMON | OPTION_MANY},
	{"layout", "FILE", "a file with one region a line", take_layout, OPTION_MEMORY,
	 OPTION_COMMON | OPTION_MANY},
	{"fragment", "SIZE[,seed=N]", "cut all RAM into mappings of SIZE, or up to it",
	 take_fragment, OPTION_MEMORY, OPTION_COMMON | OPTION_NUMBER},
	{"cmdline", "TEXT", "the kernel's command line", take_cmdline, OPTION_KERNEL, OPTION_COMMON},
	{"append", "TEXT", "more of it, behind the default or --cmdline", take_append,
	 OPTION_KERNEL, OPTION_COMMON},
	{"initrd", "PATH", "an initial RAM disk for Linux", take_initrd, OPTION_KERNEL, OPTION_COMMON},
	{"module", "PATH[,TEXT]", "a module for a PVH kernel; may be repeated", take_module,
	 OPTION_KERNEL, OPTION_MANY},
	{"flat", "ADDRESS[,16|32|64]", "KERNEL is a flat binary for ADDRESS (16)", take_flat,
	 OPTION_KERNEL, OPTION_NUMBER},
	{"cpus", "N", "vCPUs (1)", take_cpus, OPTION_MACHINE, OPTION_COMMON | OPTION_NUMBER},
	{"serial", "SPEC", "COM1 (stdio, if no device has it)", take_serial, OPTION_MACHINE, 0},
	{"transport", "pci|mmio", "how the guest finds virtio devices (mmio)", take_transport,
	 OPTION_MACHINE, 0},
	{"no-reboot", NULL, "end where the guest asks for a reset", take_no_reboot, OPTION_MACHINE, 0},
	{"kvm", "PATH|fd:N", "KVM's device, or a descriptor of it (/dev/kvm)", take_kvm,
	 OPTION_MACHINE, 0},
	{"jail", NULL, "lock the process down as far as can be, or fail", take_jail, OPTION_MACHINE,
	 0},
	{"no-jail", NULL, "do not lock the process down at all", take_no_jail, OPTION_MACHINE, 0},
	{"timeout", "TIME", "end after so long (10, 500ms, 2m), status 124", take_timeout,
	 OPTION_END, OPTION_COMMON | OPTION_NUMBER},
	{"expect", "REGEX", "end with 0 when a console prints it; else 6", take_expect, OPTION_END,
	 OPTION_COMMON | OPTION_MANY},
	{"tap", NULL, "a console prints TAP: end with 0 or 7", take_tap, OPTION_END, OPTION_COMMON},
	{"junit", "FILE", "write what --tap read as JUnit XML", take_junit, OPTION_END, 0},
	{"exit-map", "FROM=TO[,...]", "other statuses for the exit ports'", take_exit_map,
	 OPTION_END, OPTION_MANY},
	{"control", "PATH|fd:N", "a socket for vmm ctl, to ask and to steer", take_control,
	 OPTION_DEBUG, OPTION_COMMON},
	{"gdb", "[=PORT|PATH][,run]", "wait for gdb there (1234); run: do not", take_gdb,
	 OPTION_DEBUG, OPTION_COMMON | OPTION_NUMBER},
	{"on-crash", "gdb|dump[=PATH]", "a crash: wait for gdb, or write vmm.core", take_on_crash,
	 OPTION_DEBUG, 0},
	{"map", "[=FILE]", "print the memory map first, or write an .svg or .json", take_map,
	 OPTION_DEBUG, 0},
	{"stats", "[=every=TIME,json=FILE]", "counters at the end; so often, into a file",
	 take_stats, OPTION_DEBUG, 0},
	{"log", "LEVEL", "what is said: error, warn, info or debug (info)", take_log, OPTION_DEBUG, 0},
	{"config", "FILE", "options from a JSON file (these come over it)", take_config,
	 OPTION_ABOUT, OPTION_COMMON | OPTION_MANY | OPTION_NOW},
	{"print-config", NULL, "print the options as such a file, and end", take_print_config,
	 OPTION_ABOUT, OPTION_NOW},
	{"help", "[=all|list|TOPIC]", "this; all of it; a table; what TOPIC has", take_help,
	 OPTION_ABOUT, OPTION_COMMON | OPTION_NOW},
	{"version", NULL, "the version, and what it was built with", take_version, OPTION_ABOUT,
	 OPTION_COMMON | OPTION_NOW},
	{.name = NULL},
};

/* Taken all at once: options.c. */
const struct option_row option_arguments = {"arguments", "WORD",        "the guest's",
					    NULL,        OPTION_KERNEL, OPTION_MANY};
const struct option_row option_kernel = {"kernel",    "KERNEL",      "the kernel",
					 take_kernel, OPTION_KERNEL, 0};
