/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Reading the plan, deciding, and the log. Nothing here allocates: it is asked about allocations. */
#include "tests/faults/plan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define RULES_MAX 16
#define FDS_MAX   256

enum when {
	WHEN_NTH,
	WHEN_FROM,
	WHEN_EVERY,
	WHEN_PERCENT,
};

/* Set before main(); the counters are atomic. */
static struct rule {
	enum fault_call call;
	char descriptor[32]; /* empty: any */
	enum when when;
	unsigned long n;
	int what;
	unsigned long seen;
	unsigned long failed;
} rules[RULES_MAX];

static unsigned int rule_count;
static uint64_t seed = 1;
static long allocations; /* atomic */

static const char *const calls[FAULT_CALLS] = {
	[FAULT_ALLOC] = "alloc", [FAULT_MAP] = "map",       [FAULT_OPEN] = "open",
	[FAULT_FD] = "fd",       [FAULT_SOCKET] = "socket", [FAULT_READ] = "read",
	[FAULT_WRITE] = "write", [FAULT_SYNC] = "sync",     [FAULT_SIZE] = "size",
	[FAULT_EPOLL] = "epoll", [FAULT_WAIT] = "wait",     [FAULT_THREAD] = "thread",
	[FAULT_KVM] = "kvm",     [FAULT_RUN] = "run",       [FAULT_URING] = "uring",
};

static const char *const whens[] = {"nth", "from", "every", "percent"};

static const struct {
	const char *name;
	int what;
} whats[] = {
	{"short", FAULT_SHORT}, {"EIO", EIO},       {"ENOSPC", ENOSPC},         {"EINTR", EINTR},
	{"EAGAIN", EAGAIN},     {"ENOMEM", ENOMEM}, {"EMFILE", EMFILE},         {"EINVAL", EINVAL},
	{"EPERM", EPERM},       {"ENOSYS", ENOSYS}, {"ECONNRESET", ECONNRESET}, {"EBUSY", EBUSY},
	{"EFAULT", EFAULT},     {"EPIPE", EPIPE},
};

/* A plan that is not understood must not look like one under which nothing fails. */
static void wrong(const char *text)
{
	fprintf(stderr, "FAULT: '%s' is not understood\n", text);
	_exit(125);
}

static unsigned int find(const char *word, const char *const *names, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		if (strcmp(word, names[i]) == 0)
			return i;
	}
	wrong(word);
	return 0;
}

static void parse_rule(char *text)
{
	struct rule *rule = &rules[rule_count];
	char *call = strsep(&text, " "), *when = strsep(&text, " "), *what = text;
	char *descriptor = strchr(call, '@'), *number = when ? strchr(when, '=') : NULL;

	if (!number || !what || rule_count == RULES_MAX)
		wrong(call);
	if (descriptor) {
		*descriptor++ = '\0';
		snprintf(rule->descriptor, sizeof(rule->descriptor), "%s", descriptor);
	}
	*number++ = '\0';
	rule->n = strtoul(number, NULL, 10);
	rule->call = find(call, calls, FAULT_CALLS);
	rule->when = find(when, whens, sizeof(whens) / sizeof(whens[0]));
	for (size_t i = 0; i < sizeof(whats) / sizeof(whats[0]); i++) {
		if (strcmp(what, whats[i].name) == 0)
			rule->what = whats[i].what;
	}
	if (!rule->what || !rule->n)
		wrong(what);
	rule_count++;
}

/*
 * The log is opened before the monitor begins, out of the way of its own descriptors: it can open
 * nothing once it is locked down, which tests want to see fail, too.
 */
static int log_fd = -1;

static void open_log(void)
{
	const char *path = getenv("FAULT_LOG");
	long fd = path ? syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, 0600) : -1;

	if (fd < 0)
		return;
	log_fd = (int)syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, FDS_MAX);
	syscall(SYS_close, fd);
}

__attribute__((constructor(101))) static void parse_plan(void)
{
	static char plan[512];
	const char *text = getenv("FAULT"), *chance = getenv("FAULT_SEED");
	char *rest = plan, *rule;

	open_log();
	if (chance)
		seed = strtoull(chance, NULL, 0);
	snprintf(plan, sizeof(plan), "%s", text ? text : "");
	while ((rule = strsep(&rest, ";"))) {
		if (*rule)
			parse_rule(rule);
	}
}

/* splitmix64 of how many calls there were: the same calls in the same order fail again. */
static bool chance(unsigned long n, unsigned long percent)
{
	uint64_t z = seed + n * 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return (z ^ (z >> 31)) % 100 < percent;
}

static bool is_due(const struct rule *rule, unsigned long n)
{
	switch (rule->when) {
	case WHEN_NTH: return n == rule->n;
	case WHEN_FROM: return n >= rule->n;
	case WHEN_EVERY: return n % rule->n == 0;
	case WHEN_PERCENT: return chance(n, rule->n);
	}
	return false;
}

static bool is_about(const struct rule *rule, int fd)
{
	char link[64], name[256];
	ssize_t len;

	if (!rule->descriptor[0])
		return true;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, name, sizeof(name) - 1);
	name[len < 0 ? 0 : len] = '\0';
	return strstr(name, rule->descriptor);
}

int fault_now(enum fault_call call, int fd)
{
	int err = errno, what = FAULT_NOTHING;

	for (struct rule *rule = rules; rule < rules + rule_count && !what; rule++) {
		if (rule->call != call || !is_about(rule, fd))
			continue;
		if (!is_due(rule, __atomic_add_fetch(&rule->seen, 1, __ATOMIC_RELAXED)))
			continue;
		__atomic_add_fetch(&rule->failed, 1, __ATOMIC_RELAXED);
		what = rule->what;
	}
	errno = err;
	return what;
}

bool fault_planned(enum fault_call call)
{
	for (unsigned int i = 0; i < rule_count; i++) {
		if (rules[i].call == call)
			return true;
	}
	return false;
}

void fault_count_allocations(int change)
{
	__atomic_add_fetch(&allocations, change, __ATOMIC_RELAXED);
}

/* By system calls alone, since the library's own are what is being failed. */
__attribute__((destructor)) static void write_log(void)
{
	int open_fds = 0, len = 0;
	char text[512];

	if (log_fd < 0)
		return;
	for (int i = 0; i < FDS_MAX; i++)
		open_fds += syscall(SYS_fcntl, i, F_GETFL) >= 0;
	for (unsigned int i = 0; i < rule_count; i++)
		len += snprintf(text + len, sizeof(text) - (size_t)len, "%lu %lu ", rules[i].seen,
				rules[i].failed);
	len += snprintf(text + len, sizeof(text) - (size_t)len, "%ld %d\n", allocations, open_fds);
	if (syscall(SYS_write, log_fd, text, len) != len)
		_exit(125);
}
