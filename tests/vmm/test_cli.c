/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The command line as a user meets it: build/vmm as a process of its own. A mistake is one line on
 * standard error that names it, nothing on standard output, status 2 (wrong input) or 1 (the host).
 */
#include "tests/vmm/suites.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/runner.h"
#include "tests/vmm/cli-run.h"
#include "vmm/config.h"
#include "vmm/options-impl.h"

static const struct {
	const char *line;
	const char *error; /* the one line, without "vmm: " and newline */
} mistakes[] = {
	{"", "no kernel given; usage: vmm KERNEL [options], --help for more"},
	{"--memory 64M", "no kernel given; usage: vmm KERNEL [options], --help for more"},
	{"a b", "b: a second kernel; the first is a"},
	{"a --nonsense", "--nonsense: unknown option; --help lists them"},
	{"a --memroy 64M", "--memroy: unknown option; did you mean --memory?"},
	{"a --dsik x", "--dsik: unknown option; did you mean --disk?"},
	{"a -m 64M", "-m: unknown option; options begin with two dashes"},
	{"a --memory", "--memory: needs an argument, SIZE"},
	{"a --disk", "--disk: needs an argument, PATH[,ro][,id=TEXT][,WORD...]"},
	{"a --disk --rng", "--disk: needs an argument, PATH[,ro][,id=TEXT][,WORD...]"},
	{"a --rng b", "b: a second kernel; the first is a"},
	{"a --jail --no-jail", "--jail: there are both --jail and --no-jail; leave one out"},
	{"a --no-jail --jail", "--jail: there are both --jail and --no-jail; leave one out"},
	{"a --jail=no", "--jail=no: takes no argument"},
	{"a --kvm fd:1 --kvm x", "--kvm x: given twice, it was fd:1 before"},
	{"a --kvm fd:77", "--kvm fd:77: not an open descriptor; give fd:N with one of /dev/kvm"},
	{"a --kvm fd:-1", "--kvm fd:-1: not an open descriptor; give fd:N with one of /dev/kvm"},
	{"a --kvm fd:1x", "--kvm fd:1x: not an open descriptor; give fd:N with one of /dev/kvm"},
	{"a --kvm /dev/null", "--kvm /dev/null: not a KVM: Inappropriate ioctl for device"},
	{"a --stats=yes", "--stats: 'yes': unknown word, known are every=TIME, json=FILE"},
	{"a --stats=", "--stats: '': unknown word, known are every=TIME, json=FILE"},
	{"a --stats=every", "--stats: 'every': unknown word, known are every=TIME, json=FILE"},
	{"a --stats=every=9ms",
	 "--stats: every '9ms' is not a time from 10ms to 1000000000s; write "
	 "for example 10, 500ms, 2m or 1h"},
	{"a --stats=every=1,every=2", "--stats: every is given twice"},
	{"a --stats=json=", "--stats: json= needs a file"},
	{"a --stats=json=a,json=b", "--stats: json is given twice"},
	{"a --stats=every=1,json=a,all",
	 "--stats: 'all': unknown word, known are every=TIME, json=FILE"},
	{"a --memory 64M --memory 1G", "--memory 1G: given twice, it was 64M before"},
	{"a --flat 0 --flat 1", "--flat 1: given twice, it was 0 before"},
	{"a --memory 64X", "--memory 64X: not a size; write for example 64M or 1G"},
	{"a --memory 64M --region 0:64M",
	 "--memory 64M: cannot be combined with --region or --layout, which say it all"},
	{"a --flat 0 --cmdline x",
	 "--flat 0: a flat binary takes no --module, --initrd, --cmdline or --append"},
	{"a --cpus 0", "--cpus 0: not a number from 1 to 4096"},
	{"a --cpus -1", "--cpus -1: not a number from 1 to 4096"},
	{"a --timeout 0",
	 "--timeout 0: not a time from 1ms to 1000000000s; write for example 10, 500ms, 2m or 1h"},
	{"a --timeout 1x",
	 "--timeout 1x: not a time from 1ms to 1000000000s; write for example 10, 500ms, 2m or 1h"},
	{"a --timeout 10sec", "--timeout 10sec: not a time from 1ms to 1000000000s; write for "
			      "example 10, 500ms, 2m or 1h"},
	{"a --timeout s",
	 "--timeout s: not a time from 1ms to 1000000000s; write for example 10, 500ms, 2m or 1h"},
	{"a --timeout 1000000001", "--timeout 1000000001: not a time from 1ms to 1000000000s; "
				   "write for example 10, 500ms, 2m or 1h"},
	{"a --timeout 1000000000001ms", "--timeout 1000000000001ms: not a time from 1ms to "
					"1000000000s; write for example 10, 500ms, 2m or 1h"},
	{"a --timeout 277778h", "--timeout 277778h: not a time from 1ms to 1000000000s; write for "
				"example 10, 500ms, 2m or 1h"},
	{"a --timeout 18446744073709551616",
	 "--timeout 18446744073709551616: not a time from 1ms to 1000000000s; write for example "
	 "10, 500ms, 2m or 1h"},
	{"a --help=dsik", "--help=dsik: nothing of that name; did you mean --help=disk?"},
	{"--help=everything", "--help=everything: nothing of that name; there are all, list, each "
			      "option, spec, size, time, status, keys"},
	{"chekc a", "chekc: neither a file nor a verb; did you mean check?"},
	{"a --flat 0 -- x", "--flat 0: a flat binary takes no arguments behind --"},
	{"a -- x 'y\"z'",
	 "-- argument 2: a quotation mark or a new line cannot be told the guest; leave it out"},
	{"run", "no kernel given; usage: vmm KERNEL [options], --help for more"},
	{"run a b", "b: a second kernel; the first is a"},
	{"featuers", "featuers: neither a file nor a verb; did you mean features?"},
	{"featres --json", "featres: neither a file nor a verb; did you mean features?"},
	{"features all", "features: all: takes --json or nothing"},
	{"features --json --json", "features: --json: takes --json or nothing"},
	{"-- a", "no kernel given; usage: vmm KERNEL [options], --help for more"},
	{"a --transport isa", "--transport isa: neither pci nor mmio"},
	{"a --transport", "--transport: needs an argument, pci|mmio"},
	{"a --transport pci --transport mmio", "--transport mmio: given twice, it was pci before"},
	{"a --log verbose", "--log verbose: not a level; these are error, warn, info, debug"},
	{"a --log info --log debug", "--log debug: given twice, it was info before"},
	{"a --cpus 1 --cpus 2", "--cpus 2: given twice, it was 1 before"},
	{"a --timeout 1 --timeout 2", "--timeout 2: given twice, it was 1 before"},
	{"a --gdb --gdb=run", "--gdb: given twice"},
	{"a --rng --rng", "--rng: given twice, a machine can have one"},
	{"a --append x --append y", "--append y: given twice, it was x before"},
	{"a --initrd x --initrd y", "--initrd y: given twice, it was x before"},
	{"a --region 64M", "--region 64M: a region is BASE:SIZE, for example 0x100000:64M"},
	{"a --layout /nowhere", "--layout /nowhere: cannot open it: No such file or directory"},
	{"a --memory 64M --fragment 1", "--fragment 1: the size must be a multiple of 4K, for "
					"example 64K"},
};

START_TEST(a_mistake_is_one_line)
{
	struct cli_result result;
	char want[600];

	cli_run(&result, mistakes[_i].line);
	snprintf(want, sizeof(want), "vmm: %s\n", mistakes[_i].error);
	ck_assert_str_eq(result.err, want);
	ck_assert_str_eq(result.out, "");
	ck_assert_int_eq(result.status, 2);
}
END_TEST

START_TEST(help_fits_a_screen)
{
	struct cli_result result;
	size_t lines = 0;

	cli_run(&result, "--help");
	ck_assert_int_eq(result.status, 0);
	ck_assert_str_eq(result.err, "");
	for (const char *at = result.out; *at;) {
		size_t len = strcspn(at, "\n");

		ck_assert_uint_le(len, 80);
		at += len + (at[len] == '\n');
		lines++;
	}
	ck_assert_uint_le(lines, 40);
	ck_assert_ptr_nonnull(strstr(result.out, "usage: vmm KERNEL [options]"));
	ck_assert_ptr_nonnull(strstr(result.out, "--disk PATH"));
	ck_assert_ptr_nonnull(strstr(result.out, "(128M)"));
}
END_TEST

/* All of it has every row, and every word of every device. */
START_TEST(help_of_everything)
{
	struct cli_result all, list;
	char name[64];

	cli_run(&all, "--help=all");
	cli_run(&list, "--help=list");
	ck_assert_int_eq(all.status, 0);
	ck_assert_str_eq(all.err, "");
	for (char *rest = list.out, *line; *rest;) {
		line = strsep(&rest, "\n");
		snprintf(name, sizeof(name), "\n  --%.*s", (int)strcspn(line, "\t"), line);
		ck_assert_msg(strstr(all.out, name), "%s", name);
	}
	for (const struct device_type *const *type = device_types; *type; type++) {
		for (const struct device_word *word = (*type)->words; word->word; word++) {
			ck_assert_msg(strstr(all.out, word->word), "%s", word->word);
			ck_assert_msg(strstr(all.out, word->help), "%s", word->help);
		}
	}
	ck_assert_ptr_nonnull(strstr(all.out, "\n  features"));
}
END_TEST

static const struct {
	const char *topic;
	const char *says;
} topics[] = {
	{"disk", "cache=writeback|writethrough|none"},
	{"net", "hostfwd=tcp|udp"},
	{"console", "see --help=spec"},
	{"spec", "connect=PATH"},
	{"region", "populate"},
	{"layout", "begins a comment"},
	{"cpus", "--cpus N\n  vCPUs (1)\n"},
	{"gdb", "target remote :1234"},
	{"config", "\"devices\": ["},
	{"size", "64KiB"},
	{"status", "124"},
	{"keys", "Ctrl-A x"},
	{"check", "usage: vmm check KERNEL [options]"},
};

START_TEST(help_of_a_topic)
{
	struct cli_result result;
	char line[64];

	snprintf(line, sizeof(line), "--help=%s", topics[_i].topic);
	cli_run(&result, line);
	ck_assert_int_eq(result.status, 0);
	ck_assert_str_eq(result.err, "");
	ck_assert_msg(strstr(result.out, topics[_i].says), "%s", result.out);
}
END_TEST

/* Each option and each device can be asked for. */
START_TEST(help_of_each)
{
	struct cli_result list, one;

	cli_run(&list, "--help=list");
	for (char *rest = list.out, *line; *rest;) {
		char command[64], want[64];

		line = strsep(&rest, "\n");
		snprintf(command, sizeof(command), "--help=%.*s", (int)strcspn(line, "\t"), line);
		snprintf(want, sizeof(want), "--%.*s", (int)strcspn(line, "\t"), line);
		cli_run(&one, command);
		ck_assert_int_eq(one.status, 0);
		ck_assert_int_eq(strncmp(one.out, want, strlen(want)), 0);
	}
}
END_TEST

/* Each line of a dictionary of the fuzz targets is a word between quotation marks. */
static void check_dictionary(const char *name, const char *format, bool now)
{
	static char text[16384];
	char path[256], want[64];
	FILE *file;

	snprintf(path, sizeof(path), "%s/tests/fuzz/%s", test_env("VMM_SRC", "."), name);
	file = fopen(path, "r");
	ck_assert_msg(file != NULL, "%s", path);
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	fclose(file);
	for (const struct option_row *row = option_rows; row->name; row++) {
		snprintf(want, sizeof(want), format, row->name);
		ck_assert_msg((row->flags & OPTION_NOW && !now) || strstr(text, want), "%s: no %s",
			      path, want);
	}
	for (const struct device_type *const *type = device_types; *type; type++) {
		snprintf(want, sizeof(want), format, (*type)->name);
		ck_assert_msg(strstr(text, want), "%s: no %s", path, want);
	}
}

START_TEST(fuzz_targets_know_each)
{
	check_dictionary("options.dict", "\n\"--%s\"\n", true);
	check_dictionary("config.dict", "\n\"\\\"%s\\\"\"\n", false);
}
END_TEST

/* Completions and man pages are made from it: every option of the help, three columns. */
START_TEST(help_as_a_table)
{
	struct cli_result result;
	size_t lines = 0;

	cli_run(&result, "--help=list");
	ck_assert_int_eq(result.status, 0);
	ck_assert_str_eq(result.err, "");
	for (char *rest = result.out, *line; *rest; lines++) {
		line = strsep(&rest, "\n");
		ck_assert_ptr_nonnull(rest);
		ck_assert_ptr_nonnull(strchr(line, '\t'));
		ck_assert_ptr_nonnull(strchr(strchr(line, '\t') + 1, '\t'));
		ck_assert_ptr_null(strchr(strchr(strchr(line, '\t') + 1, '\t') + 1, '\t'));
	}
	ck_assert_uint_ge(lines, 20);
	cli_run(&result, "--help=list");
	ck_assert_ptr_nonnull(strstr(result.out, "memory\tSIZE\tRAM"));
	ck_assert_ptr_nonnull(strstr(result.out, "\nno-reboot\t\tend"));
	ck_assert_ptr_nonnull(strstr(result.out, "\ndisk\tPATH"));
}
END_TEST

/* A time with a unit is that time: a guest that halts for ever ends in far less than its seconds. */
START_TEST(a_time_has_a_unit)
{
	struct cli_result result;
	char line[256];

	if (access("/dev/kvm", R_OK | W_OK))
		TEST_SKIP("cli: /dev/kvm cannot be opened");
	snprintf(line, sizeof(line), "%s/guest/tiny/spin.bin --flat 0x1000 --timeout 300ms",
		 test_env("VMM_BUILD", "build"));
	cli_run(&result, line);
	ck_assert_str_eq(result.err, "vmm: --timeout: the time is up\n");
	ck_assert_int_eq(result.status, 124);
}
END_TEST

/* What stands behind -- is the guest's, whatever it looks like; a word with a space stays one. */
START_TEST(guest_arguments)
{
	char words[][20] = {"vmm",    "k",   "--cpus", "2",  "--", "-x",
			    "--cpus", "a b", "",       "--", "c=d"};
	char *argv[sizeof(words) / sizeof(words[0])];
	int argc = sizeof(words) / sizeof(words[0]);
	struct options options;
	struct report report;

	for (int i = 0; i < argc; i++)
		argv[i] = words[i];
	ck_assert_int_eq(options_parse(argc, argv, &options, &report), 0);
	ck_assert_str_eq(options.kernel, "k");
	ck_assert_uint_eq(options.cpus, 2);
	ck_assert_str_eq(options.guest_words, "-x --cpus \"a b\" \"\" -- c=d");
	options_clear(&options);
	ck_assert_int_eq(options_parse(4, argv, &options, &report), 0);
	ck_assert_ptr_null(options.guest_words);
	options_clear(&options);
}
END_TEST

/* They reach the guest: the test kernel is told which tests to run. */
START_TEST(guest_arguments_reach_the_guest)
{
	struct cli_result result;
	char line[256];

	if (access("/dev/kvm", R_OK | W_OK))
		TEST_SKIP("cli: /dev/kvm cannot be opened");
	snprintf(line, sizeof(line), "%s/guest/kernel.elf -- tests=timer",
		 test_env("VMM_BUILD", "build"));
	cli_run(&result, line);
	ck_assert_int_eq(result.status, 0);
	ck_assert_ptr_nonnull(strstr(result.out, "timer"));
	ck_assert_ptr_null(strstr(result.out, "memory:"));
}
END_TEST

START_TEST(verbs_explain_themselves)
{
	struct cli_result result;

	cli_run(&result, "features --help");
	ck_assert_int_eq(result.status, 0);
	ck_assert_str_eq(result.err, "");
	ck_assert_int_eq(strncmp(result.out, "usage: vmm features [--json]\n", 29), 0);
	cli_run(&result, "run --help");
	ck_assert_int_eq(result.status, 0);
	ck_assert_int_eq(strncmp(result.out, "usage: vmm KERNEL", 17), 0);
	ck_assert_ptr_nonnull(strstr(result.out, "features"));
}
END_TEST

/* A verb is the first word and nothing else: the same name behind a path is a kernel. */
START_TEST(a_kernel_named_like_a_verb)
{
	struct cli_result result;

	if (access("/dev/kvm", R_OK | W_OK))
		TEST_SKIP("cli: /dev/kvm cannot be opened");
	cli_run(&result, "run ./nowhere/features");
	ck_assert_int_eq(result.status, 2);
	ck_assert_str_eq(result.err, "vmm: kernel ./nowhere/features: cannot open it: No such file "
				     "or directory\n");
	cli_run(&result, "run features");
	ck_assert_int_eq(result.status, 2);
	ck_assert_int_eq(strncmp(result.err, "vmm: kernel features: cannot open it", 36), 0);
}
END_TEST

/* Text and JSON say the same: a fact a line, "name": value. */
START_TEST(features_as_text_and_json)
{
	static const char *const names[] = {"kvm",      "kvm_hardware", "kvm_slots", "kvm_vcpus",
					    "landlock", "seccomp",      "io_uring",  "huge_pages",
					    "tap",      "user_network"};
	bool kvm = access("/dev/kvm", R_OK | W_OK) == 0;
	struct cli_result text, json;

	cli_run(&text, "features");
	cli_run(&json, "features --json");
	ck_assert_int_eq(text.status, kvm ? 0 : 1);
	ck_assert_int_eq(json.status, kvm ? 0 : 1);
	ck_assert_int_eq(text.err[0] == '\0', kvm);
	ck_assert_int_eq(json.out[0], '{');
	ck_assert_str_eq(json.out + strlen(json.out) - 2, "}\n");
	ck_assert_ptr_nonnull(strstr(json.out, kvm ? "\"kvm\": true" : "\"kvm\": false"));
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char name[64], want[64], value[16], *line;

		snprintf(name, sizeof(name), "%-18s ", names[i]);
		line = strstr(text.out, name);
		ck_assert_msg(line, "%s", names[i]);
		ck_assert_int_eq(sscanf(line + strlen(name), "%15s", value), 1);
		snprintf(want, sizeof(want), "\"%s\": %s", names[i],
			 strcmp(value, "yes") == 0  ? "true"
			 : strcmp(value, "no") == 0 ? "false"
						    : value);
		/* Others may take huge pages meanwhile. */
		if (strcmp(names[i], "huge_pages") != 0)
			ck_assert_msg(strstr(json.out, want), "%s in %s", want, json.out);
	}
}
END_TEST

/* The text, and the end: there need be neither a kernel nor a KVM, nor what is named. */
START_TEST(print_config_does_nothing_else)
{
	struct cli_result result;

	if (!config_print)
		TEST_SKIP("cli: built without libjansson-dev");
	cli_run(&result,
		"--disk /nowhere --cpus 2 --print-config --memory 1M --kvm /nowhere --junit "
		"/nowhere/x --tap --console socket=/tmp/vmm-test-none");
	ck_assert_str_eq(result.err, "");
	ck_assert_int_eq(result.status, 0);
	ck_assert_str_eq(result.out,
			 "{\n  \"memory\": \"1M\",\n  \"cpus\": 2,\n  \"kvm\": \"/nowhere\",\n"
			 "  \"tap\": true,\n  \"junit\": \"/nowhere/x\",\n  \"devices\": [\n"
			 "    {\n      \"disk\": \"/nowhere\"\n    },\n    {\n"
			 "      \"console\": \"socket=/tmp/vmm-test-none\"\n    }\n  ]\n}\n");
	ck_assert_int_ne(access("/tmp/vmm-test-none", F_OK), 0);
	cli_run(&result, "k --disk a --print-config --memory 64X");
	ck_assert_str_eq(result.err,
			 "vmm: --memory 64X: not a size; write for example 64M or 1G\n");
	ck_assert_str_eq(result.out, "");
	ck_assert_int_eq(result.status, 2);
}
END_TEST

/* What the static program leaves out is no option of it, as is said in one line. */
START_TEST(static_has_less)
{
	static const char *const lines[] = {"--control x", "--config x", "--print-config",
					    "--expect x"};
	const char *build = test_env("VMM_BUILD", "build");
	char command[256];

	snprintf(command, sizeof(command), "%s/vmm-static", build);
	if (access(command, X_OK))
		TEST_SKIP("cli: there is no vmm-static");
	snprintf(command, sizeof(command), "test $(%s/vmm-static k %s 2>&1 | wc -l) = 1", build,
		 lines[_i]);
	ck_assert_int_eq(system(command), 0);
	snprintf(command, sizeof(command), "%s/vmm-static k %s 2>/dev/null", build, lines[_i]);
	ck_assert_int_eq(WEXITSTATUS(system(command)), 2);
}
END_TEST

START_TEST(version)
{
	struct cli_result result;

	cli_run(&result, "--version");
	ck_assert_int_eq(result.status, 0);
	ck_assert_str_eq(result.err, "");
	ck_assert_int_eq(strncmp(result.out, "vmm 0.", 6), 0);
	ck_assert_ptr_nonnull(strstr(result.out, "\n  compiler "));
	ck_assert_ptr_nonnull(strstr(result.out, "\n  gdb stub "));
	ck_assert_ptr_nonnull(strstr(result.out, config_read ? "jansson     2." : "jansson     -"));
}
END_TEST

/* What is found wrong only with /dev/kvm open: kernel, disk, too many regions. */
static const struct {
	const char *line;
	const char *error;
} later[] = {
	{"/nowhere/kernel", "kernel /nowhere/kernel: cannot open it: No such file or directory"},
	{"/tmp", "kernel /tmp: is a directory; give a kernel file"},
	{"/etc/hostname --region 1M:1M --flat 0",
	 NULL /* not in RAM; the size depends on the host's name */},
	{"/etc/passwd", "kernel /etc/passwd: neither an ELF file nor a bzImage nor, without --flat "
			"ADDRESS, a flat "
			"binary"},
	{"x --region 0:4K*40000", NULL /* the number of slots is the host's */},
	{"x --region 0:4K --region 2K:4K",
	 "--region 2K:4K: base 0x800 is not a multiple of 4K (0x1000)"},
	{"x --region 0:8K --region 4K:4K",
	 "--region 4K:4K: 0x1000-0x1fff overlaps 0x0-0x1fff of --region 0:8K"},
};

START_TEST(a_mistake_found_later_is_one_line_too)
{
	struct cli_result result;
	char want[600];

	if (access("/dev/kvm", R_OK | W_OK))
		TEST_SKIP("cli: /dev/kvm cannot be opened");
	cli_run(&result, later[_i].line);
	ck_assert_int_eq(result.status, 2);
	ck_assert_str_eq(result.out, "");
	ck_assert_int_eq(strncmp(result.err, "vmm: ", 5), 0);
	ck_assert_ptr_eq(strchr(result.err, '\n') + 1, result.err + strlen(result.err));
	if (later[_i].error) {
		snprintf(want, sizeof(want), "vmm: %s\n", later[_i].error);
		ck_assert_str_eq(result.err, want);
	}
}
END_TEST

/* COM1 leaves standard input and output to a device that is told to use them. */
START_TEST(stdio_goes_to_who_asks)
{
	struct cli_result result;
	char line[256];

	if (access("/dev/kvm", R_OK | W_OK))
		TEST_SKIP("cli: /dev/kvm cannot be opened");
	snprintf(line, sizeof(line), "%s/guest/tiny/bench-ok.bin --flat 0x1000%s",
		 test_env("VMM_BUILD", "build"), _i ? " --console stdio" : "");
	cli_run(&result, line);
	ck_assert_str_eq(result.err, "");
	ck_assert_str_eq(result.out, _i ? "" : "OK\n");
	ck_assert_int_eq(result.status, 0);
	snprintf(line, sizeof(line),
		 "%s/guest/tiny/bench-ok.bin --flat 0x1000 --serial stdio --console stdio",
		 test_env("VMM_BUILD", "build"));
	cli_run(&result, line);
	ck_assert_ptr_nonnull(strstr(result.err, "stdio"));
	ck_assert_int_eq(result.status, 2);
}
END_TEST

/* A library that is not what it should be: one line that names the package. */
START_TEST(user_network_without_its_library)
{
	char dir[] = "/tmp/test-cli-XXXXXX", path[64], line[256];
	struct cli_result result;
	FILE *library;

	if (access("/dev/kvm", R_OK | W_OK))
		TEST_SKIP("cli: /dev/kvm cannot be opened");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/libslirp.so.0", dir);
	library = fopen(path, "w");
	ck_assert_ptr_nonnull(library);
	fclose(library);
	ck_assert_int_eq(setenv("LD_LIBRARY_PATH", dir, 1), 0);
	snprintf(line, sizeof(line), "%s/guest/tiny/bench-ok.bin --flat 0x1000 --net user",
		 test_env("VMM_BUILD", "build"));
	cli_run(&result, line);
	unsetenv("LD_LIBRARY_PATH");
	unlink(path);
	rmdir(dir);
	if (strstr(result.err, "built without"))
		TEST_SKIP("cli: built without libslirp-dev");
	snprintf(line, sizeof(line),
		 "vmm: --net: user-mode networking needs libslirp.so.0 (Debian package libslirp0): "
		 "%s: file too short\n",
		 path);
	ck_assert_str_eq(result.err, line);
	ck_assert_str_eq(result.out, "");
	ck_assert_int_eq(result.status, 1);
}
END_TEST

Suite *suite_cli(void)
{
	Suite *suite = suite_create("cli");
	TCase *tcase = tcase_create("cli");

	tcase_set_timeout(tcase, 30);
	tcase_add_loop_test(tcase, a_mistake_is_one_line, 0,
			    (int)(sizeof(mistakes) / sizeof(mistakes[0])));
	tcase_add_test(tcase, help_fits_a_screen);
	tcase_add_test(tcase, help_of_everything);
	tcase_add_loop_test(tcase, help_of_a_topic, 0, (int)(sizeof(topics) / sizeof(topics[0])));
	tcase_add_test(tcase, help_of_each);
	tcase_add_test(tcase, fuzz_targets_know_each);
	tcase_add_test(tcase, help_as_a_table);
	tcase_add_test(tcase, a_time_has_a_unit);
	tcase_add_test(tcase, guest_arguments);
	tcase_add_test(tcase, guest_arguments_reach_the_guest);
	tcase_add_test(tcase, verbs_explain_themselves);
	tcase_add_test(tcase, a_kernel_named_like_a_verb);
	tcase_add_test(tcase, features_as_text_and_json);
	tcase_add_test(tcase, print_config_does_nothing_else);
	tcase_add_loop_test(tcase, static_has_less, 0, 4);
	tcase_add_test(tcase, version);
	tcase_add_loop_test(tcase, stdio_goes_to_who_asks, 0, 2);
	tcase_add_test(tcase, user_network_without_its_library);
	tcase_add_loop_test(tcase, a_mistake_found_later_is_one_line_too, 0,
			    (int)(sizeof(later) / sizeof(later[0])));
	suite_add_tcase(suite, tcase);
	return suite;
}
