/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Network namespaces for tests; see net-ns.h. */
#include "tests/devices/net-ns.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/devices/net-guest.h"

#define TUN "/dev/net/tun"

const char *net_ns_enter(void)
{
	int fd;

	if (unshare(CLONE_NEWNET) && unshare(CLONE_NEWUSER | CLONE_NEWNET))
		return "network namespaces may not be made here";
	fd = open(TUN, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return TUN " cannot be opened";
	close(fd);
	fd = net_ns_open_tap("probe0", IFF_VNET_HDR);
	if (fd < 0)
		return "TAP interfaces may not be made here";
	close(fd);
	net_ns_set_up("lo", true);
	return NULL;
}

int net_ns_open_tap(const char *ifname, short flags)
{
	struct ifreq ifr = {.ifr_flags = (short)(IFF_TAP | IFF_NO_PI | flags)};
	int fd = open(TUN, O_RDWR | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	strcpy(ifr.ifr_name, ifname);
	if (ioctl(fd, TUNSETIFF, &ifr) == 0)
		return fd;
	close(fd);
	return -1;
}

void net_ns_add_tap(const char *ifname, bool multi)
{
	int fd = net_ns_open_tap(ifname, multi ? IFF_MULTI_QUEUE : 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ioctl(fd, TUNSETPERSIST, 1UL), 0);
	close(fd);
}

void net_ns_remove(const char *ifname)
{
	struct {
		struct nlmsghdr hdr;
		struct ifinfomsg info;
	} request = {
		.hdr = {.nlmsg_len = sizeof(request),
			.nlmsg_type = RTM_DELLINK,
			.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK},
		.info = {.ifi_index = (int)if_nametoindex(ifname)},
	};
	struct {
		struct nlmsghdr hdr;
		struct nlmsgerr error;
		uint8_t rest[256];
	} answer;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	ck_assert_int_eq(send(fd, &request, sizeof(request), 0), sizeof(request));
	ck_assert_int_gt(recv(fd, &answer, sizeof(answer), 0), 0);
	ck_assert_int_eq(answer.error.error, 0);
	close(fd);
}

static void change(unsigned long request, void *argument)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(ioctl(fd, request, argument), 0);
	close(fd);
}

void net_ns_set_up(const char *ifname, bool up)
{
	struct ifreq ifr = {0};

	strcpy(ifr.ifr_name, ifname);
	change(SIOCGIFFLAGS, &ifr);
	ifr.ifr_flags = (short)(up ? ifr.ifr_flags | IFF_UP : ifr.ifr_flags & ~IFF_UP);
	change(SIOCSIFFLAGS, &ifr);
}

void net_ns_set_mtu(const char *ifname, int mtu)
{
	struct ifreq ifr = {.ifr_mtu = mtu};

	strcpy(ifr.ifr_name, ifname);
	change(SIOCSIFMTU, &ifr);
}

static struct sockaddr_in inet(uint32_t addr, uint16_t port)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(addr), .sin_port = htons(port)};
}

void net_ns_configure(const char *ifname)
{
	const struct sockaddr_in addr = inet(NET_HOST, 0), mask = inet(0xffffff00, 0);
	struct ifreq ifr = {0};

	strcpy(ifr.ifr_name, ifname);
	memcpy(&ifr.ifr_addr, &addr, sizeof(addr));
	change(SIOCSIFADDR, &ifr);
	memcpy(&ifr.ifr_netmask, &mask, sizeof(mask));
	change(SIOCSIFNETMASK, &ifr);
	net_ns_set_up(ifname, true);
}

void net_ns_know_guest(const char *ifname, const uint8_t *mac)
{
	const struct sockaddr_in addr = inet(NET_GUEST, 0);
	struct arpreq arp = {.arp_flags = ATF_COM | ATF_PERM, .arp_ha.sa_family = ARPHRD_ETHER};

	strcpy(arp.arp_dev, ifname);
	memcpy(&arp.arp_pa, &addr, sizeof(addr));
	memcpy(arp.arp_ha.sa_data, mac, ETH_ALEN);
	change(SIOCSARP, &arp);
}

int net_ns_socket(int type, uint16_t *port)
{
	struct sockaddr_in addr = inet(NET_HOST, 0);
	socklen_t len = sizeof(addr);
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(bind(fd, (const struct sockaddr *)&addr, sizeof(addr)), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
	if (type == SOCK_STREAM)
		ck_assert_int_eq(listen(fd, 4), 0);
	*port = ntohs(addr.sin_port);
	return fd;
}

void net_ns_drop_privileges(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];

	ck_assert_int_eq(syscall(SYS_capget, &header, data), 0);
	data[0].effective &= ~(1U << CAP_NET_ADMIN);
	data[0].permitted &= ~(1U << CAP_NET_ADMIN);
	ck_assert_int_eq(syscall(SYS_capset, &header, data), 0);
}
