/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The bytes of a control socket's client. The input is taken in pieces of changing size; a byte
 * 0xff, which no JSON has, is an event instead: what follows says whether something is read by the
 * client, a descriptor comes along, or something happens to the guest. The session may neither
 * leave its buffers nor grow, nor call the machine with what the table does not have
 * (tests/vmm/control-fake.c ends the process then); what it says is lines of JSON.
 */
#include <string.h>
#include <unistd.h>

#include "tests/fuzz/fuzz.h"
#include "tests/vmm/control-fake.h"

static struct control_fake fake;
static struct control_session session;
static char line[CONTROL_EVENTS_MAX + CONTROL_REQUEST_MAX + 4096];
static size_t line_len;

/* What was said is kept up to the end of its line, and looked at then. */
static void hear(const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		json_t *value;

		FUZZ_CHECK(line_len < sizeof(line));
		line[line_len++] = bytes[i];
		if (bytes[i] != '\n')
			continue;
		value = json_loadb(line, line_len, JSON_REJECT_DUPLICATES, NULL);
		FUZZ_CHECK(json_is_object(value));
		FUZZ_CHECK(json_object_get(value, "ok") || json_object_get(value, "event"));
		json_decref(value);
		line_len = 0;
	}
}

static void read_some(size_t most)
{
	size_t len;
	const char *bytes = control_session_output(&session, &len);

	FUZZ_CHECK(len <= CONTROL_EVENTS_MAX + CONTROL_REQUEST_MAX);
	len = len < most ? len : most;
	hear(bytes, len);
	control_session_sent(&session, len);
}

static void event(uint8_t what)
{
	if (what & 0x80)
		read_some(what & 0x7f);
	else if (what & 0x40)
		control_session_take_fd(&session, dup(STDERR_FILENO));
	else if (what & 0x20)
		fake.refuse = what & 1;
	else if (what & 0x10)
		fake.raw_bytes = what & 0x0f;
	else
		control_session_event(&session, what & 1 ? "paused" : "ended", what & 2 ? what : -1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fake = (struct control_fake){.status = -1};
	line_len = 0;
	json_object_seed(1);
	control_session_begin(&session, &control_fake_ops, &fake);
	for (size_t at = 0; at < size && !session.dropped;) {
		size_t len = 0, taken;

		while (at + len < size && data[at + len] != 0xff && len < 1000)
			len++;
		taken = control_session_receive(&session, (const char *)data + at, len);
		FUZZ_CHECK(taken <= len);
		at += taken;
		if (taken < len) {
			read_some(SIZE_MAX);
			/* What takes nothing now is closed, or has become something else. */
			if (taken == 0 && (session.closing || session.stream))
				break;
		} else if (at < size && data[at] == 0xff) {
			event(at + 1 < size ? data[at + 1] : 0);
			at += 2;
		}
	}
	control_session_end(&session);
	FUZZ_CHECK(fake.status <= 255);
	return 0;
}
