/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Frames, ARP, DHCP, IPv4, ICMP and UDP of the guest; its TCP is net-guest-tcp.c's. */
#include "tests/devices/net-guest.h"

#include <arpa/inet.h>
#include <netinet/if_ether.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <netinet/udp.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_MS 20000
#define BROADCAST   0xffffffffu

static const uint8_t everybody[ETH_ALEN] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

uint64_t net_deadline(unsigned int ms)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000 + ms;
}

/* RFC 1071, over @len bytes added to @sum. */
static uint32_t sum_bytes(uint32_t sum, const void *data, size_t len)
{
	const uint8_t *bytes = data;

	for (size_t i = 0; i < len; i++)
		sum += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
	return sum;
}

static uint16_t fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

/* --- frames ------------------------------------------------------------------------------------ */

static void put_frame(struct net_guest *guest, const uint8_t *to, uint16_t type,
		      const void *payload, size_t len)
{
	uint8_t frame[NET_GUEST_FRAME] = {0};
	struct ether_header *eth = (struct ether_header *)frame;

	ck_assert_uint_le(len, sizeof(frame) - sizeof(*eth));
	memcpy(eth->ether_dhost, to, ETH_ALEN);
	memcpy(eth->ether_shost, guest->mac, ETH_ALEN);
	eth->ether_type = htons(type);
	memcpy(frame + sizeof(*eth), payload, len);
	guest->link->send(guest->link, frame, sizeof(*eth) + len);
}

static void put_arp(struct net_guest *guest, uint16_t op, const uint8_t *to_mac, uint32_t to)
{
	struct ether_arp arp = {
		.ea_hdr = {.ar_hrd = htons(ARPHRD_ETHER),
			   .ar_pro = htons(ETHERTYPE_IP),
			   .ar_hln = ETH_ALEN,
			   .ar_pln = 4,
			   .ar_op = htons(op)},
	};
	uint32_t addr = htonl(guest->addr);

	memcpy(arp.arp_sha, guest->mac, ETH_ALEN);
	memcpy(arp.arp_spa, &addr, 4);
	addr = htonl(to);
	memcpy(arp.arp_tha, to_mac, ETH_ALEN);
	memcpy(arp.arp_tpa, &addr, 4);
	put_frame(guest, to_mac, ETHERTYPE_ARP, &arp, sizeof(arp));
}

/* The ARP packet in the frame, or NULL. */
static const struct ether_arp *arp_of(const struct net_guest *guest)
{
	const struct ether_header *eth = (const struct ether_header *)guest->frame;

	if (eth->ether_type != htons(ETHERTYPE_ARP) ||
	    guest->len < sizeof(*eth) + sizeof(struct ether_arp))
		return NULL;
	return (const struct ether_arp *)(guest->frame + sizeof(*eth));
}

bool net_guest_take(struct net_guest *guest, uint64_t deadline)
{
	const uint32_t addr = htonl(guest->addr);
	const struct ether_arp *arp;

	for (;;) {
		guest->len = guest->link->receive(guest->link, guest->frame);
		if (guest->len)
			break;
		if (net_deadline(0) >= deadline)
			return false;
		usleep(500);
	}
	ck_assert_uint_ge(guest->len, sizeof(struct ether_header));
	arp = arp_of(guest);
	if (arp && arp->arp_op == htons(ARPOP_REQUEST) && guest->addr &&
	    memcmp(arp->arp_tpa, &addr, 4) == 0) {
		uint32_t asks;

		memcpy(&asks, arp->arp_spa, 4);
		put_arp(guest, ARPOP_REPLY, arp->arp_sha, ntohl(asks));
	}
	return true;
}

void net_guest_ask(struct net_guest *guest, uint32_t addr)
{
	put_arp(guest, ARPOP_REQUEST, everybody, addr);
}

bool net_guest_arp(struct net_guest *guest, uint32_t addr)
{
	const uint32_t wanted = htonl(addr);
	uint64_t deadline = net_deadline(addr >= NET_HOST && addr <= NET_DNS ? PATIENCE_MS : 200);

	net_guest_ask(guest, addr);
	while (net_guest_take(guest, deadline)) {
		const struct ether_arp *arp = arp_of(guest);

		if (!arp || arp->arp_op != htons(ARPOP_REPLY) || memcmp(arp->arp_spa, &wanted, 4) != 0)
			continue;
		ck_assert_mem_eq(arp->arp_tha, guest->mac, ETH_ALEN);
		memcpy(guest->gateway_mac, arp->arp_sha, ETH_ALEN);
		return true;
	}
	return false;
}

void net_guest_init(struct net_guest *guest, struct net_link *link)
{
	*guest = (struct net_guest){
		.link = link, .mac = {0x52, 0x54, 0, 0x12, 0x34, 0x56}, .addr = NET_GUEST};
	ck_assert(net_guest_arp(guest, NET_HOST));
}

/* --- IPv4 -------------------------------------------------------------------------------------- */

static void put_ip(struct net_guest *guest, const uint8_t *to_mac, uint8_t protocol, uint32_t to,
		   const void *payload, size_t len)
{
	uint8_t packet[NET_GUEST_FRAME - sizeof(struct ether_header)];
	struct iphdr ip = {
		.version = 4,
		.ihl = 5,
		.tot_len = htons((uint16_t)(sizeof(ip) + len)),
		.id = htons(guest->ip_id++),
		.ttl = 64,
		.protocol = protocol,
		.saddr = htonl(guest->addr),
		.daddr = htonl(to),
	};

	ck_assert_uint_le(len, sizeof(packet) - sizeof(ip));
	ip.check = fold(sum_bytes(0, &ip, sizeof(ip)));
	memcpy(packet, &ip, sizeof(ip));
	memcpy(packet + sizeof(ip), payload, len);
	put_frame(guest, to_mac, ETHERTYPE_IP, packet, sizeof(ip) + len);
}

/* The checksum field at @check of a TCP or UDP packet, over its pseudo header too. */
static void put_checksum(struct net_guest *guest, uint8_t protocol, uint32_t to, uint8_t *payload,
			 size_t len, size_t check)
{
	uint32_t sum = protocol + (uint32_t)len;
	uint16_t value;

	sum += (guest->addr >> 16) + (guest->addr & 0xffff) + (to >> 16) + (to & 0xffff);
	value = fold(sum_bytes(sum, payload, len));
	memcpy(payload + check, &value, sizeof(value));
}

void net_guest_ip(struct net_guest *guest, uint8_t protocol, uint32_t to, const void *payload,
		  size_t len)
{
	uint8_t packet[NET_GUEST_FRAME];

	ck_assert_uint_le(len, sizeof(packet));
	memcpy(packet, payload, len);
	if (protocol == IPPROTO_TCP)
		put_checksum(guest, protocol, to, packet, len, 16);
	else if (protocol == IPPROTO_UDP)
		put_checksum(guest, protocol, to, packet, len, 6);
	put_ip(guest, guest->gateway_mac, protocol, to, packet, len);
}

const uint8_t *net_guest_payload(const struct net_guest *guest, uint8_t protocol, uint32_t *from,
				 size_t *len)
{
	const struct ether_header *eth = (const struct ether_header *)guest->frame;
	struct iphdr ip;

	if (eth->ether_type != htons(ETHERTYPE_IP))
		return NULL;
	ck_assert_uint_ge(guest->len, sizeof(*eth) + sizeof(ip));
	memcpy(&ip, guest->frame + sizeof(*eth), sizeof(ip));
	ck_assert_uint_eq(fold(sum_bytes(0, &ip, sizeof(ip))), 0);
	ck_assert_uint_ge(guest->len, sizeof(*eth) + ntohs(ip.tot_len));
	if (ip.protocol != protocol ||
	    (guest->addr && ip.daddr != htonl(guest->addr) && ip.daddr != BROADCAST))
		return NULL;
	*from = ntohl(ip.saddr);
	*len = ntohs(ip.tot_len) - sizeof(ip);
	return guest->frame + sizeof(*eth) + sizeof(ip);
}

void net_guest_echo(struct net_guest *guest, uint32_t to, uint16_t id, const void *data, size_t len)
{
	uint8_t packet[1480];
	struct icmphdr icmp = {.type = ICMP_ECHO, .un.echo = {htons(id), htons(1)}};

	ck_assert_uint_le(len, sizeof(packet) - sizeof(icmp));
	memcpy(packet, &icmp, sizeof(icmp));
	memcpy(packet + sizeof(icmp), data, len);
	icmp.checksum = fold(sum_bytes(0, packet, sizeof(icmp) + len));
	memcpy(packet, &icmp, sizeof(icmp));
	net_guest_ip(guest, IPPROTO_ICMP, to, packet, sizeof(icmp) + len);
}

bool net_guest_ping(struct net_guest *guest, uint32_t to, const void *data, size_t len)
{
	uint64_t deadline = net_deadline(PATIENCE_MS);
	uint32_t from;

	net_guest_echo(guest, to, 77, data, len);
	while (net_guest_take(guest, deadline)) {
		size_t got;
		const uint8_t *reply = net_guest_payload(guest, IPPROTO_ICMP, &from, &got);

		if (!reply)
			continue;
		return from == to && got == sizeof(struct icmphdr) + len &&
		       reply[0] == ICMP_ECHOREPLY && fold(sum_bytes(0, reply, got)) == 0 &&
		       memcmp(reply + sizeof(struct icmphdr), data, len) == 0;
	}
	return false;
}

/* --- UDP --------------------------------------------------------------------------------------- */

static size_t make_udp(uint8_t *packet, uint16_t from_port, uint16_t to_port, const void *data,
		       size_t len)
{
	struct udphdr udp = {.source = htons(from_port),
			     .dest = htons(to_port),
			     .len = htons((uint16_t)(sizeof(struct udphdr) + len))};

	ck_assert_uint_le(len, 1400);
	memcpy(packet, &udp, sizeof(udp));
	memcpy(packet + sizeof(udp), data, len);
	return sizeof(udp) + len;
}

void net_guest_udp(struct net_guest *guest, uint16_t from_port, uint32_t to, uint16_t to_port,
		   const void *data, size_t len)
{
	uint8_t packet[NET_GUEST_FRAME];

	len = make_udp(packet, from_port, to_port, data, len);
	net_guest_ip(guest, IPPROTO_UDP, to, packet, len);
}

size_t net_guest_udp_take(struct net_guest *guest, uint16_t port, uint32_t *from,
			  uint16_t *from_port, void *data, size_t size)
{
	uint64_t deadline = net_deadline(PATIENCE_MS);

	while (net_guest_take(guest, deadline)) {
		size_t len;
		const uint8_t *packet = net_guest_payload(guest, IPPROTO_UDP, from, &len);
		struct udphdr udp;

		if (!packet)
			continue;
		ck_assert_uint_ge(len, sizeof(udp));
		memcpy(&udp, packet, sizeof(udp));
		if (udp.dest != htons(port))
			continue;
		len = ntohs(udp.len) - sizeof(udp);
		ck_assert_uint_le(len, size);
		memcpy(data, packet + sizeof(udp), len);
		*from_port = ntohs(udp.source);
		return len;
	}
	ck_abort_msg("no datagram for port %u", port);
}

/* --- DHCP (RFC 2131) --------------------------------------------------------------------------- */

#define DHCP_MAGIC 0x63825363u

enum { DHCP_DISCOVER = 1, DHCP_OFFER = 2, DHCP_REQUEST = 3, DHCP_ACK = 5 };
enum { OPTION_MASK = 1, OPTION_ROUTER = 3, OPTION_DNS = 6, OPTION_WANTED = 50, OPTION_TYPE = 53 };

struct dhcp {
	uint8_t op, htype, hlen, hops;
	uint32_t xid;
	uint16_t secs, flags;
	uint32_t ciaddr, yiaddr, siaddr, giaddr;
	uint8_t chaddr[16], sname[64], file[128];
	uint32_t magic;
	uint8_t options[64];
} __attribute__((packed));

static void put_dhcp(struct net_guest *guest, uint8_t type, uint32_t wanted)
{
	struct dhcp dhcp = {.op = 1, .htype = 1, .hlen = ETH_ALEN, .xid = htonl(0xfeed)};
	uint8_t packet[NET_GUEST_FRAME], *option = dhcp.options;
	size_t len;

	memcpy(dhcp.chaddr, guest->mac, ETH_ALEN);
	dhcp.magic = htonl(DHCP_MAGIC);
	*option++ = OPTION_TYPE;
	*option++ = 1;
	*option++ = type;
	if (wanted) {
		uint32_t addr = htonl(wanted);

		*option++ = OPTION_WANTED;
		*option++ = 4;
		memcpy(option, &addr, 4);
		option += 4;
	}
	*option = 0xff;
	len = make_udp(packet, 68, 67, &dhcp, sizeof(dhcp));
	put_checksum(guest, IPPROTO_UDP, BROADCAST, packet, len, 6);
	put_ip(guest, everybody, IPPROTO_UDP, BROADCAST, packet, len);
}

/* The first four bytes of an option of @len bytes of options (a type has one). */
static uint32_t dhcp_option(const uint8_t *options, size_t len, uint8_t wanted)
{
	for (size_t i = 0; i + 1 < len && options[i] != 0xff;) {
		uint32_t value = 0;

		if (options[i] == 0) {
			i++;
			continue;
		}
		for (size_t j = 0; j < options[i + 1] && j < 4; j++)
			value = value << 8 | options[i + 2 + j];
		if (options[i] == wanted)
			return value;
		i += 2 + options[i + 1];
	}
	return 0;
}

/* An answer of @type; returns the address it gives. */
static uint32_t take_dhcp(struct net_guest *guest, uint8_t type)
{
	uint8_t data[1024];
	const struct dhcp *dhcp = (const struct dhcp *)data;
	const size_t fixed = offsetof(struct dhcp, options);
	uint16_t from_port;
	uint32_t from;
	size_t len;

	len = net_guest_udp_take(guest, 68, &from, &from_port, data, sizeof(data));
	ck_assert_uint_gt(len, fixed);
	ck_assert_uint_eq(from_port, 67);
	ck_assert_uint_eq(dhcp->op, 2);
	ck_assert_uint_eq(ntohl(dhcp->xid), 0xfeed);
	ck_assert_mem_eq(dhcp->chaddr, guest->mac, ETH_ALEN);
	ck_assert_uint_eq(ntohl(dhcp->magic), DHCP_MAGIC);
	len -= fixed;
	ck_assert_uint_eq(dhcp_option(dhcp->options, len, OPTION_TYPE), type);
	ck_assert_uint_eq(dhcp_option(dhcp->options, len, OPTION_MASK), 0xffffff00);
	ck_assert_uint_eq(dhcp_option(dhcp->options, len, OPTION_ROUTER),
			  (ntohl(dhcp->yiaddr) & 0xffffff00) | 2);
	ck_assert_uint_eq(dhcp_option(dhcp->options, len, OPTION_DNS),
			  (ntohl(dhcp->yiaddr) & 0xffffff00) | 3);
	return ntohl(dhcp->yiaddr);
}

void net_guest_dhcp(struct net_guest *guest)
{
	uint32_t offered;

	guest->addr = 0;
	put_dhcp(guest, DHCP_DISCOVER, 0);
	offered = take_dhcp(guest, DHCP_OFFER);
	put_dhcp(guest, DHCP_REQUEST, offered);
	ck_assert_uint_eq(take_dhcp(guest, DHCP_ACK), offered);
	guest->addr = offered;
}
