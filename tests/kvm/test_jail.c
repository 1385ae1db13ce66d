/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The jail, from outside by what /proc says of the monitor, and from inside by a library that
 * attempts what a thread of each role may not (tests/jail/intrude.c).
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

#include "tests/jail/actions.h"
#include "tests/kvm/suites.h"
#include "tests/kvm/vm.h"

#define NOBODY 65534

static struct vm vm;
static char disk[] = "/tmp/test-jail.XXXXXX"; /* also the file that intruders want */
static char directory[] = "/tmp/test-jail-dir.XXXXXX";

static void make_disk(void)
{
	int fd = mkstemp(disk);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, 1 << 20), 0);
	close(fd);
	ck_assert_ptr_nonnull(mkdtemp(directory));
}

static void remove_disk(void)
{
	unlink(disk);
	rmdir(directory);
}

static bool has_user_net(void)
{
	return access("/usr/lib/x86_64-linux-gnu/libslirp.so.0", F_OK) == 0;
}

/* --- from inside ---------------------------------------------------------------------------------- */

enum role { VCPU, LOOP, VSOCK, IO, NET, ROLES };

static const struct {
	const char *intruder, *name;
} roles[ROLES] = {
	{"vcpu", "vcpu"},      {"loop", "loop"},    {"loop", "loop"},
	{"io", "disk engine"}, {"net", "net-user"},
};

static const char *const actions[] = JAIL_ACTIONS;

#define ACTIONS ((int)(sizeof(actions) / sizeof(actions[0])))

/* The end of a monitor with a thread of each role, one of which attempts something. */
static void intrude(enum role role, const char *action, const char *jail)
{
	char plan[64], words[128], socket[128];

	snprintf(plan, sizeof(plan), "%s %s", roles[role].intruder, action);
	snprintf(words, sizeof(words), "%s,aio=threads", disk);
	snprintf(socket, sizeof(socket), "%s/vsock", directory);
	ck_assert_int_eq(setenv("INTRUDE", plan, 1), 0);
	ck_assert_int_eq(setenv("INTRUDE_FILE", disk, 1), 0);
	ck_assert_int_eq(setenv("LD_PRELOAD", built("tests/libintrude.so"), 1), 0);
	switch (role) {
	case IO:
		vm_run(&vm, "",
		       ARGS(built("guest/kernel.elf"), jail, "--disk", words, "--cmdline",
			    "tests=blk-data,blk-final maxboundaries=2"));
		break;
	case NET:
		vm_run(&vm, "", ARGS(tiny("halt"), "--flat=0x1000", jail, "--net", "user"));
		break;
	case VSOCK:
		vm_run(&vm, "", ARGS(tiny("halt"), "--flat=0x1000", jail, "--vsock", socket));
		unlink(socket);
		break;
	default: vm_run(&vm, "", ARGS(tiny("halt"), "--flat=0x1000", jail));
	}
	unsetenv("LD_PRELOAD");
}

START_TEST(test_attempts)
{
	enum role role = (enum role)(_i / ACTIONS);
	const char *action = actions[_i % ACTIONS];
	char line[64];
	int came_back = 0;

	NEED_KVM();
	if (role == NET && !has_user_net())
		TEST_SKIP("no libslirp");
	/* What a filter lets through is Landlock's: all but one file to read, all but what was made. */
	if (role == NET && strcmp(action, "open") == 0)
		came_back = EACCES;
	if ((role == LOOP || role == VSOCK) && strcmp(action, "unlink") == 0)
		came_back = EACCES;
	intrude(role, action, "--jail");
	if (came_back) {
		snprintf(line, sizeof(line), "INTRUDE: errno %d\n", came_back);
		ck_assert_str_eq(vm.errors, line);
		ck_assert_int_eq(vm.status, JAIL_ATTEMPTED);
	} else {
		snprintf(line, sizeof(line), ") is not for a thread of the role %s\n",
			 roles[role].name);
		ck_assert_msg(strncmp(vm.errors, "vmm: jail: system call ", 23) == 0 &&
				      strstr(vm.errors, line),
			      "%s %s: %s", roles[role].intruder, action, vm.errors);
		ck_assert_int_eq(vm.status, 159);
	}
	ck_assert_int_eq(access(disk, F_OK), 0);
}
END_TEST

/* The attempts are such that they succeed where nothing hinders them. */
START_TEST(test_attempts_without_jail)
{
	enum role role = (enum role)(_i / ACTIONS);
	const char *action = actions[_i % ACTIONS];

	NEED_KVM();
	if (role == NET && !has_user_net())
		TEST_SKIP("no libslirp");
	intrude(role, action, "--no-jail");
	if (strcmp(action, "exec") == 0) {
		ck_assert_int_eq(vm.status, 1);
		ck_assert_str_eq(vm.errors, "");
		return;
	}
	ck_assert_int_eq(vm.status, JAIL_ATTEMPTED);
	/* Who may trace whom is the host's to say. */
	if (strcmp(action, "ptrace") != 0)
		ck_assert_str_eq(vm.errors, "INTRUDE: errno 0\n");
	ck_assert_int_eq(access(disk, F_OK), strcmp(action, "unlink") == 0 ? -1 : 0);
}
END_TEST

/* Who dies of the jail leaves the terminal as it was. */
START_TEST(test_terminal)
{
	struct termios before, after;

	NEED_KVM();
	ck_assert_int_eq(setenv("INTRUDE", "vcpu exec", 1), 0);
	ck_assert_int_eq(setenv("LD_PRELOAD", built("tests/libintrude.so"), 1), 0);
	vm_start_on_terminal(&vm, ARGS(tiny("halt"), "--flat", "0x1000"));
	ck_assert_int_eq(tcgetattr(vm.terminal, &before), 0);
	ck_assert_int_eq(vm_wait(&vm), 159);
	ck_assert_int_eq(tcgetattr(vm.terminal, &after), 0);
	ck_assert_uint_eq(after.c_lflag & (ICANON | ECHO | ISIG), ICANON | ECHO | ISIG);
	close(vm.terminal);
	close(vm.out);
}
END_TEST

/* --- from outside --------------------------------------------------------------------------------- */

static void check_line(const char *path, const char *status, const char *key, const char *value)
{
	char line[64];

	snprintf(line, sizeof(line), "\n%s:\t%s\n", key, value);
	ck_assert_msg(strstr(status, line), "%s: no %s in\n%s", path, line + 1, status);
}

static void read_text(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	ssize_t n = 1;

	ck_assert_msg(fd >= 0, "%s: %s", path, strerror(errno));
	while (len + 1 < size && n > 0) {
		n = read(fd, text + len, size - 1 - len);
		len += n > 0 ? (size_t)n : 0;
	}
	text[len] = '\0';
	close(fd);
}

/* Every thread there is; their number. */
static unsigned int check_threads(bool jailed)
{
	static const char *const sets[] = {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"};
	char path[512], status[8192];
	const struct dirent *entry;
	unsigned int count = 0;
	DIR *tasks;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)vm.pid);
	tasks = opendir(path);
	ck_assert_ptr_nonnull(tasks);
	while ((entry = readdir(tasks))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/%d/task/%s/status", (int)vm.pid, entry->d_name);
		read_text(path, status, sizeof(status));
		/* Workers of io_uring are the kernel's: they make no system calls. */
		if (strstr(status, "Name:\tiou-"))
			continue;
		count++;
		check_line(path, status, "NoNewPrivs", jailed ? "1" : "0");
		check_line(path, status, "Seccomp", jailed ? "2" : "0");
		for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]) && jailed; i++) {
			/* Who may not change the bounding set has none of it. */
			if (geteuid() == 0 || strcmp(sets[i], "CapBnd") != 0)
				check_line(path, status, sets[i], "0000000000000000");
		}
	}
	closedir(tasks);
	return count;
}

static void stop(void)
{
	kill(vm.pid, SIGINT);
	ck_assert_int_eq(vm_wait(&vm), 128 + SIGINT);
}

START_TEST(test_threads)
{
	const char *jail = _i ? "--no-jail" : "--stats";
	char words[128];

	NEED_KVM();
	snprintf(words, sizeof(words), "%s,aio=threads", disk);
	/* The main thread, a vCPU, a disk's thread, the network's. */
	vm_start(&vm, has_user_net() ? ARGS(tiny("halt"), "--flat=0x1000", jail, "--disk", words,
					    "--net", "user")
				     : ARGS(tiny("halt"), "--flat=0x1000", jail, "--disk", words));
	vm_expect_output(&vm, "h");
	ck_assert_uint_ge(check_threads(!_i), has_user_net() ? 4 : 3);
	stop();
}
END_TEST

/* What is open once the guest runs, by the beginning of its name; the least and the most. */
static const struct {
	const char *name;
	unsigned int least, most;
} descriptors[] = {
	{"pipe:", 3, 3},
	{"anon_inode:[eventfd]", 1, 40},
	{"anon_inode:[eventpoll]", 1, 2},
	{"anon_inode:kvm-vm", 1, 1},
	{"anon_inode:kvm-vcpu", 1, 1},
	{"anon_inode:[io_uring]", 0, 1},
	{"/dev/kvm", 0, 1},
	{"/tmp/test-jail.", 1, 2}, /* the disk */
	{"socket:", 1, 1},         /* the vsock device listens */
	{"KERNEL", 0, 1},          /* kept for a restart */
};

#define KINDS (sizeof(descriptors) / sizeof(descriptors[0]))

START_TEST(test_descriptors)
{
	unsigned int count[KINDS] = {0};
	char path[300], name[512], socket[128], kernel[PATH_MAX];
	const struct dirent *entry;
	bool again = _i == 0; /* a guest that may restart */
	DIR *fds;

	NEED_KVM();
	ck_assert_ptr_nonnull(realpath(tiny("halt"), kernel));
	snprintf(socket, sizeof(socket), "%s/vsock", directory);
	/* One that closes on exec() never gets there; these do. */
	ck_assert_int_ge(open("/etc/passwd", O_RDONLY), 0);
	ck_assert_int_ge(dup2(STDERR_FILENO, 200), 0);
	vm_start(&vm, ARGS(tiny("halt"), "--flat=0x1000", again ? "--jail" : "--no-reboot",
			   "--disk", disk, "--vsock", socket));
	vm_expect_output(&vm, "h");
	snprintf(path, sizeof(path), "/proc/%d/fd", (int)vm.pid);
	fds = opendir(path);
	ck_assert_ptr_nonnull(fds);
	while ((entry = readdir(fds))) {
		ssize_t len = readlinkat(dirfd(fds), entry->d_name, name, sizeof(name) - 1);
		size_t kind = 0;

		if (len < 0)
			continue;
		name[len] = '\0';
		if (strcmp(name, kernel) == 0)
			snprintf(name, sizeof(name), "KERNEL");
		while (kind < KINDS &&
		       strncmp(name, descriptors[kind].name, strlen(descriptors[kind].name)) != 0)
			kind++;
		ck_assert_msg(kind < KINDS, "descriptor %s is %s", entry->d_name, name);
		count[kind]++;
	}
	closedir(fds);
	for (size_t i = 0; i < KINDS; i++)
		ck_assert_msg(count[i] >= descriptors[i].least && count[i] <= descriptors[i].most,
			      "%u of %s", count[i], descriptors[i].name);
	/* Without a restart neither of them is needed. */
	for (size_t i = 0; i < KINDS; i++) {
		if (strcmp(descriptors[i].name, "/dev/kvm") == 0 ||
		    strcmp(descriptors[i].name, "KERNEL") == 0)
			ck_assert_uint_eq(count[i], again ? 1 : 0);
	}
	stop();
	/* The end of the machine removed it, by the one right that Landlock left. */
	ck_assert_int_eq(access(socket, F_OK), -1);
}
END_TEST

START_TEST(test_namespaces)
{
	static const char *const names[] = {"ipc", "uts", "cgroup"};
	char path[64], ours[64], theirs[64];

	NEED_KVM();
	vm_start(&vm, ARGS(tiny("halt"), "--flat=0x1000", "--jail"));
	vm_expect_output(&vm, "h");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		ssize_t len;

		snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)vm.pid, names[i]);
		len = readlink(path, theirs, sizeof(theirs) - 1);
		ck_assert_int_gt(len, 0);
		theirs[len] = '\0';
		snprintf(path, sizeof(path), "/proc/self/ns/%s", names[i]);
		len = readlink(path, ours, sizeof(ours) - 1);
		ck_assert_int_gt(len, 0);
		ours[len] = '\0';
		ck_assert_str_ne(ours, theirs);
	}
	stop();
}
END_TEST

/* Memory of each kind is left out of core files: all mappings of the region's size say "dd". */
START_TEST(test_core)
{
	static const char *const regions[] = {"--region=0:48M", "--region=0:48M,memfd"};
	static char maps[256 * 1024];
	char path[64];
	unsigned int found = 0;

	NEED_KVM();
	vm_start(&vm, ARGS(tiny("halt"), "--flat=0x1000", regions[_i]));
	vm_expect_output(&vm, "h");
	snprintf(path, sizeof(path), "/proc/%d/smaps", (int)vm.pid);
	read_text(path, maps, sizeof(maps));
	for (const char *at = maps; (at = strstr(at, "\nSize:              49152 kB\n")); at++) {
		const char *flags = strstr(at, "VmFlags:");

		ck_assert_ptr_nonnull(flags);
		ck_assert_msg(strstr(flags, " dd") && strstr(flags, " dd") < strchr(flags, '\n'),
			      "%.300s", flags);
		found++;
	}
	ck_assert_uint_eq(found, 1);
	stop();
}
END_TEST

/* --- restart, other users ---------------------------------------------------------------------------- */

static void copy(const char *from, const char *to, mode_t mode)
{
	static char data[65536];
	int in = open(from, O_RDONLY | O_CLOEXEC),
	    out = open(to, O_WRONLY | O_CREAT | O_CLOEXEC, mode);
	ssize_t n;

	ck_assert_int_ge(in, 0);
	ck_assert_int_ge(out, 0);
	while ((n = read(in, data, sizeof(data))) > 0)
		ck_assert_int_eq(write(out, data, (size_t)n), n);
	close(in);
	close(out);
}

/* A restart loads a kernel that is not where it was any more. */
START_TEST(test_restart)
{
	char kernel[128], region[160];

	NEED_KVM();
	snprintf(kernel, sizeof(kernel), "%s/kernel", directory);
	snprintf(region, sizeof(region), "--region=0x20000:4K,file=%s", disk);
	copy(tiny("restart"), kernel, 0600);
	/* The monitor opens it before the guest's first output, and waits for a reader of that. */
	vm_start(&vm, ARGS(kernel, "--flat", "0x1000", "--region", "0:64K", "--region",
			   "0x10000:64K", region, "--region", "0x21000:60K"));
	vm_expect_output(&vm, "1");
	unlink(kernel);
	ck_assert_msg(vm_wait(&vm) == 0, "%s", vm.errors);
	ck_assert_str_eq(vm.output, "1234\n");
}
END_TEST

/* The rest of this process's life is somebody else's, with a descriptor of what he may not open. */
START_TEST(test_not_root)
{
	char option[32], vmm[128], guest[128];
	int kvm;

	NEED_KVM();
	if (geteuid() != 0)
		TEST_SKIP("not root, as all other tests here");
	kvm = open("/dev/kvm", O_RDWR);
	ck_assert_int_ge(kvm, 0);
	snprintf(option, sizeof(option), "--kvm=fd:%d", kvm);
	/* Where the build is may be out of reach. */
	ck_assert_int_eq(chmod(directory, 0755), 0);
	snprintf(vmm, sizeof(vmm), "%s/vmm", directory);
	snprintf(guest, sizeof(guest), "%s/guest", directory);
	copy(built("vmm"), vmm, 0755);
	copy(tiny("halt"), guest, 0644);
	ck_assert_int_eq(chmod(vmm, 0755) | chmod(guest, 0644), 0);
	ck_assert_int_eq(setgroups(0, NULL), 0);
	ck_assert_int_eq(setresgid(NOBODY, NOBODY, NOBODY), 0);
	ck_assert_int_eq(setresuid(NOBODY, NOBODY, NOBODY), 0);
	ck_assert_int_eq(setenv("VMM_BUILD", directory, 1), 0);
	vm_start(&vm, ARGS(guest, "--flat=0x1000", option));
	vm_expect_output(&vm, "h");
	/* KVM may have a thread of its own in the process. */
	ck_assert_uint_ge(check_threads(true), 2);
	stop();
}
END_TEST

static void remove_copies(void)
{
	static const char *const names[] = {"vmm", "guest", "kernel"};
	char path[128];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
		unlink(path);
	}
	remove_disk();
}

Suite *jail_suite(void)
{
	Suite *suite = suite_create("jail");
	TCase *tc = tcase_create("jail");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, make_disk, remove_copies);
	tcase_add_loop_test(tc, test_attempts, 0, ROLES * ACTIONS);
	tcase_add_loop_test(tc, test_attempts_without_jail, 0, ROLES * ACTIONS);
	tcase_add_test(tc, test_terminal);
	tcase_add_loop_test(tc, test_threads, 0, 2);
	tcase_add_loop_test(tc, test_descriptors, 0, 2);
	tcase_add_test(tc, test_namespaces);
	tcase_add_loop_test(tc, test_core, 0, 2);
	tcase_add_test(tc, test_restart);
	tcase_add_test(tc, test_not_root);
	suite_add_tcase(suite, tc);
	return suite;
}
