/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The test kernel behind a TAP interface: the host's own network stack is the other end. */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "guest/abi.h"
#include "tests/devices/net-ns.h"
#include "tests/kvm/suites.h"
#include "tests/kvm/vm.h"

static struct vm vm;

/* Send every datagram back, an empty one last. How many there were. */
static unsigned int echo(int fd)
{
	const struct timeval patience = {.tv_sec = VM_TIMEOUT_MS / 1000};
	struct sockaddr_storage from;
	static char data[65536];
	unsigned int count = 0;
	ssize_t len;

	ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
	do {
		socklen_t from_len = sizeof(from);

		len = recvfrom(fd, data, sizeof(data), 0, (struct sockaddr *)&from, &from_len);
		ck_assert_msg(len >= 0, "nothing came: %s%s", vm.output, vm.errors);
		ck_assert_int_eq(
			sendto(fd, data, (size_t)len, 0, (struct sockaddr *)&from, from_len), len);
		count++;
	} while (len > 0);
	return count;
}

static const char *const cuts[] = {"--fragment=64K", "--fragment=4K,seed=3", "--region=0:64M"};
static const char *const rings[] = {"ring=split", "ring=packed"};

START_TEST(pings_and_datagrams_over_tap)
{
	char cmdline[128];
	uint16_t port;
	int fd;

	NEED_KVM();
	NEED_TAP();
	net_ns_add_tap("vmm0", false);
	net_ns_configure("vmm0");
	fd = net_ns_socket(SOCK_DGRAM, &port);
	snprintf(cmdline, sizeof(cmdline), "tests=net-ping,net-udp %s%u %s", ABI_KEY_UDP_ECHO, port,
		 rings[_i % 2]);
	vm_start(&vm, _i < 4 ? ARGS(built("guest/kernel.elf"), "--memory", "64M", cuts[_i / 2],
				    "--net", "tap,ifname=vmm0", "--cmdline", cmdline)
			     : ARGS(built("guest/kernel.elf"), cuts[_i / 2], "--net",
				    "tap,ifname=vmm0", "--cmdline", cmdline));
	ck_assert_uint_eq(echo(fd), 7);
	ck_assert_msg(vm_wait(&vm) == 0, "%s%s", vm.output, vm.errors);
	ck_assert_ptr_nonnull(strstr(vm.output, "# 8 pings, "));
	ck_assert_ptr_nonnull(strstr(vm.output, "# 7 datagrams, "));
	ck_assert_str_eq(vm.errors, "");
	close(fd);
}
END_TEST

/* Somebody takes the interface away while the guest uses it. */
START_TEST(tap_that_goes)
{
	char cmdline[128];
	uint16_t port;
	int fd;

	NEED_KVM();
	NEED_TAP();
	net_ns_add_tap("vmm0", false);
	net_ns_configure("vmm0");
	fd = net_ns_socket(SOCK_DGRAM, &port);
	snprintf(cmdline, sizeof(cmdline), "tests=net-ping,net-udp %s%u", ABI_KEY_UDP_ECHO, port);
	vm_start(&vm, ARGS(built("guest/kernel.elf"), "--memory", "64M", "--net", "tap,ifname=vmm0",
			   "--cmdline", cmdline));
	vm_expect_output(&vm, "# 8 pings, ");
	net_ns_remove("vmm0");
	/* The guest gets no answer any more, and says so. */
	ck_assert_int_eq(vm_wait(&vm), 1);
	ck_assert_ptr_nonnull(strstr(vm.output, "not ok 2 - net-udp"));
	ck_assert_msg(strstr(vm.errors, "vmm0") && strchr(vm.errors, '\n') == strrchr(vm.errors, '\n'),
		      "not one line that names it: %s", vm.errors);
	close(fd);
}
END_TEST

Suite *network_suite(void)
{
	Suite *suite = suite_create("network");
	TCase *tcase = tcase_create("network");

	tcase_set_timeout(tcase, 120);
	tcase_add_loop_test(tcase, pings_and_datagrams_over_tap, 0, 6);
	tcase_add_test(tcase, tap_that_goes);
	suite_add_tcase(suite, tcase);
	return suite;
}
