/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The words of "--net tap", and the queues they open: of an interface that is there, of descriptors
 * that were given, or of an interface that is made for as long as the monitor runs.
 */
#include "devices/net-tap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define TUN        "/dev/net/tun"
#define KNOWN      "known are ifname=NAME, fd=N[:N...] and queues=1..8"
#define TAP_FLAGS  (IFF_TAP | IFF_NO_PI | IFF_VNET_HDR)
#define HOW_TO_ADD "ip tuntap add dev %s mode tap%s user %s"

_Static_assert(NET_PAIRS_MAX == 8, "KNOWN says so");

/* --- words ------------------------------------------------------------------------------------ */

static int parse_number(const char *text, unsigned long max, unsigned long *out)
{
	char *end;

	*out = strtoul(text, &end, 10);
	return *text < '0' || *text > '9' || *end || *out > max ? -1 : 0;
}

static int take_ifname(const char *option, char *value, struct net_tap_config *config,
		       struct report *report)
{
	if (!*value || strlen(value) >= IFNAMSIZ || strpbrk(value, "/: %"))
		return report_fail(report, REPORT_USER,
				   "%s: ifname '%s' is not the name of an interface: 1 to %d "
				   "characters, none of them / : %% or a space",
				   option, value, IFNAMSIZ - 1);
	config->ifname = value;
	return 0;
}

static int take_fd(const char *option, char *value, struct net_tap_config *config,
		   struct report *report)
{
	unsigned long number;
	char *one;

	while ((one = strsep(&value, ":"))) {
		if (parse_number(one, INT32_MAX, &number))
			return report_fail(report, REPORT_USER,
					   "%s: fd '%s' is not the number of a descriptor", option,
					   one);
		if (config->fd_count == NET_PAIRS_MAX)
			return report_fail(report, REPORT_USER,
					   "%s: fd: more than %d descriptors, a queue each", option,
					   NET_PAIRS_MAX);
		for (unsigned int i = 0; i < config->fd_count; i++) {
			if (config->fds[i] == (int)number)
				return report_fail(report, REPORT_USER,
						   "%s: fd '%s' is named twice", option, one);
		}
		config->fds[config->fd_count++] = (int)number;
	}
	return 0;
}

static int take_queues(const char *option, char *value, struct net_tap_config *config,
		       struct report *report)
{
	unsigned long number;

	if (parse_number(value, NET_PAIRS_MAX, &number) || !number)
		return report_fail(report, REPORT_USER,
				   "%s: queues '%s' is not a number from 1 to %d", option, value,
				   NET_PAIRS_MAX);
	config->queues = (unsigned int)number;
	return 0;
}

static const struct {
	const char *name;
	int (*take)(const char *option, char *value, struct net_tap_config *config,
		    struct report *report);
} words[] = {
	{"ifname=", take_ifname},
	{"fd=", take_fd},
	{"queues=", take_queues},
};

int net_tap_take_word(const char *option, char *word, struct net_tap_config *config,
		      struct report *report)
{
	struct near near = {.text = word};

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		size_t len = strlen(words[i].name);

		if (strncmp(word, words[i].name, len) == 0)
			return words[i].take(option, word + len, config, report);
		near_try(&near, words[i].name);
	}
	if (near.best)
		return report_fail(report, REPORT_USER, "%s: '%s': unknown word; did you mean %s?",
				   option, word, near.best);
	return report_fail(report, REPORT_USER, "%s: '%s': unknown word, " KNOWN, option, word);
}

int net_tap_check(const char *option, const struct net_tap_config *config, struct report *report)
{
	if (config->fd_count && config->ifname)
		return report_fail(report, REPORT_USER,
				   "%s: ifname '%s': either ifname= or fd=, whose interface it is",
				   option, config->ifname);
	if (config->fd_count && config->queues && config->queues != config->fd_count)
		return report_fail(report, REPORT_USER,
				   "%s: queues '%u' but %u descriptors: one for each queue", option,
				   config->queues, config->fd_count);
	return 0;
}

/* --- queues ----------------------------------------------------------------------------------- */

/* Why the interface did not give a queue, and what would be right. */
static int report_attach(const char *option, const struct net_tap_config *config,
			 unsigned int queue, struct report *report)
{
	const char *name = config->ifname ? config->ifname : "tap0";
	const char *multi = config->queues > 1 ? " multi_queue" : "";
	const int error = errno;

	if (error == EPERM && !config->ifname)
		return report_fail(
			report, REPORT_HOST,
			"%s: an interface may not be made by this user; right is one that "
			"was: " HOW_TO_ADD ", and ifname=%s",
			option, name, multi, "$USER", name);
	if (error == EPERM)
		return report_fail(report, REPORT_HOST,
				   "%s: ifname '%s' is another user's; right is: " HOW_TO_ADD,
				   option, name, name, multi, "$USER");
	if (error == EBUSY)
		return report_fail(
			report, REPORT_HOST,
			"%s: ifname '%s' is in use; right is one interface for each guest", option,
			name);
	if (error == EINVAL && queue == 0)
		return report_fail(
			report, REPORT_USER,
			"%s: ifname '%s' is not a TAP interface%s; right is: " HOW_TO_ADD, option,
			name, *multi ? " of several queues" : "", name, multi, "$USER");
	return report_fail(report, REPORT_HOST, "%s: ifname '%s': queue %u: %s", option, name,
			   queue, strerror(error));
}

/* Make a descriptor a queue of the interface in @queues, whose name is known from the first one on. */
static int attach(int fd, unsigned int wanted, struct net_tap_queues *queues)
{
	struct ifreq ifr = {.ifr_flags = TAP_FLAGS};

	if (wanted > 1)
		ifr.ifr_flags |= IFF_MULTI_QUEUE;
	memcpy(ifr.ifr_name, queues->ifname, IFNAMSIZ);
	if (ioctl(fd, TUNSETIFF, &ifr)) {
		/* One that can have several queues wants to be asked so for a single one, too. */
		ifr.ifr_flags |= IFF_MULTI_QUEUE;
		if (errno != EINVAL || ioctl(fd, TUNSETIFF, &ifr))
			return -1;
	}
	memcpy(queues->ifname, ifr.ifr_name, IFNAMSIZ);
	return 0;
}

static int find_interface(const char *option, const struct net_tap_config *config,
			  struct report *report)
{
	if (!config->ifname || if_nametoindex(config->ifname))
		return 0;
	return report_fail(report, REPORT_HOST,
			   "%s: ifname '%s' does not exist; right is: " HOW_TO_ADD, option,
			   config->ifname, config->ifname, config->queues > 1 ? " multi_queue" : "",
			   "$USER");
}

static int no_tun(const char *option, struct report *report)
{
	return report_fail(report, REPORT_HOST, "%s: " TUN " cannot be opened: %s%s", option,
			   strerror(errno), errno == ENOENT ? "; right is: modprobe tun" : "");
}

static int not_open(const char *option, int fd, struct report *report)
{
	return report_fail(report, REPORT_USER, "%s: fd '%d' is not open", option, fd);
}

int net_tap_try(const char *option, const struct net_tap_config *config, struct report *report)
{
	for (unsigned int i = 0; i < config->fd_count; i++) {
		if (fcntl(config->fds[i], F_GETFD) < 0)
			return not_open(option, config->fds[i], report);
	}
	if (config->fd_count)
		return 0;
	if (find_interface(option, config, report))
		return -1;
	return access(TUN, R_OK | W_OK) ? no_tun(option, report) : 0;
}

static int open_interface(const char *option, const struct net_tap_config *config,
			  struct net_tap_queues *queues, struct report *report)
{
	const unsigned int wanted = config->queues ? config->queues : 1;

	queues->is_new = !config->ifname;
	if (find_interface(option, config, report))
		return -1;
	snprintf(queues->ifname, sizeof(queues->ifname), "%s",
		 config->ifname ? config->ifname : "tap%d");
	while (queues->count < wanted) {
		int fd = open(TUN, O_RDWR | O_CLOEXEC | O_NONBLOCK);

		if (fd < 0)
			return no_tun(option, report);
		queues->fds[queues->count++] = fd;
		if (attach(fd, wanted, queues))
			return report_attach(option, config, queues->count - 1, report);
	}
	return 0;
}

/* Take a descriptor that was given, which must be a queue of the same interface as the others. */
static int adopt(const char *option, int given, struct net_tap_queues *queues, struct report *report)
{
	const unsigned int flags = TAP_FLAGS;
	struct ifreq ifr;
	int fd = fcntl(given, F_DUPFD_CLOEXEC, 0);

	if (fd < 0)
		return not_open(option, given, report);
	queues->fds[queues->count++] = fd;
	if (ioctl(fd, TUNGETIFF, &ifr))
		return report_fail(report, REPORT_USER,
				   "%s: fd '%d' is not a queue of a TAP interface", option, given);
	if (((unsigned short)ifr.ifr_flags & flags) != flags)
		return report_fail(
			report, REPORT_USER,
			"%s: fd '%d' of '%s': right are the flags IFF_TAP, IFF_NO_PI and "
			"IFF_VNET_HDR",
			option, given, ifr.ifr_name);
	if (queues->count == 1)
		memcpy(queues->ifname, ifr.ifr_name, IFNAMSIZ);
	if (strncmp(queues->ifname, ifr.ifr_name, IFNAMSIZ) != 0)
		return report_fail(report, REPORT_USER,
				   "%s: fd '%d' is of '%s', those before it of '%s'", option, given,
				   ifr.ifr_name, queues->ifname);
	if (fcntl(fd, F_SETFL, O_NONBLOCK))
		return report_fail(report, REPORT_HOST, "%s: fd '%d': %s", option, given,
				   strerror(errno));
	return 0;
}

int net_tap_set_offloads(const struct net_tap_queues *queues, unsigned int offloads)
{
	/* One word for the interface, whichever queue it is said to. */
	return ioctl(queues->fds[0], TUNSETOFFLOAD, (unsigned long)offloads);
}

/* Frames with a header of the size and order that virtio has; all offloads the kernel can do. */
static int set_headers(const char *option, struct net_tap_queues *queues, struct report *report)
{
	int size = sizeof(struct virtio_net_hdr_v1), on = 1;

	for (unsigned int i = 0; i < queues->count; i++) {
		if (ioctl(queues->fds[i], TUNSETVNETHDRSZ, &size) ||
		    ioctl(queues->fds[i], TUNSETVNETLE, &on))
			return report_fail(report, REPORT_HOST, "%s: interface '%s': %s", option,
					   queues->ifname, strerror(errno));
	}
	queues->offloads = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN | TUN_F_UFO;
	if (net_tap_set_offloads(queues, queues->offloads))
		queues->offloads &= ~(unsigned int)TUN_F_UFO;
	if (net_tap_set_offloads(queues, queues->offloads))
		queues->offloads = 0;
	if (net_tap_set_offloads(queues, 0))
		return report_fail(report, REPORT_HOST, "%s: interface '%s': %s", option,
				   queues->ifname, strerror(errno));
	return 0;
}

int net_tap_open_queues(const char *option, const struct net_tap_config *config,
			struct net_tap_queues *queues, struct report *report)
{
	*queues = (struct net_tap_queues){0};
	if (!config->fd_count && open_interface(option, config, queues, report))
		return -1;
	for (unsigned int i = 0; i < config->fd_count; i++) {
		if (adopt(option, config->fds[i], queues, report))
			return -1;
	}
	return set_headers(option, queues, report);
}

void net_tap_close_queues(struct net_tap_queues *queues)
{
	while (queues->count)
		close(queues->fds[--queues->count]);
}
