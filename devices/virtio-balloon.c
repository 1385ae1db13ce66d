/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * virtio-balloon (virtio 1.2, section 5.5): the device around its queues, its configuration and its
 * words. What the driver gives back is balloon-pages.c's, what it says about its memory
 * balloon-stats.c's and balloon-hints.c's.
 */
#include <ctype.h>
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/virtio_ids.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devices/balloon.h"
#include "devices/devices.h"
#include "devices/units.h"

#define BIT(n) (UINT64_C(1) << (n))

#define PAGE_SIZE (UINT64_C(1) << VIRTIO_BALLOON_PFN_SHIFT)

/*
 * Statistics and hints are always offered: Linux counts the queues of only those features that it
 * uses, and finds the reports' at its index if there is no gap before it.
 */
#define FEATURES                                                                       \
	(BIT(VIRTIO_BALLOON_F_MUST_TELL_HOST) | BIT(VIRTIO_BALLOON_F_STATS_VQ) |       \
	 BIT(VIRTIO_BALLOON_F_DEFLATE_ON_OOM) | BIT(VIRTIO_BALLOON_F_FREE_PAGE_HINT) | \
	 BIT(VIRTIO_BALLOON_F_PAGE_POISON) | BIT(VIRTIO_BALLOON_F_REPORTING))

static const uint16_t queue_sizes[] = {
	[BALLOON_INFLATE] = 64, [BALLOON_DEFLATE] = 64, [BALLOON_STATS] = 64,
	[BALLOON_HINTS] = 256,  [BALLOON_REPORTS] = 64, 0,
};

/* --- what the driver does --------------------------------------------------------------------- */

static void balloon_notify(struct virtio_device *dev, unsigned int index)
{
	struct balloon *balloon = (struct balloon *)dev;

	/* Queues beyond the second are those of a feature, and nothing without it. */
	if (index == BALLOON_INFLATE || index == BALLOON_DEFLATE)
		balloon_pages_notify(balloon, index);
	else if (index == BALLOON_STATS && virtio_has_feature(dev, VIRTIO_BALLOON_F_STATS_VQ))
		balloon_stats_notify(balloon);
	else if (index == BALLOON_HINTS && virtio_has_feature(dev, VIRTIO_BALLOON_F_FREE_PAGE_HINT))
		balloon_hints_notify(balloon);
	else if (index == BALLOON_REPORTS && virtio_has_feature(dev, VIRTIO_BALLOON_F_REPORTING))
		balloon_reports_notify(balloon);
}

/* Linux offers the buffer for statistics, and says so, before DRIVER_OK, which nobody hears. */
static void balloon_activate(struct virtio_device *dev)
{
	for (unsigned int i = 0; i < dev->queue_count; i++) {
		if (dev->queues[i].ready)
			balloon_notify(dev, i);
	}
}

static void balloon_queue_reset(struct virtio_device *dev, unsigned int index)
{
	struct balloon *balloon = (struct balloon *)dev;

	if (index == BALLOON_INFLATE || index == BALLOON_DEFLATE)
		balloon->requests[index].held = false;
	else if (index == BALLOON_STATS)
		balloon_stats_forget(balloon);
	else if (index == BALLOON_HINTS)
		balloon_hints_void(balloon);
}

/* The next driver begins with an empty balloon. What the host wants it to be stays. */
static void balloon_reset(struct virtio_device *dev)
{
	struct balloon *balloon = (struct balloon *)dev;

	page_set_clear(&balloon->pages);
	if (balloon->config.actual || balloon->config.poison_val)
		dev->config_generation++;
	balloon->config.actual = 0;
	balloon->config.poison_val = 0;
}

/* The two fields that are the driver's, written as a whole as the specification wants it. */
static void balloon_config_write(struct virtio_device *dev, size_t offset, const void *data,
				 size_t len)
{
	struct balloon *balloon = (struct balloon *)dev;
	struct virtio_balloon_config *config = &balloon->config;

	if (len != sizeof(config->actual))
		return;
	if (offset == offsetof(struct virtio_balloon_config, actual))
		memcpy(&config->actual, data, len);
	/* How the driver treats free pages does not change while it runs (5.5.6.6.1). */
	if (offset == offsetof(struct virtio_balloon_config, poison_val) &&
	    virtio_has_feature(dev, VIRTIO_BALLOON_F_PAGE_POISON) &&
	    !(dev->status & VIRTIO_CONFIG_S_DRIVER_OK))
		memcpy(&config->poison_val, data, len);
}

/* --- what the host does ----------------------------------------------------------------------- */

static uint64_t bytes_of(__le32 pages)
{
	return le32toh(pages) * PAGE_SIZE;
}

static void get_state(const struct balloon *balloon, struct virtio_balloon_state *state)
{
	*state = (struct virtio_balloon_state){
		.target = bytes_of(balloon->config.num_pages),
		.held = balloon->pages.count * PAGE_SIZE,
		.actual = bytes_of(balloon->config.actual),
		.inflated = balloon->inflated,
		.reported = balloon->reported,
		.hinted = balloon->hinted,
		.known = balloon->stats_known,
	};
	memcpy(state->guest, balloon->stats, sizeof(state->guest));
}

void virtio_balloon_state(struct virtio_device *dev, struct virtio_balloon_state *state)
{
	virtio_lock(dev);
	get_state((struct balloon *)dev, state);
	virtio_unlock(dev);
}

bool virtio_balloon_set_target(struct virtio_device *dev, uint64_t bytes)
{
	struct balloon *balloon = (struct balloon *)dev;
	uint32_t pages;

	if (bytes / PAGE_SIZE > UINT32_MAX)
		return false;
	pages = htole32((uint32_t)(bytes / PAGE_SIZE));
	virtio_lock(dev);
	if (balloon->config.num_pages != pages) {
		balloon->config.num_pages = pages;
		virtio_config_changed(dev);
	}
	virtio_unlock(dev);
	return true;
}

static void balloon_describe(struct virtio_device *dev, char *text, size_t size)
{
	struct virtio_balloon_state state;
	int len;

	get_state((struct balloon *)dev, &state);
	len = snprintf(text, size,
		       "%" PRIu64 " KiB of %" PRIu64 " in it, given back %" PRIu64
		       " KiB of pages put in, %" PRIu64 " reported free",
		       state.held >> 10, state.target >> 10, state.inflated >> 10,
		       state.reported >> 10);
	if (state.known & BIT(VIRTIO_BALLOON_S_MEMFREE) && state.known & BIT(VIRTIO_BALLOON_S_MEMTOT))
		snprintf(text + len, size - (size_t)len, "; %" PRIu64 " KiB of %" PRIu64 " free",
			 state.guest[VIRTIO_BALLOON_S_MEMFREE] >> 10,
			 state.guest[VIRTIO_BALLOON_S_MEMTOT] >> 10);
}

/* --- words ------------------------------------------------------------------------------------ */

struct words {
	uint32_t pages;
	unsigned int period;
	uint64_t features;
};

#define PERIOD_MAX 86400

/* A whole number of pages. */
static int take_size(const char *option, const char *text, struct words *words, struct report *report)
{
	uint64_t size;

	if (!parse_size(text, &size) || size % PAGE_SIZE || size / PAGE_SIZE > UINT32_MAX)
		return report_fail(report, REPORT_USER,
				   "%s: size '%s' is not a multiple of 4K below 16384G, for "
				   "example 64M",
				   option, text);
	words->pages = (uint32_t)(size / PAGE_SIZE);
	return 0;
}

static int take_period(const char *option, const char *text, struct words *words,
		       struct report *report)
{
	uint64_t ms;

	if (!parse_time(text, &ms) || !ms || ms % 1000 || ms / 1000 > PERIOD_MAX)
		return report_fail(report, REPORT_USER,
				   "%s: stats '%s' is not a number of seconds from 1 to %d", option,
				   text, PERIOD_MAX);
	words->period = (unsigned int)(ms / 1000);
	return 0;
}

static int parse_switch(const char *option, const char *word, const char *text,
			unsigned int feature, struct words *words, struct report *report)
{
	bool on = strcmp(text, "on") == 0;

	if (!on && strcmp(text, "off") != 0)
		return report_fail(report, REPORT_USER, "%s: '%s': %.*s is on or off", option, word,
				   (int)(text - word - 1), word);
	words->features &= ~BIT(feature);
	words->features |= on ? BIT(feature) : 0;
	return 0;
}

static const struct device_word word_helps[] = {
	{"SIZE", "what is in it at the start, as 64M (0)"},
	{"stats=SECONDS", "how often the guest is asked for statistics (never)"},
	{"deflate-on-oom=on|off", "a guest short of memory may take pages back (on)"},
	{"reporting=on|off", "pages that become free are given back (on)"},
	{.word = NULL},
};

static int parse_word(const char *option, const char *word, struct words *words, struct report *report)
{
	static const struct {
		const char *name;
		unsigned int feature;
	} switches[] = {
		{"deflate-on-oom=", VIRTIO_BALLOON_F_DEFLATE_ON_OOM},
		{"reporting=", VIRTIO_BALLOON_F_REPORTING},
	};

	if (isdigit((unsigned char)*word))
		return take_size(option, word, words, report);
	if (strncmp(word, "stats=", strlen("stats=")) == 0)
		return take_period(option, word + strlen("stats="), words, report);
	for (size_t i = 0; i < sizeof(switches) / sizeof(*switches); i++) {
		size_t len = strlen(switches[i].name);

		if (strncmp(word, switches[i].name, len) == 0)
			return parse_switch(option, word, word + len, switches[i].feature, words,
					    report);
	}
	if (near_word(word, word_helps))
		return report_fail(report, REPORT_USER, "%s: '%s': unknown word; did you mean %s?",
				   option, word, near_word(word, word_helps));
	return report_fail(report, REPORT_USER,
			   "%s: '%s': unknown word, known are a size (64M), stats=SECONDS, "
			   "deflate-on-oom=on|off, reporting=on|off",
			   option, word);
}

static int parse_words(const char *option, const char *args, struct words *words,
		       struct report *report)
{
	char *copy = strdup(args), *next = copy;
	int err = 0;

	if (!copy)
		return report_fail(report, REPORT_HOST, "%s: out of memory", option);
	while (!err && next)
		err = parse_word(option, strsep(&next, ","), words, report);
	free(copy);
	return err;
}

/* --- the device ------------------------------------------------------------------------------- */

static void balloon_free(struct virtio_device *dev)
{
	struct balloon *balloon = (struct balloon *)dev;

	balloon_stats_end(balloon);
	page_set_clear(&balloon->pages);
	virtio_device_destroy(dev);
	free(balloon);
}

static const struct virtio_ops balloon_ops = {
	.device_id = VIRTIO_ID_BALLOON,
	.name = "virtio-balloon",
	.queue_sizes = queue_sizes,
	.activate = balloon_activate,
	.reset = balloon_reset,
	.queue_reset = balloon_queue_reset,
	.notify = balloon_notify,
	.config_write = balloon_config_write,
	.describe = balloon_describe,
	.free = balloon_free,
};

static int balloon_create(const char *option, const char *args, struct loop *loop,
			  struct virtio_device **out, struct report *report)
{
	struct words words = {.features = FEATURES};
	struct balloon *balloon;

	if (args && *args && parse_words(option, args, &words, report))
		return -1;
	balloon = calloc(1, sizeof(*balloon));
	if (!balloon)
		return report_fail(report, REPORT_HOST, "%s: out of memory", option);
	balloon->timer = -1;
	balloon->config.num_pages = htole32(words.pages);
	if (virtio_device_init(&balloon->dev, &balloon_ops, words.features, &balloon->config,
			       sizeof(balloon->config), report)) {
		free(balloon);
		return -1;
	}
	if (words.period && balloon_stats_start(balloon, loop, words.period)) {
		report_fail(report, REPORT_HOST, "%s: cannot have a timer: %s", option,
			    strerror(errno));
		balloon_free(&balloon->dev);
		return -1;
	}
	*out = &balloon->dev;
	return 0;
}

const struct device_type virtio_balloon_type = {
	.name = "balloon",
	.args = "[=WORD[,WORD...]]",
	.help = "a balloon: SIZE, stats=SECONDS, deflate-on-oom=off, reporting=off",
	.words = word_helps,
	.create = balloon_create,
};
