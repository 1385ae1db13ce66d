/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Statistics of the guest's memory. The driver leaves a buffer with the device; when the device
 * gives it back, that is the question, and a new one with numbers the answer. Without a period it
 * is asked when somebody wants to know, and nothing wakes up.
 */
#include <endian.h>
#include <errno.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "devices/balloon.h"

/* Entries that are read at once, and of one buffer: there are no more tags. */
#define CHUNK       64
#define ENTRIES_MAX 65536

/* Ring in @seconds, or not at all (0). */
static void set_timer(struct balloon *balloon, unsigned int seconds)
{
	const struct itimerspec when = {.it_value.tv_sec = seconds};

	if (balloon->timer >= 0)
		timerfd_settime(balloon->timer, 0, &when, NULL);
}

/* --- answers --------------------------------------------------------------------------------- */

/* Tags of later versions of the specification are none of ours. */
static void take_entry(struct balloon *balloon, const struct virtio_balloon_stat *entry)
{
	uint16_t tag = le16toh(entry->tag);

	if (tag >= VIRTIO_BALLOON_S_NR)
		return;
	balloon->stats[tag] = le64toh(entry->val);
	balloon->stats_known |= UINT32_C(1) << tag;
}

static int64_t handle_stats(struct virtio_device *dev, const struct gm_memory *memory,
			    const struct virtq_chain *chain)
{
	struct balloon *balloon = (struct balloon *)dev;
	struct gm_sg sg = virtq_readable(chain, memory);
	struct virtio_balloon_stat entries[CHUNK];
	uint64_t left = gm_sg_left(&sg) / sizeof(*entries), count;

	if (gm_sg_left(&sg) % sizeof(*entries) || left > ENTRIES_MAX)
		dev->stats.errors++;
	balloon->stats_known = 0;
	left = left < ENTRIES_MAX ? left : ENTRIES_MAX;
	for (; left; left -= count) {
		count = left < CHUNK ? left : CHUNK;
		if (gm_sg_read(&sg, entries, count * sizeof(*entries))) {
			dev->stats.errors++;
			break;
		}
		for (uint64_t i = 0; i < count; i++)
			take_entry(balloon, &entries[i]);
		dev->stats.bytes_read += count * sizeof(*entries);
	}
	balloon->stats_chain = *chain;
	balloon->stats_held = true;
	set_timer(balloon, balloon->period);
	return VIRTIO_KEEP;
}

/* A second buffer, which is against the rules, waits for the first to be used. */
void balloon_stats_notify(struct balloon *balloon)
{
	if (!balloon->stats_held)
		virtio_run_queue(&balloon->dev, BALLOON_STATS, handle_stats);
}

/* What it said stays known: a guest that has powered off is reset, and asked about afterwards. */
void balloon_stats_forget(struct balloon *balloon)
{
	balloon->stats_held = false;
	set_timer(balloon, 0);
}

/* --- questions ------------------------------------------------------------------------------- */

static bool ask(struct balloon *balloon)
{
	struct virtio_device *dev = &balloon->dev;
	struct virtq *vq = &dev->queues[BALLOON_STATS];
	struct gm_memory *memory;

	if (!balloon->stats_held || !virtio_is_live(dev) || !vq->ready)
		return false;
	set_timer(balloon, 0);
	balloon->stats_held = false;
	memory = gm_cell_snapshot(dev->memory);
	virtio_complete(dev, vq, memory, balloon->stats_chain.head, 0);
	gm_memory_put(memory);
	balloon_stats_notify(balloon);
	return true;
}

bool virtio_balloon_ask_stats(struct virtio_device *dev)
{
	bool asked;

	virtio_lock(dev);
	asked = ask((struct balloon *)dev);
	virtio_unlock(dev);
	return asked;
}

static void period_passed(void *arg, uint32_t events)
{
	struct balloon *balloon = arg;
	uint64_t count;

	(void)events;
	virtio_lock(&balloon->dev);
	/* The timer may have been set anew since it rang. */
	if (read(balloon->timer, &count, sizeof(count)) == (ssize_t)sizeof(count))
		ask(balloon);
	virtio_unlock(&balloon->dev);
}

int balloon_stats_start(struct balloon *balloon, struct loop *loop, unsigned int seconds)
{
	balloon->period = seconds;
	balloon->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (balloon->timer >= 0)
		balloon->watch = loop_add(loop, balloon->timer, EPOLLIN, period_passed, balloon);
	return balloon->watch ? 0 : -1;
}

void balloon_stats_end(struct balloon *balloon)
{
	loop_remove(balloon->watch);
	if (balloon->timer >= 0)
		close(balloon->timer);
}
