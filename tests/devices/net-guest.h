/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * A guest on a user-mode network, for tests: what a TCP/IP stack needs to get an address, ping,
 * send datagrams and have a TCP connection, made frame by frame. How frames travel is the link's: a
 * backend alone, or the whole device with its rings.
 */
#ifndef TESTS_DEVICES_NET_GUEST_H
#define TESTS_DEVICES_NET_GUEST_H

#include <net/ethernet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/runner.h"

#define NET_GUEST_FRAME 1514
/* What may be received: where the host leaves segmentation to the guest, a frame is longer. */
#define NET_GUEST_ROOM 66000

/* Addresses of the network 10.0.2.0/24, in host order. */
#define NET_HOST  0x0a000202u
#define NET_DNS   0x0a000203u
#define NET_GUEST 0x0a00020fu

struct net_link {
	/* Send a frame, waiting for room if there is none. */
	void (*send)(struct net_link *link, const void *frame, size_t len);
	/* The next frame's length; 0 if there is none now. */
	size_t (*receive)(struct net_link *link, uint8_t *frame);
};

struct net_guest {
	struct net_link *link;
	uint8_t mac[ETH_ALEN];
	uint8_t gateway_mac[ETH_ALEN];
	uint32_t addr; /* its own, host order; 0: none yet */
	uint16_t ip_id;
	uint8_t frame[NET_GUEST_ROOM]; /* the last received */
	size_t len;
};

/* A guest that has an address and knows the gateway's. */
void net_guest_init(struct net_guest *guest, struct net_link *link);

/* Ask for an address as a DHCP client does: DISCOVER, OFFER, REQUEST, ACK. */
void net_guest_dhcp(struct net_guest *guest);

/* Ask who has @addr; then false if nobody answers. The answer is the gateway's MAC from here on. */
void net_guest_ask(struct net_guest *guest, uint32_t addr);
bool net_guest_arp(struct net_guest *guest, uint32_t addr);

/*
 * Wait for a frame and answer ARP requests for the guest; the frame is in @guest->frame then. False
 * if there is none until @deadline (of net_deadline()).
 */
bool net_guest_take(struct net_guest *guest, uint64_t deadline);
uint64_t net_deadline(unsigned int ms);

/* An IPv4 packet in a frame to the gateway. */
void net_guest_ip(struct net_guest *guest, uint8_t protocol, uint32_t to, const void *payload,
		  size_t len);
/* The payload of the IPv4 packet in the frame, checked; NULL if it is none of @protocol for us. */
const uint8_t *net_guest_payload(const struct net_guest *guest, uint8_t protocol, uint32_t *from,
				 size_t *len);

/* An echo request, with @id; and one whose answer came. */
void net_guest_echo(struct net_guest *guest, uint32_t to, uint16_t id, const void *data, size_t len);
bool net_guest_ping(struct net_guest *guest, uint32_t to, const void *data, size_t len);

void net_guest_udp(struct net_guest *guest, uint16_t from_port, uint32_t to, uint16_t to_port,
		   const void *data, size_t len);
/* Wait for a datagram to @port; its length. *@from_port is where an answer goes. */
size_t net_guest_udp_take(struct net_guest *guest, uint16_t port, uint32_t *from,
			  uint16_t *from_port, void *data, size_t size);

/* One TCP connection. */
struct net_tcp {
	struct net_guest *guest;
	uint32_t peer;
	uint16_t port, peer_port;
	uint32_t snd_una, snd_nxt, rcv_nxt;
	bool open;       /* both ends have synchronised */
	bool peer_ended; /* its FIN was taken */
	bool reset;
	uint16_t window; /* what is offered to the peer */
	uint8_t data[8192];
	size_t len; /* received and not yet read */
};

/* Ask for a connection and do not wait for an answer. */
void net_tcp_knock(struct net_guest *guest, uint16_t port, uint32_t peer, uint16_t peer_port);
/* Connect; false if it was refused. */
bool net_tcp_connect(struct net_tcp *tcp, struct net_guest *guest, uint16_t port, uint32_t peer,
		     uint16_t peer_port);
/* Wait for a connection to @port and accept it. */
void net_tcp_accept(struct net_tcp *tcp, struct net_guest *guest, uint16_t port);
void net_tcp_send(struct net_tcp *tcp, const void *data, size_t len);
/* Exactly @len bytes. */
void net_tcp_read(struct net_tcp *tcp, void *data, size_t len);
/* Send FIN and have it acknowledged. */
void net_tcp_end(struct net_tcp *tcp);
/* Wait for the peer's FIN (or RST: false). */
bool net_tcp_await_end(struct net_tcp *tcp);

#endif
