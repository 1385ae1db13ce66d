/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * A machine that is none, behind a control socket's client: it remembers what it was asked and
 * answers something of each kind. What may never be asked ends the process.
 */
#ifndef TESTS_VMM_CONTROL_FAKE_H
#define TESTS_VMM_CONTROL_FAKE_H

#include "vmm/control-session.h"

struct control_fake {
	bool paused;
	unsigned int calls[CTL_REQUESTS];
	int status;       /* of quit, or -1 */
	uint64_t number;  /* the last size */
	char text[64];    /* the last text */
	size_t raw_bytes; /* of a raw member, if not 0 */
	unsigned int taken_fds;
	bool refuse; /* everything */
};

extern const struct control_ops control_fake_ops; /* target: struct control_fake */

#endif
