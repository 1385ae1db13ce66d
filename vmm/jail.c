/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Locking the process down, step by step. Capabilities, no_new_privs, Landlock and system call
 * filters belong to threads: what the loop's thread takes from itself its vCPU threads never have,
 * and threads of devices, which are older, take it from themselves.
 *
 * A call that is not allowed ends the process. A signal does that and not the kernel: the kernel
 * would leave a raw terminal behind and not say which call it was. The call is not made either way,
 * also where the handler is another by then.
 */
#include "vmm/jail.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "devices/confine.h"
#include "vmm/jail-files.h"
#include "vmm/jail-filter.h"
#include "vmm/terminal.h"

/* Sanitizers open, map and ask for things of their own whenever they find something. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SANITIZED true
#elif defined(__has_feature)
#define IS_SANITIZED (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#else
#define IS_SANITIZED false
#endif

static struct {
	bool on, strict;
	bool has_landlock, has_filters;
	bool connects; /* a device connects to UNIX sockets */
} jail;                /* constant once the loop's thread is locked down */

static _Thread_local const char *own_role = "unknown";

static const char *const role_names[JAIL_ROLES] = {
	[JAIL_VCPU] = "vcpu",      [JAIL_LOOP] = "loop",    [JAIL_LOOP_VSOCK] = "loop",
	[JAIL_IO] = "disk engine", [JAIL_NET] = "net-user",
};

/* --- a call that is not allowed ------------------------------------------------------------------- */

struct line {
	char text[160];
	size_t len;
};

static void put(struct line *line, const char *text)
{
	while (*text && line->len < sizeof(line->text))
		line->text[line->len++] = *text++;
}

static void put_number(struct line *line, unsigned long n, unsigned int base)
{
	char digits[24], *at = digits + sizeof(digits);

	*--at = '\0';
	do
		*--at = "0123456789abcdef"[n % base];
	while (n /= base);
	put(line, base == 16 ? "0x" : "");
	put(line, at);
}

/* Async-signal-safe: the thread may hold any lock. */
static void on_sigsys(int number, siginfo_t *info, void *context)
{
	const greg_t *registers = ((const ucontext_t *)context)->uc_mcontext.gregs;
	struct line line = {.len = 0};

	put(&line, "vmm: jail: system call ");
	put_number(&line, (unsigned long)info->si_syscall, 10);
	put(&line, "(");
	put_number(&line, (unsigned long)registers[REG_RDI], 16);
	put(&line, ", ");
	put_number(&line, (unsigned long)registers[REG_RSI], 16);
	put(&line, ", ");
	put_number(&line, (unsigned long)registers[REG_RDX], 16);
	put(&line, ") is not for a thread of the role ");
	put(&line, own_role);
	put(&line, "\n");
	terminal_restore();
	if (write(STDERR_FILENO, line.text, line.len) < 0)
		_exit(128 + number);
	_exit(128 + number);
}

static int handle_sigsys(void)
{
	struct sigaction action = {.sa_sigaction = on_sigsys, .sa_flags = SA_SIGINFO};

	sigfillset(&action.sa_mask);
	return sigaction(SIGSYS, &action, NULL);
}

/* A signal that is blocked ends the process without its handler. */
static void unblock_sigsys(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGSYS);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

/* --- steps ---------------------------------------------------------------------------------------- */

/*
 * Those that are left without a process to fork and a path to look up: none of System V's objects,
 * no host name, no control groups to see. A user namespace, which allows the others to whoever may
 * not, is for processes of one thread.
 */
static int leave_namespaces(enum jail_role role)
{
	int flags = CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;

	/* Who can make UNIX sockets could reach those without a path, if Landlock has no word for it. */
	if (!jail.has_filters || (role == JAIL_LOOP_VSOCK && jail_landlock_version() < 6))
		flags |= CLONE_NEWNET;
	return unshare(flags) && unshare(CLONE_NEWUSER | flags) ? -1 : 0;
}

static int close_inherited(enum jail_role role)
{
	(void)role;
	return jail_close_inherited();
}

static int take_no_privileges(enum jail_role role)
{
	(void)role;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

static int drop_capabilities(enum jail_role role)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};

	(void)role;
	/* The bounding set is for exec(), which gains nothing now; who may not change it, need not. */
	for (unsigned long i = 0; prctl(PR_CAPBSET_DROP, i, 0, 0, 0) == 0; i++)
		continue;
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) && errno != EINVAL)
		return -1;
	return (int)syscall(SYS_capset, &header, none);
}

static int restrict_files(enum jail_role role)
{
	return jail.has_landlock ? jail_restrict_files(role) : 0;
}

static int filter_calls(enum jail_role role)
{
	struct sock_filter code[JAIL_FILTER_MAX];
	struct sock_fprog program = {.filter = code};

	if (!jail.has_filters)
		return 0;
	unblock_sigsys();
	program.len = jail_filter(role, (unsigned int)getpid(), code);
	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
}

/* In this order: each is possible only before the next. */
static const struct step {
	const char *what;
	int (*take)(enum jail_role role);
	bool may_fail; /* the host does not have it, or not for this user */
} steps[] = {
	{"/proc/self/fd", close_inherited, true},    {"namespaces", leave_namespaces, true},
	{"no_new_privs", take_no_privileges, false}, {"capset", drop_capabilities, false},
	{"Landlock", restrict_files, false},         {"seccomp", filter_calls, false},
};

#define STEPS (sizeof(steps) / sizeof(steps[0]))
/* Threads of devices start here: what comes before is the whole process's, or is not for them. */
#define THREAD_STEPS 2

static bool is_absence(int err)
{
	return err == ENOENT || err == ENOSYS || err == EPERM || err == EACCES || err == EINVAL ||
	       err == ENOSPC || err == EUSERS;
}

static const struct step *take_steps(size_t first, enum jail_role role)
{
	own_role = role_names[role];
	for (size_t i = first; i < STEPS; i++) {
		if (steps[i].take(role) == 0)
			continue;
		if (jail.strict || !steps[i].may_fail || !is_absence(errno))
			return &steps[i];
		log_line(LOG_LEVEL_DEBUG, "jail: %s: without %s: %s", own_role, steps[i].what,
			 strerror(errno));
	}
	return NULL;
}

/* --- threads -------------------------------------------------------------------------------------- */

/* In a thread, which has nobody to report to. */
static void enter(size_t first, enum jail_role role)
{
	const struct step *failed = jail.on ? take_steps(first, role) : NULL;

	if (!failed)
		return;
	terminal_restore();
	log_line(LOG_LEVEL_ERROR, "jail: %s: %s", failed->what, strerror(errno));
	_exit(REPORT_HOST);
}

static void device_enters(enum confine_role role)
{
	enter(THREAD_STEPS, role == CONFINE_NET ? JAIL_NET : JAIL_IO);
}

static void device_connects(void)
{
	jail.connects = true;
}

static const struct confine_ops confine_ops = {
	.enter = device_enters,
	.will_unlink = jail_will_unlink,
	.will_connect = device_connects,
};

void jail_vcpu(void)
{
	enter(STEPS - 1, JAIL_VCPU);
}

/* --- begin and lock --------------------------------------------------------------------------------- */

static bool has_filters(void)
{
	const unsigned int action = SECCOMP_RET_TRAP;

	return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

int jail_begin(enum jail_mode mode, struct report *report)
{
	if (mode == JAIL_OFF || (IS_SANITIZED && mode != JAIL_STRICT))
		return 0;
	if (IS_SANITIZED)
		return report_fail(report, REPORT_USER,
				   "--jail: not in a build with sanitizers, which open what they "
				   "need when they need it; leave it out");
	jail.on = true;
	jail.strict = mode == JAIL_STRICT;
	jail.has_landlock = jail_landlock_version() > 0;
	jail.has_filters = has_filters();
	if (jail.strict && (!jail.has_landlock || !jail.has_filters))
		return report_fail(report, REPORT_HOST, "--jail: this host's kernel has no %s",
				   jail.has_landlock ? "system call filters (seccomp)" : "Landlock");
	if (handle_sigsys())
		return report_fail(report, REPORT_HOST, "sigaction: %s", strerror(errno));
	confine_by(&confine_ops);
	return 0;
}

int jail_lock(struct report *report)
{
	const struct step *failed;

	if (!jail.on)
		return 0;
	failed = take_steps(0, jail.connects ? JAIL_LOOP_VSOCK : JAIL_LOOP);
	if (failed)
		report_fail(report, REPORT_HOST, "jail: %s: %s; --no-jail does without",
			    failed->what, strerror(errno));
	jail_forget_files();
	return failed ? -1 : 0;
}

void jail_end(void)
{
	jail_forget_files();
}
