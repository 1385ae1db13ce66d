/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * A TAP interface as the host sees it: its MTU, speed, whether it is up, what it has lost. All of
 * it is asked when it is wanted; rtnetlink only says when to ask again, so that nothing is missed
 * if what it says was too much for its socket.
 *
 * A descriptor may be of an interface in another network namespace. Nothing can be asked about that
 * one here: it counts as up for as long as it is there.
 */
#include "devices/net-tap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/if_tun.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* Whether the interface of a TAP descriptor is where this process is. */
static bool is_here(int tap)
{
	struct stat own, other;
	bool here;
	int ns = ioctl(tap, TUNGETDEVNETNS);

	/* Who may not ask was given no foreign interface, or has to live with its name here. */
	if (ns < 0)
		return true;
	here = fstat(ns, &other) || stat("/proc/thread-self/ns/net", &own) ||
	       (own.st_ino == other.st_ino && own.st_dev == other.st_dev);
	close(ns);
	return here;
}

/* An ioctl on the interface, by the name it has now. */
static int ask(const struct net_tap_link *link, unsigned long request, struct ifreq *ifr)
{
	*ifr = (struct ifreq){.ifr_ifindex = link->index};
	if (!link->index || ioctl(link->socket, SIOCGIFNAME, ifr))
		return -1;
	return ioctl(link->socket, request, ifr);
}

bool net_tap_link_is_up(const struct net_tap_link *link)
{
	const short up = IFF_UP | IFF_RUNNING;
	struct ifreq ifr;

	return ask(link, SIOCGIFFLAGS, &ifr) || (ifr.ifr_flags & up) == up;
}

uint16_t net_tap_link_mtu(const struct net_tap_link *link)
{
	struct ifreq ifr;

	if (ask(link, SIOCGIFMTU, &ifr) || ifr.ifr_mtu < NET_MTU_MIN || ifr.ifr_mtu > UINT16_MAX)
		return 0;
	return (uint16_t)ifr.ifr_mtu;
}

uint32_t net_tap_link_speed(const struct net_tap_link *link)
{
	struct ethtool_cmd cmd = {.cmd = ETHTOOL_GSET};
	struct ifreq ifr = {.ifr_ifindex = link->index};
	uint32_t speed;

	if (!link->index || ioctl(link->socket, SIOCGIFNAME, &ifr))
		return 0;
	ifr.ifr_data = (char *)&cmd;
	if (ioctl(link->socket, SIOCETHTOOL, &ifr))
		return 0;
	speed = ethtool_cmd_speed(&cmd);
	return speed <= INT32_MAX ? speed : 0;
}

/* The interface's own count, from its line "NAME: " and sixteen numbers: sent, lost is the twelfth. */
static uint64_t lost(const struct net_tap_link *link)
{
	int fd = fcntl(link->counts, F_DUPFD_CLOEXEC, 0);
	FILE *file = fd < 0 || lseek(fd, 0, SEEK_SET) ? NULL : fdopen(fd, "r");
	const char *word = NULL;
	char line[512], *rest;

	if (!file && fd >= 0)
		close(fd);
	if (!file)
		return 0;
	while (!word && fgets(line, sizeof(line), file)) {
		word = strtok_r(line, ": ", &rest);
		if (word && strcmp(word, link->ifname) != 0)
			word = NULL;
	}
	for (unsigned int i = 0; word && i < 12; i++)
		word = strtok_r(NULL, " \n", &rest);
	fclose(file);
	return word ? strtoull(word, NULL, 10) : 0;
}

uint64_t net_tap_link_dropped(const struct net_tap_link *link)
{
	uint64_t now = link->index ? lost(link) : 0;

	/* It is 0 again if the interface has gone. */
	return now > link->dropped0 ? now - link->dropped0 : 0;
}

bool net_tap_link_changed(const struct net_tap_link *link)
{
	char message[8192];
	bool changed = false;

	/* What does not fit is cut; ENOBUFS says that there was more. */
	while (recv(link->socket, message, sizeof(message), 0) >= 0 || errno == ENOBUFS)
		changed = true;
	return changed;
}

int net_tap_link_init(const char *option, struct net_tap_link *link, const char *ifname, int tap,
		      struct report *report)
{
	const struct sockaddr_nl addr = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK};
	const int type = SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK;

	*link = (struct net_tap_link){.socket = -1, .counts = -1};
	snprintf(link->ifname, sizeof(link->ifname), "%s", ifname);
	link->socket = socket(AF_NETLINK, type, NETLINK_ROUTE);
	if (link->socket < 0 || bind(link->socket, (const struct sockaddr *)&addr, sizeof(addr)))
		return report_fail(report, REPORT_HOST, "%s: interface '%s' cannot be watched: %s",
				   option, ifname, strerror(errno));
	if (is_here(tap))
		link->index = (int)if_nametoindex(ifname);
	link->counts = open("/proc/thread-self/net/dev", O_RDONLY | O_CLOEXEC);
	link->dropped0 = net_tap_link_dropped(link);
	return 0;
}

void net_tap_link_destroy(struct net_tap_link *link)
{
	if (link->socket >= 0)
		close(link->socket);
	if (link->counts >= 0)
		close(link->counts);
}
