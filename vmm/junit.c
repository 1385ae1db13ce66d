/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The JUnit file. What a guest printed is bytes; what XML does not have is U+FFFD in the file. */
#include "vmm/junit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "devices/clock.h"
#include "devices/confine.h"
#include "vmm/utf8.h"

/* --- text --------------------------------------------------------------------------------------- */

static void put(struct junit_text *text, const char *bytes, size_t len)
{
	if (text->cut || len > text->max - text->len) {
		text->cut = true;
		return;
	}
	memcpy(text->bytes + text->len, bytes, len);
	text->len += len;
}

__attribute__((format(printf, 2, 3))) static void putf(struct junit_text *text, const char *format,
						       ...)
{
	char line[512];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	put(text, line, (size_t)n < sizeof(line) ? (size_t)n : sizeof(line) - 1);
}

/* How many bytes at @s are one character that XML allows, or 0. */
static size_t character(const char *s, size_t len)
{
	size_t n = utf8_character(s, len);
	bool control = n == 1 && (unsigned char)*s < 0x20 && *s != '\t' && *s != '\n';
	/* U+FFFE and U+FFFF */
	bool none =
		n == 3 && (memcmp(s, "\xef\xbf\xbe", 3) == 0 || memcmp(s, "\xef\xbf\xbf", 3) == 0);

	return control || none ? 0 : n;
}

static void put_escaped(struct junit_text *text, const char *bytes, size_t len)
{
	for (size_t i = 0; i < len;) {
		size_t n = character(bytes + i, len - i);
		const char *entity = bytes[i] == '<'   ? "&lt;"
				     : bytes[i] == '>' ? "&gt;"
				     : bytes[i] == '&' ? "&amp;"
				     : bytes[i] == '"' ? "&quot;"
				     : !n              ? UTF8_REPLACEMENT
						       : NULL;

		if (entity)
			put(text, entity, strlen(entity));
		else
			put(text, bytes + i, n);
		i += n ? n : 1;
	}
}

static void put_seconds(struct junit_text *text, uint64_t ns)
{
	putf(text, "%lu.%03lu", (unsigned long)(ns / 1000000000),
	     (unsigned long)(ns / 1000000 % 1000));
}

/* --- while the guest runs ------------------------------------------------------------------------ */

/* The test point that waits, with what was said of it. */
static void flush_case(struct junit *junit)
{
	struct junit_text *text = &junit->cases;
	size_t before = text->len;

	if (!junit->has_last)
		return;
	junit->has_last = false;
	putf(text, "    <testcase classname=\"guest\" name=\"");
	put_escaped(text, junit->last.name, junit->last.name_len);
	putf(text, "\" time=\"");
	put_seconds(text, junit->last_took);
	putf(text, "\">");
	if (junit->last.result == TAP_NOT_OK) {
		putf(text, "<failure message=\"test %lu\">", junit->last.number);
		put(text, junit->said.bytes, junit->said.len);
		putf(text, "</failure>");
	} else if (junit->last.result != TAP_OK) {
		putf(text, "<skipped message=\"%s", junit->last.result == TAP_TODO ? "TODO " : "");
		put_escaped(text, junit->last.reason, junit->last.reason_len);
		putf(text, "\"/>");
	}
	putf(text, "</testcase>\n");
	/* A case is in the file as a whole or not at all. */
	if (text->cut)
		text->len = before;
	junit->said = (struct junit_text){junit->said.bytes, 0, JUNIT_SAID_MAX, false};
}

static size_t keep(char *copy, size_t max, const char *bytes, size_t len)
{
	len = len < max ? len : max;
	memcpy(copy, bytes, len);
	return len;
}

void junit_point(struct junit *junit, const struct tap_point *point)
{
	uint64_t time = clock_ns(CLOCK_MONOTONIC);

	flush_case(junit);
	junit->last = *point;
	junit->last.name = junit->name;
	junit->last.name_len = keep(junit->name, sizeof(junit->name), point->name, point->name_len);
	junit->last.reason = junit->reason;
	junit->last.reason_len =
		keep(junit->reason, sizeof(junit->reason), point->reason, point->reason_len);
	junit->last_took = time - junit->last_time;
	junit->last_time = time;
	junit->has_last = true;
}

/*
 * Some say why a test failed behind the line that says so, some in front of it. What stands in
 * front of a failure is its own; behind one that had nothing, likewise.
 */
void junit_diagnostic(struct junit *junit, const char *line, size_t len)
{
	if (junit->has_last && (junit->last.result != TAP_NOT_OK || junit->said.len))
		flush_case(junit);
	put_escaped(&junit->said, line, len);
	put(&junit->said, "\n", 1);
}

void junit_output(struct junit *junit, const char *line, size_t len)
{
	put_escaped(&junit->output, line, len);
	put(&junit->output, "\n", 1);
}

/* --- the file ------------------------------------------------------------------------------------ */

int junit_open(struct junit *junit, const char *path, struct report *report)
{
	struct junit_text *texts[] = {&junit->cases, &junit->output, &junit->said};
	const size_t sizes[] = {JUNIT_CASES_MAX, JUNIT_OUTPUT_MAX, JUNIT_SAID_MAX};

	junit->path = path;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		/* Pages that are not written to are not there. */
		*texts[i] = (struct junit_text){.bytes = malloc(sizes[i]), .max = sizes[i]};
		if (!texts[i]->bytes)
			return report_fail(report, REPORT_HOST, "out of memory");
	}
	junit->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	junit->made = junit->fd >= 0;
	if (junit->fd < 0 && errno == EEXIST)
		junit->fd = open(path, O_WRONLY | O_CLOEXEC | O_NONBLOCK);
	if (junit->fd < 0)
		return report_fail(report, REPORT_USER, "--junit %s: cannot be written: %s", path,
				   strerror(errno));
	if (junit->made)
		confine_will_unlink(path);
	junit->started = junit->last_time = clock_ns(CLOCK_MONOTONIC);
	return 0;
}

static int write_all(int fd, const struct junit_text *text)
{
	for (size_t done = 0; done < text->len;) {
		ssize_t n = write(fd, text->bytes + done, text->len - done);

		if (n < 0 && errno != EINTR)
			return -1;
		done += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static void put_head(struct junit_text *text, const struct junit *junit, const struct tap *tap,
		     const char *problem)
{
	putf(text,
	     "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n"
	     "  <testsuite name=\"vmm\" tests=\"%lu\" failures=\"%lu\" errors=\"%d\" "
	     "skipped=\"%lu\" time=\"",
	     tap->points + (*problem != 0), tap->failed, *problem != 0, tap->skipped + tap->todo);
	put_seconds(text, clock_ns(CLOCK_MONOTONIC) - junit->started);
	putf(text, "\">\n");
	if (*problem) {
		putf(text, "    <testcase classname=\"vmm\" name=\"run\"><error message=\"");
		put_escaped(text, problem, strlen(problem));
		putf(text, "\"/></testcase>\n");
	}
}

int junit_write(struct junit *junit, const struct tap *tap, const char *problem, struct report *report)
{
	char head_bytes[2048], tail_bytes[512];
	struct junit_text head = {head_bytes, 0, sizeof(head_bytes), false};
	struct junit_text open_output = {tail_bytes, 0, sizeof(tail_bytes), false}, tail;
	char end_bytes[128];

	flush_case(junit);
	put_head(&head, junit, tap, problem);
	if (junit->cases.cut)
		putf(&open_output, "    <!-- more tests ran than are listed -->\n");
	putf(&open_output, "    <system-out>");
	tail = (struct junit_text){end_bytes, 0, sizeof(end_bytes), false};
	putf(&tail, "%s</system-out>\n  </testsuite>\n</testsuites>\n",
	     junit->output.cut ? "(cut here)\n" : "");
	if (ftruncate(junit->fd, 0) == 0 && write_all(junit->fd, &head) == 0 &&
	    write_all(junit->fd, &junit->cases) == 0 && write_all(junit->fd, &open_output) == 0 &&
	    write_all(junit->fd, &junit->output) == 0 && write_all(junit->fd, &tail) == 0) {
		junit->made = false;
		return 0;
	}
	report_fail(report, REPORT_HOST, "--junit %s: %s", junit->path, strerror(errno));
	/* Half of it would be read as all of it. */
	if (ftruncate(junit->fd, 0))
		return -1;
	return -1;
}

void junit_close(struct junit *junit)
{
	if (junit->fd >= 0)
		close(junit->fd);
	if (junit->made)
		unlink(junit->path);
	free(junit->cases.bytes);
	free(junit->output.bytes);
	free(junit->said.bytes);
}
