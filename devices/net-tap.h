/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * What the TAP backend is made of: net-tap-open.c reads the option and opens the queues of an
 * interface, net-tap-link.c knows the interface as the host sees it, net-tap.c has the operations.
 */
#ifndef DEVICES_NET_TAP_H
#define DEVICES_NET_TAP_H

#include <net/if.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "devices/loop.h"
#include "devices/net.h"
#include "devices/report.h"

/* What the words of the option say. */
struct net_tap_config {
	const char *ifname;     /* NULL: a new interface, or that of the descriptors */
	int fds[NET_PAIRS_MAX]; /* given by whoever started us */
	unsigned int fd_count;  /* 0: none was given */
	unsigned int queues;    /* 0: not said */
};

/*
 * Take one word, which is cut, and check what can be said only when all are known. 0 or -1
 * (@report).
 */
int net_tap_take_word(const char *option, char *word, struct net_tap_config *config,
		      struct report *report);
int net_tap_check(const char *option, const struct net_tap_config *config, struct report *report);

/* The queues of an interface: non-blocking descriptors, a frame with its header at a time. */
struct net_tap_queues {
	char ifname[IFNAMSIZ];
	int fds[NET_PAIRS_MAX];
	unsigned int count;
	unsigned int offloads; /* TUN_F_ that the kernel knows */
	bool is_new;           /* the interface was made, and goes with the last descriptor */
};

/* Open them. What is in @queues is the caller's to close, also after a failure. 0 or -1 (@report). */
int net_tap_open_queues(const char *option, const struct net_tap_config *config,
			struct net_tap_queues *queues, struct report *report);
/* Whether they could be opened, without doing it. 0 or -1 (@report). */
int net_tap_try(const char *option, const struct net_tap_config *config, struct report *report);
void net_tap_close_queues(struct net_tap_queues *queues);

/* Have frames that are received need what TUN_F_ says, at most. 0, or -1 and errno. */
int net_tap_set_offloads(const struct net_tap_queues *queues, unsigned int offloads);

/* --- the interface ----------------------------------------------------------------------------- */

/* On the loop's thread once it runs. */
struct net_tap_link {
	char ifname[IFNAMSIZ];
	int index;  /* of the interface where we are; 0: it is not in our network namespace */
	int counts; /* /proc/net/dev, open since set-up; -1: none */
	int socket; /* of rtnetlink, where changes of interfaces are told; -1: none */
	uint64_t dropped0; /* frames it had lost when it was opened */
};

/* Find the interface. 0 or -1 (@report); the socket is non-blocking, and closed by the second. */
int net_tap_link_init(const char *option, struct net_tap_link *link, const char *ifname, int tap,
		      struct report *report);
void net_tap_link_destroy(struct net_tap_link *link);

/* Whether it is up, with a carrier. One that cannot be asked is. */
bool net_tap_link_is_up(const struct net_tap_link *link);
/* Read what was told. False if nothing was. */
bool net_tap_link_changed(const struct net_tap_link *link);
/* 0 if they cannot be known. */
uint16_t net_tap_link_mtu(const struct net_tap_link *link);
uint32_t net_tap_link_speed(const struct net_tap_link *link);
/* Frames for the guest that the interface has lost since net_tap_link_init(). Any thread. */
uint64_t net_tap_link_dropped(const struct net_tap_link *link);

#endif
