/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The argument of --net: the table of backends, and the words that are the device's whatever its
 * backend is.
 */
#include "devices/net.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A new backend is its file and a line here. */
static const struct {
	const char *name;
	const struct net_backend_type *type; /* NULL: not in this program */
	const char *missing;                 /* why it may not be there */
} backends[] = {
	{"user", &net_user_type,
	 "this program has no user-mode network: it is static, or was built without libslirp-dev"},
	{"tap", &net_tap_type, NULL},
	{"none", &net_none_type, NULL},
};

#define KNOWN_BACKENDS "known are user, tap and none"

const struct device_word net_words[] = {
	{"user", "a network of its own, by the host's sockets (libslirp); or"},
	{"tap", "a TAP interface of the host, or"},
	{"none", "no cable, until vmm ctl plugs one in"},
	{"mac=MAC", "the device's address (52:54:00:12:34:56 and those behind it)"},
	{"mtu=BYTES", "what the guest is told, if less than the network's"},
	{"hostfwd=tcp|udp:[ADDR]:PORT-[ADDR]:PORT",
	 "user: a port of the host goes to the guest; may be repeated"},
	{"net=ADDR/BITS", "user: the network (10.0.2.0/24)"},
	{"restrict=on|off", "user: the guest reaches nothing (off)"},
	{"ifname=NAME", "tap: an interface that is there (one is made)"},
	{"fd=N[:N...]", "tap: its queues as descriptors that are open"},
	{"queues=N", "tap: pairs of queues, 1 to 8 (1)"},
	{.word = NULL},
};

bool net_is_device_mac(const uint8_t *mac)
{
	static const uint8_t zeros[ETH_ALEN];

	return !(mac[0] & 1) && memcmp(mac, zeros, ETH_ALEN) != 0;
}

static int parse_mac(const char *option, const char *text, uint8_t *mac, struct report *report)
{
	const char *at = text;
	unsigned int i;

	/* Two digits each, a colon between, and nothing behind them. */
	for (i = 0; i < ETH_ALEN && isxdigit((unsigned char)at[0]) &&
		    isxdigit((unsigned char)at[1]) && at[2] == (i < ETH_ALEN - 1 ? ':' : '\0');
	     i++, at += 3)
		mac[i] = (uint8_t)strtoul(at, NULL, 16);
	if (i < ETH_ALEN)
		return report_fail(report, REPORT_USER,
				   "%s: mac '%s' is not six bytes such as 52:54:00:12:34:56",
				   option, text);
	if (!net_is_device_mac(mac))
		return report_fail(
			report, REPORT_USER,
			"%s: mac '%s' is not the address of one device: the first byte is "
			"even, and not all are zero",
			option, text);
	return 0;
}

/* What the backend can do is not known yet. */
static int parse_mtu(const char *option, const char *text, uint16_t *mtu, struct report *report)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || value < NET_MTU_MIN || value > UINT16_MAX)
		return report_fail(report, REPORT_USER, "%s: mtu '%s' is not a number from %u to %u",
				   option, text, NET_MTU_MIN, UINT16_MAX);
	*mtu = (uint16_t)value;
	return 0;
}

/* Move the words that are the device's out of @words. Returns what is left; NULL: nothing. */
static int take_common(const char *option, char *words, struct net_options *options, char **rest,
		       struct report *report)
{
	char *word, *end = words;

	*rest = NULL;
	while ((word = strsep(&words, ","))) {
		size_t len = strlen(word);

		if (strncmp(word, "mac=", 4) == 0) {
			if (parse_mac(option, word + 4, options->mac, report))
				return -1;
			options->has_mac = true;
			continue;
		}
		if (strncmp(word, "mtu=", 4) == 0) {
			if (parse_mtu(option, word + 4, &options->mtu, report))
				return -1;
			continue;
		}
		/* It moves towards the front, behind the one before it. */
		if (*rest)
			*end++ = ',';
		else
			*rest = end;
		memmove(end, word, len + 1);
		end += len;
	}
	return 0;
}

/* Without @out it is only checked. */
static int open_backend(const char *option, char *args, struct loop *loop,
			struct net_options *options, struct net_backend **out, struct report *report)
{
	const char *name = strsep(&args, ",");
	struct near near = {.text = name};
	char *rest;

	for (size_t i = 0; i < sizeof(backends) / sizeof(*backends); i++) {
		near_try(&near, backends[i].name);
		if (strcmp(name, backends[i].name) != 0)
			continue;
		if (!backends[i].type)
			return report_fail(report, REPORT_HOST, "%s %s: %s", option, name,
					   backends[i].missing);
		options->backend = backends[i].name;
		if (take_common(option, args, options, &rest, report))
			return -1;
		return out ? backends[i].type->open(option, rest, loop, out, report)
			   : backends[i].type->check(option, rest, report);
	}
	return report_fail(report, REPORT_USER,
			   near.best ? "%s %s: not a backend; did you mean %s?"
				     : "%s %s: not a backend; " KNOWN_BACKENDS,
			   option, name, near.best);
}

int net_open(const char *option, const char *args, struct loop *loop, struct net_options *options,
	     struct net_backend **out, struct report *report)
{
	char *copy = strdup(args);
	int err;

	*options = (struct net_options){0};
	if (!copy)
		return report_fail(report, REPORT_HOST, "%s: out of memory", option);
	err = open_backend(option, copy, loop, options, out, report);
	free(copy);
	return err;
}

int net_try(const char *option, const char *args, struct report *report)
{
	struct net_options options;

	return net_open(option, args, NULL, &options, NULL, report);
}
