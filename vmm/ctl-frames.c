/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Sockets for networks. The machine can open nothing once it runs, so that they are made here and
 * passed to it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "devices/unix-socket.h"
#include "vmm/ctl.h"

static int copy_descriptor(const char *digits, int *fd, struct report *report)
{
	char *end;
	unsigned long number = strtoul(digits, &end, 10);

	if (*digits < '0' || *digits > '9' || *end || number > 1000000)
		return report_fail(report, REPORT_USER, "ctl: fd=%s: not a number", digits);
	*fd = fcntl((int)number, F_DUPFD_CLOEXEC, 3);
	if (*fd < 0)
		return report_fail(report, REPORT_USER, "ctl: fd=%s: %s", digits, strerror(errno));
	return 0;
}

/* With an address of its own, which the kernel chooses: nobody can answer to none. */
static int connect_datagrams(const char *path, int *fd, struct report *report)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};

	if (strlen(path) > UNIX_PATH_LIMIT)
		return report_fail(report, REPORT_USER, "ctl: unix=%s: the path is too long", path);
	memcpy(addr.sun_path, path, strlen(path));
	*fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (*fd < 0 || bind(*fd, (struct sockaddr *)&addr, sizeof(addr.sun_family)) ||
	    connect(*fd, (struct sockaddr *)&addr, sizeof(addr)))
		return report_fail(report, report_whose(errno), "ctl: unix=%s: %s", path,
				   strerror(errno));
	return 0;
}

int ctl_take_socket(const char *word, int *fd, struct report *report)
{
	if (strncmp(word, "fd=", 3) == 0)
		return copy_descriptor(word + 3, fd, report);
	if (strncmp(word, "unix=", 5) == 0)
		return connect_datagrams(word + 5, fd, report);
	return 1;
}
