/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The test kernel on memories of different cuts, with all devices: every line of its TAP is ok. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guest/abi.h"
#include "tests/kvm/suites.h"
#include "tests/kvm/vm.h"

#define DISK_SIZE (4 * 1024 * 1024)

static struct vm vm;

static const struct {
	const char *option;
	const char *value;
	const char *transport;
	const char *fragment; /* or NULL */
} memories[] = {
	{"--memory", "64M", "mmio", NULL},
	{"--memory", "64M", "pci", "--fragment=1M"},
	{"--memory", "32M", "mmio", "--fragment=64K,seed=7"},
	{"--region", "0:512K*96", "pci", NULL},
};

static const char *const rings[] = {"packed", "split"};

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

/* What the test blk-final leaves in the scratch sectors at the end of the disk. */
static void check_disk(int fd)
{
	uint64_t first = DISK_SIZE / ABI_SECTOR_SIZE - ABI_DEFAULT_SCRATCH_SECTORS;

	for (unsigned int i = 0; i < ABI_DEFAULT_SCRATCH_SECTORS; i++) {
		uint64_t words[ABI_SECTOR_SIZE / 8];

		ck_assert_int_eq(pread(fd, words, sizeof(words),
				       (off_t)((first + i) * ABI_SECTOR_SIZE)),
				 sizeof(words));
		for (unsigned int word = 0; word < ABI_SECTOR_SIZE / 8; word++)
			ck_assert_uint_eq(words[word],
					  abi_pattern(first + i, word, ABI_PATTERN_FINAL));
	}
}

/* At least @min lines that are ok, none that is not, as many as were planned. */
static void check_tap(const char *text)
{
	unsigned int plan = 0, ok = 0;

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		ck_assert_msg(strncmp(line, "not ok", 6) != 0, "%.60s", line);
		ok += strncmp(line, "ok ", 3) == 0;
		if (strncmp(line, "1..", 3) == 0)
			plan = (unsigned int)strtoul(line + 3, NULL, 10);
	}
	ck_assert_uint_gt(plan, 0);
	ck_assert_uint_eq(ok, plan);
}

/* Every device ran on the format asked for. */
static void check_ring(const char *text, const char *ring)
{
	unsigned int devices = 0, same = 0;
	char wanted[16];

	snprintf(wanted, sizeof(wanted), ", %s", ring);
	for (const char *line = text; (line = strstr(line, "\n# device ")); devices++) {
		const char *end = strchr(++line, '\n');

		same += end && memmem(line, (size_t)(end - line), wanted, strlen(wanted));
	}
	ck_assert_uint_eq(devices, 5);
	ck_assert_uint_eq(same, devices);
}

/* The other end of the kernel's sockets; it listens when this returns. */
static FILE *start_peer(const char *socket)
{
	char command[600], line[64];
	FILE *peer;

	snprintf(command, sizeof(command), "exec '%s' '%s'", built("vsock-peer"), socket);
	peer = popen(command, "r");
	ck_assert_ptr_nonnull(peer);
	ck_assert_ptr_nonnull(fgets(line, sizeof(line), peer));
	ck_assert_str_eq(line, "listening\n");
	return peer;
}

/* It has seen both connections through. */
static void check_peer(FILE *peer)
{
	unsigned int ok = 0;
	char line[128];

	while (fgets(line, sizeof(line), peer)) {
		ck_assert_msg(strncmp(line, "ok ", 3) == 0, "%s", line);
		ok++;
	}
	ck_assert_uint_eq(ok, 2);
	ck_assert_int_eq(pclose(peer), 0);
}

/* What port 1 of the console is connected to: a line waits there for the kernel. */
struct port {
	char in[64], out[64];
	int in_fd, out_fd;
};

#define PORT_LINE "a-line-for-port-1"

static void make_port(struct port *port, const char *dir)
{
	static const char line[] = PORT_LINE "\n";

	snprintf(port->in, sizeof(port->in), "%s/port.in", dir);
	snprintf(port->out, sizeof(port->out), "%s/port.out", dir);
	ck_assert_int_eq(mkfifo(port->in, 0600) | mkfifo(port->out, 0600), 0);
	port->in_fd = open(port->in, O_RDWR | O_CLOEXEC);
	port->out_fd = open(port->out, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	ck_assert_int_ge(port->in_fd, 0);
	ck_assert_int_ge(port->out_fd, 0);
	ck_assert_int_eq(write(port->in_fd, line, sizeof(line) - 1), sizeof(line) - 1);
}

/* The kernel has read it, and said what it had to say. */
static void end_port(struct port *port)
{
	char text[256] = "";

	ck_assert_int_gt(read(port->out_fd, text, sizeof(text) - 1), 0);
	ck_assert_str_eq(text, ABI_CONSOLE_PORT_MARKER "\n" PORT_LINE "\r\n");
	close(port->in_fd);
	close(port->out_fd);
	ck_assert_int_eq(unlink(port->in) | unlink(port->out), 0);
}

START_TEST(test_kernel)
{
	char disk[] = "/tmp/vmm-test-disk-XXXXXX";
	char console[] = "/tmp/vmm-test-console-XXXXXX", spec[128], text[4096], cmdline[128];
	char two_queues[64];
	const char *ring = rings[_i % COUNT(rings)];
	size_t memory = (size_t)_i / COUNT(rings);
	char dir[] = "/tmp/vmm-test-vsock-XXXXXX", vsock[sizeof(dir) + 8];
	struct port port;
	FILE *peer;
	int disk_fd, console_fd;
	ssize_t len;

	NEED_KVM();
	disk_fd = mkstemp(disk);
	console_fd = mkstemp(console);
	ck_assert_int_ge(disk_fd, 0);
	ck_assert_int_ge(console_fd, 0);
	ck_assert_int_eq(ftruncate(disk_fd, DISK_SIZE), 0);
	ck_assert_ptr_nonnull(mkdtemp(dir));
	make_port(&port, dir);
	snprintf(spec, sizeof(spec), "file=%s,port=org.test:pipe=%s/port", console, dir);
	snprintf(vsock, sizeof(vsock), "%s/vsock", dir);
	snprintf(two_queues, sizeof(two_queues), "%s,queues=2", disk);
	peer = start_peer(vsock);
	snprintf(cmdline, sizeof(cmdline),
		 "maxboundaries=8 vsockpeer=1 consoleport=" PORT_LINE " ring=%s", ring);
	vm_run(&vm, "",
	       ARGS(built("guest/kernel.elf"), memories[memory].option, memories[memory].value,
		    "--transport", memories[memory].transport, "--disk", two_queues, "--rng",
		    "--balloon=1M", "--console", spec, "--vsock", vsock, "--cmdline", cmdline,
		    memories[memory].fragment));
	unlink(disk);
	unlink(console);
	ck_assert_msg(vm.status == 0, "status %d: %s%s", vm.status, vm.output, vm.errors);
	ck_assert_str_eq(vm.errors, "");
	check_tap(vm.output);
	check_ring(vm.output, ring);
	ck_assert_ptr_nonnull(strstr(vm.output, "# 2 queues\nok "));
	check_disk(disk_fd);
	check_peer(peer);
	end_port(&port);
	ck_assert_int_eq(rmdir(dir), 0);
	/* Skipped, and said so, where there is no boundary to send across. */
	len = read(console_fd, text, sizeof(text));
	ck_assert_int_gt(len, 0);
	if (!strstr(vm.output, "console-tx # SKIP no boundaries"))
		ck_assert_ptr_nonnull(
			memmem(text, (size_t)len, ABI_CONSOLE_MARKER, strlen(ABI_CONSOLE_MARKER)));
	close(disk_fd);
	close(console_fd);
}
END_TEST

/* One for each slot of the bus but the bridge's, all of which interrupt; and no more. */
START_TEST(as_many_devices_as_the_bus_has_slots)
{
	char disk[] = "/tmp/vmm-test-disk-XXXXXX", option[64], want[160];
	const char *args[48] = {built("guest/kernel.elf"), "--transport", "pci", "--cmdline",
				"tests=irq-devices"};
	int fd;

	NEED_KVM();
	fd = mkstemp(disk);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, ABI_SECTOR_SIZE), 0);
	close(fd);
	snprintf(option, sizeof(option), "--disk=%s,ro", disk);
	for (unsigned int i = 0; i < 31; i++)
		args[5 + i] = option;
	vm_run(&vm, "", args);
	ck_assert_msg(vm.status == 0, "status %d: %s%s", vm.status, vm.output, vm.errors);
	ck_assert_ptr_nonnull(strstr(vm.output, "# 31 devices\nok "));
	args[5 + 31] = option;
	vm_run(&vm, "", args);
	unlink(disk);
	ck_assert_int_eq(vm.status, 2);
	snprintf(want, sizeof(want), "vmm: --disk %s,ro: there is room for 31 devices\n", disk);
	ck_assert_str_eq(vm.errors, want);
}
END_TEST

/* Reset while they are up, devices work on the second and third day as on the first. */
START_TEST(devices_after_a_restart)
{
	static const char day[] = "1..1\n# 2 devices\nok 1 - irq-devices\n";
	char days[3 * sizeof(day)];

	NEED_KVM();
	snprintf(days, sizeof(days), "%s%s%s", day, day, day);
	vm_start(&vm, ARGS(built("guest/kernel.elf"), "--transport", _i ? "pci" : "mmio", "--rng",
			   "--console", "null", "--cmdline", "tests=irq-devices restart=1"));
	vm_expect_output(&vm, days);
	kill(vm.pid, SIGTERM);
	ck_assert_int_eq(vm_wait(&vm), 128 + SIGTERM);
	ck_assert_str_eq(vm.errors, "");
}
END_TEST

/* What the kernel gave has left the host, and what it said about itself is known. */
START_TEST(balloon_gives_back)
{
	NEED_KVM();
	vm_run(&vm, "",
	       ARGS(built("guest/kernel.elf"), "--memory", "64M", "--fragment=64K", "--stats",
		    "--balloon=1M", "--cmdline", "tests=balloon"));
	ck_assert_msg(vm.status == 0, "status %d: %s%s", vm.status, vm.output, vm.errors);
	ck_assert_ptr_nonnull(strstr(vm.output, "# 32 pages, 32 of them empty"));
	ck_assert_ptr_nonnull(strstr(vm.errors,
				     "vmm: virtio-balloon: 0 KiB of 1024 in it, given back 128 KiB "
				     "of pages put in, 128 reported free; 4 KiB of 32 free\n"));
}
END_TEST

Suite *kernel_suite(void)
{
	Suite *suite = suite_create("kernel");
	TCase *tcase = tcase_create("kernel");

	tcase_set_timeout(tcase, 120);
	tcase_add_loop_test(tcase, test_kernel, 0, COUNT(memories) * COUNT(rings));
	tcase_add_test(tcase, as_many_devices_as_the_bus_has_slots);
	tcase_add_loop_test(tcase, devices_after_a_restart, 0, 2);
	tcase_add_test(tcase, balloon_gives_back);
	suite_add_tcase(suite, tcase);
	return suite;
}
