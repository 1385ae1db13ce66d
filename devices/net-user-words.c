/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The words of "--net user": which network, and what is forwarded to the guest. What the host has
 * to say to a forward, the stack finds out.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devices/near.h"
#include "devices/net-user.h"

#define HOSTFWD_RIGHT "tcp|udp:[HOSTADDR]:HOSTPORT-[GUESTADDR]:GUESTPORT, as in tcp::2222-:22"

/* The last address that has room for DHCP's sixteen, from .15 on, before the broadcast address. */
#define PREFIX_MIN 8
#define PREFIX_MAX 27

static int parse_number(const char *text, unsigned long min, unsigned long max, unsigned long *out)
{
	char *end;

	if (!isdigit((unsigned char)*text))
		return -1;
	errno = 0;
	*out = strtoul(text, &end, 10);
	return *end || errno || *out < min || *out > max ? -1 : 0;
}

static int parse_port(const char *option, const char *word, const char *text, uint16_t *port,
		      struct report *report)
{
	unsigned long number;

	if (parse_number(text, 1, UINT16_MAX, &number))
		return report_fail(report, REPORT_USER,
				   "%s: hostfwd '%s': port '%s' is not a number from 1 to 65535",
				   option, word, text);
	*port = (uint16_t)number;
	return 0;
}

/* An empty address leaves @addr what it is. */
static int parse_addr(const char *option, const char *word, const char *text, struct in_addr *addr,
		      struct report *report)
{
	if (*text && inet_pton(AF_INET, text, addr) != 1)
		return report_fail(report, REPORT_USER,
				   "%s: hostfwd '%s': '%s' is not an IPv4 address", option, word,
				   text);
	return 0;
}

/* "PROTO:[HOSTADDR]:HOSTPORT-[GUESTADDR]:GUESTPORT"; cuts @text, of which @word is a copy. */
static int parse_forward(const char *option, const char *word, char *text,
			 struct net_user_forward *forward, struct report *report)
{
	char *guest = strchr(text, '-'), *proto, *host_addr, *guest_addr;

	if (guest)
		*guest++ = '\0';
	proto = strsep(&text, ":");
	host_addr = strsep(&text, ":");
	guest_addr = strsep(&guest, ":");
	if (!text || !guest_addr || !guest)
		return report_fail(report, REPORT_USER, "%s: hostfwd '%s': right is " HOSTFWD_RIGHT,
				   option, word);
	if (strcmp(proto, "tcp") != 0 && strcmp(proto, "udp") != 0)
		return report_fail(report, REPORT_USER,
				   "%s: hostfwd '%s': '%s' is neither tcp nor udp", option, word,
				   proto);
	*forward = (struct net_user_forward){
		.text = word,
		.udp = strcmp(proto, "udp") == 0,
		.host_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	if (parse_addr(option, word, host_addr, &forward->host_addr, report) ||
	    parse_port(option, word, text, &forward->host_port, report) ||
	    parse_addr(option, word, guest_addr, &forward->guest_addr, report) ||
	    parse_port(option, word, guest, &forward->guest_port, report))
		return -1;
	return 0;
}

static int take_hostfwd(const char *option, const char *value, struct net_user_config *config,
			struct report *report)
{
	struct net_user_forward *forwards;
	char *text;
	int err;

	forwards = reallocarray(config->forwards, config->forward_count + 1, sizeof(*forwards));
	if (forwards)
		config->forwards = forwards;
	text = strdup(value);
	if (!forwards || !text) {
		free(text);
		return report_fail(report, REPORT_HOST, "%s: out of memory", option);
	}
	err = parse_forward(option, value, text, &forwards[config->forward_count], report);
	free(text);
	config->forward_count += !err;
	return err;
}

/* Whether guests can have addresses there: not "this" network, loopback, multicast or reserved. */
static bool is_network(uint32_t network)
{
	uint32_t first = network >> 24;

	return first != 0 && first != IN_LOOPBACKNET && first < 224;
}

static int take_net(const char *option, const char *value, struct net_user_config *config,
		    struct report *report)
{
	const char *slash = strchr(value, '/');
	char addr[INET_ADDRSTRLEN];
	unsigned long prefix;

	/* What does not fit is no address. */
	if (slash)
		snprintf(addr, sizeof(addr), "%.*s", (int)(slash - value), value);
	if (!slash || slash - value >= (ssize_t)sizeof(addr) ||
	    inet_pton(AF_INET, addr, &config->network) != 1 ||
	    parse_number(slash + 1, PREFIX_MIN, PREFIX_MAX, &prefix))
		return report_fail(report, REPORT_USER,
				   "%s: net '%s': right is ADDRESS/BITS with 8 to 27 bits, as in "
				   "10.0.2.0/24",
				   option, value);
	config->netmask.s_addr = htonl(UINT32_MAX << (32 - prefix));
	if (config->network.s_addr & ~config->netmask.s_addr)
		return report_fail(report, REPORT_USER,
				   "%s: net '%s': not the address of a network, bits behind the "
				   "first %lu are set",
				   option, value, prefix);
	if (!is_network(ntohl(config->network.s_addr)))
		return report_fail(report, REPORT_USER,
				   "%s: net '%s': no guest can have an address there", option, value);
	return 0;
}

static int take_restrict(const char *option, const char *value, struct net_user_config *config,
			 struct report *report)
{
	config->restricted = strcmp(value, "on") == 0;
	if (!config->restricted && strcmp(value, "off") != 0)
		return report_fail(report, REPORT_USER, "%s: restrict '%s' is neither on nor off",
				   option, value);
	return 0;
}

static const struct {
	const char *name;
	int (*take)(const char *option, const char *value, struct net_user_config *config,
		    struct report *report);
} words[] = {
	{"hostfwd=", take_hostfwd},
	{"net=", take_net},
	{"restrict=", take_restrict},
};

int net_user_take_word(const char *option, const char *word, struct net_user_config *config,
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
	return report_fail(
		report, REPORT_USER,
		"%s: '%s': unknown word, known are hostfwd=tcp|udp:[ADDR]:PORT-[ADDR]:PORT, "
		"net=ADDR/BITS and restrict=on|off",
		option, word);
}

int net_user_check(const char *option, const struct net_user_config *config, struct report *report)
{
	const uint32_t network = ntohl(config->network.s_addr);
	const uint32_t last = ~ntohl(config->netmask.s_addr);
	char text[INET_ADDRSTRLEN];

	for (size_t i = 0; i < config->forward_count; i++) {
		const struct net_user_forward *forward = &config->forwards[i];
		uint32_t number = ntohl(forward->guest_addr.s_addr) - network;

		if (!forward->guest_addr.s_addr || (number > 3 && number < last))
			continue;
		inet_ntop(AF_INET, &config->network, text, sizeof(text));
		return report_fail(report, REPORT_USER,
				   "%s: hostfwd '%s': the guest's address is not one from .4 on of "
				   "its network %s/%d",
				   option, forward->text, text,
				   __builtin_popcount(config->netmask.s_addr));
	}
	return 0;
}
