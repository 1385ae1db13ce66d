/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Free page hinting (virtio 1.2, section 5.5.6.5): rounds in which the driver says which pages it
 * does not use. A round has a command id; hints for another are ignored. They are handed on as they
 * come: a page may be in use again before the device sees the hint, so that only who knows which
 * pages have been written to since the round began can do anything with it.
 */
#include <endian.h>

#include "devices/balloon.h"

/* Ids from here on are rounds. */
#define FIRST_COMMAND (VIRTIO_BALLOON_CMD_ID_DONE + 1)

static uint32_t current_command(const struct balloon *balloon)
{
	return le32toh(balloon->config.free_page_hint_cmd_id);
}

static void set_command(struct balloon *balloon, uint32_t command)
{
	if (current_command(balloon) == command)
		return;
	balloon->config.free_page_hint_cmd_id = htole32(command);
	virtio_config_changed(&balloon->dev);
}

static void end_round(struct balloon *balloon, bool complete)
{
	const struct virtio_balloon_hints *hints = balloon->hints;

	balloon->hints = NULL;
	if (hints)
		hints->end(balloon->hints_arg, complete);
}

/* --- from the driver ------------------------------------------------------------------------- */

/* A buffer that is read says what the hints behind it are for. False if it is none. */
static bool take_command(struct balloon *balloon, const struct gm_memory *memory,
			 const struct virtq_chain *chain)
{
	struct gm_sg sg = virtq_readable(chain, memory);
	bool running = balloon->driver_command == current_command(balloon);
	uint32_t command;

	balloon->driver_command = VIRTIO_BALLOON_CMD_ID_STOP;
	if (gm_sg_left(&sg) != sizeof(command) || gm_sg_read(&sg, &command, sizeof(command)))
		return false;
	balloon->dev.stats.bytes_read += sizeof(command);
	balloon->driver_command = le32toh(command);
	if (running && balloon->driver_command == VIRTIO_BALLOON_CMD_ID_STOP)
		end_round(balloon, true);
	return true;
}

static int64_t handle_hint(struct virtio_device *dev, const struct gm_memory *memory,
			   const struct virtq_chain *chain)
{
	struct balloon *balloon = (struct balloon *)dev;

	if (chain->readable_len && !take_command(balloon, memory, chain))
		dev->stats.errors++;
	if (!balloon->hints || balloon->driver_command != current_command(balloon))
		return 0;
	for (unsigned int i = 0; i < chain->writable_count; i++)
		balloon->hints->page(balloon->hints_arg, chain->writable[i].addr,
				     chain->writable[i].len);
	balloon->hinted += chain->writable_len;
	return 0;
}

void balloon_hints_notify(struct balloon *balloon)
{
	virtio_run_queue(&balloon->dev, BALLOON_HINTS, handle_hint);
}

void balloon_hints_void(struct balloon *balloon)
{
	balloon->driver_command = VIRTIO_BALLOON_CMD_ID_STOP;
	/* Not worth an interrupt: that is the driver's own doing. */
	if (current_command(balloon) != VIRTIO_BALLOON_CMD_ID_STOP)
		balloon->dev.config_generation++;
	balloon->config.free_page_hint_cmd_id = htole32(VIRTIO_BALLOON_CMD_ID_STOP);
	end_round(balloon, false);
}

/* --- for the host ---------------------------------------------------------------------------- */

static bool begin_round(struct balloon *balloon, const struct virtio_balloon_hints *hints, void *arg)
{
	if (balloon->hints || !virtio_is_live(&balloon->dev) ||
	    !virtio_has_feature(&balloon->dev, VIRTIO_BALLOON_F_FREE_PAGE_HINT))
		return false;
	balloon->hints = hints;
	balloon->hints_arg = arg;
	/* Each id is another, so that hints of an earlier round are never taken for this one's. */
	if (++balloon->last_command < FIRST_COMMAND)
		balloon->last_command = FIRST_COMMAND;
	set_command(balloon, balloon->last_command);
	return true;
}

bool virtio_balloon_hint(struct virtio_device *dev, const struct virtio_balloon_hints *hints,
			 void *arg)
{
	bool begun;

	virtio_lock(dev);
	begun = begin_round((struct balloon *)dev, hints, arg);
	virtio_unlock(dev);
	return begun;
}

static void stop_round(struct virtio_device *dev, uint32_t command)
{
	struct balloon *balloon = (struct balloon *)dev;

	virtio_lock(dev);
	balloon->hints = NULL;
	set_command(balloon, command);
	virtio_unlock(dev);
}

void virtio_balloon_hint_stop(struct virtio_device *dev)
{
	stop_round(dev, VIRTIO_BALLOON_CMD_ID_STOP);
}

void virtio_balloon_hint_done(struct virtio_device *dev)
{
	stop_round(dev, VIRTIO_BALLOON_CMD_ID_DONE);
}
