/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vmm ctl PATH REQUEST [ARGS]: asks the machine whose --control PATH is. Words become the request's
 * parameters, by their order or as NAME=VALUE; the reply is shown as lines for people, or as it is.
 */
#include "vmm/ctl.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "devices/units.h"
#include "devices/unix-socket.h"
#include "vmm/ctl-json.h"
#include "vmm/ctl-table.h"

#define REPLY_MAX       (size_t)(64 << 20)
#define REPLY_WITHIN_MS 30000

struct ctl {
	const char *path;
	const struct ctl_request *request;
	const char *values[CTL_PARAMS_MAX]; /* NULL: not given */
	bool json;
	int fd;
	int passed; /* a descriptor for the request, or -1 */
};

void ctl_help(void)
{
	printf("\nPATH is what --control names. Requests:\n");
	for (size_t i = 0; i < CTL_REQUESTS; i++)
		printf("  %-14s %-20s %s\n", ctl_requests[i].name, ctl_requests[i].args,
		       ctl_requests[i].help);
	printf("\n--json prints the reply as it comes. Exit status: 0; 1, the machine cannot be\n"
	       "reached or does not do it; 2, a mistake in the words.\n");
}

/* --- words ---------------------------------------------------------------------------------------- */

/* The parameter that "NAME=VALUE" names, and its value; else the first that has none yet. */
static int take_word(struct ctl *ctl, const char *word, struct report *report)
{
	const struct ctl_param *params = ctl->request->params;
	size_t i;

	if (ctl->request == &ctl_requests[CTL_NET_ATTACH] && ctl->passed < 0) {
		int taken = ctl_take_socket(word, &ctl->passed, report);

		if (taken <= 0)
			return taken;
	}
	for (i = 0; i < CTL_PARAMS_MAX && params[i].name; i++) {
		size_t len = strlen(params[i].name);

		if (strncmp(word, params[i].name, len) == 0 && word[len] == '=') {
			ctl->values[i] = word + len + 1;
			return 0;
		}
	}
	for (i = 0; i < CTL_PARAMS_MAX && params[i].name; i++) {
		if (!ctl->values[i]) {
			ctl->values[i] = word;
			return 0;
		}
	}
	return report_fail(report, REPORT_USER, "ctl: %s: '%s' is too much; it takes %s",
			   ctl->request->name, word,
			   *ctl->request->args ? ctl->request->args : "nothing");
}

/* What the machine would refuse, too, but as a mistake in the words. */
static int check_value(const struct ctl *ctl, size_t index, struct report *report)
{
	const struct ctl_param *param = &ctl->request->params[index];
	const char *value = ctl->values[index];
	uint64_t size;
	char *end;

	if (!value && param->required)
		return report_fail(report, REPORT_USER, "ctl: %s: %s is missing; it takes %s",
				   ctl->request->name, param->name, ctl->request->args);
	if (value && param->type == CTL_SIZE && !parse_size(value, &size))
		return report_fail(report, REPORT_USER,
				   "ctl: %s: '%s' is not a size, for example 64M",
				   ctl->request->name, value);
	if (value && param->type == CTL_EXIT &&
	    (*value < '0' || *value > '9' || strtoul(value, &end, 10) > 255 || *end))
		return report_fail(report, REPORT_USER, "ctl: %s: '%s' is not a status, 0 to 255",
				   ctl->request->name, value);
	return 0;
}

static int find_request(struct ctl *ctl, const char *name, struct report *report)
{
	const struct ctl_request *near = ctl_near(name);

	ctl->request = ctl_find_alias(name);
	if (ctl->request)
		return 0;
	if (near)
		return report_fail(report, REPORT_USER, "ctl: %s: not a request; did you mean %s?",
				   name, near->name);
	return report_fail(report, REPORT_USER, "ctl: %s: not a request; vmm ctl --help lists them",
			   name);
}

static int parse(struct ctl *ctl, int argc, char **argv, struct report *report)
{
	for (int i = 1; i < argc; i++) {
		int err = 0;

		if (strcmp(argv[i], "--json") == 0)
			ctl->json = true;
		else if (!ctl->path)
			ctl->path = argv[i];
		else if (!ctl->request)
			err = find_request(ctl, argv[i], report);
		else
			err = take_word(ctl, argv[i], report);
		if (err)
			return err;
	}
	if (!ctl->request)
		return report_fail(report, REPORT_USER,
				   "ctl: the %s is missing; write vmm ctl PATH REQUEST, --help "
				   "lists requests",
				   ctl->path ? "request" : "path of the socket");
	/* For people, where the protocol would have JSON in JSON. */
	if (ctl->request == &ctl_requests[CTL_MAP] && !ctl->values[0] && !ctl->json)
		ctl->values[0] = "text";
	for (size_t i = 0; i < CTL_PARAMS_MAX; i++) {
		if (check_value(ctl, i, report))
			return -1;
	}
	return 0;
}

/* --- the socket ------------------------------------------------------------------------------------ */

static int fail_host(const struct ctl *ctl, const char *why, struct report *report)
{
	return report_fail(report, REPORT_HOST, "ctl: %s: %s", ctl->path, why);
}

static int reach(struct ctl *ctl, struct report *report)
{
	if (strlen(ctl->path) > UNIX_PATH_LIMIT)
		return report_fail(report, REPORT_USER,
				   "ctl: '%s' has %zu bytes; the path of a socket has at most %zu",
				   ctl->path, strlen(ctl->path), UNIX_PATH_LIMIT);
	ctl->fd = unix_connect(ctl->path);
	if (ctl->fd < 0 && errno == ECONNREFUSED)
		return fail_host(ctl, "nobody listens there any more", report);
	if (ctl->fd < 0)
		return fail_host(ctl, strerror(errno), report);
	fcntl(ctl->fd, F_SETFL, 0);
	return 0;
}

/* The request as a line, to be freed. */
static char *make_line(const struct ctl *ctl, size_t *len)
{
	const struct ctl_request *request = ctl->request;
	char *line = NULL;
	FILE *out = open_memstream(&line, len);

	if (!out)
		return NULL;
	fprintf(out, "{\"request\":\"%s\"", request->name);
	for (size_t i = 0; i < CTL_PARAMS_MAX; i++) {
		if (!ctl->values[i])
			continue;
		fprintf(out, ",\"%s\":", request->params[i].name);
		if (request->params[i].type == CTL_EXIT)
			fprintf(out, "%lu", strtoul(ctl->values[i], NULL, 10));
		else
			ctl_json_quote(ctl->values[i], out);
	}
	fputs("}\n", out);
	if (fclose(out)) {
		free(line);
		return NULL;
	}
	return line;
}

/* With the descriptor, if there is one. */
static ssize_t send_first(const struct ctl *ctl, char *line, size_t len)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr header;
	} control = {{0}};
	struct iovec iov = {line, len};
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};

	if (ctl->passed >= 0) {
		message.msg_control = &control;
		message.msg_controllen = sizeof(control);
		control.header = (struct cmsghdr){CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
		memcpy(CMSG_DATA(&control.header), &ctl->passed, sizeof(int));
	}
	return sendmsg(ctl->fd, &message, MSG_NOSIGNAL);
}

static int send_request(const struct ctl *ctl, struct report *report)
{
	size_t len, done = 0;
	char *line = make_line(ctl, &len);

	while (line && done < len) {
		ssize_t n = done == 0 ? send_first(ctl, line, len)
				      : send(ctl->fd, line + done, len - done, MSG_NOSIGNAL);

		if (n < 0 && errno != EINTR)
			break;
		done += n < 0 ? 0 : (size_t)n;
	}
	free(line);
	/* A machine that is full says so and hangs up: that is read next. */
	return line ? 0 : fail_host(ctl, "out of memory", report);
}

static int grow(const struct ctl *ctl, char **line, size_t *size, struct report *report)
{
	size_t larger = *size ? 2 * *size : 4096;
	char *new = larger > REPLY_MAX ? NULL : realloc(*line, larger);

	if (!new)
		return fail_host(ctl, "the reply is too long", report);
	*line = new;
	*size = larger;
	return 0;
}

/*
 * The next line, without its end, in *@line, which grows; 1, 0 at the end, or -1 and @report. What
 * is behind the line stays in the socket.
 */
static int read_line(const struct ctl *ctl, int timeout, char **line, size_t *size,
		     struct report *report)
{
	for (size_t len = 0;;) {
		struct pollfd pollfd = {.fd = ctl->fd, .events = POLLIN};
		const char *end;
		ssize_t n;

		if (len + 1 >= *size && grow(ctl, line, size, report))
			return -1;
		if (poll(&pollfd, 1, timeout) == 0)
			return fail_host(ctl, "the machine does not answer", report);
		n = recv(ctl->fd, *line + len, *size - 1 - len, MSG_PEEK);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return 0;
		end = memchr(*line + len, '\n', (size_t)n);
		n = end ? end + 1 - (*line + len) : n;
		if (recv(ctl->fd, *line + len, (size_t)n, 0) != n)
			return 0;
		len += (size_t)n;
		if (end) {
			(*line)[len - 1] = '\0';
			return 1;
		}
	}
}

/* --- replies --------------------------------------------------------------------------------------- */

static int show(const struct ctl *ctl, const char *reply, struct report *report)
{
	const char *ok = ctl_json_member(reply, "ok"), *error = ctl_json_member(reply, "error");
	char *why = error ? ctl_json_text(error) : NULL;

	if (ctl->json)
		puts(reply);
	if (ok && strncmp(ok, "true", 4) == 0) {
		/* A console's output is the console's alone. */
		if (!ctl->json && ctl->request != &ctl_requests[CTL_CONSOLE_ATTACH])
			ctl_json_print(reply, stdout);
		fflush(stdout);
		free(why);
		return 0;
	}
	report_fail(report, REPORT_HOST, "ctl: %s", why ? why : "a reply that is none");
	free(why);
	return -1;
}

/* Events, as long as they come. */
static int follow(const struct ctl *ctl, char **line, size_t *size, struct report *report)
{
	int more;

	while ((more = read_line(ctl, -1, line, size, report)) > 0) {
		puts(*line);
		fflush(stdout);
	}
	return more;
}

static int converse(struct ctl *ctl, struct report *report)
{
	char *line = NULL;
	size_t size = 0;
	int err = send_request(ctl, report);
	int got = err ? err : read_line(ctl, REPLY_WITHIN_MS, &line, &size, report);

	if (got == 0)
		err = fail_host(ctl, "the machine has hung up", report);
	else if (got < 0)
		err = -1;
	else
		err = show(ctl, line, report);
	if (!err && ctl->request == &ctl_requests[CTL_SUBSCRIBE])
		err = follow(ctl, &line, &size, report);
	if (!err && ctl->request == &ctl_requests[CTL_CONSOLE_ATTACH])
		err = ctl_console(ctl->fd, report);
	free(line);
	return err;
}

int ctl_main(int argc, char **argv, struct report *report)
{
	struct ctl ctl = {.fd = -1, .passed = -1};
	int err = parse(&ctl, argc, argv, report);

	if (!err)
		err = reach(&ctl, report);
	if (!err)
		err = converse(&ctl, report);
	if (ctl.fd >= 0)
		close(ctl.fd);
	if (ctl.passed >= 0)
		close(ctl.passed);
	return err;
}
