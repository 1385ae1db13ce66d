/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The life of a vCPU: making it, its thread, and getting it to stop. What its exits mean is
 * exits.c's, the registers it starts with registers.c's.
 */
#include "vmm/vcpu.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "devices/clock.h"
#include "devices/probes.h"
#include "vmm/cpuid.h"
#include "vmm/exits.h"
#include "vmm/jail.h"

/* How long to wait for a vCPU before it is kicked again. */
#define KICK_INTERVAL_NS 5000000L

int vcpu_create(struct vcpu *vcpu, const struct vcpu_env *env, unsigned int index,
		unsigned int count, struct report *report)
{
	vcpu->env = env;
	vcpu->index = index;
	vcpu->run = MAP_FAILED;
	vcpu->asked = 0;
	vcpu->place = VCPU_ENDED;
	vcpu->fd = ioctl(env->kvm->vm, KVM_CREATE_VCPU, index);
	if (vcpu->fd < 0)
		return report_fail(report, REPORT_HOST, "KVM_CREATE_VCPU: %s", strerror(errno));
	vcpu->run = mmap(NULL, env->kvm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);
	if (vcpu->run == MAP_FAILED)
		return report_fail(report, REPORT_HOST, "vcpu %u: mmap: %s", index, strerror(errno));
	if (cpuid_set(env->kvm, vcpu->fd, index, count, report))
		return -1;
	return vcpu_set_msrs(vcpu, report);
}

void vcpu_destroy(struct vcpu *vcpu)
{
	if (vcpu->run != MAP_FAILED)
		munmap(vcpu->run, vcpu->env->kvm->run_size);
	if (vcpu->fd >= 0)
		close(vcpu->fd);
}

/* --- the thread ------------------------------------------------------------------------------- */

static void futex_wake(uint32_t *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

/* Wait until *@word may be something else than @value, at most until @timeout (or NULL). */
static void futex_wait(uint32_t *word, uint32_t value, const struct timespec *timeout)
{
	syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, timeout, NULL, 0);
}

static void set_place(struct vcpu *vcpu, enum vcpu_place place)
{
	__atomic_store_n(&vcpu->place, place, __ATOMIC_SEQ_CST);
	futex_wake(&vcpu->place);
}

/* What is asked if it is to park, or 0. */
static uint32_t asked_to_park(const struct vcpu *vcpu)
{
	uint32_t asked = __atomic_load_n(&vcpu->asked, __ATOMIC_SEQ_CST);

	return asked & VCPU_ASK_STOP ? 0 : asked;
}

/* Asked anew on its way back, it is seen in the guest and waited for, or sees that itself. */
static void park(struct vcpu *vcpu)
{
	do {
		uint32_t asked;

		set_place(vcpu, VCPU_PARKED);
		while ((asked = asked_to_park(vcpu)))
			futex_wait(&vcpu->asked, asked, NULL);
		set_place(vcpu, VCPU_RUNS);
	} while (asked_to_park(vcpu));
}

/*
 * Do what was asked; returns whether to enter KVM_RUN. An access that ended KVM_RUN is part of an
 * instruction until KVM_RUN is entered again; with immediate_exit set, which it is while something
 * is asked, that is all it does, and says EINTR. Until then the vCPU is not @settled and goes round
 * once more.
 */
static bool answer(struct vcpu *vcpu, bool settled)
{
	if (settled && asked_to_park(vcpu)) {
		park(vcpu);
		vcpu->entered = 0;
	}
	return !(__atomic_load_n(&vcpu->asked, __ATOMIC_SEQ_CST) & VCPU_ASK_STOP);
}

/* Run the guest until it exits. 0, or an error number. */
static int enter(struct vcpu *vcpu)
{
	int err;

	PROBE_VCPU_ENTER(vcpu->index);
	err = ioctl(vcpu->fd, KVM_RUN, 0) ? errno : 0;
	PROBE_VCPU_EXIT(vcpu->index, vcpu->run->exit_reason);
	return err;
}

/* The same and what comes of it, which says whether to go on. */
static bool turn(struct vcpu *vcpu, int *err)
{
	*err = enter(vcpu);
	return *err ? exits_failed(vcpu, *err) : exits_handle(vcpu);
}

/* The same, with the time of either: where one ends the other begins. */
static bool timed_turn(struct vcpu *vcpu, int *err)
{
	uint64_t entered = vcpu->entered ? vcpu->entered : clock_ns(CLOCK_MONOTONIC), left;
	unsigned int slot;
	bool goes_on;

	*err = enter(vcpu);
	left = clock_ns(CLOCK_MONOTONIC);
	vcpu_count(&vcpu->counts.inside, left - entered);
	slot = vcpu_exit_slot(vcpu->run->exit_reason);
	goes_on = *err ? exits_failed(vcpu, *err) : exits_handle(vcpu);
	vcpu->entered = clock_ns(CLOCK_MONOTONIC);
	if (!*err)
		vcpu_count(&vcpu->counts.handled[slot], vcpu->entered - left);
	return goes_on;
}

static void begin_thread(struct vcpu *vcpu)
{
	clockid_t clock;

	if (pthread_getcpuclockid(pthread_self(), &clock) == 0)
		__atomic_store_n(&vcpu->cpu_clock, clock, __ATOMIC_RELAXED);
	vcpu->entered = 0;
	jail_vcpu();
}

static void end_thread(struct vcpu *vcpu)
{
	__atomic_store_n(&vcpu->cpu_at_end, clock_ns(CLOCK_THREAD_CPUTIME_ID), __ATOMIC_RELEASE);
	set_place(vcpu, VCPU_ENDED);
}

static void *vcpu_thread(void *arg)
{
	struct vcpu *vcpu = arg;
	bool settled = true;

	begin_thread(vcpu);
	while (!__atomic_load_n(&vcpu->asked, __ATOMIC_ACQUIRE) || answer(vcpu, settled)) {
		int err;

		if (!(vcpu->timed ? timed_turn(vcpu, &err) : turn(vcpu, &err)))
			break;
		settled = err == EINTR;
	}
	end_thread(vcpu);
	return NULL;
}

/* The kick only has to interrupt a system call. */
static void kicked(int signal)
{
	(void)signal;
}

/* Signals from outside are the main thread's; faults stay where they happen. */
static int block_signals(pthread_attr_t *attr)
{
	static const int own[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP, SIGSYS};
	sigset_t set;

	sigfillset(&set);
	sigdelset(&set, SIGRTMIN);
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		sigdelset(&set, own[i]);
	return pthread_attr_setsigmask_np(attr, &set);
}

int vcpu_start(struct vcpu *vcpu, struct report *report)
{
	struct sigaction action = {.sa_handler = kicked};
	pthread_attr_t attr;
	int err;

	if (sigaction(SIGRTMIN, &action, NULL))
		return report_fail(report, REPORT_HOST, "sigaction: %s", strerror(errno));
	err = pthread_attr_init(&attr);
	if (err)
		return report_fail(report, REPORT_HOST, "vcpu %u: thread: %s", vcpu->index,
				   strerror(err));
	err = block_signals(&attr);
	vcpu->place = VCPU_RUNS;
	vcpu->cpu_clock = 0;
	vcpu->cpu_at_end = 0;
	if (!err)
		err = pthread_create(&vcpu->thread, &attr, vcpu_thread, vcpu);
	pthread_attr_destroy(&attr);
	if (err) {
		vcpu->place = VCPU_ENDED;
		return report_fail(report, REPORT_HOST, "vcpu %u: thread: %s", vcpu->index,
				   strerror(err));
	}
	vcpu->started = true;
	return 0;
}

void vcpu_ask(struct vcpu *vcpu, enum vcpu_ask ask)
{
	__atomic_fetch_or(&vcpu->asked, ask, __ATOMIC_SEQ_CST);
	/* One that could not be made has none. */
	if (vcpu->run != MAP_FAILED)
		__atomic_store_n(&vcpu->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
	futex_wake(&vcpu->asked);
}

/* Whoever asks for something meanwhile sets immediate_exit after it, or is seen here. */
void vcpu_unask(struct vcpu *vcpu, enum vcpu_ask ask)
{
	if (__atomic_and_fetch(&vcpu->asked, ~(uint32_t)ask, __ATOMIC_SEQ_CST) == 0 &&
	    vcpu->run != MAP_FAILED) {
		__atomic_store_n(&vcpu->run->immediate_exit, 0, __ATOMIC_SEQ_CST);
		if (__atomic_load_n(&vcpu->asked, __ATOMIC_SEQ_CST))
			__atomic_store_n(&vcpu->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
	}
	futex_wake(&vcpu->asked);
}

void vcpu_leave(struct vcpu *vcpu)
{
	vcpu_ask(vcpu, VCPU_ASK_STOP);
}

void vcpu_wait_parked(struct vcpu *vcpu)
{
	const struct timespec interval = {.tv_nsec = KICK_INTERVAL_NS};

	while (__atomic_load_n(&vcpu->place, __ATOMIC_SEQ_CST) == VCPU_RUNS) {
		pthread_kill(vcpu->thread, SIGRTMIN);
		futex_wait(&vcpu->place, VCPU_RUNS, &interval);
	}
}

/*
 * A vCPU that is on its way into KVM_RUN sees immediate_exit, one inside sees the signal; one on
 * its way into a blocking write(2) sees neither, therefore the signal is repeated.
 */
void vcpu_stop(struct vcpu *vcpu)
{
	struct timespec until;

	if (!vcpu->started)
		return;
	vcpu_leave(vcpu);
	do {
		pthread_kill(vcpu->thread, SIGRTMIN);
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += KICK_INTERVAL_NS;
		if (until.tv_nsec >= 1000000000L) {
			until.tv_nsec -= 1000000000L;
			until.tv_sec++;
		}
	} while (pthread_timedjoin_np(vcpu->thread, NULL, &until) == ETIMEDOUT);
	vcpu->started = false;
	vcpu->counts.cpu += vcpu->cpu_at_end;
}

/* --- what it did -------------------------------------------------------------------------------- */

/* Processor time of a thread that may be about to end; its clock goes with it. */
static uint64_t cpu_time(const struct vcpu *vcpu)
{
	clockid_t clock = __atomic_load_n(&vcpu->cpu_clock, __ATOMIC_RELAXED);
	uint64_t time = __atomic_load_n(&vcpu->cpu_at_end, __ATOMIC_ACQUIRE);

	if (!time && clock)
		time = clock_ns(clock);
	return time ? time : __atomic_load_n(&vcpu->cpu_at_end, __ATOMIC_ACQUIRE);
}

void vcpu_read_counts(const struct vcpu *vcpu, struct vcpu_counts *out)
{
	const struct vcpu_counts *counts = &vcpu->counts;

	for (unsigned int i = 0; i < VCPU_EXIT_REASONS; i++) {
		out->exits[i] = __atomic_load_n(&counts->exits[i], __ATOMIC_RELAXED);
		out->handled[i] = __atomic_load_n(&counts->handled[i], __ATOMIC_RELAXED);
	}
	out->inside = __atomic_load_n(&counts->inside, __ATOMIC_RELAXED);
	out->cpu = counts->cpu + (vcpu->started ? cpu_time(vcpu) : 0);
}
