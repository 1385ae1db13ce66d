/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * virtio-rng (virtio 1.2, section 5.4): getrandom(2) straight into the driver's buffers, as fast as
 * it comes or, with "rate=", as fast as tokens come into a bucket. A request that finds too few of
 * them stays in flight until a timer of the loop goes on with it.
 */
#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "devices/devices.h"
#include "devices/units.h"
#include "devices/virtio.h"

/*
 * Bytes for one request. The specification lets a device return fewer than asked for (5.4.6.1), and
 * a request of 4 GiB must not occupy the thread for seconds.
 */
#define REQUEST_MAX 65536U

#define SECOND   UINT64_C(1000000000)
#define RATE_MAX (UINT64_C(1) << 30) /* times a second it fits 64 bits */

static const uint16_t queue_sizes[] = {64, 0};

struct rng {
	struct virtio_device dev;

	/* The bucket: it holds what comes in a second and begins full. */
	uint64_t rate;   /* bytes a second; 0: no limit, and no timer */
	uint64_t tokens; /* bytes that may be given at once */
	uint64_t filled; /* CLOCK_MONOTONIC in ns up to which they are counted */
	int timer;       /* -1: none */
	struct loop_watch *watch;

	struct virtq_chain chain; /* what waits for tokens, valid if held */
	bool held;
};

/* --- the bucket ------------------------------------------------------------------------------ */

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * SECOND + (uint64_t)ts.tv_nsec;
}

static void fill_bucket(struct rng *rng)
{
	uint64_t time = now(), passed = time - rng->filled, come;

	if (passed >= SECOND) {
		rng->tokens = rng->rate;
		rng->filled = time;
		return;
	}
	come = passed * rng->rate / SECOND;
	/* The part of a token that has come remains to be counted. */
	rng->filled += come * SECOND / rng->rate;
	rng->tokens += come;
	if (rng->tokens > rng->rate)
		rng->tokens = rng->rate;
}

/* Have the loop come when @missing more tokens are there. */
static void await_tokens(struct rng *rng, uint64_t missing)
{
	uint64_t ns = missing * SECOND / rng->rate + 1;
	struct itimerspec when = {
		.it_value = {.tv_sec = (time_t)(ns / SECOND), .tv_nsec = (long)(ns % SECOND)}};

	timerfd_settime(rng->timer, 0, &when, NULL);
}

static void stop_timer(struct rng *rng)
{
	if (rng->timer >= 0)
		timerfd_settime(rng->timer, 0, &(struct itimerspec){0}, NULL);
}

/* How much @chain gets now; 0 if it has to wait. */
static uint32_t grant(struct rng *rng, const struct virtq_chain *chain)
{
	uint64_t want = chain->writable_len < REQUEST_MAX ? chain->writable_len : REQUEST_MAX;

	if (!rng->rate)
		return (uint32_t)want;
	/* More than the bucket holds would wait forever. */
	want = want < rng->rate ? want : rng->rate;
	fill_bucket(rng);
	if (rng->tokens < want) {
		await_tokens(rng, want - rng->tokens);
		return 0;
	}
	rng->tokens -= want;
	return (uint32_t)want;
}

/* --- requests -------------------------------------------------------------------------------- */

/* Fill the first @len bytes of @chain; returns how many it were. */
static uint32_t fill(struct virtio_device *dev, const struct gm_memory *memory,
		     const struct virtq_chain *chain, uint32_t len)
{
	struct gm_sg sg = virtq_writable(chain, memory);
	uint32_t done = 0;

	while (done < len) {
		struct gm_sg before = sg;
		struct iovec iov;
		uint64_t bytes;
		ssize_t n = gm_sg_iovec(&sg, len - done, &iov, 1, &bytes);

		if (n < 0)
			dev->stats.errors++;
		if (n <= 0)
			break;
		n = getrandom(iov.iov_base, iov.iov_len, 0);
		if (n < 0 && errno != EINTR) {
			dev->stats.errors++;
			break;
		}
		/* A signal may have come first: go on behind what is there. */
		sg = before;
		if (n > 0) {
			gm_sg_mark_dirty(&sg, (uint64_t)n);
			done += (uint32_t)n;
		}
	}
	dev->stats.bytes_written += done;
	return done;
}

static int64_t handle_request(struct virtio_device *dev, const struct gm_memory *memory,
			      const struct virtq_chain *chain)
{
	struct rng *rng = (struct rng *)dev;
	uint32_t len = grant(rng, chain);

	if (!len && chain->writable_len) {
		rng->chain = *chain;
		rng->held = true;
		return VIRTIO_KEEP;
	}
	return fill(dev, memory, chain, len);
}

static void rng_notify(struct virtio_device *dev, unsigned int index)
{
	if (!((struct rng *)dev)->held)
		virtio_run_queue(dev, index, handle_request);
}

/* Go on with the request in flight, then with those behind it. */
static void tokens_came(void *arg, uint32_t events)
{
	struct rng *rng = arg;
	struct virtio_device *dev = &rng->dev;
	uint64_t count;

	(void)events;
	virtio_lock(dev);
	/* The timer may have been set anew since it rang. */
	if (read(rng->timer, &count, sizeof(count)) == (ssize_t)sizeof(count) && rng->held &&
	    virtio_is_live(dev) && dev->queues[0].ready) {
		uint32_t len = grant(rng, &rng->chain);

		if (len) {
			struct gm_memory *memory = gm_cell_snapshot(dev->memory);

			rng->held = false;
			len = fill(dev, memory, &rng->chain, len);
			virtio_complete(dev, &dev->queues[0], memory, rng->chain.head, len);
			gm_memory_put(memory);
			virtio_run_queue(dev, 0, handle_request);
		}
	}
	virtio_unlock(dev);
}

/* The bucket stays as it is: a reset is no way to more than the rate. */
static void rng_queue_reset(struct virtio_device *dev, unsigned int index)
{
	struct rng *rng = (struct rng *)dev;

	(void)index;
	rng->held = false;
	stop_timer(rng);
}

/* --- the device ------------------------------------------------------------------------------ */

static void rng_free(struct virtio_device *dev)
{
	struct rng *rng = (struct rng *)dev;

	loop_remove(rng->watch);
	if (rng->timer >= 0)
		close(rng->timer);
	virtio_device_destroy(dev);
	free(rng);
}

static const struct virtio_ops rng_ops = {
	.device_id = VIRTIO_ID_RNG,
	.name = "virtio-rng",
	.queue_sizes = queue_sizes,
	.queue_reset = rng_queue_reset,
	.notify = rng_notify,
	.free = rng_free,
};

static const struct device_word words[] = {
	{"rate=BYTES", "bytes a second at most, as 64K (no limit)"},
	{.word = NULL},
};

/* "rate=BYTES" */
static int parse_rate(const char *option, const char *args, uint64_t *rate, struct report *report)
{
	const char *text = args + strlen("rate=");

	if (strncmp(args, "rate=", strlen("rate=")) != 0 && near_word(args, words))
		return report_fail(report, REPORT_USER, "%s: '%s': unknown word; did you mean %s?",
				   option, args, near_word(args, words));
	if (strncmp(args, "rate=", strlen("rate=")) != 0)
		return report_fail(report, REPORT_USER,
				   "%s: '%s': unknown word, known is rate=BYTES", option, args);
	if (!parse_size(text, rate) || !*rate || *rate > RATE_MAX)
		return report_fail(report, REPORT_USER,
				   "%s: rate '%s' is not a number of bytes a second from 1 to "
				   "1024M, for example 64K",
				   option, text);
	return 0;
}

static int start_bucket(struct rng *rng, const char *option, struct loop *loop, struct report *report)
{
	rng->tokens = rng->rate;
	rng->filled = now();
	rng->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (rng->timer >= 0)
		rng->watch = loop_add(loop, rng->timer, EPOLLIN, tokens_came, rng);
	if (!rng->watch)
		return report_fail(report, REPORT_HOST, "%s: cannot have a timer: %s", option,
				   strerror(errno));
	return 0;
}

static int rng_create(const char *option, const char *args, struct loop *loop,
		      struct virtio_device **out, struct report *report)
{
	struct rng *rng;
	uint64_t rate = 0;

	if (args && *args && parse_rate(option, args, &rate, report))
		return -1;
	rng = calloc(1, sizeof(*rng));
	if (!rng)
		return report_fail(report, REPORT_HOST, "%s: out of memory", option);
	rng->rate = rate;
	rng->timer = -1;
	if (virtio_device_init(&rng->dev, &rng_ops, 0, NULL, 0, report)) {
		free(rng);
		return -1;
	}
	if (rate && start_bucket(rng, option, loop, report)) {
		rng_free(&rng->dev);
		return -1;
	}
	*out = &rng->dev;
	return 0;
}

const struct device_type virtio_rng_type = {
	.name = "rng",
	.args = "[=rate=BYTES]",
	.help = "entropy; at most so many bytes a second",
	.words = words,
	.create = rng_create,
};
