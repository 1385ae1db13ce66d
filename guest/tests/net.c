/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * virtio-net on the monitor's user-mode network: ARP finds the gateway, which answers pings of
 * every length class, and a host program there that echoes datagrams; frames and buffers lie across
 * boundaries.
 */
#include <stddef.h>

#include "guest/cmdline.h"
#include "guest/memory.h"
#include "guest/string.h"
#include "guest/tap.h"
#include "guest/tests/tests.h"
#include "guest/virtio.h"

#define RX 0
#define TX 1

#define NET_FEATURE_MAC (1ull << 5)
#define NET_HEADER      12 /* with VERSION_1 always */
#define FRAME_MAX       1514
#define BUFFER_SIZE     (NET_HEADER + FRAME_MAX)

#define ETHERNET    14
#define ETHER_IPV4  0x0800
#define ETHER_ARP   0x0806
#define ARP_SIZE    28
#define ARP_REQUEST 1
#define ARP_REPLY   2
#define IP_HEADER   20
#define IP_ICMP     1
#define IP_UDP      17
#define UDP_HEADER  8
#define UDP_PORT    4000
#define ICMP_HEADER 8
#define ICMP_ECHO   8
#define MAX_OTHERS  16 /* frames nobody asked for, before an answer */

static const uint8_t own_ip[4] = {10, 0, 2, 15}, gateway_ip[4] = {10, 0, 2, 2};

static struct {
	struct virtio_device *device;
	struct virtq rx, tx;
	struct buffer offered; /* what the device may receive into */
	uint32_t next_boundary;
	uint32_t crossings;
	uint8_t mac[6], gateway[6];
} net;

static uint8_t packet[BUFFER_SIZE], *const frame = packet + NET_HEADER;

static void put16(uint8_t *to, uint32_t value)
{
	to[0] = (uint8_t)(value >> 8);
	to[1] = (uint8_t)value;
}

static uint32_t get16(const uint8_t *from)
{
	return (uint32_t)from[0] << 8 | from[1];
}

/* The checksum of IP and ICMP: 0 over what holds a right one. */
static uint32_t checksum(const uint8_t *bytes, uint32_t len)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < len; i += 2)
		sum += i + 1 < len ? get16(bytes + i) : (uint32_t)bytes[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum & 0xffff;
}

/* --- frames ---------------------------------------------------------------------------------- */

/* @len bytes across a boundary, apart from what the device may receive into; or @otherwise. */
static struct buffer place(uint32_t len, uint8_t *otherwise)
{
	const struct buffer *other = &net.offered;

	for (uint32_t i = 0; i < memory_map.boundary_count; i++) {
		uint64_t boundary =
			memory_map.boundaries[net.next_boundary++ % memory_map.boundary_count];
		uint64_t address = buffer_place(boundary, 1 + memory_random() % (len - 1), len);

		if (!address ||
		    (address < other->address + other->len && other->address < address + len))
			continue;
		net.crossings++;
		return (struct buffer){.address = address, .len = len};
	}
	return (struct buffer){.address = (uint64_t)otherwise, .len = len};
}

static void offer(void)
{
	static uint8_t own[BUFFER_SIZE];

	net.offered.len = 0;
	net.offered = place(BUFFER_SIZE, own);
	net.offered.device_writes = true;
	virtq_post(&net.rx, &net.offered, 1, 0);
}

static bool send_frame(const uint8_t *to, uint32_t ether, uint32_t len)
{
	static uint8_t own[BUFFER_SIZE];
	struct buffer buffer = place(NET_HEADER + ETHERNET + len, own);
	uint32_t written;

	memset(packet, 0, NET_HEADER);
	memcpy(frame, to, 6);
	memcpy(frame + 6, net.mac, 6);
	put16(frame + 12, ether);
	memcpy(at(buffer.address), packet, buffer.len);
	virtq_post(&net.tx, &buffer, 1, 0);
	return CHECK(virtq_wait(&net.tx, &written) && written == 0, "a frame is not taken");
}

/* The next frame to this machine of type @ether, in frame[]; its length, or 0. */
static uint32_t receive_frame(uint32_t ether)
{
	uint32_t written;

	for (unsigned int i = 0; i < MAX_OTHERS; i++) {
		if (!CHECK(virtq_wait(&net.rx, &written), "no answer") ||
		    !CHECK(written >= NET_HEADER + ETHERNET && written <= BUFFER_SIZE,
			   "%u bytes received", written))
			return 0;
		memcpy(packet, at(net.offered.address), written);
		offer();
		if (!memcmp(frame, net.mac, 6) && get16(frame + 12) == ether)
			return written - NET_HEADER;
	}
	tap_fail("no answer in %u frames", MAX_OTHERS);
	return 0;
}

/* --- protocols ------------------------------------------------------------------------------- */

static bool find_gateway(void)
{
	static const uint8_t head[6] = {0, 1, ETHER_IPV4 >> 8, 0, 6, 4},
			     everybody[6] = {
				     0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
			     };
	uint8_t *arp = frame + ETHERNET;

	memset(arp, 0, ARP_SIZE);
	memcpy(arp, head, sizeof(head));
	put16(arp + 6, ARP_REQUEST);
	memcpy(arp + 8, net.mac, 6);
	memcpy(arp + 14, own_ip, 4);
	memcpy(arp + 24, gateway_ip, 4);
	if (!send_frame(everybody, ETHER_ARP, ARP_SIZE) ||
	    !CHECK(receive_frame(ETHER_ARP) >= ETHERNET + ARP_SIZE, "no ARP reply"))
		return false;
	memcpy(net.gateway, arp + 8, 6);
	return CHECK(get16(arp + 6) == ARP_REPLY && !memcmp(arp + 14, gateway_ip, 4),
		     "another ARP packet than the reply");
}

/* The header of packet number @id to the gateway; where its @len bytes of payload are. */
static uint8_t *make_ip(uint8_t protocol, uint32_t id, uint32_t len)
{
	uint8_t *ip = frame + ETHERNET;

	memset(ip, 0, IP_HEADER);
	ip[0] = 0x45; /* version 4, five words */
	put16(ip + 2, IP_HEADER + len);
	put16(ip + 4, id);
	ip[8] = 64;
	ip[9] = protocol;
	memcpy(ip + 12, own_ip, 4);
	memcpy(ip + 16, gateway_ip, 4);
	put16(ip + 10, checksum(ip, IP_HEADER));
	return ip + IP_HEADER;
}

/* Send it, and receive the answer, whose payload is as long. */
static bool exchange(uint8_t protocol, uint32_t id, uint32_t len)
{
	const uint8_t *ip = frame + ETHERNET;
	uint32_t got;

	if (!send_frame(net.gateway, ETHER_IPV4, IP_HEADER + len))
		return false;
	got = receive_frame(ETHER_IPV4);
	return CHECK(got >= ETHERNET + IP_HEADER + len && get16(ip + 2) == IP_HEADER + len,
		     "packet %u: %u bytes", id, got) &&
	       CHECK(ip[9] == protocol && !memcmp(ip + 12, gateway_ip, 4) &&
			     !memcmp(ip + 16, own_ip, 4) && checksum(ip, IP_HEADER) == 0,
		     "packet %u: another than the answer", id);
}

static void put_pattern(uint8_t *data, uint32_t len, uint32_t id)
{
	for (uint32_t i = 0; i < len; i++)
		data[i] = abi_pattern_byte(i, ABI_PATTERN_TESTS + id);
}

static bool is_pattern(const uint8_t *data, uint32_t len, uint32_t id)
{
	for (uint32_t i = 0; i < len; i++) {
		if (!CHECK(data[i] == abi_pattern_byte(i, ABI_PATTERN_TESTS + id),
			   "packet %u: byte %u is wrong", id, i))
			return false;
	}
	return true;
}

/* An echo of @len bytes of pattern number @id. */
static bool ping(uint32_t id, uint32_t len)
{
	const uint32_t size = ICMP_HEADER + len;
	uint8_t *icmp = make_ip(IP_ICMP, id, size);

	memset(icmp, 0, ICMP_HEADER);
	icmp[0] = ICMP_ECHO;
	put16(icmp + 4, id);
	put_pattern(icmp + ICMP_HEADER, len, id);
	put16(icmp + 2, checksum(icmp, size));
	return exchange(IP_ICMP, id, size) &&
	       CHECK(icmp[0] == 0 && get16(icmp + 4) == id && checksum(icmp, size) == 0,
		     "ping %u: not its reply", id) &&
	       is_pattern(icmp + ICMP_HEADER, len, id);
}

/* A datagram of @len bytes of pattern number @id to @port, and back. IPv4 needs no checksum in it. */
static bool datagram(uint32_t port, uint32_t id, uint32_t len)
{
	const uint32_t size = UDP_HEADER + len;
	uint8_t *udp = make_ip(IP_UDP, id, size);

	put16(udp, UDP_PORT);
	put16(udp + 2, port);
	put16(udp + 4, size);
	put16(udp + 6, 0);
	put_pattern(udp + UDP_HEADER, len, id);
	return exchange(IP_UDP, id, size) &&
	       CHECK(get16(udp) == port && get16(udp + 2) == UDP_PORT && get16(udp + 4) == size,
		     "datagram %u: not its echo", id) &&
	       is_pattern(udp + UDP_HEADER, len, id);
}

/* The device up, a buffer offered, the gateway known. */
static bool start(void)
{
	uint64_t mac;

	net.offered.len = 0;
	net.crossings = 0;
	if (!CHECK(virtio_start(net.device, FEATURE_EVENT_IDX | NET_FEATURE_MAC) &&
			   virtq_setup(&net.rx, net.device, RX, NULL) &&
			   virtq_setup(&net.tx, net.device, TX, NULL),
		   "does not start"))
		return false;
	virtio_ready(net.device);
	mac = virtio_config64(net.device, 0);
	memcpy(net.mac, &mac, sizeof(net.mac));
	offer();
	return find_gateway();
}

void test_net_ping(void)
{
	static const uint32_t sizes[] = {0, 1, 32, 57, 512, 999, 1400, 1472};
	uint32_t count = sizeof(sizes) / sizeof(sizes[0]);

	net.device = virtio_find(VIRTIO_ID_NET, 0);
	if (!net.device) {
		tap_skip("no device");
		return;
	}
	if (!start())
		return;
	for (uint32_t i = 0; i < count; i++) {
		if (!ping(i + 1, sizes[i]))
			return;
	}
	CHECK(net.crossings > 0 || !memory_map.boundary_count, "no boundary has room");
	tap_note("%u pings, %u buffers across boundaries", count, net.crossings);
}

/* The empty one is the last: it ends the host program. */
void test_net_udp(void)
{
	static const uint32_t sizes[] = {1, 2, 99, 700, 1471, 1472, 0};
	uint32_t count = sizeof(sizes) / sizeof(sizes[0]);
	uint32_t port = (uint32_t)cmdline_get(ABI_KEY_UDP_ECHO, 0);

	net.device = virtio_find(VIRTIO_ID_NET, 0);
	if (!net.device || !port) {
		tap_skip(port ? "no device" : "no host program");
		return;
	}
	if (!start())
		return;
	for (uint32_t i = 0; i < count; i++) {
		if (!datagram(port, 100 + i, sizes[i]))
			return;
	}
	tap_note("%u datagrams, %u buffers across boundaries", count, net.crossings);
}
