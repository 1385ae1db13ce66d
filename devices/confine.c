/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The one place that knows who locks the process down. */
#include "devices/confine.h"

#include <stddef.h>

static const struct confine_ops *confiner; /* constant once there are devices */

void confine_by(const struct confine_ops *ops)
{
	confiner = ops;
}

void confine_enter(enum confine_role role)
{
	if (confiner)
		confiner->enter(role);
}

void confine_will_unlink(const char *path)
{
	if (confiner)
		confiner->will_unlink(path);
}

void confine_will_connect(void)
{
	if (confiner)
		confiner->will_connect();
}
