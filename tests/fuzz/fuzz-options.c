/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The command line: a line of the input is a word. What parses goes on to the device types, so that
 * their words are parsed too, and what is wrong has to be one line with the user's status. Nothing
 * may be opened or made on this host: the calls that would are wrapped by the linker and fail here.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "devices/net-user.h"
#include "tests/fuzz/fuzz.h"
#include "vmm/options.h"

#define WORDS_MAX 30

static bool closed;

/* WRAP(result, name, failure, parameters, arguments): the real one, unless this host is closed. */
#define WRAP(type, name, failure, parameters, arguments) \
	type __real_##name parameters;                   \
	type __wrap_##name parameters;                   \
	type __wrap_##name parameters                    \
	{                                                \
		if (!closed)                             \
			return __real_##name arguments;  \
		errno = ENOENT;                          \
		return failure;                          \
	}

WRAP(int, open, -1, (const char *path, int flags, int mode), (path, flags, mode))
WRAP(int, __open_2, -1, (const char *path, int flags), (path, flags))
WRAP(FILE *, fopen, NULL, (const char *path, const char *mode), (path, mode))
WRAP(int, connect, -1, (int fd, const struct sockaddr *addr, socklen_t len), (fd, addr, len))
WRAP(int, bind, -1, (int fd, const struct sockaddr *addr, socklen_t len), (fd, addr, len))
WRAP(int, mkfifo, -1, (const char *path, mode_t mode), (path, mode))
WRAP(int, unlink, -1, (const char *path), (path))
WRAP(int, posix_openpt, -1, (int flags), (flags))

/* A message is a line, and it says something. */
static void check_report(const struct report *report)
{
	FUZZ_CHECK(report->text[0] && !strchr(report->text, '\n'));
	FUZZ_CHECK(report->status == REPORT_USER || report->status == REPORT_HOST);
}

/* The user-mode network's words; it would bring a thread and sockets. */
static void parse_user_words(const char *args)
{
	struct net_user_config config = {0};
	struct report report = {0};
	char *words = strdup(args), *rest = words, *word;
	int err = 0;

	while (!err && (word = strsep(&rest, ",")))
		err = net_user_take_word("--fuzz", word, &config, &report);
	if (err || net_user_check("--fuzz", &config, &report))
		check_report(&report);
	free(config.forwards);
	free(words);
}

static void make_devices(const struct options *options)
{
	struct loop *loop = loop_new();

	for (size_t i = 0; i < options->device_count; i++) {
		const struct option_device *device = &options->devices[i];
		struct virtio_device *made = NULL;
		struct report report = {0};

		if (device->args && strncmp(device->args, "user,", 5) == 0)
			parse_user_words(device->args + 5);
		if (device->type->create("--fuzz", device->args, loop, &made, &report))
			check_report(&report);
		else
			virtio_device_free(made);
	}
	loop_free(loop);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), *rest = text, *argv[WORDS_MAX + 2] = {(char *)"vmm"};
	struct options options;
	struct report report = {0};
	int argc = 1, err;

	memcpy(text, data, size);
	text[size] = '\0';
	while (argc <= WORDS_MAX && rest) {
		char *word = strsep(&rest, "\n");

		/* Help and version are printed. */
		if (strncmp(word, "--h", 3) != 0 && strncmp(word, "--v", 3) != 0 &&
		    strcmp(word, "-h") != 0)
			argv[argc++] = word;
	}
	closed = true;
	err = options_parse(argc, argv, &options, &report);
	if (err)
		check_report(&report);
	else
		make_devices(&options);
	options_clear(&options);
	closed = false;
	free(text);
	return 0;
}
