/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Configuration files: every command line can be kept as one, what the command line has comes over
 * it, and what is wrong in one is a line that says where.
 */
#include "tests/vmm/suites.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/runner.h"
#include "vmm/config.h"

#define WORDS_MAX 32

static char dir[] = "/tmp/test-config-XXXXXX";

static void set_up(void)
{
	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_eq(chdir(dir), 0);
}

static void tear_down(void)
{
	unlink("a.json");
	unlink("b.json");
	unlink("some.layout");
	ck_assert_int_eq(chdir("/"), 0);
	rmdir(dir);
}

static void put_file(const char *name, const char *text)
{
	FILE *file = fopen(name, "w");

	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	ck_assert_int_eq(fclose(file), 0);
}

/* Parse words that are separated by newlines, "vmm" before them. */
static int parse(const char *words, struct options *options, struct report *report)
{
	static char text[4096];
	char *argv[WORDS_MAX] = {(char *)"vmm"}, *rest = text;
	int argc = 1;

	snprintf(text, sizeof(text), "%s", words);
	while (rest && argc < WORDS_MAX)
		argv[argc++] = strsep(&rest, "\n");
	return options_parse(argc, argv, options, report);
}

/* What --print-config says of @words; to be freed. */
static char *printed(const char *words)
{
	struct options options;
	struct report report = {0};
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	ck_assert_msg(parse(words, &options, &report) == 0, "%s: %s", words, report.text);
	ck_assert_msg(config_print(&options, out, &report) == 0, "%s: %s", words, report.text);
	fclose(out);
	options_clear(&options);
	return text;
}

/* --- round trips ------------------------------------------------------------------------------------- */

static const char *const lines[] = {
	"k",
	"./run",
	"k\n--memory\n1G",
	"k\n--memory\n0x4000000",
	"k\n--memory\n67108864",
	"k\n--memory=0067108864",
	"k\n--memory\n64M+4K",
	"k\n--cpus\n2\n--cmdline\n",
	"k\n--cmdline\na \"b\" \\c 'd' $e `f` \t\x01\x7f/",
	"k\n--append\nüöä \xf0\x9f\x98\x80 \xe2\x82\xac",
	"k\n--region\n0:64M\n--region\n4G:64K*100\n--region=1G:64M,memfd,lock",
	"k\n--region\n0:16M\n--layout\nsome.layout\n--region\n1G:16M\n--fragment\n64K,seed=7",
	"k\n--layout\nsome.layout\n--fragment\n4096",
	"k\n--module\na,b c\n--module\nd\n--module\ne,",
	"k\n--initrd\ninitrd.img\n--no-reboot\n--transport\npci",
	"k\n--flat\n0x7c00\n--memory\n1M",
	"k\n--flat\n31744,32",
	"k\n--gdb\n--on-crash\ngdb",
	"k\n--gdb=1234",
	"k\n--gdb=",
	"k\n--gdb=01234,run\n--on-crash\ndump=/tmp/x",
	"k\n--expect\n^a.*[b]$\n--expect\n\"\n--timeout\n90\n--tap\n--junit\nx.xml",
	"k\n--timeout\n500ms\n--exit-map\n1=2,3=4\n--exit-map\n5=6",
	"k\n--jail\n--jail\n--stats=every=1s,json=x.json\n--map=x.svg",
	"k\n--no-jail\n--kvm\nfd:3\n--log\ndebug\n--serial\nfile=/dev/null",
	"k\n--disk\na.img\n--net\nuser,hostfwd=tcp::2222-:22\n--disk\nb.img,ro,id=x\n--rng",
	("k\n--rng=rate=64K\n--console\nstdio,port=a:null\n--vsock\n/tmp/s,cid=7\n--balloon\n"
	 "--console\nnull"),
	"k\n--balloon=64M,stats=2\n--disk=--\n--cmdline=--not an --option",
	"k\n--\n",
	"k\n--\n--memory\n1G\n--\n\n a b \n{x: [1]}'",
	"k\n--disk=--odd,=\n--disk\n,\n--disk\n \n--disk\n",
	"k\n--disk\nn\\u0000\n--disk\n\\\n--disk\n/\n--disk\n\"",
	"--memory\n1M\nk",
};

START_TEST(every_command_line_can_be_kept)
{
	char *first, *again;

	put_file("some.layout", "2G: 16M\n");
	first = printed(lines[_i]);
	put_file("a.json", first);
	again = printed("--config\na.json");
	ck_assert_str_eq(first, again);
	free(again);
	/* Something said once more is no other thing. */
	again = printed("--config=a.json\n--log\nwarn");
	ck_assert_ptr_nonnull(strstr(again, "\"log\": \"warn\""));
	free(again);
	free(first);
}
END_TEST

/* What it says is what a machine is made of, devices in their order. */
START_TEST(a_file_is_a_command_line)
{
	struct options options;
	struct report report = {0};

	put_file("a.json",
		 "{\"kernel\": \"k\", \"cpus\": 3, \"memory\": \"1M\", \"timeout\": 7,\n"
		 " \"devices\": [{\"rng\": true}, {\"disk\": \"a\"}, {\"net\": \"user\"},\n"
		 "               {\"disk\": [\"b,ro\", \"c\"]}],\n"
		 " \"disk\": \"d\", \"tap\": true, \"stats\": false,\n"
		 " \"module\": [\"m,text\"], \"arguments\": [\"x\", \"y z\"]}");
	ck_assert_msg(parse("--config\na.json", &options, &report) == 0, "%s", report.text);
	ck_assert_str_eq(options.kernel, "k");
	ck_assert_uint_eq(options.cpus, 3);
	ck_assert_uint_eq(options.timeout_ms, 7000);
	ck_assert_uint_eq(options.layout.count, 1);
	ck_assert_uint_eq(options.layout.regions[0].config.size, 1 << 20);
	ck_assert(options.tap && !options.stats);
	ck_assert_str_eq(options.guest_words, "x \"y z\"");
	ck_assert_uint_eq(options.module_count, 1);
	ck_assert_str_eq(options.modules[0].path, "m");
	ck_assert_str_eq(options.modules[0].cmdline, "text");
	ck_assert_uint_eq(options.device_count, 6);
	ck_assert_str_eq(options.devices[0].type->name, "rng");
	ck_assert_ptr_null(options.devices[0].args);
	ck_assert_str_eq(options.devices[1].args, "a");
	ck_assert_str_eq(options.devices[2].args, "user");
	ck_assert_str_eq(options.devices[3].args, "b,ro");
	ck_assert_str_eq(options.devices[4].args, "c");
	ck_assert_str_eq(options.devices[5].args, "d");
	options_clear(&options);
}
END_TEST

/* --- who has the last word ----------------------------------------------------------------------------- */

static const struct {
	const char *a, *b; /* files */
	const char *line;
	const char *same; /* the command line it comes to */
} layers[] = {
	/* What there is once: the command line has it, wherever the file stands on it. */
	{"{\"kernel\": \"k\", \"cpus\": 2}", "{}", "--config\na.json\n--cpus\n4", "k\n--cpus\n4"},
	{"{\"kernel\": \"k\", \"cpus\": 2}", "{}", "--cpus\n4\n--config\na.json", "k\n--cpus\n4"},
	{"{\"kernel\": \"k\"}", "{}", "--config\na.json\nl", "l"},
	{"{\"kernel\": \"k\", \"rng\": true, \"disk\": \"a\"}", "{}",
	 "--config\na.json\n--rng=rate=1", "k\n--rng=rate=1\n--disk\na"},
	/* A later file comes over an earlier one. */
	{"{\"kernel\": \"k\", \"cpus\": 2, \"tap\": true}", "{\"cpus\": 3, \"append\": \"x\"}",
	 "--config\na.json\n--config\nb.json", "k\n--cpus\n3\n--tap\n--append\nx"},
	{"{\"kernel\": \"k\", \"cpus\": 2}", "{\"cpus\": 3}",
	 "--config\nb.json\n--config\na.json\n--append\ny", "k\n--cpus\n2\n--append\ny"},
	/* What may be repeated adds up, the file's first. */
	{"{\"kernel\": \"k\", \"disk\": \"a\"}", "{\"disk\": [\"b\"]}",
	 "--disk\nc\n--config\na.json\n--config\nb.json", "k\n--disk\na\n--disk\nb\n--disk\nc"},
	{"{\"kernel\": \"k\", \"region\": [\"0:1M\"]}", "{}", "--config\na.json\n--region\n1M:1M",
	 "k\n--region\n0:1M\n--region\n1M:1M"},
	/* The guest's words are one thing. */
	{"{\"kernel\": \"k\", \"arguments\": [\"a\", \"b\"]}", "{}", "--config\na.json\n--\nc",
	 "k\n--\nc"},
	/* What excludes each other is there once, too. */
	{"{\"kernel\": \"k\", \"memory\": \"1M\"}", "{}", "--config\na.json\n--region\n0:2M",
	 "k\n--region\n0:2M"},
	{"{\"kernel\": \"k\", \"region\": [\"0:1M\", \"1M:1M\"]}", "{}",
	 "--config\na.json\n--memory\n4M", "k\n--memory\n4M"},
	{"{\"kernel\": \"k\", \"jail\": true}", "{}", "--config\na.json\n--no-jail", "k\n--no-jail"},
	/* False is how something is taken back. */
	{"{\"kernel\": \"k\", \"jail\": true, \"rng\": \"rate=1\", \"stats\": true}",
	 "{\"jail\": false, \"rng\": false, \"gdb\": false}", "--config\na.json\n--config\nb.json",
	 "k\n--stats"},
};

START_TEST(the_last_word)
{
	char *got, *want;

	put_file("a.json", layers[_i].a);
	put_file("b.json", layers[_i].b);
	got = printed(layers[_i].line);
	want = printed(layers[_i].same);
	ck_assert_str_eq(got, want);
	free(got);
	free(want);
}
END_TEST

/* --- mistakes ------------------------------------------------------------------------------------------- */

static const struct {
	const char *text;
	const char *error; /* what follows "a.json" */
} mistakes[] = {
	{"", " line 1 column 0: unexpected token near end of file"},
	{"{", " line 1 column 1: string or '}' expected near end of file"},
	{"{\n  \"cpus\": 2,\n}", " line 3 column 1: string or '}' expected near '}'"},
	{"{\n  \"cpus\": 2\n  \"tap\": true}", " line 3 column 7: '}' expected near '\"tap\"'"},
	{"{\"kernel\": \"a\\u0000\"}",
	 " line 1 column 20: \\u0000 is not allowed without JSON_ALLOW_NUL near '\"a\\u0000\"'"},
	{"{\"cpus\": 1, \"cpus\": 2}", " line 1 column 18: duplicate object key near '\"cpus\"'"},
	{"[1]", ": not a JSON object; for example {\"kernel\": \"vmlinux\"}"},
	{"{\"memroy\": 1}", ": \"memroy\": unknown key; did you mean \"memory\"?"},
	{"{\"kernal\": 1}", ": \"kernal\": unknown key; did you mean \"kernel\"?"},
	{"{\"args\": 1}",
	 ": \"args\": unknown key; they are the options that --help=all lists, and "
	 "kernel, arguments, devices"},
	{"{\"cpus\": \"two\"}", ": --cpus two: not a number from 1 to 4096"},
	{"{\"cpus\": -1}", ": --cpus -1: not a number from 1 to 4096"},
	{"{\"cpus\": 2.5}",
	 ": \"cpus\": 2.5 is not right; right is a number or a string (--cpus N)"},
	{"{\"cpus\": true}",
	 ": \"cpus\": true is not right; right is a number or a string (--cpus N)"},
	{"{\"cpus\": null}",
	 ": \"cpus\": null is not right; right is a number or a string (--cpus N)"},
	{"{\"cpus\": [1]}",
	 ": \"cpus\": [1] is not right; right is a number or a string (--cpus N)"},
	{"{\"initrd\": 1}", ": \"initrd\": 1 is not right; right is a string (--initrd PATH)"},
	{"{\"tap\": \"yes\"}", ": \"tap\": \"yes\" is not right; right is true or false"},
	{"{\"module\": {\"a\": 1}}",
	 ": \"module\": {\"a\":1} is not right; right is a string (--module "
	 "PATH[,TEXT]), or an array of them"},
	{"{\"rng\": 1}", ": \"rng\": 1 is not right; right is true, false or a string "
			 "(--rng[=rate=BYTES])"},
	{"{\"vsock\": [\"a\"]}",
	 ": \"vsock\": [\"a\"] is not right; right is a string (--vsock PATH[,cid=N])"},
	{"{\"kernel\": 1}", ": \"kernel\": 1 is not right; right is a string (KERNEL)"},
	{"{\"devices\": {\"disk\": \"a\"}}",
	 ": \"devices\": {\"disk\":\"a\"} is not right; right is an array of objects of one "
	 "device, "
	 "for example [{\"disk\": \"a.img\"}, {\"rng\": true}]"},
	{"{\"devices\": [{\"disk\": \"a\", \"rng\": true}]}",
	 ": \"devices\": {\"disk\":\"a\",\"rng\":true} is not right; right is an array of objects "
	 "of "
	 "one device, for example [{\"disk\": \"a.img\"}, {\"rng\": true}]"},
	{"{\"devices\": [{\"dsik\": \"a\"}]}", ": \"dsik\": unknown key; did you mean \"disk\"?"},
	{"{\"devices\": [{\"memory\": \"a\"}]}", ": \"memory\": not a device; --help lists them"},
	{"{\"devices\": [{\"rng\": true}, {\"rng\": true}]}", NULL},
	{"{\"help\": true}", ": \"help\": only for the command line; leave it out"},
	{"{\"config\": \"b.json\"}", ": \"config\": only for the command line; leave it out"},
	{"{\"print-config\": true}", ": \"print-config\": only for the command line; leave it out"},
	{"{\"region\": [\"0:1M\", \"here\"]}",
	 ": --region here: a region is BASE:SIZE, for example 0x100000:64M"},
	{"{\"arguments\": [\"a\", \"\\n\"]}",
	 ": -- argument 2: a quotation mark or a new line cannot "
	 "be told the guest; leave it out"},
};

START_TEST(a_mistake_says_where)
{
	char want[512];
	struct options options;
	struct report report = {0};

	put_file("a.json", mistakes[_i].text);
	ck_assert_int_eq(parse("k\n--config\na.json", &options, &report), -1);
	snprintf(want, sizeof(want), "a.json%s", mistakes[_i].error ? mistakes[_i].error : "");
	ck_assert_str_eq(report.text,
			 mistakes[_i].error ? want : "--rng: given twice, a machine can have one");
	ck_assert_int_eq(report.status, REPORT_USER);
	options_clear(&options);
}
END_TEST

/* All of it is read, however long it is. */
START_TEST(a_file_that_is_long)
{
	static char text[100000];
	struct options options;
	struct report report = {0};

	for (size_t len = 4090; len < sizeof(text); len = len < 4100 ? len + 1 : 2 * len) {
		snprintf(text, sizeof(text), "{\"kernel\": \"k\",%*s\"cpus\": 3}", (int)len - 25, "");
		ck_assert_uint_eq(strlen(text), len);
		put_file("a.json", text);
		ck_assert_msg(parse("--config\na.json", &options, &report) == 0, "%s", report.text);
		ck_assert_uint_eq(options.cpus, 3);
		options_clear(&options);
	}
}
END_TEST

START_TEST(a_file_that_is_none)
{
	struct options options;
	struct report report = {0};

	ck_assert_int_eq(parse("k\n--config\nnowhere", &options, &report), -1);
	ck_assert_str_eq(report.text,
			 "--config nowhere: cannot read it: No such file or directory");
	ck_assert_int_eq(report.status, REPORT_USER);
	options_clear(&options);
	ck_assert_int_eq(parse("k\n--config\n/tmp", &options, &report), -1);
	ck_assert_str_eq(report.text, "--config /tmp: cannot read it: Is a directory");
	options_clear(&options);
	ck_assert_int_eq(parse("k\n--config\n/dev/zero", &options, &report), -1);
	ck_assert_str_eq(report.text, "--config /dev/zero: has more than 4194304 bytes");
	options_clear(&options);
}
END_TEST

START_TEST(what_json_cannot_say)
{
	struct options options;
	struct report report = {0};
	FILE *out = fopen("/dev/null", "w");

	ck_assert_int_eq(parse("k\n--disk\na\xff", &options, &report), 0);
	ck_assert_int_eq(config_print(&options, out, &report), -1);
	ck_assert_str_eq(report.text,
			 "--print-config: the argument of --disk is not UTF-8, which JSON is");
	ck_assert_int_eq(report.status, REPORT_USER);
	options_clear(&options);
	fclose(out);
}
END_TEST

START_TEST(without_the_library)
{
	TEST_SKIP("config: built without libjansson-dev");
}
END_TEST

Suite *suite_config(void)
{
	Suite *suite = suite_create("config");
	TCase *tcase = tcase_create("config");

	suite_add_tcase(suite, tcase);
	if (!config_read) {
		tcase_add_test(tcase, without_the_library);
		return suite;
	}
	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_loop_test(tcase, every_command_line_can_be_kept, 0,
			    (int)(sizeof(lines) / sizeof(lines[0])));
	tcase_add_test(tcase, a_file_is_a_command_line);
	tcase_add_loop_test(tcase, the_last_word, 0, (int)(sizeof(layers) / sizeof(layers[0])));
	tcase_add_loop_test(tcase, a_mistake_says_where, 0,
			    (int)(sizeof(mistakes) / sizeof(mistakes[0])));
	tcase_add_test(tcase, a_file_that_is_long);
	tcase_add_test(tcase, a_file_that_is_none);
	tcase_add_test(tcase, what_json_cannot_say);
	return suite;
}
