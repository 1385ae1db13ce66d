/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * A configuration file: the input is one. What is wrong with it is one line with the user's status;
 * what is right is printed as a file that, read again, is printed as the same text. No other file
 * opens: fopen() is wrapped by the linker.
 */
#include <errno.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "vmm/config.h"

#define NAME "@input"

static const void *file_text;
static size_t file_size;
static bool closed;

FILE *__real_fopen(const char *path, const char *mode);
FILE *__wrap_fopen(const char *path, const char *mode);
FILE *__wrap_fopen(const char *path, const char *mode)
{
	if (!closed)
		return __real_fopen(path, mode);
	errno = ENOENT;
	/* A stream on nothing is none. */
	return strcmp(path, NAME) == 0 && file_size ? fmemopen((void *)file_text, file_size, "r")
						    : NULL;
}

/* What it is printed as, or NULL and a report: to be freed. */
static char *print(const void *text, size_t size)
{
	char words[][32] = {"vmm", "--config", NAME, "kernel"};
	char *argv[] = {words[0], words[1], words[2], words[3]}, *printed = NULL;
	struct options options;
	struct report report = {0};
	size_t len = 0;
	FILE *out;
	int err;

	file_text = text;
	file_size = size;
	err = options_parse(4, argv, &options, &report);
	if (err) {
		FUZZ_CHECK(err == -1 && report.text[0] && !strchr(report.text, '\n'));
		FUZZ_CHECK(report.status == REPORT_USER || report.status == REPORT_HOST);
	} else {
		FUZZ_CHECK(strcmp(options.kernel, "kernel") == 0);
		out = open_memstream(&printed, &len);
		/* JSON has only what JSON can have. */
		FUZZ_CHECK(config_print(&options, out, &report) == 0);
		fclose(out);
	}
	options_clear(&options);
	return printed;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *first, *again;

	if (!config_read)
		return 0;
	closed = true;
	first = print(data, size);
	if (first) {
		again = print(first, strlen(first));
		FUZZ_CHECK(again && strcmp(first, again) == 0);
		free(again);
	}
	free(first);
	closed = false;
	return 0;
}
