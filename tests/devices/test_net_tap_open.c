/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* What is said to those who ask for the wrong TAP interface: one line, and nothing is made or changed. */
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "tests/devices/harness.h"
#include "tests/devices/net-ns.h"
#include "tests/devices/suites.h"

#define GIVEN (IFF_VNET_HDR | IFF_MULTI_QUEUE)

static void refuse(const char *args, enum report_status expected, const char *text)
{
	struct virtio_device *dev = NULL;
	struct loop *loop = loop_new();
	struct report report = {0};

	ck_assert_int_eq(type_named("net")->create("--net", args, loop, &dev, &report), -1);
	ck_assert_str_eq(report.text, text);
	ck_assert_int_eq(report.status, expected);
	ck_assert_ptr_null(dev);
	loop_free(loop);
}

START_TEST(descriptors_that_are_wrong)
{
	char args[64], text[256];
	int bare, plain, given, foreign;

	NEED_TAP();
	bare = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	plain = net_ns_open_tap("plain0", 0);
	given = net_ns_open_tap("given0", GIVEN);
	foreign = net_ns_open_tap("other0", GIVEN);
	refuse("tap,fd=777", REPORT_USER, "--net: fd '777' is not open");
	snprintf(args, sizeof(args), "tap,fd=%d", bare);
	snprintf(text, sizeof(text), "--net: fd '%d' is not a queue of a TAP interface", bare);
	refuse(args, REPORT_USER, text);
	snprintf(args, sizeof(args), "tap,fd=%d", plain);
	snprintf(text, sizeof(text),
		 "--net: fd '%d' of 'plain0': right are the flags IFF_TAP, IFF_NO_PI and "
		 "IFF_VNET_HDR",
		 plain);
	refuse(args, REPORT_USER, text);
	snprintf(args, sizeof(args), "tap,fd=%d:%d", given, foreign);
	snprintf(text, sizeof(text), "--net: fd '%d' is of 'other0', those before it of 'given0'",
		 foreign);
	refuse(args, REPORT_USER, text);
	close(bare);
	close(plain);
	close(given);
	close(foreign);
}
END_TEST

/* --- what is wrong --------------------------------------------------------------------------- */

START_TEST(interfaces_that_are_wrong)
{
	int busy;

	NEED_TAP();
	refuse("tap,ifname=none0", REPORT_HOST,
	       "--net: ifname 'none0' does not exist; right is: ip tuntap add dev none0 mode tap "
	       "user $USER");
	refuse("tap,ifname=none0,queues=2", REPORT_HOST,
	       "--net: ifname 'none0' does not exist; right is: ip tuntap add dev none0 mode tap "
	       "multi_queue user $USER");
	refuse("tap,ifname=lo", REPORT_USER,
	       "--net: ifname 'lo' is not a TAP interface; right is: ip tuntap add dev lo mode tap "
	       "user $USER");
	net_ns_add_tap("single0", false);
	refuse("tap,ifname=single0,queues=2", REPORT_USER,
	       "--net: ifname 'single0' is not a TAP interface of several queues; right is: ip "
	       "tuntap add dev single0 mode tap multi_queue user $USER");
	busy = net_ns_open_tap("single0", 0);
	ck_assert_int_ge(busy, 0);
	refuse("tap,ifname=single0", REPORT_HOST,
	       "--net: ifname 'single0' is in use; right is one interface for each guest");
	close(busy);
	refuse("tap,ifname=single0,mtu=1501", REPORT_USER,
	       "--net: mtu '1501' is more than the network's 1500");
	/* Nothing was made. */
	ck_assert_uint_eq(if_nametoindex("none0"), 0);
	ck_assert_uint_eq(if_nametoindex("tap0"), 0);
}
END_TEST

/* Who may open the device but owns no interface. */
START_TEST(interfaces_of_others)
{
	struct ifreq ifr = {.ifr_flags = IFF_TAP | IFF_NO_PI};
	int fd;

	NEED_TAP();
	fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	strcpy(ifr.ifr_name, "foreign0");
	ck_assert_int_eq(ioctl(fd, TUNSETIFF, &ifr), 0);
	ck_assert_int_eq(ioctl(fd, TUNSETPERSIST, 1UL), 0);
	if (ioctl(fd, TUNSETOWNER, 12345UL))
		TEST_SKIP("this namespace has one user");
	close(fd);
	net_ns_drop_privileges();
	refuse("tap,ifname=foreign0", REPORT_HOST,
	       "--net: ifname 'foreign0' is another user's; right is: ip tuntap add dev foreign0 "
	       "mode tap user $USER");
	refuse("tap", REPORT_HOST,
	       "--net: an interface may not be made by this user; right is one that was: ip tuntap "
	       "add dev tap0 mode tap user $USER, and ifname=tap0");
}
END_TEST

static const struct {
	const char *args;
	const char *text;
} mistakes[] = {
	{"tap,", "--net: '': unknown word, known are ifname=NAME, fd=N[:N...] and queues=1..8"},
	{"tap,hostfwd=tcp::1-:1",
	 "--net: 'hostfwd=tcp::1-:1': unknown word, known are ifname=NAME, "
	 "fd=N[:N...] and queues=1..8"},
	{"tap,ifname=",
	 "--net: ifname '' is not the name of an interface: 1 to 15 characters, none "
	 "of them / : % or a space"},
	{"tap,ifname=longer-than-names-are",
	 "--net: ifname 'longer-than-names-are' is not the name of an interface: 1 to 15 "
	 "characters, none of them / : % or a space"},
	{"tap,ifname=tap%d", "--net: ifname 'tap%d' is not the name of an interface: 1 to 15 "
			     "characters, none of them / : % or a space"},
	{"tap,queues=0", "--net: queues '0' is not a number from 1 to 8"},
	{"tap,queues=9", "--net: queues '9' is not a number from 1 to 8"},
	{"tap,queues=two", "--net: queues 'two' is not a number from 1 to 8"},
	{"tap,queues=-1", "--net: queues '-1' is not a number from 1 to 8"},
	{"tap,fd=", "--net: fd '' is not the number of a descriptor"},
	{"tap,fd=5:", "--net: fd '' is not the number of a descriptor"},
	{"tap,fd=5:6:5", "--net: fd '5' is named twice"},
	{"tap,fd=1:2:3:4:5:6:7:8:9", "--net: fd: more than 8 descriptors, a queue each"},
	{"tap,fd=5,ifname=tap0",
	 "--net: ifname 'tap0': either ifname= or fd=, whose interface it is"},
	{"tap,fd=5,queues=2", "--net: queues '2' but 1 descriptors: one for each queue"},
	{"tap,mtu=67", "--net: mtu '67' is not a number from 68 to 65535"},
	{"tap,mtu=65536", "--net: mtu '65536' is not a number from 68 to 65535"},
	{"tap,mtu=", "--net: mtu '' is not a number from 68 to 65535"},
	{"tap,mac=03:00:00:00:00:00",
	 "--net: mac '03:00:00:00:00:00' is not the address of one device: the first byte is even, "
	 "and not all are zero"},
};

START_TEST(words_that_are_wrong)
{
	refuse(mistakes[_i].args, REPORT_USER, mistakes[_i].text);
}
END_TEST

Suite *net_tap_open_suite(void)
{
	Suite *suite = suite_create("net-tap-open");
	TCase *tcase = tcase_create("net-tap-open");

	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, descriptors_that_are_wrong);
	tcase_add_test(tcase, interfaces_that_are_wrong);
	tcase_add_test(tcase, interfaces_of_others);
	tcase_add_loop_test(tcase, words_that_are_wrong, 0, sizeof(mistakes) / sizeof(*mistakes));
	suite_add_tcase(suite, tcase);
	return suite;
}
