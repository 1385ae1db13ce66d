/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * virtio-console with further ports: the messages that bring the second one up, a line sent through
 * it and one that comes back, all in buffers across boundaries.
 */
#include <stddef.h>

#include "guest/cmdline.h"
#include "guest/memory.h"
#include "guest/string.h"
#include "guest/tap.h"
#include "guest/tests/tests.h"
#include "guest/virtio.h"

#define PORT       1
#define CONTROL_RX 2
#define CONTROL_TX 3
#define RX         4
#define TX         5

#define FEATURE_MULTIPORT (1ull << 1)

/* Events of control messages. */
#define DEVICE_READY 0
#define PORT_ADD     1
#define PORT_READY   3
#define PORT_OPEN    6
#define PORT_NAME    7

#define MAX_NAME 64
#define MAX_LINE 64
#define MAX_ADDS 64

struct message {
	uint32_t id;
	uint16_t event;
	uint16_t value;
	uint8_t name[MAX_NAME];
};

#define HEADER (sizeof(struct message) - MAX_NAME)

static struct {
	struct virtio_device *device;
	struct virtq control_rx, control_tx, rx, tx;
	uint32_t next_boundary;
	uint32_t buffers, crossings;
} ports;

/* @len bytes across some boundary, or in the image if none has room. One is in use at a time. */
static struct buffer place(uint32_t len, bool device_writes)
{
	static uint8_t own[sizeof(struct message)];
	struct buffer buffer = {(uint64_t)own, len, device_writes};

	ports.buffers++;
	for (uint32_t i = 0; i < memory_map.boundary_count; i++) {
		uint64_t boundary =
			memory_map.boundaries[ports.next_boundary++ % memory_map.boundary_count];
		uint64_t address = buffer_place(boundary, 1 + memory_random() % (len - 1), len);

		if (!address)
			continue;
		ports.crossings++;
		buffer.address = address;
		break;
	}
	return buffer;
}

static bool send(struct virtq *queue, const void *data, uint32_t len)
{
	struct buffer buffer = place(len, false);
	uint32_t written;

	memcpy(at(buffer.address), data, len);
	virtq_post(queue, &buffer, 1, 0);
	return CHECK(virtq_wait(queue, &written), "queue %u: no answer", queue->index) &&
	       CHECK(written == 0, "queue %u: %u bytes written", queue->index, written);
}

static bool tell(uint32_t id, uint16_t event)
{
	const struct message message = {.id = id, .event = event, .value = 1};

	return send(&ports.control_tx, &message, HEADER);
}

/* The next message; *len is that of the name behind it. False: there is none. */
static bool hear(struct message *message, uint32_t *len)
{
	struct buffer buffer = place(sizeof(*message), true);
	uint32_t written;

	virtq_post(&ports.control_rx, &buffer, 1, 0);
	if (!virtq_wait(&ports.control_rx, &written) ||
	    !CHECK(written >= HEADER && written <= sizeof(*message), "a message of %u bytes", written))
		return false;
	memcpy(message, at(buffer.address), sizeof(*message));
	*len = written - HEADER;
	return true;
}

/* Wait until the second port is announced. */
static bool port_comes(void)
{
	struct message message;
	uint32_t len;

	if (!tell(0, DEVICE_READY))
		return false;
	for (unsigned int i = 0; i < MAX_ADDS && hear(&message, &len); i++) {
		if (message.event == PORT_ADD && message.id == PORT)
			return true;
	}
	return false;
}

/* It says its name, and then is open for both of us. */
static bool port_opens(void)
{
	struct message message;
	uint32_t len;

	if (!tell(PORT, PORT_READY) || !CHECK(hear(&message, &len), "port 1 does not come up"))
		return false;
	CHECK(message.event == PORT_NAME && message.id == PORT && len > 0,
	      "event %u of port %u instead of a name", message.event, message.id);
	return tell(PORT, PORT_OPEN);
}

/* The line @want, of @len bytes, in as many buffers as it takes. */
static bool expect(const char *want, uint32_t len)
{
	char line[MAX_LINE + 1];
	uint32_t got = 0, written;

	while (got <= len) {
		struct buffer buffer = place(7, true);

		virtq_post(&ports.rx, &buffer, 1, 0);
		if (!CHECK(virtq_wait(&ports.rx, &written), "%u bytes, then nothing", got) ||
		    !CHECK(written > 0 && written <= 7 && got + written <= len + 1,
			   "%u bytes after %u", written, got))
			return false;
		memcpy(line + got, at(buffer.address), written);
		got += written;
	}
	return CHECK(!memcmp(line, want, len) && line[len] == '\n', "another text than expected");
}

/* With consoleport=, what was heard is sent back, so that the host sees it. */
static void talk(void)
{
	static const char marker[] = ABI_CONSOLE_PORT_MARKER "\n";
	const char *want = cmdline_next(ABI_KEY_CONSOLE_PORT, NULL);
	uint32_t len = want ? (uint32_t)cmdline_len(want) : 0;

	if (!send(&ports.tx, marker, sizeof(marker) - 1) || !want ||
	    !CHECK(len < MAX_LINE, "the text to expect is too long") || !expect(want, len))
		return;
	if (send(&ports.tx, want, len))
		send(&ports.tx, "\r\n", 2);
}

static bool start(void)
{
	if (!virtio_start(ports.device, FEATURE_MULTIPORT | FEATURE_EVENT_IDX) ||
	    !virtq_setup(&ports.control_rx, ports.device, CONTROL_RX, NULL) ||
	    !virtq_setup(&ports.control_tx, ports.device, CONTROL_TX, NULL) ||
	    !virtq_setup(&ports.rx, ports.device, RX, NULL) ||
	    !virtq_setup(&ports.tx, ports.device, TX, NULL))
		return false;
	virtio_ready(ports.device);
	return true;
}

void test_console_ports(void)
{
	bool came;

	ports.device = virtio_find(VIRTIO_ID_CONSOLE, 0);
	if (!ports.device || !(virtio_offered(ports.device) & FEATURE_MULTIPORT)) {
		tap_skip(ports.device ? "one port" : "no device");
		return;
	}
	if (!CHECK(start(), "does not start"))
		return;
	came = port_comes();
	/* Others offer the feature whether there are further ports or not. */
	if (!came && !memory_map.from_monitor) {
		tap_skip("one port");
		return;
	}
	if (!CHECK(came, "port 1 is not announced") || !port_opens())
		return;
	talk();
	tap_note("%u buffers, %u of them across boundaries", ports.buffers, ports.crossings);
}
