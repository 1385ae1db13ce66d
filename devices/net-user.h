/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * What the user-mode network backend is made of: net-user-words.c reads the option,
 * net-user-stack.c has the TCP/IP stack (libslirp) on a thread of its own, net-user.c the
 * operations. Frames go between them on a socket, a frame a message.
 */
#ifndef DEVICES_NET_USER_H
#define DEVICES_NET_USER_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "devices/report.h"

/* The longest frame on this network: an Ethernet header and an MTU of 1500. */
#define NET_USER_MTU       1500
#define NET_USER_FRAME_MAX (14 + NET_USER_MTU)

/* Connections or datagrams to a port of the host that a port of the guest gets. */
struct net_user_forward {
	const char *text; /* as the user wrote it, for messages */
	bool udp;
	struct in_addr host_addr;
	struct in_addr guest_addr; /* INADDR_ANY: the first that DHCP gives out */
	uint16_t host_port;
	uint16_t guest_port;
};

struct net_user_config {
	struct in_addr network; /* in it: the host .2, the name server .3, DHCP from .15 on */
	struct in_addr netmask;
	bool restricted; /* the guest reaches nothing but what is forwarded to it */
	struct net_user_forward *forwards;
	size_t forward_count;
};

/*
 * Take one word; forwards are added to a list that is the caller's to free, and point to the word.
 * 0 or -1 (@report).
 */
int net_user_take_word(const char *option, const char *word, struct net_user_config *config,
		       struct report *report);

/* What can be said only when all words are known. */
int net_user_check(const char *option, const struct net_user_config *config, struct report *report);

struct net_user_stack;

/*
 * Start a stack, which has bound all forwards when this returns 0. *@fd is the guest's end of the
 * socket, non-blocking and the caller's to close: a message is a struct virtio_net_hdr_v1, which
 * says nothing, and a frame. @option is for messages; of @config nothing is kept.
 */
int net_user_stack_new(const char *option, const struct net_user_config *config,
		       struct net_user_stack **out, int *fd, struct report *report);

/* Whether the library it needs is there. */
int net_user_stack_check(const char *option, struct report *report);

/* End the stack, its thread, its connections and forwards. */
void net_user_stack_free(struct net_user_stack *stack);

/*
 * Frames lost: for the guest because the socket was full, from it because they were too long or it
 * has all the sockets it may have. Any thread.
 */
uint64_t net_user_stack_dropped(const struct net_user_stack *stack);

#endif
