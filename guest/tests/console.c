/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* virtio-console, port 0: a line sent from, and one received into, buffers across boundaries. */
#include <stddef.h>

#include "guest/cmdline.h"
#include "guest/memory.h"
#include "guest/string.h"
#include "guest/tap.h"
#include "guest/tests/tests.h"
#include "guest/virtio.h"

#define RECEIVE  0
#define TRANSMIT 1

#define RECEIVE_SIZE 7 /* so that a line takes several buffers */
#define MAX_LINE     64

static struct virtio_device *start(struct virtq *queue, uint16_t index)
{
	struct virtio_device *device = virtio_find(VIRTIO_ID_CONSOLE, 0);

	if (!device || !memory_map.boundary_count) {
		tap_skip(device ? "no boundaries" : "no device");
		return NULL;
	}
	if (!CHECK(virtio_start(device, FEATURE_EVENT_IDX) && virtq_setup(queue, device, index, NULL),
		   "does not start"))
		return NULL;
	virtio_ready(device);
	return device;
}

/* A buffer of @len bytes across a boundary, @before below it, from number @i on; or 0. */
static uint64_t place(uint32_t i, uint64_t before, uint64_t len)
{
	uint64_t address = 0;

	for (uint32_t j = 0; j < memory_map.boundary_count && !address; j++)
		address = buffer_place(memory_map.boundaries[(i + j) % memory_map.boundary_count],
				       before, len);
	return address;
}

void test_console_tx(void)
{
	static const char marker[] = ABI_CONSOLE_MARKER "\n";
	uint64_t len = sizeof(marker) - 1;
	struct virtq queue;
	uint32_t written;

	if (!start(&queue, TRANSMIT))
		return;
	/* Four lines suffice; each goes over the host's terminal. */
	for (uint32_t i = 0; i < memory_map.boundary_count && i < 4; i++) {
		struct buffer buffer = {place(i, 1 + i * 12, len), (uint32_t)len, false};

		if (!CHECK(buffer.address, "no boundary has room"))
			return;
		memcpy(at(buffer.address), marker, len);
		virtq_post(&queue, &buffer, 1, 0);
		if (!CHECK(virtq_wait(&queue, &written), "%lx: no answer", buffer.address))
			return;
		CHECK(written == 0, "%lx: %u bytes written", buffer.address, written);
	}
}

void test_console_rx(void)
{
	const char *want = cmdline_next(ABI_KEY_CONSOLE_ECHO, NULL);
	char line[MAX_LINE + RECEIVE_SIZE];
	uint64_t got = 0, len;
	struct virtq queue;
	uint32_t written;

	if (!want) {
		tap_skip("nothing to expect");
		return;
	}
	len = cmdline_len(want);
	if (!CHECK(len < MAX_LINE, "the text to expect is too long") || !start(&queue, RECEIVE))
		return;
	for (uint32_t i = 0; got == 0 || line[got - 1] != '\n'; i++) {
		struct buffer buffer = {place(i, 1 + i % (RECEIVE_SIZE - 1), RECEIVE_SIZE),
					RECEIVE_SIZE, true};

		if (!CHECK(buffer.address, "no boundary has room"))
			return;
		virtq_post(&queue, &buffer, 1, 0);
		if (!CHECK(virtq_wait(&queue, &written), "%lu bytes, then nothing", got) ||
		    !CHECK(written > 0 && written <= RECEIVE_SIZE, "%u bytes written", written) ||
		    !CHECK(got + written <= len + 1, "more than expected"))
			return;
		memcpy(line + got, at(buffer.address), written);
		got += written;
	}
	CHECK(got == len + 1 && !memcmp(line, want, len), "another text than expected");
}
