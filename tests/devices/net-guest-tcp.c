/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * TCP as a guest needs it for a test: one segment in flight, sent again until it is acknowledged,
 * and what arrives is taken in order.
 */
#include <netinet/tcp.h>
#include <string.h>

#include "tests/devices/net-guest.h"

#define PATIENCE_MS 20000
#define RESEND_MS   1000
#define SEGMENT_MAX 1400

static void put_segment(struct net_tcp *tcp, uint32_t seq, uint8_t flags, const void *data, size_t len)
{
	uint8_t packet[sizeof(struct tcphdr) + SEGMENT_MAX];
	struct tcphdr hdr = {
		.th_sport = htons(tcp->port),
		.th_dport = htons(tcp->peer_port),
		.th_seq = htonl(seq),
		.th_ack = flags & TH_ACK ? htonl(tcp->rcv_nxt) : 0,
		.th_off = sizeof(hdr) / 4,
		.th_flags = flags,
		.th_win = htons(tcp->window),
	};

	ck_assert_uint_le(len, SEGMENT_MAX);
	memcpy(packet, &hdr, sizeof(hdr));
	if (len)
		memcpy(packet + sizeof(hdr), data, len);
	net_guest_ip(tcp->guest, IPPROTO_TCP, tcp->peer, packet, sizeof(hdr) + len);
}

static void acknowledge(struct net_tcp *tcp)
{
	put_segment(tcp, tcp->snd_nxt, TH_ACK, NULL, 0);
}

/* Data and FIN of a segment that is the next; everything else is only acknowledged again. */
static void take_stream(struct net_tcp *tcp, const struct tcphdr *hdr, const uint8_t *data, size_t len)
{
	bool fin = hdr->th_flags & TH_FIN;

	if (len == 0 && !fin)
		return;
	if (ntohl(hdr->th_seq) == tcp->rcv_nxt && len <= sizeof(tcp->data) - tcp->len) {
		memcpy(tcp->data + tcp->len, data, len);
		tcp->len += len;
		tcp->rcv_nxt += (uint32_t)len + fin;
		tcp->peer_ended |= fin;
		tcp->window = (uint16_t)(sizeof(tcp->data) - tcp->len);
	}
	acknowledge(tcp);
}

/* The frame the guest has, if it is of this connection. */
static void take_segment(struct net_tcp *tcp)
{
	struct tcphdr hdr;
	uint32_t from;
	size_t len, offset;
	const uint8_t *packet = net_guest_payload(tcp->guest, IPPROTO_TCP, &from, &len);

	if (!packet)
		return;
	ck_assert_uint_ge(len, sizeof(hdr));
	memcpy(&hdr, packet, sizeof(hdr));
	offset = hdr.th_off * 4u;
	ck_assert_uint_le(offset, len);
	if (hdr.th_dport != htons(tcp->port) || hdr.th_sport != htons(tcp->peer_port) ||
	    from != tcp->peer)
		return;
	if (hdr.th_flags & TH_RST) {
		tcp->reset = true;
		return;
	}
	if (hdr.th_flags & TH_SYN) {
		tcp->rcv_nxt = ntohl(hdr.th_seq) + 1;
		tcp->open = true;
	}
	if (hdr.th_flags & TH_ACK)
		tcp->snd_una = ntohl(hdr.th_ack);
	if (hdr.th_flags & TH_SYN)
		acknowledge(tcp);
	else if (tcp->open)
		take_stream(tcp, &hdr, packet + offset, len - offset);
}

/* Send a segment until all of it is acknowledged, or the connection is reset. */
static void send_segment(struct net_tcp *tcp, uint8_t flags, const void *data, size_t len)
{
	uint64_t deadline = net_deadline(PATIENCE_MS);
	uint32_t seq = tcp->snd_nxt;

	tcp->snd_nxt += (uint32_t)len + ((flags & (TH_SYN | TH_FIN)) != 0);
	while (!tcp->reset && tcp->snd_una != tcp->snd_nxt) {
		uint64_t resend = net_deadline(RESEND_MS);

		ck_assert_msg(net_deadline(0) < deadline, "nothing was acknowledged");
		put_segment(tcp, seq, flags, data, len);
		while (!tcp->reset && tcp->snd_una != tcp->snd_nxt &&
		       net_guest_take(tcp->guest, resend))
			take_segment(tcp);
	}
}

static struct net_tcp closed(struct net_guest *guest, uint16_t port, uint32_t peer, uint16_t peer_port)
{
	return (struct net_tcp){.guest = guest,
				.peer = peer,
				.port = port,
				.peer_port = peer_port,
				.snd_una = 1000,
				.snd_nxt = 1000,
				.window = sizeof(((struct net_tcp *)NULL)->data)};
}

void net_tcp_knock(struct net_guest *guest, uint16_t port, uint32_t peer, uint16_t peer_port)
{
	struct net_tcp tcp = closed(guest, port, peer, peer_port);

	put_segment(&tcp, tcp.snd_nxt, TH_SYN, NULL, 0);
}

bool net_tcp_connect(struct net_tcp *tcp, struct net_guest *guest, uint16_t port, uint32_t peer,
		     uint16_t peer_port)
{
	*tcp = closed(guest, port, peer, peer_port);
	send_segment(tcp, TH_SYN, NULL, 0);
	return tcp->open && !tcp->reset;
}

void net_tcp_accept(struct net_tcp *tcp, struct net_guest *guest, uint16_t port)
{
	uint64_t deadline = net_deadline(PATIENCE_MS);

	*tcp = closed(guest, port, 0, 0);
	while (net_guest_take(guest, deadline)) {
		const uint8_t *packet;
		struct tcphdr hdr;
		size_t len;

		packet = net_guest_payload(guest, IPPROTO_TCP, &tcp->peer, &len);
		if (!packet)
			continue;
		memcpy(&hdr, packet, sizeof(hdr));
		if (hdr.th_dport != htons(port) || !(hdr.th_flags & TH_SYN))
			continue;
		tcp->peer_port = ntohs(hdr.th_sport);
		tcp->rcv_nxt = ntohl(hdr.th_seq) + 1;
		tcp->open = true;
		send_segment(tcp, TH_SYN | TH_ACK, NULL, 0);
		return;
	}
	ck_abort_msg("no connection to port %u", port);
}

void net_tcp_send(struct net_tcp *tcp, const void *data, size_t len)
{
	while (len) {
		size_t some = len < SEGMENT_MAX ? len : SEGMENT_MAX;

		send_segment(tcp, TH_ACK | TH_PUSH, data, some);
		ck_assert(!tcp->reset);
		data = (const uint8_t *)data + some;
		len -= some;
	}
}

void net_tcp_read(struct net_tcp *tcp, void *data, size_t len)
{
	uint64_t deadline = net_deadline(PATIENCE_MS);

	while (len) {
		size_t some = len < tcp->len ? len : tcp->len;

		memcpy(data, tcp->data, some);
		memmove(tcp->data, tcp->data + some, tcp->len - some);
		tcp->len -= some;
		data = (uint8_t *)data + some;
		len -= some;
		if (some) {
			/* There is room again: say so. */
			tcp->window = (uint16_t)(sizeof(tcp->data) - tcp->len);
			acknowledge(tcp);
			deadline = net_deadline(PATIENCE_MS);
		} else {
			ck_assert(!tcp->reset && !tcp->peer_ended);
			ck_assert_msg(net_guest_take(tcp->guest, deadline), "no data");
			take_segment(tcp);
		}
	}
}

void net_tcp_end(struct net_tcp *tcp)
{
	send_segment(tcp, TH_FIN | TH_ACK, NULL, 0);
}

bool net_tcp_await_end(struct net_tcp *tcp)
{
	uint64_t deadline = net_deadline(PATIENCE_MS);

	while (!tcp->peer_ended && !tcp->reset && net_guest_take(tcp->guest, deadline))
		take_segment(tcp);
	return tcp->peer_ended;
}
