/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * virtio-rng (virtio 1.2, section 5.4): getrandom(2) straight into the driver's buffers.
 */
#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <stdlib.h>
#include <sys/random.h>

#include "devices/devices.h"
#include "devices/virtio.h"

/*
 * Bytes for one request. The specification lets a device return fewer than asked for (5.4.6.1), and
 * a request of 4 GiB must not occupy the thread for seconds.
 */
#define REQUEST_MAX 65536

static const uint16_t queue_sizes[] = {64, 0};

static int64_t handle_request(struct virtio_device *dev, const struct gm_memory *memory,
			      const struct virtq_chain *chain)
{
	struct gm_sg sg = virtq_writable(chain, memory);
	uint32_t done = 0;

	while (done < REQUEST_MAX) {
		struct gm_sg before = sg;
		struct iovec iov;
		uint64_t bytes;
		ssize_t n = gm_sg_iovec(&sg, REQUEST_MAX - done, &iov, 1, &bytes);

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

static void rng_notify(struct virtio_device *dev, unsigned int index)
{
	virtio_run_queue(dev, index, handle_request);
}

static void rng_free(struct virtio_device *dev)
{
	virtio_device_destroy(dev);
	free(dev);
}

static const struct virtio_ops rng_ops = {
	.device_id = VIRTIO_ID_RNG,
	.name = "virtio-rng",
	.queue_sizes = queue_sizes,
	.notify = rng_notify,
	.free = rng_free,
};

static int rng_create(const char *option, const char *args, struct loop *loop,
		      struct virtio_device **out, struct report *report)
{
	struct virtio_device *dev;

	(void)loop;
	if (args && *args)
		return report_fail(report, REPORT_USER, "%s: '%s': the option takes no argument",
				   option, args);
	dev = calloc(1, sizeof(*dev));
	if (!dev)
		return report_fail(report, REPORT_HOST, "%s: out of memory", option);
	if (virtio_device_init(dev, &rng_ops, 0, NULL, 0, report)) {
		free(dev);
		return -1;
	}
	*out = dev;
	return 0;
}

const struct device_type virtio_rng_type = {
	.name = "rng",
	.help = "an entropy device fed by getrandom(2)",
	.create = rng_create,
};
