/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Something to debug that is no machine: registers and 64 KiB of memory at 0, a list of what was
 * asked of it. For the tests of the protocol and its fuzz target.
 */
#ifndef TESTS_VMM_GDB_FAKE_H
#define TESTS_VMM_GDB_FAKE_H

#include "vmm/gdb-session.h"

#define GDB_FAKE_CPUS   3
#define GDB_FAKE_MEMORY 0x10000

struct gdb_fake {
	struct gdb_registers registers[GDB_FAKE_CPUS];
	uint8_t memory[GDB_FAKE_MEMORY];
	enum gdb_action actions[GDB_FAKE_CPUS]; /* of the last resume */
	unsigned int resumes, interrupts, kills;
	unsigned int breaks; /* set and not cleared */
	bool physical;       /* the last access */
	struct gdb_session *session;
};

extern const struct gdb_target_ops gdb_fake_ops;

#endif
