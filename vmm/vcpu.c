/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The life of a vCPU: making it, its thread, and getting it to stop. What its exits mean is
 * exits.c's, the registers it starts with registers.c's.
 */
#include "vmm/vcpu.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "vmm/cpuid.h"
#include "vmm/exits.h"

/* How long to wait for a vCPU before it is kicked again. */
#define KICK_INTERVAL_NS 5000000L

int vcpu_create(struct vcpu *vcpu, const struct vcpu_env *env, unsigned int index,
		unsigned int count, struct report *report)
{
	vcpu->env = env;
	vcpu->index = index;
	vcpu->run = MAP_FAILED;
	vcpu->stop = false;
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

static void *vcpu_thread(void *arg)
{
	struct vcpu *vcpu = arg;

	while (!__atomic_load_n(&vcpu->stop, __ATOMIC_ACQUIRE)) {
		int err = ioctl(vcpu->fd, KVM_RUN, 0) ? errno : 0;

		if (!(err ? exits_failed(vcpu, err) : exits_handle(vcpu)))
			break;
	}
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
	static const int own[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP};
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
	if (!err)
		err = pthread_create(&vcpu->thread, &attr, vcpu_thread, vcpu);
	pthread_attr_destroy(&attr);
	if (err)
		return report_fail(report, REPORT_HOST, "vcpu %u: thread: %s", vcpu->index,
				   strerror(err));
	vcpu->started = true;
	return 0;
}

void vcpu_leave(struct vcpu *vcpu)
{
	__atomic_store_n(&vcpu->stop, true, __ATOMIC_RELEASE);
	/* One that could not be made has none. */
	if (vcpu->run != MAP_FAILED)
		__atomic_store_n(&vcpu->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
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
}
