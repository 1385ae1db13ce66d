/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The control socket of a machine that runs, locked down: by its protocol and by vmm ctl. The guest
 * (guest/tiny/peek.S) says what it sees of its devices' configuration.
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/kvm/suites.h"
#include "tests/kvm/vm.h"

static struct vm vm;
static char directory[] = "/tmp/test-control.XXXXXX";
static char path[64], disk[64];
static char reply[1 << 20]; /* the last line that came */

static void setup(void)
{
	int fd;

	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/control", directory);
	snprintf(disk, sizeof(disk), "%s/disk", directory);
	fd = open(disk, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	ck_assert_int_eq(ftruncate(fd, 1 << 20), 0);
	close(fd);
}

static void teardown(void)
{
	unlink(disk);
	unlink(path);
	ck_assert_int_eq(rmdir(directory), 0);
}

/* The guest with a device of each kind; its console is null. */
static void start_peek(void)
{
	vm_start(&vm, ARGS(tiny("peek"), "--flat=0x1000,32", WHOLE_JAIL, "--serial=null", "--disk",
			   disk, "--net=none", "--balloon", "--console=null,port=log:null",
			   "--control", path));
}

static int connect_to(const char *where)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int status;

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", where);
	for (unsigned int i = 0; connect(fd, (struct sockaddr *)&addr, sizeof(addr)); i++) {
		ck_assert_msg(waitpid(vm.pid, &status, WNOHANG) == 0, "it ended");
		ck_assert_uint_lt(i, VM_TIMEOUT_MS / 10);
		usleep(10000);
	}
	return fd;
}

/* The next line, or what comes before the end. */
static const char *read_line(int fd)
{
	size_t len = 0;

	while (len < sizeof(reply) - 1) {
		struct pollfd pollfd = {.fd = fd, .events = POLLIN};

		ck_assert_int_eq(poll(&pollfd, 1, VM_TIMEOUT_MS), 1);
		if (read(fd, reply + len, 1) != 1 || reply[len] == '\n')
			break;
		len++;
	}
	reply[len] = '\0';
	return reply;
}

static const char *ask(int fd, const char *request)
{
	ck_assert_int_eq(write(fd, request, strlen(request)), (ssize_t)strlen(request));
	ck_assert_int_eq(write(fd, "\n", 1), 1);
	return read_line(fd);
}

/* What the guest says of word @word of device @device, by a console that is attached. */
static unsigned long peek(int console, unsigned int device, unsigned int word)
{
	char keys[2] = {(char)('0' + device), (char)('0' + word)};

	ck_assert_int_eq(write(console, keys, 2), 2);
	return strtoul(read_line(console), NULL, 16);
}

static int attach_console(const char *name)
{
	int fd = connect_to(path);
	char request[128], expected[128];

	snprintf(request, sizeof(request), "{\"request\":\"console-attach\",\"console\":\"%s\"}",
		 name);
	snprintf(expected, sizeof(expected), "{\"ok\":true,\"console\":\"%s\"}", name);
	ck_assert_str_eq(ask(fd, request), expected);
	return fd;
}

static void quit(int fd)
{
	ck_assert_str_eq(ask(fd, "{\"request\":\"quit\",\"status\":42}"), "{\"ok\":true}");
	ck_assert_int_eq(vm_wait(&vm), 42);
	ck_assert_str_eq(vm.errors, "");
	ck_assert_int_eq(access(path, F_OK), -1);
}

/* The reply is JSON: its member @name is an object, which has @inner. */
static void check_value(const char *name, const char *inner)
{
	json_t *value = json_loads(reply, JSON_REJECT_DUPLICATES, NULL);
	const json_t *object = json_object_get(value, name);

	ck_assert(json_is_true(json_object_get(value, "ok")));
	ck_assert_msg(json_is_object(object) && json_object_get(object, inner), "%s", reply);
	json_decref(value);
}

START_TEST(test_status)
{
	struct stat st;
	int fd;

	NEED_KVM();
	start_peek();
	fd = connect_to(path);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_mode & 0777, 0600);
	ask(fd, "{\"request\":\"status\",\"id\":1}");
	ck_assert_int_eq(strncmp(reply, "{\"ok\":true,\"id\":1,\"state\":\"running\",", 35), 0);
	ck_assert_ptr_nonnull(strstr(reply, ",\"vcpus\":1,\"memory\":134217728,"));
	ck_assert_ptr_nonnull(strstr(reply, "{\"name\":\"disk0\",\"what\":\"disk disk\"},"
					    "{\"name\":\"net0\",\"what\":\"net none\"},"));
	ck_assert_ptr_nonnull(
		strstr(reply, ",\"consoles\":[\"serial\",\"console0\",\"console0/log\"],"));
	ask(fd, "{\"request\":\"map\"}");
	check_value("map", "kernel");
	ask(fd, "{\"request\":\"stats\"}");
	check_value("stats", "vcpus");
	quit(fd);
}
END_TEST

/* Two guests' worth of events, and a guest that answers only while it runs. */
START_TEST(test_pause)
{
	struct pollfd pollfd = {.events = POLLIN};
	int fd, console, watcher;

	NEED_KVM();
	start_peek();
	fd = connect_to(path);
	watcher = connect_to(path);
	ck_assert_str_eq(ask(watcher, "{\"request\":\"subscribe\"}"), "{\"ok\":true}");
	console = attach_console("serial");
	ck_assert_uint_eq(peek(console, 0, 0), (1 << 20) / 512);
	ck_assert_str_eq(ask(fd, "{\"request\":\"pause\"}"), "{\"ok\":true,\"state\":\"paused\"}");
	ck_assert_str_eq(ask(fd, "{\"request\":\"pause\"}"), "{\"ok\":true,\"state\":\"paused\"}");
	ck_assert_int_eq(write(console, "00", 2), 2);
	pollfd.fd = console;
	ck_assert_int_eq(poll(&pollfd, 1, 300), 0);
	/* Who paused it goes; it stays as it is. */
	close(fd);
	ck_assert_int_eq(poll(&pollfd, 1, 100), 0);
	fd = connect_to(path);
	ck_assert_str_eq(ask(fd, "{\"request\":\"resume\"}"),
			 "{\"ok\":true,\"state\":\"running\"}");
	ck_assert_str_eq(read_line(console), "00000800");
	ck_assert_str_eq(ask(fd, "{\"request\":\"resume\"}"),
			 "{\"ok\":true,\"state\":\"running\"}");
	ck_assert_str_eq(ask(fd, "{\"request\":\"reset\"}"), "{\"ok\":true}");
	ck_assert_str_eq(read_line(watcher), "{\"event\":\"paused\"}");
	ck_assert_str_eq(read_line(watcher), "{\"event\":\"resumed\"}");
	ck_assert_str_eq(read_line(watcher), "{\"event\":\"reset\"}");
	/* The console stays attached: the guest greets again. */
	ck_assert_int_eq(read(console, reply, 1), 1);
	ck_assert_int_eq(reply[0], '>');
	quit(fd);
	ck_assert_str_eq(read_line(watcher), "{\"event\":\"ended\",\"status\":42}");
}
END_TEST

START_TEST(test_power)
{
	int fd;

	NEED_KVM();
	vm_start(&vm, ARGS(tiny("button"), "--flat=0x1000,32", WHOLE_JAIL, "--control", path));
	vm_expect_output(&vm, ">");
	fd = connect_to(path);
	ck_assert_str_eq(ask(fd, "{\"request\":\"power\"}"), "{\"ok\":true}");
	ck_assert_int_eq(vm_wait(&vm), 0);
	ck_assert_str_eq(vm.output, ">b");
}
END_TEST

START_TEST(test_nobody_listens)
{
	int fd;

	NEED_KVM();
	vm_start(&vm,
		 ARGS(tiny("spin"), "--flat=0x1000", WHOLE_JAIL, "--no-reboot", "--control", path));
	fd = connect_to(path);
	ask(fd, "{\"request\":\"power\"}");
	ck_assert_ptr_nonnull(strstr(reply, "\"power: the guest does not listen"));
	ask(fd, "{\"request\":\"reset\"}");
	ck_assert_ptr_nonnull(strstr(reply, "\"reset: not with --no-reboot;"));
	ask(fd, "{\"request\":\"balloon\"}");
	ck_assert_ptr_nonnull(strstr(reply, "\"the machine has no balloon\""));
	ask(fd, "{\"request\":\"disk-resize\",\"disk\":\"disk1\"}");
	ck_assert_ptr_nonnull(strstr(reply, "\"there is no disk 'disk1'; status lists"));
	quit(fd);
}
END_TEST

/* --- devices -------------------------------------------------------------------------------------- */

START_TEST(test_disk)
{
	struct stat st;
	int fd, console;

	NEED_KVM();
	start_peek();
	fd = connect_to(path);
	console = attach_console("serial");
	ck_assert_uint_eq(peek(console, 0, 0), 2048);
	ck_assert_str_eq(ask(fd, "{\"request\":\"disk-resize\",\"size\":\"3M\"}"),
			 "{\"ok\":true,\"size\":3145728}");
	ck_assert_uint_eq(peek(console, 0, 0), 6144);
	ck_assert_int_eq(stat(disk, &st), 0);
	ck_assert_int_eq(st.st_size, 3 << 20);
	ask(fd, "{\"request\":\"disk-resize\",\"disk\":\"disk0\",\"size\":1048576}");
	ck_assert_ptr_nonnull(strstr(reply, "has 3145728 bytes, and does not shrink"));
	ask(fd, "{\"request\":\"disk-resize\",\"size\":\"4M+1\"}");
	ck_assert_ptr_nonnull(strstr(reply, "4194305 bytes are not a multiple of 512"));
	/* Somebody else made it longer. */
	ck_assert_int_eq(truncate(disk, 5 << 20), 0);
	ck_assert_str_eq(ask(fd, "{\"request\":\"disk-resize\"}"),
			 "{\"ok\":true,\"size\":5242880}");
	ck_assert_uint_eq(peek(console, 0, 0), 10240);
	quit(fd);
}
END_TEST

START_TEST(test_balloon)
{
	int fd, console;

	NEED_KVM();
	start_peek();
	fd = connect_to(path);
	console = attach_console("serial");
	ck_assert_str_eq(ask(fd, "{\"request\":\"balloon\",\"size\":\"64M\"}"),
			 "{\"ok\":true,\"target\":67108864,\"actual\":0,\"held\":0}");
	ck_assert_uint_eq(peek(console, 2, 0), 16384);
	ck_assert_str_eq(ask(fd, "{\"request\":\"balloon\"}"),
			 "{\"ok\":true,\"target\":67108864,\"actual\":0,\"held\":0}");
	ask(fd, "{\"request\":\"balloon\",\"size\":4097}");
	ck_assert_ptr_nonnull(strstr(reply, "\"balloon: size is not a multiple of 4K"));
	quit(fd);
}
END_TEST

/* --- consoles -------------------------------------------------------------------------------------- */

/* Beside standard output, which has it all, too. */
START_TEST(test_console)
{
	int fd, console, second;

	NEED_KVM();
	vm_start(&vm, ARGS(tiny("peek"), "--flat=0x1000,32", WHOLE_JAIL, "--disk", disk,
			   "--control", path));
	vm_expect_output(&vm, ">");
	fd = connect_to(path);
	console = attach_console("serial");
	ck_assert_uint_eq(peek(console, 0, 0), 2048);
	vm_send(&vm, "00", 2);
	ck_assert_str_eq(read_line(console), "00000800");
	second = connect_to(path);
	ck_assert_str_eq(ask(second, "{\"request\":\"console-attach\"}"),
			 "{\"ok\":false,\"error\":\"somebody is at serial already\"}");
	close(console);
	/* It takes the loop a moment to see it. */
	while (strstr(ask(second, "{\"request\":\"console-attach\"}"), "already"))
		usleep(1000);
	ck_assert_str_eq(reply, "{\"ok\":true,\"console\":\"serial\"}");
	ck_assert_uint_eq(peek(second, 0, 0), 2048);
	vm_expect_output(&vm, ">00000800\n00000800\n00000800\n");
	ask(fd, "{\"request\":\"console-attach\",\"console\":\"console0\"}");
	ck_assert_ptr_nonnull(strstr(reply, "\"there is no console 'console0'; status lists"));
	quit(fd);
}
END_TEST

/* --- networks -------------------------------------------------------------------------------------- */

static void send_with(int fd, const char *request, int passed)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr header;
	} control = {{0}};
	struct iovec iov = {(void *)(uintptr_t)request, strlen(request)};
	struct msghdr message = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};

	control.header = (struct cmsghdr){CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
	memcpy(CMSG_DATA(&control.header), &passed, sizeof(int));
	ck_assert_int_eq(sendmsg(fd, &message, 0), (ssize_t)iov.iov_len);
}

/* The status field is the upper half of word 1. */
static void wait_for_link(int console, bool up)
{
	for (unsigned int i = 0; peek(console, 1, 1) >> 16 != up; i++) {
		ck_assert_uint_lt(i, 1000);
		usleep(10000);
	}
}

START_TEST(test_link)
{
	static const char attach[] = "{\"request\":\"net-attach\",\"net\":\"net0\"}\n";
	int fd, console, pair[2], stream[2];

	NEED_KVM();
	start_peek();
	fd = connect_to(path);
	console = attach_console("serial");
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, stream), 0);
	wait_for_link(console, false);
	send_with(fd, attach, stream[0]);
	ck_assert_str_eq(read_line(fd), "{\"ok\":false,\"error\":\"the descriptor is not a UNIX "
					"socket of datagrams or packets\"}");
	send_with(fd, attach, pair[0]);
	close(pair[0]);
	ck_assert_str_eq(read_line(fd), "{\"ok\":true,\"socket\":true}");
	wait_for_link(console, true);
	ck_assert_str_eq(ask(fd, "{\"request\":\"net-detach\"}"), "{\"ok\":true}");
	wait_for_link(console, false);
	/* Nobody has the other end any more. */
	ck_assert_int_eq(recv(pair[1], reply, 1, 0), 0);
	close(pair[1]);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	send_with(fd, attach, pair[0]);
	close(pair[0]);
	ck_assert_str_eq(read_line(fd), "{\"ok\":true,\"socket\":true}");
	wait_for_link(console, true);
	/* An end that closes is a cable that is pulled. */
	close(pair[1]);
	wait_for_link(console, false);
	ck_assert_str_eq(ask(fd, "{\"request\":\"net-attach\"}"), "{\"ok\":true,\"socket\":false}");
	wait_for_link(console, false);
	quit(fd);
}
END_TEST

static void put16(uint8_t *to, unsigned int value)
{
	to[0] = (uint8_t)(value >> 8);
	to[1] = (uint8_t)value;
}

/* The gateway 10.0.2.2: an answer to ARP and to a ping, in place. False: what it is no answer to. */
static bool answer(uint8_t *frame)
{
	static const uint8_t mac[6] = {0x52, 0x55, 10, 0, 2, 2};
	uint8_t *at = frame + 14, addr[4];
	unsigned int sum;

	memcpy(frame, frame + 6, 6);
	memcpy(frame + 6, mac, 6);
	if (frame[13] == 0x06) {
		put16(at + 6, 2);
		memcpy(addr, at + 24, 4);
		memcpy(at + 18, at + 8, 10);
		memcpy(at + 8, mac, 6);
		memcpy(at + 14, addr, 4);
		return true;
	}
	memcpy(addr, at + 12, 4);
	memcpy(at + 12, at + 16, 4);
	memcpy(at + 16, addr, 4);
	/* Its checksum counts the type that goes from 8 to 0. */
	sum = ((unsigned int)at[22] << 8 | at[23]) + 0x800;
	put16(at + 22, (sum & 0xffff) + (sum >> 16));
	at[20] = 0;
	return at[9] == 1;
}

/* Frames both ways: the test kernel's pings, which a debugger lets go when the cable is there. */
START_TEST(test_frames)
{
	char gdb[80], word[100];
	uint8_t frame[2048];
	int fd, debugger, pair[2], type = _i ? SOCK_DGRAM : SOCK_SEQPACKET;
	unsigned int pings = 0;

	NEED_KVM();
	snprintf(gdb, sizeof(gdb), "%s/gdb", directory);
	snprintf(word, sizeof(word), "--gdb=%s", gdb);
	vm_start(&vm, ARGS(built("guest/kernel.elf"), WHOLE_JAIL, "--net=none", "--control", path,
			   word, "--cmdline", "tests=net-ping"));
	fd = connect_to(path);
	ck_assert_int_eq(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, pair), 0);
	send_with(fd, "{\"request\":\"net-attach\"}\n", pair[0]);
	close(pair[0]);
	ck_assert_str_eq(read_line(fd), "{\"ok\":true,\"socket\":true}");
	debugger = connect_to(gdb);
	ck_assert_int_eq(write(debugger, "$c#63", 5), 5);
	while (pings < 8) {
		struct pollfd pollfd = {.fd = pair[1], .events = POLLIN};
		ssize_t len;

		ck_assert_int_eq(poll(&pollfd, 1, VM_TIMEOUT_MS), 1);
		len = recv(pair[1], frame, sizeof(frame), 0);
		ck_assert_int_gt(len, 14 + 20);
		pings += frame[13] == 0;
		ck_assert(answer(frame));
		ck_assert_int_eq(send(pair[1], frame, (size_t)len, 0), len);
	}
	ck_assert_msg(vm_wait(&vm) == 0, "%s%s", vm.output, vm.errors);
	ck_assert_ptr_nonnull(strstr(vm.output, "# 8 pings, "));
	close(debugger);
}
END_TEST

/* --- vmm ctl ---------------------------------------------------------------------------------------- */

static struct vm ctl;

static const struct {
	const char *words[3];
	int status;
	const char *output, *errors;
} commands[] = {
	{{"pause"}, 0, "state: paused\n", ""},
	{{"resume", "--json"}, 0, "{\"ok\":true,\"state\":\"running\"}\n", ""},
	{{"balloon", "64M"}, 0, "target: 67108864\nactual: 0\nheld: 0\n", ""},
	{{"balloon", "size=0"}, 0, "target: 0\nactual: 0\nheld: 0\n", ""},
	{{"balloon", "x"}, 2, "", "vmm: ctl: balloon: 'x' is not a size, for example 64M\n"},
	{{"balloon", "1M", "2M"}, 2, "", "vmm: ctl: balloon: '2M' is too much; it takes [SIZE]\n"},
	{{"resize", "disk0", "2M"}, 0, "size: 2097152\n", ""},
	{{"disk-resize", "size=3M"}, 0, "size: 3145728\n", ""},
	{{"disk-resize", "disk7"},
	 1,
	 "",
	 "vmm: ctl: there is no disk 'disk7'; status lists what there is\n"},
	{{"power"},
	 1,
	 "",
	 "vmm: ctl: power: the guest does not listen to the power button; quit ends it\n"},
	{{"detach"}, 0, "", ""},
	{{"attach", "fd=0"},
	 1,
	 "",
	 "vmm: ctl: the descriptor is not a UNIX socket of datagrams or packets\n"},
	{{"attach", "unix=/nowhere"}, 2, "", "vmm: ctl: unix=/nowhere: No such file or directory\n"},
	{{"attach", "net0"}, 0, "socket: false\n", ""},
	{{"stat"}, 2, "", NULL},
	{{"quit", "256"}, 2, "", "vmm: ctl: quit: '256' is not a status, 0 to 255\n"},
	{{"console", "nobody"},
	 1,
	 "",
	 "vmm: ctl: there is no console 'nobody'; status lists what there is\n"},
	{{"map", "png"}, 1, "", "vmm: ctl: map: format is json, text or svg\n"},
};

START_TEST(test_ctl)
{
	NEED_KVM();
	start_peek();
	close(connect_to(path));
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		const char *const *words = commands[i].words;

		vm_run(&ctl, "", ARGS("ctl", path, words[0], words[1], words[2]));
		ck_assert_str_eq(ctl.output, commands[i].output);
		if (commands[i].errors)
			ck_assert_str_eq(ctl.errors, commands[i].errors);
		ck_assert_int_eq(ctl.status, commands[i].status);
	}
	vm_run(&ctl, "", ARGS("ctl", path, "map"));
	ck_assert_ptr_nonnull(strstr(ctl.output, "peek"));
	vm_run(&ctl, "", ARGS("ctl", path, "status"));
	ck_assert_ptr_nonnull(
		strstr(ctl.output, "devices:\n  - name: disk0\n    what: disk disk\n"));
	vm_run(&ctl, "", ARGS("ctl", path, "quit", "5"));
	ck_assert_int_eq(vm_wait(&vm), 5);
	vm_run(&ctl, "", ARGS("ctl", path, "status"));
	ck_assert_int_eq(ctl.status, 1);
}
END_TEST

/* On a terminal, with its keys; the machine goes on when one leaves. */
START_TEST(test_ctl_console)
{
	NEED_KVM();
	start_peek();
	close(connect_to(path));
	vm_start_on_terminal(&ctl, ARGS("ctl", path, "console", "serial"));
	vm_expect_errors(&ctl, "Ctrl-A x leaves");
	vm_send(&ctl, "00", 2);
	vm_expect_output(&ctl, "00000800");
	vm_send(&ctl, "\001x", 2);
	ck_assert_int_eq(vm_wait(&ctl), 0);
	close(ctl.terminal);
	close(ctl.out);
	quit(connect_to(path));
}
END_TEST

/* --- other ends ------------------------------------------------------------------------------------- */

/* A socket that listens already, whose file is whoever's who made it. */
START_TEST(test_inherited)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	char word[32];

	NEED_KVM();
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	ck_assert_int_eq(listen(fd, 3), 0);
	snprintf(word, sizeof(word), "--control=fd:%d", fd);
	vm_start(&vm, ARGS(tiny("spin"), "--flat=0x1000", WHOLE_JAIL, word));
	close(fd);
	fd = connect_to(path);
	ck_assert_str_eq(ask(fd, "{\"request\":\"quit\"}"), "{\"ok\":true}");
	ck_assert_int_eq(vm_wait(&vm), 0);
	ck_assert_int_eq(access(path, F_OK), 0);
}
END_TEST

START_TEST(test_crashed)
{
	int fd;

	NEED_KVM();
	vm_start(&vm, ARGS(tiny("triple-fault"), "--flat=0x1000,32", WHOLE_JAIL, "--on-crash=gdb",
			   "--gdb=0,run", "--control", path));
	vm_expect_errors(&vm, "the guest crashed and waits");
	fd = connect_to(path);
	ask(fd, "{\"request\":\"status\"}");
	ck_assert_ptr_nonnull(strstr(reply, "\"state\":\"crashed\""));
	ck_assert_str_eq(ask(fd, "{\"request\":\"resume\"}"),
			 "{\"ok\":false,\"error\":\"resume: the guest has crashed\"}");
	ck_assert_str_eq(ask(fd, "{\"request\":\"quit\"}"), "{\"ok\":true}");
	ck_assert_int_eq(vm_wait(&vm), 3);
}
END_TEST

Suite *control_suite(void)
{
	Suite *suite = suite_create("control");
	TCase *tc = tcase_create("control");

	tcase_set_timeout(tc, 90);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_status);
	tcase_add_test(tc, test_pause);
	tcase_add_test(tc, test_power);
	tcase_add_test(tc, test_nobody_listens);
	tcase_add_test(tc, test_disk);
	tcase_add_test(tc, test_balloon);
	tcase_add_test(tc, test_console);
	tcase_add_test(tc, test_link);
	tcase_add_loop_test(tc, test_frames, 0, 2);
	tcase_add_test(tc, test_ctl);
	tcase_add_test(tc, test_ctl_console);
	tcase_add_test(tc, test_inherited);
	tcase_add_test(tc, test_crashed);
	suite_add_tcase(suite, tc);
	return suite;
}
