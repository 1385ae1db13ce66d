/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The bytes of a debugger. The input is taken in pieces of changing size; a byte 0xff is an event
 * instead: what follows says whether something is read by the client, or the guest stops. The
 * session may neither leave its buffers nor ask the target what it may not be asked
 * (tests/vmm/gdb-fake.c ends the process then).
 */
#include <stdlib.h>

#include "tests/fuzz/fuzz.h"
#include "tests/vmm/gdb-fake.h"

static struct gdb_fake fake;
static struct gdb_session session;

static void event(uint8_t what)
{
	const struct gdb_stop stop = {
		.cpu = what % GDB_FAKE_CPUS,
		.signal = GDB_SIGTRAP,
		.reason = what & 0x10 ? "watch" : "swbreak",
		.addr = what,
	};
	size_t len;

	gdb_session_output(&session, &len);
	if (what & 0x80)
		gdb_session_sent(&session, len < what ? len : what);
	else if (what & 0x40)
		gdb_session_exited(&session, what);
	else if (session.running)
		gdb_session_stopped(&session, &stop);
}

/* All of it goes out, so that the next piece has room. */
static void drain(void)
{
	size_t len;

	while (gdb_session_output(&session, &len), len)
		gdb_session_sent(&session, len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct gdb_stop stop = {.signal = GDB_SIGTRAP};

	fake = (struct gdb_fake){.session = &session};
	gdb_session_begin(&session, &gdb_fake_ops, &fake, &stop);
	for (size_t at = 0; at < size;) {
		size_t len = 0, taken;

		while (at + len < size && data[at + len] != 0xff && len < 1000)
			len++;
		taken = gdb_session_receive(&session, data + at, len);
		if (taken > len)
			abort();
		at += taken;
		if (taken < len) {
			drain();
			/* What takes nothing with empty buffers is closed. */
			if (taken == 0 && session.closing)
				break;
		} else if (at < size && data[at] == 0xff) {
			event(at + 1 < size ? data[at + 1] : 0);
			at += 2;
		}
	}
	gdb_session_end(&session);
	return 0;
}
