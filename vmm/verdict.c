/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Consoles' bytes to lines, lines to their readers, and what these make of it as an exit status. */
#include "vmm/verdict.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What one console has printed of a line. */
struct stream {
	struct verdict *verdict;
	struct stream *next; /* of the verdict's; set-up */
	bool long_line;      /* it began before the buffer */
	size_t len;
	char line[VERDICT_LINE + 1];
};

/* --- lines ---------------------------------------------------------------------------------------- */

static void look(struct stream *stream, bool ends)
{
	struct verdict *verdict = stream->verdict;

	if (!verdict->expect || verdict->seen)
		return;
	stream->line[stream->len] = '\0';
	verdict->seen =
		expect_look(verdict->expect, stream->line, stream->len, !stream->long_line, ends);
	if (verdict->seen && verdict->machine)
		machine_stop(verdict->machine, 0);
}

static void end_line(struct stream *stream)
{
	struct verdict *verdict = stream->verdict;

	if (stream->len && stream->line[stream->len - 1] == '\r')
		stream->len--;
	look(stream, true);
	if (verdict->options->tap && !stream->long_line)
		tap_line(&verdict->tap, stream->line, stream->len);
	if (verdict->options->junit)
		junit_output(&verdict->junit, stream->line, stream->len);
	stream->len = 0;
	stream->long_line = false;
}

/* Make room, and keep what a match over two pieces needs. */
static void end_piece(struct stream *stream)
{
	struct verdict *verdict = stream->verdict;
	size_t rest = stream->len - VERDICT_OVERLAP;

	look(stream, false);
	if (verdict->options->tap && !stream->long_line)
		tap_line(&verdict->tap, stream->line, stream->len);
	memmove(stream->line, stream->line + rest, VERDICT_OVERLAP);
	stream->len = VERDICT_OVERLAP;
	stream->long_line = true;
}

static void printed(void *arg, const void *data, size_t len)
{
	struct stream *stream = arg;
	struct verdict *verdict = stream->verdict;
	const char *bytes = data;

	pthread_mutex_lock(&verdict->lock);
	for (size_t i = 0; i < len; i++) {
		if (bytes[i] == '\n') {
			end_line(stream);
			continue;
		}
		stream->line[stream->len++] = bytes[i];
		if (stream->len == VERDICT_LINE)
			end_piece(stream);
	}
	/* A prompt has no end. */
	if (stream->len)
		look(stream, false);
	pthread_mutex_unlock(&verdict->lock);
}

static void *opened(void *arg)
{
	struct verdict *verdict = arg;
	struct stream *stream = calloc(1, sizeof(*stream));

	if (!stream)
		return NULL;
	stream->verdict = verdict;
	stream->next = verdict->streams;
	verdict->streams = stream;
	return stream;
}

static void closed(void *arg)
{
	struct stream *stream = arg, **at = &stream->verdict->streams;

	while (*at != stream)
		at = &(*at)->next;
	*at = stream->next;
	free(stream);
}

/* --- set-up and verdict ---------------------------------------------------------------------------- */

static void point(void *arg, const struct tap_point *point)
{
	struct verdict *verdict = arg;

	if (verdict->options->junit)
		junit_point(&verdict->junit, point);
}

static void diagnostic(void *arg, const char *line, size_t len)
{
	struct verdict *verdict = arg;

	if (verdict->options->junit)
		junit_diagnostic(&verdict->junit, line, len);
}

int verdict_open(struct verdict *verdict, const struct options *options, struct report *report)
{
	const struct chardev_observer observer = {opened, printed, closed, verdict};

	*verdict = (struct verdict){
		.options = options,
		.tap = {.point = point, .diagnostic = diagnostic, .arg = verdict},
		.junit.fd = -1,
	};
	pthread_mutex_init(&verdict->lock, NULL);
	if (options->expect_count && !expect_new)
		return report_fail(report, REPORT_USER,
				   "--expect %s: this build has no regular expressions",
				   options->expect[0]);
	if (options->expect_count &&
	    expect_new(options->expect, options->expect_count, &verdict->expect, report))
		return -1;
	if (options->junit && junit_open(&verdict->junit, options->junit, report))
		return -1;
	if (options->expect_count || options->tap)
		chardev_observe(&observer);
	return 0;
}

void verdict_close(struct verdict *verdict)
{
	if (!verdict->options)
		return;
	chardev_observe(NULL);
	if (verdict->expect)
		expect_free(verdict->expect);
	junit_close(&verdict->junit);
	pthread_mutex_destroy(&verdict->lock);
}

void verdict_set_machine(struct verdict *verdict, struct machine *machine)
{
	pthread_mutex_lock(&verdict->lock);
	verdict->machine = machine;
	pthread_mutex_unlock(&verdict->lock);
}

/* Whether the machine ended neither as the guest wanted nor as --expect did. */
static bool cut_off(const struct verdict *verdict)
{
	return !verdict->seen && !machine_ended_by_guest(verdict->machine);
}

static int judge_tap(struct verdict *verdict, int status, struct report *report)
{
	struct tap *tap = &verdict->tap;
	bool ok = tap_end(tap), whole = !cut_off(verdict);
	char problem[200];

	snprintf(problem, sizeof(problem), "%s", tap->problem);
	if (!whole && !tap->problem[0])
		snprintf(problem, sizeof(problem), "the machine ended with status %d", status);
	log_line(LOG_LEVEL_INFO, "--tap: %lu passed, %lu failed, %lu skipped, %lu to do%s%s",
		 tap->passed, tap->failed, tap->skipped, tap->todo, *problem ? "; " : "", problem);
	if (verdict->options->junit && junit_write(&verdict->junit, tap, problem, report))
		return -1;
	/* Ctrl-A x is no success. */
	if (!whole && status)
		return status;
	return whole && ok ? 0 : VERDICT_NOT_OK;
}

int verdict_reach(struct verdict *verdict, int *status, struct report *report)
{
	int err = 0;

	/* The last line may have no end. */
	pthread_mutex_lock(&verdict->lock);
	for (struct stream *stream = verdict->streams; stream; stream = stream->next) {
		if (stream->len)
			end_line(stream);
	}
	pthread_mutex_unlock(&verdict->lock);
	if (verdict->options->tap) {
		int judged = judge_tap(verdict, *status, report);

		err = judged < 0 ? -1 : 0;
		*status = judged < 0 ? *status : judged;
	}
	if (verdict->expect && !verdict->seen) {
		log_line(LOG_LEVEL_ERROR, "--expect %s: not seen", expect_missing(verdict->expect));
		*status = VERDICT_NOT_SEEN;
	}
	return err;
}
