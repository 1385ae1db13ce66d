/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * --stats: when the counters are recorded, and where to. The file is opened before the jail; a
 * record is one line in one write(2), so that a monitor that is killed leaves whole lines, and a
 * file that cannot be written costs its records and nothing else.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "devices/confine.h"
#include "devices/try-path.h"
#include "vmm/options-impl.h"
#include "vmm/stats.h"

/* Records that come faster say more about themselves than about the guest. */
#define EVERY_MIN_MS 10

/* --- words ------------------------------------------------------------------------------------- */

static int take_every(struct options *options, const char *value, struct report *report)
{
	if (options->stats_every)
		return report_fail(report, REPORT_USER, "--stats: every is given twice");
	if (options_time(value, EVERY_MIN_MS, &options->stats_every))
		return report_fail(report, REPORT_USER,
				   "--stats: every '%s' is not a time from %ums to "
				   "1000000000s; " OPTIONS_TIME_HELP,
				   value, EVERY_MIN_MS);
	return 0;
}

static int take_json(struct options *options, const char *value, struct report *report)
{
	if (options->stats_to)
		return report_fail(report, REPORT_USER, "--stats: json is given twice");
	if (!*value)
		return report_fail(report, REPORT_USER, "--stats: json= needs a file");
	options->stats_to = strdup(value);
	return options->stats_to ? 0 : report_fail(report, REPORT_HOST, "out of memory");
}

static int take_word(struct options *options, const char *word, struct report *report)
{
	if (strncmp(word, "every=", 6) == 0)
		return take_every(options, word + 6, report);
	if (strncmp(word, "json=", 5) == 0)
		return take_json(options, word + 5, report);
	return report_fail(report, REPORT_USER,
			   "--stats: '%s': unknown word, known are every=TIME, json=FILE", word);
}

int stats_words(struct options *options, const char *words, struct report *report)
{
	char *copy = strdup(words), *rest = copy, *word;
	int err = 0;

	if (!copy)
		return report_fail(report, REPORT_HOST, "out of memory");
	while (!err && (word = strsep(&rest, ",")))
		err = take_word(options, word, report);
	free(copy);
	return err;
}

/* --- records ----------------------------------------------------------------------------------- */

/* One line, however often. */
static void complain(struct stats *stats, int err)
{
	if (!stats->failed)
		log_line(LOG_LEVEL_WARN, "--stats: %s: %s; records are lost",
			 stats->options->stats_to ? stats->options->stats_to : "text", strerror(err));
	stats->failed = true;
}

/* What was in the file before goes when there is something to put there. A pipe has nothing. */
static void begin_file(struct stats *stats)
{
	if (!stats->begun && ftruncate(stats->fd, 0) && errno != EINVAL)
		complain(stats, errno);
	stats->begun = true;
	stats->made = false;
}

/* How much of it could be written. */
static size_t put(struct stats *stats, const char *text, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = write(stats->fd, text + done, len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			complain(stats, errno);
			break;
		}
		done += (size_t)n;
	}
	return done;
}

/* A line is whole in the end or not there at all: nothing comes before what is left of the last. */
static void put_rest(struct stats *stats)
{
	size_t done = put(stats, stats->rest, stats->rest_len);

	stats->rest_len -= done;
	memmove(stats->rest, stats->rest + done, stats->rest_len);
	if (stats->rest_len)
		return;
	free(stats->rest);
	stats->rest = NULL;
}

static void put_record(struct stats *stats, char *text, size_t len)
{
	size_t done;

	begin_file(stats);
	if (stats->rest)
		put_rest(stats);
	if (stats->rest) {
		free(text);
		return;
	}
	done = put(stats, text, len);
	if (done && done < len) {
		memmove(text, text + done, len - done);
		stats->rest = text;
		stats->rest_len = len - done;
		return;
	}
	free(text);
}

static void record(struct stats *stats)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (out && stats->fd >= 0)
		stats_write_json(stats->machine, out);
	else if (out)
		stats_print(stats->machine, out);
	if (!out || fclose(out)) {
		complain(stats, ENOMEM);
		free(text);
		return;
	}
	if (stats->fd >= 0) {
		put_record(stats, text, len);
		return;
	}
	log_text(LOG_LEVEL_INFO, text, len);
	free(text);
}

static void time_for_one(void *arg, uint32_t events)
{
	struct stats *stats = arg;
	uint64_t count;

	(void)events;
	if (read(stats->timer, &count, sizeof(count)) == (ssize_t)sizeof(count))
		record(stats);
}

/* --- set-up and end ------------------------------------------------------------------------------ */

static int not_written(const char *path, struct report *report)
{
	return report_fail(report, REPORT_USER, "--stats json=%s: cannot be written: %s", path,
			   strerror(errno));
}

int stats_try(const struct options *options, struct report *report)
{
	if (options->stats_to && try_write(options->stats_to))
		return not_written(options->stats_to, report);
	return 0;
}

static int open_file(struct stats *stats, const char *path, struct report *report)
{
	stats->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	stats->made = stats->fd >= 0;
	/* Who reads a pipe slowly loses records and does not hold the loop. */
	if (stats->fd < 0 && errno == EEXIST)
		stats->fd = open(path, O_WRONLY | O_CLOEXEC | O_NONBLOCK);
	if (stats->fd < 0)
		return not_written(path, report);
	if (stats->made)
		confine_will_unlink(path);
	return 0;
}

static int start_timer(struct stats *stats, uint64_t ms, struct report *report)
{
	const struct timespec time = {
		.tv_sec = (time_t)(ms / 1000),
		.tv_nsec = (long)(ms % 1000) * 1000000,
	};
	const struct itimerspec when = {time, time};

	stats->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (stats->timer < 0 || timerfd_settime(stats->timer, 0, &when, NULL))
		return report_fail(report, REPORT_HOST, "timerfd: %s", strerror(errno));
	stats->watch = loop_add(stats->machine->loop, stats->timer, EPOLLIN, time_for_one, stats);
	if (!stats->watch)
		return report_fail(report, REPORT_HOST, "epoll: %s", strerror(errno));
	return 0;
}

int stats_open(struct stats *stats, const struct options *options, struct machine *machine,
	       struct report *report)
{
	*stats = (struct stats){.options = options, .machine = machine, .fd = -1, .timer = -1};
	if (stats_measure(machine, report))
		return -1;
	if (options->stats_to && open_file(stats, options->stats_to, report))
		return -1;
	return options->stats_every ? start_timer(stats, options->stats_every, report) : 0;
}

void stats_end(struct stats *stats)
{
	record(stats);
}

void stats_close(struct stats *stats)
{
	loop_remove(stats->watch);
	if (stats->timer >= 0)
		close(stats->timer);
	if (stats->fd >= 0)
		close(stats->fd);
	if (stats->made)
		unlink(stats->options->stats_to);
	free(stats->rest);
}
