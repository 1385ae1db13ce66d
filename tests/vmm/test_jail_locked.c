/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * A process that locks itself down as the monitor does, with a thread of each role that attempts
 * what it may not: the jail without KVM. tests/kvm/test_jail.c has the monitor with a guest.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "devices/confine.h"
#include "tests/jail/actions.h"
#include "tests/runner.h"
#include "tests/vmm/suites.h"
#include "vmm/jail-files.h"
#include "vmm/jail.h"

static const char *const actions[] = JAIL_ACTIONS;

#define ACTIONS   ((int)(sizeof(actions) / sizeof(actions[0])))
#define TRAPPED   159
#define NOT_READY 90 /* the jail could not be entered */

static const char *const role_names[JAIL_ROLES] = {"vcpu", "loop", "loop", "disk engine", "net-user"};

/* What a locked process is to do, in a thread of a role. */
struct victim {
	enum jail_role role;
	const char *action;
	const char *path;
	char said[512];
	int status;
};

static char path[] = "/tmp/vmm-test-jail-XXXXXX";

static void set_up(void)
{
	int fd = mkstemp(path);

	ck_assert_int_ge(fd, 0);
	close(fd);
}

static void tear_down(void)
{
	unlink(path);
}

/* --- in the process that is locked down ------------------------------------------------------------ */

static void *thread(void *arg)
{
	const struct victim *victim = arg;

	if (victim->role == JAIL_VCPU)
		jail_vcpu();
	else if (victim->role == JAIL_IO || victim->role == JAIL_NET)
		confine_enter(victim->role == JAIL_IO ? CONFINE_IO : CONFINE_NET);
	jail_attempt(victim->action, victim->path);
	return NULL;
}

static _Noreturn void be_locked(struct victim *victim)
{
	struct report report;
	pthread_t id;

	if (jail_begin(JAIL_DEFAULT, &report))
		_exit(NOT_READY);
	if (victim->role == JAIL_LOOP_VSOCK)
		confine_will_connect();
	/* Threads of devices are there before the lock, those of vCPUs come from behind it. */
	if (victim->role == JAIL_IO || victim->role == JAIL_NET) {
		pthread_create(&id, NULL, thread, victim);
		pthread_join(id, NULL);
	}
	if (jail_lock(&report))
		_exit(NOT_READY);
	if (victim->role == JAIL_VCPU) {
		pthread_create(&id, NULL, thread, victim);
		pthread_join(id, NULL);
	}
	thread(victim);
	_exit(NOT_READY);
}

/* --- from outside ----------------------------------------------------------------------------------- */

static void run(struct victim *victim)
{
	size_t len = 0;
	int err[2], status;
	ssize_t n;
	pid_t pid;

	ck_assert_int_eq(pipe2(err, O_CLOEXEC), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		dup2(err[1], STDERR_FILENO);
		be_locked(victim);
	}
	close(err[1]);
	while ((n = read(err[0], victim->said + len, sizeof(victim->said) - 1 - len)) > 0)
		len += (size_t)n;
	victim->said[len] = '\0';
	close(err[0]);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	victim->status = WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static bool has_filters(void)
{
	const unsigned int action = SECCOMP_RET_TRAP;

	return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

START_TEST(attempts_are_not_made)
{
	struct victim victim = {.role = (enum jail_role)(_i / ACTIONS),
				.action = actions[_i % ACTIONS],
				.path = path};
	bool is_net = victim.role == JAIL_NET && strcmp(victim.action, "open") == 0;
	bool is_loop = (victim.role == JAIL_LOOP || victim.role == JAIL_LOOP_VSOCK) &&
		       strcmp(victim.action, "unlink") == 0;
	char line[64];

	if (!has_filters())
		TEST_SKIP("this kernel has no system call filters");
	/* What the filter lets through for one file, Landlock keeps from all others. */
	if ((is_net || is_loop) && jail_landlock_version() <= 0)
		TEST_SKIP("this kernel has no Landlock");
	run(&victim);
	if (is_net || is_loop) {
		snprintf(line, sizeof(line), "INTRUDE: errno %d\n", EACCES);
		ck_assert_str_eq(victim.said, line);
	} else {
		snprintf(line, sizeof(line), ") is not for a thread of the role %s\n",
			 role_names[victim.role]);
		ck_assert_msg(victim.status == TRAPPED &&
				      strncmp(victim.said, "vmm: jail: system call ", 23) == 0 &&
				      strstr(victim.said, line),
			      "%s %s: status %d: %s", role_names[victim.role], victim.action,
			      victim.status, victim.said);
	}
	ck_assert_int_eq(access(path, F_OK), 0);
}
END_TEST

/* The attempts are such that they succeed where nothing hinders them. */
START_TEST(attempts_succeed_without)
{
	const char *action = actions[_i];
	pid_t pid;
	int status;

	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		/* Its error number is said there. */
		if (dup2(open(path, O_WRONLY | O_APPEND), STDERR_FILENO) < 0)
			_exit(NOT_READY);
		jail_attempt(action, path);
		_exit(NOT_READY);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	if (strcmp(action, "exec") == 0) {
		ck_assert_int_eq(WEXITSTATUS(status), 1);
		return;
	}
	ck_assert_int_eq(WEXITSTATUS(status), JAIL_ATTEMPTED);
	ck_assert_int_eq(access(path, F_OK), strcmp(action, "unlink") == 0 ? -1 : 0);
}
END_TEST

/* What /proc says of a process once it is locked down. */
static void check_status(pid_t pid)
{
	static const char *const lines[] = {
		"\nNoNewPrivs:\t1\n",
		"\nSeccomp:\t2\n",
		"\nCapEff:\t0000000000000000\n",
		"\nCapPrm:\t0000000000000000\n",
		"\nCapInh:\t0000000000000000\n",
		"\nCapAmb:\t0000000000000000\n",
	};
	char name[64], text[8192];
	FILE *file;
	size_t len;

	snprintf(name, sizeof(name), "/proc/%d/status", (int)pid);
	file = fopen(name, "re");
	ck_assert_ptr_nonnull(file);
	len = fread(text, 1, sizeof(text) - 1, file);
	text[len] = '\0';
	fclose(file);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		ck_assert_msg(strstr(text, lines[i]), "no %s in %s", lines[i] + 1, text);
	/* Open: standard input, output and error, and no other. */
	for (int fd = 0; fd < 64; fd++) {
		snprintf(name, sizeof(name), "/proc/%d/fd/%d", (int)pid, fd);
		ck_assert_msg((readlink(name, text, sizeof(text)) >= 0) == (fd <= STDERR_FILENO),
			      "%s", name);
	}
}

START_TEST(nothing_is_left_to_it)
{
	struct report report;
	int hello[2], status;
	pid_t pid;
	char byte;

	if (!has_filters())
		TEST_SKIP("this kernel has no system call filters");
	/* The word that it is locked comes through standard output. */
	ck_assert_int_eq(pipe2(hello, O_CLOEXEC), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		dup2(hello[1], STDOUT_FILENO);
		closefrom(3);
		/* Those of an exec(), which jail_lock() closes. */
		dup2(STDIN_FILENO, 7);
		dup2(STDIN_FILENO, 50);
		if (jail_begin(JAIL_DEFAULT, &report) || jail_lock(&report))
			_exit(NOT_READY);
		if (write(STDOUT_FILENO, "!", 1) == 1)
			while (read(STDIN_FILENO, &byte, 1) != -2)
				poll(NULL, 0, 1000);
		_exit(NOT_READY);
	}
	close(hello[1]);
	ck_assert_int_eq(read(hello[0], &byte, 1), 1);
	check_status(pid);
	kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFSIGNALED(status));
	close(hello[0]);
}
END_TEST

/* Builds with sanitizers have no jail. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HAVE_JAIL 0
#else
#define HAVE_JAIL 1
#endif

Suite *suite_jail_locked(void)
{
	Suite *suite = suite_create("jail-locked");
	TCase *tcase = tcase_create("jail-locked");

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_loop_test(tcase, attempts_are_not_made, 0, HAVE_JAIL * JAIL_ROLES * ACTIONS);
	tcase_add_loop_test(tcase, attempts_succeed_without, 0, ACTIONS);
	if (HAVE_JAIL)
		tcase_add_test(tcase, nothing_is_left_to_it);
	suite_add_tcase(suite, tcase);
	return suite;
}
