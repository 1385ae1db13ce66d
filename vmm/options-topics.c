/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * --help=TOPIC: what one option, device or verb has, and what several of them share. Their words
 * are tables where they are taken; what else there is to say stands here.
 */
#include <stdio.h>
#include <string.h>

#include "devices/near.h"
#include "vmm/options-impl.h"
#include "vmm/verbs.h"

/* --- what is said of whom ----------------------------------------------------------------------------- */

static const struct device_word spec_words[] = {
	{"stdio", "standard input and output; one device may have them"},
	{"null", "nothing: output vanishes"},
	{"pty", "a new pseudo-terminal, named on standard error"},
	{"file=PATH", "output goes to a file, which is made or emptied"},
	{"socket=PATH", "listens there for one client at a time"},
	{"connect=PATH", "connects to who listens there"},
	{"pipe=PATH", "two FIFOs: PATH.in is input, PATH.out is output"},
	{.word = NULL},
};

static const struct device_word size_words[] = {
	{"4096, 0x1000", "bytes"},
	{"64K, 64KiB", "powers of 1024: K, M, G, T"},
	{"1M+4K", "a sum"},
	{.word = NULL},
};

static const struct device_word time_words[] = {
	{"10, 10s", "seconds"},
	{"500ms, 2m, 1h", "a whole number of milliseconds, minutes, hours"},
	{.word = NULL},
};

static const struct device_word status_words[] = {
	{"any", "the guest's, by its exit ports; 0 also: it powered off"},
	{"1", "the host: no KVM, no memory"},
	{"2", "the user: an option, a layout, a file"},
	{"3", "the guest triple faulted"},
	{"4", "KVM cannot execute the guest"},
	{"5", "the guest reported a panic"},
	{"6", "--expect: not all of it was seen"},
	{"7", "--tap: a test failed, or there was no TAP"},
	{"124", "--timeout"},
	{"159", "the jail was left; see docs/jail.md"},
	{"128 + n", "signal n"},
	{.word = NULL},
};

static const struct device_word key_words[] = {
	{"Ctrl-A x", "end the machine"},
	{"Ctrl-A a", "send Ctrl-A to the guest"},
	{"Ctrl-A ?", "help"},
	{.word = NULL},
};

static const struct device_word log_words[] = {
	{"error", "why it did not start, or ended"},
	{"warn", "also what goes wrong with devices"},
	{"info", "also what was asked for, and where things are (this)"},
	{"debug", "also each step and what is placed where, with the time"},
	{.word = NULL},
};

static const struct device_word config_words[] = {
	{"{\"kernel\": \"vmlinux\",", "the keys are the options, kernel and arguments"},
	{" \"cpus\": 2, \"tap\": true,", "numbers, and true for what takes no argument"},
	{" \"region\": [\"0:1M\", ...],", "an array for what may be repeated"},
	{" \"devices\": [{\"disk\": \"a\"},", "devices in their order"},
	{"             {\"rng\": true}]}", ""},
	{"--print-config", "writes such a file from a command line"},
	{.word = NULL},
};

/* What has words or more to say than its row; also what is no option. */
static const struct topic {
	const char *name;
	const struct device_word *words;
	const char *text; /* NULL: none */
} topics[] = {
	{"region", region_words,
	 "BASE:SIZE*COUNT makes so many regions, one behind the other.\n"
	 "For example --region 0:64M --region 4G:1G,file=ram.bin --region 0xf0000:64K,ro"},
	{"layout", region_words,
	 "A line of the file is BASE:SIZE[*COUNT][,WORD...]; # begins a comment."},
	{"fragment", size_words,
	 "With seed=N pieces have random sizes up to SIZE and random places on the host."},
	{"memory", size_words, "From 0 up to 3 GiB, what is left from 4 GiB on."},
	{"serial", spec_words, NULL},
	{"timeout", time_words, NULL},
	{"log", log_words, NULL},
	{"config", config_words,
	 "The command line comes over the file; what may be repeated adds up. Paths are\n"
	 "relative to where vmm is started."},
	{"flat", NULL, "16: real mode, ADDRESS:0; 32: protected mode; 64: long mode, 4 GiB mapped."},
	{"gdb", NULL, "Then: gdb kernel.elf, and there: target remote :1234"},
	{"expect", NULL, "REGEX is a POSIX extended one, tried on each line; may be repeated."},
	{"exit-map", NULL, "For example 33=0,35=1 for a kernel that was made for isa-debug-exit."},
	{"spec", spec_words, "What --serial and --console are connected to."},
	{"size", size_words, "Sizes and addresses."},
	{"time", time_words, NULL},
	{"status", status_words, "The exit status."},
	{"keys", key_words, "At a terminal."},
};

#define TOPICS (sizeof(topics) / sizeof(topics[0]))

/* --- printing ------------------------------------------------------------------------------------------ */

void topic_print_words(const struct device_word *words)
{
	for (; words && words->word; words++) {
		printf("    %-26s %s%s%s\n", words->word, strlen(words->word) > 26 ? "\n" : "",
		       strlen(words->word) > 26 ? "                               " : "",
		       words->help);
	}
}

static void print_head(const char *name, const char *args, const char *help, bool several)
{
	printf("--%s%s%s\n  %s%s\n", name, args && *args != '[' ? " " : "", args ? args : "", help,
	       several && !strstr(help, "repeated") ? "; may be repeated" : "");
}

static const struct topic *find_topic(const char *name)
{
	for (size_t i = 0; i < TOPICS; i++) {
		if (strcmp(topics[i].name, name) == 0)
			return &topics[i];
	}
	return NULL;
}

static bool print_option(const char *name)
{
	for (const struct option_row *row = option_rows; row->name; row++) {
		if (strcmp(row->name, name) == 0) {
			print_head(name, row->args, row->help, row->flags & OPTION_MANY);
			return true;
		}
	}
	for (const struct device_type *const *type = device_types; *type; type++) {
		if (strcmp((*type)->name, name) == 0) {
			print_head(name, (*type)->args, (*type)->help, (*type)->several);
			topic_print_words((*type)->words);
			return true;
		}
	}
	return false;
}

static int unknown(const char *name, struct report *report)
{
	struct near near = {.text = name};

	for (const struct option_row *row = option_rows; row->name; row++)
		near_try(&near, row->name);
	for (const struct device_type *const *type = device_types; *type; type++)
		near_try(&near, (*type)->name);
	for (size_t i = 0; i < TOPICS; i++)
		near_try(&near, topics[i].name);
	if (near.best)
		return report_fail(report, REPORT_USER,
				   "--help=%s: nothing of that name; did you mean --help=%s?", name,
				   near.best);
	return report_fail(
		report, REPORT_USER,
		"--help=%s: nothing of that name; there are all, list, each option, spec, "
		"size, time, status, keys",
		name);
}

int topic_print(const char *name, struct report *report)
{
	const struct topic *topic = find_topic(name);
	const struct verb *verb = verb_find(name);
	bool found = print_option(name);

	if (topic && topic->text)
		printf("%s%s\n", found ? "  " : "", topic->text);
	if (topic)
		topic_print_words(topic->words);
	if (topic || found)
		return 0;
	if (verb) {
		verb_help(verb);
		return 0;
	}
	return unknown(name, report);
}
