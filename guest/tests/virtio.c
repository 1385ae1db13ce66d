/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The transport of every device found: identification, negotiation, its refusal, reset. */
#include <stddef.h>

#include "guest/memory.h"
#include "guest/string.h"
#include "guest/tap.h"
#include "guest/tests/tests.h"
#include "guest/virtio.h"

#define NO_SUCH_QUEUE 1000

static void check_identity(const struct virtio_device *device)
{
	/* PCI has said it in configuration space. */
	if (!device->pci) {
		CHECK(virtio_read(device, VIRTIO_MAGIC) == VIRTIO_MAGIC_VALUE, "device %u: magic",
		      device->id);
		CHECK(virtio_read(device, VIRTIO_VERSION) == 2, "device %u: version", device->id);
		CHECK(virtio_read(device, VIRTIO_DEVICE_ID) == device->id, "device %u: id",
		      device->id);
	}
	CHECK(virtio_read(device, VIRTIO_GENERATION) == virtio_read(device, VIRTIO_GENERATION),
	      "device %u: the configuration changes", device->id);
}

static void check_reset(const struct virtio_device *device)
{
	virtio_write(device, VIRTIO_STATUS, 0);
	CHECK(virtio_read(device, VIRTIO_STATUS) == 0, "device %u: status after reset", device->id);
	virtio_write(device, VIRTIO_QUEUE_SELECT, 0);
	CHECK(virtio_read(device, VIRTIO_QUEUE_READY) == 0, "device %u: queue ready after reset",
	      device->id);
	CHECK(virtio_read(device, VIRTIO_QUEUE_NUM_MAX) != 0, "device %u: no queue", device->id);
	virtio_write(device, VIRTIO_QUEUE_SELECT, NO_SUCH_QUEUE);
	CHECK(virtio_read(device, VIRTIO_QUEUE_NUM_MAX) == 0, "device %u: queue %u exists",
	      device->id, NO_SUCH_QUEUE);
}

/*
 * FEATURES_OK must not stay if the driver does not accept VERSION_1. The specification lets devices
 * choose (6.1); this project's refuse, so it is a failure only under its own monitor.
 */
static void check_refusal(const struct virtio_device *device)
{
	uint32_t status = STATUS_ACKNOWLEDGE | STATUS_DRIVER;

	virtio_write(device, VIRTIO_STATUS, 0);
	virtio_write(device, VIRTIO_STATUS, status);
	for (uint32_t i = 0; i < 2; i++) {
		virtio_write(device, VIRTIO_DRIVER_SELECT, i);
		virtio_write(device, VIRTIO_DRIVER_FEATURES, 0);
	}
	virtio_write(device, VIRTIO_STATUS, status | STATUS_FEATURES_OK);
	if (!(virtio_read(device, VIRTIO_STATUS) & STATUS_FEATURES_OK))
		return;
	if (memory_map.from_monitor)
		tap_fail("device %u: accepts a driver without VERSION_1", device->id);
	else
		tap_note("device %u: accepts a driver without VERSION_1", device->id);
}

static void check_negotiation(struct virtio_device *device)
{
	uint64_t wanted = FEATURE_INDIRECT_DESC | FEATURE_EVENT_IDX;

	CHECK(virtio_start(device, wanted), "device %u: refuses what it offers", device->id);
	CHECK(device->features & FEATURE_VERSION_1, "device %u: no VERSION_1", device->id);
	tap_note("device %u: pin %u%s%s%s%s", device->id, device->pin,
		 device->features & FEATURE_RING_PACKED ? ", packed" : ", split",
		 device->features & FEATURE_IN_ORDER ? ", in order" : "",
		 device->features & FEATURE_INDIRECT_DESC ? ", indirect" : "",
		 device->features & FEATURE_EVENT_IDX ? ", event idx" : "");
	virtio_write(device, VIRTIO_STATUS, 0);
}

void test_virtio_mmio(void)
{
	struct virtio_device *device;
	unsigned int i;

	for (i = 0; (device = virtio_find(VIRTIO_ID_ANY, i)); i++) {
		check_identity(device);
		check_reset(device);
		check_refusal(device);
		check_negotiation(device);
	}
	if (i == 0)
		tap_skip("no device");
}

#define RING_BYTES (16 * QUEUE_SIZE)

/* Some random bytes to @to; each chain has two descriptors, so that places move on. */
static bool draw(struct virtq *queue, uint8_t *to)
{
	const struct buffer chain[] = {{(uint64_t)to, 8, true}, {(uint64_t)to + 8, 8, true}};
	uint32_t written;

	virtq_post(queue, chain, 2, 0);
	return CHECK(virtq_wait(queue, &written), "no answer") &&
	       CHECK(written == 16, "%u of 16 bytes", written);
}

/* A queue is reset without its device, laid elsewhere, and what it was before is left alone. */
void test_queue_reset(void)
{
	static uint8_t desc[RING_BYTES] __attribute__((aligned(16)));
	static uint8_t avail[RING_BYTES] __attribute__((aligned(16)));
	static uint8_t used[RING_BYTES] __attribute__((aligned(16)));
	static const struct virtq_place first; /* anywhere */
	const struct virtq_place second = {0, (uint64_t)desc, (uint64_t)avail, (uint64_t)used};
	struct virtio_device *device = virtio_find(VIRTIO_ID_RNG, 0);
	static uint8_t bytes[16], before[RING_BYTES];
	struct virtq queue, old;

	if (!device || !(virtio_offered(device) & FEATURE_RING_RESET)) {
		tap_skip(device ? "not offered" : "no device");
		return;
	}
	if (!CHECK(virtio_start(device, FEATURE_EVENT_IDX | FEATURE_RING_RESET) &&
			   virtq_setup(&queue, device, 0, &first),
		   "does not start"))
		return;
	virtio_ready(device);
	/* An odd number of chains, so that neither index nor wrap counter is what it starts with. */
	for (unsigned int i = 0; i < QUEUE_SIZE / 2 + 1; i++) {
		if (!draw(&queue, bytes))
			return;
	}
	if (!CHECK(virtq_reset(&queue), "is not reset"))
		return;
	old = queue;
	memcpy(before, old.desc, sizeof(before));
	if (!CHECK(virtq_setup(&queue, device, 0, &second), "is not ready again"))
		return;
	for (unsigned int i = 0; i < QUEUE_SIZE; i++) {
		if (!draw(&queue, bytes))
			return;
	}
	CHECK(!memcmp(before, old.desc, sizeof(before)), "the old ring has changed");
}
